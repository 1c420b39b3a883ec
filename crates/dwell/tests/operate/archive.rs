//! The archive: what leaves the log is in Parquet files, and these give the same sessions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Server;

/// All files of the archive, oldest first.
fn files(server: &Server) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for app in fs::read_dir(server.data.join("archive")).into_iter().flatten() {
        found.extend(fs::read_dir(app.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    found.sort();
    found
}

/// What an archive holds of each session: user, when it began and ended, how many activities, its id.
fn sessions_of_files(folder: &Path, app: &str, files: &[PathBuf]) -> Vec<String> {
    let out = folder.join("sessions.ndjson");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.arg("sessions").args(files).args(["--timeout", "30m", "--app", app, "--quiet", "-o"]).arg(&out);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = fs::read_to_string(&out).unwrap();
    let mut rows: Vec<String> = text.lines().map(|line| told(&serde_json::from_str(line).unwrap())).collect();
    rows.sort();
    rows
}

fn told(row: &Value) -> String {
    ["user", "session_id", "activities"].map(|name| row[name].to_string()).join(" ")
}

fn visit(user: &str, hours_ago: i64, number: usize) -> Vec<Value> {
    let at = |minute: i64| {
        let now = jiff::Timestamp::now();
        (now - jiff::SignedDuration::from_mins(hours_ago * 60 - minute)).to_string()
    };
    let event = |what: &str, minute: i64, more: Value| {
        json!({ "type": "track", "event": what, "userId": user, "timestamp": at(minute),
            "messageId": format!("{user}-{number}-{minute}"), "properties": more })
    };
    vec![
        event("Application Opened", 0, json!({})),
        event("Video Content Playing", 1, json!({ "position": 0, "total_length": 3000, "session_id": "p" })),
        event("tapped", 60, json!({})),
    ]
}

#[test]
fn what_the_archive_has_gives_the_same_sessions_and_nothing_is_written_twice() {
    let settings = ["log.archive=parquet", "log.archive_every=1s", "log.segment_bytes=1MiB", "log.retention=1h"];
    let mut server = Server::start("timeout = \"30m\"\n", &settings);
    for number in 0..20 {
        let events: Vec<Value> =
            (0..40).flat_map(|user| visit(&format!("user{user}"), 40 - number as i64 * 2, number)).collect();
        assert_eq!(server.send(&events), 200);
        // What is sent again is in the archive twice, and counts once.
        assert_eq!(server.send(&events[..3]), 200);
    }
    server.settle();
    let archived = |server: &Server| {
        let note = fs::read(server.data.join("archive.json")).unwrap_or_else(|_| b"{\"next\":0}".into());
        serde_json::from_slice::<Value>(&note).unwrap()["next"].as_f64().unwrap()
    };
    server.wait("the archive has all", |server| archived(server) == server.metric("dwell_log_next"));
    let mut live: Vec<String> = Vec::new();
    for user in 0..40 {
        let page = server.ask_json(&format!("/v1/users/user{user}/sessions?limit=100"));
        for row in page["sessions"].as_array().unwrap() {
            live.push(format!("\"user{user}\" {} {}", row["session_id"], row["activities"]));
        }
    }
    live.sort();
    let files_now = files(&server);
    assert!(files_now.iter().all(|file| file.extension().is_some_and(|end| end == "parquet")), "{files_now:?}");
    // An app's folder is called by its id.
    let app = files_now[0].parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let found = sessions_of_files(server.folder.path(), &app, &files_now);
    assert!(700 <= live.len(), "{}", live.len());
    // The last visit of each may still be open in the server, and is a row in files.
    let closed: Vec<&String> = live.iter().filter(|row| !found.contains(row)).collect();
    assert!(closed.is_empty(), "not in the archive: {closed:?}");
    assert!(found.len() <= live.len() + 40, "{} and {}", found.len(), live.len());

    // Killed and started again, it goes on where it was: nothing is written twice.
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    server.start_again(&[]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(files(&server), files_now);
    assert_eq!(server.send(&visit("somebody-new", 1, 0)), 200);
    server.wait("one more file", |server| files(server).len() == files_now.len() + 1);
}
