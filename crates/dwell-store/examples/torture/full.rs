//! A real file system without room: nothing acknowledged is lost, and the log goes on by itself when there is room. So do
//! the books, once they are mended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use dwell_store::{Batch, Books, BooksOptions, Changes, DiskBooks, DiskLog, Log, LogOptions, Offset, StoreError};

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
    drop(log);
    drop(disk);
    books(folder)
}

/// The disk of the books: their own files keep more than those of the log.
const BOOKS_DISK: u64 = 512 << 20;
/// What is left of it for the books, at most.
const LEFT: u64 = 12 << 20;

/// Fills the disk under books, makes room again, and compares with what was committed.
fn books(folder: &Path) -> Result<(), Stop> {
    let disk = Mounted::new(folder, BOOKS_DISK)?;
    // So little that most commits wait for the files of those before: there, too, want of room has to be noticed.
    let options = BooksOptions { cache_bytes: 8 << 20, buffer_bytes: 64 << 10 };
    let inside = disk.at.join("books");
    let books = DiskBooks::open(&inside, options).map_err(wrong)?;
    let mut dice = Dice(7);
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut offset = Offset::ZERO;
    let (mut commits, mut kept_though_refused) = (0_u64, 0_u64);
    for _ in 0..ROUNDS {
        let filler = disk.at.join("filler");
        fill(&filler, dice.below(LEFT))?;
        let refused = loop {
            let mut changes = Changes::up_to(offset.plus(1));
            let mut after = model.clone();
            for _ in 0..1 + dice.below(20) {
                let key = dice.below(2_000).to_be_bytes().to_vec();
                let value = vec![dice.below(256) as u8; dice.below(8_000) as usize];
                after.insert(key.clone(), value.clone());
                changes.put(key, value);
            }
            let committed = books
                .commit(&changes)
                .and_then(|()| if commits.is_multiple_of(7) { books.sync().map(drop) } else { Ok(()) });
            match committed {
                Ok(()) => {
                    (model, offset, commits) = (after, offset.plus(1), commits + 1);
                }
                Err(StoreError::BooksClosed { .. }) => break after,
                Err(other) => return Err(wrong(other)),
            }
        };
        if !matches!(books.load(&[b"x"]), Err(StoreError::BooksClosed { .. })) {
            return Err(Stop::Violation("books that failed answer as if they had not".into()));
        }
        // Most of the time there is no room yet, which must do no harm.
        match books.mend() {
            Ok(()) | Err(StoreError::BooksClosed { .. }) => {}
            Err(other) => return Err(wrong(other)),
        }
        std::fs::remove_file(&filler).map_err(Stop::broken("remove the filler"))?;
        books.mend().map_err(wrong)?;
        let now: BTreeMap<Vec<u8>, Vec<u8>> = books.scan(b"", None, usize::MAX).map_err(wrong)?.into_iter().collect();
        if books.offset() == offset.plus(1) {
            (model, offset) = (refused, offset.plus(1));
            kept_though_refused += 1;
        }
        if now != model || books.offset() != offset {
            return Err(Stop::Violation(format!("mended books at {} are not those of a commit", books.offset())));
        }
    }
    drop(books);
    let books = DiskBooks::open(&inside, options).map_err(wrong)?;
    let last: BTreeMap<Vec<u8>, Vec<u8>> = books.scan(b"", None, usize::MAX).map_err(wrong)?.into_iter().collect();
    if last != model || books.offset() != offset {
        return Err(Stop::Violation("opened again, the books are not those of the last commit".into()));
    }
    drop(books);
    println!(
        "full: {ROUNDS} times no room for the books, {commits} commits, {kept_though_refused} kept though refused, each time \
         they were mended without a start"
    );
    Ok(())
}

/// Takes all room but so much.
fn fill(path: &Path, left: u64) -> Result<(), Stop> {
    let mut file = File::create(path).map_err(Stop::broken("filler"))?;
    let block = vec![7; 256 << 10];
    let mut length = 0;
    // Until it is full: the last block may go in by half.
    while let Ok(written) = file.write(&block) {
        length += written as u64;
    }
    file.set_len(length.saturating_sub(left)).map_err(Stop::broken("filler"))?;
    file.sync_all().map_err(Stop::broken("filler"))
}

fn wrong(error: StoreError) -> Stop {
    Stop::Violation(error.to_string())
}
