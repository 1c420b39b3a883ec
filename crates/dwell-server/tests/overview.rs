//! What some days come to, in the zone of the app, and beside the days before.

use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use dwell_core::event::EventKind;
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp};
use dwell_engine::{AppRules, Desk, Record, Worker, WorkerOptions};
use dwell_keys::access::Scope;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_policy::calendar::zone_table;
use dwell_policy::policies::NewVersion;
use dwell_server::{House, router};
use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Berlin put its clock forward on 2026-03-29 at 02:00, so that this day has 23 hours.
const ZONE: &str = "Europe/Berlin";

fn at(text: &str) -> Timestamp {
    Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

/// Where a user says to be: Cleo says no platform.
fn origin_of(user: &str) -> (Option<&str>, &str) {
    match user {
        "ada" => (Some("ios"), "KR"),
        "bo" => (Some("android"), "DE"),
        _ => (None, "KR"),
    }
}

struct Street {
    house: Arc<House>,
    key: String,
    _folder: tempfile::TempDir,
}

impl Street {
    /// A house in which these users were there from one moment to another, each a session by itself, and `now` has come.
    fn build(visits: &[(&str, &str, &str)], now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let (app, _) = registry.add_app(NewApp::parse("Reader", ZONE).unwrap(), at("2026-01-01T00:00:00Z")).unwrap();
        let read = [Scope::Read].into_iter().collect();
        let key = registry.add_key(Purpose::Secret("Reader", read), None, at("2026-01-01T00:00:00Z")).unwrap();
        let rules = Arc::new(AppRules::of(&Policy::default(), zone_table(app.zone.time_zone())));
        let (log, books) = (Arc::new(MemoryLog::new()), Arc::new(MemoryBooks::new()) as Arc<dyn Books>);
        let kind = EventKind::ALL.iter().position(|kind| *kind == EventKind::Screen).unwrap() as u8;
        let now = at(now);
        let mut batch = Batch::new();
        for (place, (user, from, to)) in visits.iter().enumerate() {
            let mut moment = at(from);
            let (platform, country) = origin_of(user);
            let mut number = 0;
            loop {
                let message_id = format!("{place} {number}");
                let event = Record {
                    app: app.id.as_str(),
                    user,
                    link_from: None,
                    message_id: &message_id,
                    message_id_is_derived: false,
                    kind,
                    name: None,
                    happened_at: moment.as_micros(),
                    received_at: moment.as_micros(),
                    remaining: None,
                    player: None,
                    device: None,
                    platform,
                    campaign: None,
                    country: Some(country),
                    app_version: None,
                };
                let mut bytes = Vec::new();
                event.write(&mut bytes);
                batch.push(&bytes);
                if moment == at(to) {
                    break;
                }
                moment = moment.plus(Span::from_minutes(20)).min(at(to));
                number += 1;
            }
        }
        if !visits.is_empty() {
            log.append(batch).wait().unwrap();
        }
        let mut worker = Worker::new(log.clone(), books.clone(), Arc::new(rules.clone()), WorkerOptions::default());
        while !worker.turn(now).unwrap().is_idle() {}
        let desk = Desk::new(books, Arc::new(rules));
        let house = House::new(log, desk, Arc::new(RwLock::new(registry)), Arc::new(move || now));
        for (text, from) in
            [("timeout = \"20m\"", "2026-03-20T09:00:00Z"), ("timeout = \"30m\"", "2026-03-29T10:00:00Z")]
        {
            let replaces = house.policies.history(app.id.as_str()).unwrap().newest();
            let new = NewVersion { text, author: "ada", note: "why", from: Some(at(from)), replaces, restates: false };
            house.policies.put(app.id.as_str(), &new, at(from).minus(Span::from_hours(1))).unwrap();
        }
        Street { house: Arc::new(house), key: key.text.reveal().to_owned(), _folder: folder }
    }

    async fn ask(&self, query: &str) -> (StatusCode, Value) {
        let request =
            Request::get(format!("/v1/overview{query}")).header("authorization", format!("Bearer {}", self.key));
        let response = router(self.house.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        (status, serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap())
    }

    async fn told(&self, query: &str) -> Value {
        let (status, answer) = self.ask(query).await;
        assert_eq!(status, StatusCode::OK, "{query}: {answer}");
        answer
    }
}

/// One over midnight of the Saturday, two on the short Sunday of 23 hours, one on the Monday after.
const VISITS: [(&str, &str, &str); 4] = [
    ("ada", "2026-03-28T22:30:00Z", "2026-03-28T23:30:00Z"),
    ("bo", "2026-03-29T00:10:00Z", "2026-03-29T00:20:00Z"),
    ("ada", "2026-03-29T21:00:00Z", "2026-03-29T21:40:00Z"),
    ("cleo", "2026-03-29T22:00:00Z", "2026-03-29T22:30:00Z"),
];

#[tokio::test]
async fn a_session_counts_on_the_day_it_began_and_its_length_on_the_day_it_ended_in_the_zone_of_the_app() {
    let street = Street::build(&VISITS, "2026-03-31T12:00:00Z");
    let told = street.told("?days=3&last=2026-03-30").await;
    let of = |field: &str| told["places"].as_array().unwrap().iter().map(|day| day[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("day"), [json!("2026-03-28"), json!("2026-03-29"), json!("2026-03-30")]);
    assert_eq!(of("begins_at")[1..], [json!("2026-03-28T23:00:00.000000Z"), json!("2026-03-29T22:00:00.000000Z")]);
    assert_eq!(of("sessions"), [json!(1), json!(2), json!(1)]);
    assert_eq!(of("ended"), [json!(0), json!(3), json!(1)]);
    assert_eq!(of("total_length_seconds"), [json!(0.0), json!(6_600.0), json!(1_800.0)]);
    assert_eq!(of("mean_length_seconds"), [Value::Null, json!(2_200.0), json!(1_800.0)]);
    assert_eq!(of("users"), [json!(1), json!(2), json!(1)]);
    assert_eq!(of("median_length_seconds")[0], Value::Null);
    let about = of("median_length_seconds")[1].as_f64().unwrap();
    assert!((about - 2_400.0).abs() <= 150.0, "{about}");
    let total = &told["total"];
    assert_eq!(
        (&total["sessions"], &total["ended"], &total["mean_length_seconds"]),
        (&json!(4), &json!(4), &json!(2_100.0))
    );
    let parts = ["foreground_seconds", "playing_seconds", "idle_seconds"].map(|part| total[part].as_f64().unwrap());
    assert_eq!(parts.iter().sum::<f64>(), 8_400.0);
    assert_eq!(total["users"], json!(4.0 / 3.0));
    assert_eq!((&told["whole"], &told["by"]), (&json!(true), &json!("day")));
}

#[tokio::test]
async fn days_are_compared_with_as_many_before() {
    let street = Street::build(&VISITS, "2026-03-31T12:00:00Z");
    let told = street.told("?days=1&last=2026-03-30").await;
    assert_eq!((&told["before"]["first"], &told["before"]["last"]), (&json!("2026-03-29"), &json!("2026-03-29")));
    let before = &told["before"]["total"];
    assert_eq!((&before["sessions"], &before["ended"], &before["users"]), (&json!(2), &json!(3), &json!(2.0)));
    let usual = street.told("").await;
    assert_eq!((&usual["first"], &usual["last"]), (&json!("2026-03-24"), &json!("2026-03-30")), "yesterday in Berlin");
    assert_eq!((&usual["before"]["first"], &usual["before"]["last"]), (&json!("2026-03-17"), &json!("2026-03-23")));
}

/// The value, sessions and ended ones of each row, and the sessions before.
fn rows(told: &Value) -> Vec<(Value, i64, i64, i64)> {
    let row = |row: &Value| {
        let number = |of: &Value| of.as_i64().unwrap();
        (row["value"].clone(), number(&row["sessions"]), number(&row["ended"]), number(&row["before"]["sessions"]))
    };
    told["rows"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn rows_say_where_sessions_come_from_beside_the_days_before() {
    let street = Street::build(&VISITS, "2026-03-31T12:00:00Z");
    let told = street.told("?days=1&last=2026-03-30&by=platform").await;
    // Ada and Bo were there the day before only.
    let wanted = [(json!(""), 1, 1, 0), (json!("android"), 0, 0, 1), (json!("ios"), 0, 0, 1)];
    assert_eq!(rows(&told), wanted);
    let three = street.told("?days=3&last=2026-03-30&by=version,country,platform").await;
    let facets: Vec<&str> =
        three["rows"].as_array().unwrap().iter().map(|row| row["facet"].as_str().unwrap()).collect();
    assert_eq!(facets, ["platform", "platform", "platform", "country", "country", "version"]);
    assert_eq!(rows(&three)[..1], [(json!("ios"), 2, 2, 0)]);
    assert_eq!(rows(&three)[3..], [(json!("KR"), 3, 3, 0), (json!("DE"), 1, 1, 0), (json!(""), 4, 4, 0)]);
    let (ios, all) = (&three["rows"][0], &three["total"]);
    assert_eq!((&ios["mean_length_seconds"], &ios["users"]), (&json!(3_000.0), &Value::Null));
    for measure in ["total_length_seconds", "foreground_seconds", "playing_seconds", "idle_seconds"] {
        let parts = three["rows"].as_array().unwrap()[..3].iter().map(|row| row[measure].as_f64().unwrap());
        assert_eq!(parts.sum::<f64>(), all[measure].as_f64().unwrap(), "{measure}");
    }
    assert_eq!(street.told("?days=3").await["rows"], json!([]));
}

#[tokio::test]
async fn of_a_day_that_goes_on_rows_too_are_compared_up_to_the_same_time() {
    // It is 02:30 in Berlin, on the day after that on which Bo came at 01:10 and Ada at 23:00.
    let street = Street::build(&VISITS, "2026-03-30T00:30:00Z");
    let told = street.told("?days=1&last=today&by=platform").await;
    // Ada was last seen at 01:30, and is there for that.
    assert_eq!(rows(&told), [(json!(""), 1, 1, 0), (json!("android"), 0, 0, 1), (json!("ios"), 0, 0, 0)]);
    assert_eq!(told["rows"][2]["before"]["ended"], 1);
    assert_eq!(told["rows"][0]["median_length_seconds"], Value::Null);
    let two = street.told("?days=2&last=today&by=platform").await;
    assert_eq!(rows(&two), [(json!(""), 1, 1, 0), (json!("android"), 1, 1, 0), (json!("ios"), 1, 2, 0)]);
}

#[tokio::test]
async fn all_is_narrowed_to_one_value() {
    let street = Street::build(&VISITS, "2026-03-31T12:00:00Z");
    let told = street.told("?days=3&last=2026-03-30&platform=ios&by=country").await;
    assert_eq!(told["filter"], json!({ "facet": "platform", "value": "ios" }));
    let of = |field: &str| told["places"].as_array().unwrap().iter().map(|day| day[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("sessions"), [json!(1), json!(1), json!(0)]);
    assert_eq!(of("ended"), [json!(0), json!(2), json!(0)]);
    assert_eq!(of("users"), [Value::Null, Value::Null, Value::Null]);
    assert_eq!((&told["total"]["sessions"], &told["total"]["users"]), (&json!(2), &Value::Null));
    assert_eq!(told["total"]["mean_length_seconds"], json!(3_000.0));
    let about = told["total"]["median_length_seconds"].as_f64().unwrap();
    assert!((about - 3_000.0).abs() <= 190.0, "{about}");
    assert_eq!(rows(&told)[0], (json!("KR"), 3, 3, 0), "rows are those of all");
    let unsaid = street.told("?days=3&last=2026-03-30&platform=").await;
    assert_eq!((&unsaid["filter"]["value"], &unsaid["total"]["sessions"]), (&json!(""), &json!(1)));
    assert_eq!(street.told("?days=1&last=2026-03-30&country=DE").await["before"]["total"]["sessions"], 1);
    assert_eq!(street.told("?days=3&last=2026-03-30&version=9").await["total"]["sessions"], 0);
    let (status, answer) = street.ask("?platform=ios&country=KR").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["detail"].as_str().unwrap().contains("one of `platform`, `country` and `version`"), "{answer}");
}

#[tokio::test]
async fn one_day_is_told_by_the_hour_and_a_short_day_has_fewer() {
    let street = Street::build(&VISITS, "2026-03-31T12:00:00Z");
    let told = street.told("?days=1&last=2026-03-29").await;
    let hours = told["places"].as_array().unwrap();
    assert_eq!((told["by"].as_str(), hours.len()), (Some("hour"), 23));
    let began: Vec<usize> = (0..23).filter(|hour| hours[*hour]["sessions"] != 0).collect();
    // 01:10 before the clock was put forward, and 23:00 after.
    assert_eq!(began, [1, 22]);
    assert_eq!(hours[1]["users"], Value::Null);
    let ended: i64 = hours.iter().map(|hour| hour["ended"].as_i64().unwrap()).sum();
    assert_eq!(ended, 3);
}

#[tokio::test]
async fn a_day_that_goes_on_is_compared_up_to_the_same_time() {
    // It is 00:40 in Berlin: Cleo was here, and yesterday at this time nobody had come.
    let street = Street::build(&VISITS, "2026-03-29T22:40:00Z");
    let told = street.told("?days=1&last=today").await;
    assert_eq!((&told["last"], &told["whole"]), (&json!("2026-03-30"), &json!(false)));
    assert_eq!(told["until"], "2026-03-29T22:40:00.000000Z");
    assert_eq!(told["places"].as_array().unwrap().len(), 1, "hours to come are not told");
    assert_eq!(told["total"]["sessions"], 1);
    let before = &told["before"]["total"];
    assert_eq!(
        (&before["sessions"], &before["users"], &before["median_length_seconds"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    let whole = street.told("?days=1&last=yesterday").await;
    assert_eq!(whole["total"]["sessions"], 2);
}

#[tokio::test]
async fn versions_of_the_policy_are_told_where_they_came_into_force() {
    let street = Street::build(&VISITS, "2026-03-31T12:00:00Z");
    let numbers =
        |told: &Value| told["versions"].as_array().unwrap().iter().map(|one| one["number"].clone()).collect::<Vec<_>>();
    let told = street.told("?days=3&last=2026-03-30").await;
    assert_eq!(numbers(&told), [json!(2)]);
    assert_eq!((&told["versions"][0]["author"], &told["versions"][0]["note"]), (&json!("ada"), &json!("why")));
    assert_eq!(numbers(&street.told("?days=28&last=2026-03-30").await), [json!(1), json!(2)]);
    assert_eq!(numbers(&street.told("?days=7&last=2026-03-28").await), Vec::<Value>::new());
}

#[tokio::test]
async fn what_cannot_be_asked_is_said() {
    let street = Street::build(&[], "2026-03-31T12:00:00Z");
    for query in
        ["?days=0", "?days=367", "?days=x", "?last=soon", "?last=2026-04-01", "?last=2026-02-30", "?by=day", "?by="]
    {
        let (status, answer) = street.ask(query).await;
        assert_eq!((status, answer["code"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_request")), "{query}");
    }
    let empty = street.told("?days=366&last=today").await;
    assert_eq!(empty["places"].as_array().unwrap().len(), 366);
    assert_eq!((&empty["total"]["sessions"], &empty["total"]["mean_length_seconds"]), (&json!(0), &Value::Null));
}
