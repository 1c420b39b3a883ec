//! How old the log gets. It never drops what the books have not made durable, nor anything that an archive has not got.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::SystemTime;

use dwell_core::time::{Span, Timestamp};
use dwell_store::{DiskLog, Log, Offset};
use tracing::{info, warn};

use crate::clock;

/// What of the log may be dropped, and when.
pub struct Retention {
    /// How long events are kept after their segment was closed. `None` is for ever.
    pub keep: Option<Span>,
    /// Up to where the archive has the log, if there is one.
    pub archived: Option<Arc<AtomicU64>>,
    /// Held by whoever copies the log: nothing is dropped under a copy.
    pub copying: Arc<Mutex<()>>,
}

impl Retention {
    /// Drops segments that lie wholly before `durable` and were closed long enough ago.
    ///
    /// What cannot be dropped now is tried again the next time. A segment that was set aside as damaged is not dropped, nor
    /// is anything after it: somebody may still want to mend it.
    pub fn apply(&self, log: &DiskLog, durable: Offset, now: Timestamp) {
        let Some(keep) = self.keep else { return };
        let archived = self.archived.as_ref().map(|archived| Offset::new(archived.load(Ordering::Acquire)));
        let durable = archived.map_or(durable, |archived| durable.min(archived));
        let _copying = match self.copying.try_lock() {
            Err(TryLockError::WouldBlock) => return,
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
        };
        // Of two clocks that differ, the one that keeps more.
        let horizon = now.min(clock::now()).minus(keep);
        let damaged: Vec<&Path> = log.damage().iter().map(|damage| damage.path.as_path()).collect();
        let mut before = None;
        for segment in log.segments() {
            if !segment.closed || durable < segment.offsets.end || damaged.contains(&segment.path.as_path()) {
                break;
            }
            match closed_at(&segment.path) {
                Ok(at) if at <= horizon => before = Some(segment.offsets.end),
                Ok(_younger) => break,
                Err(error) => {
                    warn!(segment = %segment.path.display(), %error, "how old this is cannot be seen: nothing is dropped");
                    break;
                }
            }
        }
        let Some(before) = before else { return };
        match log.drop_before(before) {
            Ok(first) => info!(log_begins_at = first.number(), "events older than log.retention were dropped"),
            Err(error) => warn!(%error, "old segments of the log stay for now"),
        }
    }
}

/// When the last byte of a segment was written, which closed it. A copy that did not keep times is as young as the copy.
fn closed_at(path: &Path) -> std::io::Result<Timestamp> {
    let since = std::fs::metadata(path)?.modified()?.duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    Ok(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dwell_store::{Batch, LogOptions};

    use super::*;

    /// A log with many closed segments, all of them as old as is said.
    fn log(folder: &Path, age: Duration) -> DiskLog {
        let log = DiskLog::open(folder, LogOptions { segment_bytes: 1_000, ..LogOptions::default() }).unwrap();
        for at in 0..100 {
            log.append([format!("record {at} of some length, so that segments end")].iter().collect::<Batch>())
                .wait()
                .unwrap();
        }
        for segment in log.segments() {
            let file = std::fs::File::options().write(true).open(&segment.path).unwrap();
            file.set_modified(file.metadata().unwrap().modified().unwrap() - age).unwrap();
        }
        log
    }

    fn after_a_day() -> Retention {
        Retention { keep: Some(Span::from_hours(24)), archived: None, copying: Arc::default() }
    }

    #[test]
    fn nothing_is_dropped_that_the_books_have_not_made_durable() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), Duration::from_secs(48 * 3600));
        let retention = after_a_day();
        retention.apply(&log, Offset::ZERO, clock::now());
        assert_eq!(log.first(), Offset::ZERO);
        retention.apply(&log, Offset::new(50), clock::now());
        assert!(Offset::ZERO < log.first() && log.first() <= Offset::new(50), "{}", log.first());
        retention.apply(&log, Offset::new(100), clock::now());
        // The one that still grows stays.
        assert!(Offset::new(80) < log.first() && log.first() < Offset::new(100), "{}", log.first());
        assert_eq!(log.next(), Offset::new(100));
    }

    #[test]
    fn nothing_is_dropped_that_the_archive_has_not_got() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), Duration::from_secs(48 * 3600));
        let archived = Arc::new(AtomicU64::new(0));
        let retention = Retention { archived: Some(archived.clone()), ..after_a_day() };
        retention.apply(&log, Offset::new(100), clock::now());
        assert_eq!(log.first(), Offset::ZERO);
        archived.store(50, Ordering::Release);
        retention.apply(&log, Offset::new(100), clock::now());
        assert!(Offset::ZERO < log.first() && log.first() <= Offset::new(50), "{}", log.first());
    }

    #[test]
    fn nothing_is_dropped_that_is_young_or_that_somebody_copies_or_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), Duration::from_secs(23 * 3600));
        let end = Offset::new(100);
        let retention = after_a_day();
        retention.apply(&log, end, clock::now());
        // A clock that runs ahead of the machine's makes nothing older.
        retention.apply(&log, end, clock::now().plus(Span::from_hours(1_000)));
        Retention { keep: None, ..after_a_day() }.apply(&log, end, clock::now());
        let short = Retention { keep: Some(Span::from_hours(1)), ..after_a_day() };
        let copying = short.copying.lock().unwrap();
        short.apply(&log, end, clock::now());
        assert_eq!(log.first(), Offset::ZERO);
        drop(copying);
        short.apply(&log, end, clock::now());
        assert!(Offset::ZERO < log.first());
    }
}
