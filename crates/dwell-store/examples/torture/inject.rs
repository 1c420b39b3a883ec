//! Every system call that changes the disk fails, or is the last one: with strace, on a fresh folder each time.
//!
//! strace counts the calls of each thread for itself, so that an error meets the same call of several threads.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Stop;
use crate::check::{Promises, listen};

/// What is failed. A write is no call that a program waits for: whether it is the one or the other is up to who writes.
const CALLS: [&str; 7] = [
    "write,writev,pwrite64,pwritev",
    "fsync",
    "fdatasync",
    "rename,renameat,renameat2",
    "ftruncate",
    "unlink,unlinkat,rmdir",
    "mkdir,openat",
];

/// How. The process is killed before the call is made, or the call is not made and an error comes back.
const FAULTS: [&str; 3] = ["signal=KILL", "error=EIO", "error=ENOSPC"];

/// How long a life lasts that nothing ends, in milliseconds: traced, and untraced.
const TRACED: u64 = 400;
const UNTRACED: u64 = 60;

/// Fails the first calls of each kind, up to so many.
pub fn run(folder: &Path, most: u64) -> Result<(), Stop> {
    let there = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return Err(Stop::Unable("this needs strace".into()));
    }
    let (mut lives, mut ended, mut acknowledged) = (0_u64, 0_u64, 0);
    for calls in CALLS {
        for fault in FAULTS {
            for when in 1..=most {
                drop(std::fs::remove_dir_all(folder));
                std::fs::create_dir_all(folder).map_err(Stop::broken("folder"))?;
                let case = |stop: Stop| match stop {
                    Stop::Violation(what) => Stop::Violation(format!("{calls}:{fault}:when={when}: {what}")),
                    other => other,
                };
                let mut promises = Promises::default();
                let inject = format!("inject={calls}:{fault}:when={when}");
                let mut traced = Command::new("strace");
                traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject]);
                ended += u64::from(!live(&mut traced, folder, promises.from, TRACED, &mut promises)?);
                promises.verify(folder).map_err(case)?;
                // Whatever was left behind, it goes on from there.
                live(&mut Command::new("env"), folder, promises.from, UNTRACED, &mut promises)?;
                acknowledged += promises.verify(folder).map_err(case)?.acknowledged;
                lives += 1;
            }
        }
        println!("inject: {calls}: {lives} lives so far, 0 lost");
    }
    println!("inject: {lives} lives, {ended} ended by it, {acknowledged} appends acknowledged, 0 lost, 0 doubled");
    Ok(())
}

/// Lets a child live for so long under a command, and says whether it did.
fn live(under: &mut Command, folder: &Path, from: u64, millis: u64, promises: &mut Promises) -> Result<bool, Stop> {
    let program = std::env::current_exe().map_err(Stop::broken("own path"))?;
    let mut child = under
        .arg(program)
        .arg("child")
        .arg(folder)
        .args(["--from", &from.to_string(), "--for", &millis.to_string()])
        .stdout(Stdio::piped())
        // It complains of what is done to it.
        .stderr(Stdio::null())
        .spawn()
        .map_err(Stop::broken("start"))?;
    let out = child.stdout.take().ok_or_else(|| Stop::Broken("no pipe".into()))?;
    promises.hear(&listen(out));
    Ok(child.wait().map_err(Stop::broken("wait"))?.success())
}
