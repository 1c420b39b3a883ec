//! `dwell demo` as people meet it: the real binary, its page, and whether what it shows is so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dwell_core::time::Timestamp;
use dwell_simulate::{Faults, IdText, Population, Recipe, SimulatedEvent, Simulation, TEN_YEARS, device_id, short_id};
use serde_json::{Value, json};

/// Small, so that it is told in seconds by a build that is not a fast one.
const SMALL: [&str; 6] = ["--users", "80", "--days", "4", "--seed", "5"];

struct Running {
    process: Child,
    url: String,
    key: String,
    said: String,
}

impl Running {
    /// Starts a command that serves, and waits for the line that says where.
    fn start(folder: &Path, args: &[&str]) -> Running {
        let mut process = Command::new(env!("CARGO_BIN_EXE_dwell"))
            .current_dir(folder)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended before it listened: {said}")).unwrap();
            said.push_str(&line);
            said.push('\n');
            if let Some((_, rest)) = line.split_once(" at http://").or(line.split_once(" on http://")) {
                break format!("http://{}", rest.split(',').next().unwrap());
            }
        };
        let key = said.split_once("sign in with ").map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
        // Whoever is listened to must be able to go on speaking.
        std::thread::spawn(move || lines.for_each(drop));
        Running { process, url, key, said }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let request = headers
            .iter()
            .fold(agent.get(format!("{}{path}", self.url)), |request, (name, value)| request.header(*name, *value));
        let mut answer = request.call().unwrap();
        let kind =
            answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
        (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
    }

    fn ask(&self, path: &str, key: &str) -> Value {
        let (status, _, body) = self.get(path, &[("authorization", &format!("Bearer {key}"))]);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// All rows of a list that comes page by page.
    fn all(&self, path: &str, rows: &str, key: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.ask(&format!("{path}&limit=1000{cursor}"), key);
            all.extend(page[rows].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Tells it to stop as Ctrl-C does, and waits until it has.
    fn stop(mut self) {
        let told = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status().unwrap();
        assert!(told.success());
        for _ in 0..200 {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert!(status.success(), "it ended with {status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it did not stop within 20 s");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have been stopped already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The same events as a file, up to when the story was told, and how many of them are copies.
fn events_of(story: &Value, app: &Value) -> (String, u64) {
    let until = story["told_until"].as_i64().unwrap();
    let mut csv = String::from(
        "user_id,timestamp,event,message_id,received_at,platform,country,device_id,player,position,total_length\n",
    );
    let (mut ids, mut copies) = (BTreeSet::new(), 0);
    for wave in app["waves"].as_array().unwrap() {
        let number = |name: &str| wave[name].as_u64().unwrap();
        let recipe = Recipe {
            seed: number("seed"),
            users: number("users"),
            from: Timestamp::from_micros(wave["from"].as_i64().unwrap()),
            days: TEN_YEARS,
            joining_days: Some(u32::try_from(number("days")).unwrap()),
            population: Population::from_word(wave["population"].as_str().unwrap()).unwrap(),
            faults: Faults {
                duplicated: story["duplicated"].as_f64().unwrap(),
                late: story["late"].as_f64().unwrap(),
                ..Faults::NONE
            },
            ..Recipe::default()
        };
        let when = |moment: Timestamp| jiff::Timestamp::from_microsecond(moment.as_micros()).unwrap();
        let said = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let arrived = |event: &SimulatedEvent| event.received_at.as_micros() <= until;
        for event in Simulation::begin(&recipe).unwrap().events().take_while(arrived) {
            copies += u64::from(!ids.insert(event.message_id));
            let player = if event.player == 0 { String::new() } else { event.player.to_string() };
            writeln!(
                csv,
                "{},{},{},{},{},{},{},{},{player},{},{}",
                short_id(number("first_user") + event.user),
                when(event.original),
                event.name,
                IdText::of(event.message_id),
                when(event.received_at),
                event.platform,
                event.country,
                IdText::of(device_id(recipe.seed, event.user, event.device)),
                said(event.position),
                said(event.total_length),
            )
            .unwrap();
        }
    }
    (csv, copies)
}

/// Who, from when, until when, how many activities, why it ended.
type Session = (String, String, String, u64, String);

/// The sessions that a file of events has, ended as of a moment, by their ids.
fn sessions_of_file(folder: &Path, app: &str, as_of: i64) -> BTreeMap<String, Session> {
    let as_of = jiff::Timestamp::from_microsecond(as_of).unwrap().to_string();
    let made = Command::new(env!("CARGO_BIN_EXE_dwell"))
        .current_dir(folder)
        .args([
            "sessions",
            "events.csv",
            "--policy",
            "policy.toml",
            "--app",
            app,
            "--as-of",
            &as_of,
            "-o",
            "sessions.ndjson",
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = fs::read_to_string(folder.join("sessions.ndjson")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| !row["end_reason"].is_null()).map(|row| session_of(&row, row["user"].as_str().unwrap())).collect()
}

fn session_of(row: &Value, user: &str) -> (String, Session) {
    let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{row} has no {name}")).to_owned();
    let when = |name: &str| text(name).parse::<jiff::Timestamp>().unwrap().to_string();
    let session = (
        user.to_owned(),
        when("started_at"),
        when("ended_at"),
        row["activities"].as_u64().unwrap(),
        text("end_reason"),
    );
    (text("session_id"), session)
}

/// Compares the deep lab of an app with what `dwell lab` says of a file of the same events, to the digit.
fn lab_is_that_of_the_file(server: &Running, folder: &Path, (app, key): (&str, &str)) {
    let in_force = server.ask(&format!("/v1/policy?app={app}"), key)["timeout_seconds"].as_u64().unwrap();
    let (timeout, versus) = (format!("{in_force}s"), format!("{}s", 2 * in_force));
    for by in ["platform", "country"] {
        let args = ["lab", "events.csv", "--policy", "policy.toml", "--app", app, "--by", by, "--json", "--quiet"];
        let mut lab = Command::new(env!("CARGO_BIN_EXE_dwell"));
        lab.current_dir(folder).args(args).args(["--timeout", &timeout, "--versus", &versus]);
        let output = lab.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file: Value = serde_json::from_slice(&output.stdout).unwrap();
        let path = format!("/v1/lab/detail?app={app}&by={by}&timeout={timeout}&versus={versus}");
        let live = counted(server, &path, key);
        let us = |value: &Value, name: &str| (value[name].as_f64().unwrap() * 1e6).round() as i64;
        let mut rows = file["grid"].as_array().unwrap().iter();
        assert_eq!(live["grid"].as_array().unwrap().len(), 64);
        for point in live["grid"].as_array().unwrap() {
            let row = rows.next().unwrap();
            for (ours, theirs) in
                [("timeout_seconds", "timeout_s"), ("sessions", "sessions"), ("one_activity", "one_activity")]
            {
                assert_eq!(point[ours], row[theirs], "{ours}: {point} {row}");
            }
            for name in ["total", "mean", "median", "p75", "p90", "p99"] {
                let (ours, theirs) = (format!("{name}_length_seconds"), format!("{name}_length_us"));
                assert_eq!(us(point, &ours), row[&*theirs].as_i64().unwrap(), "{name}: {point} {row}");
            }
            let per_user_and_day = point["per_user"].as_f64().unwrap() / live["days"].as_f64().unwrap();
            assert!((per_user_and_day - row["per_user_and_day"].as_f64().unwrap()).abs() < 1e-9, "{point} {row}");
        }
        assert_eq!(live["advice"]["words"], file["advice"]["words"]);
        for (ours, theirs) in [("users", "users"), ("activities", "activities")] {
            assert_eq!(live[ours], file[theirs], "{ours}");
        }
        for (milestone, theirs) in
            live["milestones"].as_array().unwrap().iter().zip(file["curve"]["milestones"].as_array().unwrap())
        {
            assert_eq!(milestone["sessions"], theirs["number"]);
            assert_eq!(milestone["users"], theirs["users"][in_force as usize - 1]);
            assert_eq!(milestone["versus_users"], theirs["users"][2 * in_force as usize - 1]);
        }
        let values = file["by"]["values"].as_array().unwrap();
        assert!(1 < values.len(), "{by} has one value only");
        assert_eq!(live["groups"].as_array().unwrap().len(), values.len());
        for (group, value) in live["groups"].as_array().unwrap().iter().zip(values) {
            for name in ["value", "users", "activities"] {
                assert_eq!(group[name], value[name], "{name}: {group}");
            }
            for (ours, side) in [("", "from"), ("versus_", "to")] {
                let side = &value[side];
                assert_eq!(group[format!("{ours}sessions")], side["sessions"], "{group} {side}");
                assert_eq!(
                    us(group, &format!("{ours}total_length_seconds")),
                    side["total_length_us"].as_i64().unwrap()
                );
            }
        }
        let lanes = file["lanes"].as_array().unwrap();
        assert_eq!(live["lanes"].as_array().unwrap().len(), lanes.len());
        // How many users change depends on the days of the week that the past of the demo has: 9 to 20 were seen.
        assert!(3 < lanes.len(), "{}", lanes.len());
        for (lane, theirs) in live["lanes"].as_array().unwrap().iter().zip(lanes) {
            assert_eq!(lane["user"], theirs["user"]);
            let begin = theirs["activities_us"][0].as_i64().unwrap();
            for (ours, stretches) in [("sessions", "from_us"), ("versus_sessions", "to_us"), ("playing", "playing_us")]
            {
                let since = |at: &Value| (at.as_i64().unwrap() - begin) as f64 / 1e6;
                let told: Vec<Value> = theirs[stretches]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| json!([since(&one[0]), since(&one[1])]))
                    .collect();
                assert_eq!(lane[ours], Value::Array(told), "{ours}");
            }
        }
    }
}

/// Asks until the app was counted.
fn counted(server: &Running, path: &str, key: &str) -> Value {
    for _ in 0..300 {
        let mut answer = server.ask(path, key);
        assert_eq!(answer["failed"], Value::Null, "{answer}");
        if answer["state"] == "ready" {
            let counted = answer["counted"].take();
            assert_eq!((&counted["is_whole"], &counted["events_missing"]), (&json!(true), &json!(0)), "{counted}");
            return counted;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{path} was not counted within 30 s: {}", server.ask(path, key));
}

#[test]
fn the_demo_shows_the_sessions_that_a_file_of_the_same_events_has_and_goes_on_where_it_stopped() {
    let place = tempfile::tempdir().unwrap();
    let demo = [&["demo", "--folder", "demo", "--listen", "127.0.0.1:0"], &SMALL[..]].concat();
    Running::start(place.path(), &demo).stop();
    let read = || -> Value { serde_json::from_slice(&fs::read(place.path().join("demo/demo.json")).unwrap()).unwrap() };
    let told_before = read()["told_until"].as_i64().unwrap();
    // Longer than what counts as now, so that there is a past to tell when it goes on.
    std::thread::sleep(Duration::from_millis(1_500));
    let again = Running::start(place.path(), &demo);
    assert!(again.said.contains("goes on where it stopped"), "{}", again.said);
    let key = again.key.clone();
    again.stop();

    let story = read();
    let until = story["told_until"].as_i64().unwrap();
    assert!(told_before + 1_500_000 < until, "it did not go on");
    // Its folder is that of a server like any other, to which nobody comes any more.
    let server = Running::start(place.path(), &["serve", "--data", "demo", "--listen", "127.0.0.1:0"]);
    let apps = story["apps"].as_array().unwrap();
    assert_eq!(apps.len(), 3);
    for app in apps {
        let (id, name) = (app["id"].as_str().unwrap(), &app["name"]);
        let (csv, copies) = events_of(&story, app);
        fs::write(place.path().join("events.csv"), csv).unwrap();
        let policy = server.ask(&format!("/v1/policy/versions/1?app={id}"), &key);
        fs::write(place.path().join("policy.toml"), policy["text"].as_str().unwrap()).unwrap();
        let known = server.ask(&format!("/v1/app?app={id}"), &key);
        assert!(known["events"]["duplicate"].as_u64().unwrap() <= copies, "{name} was told something twice: {known}");
        assert_eq!(known["events"]["late"], 0, "{name}: {known}");
        lab_is_that_of_the_file(&server, place.path(), (id, &key));
        let mut shown = BTreeMap::new();
        for user in server.all(&format!("/v1/users?app={id}"), "users", &key) {
            let user = user.as_str().unwrap();
            let rows = server.all(&format!("/v1/users/{user}/sessions?app={id}"), "sessions", &key);
            shown.extend(rows.iter().map(|row| session_of(row, user)));
        }
        let (ended, all) =
            (sessions_of_file(place.path(), id, until), sessions_of_file(place.path(), id, until + 86_400_000_000));
        assert!(20 < ended.len(), "{name} has {} sessions", ended.len());
        for (session, told) in &ended {
            assert_eq!(shown.get(session), Some(told), "{name}: session {session} of the file is not so in the demo");
        }
        for (session, told) in &shown {
            assert_eq!(all.get(session), Some(told), "{name}: session {session} of the demo is not so in the file");
        }
    }
}

#[test]
fn the_demo_has_a_page_whose_keys_are_for_nobody_elses_page() {
    let place = tempfile::tempdir().unwrap();
    let demo = [&["demo", "--folder", "demo", "--listen", "127.0.0.1:0"], &SMALL[..]].concat();
    let running = Running::start(place.path(), &demo);
    let (status, kind, page) = running.get("/demo", &[]);
    assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
    let (status, kind, sdk) = running.get("/demo/dwell.js", &[]);
    if page.contains("cargo xtask demo") {
        assert_eq!(status, 404, "there is an SDK without a page");
    } else {
        assert_eq!((status, kind.as_str()), (200, "text/javascript; charset=utf-8"));
        assert!(sdk.contains("writeKey"), "this is no SDK: {sdk}");
    }
    let (status, _, keys) = running.get("/demo/keys.json", &[("sec-fetch-site", "same-origin")]);
    assert_eq!(status, 200, "{keys}");
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let known = running.ask("/v1/app", keys["read_key"].as_str().unwrap());
    assert!(0 < known["users"].as_u64().unwrap(), "{known}");
    assert_eq!(running.get("/demo/keys.json", &[("sec-fetch-site", "cross-site")]).0, 404);
    running.stop();

    let server = Running::start(place.path(), &["serve", "--data", "demo", "--listen", "127.0.0.1:0"]);
    for path in ["/demo", "/demo/keys.json", "/demo/dwell.js"] {
        assert_eq!(server.get(path, &[]).0, 404, "a server that is no demo has {path}");
    }
}

#[test]
fn a_folder_of_something_else_and_a_place_that_is_taken_are_refused_before_anything_is_made() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("mine")).unwrap();
    fs::write(place.path().join("mine/letter.txt"), "dear").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (folder, listen, said) in [
        ("mine", "127.0.0.1:0", "mine holds something else than a demo: choose another --folder"),
        ("new", &address, "stop what listens there, or choose another --listen"),
    ] {
        let refused = Command::new(env!("CARGO_BIN_EXE_dwell"))
            .current_dir(place.path())
            .args(["demo", "--fresh", "--folder", folder, "--listen", listen])
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!((refused.status.code(), words.contains(said)), (Some(1), true), "{words}");
    }
    assert!(!place.path().join("new").exists());
    assert_eq!(fs::read_to_string(place.path().join("mine/letter.txt")).unwrap(), "dear");
}
