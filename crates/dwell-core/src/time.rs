//! Moments, distances between them, and the one comparison of a silence with a timeout.

use core::fmt;

/// Microseconds in one second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// The first moment that is read from outside: the beginning of 1970.
pub const EARLIEST: Timestamp = Timestamp::from_micros(0);
/// The last moment that is read from outside: the end of 2200.
pub const LATEST: Timestamp = Timestamp::from_micros(7_289_654_400_000_000 - 1);

/// A moment: microseconds since 1970-01-01T00:00:00Z.
///
/// Every `i64` is a moment; the readers refuse years that nobody means long before they get here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest moment.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// Takes microseconds since 1970 in UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Returns microseconds since 1970 in UTC.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns how long after `earlier` this moment is; nothing when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Timestamp) -> Span {
        Span::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Returns the moment `span` later, or the last moment there is.
    #[must_use]
    pub const fn plus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }

    /// Returns the moment `span` earlier, or the first moment there is.
    #[must_use]
    pub const fn minus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}

/// A distance between two moments in microseconds, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span(i64);

impl Span {
    /// No distance at all.
    pub const ZERO: Span = Span(0);
    /// The longest distance.
    pub const MAX: Span = Span(i64::MAX);

    /// Takes microseconds; a negative number is no distance and becomes zero.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Span(if micros < 0 { 0 } else { micros })
    }

    /// Takes whole seconds; more than fits becomes the longest distance.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        Span(seconds as i64 * MICROS_PER_SECOND)
    }

    /// Takes whole minutes.
    #[must_use]
    pub const fn from_minutes(minutes: u32) -> Self {
        Span(minutes as i64 * 60 * MICROS_PER_SECOND)
    }

    /// Takes whole hours.
    #[must_use]
    pub const fn from_hours(hours: u32) -> Self {
        Span(hours as i64 * 3600 * MICROS_PER_SECOND)
    }

    /// Returns microseconds.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds in it; the rest is cut off.
    #[must_use]
    pub const fn whole_secs(self) -> i64 {
        self.0 / MICROS_PER_SECOND
    }

    /// Returns both laid end to end.
    #[must_use]
    pub const fn plus(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }

    /// Returns what is left of it when `other` is taken away; nothing when `other` is longer.
    #[must_use]
    pub const fn minus(self, other: Span) -> Span {
        Span::from_micros(self.0.saturating_sub(other.0))
    }
}

/// How long a silence must last to end a session: decided, not measured.
///
/// A whole number of seconds from [`Timeout::SHORTEST`] to [`Timeout::LONGEST`] (SESSION.md, section 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timeout(Span);

impl Timeout {
    /// One second.
    pub const SHORTEST: Timeout = Timeout(Span::from_secs(1));
    /// Twenty-four hours.
    pub const LONGEST: Timeout = Timeout(Span::from_hours(24));
    /// Thirty minutes: what applies when nobody has decided anything.
    pub const DEFAULT: Timeout = Timeout(Span::from_minutes(30));

    /// Takes whole seconds, or says which bounds were missed.
    pub const fn from_secs(seconds: u64) -> Result<Self, TimeoutOutOfBounds> {
        if seconds < 1 || 86_400 < seconds {
            return Err(TimeoutOutOfBounds { seconds });
        }
        Ok(Timeout(Span::from_secs(seconds as u32)))
    }

    /// Returns a timeout that only a longer silence reaches, as Snowplow's trackers have it.
    ///
    /// Time is whole microseconds, so "longer than T" is "at least T and one microsecond", and
    /// [`Timeout::is_reached_by`] stays the only comparison.
    #[must_use]
    pub const fn exclusive(self) -> Self {
        Timeout(Span(self.as_secs() as i64 * MICROS_PER_SECOND + 1))
    }

    /// Returns whole seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        (self.0.0 / MICROS_PER_SECOND) as u32
    }

    /// Returns the silence that reaches it.
    #[must_use]
    pub const fn as_span(self) -> Span {
        self.0
    }

    /// Says whether a silence of length `gap` ends a session. A gap exactly as long as the timeout does.
    #[must_use]
    #[inline]
    pub const fn is_reached_by(self, gap: Span) -> bool {
        self.0.0 <= gap.0
    }

    /// Returns how many of all timeouts, counted from [`Timeout::SHORTEST`] up in whole seconds, a silence of
    /// length `gap` reaches: it ends a session under exactly these. [`Timeout::is_reached_by`], asked of all at once.
    #[must_use]
    #[inline]
    pub const fn reached_by(gap: Span) -> u32 {
        Timeout::reached_by_micros(gap.as_micros().cast_unsigned())
    }

    /// Returns how many of all timeouts a silence of so many microseconds reaches, as [`Timeout::reached_by`] does.
    #[must_use]
    #[inline]
    pub(crate) const fn reached_by_micros(gap: u64) -> u32 {
        let seconds = gap / MICROS_PER_SECOND.cast_unsigned();
        if seconds < Timeout::LONGEST.as_secs() as u64 { seconds as u32 } else { Timeout::LONGEST.as_secs() }
    }
}

/// A number of seconds that is no timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutOutOfBounds {
    /// What was asked for.
    pub seconds: u64,
}

impl fmt::Display for TimeoutOutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a timeout of {} s is out of bounds: it must be from 1 s to 24 h (86400 s)", self.seconds)
    }
}

impl core::error::Error for TimeoutOutOfBounds {}

/// A time zone as a table of when which offset from UTC came into force.
///
/// Core knows no calendar: whoever has a time-zone database fills the table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Zone {
    /// Moments and the seconds east of UTC that hold from each on, in order. Before the first, UTC.
    pub offsets: alloc::vec::Vec<(Timestamp, i32)>,
}

impl Zone {
    /// Returns how many days after 1970-01-01 the local calendar shows at this moment.
    #[must_use]
    pub fn day_of(&self, at: Timestamp) -> i64 {
        self.local_micros(at).div_euclid(86_400 * MICROS_PER_SECOND)
    }

    /// Returns microseconds since local midnight.
    #[must_use]
    pub fn time_of_day(&self, at: Timestamp) -> Span {
        Span(self.local_micros(at).rem_euclid(86_400 * MICROS_PER_SECOND))
    }

    fn local_micros(&self, at: Timestamp) -> i64 {
        let after = self.offsets.partition_point(|(from, _)| *from <= at);
        let east = if after == 0 { 0 } else { self.offsets[after - 1].1 };
        at.0.saturating_add(i64::from(east) * MICROS_PER_SECOND)
    }
}
