//! What a crash leaves at the end of the last segment is cut, silently; what had been durable never is.

use std::path::PathBuf;
use std::sync::Arc;

use dwell_store::{Check, Crash, DiskLog, Log, Offset, OnDamage, StoreError};

use crate::folder::{FOLDER, Folder, append, expected, options, read_all, texts};

fn last(folder: &Folder) -> PathBuf {
    folder.segments().pop().unwrap()
}

/// Opens it, reads everything, appends, and reads again.
fn goes_on(folder: &Folder, appends: u64) {
    let log = folder.open().unwrap();
    assert_eq!(read_all(&log).unwrap(), expected(appends));
    assert_eq!(append(&log, &texts(appends)), Offset::new(2 * appends));
    drop(log);
    let log = folder.open_as(Check::All, OnDamage::Refuse).unwrap();
    assert_eq!(read_all(&log).unwrap(), expected(appends + 1));
}

#[test]
fn a_tail_of_zeros_is_cut() {
    for zeros in [1, 31, 32, 33, 5_000] {
        let folder = Folder::with(5);
        folder.disk.damage(&last(&folder), |bytes| bytes.resize(bytes.len() + zeros, 0));
        goes_on(&folder, 5);
    }
}

#[test]
fn a_tail_of_garbage_is_cut() {
    for garbage in [1, 31, 32, 33, 500] {
        let folder = Folder::with(5);
        folder.disk.damage(&last(&folder), |bytes| bytes.extend((0..garbage).map(|at| at as u8 ^ 0xa5)));
        goes_on(&folder, 5);
    }
}

#[test]
fn a_frame_that_comes_again_is_cut() {
    let folder = Folder::with(2);
    // The first append, sound in every checksum, as a block of the disk that was used before may hold it.
    folder.disk.damage(&last(&folder), |bytes| bytes.extend_from_within(32..98));
    goes_on(&folder, 2);
}

#[test]
fn a_frame_that_is_not_whole_is_cut() {
    let folder = Folder::with(5);
    let path = last(&folder);
    let before = folder.bytes(&path).len();
    append(&folder.open().unwrap(), &texts(5));
    let whole = folder.bytes(&path);
    // Without its seal, which is 32 bytes, the append is the last thing. All of it is there, or nothing.
    let end = whole.len() - 32;
    for length in before..end {
        let folder = Folder::with(5);
        folder.disk.damage(&path, |bytes| *bytes = whole[..length].to_vec());
        goes_on(&folder, 5);
    }
    folder.disk.damage(&path, |bytes| bytes.truncate(end));
    goes_on(&folder, 6);
}

#[test]
fn frames_of_an_unsynced_group_may_arrive_in_any_order() {
    let folder = Folder::with(0);
    let path = last(&folder);
    let before = folder.bytes(&path).len();
    let log = folder.open().unwrap();
    let together = [texts(0), texts(1), texts(2)].map(|records| log.append(records.iter().collect()));
    log.step();
    for append in together {
        append.wait().unwrap();
    }
    drop(log);
    // The first of three is torn, the others are whole, and the seal that would prove them durable is not there.
    folder.disk.damage(&path, |bytes| {
        bytes[before + 40] ^= 1;
        bytes.truncate(bytes.len() - 32);
    });
    goes_on(&folder, 0);
}

#[test]
fn what_a_seal_proves_durable_is_never_cut() {
    let folder = Folder::with(3);
    let path = last(&folder);
    let whole = folder.bytes(&path);
    // The last 32 bytes are the seal itself: without it nothing is proved, and nothing is lost.
    for at in 32..whole.len() - 32 {
        for bit in 0..8 {
            folder.disk.damage(&path, |bytes| {
                bytes.clone_from(&whole);
                bytes[at] ^= 1 << bit;
            });
            let opened = folder.open();
            let refused = matches!(opened, Err(StoreError::Damaged(_)));
            if cfg!(feature = "bad-cut-middle") {
                assert!(!refused, "this build is wrong on purpose, and should have cut at byte {at}");
                println!("caught: a flip at byte {at} was cut, and acknowledged records with it");
                return;
            }
            assert!(refused, "byte {at} bit {bit} was not noticed");
            drop(opened);
        }
    }
}

#[test]
fn a_segment_that_was_never_announced_is_removed() {
    let folder = Folder::with(3);
    let stray = PathBuf::from(FOLDER).join(format!("{:020}.segment", 6));
    for content in [vec![], vec![0; 32], vec![7; 100]] {
        let disk = folder.disk.clone();
        drop(dwell_store::Disk::create(&disk, &stray));
        disk.damage(&stray, |bytes| *bytes = content);
        let log = folder.open().unwrap();
        assert_eq!(read_all(&log).unwrap(), expected(3));
        drop(log);
    }
}

#[test]
fn a_crash_while_a_log_is_made_is_no_damage() {
    for calls in 1..40 {
        let folder = Folder { disk: dwell_store::SimulatedDisk::new(calls) };
        folder.disk.crash_after(calls);
        let made = DiskLog::open_stepped(
            Arc::new(folder.disk.clone()),
            FOLDER.as_ref(),
            options(Check::Ends, OnDamage::Refuse),
        );
        drop(made);
        folder.disk.reboot(Crash::Power);
        goes_on(&folder, 0);
    }
}
