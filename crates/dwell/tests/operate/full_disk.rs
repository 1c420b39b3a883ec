//! The disk under log and books fills up, and is given room again, while the server runs.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::{Server, Small, event};

const DISK: u64 = 48 << 20;
/// What is left of it when the events come.
const LEFT: u64 = 256 << 10;

/// Takes all room but so much.
fn fill(path: &Path, left: u64) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let block = vec![7; 64 << 10];
    while let Ok(written) = file.write(&block) {
        assert_ne!(written, 0);
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(left)).unwrap();
}

#[test]
fn the_engine_goes_on_by_itself_when_a_full_disk_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let Some(_small) = Small::mount(&disk, DISK) else { return };
    let data = disk.join("data");
    let server = Server::start_in(folder, data, "timeout = \"5s\"\n", &[], &[]);
    let filler = disk.join("filler");
    fill(&filler, LEFT);

    let batch = |number: usize| -> Vec<Value> {
        (0..50).map(|at| event(&format!("user{at}"), &format!("{number}-{at}"))).collect()
    };
    let mut sent = 0;
    let mut refused = 0;
    // Until the log has no room either.
    while refused == 0 && sent < 10_000 {
        match server.send(&batch(sent)) {
            200 => sent += 1,
            503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(0 < sent && 0 < refused, "sent {sent}, refused {refused}");
    fill(&filler, 0);
    // At the latest the ends of the sessions have to be written.
    server.wait("the engine waits", |server| server.ask("/readyz").0 == 503);
    let (_, why) = server.ask("/readyz");
    assert!(why.contains("\"code\":\"waiting\"") && why.contains("free some space"), "{why}");
    assert_eq!(server.ask("/healthz").0, 200);
    assert_eq!(server.metric("dwell_engine_waiting"), 1.0);
    let (status, answer) = server.ask("/v1/users/user1");
    assert!(status == 503 && answer.contains("books_closed"), "{status} {answer}");
    // It tries in vain a few times.
    std::thread::sleep(std::time::Duration::from_secs(4));

    fs::remove_file(&filler).unwrap();
    server.wait("the engine goes on", |server| server.ask("/readyz").0 == 200);
    assert_eq!(server.metric("dwell_engine_waiting"), 0.0);
    // What was refused was not kept: it is sent again, and counts once.
    assert_eq!(server.send(&batch(sent)), 200);
    sent += 1;
    server.settle();
    server.wait("all sessions have ended", |server| server.metric("dwell_sessions_open") == 0.0);
    let app = server.ask_json("/v1/app");
    let count = |outcome: &str| app["events"][outcome].as_u64().unwrap();
    assert_eq!(count("joined") + count("amended"), sent as u64 * 50, "{app}");
    assert_eq!((count("duplicate"), count("late"), count("orphan")), (0, 0, 0), "{app}");
    let ended: Vec<Value> = server.feed().into_iter().filter(|told| told["type"] == "session.ended").collect();
    let activities: u64 = ended.iter().map(|told| told["session"]["activities"].as_u64().unwrap()).sum();
    assert_eq!(activities, sent as u64 * 50);
    let said = server.said();
    assert_eq!(said.matches("the engine waits").count(), 1, "{said}");
    assert_eq!(said.matches("the engine goes on").count(), 1, "{said}");
}
