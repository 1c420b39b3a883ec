//! Has the crate built again when the dashboard was. It never builds the dashboard: that is `cargo xtask dashboard`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The folder is always there, since one file of it is kept in the repository. A folder that is missing would have
    // everything above this crate built again each time.
    println!("cargo:rerun-if-changed=../../web/dashboard/dist");
}
