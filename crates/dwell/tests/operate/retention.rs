//! What is old leaves the log only when it was said that it may.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Server;

/// The segments there are, oldest first.
pub fn segments(server: &Server) -> Vec<PathBuf> {
    let inside = fs::read_dir(server.data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = inside.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    paths.sort();
    paths
}

/// Makes files look as if they had last been written so long ago.
pub fn age(paths: &[PathBuf], by: Duration) {
    for path in paths {
        let file = fs::File::options().write(true).open(path).unwrap();
        let at = file.metadata().unwrap().modified().unwrap() - by;
        file.set_modified(at).unwrap();
    }
}

#[test]
fn old_segments_are_dropped_when_there_is_to_be_no_archive_and_never_otherwise() {
    let mut server = Server::start("timeout = \"30m\"\n", &["log.segment_bytes=1MiB"]);
    let padding = "x".repeat(200);
    for number in 0..30 {
        let events: Vec<Value> = (0..500)
            .map(|at| {
                json!({ "type": "track", "event": "tapped", "userId": format!("user{at}-{padding}"),
                    "messageId": format!("{number}-{at}") })
            })
            .collect();
        assert_eq!(server.send(&events), 200);
    }
    server.settle();
    let before = server.ask_json("/v1/app");
    server.stop();
    let all = segments(&server);
    assert!(4 <= all.len(), "{all:?}");
    // The oldest two, and one that is young though it is closed.
    age(&all[..2], Duration::from_secs(8 * 24 * 3600));

    server.start_again(&[]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(segments(&server), all, "nothing may be dropped while an archive is awaited");
    server.stop();

    server.start_again(&["log.archive=none"]);
    server.wait("the old segments are gone", |server| segments(server).len() + 2 <= all.len());
    assert_eq!(segments(&server), all[2..], "only the two that are older than 7 days");
    assert_eq!(server.ask_json("/v1/app"), before, "sessions do not change");
    server.stop();

    // It starts again with what is left, and goes on.
    server.start_again(&[]);
    assert_eq!(server.send(&[crate::support::event("somebody-new", "1")]), 200);
    server.settle();
    assert_eq!(server.ask_json("/v1/app")["users"], before["users"].as_i64().unwrap() + 1);
}
