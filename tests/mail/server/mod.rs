//! Reception over SMTP, over real sockets.

mod client;
mod content;
mod event;
mod input;
mod limit;
mod rejection;
mod relay;
mod rig;
mod security;
