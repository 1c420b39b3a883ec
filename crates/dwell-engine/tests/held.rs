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

/// Turns of one event each, of which so many came in a second after noon, and the books that become of them.
fn house(events: u64) -> (Worker, Arc<MemoryBooks>) {
    let (log, books) = (Arc::new(MemoryLog::default()), Arc::new(MemoryBooks::default()));
    let mut batch = Batch::new();
    for number in 0..events {
        let mut bytes = Vec::new();
        Record {
            app: APP,
            user: "ada",
            link_from: None,
            message_id: &format!("m{number}"),
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
        .write(&mut bytes);
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
