//! What is counted of an app: exactly, in the same commit as what it counts.

use dwell_core::event::Outcome;
use serde::{Deserialize, Serialize};

/// What became of an app's events, and where its session feed stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// The number of the next statement.
    pub next: u64,
    /// How many sessions are open.
    pub open: i64,
    /// How many users have a book.
    pub users: i64,
    /// How many sessions no timeout joins to an earlier one: users and forced breaks.
    pub sessions_always: i64,
    /// How many events were read from the log: the sum of all that follow.
    pub events: u64,
    /// Became part of a session at once.
    pub joined: u64,
    /// Became part of a session that had been told otherwise.
    pub amended: u64,
    /// Proved nothing.
    pub silent: u64,
    /// Only extended, and there was nothing to extend.
    pub orphan: u64,
    /// Were known already.
    pub duplicate: u64,
    /// Came later than is allowed.
    pub late: u64,
}

impl Numbers {
    /// Adds what others counted. The number of the next statement is not of this kind, and stays.
    pub(crate) fn add(&mut self, other: &Numbers) {
        let Numbers { next: _, open, users, sessions_always, events, joined, amended, silent, orphan, duplicate, late } =
            other;
        self.open += open;
        self.users += users;
        self.sessions_always += sessions_always;
        self.events += events;
        self.joined += joined;
        self.amended += amended;
        self.silent += silent;
        self.orphan += orphan;
        self.duplicate += duplicate;
        self.late += late;
    }

    /// Counts one event.
    pub(crate) fn count(&mut self, outcome: Outcome) {
        self.events += 1;
        *match outcome {
            Outcome::Joined => &mut self.joined,
            Outcome::Amended => &mut self.amended,
            Outcome::Silent => &mut self.silent,
            Outcome::Orphan => &mut self.orphan,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Late => &mut self.late,
        } += 1;
    }
}

/// What is counted by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Series {
    /// Sessions by the minute in which they began.
    Started,
    /// Closed sessions by the minute in which the user was last seen.
    Ended,
    /// Users by the minute in which they were active.
    ActiveByMinute,
    /// Users by the hour in which they were active.
    ActiveByHour,
    /// Users by the day in which they were active, in the app's zone: the moment is midnight in UTC of that date.
    ActiveByDay,
}

impl Series {
    /// All of them.
    pub const ALL: [Series; 5] =
        [Series::Started, Series::Ended, Series::ActiveByMinute, Series::ActiveByHour, Series::ActiveByDay];

    pub(crate) const fn tag(self) -> u8 {
        match self {
            Series::Started => 1,
            Series::Ended => 2,
            Series::ActiveByHour => 3,
            Series::ActiveByDay => 4,
            Series::ActiveByMinute => 5,
        }
    }
}
