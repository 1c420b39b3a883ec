//! Webhooks as receivers meet them: the real binary, a receiver on a real socket, and kill -9.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// How often something is looked at again before a test gives up, and how long is waited between two looks.
const LOOKS: u32 = 1_200;
const BETWEEN: Duration = Duration::from_millis(50);

/// One webhook as it came in.
#[derive(Clone, Debug)]
struct Heard {
    id: String,
    seconds: i64,
    signature: String,
    body: String,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver that answers everybody with a status, and keeps what it heard.
struct Receiver {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    status: Arc<AtomicU16>,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Receiver {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            status: Arc::new(AtomicU16::new(200)),
            connections: Arc::default(),
        };
        let (heard, status, connections) =
            (receiver.heard.clone(), receiver.status.clone(), receiver.connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (heard, status) = (heard.clone(), status.clone());
                std::thread::spawn(move || talk(stream, &heard, &status));
            }
        });
        receiver
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/dwell", self.port)
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

fn talk(stream: TcpStream, heard: &Mutex<Vec<Heard>>, status: &AtomicU16) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream);
    loop {
        let (mut id, mut seconds, mut signature, mut length) = (String::new(), 0, String::new(), 0);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_lowercase().as_str() {
                "webhook-id" => id = value.to_owned(),
                "webhook-timestamp" => seconds = value.parse().unwrap(),
                "webhook-signature" => signature = value.to_owned(),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).ok()?;
        heard.lock().unwrap().push(Heard { id, seconds, signature, body: String::from_utf8(body).unwrap() });
        write!(out, "HTTP/1.1 {} Said\r\ncontent-length: 0\r\n\r\n", status.load(Ordering::SeqCst)).ok()?;
    }
}

struct Live {
    folder: TempDir,
    server: Child,
    address: String,
    app: String,
    write_key: String,
    app_key: String,
    agent: ureq::Agent,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.current_dir(folder);
    // A receiver on this machine, without TLS; and a proxy that must not be asked, since nobody listens there.
    command.env("DWELL_WEBHOOKS_ALLOW_HTTP", "yes").env("DWELL_WEBHOOKS_ALLOW_PRIVATE", "127.0.0.1/32");
    command.env("HTTP_PROXY", "http://127.0.0.1:9").env("http_proxy", "http://127.0.0.1:9");
    command.env("ALL_PROXY", "http://127.0.0.1:9");
    command
}

fn run(folder: &Path, args: &[&str]) -> Value {
    let output = command(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn start(folder: &Path) -> (Child, String) {
    let mut server = command(folder)
        .args(["serve", "--listen", "127.0.0.1:0", "--set", "sessions.policy=policy.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().strip_prefix("dwell listens on ").map(str::to_owned)).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (server, address)
}

impl Live {
    fn new(timeout: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), format!("timeout = \"{timeout}\"\n")).unwrap();
        let app = run(folder.path(), &["apps", "add", "news", "--json"]);
        let key = run(folder.path(), &["keys", "add", "--app", "news", "--scope", "admin_app", "--json"]);
        let (server, address) = start(folder.path());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Live {
            app: text(&app["app"]["id"]),
            write_key: text(&app["write_key"]),
            app_key: text(&key["key"]),
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .proxy(None)
                .timeout_global(Some(Duration::from_secs(20)))
                .build()
                .into(),
            folder,
            server,
            address,
        }
    }

    /// Adds an endpoint, and returns its id and its secret.
    fn add(&self, receiver: &Receiver, more: &[&str]) -> (String, String) {
        let url = receiver.url();
        let args = [&["webhooks", "add", "--app", "news", "--url", &url, "--json"], more].concat();
        let added = run(self.folder.path(), &args);
        let text = |name: &str| added[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("id"), text("secret"));
        self.wait("the server has seen the endpoint", || self.webhook(&id).is_some());
        (id, secret)
    }

    fn send(&self, user: &str, message: &str) {
        let event = json!({ "type": "track", "event": "tapped", "userId": user, "messageId": message });
        let body = json!({ "writeKey": self.write_key, "batch": [event] }).to_string();
        self.wait("the event is acknowledged", || {
            let answer = self.agent.post(format!("{}/v1/batch", self.address)).send(body.as_str());
            answer.is_ok_and(|answer| answer.status() == 200)
        });
    }

    fn ask(&self, path: &str) -> Value {
        let asked = self.agent.get(format!("{}{path}", self.address));
        let mut answer = asked.header("authorization", format!("Bearer {}", self.app_key)).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    fn metric(&self, name: &str) -> u64 {
        let mut answer = self.agent.get(format!("{}/metrics", self.address)).call().unwrap();
        let metrics = answer.body_mut().read_to_string().unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{metrics}"));
        line.trim().parse().unwrap()
    }

    fn webhook(&self, id: &str) -> Option<Value> {
        let all = self.ask("/v1/webhooks");
        all["webhooks"].as_array().unwrap().iter().find(|one| one["id"] == id).cloned()
    }

    fn wait(&self, what: &str, so: impl Fn() -> bool) {
        for _ in 0..LOOKS {
            if so() {
                return;
            }
            std::thread::sleep(BETWEEN);
        }
        panic!("never: {what}");
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

fn verified(secret: &str, heard: &Heard) -> bool {
    let theirs = standardwebhooks::Webhook::new(secret).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("webhook-id", heard.id.parse().unwrap());
    headers.insert("webhook-timestamp", heard.seconds.into());
    headers.insert("webhook-signature", heard.signature.parse().unwrap());
    theirs.verify(heard.body.as_bytes(), &headers).is_ok()
}

#[test]
fn a_session_that_starts_and_ends_is_told_signed_in_order_and_as_the_api_says() {
    let live = Live::new("2s");
    let (all, ended) = (Receiver::open(), Receiver::open());
    let (id, secret) = live.add(&all, &[]);
    let (_, other_secret) = live.add(&ended, &["--events", "session.ended"]);
    live.send("ada", "1");
    live.wait("both are told", || all.heard().len() == 2 && ended.heard().len() == 1);
    let heard = all.heard();
    let words: Vec<Value> = heard.iter().map(|heard| heard.json()["type"].clone()).collect();
    assert_eq!(words, ["session.started", "session.ended"]);
    let feed = live.ask("/v1/sessions");
    for (number, one) in heard.iter().enumerate() {
        assert!(verified(&secret, one), "{one:?}");
        assert!(!verified(&other_secret, one));
        assert_eq!(one.id, format!("{}-{id}-{number}", live.app));
        let told = &feed["statements"][number];
        let wanted = json!({ "type": words[number], "timestamp": told["at"], "app": live.app, "data": told });
        assert_eq!(one.json(), wanted);
    }
    let told = &heard[1].json()["data"]["session"]["session_id"];
    let known = live.ask("/v1/users/ada/sessions");
    assert_eq!(*told, known["sessions"][0]["session_id"]);
    assert!(verified(&other_secret, &ended.heard()[0]));
    live.wait("it is counted", || live.metric("dwell_webhook_attempts_total{result=\"delivered\"} ") == 3);
    assert_eq!(live.webhook(&id).unwrap()["next"], 2);
}

#[test]
fn whatever_is_killed_every_number_is_told_in_order_and_again_only_under_the_same_id() {
    let mut live = Live::new("1h");
    let receiver = Receiver::open();
    let (id, secret) = live.add(&receiver, &["--from", "0"]);
    const EACH: usize = 150;
    for round in 0..4 {
        for user in 0..EACH {
            live.send(&format!("user{round}-{user}"), "1");
        }
        if round % 2 == 0 {
            live.wait("some are told", || round * EACH < receiver.heard().len());
        }
        live.kill_and_start();
    }
    let numbers = || -> Vec<u64> {
        receiver.heard().iter().map(|heard| heard.json()["data"]["number"].as_u64().unwrap()).collect()
    };
    let last = 4 * EACH as u64 - 1;
    live.wait("all are told", || numbers().contains(&last));
    let heard = receiver.heard();
    let (mut next, mut said) = (0, BTreeMap::new());
    for (number, one) in numbers().into_iter().zip(&heard) {
        assert_eq!(*said.entry(number).or_insert(&one.body), &one.body, "it says something else when it is told again");
        assert!(number <= next, "{number} is told, and {next} is not");
        assert_eq!(one.id, format!("{}-{id}-{number}", live.app));
        assert!(verified(&secret, one));
        next = next.max(number + 1);
    }
    assert_eq!(next, last + 1);
    println!("{} of {} were told again after 4 kills", heard.len() as u64 - next, next);
}

#[test]
fn what_a_receiver_refuses_is_seen_by_command_and_over_http_and_is_delivered_again_on_demand() {
    let live = Live::new("1h");
    let receiver = Receiver::open();
    let (id, secret) = live.add(&receiver, &[]);
    receiver.status.store(500, Ordering::SeqCst);
    live.send("ada", "1");
    live.wait("it fails", || live.webhook(&id).unwrap()["state"] == "failing");
    let webhook = live.webhook(&id).unwrap();
    assert_eq!(webhook["trouble"]["says"], "answered 500 Internal Server Error");
    assert_eq!((&webhook["behind"], &webhook["trying"]["number"]), (&json!(1), &json!(0)));
    // Given up by hand, it is a dead letter.
    let folder = live.folder.path();
    live.wait("the state is written", || {
        command(folder).args(["webhooks", "skip", &id, "0"]).output().unwrap().status.success()
    });
    live.wait("it is a dead letter", || live.webhook(&id).unwrap()["dead"] == 1);
    assert_eq!(live.ask(&format!("/v1/webhooks/{id}/dead"))["dead"][0]["says"], "skipped by hand");
    live.wait("the command sees it", || {
        let dead = run(folder, &["webhooks", "dead", &id, "--json"]);
        dead["dead"][0]["number"] == 0
    });
    receiver.status.store(200, Ordering::SeqCst);
    run(folder, &["webhooks", "retry", &id, "0"]);
    live.wait("it is delivered", || live.webhook(&id).unwrap()["dead"] == 0);
    let heard = receiver.heard();
    // However long after, it says the same, and when it was made.
    let is_same = |one: &Heard| one.id == heard[0].id && one.body == heard[0].body;
    assert!(heard.iter().all(is_same) && 2 <= heard.len(), "{heard:?}");
    // Both secrets sign while one takes the place of the other.
    let rotated = run(folder, &["webhooks", "rotate", &id, "--json"])["secret"].as_str().unwrap().to_owned();
    let tested = run(folder, &["webhooks", "test", &id, "--json"]);
    assert_eq!(tested["result"], "delivered");
    let test = receiver.heard().pop().unwrap();
    assert_eq!(test.json()["type"], "webhook.test");
    assert!(verified(&secret, &test) && verified(&rotated, &test));
    // Who says 410 is switched off, and hears what it missed when it is switched on.
    receiver.status.store(410, Ordering::SeqCst);
    live.send("bo", "1");
    live.wait("it is off", || live.webhook(&id).unwrap()["state"] == "off");
    receiver.status.store(200, Ordering::SeqCst);
    run(folder, &["webhooks", "retry", &id]);
    live.wait("it is on", || live.webhook(&id).unwrap()["next"] == 2);
    run(folder, &["webhooks", "remove", &id]);
    live.wait("it is gone", || live.webhook(&id).is_none());
}

#[test]
fn without_leave_nothing_on_this_machine_is_connected_to() {
    let live = Live::new("1h");
    let receiver = Receiver::open();
    let (id, _) = live.add(&receiver, &[]);
    let folder = live.folder.path();
    for (variable, says) in [
        ("DWELL_WEBHOOKS_ALLOW_PRIVATE", "which is this machine: nothing is sent there"),
        ("DWELL_WEBHOOKS_ALLOW_HTTP", "http:// is not allowed"),
    ] {
        let tested = command(folder).env_remove(variable).args(["webhooks", "test", &id]).output().unwrap();
        let said = String::from_utf8_lossy(&tested.stdout).into_owned();
        assert!(!tested.status.success() && said.contains(says), "{said}");
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 0);
    let refused = command(folder)
        .env("DWELL_WEBHOOKS_ALLOW_HTTP", "no")
        .args(["webhooks", "add", "--app", "news", "--url", &receiver.url()])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("give an https:// URL"), "{refused:?}");
}

#[test]
fn a_receiver_that_never_answers_does_not_keep_the_server_from_stopping() {
    let mut live = Live::new("1h");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    run(live.folder.path(), &["webhooks", "add", "--app", "news", "--url", &url, "--from", "0"]);
    live.send("ada", "1");
    let connected = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let accepted = scope.spawn(|| silent.accept().inspect(|_| connected.store(true, Ordering::SeqCst)));
        live.wait("the receiver is connected to", || connected.load(Ordering::SeqCst));
        let told = Command::new("kill").arg(live.server.id().to_string()).status().unwrap();
        assert!(told.success());
        let ended = (0..200).find_map(|_| {
            std::thread::sleep(BETWEEN);
            live.server.try_wait().unwrap()
        });
        assert!(ended.is_some_and(|ended| ended.success()), "the server did not stop in time: {ended:?}");
        drop(accepted.join());
    });
}
