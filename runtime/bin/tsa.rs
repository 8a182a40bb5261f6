//! tsa.
fn main() {}
