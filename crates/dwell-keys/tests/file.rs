//! The file under several hands, and under hostile ones.

use std::path::Path;
use std::process::Command;

use dwell_core::event::EventKind;
use dwell_core::time::Timestamp;
use dwell_keys::error::RegistryError;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_keys::whole_file::FileError;

const NOW: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);

/// In which folder a process that this test starts adds its apps, and which process it is.
const TASK: &str = "DWELL_KEYS_TEST_TASK";
const EACH: usize = 20;

fn add(registry: &mut Registry, name: &str) {
    registry.add_app(NewApp::parse(name, "UTC").unwrap(), NOW).unwrap();
}

#[test]
fn processes_that_change_the_file_at_once_lose_nothing() {
    if let Ok(task) = std::env::var(TASK) {
        let (name, folder) = task.split_once(' ').unwrap();
        let mut registry = Registry::open(Path::new(folder)).unwrap();
        (0..EACH).for_each(|number| add(&mut registry, &format!("{name} {number}")));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes_that_change_the_file_at_once_lose_nothing"])
            .env(TASK, format!("{name} {}", folder.path().display()))
            .spawn()
            .unwrap()
    };
    let processes = ["ada", "bo", "cleo"].map(start);
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let registry = Registry::open(folder.path()).unwrap();
    assert_eq!((registry.apps().count(), registry.keys().count()), (3 * EACH, 3 * EACH));
}

#[test]
fn a_change_builds_on_what_the_file_says_now() {
    let folder = tempfile::tempdir().unwrap();
    let mut one = Registry::open(folder.path()).unwrap();
    let mut other = Registry::open(folder.path()).unwrap();
    add(&mut one, "Radio");
    add(&mut other, "Films");
    assert_eq!(other.apps().count(), 2);
}

#[test]
fn a_running_server_hears_of_every_change_and_reads_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Registry::open(folder.path()).unwrap();
    assert!(!server.refresh().unwrap(), "no file yet");
    let mut command = Registry::open(folder.path()).unwrap();
    add(&mut command, "Radio");
    let key = command.add_key(Purpose::Write("Radio"), None, NOW).unwrap();
    assert!(server.who(key.text.reveal(), NOW).is_none());
    assert!(server.refresh().unwrap());
    assert!(server.who(key.text.reveal(), NOW).is_some());
    assert!(!server.refresh().unwrap());
    command.revoke(&key.key.label, NOW).unwrap();
    assert!(server.refresh().unwrap());
    assert!(server.who(key.text.reveal(), NOW).is_none());
    command.explain("Radio", "Song Started", Some(EventKind::PlayingStarted)).unwrap();
    assert!(server.refresh().unwrap());
    assert_eq!(server.app("Radio").unwrap().names["Song Started"], EventKind::PlayingStarted);
}

#[test]
fn a_server_keeps_its_keys_while_the_file_is_damaged_or_gone_and_says_so_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("apps.json");
    let mut server = Registry::open(folder.path()).unwrap();
    let key = server.add_app(NewApp::parse("Radio", "UTC").unwrap(), NOW).unwrap().1;
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"{").unwrap();
    assert!(matches!(server.refresh().unwrap_err(), RegistryError::Damaged { .. }));
    assert!(!server.refresh().unwrap());
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(server.refresh().unwrap_err(), RegistryError::Gone { .. }));
    assert!(!server.refresh().unwrap());
    assert!(server.who(key.text.reveal(), NOW).is_some());
    std::fs::write(&path, good).unwrap();
    assert!(server.refresh().unwrap());
    assert!(server.who(key.text.reveal(), NOW).is_some());
}

const GOOD: &str = r#"{
  "format": 1,
  "apps": [
    {
      "id": "app_000000000000",
      "name": "Radio",
      "zone": "UTC",
      "created_at": "2026-01-05T08:00:00Z",
      "names": {"Song Started": "playing_started"}
    }
  ],
  "keys": [
    {
      "label": "dw_w_00000000000000000000000000",
      "app": "app_000000000000",
      "created_at": "2026-01-05T08:00:00Z"
    },
    {
      "label": "dw_s_00000000",
      "sha256": "0000000000000000000000000000000000000000000000000000000000000000",
      "app": "app_000000000000",
      "scopes": ["read"],
      "created_at": "2026-01-05T08:00:00Z"
    }
  ]
}
"#;

/// What is changed, the line that is named, and what is said of it.
const HOSTILE: [(&str, &str, usize, &str); 21] = [
    ("\"format\": 1", "\"format\": 2", 2, "a later Dwell wrote it"),
    ("\"format\": 1,", "", 26, "missing field `format`"),
    ("  \"apps\"", "  \"colour\": 1, \"apps\"", 3, "unknown field `colour`"),
    ("\"app_000000000000\",\n      \"name\"", "\"app_../../etc\",\n      \"name\"", 5, "is no id of an app"),
    ("\"Radio\"", "\"\"", 6, "1 to 64 characters"),
    ("\"Radio\"", "\"Ra\\u0000dio\"", 6, "control character"),
    ("\"UTC\"", "\"Mars\"", 7, "is no time zone"),
    ("\"2026-01-05T08:00:00Z\",\n      \"names\"", "\"soon\",\n      \"names\"", 11, "is no moment"),
    ("\"playing_started\"", "\"singing\"", 11, "no kind of event"),
    ("\"dw_w_00000000000000000000000000\"", "\"dw_w_é\"", 14, "a key is named by"),
    ("\"dw_w_00000000000000000000000000\"", "7", 14, "invalid type"),
    ("\"dw_s_00000000\"", "\"dw_s_ilou0000\"", 19, "a key is named by"),
    ("\"dw_s_00000000\"", "\"dw_s_0000000000000000000000000000000000000000000000000000\"", 19, "revoke it"),
    ("\"dw_s_00000000\"", "\"dw_a_00000000\"", 25, "has scopes"),
    ("\"0000000000000000000000000000000000000000000000000000000000000000\"", "\"00\"", 20, "64 hexadecimal"),
    ("\"0000000000000000000000000000000000000000000000000000000000000000\"", "null", 25, "must have a sha256"),
    ("[\"read\"]", "[\"rule\"]", 25, "is no scope"),
    ("[\"read\"]", "[]", 25, "has no scope"),
    ("      \"app\": \"app_000000000000\",\n      \"scopes\"", "      \"scopes\"", 24, "must have an app"),
    (
        "      \"app\": \"app_000000000000\",\n      \"scopes\"",
        "      \"app\": \"app_111111111111\",\n      \"scopes\"",
        21,
        "no app here",
    ),
    ("\n  ]\n}\n", "\n  ]\n", 26, "EOF"),
];

#[test]
fn a_file_that_we_did_not_write_is_refused_with_its_line_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("apps.json");
    std::fs::write(&path, GOOD).unwrap();
    assert_eq!(Registry::open(folder.path()).unwrap().keys().count(), 2);
    for (from, to, line, says) in HOSTILE {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        std::fs::write(&path, &text).unwrap();
        let said = Registry::open(folder.path()).unwrap_err().to_string();
        assert!(said.contains(&format!("apps.json:{line}: ")), "{said} does not name line {line}");
        assert!(said.contains(says) && said.contains("nothing was changed: mend it there"), "{said}");
        assert!(Registry::open(folder.path()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "what is damaged is not touched");
    }
}

#[test]
fn bytes_that_are_no_file_of_ours_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("apps.json");
    let deep = "[".repeat(1_000_000);
    for bytes in [b"".as_slice(), b"\0", b"\xff\xfe", b"null", b"[]", b"{}", deep.as_bytes()] {
        std::fs::write(&path, bytes).unwrap();
        let said = Registry::open(folder.path()).unwrap_err().to_string();
        assert!(said.contains("apps.json:1: "), "{said}");
    }
    for end in 0..GOOD.trim_end().len() {
        std::fs::write(&path, &GOOD[..end]).unwrap();
        assert!(Registry::open(folder.path()).is_err(), "cut at {end}");
    }
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let said = Registry::open(folder.path()).unwrap_err().to_string();
    assert!(said.contains("at most 16777216 are read"), "{said}");
}

#[test]
fn two_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("apps.json");
    let app = "{\"id\": \"app_111111111111\", \"name\": \"RADIO\", \"zone\": \"UTC\", \"created_at\": \"2026-01-05T08:00:00Z\"}";
    let key = "{\"label\": \"dw_w_00000000000000000000000000\", \"app\": \"app_000000000000\", \"created_at\": \"2026-01-05T08:00:00Z\"}";
    for (from, to, line, says) in [
        ("    }\n  ],\n  \"keys\"", format!("    }},\n{app}\n  ],\n  \"keys\""), 11, "two apps are called \"RADIO\""),
        ("    }\n  ]\n}", format!("    }},\n{key}\n  ]\n}}"), 25, "two keys are dw_w_"),
    ] {
        std::fs::write(&path, GOOD.replacen(from, &to, 1)).unwrap();
        let said = Registry::open(folder.path()).unwrap_err().to_string();
        assert!(said.contains(&format!("apps.json:{line}: {says}")), "{said}");
    }
}

#[test]
fn an_app_explains_so_many_names_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::open(folder.path()).unwrap();
    add(&mut registry, "Radio");
    let text = std::fs::read_to_string(folder.path().join("apps.json")).unwrap();
    let names: Vec<String> = (0..999).map(|number| format!("\"n{number}\": \"silent\"")).collect();
    let zone = "\"zone\": \"UTC\",";
    let full = text.replacen(zone, &format!("{zone} \"names\": {{{}}},", names.join(", ")), 1);
    std::fs::write(folder.path().join("apps.json"), full).unwrap();
    registry.explain("Radio", "last", Some(EventKind::Silent)).unwrap();
    let said = registry.explain("Radio", "beyond", Some(EventKind::Silent)).unwrap_err();
    assert!(matches!(said, RegistryError::TooManyWords { most: 1000 }), "{said}");
    registry.explain("Radio", "last", Some(EventKind::Action)).unwrap();
    registry.explain("Radio", "last", None).unwrap();
    assert_eq!(registry.app("Radio").unwrap().names.len(), 999);
}

#[test]
fn what_the_machine_refused_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (folder.path().join("apps.json"), folder.path().join("aside"));
    let mut server = Registry::open(folder.path()).unwrap();
    add(&mut Registry::open(folder.path()).unwrap(), "Radio");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    for _ in 0..2 {
        assert!(matches!(server.refresh().unwrap_err(), RegistryError::File { error: FileError::Io { .. } }));
    }
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    assert!(server.refresh().unwrap());
    assert_eq!(server.apps().count(), 1);
}

#[test]
fn folders_are_made_above_and_below() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    assert!(Registry::open(&deep).unwrap().first_start(NOW).is_err(), "opening makes no folder");
    assert!(Registry::make(&deep).unwrap().first_start(NOW).unwrap().is_some());
    assert!(Registry::make(&deep).unwrap().first_start(NOW).unwrap().is_none());
    std::fs::write(folder.path().join("file"), "").unwrap();
    let said = Registry::make(&folder.path().join("file/below")).unwrap_err().to_string();
    assert!(said.contains("cannot make the folder"), "{said}");
}
