//! One file for each command.

pub mod sessions;
pub mod simulate;
