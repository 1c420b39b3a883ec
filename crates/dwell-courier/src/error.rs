//! What can go wrong with endpoints and what is known of them.

use std::path::PathBuf;

use dwell_keys::whole_file::FileError;

use crate::endpoint::EndpointId;
use crate::feed::FeedError;

/// Why endpoints could not be read or changed.
#[derive(thiserror::Error, Debug)]
pub enum CourierError {
    /// A file could not be read or replaced.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not what we write.
    #[error("{}: {problem}; nothing was changed: mend it there, or put back a copy of the file from a backup", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What stands there.
        problem: String,
    },
    /// The file of endpoints was there, and is not any more.
    #[error("{} is gone; put it back: until then the endpoints that were read before hold", path.display())]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// No endpoint has that id.
    #[error("there is no endpoint {id}; `dwell webhooks list` shows all")]
    NoEndpoint {
        /// What was asked for.
        id: EndpointId,
    },
    /// There are as many endpoints as one courier looks after.
    #[error("there are {most} endpoints already, which is the most: remove one with `dwell webhooks remove`")]
    TooManyEndpoints {
        /// How many there may be.
        most: usize,
    },
    /// As many secrets sign as a receiver looks through.
    #[error(
        "{most} secrets of {id} hold already, which is the most: wait until one ends, or end them all with --keep 0s"
    )]
    TooManySecrets {
        /// Whose.
        id: EndpointId,
        /// How many there may be.
        most: usize,
    },
    /// More was asked for than a server that does not run can be told.
    #[error("{most} wishes for {id} wait already, which is the most: start the server, which grants them")]
    TooManyWishes {
        /// For whom.
        id: EndpointId,
        /// How many may wait.
        most: usize,
    },
    /// The feed cannot be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The machine has no randomness.
    #[error("the machine gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// TLS cannot be spoken.
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[from] rustls::Error),
    /// The machine gives no threads.
    #[error("the machine gives the courier no threads: {0}")]
    Threads(#[from] std::io::Error),
}
