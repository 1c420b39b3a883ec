//! What sessions come to by time: sums by the quarter of an hour, and how many were about how long by the day.
//!
//! Every time zone is some quarters of an hour off UTC, so that the days of each can be added up. A session counts where it
//! began; its length and parts count where the user was last seen. So what is still open has no part in a mean.

use std::collections::BTreeMap;

use dwell_core::session::Session;
use dwell_core::time::{Timestamp, Zone};
use dwell_store::Changes;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::facet::{Parted, Values};
use crate::keys;
use crate::sheet::App;
use crate::turn::{read, written};

const QUARTER: i64 = 15 * 60_000_000;
const DAY: i64 = 96 * QUARTER;

/// Under which tags they lie among the series, which have the small ones.
pub(crate) const QUARTERS: u8 = 64;
pub(crate) const LENGTHS: u8 = 65;

/// Sums of a quarter of an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quarter {
    /// Sessions that began in it, open ones too.
    pub started: i64,
    /// Closed sessions in which the user was last seen in it. All that follows is of these.
    pub ended: i64,
    /// How long they were: microseconds.
    pub length: i64,
    /// Of this, in the foreground.
    pub foreground: i64,
    /// Of this, with something playing.
    pub playing: i64,
}

impl Quarter {
    /// Adds what another one says.
    pub fn add(&mut self, other: &Quarter) {
        let Quarter { started, ended, length, foreground, playing } = other;
        self.started += started;
        self.ended += ended;
        self.length += length;
        self.foreground += foreground;
        self.playing += playing;
    }
}

/// How many sessions were about how long: whole seconds below 8, and above that eight steps to each doubling.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LengthCounts(BTreeMap<u8, i64>);

/// The longest length that is told from longer ones, in seconds: 48 days.
const LONGEST: u64 = (1 << 22) - 1;

impl LengthCounts {
    /// Adds what others say.
    pub fn add(&mut self, other: &LengthCounts) {
        for (step, count) in &other.0 {
            self.count(*step, *count);
        }
    }

    /// Counts a length so many times.
    pub(crate) fn count_length(&mut self, micros: i64, count: i64) {
        self.count(step_of(micros), count);
    }

    /// Returns how many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> i64 {
        self.0.values().sum()
    }

    /// Returns the median length in seconds, off by a sixteenth of it at most; below 8 s, by half a second.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let all = self.sessions();
        if all <= 0 {
            return None;
        }
        // Of an even number, the two in the middle.
        Some((self.nth((all - 1) / 2) + self.nth(all / 2)) / 2.0)
    }

    /// Returns about how long the nth one is, the shortest first.
    fn nth(&self, n: i64) -> f64 {
        let mut before = 0;
        for (step, count) in &self.0 {
            before += count;
            if n < before {
                return middle_of(*step);
            }
        }
        0.0
    }

    fn count(&mut self, step: u8, count: i64) {
        let counted = self.0.entry(step).or_default();
        *counted += count;
        if *counted == 0 {
            self.0.remove(&step);
        }
    }
}

/// Returns the step of a length.
fn step_of(micros: i64) -> u8 {
    let seconds = u64::try_from(micros / 1_000_000).unwrap_or(0).min(LONGEST);
    if seconds < 8 {
        return seconds as u8;
    }
    let doublings = seconds.ilog2() - 3;
    (8 * doublings) as u8 + (seconds >> doublings) as u8
}

/// Returns the length in the middle of a step, in seconds. Less than a second is none.
fn middle_of(step: u8) -> f64 {
    if step == 0 {
        return 0.0;
    }
    let doublings = u32::from(step.saturating_sub(8) / 8);
    let first = u64::from(step) - 8 * u64::from(doublings);
    (first << doublings) as f64 + (1_u64 << doublings) as f64 / 2.0
}

/// What is added in a turn, by the place of the app.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    quarters: BTreeMap<(usize, i64), Quarter>,
    lengths: BTreeMap<(usize, i64), LengthCounts>,
    parted: Parted,
}

impl Measured {
    /// Counts sessions that began, or takes them back.
    pub fn start(&mut self, app: usize, at: Timestamp, values: &Values, zone: &Zone, count: i64) {
        let quarter = Quarter { started: count, ..Quarter::default() };
        self.quarter(app, at).add(&quarter);
        self.parted.add((app, zone.day_of(at) * DAY, quarter_of(at)), values, &quarter, None);
    }

    /// Counts a closed session once, or with -1 takes it back.
    pub fn close(&mut self, app: usize, session: &Session, values: &Values, zone: &Zone, count: i64) {
        let length = session.ended_at.since(session.started_at).as_micros();
        let quarter = Quarter {
            started: 0,
            ended: count,
            length: count * length,
            foreground: count * session.parts.foreground.as_micros(),
            playing: count * session.parts.playing.as_micros(),
        };
        self.quarter(app, session.ended_at).add(&quarter);
        let day = zone.day_of(session.ended_at) * DAY;
        self.lengths.entry((app, day)).or_default().count_length(length, count);
        self.parted.add((app, day, quarter_of(session.ended_at)), values, &quarter, Some((length, count)));
    }

    /// Adds what others say.
    pub fn append(&mut self, other: Measured) {
        for (place, quarter) in other.quarters {
            self.quarters.entry(place).or_default().add(&quarter);
        }
        for (place, counts) in other.lengths {
            self.lengths.entry(place).or_default().add(&counts);
        }
        self.parted.append(other.parted);
    }

    /// Puts all of it on top of what is there.
    pub fn write(
        self,
        apps: &[App],
        load: impl Fn(&[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, EngineError>,
        changes: &mut Changes,
    ) -> Result<(), EngineError> {
        let key = |(app, at): &(usize, i64), tag| keys::point(&apps[*app].name, tag, Timestamp::from_micros(*at));
        let places: Vec<Vec<u8>> = self.quarters.keys().map(|place| key(place, QUARTERS)).collect();
        for ((place, added), before) in places.iter().zip(self.quarters.values()).zip(load(&places)?) {
            let before: Option<Quarter> = before.map(|bytes| read("", "a quarter", &bytes)).transpose()?;
            let mut sum = before.unwrap_or_default();
            sum.add(added);
            changes.put(place.clone(), written(&sum));
        }
        let places: Vec<Vec<u8>> = self.lengths.keys().map(|place| key(place, LENGTHS)).collect();
        for ((place, added), before) in places.iter().zip(self.lengths.values()).zip(load(&places)?) {
            let before: Option<LengthCounts> = before.map(|bytes| read("", "lengths", &bytes)).transpose()?;
            let mut sum = before.unwrap_or_default();
            sum.add(added);
            changes.put(place.clone(), written(&sum));
        }
        self.parted.write(apps, load, changes)
    }

    fn quarter(&mut self, app: usize, at: Timestamp) -> &mut Quarter {
        self.quarters.entry((app, quarter_of(at))).or_default()
    }
}

/// Returns when the quarter of an hour of a moment begins.
fn quarter_of(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(QUARTER) * QUARTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(seconds: &[i64]) -> LengthCounts {
        let mut counts = LengthCounts::default();
        seconds.iter().for_each(|seconds| counts.count(step_of(seconds * 1_000_000), 1));
        counts
    }

    #[test]
    fn steps_follow_each_other_and_their_middle_is_within_them() {
        let mut before = 0;
        for seconds in 0..300_000 {
            let step = step_of(seconds * 1_000_000);
            assert!(before <= step && step <= before + 1, "{seconds}");
            before = step;
            let off = (middle_of(step) - seconds as f64).abs();
            assert!(off <= (seconds as f64 / 16.0).max(0.5), "{seconds} s is taken for {} s", middle_of(step));
        }
        assert_eq!(step_of(i64::MAX), step_of(LONGEST as i64 * 1_000_000));
    }

    #[test]
    fn the_median_is_that_of_the_lengths_about() {
        assert_eq!(counts(&[]).median(), None);
        assert_eq!(counts(&[0, 0, 90]).median(), Some(0.0));
        for lengths in [vec![1800], vec![10, 1800, 90_000], vec![60, 600], (0..=7200).collect()] {
            let exact = (lengths[(lengths.len() - 1) / 2] + lengths[lengths.len() / 2]) as f64 / 2.0;
            let median = counts(&lengths).median().unwrap();
            assert!((median - exact).abs() <= exact / 16.0, "{median} for {exact}");
        }
    }

    #[test]
    fn what_is_taken_back_leaves_nothing() {
        let mut sum = counts(&[5, 90, 90]);
        let mut back = LengthCounts::default();
        for seconds in [5, 90, 90] {
            back.count(step_of(seconds * 1_000_000), -1);
        }
        sum.add(&back);
        assert_eq!(sum, LengthCounts::default());
    }
}
