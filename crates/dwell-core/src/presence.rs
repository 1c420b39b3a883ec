//! Being there is a stretch of time: events become presence, and what lies between is silence.
//!
//! Nothing here depends on the timeout. The sessionizer judges the silences under one timeout, the lab under all,
//! and both get them from here: that is why the lab equals a replay (law L5).

use alloc::vec::Vec;

use crate::event::{Activity, EventKind, Weight};
use crate::policy::{Playing, Standing};
use crate::session::EndReason;
use crate::time::{Span, Timeout, Timestamp};

/// What the screen of the device shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// The app, or nothing is known: a log without lifecycle counts as foreground.
    Foreground,
    /// Something else.
    Background,
}

/// What lies between two activities of a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The activity before it.
    pub after: Timestamp,
    /// Where presence ended and silence began; never before `after`, but past the next activity when something
    /// was to go on playing.
    pub reach: Timestamp,
    /// The activity at its end.
    pub until: Timestamp,
    /// What the screen showed meanwhile.
    pub ground: Ground,
    /// Who decides whether it ends a session.
    pub judge: Judge,
}

impl Silence {
    /// Returns the silence between two actions with nothing playing.
    #[inline]
    pub(crate) const fn between_actions(after: Timestamp, until: Timestamp) -> Self {
        Silence { after, reach: after, until, ground: Ground::Foreground, judge: Judge::Timeout }
    }

    /// Returns how long nobody was there; nothing when the presence reached the next activity.
    #[must_use]
    #[inline]
    pub const fn gap(&self) -> Span {
        self.until.since(self.reach)
    }

    /// Returns when the gap began: the rule in force then decides. A gap of nothing begins where it ends, so that no
    /// rule holds before its date because something was to go on playing until then.
    #[must_use]
    #[inline]
    pub fn began(&self) -> Timestamp {
        self.reach.min(self.until)
    }
}

/// Who decides whether a silence ends a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judge {
    /// The user's timeout: the lab varies it.
    Timeout,
    /// The background timeout, the same whatever the timeout is.
    Background(Timeout),
    /// Nobody: the break is forced, however short the silence.
    Forced(EndReason),
}

/// Where one user stands in time: what was last heard of them, and what still plays.
#[derive(Clone, Debug)]
pub struct Presence {
    pub(crate) last: Option<Timestamp>,
    pub(crate) reach: Timestamp,
    pub(crate) ground: Ground,
    /// Players and how far their last signal reaches; few, so a list.
    pub(crate) players: Vec<(u32, Timestamp)>,
    /// The device of the last activity, 0 when it named none.
    pub(crate) device: u32,
    pub(crate) forced: Option<EndReason>,
}

impl Default for Presence {
    fn default() -> Self {
        Presence {
            last: None,
            reach: Timestamp::MIN,
            ground: Ground::Foreground,
            players: Vec::new(),
            device: 0,
            forced: None,
        }
    }
}

impl Presence {
    /// Returns the furthest moment to which the user is believed to be there.
    #[must_use]
    pub const fn reach(&self) -> Timestamp {
        self.reach
    }

    /// Returns when the user was last heard of.
    #[must_use]
    pub const fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Returns what the screen shows.
    #[must_use]
    pub const fn ground(&self) -> Ground {
        self.ground
    }

    /// Says whether who is seen on this device now has taken it from the user: it is where they were last seen. A
    /// `user_changed` that names no device, 0, speaks of wherever they are.
    #[must_use]
    #[inline]
    pub const fn loses(&self, device: u32) -> bool {
        self.last.is_some() && (device == 0 || device == self.device)
    }

    /// Says whether something is believed to play at `now`.
    #[must_use]
    pub fn plays_at(&self, now: Timestamp) -> bool {
        self.players.iter().any(|(_, until)| now < *until)
    }

    /// Returns what would lie between the last activity and `until`; `None` before the first activity.
    #[must_use]
    #[inline]
    pub fn silence_before(&self, until: Timestamp, standing: &Standing) -> Option<Silence> {
        let after = self.last?;
        let judge = self.judge(after, until, standing);
        Some(Silence { after, reach: self.reach, until, ground: self.ground, judge })
    }

    #[inline]
    fn judge(&self, after: Timestamp, until: Timestamp, standing: &Standing) -> Judge {
        if let Some(reason) = self.forced {
            return Judge::Forced(reason);
        }
        let rules = standing.rules_at(self.reach.min(until));
        if let Some(zone) = &rules.midnight
            && zone.day_of(after) != zone.day_of(until)
        {
            return Judge::Forced(EndReason::Midnight);
        }
        self.background_timeout(standing).map_or(Judge::Timeout, Judge::Background)
    }

    /// Returns the background timeout, when it is set and judges the silence that begins now: with the screen away,
    /// while nothing plays.
    #[must_use]
    #[inline]
    pub fn background_timeout(&self, standing: &Standing) -> Option<Timeout> {
        if self.ground == Ground::Foreground || self.last != Some(self.reach) {
            return None;
        }
        standing.rules_at(self.reach).background_timeout
    }

    /// Returns the silence between two actions with nothing playing; `None` when the last activity was anything else.
    #[inline]
    pub(crate) fn silence_between_actions(&self, until: Timestamp) -> Option<Silence> {
        let after = self.last?;
        if self.ground == Ground::Background || self.forced.is_some() || !self.players.is_empty() {
            return None;
        }
        Some(Silence::between_actions(after, until))
    }

    /// Takes an action after a silence between actions.
    #[inline]
    pub(crate) fn act(&mut self, at: Timestamp) {
        self.last = Some(at);
        self.reach = at;
        self.device = 0;
    }

    /// Takes the user's next event in order of (`happened_at`, `message_id`). Silent ones leave no trace.
    #[inline]
    pub fn observe(&mut self, activity: &Activity, standing: &Standing) {
        match activity.kind.weight() {
            Weight::Starts | Weight::Extends => {}
            Weight::Silent => {
                if activity.kind == EventKind::UserChanged && self.loses(activity.device) {
                    self.cut(EndReason::UserChanged);
                }
                return;
            }
        }
        let at = activity.happened_at;
        self.last = Some(at);
        self.device = activity.device;
        self.forced = None;
        match activity.kind {
            EventKind::Opened | EventKind::Foregrounded | EventKind::Screen | EventKind::Page | EventKind::Action => {
                self.ground = Ground::Foreground;
            }
            EventKind::Backgrounded => self.ground = Ground::Background,
            EventKind::PlayingStarted | EventKind::PlayingProgress | EventKind::PlayingStopped => {
                self.hear_player(activity, standing);
            }
            EventKind::Closed => {
                self.reach = at;
                self.cut(EndReason::Closed);
                return;
            }
            EventKind::Heartbeat | EventKind::UserChanged | EventKind::Silent => {}
        }
        self.reach = at;
        self.reach_with_players(at);
    }

    /// Replaces what the same player said before.
    fn hear_player(&mut self, activity: &Activity, standing: &Standing) {
        self.players.retain(|(player, _)| *player != activity.player);
        let Playing::Reaches(patience) = standing.rules_at(activity.happened_at).playing else { return };
        if activity.kind != EventKind::PlayingStopped {
            let until = activity.happened_at.plus(activity.remaining.unwrap_or(patience));
            self.players.push((activity.player, until));
        }
    }

    #[inline]
    fn reach_with_players(&mut self, at: Timestamp) {
        self.players.retain(|(_, until)| at < *until);
        for (_, until) in &self.players {
            self.reach = self.reach.max(*until);
        }
    }

    /// Ends all presence at the last activity; whatever comes next is a new session.
    fn cut(&mut self, reason: EndReason) {
        self.players.clear();
        if let Some(last) = self.last {
            self.reach = last;
        }
        self.ground = Ground::Foreground;
        self.forced = Some(reason);
    }
}
