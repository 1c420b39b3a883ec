//! Apps: their id, their name, their time zone, and what their own events mean.

use std::collections::BTreeMap;
use std::fmt;

use dwell_core::event::EventKind;
use dwell_core::time::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::key::{draw, is_drawn};
use crate::moment;

/// The longest name of an app, in characters.
pub const LONGEST_NAME: usize = 64;

/// The most names of events that an app may explain.
pub const MOST_WORDS: usize = 1_000;

const ID_PREFIX: &str = "app_";
const ID_DRAWN: usize = 12;

/// One product, whose users are counted by themselves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawApp", into = "RawApp")]
pub struct App {
    /// Stays when the name changes.
    pub id: AppId,
    /// What people call it. No two apps have names that differ in capitals only.
    pub name: AppName,
    /// Where its days begin.
    pub zone: AppZone,
    /// When it was added.
    pub created_at: Timestamp,
    /// What names mean that its developers gave to events.
    pub names: BTreeMap<String, EventKind>,
}

/// The name of an app that stays: `app_` and twelve letters or digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppId(String);

impl AppId {
    /// Draws a new one.
    pub(crate) fn draw() -> Result<Self, getrandom::Error> {
        Ok(AppId(format!("{ID_PREFIX}{}", draw::<ID_DRAWN>()?)))
    }

    /// Returns it as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AppId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix(ID_PREFIX) {
            Some(drawn) if drawn.len() == ID_DRAWN && is_drawn(drawn) => Ok(AppId(text)),
            Some(_) | None => Err(format!("{text:?} is no id of an app, which is app_ and 12 letters or digits")),
        }
    }
}

impl From<AppId> for String {
    fn from(id: AppId) -> String {
        id.0
    }
}

/// What people call an app.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

impl AppName {
    /// Takes a name of 1 to 64 characters that can be told from an id, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if !(1..=LONGEST_NAME).contains(&length) {
            return Err(format!("the name of an app has 1 to {LONGEST_NAME} characters, not {length}"));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(format!("{text:?} begins or ends with a space, or holds a control character"));
        }
        if text.starts_with(ID_PREFIX) {
            return Err(format!("{text:?} begins with {ID_PREFIX}, as ids of apps do: choose another name"));
        }
        Ok(AppName(text.to_owned()))
    }

    /// Returns it as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether people would take both for one name: capitals do not tell names apart.
    #[must_use]
    pub fn is_like(&self, other: &str) -> bool {
        self.0.to_lowercase() == other.to_lowercase()
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AppName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        AppName::parse(&text)
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> String {
        name.0
    }
}

/// Where the days of an app begin: `Asia/Seoul`, `UTC`, or an offset like `+09:00`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppZone {
    text: String,
    zone: TimeZone,
}

impl AppZone {
    /// Takes a name of the IANA database or an offset, or says what one looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = if text.starts_with(['+', '-']) {
            jiff::fmt::temporal::DateTimeParser::new().parse_time_zone(text)
        } else {
            TimeZone::get(text)
        };
        match found {
            Ok(zone) if !zone.is_unknown() => {
                let text = zone.iana_name().unwrap_or(text).to_owned();
                Ok(AppZone { text, zone })
            }
            Ok(_) | Err(_) => Err(format!("{text:?} is no time zone like Asia/Seoul, UTC or +09:00")),
        }
    }

    /// Returns it as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns it as the calendar knows it.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl TryFrom<String> for AppZone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        AppZone::parse(&text)
    }
}

impl From<AppZone> for String {
    fn from(zone: AppZone) -> String {
        zone.text
    }
}

/// An app as the file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApp {
    id: AppId,
    name: AppName,
    zone: AppZone,
    created_at: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    names: BTreeMap<String, String>,
}

impl TryFrom<RawApp> for App {
    type Error = String;

    fn try_from(raw: RawApp) -> Result<Self, String> {
        if MOST_WORDS < raw.names.len() {
            return Err(format!("an app may explain {MOST_WORDS} names of events, not {}", raw.names.len()));
        }
        let kind = |(name, word): (String, String)| match EventKind::from_word(&word) {
            Some(kind) => Ok((name, kind)),
            None => Err(format!("the event {name:?} cannot mean {word:?}, which is no kind of event")),
        };
        Ok(App {
            id: raw.id,
            name: raw.name,
            zone: raw.zone,
            created_at: moment::read(&raw.created_at)?,
            names: raw.names.into_iter().map(kind).collect::<Result<_, String>>()?,
        })
    }
}

impl From<App> for RawApp {
    fn from(app: App) -> RawApp {
        RawApp {
            id: app.id,
            name: app.name,
            zone: app.zone,
            created_at: moment::write(app.created_at),
            names: app.names.into_iter().map(|(name, kind)| (name, kind.word().to_owned())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_visible_and_no_ids() {
        for name in ["R", "Radio", "Hörbuch 2", &"x".repeat(64), "日本"] {
            assert_eq!(AppName::parse(name).map(String::from), Ok(name.to_owned()));
        }
        for name in ["", " Radio", "Radio ", "Ra\ndio", "app_123", &"x".repeat(65)] {
            assert!(AppName::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn zones_are_names_or_offsets() {
        for (written, kept) in [("asia/seoul", "Asia/Seoul"), ("UTC", "UTC"), ("+09:00", "+09:00"), ("-0330", "-0330")]
        {
            assert_eq!(AppZone::parse(written).map(String::from), Ok(kept.to_owned()));
        }
        for zone in ["", "Mars/Olympus", "+99:00", "+", "EST5EDT,M3.2.0,M11.1.0", "Etc/Unknown", "../../etc/passwd"] {
            assert!(AppZone::parse(zone).is_err(), "{zone:?}");
        }
    }
}
