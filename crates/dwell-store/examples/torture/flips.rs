//! Every bit of a closed segment, of the last segment and of the manifest, turned round one at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dwell_store::{Batch, Check, Crash, DiskLog, Log, LogOptions, SimulatedDisk, StoreError};

use crate::check::Record;
use crate::{Dice, Stop};

const FOLDER: &str = "/log";

fn open(disk: &SimulatedDisk, bytes: usize, check: Check) -> Result<DiskLog, StoreError> {
    disk.reboot(Crash::Process);
    let options = LogOptions { segment_bytes: bytes, check, salt: 5, ..LogOptions::default() };
    DiskLog::open_stepped(Arc::new(disk.clone()), Path::new(FOLDER), options)
}

fn fill(disk: &SimulatedDisk, bytes: usize) -> Result<Vec<PathBuf>, StoreError> {
    let log = open(disk, bytes, Check::All)?;
    let mut dice = Dice(3);
    for number in 0.. {
        if 3 <= log.segments().len() && bytes < log.segments().iter().map(|one| one.bytes as usize).sum::<usize>() {
            break;
        }
        let appended = log
            .append(Record::all_of(1, number, 1 + dice.below(8), dice.below(300) as usize).iter().collect::<Batch>());
        log.step();
        appended.wait()?;
    }
    Ok(log.segments().into_iter().map(|segment| segment.path).collect())
}

fn read_all(log: &DiskLog) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut found = Vec::new();
    let mut from = log.first();
    while from < log.next() {
        let records = log.read(from, 1 << 20)?;
        found.extend(records.iter().map(|(_, record)| record.to_vec()));
        from = records.next();
    }
    Ok(found)
}

/// Says whether a flip was found. It is a violation if it was not, and something is missing or different.
fn is_found(disk: &SimulatedDisk, bytes: usize, check: Check, known: &[Vec<u8>]) -> Result<bool, String> {
    match open(disk, bytes, check).and_then(|log| read_all(&log)) {
        Ok(read) if read == known => Ok(false),
        Ok(read) => Err(format!("{} records of {} were read as if nothing were wrong", read.len(), known.len())),
        Err(StoreError::Damaged(_) | StoreError::Version { .. }) => Ok(true),
        Err(other) => Err(other.to_string()),
    }
}

pub fn run(bytes: usize) -> Result<(), Stop> {
    let broken = |error: StoreError| Stop::Broken(error.to_string());
    let disk = SimulatedDisk::new(1);
    let segments = fill(&disk, bytes).map_err(broken)?;
    let known = open(&disk, bytes, Check::All).and_then(|log| read_all(&log)).map_err(broken)?;
    let manifest = Path::new(FOLDER).join("manifest");
    let files =
        [("closed segment", &segments[1]), ("last segment", &segments[segments.len() - 1]), ("manifest", &manifest)];
    for (name, path) in files {
        let mut whole = Vec::new();
        disk.damage(path, |content| whole.clone_from(content));
        let (mut found, mut harmless) = (0_u64, 0_u64);
        for at in 0..whole.len() {
            for bit in 0..8 {
                for check in [Check::All, Check::Ends] {
                    disk.damage(path, |content| {
                        content.clone_from(&whole);
                        content[at] ^= 1 << bit;
                    });
                    match is_found(&disk, bytes, check, &known) {
                        Ok(true) => found += 1,
                        Ok(false) if name == "closed segment" && check == Check::All => {
                            return Err(Stop::Violation(format!("{name}, byte {at}, bit {bit}: not noticed")));
                        }
                        Ok(false) => harmless += 1,
                        Err(what) => return Err(Stop::Violation(format!("{name}, byte {at}, bit {bit}: {what}"))),
                    }
                }
            }
        }
        disk.damage(path, |content| content.clone_from(&whole));
        println!(
            "flips: {name} of {} bytes, {} flips, each opened twice: {found} refused, {harmless} cost no record, 0 silent losses",
            whole.len(),
            whole.len() * 8
        );
    }
    Ok(())
}
