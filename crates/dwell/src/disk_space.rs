//! What the file system under a folder is, and how much room it has.

use std::io;
use std::path::Path;

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What a process without special rights may still take.
    pub free: u64,
    /// All there is.
    pub total: u64,
}

/// Asks how much room there is where a folder lies.
pub fn space(folder: &Path) -> io::Result<Space> {
    let about = rustix::fs::statvfs(folder)?;
    Ok(Space {
        free: about.f_bavail.saturating_mul(about.f_frsize),
        total: about.f_blocks.saturating_mul(about.f_frsize),
    })
}

/// Returns the name of the file system's kind, like `ext4`, where the system tells it.
pub fn kind(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    // Of the mounts above the folder the deepest, and of these the one that was mounted last.
    let of_line = |line: &str| {
        let (front, back) = line.split_once(" - ")?;
        let at = front.split(' ').nth(4)?.replace("\\040", " ");
        let kind = back.split(' ').next()?.to_owned();
        folder.starts_with(&at).then_some((at.len(), kind))
    };
    mounts.lines().filter_map(of_line).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}
