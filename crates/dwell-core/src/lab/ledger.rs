//! The gaps in order of length: how many sessions there are under every timeout, and how long they are together.

use alloc::vec::Vec;

use crate::time::{Span, Timeout};

/// All gaps that part sessions, by the number of whole-second timeouts that they reach.
#[derive(Clone, Debug)]
pub struct GapLedger {
    always: u64,
    /// At `s`: what happens when timeouts pass `s` seconds.
    at: Vec<Passing>,
    /// At `s`: gaps between two actions that are not in `at` yet; the last are those that all timeouts reach. One number for
    /// each second keeps more of the table in the cache, and is added to in one step: most gaps are as long as one of the
    /// last few, whose sum is not there yet.
    loose: Vec<Loose>,
    /// No more gaps than these are loose.
    noted: u32,
}

/// Gaps of one whole second: their number in the upper bits, and below it the microseconds beyond it of all of them.
#[derive(Clone, Copy, Debug, Default)]
struct Loose(u64);

/// In these bits there is room for the microseconds of 2^20 gaps, each less than 2^20; before there are so many, they
/// are settled.
const LOOSE_BITS: u32 = 40;
const MOST_BEYOND: u64 = (1 << 20) - 1;
const SETTLED_AT: u32 = 1 << 19;

impl Loose {
    #[inline]
    const fn add(&mut self, beyond: u64) {
        self.0 += (1 << LOOSE_BITS) + beyond;
    }

    /// Returns how many there are.
    const fn gaps(self) -> u64 {
        self.0 >> LOOSE_BITS
    }

    /// Returns them as what they do to sessions.
    const fn passing(self, seconds: usize) -> Passing {
        let gaps = self.gaps();
        let beyond = self.0 & ((1 << LOOSE_BITS) - 1);
        Passing { gaps, growth: (gaps * seconds as u64 * MICROS_PER_SECOND + beyond).cast_signed() }
    }
}

const MICROS_PER_SECOND: u64 = 1_000_000;

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

impl Passing {
    const fn and(self, other: Passing) -> Self {
        Passing { gaps: self.gaps + other.gaps, growth: self.growth.saturating_add(other.growth) }
    }
}

impl PartialEq for GapLedger {
    fn eq(&self, other: &Self) -> bool {
        self.sessions_always() == other.sessions_always() && self.passings().eq(other.passings())
    }
}

impl Eq for GapLedger {}

const ALL: usize = Timeout::LONGEST.as_secs() as usize;

impl Default for GapLedger {
    fn default() -> Self {
        GapLedger {
            always: 0,
            at: alloc::vec![Passing::default(); ALL],
            loose: alloc::vec![Loose::default(); ALL + 1],
            noted: 0,
        }
    }
}

impl GapLedger {
    /// Notes a session that no timeout joins to an earlier one.
    pub fn always(&mut self) {
        self.always += 1;
    }

    /// Makes room for so many gaps between two actions.
    #[inline]
    pub fn expect(&mut self, gaps: usize) {
        self.noted += gaps as u32;
        if SETTLED_AT <= self.noted {
            self.settle();
        }
    }

    /// Notes a gap between two actions that was expected, of so many microseconds: it parts two sessions, or nothing.
    #[inline]
    pub fn part(&mut self, at: u32, gap: u64) {
        if let Some(loose) = self.loose.get_mut(at as usize) {
            // A gap reaches its whole seconds; where only a longer one does, it may have a second beyond them. Of a gap that
            // all timeouts reach, nobody asks how long it is.
            loose.add(gap.wrapping_sub(u64::from(at) * MICROS_PER_SECOND) & MOST_BEYOND);
        }
    }

    /// Moves what is loose to where it has more room.
    #[cold]
    fn settle(&mut self) {
        self.always = self.sessions_always();
        self.loose[ALL] = Loose::default();
        for (second, (passing, loose)) in self.at.iter_mut().zip(&mut self.loose).enumerate() {
            *passing = passing.and(core::mem::take(loose).passing(second));
        }
        self.noted = 0;
    }

    /// Returns what happens at each whole second, from 0 on.
    fn passings(&self) -> impl Iterator<Item = Passing> {
        let both = self.at.iter().zip(&self.loose).enumerate();
        both.map(|(second, (passing, loose))| passing.and(loose.passing(second)))
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
        self.always += other.sessions_always();
        for (mine, theirs) in self.at.iter_mut().zip(other.passings()) {
            *mine = mine.and(theirs);
        }
    }

    /// Returns the curve: one point for every whole second from 1 s to 24 h, in order.
    #[must_use]
    pub fn curve(&self) -> Vec<CurvePoint> {
        let mut sessions = self.sessions_always() + self.gaps().sum::<u64>();
        let mut total = 0i64;
        let mut curve = Vec::with_capacity(ALL);
        for passing in self.passings() {
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
        self.passings().map(|passing| passing.gaps)
    }

    /// Returns how many sessions no timeout joins to an earlier one: users and forced breaks.
    #[must_use]
    pub fn sessions_always(&self) -> u64 {
        self.always + self.loose[ALL].gaps()
    }
}
