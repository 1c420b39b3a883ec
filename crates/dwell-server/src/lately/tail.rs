//! After a start: the latest events of the log are remembered, so that who sends again through a restart is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dwell_core::event::is_late;
use dwell_core::time::{Span, Timestamp};
use dwell_engine::Record;
use dwell_store::{Offset, StoreError};

use super::{Lately, locked};
use crate::House;

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 4 << 20;

impl House {
    /// Remembers what lies in the log, from its end back no more than is remembered at least. Returns how much was read.
    ///
    /// Meant for a thread of its own: until it is done, events come in, and repetitions of what is not read yet are accepted.
    pub fn remember_log(&self, stop: &AtomicBool) -> Result<u64, StoreError> {
        // Of whom is to be erased but has no offset yet, all that there is lies before it.
        let Some(spared_from) = self.erasures.spared_from() else { return Ok(0) };
        self.lately.begin_at(spared_from);
        let end = self.log.next();
        let latest = Offset::new(end.number().saturating_sub(self.lately.least() as u64));
        let mut at = latest.max(self.log.first()).max(spared_from);
        let mut count = 0;
        let mut lateness: Option<(Arc<str>, Option<Span>)> = None;
        let mut bytes = Vec::new();
        while at < end && !stop.load(Ordering::Relaxed) {
            let records = match self.log.read(at, READ_BYTES) {
                Ok(records) if records.is_empty() => break,
                Ok(records) => records,
                Err(StoreError::Dropped { first, .. }) => {
                    at = first;
                    continue;
                }
                Err(StoreError::Quarantined { offsets }) => {
                    at = offsets.end;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (offset, record) in records.iter().take_while(|(offset, _)| *offset < end) {
                count += 1;
                let Some(record) = Record::read(record) else { continue };
                if lateness.as_ref().is_none_or(|(app, _)| **app != *record.app) {
                    lateness = Some((record.app.into(), self.least_lateness(record.app).ok()));
                }
                // Where nobody knows the rules, nobody knows what is late.
                let Some((_, Some(lateness))) = lateness else { continue };
                self.lately.remember_old(&record, lateness, offset, &mut bytes);
            }
            at = records.next();
        }
        Ok(count)
    }
}

impl Lately {
    /// Returns how many events are remembered at least.
    fn least(&self) -> usize {
        self.parts.iter().map(|part| locked(part).most()).sum()
    }

    fn remember_old(&self, record: &Record<'_>, lateness: Span, offset: Offset, bytes: &mut Vec<u8>) {
        let happened_at = Timestamp::from_micros(record.happened_at);
        if is_late(happened_at, Timestamp::from_micros(record.received_at), lateness) {
            return;
        }
        let fingerprint = self.fingerprint(record, bytes);
        if let Some(part) = self.parts.get(self.part_of(fingerprint)) {
            locked(part).remember_old(fingerprint, happened_at, offset);
        }
    }
}
