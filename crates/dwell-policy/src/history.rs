//! The versions that an app has had, and which of them holds when.

use std::collections::BTreeMap;
use std::sync::Arc;

use dwell_core::event::EventKind;
use dwell_core::policy::{Policy, Version};
use dwell_core::time::{Span, Timestamp};

use crate::text::Single;

/// What is known of one version, but for its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Put {
    /// Its number: 1 for the first one of the app.
    pub number: u32,
    /// When it was put.
    pub written_at: Timestamp,
    /// Who put it: the label of a key, or `local:` and the name of a user of the machine.
    pub author: String,
    /// Why; may be empty.
    pub note: String,
    /// From when on it holds, that very moment included.
    pub effective_from: Timestamp,
    /// The version whose text it says again, where somebody took back what came after it.
    pub restores: Option<u32>,
}

/// Whether a version holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Its date is to come.
    Planned,
    /// It holds now.
    InForce,
    /// It held, and another one does now.
    Past,
    /// A newer one took its place before its date: it never held, and never will.
    Overtaken,
}

impl State {
    /// Returns its word in answers and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            State::Planned => "planned",
            State::InForce => "in_force",
            State::Past => "past",
            State::Overtaken => "overtaken",
        }
    }
}

/// All versions of an app.
#[derive(Clone, Debug, Default)]
pub struct History {
    puts: Vec<Put>,
    /// Those that held, hold or will, the earliest first.
    line: Vec<Held>,
    bytes: u64,
}

#[derive(Clone, Debug)]
struct Held {
    number: u32,
    effective_from: Timestamp,
    says: Arc<Single>,
}

impl History {
    /// Adds the next version. It takes the place of all that were put before, from its date on.
    pub(crate) fn add(&mut self, put: Put, says: Single, bytes: u64) {
        while self.line.last().is_some_and(|last| put.effective_from <= last.effective_from) {
            self.line.pop();
        }
        let held = Held { number: put.number, effective_from: put.effective_from, says: Arc::new(says) };
        self.line.push(held);
        self.puts.push(put);
        self.bytes += bytes;
    }

    /// Returns how large the files of all versions are together.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of the newest version; 0 where there is none.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.puts.last().map_or(0, |put| put.number)
    }

    /// Returns all versions in the order of their numbers.
    #[must_use]
    pub fn puts(&self) -> &[Put] {
        &self.puts
    }

    /// Returns what is known of a version.
    #[must_use]
    pub fn put(&self, number: u32) -> Option<&Put> {
        self.puts.iter().find(|put| put.number == number)
    }

    /// Returns the number of the version that holds at a moment; `None` before the first one.
    #[must_use]
    pub fn in_force_at(&self, at: Timestamp) -> Option<u32> {
        self.held_at(at).map(|held| held.number)
    }

    /// Says whether a version holds at a moment.
    #[must_use]
    pub fn state_of(&self, put: &Put, at: Timestamp) -> State {
        if self.in_force_at(at) == Some(put.number) {
            State::InForce
        } else if self.line.iter().all(|held| held.number != put.number) {
            State::Overtaken
        } else if at < put.effective_from {
            State::Planned
        } else {
            State::Past
        }
    }

    /// Returns the rules of the app: before its first version those that it had before, which are `base`.
    #[must_use]
    pub fn policy(&self, base: &Policy) -> Policy {
        let first = self.line.first().map(|held| held.effective_from);
        let before = base.versions().iter().filter(|version| first.is_none_or(|first| version.effective_from < first));
        let own =
            self.line.iter().map(|held| Version { effective_from: held.effective_from, ..held.says.version.clone() });
        Policy::from_versions(before.cloned().chain(own).collect())
    }

    /// Returns the least lateness that any version allows which held, holds or will, and those of `base` among them: what came
    /// within it is late by none of them.
    #[must_use]
    pub fn least_lateness(&self, base: &Policy) -> Span {
        let own = self.line.iter().map(|held| &held.says.version);
        let lateness = own.chain(base.versions()).map(|version| version.rules.allowed_lateness);
        lateness.min().unwrap_or(Span::ZERO)
    }

    /// Returns what the version that holds at a moment says of names of events; `None` before the first one.
    #[must_use]
    pub fn words_at(&self, at: Timestamp) -> Option<&BTreeMap<String, EventKind>> {
        self.held_at(at).map(|held| &held.says.words)
    }

    /// Returns what a version says, unless it never holds.
    #[must_use]
    pub fn says(&self, number: u32) -> Option<&Single> {
        self.line.iter().find(|held| held.number == number).map(|held| held.says.as_ref())
    }

    fn held_at(&self, at: Timestamp) -> Option<&Held> {
        let after = self.line.partition_point(|held| held.effective_from <= at);
        after.checked_sub(1).and_then(|index| self.line.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{read, read_single};
    use dwell_core::time::Timeout;
    use jiff::tz::TimeZone;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// A history of (from, timeout) in the order in which they were put.
    fn history(puts: &[(i64, &str)]) -> History {
        let mut history = History::default();
        for (index, (from, timeout)) in puts.iter().enumerate() {
            let put = Put {
                number: index as u32 + 1,
                written_at: at(0),
                author: "ada".to_owned(),
                note: String::new(),
                effective_from: at(*from),
                restores: None,
            };
            history.add(put, read_single(&format!("timeout = \"{timeout}\"")).unwrap(), 1);
        }
        history
    }

    fn timeouts(policy: &Policy, moments: &[i64]) -> Vec<u32> {
        let standing = policy.standing_of("", &[], &[]);
        moments.iter().map(|moment| standing.timeout_at(at(*moment), 0).timeout.as_secs()).collect()
    }

    #[test]
    fn each_version_holds_from_its_date_until_that_of_a_newer_one() {
        let history = history(&[(10, "1m"), (20, "2m"), (30, "3m")]);
        let policy = history.policy(&Policy::default());
        assert_eq!(timeouts(&policy, &[9, 10, 19, 20, 29, 30]), [1800, 60, 60, 120, 120, 180]);
        let states: Vec<State> = history.puts().iter().map(|put| history.state_of(put, at(20))).collect();
        assert_eq!(states, [State::Past, State::InForce, State::Planned]);
        assert_eq!([9, 10, 30].map(|moment| history.in_force_at(at(moment))), [None, Some(1), Some(3)]);
    }

    #[test]
    fn the_least_lateness_is_that_of_the_strictest_version_in_the_past_or_to_come() {
        let mut history = History::default();
        assert_eq!(history.least_lateness(&Policy::default()), Span::from_hours(72));
        for (number, from, lateness) in [(1, 10, "24h"), (2, 20, "96h"), (3, 50, "48h")] {
            let put = Put {
                number,
                written_at: at(0),
                author: "ada".to_owned(),
                note: String::new(),
                effective_from: at(from),
                restores: None,
            };
            history.add(put, read_single(&format!("allowed_lateness = \"{lateness}\"")).unwrap(), 1);
        }
        assert_eq!(history.least_lateness(&Policy::default()), Span::from_hours(24));
        let base = read("allowed_lateness = \"1h\"", &TimeZone::UTC).unwrap().policy;
        assert_eq!(history.least_lateness(&base), Span::from_hours(1), "it held before the first version");
    }

    #[test]
    fn a_newer_version_takes_the_place_of_those_that_were_planned() {
        let history = history(&[(10, "1m"), (50, "2m"), (20, "3m")]);
        let policy = history.policy(&Policy::default());
        assert_eq!(timeouts(&policy, &[10, 19, 20, 50, 100]), [60, 60, 180, 180, 180]);
        assert_eq!(history.state_of(&history.puts()[1], at(60)), State::Overtaken);
        assert!(history.says(2).is_none());
    }

    #[test]
    fn of_two_from_one_moment_the_newer_holds() {
        let policy = history(&[(10, "1m"), (10, "2m")]).policy(&Policy::default());
        assert_eq!(timeouts(&policy, &[9, 10, 11]), [1800, 120, 120]);
    }

    #[test]
    fn before_the_first_version_holds_what_held_before_and_not_the_default() {
        let base = "timeout = \"7m\"\n[[versions]]\neffective_from = \"1970-01-01T00:00:05Z\"\ntimeout = \"8m\"\n\
                    [[versions]]\neffective_from = \"1970-01-01T00:00:15Z\"\ntimeout = \"9m\"\n";
        let base = read(base, &TimeZone::UTC).unwrap().policy;
        let policy = history(&[(10, "1m")]).policy(&base);
        assert_eq!(timeouts(&policy, &[0, 5, 9, 10, 15, 99]), [420, 480, 480, 60, 60, 60]);
        assert_eq!(timeouts(&History::default().policy(&base), &[0, 5, 15]), [420, 480, 540]);
        assert_eq!(Timeout::DEFAULT.as_secs(), 1800);
    }
}
