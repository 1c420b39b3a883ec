//! A policy before it is put: what the server says that it would do is what `dwell sessions` says of the same events.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::retention::{age, segments};
use crate::support::{Server, dwell};

/// What holds, and what might: every part of it that the live server obeys.
pub const BEFORE: &str = "timeout = \"30m\"\nbackground_timeout = \"10m\"\n[platforms]\nweb = \"40m\"\n";
pub const AFTER: &str = "timeout = \"20m\"\nbackground_timeout = \"3m\"\nplaying_patience = \"5m\"\nallowed_lateness = \"30h\"\n\
                     [platforms]\nweb = \"10m\"\nios = \"25m\"\n[users]\nuser7 = \"2h\"\nbo = \"1m\"\n";

/// So many events come twice.
pub const COPIES: usize = 40;

/// Asks until what a policy would do was counted up to the last event.
fn previewed(server: &Server, text: &str) -> Value {
    let read_up_to = server.metric("dwell_engine_next");
    let ask = |server: &Server| server.post_json("/v1/policy/preview", &json!({ "text": text }));
    server.wait("the policy was previewed", |server| {
        let answer = ask(server);
        assert_eq!(answer["failed"], Value::Null, "{answer}");
        answer["counted"]["read_up_to"].as_f64() == Some(read_up_to)
    });
    let answer = ask(server);
    assert_eq!((&answer["state"], &answer["not_obeyed"]), (&json!("ready"), &json!([])), "{answer}");
    answer["counted"].clone()
}

/// What `dwell sessions` says of these events under a policy, and how many sessions each user has and how long they are.
fn of_file(server: &Server, policy: &str, events: &[&Value]) -> (Value, BTreeMap<String, (i64, i64)>) {
    let folder = server.folder.path();
    let lines: Vec<String> = events.iter().map(|event| event.to_string()).collect();
    fs::write(folder.join("events.ndjson"), lines.join("\n")).unwrap();
    fs::write(folder.join("rules.toml"), policy).unwrap();
    let told = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_dwell"))
            .current_dir(folder)
            .args(["sessions", "events.ndjson", "--policy", "rules.toml", "--quiet"])
            .args(["--platform", "context.os.name", "--device", "context.device.id"])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut users: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let rows = told(&["-o", "-", "--output-format", "ndjson"]);
    for row in rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()) {
        let user = users.entry(row["user"].as_str().unwrap().to_owned()).or_default();
        user.0 += 1;
        user.1 += row["length_us"].as_i64().unwrap_or_else(|| panic!("{row}"));
    }
    (serde_json::from_str(&told(&["--json"])).unwrap(), users)
}

/// Asserts that one side of a preview is what was found in a file, to the digit.
fn agree(told: &Value, side: &str, file: &Value) {
    let number = |name: &str| file[name].as_i64().unwrap_or_else(|| panic!("{name}: {file}"));
    let seconds = |micros: i64| json!(micros as f64 / 1e6);
    let sessions = number("sessions");
    assert_eq!(told["sessions"][side], json!(sessions), "{side}");
    assert_eq!(told["users"][side], file["users_with_sessions"], "{side}");
    assert_eq!(told["one_activity"][side], file["one_activity"], "{side}");
    assert_eq!(told["total_length_seconds"][side], seconds(number("total_length_us")), "{side}");
    assert_eq!(told["playing_seconds"][side], seconds(number("playing_us")), "{side}");
    assert_eq!(told["mean_length_seconds"][side], seconds(number("total_length_us") / sessions), "{side}");
    assert_eq!(told["one_activity_share"][side], json!(number("one_activity") as f64 / sessions as f64), "{side}");
    for (name, in_file) in [("median_length_seconds", "median_length_us"), ("p90_length_seconds", "p90_length_us")] {
        if let Some(quantile) = told.get(name) {
            assert_eq!(quantile[side], seconds(number(in_file)), "{side} {name}");
        }
    }
}

/// Twenty-four visits of 150 people and what is hard among them: links, devices that change hands, lateness, copies, playing,
/// the background.
pub fn events() -> Vec<Value> {
    let now = jiff::Timestamp::now();
    let padding = "x".repeat(300);
    let mut all = Vec::new();
    let mut say = |who: Value, name: &str, minutes_ago: i64, platform: &str, more: Value| {
        let at = now - jiff::SignedDuration::from_mins(minutes_ago);
        let id = format!("{}-{padding}", all.len());
        let device = who.as_object().unwrap().values().next().unwrap();
        let mut event = json!({ "type": "track", "event": name, "timestamp": at.to_string(), "messageId": id,
            "context": { "os": { "name": platform }, "device": { "id": device } } });
        for part in [who, more] {
            event.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        all.push(event);
    };
    for round in 0..24_i64 {
        for user in 0..150_i64 {
            let who = json!({ "userId": format!("user{user}") });
            let platform = ["web", "ios", "android"][(user % 3) as usize];
            let ago = 2_600 - round * 100 - (user * round) % 97;
            say(who.clone(), "tapped", ago, platform, json!({}));
            match (user + round) % 6 {
                0 => say(who, "Application Backgrounded", ago - 1, platform, json!({})),
                1 => {
                    say(who.clone(), "Video Playback Started", ago - 2, platform, json!({}));
                    say(who.clone(), "Application Backgrounded", ago - 3, platform, json!({}));
                    say(who, "tapped", ago - 9, platform, json!({}));
                }
                2 => say(who, "tapped", ago - 15, platform, json!({})),
                3 => say(who, "tapped", ago - 23, platform, json!({})),
                _ => {}
            }
        }
    }
    // Bo comes without a name, logs in, and goes on without one for a while.
    let (nameless, bo) = (json!({ "anonymousId": "a-1" }), json!({ "userId": "bo" }));
    let login = json!({ "type": "identify", "anonymousId": "a-1", "userId": "bo" });
    say(nameless.clone(), "tapped", 100, "ios", json!({}));
    say(login, "", 95, "ios", json!({}));
    say(nameless, "tapped", 93, "ios", json!({}));
    say(bo, "tapped", 70, "ios", json!({}));
    // Eve lends her tablet to Finn for a minute.
    let tablet = json!({ "context": { "os": { "name": "ios" }, "device": { "id": "tablet" } } });
    for (who, ago) in [("eve", 62), ("finn", 61), ("eve", 60)] {
        say(json!({ "userId": who }), "tapped", ago, "ios", tablet.clone());
    }
    // Too late under what holds, and too late under what might hold only.
    say(json!({ "userId": "gil" }), "tapped", 80 * 60, "web", json!({}));
    say(json!({ "userId": "gil" }), "tapped", 40 * 60, "web", json!({}));
    say(json!({ "userId": "gil" }), "tapped", 10, "web", json!({}));
    let copies: Vec<Value> = all.iter().rev().step_by(7).take(COPIES).cloned().collect();
    all.extend(copies);
    all
}

/// The events as a file: somebody has put the person in the place of the id, and when each came in.
pub fn as_in_a_file(events: &[Value]) -> Vec<Value> {
    let received_at = jiff::Timestamp::now().to_string();
    let mut known = events.to_vec();
    for event in &mut known {
        event["receivedAt"] = json!(received_at);
        if event["anonymousId"] == "a-1" {
            event["userId"] = json!("bo");
        }
    }
    known
}

#[test]
fn a_policy_is_previewed_as_files_are_counted_under_both_policies() {
    // The door tells no copy, so that the log has them.
    let settings = ["ingest.remembered=0", "log.archive=parquet", "log.archive_every=1s", "log.segment_bytes=1MiB"];
    let mut server = Server::start(BEFORE, &settings);
    let events = events();
    // Of two copies in one body the door keeps one, so copies come in bodies of their own.
    let (once, copies) = events.split_at(events.len() - COPIES);
    for some in once.chunks(400).chain([copies]) {
        assert_eq!(server.send(some), 200);
    }
    server.settle();
    server.wait("the archive has all", |server| server.metric("dwell_archive_next") == server.metric("dwell_log_next"));
    let known = as_in_a_file(&events);
    let all: Vec<&Value> = known.iter().collect();
    let (before, users_before) = of_file(&server, BEFORE, &all);
    let (after, users_after) = of_file(&server, AFTER, &all);
    for name in ["sessions", "one_activity", "total_length_us", "playing_us", "users_with_sessions"] {
        assert!(name == "users_with_sessions" || before[name] != after[name], "{name} would not be told apart");
    }

    let told = previewed(&server, AFTER);
    assert_eq!((&told["is_whole"], &told["events"]), (&json!(true), &json!(events.len())), "{told}");
    agree(&told["all"], "before", &before);
    agree(&told["all"], "after", &after);
    let sessions = &told["all"]["sessions"];
    let (had, has) = (sessions["before"].as_f64().unwrap(), sessions["after"].as_f64().unwrap());
    assert_eq!(
        (sessions["change"].as_f64(), sessions["percent"].as_f64()),
        (Some(has - had), Some(100.0 * (has - had) / had))
    );
    let words = told["words"].as_str().unwrap();
    assert!(words.starts_with(&format!("{had} sessions would have been {has} (")), "{words}");

    // By platform: files of the users of each.
    let platforms: BTreeSet<&str> =
        told["platforms"].as_array().unwrap().iter().map(|row| row["value"].as_str().unwrap()).collect();
    assert_eq!(platforms, ["android", "ios", "web"].into());
    for row in told["platforms"].as_array().unwrap() {
        let of_platform: Vec<&Value> =
            all.iter().copied().filter(|event| event["context"]["os"]["name"] == row["value"]).collect();
        for (side, policy) in [("before", BEFORE), ("after", AFTER)] {
            agree(row, side, &of_file(&server, policy, &of_platform).0);
        }
    }

    // The users who change most.
    let none = (0, 0);
    let mut changed: Vec<_> =
        users_before.keys().chain(users_after.keys()).collect::<BTreeSet<_>>().into_iter().collect();
    let of = |user: &str| (*users_before.get(user).unwrap_or(&none), *users_after.get(user).unwrap_or(&none));
    let differs = changed.iter().filter(|user| of(user).0.0 != of(user).1.0).count();
    assert_eq!(told["users_changed"], json!(differs));
    changed.sort_by_key(|user| {
        let (before, after) = of(user);
        (Reverse((after.0 - before.0).abs()), Reverse((after.1 - before.1).abs()), user.to_string())
    });
    let most = told["most_changed"].as_array().unwrap();
    assert_eq!(most.len(), 10);
    for (row, user) in most.iter().zip(changed) {
        let (before, after) = of(user);
        assert_eq!(row["user"], json!(user), "{told}");
        assert_eq!(
            (&row["sessions"]["before"], &row["sessions"]["after"]),
            (&json!(before.0), &json!(after.0)),
            "{user}"
        );
        assert_eq!(row["total_length_seconds"]["after"], json!(after.1 as f64 / 1e6), "{user}");
    }

    // The command says the same, and in words to people.
    let folder = server.folder.path();
    fs::write(folder.join("after.toml"), AFTER).unwrap();
    let asked = ["policy", "preview", "after.toml", "--app", "news", "--data", server.data.to_str().unwrap()];
    let by_command = dwell(folder, &[&asked[..], &["--json"]].concat());
    assert_eq!((&by_command["state"], &by_command["counted"]["all"]), (&json!("ready"), &told["all"]));
    assert_eq!(by_command["counted"]["most_changed"], told["most_changed"]);
    let output = Command::new(env!("CARGO_BIN_EXE_dwell")).current_dir(folder).args(asked).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.starts_with(words), "{said}");
    let row = said.lines().find(|line| line.starts_with("sessions ")).unwrap_or_else(|| panic!("{said}"));
    let percent = format!("{:+.1} %", sessions["percent"].as_f64().unwrap());
    assert!(row.ends_with(&percent), "{row}");
    let rows = |user: &Value| said.lines().filter(|line| line.split(' ').next() == user.as_str()).count();
    assert!(told["most_changed"].as_array().unwrap().iter().all(|one| rows(&one["user"]) == 1), "{said}");
    // So does the one that asks about a single timeout.
    let asked = ["policy", "lab", "--app", "news", "--timeout", "20m", "--data", server.data.to_str().unwrap()];
    let by_command = dwell(folder, &[&asked[..], &["--versus", "45m", "--json"]].concat());
    let over_http = server.ask_json("/v1/lab?timeouts=20m&versus=45m");
    assert_eq!((&by_command["points"], &by_command["versus"]), (&over_http["points"], &over_http["versus"]));
    assert_ne!(by_command["points"][0]["sessions"], by_command["versus"]["sessions"]);
    let output = Command::new(env!("CARGO_BIN_EXE_dwell")).current_dir(folder).args(asked).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // Where none is named, it stands beside the timeout in force.
    let rows: Vec<Vec<&str>> = said.lines().skip(3).map(|line| line.split("  ").collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["30 min", "20 min"], "{said}");
    assert!(said.replace(',', "").contains(&by_command["points"][0]["sessions"].to_string()), "{said}");
    let mut refused = Command::new(env!("CARGO_BIN_EXE_dwell"));
    let output =
        refused.current_dir(folder).args(["policy", "preview", "rules.toml", "--app", "Nobody"]).output().unwrap();
    assert!(!output.status.success());

    // Nothing would change: the other way round of the same policy is itself.
    let same = previewed(&server, BEFORE);
    assert_eq!((&same["users_changed"], &same["most_changed"]), (&json!(0), &json!([])), "{same}");
    assert_eq!(same["all"]["sessions"]["percent"], json!(0.0));

    // And the same out of the archive, when the log has let go of its beginning.
    server.stop();
    let old = segments(&server);
    assert!(2 <= old.len(), "{old:?}");
    age(&old, Duration::from_secs(8 * 24 * 3600));
    server.start_again(&[]);
    server.wait("the old segments are gone", |server| segments(server).len() < old.len());
    let again = previewed(&server, AFTER);
    for part in ["is_whole", "events", "all", "platforms", "most_changed", "users_changed", "words"] {
        assert_eq!(again[part], told[part], "{part}");
    }
}
