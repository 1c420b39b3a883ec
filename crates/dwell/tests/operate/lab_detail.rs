//! The deep lab of a live app: one person under several ids, and events that the log has let go.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::retention::{age, segments};
use crate::support::Server;

/// An event of somebody so many minutes ago.
fn did(who: &Value, minutes_ago: i64, more: &Value) -> Value {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes_ago);
    let mut event = json!({ "type": "track", "event": "tapped", "timestamp": at.to_string(),
        "context": { "os": { "name": "ios" }, "locale": "ko-KR", "app": { "version": "2.1" } } });
    for part in [who, more] {
        event.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    }
    event
}

/// Asks until all that the engine has read was counted.
fn counted(server: &Server, query: &str) -> Value {
    let path = format!("/v1/lab/detail?timeout=15m&versus=30m{query}");
    let read_up_to = server.metric("dwell_engine_next");
    server.wait("the app was counted", |server| {
        let answer = server.ask_json(&path);
        assert_eq!(answer["failed"], Value::Null, "{answer}");
        answer["counted"]["read_up_to"].as_f64() == Some(read_up_to)
    });
    server.ask_json(&path)["counted"].take()
}

/// What `dwell lab` says of a file of these messages.
fn lab_of_file(server: &Server, messages: &[Value], by: &str) -> Value {
    let lines: Vec<String> = messages.iter().map(Value::to_string).collect();
    fs::write(server.folder.path().join("events.ndjson"), lines.join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dwell"))
        .current_dir(server.folder.path())
        .args(["lab", "events.ndjson", "--timeout", "15m", "--versus", "30m", "--json", "--quiet", "--by", by])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sessions(lab: &Value, timeout: &str) -> Vec<(u64, u64, u64)> {
    let row = |row: &Value| {
        let number = |name: &str| row[name].as_u64().unwrap();
        (number(timeout), number("sessions"), number("one_activity"))
    };
    lab["grid"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn two_ids_that_became_one_person_are_one_person_in_the_deep_lab() {
    // The door remembers nothing, so that the log holds what came twice.
    let server = Server::start("timeout = \"30m\"\n", &["ingest.remembered=0"]);
    // Bo comes without a name, logs in, and goes on without one for a while: all of it is one visit.
    let (nameless, bo) = (json!({ "anonymousId": "a-1" }), json!({ "userId": "bo" }));
    let id = |number: u32| json!({ "messageId": format!("bo-{number}") });
    let login = json!({ "type": "identify", "anonymousId": "a-1", "userId": "bo", "messageId": "bo-login" });
    let tablet = json!({ "device": { "id": "tablet" }, "locale": "ko-KR", "app": { "version": "2.1" } });
    let said = [
        did(&nameless, 100, &id(1)),
        did(&json!({}), 95, &login),
        did(&bo, 90, &id(2)),
        did(&nameless, 85, &id(3)),
        did(&json!({ "userId": "cleo" }), 85, &json!({ "messageId": "cleo-1" })),
        did(&bo, 65, &id(4)),
        // Eve lends her tablet to Finn for a minute: he takes it, and her visit ends.
        did(&json!({ "userId": "eve" }), 62, &json!({ "messageId": "eve-1", "context": tablet })),
        did(&json!({ "userId": "finn" }), 61, &json!({ "messageId": "finn-1", "context": tablet })),
        did(&json!({ "userId": "eve" }), 60, &json!({ "messageId": "eve-2", "context": tablet })),
        // A client without ids says it twice: it counts once.
        did(&json!({ "userId": "cleo" }), 30, &json!({})),
    ];
    assert_eq!(server.send(&said), 200);
    assert_eq!(server.send(&said[9..]), 200);
    server.settle();
    let live = counted(&server, "&by=pattern");
    assert_eq!((&live["users"], &live["is_whole"], &live["duplicate"]), (&json!(4), &json!(true), &json!(1)), "{live}");
    assert_eq!(
        live["groups"],
        json!([{ "value": "newcomer", "users": 4, "activities": live["activities"],
        "sessions": live["groups"][0]["sessions"], "total_length_seconds": live["groups"][0]["total_length_seconds"],
        "mean_length_seconds": live["groups"][0]["mean_length_seconds"],
        "versus_sessions": live["groups"][0]["versus_sessions"],
        "versus_total_length_seconds": live["groups"][0]["versus_total_length_seconds"],
        "versus_mean_length_seconds": live["groups"][0]["versus_mean_length_seconds"] }])
    );
    // The same as a file in which somebody has put the person in the place of the id.
    let mut known = said.to_vec();
    for event in &mut known {
        if event["anonymousId"] == "a-1" {
            event["userId"] = json!("bo");
        }
    }
    let file = lab_of_file(&server, &known, "context.app.version");
    assert_eq!(sessions(&live, "timeout_seconds"), sessions(&file, "timeout_s"));
    assert_eq!(live["users"], file["users"]);
    let by_country = counted(&server, "&by=country");
    assert_eq!(by_country["groups"][0]["value"], "KR", "{by_country}");
    let by_version = counted(&server, "&by=version");
    assert_eq!(by_version["groups"][0]["value"], "2.1", "{by_version}");
    assert_eq!(by_version["groups"][0]["sessions"], file["by"]["values"][0]["from"]["sessions"]);
}

#[test]
fn what_the_log_has_let_go_is_counted_out_of_the_archive_and_missed_where_there_is_none() {
    let settings = ["log.archive=parquet", "log.archive_every=1s", "log.segment_bytes=1MiB"];
    let mut server = Server::start("timeout = \"30m\"\n", &settings);
    let padding = "x".repeat(300);
    let mut all = Vec::new();
    for round in 0..24 {
        // Everybody looks in now and then, some for a while: at 15 min these are more sessions than at 30.
        let events: Vec<Value> = (0..400)
            .map(|user| {
                let minutes_ago = 2_600 - round * 100 - (user * round) % 97;
                let id = json!({ "messageId": format!("{round}-{user}-{padding}"),
                    "context": { "os": { "name": if user % 3 == 0 { "web" } else { "ios" } } } });
                did(&json!({ "userId": format!("user{user}") }), minutes_ago, &id)
            })
            .collect();
        assert_eq!(server.send(&events), 200);
        all.extend(events);
    }
    server.settle();
    server.wait("the archive has all", |server| server.metric("dwell_archive_next") == server.metric("dwell_log_next"));
    let before = counted(&server, "");
    assert_eq!((&before["is_whole"], &before["events"]), (&json!(true), &json!(9_600)));
    server.stop();
    let old = segments(&server);
    assert!(3 <= old.len(), "{old:?}");
    age(&old, Duration::from_secs(8 * 24 * 3600));
    server.start_again(&[]);
    server.wait("the old segments are gone", |server| segments(server).len() < old.len());

    let after = counted(&server, "");
    for part in [
        "is_whole",
        "unproven",
        "events",
        "activities",
        "users",
        "days",
        "grid",
        "groups",
        "milestones",
        "lanes",
        "advice",
    ] {
        assert_eq!(after[part], before[part], "{part}");
    }
    let file = lab_of_file(&server, &all, "context.os.name");
    assert_eq!(sessions(&after, "timeout_seconds"), sessions(&file, "timeout_s"));
    for (group, value) in after["groups"].as_array().unwrap().iter().zip(file["by"]["values"].as_array().unwrap()) {
        assert_eq!((&group["value"], &group["users"]), (&value["value"], &value["users"]));
        assert_eq!(group["sessions"], value["from"]["sessions"]);
        assert_eq!(group["versus_sessions"], value["to"]["sessions"]);
        assert_ne!(group["sessions"], group["versus_sessions"], "the timeouts would not be told apart");
    }

    // Without the archive's files some of it is missed, and said to be.
    fs::remove_dir_all(server.data.join("archive")).unwrap();
    server.stop();
    server.start_again(&[]);
    let rest = counted(&server, "");
    assert_eq!(rest["is_whole"], false);
    assert!(rest["unproven"].as_str().unwrap().starts_with("the archive is not whole: no file in "), "{rest}");
    let (found, missing) = (rest["events"].as_u64().unwrap(), rest["events_missing"].as_u64().unwrap());
    assert!(0 < found && 0 < missing, "{found} {missing}");
    assert_eq!(found + missing, 9_600);
}
