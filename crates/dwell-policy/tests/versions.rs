//! Versions on the disk: nothing that was put is lost or changed, and nobody overwrites anybody.

use std::path::Path;
use std::sync::Arc;

use dwell_core::time::{Span, Timestamp};
use dwell_policy::error::VersionError;
use dwell_policy::history::History;
use dwell_policy::policies::{Base, LONGEST_NOTE, MOST_TEXT_BYTES, NOTICE, NewVersion, Policies};

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const APP: &str = "app_000000000000";

fn policies(folder: &Path) -> Policies {
    Policies::new(folder, Base::default())
}

fn new(text: &str, replaces: u32) -> NewVersion<'_> {
    NewVersion { text, author: "dw_s_aaaaaaaa", note: "why not", from: None, replaces, restates: false }
}

fn put(policies: &Policies, text: &str, replaces: u32, now: Timestamp) -> Result<Arc<History>, VersionError> {
    policies.put(APP, &new(text, replaces), now)
}

fn timeout_at(policies: &Policies, at: Timestamp) -> u32 {
    let policy = policies.history(APP).unwrap().policy(&policies.base().policy);
    policy.standing_of("", &[], &[]).timeout_at(at, 0).timeout.as_secs()
}

#[test]
fn a_version_that_was_put_is_read_again_with_all_that_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# ours\r\ntimeout = \"5m\"\n";
    let history = put(&policies(folder.path()), text, 0, NOW).unwrap();
    let again = policies(folder.path());
    assert_eq!(again.history(APP).unwrap().puts(), history.puts());
    assert_eq!(again.text(APP, 1).unwrap(), text);
    let one = history.put(1).unwrap();
    assert_eq!((one.author.as_str(), one.note.as_str(), one.restores), ("dw_s_aaaaaaaa", "why not", None));
    assert_eq!((one.written_at, one.effective_from), (NOW, NOW.plus(NOTICE)));
    assert_eq!((timeout_at(&again, NOW), timeout_at(&again, NOW.plus(NOTICE))), (1800, 300));
    assert_eq!(again.history("app_111111111111").unwrap().newest(), 0);
}

#[test]
fn of_two_who_replace_the_same_version_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (policies(folder.path()), policies(folder.path()));
    assert_eq!(ours.history(APP).unwrap().newest(), 0);
    put(&theirs, "timeout = \"5m\"", 0, NOW).unwrap();
    let error = put(&ours, "timeout = \"6m\"", 0, NOW).unwrap_err();
    assert!(matches!(error, VersionError::Replaced { replaces: 0, newest: 1 }), "{error}");
    // Whoever was told knows it from then on.
    assert_eq!(ours.history(APP).unwrap().newest(), 1);
    assert_eq!(put(&ours, "timeout = \"6m\"", 1, NOW).unwrap().newest(), 2);
    assert!(matches!(put(&ours, "", 7, NOW), Err(VersionError::Replaced { replaces: 7, newest: 2 })));
}

#[test]
fn of_many_at_once_exactly_one_puts_each_version() {
    let folder = tempfile::tempdir().unwrap();
    let won: Vec<u32> = std::thread::scope(|scope| {
        let one = |author: usize| {
            let policies = policies(folder.path());
            let mut won = Vec::new();
            let text = format!("timeout = \"{}m\"", author + 1);
            for replaces in 0..10 {
                match put(&policies, &text, replaces, NOW) {
                    Ok(history) => won.push(history.newest()),
                    Err(VersionError::Replaced { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            won
        };
        let authors: Vec<_> = (0..4).map(|author| scope.spawn(move || one(author))).collect();
        authors.into_iter().flat_map(|author| author.join().unwrap()).collect()
    });
    let mut numbers = won.clone();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), won.len(), "{won:?}");
    assert_eq!(policies(folder.path()).history(APP).unwrap().newest() as usize, won.len());
}

#[test]
fn what_another_process_put_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, command) = (policies(folder.path()), policies(folder.path()));
    assert!(!server.refresh(APP).unwrap());
    put(&command, "timeout = \"5m\"", 0, NOW).unwrap();
    put(&command, "timeout = \"6m\"", 1, NOW).unwrap();
    assert_eq!(server.history(APP).unwrap().newest(), 0);
    assert!(server.refresh(APP).unwrap());
    assert_eq!(server.history(APP).unwrap().newest(), 2);
    assert!(!server.refresh(APP).unwrap());
}

#[test]
fn a_version_that_is_taken_back_leaves_its_trace() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policies(folder.path());
    put(&policies, "timeout = \"5m\"", 0, NOW).unwrap();
    put(&policies, "timeout = \"6m\"", 1, NOW).unwrap();
    let later = NOW.plus(Span::from_secs(60));
    let history = policies.restore(APP, 1, &new("not looked at", 2), later).unwrap();
    assert_eq!(history.put(3).unwrap().restores, Some(1));
    assert_eq!(policies.text(APP, 3).unwrap(), "timeout = \"5m\"");
    assert_eq!(timeout_at(&policies, later), 360);
    assert_eq!(timeout_at(&policies, later.plus(NOTICE)), 300);
    assert!(matches!(
        policies.restore(APP, 9, &new("", 3), later),
        Err(VersionError::NoVersion { number: 9, newest: 3 })
    ));
}

#[test]
fn nothing_is_put_in_force_before_everybody_can_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policies(folder.path());
    let from = |from, replaces| NewVersion { from: Some(from), ..new("timeout = \"5m\"", replaces) };
    for early in [NOW.minus(Span::from_hours(1)), NOW, NOW.plus(NOTICE).minus(Span::from_micros(1))] {
        let error = policies.put(APP, &from(early, 0), NOW).unwrap_err();
        assert!(matches!(error, VersionError::TooEarly { .. }), "{error}");
    }
    policies.put(APP, &from(NOW.plus(NOTICE), 0), NOW).unwrap();
    // The clock was set back by an hour: what holds already is not overtaken.
    let history = put(&policies, "timeout = \"6m\"", 1, NOW.minus(Span::from_hours(1))).unwrap();
    assert_eq!(history.put(2).unwrap().written_at, NOW);
    assert_eq!(timeout_at(&policies, NOW.minus(Span::from_secs(1))), 1800);
}

#[test]
fn what_cannot_be_kept_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policies(folder.path());
    let long = format!("#{}", "x".repeat(MOST_TEXT_BYTES));
    for text in [long.as_str(), "timeout = 5", "time_out = \"5m\"", "[events]\nx = \"y\"", "[[versions]]"] {
        assert!(put(&policies, text, 0, NOW).is_err(), "{text:.20}");
    }
    for note in ["x".repeat(LONGEST_NOTE + 1), "a\nb".to_owned()] {
        let error = policies.put(APP, &NewVersion { note: &note, ..new("", 0) }, NOW).unwrap_err();
        assert!(matches!(error, VersionError::Note { .. }), "{error}");
    }
    for app in ["", "..", "a/b", ".", "app_\u{e9}", &"x".repeat(65)] {
        assert!(matches!(policies.put(app, &new("", 0), NOW), Err(VersionError::NoApp { .. })), "{app}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // The longest that may be, every byte of which takes two in the file.
    let longest = format!("#{}", "\t".repeat(MOST_TEXT_BYTES - 1));
    put(&policies, &longest, 0, NOW).unwrap();
    assert_eq!(self::policies(folder.path()).text(APP, 1).unwrap(), longest);
}

#[test]
fn there_are_only_so_many_bytes_of_versions() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policies(folder.path());
    let long = format!("#{}", "x".repeat(MOST_TEXT_BYTES - 1));
    let error = (0..100).find_map(|replaces| put(&policies, &long, replaces, NOW).err()).unwrap();
    assert!(matches!(error, VersionError::TooMany { .. }), "{error}");
    assert_eq!(policies.history(APP).unwrap().newest(), 64);
}

#[test]
fn a_crash_before_the_rename_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let versions = folder.path().join("policies").join(APP);
    put(&policies(folder.path()), "timeout = \"5m\"", 0, NOW).unwrap();
    std::fs::write(versions.join("next.new"), "{\"format\": 1, \"nu").unwrap();
    let policies = policies(folder.path());
    assert_eq!(policies.history(APP).unwrap().newest(), 1);
    assert_eq!(put(&policies, "timeout = \"6m\"", 1, NOW).unwrap().newest(), 2);
}

#[test]
fn damage_is_told_with_its_file_and_what_was_read_before_stays() {
    let folder = tempfile::tempdir().unwrap();
    let versions = folder.path().join("policies").join(APP);
    let (server, command) = (policies(folder.path()), policies(folder.path()));
    put(&server, "timeout = \"5m\"", 0, NOW).unwrap();
    put(&command, "timeout = \"6m\"", 1, NOW).unwrap();
    let second = std::fs::read_to_string(versions.join("000002.json")).unwrap();
    for (harm, says) in [
        (second.replace("\"format\": 1", "\"format\": 2"), "format 2 is unknown"),
        (second.replace("\"number\": 2", "\"number\": 3"), "it says that it is version 3"),
        (second.replace("6m", "6 parsecs"), "its text is no policy: line 1: the policy, timeout"),
        (second.replace("author", "auth0r"), "unknown field"),
        ("{".to_owned(), "EOF"),
    ] {
        std::fs::write(versions.join("000002.json"), harm).unwrap();
        let error = server.refresh(APP).unwrap_err().to_string();
        assert!(error.contains("000002.json: ") && error.contains(says), "{error}");
        assert_eq!(server.history(APP).unwrap().newest(), 1);
        assert!(put(&server, "", 1, NOW).is_err());
    }
    std::fs::rename(versions.join("000002.json"), versions.join("000003.json")).unwrap();
    let error = policies(folder.path()).history(APP).unwrap_err().to_string();
    assert!(error.contains("version 2 is missing, and version 3 is there"), "{error}");
    std::fs::remove_file(versions.join("000003.json")).unwrap();
    std::fs::write(versions.join("000002.json"), second).unwrap();
    assert!(server.refresh(APP).unwrap());
}

#[cfg(unix)]
#[test]
fn nobody_but_the_owner_can_read_a_version() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    put(&policies(folder.path()), "[users]\nada = \"5m\"", 0, NOW).unwrap();
    let file = folder.path().join("policies").join(APP).join("000001.json");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}
