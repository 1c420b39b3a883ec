//! What goes wrong on the way from the device to our door.

use crate::crowd::{HOUR, MINUTE, SECOND};
use crate::curve::Curve;
use crate::random::{Stream, derive, unit};
use crate::recipe::Faults;

/// Ways of going wrong, ready to draw from.
#[derive(Debug)]
pub struct Road {
    faults: Faults,
    prompt: Curve,
    late: Curve,
    very_late: Curve,
    again: Curve,
    skew: Curve,
    clocks: u64,
}

/// How an event fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives so long after it happened, and perhaps so long after that once more.
    Arrives { after: i64, again: Option<i64> },
}

impl Road {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Road {
            faults,
            prompt: Curve::log_even(50, 20 * SECOND),
            late: Curve::log_even(5 * MINUTE, 48 * HOUR),
            very_late: Curve::log_even(73 * HOUR, 120 * HOUR),
            again: Curve::log_even(2 * SECOND, 2 * HOUR),
            skew: Curve::log_even(2 * MINUTE, 72 * HOUR),
            clocks: derive(seed, 4),
        }
    }

    /// Begins the chance of what becomes of the events of a visit: apart from what people do, so that the same
    /// people live the same lives whatever goes wrong.
    pub const fn stream(visit_key: u64) -> Stream {
        Stream::new(derive(visit_key, 2))
    }

    /// Draws what becomes of an event: always the same number of draws.
    pub fn fate(&self, stream: &mut Stream) -> Fate {
        let lost = stream.unit() < self.faults.lost;
        let lateness = stream.unit();
        let curve = if lateness < self.faults.very_late {
            &self.very_late
        } else if lateness < self.faults.very_late + self.faults.late {
            &self.late
        } else {
            &self.prompt
        };
        let after = curve.draw(stream);
        let duplicated = stream.unit() < self.faults.duplicated;
        let again = self.again.draw(stream);
        if lost {
            return Fate::Lost;
        }
        Fate::Arrives { after, again: duplicated.then_some(again) }
    }

    /// Returns how far a device's clock is ahead.
    pub fn skew(&self, user: u32, device: u32) -> i64 {
        if self.faults.skewed_clocks <= 0.0 {
            return 0;
        }
        let key = derive(self.clocks, u64::from(user) << 32 | u64::from(device));
        if self.faults.skewed_clocks <= unit(key) {
            return 0;
        }
        let mut stream = Stream::new(key);
        let apart = self.skew.draw(&mut stream);
        if stream.per_mille(500) { apart } else { -apart }
    }
}
