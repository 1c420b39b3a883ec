//! In which minutes, hours and days a user was active: each counts once, however much they did in it.
//!
//! None of them is listed in a book. In order of time what a user did in one minute lies side by side, and so does what they did
//! in one hour or on one day: something is the only thing of its minute exactly if neither what they did before it nor what
//! they did after it lies in there. When they did something before what is at hand, the timeline knows, whether that lies on
//! the shelf or is settled. Events that came late or twice, silent ones and handovers are nothing that they did.

use std::collections::BTreeSet;

use dwell_core::event::Weight;
use dwell_core::time::{Timestamp, Zone};

use super::{Book, HOUR, MINUTE};
use crate::numbers::Series;

const DAY: i64 = 24 * HOUR;

/// A place of a series in which a user is counted, and whether they are one more there or one less.
pub(crate) type Active = (Series, Timestamp, i64);

/// Returns where a user counts who was active at a moment.
fn places(at: Timestamp, zone: &Zone) -> [(Series, Timestamp); 3] {
    let begin = |unit: i64| Timestamp::from_micros(at.as_micros().div_euclid(unit) * unit);
    [
        (Series::ActiveByMinute, begin(MINUTE)),
        (Series::ActiveByHour, begin(HOUR)),
        (Series::ActiveByDay, Timestamp::from_micros(zone.day_of(at) * DAY)),
    ]
}

/// Returns where a user is one more who was active at a moment, before it and after it at others.
pub(super) fn first_active(at: Timestamp, others: [Option<Timestamp>; 2], zone: &Zone) -> Vec<Active> {
    let known = others.map(|other| other.map(|other| places(other, zone)));
    let is_known = |place: &(Series, Timestamp)| known.iter().flatten().any(|places| places.contains(place));
    let first = places(at, zone).into_iter().filter(|place| !is_known(place));
    first.map(|(series, begin)| (series, begin, 1)).collect()
}

impl Book<'_> {
    /// Returns where the user counts for what is at hand, and for the last that lies before it: what was settled with them
    /// stays counted. No part may lie on the shelf.
    pub(super) fn active_at_hand(&self, zone: &Zone) -> BTreeSet<(Series, Timestamp)> {
        let active = self.timeline.entries().filter(|(activity, _)| activity.kind.weight() != Weight::Silent);
        let settled = self.timeline.settled_presence().last().into_iter();
        settled.chain(active.map(|(activity, _)| activity.happened_at)).flat_map(|at| places(at, zone)).collect()
    }
}

/// Returns where a user is one more, and where one less, who counted in some places and now counts in others.
pub(super) fn differences(before: &BTreeSet<(Series, Timestamp)>, now: &BTreeSet<(Series, Timestamp)>) -> Vec<Active> {
    let new = now.difference(before).map(|(series, begin)| (*series, *begin, 1));
    new.chain(before.difference(now).map(|(series, begin)| (*series, *begin, -1))).collect()
}
