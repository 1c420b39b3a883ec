//! The live server as its users see it: the real binary in a folder of its own, asked by curl as the documents say.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Where the documents say that the server listens.
const SAID: &str = "http://127.0.0.1:8080";

/// How often something is looked at again before a test gives up, and how long is waited between two looks.
const LOOKS: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(50);

struct Server {
    folder: TempDir,
    process: Child,
    address: String,
    write_key: String,
    read_key: String,
    app_key: String,
    webhook: String,
    policy_key: String,
    admin_key: String,
    /// What may be seen of a key that nobody needs.
    spare_key: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been stopped already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Server {
    fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let app: Value = serde_json::from_str(&run(folder.path(), &["apps", "add", "Reader", "--json"])).unwrap();
        let write_key = app["write_key"].as_str().unwrap().to_owned();
        let key =
            |scope| run(folder.path(), &["keys", "add", "-q", "--app", "Reader", "--scope", scope]).trim().to_owned();
        add_account(folder.path(), "ada", "admin");
        let admin_key = run(folder.path(), &["keys", "add", "-q", "--admin"]).trim().to_owned();
        let spare_key = key("read")[..13].to_owned();
        let (read_key, app_key, policy_key) = (key("read"), key("admin_app"), key("write_policy"));
        // Nobody is there, which harms nobody else.
        let add = ["webhooks", "add", "--app", "Reader", "--url", "https://hooks.invalid/dwell", "--json"];
        let webhook: Value = serde_json::from_str(&run(folder.path(), &add)).unwrap();
        let webhook = webhook["id"].as_str().unwrap().to_owned();
        // So that the status of every answer is seen without changing what the documents say to run.
        fs::write(folder.path().join(".curlrc"), "write-out = \"%{stderr}%{http_code}\"\n").unwrap();
        let (process, address) = serve(folder.path(), &[]);
        Server { folder, process, address, write_key, read_key, app_key, webhook, policy_key, admin_key, spare_key }
    }

    /// Returns the folder in which the binary lies, so that documents can call it by its name.
    fn binaries() -> String {
        Path::new(env!("CARGO_BIN_EXE_dwell")).parent().unwrap().display().to_string()
    }

    /// Runs a command of a document here, and returns what it printed and which status the server gave.
    fn run(&self, command: &str) -> (String, u16) {
        let output = Command::new("bash")
            .args(["-c", &command.replace(SAID, &self.address)])
            .current_dir(self.folder.path())
            .env("CURL_HOME", self.folder.path())
            .env("WRITE_KEY", &self.write_key)
            .env("READ_KEY", &self.read_key)
            .env("APP_KEY", &self.app_key)
            .env("ADMIN_KEY", &self.admin_key)
            .env("SPARE_KEY", &self.spare_key)
            .env("WEBHOOK_ID", &self.webhook)
            .env("POLICY_KEY", &self.policy_key)
            .env("PATH", format!("{}:{}", Server::binaries(), std::env::var("PATH").unwrap_or_default()))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let status: String = said.chars().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect();
        // A stream is left by the client, and curl complains of that after the status.
        let status = status.parse().unwrap_or_else(|_| if said.starts_with("200") { 200 } else { 0 });
        (String::from_utf8(output.stdout).unwrap(), status)
    }

    /// Waits until the engine has read all that was sent.
    fn settle(&self) {
        for _ in 0..LOOKS {
            let (metrics, _) = self.run(&format!("curl -sS {SAID}/metrics"));
            let value = |name: &str| {
                metrics.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned()).unwrap()
            };
            if value("dwell_log_next ") == value("dwell_engine_next ") {
                return;
            }
            std::thread::sleep(BETWEEN);
        }
        panic!("the engine does not come on");
    }
}

fn dwell(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.current_dir(folder);
    command
}

fn run(folder: &Path, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = dwell(folder).args(args).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Adds somebody who signs in.
fn add_account(folder: &Path, name: &str, role: &str) {
    let adding = dwell(folder).args(["accounts", "add", name, "--role", role]).stdin(Stdio::piped()).spawn();
    let mut adding = adding.unwrap();
    adding.stdin.take().unwrap().write_all(b"correct horse battery\n").unwrap();
    assert!(adding.wait().unwrap().success());
}

/// Starts the server on a port that is free, and returns it and its address.
fn serve(folder: &Path, more: &[&str]) -> (Child, String) {
    let mut process = dwell(folder)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(fs::File::create(folder.join("serve.err")).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().strip_prefix("dwell listens on ").map(str::to_owned));
    let address = address.unwrap_or_else(|| panic!("{}", fs::read_to_string(folder.join("serve.err")).unwrap()));
    (process, address)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands of a document, each with what it says that they print.
fn examples(document: &str) -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    // A command goes on while a quote is open, or its line ends with a backslash.
    let goes_on = |command: &str| command.ends_with('\\') || command.matches('\'').count() % 2 == 1;
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => examples.push((command.to_owned(), String::new())),
                (None, Some((command, _))) if goes_on(command) => *command += &format!("\n{line}"),
                (None, Some((_, printed))) => *printed += &format!("{line}\n"),
                (None, None) => panic!("nothing prints {line:?}"),
            }
        }
    }
    examples
}

/// What stays the same of an answer: the names and sorts of all fields, and text without its numbers.
fn shape(printed: &str) -> String {
    let line = |line: &str| match line.find('{').map(|at| (at, serde_json::from_str::<Value>(&line[at..]))) {
        Some((at, Ok(value))) => format!("{}{}", &line[..at], shape_of(&value)),
        _ => line.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("0"),
    };
    printed.lines().map(str::trim_end).filter(|one| !one.is_empty()).map(line).collect::<Vec<_>>().join("\n")
}

fn shape_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(values) => {
            // How many there are may depend on the hour: a day may begin between two events.
            let mut shapes: Vec<String> = values.iter().map(shape_of).collect();
            shapes.dedup();
            format!("[{}]", shapes.join(","))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| match (name.as_str(), value) {
                // Words that mean something are compared as they are.
                ("type" | "code" | "reason" | "state" | "end_reason" | "status", value) => format!("{name}:{value}"),
                (name, value) => format!("{name}:{}", shape_of(value)),
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    }
}

#[test]
fn every_example_of_the_sessions_api_prints_what_the_guide_says() {
    check_examples("api.md", 33);
}

#[test]
fn every_example_of_connecting_an_app_prints_what_the_guide_says() {
    check_examples("connect.md", 7);
}

fn check_examples(guide: &str, count: usize) {
    let guide = fs::read_to_string(root().join("docs/guide").join(guide)).unwrap();
    let examples = examples(&guide);
    assert_eq!(examples.len(), count);
    let server = Server::start();
    for (command, said) in examples {
        server.settle();
        let (mut printed, mut status) = server.run(&command);
        let mut looks = LOOKS;
        // The bell rings a moment after the last event was read.
        while 0 < looks && !command.contains(" -d ") && shape(&printed) != shape(&said) {
            std::thread::sleep(BETWEEN);
            looks -= 1;
            (printed, status) = server.run(&command);
        }
        assert_eq!(shape(&printed), shape(&said), "$ {command}\n{printed}");
        let problem: Option<Value> = serde_json::from_str(&said).ok();
        let expected = problem.and_then(|problem| problem["status"].as_u64()).unwrap_or(200);
        // What curl says beside the answer is thrown away by some, and there is nothing of the sort from other commands.
        let expected = if command.starts_with("curl ") && !command.contains("2>/dev/null") { expected } else { 0 };
        assert_eq!(u64::from(status), expected, "$ {command}\n{printed}");
    }
}

#[test]
fn every_example_of_the_openapi_document_works() {
    let server = Server::start();
    let (document, _) = server.run(&format!("curl -sS {SAID}/openapi.json"));
    let document: Value = serde_json::from_str(&document).unwrap();
    let operations = || document["paths"].as_object().unwrap().iter().flat_map(|(_, item)| item.as_object().unwrap());
    let sample = |operation: &Value| operation["x-codeSamples"][0]["source"].as_str().unwrap().to_owned();
    // Somebody has to be there before anybody can be asked about, and something before it is changed.
    for method in ["put", "post"] {
        for (_, operation) in operations().filter(|(one, _)| *one == method) {
            let (answer, status) = server.run(&sample(operation));
            assert_eq!(status, 200, "{method}: {answer}");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            // Several send the same event, and are told so.
            assert_eq!(answer["rejected"].as_u64().unwrap_or(0), 0, "{answer}");
        }
    }
    server.settle();
    for (_, operation) in operations().filter(|(method, _)| *method == "get") {
        let (answer, status) = server.run(&sample(operation));
        assert_eq!(status, 200, "{operation}: {answer}");
        let types = operation["responses"]["200"]["content"].as_object().unwrap();
        if types.contains_key("application/json") {
            serde_json::from_str::<Value>(&answer).unwrap();
        }
    }
}

#[test]
fn all_messages_are_accounted_for() {
    let server = Server::start();
    let twice = r#"{"batch":[{"type":"track","userId":"ada","event":"x","messageId":"1"},
        {"type":"track","userId":"ada","event":"x","messageId":"1"},{"type":"track","event":"nobody's"}]}"#;
    for (body, status) in [(twice, 200), ("{", 400), ("", 400), ("no json", 400), (r#"{"batch":7}"#, 200)] {
        fs::write(server.folder.path().join("body"), body).unwrap();
        let (answer, told) = server.run(&format!("curl -sS -u $WRITE_KEY: {SAID}/v1/batch --data-binary @body"));
        assert!(told == status || told == 400, "{body}: {told} {answer}");
    }
    let (metrics, _) = server.run(&format!("curl -sS {SAID}/metrics"));
    let sum = |name: &str| -> u64 {
        let values = metrics.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let received = sum("dwell_messages_received_total");
    let parts = ["accepted", "duplicate", "rejected"].map(|part| sum(&format!("dwell_messages_{part}_total")));
    assert_eq!((received, parts), (7, [1, 1, 5]), "{metrics}");
}

#[test]
fn a_query_that_cannot_be_read_is_a_problem_like_any_other() {
    let server = Server::start();
    let asked = |rest: &str| server.run(&format!("curl -sS -H \"Authorization: Bearer $READ_KEY\" {rest}"));
    for path in [
        "/v1/users?limit=many",
        "/v1/series",
        "/v1/lab/detail?by=shoes",
        "/v1/lab/detail?kind=shoes",
        "/v1/lab/detail?timeout=25h",
        "/v1/sessions?after=-1",
        "/v1/sessions/stream?after=x",
        "/v1/sessions/stream?from=x",
    ] {
        let (answer, status) = asked(&format!("'{SAID}{path}'"));
        assert_eq!((status, shape(&answer).contains("code:\"bad_request\"")), (400, true), "{path}: {answer}");
    }
    let (answer, status) = asked(&format!("-X POST {SAID}/v1/users"));
    assert_eq!((status, shape(&answer).contains("code:\"bad_method\"")), (405, true), "{answer}");
}

#[test]
fn a_client_that_follows_the_stream_does_not_keep_the_server_from_stopping() {
    let mut server = Server::start();
    let key = format!("Authorization: Bearer {}", server.read_key);
    let mut follower = Command::new("curl")
        .args(["-sSiN", "-H", &key, &format!("{}/v1/sessions/stream", server.address)])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("200"));
    let told = Command::new("kill").arg(server.process.id().to_string()).status().unwrap();
    assert!(told.success());
    // Without the end of the stream, it would take the 30 s of `server.stop_timeout`.
    let ended = (0..LOOKS).find_map(|_| {
        std::thread::sleep(BETWEEN);
        server.process.try_wait().unwrap()
    });
    assert!(ended.is_some_and(|ended| ended.success()), "the server did not stop in time: {ended:?}");
    drop(follower.kill());
    drop(follower.wait());
}

#[test]
fn a_stream_from_zero_begins_with_the_first_statement_of_all() {
    let server = Server::start();
    let curl = |args: &[&str]| {
        let output = Command::new("curl").args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let event = format!(r#"{{"writeKey":"{}","type":"track","event":"tapped","userId":"ada"}}"#, server.write_key);
    curl(&["-sS", "-d", &event, &format!("{}/v1/track", server.address)]);
    let key = format!("Authorization: Bearer {}", server.read_key);
    // The stream does not end by itself.
    let stream =
        |query: &str| curl(&["-sN", "-m", "1", "-H", &key, &format!("{}/v1/sessions/stream{query}", server.address)]);
    let told = (0..LOOKS).map(|_| stream("?from=0")).find(|told| told.contains("session.started"));
    assert!(told.is_some_and(|told| told.starts_with("id: 0\n")));
    assert!(!stream("?from=1").contains("session.started"));
    assert!(!stream("?after=0&from=0").contains("session.started"), "`after` stands above `from`");
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_in_a_copy_of_the_folder() {
    let mut server = Server::start();
    let event = r#"{"userId":"ada","event":"x","messageId":"1"}"#;
    let (answer, status) = server.run(&format!("curl -sS -u $WRITE_KEY: {SAID}/v1/track -d '{event}'"));
    assert_eq!(status, 200, "{answer}");
    server.process.kill().unwrap();
    drop(server.process.wait());
    let copied = Command::new("cp").args(["-a", "dwell-data", "copy"]).current_dir(server.folder.path()).status();
    assert!(copied.unwrap().success());
    fs::rename(server.folder.path().join("copy"), server.folder.path().join("elsewhere")).unwrap();
    fs::remove_dir_all(server.folder.path().join("dwell-data")).unwrap();
    fs::rename(server.folder.path().join("elsewhere"), server.folder.path().join("dwell-data")).unwrap();
    (server.process, server.address) = serve(server.folder.path(), &[]);
    server.settle();
    let (answer, status) = server.run(&format!("curl -sS -H \"Authorization: Bearer $READ_KEY\" {SAID}/v1/users/ada"));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["open_session"]["activities"], 1);
}

#[test]
fn books_that_are_lost_are_made_anew_from_the_log() {
    let mut server = Server::start();
    let event = r#"{"userId":"ada","event":"closed","messageId":"2"}"#;
    let start = r#"{"userId":"ada","event":"x","messageId":"1"}"#;
    server.run(&format!("curl -sS -u $WRITE_KEY: {SAID}/v1/track -d '{start}'"));
    server.run(&format!("curl -sS -u $WRITE_KEY: {SAID}/v1/track -d '{event}'"));
    let ask = format!("curl -sS -H \"Authorization: Bearer $READ_KEY\" {SAID}/v1/users/ada/sessions");
    server.settle();
    let (before, _) = server.run(&ask);
    server.process.kill().unwrap();
    drop(server.process.wait());
    fs::remove_dir_all(server.folder.path().join("dwell-data/books")).unwrap();
    (server.process, server.address) = serve(server.folder.path(), &[]);
    server.settle();
    let (after, _) = server.run(&ask);
    assert!(before.contains("session_id"), "{before}");
    assert_eq!(before, after);
}

#[test]
fn https_is_spoken_with_a_certificate_of_ones_own() {
    let mut server = Server::start();
    server.process.kill().unwrap();
    drop(server.process.wait());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "chain.pem"])
        .current_dir(server.folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tls = ["--set", "server.tls_certificate=chain.pem", "--set", "server.tls_key=key.pem"];
    (server.process, server.address) = serve(server.folder.path(), &tls);
    assert!(server.address.starts_with("https://"), "{}", server.address);
    for version in ["--tlsv1.3", "--tls-max 1.2"] {
        let (answer, status) = server.run(&format!("curl -sS {version} --cacert chain.pem {SAID}/healthz"));
        assert_eq!((answer.as_str(), status), ("ok\n", 200), "{version}");
    }
}

#[test]
fn what_of_a_policy_is_not_obeyed_is_said_at_the_start() {
    let mut server = Server::start();
    server.process.kill().unwrap();
    drop(server.process.wait());
    let policy = "timeout = \"10m\"\n[[audiences]]\nname = \"vip\"\ntimeout = \"3h\"\n[platforms]\nios = \"15m\"\n[users]\nada = \"2h\"\n[events]\n\"Ride Ended\" = \"closed\"\n";
    fs::write(server.folder.path().join("policy.toml"), policy).unwrap();
    (server.process, server.address) = serve(server.folder.path(), &["--set", "sessions.policy=policy.toml"]);
    let said = fs::read_to_string(server.folder.path().join("serve.err")).unwrap();
    assert!(said.contains("part=\"audiences\""), "{said}");
    for part in ["events", "platforms", "users"] {
        assert!(!said.contains(&format!("part=\"{part}\"")), "{part}: {said}");
    }
}
