//! What somebody did between two activities of a session: looked, listened, or was idle.

use crate::presence::{Ground, Silence};
use crate::time::Span;

/// The three parts of a session. Together they are its length, always (law L6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// The app on the screen, in use.
    pub foreground: Span,
    /// Something playing with the screen away.
    pub playing: Span,
    /// Neither.
    pub idle: Span,
}

impl Parts {
    /// Returns the time in which the app was in use: on the screen or playing.
    #[must_use]
    pub const fn engaged(&self) -> Span {
        self.foreground.plus(self.playing)
    }

    /// Returns all three together.
    #[must_use]
    pub const fn length(&self) -> Span {
        self.engaged().plus(self.idle)
    }

    /// Adds another stretch.
    #[inline]
    pub fn add(&mut self, other: Parts) {
        self.foreground = self.foreground.plus(other.foreground);
        self.playing = self.playing.plus(other.playing);
        self.idle = self.idle.plus(other.idle);
    }
}

/// What somebody is doing at one moment: the part of their session to which it would count, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engagement {
    /// The app is on the screen, in use.
    Foreground,
    /// Something plays with the screen away.
    Playing,
    /// Neither, for so long; the session is still open.
    Idle(Span),
    /// In no open session.
    Away,
}

impl Engagement {
    /// Returns the word for it in files and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Engagement::Foreground => "foreground",
            Engagement::Playing => "playing",
            Engagement::Idle(_) => "idle",
            Engagement::Away => "away",
        }
    }

    /// Returns what somebody is doing at the end of a silence in an open session: as [`parts_between`] divides it.
    #[must_use]
    pub fn at_the_end_of(silence: &Silence, idle_after: Span) -> Self {
        match silence.ground {
            Ground::Foreground if silence.gap() <= idle_after => Engagement::Foreground,
            Ground::Foreground => Engagement::Idle(silence.gap().minus(idle_after)),
            Ground::Background if silence.until < silence.reach => Engagement::Playing,
            Ground::Background => Engagement::Idle(silence.gap()),
        }
    }
}

/// Divides the time between two activities of one session (SESSION.md, section 6).
///
/// While something plays nothing is idle; the silence after it is foreground up to `idle_after`, and idle
/// beyond it or with the screen away.
#[must_use]
#[inline]
pub fn parts_between(silence: &Silence, idle_after: Span) -> Parts {
    let quiet = silence.gap();
    let played = silence.until.since(silence.after).minus(quiet);
    match silence.ground {
        Ground::Foreground => {
            let idle = quiet.minus(idle_after);
            Parts { foreground: played.plus(quiet.minus(idle)), playing: Span::ZERO, idle }
        }
        Ground::Background => Parts { foreground: Span::ZERO, playing: played, idle: quiet },
    }
}
