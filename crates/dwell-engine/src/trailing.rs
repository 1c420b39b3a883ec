//! Books whose last commit may still be under way while the next turn begins.
//!
//! While the engine is behind, reading the log and handing out events need not wait for the disk: what the commit holds is
//! read from it, and everything else lies in the books as it did. Whoever reads in order of keys waits, since a
//! change may stand between any two of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use dwell_store::{Books, Changes, Entry, Offset, StoreError};

/// See the module.
pub(crate) struct Trailing {
    books: Arc<dyn Books>,
    last: Mutex<Option<Last>>,
}

/// A commit that is under way.
struct Last {
    offset: Offset,
    changes: Arc<InOrder>,
    thread: JoinHandle<Result<(), StoreError>>,
}

/// Changes that are put in order by whoever needs them first: the commit, or a look for something in them.
struct InOrder(Mutex<State>);

enum State {
    Given(Changes),
    Done(Arc<Changes>),
}

impl InOrder {
    fn get(&self) -> Arc<Changes> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = match &mut *held {
            State::Done(changes) => return changes.clone(),
            State::Given(changes) => std::mem::replace(changes, Changes::up_to(changes.offset)),
        };
        changes.put_in_order();
        let changes = Arc::new(changes);
        *held = State::Done(changes.clone());
        changes
    }
}

impl Trailing {
    pub fn new(books: Arc<dyn Books>) -> Self {
        Trailing { books, last: Mutex::default() }
    }

    /// Begins a commit, after the one before it. What goes wrong with it is told by the next call that waits; then the
    /// books are as they were before it.
    pub fn begin(&self, changes: Changes) -> Result<(), StoreError> {
        self.wait()?;
        let offset = changes.offset;
        let changes = Arc::new(InOrder(Mutex::new(State::Given(changes))));
        let (books, given) = (self.books.clone(), changes.clone());
        let thread = std::thread::Builder::new().name("commit".to_owned()).spawn(move || books.commit(&given.get()));
        match thread {
            Ok(thread) => {
                *self.last() = Some(Last { offset, changes, thread });
                Ok(())
            }
            // It can be done here as well.
            Err(_no_thread) => self.books.commit(&changes.get()),
        }
    }

    /// Waits for the commit that is under way, if there is one, and says how it went.
    pub fn wait(&self) -> Result<(), StoreError> {
        // Held until it is done: whoever reads meanwhile would find the changes neither here nor in the books.
        let mut held = self.last();
        let Some(last) = held.take() else { return Ok(()) };
        match last.thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> Option<Arc<Changes>> {
        let changes = self.last().as_ref().map(|last| last.changes.clone());
        changes.map(|changes| changes.get())
    }
}

impl Books for Trailing {
    fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let Some(changes) = self.changes() else { return self.books.load(keys) };
        let found: Vec<_> = keys.iter().map(|key| changes.find(key)).collect();
        let others = keys.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(key, _)| *key);
        let mut others = self.books.load(&others.collect::<Vec<_>>())?.into_iter();
        let value = |found: Option<Option<&[u8]>>| match found {
            Some(value) => value.map(<[u8]>::to_vec),
            None => others.next().flatten(),
        };
        Ok(found.into_iter().map(value).collect())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError> {
        self.wait()?;
        self.books.scan(prefix, after, most)
    }

    fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        self.wait()?;
        self.books.commit(changes)
    }

    /// Up to where the commit that is under way will reach.
    fn offset(&self) -> Offset {
        self.last().as_ref().map_or_else(|| self.books.offset(), |last| last.offset)
    }

    fn sync(&self) -> Result<Offset, StoreError> {
        self.wait()?;
        self.books.sync()
    }
}

impl Drop for Trailing {
    fn drop(&mut self) {
        // Whoever opens the books next has to find it done. How it went is seen by where they reach.
        if let Some(last) = self.last().take() {
            drop(last.thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use dwell_store::MemoryBooks;

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
        // Who reads in order waits until it is done.
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
}
