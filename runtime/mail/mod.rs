//! The mail host: takes messages in, queues them, delivers them along shaped egress paths, logs each outcome.

pub mod address;
pub mod automation;
pub mod config;
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
pub mod throttle;

pub use address::Address;
pub use message::{Message, MessageId};
pub use rejection::Rejection;
pub use reply::Reply;
pub use scheduling::Schedule;
