//! Policies of a running server, put over HTTP and by commands: what was counted stays, and what comes is judged anew.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// How often something is looked at again before a test gives up, and how long is waited between two looks.
const LOOKS: u32 = 600;
const BETWEEN: Duration = Duration::from_millis(50);

struct Server {
    folder: TempDir,
    process: Child,
    address: String,
    write_key: String,
    key: String,
    agent: ureq::Agent,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn try_dwell(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    let command = command.current_dir(folder).args(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who does not read their input may be gone already.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn dwell(folder: &Path, args: &[&str], input: &str) -> String {
    let output = try_dwell(folder, args, input);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, args: &[&str], input: &str) -> String {
    let output = try_dwell(folder, args, input);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn serve(folder: &Path) -> (Child, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_dwell"))
        .current_dir(folder)
        .args(["serve", "--listen", "127.0.0.1:0", "--set", "sessions.policy=base.toml"])
        .stdout(Stdio::piped())
        .stderr(fs::File::create(folder.join("serve.err")).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().strip_prefix("dwell listens on ").map(str::to_owned));
    let address = address.unwrap_or_else(|| panic!("{}", fs::read_to_string(folder.join("serve.err")).unwrap()));
    // Whoever is listened to must be able to go on speaking.
    std::thread::spawn(move || lines.for_each(drop));
    (process, address)
}

impl Server {
    fn start(base: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("base.toml"), base).unwrap();
        let app: Value = serde_json::from_str(&dwell(folder.path(), &["apps", "add", "Reader", "--json"], "")).unwrap();
        let key = dwell(folder.path(), &["keys", "add", "-q", "--app", "Reader", "--scope", "read,write_policy"], "");
        let (process, address) = serve(folder.path());
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let write_key = app["write_key"].as_str().unwrap().to_owned();
        Server { folder, process, address, write_key, key: key.trim().to_owned(), agent }
    }

    fn ask(&self, path: &str) -> Value {
        let asked = self.agent.get(format!("{}{path}", self.address));
        let mut answer = asked.header("authorization", format!("Bearer {}", self.key)).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    fn put(&self, replaces: u32, body: &Value) -> Value {
        let asked = self.agent.put(format!("{}/v1/policy", self.address));
        let asked = asked.header("authorization", format!("Bearer {}", self.key));
        let mut answer = asked.header("if-match", format!("\"{replaces}\"")).send(body.to_string()).unwrap();
        let said = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status(), 200, "{said}");
        serde_json::from_str(&said).unwrap()
    }

    fn send(&self, user: &str, event: &str) {
        let body = json!({ "writeKey": self.write_key, "type": "track", "userId": user, "event": event });
        let answer = self.agent.post(format!("{}/v1/track", self.address)).send(body.to_string()).unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// Waits until what is asked is so, and returns the answer.
    fn wait(&self, path: &str, so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..LOOKS {
            let answer = self.ask(path);
            if so(&answer) {
                return answer;
            }
            std::thread::sleep(BETWEEN);
        }
        panic!("{path} never became so: {}", self.ask(path));
    }

    /// Waits for a user's nth closed session, and returns it.
    fn session(&self, user: &str, number: usize) -> Value {
        let path = format!("/v1/users/{user}/sessions");
        let answer = self.wait(&path, |answer| answer["sessions"].as_array().is_some_and(|all| number <= all.len()));
        answer["sessions"][number - 1].clone()
    }

    fn wait_for_version(&self, number: u32) {
        self.wait("/v1/policy", |answer| answer["in_force"] == number);
    }
}

#[test]
fn sessions_end_under_the_policy_that_held_when_their_last_silence_began() {
    let mut server = Server::start("timeout = \"1s\"\n");
    server.send("ada", "x");
    let first = server.session("ada", 1);
    assert_eq!((&first["timeout_seconds"], &first["timeout_source"]), (&json!(1), &json!("app")));

    // Over HTTP: somebody who is there when it is put stays under the old one.
    let answer = server.put(0, &json!({ "policy": { "timeout": "2s", "events": { "Bye": "closed" } }, "note": "two" }));
    server.send("bo", "x");
    let bo = server.session("bo", 1);
    // A machine that is very slow takes longer for it than until the new one holds.
    let in_time = bo["started_at"].as_str() < answer["newest"]["effective_from"].as_str();
    assert_eq!(bo["timeout_seconds"], if in_time { 1 } else { 2 });
    server.wait_for_version(1);
    server.send("ada", "x");
    assert_eq!(server.session("ada", 2)["timeout_seconds"], 2);

    // By a command, which a running server notices.
    let folder = server.folder.path().to_owned();
    let args = ["policy", "put", "-", "--app", "Reader", "--replaces", "1", "--note", "three"];
    dwell(&folder, &args, "timeout = \"3s\"\n[events]\nBye = \"closed\"\n");
    server.wait_for_version(2);
    server.send("ada", "x");
    assert_eq!(server.session("ada", 3)["timeout_seconds"], 3);
    server.send("dan", "x");
    server.send("dan", "Bye");
    assert_eq!(server.session("dan", 1)["end_reason"], "closed");

    // What was closed before stays as it was, also when all books are made anew from the log.
    let sessions = |server: &Server| ["ada", "bo", "dan"].map(|user| server.ask(&format!("/v1/users/{user}/sessions")));
    server.session("ada", 3);
    let before = sessions(&server);
    assert_eq!(before[0]["sessions"][0], first);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    fs::remove_dir_all(folder.join("dwell-data/books")).unwrap();
    (server.process, server.address) = serve(&folder);
    server.session("ada", 3);
    server.session("bo", 1);
    server.session("dan", 1);
    assert_eq!(sessions(&server), before);
}

/// What one user said, each so many minutes ago.
fn said_ago(server: &Server, user: &str, minutes: &[i64]) {
    let now = jiff::Timestamp::now();
    let batch: Vec<Value> = minutes
        .iter()
        .map(|minutes| {
            let at = now - jiff::SignedDuration::from_mins(*minutes);
            json!({ "type": "track", "userId": user, "event": "x", "timestamp": at.to_string(),
                "messageId": format!("{user}-{minutes}") })
        })
        .collect();
    let body = json!({ "writeKey": server.write_key, "batch": batch, "sentAt": now.to_string() });
    let answer = server.agent.post(format!("{}/v1/batch", server.address)).send(body.to_string()).unwrap();
    assert_eq!(answer.status(), 200);
}

/// How long the sessions of a user are, in minutes, and under which timeouts.
fn minutes_of(server: &Server, user: &str) -> Vec<(i64, u64)> {
    let answer = server.ask(&format!("/v1/users/{user}/sessions"));
    let minutes = |row: &Value| (row["length_seconds"].as_f64().unwrap() / 60.0).round() as i64;
    let rows = answer["sessions"].as_array().unwrap().iter();
    rows.map(|row| (minutes(row), row["timeout_seconds"].as_u64().unwrap())).collect()
}

fn wait_until_restated(server: &Server, times: usize) -> Value {
    server.wait("/v1/policy/restating", |answer| {
        answer["state"] == "none" && answer["ended"].as_array().is_some_and(|ended| ended.len() == times)
    })
}

#[test]
fn a_version_from_a_past_date_has_the_history_counted_anew_and_is_taken_back_likewise() {
    let mut server = Server::start("timeout = \"30m\"\n");
    said_ago(&server, "ada", &[200, 190, 181, 171, 100, 80]);
    said_ago(&server, "bo", &[150]);
    server.session("ada", 2);
    server.session("bo", 1);
    assert_eq!(minutes_of(&server, "ada"), [(29, 1800), (20, 1800)]);
    let path = "/v1/sessions?limit=1000";
    let told = |server: &Server| server.ask(path)["statements"].as_array().unwrap().len();
    let before = told(&server);

    // Only with the history, which a put has to say.
    let text = json!({ "policy": { "timeout": "15m" }, "effective_from": "2020-01-01T00:00:00Z" });
    let asked = server.agent.put(format!("{}/v1/policy", server.address));
    let asked = asked.header("authorization", format!("Bearer {}", server.key)).header("if-match", "\"0\"");
    let mut answer = asked.send(text.to_string()).unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.body_mut().read_to_string().unwrap().contains("unless the history is restated"));
    assert_eq!(server.ask("/v1/policy/restating")["state"], "none");

    let mut body = text;
    body["restate"] = json!(true);
    body["note"] = json!("as it should have been");
    server.put(0, &body);
    let answer = wait_until_restated(&server, 1);
    assert_eq!(
        [&answer["ended"][0]["version"], &answer["ended"][0]["failed"], &answer["ended"][0]["note"]],
        [&json!(1), &Value::Null, &json!("as it should have been")]
    );
    assert_eq!(minutes_of(&server, "ada"), [(29, 900), (0, 900), (0, 900)]);
    assert_eq!(minutes_of(&server, "bo"), [(0, 900)]);
    let news = server.ask(path);
    let types = |news: &Value, from: usize| -> Vec<String> {
        let all = &news["statements"].as_array().unwrap()[from..];
        all.iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect()
    };
    let types = types(&news, before);
    assert!(types.iter().any(|word| word.contains("amended") || word.contains("retracted")), "{types:?}");

    // A command takes it back while the server is down, and it is done at the next start; kill -9 in the middle is no matter.
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let folder = server.folder.path().to_owned();
    let args = ["put", "-", "--replaces", "1", "--from", "2020-01-01", "--restate", "--note", "back"];
    dwell(&folder, &with(&args), "timeout = \"30m\"\n");
    assert!(dwell(&folder, &with(&["restate", "--status"]), "").contains("counted anew under version 2"));
    for _ in 0..3 {
        (server.process, server.address) = serve(&folder);
        server.process.kill().unwrap();
        server.process.wait().unwrap();
    }
    (server.process, server.address) = serve(&folder);
    wait_until_restated(&server, 2);
    assert_eq!(minutes_of(&server, "ada"), [(29, 1800), (20, 1800)]);
    assert!(!folder.join("dwell-data/books-anew").exists());

    // Once more under the same rules tells nothing.
    let before = told(&server);
    assert!(dwell(&folder, &with(&["restate"]), "").contains("counted anew under version 2"));
    wait_until_restated(&server, 3);
    assert_eq!(told(&server), before);
    server.send("ada", "x");
    server.wait("/v1/users/ada", |answer| answer["open_session"].is_object());
}

/// A command about the policy of our app, whose name is written in another way.
fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["policy"], args, &["--app", "reader"]].concat()
}

#[test]
fn commands_show_put_and_take_back_versions() {
    let server = Server::start("");
    let folder = server.folder.path();
    assert!(refused(folder, &with(&["show"]), "").contains("Reader has no version of its own"));
    assert!(dwell(folder, &with(&["versions"]), "").contains("Reader has no version of its own"));
    let put: Value = serde_json::from_str(&dwell(
        folder,
        &with(&["put", "-", "--json", "--note", "why"]),
        "timeout = \"5m\" # ours\n",
    ))
    .unwrap();
    assert_eq!((&put["number"], &put["note"], &put["state"]), (&json!(1), &json!("why"), &json!("planned")));
    assert!(put["author"].as_str().unwrap().starts_with("local:"), "{put}");
    assert!(refused(folder, &with(&["put", "-"]), "").contains("say --replaces 1"));
    assert!(
        refused(folder, &with(&["put", "-", "--replaces", "0"]), "").contains("the newest version is 1, and not 0")
    );
    dwell(folder, &with(&["put", "-", "--replaces", "1", "--from", "2100-01-01"]), "timeout = \"6m\"\n");
    assert!(refused(folder, &with(&["restore", "7", "--replaces", "2"]), "").contains("there is no version 7"));
    dwell(folder, &with(&["restore", "1", "--replaces", "2", "--note", "back"]), "");
    assert_eq!(dwell(folder, &with(&["show"]), ""), "timeout = \"5m\" # ours\n");
    assert_eq!(dwell(folder, &with(&["show", "--number", "2"]), ""), "timeout = \"6m\"\n");
    let list: Value = serde_json::from_str(&dwell(folder, &with(&["versions", "--json"]), "")).unwrap();
    let rows: Vec<Value> = list.as_array().unwrap().iter().map(|row| json!([row["number"], row["restores"]])).collect();
    assert_eq!(rows, [json!([3, 1]), json!([2, null]), json!([1, null])]);
    assert_eq!(list[1]["state"], "overtaken");
    assert!(dwell(folder, &with(&["versions"]), "").contains("(version 1 again) back"));
    assert!(
        refused(folder, &with(&["put", "-", "--replaces", "3", "--from", "2020-01-01"]), "")
            .contains("stays as it was")
    );
    // The server has noticed all of it.
    let answer = server.wait("/v1/policy", |answer| answer["newest"]["number"] == 3);
    assert_eq!(answer["newest"]["text"], "timeout = \"5m\" # ours\n");
}

#[test]
fn a_text_is_checked_with_its_line_and_without_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(dwell(path, &["policy", "check", "-"], "timeout = \"5m\"").contains("can be put"));
    let said = dwell(path, &["policy", "check", "-"], "[[audiences]]\nname = \"vip\"\ntimeout = \"5m\"");
    assert!(said.contains("does not obey audiences yet"), "{said}");
    let said = refused(path, &["policy", "check", "-"], "\n\ntimeuot = \"5m\"");
    assert!(said.contains("-: line 3: the policy has an unknown key `timeuot`; did you mean `timeout`?"), "{said}");
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn a_server_does_not_start_under_versions_that_cannot_be_read() {
    let mut server = Server::start("");
    let folder = server.folder.path().to_owned();
    dwell(&folder, &["policy", "put", "-", "--app", "Reader"], "timeout = \"5m\"");
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let apps = fs::read_dir(folder.join("dwell-data/policies")).unwrap();
    let version = apps.map(|app| app.unwrap().path().join("000001.json")).next().unwrap();
    fs::write(version, "{").unwrap();
    let said = refused(&folder, &["serve", "--listen", "127.0.0.1:0"], "");
    assert!(said.contains("000001.json: EOF"), "{said}");
}
