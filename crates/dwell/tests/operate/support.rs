//! A server of one's own, and how it is spoken to.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How often something is looked at again before a test gives up, and how long is waited between two looks.
const LOOKS: u32 = 900;
const BETWEEN: Duration = Duration::from_millis(100);

/// A running `dwell serve` with one app.
pub struct Server {
    pub folder: TempDir,
    pub process: Child,
    pub address: String,
    pub write_key: String,
    pub read_key: String,
    /// The data folder.
    pub data: PathBuf,
    more: Vec<String>,
    environment: Vec<(String, String)>,
    agent: ureq::Agent,
}

pub fn dwell(folder: &Path, args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_dwell")).current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

impl Server {
    /// Starts one with this policy, and with these keys of the configuration.
    pub fn start(policy: &str, settings: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Server::start_in(folder, data, policy, settings, &[])
    }

    /// The same under another program, which becomes it. The next start is without.
    pub fn start_under(under: &[&str], policy: &str, settings: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let under: Vec<String> = under.iter().map(|word| (*word).to_owned()).collect();
        Server::start_with(under, folder, data, policy, settings, &[])
    }

    /// The same with a data folder elsewhere, and variables of the environment.
    pub fn start_in(
        folder: TempDir,
        data: PathBuf,
        policy: &str,
        settings: &[&str],
        environment: &[(&str, &str)],
    ) -> Server {
        Server::start_with(Vec::new(), folder, data, policy, settings, environment)
    }

    fn start_with(
        mut under: Vec<String>,
        folder: TempDir,
        data: PathBuf,
        policy: &str,
        settings: &[&str],
        environment: &[(&str, &str)],
    ) -> Server {
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        let place = data.to_str().unwrap().to_owned();
        let app = dwell(folder.path(), &["apps", "add", "news", "--data", &place, "--json"]);
        let key =
            dwell(folder.path(), &["keys", "add", "--app", "news", "--scope", "read", "--data", &place, "--json"]);
        let text = |value: &Value, names: &[&str]| {
            let found = names.iter().find_map(|name| value.pointer(name)?.as_str());
            found.unwrap_or_else(|| panic!("{value} has none of {names:?}")).to_owned()
        };
        let mut more = vec!["--data".to_owned(), place, "--set".to_owned(), "sessions.policy=policy.toml".to_owned()];
        for setting in settings {
            more.extend(["--set".to_owned(), (*setting).to_owned()]);
        }
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<(String, String)> = environment.iter().map(own).collect();
        under.push(env!("CARGO_BIN_EXE_dwell").to_owned());
        let (process, address) = spawn(&under, folder.path(), &more, &environment);
        Server {
            write_key: text(&app, &["/write_key/key", "/write_key"]),
            read_key: text(&key, &["/key/key", "/key"]),
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(20)))
                .build()
                .into(),
            folder,
            process,
            address,
            data,
            more,
            environment,
        }
    }

    /// Sends a batch, and returns the status; 0 when nobody answered.
    pub fn send(&self, events: &[Value]) -> u16 {
        self.send_as(&self.write_key, events)
    }

    /// The same to another app.
    pub fn send_as(&self, write_key: &str, events: &[Value]) -> u16 {
        let body = json!({ "writeKey": write_key, "batch": events }).to_string();
        let sent = self.agent.post(format!("http://{}/v1/batch", self.address)).send(body);
        sent.map_or(0, |answer| answer.status().as_u16())
    }

    /// Sends a batch, and returns what became of each message.
    pub fn told(&self, events: &[Value]) -> Value {
        let body = json!({ "writeKey": self.write_key, "batch": events }).to_string();
        let mut answer = self.agent.post(format!("http://{}/v1/batch", self.address)).send(body).unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Asks with the key that reads, and returns the status and the answer.
    pub fn ask(&self, path: &str) -> (u16, String) {
        let asked = self.agent.get(format!("http://{}{path}", self.address));
        let mut answer = asked.header("authorization", format!("Bearer {}", self.read_key)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// Asks by POST, and returns the answer.
    pub fn post_json(&self, path: &str, body: &Value) -> Value {
        let asked = self.agent.post(format!("http://{}{path}", self.address));
        let asked = asked.header("authorization", format!("Bearer {}", self.read_key));
        let answer = asked.send(body.to_string()).unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"))
    }

    /// Asks with a key of one's own, and returns the status and the answer.
    pub fn ask_as(&self, key: &str, method: &str, path: &str) -> (u16, Value) {
        let (to, bearer) = (format!("http://{}{path}", self.address), format!("Bearer {key}"));
        let asked = match method {
            "DELETE" => self.agent.delete(to).header("authorization", bearer).call(),
            "POST" => self.agent.post(to).header("authorization", bearer).send("{}"),
            _ => self.agent.get(to).header("authorization", bearer).call(),
        };
        let mut answer = asked.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Puts a version of the policy, or has the history counted anew, with a key of one's own.
    pub fn change_policy(&self, key: &str, path: &str, replaces: u32, body: &Value) -> (u16, Value) {
        let (to, bearer) = (format!("http://{}{path}", self.address), format!("Bearer {key}"));
        let asked = if path == "/v1/policy" { self.agent.put(to) } else { self.agent.post(to) };
        let asked = asked.header("authorization", bearer).header("if-match", format!("\"{replaces}\""));
        let mut answer = asked.send(body.to_string()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Makes a secret key with a scope.
    pub fn key_for(&self, scope: &str) -> String {
        let data = self.data.to_str().unwrap();
        let args = ["keys", "add", "--app", "news", "--scope", scope, "--data", data, "--json"];
        let made = dwell(self.folder.path(), &args);
        let key = ["/key/key", "/key"].iter().find_map(|name| made.pointer(name)?.as_str()).unwrap().to_owned();
        self.wait("the key opens", |server| server.ask_as(&key, "GET", "/v1/me").0 != 401);
        key
    }

    pub fn ask_json(&self, path: &str) -> Value {
        let (_, answer) = self.ask(path);
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"))
    }

    /// The sum of a metric over its labels.
    pub fn metric(&self, name: &str) -> f64 {
        let (status, metrics) = self.ask("/metrics");
        assert_eq!(status, 200, "{metrics}");
        let values = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until something is so.
    pub fn wait(&self, what: &str, so: impl Fn(&Server) -> bool) {
        for _ in 0..LOOKS {
            if so(self) {
                return;
            }
            std::thread::sleep(BETWEEN);
        }
        panic!("never came to: {what}; the server said\n{}", self.said());
    }

    /// Waits until the engine has read all that was sent.
    pub fn settle(&self) {
        self.wait("the engine has read all", |server| {
            server.metric("dwell_log_next") == server.metric("dwell_engine_next")
        });
    }

    /// All statements of the feed.
    pub fn feed(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.ask_json(&format!("/v1/sessions?limit=1000{after}"));
            let statements = page["statements"].as_array().unwrap_or_else(|| panic!("{page}"));
            if statements.is_empty() {
                return all;
            }
            all.extend(statements.iter().cloned());
            after = format!("&after={}", page["after"]);
        }
    }

    /// What the server wrote on standard error since it was started.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("serve.err")).unwrap()
    }

    /// Stops it as a service manager would.
    pub fn stop(&mut self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        let ended = self.process.wait().unwrap();
        assert!(ended.success(), "{ended}: {}", self.said());
    }

    /// Starts it again, with more keys of the configuration.
    pub fn start_again(&mut self, settings: &[&str]) {
        for setting in settings {
            self.more.extend(["--set".to_owned(), (*setting).to_owned()]);
        }
        let plain = [env!("CARGO_BIN_EXE_dwell").to_owned()];
        (self.process, self.address) = spawn(&plain, self.folder.path(), &self.more, &self.environment);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; whatever went wrong then is what the test tells of.
        drop(self.process.kill().and_then(|()| self.process.wait()));
    }
}

fn spawn(under: &[String], folder: &Path, more: &[String], environment: &[(String, String)]) -> (Child, String) {
    let mut process = Command::new(&under[0])
        .args(&under[1..])
        .current_dir(folder)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(more)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(fs::File::create(folder.join("serve.err")).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        line.split_once("://").map(|(_, address)| address.to_owned())
    });
    let address = address.unwrap_or_else(|| panic!("{}", fs::read_to_string(folder.join("serve.err")).unwrap()));
    // Whoever is listened to must be able to go on speaking.
    std::thread::spawn(move || lines.for_each(drop));
    (process, address)
}

/// A file system of its own, for as long as this lives. `None`, with a word why, where nobody may mount one.
pub struct Small(PathBuf);

impl Small {
    pub fn mount(at: &Path, bytes: u64) -> Option<Small> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Small(at.to_owned())),
            refused => {
                println!("not run: a small file system cannot be mounted here, which needs root: {refused:?}");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// An event of a user, now.
pub fn event(user: &str, id: &str) -> Value {
    json!({ "type": "track", "event": "tapped", "userId": user, "messageId": id })
}

/// For measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "a test of time has to look at a clock")]
pub fn now() -> Instant {
    Instant::now()
}
