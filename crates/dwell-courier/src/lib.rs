//! The courier: takes what the session feed says to those who asked for it. There is one channel, webhooks.
//!
//! [`Courier::turn`] looks at the endpoints, starts what is due, and writes down how far each has come; [`Courier::wait`]
//! takes the answers. Deliveries are read from a [`Feed`] when their time comes and never queued, so that an endpoint that
//! does not answer costs no memory and holds up nobody but itself. What one endpoint hears, it hears in order, at least
//! once, and each time with the same `webhook-id`.
//!
//! What this crate never does: serve HTTP, know what a session is, or ask for the time (it is told).
//!
//! Where to start: [`Courier::turn`], then `progress.rs`, then `postman.rs`.

#![forbid(unsafe_code)]

pub mod address;
mod answer;
mod board;
mod courier;
pub mod endpoint;
mod endpoints;
mod error;
mod feed;
mod letter;
mod needed;
mod postman;
mod progress;
mod run;
mod schedule;
mod signature;
mod state;
mod when;

pub use answer::{Answer, Kind, RetryAfter};
pub use board::{Board, Standing};
pub use courier::{Courier, Options};
pub use endpoints::{Endpoints, NewEndpoint};
pub use error::CourierError;
pub use feed::{Delivery, Feed, FeedError};
pub use letter::{Letter, Post};
pub use needed::needed;
pub use postman::{PostOptions, Postman, Resolve};
pub use progress::{Current, DeadLetter, Off, Progress, Trouble};
pub use run::{post_once, run};
pub use signature::Secret;
pub use state::read as read_progress;
