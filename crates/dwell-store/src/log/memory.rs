//! The log without a disk, for tests: the same promises but the one that matters.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::PER_RECORD;
use super::tail::{Past, Tail};
use super::{Append, Batch, Log, Offset, Records};
use crate::error::StoreError;

/// A [`Log`] in memory. It is gone when it is dropped.
pub struct MemoryLog {
    kept: Mutex<Kept>,
    tail: Arc<Tail>,
}

#[derive(Default)]
struct Kept {
    first: Offset,
    records: VecDeque<Vec<u8>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        MemoryLog::new()
    }
}

impl MemoryLog {
    /// Starts an empty log.
    pub fn new() -> MemoryLog {
        MemoryLog { kept: Mutex::default(), tail: Tail::at(Offset::ZERO) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn next(&self) -> Offset {
        self.first.plus(self.records.len() as u64)
    }
}

impl Log for MemoryLog {
    fn append(&self, batch: Batch) -> Append {
        let mut kept = self.kept();
        let first = kept.next();
        kept.records.extend(batch.iter().map(<[u8]>::to_vec));
        let next = kept.next();
        self.tail.move_to(next);
        drop(kept);
        Append::ready(Ok(first))
    }

    fn read(&self, from: Offset, most: usize) -> Result<Records, StoreError> {
        let kept = self.kept();
        if from < kept.first {
            return Err(StoreError::Dropped { asked: from, first: kept.first });
        }
        if kept.next() < from {
            return Err(StoreError::Beyond { asked: from, next: kept.next() });
        }
        let mut records = Records::starting_at(from);
        for record in kept.records.iter().skip(from.since(kept.first) as usize) {
            if !records.is_empty() && most < records.size() + PER_RECORD + record.len() {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }

    fn first(&self) -> Offset {
        self.kept().first
    }

    fn next(&self) -> Offset {
        self.tail.next()
    }

    fn wait_past(&self, offset: Offset, longest: Duration) -> Offset {
        self.tail.wait_past(offset, longest)
    }

    fn past(&self, offset: Offset) -> Past {
        Past { tail: Arc::clone(&self.tail), offset }
    }

    fn drop_before(&self, offset: Offset) -> Result<Offset, StoreError> {
        let mut kept = self.kept();
        let until = offset.min(kept.next());
        while kept.first < until {
            kept.records.pop_front();
            kept.first = kept.first.plus(1);
        }
        Ok(kept.first)
    }
}
