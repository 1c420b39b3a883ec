//! How far deliveries to one endpoint have come, and what comes next: no file, no network, no clock.
//!
//! Deliveries go out in the order of the feed, one at a time: while one is tried again, those after it wait. After the
//! last attempt it becomes a dead letter, and the next has its turn.

use std::collections::{BTreeSet, VecDeque};

use dwell_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Kind};
use crate::endpoint::Wish;
use crate::schedule;
use crate::when;

/// What is said of a dead letter that cannot be delivered any more.
const DROPPED: &str = "the feed has dropped it, since it was older than it is kept: it cannot be delivered any more";

/// The longest sentence that is kept of what went wrong, in characters.
const LONGEST_SAYING: usize = 300;

/// How far deliveries to one endpoint have come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The next number of the feed: all before it were delivered, not heard, or are dead letters.
    pub next: u64,
    /// What is being tried.
    pub current: Option<Current>,
    /// The latest failure, and when it was.
    pub trouble: Option<Trouble>,
    /// Why nothing is sent any more, until somebody asks for it.
    pub off: Option<Off>,
    /// How many deliveries were taken.
    pub delivered: u64,
    /// How many attempts failed.
    pub failed: u64,
    /// When the latest delivery was taken.
    pub last: Option<Delivered>,
    /// The last wish that was granted.
    pub granted: u64,
    /// Numbers of dead letters that are to be tried again, once each.
    pub again: BTreeSet<u64>,
    /// What was given up, the oldest first.
    pub dead: VecDeque<DeadLetter>,
    /// How many dead letters were forgotten for lack of room.
    pub forgotten: u64,
    /// How many numbers the feed dropped before their turn had come, those that are not heard among them.
    #[serde(default)]
    pub lost: u64,
}

/// What is being tried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Current {
    /// Its number in the feed.
    pub number: u64,
    /// Its word.
    pub word: String,
    /// How many attempts have failed.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(with = "when")]
    pub due_at: Timestamp,
}

/// What went wrong, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// When.
    #[serde(with = "when")]
    pub at: Timestamp,
    /// What, for people.
    pub says: String,
}

/// When and why an endpoint was switched off.
pub type Off = Trouble;

/// Which delivery was taken, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// Its number in the feed.
    pub number: u64,
    /// When.
    #[serde(with = "when")]
    pub at: Timestamp,
}

/// A delivery that was given up. What it said is read from the feed when it is tried again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// Its number in the feed.
    pub number: u64,
    /// Its word.
    pub word: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    #[serde(with = "when")]
    pub at: Timestamp,
    /// What its last attempt came to.
    pub says: String,
}

/// What is to be sent now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// This number, which was tried before.
    Same(u64),
    /// This number, which was given up.
    Again(u64),
    /// The first that is heard, from this number on.
    From(u64),
}

/// What a failed attempt led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Led {
    /// It is tried again.
    Waits,
    /// It is a dead letter now.
    Died,
    /// The endpoint is switched off.
    Off,
    /// Nothing: somebody skipped it while it was on its way.
    Nothing,
}

impl Progress {
    /// Begins with a number of the feed.
    #[must_use]
    pub fn begin(next: u64) -> Self {
        Progress {
            next,
            current: None,
            trouble: None,
            off: None,
            delivered: 0,
            failed: 0,
            last: None,
            granted: 0,
            again: BTreeSet::new(),
            dead: VecDeque::new(),
            forgotten: 0,
            lost: 0,
        }
    }

    /// Returns its state in a word: `off`, `failing` while something is tried again, or `on`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.off, &self.current) {
            (Some(_), _) => "off",
            (None, Some(current)) if 0 < current.attempts => "failing",
            (None, _) => "on",
        }
    }

    /// Returns what is to be sent now, if anything.
    ///
    /// A moment that lies further ahead than any pause comes from a clock that was put back since: it is due.
    pub(crate) fn wants(&self, now: Timestamp) -> Option<Wanted> {
        if self.off.is_some() {
            return None;
        }
        if let Some(current) = &self.current {
            let due = current.due_at <= now || now.plus(schedule::LONGEST) < current.due_at;
            return due.then_some(Wanted::Same(current.number));
        }
        Some(self.again.first().map_or(Wanted::From(self.next), |number| Wanted::Again(*number)))
    }

    /// Notes that the feed holds nothing that is heard before a number.
    pub(crate) fn pass(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Notes that the feed has dropped what comes from a number on, so many numbers.
    pub(crate) fn lose(&mut self, from: u64, count: u64, now: Timestamp) {
        let Some(last) = count.checked_sub(1).map(|more| from.saturating_add(more)) else { return };
        self.lost += count;
        let says =
            format!("numbers {from} to {last} were older than the feed keeps them, and dropped before their turn");
        self.trouble = Some(Trouble { at: now, says });
        self.pass(last + 1);
    }

    /// Notes that the feed has dropped what was to be tried again. What is no dead letter is lost when the next is looked for.
    pub(crate) fn let_go(&mut self, number: u64) {
        self.current.take_if(|current| current.number == number);
        self.again.remove(&number);
        if let Some(letter) = self.dead.iter_mut().find(|letter| letter.number == number) {
            DROPPED.clone_into(&mut letter.says);
        }
    }

    /// Returns the first number that the endpoint has not got and may still get; `None` where nothing is sent to it.
    #[must_use]
    pub fn needs(&self) -> Option<u64> {
        let current = self.current.as_ref().map(|current| current.number);
        let first = [current, self.again.first().copied()].into_iter().flatten().fold(self.next, u64::min);
        self.off.is_none().then_some(first)
    }

    /// Notes that a delivery is being sent.
    pub(crate) fn start(&mut self, number: u64, word: &str, now: Timestamp) {
        if self.current.as_ref().is_none_or(|current| current.number != number) {
            self.current = Some(Current { number, word: word.to_owned(), attempts: 0, due_at: now });
        }
    }

    /// Notes that a delivery was taken.
    pub(crate) fn deliver(&mut self, number: u64, now: Timestamp) {
        self.delivered += 1;
        self.last = Some(Delivered { number, at: now });
        self.again.remove(&number);
        self.dead.retain(|letter| letter.number != number);
        if self.current.as_ref().is_some_and(|current| current.number == number) {
            self.current = None;
        }
        self.pass(number + 1);
    }

    /// Notes that an attempt failed. `id` names the delivery, `most` is how many dead letters are kept.
    pub(crate) fn fail(&mut self, number: u64, answer: &Answer, id: &str, most: usize, now: Timestamp) -> Led {
        self.failed += 1;
        let says: String = answer.says.chars().take(LONGEST_SAYING).collect();
        self.trouble = Some(Trouble { at: now, says: says.clone() });
        let Some(mut current) = self.current.take_if(|current| current.number == number) else { return Led::Nothing };
        current.attempts += 1;
        if answer.kind == Kind::Gone {
            self.off = Some(Off { at: now, says });
            current.due_at = now;
            self.current = Some(current);
            return Led::Off;
        }
        // A dead letter has had its attempts: one more is all it gets, and while it fails the others need not try.
        let asked = answer.retry_after.map_or(Span::ZERO, |after| after.from(now));
        let pause = if number < self.next { None } else { schedule::pause(answer.kind, current.attempts, id, asked) };
        match pause {
            Some(pause) => {
                current.due_at = now.plus(pause);
                self.current = Some(current);
                Led::Waits
            }
            None => {
                self.again.clear();
                self.bury(current, says, most, now);
                Led::Died
            }
        }
    }

    /// Grants a wish, and says whether a delivery was given up by it. What cannot be granted any more changes nothing.
    pub(crate) fn grant(&mut self, wish: Wish, most: usize, now: Timestamp) -> bool {
        match wish {
            Wish::RetryAll => {
                self.again = self.dead.iter().map(|letter| letter.number).collect();
                self.wake(now);
                false
            }
            Wish::Retry(number) => {
                if self.dead.iter().any(|letter| letter.number == number) {
                    self.again.insert(number);
                }
                self.wake(now);
                false
            }
            Wish::Skip(number) => {
                let skipped = self.current.take_if(|current| current.number == number);
                let given_up = skipped.is_some();
                if let Some(current) = skipped {
                    self.bury(current, "skipped by hand".to_owned(), most, now);
                }
                given_up
            }
        }
    }

    fn wake(&mut self, now: Timestamp) {
        self.off = None;
        if let Some(current) = &mut self.current {
            current.due_at = now;
        }
    }

    fn bury(&mut self, current: Current, says: String, most: usize, now: Timestamp) {
        let Current { number, word, mut attempts, .. } = current;
        self.pass(number + 1);
        self.again.remove(&number);
        if let Some(place) = self.dead.iter().position(|letter| letter.number == number) {
            attempts += self.dead.remove(place).map_or(0, |letter| letter.attempts);
        }
        self.dead.push_back(DeadLetter { number, word, attempts, at: now, says });
        while most < self.dead.len() {
            let forgotten = self.dead.pop_front().map(|letter| self.again.remove(&letter.number));
            self.forgotten += u64::from(forgotten.is_some());
        }
    }
}
