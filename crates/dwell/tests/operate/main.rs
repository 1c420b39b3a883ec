//! What an operator meets: a full disk, an old log, clocks that jump, clients that do not behave. The real binary each time.

mod archive;
mod backup;
mod clock;
mod disk_fails;
mod doctor;
mod full_disk;
mod lab_detail;
mod retention;
mod socket;
mod support;
