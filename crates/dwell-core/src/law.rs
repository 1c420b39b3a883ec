//! The numbered laws (SESSION.md, section 8): written once; tests, simulation and the running program call them.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::session::{EndReason, Session};
use crate::time::{Span, Timeout};

/// A law.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Law {
    /// Sessions of one user never overlap and are in order.
    L1,
    /// Each activity is in exactly one session, or is Silent, Late or Orphan.
    L2,
    /// Order and repetition of arrival change nothing.
    L3,
    /// File = live = cluster.
    L4,
    /// Lab = replay.
    L5,
    /// The parts of a session add up to its length.
    L6,
    /// The sum over the sessions of a user equals the user's totals.
    L7,
    /// A session's gaps are under its timeout; those between its sessions are not, or the break is forced.
    L8,
}

/// A law that does not hold, and the facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Which one.
    pub law: Law,
    /// What was seen.
    pub facts: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {:?} is broken: {}", self.law, self.facts)
    }
}

impl core::error::Error for Broken {}

/// L1: the later of two sessions of one user begins after the earlier one ended, and is numbered next.
///
/// Both may lie on one microsecond only when it was no passing of time that parted them; a limit on length that comes
/// into force parts them at once.
pub fn in_order(earlier: &Session, reason: EndReason, later: &Session) -> Result<(), Broken> {
    let may_touch = match reason {
        EndReason::Closed | EndReason::UserChanged | EndReason::TooLong | EndReason::NewCampaign => true,
        EndReason::TimedOut | EndReason::Midnight => false,
    };
    let apart = earlier.ended_at < later.started_at || (may_touch && earlier.ended_at == later.started_at);
    if apart && earlier.ordinal + 1 == later.ordinal {
        return Ok(());
    }
    Err(Broken {
        law: Law::L1,
        facts: format!(
            "session {} ended at {} and session {} started at {} (microseconds since 1970)",
            earlier.ordinal,
            earlier.ended_at.as_micros(),
            later.ordinal,
            later.started_at.as_micros()
        ),
    })
}

/// L2: what came in is what went into sessions and what was set aside for a reason.
pub fn all_accounted(seen: u64, joined: u64, set_aside: u64) -> Result<(), Broken> {
    if seen == joined + set_aside {
        return Ok(());
    }
    Err(Broken {
        law: Law::L2,
        facts: format!("{seen} events came in, {joined} are in sessions and {set_aside} were set aside"),
    })
}

/// L6: foreground, playing and idle time together are the length.
pub fn parts_add_up(session: &Session) -> Result<(), Broken> {
    if session.parts.length() == session.length() {
        return Ok(());
    }
    Err(Broken {
        law: Law::L6,
        facts: format!(
            "the parts of the session that started at {} come to {} us, its length is {} us",
            session.started_at.as_micros(),
            session.parts.length().as_micros(),
            session.length().as_micros()
        ),
    })
}

/// L7: the lengths of a user's sessions come to the user's total.
pub fn totals_agree(sum: Span, total: Span) -> Result<(), Broken> {
    if sum == total {
        return Ok(());
    }
    Err(Broken {
        law: Law::L7,
        facts: format!("the sessions come to {} us, the total says {} us", sum.as_micros(), total.as_micros()),
    })
}

/// L8: a silence inside a session is under its timeout; one that ended a session by timeout is not.
///
/// `ended` is the reason when the silence lies between two sessions. A forced break may be of any length.
pub fn rightly_judged(timeout: Timeout, gap: Span, ended: Option<EndReason>) -> Result<(), Broken> {
    let right = match ended {
        None => !timeout.is_reached_by(gap),
        Some(EndReason::TimedOut) => timeout.is_reached_by(gap),
        Some(_) => true,
    };
    if right {
        return Ok(());
    }
    Err(Broken {
        law: Law::L8,
        facts: format!(
            "a silence of {} us under a timeout of {} us {}",
            gap.as_micros(),
            timeout.as_span().as_micros(),
            if ended.is_some() { "ended a session" } else { "lies inside a session" }
        ),
    })
}
