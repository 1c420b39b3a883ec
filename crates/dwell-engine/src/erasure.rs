//! What the books remember of an erasure: that it was done, and what of the feed is left to be done.

use serde::{Deserialize, Serialize};

/// Lies in the books from the commit that erased a person until nothing of them is left anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The number of the first statement that told of it: what was said of the person before lies before that.
    pub first: u64,
    /// How many statements told of it, one for each id.
    pub told: u64,
    /// Whether nothing is left in the feed of what was said of the person before.
    pub is_swept: bool,
}

/// How far an erasure has come in the books.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Erasing {
    /// Nothing was done.
    Asked,
    /// The person is gone; what was said of them stands in the feed still.
    Books,
    /// That is gone, too.
    Feed,
}
