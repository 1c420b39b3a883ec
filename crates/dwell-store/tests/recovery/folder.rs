//! A log on a simulated disk, and what can be done to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dwell_store::{Batch, Check, Crash, DiskLog, Log, LogOptions, Offset, OnDamage, SimulatedDisk, StoreError};

pub const FOLDER: &str = "/log";

/// Segments of a few appends each.
pub fn options(check: Check, on_damage: OnDamage) -> LogOptions {
    LogOptions { segment_bytes: 400, check, on_damage, salt: 11, ..LogOptions::default() }
}

pub struct Folder {
    pub disk: SimulatedDisk,
}

impl Folder {
    /// A folder with so many appends of two records, written one by one, and nobody in it.
    pub fn with(appends: u64) -> Folder {
        let folder = Folder { disk: SimulatedDisk::new(1) };
        let log = folder.open().unwrap();
        for at in 0..appends {
            append(&log, &texts(at));
        }
        drop(log);
        folder.disk.reboot(Crash::Process);
        folder
    }

    pub fn open(&self) -> Result<DiskLog, StoreError> {
        self.open_as(Check::Ends, OnDamage::Refuse)
    }

    pub fn open_as(&self, check: Check, on_damage: OnDamage) -> Result<DiskLog, StoreError> {
        self.disk.reboot(Crash::Process);
        DiskLog::open_stepped(Arc::new(self.disk.clone()), Path::new(FOLDER), options(check, on_damage))
    }

    pub fn segments(&self) -> Vec<PathBuf> {
        let log = self.open_as(Check::Ends, OnDamage::Quarantine).unwrap();
        log.segments().into_iter().map(|segment| segment.path).collect()
    }

    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let mut found = Vec::new();
        self.disk.damage(path, |bytes| found.clone_from(bytes));
        found
    }
}

/// The two records of an append, by its number.
pub fn texts(at: u64) -> [String; 2] {
    [format!("append {at}, one"), format!("append {at}, two")]
}

pub fn append(log: &DiskLog, records: &[String]) -> Offset {
    try_append(log, records).unwrap()
}

pub fn try_append(log: &DiskLog, records: &[String]) -> Result<Offset, StoreError> {
    let appended = log.append(records.iter().collect::<Batch>());
    log.step();
    appended.wait()
}

/// All records from the oldest on, or the error that came.
pub fn read_all(log: &DiskLog) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let mut from = log.first();
    while from < log.next() {
        let records = log.read(from, 100)?;
        assert!(!records.is_empty(), "nothing at {from}");
        found.extend(records.iter().map(|(_, record)| String::from_utf8_lossy(record).into_owned()));
        from = records.next();
    }
    Ok(found)
}

/// What [`Folder::with`] wrote.
pub fn expected(appends: u64) -> Vec<String> {
    (0..appends).flat_map(texts).collect()
}
