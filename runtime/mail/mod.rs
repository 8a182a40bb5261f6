//! The mail host: takes messages in, queues them, delivers them along shaped egress paths, logs each outcome.

pub mod address;
pub mod automation;
pub mod config;
pub mod conformance;
pub mod header;
pub mod hold;
pub mod log;
pub mod lua;
pub mod message;
mod meta;
pub mod queue;
pub mod rejection;
pub mod reply;
pub mod scheduling;
pub mod smtp;
pub mod spool;
pub mod text_part;
pub mod throttle;
pub mod trace;

pub use address::Address;
pub use message::{Message, MessageId};
pub use rejection::Rejection;
pub use reply::Reply;
pub use scheduling::Schedule;
