//! A session as the books keep it and as others are told of it.

use dwell_core::session::Session;
use dwell_core::timeline::Stated;
use serde::{Deserialize, Serialize};

/// A closed session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its name, written as a UUID is.
    pub session_id: String,
    /// The user's nth session, counted from 1.
    pub ordinal: u32,
    /// The first activity: microseconds since 1970 in UTC.
    pub started_at: i64,
    /// When the user was last seen, likewise.
    pub ended_at: i64,
    /// Why it ended.
    pub end_reason: String,
    /// How many activities it holds.
    pub activities: u64,
    /// Microseconds in the foreground.
    pub foreground_time: i64,
    /// Microseconds with something playing.
    pub playing_time: i64,
    /// Microseconds of neither.
    pub idle_time: i64,
    /// The timeout it lived under, in seconds.
    pub timeout: u32,
    /// Whose timeout that was.
    pub timeout_source: String,
    /// How often it had been said otherwise before.
    pub amended: u32,
    /// The platforms that its activities came from.
    pub platforms: Vec<String>,
    /// The devices likewise.
    pub devices: Vec<String>,
}

/// What is known of a session that may still grow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenSession {
    /// The user's nth session, counted from 1.
    pub ordinal: u32,
    /// The first activity: microseconds since 1970 in UTC.
    pub started_at: i64,
    /// The last activity so far, likewise.
    pub last_seen_at: i64,
    /// When it ends unless something happens, likewise.
    pub deadline: i64,
    /// How many activities it holds.
    pub activities: u64,
    /// Microseconds in the foreground.
    pub foreground_time: i64,
    /// Microseconds with something playing.
    pub playing_time: i64,
    /// Microseconds of neither.
    pub idle_time: i64,
}

impl SessionRow {
    /// Makes a row; `text_of` gives the text behind a key.
    pub(crate) fn of(stated: &Stated, text_of: impl Fn(u32) -> String) -> Self {
        let Session { ordinal, started_at, ended_at, activities, parts, decided, platforms, devices, .. } =
            &stated.closed.session;
        let texts = |keys: &[u32]| keys.iter().map(|key| text_of(*key)).collect();
        SessionRow {
            session_id: stated.id.to_string(),
            ordinal: *ordinal,
            started_at: started_at.as_micros(),
            ended_at: ended_at.as_micros(),
            end_reason: stated.closed.reason.word().to_owned(),
            activities: *activities,
            foreground_time: parts.foreground.as_micros(),
            playing_time: parts.playing.as_micros(),
            idle_time: parts.idle.as_micros(),
            timeout: decided.timeout.as_secs(),
            timeout_source: decided.source.word().to_owned(),
            amended: stated.amended,
            platforms: texts(platforms),
            devices: texts(devices),
        }
    }
}
