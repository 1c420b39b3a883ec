//! A feed of which the beginning was dropped, seen from outside and without a socket: nobody is led over what is missing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp, Zone};
use dwell_courier::Feed;
use dwell_engine::{AppRules, Desk, Record, Sweep, Worker, WorkerOptions};
use dwell_keys::access::Scope;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_server::{House, SessionFeed, router};
use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const BEGAN: Timestamp = Timestamp::from_micros(1_795_507_200_000_000);

struct Radio {
    house: Arc<House>,
    desk: Desk,
    worker: Worker,
    log: Arc<MemoryLog>,
    app: String,
    read_key: String,
    _folder: tempfile::TempDir,
}

impl Radio {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let (app, _) = registry.add_app(NewApp::parse("Radio", "UTC").unwrap(), BEGAN).unwrap();
        let app = app.id.to_string();
        let read = [Scope::Read].into_iter().collect();
        let read_key = registry.add_key(Purpose::Secret("Radio", read), None, BEGAN).unwrap();
        let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let (log, books) = (Arc::new(MemoryLog::new()), Arc::new(MemoryBooks::new()) as Arc<dyn Books>);
        let worker = Worker::new(log.clone(), books.clone(), Arc::new(rules.clone()), WorkerOptions::default());
        let desk = Desk::new(books, Arc::new(rules));
        let registry = Arc::new(RwLock::new(registry));
        let house = House::new(log.clone(), desk.clone(), registry, Arc::new(|| BEGAN));
        let read_key = read_key.text.reveal().to_owned();
        Radio { house: Arc::new(house), desk, worker, log, app, read_key, _folder: folder }
    }

    /// Somebody does something in this hour, and is gone half an hour later: two statements.
    fn play(&mut self, hour: u32) {
        let at = BEGAN.plus(Span::from_hours(hour));
        let message_id = hour.to_string();
        let record = Record {
            app: &self.app,
            user: "ada",
            link_from: None,
            message_id: &message_id,
            message_id_is_derived: false,
            kind: 0,
            name: None,
            happened_at: at.as_micros(),
            received_at: at.as_micros(),
            remaining: None,
            player: None,
            device: None,
            platform: None,
            campaign: None,
            country: None,
            app_version: None,
        };
        let (mut bytes, mut batch) = (Vec::new(), Batch::new());
        record.write(&mut bytes);
        batch.push(&bytes);
        self.log.append(batch).wait().unwrap();
        for later in [0, 45] {
            while !self.worker.turn(at.plus(Span::from_minutes(later))).unwrap().is_idle() {}
        }
    }

    /// Drops what was made before an hour.
    fn sweep(&mut self, hour: u32) -> u64 {
        let old = BEGAN.plus(Span::from_hours(hour));
        let sweep = Sweep { old, needed: u64::MAX, too_old: Timestamp::MIN };
        self.worker.sweep(&self.app, sweep, 100).unwrap().first
    }

    async fn answer(&self, path: &str, last: Option<&str>) -> (StatusCode, HeaderMap, Body) {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.read_key));
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let response = router(self.house.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body)
    }

    async fn ask(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.answer(path, None).await;
        (status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or_default())
    }

    /// Asks for the stream, and takes its first piece where there is one.
    async fn stream(&self, query: &str, last: Option<&str>) -> (StatusCode, String) {
        let (status, _, mut body) = self.answer(&format!("/v1/sessions/stream{query}"), last).await;
        let frame = tokio::time::timeout(Duration::from_secs(5), body.frame()).await;
        let bytes = frame.ok().flatten().and_then(|frame| frame.ok()?.into_data().ok()).unwrap_or_default();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

fn numbers(page: &Value) -> Vec<u64> {
    page["statements"].as_array().unwrap().iter().map(|told| told["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn who_comes_again_to_a_place_that_was_dropped_is_told_from_where_the_feed_goes_on() {
    let mut radio = Radio::open();
    (0..4).for_each(|hour| radio.play(hour));
    let (_, page) = radio.ask("/v1/sessions").await;
    assert_eq!((numbers(&page), &page["first"], &page["next"]), ((0..8).collect(), &json!(0), &json!(8)));
    assert_eq!(page["statements"][1]["at"], "2026-11-24T08:45:00.000000Z");

    assert_eq!(radio.sweep(2), 4);
    for path in
        ["/v1/sessions?after=0", "/v1/sessions?after=2", "/v1/sessions/stream?after=2", "/v1/sessions/stream?from=3"]
    {
        let (status, problem) = radio.ask(path).await;
        let said = (&problem["code"], &problem["first"], &problem["status"]);
        assert_eq!((status, said), (StatusCode::GONE, (&json!("feed_dropped"), &json!(4), &json!(410))), "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("`from=4`"), "{problem}");
    }
    let (status, told) = radio.stream("", Some("2")).await;
    assert_eq!(status, StatusCode::GONE, "{told}");

    // The place before the first that is kept is one from which nothing is missing.
    let (status, page) = radio.ask("/v1/sessions?after=3&limit=2").await;
    assert_eq!((status, numbers(&page), &page["after"]), (StatusCode::OK, vec![4, 5], &json!(5)));
    assert_eq!((&page["first"], &page["next"]), (&json!(4), &json!(8)));
    for (query, last) in
        [("?after=3", None), ("?from=4", None), ("?from=0", None), ("", Some("3")), ("?after=0", Some("3"))]
    {
        let (status, told) = radio.stream(query, last).await;
        assert_eq!(status, StatusCode::OK, "{query}");
        assert!(told.starts_with("id: 4\n"), "{query}: {told}");
    }
    // Who names no place begins with what there is.
    assert_eq!(numbers(&radio.ask("/v1/sessions").await.1), [4, 5, 6, 7]);
}

#[tokio::test]
async fn a_feed_of_which_all_was_dropped_goes_on_under_its_numbers() {
    let mut radio = Radio::open();
    radio.play(0);
    assert_eq!(radio.sweep(100), 2);
    let (status, page) = radio.ask("/v1/sessions").await;
    assert_eq!((status, numbers(&page)), (StatusCode::OK, vec![]));
    assert_eq!((&page["first"], &page["next"], &page["after"]), (&json!(2), &json!(2), &Value::Null));
    assert_eq!(radio.ask("/v1/sessions?after=0").await.0, StatusCode::GONE);
    assert_eq!(radio.ask("/v1/sessions?after=1").await.0, StatusCode::OK);
    radio.play(200);
    assert_eq!(numbers(&radio.ask("/v1/sessions?after=1").await.1), [2, 3]);
}

#[tokio::test]
async fn a_stream_that_is_overtaken_by_the_sweep_ends() {
    let mut radio = Radio::open();
    radio.play(0);
    let (status, _, mut body) = radio.answer("/v1/sessions/stream?from=0", None).await;
    assert_eq!(status, StatusCode::OK);
    for id in ["id: 0\n", "id: 1\n"] {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(frame.starts_with(id.as_bytes()));
    }
    // It stands before 2, which is dropped before it is told.
    (1..3).for_each(|hour| radio.play(hour));
    assert_eq!(radio.sweep(2), 4);
    let end = tokio::time::timeout(Duration::from_secs(5), body.frame()).await.unwrap();
    assert!(end.is_none(), "{end:?}");
    assert_eq!(radio.stream("", Some("1")).await.0, StatusCode::GONE);
}

#[tokio::test]
async fn webhooks_read_from_the_first_that_is_kept_and_metrics_say_which_that_is() {
    let mut radio = Radio::open();
    (0..3).for_each(|hour| radio.play(hour));
    assert_eq!(radio.sweep(1), 2);
    radio.house.swept.fetch_add(2, Ordering::Relaxed);
    let feed = SessionFeed::new(radio.desk.clone());
    let read = |from| feed.read(&radio.app, from, 2).unwrap().iter().map(|told| told.number).collect::<Vec<_>>();
    assert_eq!((feed.first(&radio.app), feed.next(&radio.app)), (Ok(2), Ok(6)));
    assert_eq!((read(0), read(2), read(5), read(6)), (vec![2, 3], vec![2, 3], vec![5], vec![]));
    let (_, _, body) = radio.answer("/metrics", None).await;
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let app = &radio.app;
    for line in [
        format!("dwell_feed_first{{app=\"{app}\"}} 2"),
        format!("dwell_feed_next{{app=\"{app}\"}} 6"),
        "dwell_feed_statements_swept_total 2".to_owned(),
        "dwell_webhook_lost_total 0".to_owned(),
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
}
