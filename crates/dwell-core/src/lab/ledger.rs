//! The gaps in order of length: how many sessions there are under every timeout, and how long they are together.

use alloc::vec::Vec;

use crate::time::{Span, Timeout};

/// All gaps that part sessions, by the number of whole-second timeouts that they reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GapLedger {
    always: u64,
    /// At `s`: what happens when timeouts pass `s` seconds.
    at: Vec<Passing>,
}

/// What happens to sessions when timeouts pass a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Passing {
    /// So many gaps between two sessions no longer part them.
    gaps: u64,
    /// By so many microseconds all sessions together grow.
    growth: i64,
}

/// Sessions under one timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CurvePoint {
    /// The timeout.
    pub timeout: Timeout,
    /// How many sessions there are.
    pub sessions: u64,
    /// Their length together.
    pub total_length: Span,
}

impl CurvePoint {
    /// Returns the mean length in microseconds, rounded down; zero without sessions.
    #[must_use]
    pub fn mean_length(&self) -> Span {
        Span::from_micros(self.total_length.as_micros().checked_div(self.sessions as i64).unwrap_or(0))
    }
}

const ALL: usize = Timeout::LONGEST.as_secs() as usize;

impl Default for GapLedger {
    fn default() -> Self {
        GapLedger { always: 0, at: alloc::vec![Passing::default(); ALL] }
    }
}

impl GapLedger {
    /// Notes a session that no timeout joins to an earlier one.
    pub fn always(&mut self) {
        self.always += 1;
    }

    /// Notes a gap between two actions: it parts two sessions, or nothing.
    #[inline]
    pub fn part(&mut self, at: u32, gap: Span) {
        match self.at.get_mut(at as usize) {
            Some(passing) => {
                passing.gaps += 1;
                passing.growth = passing.growth.saturating_add(gap.as_micros());
            }
            None => self.always += 1,
        }
    }

    /// Notes that two stretches are one under timeouts above `at` seconds.
    #[inline]
    pub fn join(&mut self, at: u32, both_start: bool, longer_by: Span) {
        if let Some(passing) = self.at.get_mut(at as usize) {
            passing.gaps += u64::from(both_start);
            passing.growth = passing.growth.saturating_add(longer_by.as_micros());
        }
    }

    /// Adds so many sessions that no timeout joins to an earlier one.
    pub fn add_always(&mut self, sessions: u64) {
        self.always += sessions;
    }

    /// Adds so many gaps between sessions that `at` timeouts reach, and by how much sessions grow where they part none.
    pub fn add(&mut self, at: u32, gaps: u64, growth: Span) {
        if let Some(passing) = self.at.get_mut(at as usize) {
            passing.gaps += gaps;
            passing.growth = passing.growth.saturating_add(growth.as_micros());
        }
    }

    /// Adds what another ledger holds.
    pub fn merge(&mut self, other: &GapLedger) {
        self.always += other.always;
        for (mine, theirs) in self.at.iter_mut().zip(&other.at) {
            mine.gaps += theirs.gaps;
            mine.growth = mine.growth.saturating_add(theirs.growth);
        }
    }

    /// Returns the curve: one point for every whole second from 1 s to 24 h, in order.
    #[must_use]
    pub fn curve(&self) -> Vec<CurvePoint> {
        let mut sessions = self.always + self.gaps().sum::<u64>();
        let mut total = 0i64;
        let mut curve = Vec::with_capacity(ALL);
        for passing in &self.at {
            sessions -= passing.gaps;
            total = total.saturating_add(passing.growth);
            if let Ok(timeout) = Timeout::from_secs(curve.len() as u64 + 1) {
                curve.push(CurvePoint { timeout, sessions, total_length: Span::from_micros(total) });
            }
        }
        curve
    }

    /// Returns, for every whole second `s` from 0 on, how many gaps between sessions last `s` seconds and a part.
    pub fn gaps(&self) -> impl Iterator<Item = u64> {
        self.at.iter().map(|passing| passing.gaps)
    }

    /// Returns how many sessions no timeout joins to an earlier one: users and forced breaks.
    #[must_use]
    pub const fn sessions_always(&self) -> u64 {
        self.always
    }
}
