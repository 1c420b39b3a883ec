//! Laws that do not hold while the server runs: counted, and told in the log without filling it.

use std::sync::{Arc, Mutex, PoisonError};

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{Breach, Breaches};
use tracing::error;

/// How many cases are named in the log between one start and the next.
const NAMED: usize = 10;

/// How often it is said how many more there were.
const TOLD_EVERY: Span = Span::from_minutes(1);

/// What is said.
#[derive(PartialEq, Eq, Debug)]
enum Line {
    Case(Breach),
    More(u64),
}

/// Tells of them.
pub struct LawWatch {
    counted: Arc<Mutex<Breaches>>,
    named: usize,
    /// How many have been seen and not been told of.
    untold: u64,
    told: Timestamp,
}

impl LawWatch {
    /// Begins with nothing. What was counted is added to `counted`, for whoever asks.
    pub fn new(counted: Arc<Mutex<Breaches>>) -> Self {
        LawWatch { counted, named: 0, untold: 0, told: Timestamp::MIN }
    }

    /// Counts what did not hold, and tells of it; with nothing, of what was not told yet.
    pub fn take(&mut self, breaches: Breaches, now: Timestamp) {
        for line in self.lines(&breaches, now) {
            match line {
                Line::Case(Breach { app, user, session, broken }) => error!(
                    app, user, %session, law = ?broken.law, facts = broken.facts,
                    "a session breaks a law: an error of ours, or of what the books hold; the engine goes on"
                ),
                Line::More(sessions) => error!(sessions, "more sessions break laws; /metrics counts them"),
            }
        }
        if !breaches.is_empty() {
            self.counted.lock().unwrap_or_else(PoisonError::into_inner).append(breaches);
        }
    }

    fn lines(&mut self, breaches: &Breaches, now: Timestamp) -> Vec<Line> {
        let cases = breaches.named().iter().take(NAMED.saturating_sub(self.named)).cloned();
        let mut lines: Vec<Line> = cases.map(Line::Case).collect();
        self.named += lines.len();
        self.untold += breaches.counts().map(|(_, count)| count).sum::<u64>().saturating_sub(lines.len() as u64);
        if 0 < self.untold && self.told.plus(TOLD_EVERY) <= now {
            lines.push(Line::More(std::mem::take(&mut self.untold)));
            self.told = now;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use dwell_core::id::SessionId;
    use dwell_core::law::{Broken, Law};

    use super::*;

    fn breaches(count: usize) -> Breaches {
        let mut breaches = Breaches::default();
        for number in 0..count {
            let broken = Broken { law: Law::L6, facts: String::new() };
            let session = SessionId::derive("app", "ada", Timestamp::from_micros(0), "m");
            breaches.note(Breach { app: "app".to_owned(), user: format!("user{number}"), session, broken });
        }
        breaches
    }

    /// The users who are named, and how many more there are said to be.
    fn said(lines: &[Line]) -> (usize, Vec<u64>) {
        let more = lines.iter().filter_map(|line| match line {
            Line::Case(_) => None,
            Line::More(count) => Some(*count),
        });
        let more: Vec<u64> = more.collect();
        (lines.len() - more.len(), more)
    }

    #[test]
    fn the_first_few_are_named_and_all_others_counted_once_a_minute() {
        let counted = Arc::default();
        let mut watch = LawWatch::new(Arc::clone(&counted));
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(said(&watch.lines(&breaches(0), at(0))), (0, vec![]));
        assert_eq!(said(&watch.lines(&breaches(3), at(1))), (3, vec![]));
        // Of these eight have names, and seven may still be named.
        assert_eq!(said(&watch.lines(&breaches(20), at(2))), (7, vec![13]));
        assert_eq!(said(&watch.lines(&breaches(5), at(3))), (0, vec![]));
        assert_eq!(said(&watch.lines(&breaches(0), at(61))), (0, vec![]));
        assert_eq!(said(&watch.lines(&breaches(0), at(62))), (0, vec![5]));
        assert_eq!(said(&watch.lines(&breaches(0), at(200))), (0, vec![]));
        watch.take(breaches(4), at(201));
        watch.take(breaches(0), at(202));
        let counts: Vec<(Law, u64)> = counted.lock().unwrap().counts().collect();
        assert_eq!(counts, [(Law::L1, 0), (Law::L6, 4)]);
    }
}
