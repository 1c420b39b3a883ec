//! The segments there are, shared by the writer and by readers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Offset;
use super::batch::Records;
use super::segment::Segment;
use crate::error::StoreError;

/// Segments in order.
pub(super) struct Shelf {
    segments: Mutex<Vec<Arc<Segment>>>,
}

/// Where an offset is to be looked for.
struct Found {
    segment: Arc<Segment>,
    /// Where the segment after it begins.
    following: Option<Offset>,
}

impl Shelf {
    pub fn of(segments: Vec<Arc<Segment>>) -> Shelf {
        Shelf { segments: Mutex::new(segments) }
    }

    pub fn lock(&self) -> MutexGuard<'_, Vec<Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest offset there is.
    pub fn first(&self) -> Option<Offset> {
        self.lock().first().map(|segment| segment.first)
    }

    /// Reads from an offset, at most so many bytes, but one record if there is one.
    pub fn read(&self, from: Offset, most: usize, next: Offset) -> Result<Records, StoreError> {
        let mut records = Records::starting_at(from);
        if next < from {
            return Err(StoreError::Beyond { asked: from, next });
        }
        while records.next() < next && records.size() < most.max(1) {
            match self.read_on(&mut records, most) {
                Ok(true) => {}
                Ok(false) => break,
                // What was read before it is good. The error comes again when reading goes on there.
                Err(_) if !records.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    fn read_on(&self, records: &mut Records, most: usize) -> Result<bool, StoreError> {
        let from = records.next();
        let found = self.find(from)?;
        if let Some(following) = found.following
            && found.segment.next() <= from
        {
            return Err(StoreError::Quarantined { offsets: from..following });
        }
        found.segment.read_into(records, most).map_err(|error| match self.first() {
            // Retention came in between.
            Some(first) if from < first => StoreError::Dropped { asked: from, first },
            Some(_) | None => error,
        })
    }

    fn find(&self, from: Offset) -> Result<Found, StoreError> {
        let segments = self.lock();
        let after = segments.partition_point(|segment| segment.first <= from);
        let Some(segment) = after.checked_sub(1).and_then(|at| segments.get(at)) else {
            let first = segments.first().map_or(from, |segment| segment.first);
            return Err(StoreError::Dropped { asked: from, first });
        };
        let following = segments.get(after).map(|segment| segment.first);
        Ok(Found { segment: Arc::clone(segment), following })
    }
}
