//! A backup of a server that runs, or not, is a data folder that can be served.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Server, dwell, event};

/// Events of ten users, each at a time of its own, so that sending them again changes nothing.
fn batch(number: usize) -> Vec<Value> {
    let began = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(20);
    (0..10)
        .map(|user| {
            let at = began + jiff::SignedDuration::from_secs(number as i64 * 600 + user);
            json!({ "type": "track", "event": "tapped", "userId": format!("user{user}"),
                "messageId": format!("{number}-{user}"), "timestamp": at.to_string() })
        })
        .collect()
}

/// The sessions that have ended, by their ids, with what they hold.
fn sessions(server: &Server) -> BTreeMap<String, Value> {
    let mut sessions = BTreeMap::new();
    for told in server.feed() {
        let id = |told: &Value| told["session_id"].as_str().unwrap().to_owned();
        match told["type"].as_str().unwrap() {
            "session.ended" | "session.amended" => drop(sessions.insert(id(&told["session"]), told["session"].clone())),
            "session.retracted" => drop(sessions.remove(&id(&told))),
            _ => {}
        }
    }
    sessions
}

fn backup(server: &Server, to: &Path) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_dwell"))
        .current_dir(server.folder.path())
        .args(["backup", "--json", "--data"])
        .arg(&server.data)
        .arg("--to")
        .arg(to)
        .output()
        .unwrap()
}

/// Puts the backup in the place of the data folder, and serves it.
fn restore(server: &mut Server, from: &Path) {
    server.process.kill().unwrap();
    drop(server.process.wait());
    fs::remove_dir_all(&server.data).unwrap();
    fs::rename(from, &server.data).unwrap();
    server.start_again(&[]);
}

#[test]
fn a_backup_of_a_server_that_runs_is_one_moment_of_it() {
    let mut server = Server::start("timeout = \"2m\"\n", &["log.segment_bytes=1MiB"]);
    let batches: Vec<Vec<Value>> = (0..120).map(batch).collect();
    let (first, second) = batches.split_at(60);
    for batch in first {
        assert_eq!(server.send(batch), 200);
    }
    let to = server.folder.path().join("backup");
    let done = AtomicBool::new(false);
    let mut sent_meanwhile = 0;
    let output = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while let Some(batch) = second.get(sent).filter(|_| !done.load(Ordering::Relaxed) || sent < 5) {
                assert_eq!(server.send(batch), 200);
                sent += 1;
            }
            sent
        });
        let output = backup(&server, &to);
        done.store(true, Ordering::Relaxed);
        sent_meanwhile = sender.join().unwrap();
        output
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let about: Value = serde_json::from_slice(&output.stdout).unwrap();
    let about = &about["backup"];
    let (next, offset) = (about["log_next"].as_u64().unwrap(), about["books_offset"].as_u64().unwrap());
    assert!(600 <= next && offset <= next, "{about}");
    assert_eq!(about["files"], json!(["apps.json"]), "{about}");
    assert_eq!(about["left_out"], json!([]), "{about}");
    for batch in second {
        assert_eq!(server.send(batch), 200);
    }
    server.settle();
    server.wait("all has ended", |server| server.metric("dwell_sessions_open") == 0.0);
    let original = sessions(&server);
    assert_eq!(original.len(), 1_200);

    restore(&mut server, &to);
    server.settle();
    // All that was acknowledged before it was begun is in it, and of the rest no part of a body.
    let app = server.ask_json("/v1/app");
    let read = app["events"]["joined"].as_u64().unwrap() + app["events"]["amended"].as_u64().unwrap();
    assert!(600 <= read && read == next && read.is_multiple_of(10), "{app}; meanwhile {sent_meanwhile}");
    for batch in &batches {
        assert_eq!(server.send(batch), 200);
    }
    server.settle();
    server.wait("all has ended", |server| server.metric("dwell_sessions_open") == 0.0);
    assert_eq!(sessions(&server), original);
}

#[test]
fn a_backup_of_a_server_that_was_stopped_is_the_same_and_never_over_another() {
    let mut server = Server::start("timeout = \"2m\"\n", &[]);
    for number in 0..20 {
        assert_eq!(server.send(&batch(number)), 200);
    }
    server.settle();
    server.wait("all has ended", |server| server.metric("dwell_sessions_open") == 0.0);
    let original = sessions(&server);
    server.stop();
    assert!(!server.data.join("control.sock").exists(), "it is removed at a stop");
    let to = server.folder.path().join("backup");
    let output = backup(&server, &to);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = backup(&server, &to);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("is not empty"), "{said}");

    // A log that is damaged is no backup, and leaves nothing behind.
    let segment = fs::read_dir(server.data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "segment")).unwrap();
    let whole = fs::read(&segment).unwrap();
    let mut bytes = whole.clone();
    bytes[100] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let other = server.folder.path().join("other");
    let refused = backup(&server, &other);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("damaged"), "{said}");
    assert!(!other.exists() && !server.folder.path().join("other.making").exists());
    fs::write(&segment, &whole).unwrap();

    server.start_again(&[]);
    restore(&mut server, &to);
    server.settle();
    assert_eq!(sessions(&server), original);
    assert_eq!(server.send(&[event("ada", "1")]), 200);
}

#[test]
fn a_question_that_no_command_asks_is_refused() {
    use std::io::{Read, Write};
    let server = Server::start("timeout = \"2m\"\n", &[]);
    let path = server.data.join("control.sock");
    let rights =
        fs::metadata(&path).map(|about| std::os::unix::fs::PermissionsExt::mode(&about.permissions())).unwrap();
    assert_eq!(rights & 0o777, 0o600, "the owner's alone");
    for question in ["\n", "{}\n", "{\"restore\":{}}\n", "{\"backup\":{\"to\":\"/proc/nowhere\"}}\n"] {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.write_all(question.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("{\"refused\":"), "{question:?}: {answer}");
    }
    let told = dwell(server.folder.path(), &["apps", "list", "--data", "data", "--json"]);
    assert!(!told.is_null());
}

#[test]
fn policies_are_in_a_backup() {
    let server = Server::start("timeout = \"2m\"\n", &[]);
    fs::write(server.folder.path().join("other.toml"), "timeout = \"5m\"\n").unwrap();
    let data = server.data.display().to_string();
    let put = dwell(server.folder.path(), &["policy", "put", "other.toml", "--app", "news", "--data", &data, "--json"]);
    assert_ne!(put, Value::Null);
    let to = server.folder.path().join("backup");
    let output = backup(&server, &to);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["backup"]["left_out"], json!([]), "{told}");
    let apps: Vec<_> = fs::read_dir(to.join("policies")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(
        fs::read(apps[0].join("000001.json")).unwrap(),
        fs::read(server.data.join(apps[0].strip_prefix(&to).unwrap()).join("000001.json")).unwrap()
    );
}
