//! The contract of a log. Each test is a function of a log, and runs on all of them.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use dwell_store::{Batch, DiskLog, Log, LogOptions, MemoryLog, Offset, SimulatedDisk, StoreError};
use proptest::prelude::*;

const LONG: Duration = Duration::from_secs(20);

/// Small segments, so that every test crosses some.
fn options() -> LogOptions {
    LogOptions { segment_bytes: 1_000, ..LogOptions::default() }
}

fn each(test: fn(&dyn Log)) {
    test(&MemoryLog::new());
    let folder = tempfile::tempdir().unwrap();
    test(&DiskLog::open(folder.path(), options()).unwrap());
    let simulated = Arc::new(SimulatedDisk::new(1));
    test(&DiskLog::open_on(simulated, Path::new("/log"), options()).unwrap());
}

fn append(log: &dyn Log, records: &[&str]) -> u64 {
    log.append(records.iter().collect::<Batch>()).wait().unwrap().number()
}

fn read(log: &dyn Log, from: u64, most: usize) -> Vec<(u64, String)> {
    let records = log.read(Offset::new(from), most).unwrap();
    assert_eq!(records.len(), records.iter().count());
    assert_eq!(records.first(), Offset::new(from));
    let text = |record: &[u8]| String::from_utf8(record.to_vec()).unwrap();
    records.iter().map(|(offset, record)| (offset.number(), text(record))).collect()
}

#[test]
fn an_empty_log_begins_and_ends_at_zero() {
    each(|log| {
        assert_eq!((log.first(), log.next()), (Offset::ZERO, Offset::ZERO));
        assert!(log.read(Offset::ZERO, 100).unwrap().is_empty());
    });
}

#[test]
fn offsets_are_dense_and_in_the_order_of_appends() {
    each(|log| {
        assert_eq!(append(log, &["a", "b", "c"]), 0);
        assert_eq!(append(log, &["d"]), 3);
        assert_eq!(log.next(), Offset::new(4));
        let all = [(0, "a".into()), (1, "b".into()), (2, "c".into()), (3, "d".into())];
        assert_eq!(read(log, 0, 1_000), all);
        assert_eq!(read(log, 1, 1_000), all[1..]);
        assert_eq!(read(log, 4, 1_000), []);
    });
}

#[test]
fn a_record_may_be_empty_and_an_append_too() {
    each(|log| {
        assert_eq!(append(log, &["", "a", ""]), 0);
        assert_eq!(append(log, &[]), 3);
        assert_eq!(log.next(), Offset::new(3));
        assert_eq!(read(log, 0, 1_000).len(), 3);
    });
}

#[test]
fn reading_stops_at_the_bound_but_gives_one_record() {
    each(|log| {
        append(log, &["0123456789", "0123456789", "0123456789"]);
        assert_eq!(read(log, 0, 0).len(), 1);
        assert_eq!(read(log, 0, 1).len(), 1);
        assert_eq!(read(log, 0, 27).len(), 1);
        assert_eq!(read(log, 0, 28).len(), 2);
        assert_eq!(read(log, 1, 28).len(), 2);
    });
}

#[test]
fn reading_goes_on_across_segments() {
    each(|log| {
        for at in 0..200 {
            assert_eq!(append(log, &[&format!("record {at} of some length, so that segments end")]), at);
        }
        let mut from = 0;
        while from < 200 {
            let found = read(log, from, 700);
            assert!(!found.is_empty());
            for (offset, record) in &found {
                assert_eq!(*record, format!("record {offset} of some length, so that segments end"));
            }
            from += found.len() as u64;
        }
        assert_eq!(read(log, 0, usize::MAX).len(), 200);
    });
}

#[test]
fn reading_beyond_the_end_is_an_error() {
    each(|log| {
        append(log, &["a"]);
        let beyond = log.read(Offset::new(2), 100);
        assert!(matches!(beyond, Err(StoreError::Beyond { asked, next }) if asked.number() == 2 && next.number() == 1));
    });
}

#[test]
fn what_is_dropped_lies_before_the_offset_and_reading_it_is_an_error() {
    each(|log| {
        for at in 0..100 {
            append(log, &[&format!("record {at} of some length, so that segments end")]);
        }
        let first = log.drop_before(Offset::new(60)).unwrap();
        assert_eq!(first, log.first());
        assert!(Offset::ZERO < first && first <= Offset::new(60), "{first}");
        let gone = log.read(Offset::ZERO, 100);
        assert!(matches!(gone, Err(StoreError::Dropped { first: says, .. }) if says == first));
        assert_eq!(read(log, first.number(), usize::MAX).len() as u64, 100 - first.number());
        assert_eq!(append(log, &["next"]), 100);
        // Nothing comes back by asking for less, and nothing is lost by asking for more than there is.
        assert_eq!(log.drop_before(Offset::ZERO).unwrap(), first);
        log.drop_before(Offset::new(1_000)).unwrap();
        assert_eq!(log.next(), Offset::new(101));
        assert_eq!(append(log, &["another"]), 101);
    });
}

#[test]
fn who_waits_for_a_record_is_woken_by_it() {
    each(|log| {
        assert_eq!(log.wait_past(Offset::ZERO, Duration::from_millis(1)), Offset::ZERO);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| log.wait_past(Offset::ZERO, LONG));
            append(log, &["a", "b"]);
            assert_eq!(waiting.join().unwrap(), Offset::new(2));
        });
        assert_eq!(log.wait_past(Offset::new(1), LONG), Offset::new(2));
    });
}

/// Wakes a thread, and counts.
struct Woken {
    thread: Thread,
    times: AtomicU64,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.times.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn woken() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken { thread: std::thread::current(), times: AtomicU64::new(0) });
    (Arc::clone(&woken), Waker::from(woken))
}

#[test]
fn a_future_of_the_tail_is_woken_by_the_record() {
    each(|log| {
        let (woken, waker) = woken();
        let mut context = Context::from_waker(&waker);
        let mut past = pin!(log.past(Offset::ZERO));
        assert_eq!(past.as_mut().poll(&mut context), Poll::Pending);
        append(log, &["a"]);
        assert_eq!(woken.times.load(Ordering::SeqCst), 1);
        assert_eq!(past.as_mut().poll(&mut context), Poll::Ready(Offset::new(1)));
    });
}

#[test]
fn an_append_can_be_awaited() {
    each(|log| {
        let (_, waker) = woken();
        let mut appended = pin!(log.append(["a"].iter().collect()));
        loop {
            match appended.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(answer) => break assert_eq!(answer.unwrap(), Offset::ZERO),
                Poll::Pending => std::thread::park(),
            }
        }
    });
}

#[test]
fn many_callers_at_once_get_each_their_own_offsets() {
    each(|log| {
        let mut all: Vec<(u64, String)> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|caller| {
                    scope.spawn(move || {
                        let one = |at: u64| {
                            let records = [format!("{caller} {at} one"), format!("{caller} {at} two")];
                            let first = log.append(records.iter().collect()).wait().unwrap().number();
                            (first..).zip(records).collect::<Vec<_>>()
                        };
                        (0..25).flat_map(one).collect::<Vec<_>>()
                    })
                })
                .collect();
            callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        });
        all.sort();
        assert_eq!(read(log, 0, usize::MAX), all);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Vec<u8>>),
    Read(u64, usize),
    Drop(u64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = proptest::collection::vec(any::<u8>(), 0..80);
    let step = prop_oneof![
        6 => proptest::collection::vec(record, 0..6).prop_map(Step::Append),
        3 => (0..300_u64, 0..2_000_usize).prop_map(|(from, most)| Step::Read(from, most)),
        1 => (0..300_u64).prop_map(Step::Drop),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// The log on disk beside the one in memory: whatever is done, both say the same.
    #[test]
    fn the_log_on_disk_is_like_the_one_in_memory(steps in steps()) {
        let disk = SimulatedDisk::new(1);
        let open = || DiskLog::open_on(Arc::new(disk.clone()), Path::new("/log"), options()).unwrap();
        let mut log = open();
        let model = MemoryLog::new();
        for step in steps {
            match step {
                Step::Append(records) => {
                    let batch: Batch = records.iter().collect();
                    prop_assert_eq!(log.append(batch.clone()).wait().unwrap(), model.append(batch).wait().unwrap());
                }
                Step::Read(from, most) => {
                    let from = Offset::new(from);
                    if from < log.first() {
                        let gone = matches!(log.read(from, most), Err(StoreError::Dropped { .. }));
                        prop_assert!(gone);
                    } else if log.next() < from {
                        let beyond = matches!(log.read(from, most), Err(StoreError::Beyond { .. }));
                        prop_assert!(beyond);
                    } else {
                        prop_assert_eq!(log.read(from, most).unwrap(), model.read(from, most).unwrap());
                    }
                }
                // The one in memory keeps everything here, so that it can be compared with what the other kept.
                Step::Drop(before) => {
                    let first = log.drop_before(Offset::new(before)).unwrap();
                    prop_assert!(first <= Offset::new(before).max(Offset::ZERO) || first <= model.next());
                }
                Step::Reopen => {
                    drop(log);
                    log = open();
                }
            }
            prop_assert_eq!(log.next(), model.next());
        }
        log.verify().unwrap();
        let first = log.first();
        prop_assert_eq!(log.read(first, usize::MAX).unwrap(), model.read(first, usize::MAX).unwrap());
    }
}

#[test]
fn a_copy_holds_what_was_durable_while_appending_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = || LogOptions { segment_bytes: 4 << 10, ..LogOptions::default() };
    let log = DiskLog::open(&folder.path().join("log"), options()).unwrap();
    for at in 0..100 {
        append(&log, &[&format!("record {at} of some length, so that segments end")]);
    }
    log.drop_before(Offset::new(60)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 100;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                append(&log, &[&format!("record {at} of some length, so that segments end")]);
                at += 1;
            }
        });
        for round in 0..10 {
            let to = folder.path().join(format!("copy{round}"));
            let before = log.next();
            let copied = log.copy_to(&to).unwrap();
            assert!(copied.start == log.first() && before <= copied.end, "{copied:?}");
            let copy = DiskLog::open(&to, options()).unwrap();
            let records = read(&copy, copied.start.number(), usize::MAX);
            assert_eq!(records.len() as u64, copied.end.since(copied.start));
            for (at, record) in records {
                assert_eq!(record, format!("record {at} of some length, so that segments end"));
            }
            // A copy goes on like any log.
            assert_eq!(append(&copy, &["more"]), copied.end.number());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn nothing_damaged_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let log = DiskLog::open(&folder.path().join("log"), LogOptions::default()).unwrap();
    append(&log, &["one", "two", "three"]);
    let path = log.segments()[0].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(3).position(|part| part == b"two").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(log.copy_to(&folder.path().join("copy")), Err(StoreError::Damaged(_))));
}
