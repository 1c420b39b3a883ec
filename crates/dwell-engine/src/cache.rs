//! Books that were read or written lately, as bytes, so that they need not be fetched again.

use quick_cache::Weighter;
use quick_cache::unsync::Cache as Inner;

/// About how many bytes an entry takes besides its key and its value.
const OVERHEAD: u64 = 96;

/// About how long a key and a value are together, to begin with.
const USUAL: u64 = 512;

/// What lies under a key. The books hold the same: nothing is only here.
pub(crate) struct Cache(Inner<Box<[u8]>, Box<[u8]>, Bytes>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Box<[u8]>> for Bytes {
    fn weight(&self, key: &Box<[u8]>, value: &Box<[u8]>) -> u64 {
        (key.len() + value.len()) as u64 + OVERHEAD
    }
}

impl Cache {
    /// Takes so many bytes at most.
    pub fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        Cache(Inner::with_weighter(entries, bytes, Bytes))
    }

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

    /// Forgets everything: what was put here did not reach the books.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
