//! Books that were read or written lately, as bytes, so that they need not be fetched again.
//!
//! They lie in parts, so that several threads find books at once, each in a part of its own. In which part something lies
//! is decided by a hash that is seeded anew in every run: nobody outside can choose ids that all lie in one.

use std::hash::{BuildHasher, Hasher};

use dwell_store::Value;
use foldhash::fast::RandomState;
use quick_cache::Weighter;
use quick_cache::unsync::{Cache as Inner, DefaultLifecycle};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// About how many bytes an entry takes besides its value.
const OVERHEAD: u64 = 96;

/// About how long a value is, to begin with.
const USUAL: u64 = 448;

/// What stands for a key of the books: its hash under a seed of this run that nobody knows. Of a billion keys
/// two have the same less than once in 10^20 runs, and keys, which lie elsewhere in memory, need not be kept and compared.
pub(crate) type Fingerprint = u128;

/// See the module.
pub(crate) struct Cache {
    seed: RandomState,
    fingerprint_seed: u64,
    parts: Vec<Part>,
}

/// What lies under some of the keys. The books hold the same: nothing is only here.
pub(crate) struct Part(Inner<Fingerprint, Value, Bytes, RandomState>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Fingerprint, Value> for Bytes {
    fn weight(&self, _: &Fingerprint, value: &Value) -> u64 {
        value.len() as u64 + OVERHEAD
    }
}

impl Cache {
    /// Takes so many bytes at most, in so many parts, one at least.
    pub fn new(bytes: u64, parts: usize) -> Self {
        let parts = parts.max(1);
        let bytes = bytes / parts as u64;
        let entries = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        let part = || Part(Inner::with(entries, bytes, Bytes, RandomState::default(), DefaultLifecycle::default()));
        let fingerprint_seed = std::hash::RandomState::new().hash_one(bytes);
        Cache { seed: RandomState::default(), fingerprint_seed, parts: (0..parts).map(|_| part()).collect() }
    }

    /// Returns what stands for a key here.
    pub fn fingerprints(&self) -> impl Fn(&[u8]) -> Fingerprint + Copy + use<> {
        let seed = self.fingerprint_seed;
        move |key| xxh3_128_with_seed(key, seed)
    }

    /// Returns what decides where something of an app lies.
    pub fn hash(&self, app: &str, name: &str) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(app.as_bytes());
        hasher.write(name.as_bytes());
        hasher.finish()
    }

    /// Returns the part in which whatever has this hash lies.
    pub fn part(&mut self, hash: u64) -> &mut Part {
        let place = part_of(hash, self.parts.len());
        &mut self.parts[place]
    }

    /// Returns all parts.
    pub fn parts(&mut self) -> &mut [Part] {
        &mut self.parts
    }

    /// Returns how many parts there are.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// Forgets everything: what was put here did not reach the books.
    pub fn clear(&mut self) {
        self.parts.iter_mut().for_each(|part| part.0.clear());
    }
}

/// Returns which of so many parts a hash belongs to.
#[inline]
pub(crate) fn part_of(hash: u64, parts: usize) -> usize {
    // The upper half of the product is below the number of parts.
    ((u128::from(hash) * parts as u128) >> 64) as usize
}

impl Part {
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&[u8]> {
        self.0.get(&fingerprint).map(|value| &**value).filter(|value| !value.is_empty())
    }

    /// Takes out what lies under a key: whoever takes it puts it back, as it is then. Its place is kept for that, with nothing in
    /// it.
    pub fn take(&mut self, fingerprint: Fingerprint) -> Option<Value> {
        let mut value = self.0.get_mut(&fingerprint)?;
        Some(std::mem::take(&mut *value)).filter(|value| !value.is_empty())
    }

    /// Puts bytes, which are never none, under a key.
    pub fn put(&mut self, fingerprint: Fingerprint, value: Value) {
        // Unlike a change in place, this lets go of others where there is no more room.
        self.0.insert(fingerprint, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_there_until_it_is_put_back() {
        let mut cache = Cache::new(1 << 20, 2);
        let ada = cache.fingerprints()(b"ada");
        let part = cache.part(7);
        part.put(ada, [1, 2].into());
        assert_eq!(part.get(ada), Some(&[1, 2][..]));
        assert_eq!(part.take(ada), Some([1, 2].into()));
        assert_eq!(part.get(ada), None);
        assert_eq!(part.take(ada), None);
        part.put(ada, [3].into());
        assert_eq!(part.take(ada), Some([3].into()));
    }

    #[test]
    fn it_takes_no_more_than_it_may_however_its_values_grow() {
        let mut cache = Cache::new(64 << 10, 1);
        let part = cache.part(7);
        for round in 1..=8_usize {
            for user in 0..200 {
                drop(part.take(user));
                part.put(user, vec![1; 100 * round].into());
            }
            assert!(part.0.weight() <= 64 << 10, "{} in round {round}", part.0.weight());
        }
        assert!((20..100).contains(&(0..200).filter(|user| part.get(*user).is_some()).count()));
    }
}
