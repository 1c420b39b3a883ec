//! The disk refuses: no room, a failed sync, too much at once, two at a time.

use std::sync::Arc;

use dwell_store::{Batch, Check, DiskLog, Faults, Log, LogOptions, Offset, OnDamage, StoreError};

use crate::folder::{FOLDER, Folder, append, expected, options, read_all, texts, try_append};

#[test]
fn no_room_is_said_and_passes() {
    for spare in 0..200 {
        let folder = Folder::with(2);
        let log = folder.open().unwrap();
        folder.disk.set_faults(Faults { room: Some(folder.disk.used() + spare), ..Faults::default() });
        let mut kept = 2;
        let refused = loop {
            match try_append(&log, &texts(kept)) {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert!(refused.passes_by_itself() && log.failure().is_none());
        assert_eq!(read_all(&log).unwrap(), expected(kept));
        folder.disk.set_faults(Faults::default());
        // Room is back, and nobody had to start anything again.
        assert_eq!(append(&log, &texts(kept)), Offset::new(2 * kept));
        drop(log);
        assert_eq!(read_all(&folder.open().unwrap()).unwrap(), expected(kept + 1));
    }
}

#[test]
fn room_can_be_made_by_dropping_records() {
    let folder = Folder::with(20);
    let log = folder.open().unwrap();
    folder.disk.set_faults(Faults { room: Some(folder.disk.used()), ..Faults::default() });
    while try_append(&log, &texts(20)).is_ok() {}
    assert!(Offset::ZERO < log.drop_before(Offset::new(20)).unwrap());
    append(&log, &texts(20));
}

#[test]
fn a_failed_sync_stops_acknowledging_for_good() {
    let folder = Folder::with(2);
    let log = folder.open().unwrap();
    folder.disk.set_faults(Faults { sync: 10_000, ..Faults::default() });
    let refused = try_append(&log, &texts(2)).unwrap_err();
    assert!(matches!(refused, StoreError::Poisoned { .. }) && !refused.passes_by_itself());
    assert!(refused.to_string().contains(".segment"), "{refused}");
    assert!(log.failure().is_some_and(|why| refused.to_string().contains(&*why)));
    folder.disk.set_faults(Faults::default());
    for _ in 0..3 {
        assert!(matches!(try_append(&log, &texts(2)), Err(StoreError::Poisoned { .. })));
    }
    assert!(matches!(log.drop_before(Offset::ZERO), Err(StoreError::Poisoned { .. })));
    // What was acknowledged before is still read, and nobody waits for more.
    assert_eq!(read_all(&log).unwrap(), expected(2));
    assert_eq!(log.wait_past(Offset::new(4), std::time::Duration::from_secs(600)), Offset::new(4));
    drop(log);
    let log = folder.open().unwrap();
    assert!(2 <= read_all(&log).unwrap().len() / 2);
    append(&log, &texts(9));
}

#[test]
fn short_writes_are_finished() {
    let folder = Folder::with(0);
    folder.disk.set_faults(Faults { short: 9_000, ..Faults::default() });
    let log = folder.open().unwrap();
    for at in 0..30 {
        append(&log, &texts(at));
    }
    assert_eq!(read_all(&log).unwrap(), expected(30));
}

#[test]
fn one_sync_serves_many_callers() {
    let folder = Folder::with(0);
    let big = LogOptions { segment_bytes: 1 << 20, ..options(Check::Ends, OnDamage::Refuse) };
    folder.disk.reboot(dwell_store::Crash::Process);
    let log = DiskLog::open_stepped(Arc::new(folder.disk.clone()), FOLDER.as_ref(), big).unwrap();
    let callers: Vec<_> = (0..100).map(|at| log.append(texts(at).iter().collect())).collect();
    log.step();
    for caller in callers {
        caller.wait().unwrap();
    }
    assert_eq!((log.counts().appends, log.counts().syncs), (100, 1));
}

#[test]
fn a_full_queue_says_so_and_a_closed_log_too() {
    let folder = Folder::with(0);
    let narrow = LogOptions { queue_bytes: 150, ..options(Check::Ends, OnDamage::Refuse) };
    folder.disk.reboot(dwell_store::Crash::Process);
    let log = DiskLog::open_stepped(Arc::new(folder.disk.clone()), FOLDER.as_ref(), narrow).unwrap();
    let first = log.append(texts(0).iter().collect());
    let second = log.append(texts(1).iter().collect());
    let third = log.append(texts(2).iter().collect()).wait();
    assert!(matches!(third, Err(StoreError::Busy { limit: 150, .. })));
    assert_eq!(log.counts().busy, 1);
    log.step();
    first.wait().unwrap();
    second.wait().unwrap();
    let never = log.append(texts(3).iter().collect());
    drop(log);
    assert!(matches!(never.wait(), Err(StoreError::Closed)));
}

#[test]
fn an_append_must_fit_into_a_segment() {
    let folder = Folder::with(0);
    let log = folder.open().unwrap();
    let most = 400 - 3 * 32;
    let fits: Batch = [vec![7; most - 32 - 4]].iter().collect();
    assert_eq!(fits.size(), most);
    let appended = log.append(fits);
    log.step();
    appended.wait().unwrap();
    let too_large: Batch = [vec![7; most - 32 - 3]].iter().collect();
    assert!(matches!(log.append(too_large).wait(), Err(StoreError::TooLarge { .. })));
    let bytes: Vec<u64> = log.segments().iter().map(|segment| segment.bytes).collect();
    assert!(bytes.iter().all(|bytes| *bytes <= 400), "{bytes:?}");
}

#[test]
fn two_cannot_open_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let log = DiskLog::open(folder.path(), LogOptions::default()).unwrap();
    assert!(matches!(DiskLog::open(folder.path(), LogOptions::default()), Err(StoreError::Locked { .. })));
    drop(log);
    drop(DiskLog::open(folder.path(), LogOptions::default()).unwrap());
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [
        LogOptions { segment_bytes: 255, ..LogOptions::default() },
        LogOptions { segment_bytes: (1 << 30) + 1, ..LogOptions::default() },
        LogOptions { queue_bytes: 0, ..LogOptions::default() },
        LogOptions { group_bytes: 0, ..LogOptions::default() },
    ] {
        assert!(matches!(DiskLog::open(folder.path(), wrong), Err(StoreError::Option { .. })));
    }
}

#[test]
fn dropping_a_log_writes_what_was_appended() {
    let folder = tempfile::tempdir().unwrap();
    let log = DiskLog::open(folder.path(), LogOptions::default()).unwrap();
    let appends: Vec<_> = (0..100).map(|at| log.append(texts(at).iter().collect())).collect();
    drop(log);
    for append in appends {
        append.wait().unwrap();
    }
    let log = DiskLog::open(folder.path(), LogOptions::default()).unwrap();
    assert_eq!(read_all(&log).unwrap(), expected(100));
    assert_eq!(log.verify().unwrap().records, 200);
}
