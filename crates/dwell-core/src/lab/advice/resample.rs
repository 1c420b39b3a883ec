//! How sure a valley is: the same question, asked again of users drawn anew.

use alloc::vec;
use alloc::vec::Vec;

use super::grid::{self, BINS, Weights};
use super::valley::{self, Search, Valley};

/// How often users are drawn anew.
pub const RESAMPLES: usize = 200;
/// The most bags of users that are drawn from: more users share bags, so that the cost does not grow with them.
pub const BAGS: usize = 400;

/// Draws numbers that look random and are the same every time (splitmix64).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// Begins at a seed.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Draw(seed)
    }

    /// Returns the next number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Returns what each drawing of the bags, with replacement, finds nearest to `place`; `None` where it finds no valley.
#[must_use]
pub fn resample(bags: &[Weights], search: Search, place: f64, seed: u64) -> Vec<Option<Valley>> {
    let mut draw = Draw::from_seed(seed);
    let mut found = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let mut times = vec![0.0; bags.len()];
        for _ in 0..bags.len() {
            times[draw.below(bags.len())] += 1.0;
        }
        let valleys = search.find(&grid::density(&sum(bags, &times)));
        found.push(valley::nearest(&valleys, place));
    }
    found
}

/// Adds bags up, each as often as `times` says.
#[must_use]
pub fn sum(bags: &[Weights], times: &[f64]) -> Vec<f64> {
    let mut total = vec![0.0; BINS];
    for (bag, times) in bags.iter().zip(times) {
        if *times == 0.0 {
            continue;
        }
        for (bin, weight) in bag.iter().enumerate() {
            total[bin] += times * f64::from(*weight);
        }
    }
    total
}
