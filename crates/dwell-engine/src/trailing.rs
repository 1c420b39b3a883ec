//! Books to which what the last turns wrote may not have come yet.
//!
//! While the engine is behind, reading the log and handing out events need not wait for the disk, and of a user who does
//! something in each of several turns only the last book has to be written. So changes are held until there are many, or
//! nothing waits any more, and then committed together while the next turn is taken. Whoever reads sees them as if they were
//! in the books already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use dwell_core::time::{Span as TimeSpan, Timestamp};
use dwell_store::{Books, Changes, Entry, Offset, Stack, StoreError, Value};
use tracing::{Span, trace_span};

use crate::TRACES;

/// See the module.
pub(crate) struct Trailing {
    books: Arc<dyn Books>,
    /// What comes after everything that was given to the books.
    held: Mutex<Option<Held>>,
    last: Mutex<Option<Last>>,
}

/// Changes of some turns that no commit holds yet.
#[derive(Clone)]
struct Held {
    offset: Offset,
    turns: usize,
    /// When the first of them was taken.
    since: Timestamp,
    changes: Arc<Layers>,
}

/// How much is held at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MostHeld {
    pub bytes: usize,
    pub turns: usize,
    /// How long the changes of the first turn wait.
    pub time: TimeSpan,
}

/// A commit that is under way.
struct Last {
    offset: Offset,
    changes: Arc<Layers>,
    thread: JoinHandle<Result<(), StoreError>>,
}

/// Changes that are put on top of the others by whoever needs them first: a thread that does nothing else, or a look for
/// something in them.
#[derive(Default)]
struct Layers(RwLock<Layered>);

#[derive(Default)]
struct Layered {
    stack: Stack,
    /// What comes on top.
    waiting: Option<Changes>,
}

impl Layers {
    fn put_on(&self, changes: Changes) {
        let mut layered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        layered.settle();
        layered.waiting = Some(changes);
    }

    fn read(&self) -> RwLockReadGuard<'_, Layered> {
        loop {
            let layered = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if layered.waiting.is_none() {
                return layered;
            }
            drop(layered);
            self.0.write().unwrap_or_else(PoisonError::into_inner).settle();
        }
    }
}

impl Layered {
    fn settle(&mut self) {
        if let Some(changes) = self.waiting.take() {
            self.stack.put_on(changes);
        }
    }
}

impl Trailing {
    pub fn new(books: Arc<dyn Books>) -> Self {
        Trailing { books, held: Mutex::default(), last: Mutex::default() }
    }

    /// Begins a commit, after the one before it. What goes wrong with it is told by the next call that waits; then the
    /// books are as they were before it.
    pub fn begin(&self, changes: Changes) -> Result<(), StoreError> {
        self.put_aside(changes, Timestamp::MIN);
        self.write()
    }

    /// Holds changes of a turn at `now`, together with those that are held already, or begins a commit with all of them when they
    /// are as much as is held at most.
    pub fn hold(&self, changes: Changes, now: Timestamp, most: MostHeld) -> Result<(), StoreError> {
        let before = self.held();
        let bytes = before.as_ref().map_or(0, |held| held.changes.read().stack.bytes()) + changes.bytes();
        let turns = before.as_ref().map_or(0, |held| held.turns) + 1;
        let time = before.map_or(TimeSpan::ZERO, |held| now.since(held.since));
        self.put_aside(changes, now);
        if bytes < most.bytes && turns < most.turns && time < most.time { Ok(()) } else { self.write() }
    }

    fn put_aside(&self, changes: Changes, now: Timestamp) {
        let mut held = lock(&self.held);
        let before = held.take();
        let since = before.as_ref().map_or(now, |before| before.since);
        let (layers, turns) = before.map_or_else(Default::default, |before| (before.changes, before.turns));
        let offset = changes.offset;
        layers.put_on(changes);
        let given = layers.clone();
        *held = Some(Held { offset, turns: turns + 1, since, changes: layers });
        // Without a thread, whoever looks for something does it.
        drop(std::thread::Builder::new().name("in-order".to_owned()).spawn(move || drop(given.read())));
    }

    /// Begins a commit with what is held.
    fn write(&self) -> Result<(), StoreError> {
        // Held until it has begun: whoever reads meanwhile would find the changes neither here nor in the books.
        let mut last = lock(&self.last);
        self.join(last.take())?;
        let Some(Held { offset, changes, .. }) = lock(&self.held).take() else { return Ok(()) };
        let (books, given) = (self.books.clone(), changes.clone());
        // It belongs to the turn that began it, and may end after that.
        let span = span_of(offset);
        let commit = move || span.in_scope(|| books.commit_all(&given.read().stack));
        let thread = std::thread::Builder::new().name("commit".to_owned()).spawn(commit);
        match thread {
            Ok(thread) => {
                *last = Some(Last { offset, changes, thread });
                Ok(())
            }
            // It can be done here as well.
            Err(_no_thread) => self.books.commit_all(&changes.read().stack),
        }
    }

    /// Commits what is held, and waits until all is done; says how it went.
    pub fn wait(&self) -> Result<(), StoreError> {
        self.write()?;
        self.wait_for_last()
    }

    /// Waits for the commit that is under way, and forgets what is held, which nobody will hear of.
    pub fn forget(&self) {
        // Whatever it says, the books are what counts from here on.
        drop(self.wait_for_last());
        drop(lock(&self.held).take());
    }

    fn wait_for_last(&self) -> Result<(), StoreError> {
        // Held until it is done, for the same reason.
        let mut last = lock(&self.last);
        self.join(last.take())
    }

    /// Waits for a commit, and says how it went. Where it failed, what is held was made on top of what is not there.
    fn join(&self, last: Option<Last>) -> Result<(), StoreError> {
        let Some(last) = last else { return Ok(()) };
        let done = match last.thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        if done.is_err() {
            drop(lock(&self.held).take());
        }
        done
    }

    fn held(&self) -> Option<Held> {
        lock(&self.held).clone()
    }

    /// Returns all changes that may not be in the books yet, the latest first.
    fn changes(&self) -> Vec<Arc<Layers>> {
        let held = self.held().map(|held| held.changes);
        let last = lock(&self.last).as_ref().map(|last| last.changes.clone());
        held.into_iter().chain(last).collect()
    }
}

fn span_of(offset: Offset) -> Span {
    trace_span!(target: TRACES, "commit", offset = offset.number())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Books for Trailing {
    fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let changes = self.changes();
        if changes.is_empty() {
            return self.books.load(keys);
        }
        let changes: Vec<_> = changes.iter().map(|changes| changes.read()).collect();
        let found: Vec<_> = keys.iter().map(|key| changes.iter().find_map(|changes| changes.stack.find(key))).collect();
        let others = keys.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(key, _)| *key);
        let mut others = self.books.load(&others.collect::<Vec<_>>())?.into_iter();
        let value = |found: Option<Option<&Value>>| match found {
            Some(value) => value.map(|value| value.to_vec()),
            None => others.next().flatten(),
        };
        Ok(found.into_iter().map(value).collect())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError> {
        let changes = self.changes();
        if changes.is_empty() {
            return self.books.scan(prefix, after, most);
        }
        let changes: Vec<_> = changes.iter().map(|changes| changes.read()).collect();
        let mut found = Vec::new();
        let mut after = after.map(<[u8]>::to_vec);
        while found.len() < most {
            let page = self.books.scan(prefix, after.as_deref(), most)?;
            // Of what comes after a page that is full, nothing is known yet.
            let end = if page.len() < most { None } else { page.last().map(|(key, _)| key.clone()) };
            let mut entries: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
                page.into_iter().map(|(key, value)| (key, Some(value))).collect();
            for changes in changes.iter().rev() {
                let range = changes.stack.range(prefix, after.as_deref(), end.as_deref());
                entries.extend(range.map(|(key, value)| (key.to_vec(), value.map(|value| value.to_vec()))));
            }
            found.extend(entries.into_iter().filter_map(|(key, value)| Some((key, value?))).take(most - found.len()));
            if end.is_none() {
                break;
            }
            after = end;
        }
        Ok(found)
    }

    fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        self.wait()?;
        span_of(changes.offset).in_scope(|| self.books.commit(changes))
    }

    /// Up to where the last of what is held or under way will reach.
    fn offset(&self) -> Offset {
        if let Some(held) = self.held() {
            return held.offset;
        }
        lock(&self.last).as_ref().map_or_else(|| self.books.offset(), |last| last.offset)
    }

    fn sync(&self) -> Result<Offset, StoreError> {
        self.wait()?;
        self.books.sync()
    }
}

impl Drop for Trailing {
    fn drop(&mut self) {
        // Whoever opens the books next has to find it done. How it went is seen by where they reach.
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use dwell_store::MemoryBooks;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Books that commit only when they are let, or fail.
    struct Slow {
        books: MemoryBooks,
        lets: Mutex<Receiver<bool>>,
    }

    impl Books for Slow {
        fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
            self.books.load(keys)
        }
        fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError> {
            self.books.scan(prefix, after, most)
        }
        fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
            if self.lets.lock().unwrap().recv().unwrap() {
                return self.books.commit(changes);
            }
            Err(StoreError::Option { name: "a test", value: 0, least: 1, most: 1 })
        }
        fn offset(&self) -> Offset {
            self.books.offset()
        }
        fn sync(&self) -> Result<Offset, StoreError> {
            self.books.sync()
        }
    }

    /// The sender comes last, so that it goes first: where a test fails, nobody waits for it.
    fn slow() -> (Trailing, SyncSender<bool>) {
        let (lets, gate) = sync_channel(4);
        (Trailing::new(Arc::new(Slow { books: MemoryBooks::new(), lets: Mutex::new(gate) })), lets)
    }

    const LONG: TimeSpan = TimeSpan::from_secs(1_000);

    fn up_to(bytes: usize, turns: usize) -> MostHeld {
        MostHeld { bytes, turns, time: LONG }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn changes(offset: u64, writes: &[(&str, Option<&str>)]) -> Changes {
        let mut changes = Changes::up_to(Offset::new(offset));
        for (key, value) in writes {
            match value {
                Some(value) => changes.put(*key, *value),
                None => changes.delete(*key),
            }
        }
        changes
    }

    fn load(books: &Trailing, key: &str) -> Option<String> {
        let value = books.load(&[key.as_bytes()]).unwrap().pop().unwrap();
        value.map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn what_is_under_way_is_read_as_if_it_were_done() {
        let (books, lets) = slow();
        lets.send(true).unwrap();
        books.begin(changes(1, &[("a", Some("old")), ("b", Some("old")), ("c", Some("old"))])).unwrap();
        books.wait().unwrap();
        // Of one key, the later write counts.
        books.begin(changes(2, &[("b", Some("never")), ("a", Some("new")), ("b", None)])).unwrap();
        let all = || ["a", "b", "c", "d"].map(|key| load(&books, key));
        let wanted = [Some("new"), None, Some("old"), None].map(|value| value.map(str::to_owned));
        assert_eq!((all(), books.offset()), (wanted.clone(), Offset::new(2)));
        lets.send(true).unwrap();
        // Who reads in order finds it, too, and waits for nothing.
        let keys: Vec<Vec<u8>> = books.scan(b"", None, 9).unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"a", b"c"]);
        assert_eq!((all(), books.offset()), (wanted, Offset::new(2)));
    }

    #[test]
    fn what_failed_is_told_once_and_was_never_there() {
        let (books, lets) = slow();
        books.begin(changes(1, &[("a", Some("new"))])).unwrap();
        assert_eq!(load(&books, "a"), Some("new".to_owned()));
        lets.send(false).unwrap();
        assert!(books.begin(changes(2, &[])).is_err(), "the commit before it failed");
        assert_eq!((load(&books, "a"), books.offset()), (None, Offset::ZERO));
        assert!(books.sync().is_ok());
    }

    #[test]
    fn what_is_held_is_read_as_if_it_were_done_and_committed_with_the_rest() {
        let (books, lets) = slow();
        let scanned = || -> Vec<(String, String)> {
            let text = |bytes| String::from_utf8(bytes).unwrap();
            books.scan(b"k", None, 2).unwrap().into_iter().map(|(key, value)| (text(key), text(value))).collect()
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        lets.send(true).unwrap();
        books.begin(changes(1, &[("k1", Some("old")), ("k2", Some("old")), ("k4", Some("old"))])).unwrap();
        books.wait().unwrap();
        books.hold(changes(2, &[("k2", None), ("k1", Some("new"))]), at(0), up_to(1_000, 9)).unwrap();
        books.hold(changes(3, &[("k3", Some("new"))]), at(0), up_to(1_000, 9)).unwrap();
        assert_eq!((books.offset(), books.books.offset()), (Offset::new(3), Offset::new(1)));
        assert_eq!(["k1", "k2", "k3"].map(|key| load(&books, key)), [Some("new".into()), None, Some("new".into())]);
        assert_eq!(scanned(), [pair("k1", "new"), pair("k3", "new")]);
        lets.send(true).unwrap();
        books.wait().unwrap();
        assert_eq!((books.offset(), books.books.offset()), (Offset::new(3), Offset::new(3)));
        assert_eq!(scanned(), [pair("k1", "new"), pair("k3", "new")]);
        // The third turn and the fourth byte are too many.
        lets.send(true).unwrap();
        lets.send(true).unwrap();
        for offset in [4, 5, 6] {
            books.hold(changes(offset, &[("a", None)]), at(0), up_to(1_000, 3)).unwrap();
        }
        books.wait_for_last().unwrap();
        assert_eq!(books.books.offset(), Offset::new(6));
        books.hold(changes(7, &[("a", Some("abc"))]), at(0), up_to(4, 9)).unwrap();
        books.wait_for_last().unwrap();
        assert_eq!(books.books.offset(), Offset::new(7));
        // And so is the third second.
        let soon = MostHeld { time: TimeSpan::from_secs(3), ..up_to(1_000, 9) };
        for (offset, now) in [(8, 10), (9, 12), (10, 13)] {
            if offset == 10 {
                lets.send(true).unwrap();
            }
            books.hold(changes(offset, &[("a", None)]), at(now), soon).unwrap();
            assert_eq!(books.held().is_some(), offset < 10, "after turn {offset}");
        }
        books.wait_for_last().unwrap();
        assert_eq!(books.books.offset(), Offset::new(10));
    }

    #[test]
    fn what_is_held_goes_with_what_it_was_made_on() {
        let (books, lets) = slow();
        books.begin(changes(1, &[("a", Some("new"))])).unwrap();
        books.hold(changes(2, &[("b", Some("new"))]), at(0), up_to(1_000, 9)).unwrap();
        lets.send(false).unwrap();
        assert!(books.wait().is_err(), "the commit failed");
        assert_eq!((load(&books, "a"), load(&books, "b"), books.offset()), (None, None, Offset::ZERO));
        assert!(books.wait().is_ok(), "nothing is left");
        books.hold(changes(1, &[("c", Some("new"))]), at(0), up_to(1_000, 9)).unwrap();
        books.forget();
        assert_eq!((load(&books, "c"), books.offset()), (None, Offset::ZERO));
    }

    proptest! {
        #[test]
        fn it_reads_like_books_that_are_written_at_once(
            turns in vec((vec((0..12_u8, prop::option::of(any::<u8>())), 0..8), 0..4_u8), 1..12),
            prefix in prop::option::of(0..3_u8),
            after in prop::option::of(0..12_u8),
            most in 1..8_usize,
        ) {
            // Twelve keys in three groups of four.
            let key = |number: u8| vec![number / 4, number];
            let (plain, under) = (MemoryBooks::new(), Arc::new(MemoryBooks::new()));
            let books = Trailing::new(under.clone());
            for (number, (writes, how)) in turns.into_iter().enumerate() {
                let mut changes = Changes::up_to(Offset::new(number as u64 + 1));
                for (number, value) in writes {
                    match value {
                        Some(value) => changes.put(key(number), [value]),
                        None => changes.delete(key(number)),
                    }
                }
                plain.commit(&changes).unwrap();
                match how {
                    0 => books.begin(changes).unwrap(),
                    1 => books.commit(&changes).unwrap(),
                    _ => books.hold(changes, at(0), up_to(40, 4)).unwrap(),
                }
                let keys: Vec<Vec<u8>> = (0..12).map(key).collect();
                let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                prop_assert_eq!(books.load(&keys).unwrap(), plain.load(&keys).unwrap());
                let prefix: Vec<u8> = prefix.into_iter().collect();
                let after = after.map(key);
                let scan = |books: &dyn Books| books.scan(&prefix, after.as_deref(), most).unwrap();
                prop_assert_eq!(scan(&books), scan(&plain));
                prop_assert_eq!(books.offset(), plain.offset());
            }
            books.wait().unwrap();
            prop_assert_eq!(under.scan(&[], None, 99).unwrap(), plain.scan(&[], None, 99).unwrap());
            prop_assert_eq!(under.offset(), plain.offset());
        }
    }
}
