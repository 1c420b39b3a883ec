//! When in a session somebody was in the foreground, playing and idle: the same time as its parts, laid out.

use alloc::vec::Vec;

use crate::engagement::Parts;
use crate::presence::{Ground, Silence};
use crate::session::Session;
use crate::time::{Span, Timestamp};
use crate::timeline::Timeline;

/// The part of a session to which a phase of it counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The app on the screen, in use.
    Foreground,
    /// Something playing with the screen away.
    Playing,
    /// Neither.
    Idle,
}

impl Part {
    /// Returns the word for it in answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Part::Foreground => "foreground",
            Part::Playing => "playing",
            Part::Idle => "idle",
        }
    }
}

/// Time within one session that counts to one part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Phase {
    /// The user's nth session, counted from 1.
    pub ordinal: u32,
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends; always later.
    pub until: Timestamp,
    /// To which part it counts.
    pub part: Part,
}

impl Phase {
    /// Returns the parts of a session that it alone would make.
    #[must_use]
    pub const fn parts(&self) -> Parts {
        let length = self.until.since(self.from);
        let none = Parts { foreground: Span::ZERO, playing: Span::ZERO, idle: Span::ZERO };
        match self.part {
            Part::Foreground => Parts { foreground: length, ..none },
            Part::Playing => Parts { playing: length, ..none },
            Part::Idle => Parts { idle: length, ..none },
        }
    }
}

impl Timeline<'_> {
    /// Returns the phases of all sessions as far as their events are not settled, in order of time, and of the open one
    /// also what lies between its last activity and `now`, as long as the session lasts.
    ///
    /// Of a session that lies behind [`Timeline::settled_until`] as a whole or in part, so much is missing.
    #[must_use]
    pub fn phases(&self, now: Timestamp) -> Vec<Phase> {
        let mut all = Vec::new();
        let mut sessions = self.base.clone();
        for entry in &self.entries {
            let silence = sessions.presence().silence_before(entry.activity.happened_at, self.standing());
            let before = sessions.open().map(|open| (open.ordinal, open.activities));
            let observed = sessions.observe(&entry.activity);
            let (Some(silence), Some((ordinal, activities))) = (silence, before) else { continue };
            let ended = observed.ended.as_ref().map(|closed| &closed.session);
            let has_grown = |session: &Session| session.ordinal == ordinal && activities < session.activities;
            if ended.is_some_and(has_grown) || sessions.open().is_some_and(has_grown) {
                self.lay(&mut all, ordinal, &silence);
            }
        }
        if let (Some(open), Some(deadline)) = (self.open(), self.deadline())
            && open.ended_at < now
            && let Some(silence) = self.live.presence().silence_before(now.min(deadline), self.standing())
        {
            self.lay(&mut all, open.ordinal, &silence);
        }
        all
    }

    /// Lays out a silence within a session, as [`crate::engagement::parts_between`] divides it.
    fn lay(&self, all: &mut Vec<Phase>, ordinal: u32, silence: &Silence) {
        let (first, quiet_from) = match silence.ground {
            Ground::Foreground => {
                let idle_after = self.standing().rules_at(silence.began()).idle_after;
                (Part::Foreground, silence.began().plus(idle_after).min(silence.until))
            }
            Ground::Background => (Part::Playing, silence.began()),
        };
        for (part, from, until) in [(first, silence.after, quiet_from), (Part::Idle, quiet_from, silence.until)] {
            match all.last_mut() {
                _ if until <= from => {}
                Some(last) if (last.ordinal, last.part, last.until) == (ordinal, part, from) => last.until = until,
                _ => all.push(Phase { ordinal, from, until, part }),
            }
        }
    }
}
