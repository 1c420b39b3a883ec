//! One file for each command.

pub mod lab;
pub mod sessions;
pub mod simulate;
pub mod try_it;
