//! What an operator meets: a full disk, an old log, clocks that jump, clients that do not behave. The real binary each time.

mod archive;
mod backup;
mod clock;
mod disk_fails;
mod doctor;
mod erase;
mod erase_by_command;
mod fates;
mod flood;
mod full_disk;
mod lab_detail;
mod past;
mod policy_preview;
#[cfg(target_os = "linux")]
mod priority;
mod retention;
mod socket;
mod support;
mod traces;
