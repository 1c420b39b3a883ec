//! The rules of sessions: what an event proves, when a session ends, and what every other timeout would have done.
//!
//! Core knows no clock, no disk, no wire and no order of hashing; it cannot fail, since it takes checked types and
//! returns outcomes. Start at [`session::Sessionizer::observe`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
pub mod decimal;
pub mod engagement;
pub mod event;
pub mod excerpt;
pub mod handover;
pub mod id;
pub mod lab;
pub mod law;
pub mod name;
mod names;
pub mod phases;
pub mod policy;
pub mod presence;
pub mod profile;
pub mod session;
pub mod snapshot;
pub mod time;
pub mod timeline;
pub mod totals;
pub mod words;
