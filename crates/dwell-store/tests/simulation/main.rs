//! Crash and recover, over and over, on a disk that keeps only what was synced: nothing acknowledged is lost, nothing
//! comes twice, nothing comes by halves, and no crash is taken for damage.
//!
//! `DWELL_CYCLES=200000 cargo test --release -p dwell-store --test simulation` is the long form, and `DWELL_SEED` replays
//! one life. A build that is wrong on purpose (`--features bad-no-fsync` and the others) must be caught, and then these
//! tests assert that it was.

mod life;

use life::{Life, Toll};

/// Crashes in one life of a folder, before a new one begins.
const CYCLES_OF_A_LIFE: u64 = 40;

/// The wrong builds that lose, double or halve something in a crash.
const WRONG: bool = cfg!(any(
    feature = "bad-no-fsync",
    feature = "bad-ack-early",
    feature = "bad-no-dir-fsync",
    feature = "bad-retry-fsync",
    feature = "bad-no-rollback",
    feature = "bad-half-append",
    feature = "bad-no-sync-on-open",
));

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_comes_twice() {
    let cycles = asked("DWELL_CYCLES").unwrap_or(20_000);
    let lives = cycles.div_ceil(CYCLES_OF_A_LIFE);
    let mut toll = Toll::default();
    let mut violation = None;
    let seeds = match asked("DWELL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..lives,
    };
    for seed in seeds {
        if let Err(what) = Life::new(seed).live(CYCLES_OF_A_LIFE, &mut toll) {
            violation = Some(format!("seed {seed}: {what}"));
            break;
        }
    }
    println!("{toll:?}");
    match violation {
        Some(what) if WRONG => println!("caught: {what}"),
        Some(what) => panic!("{what}\n{toll:?}"),
        None if WRONG => panic!("this build is wrong on purpose, and nobody noticed\n{toll:?}"),
        None => {}
    }
}

#[test]
fn the_simulation_did_what_it_is_for() {
    if WRONG {
        return;
    }
    let mut toll = Toll::default();
    for seed in 0..60 {
        Life::new(seed).live(CYCLES_OF_A_LIFE, &mut toll).unwrap();
    }
    // Each of these is a way in which the log could be wrong: a simulation that never comes there says nothing.
    let Toll { cycles, downs, acknowledged, full, poisoned, unanswered_kept, dropped, segments, cut, short_lives: _ } =
        toll;
    for (what, count) in [
        ("cycles", cycles),
        ("crashes in the middle of a call", downs),
        ("acknowledged appends", acknowledged),
        ("appends without room", full),
        ("poisoned logs", poisoned),
        ("appends kept without an answer", unanswered_kept),
        ("segments dropped", dropped),
        ("segments begun", segments),
        ("appends cut by a crash", cut),
    ] {
        assert!(20 < count, "only {count} {what}: {toll:?}");
    }
}

#[test]
fn one_seed_gives_one_life() {
    let toll = |seed| {
        let mut toll = Toll::default();
        let ended = Life::new(seed).live(10, &mut toll);
        (toll, ended)
    };
    assert_eq!(toll(3), toll(3));
    assert_ne!(toll(3), toll(4));
}
