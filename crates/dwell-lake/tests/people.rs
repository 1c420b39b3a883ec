//! Events of a server told once more: out of the archive as they went in, and counted by who did them.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use arrow_array::RecordBatch;
use dwell_core::event::EventKind;
use dwell_core::lab::Lab;
use dwell_core::policy::Policy;
use dwell_core::time::{Timeout, Timestamp};
use dwell_lake::lab::people::{Facet, OTHERS, PeopleSweep};
use dwell_lake::question::{LateEvents, Question};
use dwell_lake::read::archive::read;
use dwell_lake::retell::{Retelling, grouped};
use dwell_lake::shuffle::Shuffle;
use dwell_lake::write::archive::{ArchiveColumns, ArchivedRow};
use dwell_lake::write::events::{ParquetRows, RowWriter};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const MINUTE: i64 = 60_000_000;

fn row(user_id: &str, at: i64, offset: u64) -> ArchivedRow<'_> {
    ArchivedRow {
        user_id,
        happened_at: at,
        kind: EventKind::Action,
        name: None,
        message_id: None,
        derived_message_id: None,
        received_at: at,
        remaining: None,
        player: None,
        device: None,
        platform: None,
        campaign: None,
        country: None,
        app_version: None,
        linked_id: None,
        offset,
    }
}

fn write(path: &Path, rows: &[ArchivedRow<'_>]) {
    let out = Box::new(File::create(path).unwrap());
    let mut writer: Box<dyn for<'a> RowWriter<ArchivedRow<'a>>> =
        Box::new(ParquetRows::new(path.to_owned(), out, ArchiveColumns::default()).unwrap());
    for row in rows {
        writer.take(row).unwrap();
    }
    writer.finish().unwrap();
}

/// What is read of these offsets, as text.
fn told(folder: &Path, from: u64, to: u64) -> Vec<String> {
    let mut told = Vec::new();
    let end = read(folder, from..to, |rows| {
        told.extend(rows.iter().map(|row| format!("{row:?}")));
        ControlFlow::<()>::Continue(())
    });
    assert!(end.unwrap().is_continue());
    told
}

#[test]
fn what_went_into_the_archive_comes_out_by_its_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<ArchivedRow<'_>> = (0..30)
        .map(|offset| {
            let whole = ArchivedRow {
                kind: EventKind::PlayingProgress,
                name: Some("song"),
                message_id: Some("m"),
                remaining: Some(1_234_567_891),
                player: Some("p"),
                device: Some("d"),
                platform: Some("ios"),
                campaign: Some("c"),
                country: Some("KR"),
                app_version: Some("2.1"),
                linked_id: Some("a"),
                ..row("ada", -5, offset)
            };
            let bare = ArchivedRow { derived_message_id: Some("x"), ..row("bo", MINUTE, offset) };
            if offset % 2 == 0 { whole } else { bare }
        })
        .collect();
    for from in [0_usize, 10, 20] {
        let name = format!("20260101T000000Z-{from:020}.parquet");
        write(&folder.path().join(name), &rows[from..from + 10]);
    }
    // What is being made is none of it yet.
    File::create(folder.path().join("20260101T000000Z-00000000000000000030.making")).unwrap();
    let expected = |from: usize, to: usize| rows[from..to].iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
    assert_eq!(told(folder.path(), 0, 30), expected(0, 30));
    assert_eq!(told(folder.path(), 7, 21), expected(7, 21));
    assert_eq!(told(folder.path(), 10, 20), expected(10, 20));
    assert_eq!(told(&folder.path().join("nobody"), 0, 30), Vec::<String>::new());
}

#[test]
fn a_file_of_the_time_before_countries_is_read_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("20260101T000000Z-00000000000000000000.parquet");
    write(&path, &[ArchivedRow { country: Some("KR"), app_version: Some("2.1"), ..row("ada", MINUTE, 0) }]);
    let batches: Vec<RecordBatch> = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap())
        .unwrap()
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let schema = batches[0].schema();
    let kept: Vec<usize> = (0..schema.fields().len())
        .filter(|at| !["country", "app_version"].contains(&schema.field(*at).name().as_str()))
        .collect();
    let older = batches[0].project(&kept).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), older.schema(), None).unwrap();
    writer.write(&older).unwrap();
    writer.close().unwrap();
    assert_eq!(told(folder.path(), 0, 1), [format!("{:?}", row("ada", MINUTE, 0))]);
}

/// By facet and value, `None` for all others: users, and their sessions under the usual timeout.
type Groups = BTreeMap<(Facet, Option<String>), (u64, u64)>;

/// Counts what 2,000 people from twelve countries did, with so much memory for events.
fn counted(memory: u64) -> (Vec<u64>, Groups, u64) {
    let shuffle = Shuffle::new(100_000, memory);
    let mut telling = Retelling::new(&shuffle);
    for user in 0..2_000_u64 {
        // Of each further country there are fewer people, and two have as many.
        let country = format!("c{:02}", [0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11][(user % 16) as usize]);
        for visit in 0..20 {
            let id = format!("user{user}");
            let at = i64::try_from(visit * 40 + (user % 7) * visit).unwrap() * MINUTE;
            let event = ArchivedRow { country: Some(&country), ..row(&id, at, 0) };
            telling.take(&event, &id).unwrap();
        }
    }
    let (names, origins) = telling.end().unwrap();
    let spilled = shuffle.spilled();
    let log = grouped(shuffle);
    let as_of = Timestamp::from_micros(log.told_until().unwrap());
    let question = Question::new("app", &Policy::default(), &BTreeMap::new(), &names, as_of, LateEvents::LeftOut);
    let mut swept = PeopleSweep::over(&log, (&question, &origins), &[2], 1).unwrap();
    let sessions = |lab: &Lab| lab.ledger().curve()[Timeout::DEFAULT.as_secs() as usize - 1].sessions;
    let texts = names.texts();
    let groups = swept.groups.iter().map(|((facet, key), lab)| {
        let word = if *facet == Facet::Country {
            texts.get(*key as usize).map_or_else(String::new, ToString::to_string)
        } else {
            key.to_string()
        };
        let value = (*key != OTHERS).then_some(word);
        ((*facet, value), (lab.users(), sessions(lab)))
    });
    let groups = groups.collect();
    let (lab, _, _) = swept.take_all();
    (lab.grid().unwrap().iter().map(|point| point.sessions).collect(), groups, spilled)
}

#[test]
fn the_eight_values_with_the_most_events_stand_alone_and_all_others_together() {
    let (grid, groups, spilled) = counted(u64::MAX);
    assert_eq!(spilled, 0);
    let countries: Vec<(Option<&str>, u64)> = groups
        .iter()
        .filter(|((facet, _), _)| *facet == Facet::Country)
        .map(|((_, value), (users, _))| (value.as_deref(), *users))
        .collect();
    let alone = ["c00", "c01", "c02", "c03", "c04", "c05", "c06", "c07"];
    let names: Vec<Option<&str>> = std::iter::once(None).chain(alone.map(Some)).collect();
    assert_eq!(countries.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    assert_eq!((countries[0].1, countries[1].1), (4 * 125, 4 * 125));
    assert_eq!(countries.iter().map(|(_, users)| users).sum::<u64>(), 2_000);
    let at_default = grid[dwell_core::lab::lengths::Grid::standard()
        .timeouts()
        .iter()
        .position(|one| *one == Timeout::DEFAULT)
        .unwrap()];
    for facet in Facet::ALL {
        let all: u64 = groups.iter().filter(|((one, _), _)| *one == facet).map(|(_, (_, sessions))| sessions).sum();
        assert_eq!(all, at_default, "{facet:?}");
    }
}

#[test]
fn what_lies_in_a_temporary_file_is_counted_as_what_lies_in_memory() {
    let (grid, groups, _) = counted(u64::MAX);
    let (grid_of_disk, groups_of_disk, spilled) = counted(0);
    assert!(0 < spilled);
    assert_eq!((grid_of_disk, groups_of_disk), (grid, groups));
}
