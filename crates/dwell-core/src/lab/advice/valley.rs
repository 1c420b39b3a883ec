//! Valleys of a density: where gaps inside visits end and gaps between visits begin, if anything does.

use alloc::vec::Vec;

use super::grid;

/// A place between two hills.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Valley {
    /// The beginning of its floor, in bins.
    ///
    /// Gaps between visits rise slowly towards their hill and gaps inside visits fall steeply, so the lowest point
    /// lies later than the best timeout: by an octave, where the middle of the floor was tried.
    pub at: f64,
    /// How far below the lower of the two hills its floor lies, as a share of that hill.
    pub depth: f64,
    /// The tops of the two hills, in bins.
    pub hills: (usize, usize),
    /// How much of the weight beyond it lies [`OUTLYING`] octaves or more beyond the middle of that weight.
    pub outlying: f64,
}

/// A dent that is not so deep on its own is part of the valley beside it.
pub const DEPTH_OF_ONE_AMONG_SEVERAL: f64 = 0.25;
/// So many octaves beyond the usual gap between visits no return is expected: sixteen times as long.
pub const OUTLYING: usize = 4;
/// How far above the lowest point the floor reaches: as a share of the lowest point, and of the lower hill.
const FLOOR: (f64, f64) = (0.15, 0.02);

/// Returns all valleys, from short gaps to long: between each two a hill stands out.
///
/// A density with one hill has none. When there is one valley only it may be as shallow as it likes.
#[must_use]
pub fn valleys(density: &[f64]) -> Vec<Valley> {
    let (mut hills, mut bottoms) = extremes(density);
    while 1 < bottoms.len() {
        let depth = |index: usize| depth(density, bottoms[index], hills[index], hills[index + 1]);
        let shallowest = (0..bottoms.len()).min_by(|a, b| depth(*a).total_cmp(&depth(*b))).unwrap_or(0);
        if DEPTH_OF_ONE_AMONG_SEVERAL <= depth(shallowest) {
            break;
        }
        fill(density, &mut hills, &mut bottoms, shallowest);
    }
    bottoms
        .iter()
        .enumerate()
        .map(|(index, bottom)| describe(density, *bottom, hills[index], hills[index + 1]))
        .filter(|valley| 0.0 < valley.depth)
        .collect()
}

/// Fills a dent up: it goes, and the lower hill beside it with it.
fn fill(density: &[f64], hills: &mut Vec<usize>, bottoms: &mut Vec<usize>, dent: usize) {
    let bottom = bottoms.remove(dent);
    let leftwards = density[hills[dent]] < density[hills[dent + 1]];
    hills.remove(if leftwards { dent } else { dent + 1 });
    // The valley on the other side of that hill now reaches to here, and its lowest point may be the dent's.
    let beyond = if leftwards { dent.checked_sub(1) } else { Some(dent) };
    if let Some(beyond) = beyond.and_then(|beyond| bottoms.get_mut(beyond))
        && density[bottom] < density[*beyond]
    {
        *beyond = bottom;
    }
}

/// Returns the tops and the lowest points between them, in turn, beginning and ending with a top.
fn extremes(density: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let (mut hills, mut bottoms) = (Vec::new(), Vec::new());
    let mut climbing = true;
    for bin in 1..=density.len() {
        let rises = density.get(bin).is_some_and(|height| density[bin - 1] < *height);
        let falls = density.get(bin).is_none_or(|height| *height < density[bin - 1]);
        if climbing && falls {
            hills.push(bin - 1);
            climbing = false;
        } else if !climbing && rises {
            bottoms.push(bin - 1);
            climbing = true;
        }
    }
    (hills, bottoms)
}

fn depth(density: &[f64], bottom: usize, left: usize, right: usize) -> f64 {
    1.0 - density[bottom] / density[left].min(density[right])
}

fn describe(density: &[f64], bottom: usize, left: usize, right: usize) -> Valley {
    let lower = density[left].min(density[right]);
    let level = (1.0 + FLOOR.0) * density[bottom] + FLOOR.1 * lower;
    let from = (left..bottom).rev().take_while(|bin| density[*bin] <= level).last().unwrap_or(bottom);
    Valley {
        at: from as f64,
        depth: depth(density, bottom, left, right),
        hills: (left, right),
        outlying: outlying(density, bottom),
    }
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

/// Where to look.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Search {
    /// The shortest timeout considered, in seconds.
    pub shortest: f64,
    /// The longest.
    pub longest: f64,
}

impl Search {
    /// Returns the valleys that begin inside.
    #[must_use]
    pub fn find(self, density: &[f64]) -> Vec<Valley> {
        let inside = |valley: &Valley| {
            let seconds = grid::seconds(valley.at);
            self.shortest <= seconds && seconds <= self.longest
        };
        valleys(density).into_iter().filter(inside).collect()
    }
}

/// Returns the valley nearest to a place, in bins.
#[must_use]
pub fn nearest(valleys: &[Valley], place: f64) -> Option<Valley> {
    let apart = |valley: &Valley| libm::fabs(valley.at - place);
    valleys.iter().copied().min_by(|a, b| apart(a).total_cmp(&apart(b)))
}
