//! What must be true of a log and its books, whatever happened to them.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use dwell_store::{Books, DiskBooks, DiskLog, Log, Offset, StoreError};

use crate::{Stop, child};

/// A record says who made it, in which append, which of how many it is, and has something in it.
pub struct Record {
    pub caller: u64,
    pub number: u64,
    pub at: u64,
    pub of: u64,
}

const HEAD: usize = 32;

impl Record {
    pub fn all_of(caller: u64, number: u64, of: u64, filler: usize) -> Vec<Vec<u8>> {
        let one = |at: u64| {
            let mut bytes: Vec<u8> = [caller, number, at, of].into_iter().flat_map(u64::to_le_bytes).collect();
            bytes.resize(HEAD + filler, (number + at) as u8);
            bytes
        };
        (0..of).map(one).collect()
    }

    pub fn read(bytes: &[u8]) -> Option<Record> {
        let mut numbers =
            bytes.get(..HEAD)?.chunks_exact(8).filter_map(|eight| Some(u64::from_le_bytes(eight.try_into().ok()?)));
        let record =
            Record { caller: numbers.next()?, number: numbers.next()?, at: numbers.next()?, of: numbers.next()? };
        let filler = (record.number + record.at) as u8;
        bytes[HEAD..].iter().all(|byte| *byte == filler).then_some(record)
    }
}

/// What the books keep of one caller.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Sum {
    records: u64,
    hash: u64,
}

impl Sum {
    pub fn to_bytes(self) -> Vec<u8> {
        [self.records, self.hash].into_iter().flat_map(u64::to_le_bytes).collect()
    }

    fn read(bytes: &[u8]) -> Sum {
        let number =
            |at: usize| bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes);
        Sum { records: number(0), hash: number(8) }
    }
}

pub type Sums = BTreeMap<u64, Sum>;

pub fn key(caller: u64) -> String {
    format!("caller/{caller}")
}

pub fn add(sums: &mut Sums, record: &[u8]) {
    if let Some(record) = Record::read(record) {
        let sum = sums.entry(record.caller).or_default();
        sum.records += 1;
        sum.hash = sum.hash.wrapping_mul(31).wrapping_add(record.number * 64 + record.at);
    }
}

pub fn load_sums(books: &DiskBooks) -> Result<Sums, StoreError> {
    let found = books.scan(b"caller/", None, 1_000)?;
    let caller = |key: &[u8]| String::from_utf8_lossy(&key[7..]).parse().unwrap_or(u64::MAX);
    Ok(found.iter().map(|(key, value)| (caller(key), Sum::read(value))).collect())
}

/// What was promised, as far as anybody heard.
#[derive(Default)]
pub struct Promises {
    /// Offsets of acknowledged appends.
    acknowledged: HashMap<(u64, u64), u64>,
    books_synced: u64,
    /// The append that every caller begins with next time.
    pub from: u64,
    pub errors: u64,
}

/// What was found.
#[derive(Default)]
pub struct Found {
    pub acknowledged: u64,
    pub unanswered: u64,
    pub records: u64,
    pub books_behind: u64,
}

impl std::fmt::Display for Found {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Found { acknowledged, unanswered, records, books_behind } = self;
        write!(
            out,
            "{acknowledged} appends acknowledged and {unanswered} more of {records} records, books {books_behind} behind"
        )
    }
}

impl Promises {
    /// Takes in what a child printed. The last line may be torn, and promises nothing then.
    pub fn hear(&mut self, printed: &str) {
        for line in printed.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
            match (words.first().copied(), number(1), number(2), number(3)) {
                (Some("A"), Some(caller), Some(append), Some(offset)) => {
                    self.acknowledged.insert((caller, append), offset);
                    self.from = self.from.max(append + 1);
                }
                (Some("S"), Some(offset), _, _) => self.books_synced = self.books_synced.max(offset),
                (Some("E"), _, _, _) => self.errors += 1,
                _ => {}
            }
        }
        // The next child leaves room for what was appended and not heard of.
        self.from += 1_000_000;
    }

    /// Opens the folder and compares.
    pub fn verify(&self, folder: &Path) -> Result<Found, Stop> {
        let failed = |error: StoreError| Stop::Violation(error.to_string());
        let (log, books) = child::open(folder).map_err(failed)?;
        log.verify().map_err(failed)?;
        let mut appends: HashMap<(u64, u64), (u64, u64, u64)> = HashMap::new();
        let mut sums = Sums::new();
        let mut sums_then = Sums::new();
        let mut from = log.first();
        while from < log.next() {
            let records = log.read(from, 1 << 20).map_err(failed)?;
            for (offset, bytes) in records.iter() {
                if offset == books.offset() {
                    sums_then = sums.clone();
                }
                add(&mut sums, bytes);
                note(&mut appends, offset, bytes)?;
            }
            from = records.next();
        }
        if books.offset() == log.next() {
            sums_then = sums;
        }
        self.compare(&log, &appends)?;
        self.compare_books(&log, &books, &sums_then)?;
        Ok(Found {
            acknowledged: self.acknowledged.len() as u64,
            unanswered: (appends.len() - self.acknowledged.len()) as u64,
            records: log.next().number(),
            books_behind: log.next().since(books.offset()),
        })
    }

    fn compare(&self, log: &DiskLog, appends: &HashMap<(u64, u64), (u64, u64, u64)>) -> Result<(), Stop> {
        for (append, (first, found, of)) in appends {
            if found != of {
                return Err(Stop::Violation(format!("append {append:?} at {first} has {found} records of {of}")));
            }
        }
        for (append, offset) in &self.acknowledged {
            match appends.get(append) {
                Some((first, _, _)) if first == offset => {}
                found => {
                    let next = log.next();
                    let what =
                        format!("append {append:?} was acknowledged at {offset}, found {found:?}, log ends at {next}");
                    return Err(Stop::Violation(what));
                }
            }
        }
        Ok(())
    }

    fn compare_books(&self, log: &DiskLog, books: &DiskBooks, expected: &Sums) -> Result<(), Stop> {
        let offset = books.offset();
        if offset < Offset::new(self.books_synced) || log.next() < offset {
            let (synced, next) = (self.books_synced, log.next());
            return Err(Stop::Violation(format!(
                "books reach {offset}, were synced at {synced}, the log ends at {next}"
            )));
        }
        let sums = load_sums(books).map_err(|error| Stop::Violation(error.to_string()))?;
        if sums != *expected {
            return Err(Stop::Violation(format!("books at {offset} say {sums:?}, and the log {expected:?}")));
        }
        Ok(())
    }
}

fn note(appends: &mut HashMap<(u64, u64), (u64, u64, u64)>, offset: Offset, bytes: &[u8]) -> Result<(), Stop> {
    let offset = offset.number();
    let Some(record) = Record::read(bytes) else {
        return Err(Stop::Violation(format!("record {offset} is not one that anybody made")));
    };
    let (first, found, _) = appends.entry((record.caller, record.number)).or_insert((offset, 0, record.of));
    if *first + *found != offset || *found != record.at {
        let Record { caller, number, at, .. } = record;
        return Err(Stop::Violation(format!(
            "record {offset} is number {at} of append ({caller}, {number}), out of place or twice"
        )));
    }
    *found += 1;
    Ok(())
}

/// All that a child printed until it was gone.
pub fn listen(mut out: impl Read) -> String {
    let mut printed = Vec::new();
    drop(out.read_to_end(&mut printed));
    String::from_utf8_lossy(&printed).into_owned()
}
