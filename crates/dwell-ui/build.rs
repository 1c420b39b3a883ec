//! Has the crate built again when its pages were. It never builds them: that is `cargo xtask dashboard` and `cargo xtask demo`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The folders are always there, since one file of each is kept in the repository. A folder that is missing would have
    // everything above this crate built again each time.
    println!("cargo:rerun-if-changed=../../web/dashboard/dist");
    println!("cargo:rerun-if-changed=../../web/demo/dist");
}
