//! How good a timeout is against the truth, and what others' rules would have chosen.

use super::people::User;

/// All gaps of all users in order of length, and whether they lie between visits.
pub fn truth(users: &[User]) -> Vec<(f64, bool)> {
    let mut gaps: Vec<(f64, bool)> = users.iter().flat_map(User::truth).collect();
    gaps.sort_by(|a, b| a.0.total_cmp(&b.0));
    gaps
}

/// F1 of the decisions "a visit begins here", over all pairs of neighbours.
pub fn f1(truth: &[(f64, bool)], timeout: f64) -> f64 {
    let cut = truth.partition_point(|gap| gap.0 < timeout);
    let right = truth[cut..].iter().filter(|gap| gap.1).count() as f64;
    let real = truth.iter().filter(|gap| gap.1).count() as f64;
    2.0 * right / (real + (truth.len() - cut) as f64)
}

/// The best flat timeout of a fine grid, and its F1.
pub fn best(truth: &[(f64, bool)]) -> (f64, f64) {
    let grid = (0..=200).map(|step| libm::exp2(f64::from(step) * libm::log2(86_400.0) / 200.0));
    grid.map(|timeout| (timeout, f1(truth, timeout)))
        .fold((0.0, 0.0), |best, new| if best.1 < new.1 { new } else { best })
}

/// Mean plus one and a half standard deviations of the gaps (Catledge and Pitkow 1995).
pub fn mean_and_deviations(truth: &[(f64, bool)]) -> f64 {
    let count = truth.len() as f64;
    let mean = truth.iter().map(|gap| gap.0).sum::<f64>() / count;
    let variance = truth.iter().map(|gap| (gap.0 - mean) * (gap.0 - mean)).sum::<f64>() / count;
    (mean + 1.5 * libm::sqrt(variance)).clamp(1.0, 86_400.0)
}

/// The same on logarithms.
pub fn mean_and_deviations_of_logs(truth: &[(f64, bool)]) -> f64 {
    let logs: Vec<(f64, bool)> = truth.iter().map(|gap| (libm::log(gap.0.max(0.001)), gap.1)).collect();
    let count = logs.len() as f64;
    let mean = logs.iter().map(|gap| gap.0).sum::<f64>() / count;
    let variance = logs.iter().map(|gap| (gap.0 - mean) * (gap.0 - mean)).sum::<f64>() / count;
    libm::exp(mean + 1.5 * libm::sqrt(variance)).clamp(1.0, 86_400.0)
}

/// Upper quartile plus one and a half times the distance of the quartiles.
pub fn quartiles(truth: &[(f64, bool)]) -> f64 {
    let at = |share: f64| truth[(share * (truth.len() - 1) as f64) as usize].0;
    (at(0.75) + 1.5 * (at(0.75) - at(0.25))).clamp(1.0, 86_400.0)
}

/// Where two Gaussians, fitted to the logarithms by expectation and maximisation, are equally likely
/// (Halfaker and others 2015).
pub fn two_gaussians(truth: &[(f64, bool)]) -> f64 {
    let logs: Vec<f64> = truth.iter().filter(|gap| 1.0 <= gap.0).map(|gap| libm::log2(gap.0)).collect();
    let count = logs.len() as f64;
    let (mut share, mut means, mut sigmas) =
        ([0.5, 0.5], [logs[logs.len() / 4], logs[logs.len() * 9 / 10]], [2.0, 2.0]);
    let height = |x: f64, share: f64, mean: f64, sigma: f64| {
        share / sigma * libm::exp(-0.5 * (x - mean) * (x - mean) / (sigma * sigma))
    };
    for _ in 0..100 {
        let mut sums = [[0.0; 3]; 2];
        for x in &logs {
            let heights = [0, 1].map(|k: usize| height(*x, share[k], means[k], sigmas[k]) + 1e-300);
            for k in 0..2 {
                let part = heights[k] / (heights[0] + heights[1]);
                sums[k][0] += part;
                sums[k][1] += part * x;
                sums[k][2] += part * x * x;
            }
        }
        for k in 0..2 {
            share[k] = sums[k][0] / count;
            means[k] = sums[k][1] / sums[k][0];
            sigmas[k] = libm::sqrt((sums[k][2] / sums[k][0] - means[k] * means[k]).max(0.01));
        }
    }
    let (low, high) = if means[0] < means[1] { (0, 1) } else { (1, 0) };
    let steps = 400;
    for step in 0..=steps {
        let x = means[low] + (means[high] - means[low]) * f64::from(step) / f64::from(steps);
        if height(x, share[low], means[low], sigmas[low]) <= height(x, share[high], means[high], sigmas[high]) {
            return libm::exp2(x).clamp(1.0, 86_400.0);
        }
    }
    libm::exp2(means[high]).clamp(1.0, 86_400.0)
}
