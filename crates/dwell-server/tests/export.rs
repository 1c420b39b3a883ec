//! All that there is of a user, and nothing of anybody else.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp, Zone};
use dwell_engine::{AppRules, Desk, Record, Worker, WorkerOptions};
use dwell_keys::access::Scope;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_lake::imprint::{Imprint, Note};
use dwell_lake::write::archive::ArchiveWriter;
use dwell_server::{House, archived, router};
use dwell_store::{Books, Log, MemoryBooks, MemoryLog, Offset};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

fn at(text: &str) -> Timestamp {
    Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

/// An app and its keys.
struct Radio {
    registry: Arc<RwLock<Registry>>,
    write_key: String,
    read_key: String,
    _folder: tempfile::TempDir,
}

impl Radio {
    fn add() -> Self {
        let now = at("2026-11-24T08:00:00Z");
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let (_, write_key) = registry.add_app(NewApp::parse("Radio", "UTC").unwrap(), now).unwrap();
        let read = [Scope::Read].into_iter().collect();
        let read_key = registry.add_key(Purpose::Secret("Radio", read), None, now).unwrap();
        Radio {
            registry: Arc::new(RwLock::new(registry)),
            write_key: write_key.text.reveal().to_owned(),
            read_key: read_key.text.reveal().to_owned(),
            _folder: folder,
        }
    }
}

/// A house in which nothing was heard yet.
struct Street<'r> {
    radio: &'r Radio,
    house: Arc<House>,
    log: Arc<MemoryLog>,
    worker: Worker,
}

impl<'r> Street<'r> {
    fn build(radio: &'r Radio) -> Self {
        let now = at("2026-11-24T12:00:00Z");
        let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let (log, books) = (Arc::new(MemoryLog::new()), Arc::new(MemoryBooks::new()) as Arc<dyn Books>);
        let worker = Worker::new(log.clone(), books.clone(), Arc::new(rules.clone()), WorkerOptions::default());
        let desk = Desk::new(books, Arc::new(rules));
        let house = House::new(log.clone(), desk, radio.registry.clone(), Arc::new(move || now));
        Street { radio, house: Arc::new(house), log, worker }
    }

    async fn say(&mut self, (call, body): &(&str, Value)) {
        let request = Request::post(format!("/v1/{call}?writeKey={}", self.radio.write_key));
        let response =
            router(self.house.clone()).oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        while !self.worker.turn(at("2026-11-24T12:00:00Z")).unwrap().is_idle() {}
    }

    async fn answer(&self, path: &str) -> Response<Body> {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.radio.read_key));
        router(self.house.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Moves all that the log has to a file of the archive, which says for which part of the log it stands, and returns the file.
    fn archive(&self) -> PathBuf {
        let records = self.log.read(self.log.first(), 1 << 20).unwrap();
        let records: Vec<(Offset, Record<'_>)> =
            records.iter().map(|(offset, bytes)| (offset, Record::read(bytes).unwrap())).collect();
        let app = records[0].1.app;
        let (first, next) = (self.log.first().number(), self.log.next().number());
        let folder = self.house.archive.join(app);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("2026-11-24-{first}.parquet"));
        let out = Box::new(fs::File::create(&path).unwrap());
        let mut writer = ArchiveWriter::begin(path.clone(), out).unwrap();
        for (offset, record) in &records {
            writer.take(&archived(record, *offset).unwrap()).unwrap();
        }
        writer.end(Some(Imprint::of(first, first..next, 1))).unwrap();
        let note = Note { next, ends: [(app.to_owned(), next)].into(), ..Note::beginning(0) };
        fs::write(&self.house.archive_note, serde_json::to_vec(&note).unwrap()).unwrap();
        self.log.drop_before(self.log.next()).unwrap();
        assert_eq!(self.log.first(), self.log.next());
        path
    }

    /// The lines of an export.
    async fn export(&self, user: &str) -> Vec<Value> {
        let response = self.answer(&format!("/v1/users/{user}/export")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What a field says in the lines of a sort, in order.
fn said<'l>(lines: &'l [Value], sort: &str, field: &str) -> Vec<&'l str> {
    let of_sort = lines.iter().filter(|line| line["type"] == sort);
    of_sort.map(|line| line[field].as_str().unwrap()).collect()
}

fn message(id: &str, at: &str, who: &Value) -> Value {
    let mut message = json!({ "type": "track", "messageId": id, "timestamp": at, "event": "Song Liked" });
    message.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
    message
}

#[tokio::test]
async fn an_export_has_what_came_under_every_id_of_the_person_and_nothing_of_others() {
    let radio = Radio::add();
    let mut street = Street::build(&radio);
    let phone = json!({ "anonymousId": "browser", "context": { "device": { "id": "phone" } } });
    let ada = json!({ "anonymousId": "browser", "userId": "ada", "type": "identify" });
    let bo = json!({ "userId": "bo", "context": { "device": { "id": "tablet" } } });
    let batch = [
        message("before", "2026-11-24T09:00:00Z", &phone),
        message("login", "2026-11-24T09:05:00Z", &ada),
        message("after", "2026-11-24T09:06:00Z", &json!({ "userId": "ada" })),
        message("bo's", "2026-11-24T09:07:00Z", &bo),
    ];
    street.say(&("batch", json!({ "batch": batch }))).await;
    for asked in ["ada", "browser"] {
        let lines = street.export(asked).await;
        assert_eq!(said(&lines, "about", "user"), ["ada"]);
        assert_eq!(said(&lines, "profile", "user"), ["ada"]);
        assert_eq!(said(&lines, "id", "id"), ["ada", "browser"]);
        assert_eq!(said(&lines, "session", "started_at"), ["2026-11-24T09:00:00.000000Z"]);
        assert_eq!(said(&lines, "event", "message_id"), ["before", "login", "after"]);
        assert_eq!(said(&lines, "device", "device"), ["phone"]);
        let end = json!({ "type": "end", "events": 3, "is_whole": true, "unproven": null });
        assert_eq!(lines.last(), Some(&end));
    }
    let lines = street.export("bo").await;
    assert_eq!(said(&lines, "id", "id"), ["bo"]);
    assert_eq!(said(&lines, "event", "message_id"), ["bo's"]);
    assert_eq!(street.answer("/v1/users/nobody/export").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_export_has_all_pages_of_sessions() {
    let radio = Radio::add();
    let mut street = Street::build(&radio);
    let begin = at("2026-11-22T00:00:00Z");
    let batch: Vec<Value> = (0..110)
        .map(|number| {
            let at = begin.plus(Span::from_minutes(31 * number)).as_micros();
            let at = jiff::Timestamp::from_microsecond(at).unwrap().to_string();
            message(&number.to_string(), &at, &json!({ "userId": "ada" }))
        })
        .collect();
    street.say(&("batch", json!({ "batch": batch }))).await;
    let lines = street.export("ada").await;
    let starts = said(&lines, "session", "started_at");
    assert_eq!(starts.len(), 110);
    assert!(starts.is_sorted());
}

#[tokio::test]
async fn only_so_many_exports_are_made_at_once() {
    let radio = Radio::add();
    let mut street = Street::build(&radio);
    let said = message("1", "2026-11-24T09:00:00Z", &json!({ "userId": "ada" }));
    street.say(&("batch", json!({ "batch": [said] }))).await;
    let one = street.answer("/v1/users/ada/export").await;
    let other = street.answer("/v1/users/ada/export").await;
    assert_eq!((one.status(), other.status()), (StatusCode::OK, StatusCode::OK));
    let third = street.answer("/v1/users/ada/export").await;
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(third.headers().contains_key("retry-after"));
    drop(one);
    // Its thread may still be on its way out.
    for _ in 0..1_000_000 {
        if street.answer("/v1/users/ada/export").await.status() == StatusCode::OK {
            return;
        }
        std::thread::yield_now();
    }
    panic!("the place of one who left is never free");
}

#[tokio::test]
async fn what_the_log_has_let_go_comes_from_the_archive_and_a_damaged_archive_breaks_the_export_off() {
    let radio = Radio::add();
    let mut street = Street::build(&radio);
    let ada =
        |id: &str, at: &str| message(id, at, &json!({ "userId": "ada", "context": { "app": { "version": "2.1" } } }));
    let first = [ada("first", "2026-11-24T09:00:00Z"), ada("second", "2026-11-24T09:01:00Z")];
    street.say(&("batch", json!({ "batch": first }))).await;
    let before = street.export("ada").await;
    let file = street.archive();
    assert_eq!(street.export("ada").await, before);
    street.say(&("batch", json!({ "batch": [ada("third", "2026-11-24T09:02:00Z")] }))).await;
    let lines = street.export("ada").await;
    assert_eq!(said(&lines, "event", "message_id"), ["first", "second", "third"]);
    assert_eq!(said(&lines, "event", "app_version"), ["2.1"; 3]);
    // Whoever reads is not left in the belief that this was all.
    fs::write(&file, "no file of ours").unwrap();
    let broken = street.answer("/v1/users/ada/export").await.into_body().collect().await;
    assert!(broken.is_err(), "{broken:?}");
    // Without a file there is less than there was, and the end says so, and which part it is.
    fs::remove_file(&file).unwrap();
    let lines = street.export("ada").await;
    let end = lines.last().unwrap();
    assert_eq!((&end["events"], &end["is_whole"]), (&json!(1), &json!(false)), "{end}");
    assert!(end["unproven"].as_str().unwrap().contains("records 0 to 2 of the log"), "{end}");
}

#[tokio::test]
async fn a_file_of_the_archive_that_is_there_twice_is_read_once_and_does_not_stand_for_one_that_is_missing() {
    let radio = Radio::add();
    let mut street = Street::build(&radio);
    let ada = |id: &str| message(id, "2026-11-24T09:00:00Z", &json!({ "userId": "ada" }));
    street.say(&("batch", json!({ "batch": [ada("first")] }))).await;
    let first = street.archive();
    street.say(&("batch", json!({ "batch": [ada("second")] }))).await;
    let second = street.archive();
    let before = street.export("ada").await;
    assert_eq!(said(&before, "event", "message_id"), ["first", "second"]);
    assert_eq!(before.last().unwrap()["is_whole"], true);
    // Somebody copies a file, and it says of itself what the other says.
    fs::copy(&second, second.with_file_name("2026-11-25-1.parquet")).unwrap();
    let lines = street.export("ada").await;
    assert_eq!(said(&lines, "event", "message_id"), ["first", "second"]);
    assert_eq!(lines.last(), before.last());
    // As many events are found as there were, and one of them is missing.
    fs::remove_file(&first).unwrap();
    let end = street.export("ada").await.pop().unwrap();
    assert_eq!(end["is_whole"], false, "{end}");
    assert!(end["unproven"].as_str().unwrap().contains("records 0 to 1 of the log"), "{end}");
}

#[tokio::test]
async fn what_was_dropped_without_an_archive_is_told() {
    let radio = Radio::add();
    let mut street = Street::build(&radio);
    let ada = message("first", "2026-11-24T09:00:00Z", &json!({ "userId": "ada" }));
    street.say(&("batch", json!({ "batch": [ada] }))).await;
    street.log.drop_before(street.log.next()).unwrap();
    let end = street.export("ada").await.pop().unwrap();
    assert_eq!((&end["events"], &end["is_whole"]), (&json!(0), &json!(false)), "{end}");
    assert!(end["unproven"].as_str().unwrap().contains("the log begins at 1"), "{end}");
}
