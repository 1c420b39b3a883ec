//! The live server as its users meet it: the real binary, a real socket, and kill -9.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// A running `dwell serve` with one app.
struct Live {
    folder: TempDir,
    server: Child,
    address: String,
    app: String,
    write_key: String,
    read_key: String,
    agent: ureq::Agent,
}

fn dwell(folder: &Path, args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_dwell")).current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn start(folder: &Path) -> (Child, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_dwell"))
        .current_dir(folder)
        .args(["serve", "--data", "data", "--listen", "127.0.0.1:0", "--set", "sessions.policy=policy.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("the server ended before it listened").unwrap();
        if let Some((_, address)) = line.split_once("http://") {
            break address.to_owned();
        }
    };
    // Whoever is listened to must be able to go on speaking.
    std::thread::spawn(move || lines.for_each(drop));
    (server, address)
}

impl Live {
    fn new(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        let app = dwell(folder.path(), &["apps", "add", "news", "--data", "data", "--json"]);
        let key =
            dwell(folder.path(), &["keys", "add", "--app", "news", "--scope", "read", "--data", "data", "--json"]);
        let text = |value: &Value, names: &[&str]| {
            let found = names.iter().find_map(|name| value.pointer(name)?.as_str());
            found.unwrap_or_else(|| panic!("{value} has none of {names:?}")).to_owned()
        };
        let (server, address) = start(folder.path());
        Live {
            app: text(&app, &["/app/id", "/id"]),
            write_key: text(&app, &["/write_key/key", "/write_key"]),
            read_key: text(&key, &["/key/key", "/key"]),
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(20)))
                .build()
                .into(),
            folder,
            server,
            address,
        }
    }

    /// Sends a batch; `None` when nobody answered, or not with 200.
    fn send(&self, events: &[Value]) -> Option<Value> {
        let body = json!({ "writeKey": self.write_key, "batch": events }).to_string();
        let mut answer = self.agent.post(format!("http://{}/v1/batch", self.address)).send(body).ok()?;
        if answer.status() != 200 {
            return None;
        }
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    fn ask(&self, path: &str) -> Value {
        let asked = self.agent.get(format!("http://{}{path}", self.address));
        let mut answer = asked.header("authorization", format!("Bearer {}", self.read_key)).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Waits until what is asked is so, and returns the answer.
    fn wait(&self, path: &str, so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let answer = self.ask(path);
            if so(&answer) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{path} never became so: {}", self.ask(path));
    }

    fn kill_and_start(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        (self.server, self.address) = start(self.folder.path());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let ended = self.server.kill().and_then(|()| self.server.wait());
        // It may be gone already; whatever went wrong then is what the test tells of.
        drop(ended);
    }
}

fn real(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var_os("DWELL_DATA").map_or(beside, PathBuf::from).join(name);
    if !path.exists() {
        println!("{name} is not here: this test was skipped; DWELL_DATA names the folder of the real logs");
        return None;
    }
    Some(path)
}

#[test]
fn a_real_log_gives_the_same_sessions_over_http_as_from_the_file() {
    let Some(log) = real("wikireaders_reconstructr.csv.gz") else { return };
    let live = Live::new("timeout = \"30m\"\nallowed_lateness = \"36500d\"\n");
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(&log).unwrap()).read_to_string(&mut text).unwrap();
    let rows: Vec<(&str, i64)> = text
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap())
        .map(|(user, at)| (user, at.parse().unwrap()))
        .collect();
    let event = |(user, at): &(&str, i64)| json!({ "type": "track", "event": "read", "userId": user, "timestamp": jiff::Timestamp::from_second(*at).unwrap().to_string() });
    let mut accepted = 0;
    // From the end to the beginning: the order of arrival changes nothing.
    for piece in rows.rchunks(2_000) {
        let events: Vec<Value> = piece.iter().map(event).collect();
        let fates = live.send(&events).expect("every batch is answered with 200");
        assert_eq!(fates["received"], piece.len());
        accepted += fates["accepted"].as_u64().unwrap();
    }
    live.wait("/v1/app", |app| app["events"]["read"] == accepted && app["open_sessions"] == 0);
    let mut over_http = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = live.ask(&format!("/v1/sessions?limit=1000{after}"));
        let statements = page["statements"].as_array().unwrap();
        for told in statements {
            match told["type"].as_str().unwrap() {
                "session.ended" | "session.amended" => {
                    let session = &told["session"];
                    over_http.insert(session["session_id"].as_str().unwrap().to_owned(), session["started_at"].clone());
                }
                "session.retracted" => {
                    over_http.remove(told["session_id"].as_str().unwrap());
                }
                _ => {}
            }
        }
        if statements.is_empty() {
            break;
        }
        after = format!("&after={}", page["after"]);
    }
    assert_eq!(over_http.len(), 22_226);
    let out = live.folder.path().join("sessions.csv");
    let file = Command::new(env!("CARGO_BIN_EXE_dwell"))
        .args(["sessions", log.to_str().unwrap(), "--timeout", "30m", "--app", &live.app, "-o", out.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(file.status.success(), "{}", String::from_utf8_lossy(&file.stderr));
    let csv = fs::read_to_string(out).unwrap();
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let id = header.iter().position(|name| *name == "session_id").unwrap();
    let from_file: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').nth(id).unwrap()).collect();
    assert_eq!(from_file.len(), over_http.len());
    for id in from_file {
        assert!(over_http.contains_key(id), "the session {id} of the file is not known over HTTP");
    }
}

#[test]
fn what_was_acknowledged_is_counted_once_whatever_is_killed() {
    let mut live = Live::new("timeout = \"30m\"\n");
    let now = jiff::Timestamp::now();
    let mut sent = 0_u64;
    for round in 0..6 {
        for batch in 0..20 {
            let events: Vec<Value> = (0..10)
                .map(|event| {
                    let at = now - jiff::SignedDuration::from_secs(600 - round * 60 - batch);
                    json!({ "type": "track", "event": "tapped", "userId": format!("user{event}"),
                        "messageId": format!("{round}-{batch}-{event}"), "timestamp": at.to_string() })
                })
                .collect();
            // A client sends again until it is answered: whether the first was kept, it cannot know.
            while live.send(&events).is_none() {
                std::thread::sleep(Duration::from_millis(50));
            }
            if batch % 7 == 3 {
                assert!(live.send(&events).is_some());
            }
            sent += 10;
            if batch == 10 {
                live.kill_and_start();
            }
        }
    }
    let app = live.wait("/v1/app", |app| {
        let events = &app["events"];
        let joined = events["joined"].as_u64().unwrap() + events["amended"].as_u64().unwrap();
        joined == sent
    });
    assert_eq!((app["users"].as_u64(), app["open_sessions"].as_i64()), (Some(10), Some(10)), "{app}");
    for user in 0..10 {
        let user = live.ask(&format!("/v1/users/user{user}"));
        assert_eq!(user["open_session"]["activities"].as_u64(), Some(sent / 10), "{user}");
    }
}

#[test]
fn a_session_ends_by_itself_and_not_before_its_deadline() {
    let live = Live::new("timeout = \"2s\"\n");
    let began = jiff::Timestamp::now();
    live.send(&[json!({ "type": "track", "event": "tapped", "userId": "ada", "messageId": "1" })]).unwrap();
    let page =
        live.wait("/v1/users/ada/sessions", |page| page["sessions"].as_array().is_some_and(|rows| !rows.is_empty()));
    let waited = jiff::Timestamp::now().duration_since(began);
    assert_eq!(page["sessions"][0]["end_reason"], "timed_out");
    assert!(jiff::SignedDuration::from_secs(2) <= waited, "it ended before its deadline: {waited:?}");
    let user = live.ask("/v1/users/ada");
    assert_eq!((&user["presence"]["state"], &user["closed_sessions"]["count"]), (&json!("away"), &json!(1)));
}
