//! Apps and their keys: who is asking, and what they may do.
//!
//! All of it is one file, `apps.json` in the data folder, replaced as a whole: whoever reads it sees the state before a
//! change or after it, never between. A running server reads it again when it has changed.
//!
//! The accounts of people who sign in are another such file, `accounts.json`; what their browsers hold then, [`pass`], is
//! in memory only. [`attempts`] slows down whoever guesses passwords.
//!
//! No HTTP, no clock: what has expired is judged by the moment that the caller names. Of secret keys and
//! passwords only a hash is kept.
//! Start at [`registry::Registry::who`].

#![forbid(unsafe_code)]

pub mod access;
pub mod account;
pub mod accounts;
pub mod app;
pub mod attempts;
pub mod error;
mod file;
pub mod key;
pub mod moment;
pub mod pass;
pub mod password;
pub mod registry;
pub mod whole_file;
