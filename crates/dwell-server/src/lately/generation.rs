//! So many events as were remembered since the last change of generations: a table whose memory is taken once.

use dwell_core::time::Timestamp;

use super::Fingerprint;

/// Three of four places are taken at most, so that what is not there is soon known not to be.
const PLACES: usize = 4;
const TAKEN: usize = 3;

/// How many bytes a generation takes for each event that it may hold.
pub(super) const BYTES_FOR_EACH: usize = size_of::<Place>() * PLACES / TAKEN;

/// A fingerprint in two halves, and when the event happened. An empty place is all zeros.
type Place = [u64; 3];

/// See the module.
pub(super) struct Generation {
    places: Box<[Place]>,
    count: usize,
    most: usize,
}

impl Generation {
    /// Has room for so many events, one at least. The system gives the memory when it is first used.
    pub fn of(most: usize) -> Self {
        let most = most.max(1);
        Generation { places: vec![[0; 3]; (most * PLACES).div_ceil(TAKEN)].into(), count: 0, most }
    }

    pub fn most(&self) -> usize {
        self.most
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn is_full(&self) -> bool {
        self.most <= self.count
    }

    /// Returns when an event happened.
    pub fn find(&self, fingerprint: Fingerprint) -> Option<Timestamp> {
        let (place, is_there) = self.place_of(fingerprint);
        is_there.then(|| Timestamp::from_micros(self.places[place][2].cast_signed()))
    }

    /// Puts an event, for which there must be room. Of one that is there already the earlier moment stays.
    pub fn put(&mut self, fingerprint: Fingerprint, happened_at: Timestamp) {
        let (place, is_there) = self.place_of(fingerprint);
        let [upper, lower] = halves(fingerprint);
        let mut at = happened_at.as_micros();
        if is_there {
            at = at.min(self.places[place][2].cast_signed());
        } else {
            assert!(!self.is_full(), "a generation holds no more than {}", self.most);
            self.count += 1;
        }
        self.places[place] = [upper, lower, at.cast_unsigned()];
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        if 0 < self.count {
            self.places.fill([0; 3]);
            self.count = 0;
        }
    }

    /// Returns where a fingerprint lies, or the empty place where it would.
    fn place_of(&self, fingerprint: Fingerprint) -> (usize, bool) {
        let [upper, lower] = halves(fingerprint);
        // The upper half decides on the part, so the lower one does here.
        let mut at = ((u128::from(lower) * self.places.len() as u128) >> 64) as usize;
        loop {
            match self.places[at] {
                [0, 0, _] => return (at, false),
                [one, other, _] if (one, other) == (upper, lower) => return (at, true),
                // There is always an empty place.
                _ => at = if at + 1 == self.places.len() { 0 } else { at + 1 },
            }
        }
    }
}

/// Returns both halves of a fingerprint, which are never those of an empty place.
fn halves(fingerprint: Fingerprint) -> [u64; 2] {
    [(fingerprint >> 64) as u64, (fingerprint as u64).max(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn what_was_put_is_found_until_all_is_forgotten_wherever_it_lies() {
        let mut generation = Generation::of(9);
        // All of these belong to the last place, so that most lie elsewhere.
        let all: Vec<Fingerprint> =
            (0..9).map(|number| (number << 64) | u128::from(u64::MAX - number as u64 % 2)).collect();
        for (number, fingerprint) in all.iter().enumerate() {
            assert_eq!((generation.find(*fingerprint), generation.count()), (None, number));
            generation.put(*fingerprint, at(-5 - number as i64));
        }
        for (number, fingerprint) in all.iter().enumerate() {
            assert_eq!(generation.find(*fingerprint), Some(at(-5 - number as i64)));
        }
        assert!(generation.is_full());
        generation.clear();
        assert!(all.iter().all(|fingerprint| generation.find(*fingerprint).is_none()));
        assert_eq!(generation.count(), 0);
    }

    #[test]
    fn a_fingerprint_of_zeros_is_one_like_others() {
        let mut generation = Generation::of(1);
        assert_eq!(generation.find(0), None);
        generation.put(0, at(0));
        assert_eq!((generation.find(0), generation.count()), (Some(at(0)), 1));
    }

    #[test]
    fn of_one_that_is_put_twice_the_earlier_moment_stays() {
        let mut generation = Generation::of(1);
        for (put, found) in [(5, 5), (7, 5), (3, 3)] {
            generation.put(1, at(put));
            assert_eq!((generation.find(1), generation.count()), (Some(at(found)), 1));
        }
    }
}
