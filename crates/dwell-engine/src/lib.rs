//! The desk of the house: events in the log become sessions in the books.
//!
//! [`Worker::turn`] reads a batch of the log in order, loads the books of the users in it, steps them, and writes books,
//! statements, counts and the new offset in one commit: load, step, store. It rings the bell for
//! those whose deadline has passed by then. [`Desk`] answers questions from the same books.
//!
//! What this crate never does: ask for the time (it is told), know HTTP or SQL, or hold a rule of sessions (those are
//! core's).
//!
//! Where to start: [`Worker::turn`], then `turn.rs`, then `book.rs`.

#![forbid(unsafe_code)]

mod ask;
mod book;
mod cache;
mod device;
mod erased;
mod erasure;
mod error;
mod facet;
mod gaps;
mod keys;
mod laws;
mod link;
mod numbers;
mod past;
mod quarter;
mod record;
mod restate;
mod row;
mod rules;
mod sheet;
mod shelf;
mod statement;
mod sweep;
mod trailing;
mod turn;
mod worker;

pub use ask::{Desk, Page, Phases, UserView};
pub use book::Fill;
pub use erased::Erased;
pub use erasure::Erasing;
pub use error::EngineError;
pub use facet::{DaySum, DayValues, Facet};
pub use laws::{Breach, Breaches};
pub use numbers::{Numbers, Series};
pub use past::{Kept, Past};
pub use quarter::{LengthCounts, Quarter};
pub use record::Record;
pub use restate::Restatement;
pub use row::{OpenSession, SessionRow};
pub use rules::{AppRules, RulesOf};
pub use statement::{News, Statement};
pub use sweep::{Sweep, Swept};
pub use worker::{FeedErasure, Turned, Worker, WorkerOptions};

/// What spans are marked with that make traces: whoever listens for anything else does not hear of them.
pub const TRACES: &str = "dwell::traces";
