//! The machine's clock is put ahead or back while the server runs, and sessions end when they should.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Server, event, now};

/// The library that lies to a program about the time, where it is installed (Debian's package `faketime`).
fn faketime() -> Option<PathBuf> {
    let found = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"]
        .iter()
        .map(|folder| Path::new(folder).join("libfaketimeMT.so.1"))
        .find(|path| path.exists());
    if found.is_none() {
        println!("not run: libfaketime is not here, which moves the clock for one program");
    }
    found
}

#[test]
fn a_clock_that_jumps_by_hours_ends_nobody_and_is_reported() {
    let Some(library) = faketime() else { return };
    for (jump, seconds) in [("+5h", 18_000), ("-3h", -10_800)] {
        let folder = tempfile::tempdir().unwrap();
        let clock = folder.path().join("clock");
        fs::write(&clock, "+0\n").unwrap();
        let data = folder.path().join("data");
        // Only the calendar is moved: the steady clock of a machine goes on, whoever sets its calendar.
        let lies = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        let server = Server::start_in(folder, data, "timeout = \"30m\"\n", &[], &lies);
        for user in 0..20 {
            assert_eq!(server.send(&[event(&format!("user{user}"), "1")]), 200);
        }
        server.settle();
        fs::write(&clock, format!("{jump}\n")).unwrap();
        server.wait("the jump is reported", |server| server.said().contains("clock was moved"));
        let said = server.said();
        let line = said.lines().find(|line| line.contains("clock was moved")).unwrap();
        let off: i64 = line.split("off_by_seconds=").nth(1).unwrap().trim().parse().unwrap();
        assert!((off - seconds).abs() < 60, "{line}");
        assert!((server.metric("dwell_clock_off_seconds") - seconds as f64).abs() < 60.0);
        // Long enough for any deadline to have rung that the jump would have passed.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(server.metric("dwell_sessions_open"), 20.0, "{jump}");
        assert!(server.feed().iter().all(|told| told["type"] != "session.ended"), "{jump}");
        // Whoever goes on, goes on in the same session.
        assert_eq!(server.send(&[event("user1", "2")]), 200);
        server.settle();
        let user = server.ask_json("/v1/users/user1");
        assert_eq!((&user["open_session"]["activities"], &user["open_session"]["ordinal"]), (&2.into(), &1.into()));
        assert_eq!(server.said().matches("clock was moved").count(), 1, "it is told once");
    }
}

#[test]
fn a_session_ends_within_a_second_of_its_deadline() {
    let server = Server::start("timeout = \"2s\"\n", &[]);
    let mut latest = Duration::ZERO;
    for round in 0..3 {
        let user = format!("user{round}");
        let sending = now();
        assert_eq!(server.send(&[event(&user, "1")]), 200);
        let sent = now();
        let path = format!("/v1/users/{user}/sessions");
        let ended = loop {
            if server.ask_json(&path)["sessions"].as_array().is_some_and(|rows| !rows.is_empty()) {
                break now();
            }
            assert!(sent.elapsed() < Duration::from_secs(20), "it never ended");
            std::thread::sleep(Duration::from_millis(20));
        };
        let timeout = Duration::from_secs(2);
        assert!(sending + timeout <= ended, "it ended before its deadline");
        latest = latest.max(ended - (sent + timeout).min(ended));
    }
    println!("at most {latest:?} after the deadline");
    assert!(latest < Duration::from_secs(1), "it ended {latest:?} after its deadline");
}
