//! A whole mail host: in over SMTP, through the queues, out over SMTP to a scripted server.

mod fate;
mod intact;
mod path;
mod rig;
