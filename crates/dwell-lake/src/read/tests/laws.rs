//! Laws of reading: whatever the bytes, nothing panics and every row is accounted for.

use proptest::prelude::*;

use super::super::records::{Next, Records};
use super::super::{FileFormat, Options};
use super::{options, told};

fn format() -> impl Strategy<Value = Option<FileFormat>> {
    prop_oneof![
        Just(None),
        Just(Some(FileFormat::Csv)),
        Just(Some(FileFormat::Tsv)),
        Just(Some(FileFormat::Ndjson)),
        Just(Some(FileFormat::Parquet)),
    ]
}

/// Pieces that logs are made of, and some that they are not.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"ada",
        b"bob",
        b"1704448800",
        b"1704448800123",
        b"2024-01-05T10:00:00Z",
        b",",
        b",",
        b"\n",
        b"\n",
        b"\r\n",
        b"\"",
        b"\"\"",
        b"\t",
        b"{",
        b"}",
        b"{\"user\":\"ada\",\"ts\":1704448800}",
        b"\"user\":",
        b"\"ts\":",
        b"null",
        b"[",
        b"]",
        b"\xff",
        b"\0",
        b"\xef\xbb\xbf",
        b" ",
        b"-",
        b"1e9",
        b"\\",
        b"\\u0041",
        b"opened",
    ];
    prop_oneof![
        8 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_a_reader_stumble(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), format in format(),
    ) {
        told(bytes, &Options { format, ..options() });
    }

    #[test]
    fn every_row_of_a_wild_csv_is_accounted_for(
        pieces in proptest::collection::vec(piece(), 0..60), limit in 1..60_usize, batch_rows in 1..5_usize,
    ) {
        let bytes = [b"user,ts,event\nada,1704448800,x\n".to_vec(), pieces.concat()].concat();
        told(bytes, &Options { format: Some(FileFormat::Csv), line_limit: limit.max(30), batch_rows, ..options() });
    }

    #[test]
    fn every_line_of_a_wild_ndjson_is_accounted_for(
        pieces in proptest::collection::vec(piece(), 0..60), limit in 40..90_usize,
    ) {
        let bytes = [b"{\"user\":\"ada\",\"ts\":1704448800}\n".to_vec(), pieces.concat()].concat();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let told = told(bytes, &Options { format: Some(FileFormat::Ndjson), line_limit: limit, ..options() });
        if told.error.is_none() {
            prop_assert_eq!(told.tally.rows, lines as u64);
        }
    }

    #[test]
    fn well_formed_csv_is_read_as_the_csv_crate_reads_it(
        rows in proptest::collection::vec(proptest::collection::vec("[a-z\",\n\r é]{0,6}", 3), 0..20),
    ) {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let mut records = Records::new(bytes.as_slice(), b',', 1 << 20);
        let mut read: Vec<Vec<String>> = Vec::new();
        loop {
            match records.next().unwrap() {
                Next::End => break,
                Next::Refused(line, refusal) => panic!("{line} {refusal:?}"),
                Next::Record(_) => read.push(
                    (0..records.count()).map(|field| String::from_utf8(records.field(field).to_vec()).unwrap()).collect(),
                ),
            }
        }
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn small_batches_and_large_ones_hold_the_same(
        users in proptest::collection::vec("[a-c]{0,2}", 0..50), batch_rows in 1..7_usize,
    ) {
        let log = "user,ts\n".to_owned()
            + &users.iter().enumerate().map(|(row, user)| format!("{user},{}\n", 1_704_448_800 + row)).collect::<String>();
        let large = told(log.clone(), &options());
        let small = told(log, &Options { batch_rows, ..options() });
        prop_assert_eq!(large.events, small.events);
        prop_assert_eq!(large.rejections, small.rejections);
    }
}
