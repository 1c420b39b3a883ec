//! Who takes a device from whom: the rule, for files and live alike (SESSION.md, section 3).

use alloc::vec::Vec;

use crate::event::{Activity, Weight};

/// A device on which more people are seen within the allowed lateness is no device, but an id that many share: it ends
/// nobody's session.
pub const MOST_PEOPLE: usize = 256;

/// Says whether an activity takes the device that it names: only what starts does. A signal that only extends may be left
/// over from somebody who is gone.
#[must_use]
pub fn takes_device(activity: &Activity) -> bool {
    activity.device != 0 && activity.kind.weight() == Weight::Starts
}

/// Returns from whom a device was taken, and by which of the takers. `takers` are the people of the activities that take it, in
/// order of (`happened_at`, `message_id`); `had_it` is the last of those before them.
#[must_use]
pub fn handovers<P: Copy + PartialEq>(had_it: Option<P>, takers: impl IntoIterator<Item = P>) -> Vec<(P, usize)> {
    let mut has_it = had_it;
    let mut handovers = Vec::new();
    for (place, taker) in takers.into_iter().enumerate() {
        if let Some(loser) = has_it.replace(taker).filter(|loser| *loser != taker) {
            handovers.push((loser, place));
        }
    }
    handovers
}
