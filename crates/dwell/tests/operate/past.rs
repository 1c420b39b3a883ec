//! What the log has dropped is counted from the archive: histories that are restated, and books that are made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::policy_preview::{AFTER, BEFORE, COPIES, as_in_a_file, events};
use crate::retention::{age, segments};
use crate::support::{Server, dwell};

/// How often it is looked whether something has begun that is over soon, and how long is waited in between.
const LOOKS: u32 = 20_000;
const BETWEEN: Duration = Duration::from_millis(1);

/// A server to which many people said much that is hard to count, in several files of the log and of the archive; with what they said.
pub fn told() -> (Server, Vec<Value>) {
    // The door tells no copy, so that the log has them.
    let settings = ["ingest.remembered=0", "log.archive=parquet", "log.archive_every=1s", "log.segment_bytes=1MiB"];
    let server = Server::start(BEFORE, &settings);
    let other =
        dwell(server.folder.path(), &["apps", "add", "other", "--data", server.data.to_str().unwrap(), "--json"]);
    let other = ["/write_key/key", "/write_key"].iter().find_map(|name| other.pointer(name)?.as_str()).unwrap();
    server.wait("the other app is known", |server| server.send_as(other, &[crate::support::event("ada", "0")]) == 200);
    let events = events();
    let (once, copies) = events.split_at(events.len() - COPIES);
    // Links, devices and what is late come first, so that they are in what the log drops.
    let mut once = once.to_vec();
    once.rotate_right(12);
    for (number, some) in once.chunks(400).chain([copies]).enumerate() {
        assert_eq!(server.send(some), 200);
        assert_eq!(server.send_as(other, &[crate::support::event("ada", &number.to_string())]), 200);
        if number % 3 == 0 {
            archive_has_all(&server);
        }
    }
    server.settle();
    archive_has_all(&server);
    (server, events)
}

fn archive_has_all(server: &Server) {
    server.wait("the archive has all", |server| server.metric("dwell_archive_next") == server.metric("dwell_log_next"));
}

/// Has the log drop its beginning.
pub fn drop_beginning(server: &mut Server) {
    server.stop();
    let old = segments(server);
    assert!(3 <= old.len(), "{old:?}");
    age(&old, Duration::from_secs(8 * 24 * 3600));
    server.start_again(&[]);
    server.wait("the old segments are gone", |server| segments(server).len() < old.len());
    server.settle();
}

/// The folder of the archive of our app, which has the most to say.
pub fn folder(server: &Server) -> PathBuf {
    let folders = fs::read_dir(server.data.join("archive")).unwrap().map(|entry| entry.unwrap().path());
    let bytes = |folder: &Path| -> u64 { files(folder).iter().map(|file| fs::metadata(file).unwrap().len()).sum() };
    folders.max_by_key(|folder| bytes(folder)).unwrap()
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Writes a copy of a file that is not as it was where the ids of its users are: not all that lies in a file is read.
pub fn write_damaged(from: &Path, to: &Path) {
    let mut bytes = fs::read(from).unwrap();
    bytes[100..200].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(to, bytes).unwrap();
}

fn users(server: &Server) -> Vec<String> {
    let (mut users, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.ask_json(&format!("/v1/users?limit=100{after}"));
        users.extend(page["users"].as_array().unwrap().iter().map(|user| user.as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&cursor={next}"),
            None => return users,
        }
    }
}

/// All closed sessions by their names, without how often they were told otherwise, which is what was told and not what is so.
fn sessions(server: &Server) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for user in users(server) {
        let page = server.ask_json(&format!("/v1/users/{user}/sessions?limit=1000"));
        assert_eq!(page["next"], Value::Null);
        for row in page["sessions"].as_array().unwrap() {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove("amended");
            row["user"] = json!(user);
            all.insert(row["session_id"].as_str().unwrap().to_owned(), row);
        }
    }
    all
}

/// What is counted of all users together and of each: what they come to, by country and platform, and under every timeout.
fn sums(server: &Server) -> Value {
    let app = server.ask_json("/v1/app");
    let mut of_users = BTreeMap::new();
    for user in users(server) {
        let view = server.ask_json(&format!("/v1/users/{user}"));
        of_users.insert(user, view["closed_sessions"].clone());
    }
    let days = server.ask_json("/v1/overview?by=platform");
    let mut lab = server.ask_json("/v1/lab?form=columns");
    json!({ "read": app["events"]["read"], "users": app["users"], "of_users": of_users, "rows": days["rows"],
        "days": days["places"], "curve": lab["columns"].take(), "gaps": lab["gaps"].take() })
}

fn assert_same(was: &(BTreeMap<String, Value>, Value), server: &Server, when: &str) {
    let now = sessions(server);
    for (id, row) in &was.0 {
        assert_eq!(Some(row), now.get(id), "{when}");
    }
    assert_eq!(now.len(), was.0.len(), "{when}");
    let sums = sums(server);
    for (name, value) in was.1.as_object().unwrap() {
        assert_eq!(&sums[name], value, "{when}: {name}");
    }
}

/// Sessions of `dwell sessions` on all that was said under a policy, those that had ended, and the names of those that had not.
fn of_file(server: &Server, events: &[Value], policy: &str) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let at = server.folder.path();
    let lines: Vec<String> = as_in_a_file(events).iter().map(Value::to_string).collect();
    fs::write(at.join("events.ndjson"), lines.join("\n")).unwrap();
    fs::write(at.join("rules.toml"), policy).unwrap();
    let folder = folder(server);
    let app = folder.file_name().unwrap().to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dwell"))
        .current_dir(at)
        .args(["sessions", "events.ndjson", "--policy", "rules.toml", "--quiet", "--restate", "--app", app])
        .args(["--platform", "context.os.name", "--device", "context.device.id"])
        .args(["-o", "-", "--output-format", "ndjson"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut ended, mut open) = (BTreeMap::new(), BTreeSet::new());
    for row in String::from_utf8(output.stdout).unwrap().lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let id = row["session_id"].as_str().unwrap().to_owned();
        if row["end_reason"].is_null() {
            open.insert(id);
        } else {
            ended.insert(id, row);
        }
    }
    (ended, open)
}

/// Asserts that a server's sessions are those of the file.
fn assert_as_in_file(server: &Server, events: &[Value], policy: &str) {
    let (ended, open) = of_file(server, events, policy);
    let mut live = sessions(server);
    live.retain(|id, _| !open.contains(id));
    assert!(400 < ended.len(), "{}", ended.len());
    assert_eq!(live.keys().collect::<Vec<_>>(), ended.keys().collect::<Vec<_>>());
    for (id, row) in &ended {
        let live = &live[id];
        let seconds = |name: &str| json!(row[name].as_i64().unwrap() as f64 / 1e6);
        for (name, value) in [
            ("user", row["user"].clone()),
            ("ordinal", row["ordinal"].clone()),
            ("activities", row["activities"].clone()),
            ("end_reason", row["end_reason"].clone()),
            ("timeout_seconds", row["timeout_s"].clone()),
            ("length_seconds", seconds("length_us")),
            ("playing_seconds", seconds("playing_us")),
            ("idle_seconds", seconds("idle_us")),
            ("platforms", row["platforms"].clone()),
        ] {
            assert_eq!(live[name], value, "{name} of {row} and {live}");
        }
    }
}

/// Waits until the nth history was counted anew, and returns how it ended.
fn restated(server: &Server, key: &str, times: usize) -> Value {
    let ask = |server: &Server| server.ask_as(key, "GET", "/v1/policy/restating").1;
    server.wait("the history was counted anew", |server| {
        let answer = ask(server);
        answer["state"] == "none" && answer["ended"].as_array().is_some_and(|ended| ended.len() == times)
    });
    ask(server)["ended"][0]["failed"].clone()
}

/// A policy that has held ever since.
fn ever(policy: &str) -> Value {
    json!({ "text": policy, "effective_from": "2020-01-01T00:00:00Z", "restate": true })
}

#[test]
fn a_history_whose_beginning_the_log_has_dropped_is_counted_anew_from_the_archive() {
    let (mut server, events) = told();
    let key = server.key_for("write_policy");
    // As it is when the log has all of it.
    assert_eq!(server.change_policy(&key, "/v1/policy", 0, &ever(AFTER)).0, 200);
    assert_eq!(restated(&server, &key, 1), Value::Null);
    let wanted = (sessions(&server), sums(&server));
    assert_eq!(server.change_policy(&key, "/v1/policy", 1, &ever(BEFORE)).0, 200);
    assert_eq!(restated(&server, &key, 2), Value::Null);
    let before = (sessions(&server), sums(&server));
    assert_ne!(wanted.0, before.0);

    drop_beginning(&mut server);
    assert_same(&before, &server, "what is counted stays");
    assert_eq!(server.change_policy(&key, "/v1/policy", 2, &ever(AFTER)).0, 200);
    // kill -9 in the middle of it, as often as it is met there.
    let anew = server.data.join("books-anew");
    let mut met = 0;
    for _ in 0..5 {
        let begun = (0..LOOKS).any(|_| {
            std::thread::sleep(BETWEEN);
            anew.exists() || server.ask_as(&key, "GET", "/v1/policy/restating").1["state"] == "none"
        });
        assert!(begun, "{}", server.said());
        server.kill();
        met += usize::from(anew.exists());
        server.start_again(&[]);
    }
    assert!(0 < met, "it was never killed while it counted");
    assert_eq!(restated(&server, &key, 3), Value::Null);
    assert_same(&wanted, &server, "counted anew from the archive");
    assert_as_in_file(&server, &events, AFTER);

    // Once more tells nothing, and what comes goes on from there.
    let told = server.feed().len();
    assert_eq!(server.change_policy(&key, "/v1/policy/restating", 0, &json!({})).0, 200);
    assert_eq!(restated(&server, &key, 4), Value::Null);
    assert_eq!(server.feed().len(), told);
    assert_eq!(server.send(&[crate::support::event("user1", "new")]), 200);
    server.settle();
    assert!(server.ask_json("/v1/users/user1")["open_session"].is_object());
}

#[test]
fn an_archive_that_is_not_whole_or_not_as_it_was_written_leaves_the_history_as_it_is() {
    let (mut server, _) = told();
    let (key, admin) = (server.key_for("write_policy"), server.key_for("admin_app"));
    drop_beginning(&mut server);
    let before = (sessions(&server), sums(&server));
    let folder = folder(&server);
    let file = files(&folder)[0].clone();
    let aside = server.folder.path().join("aside");
    let restate = |server: &Server| server.change_policy(&key, "/v1/policy/restating", 0, &json!({}));

    // A file is missing: whoever asks is told, and nothing is begun.
    fs::rename(&file, &aside).unwrap();
    let (status, answer) = restate(&server);
    assert_eq!((status, &answer["code"]), (409, &json!("log_dropped")), "{answer}");
    let why = answer["detail"].as_str().unwrap();
    assert!(why.contains("the archive is not whole") && why.contains(folder.to_str().unwrap()), "{why}");
    assert_eq!(server.change_policy(&key, "/v1/policy", 0, &ever(AFTER)).0, 409);
    assert_eq!(server.ask_as(&key, "GET", "/v1/policy").1["newest"], Value::Null);

    // One is damaged, which is found when it is read.
    write_damaged(&aside, &file);
    assert_eq!(restate(&server).0, 200);
    let why = restated(&server, &key, 1);
    assert!(why.as_str().unwrap().contains(file.to_str().unwrap()), "{why}");
    assert_same(&before, &server, "it stays as it was");

    // Put back from the copy, all is well.
    fs::rename(&aside, &file).unwrap();
    assert_eq!(restate(&server).0, 200);
    assert_eq!(restated(&server, &key, 2), Value::Null);

    // Whoever was erased is not in the archive any more: their events were counted, and are missed by nobody.
    erase(&server, &admin, "user5");
    assert_eq!(restate(&server).0, 200);
    assert_eq!(restated(&server, &key, 3), Value::Null);
    assert!(sessions(&server).values().all(|row| row["user"] != "user5"));
}

/// Erases somebody, and waits until that is done.
fn erase(server: &Server, admin: &str, user: &str) {
    assert_eq!(server.ask_as(admin, "DELETE", &format!("/v1/users/{user}")).0, 202);
    wait_until_erased(server, admin);
}

fn wait_until_erased(server: &Server, admin: &str) {
    server.wait("they are erased", |server| {
        let erasure = server.ask_as(admin, "GET", "/v1/erasures").1["erasures"][0].clone();
        erasure["state"] == json!("erased")
    });
}

/// Removes the books of a server that has stopped, and starts it.
fn lose_books(server: &mut Server) {
    fs::remove_dir_all(server.data.join("books")).unwrap();
    server.start_again(&[]);
}

/// Waits until the engine has stopped, and returns what is said of it.
fn why_stopped(server: &Server) -> String {
    server.wait("the engine has stopped", |server| server.ask("/readyz").1.contains("\"stopped\""));
    server.ask("/readyz").1
}

#[test]
fn books_that_are_lost_are_made_anew_from_the_archive_and_then_from_the_log() {
    let (mut server, _) = told();
    let (admin, writer) = (server.key_for("admin_app"), server.key_for("write_policy"));
    drop_beginning(&mut server);
    let before = (sessions(&server), sums(&server));
    let folder = folder(&server);
    let file = files(&folder)[0].clone();
    let aside = server.folder.path().join("aside");

    // A file is missing, or not as it was written: the engine waits for somebody to mend it, and events are kept.
    server.stop();
    fs::rename(&file, &aside).unwrap();
    lose_books(&mut server);
    let why = why_stopped(&server);
    assert!(why.contains("the archive is not whole") && why.contains(folder.to_str().unwrap()), "{why}");
    server.kill();
    write_damaged(&aside, &file);
    server.start_again(&[]);
    let why = why_stopped(&server);
    assert!(why.contains(file.to_str().unwrap()), "{why}");
    server.kill();

    // Put back from the copy. kill -9 in the middle is no matter.
    fs::rename(&aside, &file).unwrap();
    lose_books(&mut server);
    let is_done = |server: &Server| server.metric("dwell_engine_next") == server.metric("dwell_log_next");
    let mut met = 0;
    for _ in 0..5 {
        let begun = |server: &Server| server.said().contains("what the log has dropped is counted from the archive");
        server.wait("it has begun", |server| begun(server) || is_done(server));
        met += usize::from(!server.said().contains("what the log has dropped was counted"));
        server.kill();
        server.start_again(&[]);
    }
    assert!(0 < met, "it was never killed while it counted");
    server.settle();
    assert_same(&before, &server, "books made anew");

    // Somebody is erased, and the books are lost once more: nobody comes back.
    erase(&server, &admin, "user5");
    server.stop();
    lose_books(&mut server);
    server.settle();
    wait_until_erased(&server, &admin);
    let mut left = before.0.clone();
    left.retain(|_, row| row["user"] != "user5");
    assert!(left.len() < before.0.len());
    assert_eq!(sessions(&server), left);
    // Their events are not there to be counted anew, and that is known.
    assert_eq!(server.change_policy(&writer, "/v1/policy", 0, &ever(BEFORE)).0, 200);
    assert_eq!(restated(&server, &writer, 1), Value::Null);
    assert!(sessions(&server).values().all(|row| row["user"] != "user5"));
}
