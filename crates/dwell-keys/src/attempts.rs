//! Attempts: how often somebody may try, whose names are not known to be theirs.

use std::collections::HashMap;
use std::hash::Hash;

use dwell_core::time::{Span, Timestamp};

/// How fast one may try.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So often at once.
    pub at_once: i64,
    /// And then once in so long.
    pub every: Span,
}

/// Who tried lately, and how much. Remembers so many at most.
#[derive(Debug)]
pub struct Attempts<K> {
    pace: Pace,
    most: usize,
    /// For each the moment from which on they would have tried at their pace, and so are forgotten.
    even_at: HashMap<K, Timestamp>,
}

impl<K: Hash + Eq + Clone> Attempts<K> {
    /// Begins with nobody.
    #[must_use]
    pub fn new(pace: Pace, most: usize) -> Self {
        Attempts { pace, most, even_at: HashMap::new() }
    }

    /// Counts an attempt, or says how long to wait for the next one, which is then not counted.
    pub fn take(&mut self, who: &K, now: Timestamp) -> Result<(), Span> {
        let even_at = self.even_at.get(who).copied().unwrap_or(now).max(now);
        let ahead = even_at.since(now);
        let allowed = Span::from_micros(self.pace.every.as_micros() * (self.pace.at_once - 1));
        if allowed < ahead {
            return Err(Span::from_micros(ahead.as_micros() - allowed.as_micros()));
        }
        if !self.even_at.contains_key(who) {
            self.make_room(now);
        }
        self.even_at.insert(who.clone(), even_at.plus(self.pace.every));
        Ok(())
    }

    /// Takes an attempt back: it was a right one.
    pub fn give_back(&mut self, who: &K) {
        if let Some(even_at) = self.even_at.get_mut(who) {
            *even_at = even_at.minus(self.pace.every);
        }
    }

    /// Forgets all attempts of somebody.
    pub fn forget(&mut self, who: &K) {
        self.even_at.remove(who);
    }

    /// Forgets those who are even, and where there are none, the one who would be first: whoever tries much stays known.
    fn make_room(&mut self, now: Timestamp) {
        if self.even_at.len() < self.most {
            return;
        }
        self.even_at.retain(|_, even_at| now < *even_at);
        if self.even_at.len() < self.most {
            return;
        }
        let first = self.even_at.iter().min_by_key(|(_, even_at)| **even_at).map(|(who, _)| who.clone());
        if let Some(first) = first {
            self.even_at.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);
    const PACE: Pace = Pace { at_once: 3, every: Span::from_secs(10) };

    fn after(seconds: u32) -> Timestamp {
        NOW.plus(Span::from_secs(seconds))
    }

    #[test]
    fn some_at_once_and_then_one_in_a_while() {
        let mut attempts = Attempts::new(PACE, 100);
        for _ in 0..3 {
            assert_eq!(attempts.take(&"ada", NOW), Ok(()));
        }
        assert_eq!(attempts.take(&"ada", NOW), Err(Span::from_secs(10)));
        assert_eq!(attempts.take(&"bo", NOW), Ok(()), "others are not slowed down");
        assert_eq!(attempts.take(&"ada", after(9)), Err(Span::from_secs(1)), "what is refused is not counted");
        assert_eq!(attempts.take(&"ada", after(10)), Ok(()));
        assert!(attempts.take(&"ada", after(10)).is_err());
        for _ in 0..3 {
            assert_eq!(attempts.take(&"ada", after(1_000)), Ok(()), "who waits may try as often as at first");
        }
        assert!(attempts.take(&"ada", after(1_000)).is_err());
    }

    #[test]
    fn a_right_attempt_is_taken_back() {
        let mut attempts = Attempts::new(PACE, 100);
        for _ in 0..50 {
            assert_eq!(attempts.take(&"ada", NOW), Ok(()));
            attempts.give_back(&"ada");
        }
        for _ in 0..3 {
            assert_eq!(attempts.take(&"ada", NOW), Ok(()));
        }
        attempts.forget(&"ada");
        assert_eq!(attempts.take(&"ada", NOW), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_busiest_stays_known() {
        let mut attempts = Attempts::new(PACE, 10);
        for _ in 0..3 {
            attempts.take(&0, NOW).unwrap();
        }
        for other in 1..10_000 {
            attempts.take(&other, NOW).unwrap();
        }
        assert_eq!(attempts.even_at.len(), 10);
        assert!(attempts.take(&0, NOW).is_err(), "who tried much was forgotten for others");
    }
}
