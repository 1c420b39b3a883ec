//! A letter: a delivery that is addressed and signed.

use std::pin::Pin;

use bytes::Bytes;
use dwell_core::time::Timestamp;

use crate::answer::Answer;
use crate::endpoint::{Endpoint, Target};
use crate::signature::signatures;

/// What is sent once, and answered or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Where it goes.
    pub url: Target,
    /// `webhook-id`: by it a receiver knows what it has seen before.
    pub id: String,
    /// `webhook-timestamp`: when this attempt was made, in seconds since 1970 in UTC.
    pub seconds: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// JSON.
    pub body: Bytes,
}

impl Letter {
    /// Addresses and signs a body.
    #[must_use]
    pub fn to(endpoint: &Endpoint, id: String, body: Bytes, now: Timestamp) -> Self {
        let seconds = now.as_micros().div_euclid(1_000_000);
        let signature = signatures(endpoint.signers(now), &id, seconds, &body);
        Letter { url: endpoint.url.clone(), id, seconds, signature, body }
    }
}

/// An answer that is to come.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Takes letters where they are to go. Every letter is answered in bounded time, if only by that nobody did.
pub trait Post: Send + Sync {
    /// Sends a letter once.
    fn post(&self, letter: Letter) -> Answering;
}
