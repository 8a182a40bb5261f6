//! The whole loop: mail out, the provider's answer, a record, a decision, and the next message.

mod action;
mod existing;
mod hold;
mod option;
mod pair;
mod process;
mod record;
mod rig;
