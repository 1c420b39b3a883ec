//! One folder through many crashes, beside a model of what it has promised.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use dwell_store::{Batch, Check, Crash, DiskLog, Faults, Log, LogOptions, Offset, SimulatedDisk, StoreError};

const FOLDER: &str = "/log";

/// What happened, so that it can be seen that enough did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    pub cycles: u64,
    pub downs: u64,
    pub acknowledged: u64,
    pub full: u64,
    pub poisoned: u64,
    pub unanswered_kept: u64,
    pub dropped: u64,
    pub segments: u64,
    pub cut: u64,
    pub short_lives: u64,
}

/// A folder and what is known of it.
pub struct Life {
    disk: SimulatedDisk,
    random: u64,
    next_id: u64,
    /// What a reader was shown or a caller was promised, by offset.
    truth: BTreeMap<u64, Vec<u8>>,
    /// Appends without an answer, by id: they may be there after the next opening, once and whole.
    open: HashMap<u64, Vec<Vec<u8>>>,
    /// Records before this may be gone.
    may_be_dropped: u64,
}

type Seen = Result<(), String>;

impl Life {
    pub fn new(seed: u64) -> Life {
        Life {
            disk: SimulatedDisk::new(seed),
            random: seed ^ 0x5eed,
            next_id: 0,
            truth: BTreeMap::new(),
            open: HashMap::new(),
            may_be_dropped: 0,
        }
    }

    pub fn live(mut self, cycles: u64, toll: &mut Toll) -> Seen {
        let mut segments = HashSet::new();
        for _ in 0..cycles {
            toll.cycles += 1;
            self.cycle(toll, &mut segments)?;
        }
        toll.segments += segments.len() as u64;
        Ok(())
    }

    fn cycle(&mut self, toll: &mut Toll, segments: &mut HashSet<Offset>) -> Seen {
        self.plan_trouble();
        match DiskLog::open_stepped(Arc::new(self.disk.clone()), Path::new(FOLDER), self.options()) {
            Ok(log) => {
                if self.check_recovered(&log, toll)? {
                    self.work(&log, toll)?;
                }
                segments.extend(log.segments().iter().map(|segment| segment.offsets.start));
                drop(log);
            }
            // The disk refused while it was opened: that is trouble, and no verdict about the log.
            Err(StoreError::Io { .. }) => toll.short_lives += 1,
            Err(other) => return Err(format!("not opened after a crash: {other}")),
        }
        toll.downs += u64::from(self.disk.is_down());
        let crash = if self.below(4) == 0 { Crash::Process } else { Crash::Power };
        self.disk.reboot(crash);
        Ok(())
    }

    fn plan_trouble(&mut self) {
        let mut faults = Faults::default();
        if self.below(3) == 0 {
            faults.short = 3_000;
        }
        match self.below(8) {
            0 => faults.sync = 500,
            1 => faults.other = 200,
            2 => faults.room = Some(self.disk.used() + self.below(1_500)),
            _ => {}
        }
        self.disk.set_faults(faults);
        if self.below(5) != 0 {
            let calls = 1 + self.below(120);
            self.disk.crash_after(calls);
        }
    }

    fn options(&mut self) -> LogOptions {
        let check = if self.below(2) == 0 { Check::Ends } else { Check::All };
        LogOptions { segment_bytes: 900, group_bytes: 2_000, check, salt: 7, ..LogOptions::default() }
    }

    fn work(&mut self, log: &DiskLog, toll: &mut Toll) -> Seen {
        let mut poisoned = false;
        for _ in 0..self.below(40) {
            if self.disk.is_down() {
                break;
            }
            match self.below(12) {
                0 => self.drop_some(log, toll),
                1 => self.read_some(log)?,
                2 => {
                    // Somebody made room.
                    self.disk.set_faults(Faults::default());
                }
                _ => poisoned = self.append_some(log, poisoned, toll)?,
            }
        }
        toll.poisoned += u64::from(poisoned);
        Ok(())
    }

    /// Appends that come together. Returns whether the log is poisoned.
    fn append_some(&mut self, log: &DiskLog, poisoned: bool, toll: &mut Toll) -> Result<bool, String> {
        let mut sent = Vec::new();
        for _ in 0..1 + self.below(4) {
            let (id, records) = self.records();
            let batch: Batch = records.iter().collect();
            sent.push((id, records, log.append(batch)));
        }
        log.step();
        let mut now_poisoned = poisoned;
        for (id, records, append) in sent {
            match append.wait() {
                Ok(_) if poisoned => return Err(format!("append {id} was acknowledged by a poisoned log")),
                Ok(offset) => {
                    toll.acknowledged += 1;
                    self.promise(id, offset.number(), records)?;
                }
                Err(StoreError::Full { .. }) => toll.full += 1,
                Err(StoreError::Poisoned { .. }) => {
                    now_poisoned = true;
                    self.open.insert(id, records);
                }
                Err(StoreError::Io { .. } | StoreError::Closed) => drop(self.open.insert(id, records)),
                Err(other) => return Err(format!("append {id}: {other}")),
            }
        }
        Ok(now_poisoned)
    }

    fn promise(&mut self, id: u64, offset: u64, records: Vec<Vec<u8>>) -> Seen {
        for (place, record) in (offset..).zip(records) {
            if self.truth.insert(place, record).is_some() {
                return Err(format!("append {id} got offset {place}, which was taken"));
            }
        }
        Ok(())
    }

    fn drop_some(&mut self, log: &DiskLog, toll: &mut Toll) {
        let first = log.first().number();
        let before = first + self.below(log.next().number() - first + 1);
        let segments = log.segments().len();
        self.may_be_dropped = self.may_be_dropped.max(before);
        if log.drop_before(Offset::new(before)).is_ok() {
            toll.dropped += segments.saturating_sub(log.segments().len()) as u64;
        }
    }

    /// What was promised can be read while the log is open.
    fn read_some(&mut self, log: &DiskLog) -> Seen {
        let first = log.first().number();
        let from = first + self.below(log.next().number() - first + 1);
        let most = self.below(400) as usize;
        match log.read(Offset::new(from), most) {
            Ok(records) => {
                if records.is_empty() && from != log.next().number() {
                    return Err(format!("nothing was read at {from}, though the log ends before {}", log.next()));
                }
                for (offset, record) in records.iter() {
                    self.compare(offset.number(), record)?;
                }
                Ok(())
            }
            Err(StoreError::Io { .. }) => Ok(()),
            Err(error) => Err(format!("reading at {from}: {error}")),
        }
    }

    fn compare(&self, offset: u64, record: &[u8]) -> Seen {
        match self.truth.get(&offset) {
            Some(known) if known == record => Ok(()),
            Some(_) => Err(format!("record {offset} is another than was promised")),
            None => Err(format!("record {offset} was read before anybody promised it")),
        }
    }

    /// Compares what was found at opening with what was promised, and says whether all of it could be read.
    fn check_recovered(&mut self, log: &DiskLog, toll: &mut Toll) -> Result<bool, String> {
        let (first, next) = (log.first().number(), log.next().number());
        if self.may_be_dropped < first {
            return Err(format!(
                "the log begins at {first}, and only records before {} were let go",
                self.may_be_dropped
            ));
        }
        let promised = self.truth.keys().next_back().map_or(0, |last| last + 1);
        if next < promised {
            return Err(format!("the log ends before {next}, and records before {promised} were acknowledged"));
        }
        let mut unknown: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut from = first;
        while from < next {
            let records = match log.read(Offset::new(from), 4_000) {
                Ok(records) => records,
                // The disk failed: whatever else is there was shown to nobody.
                Err(StoreError::Io { .. }) => return Ok(false),
                Err(error) => return Err(format!("reading at {from} after opening: {error}")),
            };
            if records.is_empty() {
                return Err(format!("nothing was read at {from}, though the log ends before {next}"));
            }
            for (offset, record) in records.iter() {
                if offset.number() < promised {
                    self.compare(offset.number(), record)?;
                } else {
                    unknown.push((offset.number(), record.to_vec()));
                }
            }
            from = records.next().number();
        }
        self.accept_unanswered(unknown, toll)?;
        Ok(true)
    }

    /// Records that nobody was promised must be appends without an answer, each once and whole.
    fn accept_unanswered(&mut self, unknown: Vec<(u64, Vec<u8>)>, toll: &mut Toll) -> Seen {
        let mut left = unknown.into_iter().peekable();
        while let Some((offset, record)) = left.next() {
            let id = id_of(&record);
            let Some(records) = self.open.remove(&id) else {
                return Err(format!("record {offset} is of append {id}, which was refused, or is there already"));
            };
            let mut found = vec![record];
            while left.peek().is_some_and(|(_, record)| id_of(record) == id) {
                found.extend(left.next().map(|(_, record)| record));
            }
            if found != records {
                return Err(format!("of append {id} there are {} records of {}", found.len(), records.len()));
            }
            toll.unanswered_kept += 1;
            self.promise(id, offset, records)?;
        }
        // What is not there now must never come.
        toll.cut += self.open.len() as u64;
        self.open.clear();
        Ok(())
    }

    fn records(&mut self) -> (u64, Vec<Vec<u8>>) {
        self.next_id += 1;
        let id = self.next_id;
        let count = 1 + self.below(5);
        let records = (0..count).map(|at| {
            let mut record = id.to_le_bytes().to_vec();
            record.push(at as u8);
            let filler = self.below(60) as usize;
            record.resize(record.len() + filler, (id + at) as u8);
            record
        });
        (id, records.collect())
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound.max(1)
    }
}

fn id_of(record: &[u8]) -> u64 {
    record.get(..8).and_then(|id| id.try_into().ok()).map_or(0, u64::from_le_bytes)
}
