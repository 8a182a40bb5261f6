//! tsa-daemon.
fn main() {}
