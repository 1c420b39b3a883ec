//! Files on a disk: patterns, progress, and the real logs beside the project.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use dwell_core::words::EventWords;

use super::super::{EventColumn, Options, ReadError, Source, expand, open};
use super::{names, options, told_to_the_end};

#[test]
fn patterns_find_files_in_order_and_pass_over_what_is_no_data() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["b.csv", "a.csv", "_SUCCESS", ".a.csv.crc", "odd[1].csv", "c.txt"] {
        std::fs::write(directory.path().join(name), "user,ts\n").unwrap();
    }
    std::fs::create_dir(directory.path().join("d.csv")).unwrap();
    let at = |name: &str| format!("{}/{name}", directory.path().display());
    let found = |patterns: &[String]| -> Result<Vec<String>, ReadError> {
        let name = |source: &Source| source.name().rsplit('/').next().unwrap_or_default().to_owned();
        Ok(expand(patterns)?.iter().map(name).collect())
    };
    assert_eq!(found(&[at("*.csv")]).unwrap(), ["a.csv", "b.csv", "odd[1].csv"]);
    assert_eq!(found(&[at("*")]).unwrap(), ["a.csv", "b.csv", "c.txt", "odd[1].csv"]);
    assert_eq!(found(&[at("odd[1].csv")]).unwrap(), ["odd[1].csv"], "a file is a file, whatever its name");
    assert_eq!(found(&[at("_SUCCESS")]).unwrap(), ["_SUCCESS"], "asked for by name");
    assert_eq!(found(&[at("b.csv"), at("*.csv"), "-".into()]).unwrap(), ["b.csv", "a.csv", "odd[1].csv", "-"]);
    assert!(matches!(found(&[at("*.tsv")]), Err(ReadError::NoMatch { .. })));
    assert!(matches!(found(&[at("nobody.csv")]), Err(ReadError::NoSuchFile { .. })));
    assert!(matches!(found(&[at("a**[.csv")]), Err(ReadError::BadPattern { .. })));
    let error = found(&[at("")]).unwrap_err().to_string();
    assert!(
        error.ends_with("is a directory; name its files, as in '".to_owned().as_str()) || error.contains("/*'"),
        "{error}"
    );
    let error = open(&Source::File(directory.path().into()), &options(), names()).err().unwrap();
    assert!(matches!(error, ReadError::IsDirectory { .. }), "{error}");
    let error = open(&Source::File(directory.path().join("nobody")), &options(), names()).err().unwrap();
    assert!(matches!(error, ReadError::NoSuchFile { .. }), "{error}");
}

#[test]
fn progress_ends_at_the_size_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.csv");
    std::fs::write(&path, "user,ts\n".to_owned() + &"ada,1704448800\n".repeat(200_000)).unwrap();
    let file = open(&Source::File(path.clone()), &options(), names()).unwrap();
    let (size, read) = (file.size_hint(), file.bytes_read());
    assert_eq!(size, Some(std::fs::metadata(&path).unwrap().len()));
    assert!(read.load(Ordering::Relaxed) < size.unwrap());
    assert_eq!(told_to_the_end(file).events.len(), 200_000);
    assert_eq!(Some(read.load(Ordering::Relaxed)), size);
}

/// Returns the directory of the logs that lie beside the project, if it is there.
fn beside() -> Option<PathBuf> {
    let data = match std::env::var_os("DWELL_DATA") {
        Some(data) => PathBuf::from(data),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
    };
    if !data.is_dir() {
        println!("{} is not here: test skipped", data.display());
        return None;
    }
    Some(data)
}

fn check_log(name: &str, options: &Options, events: usize, users: usize, first: i64) {
    let Some(data) = beside() else {
        return;
    };
    let file = open(&Source::File(data.join(name)), options, names()).unwrap();
    let told = told_to_the_end(file);
    assert!(told.error.is_none(), "{:?}", told.error);
    assert_eq!(told.rejections, []);
    assert_eq!(told.events.len(), events, "{name}");
    let known: BTreeSet<&str> = told.events.iter().map(|event| event.user.as_str()).collect();
    assert_eq!(known.len(), users, "{name}");
    assert_eq!(told.events[0].at, first, "{name}");
}

#[test]
fn the_readers_of_wikipedia() {
    check_log("wikireaders_reconstructr.csv.gz", &options(), 63_524, 10_000, 1_389_052_815_000_000);
}

#[test]
fn the_shop_with_true_sessions() {
    let options = Options { truth: Some("sess".into()), ..options() };
    check_log("ecom_synthetic_retentioneering4.csv.gz", &options, 31_106, 600, 1_704_368_738_000_000);
}

#[test]
fn the_panel_with_thousandths_of_seconds() {
    check_log("webtrackr_panel.csv.gz", &options(), 49_612, 5, 1_551_278_774_463_000);
}

#[test]
fn the_screens_that_go_on_and_off() {
    let mut options = options();
    options.columns.event = Some(EventColumn::Named("kind".into()));
    options.words = EventWords::parse("0=closed,1=opened,2=silent,3=action").unwrap();
    check_log("aware_screen_niimpy.csv.gz", &options, 5_621, 4, 1_488_346_471_195_000);
}
