//! What is known of a device: who was seen on it, as far as that can still change anything.

use dwell_core::handover::MOST_PEOPLE;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::turn::read;

const VERSION: u8 = 1;

/// What lies in the books under a device's id.
#[derive(Serialize, Deserialize)]
pub(crate) struct Device {
    version: u8,
    /// Too many people were seen on it.
    pub is_crowded: bool,
    pub seen: Vec<Seen>,
}

/// Somebody who was seen on a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub user: String,
    /// When they last took it, microseconds since 1970 in UTC; not known of somebody who is alone there.
    pub last: Option<i64>,
}

impl Device {
    /// Begins with one on which nobody was seen.
    pub fn new() -> Self {
        Device { version: VERSION, is_crowded: false, seen: Vec::new() }
    }

    /// Reads what is known of a device.
    pub fn read(app: &str, device: &str, bytes: &[u8]) -> Result<Self, EngineError> {
        let what = format!("device {device}");
        let known: Device = read(app, &what, bytes)?;
        if known.version != VERSION {
            let cause = format!("it has version {}, and this program knows {VERSION}", known.version);
            return Err(EngineError::BadBook { app: app.to_owned(), what, cause });
        }
        Ok(known)
    }

    /// Notes that somebody goes on with the device, from `first` to `last`, if that changes nothing for anybody: nobody else
    /// had it since they last did. Returns whether this was so.
    pub fn goes_on(&mut self, user: &str, first: i64, last: i64) -> bool {
        let Some(mine) = self.seen.iter().position(|seen| seen.user == user) else { return false };
        let Some(before) = self.seen[mine].last.filter(|before| *before < first) else { return false };
        let is_earlier = |seen: &Seen| seen.user == user || seen.last.is_some_and(|other| other < before);
        let goes_on = self.seen.iter().all(is_earlier);
        if goes_on {
            self.seen[mine].last = Some(last);
        }
        goes_on
    }

    /// Returns those who must be asked when something has changed from a moment on: who took the device since, and who
    /// had it then.
    pub fn concerned(&self, from: i64) -> impl Iterator<Item = &Seen> {
        let had_it = self.seen.iter().filter_map(|seen| seen.last).filter(|last| *last < from).max();
        self.seen.iter().filter(move |seen| seen.last.is_none_or(|last| from <= last) || seen.last == had_it)
    }

    /// Lets go of those who took the device before a moment, but for the last of them, who may have had it then.
    pub fn let_go(&mut self, before: i64) {
        let had_it = self.seen.iter().filter_map(|seen| seen.last).filter(|last| *last < before).max();
        self.seen.retain(|seen| seen.last.is_none_or(|last| before <= last) || seen.last == had_it);
        self.is_crowded = MOST_PEOPLE < self.seen.len();
    }
}
