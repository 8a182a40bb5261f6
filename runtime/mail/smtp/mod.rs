//! SMTP: the server that takes messages in, the client that delivers them.

pub mod client;
pub mod server;
