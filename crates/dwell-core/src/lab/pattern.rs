//! How a user uses an app, by a plain rule on what they did: to see whom another timeout hurts.
//!
//! The rule looks at the user's sessions under the rules in force, so that it says the same whatever timeout is tried.

use crate::event::Activity;
use crate::policy::Standing;
use crate::session::{Session, Sessionizer};
use crate::time::{Span, Timestamp};

/// A newcomer's first session began less than so long before the end of the log.
pub const NEW_FOR: Span = Span::from_hours(7 * 24);

/// A checker has at least so many sessions on each day on which they came.
pub const SESSIONS_OF_A_CHECKER: u64 = 4;

/// The mean length of a checker's sessions is below this.
pub const CHECK_LENGTH: Span = Span::from_minutes(5);

/// The mean length of a stayer's sessions is at least this.
pub const STAY_LENGTH: Span = Span::from_minutes(20);

/// How a user uses an app. The first that is true of them counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Pattern {
    /// They have come for less than a week: [`NEW_FOR`].
    Newcomer,
    /// More than half of the time of their sessions something plays in the background.
    Listener,
    /// They look in often and briefly: [`SESSIONS_OF_A_CHECKER`] and [`CHECK_LENGTH`].
    Checker,
    /// They come to stay: [`STAY_LENGTH`].
    Stayer,
    /// None of these.
    Other,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Pattern; 5] =
        [Pattern::Newcomer, Pattern::Listener, Pattern::Checker, Pattern::Stayer, Pattern::Other];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Pattern::Newcomer => "newcomer",
            Pattern::Listener => "listener",
            Pattern::Checker => "checker",
            Pattern::Stayer => "stayer",
            Pattern::Other => "other",
        }
    }

    /// Finds the pattern of a user from all their events, in order. `as_of` is up to when the log tells.
    #[must_use]
    pub fn of<'a>(activities: impl IntoIterator<Item = &'a Activity>, standing: &Standing, as_of: Timestamp) -> Self {
        let mut habit = Habit::default();
        let mut sessionizer = Sessionizer::new(standing);
        for activity in activities {
            if let Some(ended) = sessionizer.observe(activity).ended {
                habit.add(&ended.session);
            }
        }
        if let Some(open) = sessionizer.finish() {
            habit.add(&open);
        }
        habit.pattern(as_of)
    }
}

/// What the rule asks of a user.
#[derive(Default)]
struct Habit {
    first: Option<Timestamp>,
    /// Days of UTC on which a session began.
    days: u64,
    last_day: i64,
    sessions: u64,
    length: Span,
    playing: Span,
}

impl Habit {
    fn add(&mut self, session: &Session) {
        let day = session.started_at.as_micros().div_euclid(Span::from_hours(24).as_micros());
        if self.first.is_none() || self.last_day < day {
            self.days += 1;
        }
        self.first.get_or_insert(session.started_at);
        self.last_day = day;
        self.sessions += 1;
        self.length = self.length.plus(session.length());
        self.playing = self.playing.plus(session.parts.playing);
    }

    fn pattern(&self, as_of: Timestamp) -> Pattern {
        let Some(first) = self.first else { return Pattern::Other };
        let mean = Span::from_micros(self.length.as_micros().checked_div(self.sessions.cast_signed()).unwrap_or(0));
        if as_of.minus(NEW_FOR) < first {
            Pattern::Newcomer
        } else if self.length < self.playing.plus(self.playing) {
            Pattern::Listener
        } else if SESSIONS_OF_A_CHECKER * self.days <= self.sessions && mean < CHECK_LENGTH {
            Pattern::Checker
        } else if STAY_LENGTH <= mean {
            Pattern::Stayer
        } else {
            Pattern::Other
        }
    }
}
