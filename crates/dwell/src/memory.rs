//! How long memory that nobody uses is kept.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// `mi_option_purge_delay`, in milliseconds. The library gives the numbers of few options names.
const PURGE_DELAY: mi_option_t = 15;

/// Longer than a turn of the engine that is behind: what one gives back, the next one takes.
const KEPT_MILLIS: i64 = 30_000;

/// Has the allocator keep what is freed for half a minute, and not for a second, before it goes back to the system.
///
/// A turn of the engine that is behind takes seconds, and hundreds of megabytes; the system clears every page that it gives
/// anew. Whoever sets `MIMALLOC_PURGE_DELAY` is obeyed.
pub fn keep_freed() {
    // Sound: it takes any number, and stores a value.
    unsafe { mi_option_set_default(PURGE_DELAY, KEPT_MILLIS) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // One second is what the allocator itself takes for this one, and for no other.
        let millis = |option| unsafe { libmimalloc_sys::mi_option_get(option) };
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!((0..30).filter(|option| millis(*option) == 1_000).collect::<Vec<_>>(), [PURGE_DELAY]);
            keep_freed();
            assert_eq!(millis(PURGE_DELAY), KEPT_MILLIS);
        }
    }
}
