//! kill -9 under load.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::check::{Found, Promises, listen};
use crate::{Dice, Stop};

/// Crashes of one folder, before a new one is begun.
pub const CYCLES_OF_A_FOLDER: u64 = 10;

pub struct Running {
    pub child: Child,
    heard: JoinHandle<String>,
}

impl Running {
    pub fn start(folder: &Path, from: u64) -> Result<Running, Stop> {
        let program = std::env::current_exe().map_err(Stop::broken("own path"))?;
        let mut child = Command::new(program)
            .arg("child")
            .arg(folder)
            .args(["--from", &from.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Stop::broken("start"))?;
        let out = child.stdout.take().ok_or_else(|| Stop::Broken("no pipe".into()))?;
        Ok(Running { child, heard: std::thread::spawn(|| listen(out)) })
    }

    /// Kills it, and returns all that it had printed.
    pub fn kill(mut self) -> Result<String, Stop> {
        self.child.kill().map_err(Stop::broken("kill"))?;
        self.child.wait().map_err(Stop::broken("wait"))?;
        self.heard.join().map_err(|_| Stop::Broken("the listener panicked".into()))
    }
}

pub fn run(folder: &Path, cycles: u64, seed: u64) -> Result<(), Stop> {
    let mut dice = Dice(seed);
    let mut acknowledged = 0;
    let mut unanswered = 0;
    let mut cycle = 0;
    while cycle < cycles {
        drop(std::fs::remove_dir_all(folder));
        std::fs::create_dir_all(folder).map_err(Stop::broken("folder"))?;
        let mut promises = Promises::default();
        let mut found = Found::default();
        for age in 0..CYCLES_OF_A_FOLDER.min(cycles - cycle) {
            cycle += 1;
            let running = Running::start(folder, promises.from)?;
            // The first of a folder is short, so that it falls into the making of log and books too.
            let longest = if age == 0 { 40 } else { 150 };
            std::thread::sleep(Duration::from_millis(1 + dice.below(longest)));
            promises.hear(&running.kill()?);
            found = promises.verify(folder)?;
        }
        acknowledged += found.acknowledged;
        unanswered += found.unanswered;
        println!("kill: {cycle} of {cycles} cycles, {found}");
    }
    println!("kill: {cycles} cycles, {acknowledged} appends acknowledged, {unanswered} more kept, 0 lost, 0 doubled");
    Ok(())
}
