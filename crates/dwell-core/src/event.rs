//! What a user did, and what it proves: events, their kinds and their weights.

use core::cmp::Ordering;

use crate::decimal::scaled;
use crate::time::{Span, Timestamp};

/// How far a clock may run ahead before an event counts as coming from the future.
pub const FUTURE_TOLERANCE: Span = Span::from_minutes(5);

/// What an event is to a session (SESSION.md, section 1).
///
/// The order decides between activities of one microsecond whose message ids say nothing: what starts comes
/// before what extends, and what ends comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum EventKind {
    /// The app was opened.
    Opened,
    /// The app came to the screen.
    Foregrounded,
    /// A screen of an app was shown.
    Screen,
    /// A page was shown.
    Page,
    /// Any other named thing that the user did.
    Action,
    /// Something began to play: music, a film, navigation, a call.
    PlayingStarted,
    /// The app says that it is still there.
    Heartbeat,
    /// What plays is still playing.
    PlayingProgress,
    /// What played was paused, interrupted or came to its end.
    PlayingStopped,
    /// The app left the screen.
    Backgrounded,
    /// The app was closed: whatever comes next is a new session.
    Closed,
    /// The device was handed to another user: a mark on the timeline of the one who left, not an activity.
    UserChanged,
    /// Something that proves nothing: a push received, a fact from a server, a changed profile.
    Silent,
}

impl EventKind {
    /// All kinds, in their order.
    pub const ALL: [EventKind; 13] = [
        EventKind::Opened,
        EventKind::Foregrounded,
        EventKind::Screen,
        EventKind::Page,
        EventKind::Action,
        EventKind::PlayingStarted,
        EventKind::Heartbeat,
        EventKind::PlayingProgress,
        EventKind::PlayingStopped,
        EventKind::Backgrounded,
        EventKind::Closed,
        EventKind::UserChanged,
        EventKind::Silent,
    ];

    /// Returns the word for it in files, policies and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            EventKind::Opened => "opened",
            EventKind::Foregrounded => "foregrounded",
            EventKind::Screen => "screen",
            EventKind::Page => "page",
            EventKind::Action => "action",
            EventKind::PlayingStarted => "playing_started",
            EventKind::Heartbeat => "heartbeat",
            EventKind::PlayingProgress => "playing_progress",
            EventKind::PlayingStopped => "playing_stopped",
            EventKind::Backgrounded => "backgrounded",
            EventKind::Closed => "closed",
            EventKind::UserChanged => "user_changed",
            EventKind::Silent => "silent",
        }
    }

    /// Finds the kind for a word; `None` for a word that is none of ours.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        EventKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Returns the one of all kinds that do the same to a session: what is opened, shown or done is an action there.
    #[must_use]
    pub const fn alike(self) -> Self {
        match self {
            EventKind::Opened | EventKind::Foregrounded | EventKind::Screen | EventKind::Page => EventKind::Action,
            other => other,
        }
    }

    /// Returns what it does to a session.
    #[must_use]
    #[inline]
    pub const fn weight(self) -> Weight {
        match self {
            EventKind::Opened
            | EventKind::Foregrounded
            | EventKind::Screen
            | EventKind::Page
            | EventKind::Action
            | EventKind::PlayingStarted => Weight::Starts,
            EventKind::Heartbeat
            | EventKind::PlayingProgress
            | EventKind::PlayingStopped
            | EventKind::Backgrounded
            | EventKind::Closed => Weight::Extends,
            EventKind::UserChanged | EventKind::Silent => Weight::Silent,
        }
    }
}

/// What an event does to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// Starts a session if none is open, else extends it.
    Starts,
    /// Extends an open session, never starts one.
    Extends,
    /// Does neither.
    Silent,
}

/// One event of one user, as the rules see it: no names, only what decides.
///
/// Keys stand for texts that the caller holds; 0 means that nothing was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activity {
    /// When the user did it, clock skew put right.
    pub happened_at: Timestamp,
    /// What it was.
    pub kind: EventKind,
    /// How long what plays will go on from here, when the client said its length and position.
    pub remaining: Option<Span>,
    /// Which player speaks, so that its later signal replaces its earlier one.
    pub player: u32,
    /// Which device.
    pub device: u32,
    /// Which platform.
    pub platform: u32,
    /// Which campaign brought the user.
    pub campaign: u32,
    /// From where it came, in whatever sense the caller gives that. No rule asks for it.
    pub origin: u32,
}

impl Activity {
    /// Returns an activity of which nothing is known but when and what.
    #[must_use]
    #[inline]
    pub const fn new(happened_at: Timestamp, kind: EventKind) -> Self {
        Activity { happened_at, kind, remaining: None, player: 0, device: 0, platform: 0, campaign: 0, origin: 0 }
    }
}

/// Says which of two events of one user comes first: (`happened_at`, `message_id`), SESSION.md, section 1.
///
/// Between nameless events of one microsecond the kind decides, then everything else that is known of them, so that
/// the order in which they arrived never does (law L3).
#[must_use]
#[inline]
pub fn order<N: Ord + ?Sized>(one: (&Activity, &N), other: (&Activity, &N)) -> Ordering {
    let at = one.0.happened_at.cmp(&other.0.happened_at);
    at.then_with(|| one.1.cmp(other.1)).then_with(|| nameless(one.0).cmp(&nameless(other.0)))
}

fn nameless(activity: &Activity) -> (EventKind, u32, Option<Span>, [u32; 4]) {
    let Activity { platform, device, campaign, origin, .. } = *activity;
    (activity.kind, activity.player, activity.remaining, [platform, device, campaign, origin])
}

/// The times on the record of one event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamps {
    /// What the device's clock showed when it happened.
    pub original: Timestamp,
    /// What the device's clock showed when it sent the event.
    pub sent_at: Option<Timestamp>,
    /// What our clock showed when the event came in.
    pub received_at: Option<Timestamp>,
}

/// When an event happened, and whether the record had to be corrected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Happened {
    /// When the user did it.
    pub at: Timestamp,
    /// It claimed to come from the future, and was taken as happening when it was received.
    pub from_the_future: bool,
}

impl Stamps {
    /// Puts a skewed device clock right: `received_at - (sent_at - original)` (SESSION.md, section 1).
    ///
    /// Without both of `sent_at` and `received_at` the given time stands. More than [`FUTURE_TOLERANCE`] after
    /// `received_at` is the future, and becomes `received_at`.
    #[must_use]
    pub fn happened(self) -> Happened {
        let Some(received_at) = self.received_at else {
            return Happened { at: self.original, from_the_future: false };
        };
        let at = match self.sent_at {
            Some(sent_at) => {
                let since = i128::from(sent_at.as_micros()) - i128::from(self.original.as_micros());
                let at = i128::from(received_at.as_micros()) - since;
                Timestamp::from_micros(at.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
            }
            None => self.original,
        };
        if received_at.plus(FUTURE_TOLERANCE) < at {
            return Happened { at: received_at, from_the_future: true };
        }
        Happened { at, from_the_future: false }
    }
}

/// How many times as fast as recorded something plays: more than 0 and at most [`PlaybackRate::FASTEST`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PlaybackRate {
    /// In millionths, so that no binary fraction comes into it.
    millionths: u32,
}

impl PlaybackRate {
    /// As fast as browsers play; what claims more is taken for a mistake.
    pub const FASTEST: PlaybackRate = PlaybackRate { millionths: 16_000_000 };

    /// Reads a decimal number, to the millionth; `None` for what is no rate, which then says nothing.
    ///
    /// Unlike a length it never refuses an event: what plays is there, however fast.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<PlaybackRate> {
        let rate = PlaybackRate { millionths: u32::try_from(scaled(text.trim_ascii(), 6)?).ok()? };
        (0 < rate.millionths && rate <= PlaybackRate::FASTEST).then_some(rate)
    }
}

/// Returns how long what plays will go on, by the clock on the wall; `None` for a position beyond the length, which
/// says nothing.
///
/// Position and length are those of the recording. Without a rate it plays at its own speed. Rounded down to the
/// microsecond, so that nobody is believed to be there for longer than they said.
#[must_use]
pub fn remaining_of(position: Span, total_length: Span, rate: Option<PlaybackRate>) -> Option<Span> {
    let recorded = (position <= total_length).then(|| total_length.minus(position))?;
    let Some(rate) = rate else {
        return Some(recorded);
    };
    let micros = i128::from(recorded.as_micros()) * 1_000_000 / i128::from(rate.millionths);
    Some(i64::try_from(micros).map_or(Span::MAX, Span::from_micros))
}

/// Says whether an event is late: by its record alone, never by what else has arrived (SESSION.md, section 5).
///
/// Exactly `allowed_lateness` is not late.
#[must_use]
pub fn is_late(happened_at: Timestamp, received_at: Timestamp, allowed_lateness: Span) -> bool {
    allowed_lateness < received_at.since(happened_at)
}

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// It is part of a session.
    Joined,
    /// It is part of a session, and what had been said before it came had to be said anew.
    Amended,
    /// It proves nothing, and changed nothing.
    Silent,
    /// It only extends, and there was nothing to extend.
    Orphan,
    /// Its `message_id` was known already.
    Duplicate,
    /// It was late.
    Late,
}

impl Outcome {
    /// Returns the word for it in files and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Joined => "joined",
            Outcome::Amended => "amended",
            Outcome::Silent => "silent",
            Outcome::Orphan => "orphan",
            Outcome::Duplicate => "duplicate",
            Outcome::Late => "late",
        }
    }
}
