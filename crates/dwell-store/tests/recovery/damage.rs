//! Damage is found wherever it is, is named, and changes nothing; and it can be set aside.

use dwell_store::{Check, Damage, DamageKind, Log, Offset, OnDamage, StoreError};

use crate::folder::{FOLDER, Folder, append, expected, read_all, texts};

const APPENDS: u64 = 20;

fn damage_of(folder: &Folder, check: Check) -> Vec<Damage> {
    match folder.open_as(check, OnDamage::Refuse) {
        Err(StoreError::Damaged(damage)) => damage,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[test]
fn every_flip_in_a_closed_segment_is_found() {
    let folder = Folder::with(APPENDS);
    let path = folder.segments()[1].clone();
    let whole = folder.bytes(&path);
    for at in 0..whole.len() {
        for bit in 0..8 {
            folder.disk.damage(&path, |bytes| {
                bytes.clone_from(&whole);
                bytes[at] ^= 1 << bit;
            });
            let damage = damage_of(&folder, Check::All);
            assert!(!damage.is_empty(), "byte {at} bit {bit} was not noticed");
            assert!(
                damage.iter().any(|one| one.path == path && one.bytes.contains(&(at as u64))),
                "byte {at} is not in {damage:?}"
            );
            // Believing the ends, it is found at opening or when it is read, and nothing wrong is ever read.
            if let Ok(log) = folder.open() {
                // A flip in a seal costs no record.
                match read_all(&log) {
                    Ok(read) => assert_eq!(read, expected(APPENDS), "byte {at} bit {bit} was read"),
                    Err(error) => assert!(matches!(error, StoreError::Damaged(_)), "byte {at} bit {bit}: {error}"),
                }
                assert!(matches!(log.verify(), Err(StoreError::Damaged(_))), "byte {at} bit {bit} was verified");
            }
            // Refusing has changed nothing.
            assert_eq!(folder.bytes(&path).len(), whole.len());
        }
    }
}

#[test]
fn every_flip_in_the_manifest_is_survived_or_refused() {
    let folder = Folder::with(APPENDS);
    let path = std::path::Path::new(FOLDER).join("manifest");
    let whole = folder.bytes(&path);
    for at in (0..48).chain(4096..4096 + 48) {
        folder.disk.damage(&path, |bytes| {
            bytes.clone_from(&whole);
            bytes[at] ^= 1;
        });
        match folder.open() {
            Ok(log) => assert_eq!(read_all(&log).unwrap(), expected(APPENDS)),
            Err(error) => assert!(matches!(error, StoreError::Damaged(_)), "{error}"),
        }
    }
}

#[test]
fn a_segment_cut_short_is_damage() {
    let folder = Folder::with(APPENDS);
    for path in folder.segments().into_iter().rev().skip(1) {
        let whole = folder.bytes(&path);
        for length in 0..whole.len() {
            folder.disk.damage(&path, |bytes| *bytes = whole[..length].to_vec());
            assert!(!damage_of(&folder, Check::Ends).is_empty(), "{length} bytes of {}", path.display());
        }
        folder.disk.damage(&path, |bytes| *bytes = whole);
    }
    drop(folder.open().unwrap());
}

#[test]
fn a_missing_segment_is_missed() {
    let segments = Folder::with(APPENDS).segments();
    for (at, path) in segments.iter().enumerate() {
        let folder = Folder::with(APPENDS);
        dwell_store::Disk::remove(&folder.disk, path).unwrap();
        let damage = damage_of(&folder, Check::Ends);
        assert!(
            damage.iter().any(|one| one.kind == DamageKind::Missing && one.path == *path && !one.offsets.is_empty()),
            "segment {at}: {damage:?}"
        );
    }
}

#[test]
fn a_missing_manifest_is_missed() {
    let folder = Folder::with(APPENDS);
    dwell_store::Disk::remove(&folder.disk, &std::path::Path::new(FOLDER).join("manifest")).unwrap();
    assert_eq!(damage_of(&folder, Check::Ends)[0].kind, DamageKind::Manifest);
    let log = folder.open_as(Check::All, OnDamage::Quarantine).unwrap();
    assert_eq!(read_all(&log).unwrap(), expected(APPENDS));
    append(&log, &texts(APPENDS));
    drop(log);
    assert_eq!(read_all(&folder.open().unwrap()).unwrap(), expected(APPENDS + 1));
}

#[test]
fn damage_names_file_bytes_and_records() {
    let folder = Folder::with(APPENDS);
    let path = folder.segments()[1].clone();
    folder.disk.damage(&path, |bytes| bytes[140] ^= 1);
    let error = folder.open_as(Check::All, OnDamage::Refuse).map(drop).unwrap_err().to_string();
    assert_eq!(
        error,
        "the log is damaged and was left as it is: /log/00000000000000000006.segment: records are damaged (bytes BEGIN to \
         END, records 8 to 10); restore these files from a copy, or open with quarantine to go on without these records"
            .replace("bytes BEGIN to END", &bytes_of(&folder))
    );
}

fn bytes_of(folder: &Folder) -> String {
    let damage = damage_of(folder, Check::All);
    let range = &damage[0].bytes;
    assert!(range.contains(&140));
    format!("bytes {} to {}", range.start, range.end)
}

#[test]
fn quarantined_records_are_refused_and_the_others_are_read() {
    let folder = Folder::with(APPENDS);
    let path = folder.segments()[1].clone();
    folder.disk.damage(&path, |bytes| bytes[140] ^= 1);
    let log = folder.open_as(Check::All, OnDamage::Quarantine).unwrap();
    let lost = log.damage()[0].offsets.clone();
    assert_eq!(lost, Offset::new(8)..Offset::new(10));
    let before = log.read(Offset::ZERO, usize::MAX).unwrap();
    assert_eq!(before.next(), lost.start);
    for at in [8, 9] {
        let refused = log.read(Offset::new(at), 100);
        assert!(matches!(refused, Err(StoreError::Quarantined { offsets }) if offsets == lost));
    }
    let after = log.read(lost.end, usize::MAX).unwrap();
    assert_eq!(after.next(), Offset::new(2 * APPENDS));
    let read: Vec<String> =
        before.iter().chain(after.iter()).map(|(_, one)| String::from_utf8_lossy(one).into()).collect();
    let mut others = expected(APPENDS);
    others.drain(8..10);
    assert_eq!(read, others);
    assert_eq!(append(&log, &texts(APPENDS)), Offset::new(2 * APPENDS));
    drop(log);
    // It is as damaged as before: it must be chosen again.
    assert!(!damage_of(&folder, Check::All).is_empty());
}

#[test]
fn a_missing_segment_can_be_set_aside() {
    for at in 0..Folder::with(APPENDS).segments().len() {
        let folder = Folder::with(APPENDS);
        let path = folder.segments()[at].clone();
        dwell_store::Disk::remove(&folder.disk, &path).unwrap();
        let log = folder.open_as(Check::Ends, OnDamage::Quarantine).unwrap();
        let lost = log.damage()[0].offsets.clone();
        let next = append(&log, &texts(99));
        assert!(lost.end <= next || next < lost.start, "an offset was used twice: {next} in {lost:?}");
        let mut from = log.first();
        let mut read = 0;
        while from < log.next() {
            match log.read(from, usize::MAX) {
                Ok(records) => {
                    read += records.len();
                    from = records.next();
                }
                Err(StoreError::Quarantined { offsets }) => from = offsets.end,
                Err(other) => panic!("{other}"),
            }
        }
        let of_segment = lost.end.number().min(2 * APPENDS) - lost.start.number();
        assert_eq!(read, (2 * APPENDS + 2 - of_segment) as usize, "segment {at}");
    }
}

#[test]
fn a_segment_without_header_or_record_leaves_its_name_alone() {
    let folder = Folder::with(0);
    let path = folder.segments()[0].clone();
    folder.disk.damage(&path, |bytes| bytes[20] ^= 1);
    assert_eq!(damage_of(&folder, Check::Ends)[0].kind, DamageKind::Header);
    let log = folder.open_as(Check::Ends, OnDamage::Quarantine).unwrap();
    let first = append(&log, &texts(0));
    assert!(Offset::ZERO < first);
    assert_eq!(log.read(first, 100).unwrap().len(), 2);
}

#[test]
fn damage_in_the_last_segment_can_be_set_aside() {
    let folder = Folder::with(3);
    let path = folder.segments()[0].clone();
    folder.disk.damage(&path, |bytes| bytes[50] ^= 1);
    let log = folder.open_as(Check::All, OnDamage::Quarantine).unwrap();
    assert_eq!(log.damage()[0].offsets, Offset::ZERO..Offset::new(2));
    assert!(matches!(log.read(Offset::ZERO, 100), Err(StoreError::Quarantined { .. })));
    assert_eq!(append(&log, &texts(3)), Offset::new(6));
    assert_eq!(log.read(Offset::new(2), usize::MAX).unwrap().len(), 6);
    drop(log);
    assert!(!damage_of(&folder, Check::Ends).is_empty());
}

#[test]
fn another_version_is_refused_by_name() {
    let folder = Folder::with(APPENDS);
    let path = folder.segments()[0].clone();
    folder.disk.damage(&path, |bytes| {
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    });
    let refused = folder.open_as(Check::All, OnDamage::Refuse);
    assert!(matches!(refused, Err(StoreError::Version { found: 2, known: 1, .. })));
}
