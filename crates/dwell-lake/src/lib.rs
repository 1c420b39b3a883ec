//! History and files: events in from CSV, TSV, NDJSON and Parquet; sessions and the lab out.
//!
//! The lake knows files, never rules: whether a silence ends a session is asked of `dwell-core`. Start at
//! [`batch::EventBatch`], what every reader hands on.

pub mod batch;
pub mod compare;
pub mod handover;
pub mod imprint;
pub mod in_order;
pub mod lab;
pub mod load;
pub mod log;
pub mod names;
pub mod question;
pub mod read;
pub mod retell;
pub mod sessionize;
pub mod shuffle;
mod split;
pub mod sweep;
pub mod write;
