//! Valleys of a density: where gaps inside visits end and gaps between visits begin, if anything does.

use alloc::vec::Vec;

use super::grid;

/// A place between two hills.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Valley {
    /// The middle of its floor, in bins.
    pub at: f64,
    /// How far below the lower of the two hills its floor lies, as a share of that hill.
    pub depth: f64,
    /// The tops of the two hills, in bins.
    pub hills: (usize, usize),
    /// How much of the weight beyond it lies [`OUTLYING`] octaves or more beyond the middle of that weight.
    pub outlying: f64,
}

/// So many octaves beyond the usual gap between visits no return is expected: sixteen times as long.
pub const OUTLYING: usize = 4;
/// Beyond a valley between visits so much of the weight may be outlying.
///
/// Bursts inside of a visit have valleys of their own, often deeper than that between visits. What lies beyond such
/// a valley is a mixture: pauses inside of visits, and among them the far longer gaps between visits. What lies
/// beyond the valley between visits are returns of one kind, and few of them take sixteen times as long as usual.
pub const OUTLYING_ALLOWED: f64 = 0.05;

/// How far above the lowest point still counts as the floor, as a share of the lower hill.
const FLOOR: f64 = 0.02;
const RISE: f64 = 0.15;
const EARLY: f64 = 0.0;

/// Returns all valleys, from short gaps to long. A density with one hill has none.
#[must_use]
pub fn valleys(density: &[f64]) -> Vec<Valley> {
    let mut found = Vec::new();
    for bottom in 1..density.len().saturating_sub(1) {
        let here = density[bottom];
        if density[bottom - 1] <= here || density[bottom + 1] < here {
            continue;
        }
        let left = top(&density[..bottom]);
        let right = bottom + 1 + top(&density[bottom + 1..]);
        let lower = density[left].min(density[right]);
        if lower <= here {
            continue;
        }
        let level = (1.0 + RISE) * here + FLOOR * lower;
        let from = (left..bottom).rev().take_while(|bin| density[*bin] <= level).last().unwrap_or(bottom);
        let to = (bottom..right).take_while(|bin| density[*bin] <= level).last().unwrap_or(bottom);
        found.push(Valley {
            at: from as f64 + EARLY * (to - from) as f64,
            depth: 1.0 - here / lower,
            hills: (left, right),
            outlying: outlying(density, bottom),
        });
    }
    found
}

/// Returns the share of the weight beyond `bottom` that lies far beyond its middle.
fn outlying(density: &[f64], bottom: usize) -> f64 {
    let beyond = &density[bottom..];
    let total: f64 = beyond.iter().sum();
    let mut sum = 0.0;
    let middle = beyond.iter().position(|height| {
        sum += height;
        total <= 2.0 * sum
    });
    let far = middle.unwrap_or(0) + OUTLYING * grid::PER_OCTAVE;
    beyond.iter().skip(far).sum::<f64>() / total
}

fn top(density: &[f64]) -> usize {
    let mut top = 0;
    for (bin, height) in density.iter().enumerate() {
        if density[top] < *height {
            top = bin;
        }
    }
    top
}

/// Where to look, and what to prefer when valleys are about equally deep.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Search {
    /// The shortest timeout considered, in seconds.
    pub shortest: f64,
    /// The longest.
    pub longest: f64,
    /// The timeout that is usual, in seconds.
    pub usual: Option<f64>,
}

/// How much shallower than the deepest a valley may be and still be taken for its place.
pub const TIE: f64 = 0.15;

/// Chooses the valley that advice would be about.
///
/// The deepest wins. Among those about as deep the one nearest to what is usual does, or, where nothing is known to
/// be usual, the one with the longest gaps: bursts inside a visit make valleys too, and visits lie outside of bursts.
#[must_use]
pub fn choose(density: &[f64], search: Search) -> Option<Valley> {
    let inside = |valley: &Valley| {
        let seconds = grid::seconds(valley.at);
        search.shortest <= seconds && seconds <= search.longest
    };
    let mut found: Vec<Valley> = valleys(density).into_iter().filter(inside).collect();
    if found.iter().any(is_outermost) {
        found.retain(is_outermost);
    }
    let deepest = found.iter().map(|valley| valley.depth).fold(0.0, f64::max);
    let mut chosen: Option<Valley> = None;
    for valley in found.into_iter().filter(|valley| deepest - TIE <= valley.depth) {
        let better = match (chosen, search.usual) {
            (None, _) | (Some(_), None) => true,
            (Some(old), Some(usual)) => distance(valley, usual) < distance(old, usual),
        };
        if better {
            chosen = Some(valley);
        }
    }
    chosen
}

/// Says whether what lies beyond it are returns of one kind.
#[must_use]
pub fn is_outermost(valley: &Valley) -> bool {
    valley.outlying <= OUTLYING_ALLOWED
}

fn distance(valley: Valley, usual: f64) -> f64 {
    libm::fabs(libm::log2(grid::seconds(valley.at) / usual))
}
