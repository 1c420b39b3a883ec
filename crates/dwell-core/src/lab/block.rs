//! Sixty-two gaps at once: every session of the grid that lies between two of them, without a stack.
//!
//! A `Nest` that is asked about each gap guesses wrong about every second one, and a wrong guess costs
//! more than all else. Here gaps are bits of a word, one word for every place of the grid, and places are gone through
//! from the longest gaps to the shortest. Between two longer gaps there is a session, if any gap there has the place at hand:
//! all of these are found at once, by one subtraction. What reaches beyond the block is left to [`super::rounds`].

use crate::lab::lengths::{LARGEST_GRID, Lengths};
use crate::time::Timestamp;

/// A word has so many bits, but for those beside the first gap and the last.
pub(crate) const LARGEST_BLOCK: usize = 62;

/// More places than a grid has: a power of two, so that no place can miss.
const PLACES: usize = (LARGEST_GRID + 1).next_power_of_two();

/// As many as a word has bits.
pub(crate) const BITS: usize = u64::BITS as usize;

/// What lies beyond the first gap of a block and beyond its last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sides {
    /// More gaps: sessions that reach them are not known yet.
    Open,
    /// Nothing: what reaches so far ends there, as at a gap that reaches all timeouts.
    Closed,
}

/// What lies between two gaps that follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Between {
    /// One action.
    Action,
    /// A stretch of actions that were gone through.
    Stretch,
}

/// Gaps in a row, each as its place in the grid: how many timeouts of the grid it reaches. The first gap has the second bit
/// of a word.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// By bit, those beside the first gap and the last among them, which reach all timeouts.
    places: [u8; BITS],
    /// By bit: how many timeouts each of them reaches.
    reached: [u32; BITS],
    gaps: usize,
    /// By place: the gaps that have it, as bits. What is not in use is nothing.
    here: [u64; PLACES],
    /// The places that there are, as bits; the last one stands with the first.
    present: u64,
    /// By place, of those that there were: the gaps that are longer.
    longer: [u64; LARGEST_GRID],
}

impl Block {
    /// Begins with no gap.
    pub const fn new() -> Self {
        Block {
            places: [0; BITS],
            reached: [0; BITS],
            gaps: 0,
            here: [0; PLACES],
            present: 0,
            longer: [0; LARGEST_GRID],
        }
    }

    /// Takes the gaps between moments, at least one and at most [`LARGEST_BLOCK`]: in microseconds they become a place and
    /// how many timeouts they reach.
    #[inline]
    pub fn fill(&mut self, moments: &[Timestamp], mut place_of: impl FnMut(u64) -> (u8, u32)) {
        self.gaps = moments.len() - 1;
        let (mut present, mut bit) = (0, 1);
        for (number, pair) in moments.windows(2).enumerate() {
            bit <<= 1;
            // They are in order, and what lies between any two fits a number without a sign.
            let (place, reached) = place_of(pair[1].as_micros().wrapping_sub(pair[0].as_micros()).cast_unsigned());
            self.places[(number + 1) % BITS] = place;
            self.reached[(number + 1) % BITS] = reached;
            self.here[usize::from(place) % PLACES] |= bit;
            present |= 1u64 << (usize::from(place) % LARGEST_GRID);
        }
        self.present = present;
    }

    /// Takes gaps whose places are known, at least one and at most [`LARGEST_BLOCK`].
    pub fn fill_known(&mut self, places: &[u8]) {
        self.gaps = places.len();
        self.places[1..=places.len()].copy_from_slice(places);
        let mut bit = 1;
        for place in places {
            bit <<= 1;
            self.here[usize::from(*place) % PLACES] |= bit;
            self.present |= 1u64 << (usize::from(*place) % LARGEST_GRID);
        }
    }

    /// Returns the places of all gaps, in order.
    pub fn places(&self) -> &[u8] {
        &self.places[1..=self.gaps]
    }

    /// Says whether any gap has this place or a greater one.
    pub const fn reaches(&self, place: u8) -> bool {
        self.here[LARGEST_GRID] != 0 || self.present >> (place as usize % LARGEST_GRID) != 0
    }

    /// Tells how many timeouts the longest gaps reach, and how many gaps it told of: so many of them at least, as far as
    /// there are, and in any case all that have the longest one's place.
    #[inline]
    pub fn longest(&self, wanted: u32, told: &mut [u32; BITS]) -> usize {
        let (mut longest, mut shorter) = (self.here[LARGEST_GRID], self.present);
        while shorter != 0 && (longest == 0 || longest.count_ones() < wanted) {
            let place = 63 - shorter.leading_zeros();
            shorter ^= 1 << place;
            longest |= self.here[place as usize];
        }
        let mut count = 0;
        while longest != 0 {
            told[count % BITS] = self.reached[longest.trailing_zeros() as usize % BITS];
            count += 1;
            longest &= longest - 1;
        }
        count
    }

    /// Notes all sessions that are known by the gaps so far, but for one action alone beyond the first gap or the last where
    /// sides are open, and forgets these gaps. What follows a gap begins at its bit in `firsts`, and what is before it ended
    /// one before its bit in `lasts`.
    ///
    /// Returns the gaps whose sessions may reach beyond the block, as bits: of those with one place, the first or the last.
    pub fn note(
        &mut self,
        firsts: &[Timestamp],
        lasts: &[Timestamp],
        sides: Sides,
        between: Between,
        lengths: &mut Lengths,
    ) -> u64 {
        let all = lengths.grid().timeouts().len() as u8;
        let end = self.gaps + 1;
        (self.places[0], self.places[end % BITS]) = (all, all);
        let mut longer = core::mem::take(&mut self.here[LARGEST_GRID]);
        if sides == Sides::Closed {
            longer |= 1 | (1 << end);
        }
        // The shortest gaps yet before which, or after which, there is none as long.
        let mut beyond = first_of(longer) | last_of(longer);
        // An action between two gaps is a session of its own under all timeouts that both of them reach.
        let alone_between = |gaps: u64| if between == Between::Action { (gaps & (gaps >> 1)).count_ones() } else { 0 };
        let mut alone = alone_between(longer);
        // A smaller grid has no such place.
        if alone != 0 {
            lengths.add_singles(LARGEST_GRID as u8, alone);
        }
        let mut known = 0;
        while self.present != 0 {
            let place = 63 - self.present.leading_zeros();
            self.present ^= 1 << place;
            let here = core::mem::take(&mut self.here[place as usize]);
            self.longer[place as usize] = longer;
            // After each longer gap, 1 is taken away: that takes the first gap here out, or the next longer one. What comes
            // after the last longer gap is not known yet.
            let both = longer | here;
            let taken = both & !both.wrapping_sub(longer << 1);
            known |= taken & here & last_of(longer).wrapping_sub(1);
            longer = both;
            beyond |= first_of(longer) | last_of(longer);
            let still_alone = alone_between(longer);
            lengths.add_singles(place as u8, still_alone - alone);
            alone = still_alone;
        }
        self.note_known(known, firsts, lasts, lengths);
        beyond
    }

    /// Notes the sessions that hold these gaps and no longer ones, from the longer one before to the longer one after.
    #[inline]
    fn note_known(&self, mut known: u64, firsts: &[Timestamp], lasts: &[Timestamp], lengths: &mut Lengths) {
        while known != 0 {
            let from = self.places[known.trailing_zeros() as usize];
            let longer = self.longer[from as usize % LARGEST_GRID];
            let earlier = (known & known.wrapping_neg()) - 1;
            let before = 63 - (longer & earlier | 1).leading_zeros() as usize;
            let after = (longer & !earlier | 1 << 63).trailing_zeros() as usize;
            let length = lasts[after - 1].since(firsts[before]);
            lengths.add_several(length, from, self.places[before].min(self.places[after]));
            known &= known - 1;
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
