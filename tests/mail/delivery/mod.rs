//! A whole mail host: in over SMTP, through the queues, out over SMTP to a scripted server.

mod abort;
mod fate;
mod intact;
mod internal;
mod path;
mod rate;
mod rig;
mod room;
mod trouble;
