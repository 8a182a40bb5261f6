//! Compiles again when a file is added to the folders that travel inside the executable.

fn main() {
    println!("cargo:rerun-if-changed=policy-extras");
    println!("cargo:rerun-if-changed=lua");
}
