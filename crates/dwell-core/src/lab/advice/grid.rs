//! The scale on which gaps are weighed: the logarithm of their seconds.

use alloc::vec;
use alloc::vec::Vec;

/// Bins to one doubling of the gap.
pub const PER_OCTAVE: usize = 8;
/// Doublings from one second on: up to about 48 days. A longer gap is long whatever the timeout, and is left out.
pub const OCTAVES: usize = 22;
/// Bins in all.
pub const BINS: usize = PER_OCTAVE * OCTAVES;
/// Standard deviation of the smoothing, in octaves.
pub const BANDWIDTH: f64 = 0.5;

/// How much weight lies in each bin of the log-gap scale.
pub type Weights = [f32; BINS];

/// Returns the place of a number of seconds on the scale, in bins; negative below one second.
#[must_use]
pub fn place(seconds: f64) -> f64 {
    if seconds <= 0.0 {
        return -1.0;
    }
    libm::log2(seconds) * PER_OCTAVE as f64
}

/// Returns the seconds in the middle of a bin, or between bins.
#[must_use]
pub fn seconds(bin: f64) -> f64 {
    libm::exp2((bin + 0.5) / PER_OCTAVE as f64)
}

/// Adds `weight`, spread over the seconds from `low` to `high` evenly: what lies outside of the scale is lost.
///
/// A clock that knows whole seconds only would otherwise leave teeth between 1, 2 and 3 seconds, with valleys that
/// nobody made.
pub fn spread(weights: &mut Weights, low: f64, high: f64, weight: f64) {
    let first = place(low.max(1.0)).max(0.0);
    let last = place(high.max(1.0)).min(BINS as f64);
    if high - low < 1e-9 || libm::floor(first) == libm::floor(last) {
        if 1.0 <= high && first < BINS as f64 {
            weights[first as usize] += weight as f32;
        }
        return;
    }
    let mut from = low.max(1.0);
    let mut bin = first as usize;
    while bin < BINS && from < high {
        let to = libm::exp2((bin + 1) as f64 / PER_OCTAVE as f64).min(high);
        weights[bin] += (weight * (to - from).max(0.0) / (high - low)) as f32;
        from = to.max(from);
        bin += 1;
    }
}

/// Returns the density per octave of weights, smoothed by half an octave and with an area of one.
///
/// At one second the scale ends and the weight does not: it is reflected there, so that the edge is no slope.
#[must_use]
pub fn density(weights: &[f64]) -> Vec<f64> {
    let reach = 4 * PER_OCTAVE / 2;
    let kernel = kernel(reach);
    let total: f64 = weights.iter().sum();
    let mut smooth = vec![0.0; BINS];
    if total <= 0.0 {
        return smooth;
    }
    for (bin, weight) in weights.iter().enumerate() {
        if *weight == 0.0 {
            continue;
        }
        for (step, share) in kernel.iter().enumerate() {
            let to = (bin + step) as isize - reach as isize;
            let to = if to < 0 { (-1 - to) as usize } else { to as usize };
            if to < BINS {
                smooth[to] += weight * share * PER_OCTAVE as f64 / total;
            }
        }
    }
    smooth
}

fn kernel(reach: usize) -> Vec<f64> {
    let width = BANDWIDTH * PER_OCTAVE as f64;
    let bell = |step: usize| {
        let apart = (step as f64 - reach as f64) / width;
        libm::exp(-0.5 * apart * apart)
    };
    let total: f64 = (0..=2 * reach).map(bell).sum();
    (0..=2 * reach).map(|step| bell(step) / total).collect()
}
