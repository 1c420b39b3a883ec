//! What a log does when it finds its folder not as it left it, and when the disk refuses.

mod damage;
mod faults;
mod folder;
mod tails;
