//! Shapes of chance: how long gaps, visits and delays are.
//!
//! Every shape is a table of its quantiles, computed once. A draw is then a look-up in whole numbers: quick, and the
//! same on every machine.

use crate::random::Stream;

const STEPS: usize = 1024;

/// A distribution of whole numbers, as a table of quantiles.
#[derive(Clone, Debug)]
pub struct Curve(Vec<i64>);

impl Curve {
    /// Returns the log-normal distribution with this median and this sigma of the logarithm, cut off at both ends.
    ///
    /// What lies beyond the ends is drawn anew, in effect: nothing heaps up at them.
    pub fn log_normal(median: i64, sigma: f64, least: i64, most: i64) -> Self {
        let place = |value: i64| normal_share(libm::log(value as f64 / median as f64) / sigma);
        let (from, to) = (place(least), place(most));
        let quantile = |share: f64| {
            let z = normal_quantile(from + (to - from) * share);
            (median as f64 * libm::exp(sigma * z)) as i64
        };
        Curve::of(|share| quantile(share).clamp(least, most))
    }

    /// Returns the distribution that is even on a logarithmic scale: as many from 1 to 10 as from 10 to 100.
    pub fn log_even(least: i64, most: i64) -> Self {
        let ratio = libm::log(most as f64 / least as f64);
        Curve::of(|share| ((least as f64 * libm::exp(ratio * share)) as i64).clamp(least, most))
    }

    /// Returns the distribution over 0 to `most` that follows these weights, each over an equal part of it.
    pub fn weighted(weights: &[u32], most: i64) -> Self {
        let total: u32 = weights.iter().sum();
        let part = most as f64 / weights.len() as f64;
        Curve::of(|share| {
            let mut left = share * f64::from(total);
            for (index, weight) in weights.iter().enumerate() {
                let weight = f64::from(*weight);
                if left < weight {
                    return ((index as f64 + left / weight) * part) as i64;
                }
                left -= weight;
            }
            most
        })
    }

    fn of(quantile: impl Fn(f64) -> i64) -> Self {
        Curve((0..=STEPS).map(|step| quantile(step as f64 / STEPS as f64)).collect())
    }

    /// Draws from it.
    pub fn draw(&self, stream: &mut Stream) -> i64 {
        let bits = stream.bits();
        let step = (bits >> 54) as usize;
        let between = (bits >> 22 & 0xffff_ffff) as i64;
        let (low, high) = (self.0[step], self.0[step + 1]);
        low + (((high - low) * between) >> 32)
    }
}

fn normal_share(z: f64) -> f64 {
    0.5 * libm::erfc(-z / core::f64::consts::SQRT_2)
}

/// Returns the quantile of the standard normal distribution by halving: slow, plain, and as exact as its opposite.
fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..48 {
        let middle = (low + high) / 2.0;
        if normal_share(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_draws(curve: &Curve) -> Vec<i64> {
        let mut stream = Stream::new(1);
        let mut drawn: Vec<i64> = (0..20_000).map(|_| curve.draw(&mut stream)).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn a_log_normal_curve_keeps_its_median_and_its_ends() {
        let drawn = sorted_draws(&Curve::log_normal(100_000, 0.7, 10_000, 1_000_000));
        assert!((95_000..105_000).contains(&drawn[10_000]), "median {}", drawn[10_000]);
        assert!(10_000 <= drawn[0] && drawn[19_999] <= 1_000_000);
        // 16 of 100 lie more than one sigma below the median.
        assert!((46_000..53_000).contains(&drawn[3_173]), "one sigma below {}", drawn[3_173]);
    }

    #[test]
    fn a_log_even_curve_has_its_geometric_mean_in_the_middle() {
        let drawn = sorted_draws(&Curve::log_even(10, 100_000));
        assert!((900..1_100).contains(&drawn[10_000]), "median {}", drawn[10_000]);
    }

    #[test]
    fn a_weighted_curve_follows_its_weights() {
        let drawn = sorted_draws(&Curve::weighted(&[1, 3], 1_000));
        let first_half = drawn.iter().filter(|value| **value < 500).count();
        assert!((4_700..5_300).contains(&first_half), "{first_half}");
    }
}
