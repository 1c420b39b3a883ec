//! The feed is swept between turns, and anything may break off anywhere: what is left has no gaps, nothing goes that is young or
//! waited for, and all else is as if nobody had swept.

#[expect(dead_code, reason = "every test uses another part of it")]
#[path = "support/house.rs"]
mod house;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{EngineError, Fill, Statement, Sweep, Worker, WorkerOptions};
use dwell_store::{Books, Changes, Entry, MemoryBooks, MemoryLog, Offset, StoreError};
use house::*;
use proptest::prelude::*;

/// Books of which one commit fails where it is said so.
#[derive(Default)]
struct Failing {
    books: MemoryBooks,
    /// How many commits there are up to the one that fails, itself among them.
    fails: AtomicU64,
}

impl Books for Failing {
    fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.books.load(keys)
    }
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError> {
        self.books.scan(prefix, after, most)
    }
    fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        let before = self.fails.load(Ordering::SeqCst);
        self.fails.store(before.saturating_sub(1), Ordering::SeqCst);
        if before == 1 {
            return Err(StoreError::Option { name: "a test", value: 0, least: 1, most: 1 });
        }
        self.books.commit(changes)
    }
    fn offset(&self) -> Offset {
        self.books.offset()
    }
    fn sync(&self) -> Result<Offset, StoreError> {
        self.books.sync()
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Turn,
    /// What is older than so many minutes goes, unless it is one of the last so many, and twice as old it goes at any rate.
    Sweep {
        keep: i64,
        needed: u64,
        most: usize,
    },
    /// The process ends, and another one begins.
    Crash,
    /// The disk refuses one of the next commits.
    Fail(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sweep = (0i64..40, prop_oneof![Just(0), 0u64..12], 1usize..6);
    let sweep = sweep.prop_map(|(keep, needed, most)| Step::Sweep { keep, needed, most });
    prop::collection::vec(
        prop_oneof![3 => Just(Step::Turn), 3 => sweep, 1 => Just(Step::Crash), 1 => (1u64..3).prop_map(Step::Fail)],
        0..5,
    )
}

/// A worker that holds what it writes, or writes at once.
fn worker(house: &House, holds: bool) -> Worker {
    let options = WorkerOptions {
        turn_bytes: 300,
        cache_bytes: 2_000,
        behind: if holds { 1 } else { u64::MAX },
        held_bytes: 4_000,
        held_turns: 4,
        held_for: Span::from_hours(1_000),
        fill: Fill { most: 3, keep: 1, part: 2 },
        users_a_thread: 1,
        ..WorkerOptions::default()
    };
    Worker::new(house.log.clone(), house.books.clone(), Arc::new(house.rules.clone()), options)
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(BEGIN + minute * MINUTE)
}

fn begin() -> (House, Arc<Failing>) {
    let (log, books) = (Arc::new(MemoryLog::default()), Arc::new(Failing::default()));
    let worker = worker_under(log.clone(), books.clone(), rules(), 300).into();
    (House { log, books: books.clone(), worker, rules: rules(), turn_bytes: 300 }, books)
}

/// Reads all of the feed that is kept: it has no gaps, and who asks for what was dropped is told with which number it begins.
fn kept(house: &House) -> (u64, Vec<Statement>) {
    let desk = house.desk();
    let (first, next) = (desk.feed_first(APP).unwrap(), desk.numbers(APP).unwrap().next);
    let all = desk.feed(APP, first, 10_000).unwrap();
    let numbers: Vec<u64> = all.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (first..next).collect::<Vec<_>>(), "there is a gap");
    for dropped in [0, first.saturating_sub(1)].into_iter().filter(|number| *number < first) {
        let told = desk.feed(APP, dropped, 1);
        assert!(matches!(told, Err(EngineError::FeedDropped { first: says }) if says == first), "{told:?}");
    }
    (first, all.into_iter().map(|(_, statement)| statement).collect())
}

proptest! {
    #[test]
    fn what_is_kept_has_no_gaps_and_nothing_goes_too_early_whatever_breaks_off(
        said in said(1..40, 0..30),
        all_steps in prop::collection::vec(steps(), 1..14),
        holds in any::<bool>(),
    ) {
        let (house, books) = begin();
        let mut sent = said.clone();
        sent.sort_by_key(|said| said.minute);
        let mut known: BTreeMap<u64, Statement> = BTreeMap::new();
        let mut working = worker(&house, holds);
        let (mut now, mut begins) = (0, 0);
        let pieces = sent.chunks(sent.len().div_ceil(all_steps.len()));
        for (piece, steps) in pieces.zip(&all_steps) {
            // Moments of statements go back now and then, as they do where what came in earlier lies later in the log.
            house.say_at(piece, None, |said| said.minute + said.delay);
            now = piece.last().map_or(now, |said| said.minute + 30);
            for step in steps {
                let mut swept = None;
                match *step {
                    Step::Turn => drop(working.turn(at(now))),
                    Step::Sweep { keep, needed, most } => {
                        let next = house.desk().numbers(APP).unwrap().next;
                        let needed = if needed == 0 { u64::MAX } else { next.saturating_sub(needed) };
                        let sweep = Sweep { old: at(now - keep), needed, too_old: at(now - 2 * keep) };
                        swept = Some((sweep, working.sweep(APP, sweep, most), most));
                    }
                    Step::Crash => working = worker(&house, holds),
                    Step::Fail(commit) => books.fails.store(commit, Ordering::SeqCst),
                }
                let (first, all) = kept(&house);
                prop_assert!(begins <= first);
                for (number, statement) in (first..).zip(all) {
                    // What was told under a number is told under it for ever.
                    let before = known.entry(number).or_insert_with(|| statement.clone());
                    prop_assert_eq!(&*before, &statement);
                }
                let Some((sweep, swept, most)) = swept else {
                    prop_assert_eq!(first, begins, "only who sweeps drops anything");
                    continue;
                };
                let goes = |number: u64, statement: &Statement| {
                    statement.at < sweep.too_old || (statement.at < sweep.old && number < sweep.needed)
                };
                for number in begins..first {
                    // What was held has been seen by nobody before it went.
                    prop_assert!(holds || known.contains_key(&number));
                    prop_assert!(known.get(&number).is_none_or(|statement| goes(number, statement)), "{}", number);
                }
                if let Ok(swept) = swept {
                    prop_assert_eq!((swept.first, swept.dropped), (first, first - begins));
                    prop_assert!(swept.dropped <= most as u64);
                    let would_go = known.get(&first).is_some_and(|statement| goes(first, statement));
                    prop_assert!(swept.goes_on || !would_go, "{} stays", first);
                }
                begins = first;
            }
        }
        // All else is as it would be.
        books.fails.store(0, Ordering::SeqCst);
        drop(working);
        house.restart();
        house.work(1_000);
        for (user, (closed, _)) in model(&said, 3, 1_000, &rules()) {
            prop_assert_eq!(told(&house.sessions(&user)), wanted(&closed), "{}", user);
        }
        let (first, all) = kept(&house);
        known.extend((first..).zip(all));
        prop_assert!(holds || known.len() as u64 == house.desk().numbers(APP).unwrap().next, "one was never told");
    }
}

#[test]
fn all_of_a_feed_may_go_and_its_numbers_go_on() {
    let (house, _) = begin();
    house.say_at(&[action(0, 0, 0)], None, |_| 0);
    house.work(0);
    house.work(20);
    let all = |minute| Sweep { old: at(minute), needed: u64::MAX, too_old: Timestamp::MIN };
    let sweep = |sweep| house.worker.borrow_mut().sweep(APP, sweep, 10).unwrap();
    // What is exactly as old as it is kept stays.
    assert_eq!((sweep(all(0)).dropped, kept(&house).0), (0, 0));
    assert_eq!((sweep(all(1)).dropped, kept(&house).0), (1, 1));
    assert_eq!((sweep(all(21)).dropped, kept(&house)), (1, (2, vec![])));
    assert_eq!(sweep(all(1_000)).dropped, 0);
    house.say_at(&[action(0, 30, 1)], None, |_| 30);
    house.work(30);
    let (first, told) = kept(&house);
    assert_eq!((first, told.len(), told[0].news.word()), (2, 1, "session.started"));
}

#[test]
fn who_waits_is_waited_for_but_not_for_ever() {
    let (house, _) = begin();
    for minute in 0..4 {
        house.say_at(&[action(0, minute * 100, minute as usize)], None, |said| said.minute);
        house.work(minute * 100);
        house.work(minute * 100 + 20);
    }
    // Each of four sessions began and ended: numbers 0 to 7.
    let sweep = |old, needed, too_old| {
        let sweep = Sweep { old: at(old), needed, too_old: at(too_old) };
        house.worker.borrow_mut().sweep(APP, sweep, 100).unwrap().first
    };
    assert_eq!(sweep(201, 3, -1), 3);
    assert_eq!(sweep(201, 3, 100), 3, "the one at 100 minutes is not too old yet");
    assert_eq!(sweep(201, 3, 121), 4);
    assert_eq!(sweep(1_000, u64::MAX, -1), 8);
}
