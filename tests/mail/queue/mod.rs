//! Queues of a whole mail host: Lua objects and maildirs that take mail, paths measured at the receiving end, restarts.

mod deliver;
mod path;
mod rig;
