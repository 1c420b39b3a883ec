//! Policies as people write them, and the versions that an app has had of them.
//!
//! [`text`] reads TOML, or the same shape in JSON, into the rules of core; [`policies::Policies`] keeps an app's versions as
//! files that are never changed, and says which one holds when;
//! [`restating`] keeps that a history is to be counted anew. No HTTP, no clock: a put is told what time it is.
//!
//! What this crate never does: judge a session, or know whose key it is that puts. Start at [`policies::Policies`].

#![forbid(unsafe_code)]

pub mod calendar;
pub mod error;
mod files;
pub mod history;
pub mod nearest;
pub mod policies;
pub mod restating;
pub mod span;
pub mod text;
