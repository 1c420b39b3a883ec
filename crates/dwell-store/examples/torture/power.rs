//! Power cuts of a real ext4 on a loop device: the writer is stopped, the file system is shut down without writing its
//! journal, the writer is killed, and the file system is mounted again as after a cut.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::check::{Found, Promises};
use crate::kill::{CYCLES_OF_A_FOLDER, Running};
use crate::{Dice, Stop};

/// `EXT4_IOC_SHUTDOWN`, from the kernel's `fs/ext4/ext4.h`: `_IOR('X', 125, __u32)`.
const SHUTDOWN: libc::c_ulong = 0x8004_587d;
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: what the journal has not got yet is lost.
const NO_LOG_FLUSH: u32 = 2;

/// A file system of its own, for as long as this lives.
pub struct Mounted {
    image: PathBuf,
    pub at: PathBuf,
}

impl Mounted {
    pub fn new(folder: &Path, bytes: u64) -> Result<Mounted, Stop> {
        // SAFETY: it only asks who runs this.
        if unsafe { libc::geteuid() } != 0 {
            return Err(Stop::Unable("this needs root, to mount a file system".into()));
        }
        let mounted = Mounted { image: folder.join("disk.img"), at: folder.join("disk") };
        std::fs::create_dir_all(&mounted.at).map_err(Stop::broken("folder"))?;
        let image = std::fs::File::create(&mounted.image).map_err(Stop::broken("image"))?;
        image.set_len(bytes).map_err(Stop::broken("image"))?;
        call(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&mounted.image)).map_err(Stop::Unable)?;
        mounted.mount()?;
        Ok(mounted)
    }

    fn mount(&self) -> Result<(), Stop> {
        call(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.at)).map_err(Stop::Unable)
    }

    fn unmount(&self) -> Result<(), Stop> {
        call(Command::new("umount").arg(&self.at)).map_err(Stop::Broken)
    }

    fn cut(&self) -> Result<(), Stop> {
        let root = std::fs::File::open(&self.at).map_err(Stop::broken("open the mounted folder"))?;
        let flags = NO_LOG_FLUSH;
        // SAFETY: the descriptor is open, and the call reads one u32 from the pointer.
        let done = unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN, &raw const flags) };
        if done == 0 {
            Ok(())
        } else {
            Err(Stop::Unable(format!("EXT4_IOC_SHUTDOWN: {}", std::io::Error::last_os_error())))
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.at).stderr(std::process::Stdio::null()).status());
    }
}

pub fn run(folder: &Path, cycles: u64, seed: u64) -> Result<(), Stop> {
    let mut dice = Dice(seed);
    let disk = Mounted::new(folder, 1 << 30)?;
    let (mut acknowledged, mut unanswered, mut behind, mut cycle) = (0, 0, 0, 0);
    while cycle < cycles {
        let inside = disk.at.join(format!("folder-{cycle}"));
        std::fs::create_dir(&inside).map_err(Stop::broken("folder"))?;
        call(Command::new("sync").arg("-f").arg(&disk.at)).map_err(Stop::Broken)?;
        let mut promises = Promises::default();
        let mut found = Found::default();
        for age in 0..CYCLES_OF_A_FOLDER.min(cycles - cycle) {
            cycle += 1;
            let running = Running::start(&inside, promises.from)?;
            // The first of a folder is short, so that it falls into the making of log and books too.
            let longest = if age == 0 { 40 } else { 250 };
            std::thread::sleep(Duration::from_millis(1 + dice.below(longest)));
            // SAFETY: the process is a child that was not waited for, so that the number is its own.
            unsafe { libc::kill(running.child.id() as libc::pid_t, libc::SIGSTOP) };
            disk.cut()?;
            promises.hear(&running.kill()?);
            disk.unmount()?;
            disk.mount()?;
            found = promises.verify(&inside)?;
            behind += u64::from(0 < found.books_behind);
        }
        acknowledged += found.acknowledged;
        unanswered += found.unanswered;
        std::fs::remove_dir_all(&inside).map_err(Stop::broken("remove"))?;
        println!("power: {cycle} of {cycles} cycles, {found}");
    }
    println!(
        "power: {cycles} cuts, {acknowledged} appends acknowledged, {unanswered} more kept, books behind the log after \
         {behind} cuts, 0 lost, 0 doubled"
    );
    Ok(())
}

fn call(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
