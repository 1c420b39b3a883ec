//! The events of a log by user, wherever they lie.

use hashbrown::HashSet;

use crate::in_order::InOrder;
use crate::shuffle::Grouped;
use crate::sweep::{SweepError, Visitor, sweep};

/// All events by user, to be swept as often as is needed.
#[derive(Debug)]
pub enum Log<'i> {
    /// Put aside by user.
    Grouped(Grouped),
    /// In order of users as they lie in their files: read anew in every sweep.
    InOrder(InOrder<'i>),
}

impl Log<'_> {
    /// Returns the earliest and the latest moment of all events, microseconds since 1970 in UTC.
    #[must_use]
    pub const fn time_range(&self) -> Option<(i64, i64)> {
        match self {
            Log::Grouped(grouped) => grouped.time_range(),
            Log::InOrder(in_order) => Some(in_order.time_range()),
        }
    }

    /// Returns the latest moment that the log knows of: when an event happened or came in, microseconds since 1970 in UTC.
    #[must_use]
    pub const fn told_until(&self) -> Option<i64> {
        match self {
            Log::Grouped(grouped) => grouped.told_until(),
            Log::InOrder(in_order) => Some(in_order.time_range().1),
        }
    }

    /// Returns the devices that several users name; `None` when nothing is known of devices.
    pub(crate) const fn shared_devices(&self) -> Option<&HashSet<u32>> {
        match self {
            Log::Grouped(grouped) => Some(&grouped.shared_devices),
            Log::InOrder(_) => None,
        }
    }

    /// Returns how many steps a sweep takes that reads files, `None` for one that does not.
    #[must_use]
    pub const fn steps(&self) -> Option<u64> {
        match self {
            Log::Grouped(_) => None,
            Log::InOrder(in_order) => Some(in_order.rows()),
        }
    }

    /// Shows all users to the visitors, one visitor on each thread, and returns them. `progress` hears of every step
    /// if there are any.
    pub fn sweep<V: Visitor>(
        &self,
        visitors: Vec<V>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<V>, SweepError<V::Error>> {
        match self {
            Log::Grouped(grouped) => sweep(grouped, visitors),
            Log::InOrder(in_order) => in_order.sweep(visitors, progress),
        }
    }
}
