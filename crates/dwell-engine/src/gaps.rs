//! The ledger of an app's gaps in the books: the live lab. What its lines mean is core's ([`dwell_core::lab::live`]).

use std::collections::BTreeMap;

use dwell_core::lab::ledger::GapLedger;
use dwell_core::lab::live::Line;
use dwell_core::time::Span;
use serde::{Deserialize, Serialize};

/// How many seconds lie on one page in the books.
const PAGE: u32 = 256;

/// What is added to a ledger; numbers may be negative.
#[derive(Default)]
pub(crate) struct GapChanges {
    /// Sessions that no timeout joins to an earlier one.
    pub always: i64,
    at: BTreeMap<u32, Passing>,
}

/// What happens to sessions when timeouts pass a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Passing {
    /// So many gaps between two sessions no longer part them.
    gaps: i64,
    /// By so many microseconds all sessions together grow.
    growth: i64,
}

impl Passing {
    fn add(&mut self, other: Passing) {
        self.gaps += other.gaps;
        self.growth = self.growth.wrapping_add(other.growth);
    }
}

impl GapChanges {
    /// Puts the lines `now` in the place of those `before`.
    pub fn replace(&mut self, before: &[Line], now: &[Line]) {
        // A user's lines change from some place on, most often the last few.
        let same = before.iter().zip(now).take_while(|(before, now)| before == now).count();
        before[same..].iter().for_each(|line| self.add(*line, -1));
        now[same..].iter().for_each(|line| self.add(*line, 1));
    }

    /// Adds what others hold.
    pub fn merge(&mut self, other: GapChanges) {
        self.always += other.always;
        for (at, passing) in other.at {
            self.at.entry(at).or_default().add(passing);
        }
    }

    /// Returns the pages on which anything changes, each with its changes.
    pub fn pages(&self) -> impl Iterator<Item = (u16, GapPage)> {
        let mut pages: BTreeMap<u16, GapPage> = BTreeMap::new();
        for (at, passing) in self.at.iter().filter(|(_, passing)| **passing != Passing::default()) {
            // There are 86,400 seconds, and so far fewer pages.
            let number = (at / PAGE) as u16;
            pages.entry(number).or_default().at(at % PAGE).add(*passing);
        }
        pages.into_iter()
    }

    fn add(&mut self, line: Line, sign: i64) {
        match line {
            Line::Always => self.always += sign,
            Line::Passing { at, both_start, longer_by } => {
                let passing = Passing { gaps: sign * i64::from(both_start), growth: sign * longer_by.as_micros() };
                self.at.entry(at).or_default().add(passing);
            }
        }
    }
}

/// Some neighbouring seconds of a ledger.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct GapPage(Vec<Passing>);

impl GapPage {
    fn at(&mut self, place: u32) -> &mut Passing {
        let place = place as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, Passing::default());
        }
        &mut self.0[place]
    }

    /// Adds changes.
    pub fn add(&mut self, changes: &GapPage) {
        for (place, passing) in changes.0.iter().enumerate() {
            self.at(place as u32).add(*passing);
        }
    }

    /// Writes the page of this number into a ledger.
    pub fn put_into(&self, number: u16, ledger: &mut GapLedger) {
        for (place, passing) in self.0.iter().enumerate() {
            let gaps = u64::try_from(passing.gaps).unwrap_or(0);
            ledger.add(u32::from(number) * PAGE + place as u32, gaps, Span::from_micros(passing.growth));
        }
    }
}
