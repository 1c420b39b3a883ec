//! Sixty-four gaps at once: every session of the grid that lies between two of them, without a stack.
//!
//! A [`Nest`] that is asked about each gap guesses wrong about every second one, and a wrong guess costs more than all
//! else. Here gaps are bits of a word, one word for every place of the grid: where the next longer gap lies, on either
//! side, is one instruction. What reaches beyond the block is left to the nest: about one gap in eight.

use crate::lab::lengths::{LARGEST_GRID, Lengths};
use crate::lab::nested::{Nest, Stretch};
use crate::time::Timestamp;

/// A word has so many bits.
pub(crate) const LARGEST_BLOCK: usize = 64;

/// Gaps in a row, each as its place in the grid: how many timeouts of the grid it reaches.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    places: [u8; LARGEST_BLOCK],
    gaps: usize,
    /// By place. What is not in use is nothing.
    levels: [Level; LARGEST_GRID + 1],
    found: [Within; LARGEST_BLOCK],
}

/// A session of some places of the grid, from the first to the last of the block's actions by their numbers.
#[derive(Clone, Copy, Debug)]
struct Within {
    first: u8,
    last: u8,
    from: u8,
    to: u8,
}

/// Gaps of one place in the grid, and all longer ones, as bits.
#[derive(Clone, Copy, Debug)]
struct Level {
    here: u64,
    above: u64,
}

const NOTHING: Level = Level { here: 0, above: 0 };

impl Block {
    /// Begins with no gap.
    pub const fn new() -> Self {
        let nowhere = Within { first: 0, last: 0, from: 0, to: 0 };
        Block {
            places: [0; LARGEST_BLOCK],
            gaps: 0,
            levels: [NOTHING; LARGEST_GRID + 1],
            found: [nowhere; LARGEST_BLOCK],
        }
    }

    /// Takes the next gap; there is room for [`LARGEST_BLOCK`].
    #[inline]
    pub fn push(&mut self, place: u8) {
        let gap = self.gaps % LARGEST_BLOCK;
        self.places[gap] = place;
        self.levels[usize::from(place)].here |= 1 << gap;
        self.gaps = gap + 1;
    }

    /// Notes all sessions of several actions that are known by the gaps so far, and forgets these. `moments` are the
    /// actions around the gaps: one more than there are gaps. The nest knows all that came before the second of them.
    pub fn note(&mut self, moments: &[Timestamp], nest: &mut Nest, lengths: &mut Lengths) {
        let present = self.stack_levels();
        let (found, beyond) = self.find();
        for within in &self.found[..found] {
            let length = moments[usize::from(within.last)].since(moments[usize::from(within.first)]);
            lengths.add_several(length, within.from, within.to);
        }
        self.tell_nest(beyond, moments, nest, lengths);
        self.forget(present);
    }

    /// Works out for every place which gaps are longer, and returns the places that there are but the last, as bits.
    fn stack_levels(&mut self) -> u64 {
        let last = &self.levels[LARGEST_GRID];
        let mut above = last.here;
        let mut present = self.places[..self.gaps].iter().fold(0, |present, place| present | 1u128 << place) as u64;
        let all = present;
        while present != 0 {
            let place = 63 - present.leading_zeros();
            present ^= 1 << place;
            let level = &mut self.levels[place as usize];
            level.above = above;
            above |= level.here;
        }
        all
    }

    fn forget(&mut self, mut present: u64) {
        self.levels[LARGEST_GRID] = NOTHING;
        while present != 0 {
            self.levels[present.trailing_zeros() as usize] = NOTHING;
            present &= present - 1;
        }
        self.gaps = 0;
    }

    /// Finds the sessions between two gaps of the block, and the gaps whose sessions may reach beyond it, as bits.
    ///
    /// Around each gap there is a session for the places above it, as far as the next longer gaps on both sides; of equal
    /// gaps in one session the first speaks for all.
    #[inline]
    fn find(&mut self) -> (usize, u64) {
        let (mut found, mut beyond) = (0, 0);
        for (gap, place) in self.places.iter().enumerate().take(self.gaps) {
            let Level { here, above } = self.levels[usize::from(*place)];
            let earlier = (1u64 << gap) - 1;
            let later = !earlier << 1;
            let first = 64 - (above & earlier).leading_zeros();
            let last = (above & later).trailing_zeros();
            let speaks = here & earlier & (u64::MAX << (first % 64)) == 0;
            let is_between = (first != 0) & (last < 64);
            let border = |gap: u32| self.places[gap as usize % LARGEST_BLOCK];
            let to = border(first.wrapping_sub(1)).min(border(last));
            self.found[found % LARGEST_BLOCK] = Within { first: first as u8, last: last as u8, from: *place, to };
            found += usize::from(speaks & is_between);
            let alike = here | above;
            beyond |= u64::from((alike & earlier == 0) | (alike & later == 0)) << gap;
        }
        (found, beyond)
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
