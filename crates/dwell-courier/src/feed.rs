//! Where deliveries come from.

use bytes::Bytes;

/// One line of an app's feed, ready to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its number in the feed of its app. Numbers have no gaps.
    pub number: u64,
    /// What it is, like `session.ended`.
    pub word: String,
    /// What is sent: JSON, the same bytes whenever it is read.
    pub body: Bytes,
}

/// Why a feed cannot be read now.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("the feed cannot be read: {0}")]
pub struct FeedError(pub String);

/// The feeds of all apps. They are kept, so that any number can be read again.
pub trait Feed: Send + Sync {
    /// Returns the number that the next line of an app's feed will have.
    fn next(&self, app: &str) -> Result<u64, FeedError>;

    /// Returns at most so many lines from a number on, in order; none when there are no more yet.
    fn read(&self, app: &str, from: u64, most: usize) -> Result<Vec<Delivery>, FeedError>;
}
