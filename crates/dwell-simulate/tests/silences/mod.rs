//! The silences that Dwell would hear, and whether they truly part two visits.

#[path = "../reader/mod.rs"]
mod reader;

use dwell_core::policy::Policy;
use dwell_core::presence::Presence;
use dwell_simulate::{Gap, Simulation};

/// Returns every silence between two successive events of a user, in microseconds.
pub fn gaps(simulation: Simulation) -> Vec<(i64, Gap)> {
    let standing = Policy::default().standing_of("", &[], &[]);
    let mut gaps = Vec::new();
    for events in reader::by_user(simulation.events()).values() {
        let mut presence = Presence::default();
        let mut visit = 0;
        for event in events {
            if let Some(silence) = presence.silence_before(event.happened_at, &standing) {
                let gap = if visit == event.true_session { Gap::Joins } else { Gap::Parts };
                gaps.push((silence.gap().as_micros(), gap));
            }
            visit = event.true_session;
            presence.observe(&event.activity(), &standing);
        }
    }
    gaps
}
