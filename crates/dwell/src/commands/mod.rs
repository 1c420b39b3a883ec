//! One file for each command.

pub mod accounts;
pub mod apps;
pub mod backup;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod keys;
pub mod lab;
pub mod policy;
pub mod serve;
pub mod sessions;
pub mod simulate;
pub mod try_it;
pub mod users;
pub mod webhooks;
