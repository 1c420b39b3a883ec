//! Reads a simulation as Dwell would: per user, duplicates left out, in order of (`happened_at`, `message_id`).

use std::collections::{BTreeMap, BTreeSet};

use dwell_simulate::SimulatedEvent;

/// Returns the events of each user in their order.
pub fn by_user(events: impl IntoIterator<Item = SimulatedEvent>) -> BTreeMap<u64, Vec<SimulatedEvent>> {
    let mut users: BTreeMap<u64, Vec<SimulatedEvent>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for event in events {
        if known.insert(event.message_id) {
            users.entry(event.user).or_default().push(event);
        }
    }
    for events in users.values_mut() {
        events.sort_by_key(|event| (event.happened_at, event.message_id));
    }
    users
}
