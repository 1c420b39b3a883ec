//! Sixty-four gaps at once: every session of the grid that lies between two of them, without a stack.
//!
//! A [`Nest`] that is asked about each gap guesses wrong about every second one, and a wrong guess costs more than all
//! else. Here gaps are bits of a word, one word for every place of the grid, and places are gone through from the
//! longest gaps to the shortest: between two breaks that are next to each other there is a session, if any gap there
//! has the place at hand. What reaches beyond the block is left to the nest: about one gap in eight.

use crate::lab::lengths::{LARGEST_GRID, Lengths};
use crate::lab::nested::{Nest, Stretch};
use crate::time::Timestamp;

/// A word has so many bits.
pub(crate) const LARGEST_BLOCK: usize = 64;

/// More places than a grid has: a power of two, so that no place can miss.
const PLACES: usize = (LARGEST_GRID + 1).next_power_of_two();

/// Gaps in a row, each as its place in the grid: how many timeouts of the grid it reaches.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    places: [u8; LARGEST_BLOCK],
    /// How many timeouts each of them reaches.
    reached: [u32; LARGEST_BLOCK],
    gaps: usize,
    /// By place: the gaps that have it, as bits. What is not in use is nothing.
    here: [u64; PLACES],
    /// The places that there are, as bits; the last one stands with the first.
    present: u64,
}

impl Block {
    /// Begins with no gap.
    pub const fn new() -> Self {
        Block { places: [0; LARGEST_BLOCK], reached: [0; LARGEST_BLOCK], gaps: 0, here: [0; PLACES], present: 0 }
    }

    /// Takes gaps, at least one and at most [`LARGEST_BLOCK`], each with its place and with how many timeouts it reaches.
    #[inline]
    pub fn fill<G>(&mut self, gaps: impl ExactSizeIterator<Item = G>, mut place_of: impl FnMut(G) -> (u8, u32)) {
        self.gaps = gaps.len();
        let mut present = 0;
        let kept = self.places.iter_mut().zip(&mut self.reached).enumerate();
        for ((number, (place, reached)), gap) in kept.zip(gaps) {
            (*place, *reached) = place_of(gap);
            self.here[usize::from(*place) % PLACES] |= 1 << number;
            present |= 1 << (usize::from(*place) % LARGEST_GRID);
        }
        self.present = present;
    }

    /// Hands on how many timeouts the longest gaps reach: so many of them at least, as far as there are, and in any case
    /// all that have the longest one's place.
    #[inline]
    pub fn longest(&self, wanted: usize, mut each: impl FnMut(u32)) {
        let (mut here, mut shorter, mut told) = (self.here[LARGEST_GRID], self.present, 0);
        loop {
            while here != 0 {
                each(self.reached[here.trailing_zeros() as usize % LARGEST_BLOCK]);
                told += 1;
                here &= here - 1;
            }
            if shorter == 0 || (told != 0 && wanted <= told) {
                return;
            }
            let place = 63 - shorter.leading_zeros();
            shorter ^= 1 << place;
            here = self.here[place as usize];
        }
    }

    /// Returns the places of the first gap and of the last.
    pub fn outermost(&self) -> (u8, u8) {
        (self.places[0], self.places[self.gaps.saturating_sub(1) % LARGEST_BLOCK])
    }

    /// Notes all sessions that are known by the gaps so far, but for those of the first and the last action alone, and
    /// forgets these gaps. `moments` are the actions around them: one more than there are gaps. The nest knows all that
    /// came before the second of them.
    pub fn note(&mut self, moments: &[Timestamp], nest: &mut Nest, lengths: &mut Lengths) {
        let mut breaks = core::mem::take(&mut self.here[LARGEST_GRID]);
        // The shortest gaps yet before which, or after which, there is none as long.
        let mut beyond = first_of(breaks) | last_of(breaks);
        let mut alone = (breaks & (breaks >> 1)).count_ones();
        // A smaller grid has no such place.
        if alone != 0 {
            lengths.add_singles(LARGEST_GRID as u8, alone);
        }
        while self.present != 0 {
            let place = 63 - self.present.leading_zeros();
            self.present ^= 1 << place;
            let here = core::mem::take(&mut self.here[place as usize]);
            self.note_between(breaks, here, place as u8, moments, lengths);
            breaks |= here;
            beyond |= first_of(breaks) | last_of(breaks);
            // An action between two breaks is a session of its own under all timeouts that both of them reach.
            let still_alone = (breaks & (breaks >> 1)).count_ones();
            lengths.add_singles(place as u8, still_alone - alone);
            alone = still_alone;
        }
        self.tell_nest(beyond, moments, nest, lengths);
        self.gaps = 0;
    }

    /// Notes the sessions that lie between two breaks and hold gaps of the place at hand, the longest they hold.
    #[inline]
    fn note_between(&self, breaks: u64, here: u64, from: u8, moments: &[Timestamp], lengths: &mut Lengths) {
        if breaks == 0 {
            return;
        }
        let border = |gap: u32| self.places[gap as usize % LARGEST_BLOCK];
        let outermost = (breaks.trailing_zeros(), 63 - breaks.leading_zeros());
        let mut inside = here & (u64::MAX << outermost.0) & ((1 << outermost.1) - 1);
        while inside != 0 {
            let gap = inside.trailing_zeros();
            let before = 63 - (breaks & ((1 << gap) - 1)).leading_zeros();
            let after = (breaks & (u64::MAX << gap)).trailing_zeros();
            let length = moments[after as usize].since(moments[before as usize + 1]);
            lengths.add_several(length, from, border(before).min(border(after)));
            inside &= u64::MAX << after;
        }
    }

    /// Gives the nest the gaps whose sessions may reach beyond the block, and what lies between them as stretches.
    fn tell_nest(&self, mut beyond: u64, moments: &[Timestamp], nest: &mut Nest, lengths: &mut Lengths) {
        while beyond != 0 {
            let gap = beyond.trailing_zeros() as usize;
            beyond &= beyond - 1;
            let last = if beyond == 0 { gap + 1 } else { beyond.trailing_zeros() as usize };
            let stretch = Stretch::of_actions(moments[gap + 1], moments[last], (last - gap) as u32);
            nest.follow_known(stretch, u32::from(self.places[gap]), &mut |found| lengths.note_several(found));
        }
    }
}

/// Returns the lowest bit of all, alone.
#[inline]
const fn first_of(bits: u64) -> u64 {
    bits & bits.wrapping_neg()
}

/// Returns the highest bit of all, alone.
#[inline]
const fn last_of(bits: u64) -> u64 {
    match bits {
        0 => 0,
        _ => 1 << (63 - bits.leading_zeros()),
    }
}
