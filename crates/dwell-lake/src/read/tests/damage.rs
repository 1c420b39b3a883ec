//! Files that are cut, damaged, or something else than they seem.

use std::io::{Cursor, Read, Write};

use expect_test::expect;

use super::super::{FileFormat, Options, ReadError};
use super::{check, names, options, told, told_of};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn log(rows: usize) -> String {
    // Numbers that do not compress to nothing, so that a cut falls among the rows.
    let row = |row: usize| format!("user{},{}\n", row.wrapping_mul(2_654_435_761) % 100_003, 1_704_448_800 + row);
    "user,ts\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

#[test]
fn compression_is_seen_whatever_the_name() {
    let plain = log(1000);
    for bytes in [plain.clone().into_bytes(), gzip(plain.as_bytes()), zstd(plain.as_bytes())] {
        let told = told(bytes, &options());
        assert_eq!((told.events.len(), told.rejections.len()), (1000, 0));
        assert!(told.error.is_none());
    }
}

#[test]
fn members_and_frames_follow_one_another() {
    let plain = log(1000);
    let (head, tail) = plain.as_bytes().split_at(777);
    for bytes in [[gzip(head), gzip(b""), gzip(tail)].concat(), [zstd(head), zstd(b""), zstd(tail)].concat()] {
        let told = told(bytes, &options());
        assert_eq!(told.events.len(), 1000);
        assert!(told.error.is_none());
    }
}

#[test]
fn rows_before_a_cut_are_handed_on_and_then_the_cut_is_told() {
    for rows in [2000, 300_000] {
        let plain = log(rows);
        for whole in [gzip(plain.as_bytes()), zstd(plain.as_bytes())] {
            for cut in [whole.len() - 1, whole.len() / 2] {
                let told = told(&whole[..cut], &options());
                let Some(ReadError::Damaged { rows: told_rows, bytes, .. }) = &told.error else {
                    panic!("{:?}", told.error);
                };
                assert_eq!(*told_rows, told.events.len() as u64);
                assert!(*bytes <= plain.len() as u64);
                if rows == 300_000 {
                    assert!(!told.events.is_empty(), "what came before the cut is not lost");
                }
                // Each row is whole: a cut row is none.
                let expected: Vec<_> = plain.lines().skip(1).take(told.events.len()).collect();
                for (event, row) in told.events.iter().zip(expected) {
                    assert_eq!(format!("{},{}", event.user, event.at / 1_000_000), row);
                }
                assert!(told.rejections.is_empty());
            }
        }
    }
}

#[test]
fn a_stream_cut_before_its_first_row_is_told_as_cut() {
    for cut in [10, 11, 15] {
        let told = told(&gzip(log(10).as_bytes())[..cut], &options());
        assert!(matches!(told.error, Some(ReadError::Damaged { .. })), "{:?}", told.error);
    }
    for cut in [5, 8, 12] {
        let told = told(&zstd(log(10).as_bytes())[..cut], &options());
        assert!(matches!(told.error, Some(ReadError::Damaged { .. })), "{:?}", told.error);
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let mut bytes = gzip(log(100).as_bytes());
    let end = bytes.len();
    bytes[end - 6] ^= 1;
    let told = told(bytes, &options());
    assert!(matches!(told.error, Some(ReadError::Damaged { .. })), "{:?}", told.error);
}

#[test]
fn what_stands_behind_the_last_member_is_told() {
    let told = told([gzip(log(100).as_bytes()), b"garbage".to_vec()].concat(), &options());
    assert_eq!(told.events.len(), 100);
    assert!(matches!(told.error, Some(ReadError::Damaged { .. })), "{:?}", told.error);
}

#[test]
fn nothing_inside_is_nothing() {
    for bytes in [gzip(b""), zstd(b"")] {
        assert!(matches!(told(bytes, &options()).error, Some(ReadError::Empty { .. })));
    }
}

#[test]
fn other_things_are_told_apart() {
    check(
        b"\xff\xfeu\0s\0e\0r\0".to_vec(),
        &options(),
        &expect![[r#"
        error: log: the text is UTF-16; convert it, as with iconv -f utf-16 -t utf-8
    "#]],
    );
    check(
        b"\x7fELF\0\0\0\0".to_vec(),
        &options(),
        &expect![[r#"
        error: log: holds zero bytes and is no text; wanted are CSV, TSV, NDJSON or Parquet, plain, gzip or zstd
    "#]],
    );
    check(
        b"PAR1".to_vec(),
        &options(),
        &expect![[r#"
        error: log: the Parquet file is cut or damaged: EOF: Parquet file too small. Size is 4 but need 8; write or copy it again
    "#]],
    );
    check(
        b"PAR1 and so on PAR1".to_vec(),
        &options(),
        &expect![[r#"
        error: log: the Parquet file is cut or damaged: EOF: Parquet file too small. Size is 19 but need 544108328; write or copy it again
    "#]],
    );
    let json = Options { format: Some(FileFormat::Ndjson), ..options() };
    check(
        "user,ts\nada,1704448800\n",
        &json,
        &expect![[r#"
        error: log: none of the first 2 lines is a JSON object; say --format if the file is something else
    "#]],
    );
    let long = format!("{{\"user_id\":\"{}\"}}\n", "x".repeat(2 << 20));
    check(
        long,
        &json,
        &expect![[r#"
        error: log: the first line is longer than 1048576 bytes; take it out, or say --format if the file is something else
    "#]],
    );
}

/// A stream that fails after some bytes.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(std::io::Error::other("the disk is gone")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_failing_disk_is_told_after_the_rows_before_it() {
    let bytes = "user,ts\nada,1704448800\nbob,170444".to_owned().into_bytes();
    let told = told_of("log", Box::new(Failing(Cursor::new(bytes))), &options(), names());
    assert_eq!(told.events.len(), 1);
    assert_eq!(told.error.unwrap().to_string(), "log: cannot be read: the disk is gone");
    let bytes = "{\"user\":\"ada\",\"ts\":1704448800}\n{\"user\":".to_owned().into_bytes();
    let told = told_of("log", Box::new(Failing(Cursor::new(bytes))), &options(), names());
    assert_eq!(told.events.len(), 1);
    assert!(told.error.is_some());
}
