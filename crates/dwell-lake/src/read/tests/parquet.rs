//! Parquet.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use expect_test::expect;

use super::super::{ColumnFlags, EventColumn, FileFormat, Options, ParquetFile, ReadError, Source, expand, open};
use super::{Told, check, events, names, options, story, told, told_to_the_end};
use crate::batch::Users;

const AT: i64 = 1_704_448_800_000_000;

fn properties() -> ::parquet::file::properties::WriterPropertiesBuilder {
    WriterProperties::builder()
}

fn written(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    written(columns, properties().build())
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

fn micros(times: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(times.to_vec()))
}

/// A file on the disk for as long as its directory lives.
fn on_disk(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.parquet");
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

#[test]
fn users_and_timestamps_are_enough() {
    let bytes = file(vec![("user_id", texts(&["ada", "bob", "ada"])), ("ts", micros(&[AT, AT + 1, AT + 2]))]);
    check(
        bytes.clone(),
        &options(),
        &expect![[r#"
        parquet
        user: user_id (by name)
        time: ts (by name, timestamps)
        ada 2024-01-05T10:00:00Z
        bob 2024-01-05T10:00:00.000001Z
        ada 2024-01-05T10:00:00.000002Z
    "#]],
    );
    let told = told(bytes, &options());
    assert_eq!(told.without_details, 1);
}

#[test]
fn users_that_are_keys_stay_keys_and_share_one_list() {
    let users: Vec<String> = (0..5000).map(|row| format!("user{}", row % 7)).collect();
    let times: Vec<i64> = (0..5000).map(|row| AT + row).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let (_directory, path) = on_disk(&file(vec![("user", texts(&users)), ("ts", micros(&times))]));
    let parquet = ParquetFile::open(&path, &Options { batch_rows: 1000, ..options() }, names()).unwrap();
    let mut lists = Vec::new();
    parquet
        .read_row_group(0, &mut Vec::new(), |batch| {
            match batch.users {
                Users::Dictionary { values, .. } => lists.push(values),
                Users::Plain(_) => panic!("keys were lost"),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(lists.len(), 5);
    assert!(lists.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
}

#[test]
fn keys_that_spill_into_texts_are_read_all_the_same() {
    let users: Vec<String> = (0..20_000).map(|row| format!("user{row}")).collect();
    let times: Vec<i64> = (0..20_000).map(|row| AT + row).collect();
    let refs: Vec<&str> = users.iter().map(String::as_str).collect();
    for limit in [1, 10_000, 100_000, 10_000_000] {
        for statistics in [EnabledStatistics::None, EnabledStatistics::Page] {
            let properties = properties()
                .set_dictionary_page_size_limit(limit)
                .set_data_page_row_count_limit(500)
                .set_write_batch_size(100)
                .set_statistics_enabled(statistics)
                .build();
            let bytes = written(vec![("user", texts(&refs)), ("ts", micros(&times))], properties);
            let told = told(bytes, &Options { batch_rows: 333, ..options() });
            assert_eq!(told.events.len(), 20_000);
            for (row, event) in told.events.iter().enumerate() {
                assert_eq!((event.user.as_str(), event.at), (refs[row], times[row]));
            }
        }
    }
}

#[test]
fn every_type_of_time_is_understood() {
    let second = AT / 1_000_000;
    let columns: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(TimestampSecondArray::from(vec![second])), "2024-01-05T10:00:00Z"),
        (Arc::new(TimestampMillisecondArray::from(vec![second * 1000 + 5])), "2024-01-05T10:00:00.005Z"),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![AT + 5]).with_timezone("Europe/Berlin")),
            "2024-01-05T10:00:00.000005Z",
        ),
        (Arc::new(TimestampNanosecondArray::from(vec![AT * 1000 + 5999])), "2024-01-05T10:00:00.000005Z"),
        (Arc::new(Date32Array::from(vec![19_727])), "2024-01-05T00:00:00Z"),
        (Arc::new(Date64Array::from(vec![19_727 * 86_400_000])), "2024-01-05T00:00:00Z"),
        (Arc::new(Int32Array::from(vec![second as i32])), "2024-01-05T10:00:00Z"),
        (Arc::new(Int64Array::from(vec![second * 1000])), "2024-01-05T10:00:00Z"),
        (Arc::new(Int64Array::from(vec![AT * 1000 + 1])), "2024-01-05T10:00:00Z"),
        (Arc::new(UInt64Array::from(vec![AT as u64])), "2024-01-05T10:00:00Z"),
        (Arc::new(Float64Array::from(vec![second as f64 + 0.195])), "2024-01-05T10:00:00.195Z"),
        (texts(&["2024-01-05T10:00:00.195Z"]), "2024-01-05T10:00:00.195Z"),
        (texts(&["1704448800.195"]), "2024-01-05T10:00:00.195Z"),
        (Arc::new(StringViewArray::from(vec!["2024-01-05 10:00:00"])), "2024-01-05T10:00:00Z"),
    ];
    for (times, expected) in columns {
        let what = times.data_type().clone();
        let told = told(file(vec![("user", texts(&["ada"])), ("ts", times)]), &options());
        assert!(told.error.is_none(), "{what}: {:?}", told.error);
        assert_eq!(told.rejections, [], "{what}");
        assert_eq!(jiff::Timestamp::from_microsecond(told.events[0].at).unwrap().to_string(), expected, "{what}");
    }
}

#[test]
fn every_type_of_user_becomes_its_text() {
    let keys: DictionaryArray<Int32Type> = vec!["ada"].into_iter().collect();
    let columns: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(StringViewArray::from(vec!["ada"])), "ada"),
        (Arc::new(LargeStringArray::from(vec!["ada"])), "ada"),
        (Arc::new(BinaryArray::from(vec![b"ada".as_slice()])), "ada"),
        (Arc::new(keys), "ada"),
        (Arc::new(Int32Array::from(vec![-7])), "-7"),
        (Arc::new(Int64Array::from(vec![i64::MAX])), "9223372036854775807"),
        (Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615"),
        (Arc::new(Float64Array::from(vec![1.0])), "1"),
        (Arc::new(Float64Array::from(vec![1e15])), "1000000000000000"),
        (Arc::new(Float64Array::from(vec![1.5])), "1.5"),
        (Arc::new(BooleanArray::from(vec![true])), "true"),
    ];
    for (users, expected) in columns {
        let what = users.data_type().clone();
        let told = told(file(vec![("user", users), ("ts", micros(&[AT]))]), &options());
        assert!(told.error.is_none(), "{what}: {:?}", told.error);
        assert_eq!(told.events[0].user, expected, "{what}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_row_by_row() {
    let users: ArrayRef = Arc::new(BinaryArray::from(vec![b"ada".as_slice(), b"a\xffda", b"bob"]));
    check(
        file(vec![("user", users), ("ts", micros(&[AT; 3]))]),
        &options(),
        &expect![[r#"
        parquet
        user: user (by name)
        time: ts (by name, timestamps)
        ada 2024-01-05T10:00:00Z
        bob 2024-01-05T10:00:00Z
        refused log:2: column user: the value is not UTF-8; convert the file, as with iconv -t utf-8 (here: `a�da`) [not_utf8]
    "#]],
    );
}

#[test]
fn bad_rows_are_told_with_their_number() {
    let users: ArrayRef =
        Arc::new(StringArray::from(vec![Some("ada"), None, Some(""), Some("bob"), Some("  "), Some("cyd")]));
    let times: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![Some(AT), Some(AT), None, None, Some(AT), Some(-1)]));
    check(
        file(vec![("user", users.clone()), ("ts", times.clone())]),
        &options(),
        &expect![[r#"
        parquet
        user: user (by name)
        time: ts (by name, timestamps)
        ada 2024-01-05T10:00:00Z
        refused log:2: column user: there is no user; name another column with --user if this is not the one (here: ``) [missing_user]
        refused log:3: column user: there is no user; name another column with --user if this is not the one (here: ``) [missing_user]
        refused log:4: column ts: there is no time; name another column with --time if this is not the one (here: ``) [missing_time]
        refused log:5: column user: there is no user; name another column with --user if this is not the one (here: `  `) [missing_user]
        refused log:6: column ts: the time is outside the years 1970 to 2200 (here: `-1`) [time_out_of_range]
    "#]],
    );
    // The same file without keys, and row by row, says the same.
    let plain = written(
        vec![("user", users.clone()), ("ts", times.clone())],
        properties().set_dictionary_enabled(false).build(),
    );
    assert_eq!(story(plain, &options()), story(file(vec![("user", users.clone()), ("ts", times.clone())]), &options()));
    let slow =
        file(vec![("user", users), ("ts", times), ("anonymousId", Arc::new(StringArray::from(vec![None::<&str>; 6])))]);
    let slow = told(slow, &options());
    assert_eq!((slow.events.len(), slow.rejections.len()), (1, 5));
}

#[test]
fn rows_are_numbered_through_batches_and_row_groups() {
    let users: Vec<String> = (1..=20).map(|row| if row % 3 == 0 { String::new() } else { format!("u{row}") }).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let properties = properties().set_max_row_group_row_count(Some(7)).build();
    let bytes = written(vec![("user", texts(&users)), ("ts", micros(&[AT; 20]))], properties);
    for batch_rows in [1, 2, 3, 100] {
        let told = told(bytes.clone(), &Options { batch_rows, ..options() });
        let lines: Vec<u64> = told.rejections.iter().map(|rejection| rejection.line).collect();
        assert_eq!(lines, [3, 6, 9, 12, 15, 18]);
    }
}

#[test]
fn a_missing_time_among_sound_ones_is_refused() {
    let times: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(vec![Some(AT), None, Some(AT)])),
        Arc::new(Int64Array::from(vec![Some(AT), None, Some(AT)])),
        Arc::new(Float64Array::from(vec![Some(1.7e9), Some(f64::NAN), Some(1.7e9)])),
    ];
    for times in times {
        let told = told(file(vec![("user", texts(&["ada"; 3])), ("ts", times)]), &options());
        assert_eq!((told.events.len(), told.rejections.len()), (2, 1));
        assert_eq!((told.rejections[0].line, told.rejections[0].reason.word()), (2, "missing_time"));
    }
}

#[test]
fn details_are_read_column_by_column() {
    let bytes = file(vec![
        ("user", texts(&["ada", "bob", "ada"])),
        ("ts", micros(&[AT, AT + 1, AT + 600_000_000])),
        ("event", Arc::new(StringArray::from(vec![Some("opened"), None, Some("click")]))),
        ("platform", Arc::new(StringArray::from(vec![Some("ios"), None, Some("web")]))),
        ("message_id", texts(&["m1", "", "m3"])),
        ("received_at", Arc::new(TimestampMillisecondArray::from(vec![Some(AT / 1000), None, Some(AT / 1000)]))),
        ("plan", Arc::new(Int64Array::from(vec![Some(1), Some(2), None]))),
        ("sess", Arc::new(Int64Array::from(vec![7, 7, 8]))),
    ]);
    let options = Options { by: Some("plan".into()), truth: Some("sess".into()), ..options() };
    check(
        bytes,
        &options,
        &expect![[r#"
        parquet
        user: user (by name)
        time: ts (by name, timestamps)
        event: event (by name)
        message id: message_id (by name)
        received at: received_at (by name, timestamps)
        platform: platform (by name)
        by: plan (by flag)
        truth: sess (by flag)
        ada 2024-01-05T10:00:00Z opened name=opened platform=ios by=1 truth received=2024-01-05T10:00:00Z id=m1
        bob 2024-01-05T10:00:00.000001Z action by=2 truth
        ada 2024-01-05T10:00:00Z action name=click platform=web truth received=2024-01-05T10:00:00Z id=m3
        from the future: 1
    "#]],
    );
}

#[test]
fn columns_and_rows_tell_the_same_story() {
    // `active` is read by no column, but makes every batch go row by row.
    let columns = |extra: bool| {
        let mut columns = vec![
            ("user", texts(&["ada", "bob", "ada", ""])),
            ("ts", Arc::new(Int64Array::from(vec![AT, AT + 1, AT + 600_000_000, AT])) as ArrayRef),
            ("event", texts(&["opened", "", "click", "x"])),
            ("platform", texts(&["ios", "", "web", "web"])),
            ("message_id", texts(&["m1", "", "m3", "m4"])),
            ("received_at", Arc::new(Int64Array::from(vec![Some(AT), None, Some(AT), None])) as ArrayRef),
        ];
        if extra {
            columns.push(("context_active", Arc::new(BooleanArray::from(vec![true; 4]))));
        }
        file(columns)
    };
    let (swift, slow) = (told(columns(false), &options()), told(columns(true), &options()));
    assert_eq!(swift.tally, slow.tally);
    assert_eq!(swift.rejections, slow.rejections);
    let texts = |told: &Told| -> Vec<_> {
        told.events
            .iter()
            .map(|event| {
                (
                    event.user.clone(),
                    event.at,
                    event.message_id.clone(),
                    event.detail.map(|detail| (detail.kind, detail.received_at)),
                )
            })
            .collect()
    };
    assert_eq!(texts(&swift), texts(&slow));
}

#[test]
fn events_whose_names_mean_nothing_are_not_even_read() {
    let rows = 10_000;
    let users: Vec<String> = (0..rows).map(|row| format!("u{}", row % 10)).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let times: Vec<i64> = (0..rows).map(|row| AT + row).collect();
    let log = |names: [&str; 2]| {
        let names: Vec<&str> = (0..rows as usize).map(|row| names[row * 7919 % 2]).collect();
        file(vec![("user", texts(&users)), ("ts", micros(&times)), ("event", texts(&names))])
    };
    let bytes_read = |bytes: &[u8], options: &Options| {
        let (_directory, path) = on_disk(bytes);
        let file = open(&Source::File(path), options, names()).unwrap();
        let count = file.bytes_read();
        let told = told_to_the_end(file);
        assert_eq!(told.events.len(), rows as usize);
        (count.load(std::sync::atomic::Ordering::Relaxed), told)
    };
    let careless = Options { names_wanted: false, ..options() };
    let nothing =
        Options { columns: ColumnFlags { event: Some(EventColumn::Nothing), ..ColumnFlags::default() }, ..options() };
    let (_, peeked) = bytes_read(&log(["click", "view"]), &careless);
    assert_eq!(peeked.without_details, 1);
    let (_, without) = bytes_read(&log(["click", "view"]), &nothing);
    assert_eq!(peeked.events, without.events);
    let (_, with_names) = bytes_read(&log(["click", "view"]), &options());
    assert_eq!(with_names.without_details, 0);
    let (_, closing) = bytes_read(&log(["click", "closed"]), &careless);
    assert_eq!(closing.without_details, 0, "a name that means something is read");
    let mut given = careless.clone();
    given.words.add("click", "silent").unwrap();
    let (_, given) = bytes_read(&log(["click", "view"]), &given);
    assert_eq!(given.without_details, 0, "the caller's words count too");
}

#[test]
fn row_groups_are_read_from_many_threads() {
    let rows = 10_000_i64;
    let users: Vec<String> = (0..rows).map(|row| format!("user{}", row % 100)).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let times: Vec<i64> = (0..rows).map(|row| AT + row).collect();
    let properties = properties().set_max_row_group_row_count(Some(1000)).build();
    let (_directory, path) = on_disk(&written(vec![("user", texts(&users)), ("ts", micros(&times))], properties));
    let parquet = ParquetFile::open(&path, &options(), names()).unwrap();
    assert_eq!(parquet.row_groups(), 10);
    assert_eq!((parquet.row_group_rows(9), parquet.row_group_rows(10)), (1000, 0));
    let (first, last) = parquet.time_range().unwrap();
    assert_eq!((first.as_micros(), last.as_micros()), (AT, AT + rows - 1));
    let read = |group: usize| {
        let mut all = Vec::new();
        let tally = parquet
            .read_row_group(group, &mut Vec::new(), |batch| {
                all.extend(events(&batch));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(tally.events, all.len() as u64);
        all
    };
    let parallel: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..10).map(|group| scope.spawn(move || read(group))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let in_order = told_to_the_end(open(&Source::File(path.clone()), &options(), names()).unwrap());
    assert_eq!(parallel, in_order.events);
    assert!(parquet.read_row_group(10, &mut Vec::new(), |_| ControlFlow::Continue(())).is_err());
}

#[test]
fn a_range_is_known_only_if_every_group_says_so() {
    let log = |statistics| {
        let properties = properties().set_statistics_enabled(statistics).build();
        on_disk(&written(vec![("user", texts(&["ada"])), ("ts", micros(&[AT]))], properties))
    };
    let range = |path: &PathBuf| ParquetFile::open(path, &options(), names()).unwrap().time_range();
    let (_directory, path) = log(EnabledStatistics::Chunk);
    assert!(range(&path).is_some());
    let (_directory, path) = log(EnabledStatistics::None);
    assert!(range(&path).is_none());
}

#[test]
fn a_cut_or_changed_file_is_told_and_nothing_panics() {
    let users: Vec<String> = (0..2000).map(|row| format!("user{}", row % 50)).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let times: Vec<i64> = (0..2000).map(|row| AT + row).collect();
    let whole = file(vec![("user", texts(&users)), ("ts", micros(&times)), ("event", texts(&users))]);
    for cut in (0..whole.len()).step_by(97).chain([whole.len() - 1, 5, 8, 12]) {
        let told = told(&whole[..cut], &Options { format: Some(FileFormat::Parquet), ..options() });
        assert!(told.error.is_some(), "{cut} of {} bytes", whole.len());
    }
    for place in (0..whole.len()).step_by(5) {
        for bit in [0x01, 0x80] {
            let mut changed = whole.clone();
            changed[place] ^= bit;
            told(changed, &Options { names_wanted: place % 2 == 0, ..options() });
        }
    }
}

#[test]
fn parquet_in_gzip_and_through_a_pipe_is_read() {
    let bytes = file(vec![("user", texts(&["ada"])), ("ts", micros(&[AT]))]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &bytes).unwrap();
    let (_directory, path) = on_disk(&encoder.finish().unwrap());
    for format in [None, Some(FileFormat::Parquet)] {
        let sources = expand(&[path.to_string_lossy().into_owned()]).unwrap();
        let file = open(&sources[0], &Options { format, ..options() }, names()).unwrap();
        assert_eq!(told_to_the_end(file).events.len(), 1);
    }
    assert_eq!(told(bytes, &options()).events.len(), 1);
}

#[test]
fn columns_of_the_wrong_type_are_told() {
    let bytes = file(vec![("user", texts(&["ada"])), ("ts", Arc::new(BooleanArray::from(vec![true])))]);
    check(
        bytes,
        &options(),
        &expect![[r#"
        error: log: column ts is Boolean, which cannot be the time; name another with --time
    "#]],
    );
    let bytes = file(vec![("user", micros(&[AT])), ("ts", micros(&[AT]))]);
    check(
        bytes,
        &options(),
        &expect![[r#"
        error: log: column user is Timestamp(µs), which cannot be the user; name another with --user
    "#]],
    );
    let bytes = file(vec![("user", texts(&["ada"])), ("ts", micros(&[AT])), ("platform", micros(&[AT]))]);
    check(
        bytes,
        &options(),
        &expect![[r#"
        parquet
        user: user (by name)
        time: ts (by name, timestamps)
        note: platform: not read, for it is Timestamp(µs)
        ada 2024-01-05T10:00:00Z
    "#]],
    );
    let error = told(file(vec![("a", texts(&["ada"]))]), &options()).error;
    assert!(matches!(error, Some(ReadError::MissingColumn { .. })), "{error:?}");
}

#[test]
fn a_file_without_rows_has_no_events() {
    let told = told(file(vec![("user", texts(&[])), ("ts", micros(&[]))]), &options());
    assert!(told.error.is_none(), "{:?}", told.error);
    assert_eq!(told.tally.rows, 0);
}
