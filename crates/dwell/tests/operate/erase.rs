//! Somebody is erased: from the books, the feed, the archive and what is read of the log, whatever is killed meanwhile.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, dwell};

const SETTINGS: [&str; 4] =
    ["log.archive=parquet", "log.archive_every=1s", "log.segment_bytes=1MiB", "log.retention=1000h"];

/// The archive's files of the one app.
fn files(server: &Server) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for app in fs::read_dir(server.data.join("archive")).into_iter().flatten() {
        found.extend(fs::read_dir(app.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    found.sort();
    found
}

/// Whose events the archive holds, by `dwell sessions`.
fn archived(server: &Server) -> Vec<String> {
    let out = server.folder.path().join("archived.ndjson");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.arg("sessions").args(files(server)).args(["--timeout", "30m", "--quiet", "-o"]).arg(&out);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = fs::read_to_string(&out).unwrap();
    let user = |line: &str| serde_json::from_str::<Value>(line).unwrap()["user"].as_str().unwrap().to_owned();
    let mut users: Vec<String> = text.lines().map(user).collect();
    users.sort();
    users.dedup();
    users
}

fn tapped(user: &str, id: &str, minutes_ago: i64) -> Value {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes_ago);
    json!({ "type": "track", "event": "tapped", "userId": user, "timestamp": at.to_string(), "messageId": id,
        "context": { "device": { "id": format!("{user}-device") } } })
}

/// Ada, who was a phone before she logged in, Bo, and others.
fn people(round: usize) -> Vec<Value> {
    let mut said = vec![
        json!({ "type": "track", "event": "tapped", "anonymousId": "adas-phone", "messageId": format!("p{round}"),
            "timestamp": (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(400)).to_string() }),
        json!({ "type": "identify", "userId": "ada", "anonymousId": "adas-phone", "messageId": format!("i{round}") }),
    ];
    for minutes_ago in [300, 200, 100] {
        for user in ["ada", "bo", "cy"] {
            said.push(tapped(user, &format!("{user}-{round}-{minutes_ago}"), minutes_ago));
        }
    }
    said
}

fn archive_has_all(server: &Server) -> bool {
    let note = fs::read(server.data.join("archive.json")).unwrap_or_else(|_| b"{\"next\":0}".into());
    let next = serde_json::from_slice::<Value>(&note).unwrap()["next"].as_f64();
    next == Some(server.metric("dwell_log_next"))
}

/// Says whether a text holds any id, device or message of Ada's. Names of sessions may hold the same letters, which are digits.
fn names_ada(text: &str) -> bool {
    ["\"ada\"", "\"ada-", "\"adas-phone"].iter().any(|name| text.contains(name))
}

/// Whoever asks hears nothing of Ada, but that she was erased.
fn assert_nothing_of_ada(server: &Server, admin: &str) {
    for id in ["ada", "adas-phone"] {
        for path in ["", "/sessions", "/phases", "/export"] {
            let (status, answer) = server.ask(&format!("/v1/users/{id}{path}"));
            let is_nobody = status == 404 || !answer.contains("started_at");
            assert!(is_nobody, "{id}{path}: {status} {answer}");
        }
    }
    assert_eq!(server.ask("/v1/users/ada/export").0, 404);
    let users = server.ask_json("/v1/users");
    assert_eq!(users["users"], json!(["bo", "cy"]), "{users}");
    for statement in server.feed() {
        let is_told = statement["type"] == json!("user.erased");
        assert!(is_told || !names_ada(&statement.to_string()), "{statement}");
    }
    let told = server.feed().iter().filter(|statement| statement["type"] == json!("user.erased")).count();
    assert_eq!(told, 2, "one statement for each id");
    let export = server.ask("/v1/users/bo/export").1;
    assert!(export.ends_with("\n") && export.contains("\"is_whole\":true"), "{export}");
    assert!(!names_ada(&export), "{export}");
    let (_, erasures) = server.ask_as(admin, "GET", "/v1/erasures");
    assert_eq!(erasures["erasures"][0]["ids"], json!(2), "{erasures}");
}

fn is_erased(server: &Server, admin: &str) -> bool {
    server.ask_as(admin, "GET", "/v1/erasures").1["erasures"][0]["state"] == json!("erased")
}

#[test]
fn nothing_of_somebody_who_was_erased_is_shown_or_read_any_more() {
    let mut server = Server::start("timeout = \"30m\"\n", &SETTINGS);
    let (admin, writer) = (server.key_for("admin_app"), server.key_for("write_policy"));
    assert_eq!(server.send(&people(0)), 200);
    server.settle();
    server.wait("the archive has all", archive_has_all);
    assert_eq!(archived(&server), ["ada", "adas-phone", "bo", "cy"]);
    let (status, refused) = server.ask_as(&writer, "DELETE", "/v1/users/ada");
    assert_eq!(status, 403, "{refused}");
    // By any of her ids.
    let (status, asked) = server.ask_as(&admin, "DELETE", "/v1/users/adas-phone");
    assert_eq!((status, &asked["is_known"], &asked["state"]), (202, &json!(true), &json!("asked")), "{asked}");
    server.wait("she is erased", |server| is_erased(server, &admin));
    assert_nothing_of_ada(&server, &admin);
    assert_eq!(archived(&server), ["bo", "cy"]);
    assert!(files(&server).iter().all(|file| file.extension().is_some_and(|end| end == "parquet")));

    // What is counted of the app is numbers, and stays; so that a history can be counted anew, those are passed over.
    let before = server.ask_json("/v1/app");
    assert_eq!((&before["users"], &before["events"]["read"]), (&json!(2), &json!(11)), "{before}");
    let (status, answer) = server.ask_as(&writer, "POST", "/v1/policy/restating");
    assert_eq!(status, 200, "{answer}");
    server.wait("the history was counted anew", |server| {
        let restating = server.ask_as(&writer, "GET", "/v1/policy/restating").1;
        restating["ended"][0]["failed"] == Value::Null && restating["ended"][0].is_object()
    });
    assert_nothing_of_ada(&server, &admin);
    server.wait("the lab is counted", |server| server.ask_json("/v1/lab/detail")["state"] == json!("ready"));
    let lab = server.ask_json("/v1/lab/detail")["counted"].clone();
    assert!(!lab.to_string().contains("ada"), "{lab}");
    assert_eq!(lab["users"], json!(2), "{lab}");

    // Who comes back is a new person, and nothing of theirs goes with the next start.
    assert_eq!(server.send(&[tapped("ada", "again", 0)]), 200);
    server.settle();
    server.stop();
    server.start_again(&[]);
    server.settle();
    let ada = server.ask_json("/v1/users/ada");
    assert_eq!(ada["open_session"]["activities"], json!(1), "{ada}");
    server.wait("the archive has all", archive_has_all);
    assert_eq!(archived(&server), ["ada", "bo", "cy"]);
}

#[test]
fn an_erasure_is_brought_to_its_end_whenever_the_server_is_killed() {
    for pause in [0, 30, 150, 400, 900, 1_500] {
        let mut server = Server::start("timeout = \"30m\"\n", &SETTINGS);
        let admin = server.key_for("admin_app");
        assert_eq!(server.send(&people(0)), 200);
        server.settle();
        server.wait("the archive has all", archive_has_all);
        assert_eq!(server.send(&people(1)), 200);
        let (status, asked) = server.ask_as(&admin, "DELETE", "/v1/users/ada");
        assert_eq!(status, 202, "{asked}");
        std::thread::sleep(Duration::from_millis(pause));
        server.process.kill().unwrap();
        server.process.wait().unwrap();
        server.start_again(&[]);
        server.wait("she is erased", |server| is_erased(server, &admin));
        server.wait("the archive has all", archive_has_all);
        assert_nothing_of_ada(&server, &admin);
        assert_eq!(archived(&server), ["bo", "cy"], "after {pause} ms");
    }
}

#[test]
fn a_backup_that_was_made_meanwhile_does_not_bring_somebody_back() {
    let mut server = Server::start("timeout = \"30m\"\n", &SETTINGS);
    let admin = server.key_for("admin_app");
    assert_eq!(server.send(&people(0)), 200);
    server.settle();
    let (data, to) = (server.data.to_str().unwrap().to_owned(), server.folder.path().join("copy"));
    let to = to.to_str().unwrap();
    dwell(server.folder.path(), &["backup", "--to", to, "--data", &data, "--json"]);
    assert_eq!(server.ask_as(&admin, "DELETE", "/v1/users/ada").0, 202);
    server.wait("she is erased", |server| is_erased(server, &admin));
    // As if the list had been copied a moment later than the books.
    let list = fs::read(server.data.join("erasures.json")).unwrap();
    server.stop();
    fs::remove_dir_all(&server.data).unwrap();
    fs::rename(to, &server.data).unwrap();
    fs::write(server.data.join("erasures.json"), list).unwrap();
    server.start_again(&[]);
    server.wait("she is erased once more", |server| server.ask("/v1/users/ada").0 == 404 && is_erased(server, &admin));
    server.wait("the archive has all", archive_has_all);
    assert_nothing_of_ada(&server, &admin);
    assert_eq!(archived(&server), ["bo", "cy"]);
}
