//! Activities of one user become sessions.
//!
//! The [`Sessionizer`] takes a user's events in order and says which sessions have ended. It is the only one: a
//! file, a live stream and a cluster call it alike (law L4). Where order is not given, [`crate::timeline`] makes it.

use alloc::vec::Vec;

use crate::engagement::{Parts, parts_between};
use crate::event::{Activity, EventKind, Outcome, Weight};
use crate::policy::{Campaigns, Decided, Source, Standing};
use crate::presence::{Judge, Presence, Silence};
use crate::time::{Span, Timestamp};

/// Why a session ended (SESSION.md, section 3; the last two only under named profiles).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EndReason {
    /// The gap reached the timeout.
    TimedOut,
    /// The app was closed.
    Closed,
    /// The device was handed to another user.
    UserChanged,
    /// It would have been longer than `max_length`.
    TooLong,
    /// A new day began.
    Midnight,
    /// Another campaign brought the user.
    NewCampaign,
}

impl EndReason {
    /// All reasons, in their order.
    pub const ALL: [EndReason; 6] = [
        EndReason::TimedOut,
        EndReason::Closed,
        EndReason::UserChanged,
        EndReason::TooLong,
        EndReason::Midnight,
        EndReason::NewCampaign,
    ];

    /// Returns the word for it in files and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            EndReason::TimedOut => "timed_out",
            EndReason::Closed => "closed",
            EndReason::UserChanged => "user_changed",
            EndReason::TooLong => "too_long",
            EndReason::Midnight => "midnight",
            EndReason::NewCampaign => "new_campaign",
        }
    }
}

/// What is known of a session, open or closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The user's nth session, counted from 1.
    pub ordinal: u32,
    /// The first activity.
    pub started_at: Timestamp,
    /// When the user was last seen: not when we noticed that they had left.
    pub ended_at: Timestamp,
    /// How many events the sessionizer had seen before its first activity: where the caller finds the rest of it.
    pub first: u64,
    /// Likewise for its last activity.
    pub last: u64,
    /// How many activities it holds.
    pub activities: u64,
    /// Foreground, playing and idle time.
    pub parts: Parts,
    /// The timeout it lived under, and whose it was, when its last gap began.
    pub decided: Decided,
    /// Keys of the platforms that its activities came from, in order, without 0.
    pub platforms: Vec<u32>,
    /// Keys of the devices likewise.
    pub devices: Vec<u32>,
    /// The campaign that brought the user, 0 for none.
    pub campaign: u32,
    /// The platform of its first activity, 0 for none.
    pub platform: u32,
    /// From where its first activity came, 0 where that was not said.
    pub origin: u32,
}

impl Session {
    /// Returns the time from the first activity to the last.
    #[must_use]
    pub const fn length(&self) -> Span {
        self.ended_at.since(self.started_at)
    }

    /// Takes one more activity, the silence before it and the place where the caller finds it.
    #[inline]
    fn grow(&mut self, at: Timestamp, place: u64, silence: &Silence, standing: &Standing) {
        self.parts.add(parts_between(silence, standing.rules_at(silence.began()).idle_after));
        self.ended_at = at;
        self.last = place;
        self.activities += 1;
    }
}

/// A session that will not grow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClosedSession {
    /// What is known of it.
    pub session: Session,
    /// Why it ended.
    pub reason: EndReason,
}

/// What one event did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// What became of the event.
    pub outcome: Outcome,
    /// The session that it ended, if it did.
    pub ended: Option<ClosedSession>,
}

/// Turns the events of one user, given in order, into sessions.
#[derive(Clone, Debug)]
pub struct Sessionizer<'p> {
    standing: &'p Standing,
    pub(crate) presence: Presence,
    pub(crate) open: Option<Session>,
    pub(crate) seen: u64,
    pub(crate) sessions: u32,
}

impl<'p> Sessionizer<'p> {
    /// Begins with a user of whom nothing is known but what holds for them.
    #[must_use]
    pub fn new(standing: &'p Standing) -> Self {
        Sessionizer { standing, presence: Presence::default(), open: None, seen: 0, sessions: 0 }
    }

    /// Takes the user's next event in order of (`happened_at`, `message_id`).
    #[inline]
    pub fn observe(&mut self, activity: &Activity) -> Observed {
        let silence = self.silence_before(activity);
        let reason = silence.as_ref().and_then(|silence| self.judge(silence, activity));
        let ended = reason.and_then(|reason| self.close(reason));
        self.presence.observe(activity, self.standing);
        let outcome = match (activity.kind.weight(), self.open.is_some()) {
            (Weight::Silent, _) => Outcome::Silent,
            (Weight::Extends, false) => Outcome::Orphan,
            (Weight::Starts, false) => self.start(activity),
            (Weight::Starts | Weight::Extends, true) => self.join(activity, silence.as_ref()),
        };
        self.seen += 1;
        if activity.kind == EventKind::Closed && outcome == Outcome::Joined {
            return Observed { outcome, ended: self.close(EndReason::Closed) };
        }
        Observed { outcome, ended }
    }

    /// Takes moments of actions of which nothing else is known, in order, and hands on the sessions that they end.
    ///
    /// The same as [`Sessionizer::observe`] of each; but a log of nothing else is read far faster, since an action that
    /// joins a session with nothing playing has little to decide.
    #[inline]
    pub fn observe_actions(
        &mut self,
        moments: impl IntoIterator<Item = Timestamp>,
        mut ended: impl FnMut(ClosedSession),
    ) {
        let standing = self.standing;
        let is_plain = standing.is_plain();
        for at in moments {
            if is_plain
                && let Some(open) = &mut self.open
                && let Some(silence) = self.presence.silence_between_actions(at)
                && !open.decided.timeout.is_reached_by(silence.gap())
            {
                open.grow(at, self.seen, &silence, standing);
                self.presence.act(at);
                self.seen += 1;
            } else if let Some(closed) = self.observe(&Activity::new(at, EventKind::Action)).ended {
                ended(closed);
            }
        }
    }

    /// Ends the open session if its deadline has passed by `now`: without waiting for the user's next visit.
    pub fn advance(&mut self, now: Timestamp) -> Option<ClosedSession> {
        if self.deadline()? <= now {
            return self.close(EndReason::TimedOut);
        }
        None
    }

    /// Returns when the silence after the open session reaches its timeout.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let open = self.open.as_ref()?;
        let earliest = open.started_at.plus(self.standing.rules_at(self.presence.reach()).shortest);
        Some(self.presence.reach().plus(open.decided.timeout.as_span()).max(earliest))
    }

    /// Returns the session that may still grow.
    #[must_use]
    pub const fn open(&self) -> Option<&Session> {
        self.open.as_ref()
    }

    /// Takes the session that may still grow, when nothing more will be observed.
    #[must_use]
    pub fn finish(self) -> Option<Session> {
        self.open
    }

    /// Returns what is known of the user's presence.
    #[must_use]
    pub const fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Returns the silence that might end the open session: nothing without one, or when nothing happened to the user.
    #[inline]
    fn silence_before(&self, activity: &Activity) -> Option<Silence> {
        let is_elsewhere = activity.kind == EventKind::UserChanged && !self.presence.loses(activity.device);
        if self.open.is_none() || activity.kind == EventKind::Silent || is_elsewhere {
            return None;
        }
        self.presence.silence_before(activity.happened_at, self.standing)
    }

    /// Says why the open session ends before this activity, if it does.
    ///
    /// The timeout comes first: the bell has rung by then, and a file must say the same (law L4).
    #[inline]
    fn judge(&self, silence: &Silence, activity: &Activity) -> Option<EndReason> {
        let open = self.open.as_ref()?;
        let rules = self.standing.rules_at(silence.began());
        let so_far = activity.happened_at.since(open.started_at);
        if open.decided.timeout.is_reached_by(silence.gap()) && rules.shortest <= so_far {
            return Some(EndReason::TimedOut);
        }
        if let Judge::Forced(reason) = silence.judge {
            return Some(reason);
        }
        if activity.kind == EventKind::UserChanged {
            return Some(EndReason::UserChanged);
        }
        if rules.max_length.is_some_and(|longest| longest < so_far) {
            return Some(EndReason::TooLong);
        }
        if rules.campaigns == Campaigns::StartAnew && activity.campaign != 0 && activity.campaign != open.campaign {
            return Some(EndReason::NewCampaign);
        }
        None
    }

    #[inline]
    fn join(&mut self, activity: &Activity, silence: Option<&Silence>) -> Outcome {
        let decided = self.decided(activity.platform);
        let Some(open) = &mut self.open else { return Outcome::Orphan };
        if let Some(silence) = silence {
            open.grow(activity.happened_at, self.seen, silence, self.standing);
        }
        open.decided = decided;
        insert(&mut open.platforms, activity.platform);
        insert(&mut open.devices, activity.device);
        Outcome::Joined
    }

    fn start(&mut self, activity: &Activity) -> Outcome {
        self.sessions += 1;
        let mut session = Session {
            ordinal: self.sessions,
            started_at: activity.happened_at,
            ended_at: activity.happened_at,
            first: self.seen,
            last: self.seen,
            activities: 1,
            parts: Parts::default(),
            decided: self.decided(activity.platform),
            platforms: Vec::new(),
            devices: Vec::new(),
            campaign: activity.campaign,
            platform: activity.platform,
            origin: activity.origin,
        };
        insert(&mut session.platforms, activity.platform);
        insert(&mut session.devices, activity.device);
        self.open = Some(session);
        Outcome::Joined
    }

    /// Returns the timeout under which the gap that begins now will be judged; the last activity's platform names it.
    #[inline]
    fn decided(&self, platform: u32) -> Decided {
        match self.presence.background_timeout(self.standing) {
            Some(timeout) => Decided { timeout, source: Source::Background },
            None => self.standing.timeout_at(self.presence.reach(), platform),
        }
    }

    fn close(&mut self, reason: EndReason) -> Option<ClosedSession> {
        Some(ClosedSession { session: self.open.take()?, reason })
    }
}

/// Puts a key in its place unless it is there, or is 0.
#[inline]
fn insert(keys: &mut Vec<u32>, key: u32) {
    if key == 0 {
        return;
    }
    if let Err(place) = keys.binary_search(&key) {
        keys.insert(place, key);
    }
}
