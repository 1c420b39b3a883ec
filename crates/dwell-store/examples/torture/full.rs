//! A real file system without room: nothing acknowledged is lost, and the log goes on by itself when there is room.

use std::path::Path;

use dwell_store::{Batch, DiskLog, Log, LogOptions, Offset, StoreError};

use crate::check::Record;
use crate::power::Mounted;
use crate::{Dice, Stop};

const ROUNDS: u64 = 10;
const DISK: u64 = 24 << 20;

pub fn run(folder: &Path) -> Result<(), Stop> {
    let disk = Mounted::new(folder, DISK)?;
    let options = || LogOptions { segment_bytes: 2 << 20, ..LogOptions::default() };
    let inside = disk.at.join("log");
    let mut log = DiskLog::open(&inside, options()).map_err(wrong)?;
    let mut dice = Dice(1);
    let mut number = 0;
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let mut next = log.next();
        loop {
            let records = Record::all_of(1, number, 1 + dice.below(20), 2_000);
            match log.append(records.iter().collect::<Batch>()).wait() {
                Ok(first) if first == next => next = first.plus(records.len() as u64),
                Ok(first) => return Err(Stop::Violation(format!("got offset {first} instead of {next}"))),
                Err(StoreError::Full { .. }) => break,
                Err(other) => return Err(wrong(other)),
            }
            number += 1;
        }
        refused += 1;
        if log.next() != next {
            return Err(Stop::Violation(format!("the log ends before {}, acknowledged was up to {next}", log.next())));
        }
        log.verify().map_err(wrong)?;
        drop(log);
        log = DiskLog::open(&inside, options()).map_err(wrong)?;
        if log.next() != next {
            return Err(Stop::Violation(format!("opened again it ends before {}, not {next}", log.next())));
        }
        // Dropping works on a full disk, and then there is room.
        let half = log.first().number() / 2 + next.number() / 2;
        log.drop_before(Offset::new(half)).map_err(wrong)?;
    }
    println!("full: {refused} times no room, {number} appends acknowledged, each time it went on by itself, 0 lost");
    Ok(())
}

fn wrong(error: StoreError) -> Stop {
    Stop::Violation(error.to_string())
}
