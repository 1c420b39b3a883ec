//! How many users reach their Nth session, under every timeout.

use alloc::vec::Vec;

use crate::time::Timeout;

/// Users by the longest timeout under which they still have N sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Milestones {
    numbers: Vec<u32>,
    /// For each number, at `s`: users that have that many sessions under timeouts up to `s` seconds and no longer.
    reach: Vec<Vec<u32>>,
    /// The user at hand: sessions under every timeout, and the longest gaps that part the others, the longest first.
    always: u32,
    gaps: Vec<u32>,
    /// So many gaps decide, and no more are kept.
    most: usize,
    /// Gaps that reach no more timeouts than these change nothing.
    floor: u32,
}

const ALL: usize = Timeout::LONGEST.as_secs() as usize;

/// So many gaps at most are put in order at once.
const RANKED: usize = 16;

/// Puts at most [`RANKED`] gaps in order, the longest first; what is left of the places is 0.
///
/// The place of each is how many are longer: all comparisons are made and none is guessed, which few gaps can afford.
#[inline]
fn longest_first(gaps: &[u32]) -> [u32; RANKED] {
    // No two are alike: below the gap stands its number.
    let mut keys: [i32; RANKED] = core::array::from_fn(|number| number as i32);
    for (key, gap) in keys.iter_mut().zip(gaps) {
        *key += (*gap as i32) << RANKED.ilog2();
    }
    let mut longer = [0i32; RANKED];
    for other in keys {
        for (longer, key) in longer.iter_mut().zip(keys) {
            *longer += i32::from(key < other);
        }
    }
    let mut sorted = [0; RANKED];
    for (longer, key) in longer.iter().zip(keys) {
        sorted[*longer as usize % RANKED] = (key >> RANKED.ilog2()) as u32;
    }
    sorted
}

/// Returns which gaps change nothing before any is kept: those that part nothing, and all where none are kept.
const fn lowest(most: usize) -> u32 {
    if most == 0 { ALL as u32 - 1 } else { 0 }
}

impl Milestones {
    /// Counts users for these numbers of sessions.
    #[must_use]
    pub fn new(numbers: &[u32]) -> Self {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|number| 0 < *number);
        let reach = numbers.iter().map(|_| alloc::vec![0; ALL + 1]).collect();
        let most = numbers.last().map_or(0, |largest| *largest as usize - 1);
        Milestones { numbers, reach, always: 0, gaps: Vec::new(), most, floor: lowest(most) }
    }

    /// Notes a session of the user at hand that is there under every timeout.
    #[inline]
    pub fn always(&mut self) {
        self.always += 1;
    }

    /// Notes a gap that parts two sessions of the user at hand under timeouts up to `reached` seconds.
    #[inline]
    pub fn gap(&mut self, reached: u32) {
        if self.floor < reached {
            self.keep(reached);
        }
    }

    fn keep(&mut self, reached: u32) {
        if self.most == 0 {
            return;
        }
        self.gaps.truncate(self.most.saturating_sub(1));
        let place = self.gaps.partition_point(|longer| reached <= *longer);
        self.gaps.insert(place, reached);
        if self.gaps.len() == self.most {
            self.floor = self.gaps.last().copied().unwrap_or(0);
        }
    }

    /// Returns how many of the user's gaps may decide: of any gaps, only so many of the longest need to be noted.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Returns how many timeouts the shortest gap reaches that may still change anything.
    pub(crate) const fn least(&self) -> u32 {
        self.floor + 1
    }

    /// Notes gaps between actions, in any order, by the timeouts that they reach.
    #[inline]
    pub(crate) fn part_all(&mut self, gaps: &[u32]) {
        if RANKED < gaps.len() || !self.gaps.is_empty() {
            return gaps.iter().for_each(|reached| self.part(*reached));
        }
        // Those that all timeouts reach come first, and those that change nothing come last.
        let sorted = longest_first(gaps);
        let always = sorted.iter().filter(|reached| **reached as usize == ALL).count();
        let decisive = sorted.iter().filter(|reached| self.floor < **reached).count();
        self.always += always as u32;
        self.gaps.extend_from_slice(&sorted[always..decisive.min(always + self.most).max(always)]);
        if self.gaps.len() == self.most {
            self.floor = self.gaps.last().copied().unwrap_or(self.floor);
        }
    }

    /// Notes a gap between two actions: it parts two sessions of the user at hand.
    #[inline]
    pub fn part(&mut self, reached: u32) {
        if self.floor < reached {
            if reached as usize == ALL { self.always() } else { self.keep(reached) }
        }
    }

    /// Says that the user at hand has no more; returns whether they have a session.
    pub fn end_user(&mut self) -> bool {
        let always = self.always;
        for (number, reach) in self.numbers.iter().zip(&mut self.reach) {
            let missing = number.saturating_sub(always) as usize;
            if always == 0 {
                continue;
            }
            // The missing-th longest gap decides: under a timeout that it reaches there are so many sessions.
            match missing.checked_sub(1) {
                None => reach[ALL] += 1,
                Some(place) => {
                    if let Some(decides) = self.gaps.get(place) {
                        reach[*decides as usize] += 1;
                    }
                }
            }
        }
        let has_any = 0 < always;
        self.always = 0;
        self.gaps.clear();
        self.floor = lowest(self.most);
        has_any
    }

    /// Adds what was counted of other users, for the same numbers.
    pub fn merge(&mut self, other: &Milestones) {
        for (mine, theirs) in self.reach.iter_mut().zip(&other.reach) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    /// Returns the numbers of sessions, in order.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Returns, for each number, how many users have that many sessions under each timeout from 1 s to 24 h.
    #[must_use]
    pub fn users(&self) -> Vec<Vec<u64>> {
        let under_all = |reach: &Vec<u32>| {
            let mut users: Vec<u64> = reach.iter().map(|count| u64::from(*count)).collect();
            for shorter in (0..ALL).rev() {
                users[shorter] += users[shorter + 1];
            }
            users.remove(0);
            users
        };
        self.reach.iter().map(under_all).collect()
    }

    /// Returns an empty count for the same numbers.
    #[must_use]
    pub fn again(&self) -> Milestones {
        Milestones::new(&self.numbers)
    }
}
