//! From the names of events to their kinds: one table for files and for what SDKs send (law L4).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use crate::event::EventKind;

/// What each name of an event means: the caller's own words first, then ours, then Segment's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventWords {
    given: BTreeMap<String, EventKind>,
}

/// A list of words that is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WordsError {
    /// No `=`.
    NoPair {
        /// What stood there.
        pair: String,
    },
    /// Not one of our words.
    NoKind {
        /// The caller's name for it.
        name: String,
        /// What it should be.
        kind: String,
    },
    /// One name, two meanings.
    Twice {
        /// The caller's name for it.
        name: String,
    },
}

impl fmt::Display for WordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WordsError::NoPair { pair } => {
                write!(f, "{pair:?} is no pair; wanted is name=kind, as in 1=opened,0=closed")
            }
            WordsError::NoKind { name, kind } => {
                let kinds = EventKind::ALL.map(EventKind::word).join(", ");
                write!(f, "{kind:?} (of {name:?}) is no kind of event; the kinds are {kinds}")
            }
            WordsError::Twice { name } => write!(f, "{name:?} is given two kinds"),
        }
    }
}

impl core::error::Error for WordsError {}

impl EventWords {
    /// Takes `1=opened,0=closed`. The kind stands behind the last `=` of each pair.
    pub fn parse(list: &str) -> Result<Self, WordsError> {
        let mut words = EventWords::default();
        for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, kind)) = pair.rsplit_once('=') else {
                return Err(WordsError::NoPair { pair: pair.to_owned() });
            };
            words.add(name.trim(), kind.trim())?;
        }
        Ok(words)
    }

    /// Adds one name, as a policy file gives it.
    pub fn add(&mut self, name: &str, kind: &str) -> Result<(), WordsError> {
        let Some(kind) = EventKind::from_word(kind) else {
            return Err(WordsError::NoKind { name: name.into(), kind: kind.into() });
        };
        match self.given.insert(name.into(), kind) {
            Some(before) if before != kind => Err(WordsError::Twice { name: name.into() }),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns what a name means by itself.
    #[must_use]
    pub fn meaning(&self, name: &str) -> Meaning {
        if let Some(kind) = self.given.get(name) {
            return Meaning { kind: *kind, given: true };
        }
        let kind = EventKind::from_word(name).or_else(|| segment_name(name));
        Meaning { kind: kind.unwrap_or(EventKind::Action), given: false }
    }

    /// Returns what Segment's message type means; `None` for `track` and what nobody knows.
    ///
    /// Who somebody is, and to which group they belong, are changed profiles: they prove nothing.
    #[must_use]
    pub fn meaning_of_message(&self, message_type: &str) -> Option<Meaning> {
        if let Some(kind) = self.given.get(message_type) {
            return Some(Meaning { kind: *kind, given: true });
        }
        let kind = match message_type {
            "page" => EventKind::Page,
            "screen" => EventKind::Screen,
            "identify" | "group" | "alias" => EventKind::Silent,
            _ => return None,
        };
        Some(Meaning { kind, given: false })
    }

    /// Returns the kind of an event, from its name, Segment's message type, and whether the user was active.
    #[must_use]
    pub fn kind_of(&self, name: &str, message_type: &str, active: bool) -> EventKind {
        settle(self.meaning(name), self.meaning_of_message(message_type), active)
    }
}

/// Of a name that is given twice, what is given later holds.
impl FromIterator<(String, EventKind)> for EventWords {
    fn from_iter<I: IntoIterator<Item = (String, EventKind)>>(words: I) -> Self {
        EventWords { given: words.into_iter().collect() }
    }
}

/// What one name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meaning {
    /// What it says of an event.
    pub kind: EventKind,
    /// The caller said so, and nothing that we know weighs more.
    pub given: bool,
}

/// Decides between what an event is called, what sort of message it is and whether the user was active.
#[must_use]
pub fn settle(name: Meaning, message: Option<Meaning>, active: bool) -> EventKind {
    if name.given {
        return name.kind;
    }
    match message {
        Some(message) if message.given => message.kind,
        _ if !active => EventKind::Silent,
        Some(message) => message.kind,
        None => name.kind,
    }
}

/// Says whether `context.active` denies that the user was there; whatever else it says, they were.
#[must_use]
pub fn denies_activity(active: &[u8]) -> bool {
    matches!(active, b"false" | b"False" | b"FALSE")
}

/// Says whether what plays is a live stream, which has no end.
#[must_use]
pub fn says_live(livestream: &[u8]) -> bool {
    matches!(livestream, b"true" | b"True" | b"TRUE" | b"1")
}

/// Longer than every name in the table, written plainly.
const LONGEST_NAME: usize = 40;

/// Knows the names that Segment's SDKs send by themselves, and those of its specs of mobile apps and videos.
///
/// `Video Playback Started`, `video_playback_started` and `videoPlaybackStarted` are one name.
fn segment_name(name: &str) -> Option<EventKind> {
    let mut plain = [0; LONGEST_NAME];
    let mut length = 0;
    for byte in name.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b'.' | b' ')) {
        *plain.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    let plain = &plain[..length];
    let kind = match plain {
        b"applicationopened" => EventKind::Opened,
        b"applicationforegrounded" | b"applicationbecameactive" | b"applicationunhidden" => EventKind::Foregrounded,
        b"applicationbackgrounded" | b"applicationhidden" => EventKind::Backgrounded,
        b"applicationterminated" => EventKind::Closed,
        b"applicationinstalled" | b"applicationupdated" | b"applicationcrashed" => EventKind::Action,
        b"pushnotificationreceived" | b"pushnotificationbounced" | b"installattributed" => EventKind::Silent,
        _ => return player_name(plain.strip_prefix(b"video").or_else(|| plain.strip_prefix(b"audio"))?),
    };
    Some(kind)
}

/// What a player reports. Waiting for data and moving about in the film prove that somebody is there, and leave alone
/// what plays. So does an advertisement: its position and length are its own, not those of the film around it.
fn player_name(plain: &[u8]) -> Option<EventKind> {
    let kind = match plain {
        b"playbackstarted" | b"playbackresumed" | b"contentstarted" => EventKind::PlayingStarted,
        b"contentplaying" => EventKind::PlayingProgress,
        b"playbackpaused" | b"playbackinterrupted" | b"playbackcompleted" | b"playbackexited" | b"contentcompleted" => {
            EventKind::PlayingStopped
        }
        b"playbackbufferstarted" | b"playbackbuffercompleted" | b"playbackseekstarted" | b"playbackseekcompleted" => {
            EventKind::Heartbeat
        }
        b"adstarted" | b"adplaying" | b"adcompleted" => EventKind::Heartbeat,
        _ => return None,
    };
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_name_however_it_is_written() {
        let words = EventWords::default();
        for name in
            ["Video Playback Started", "video_playback_started", "videoPlaybackStarted", "VIDEO-PLAYBACK.STARTED"]
        {
            assert_eq!(words.kind_of(name, "track", true), EventKind::PlayingStarted, "{name}");
        }
        let long = "Video Playback Started".to_owned() + &" ".repeat(100);
        assert_eq!(words.kind_of(&long, "track", true), EventKind::PlayingStarted);
        for name in ["", "Video", "Video Playback Started 2", "Vidéo Playback Started", &"x".repeat(LONGEST_NAME + 1)]
        {
            assert_eq!(words.kind_of(name, "track", true), EventKind::Action, "{name}");
        }
    }

    #[test]
    fn the_callers_own_words_weigh_most() {
        let words = EventWords::parse("Beat=heartbeat, identify=action").expect("words");
        assert_eq!(words.kind_of("Beat", "page", false), EventKind::Heartbeat);
        assert_eq!(words.kind_of("Signed In", "identify", false), EventKind::Action);
        assert_eq!(words.kind_of("Application Opened", "track", false), EventKind::Silent);
        assert_eq!(words.kind_of("Application Opened", "page", true), EventKind::Page);
    }
}
