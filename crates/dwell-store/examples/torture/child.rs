//! The one who is killed: four callers append, one engine reads the log and keeps books, and every promise is printed.
//!
//! `A caller number offset` is printed after an append was acknowledged, `S offset` after the books were synced.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use dwell_store::{Batch, Books, BooksOptions, Changes, DiskBooks, DiskLog, Log, LogOptions, Offset, StoreError};

use crate::check::{self, Record};
use crate::{Dice, Stop};

pub const CALLERS: u64 = 4;
const SYNC_EVERY: u64 = 7;

pub fn options() -> LogOptions {
    // Small segments, so that crashes fall into their ends too.
    LogOptions { segment_bytes: 256 << 10, ..LogOptions::default() }
}

pub fn open(folder: &Path) -> Result<(DiskLog, DiskBooks), StoreError> {
    let log = DiskLog::open(&folder.join("log"), options())?;
    // Little is gathered, so that crashes fall into sorting and merging too.
    let options = BooksOptions { cache_bytes: 1 << 20, buffer_bytes: 64 << 10 };
    let books = DiskBooks::open(&folder.join("books"), options)?;
    Ok((log, books))
}

pub fn run(folder: &Path, from: u64, millis: u64) -> Result<(), Stop> {
    if 0 < millis {
        // As suddenly as if it was killed.
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(millis));
            std::process::exit(0);
        });
    }
    let (log, books) = open(folder).map_err(|error| Stop::Broken(error.to_string()))?;
    let out = Mutex::new(std::io::stdout());
    let say = |line: String| {
        if let Ok(mut out) = out.lock() {
            // Nobody listens any more: then nobody counts on it either.
            drop(out.write_all(line.as_bytes()));
        }
    };
    say("R\n".into());
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (log, say) = (&log, &say);
            scope.spawn(move || call(log, caller, from, say));
        }
        scope.spawn(|| keep_books(&log, &books, &say));
    });
    Ok(())
}

fn call(log: &DiskLog, caller: u64, from: u64, say: &dyn Fn(String)) {
    let mut dice = Dice(caller ^ from);
    for number in from.. {
        let records = Record::all_of(caller, number, 1 + dice.below(20), dice.below(400) as usize);
        match log.append(records.iter().collect::<Batch>()).wait() {
            Ok(offset) => say(format!("A {caller} {number} {offset}\n")),
            Err(error) => {
                say(format!("E {error}\n"));
                return;
            }
        }
    }
}

fn keep_books(log: &DiskLog, books: &DiskBooks, say: &dyn Fn(String)) {
    let mut round = 0;
    loop {
        let from = books.offset();
        if log.wait_past(from, Duration::from_millis(200)) <= from {
            continue;
        }
        if let Err(error) = keep_some(log, books, from) {
            say(format!("E {error}\n"));
            return;
        }
        round += 1;
        if round % SYNC_EVERY == 0 {
            match books.sync() {
                Ok(offset) => say(format!("S {offset}\n")),
                Err(error) => say(format!("E {error}\n")),
            }
        }
    }
}

fn keep_some(log: &DiskLog, books: &DiskBooks, from: Offset) -> Result<(), StoreError> {
    let records = log.read(from, 32 << 10)?;
    let mut changes = Changes::up_to(records.next());
    let mut sums = check::load_sums(books)?;
    for (_, record) in records.iter() {
        check::add(&mut sums, record);
    }
    for (caller, sum) in sums {
        changes.put(check::key(caller), sum.to_bytes());
        // Something larger that changes too, so that files of the store come and go.
        changes.put(format!("filler/{}", records.next().number() % 500 + caller), vec![caller as u8; 600]);
    }
    books.commit(&changes)
}
