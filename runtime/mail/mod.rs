//! The mail host: takes messages in, queues them, delivers them along shaped egress paths, logs each outcome.

pub mod address;
pub mod automation;
pub mod config;
pub mod conformance;
pub mod event;
pub mod header;
pub mod hold;
pub mod http;
pub mod inject;
pub mod log;
pub mod lua;
pub mod message;
mod meta;
pub mod queue;
pub mod rejection;
pub mod reply;
pub mod report;
pub mod room;
pub mod scheduling;
pub mod script;
pub mod service;
pub mod smtp;
pub mod spool;
pub mod start;
pub mod text_part;
pub mod throttle;
pub mod trace;
pub mod validate;

pub use address::Address;
pub use message::{Message, MessageId};
pub use rejection::Rejection;
pub use reply::Reply;
pub use scheduling::Schedule;

use crate::policy::Install;
use crate::{modules, shaping};

/// All that policies of the mail host see.
pub fn installs() -> Vec<Install> {
    let mut installs = modules::standard().to_vec();
    installs.push(shaping::install);
    installs.extend(lua::installs());
    // Last: it names what nothing above has put there.
    installs.push(modules::absent::install_unbuilt);
    installs
}
