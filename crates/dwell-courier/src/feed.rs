//! Where deliveries come from.

use bytes::Bytes;

/// One line of an app's feed, ready to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its number in the feed of its app. Numbers have no gaps, but the oldest are dropped some day.
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

/// The feeds of all apps. They are kept for a while, so that numbers can be read again, and dropped from their beginning.
pub trait Feed: Send + Sync {
    /// Returns the number with which an app's feed begins by now.
    fn first(&self, app: &str) -> Result<u64, FeedError>;

    /// Returns the number that the next line of an app's feed will have.
    fn next(&self, app: &str) -> Result<u64, FeedError>;

    /// Returns at most so many lines from a number on, in order, or from the first that is kept where that one was dropped; none
    /// when there are no more yet.
    fn read(&self, app: &str, from: u64, most: usize) -> Result<Vec<Delivery>, FeedError>;
}
