//! The logic of queues, in a world of their own and with time under control.

mod fake;
mod flow;
mod hold;
mod rate;
