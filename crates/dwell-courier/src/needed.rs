//! Who waits for what of a feed, so that it is not dropped before.

use std::collections::BTreeMap;
use std::path::Path;

use dwell_keys::app::AppId;

use crate::endpoints::Endpoints;
use crate::error::CourierError;
use crate::state;

/// Returns of each app the first number for which an endpoint waits. An app is not in it when nobody does.
///
/// What lies on the disk counts, not what the courier knows: after a crash that is where it goes on. An endpoint that is off is
/// not waited for, and neither are dead letters that nobody has asked for. Where it cannot be read how far one has come, it
/// waits for everything.
pub fn needed(data: &Path) -> Result<BTreeMap<AppId, u64>, CourierError> {
    let mut needed = BTreeMap::new();
    for endpoint in Endpoints::open(data)?.all() {
        let first = match state::read(data, &endpoint.id) {
            Ok(Some(progress)) => progress.needs(),
            // One that the courier has not seen yet; without a place to begin with, it waits for what is to come.
            Ok(None) => endpoint.from,
            Err(_unreadable) => Some(0),
        };
        if let Some(first) = first {
            needed
                .entry(endpoint.app.clone())
                .and_modify(|other: &mut u64| *other = first.min(*other))
                .or_insert(first);
        }
    }
    Ok(needed)
}
