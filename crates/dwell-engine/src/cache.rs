//! Books that were read or written lately, as bytes, so that they need not be fetched again.
//!
//! They lie in parts, so that several threads find books at once, each in a part of its own. In which part something lies
//! is decided by a hash that is seeded anew in every run: nobody outside can choose ids that all lie in one.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use quick_cache::Weighter;
use quick_cache::unsync::Cache as Inner;

/// About how many bytes an entry takes besides its key and its value.
const OVERHEAD: u64 = 96;

/// About how long a key and a value are together, to begin with.
const USUAL: u64 = 512;

/// See the module.
pub(crate) struct Cache {
    seed: RandomState,
    parts: Vec<Part>,
}

/// What lies under some of the keys. The books hold the same: nothing is only here.
pub(crate) struct Part(Inner<Box<[u8]>, Box<[u8]>, Bytes>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Box<[u8]>> for Bytes {
    fn weight(&self, key: &Box<[u8]>, value: &Box<[u8]>) -> u64 {
        (key.len() + value.len()) as u64 + OVERHEAD
    }
}

impl Cache {
    /// Takes so many bytes at most, in so many parts, one at least.
    pub fn new(bytes: u64, parts: usize) -> Self {
        let parts = parts.max(1);
        let bytes = bytes / parts as u64;
        let entries = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        let part = || Part(Inner::with_weighter(entries, bytes, Bytes));
        Cache { seed: RandomState::default(), parts: (0..parts).map(|_| part()).collect() }
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
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(|value| &**value)
    }

    /// Takes out what lies under a key: whoever takes it puts it back, as it is then.
    pub fn take(&mut self, key: &[u8]) -> Option<Box<[u8]>> {
        self.0.remove(key).map(|(_, value)| value)
    }

    pub fn put(&mut self, key: Box<[u8]>, value: Box<[u8]>) {
        self.0.insert(key, value);
    }
}
