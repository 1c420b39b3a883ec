//! What an unknown key costs: nothing is allocated for it, whatever it looks like.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dwell_core::time::Timestamp;
use dwell_keys::registry::{NewApp, Registry};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is done by the system's allocator; a thread's counter needs no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nobody_makes_us_allocate_with_a_key_and_neither_does_somebody() {
    const NOW: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::open(folder.path()).unwrap();
    let known = registry.add_app(NewApp::parse("Radio", "UTC").unwrap(), NOW).unwrap().1;
    let admin = registry.first_start(NOW).unwrap().unwrap();
    let forged = format!("{}{}", admin.key.label, "0".repeat(44));
    let unknown = ["", "Basic ZHdfd18=", "dw_w_zzzzzzzzzzzzzzzzzzzzzzzzzz", &"dw_s_".repeat(100_000), &forged];
    let before = ALLOCATIONS.get();
    for _ in 0..1_000 {
        assert!(unknown.iter().all(|key| registry.who(key, NOW).is_none()));
        assert!(registry.who(known.text.reveal(), NOW).is_some());
        assert!(registry.who(admin.text.reveal(), NOW).is_some());
    }
    assert_eq!(ALLOCATIONS.get(), before);
}
