//! From the names of events to their kinds.

use std::collections::BTreeMap;

use dwell_core::event::EventKind;

/// What each name of an event means: the caller's own words first, then ours, then Segment's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventWords {
    given: BTreeMap<String, EventKind>,
}

/// A list of words that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WordsError {
    /// No `=`.
    #[error("{pair:?} is no pair; wanted is name=kind, as in 1=opened,0=closed")]
    NoPair {
        /// What stood there.
        pair: String,
    },
    /// Not one of our words.
    #[error("{kind:?} (of {name:?}) is no kind of event; the kinds are {}", kinds())]
    NoKind {
        /// The caller's name for it.
        name: String,
        /// What it should be.
        kind: String,
    },
    /// One name, two meanings.
    #[error("{name:?} is given two kinds")]
    Twice {
        /// The caller's name for it.
        name: String,
    },
}

fn kinds() -> String {
    EventKind::ALL.map(EventKind::word).join(", ")
}

impl EventWords {
    /// Takes `1=opened,0=closed`. The kind stands behind the last `=` of each pair.
    pub fn parse(list: &str) -> Result<Self, WordsError> {
        let mut words = EventWords::default();
        for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, kind)) = pair.rsplit_once('=') else {
                return Err(WordsError::NoPair { pair: pair.into() });
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
    pub(super) fn meaning(&self, name: &str) -> Meaning {
        if let Some(kind) = self.given.get(name) {
            return Meaning { kind: *kind, given: true };
        }
        let kind = EventKind::from_word(name).or_else(|| segment_name(&super::columns::plainly(name)));
        Meaning { kind: kind.unwrap_or(EventKind::Action), given: false }
    }

    /// Returns the kind of an event, from its name, Segment's message type, and whether the user was active.
    #[must_use]
    pub fn kind_of(&self, name: &str, message_type: &str, active: bool) -> EventKind {
        let kind_of_message = self.meaning_of_message(message_type);
        settle(self.meaning(name), kind_of_message, active)
    }

    /// Returns what Segment's message type means; `None` for `track` and what nobody knows.
    pub(super) fn meaning_of_message(&self, message_type: &str) -> Option<Meaning> {
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
}

/// What one name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Meaning {
    pub kind: EventKind,
    /// The caller said so, and nothing that we know weighs more.
    pub given: bool,
}

/// Decides between what an event is called, what sort of message it is and whether the user was active.
pub(super) fn settle(name: Meaning, message: Option<Meaning>, active: bool) -> EventKind {
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

/// Knows the names that Segment's SDKs send by themselves (spec: mobile lifecycle, video), written plainly.
fn segment_name(plain: &str) -> Option<EventKind> {
    let kind = match plain {
        "applicationopened" => EventKind::Opened,
        "applicationforegrounded" | "applicationbecameactive" => EventKind::Foregrounded,
        "applicationbackgrounded" => EventKind::Backgrounded,
        "applicationinstalled" | "applicationupdated" | "applicationcrashed" => EventKind::Action,
        "pushnotificationreceived" => EventKind::Silent,
        _ => return player_name(plain.strip_prefix("video").or_else(|| plain.strip_prefix("audio"))?),
    };
    Some(kind)
}

fn player_name(plain: &str) -> Option<EventKind> {
    let kind = match plain {
        "playbackstarted" | "playbackresumed" | "contentstarted" => EventKind::PlayingStarted,
        "contentplaying" => EventKind::PlayingProgress,
        "playbackpaused" | "playbackinterrupted" | "playbackcompleted" | "playbackexited" | "contentcompleted" => {
            EventKind::PlayingStopped
        }
        _ => return None,
    };
    Some(kind)
}
