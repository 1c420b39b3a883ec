//! While the engine is behind, what its turns write is held, and not for so long that anybody minds.

#[expect(dead_code, reason = "others ask for more")]
#[path = "support/house.rs"]
mod house;

use std::sync::Arc;
use std::time::Duration;

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{Record, Worker, WorkerOptions};
use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog, Offset};
use house::{APP, rules};

const SECOND: i64 = 1_000_000;
const NOON: i64 = 1_700_049_600 * SECOND;

fn record<'r>(user: &'r str, message_id: &'r str) -> Record<'r> {
    Record {
        app: APP,
        user,
        link_from: None,
        message_id,
        message_id_is_derived: false,
        kind: 5,
        name: None,
        happened_at: NOON,
        received_at: NOON + SECOND,
        remaining: None,
        player: None,
        device: None,
        platform: None,
        campaign: None,
        country: None,
        app_version: None,
    }
}

/// Turns of one event each, of which so many came in a second after noon, and the books that become of them.
fn house(events: u64) -> (Worker, Arc<MemoryBooks>) {
    let (log, books) = (Arc::new(MemoryLog::default()), Arc::new(MemoryBooks::default()));
    let mut batch = Batch::new();
    for number in 0..events {
        let mut bytes = Vec::new();
        record("ada", &format!("m{number}")).write(&mut bytes);
        batch.push(&bytes);
    }
    log.append(batch).wait().unwrap();
    let options = WorkerOptions { turn_bytes: 1, behind: 1, ..WorkerOptions::default() };
    (Worker::new(log, books.clone(), Arc::new(rules()), options), books)
}

/// Takes a turn so many seconds after noon, and says up to where the books reach soon after it.
fn reached(worker: &mut Worker, books: &MemoryBooks, seconds: i64, wanted: u64) -> Offset {
    worker.turn(Timestamp::from_micros(NOON + seconds * SECOND)).unwrap();
    // A commit is another thread's.
    for _ in 0..200 {
        if books.offset() == Offset::new(wanted) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // And nothing more comes.
    std::thread::sleep(Duration::from_millis(30));
    books.offset()
}

#[test]
fn an_engine_that_is_a_little_behind_holds_for_a_second() {
    let (mut worker, books) = house(9);
    for (seconds, wanted) in [(1, 0), (2, 2), (3, 2), (4, 4)] {
        assert_eq!(reached(&mut worker, &books, seconds, wanted), Offset::new(wanted), "{seconds} s after noon");
    }
}

#[test]
fn an_engine_that_is_late_holds_for_a_quarter_of_that() {
    let (mut worker, books) = house(9);
    // A hundred seconds late, and later with every turn.
    for (seconds, wanted) in [(101, 0), (120, 0), (135, 3), (136, 3), (150, 3), (182, 6)] {
        assert_eq!(reached(&mut worker, &books, seconds, wanted), Offset::new(wanted), "{seconds} s after noon");
    }
}

#[test]
fn what_is_held_is_written_when_nothing_waits() {
    let (mut worker, books) = house(2);
    for (wanted, seconds) in [(0, 1), (2, 1)] {
        assert_eq!(reached(&mut worker, &books, seconds, wanted), Offset::new(wanted));
    }
    assert_eq!(WorkerOptions::default().held_for, Span::from_secs(1));
}

#[test]
fn where_there_are_too_many_users_the_next_turn_reads_less() {
    let log = Arc::new(MemoryLog::default());
    let mut batch = Batch::new();
    for number in 0..6_000 {
        // Long names fill a turn with few events.
        let (user, id) = (format!("user-{number}"), format!("{number}-{}", "m".repeat(1_000)));
        let mut bytes = Vec::new();
        record(&user, &id).write(&mut bytes);
        batch.push(&bytes);
    }
    log.append(batch).wait().unwrap();
    let usual = WorkerOptions { turn_bytes: 2 << 20, behind: 1, ..WorkerOptions::default() };
    for (turn_users, is_less) in [(1, true), (1 << 16, false)] {
        let options = WorkerOptions { turn_users, ..usual };
        let books = Arc::new(MemoryBooks::default());
        let mut worker = Worker::new(log.clone(), books, Arc::new(rules()), options);
        let mut turn = || worker.turn(Timestamp::from_micros(NOON + SECOND)).unwrap().events;
        let (first, second) = (turn(), turn());
        assert!(1_500 < first && 500 < second, "{first} and {second} events");
        assert_eq!(second + 500 < first, is_less, "{first} and {second} events, {turn_users} users a turn");
    }
}
