//! Read as it lies, a log says what it says when it is put aside by user, or nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray, TimestampMicrosecondArray, types::Int32Type};
use dwell_core::policy::Policy;
use dwell_core::time::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::InOrder;
use crate::load::Inputs;
use crate::log::Log;
use crate::names::Names;
use crate::question::{LateEvents, Question};
use crate::read::{Options, ParquetFile};
use crate::sessionize::{Sessionize, Tally};
use crate::sweep::{Events, SweepError, User, Visitor};
use crate::write::WriteError;
use crate::write::text::{TextFile, TextFormat};

/// A user with the moments of all events.
type Person = (String, Vec<i64>);

/// Writes down whom it sees in which stretch.
#[derive(Default)]
struct Told {
    now: Vec<Person>,
    stretches: Vec<(usize, Vec<Person>)>,
}

impl Visitor for Told {
    type Error = Infallible;

    const IN_ORDER: bool = true;

    fn user(&mut self, user: &User<'_>) {
        let Events::Actions(times) = &user.events else { panic!("more is known than who and when") };
        self.now.push((user.id.to_owned(), times.iter().map(|at| at.as_micros()).collect()));
    }

    fn end_stretch(&mut self, stretch: usize) -> Result<(), Infallible> {
        self.stretches.push((stretch, std::mem::take(&mut self.now)));
        Ok(())
    }
}

fn told(log: &Log<'_>, threads: usize) -> Result<Vec<Person>, SweepError<Infallible>> {
    let visitors = log.sweep((0..threads).map(|_| Told::default()).collect(), &|_| ())?;
    let mut stretches: Vec<_> = visitors.into_iter().flat_map(|told| told.stretches).collect();
    stretches.sort_by_key(|(number, _)| *number);
    assert!(stretches.iter().map(|(number, _)| *number).eq(0..stretches.len()), "every stretch is through once");
    Ok(stretches.into_iter().flat_map(|(_, people)| people).collect())
}

/// Writes rows of who and when, as so many rows a group.
fn write(path: &Path, rows: &[(&str, i64)], group: usize, shape: Shape) {
    let users: ArrayRef = match shape {
        Shape::Words => Arc::new(rows.iter().map(|(user, _)| *user).collect::<DictionaryArray<Int32Type>>()),
        Shape::Texts => Arc::new(StringArray::from_iter_values(rows.iter().map(|(user, _)| *user))),
    };
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, at)| AT + at)).with_timezone("UTC");
    let batch = RecordBatch::try_from_iter([("user_id", users), ("timestamp", Arc::new(times) as ArrayRef)]).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_dictionary_enabled(matches!(shape, Shape::Words))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Words,
    Texts,
}

const AT: i64 = 1_767_600_000_000_000;

#[derive(PartialEq, Eq, Debug)]
enum Outcome {
    /// It is no such log.
    NotTried,
    /// It was noticed on the way.
    Noticed,
    /// It said the same as by user.
    Same,
}

/// Reads files both ways. Whatever the log is, it must never be read wrongly.
fn check(files: &[&[(&str, i64)]], group: usize, shape: Shape, threads: usize) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (number, rows) in files.iter().enumerate() {
        let path = folder.path().join(format!("{number}.parquet"));
        write(&path, rows, group, shape);
        paths.push(path.to_string_lossy().into_owned());
    }
    let options = Options { batch_rows: 4, ..Options::default() };
    let inputs = Inputs::open(&paths, &options).unwrap();
    let Some(as_it_lies) = inputs.as_it_lies() else { return Outcome::NotTried };
    let Ok(found) = told(&as_it_lies.log, threads) else { return Outcome::Noticed };
    let by_user = inputs.load(threads, u64::MAX, &mut Vec::new(), &|_| ()).unwrap();
    let Ok(wanted) = told(&by_user.log, threads) else { panic!("the sweep by user failed") };
    assert_eq!(found, wanted);
    assert_eq!(as_it_lies.log.time_range(), by_user.log.time_range());
    assert_eq!(as_it_lies.log.told_until(), by_user.log.told_until());
    assert_eq!(as_it_lies.tally, by_user.tally);
    Outcome::Same
}

#[test]
fn a_user_of_many_row_groups_is_one() {
    let rows = [("a", 3), ("b", 1), ("b", 9), ("b", 4), ("b", 2), ("b", 8), ("c", 5), ("d", 1)];
    for group in 1..5 {
        for threads in 1..4 {
            assert_eq!(check(&[&rows], group, Shape::Words, threads), Outcome::Same, "{group} {threads}");
        }
    }
    assert_eq!(check(&[&[("b", 3), ("b", 1), ("b", 2)]], 1, Shape::Texts, 2), Outcome::Same, "who is alone, too");
}

/// Returns the sessions as they are written.
fn written(log: &Log<'_>, threads: usize) -> Result<String, SweepError<WriteError>> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let nobody = BTreeMap::new();
    let as_of = Timestamp::from_micros(log.told_until().unwrap());
    let question = Question::new("app", &Policy::default(), &nobody, &Names::default(), as_of, LateEvents::LeftOut);
    let writer = Box::new(out.reopen().unwrap());
    let file = TextFile::new(out.path().to_owned(), writer, TextFormat::Csv, Arc::new(Vec::new())).unwrap();
    let visitors = (0..threads).map(|_| Sessionize::new(&question, Tally::default(), file.sink()));
    let swept = log.sweep(visitors.collect(), &|_| ())?;
    assert!(swept.iter().all(|visitor| visitor.broken.is_none()));
    drop(swept);
    file.finish().unwrap();
    Ok(std::fs::read_to_string(out.path()).unwrap())
}

#[test]
fn sessions_are_written_alike() {
    const HOUR: i64 = 3_600_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.parquet");
    let rows: Vec<(String, i64)> =
        (0..400).map(|row| (format!("user{:03}", row / 7), (row * 37 % 11) * HOUR / 4 + row)).collect();
    let mut rows: Vec<(&str, i64)> = rows.iter().map(|(user, at)| (user.as_str(), *at)).collect();
    for comes_back in [false, true] {
        if comes_back {
            // Within the first row group, so that the bounds of all groups stay as they were.
            rows.swap(8, 17);
        }
        write(&path, &rows, 20, Shape::Words);
        let inputs = Inputs::open(&[path.to_string_lossy().into_owned()], &Options::default()).unwrap();
        let as_it_lies = inputs.as_it_lies().unwrap();
        let by_user = inputs.load(2, u64::MAX, &mut Vec::new(), &|_| ()).unwrap();
        let Ok(wanted) = written(&by_user.log, 2) else { panic!("the sweep by user failed") };
        assert!(wanted.lines().count() > 100);
        for threads in 1..5 {
            match written(&as_it_lies.log, threads) {
                Ok(found) => assert!(found == wanted && !comes_back),
                Err(SweepError::NotAsPromised) => assert!(comes_back),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[test]
fn nobody_waits_to_write_for_a_thread_that_has_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    // While one thread reads the long row group, the others wait to write what comes after it; it breaks at its end.
    let mut long: Vec<(&str, i64)> = (0..400_000).map(|row| ("b", row)).collect();
    long.extend([("c", 1), ("a", 2), ("c", 3)]);
    write(Path::new(&path("long.parquet")), &long, long.len(), Shape::Words);
    write(Path::new(&path("short.parquet")), &[("c", 1), ("d", 2), ("e", 3), ("f", 4)], 2, Shape::Words);
    let inputs = Inputs::open(&[path("long.parquet"), path("short.parquet")], &Options::default()).unwrap();
    let as_it_lies = inputs.as_it_lies().unwrap();
    assert!(matches!(written(&as_it_lies.log, 3), Err(SweepError::NotAsPromised)));
}

#[test]
fn files_are_put_in_order_of_their_users() {
    let (earlier, later) = ([("a", 7), ("b", 1)], [("b", 0), ("c", 2)]);
    assert_eq!(check(&[&later, &earlier], 10, Shape::Words, 2), Outcome::Same);
}

#[test]
fn a_user_who_comes_back_is_noticed() {
    let comes_back = [("a", 1), ("c", 2), ("a", 3), ("c", 4), ("d", 5), ("e", 6)];
    assert_eq!(check(&[&comes_back], 4, Shape::Words, 2), Outcome::Noticed);
    let goes_back = [("b", 1), ("a", 2), ("c", 3), ("d", 4)];
    assert_eq!(check(&[&goes_back], 3, Shape::Texts, 1), Outcome::Noticed);
}

#[test]
fn a_file_that_lies_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.parquet");
    write(&path, &[("a", 1), ("b", 2), ("c", 3), ("d", 4)], 2, Shape::Words);
    let file = ParquetFile::open(&path, &Options::default(), Arc::default()).unwrap();
    let mut in_order = InOrder::of(&[&file]).unwrap();
    assert!(in_order.sweep(vec![Told::default()], &|_| ()).is_ok());
    in_order.rows += 1;
    assert!(
        matches!(in_order.sweep(vec![Told::default()], &|_| ()), Err(SweepError::NotAsPromised)),
        "a row is missing"
    );
    in_order.rows -= 1;
    in_order.time_range.1 += 1;
    assert!(matches!(in_order.sweep(vec![Told::default()], &|_| ()), Err(SweepError::NotAsPromised)), "so is a moment");
    in_order.time_range.1 -= 1;
    in_order.parts.reverse();
    for threads in 1..3 {
        let visitors = (0..threads).map(|_| Told::default()).collect();
        assert!(matches!(in_order.sweep(visitors, &|_| ()), Err(SweepError::NotAsPromised)));
    }
}

#[test]
fn a_row_that_is_refused_is_left_to_the_other_way() {
    let rows = [(" ", 9), ("a", 1), ("b", 2), ("c", 3)];
    assert_eq!(check(&[&rows], 2, Shape::Words, 2), Outcome::Noticed);
}

#[test]
fn a_log_in_no_order_is_not_tried() {
    assert_eq!(check(&[&[("a", 1), ("c", 2), ("b", 3), ("d", 4)]], 2, Shape::Words, 2), Outcome::NotTried);
    assert_eq!(check(&[&[("a", 1), ("b", 2)]], 2, Shape::Words, 2), Outcome::NotTried, "one group promises nothing");
}

proptest! {
    #[test]
    fn whatever_the_order_the_answer_is_right_or_none(
        mut rows in prop::collection::vec(("[a-e]", 0i64..50), 1..60),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
        group in 1usize..12,
        threads in 1usize..4,
        shape in prop_oneof![Just(Shape::Words), Just(Shape::Texts)],
    ) {
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        for (one, other) in &swaps {
            let (one, other) = (one.index(rows.len()), other.index(rows.len()));
            rows.swap(one, other);
        }
        let is_in_order = rows.is_sorted_by(|one, other| one.0 <= other.0);
        let rows: Vec<(&str, i64)> = rows.iter().map(|(user, at)| (user.as_str(), *at)).collect();
        let outcome = check(&[&rows], group, shape, threads);
        if is_in_order && group < rows.len() {
            prop_assert_eq!(outcome, Outcome::Same);
        }
    }
}
