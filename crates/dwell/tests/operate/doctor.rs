//! What `dwell doctor` finds, and what it says of it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::past::{drop_beginning, files, folder, told, write_damaged};
use crate::support::{Server, Small, event};

/// Runs it, and returns whether all is well and what it said of each.
fn doctor(server: &Server, more: &[&str]) -> (bool, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.current_dir(server.folder.path()).args(["doctor", "--json"]).args(more);
    for (flag, usual) in [("--listen", "127.0.0.1:0"), ("--data", server.data.to_str().unwrap())] {
        if !more.contains(&flag) {
            command.args([flag, usual]);
        }
    }
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.success(), report["ok"].as_bool().unwrap());
    assert_eq!(output.status.code(), Some(i32::from(!output.status.success())));
    (output.status.success(), report)
}

fn state<'report>(report: &'report Value, check: &str) -> (&'report str, &'report str) {
    let found = report["checks"].as_array().unwrap().iter().find(|found| found["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} is not in {report}"));
    if found["state"] != "OK" {
        assert!(found["mend"].is_string(), "whoever is warned must be told what to do: {found}");
    }
    (found["state"].as_str().unwrap(), found["said"].as_str().unwrap())
}

#[test]
fn whatever_is_wrong_is_found_and_what_is_right_is_not() {
    let mut server = Server::start("timeout = \"30m\"\n", &[]);
    assert_eq!(server.send(&[event("ada", "1")]), 200);
    server.settle();
    // Of a server that runs.
    let (well, report) = doctor(&server, &[]);
    assert!(well, "{report}");
    assert!(state(&report, "log").1.contains("a server has it"), "{report}");
    let taken = server.address.clone();
    let (well, report) = doctor(&server, &["--listen", &taken]);
    assert!(well && state(&report, "address").0 == "OK", "{report}");
    server.stop();

    fs::set_permissions(&server.data, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(well && state(&report, "data folder").0 == "WARN", "{report}");
    fs::set_permissions(&server.data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(well, "{report}");
    for check in
        ["version", "configuration", "data folder", "clock", "apps and keys", "log", "archive", "books", "address"]
    {
        assert_eq!(state(&report, check).0, "OK", "{report}");
    }
    assert!(state(&report, "books").1.contains("record 1"), "{report}");

    // An address that somebody else has.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (well, report) = doctor(&server, &["--listen", &other.local_addr().unwrap().to_string()]);
    assert!(!well && state(&report, "address").0 == "FAIL", "{report}");

    // A key of the configuration that there is not.
    let (well, report) = doctor(&server, &["--set", "server.lisen=x"]);
    assert!(!well && state(&report, "configuration").0 == "FAIL", "{report}");

    // A folder that is not there.
    let (well, report) = doctor(&server, &["--data", "nowhere"]);
    assert!(!well && state(&report, "data folder").0 == "FAIL", "{report}");

    // Apps that cannot be read.
    let apps = server.data.join("apps.json");
    let sound = fs::read(&apps).unwrap();
    fs::write(&apps, "{").unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "apps and keys").0 == "FAIL", "{report}");
    fs::write(&apps, &sound).unwrap();

    // A file from the future.
    let file = fs::File::options().write(true).open(&apps).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now + std::time::Duration::from_secs(86_400)).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "clock").0 == "FAIL", "{report}");
    file.set_modified(now).unwrap();

    // Books of another time: those that are there have read more than the log holds.
    let log = server.data.join("log");
    fs::rename(&log, server.data.join("log.away")).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "log").0 == "FAIL", "books without a log: {report}");
    fs::create_dir(&log).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "books").0 == "FAIL", "{report}");
    fs::remove_dir_all(&log).unwrap();
    fs::rename(server.data.join("log.away"), &log).unwrap();

    // A bit of the log.
    let segment = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "segment")).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "log").0 == "FAIL", "{report}");
}

#[test]
fn a_file_of_the_archive_that_is_missing_or_damaged_is_found() {
    let (mut server, _) = told();
    drop_beginning(&mut server);
    server.stop();
    let (well, report) = doctor(&server, &[]);
    assert!(well && state(&report, "archive").0 == "OK", "{report}");
    assert!(state(&report, "archive").1.ends_with("events read"), "{report}");

    let (first, away) = (files(&folder(&server)).remove(0), server.folder.path().join("away"));
    fs::rename(&first, &away).unwrap();
    let (well, report) = doctor(&server, &["--quick"]);
    assert!(well && state(&report, "archive").0 == "WARN", "{report}");
    assert!(state(&report, "archive").1.contains("at records 0 to"), "{report}");

    write_damaged(&away, &first);
    let (well, report) = doctor(&server, &["--quick"]);
    assert!(well && state(&report, "archive").0 == "OK", "it says of itself what it said: {report}");
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "archive").0 == "FAIL", "{report}");
    assert!(state(&report, "archive").1.contains(first.to_str().unwrap()), "{report}");

    // All of it.
    let archive = server.data.join("archive");
    fs::rename(&archive, server.data.join("archive.away")).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(well && state(&report, "archive").0 == "WARN", "{report}");
    fs::rename(server.data.join("archive.away"), &archive).unwrap();

    // What says how far it has come.
    fs::rename(&away, &first).unwrap();
    fs::write(server.data.join("archive.json"), "{").unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "archive").0 == "FAIL", "{report}");
}

#[test]
fn a_folder_in_memory_with_little_room_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let Some(_small) = Small::mount(&disk, 400 << 20) else { return };
    let server = Server::start_in(folder, disk.join("data"), "timeout = \"30m\"\n", &[], &[]);
    let (well, report) = doctor(&server, &[]);
    assert!(well, "{report}");
    assert_eq!((state(&report, "file system").0, state(&report, "free space").0), ("WARN", "WARN"), "{report}");
    assert!(state(&report, "file system").1.contains("tmpfs"), "{report}");
    fs::write(disk.join("filler"), vec![7; 200 << 20]).unwrap();
    let (well, report) = doctor(&server, &[]);
    assert!(!well && state(&report, "free space").0 == "FAIL", "{report}");
}
