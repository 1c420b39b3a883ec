//! The one place that asks the machine what time it is. Everything below is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use dwell_core::time::{Span, Timestamp};

/// Returns the moment that the machine's clock shows, right or wrong.
#[expect(clippy::disallowed_methods, reason = "time has to come in somewhere: here, and nowhere else")]
pub fn now() -> Timestamp {
    let micros = |span: std::time::Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    })
}

/// Returns a moment of the machine's steady clock, for measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "time has to come in somewhere: here, and nowhere else")]
pub fn steady() -> Instant {
    Instant::now()
}

/// A clock that goes on at the pace of the machine's steady one from what the machine's calendar said at the start.
///
/// Somebody may set the calendar back or ahead by hours: nobody's session must end of that.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    began: Timestamp,
    since: Instant,
}

impl SteadyClock {
    /// Takes the time from the calendar.
    pub fn start() -> Self {
        SteadyClock { began: now(), since: steady() }
    }

    /// Returns what time it is, never earlier than before.
    pub fn now(self) -> Timestamp {
        self.began.plus(Span::from_micros(i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns by how many microseconds the calendar is ahead by now; less than nothing when it is behind.
    pub fn off_by(self) -> i64 {
        now().as_micros().saturating_sub(self.now().as_micros())
    }
}

/// What rooms of the server take for now: the steady clock, unless it is held back.
///
/// Who tells a past holds it at the moment of which they tell, and lets it go when they have come to the present. It is
/// never ahead of the steady clock.
#[derive(Clone, Debug)]
pub struct Clock {
    steady: SteadyClock,
    at_most: Arc<AtomicI64>,
}

impl Clock {
    /// Takes a clock that nobody holds.
    pub fn of(steady: SteadyClock) -> Self {
        Clock { steady, at_most: Arc::new(AtomicI64::new(i64::MAX)) }
    }

    /// Returns what time it is.
    pub fn now(&self) -> Timestamp {
        self.steady.now().min(Timestamp::from_micros(self.at_most.load(Ordering::Acquire)))
    }

    /// Holds it at a moment. Whoever holds it moves it forward only.
    pub fn hold_at(&self, moment: Timestamp) {
        self.at_most.store(moment.as_micros(), Ordering::Release);
    }

    /// Lets it go on by itself.
    pub fn let_go(&self) {
        self.hold_at(Timestamp::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_held_stands_still_and_then_is_the_steady_one() {
        let steady = SteadyClock::start();
        let (clock, seen_elsewhere) = (Clock::of(steady), Clock::of(steady));
        let past = steady.now().minus(Span::from_hours(24));
        clock.hold_at(past);
        assert_eq!((clock.now(), clock.clone().now()), (past, past));
        assert!(past < seen_elsewhere.now(), "a clock of somebody else is not held");
        clock.hold_at(steady.now().plus(Span::from_hours(24)));
        let now = clock.now();
        assert!(now <= steady.now(), "it is ahead of the steady clock");
        clock.let_go();
        assert!(now <= clock.now() && clock.now() <= steady.now());
    }
}
