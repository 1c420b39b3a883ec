//! The exact distribution of the lengths of sessions under every timeout of a grid, in bounded memory.
//!
//! Every session counts in a bucket of about a ninetieth of its length, for the range of timeouts under which it
//! is one. Exact values are kept too, until there are many; from then on only those in buckets where, as far as is
//! known by then, a quantile will lie. When the last session is in, the buckets say which value each quantile is,
//! and it is among those kept; should a bucket that was let go turn out to be needed, [`Missing`] says so, and the
//! second pass knows beforehand what to keep. No value that is returned is rounded.

use alloc::vec::Vec;
use core::fmt;

use crate::lab::nested::Found;
use crate::time::{Span, Timeout};

/// How many timeouts a grid may have.
pub const LARGEST_GRID: usize = 64;

/// The quantiles that are asked for, in thousandths: median, three quarters, nine tenths, ninety-nine hundredths.
const ASKED: [u64; 4] = [500, 750, 900, 990];

/// How many exact values are kept before the first choice is made.
const KEPT_AT_FIRST: usize = 1 << 18;

/// After so many sessions the steps are settled.
const SETTLED_AT: u32 = 1 << 30;

const SUBDIVISIONS_LOG2: u32 = 6;
const SUBDIVISIONS: usize = 1 << SUBDIVISIONS_LOG2;
/// Lengths below 2^16 us, a fifteenth of a second, share the first octave's buckets.
const FIRST_OCTAVE: u32 = 16;
const BUCKETS: usize = (64 - FIRST_OCTAVE as usize) * SUBDIVISIONS;
const _: () = assert!(bucket_of(Span::MAX) + 1 == BUCKETS, "the longest length has the last bucket");

/// Timeouts in order, at most [`LARGEST_GRID`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grid {
    timeouts: Vec<Timeout>,
    /// At `s`: how many of them are at most `s` seconds.
    up_to: Vec<u8>,
}

impl Grid {
    /// Takes timeouts in any order; beyond the first [`LARGEST_GRID`] they are left out.
    #[must_use]
    pub fn new(timeouts: &[Timeout]) -> Self {
        let mut timeouts = timeouts.to_vec();
        timeouts.sort_unstable();
        timeouts.dedup();
        timeouts.truncate(LARGEST_GRID);
        let at_most = |seconds: u32| timeouts.partition_point(|timeout| timeout.as_secs() <= seconds) as u8;
        let up_to = (0..=Timeout::LONGEST.as_secs()).map(at_most).collect();
        Grid { timeouts, up_to }
    }

    /// Returns 64 timeouts from 1 s to 24 h, the vendors' defaults and the round ones among them: from 10 s on each is
    /// about a fifth longer than the one before, and below, where nobody sets one, there are three.
    #[must_use]
    pub fn standard() -> Self {
        const SECONDS: [u64; LARGEST_GRID] = [
            1, 2, 5, 10, 12, 15, 20, 25, 30, 37, 45, 52, 60, 75, 90, 105, 120, 150, 180, 210, 240, 270, 300, 360, 420,
            480, 540, 600, 720, 840, 900, 1050, 1200, 1500, 1800, 2100, 2400, 2700, 3000, 3300, 3600, 4500, 5400, 6300,
            7200, 9000, 10_800, 12_600, 14_400, 16_200, 18_000, 21_600, 25_200, 28_800, 32_400, 36_000, 39_600, 43_200,
            46_800, 50_400, 57_600, 64_800, 72_000, 86_400,
        ];
        Grid::new(&SECONDS.map(|seconds| Timeout::from_secs(seconds).unwrap_or(Timeout::DEFAULT)))
    }

    /// Returns the timeouts in order.
    #[must_use]
    pub fn timeouts(&self) -> &[Timeout] {
        &self.timeouts
    }

    /// Returns how many timeouts are at most so many seconds.
    #[inline]
    pub(crate) fn up_to(&self, seconds: u32) -> u8 {
        self.up_to[seconds as usize]
    }

    /// Returns the places of the timeouts above `above` and up to `up_to` seconds, as a half-open range.
    #[inline]
    fn between(&self, above: u32, up_to: u32) -> (u8, u8) {
        (self.up_to[above as usize], self.up_to[up_to as usize])
    }
}

/// Lengths that a share of all sessions do not pass: the smallest length for which that holds (nearest rank).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quantiles {
    /// A half.
    pub median: Span,
    /// Three quarters.
    pub p75: Span,
    /// Nine tenths.
    pub p90: Span,
    /// Ninety-nine hundredths.
    pub p99: Span,
}

/// Exact values were let go that turn out to be needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    /// How many of the quantiles asked for cannot be told.
    pub quantiles: usize,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} quantiles need a second pass", self.quantiles)
    }
}

impl core::error::Error for Missing {}

/// The lengths of all sessions under every timeout of a grid.
#[derive(Clone, Debug)]
pub struct Lengths {
    grid: Grid,
    /// By bucket, then by place in the grid: how many more sessions than at the place before. Small numbers keep more
    /// of the table in the cache; before they could overflow they go into `settled`, empty until then.
    steps: Vec<i32>,
    settled: Vec<i64>,
    /// How many sessions went into the steps.
    noted: u32,
    /// By place in the grid: how many more sessions of one activity than at the place before.
    single_steps: Vec<i64>,
    /// By bucket: the places in the grid, as bits, for which every value was kept from the beginning.
    wanted: Vec<u64>,
    kept: Vec<Kept>,
    /// How many values may be kept before the next choice, and before the first one.
    choose_at: usize,
    room: usize,
}

/// How far around a quantile is looked.
#[derive(Clone, Copy, Debug)]
enum Margin {
    /// All sessions are known.
    None,
    /// Those that are known are a sample of all.
    OfASample,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    length: Span,
    from: u8,
    to: u8,
}

/// Which of the kept values lie in which bucket: places, since the values are many.
struct ByBucket {
    ends: Vec<u32>,
    order: Vec<u32>,
}

impl ByBucket {
    fn of(&self, bucket: usize) -> &[u32] {
        let start = if bucket == 0 { 0 } else { self.ends[bucket - 1] };
        &self.order[start as usize..self.ends[bucket] as usize]
    }
}

impl Lengths {
    /// Begins with no sessions.
    #[must_use]
    pub fn new(grid: Grid) -> Self {
        Lengths::with_room(grid, KEPT_AT_FIRST)
    }

    /// Begins with no sessions, and with room for so many exact values before the first choice of those to keep.
    #[must_use]
    pub fn with_room(grid: Grid, room: usize) -> Self {
        let places = grid.timeouts.len() + 1;
        Lengths {
            steps: alloc::vec![0; BUCKETS * places],
            settled: Vec::new(),
            noted: 0,
            single_steps: alloc::vec![0; places],
            wanted: alloc::vec![u64::MAX; BUCKETS],
            kept: Vec::new(),
            choose_at: room,
            room,
            grid,
        }
    }

    /// Returns an empty one that keeps just what the quantiles of this one need.
    #[must_use]
    pub fn again(&self) -> Lengths {
        let mut again = Lengths::new(self.grid.clone());
        again.wanted = self.targets(Margin::None);
        again.choose_at = usize::MAX;
        again
    }

    /// Returns the grid.
    #[must_use]
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Notes a session under timeouts above `above` and up to `up_to` seconds.
    #[inline]
    pub fn add(&mut self, length: Span, activities: u32, above: u32, up_to: u32) {
        let (from, to) = self.grid.between(above, up_to);
        if from < to {
            self.add_in_places(length, activities, from, to);
        }
    }

    #[inline]
    fn add_in_places(&mut self, length: Span, activities: u32, from: u8, to: u8) {
        if activities == 1 {
            // Its length is nothing: counted apart, for there are more of these than of all others together.
            self.single_steps[from as usize] += 1;
            self.single_steps[to as usize] -= 1;
        } else {
            self.add_several(length, from, to);
        }
    }

    /// Notes a session of one activity under the first `to` timeouts of the grid.
    #[inline]
    pub(crate) fn add_single(&mut self, to: u8) {
        self.single_steps[0] += 1;
        self.single_steps[to as usize] -= 1;
    }

    /// Notes so many sessions of one activity under the first `to` timeouts of the grid.
    #[inline]
    pub(crate) fn add_singles(&mut self, to: u8, sessions: u32) {
        self.single_steps[0] += i64::from(sessions);
        self.single_steps[to as usize] -= i64::from(sessions);
    }

    /// Notes a session of several activities under the timeouts of the grid at the places `from..to`, at least one.
    #[inline]
    pub(crate) fn add_several(&mut self, length: Span, from: u8, to: u8) {
        let bucket = bucket_of(length);
        let row = bucket * (self.grid.timeouts.len() + 1);
        self.steps[row + from as usize] += 1;
        self.steps[row + to as usize] -= 1;
        self.noted += 1;
        if self.noted == SETTLED_AT {
            self.settle();
        }
        if self.wanted[bucket] & places(from, to) != 0 {
            self.kept.push(Kept { length, from, to });
            self.choose_when_full();
        }
    }

    /// Notes what a nest of the grid's places finds, but for sessions of one activity.
    #[inline]
    pub(crate) fn note_several(&mut self, found: Found) {
        if let Found::Session { stretch, above, up_to } = found
            && 1 < stretch.count()
        {
            self.add_several(stretch.length(), above as u8, up_to as u8);
        }
    }

    /// Adds what another one holds; both must have the same grid.
    pub fn merge(&mut self, other: Lengths) {
        self.settle();
        for (mine, theirs) in self.settled.iter_mut().zip(other.all_steps()) {
            *mine += theirs;
        }
        for (mine, theirs) in self.single_steps.iter_mut().zip(&other.single_steps) {
            *mine += theirs;
        }
        for (mine, theirs) in self.wanted.iter_mut().zip(&other.wanted) {
            *mine &= theirs;
        }
        self.kept.extend(other.kept);
        self.choose_when_full();
    }

    /// Moves the steps where larger numbers have room.
    #[cold]
    fn settle(&mut self) {
        self.settled = self.all_steps().collect();
        self.steps.fill(0);
        self.noted = 0;
    }

    /// Returns the steps, wherever they are.
    fn all_steps(&self) -> impl Iterator<Item = i64> {
        self.steps.iter().enumerate().map(|(at, step)| i64::from(*step) + self.settled.get(at).copied().unwrap_or(0))
    }

    /// Returns how many exact values are kept: what grows, while the buckets do not.
    #[must_use]
    pub const fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Returns, for every timeout of the grid, how many sessions hold one activity only.
    #[must_use]
    pub fn one_activity(&self) -> Vec<u64> {
        let running = self.single_steps.iter().scan(0, |sum, step| {
            *sum += step;
            Some(*sum as u64)
        });
        running.take(self.grid.timeouts.len()).collect()
    }

    /// Returns the exact quantiles for every timeout of the grid.
    pub fn quantiles(&self) -> Result<Vec<Quantiles>, Missing> {
        let by_bucket = self.kept_by_bucket();
        let counts = self.counts();
        let mut missing = 0;
        let mut all = Vec::new();
        for (place, counts) in counts.iter().enumerate() {
            let mut asked = ASKED.map(|thousandths| {
                let rank = rank_of(counts.iter().sum(), thousandths);
                let Some((bucket, rank)) = find(counts, rank) else { return Some(Span::ZERO) };
                self.exact(place, bucket, rank, by_bucket.of(bucket))
            });
            missing += asked.iter().filter(|found| found.is_none()).count();
            let mut next = |index: usize| asked[index].take().unwrap_or(Span::ZERO);
            all.push(Quantiles { median: next(0), p75: next(1), p90: next(2), p99: next(3) });
        }
        if missing == 0 { Ok(all) } else { Err(Missing { quantiles: missing }) }
    }

    /// Returns the value with this rank, counted from 0, among those of one bucket under one timeout.
    fn exact(&self, place: usize, bucket: usize, rank: u64, kept: &[u32]) -> Option<Span> {
        let singles = if bucket == 0 { self.one_activity()[place] } else { 0 };
        if rank < singles {
            return Some(Span::ZERO);
        }
        if self.wanted[bucket] & (1 << place) == 0 {
            return None;
        }
        let there = |kept: &&Kept| usize::from(kept.from) <= place && place < usize::from(kept.to);
        let kept = kept.iter().map(|index| &self.kept[*index as usize]);
        let mut lengths: Vec<Span> = kept.filter(there).map(|kept| kept.length).collect();
        let rank = (rank - singles) as usize;
        if lengths.len() <= rank {
            return None;
        }
        Some(*lengths.select_nth_unstable(rank).1)
    }

    #[inline]
    fn choose_when_full(&mut self) {
        if self.choose_at <= self.kept.len() {
            self.choose();
        }
    }

    /// Keeps from now on only what lies where a quantile will probably lie, judged by what has been seen.
    #[cold]
    fn choose(&mut self) {
        let targets = self.targets(Margin::OfASample);
        for (wanted, target) in self.wanted.iter_mut().zip(&targets) {
            *wanted &= target;
        }
        let wanted = &self.wanted;
        self.kept.retain(|kept| wanted[bucket_of(kept.length)] & places(kept.from, kept.to) != 0);
        self.choose_at = self.room.max(2 * self.kept.len());
    }

    /// Returns, by bucket, the places in the grid for which a quantile lies there or, when all sessions are in, may.
    fn targets(&self, margin: Margin) -> Vec<u64> {
        let mut targets = alloc::vec![0; BUCKETS];
        for (place, counts) in self.counts().iter().enumerate() {
            let all: u64 = counts.iter().sum();
            for thousandths in ASKED {
                let rank = rank_of(all, thousandths);
                let margin = match margin {
                    Margin::None => 0,
                    // Four standard errors of a rank, for users of whom each brings ten sessions alike.
                    Margin::OfASample => 4 * (10 * all * thousandths * (1000 - thousandths) / 1_000_000).isqrt() + 1,
                };
                let Some((low, _)) = find(counts, rank.saturating_sub(margin)) else { continue };
                let Some((high, _)) = find(counts, (rank + margin).min(all.saturating_sub(1))) else { continue };
                for target in &mut targets[low..=high] {
                    *target |= 1 << place;
                }
            }
        }
        targets
    }

    /// Returns, by place in the grid, the number of sessions in each bucket.
    fn counts(&self) -> Vec<Vec<u64>> {
        let places = self.grid.timeouts.len();
        let singles = self.one_activity();
        let mut counts = alloc::vec![alloc::vec![0; BUCKETS]; places];
        let mut running = 0;
        for (at, step) in self.all_steps().enumerate() {
            let (bucket, place) = (at / (places + 1), at % (places + 1));
            running += step;
            if place < places {
                counts[place][bucket] = running as u64;
            }
        }
        for (counts, singles) in counts.iter_mut().zip(singles) {
            counts[0] += singles;
        }
        counts
    }

    fn kept_by_bucket(&self) -> ByBucket {
        let mut ends = alloc::vec![0; BUCKETS + 1];
        for kept in &self.kept {
            ends[bucket_of(kept.length) + 1] += 1;
        }
        for bucket in 0..BUCKETS {
            ends[bucket + 1] += ends[bucket];
        }
        let mut order = alloc::vec![0; self.kept.len()];
        for (index, kept) in self.kept.iter().enumerate() {
            let next = &mut ends[bucket_of(kept.length)];
            order[*next as usize] = index as u32;
            *next += 1;
        }
        ByBucket { ends, order }
    }
}

/// Returns places `from..to` of the grid as bits, at least one.
#[inline]
const fn places(from: u8, to: u8) -> u64 {
    (u64::MAX >> ((64 - (to - from)) % 64)) << (from % 64)
}

/// Returns the bucket of a length: 64 to the octave.
#[inline]
const fn bucket_of(length: Span) -> usize {
    let micros = length.as_micros() as u64;
    let octave = (micros | 1).ilog2();
    if octave < FIRST_OCTAVE {
        return (micros >> (FIRST_OCTAVE - SUBDIVISIONS_LOG2)) as usize;
    }
    let within = (micros >> (octave - SUBDIVISIONS_LOG2)) as usize & (SUBDIVISIONS - 1);
    (octave - FIRST_OCTAVE + 1) as usize * SUBDIVISIONS + within
}

/// Returns the rank, counted from 0, of the smallest value that a share of all do not pass (nearest rank).
fn rank_of(all: u64, thousandths: u64) -> u64 {
    u64::try_from((u128::from(all) * u128::from(thousandths)).div_ceil(1000)).unwrap_or(all).max(1) - 1
}

/// Finds the bucket that holds the value of this rank, and its rank there; `None` when there are not so many.
fn find(counts: &[u64], mut rank: u64) -> Option<(usize, u64)> {
    for (bucket, count) in counts.iter().enumerate() {
        if rank < *count {
            return Some((bucket, rank));
        }
        rank -= count;
    }
    None
}
