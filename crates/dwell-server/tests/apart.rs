//! Apps are apart: every route that reads, with every sort of key.

use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use dwell_core::event::EventKind;
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp, Zone};
use dwell_engine::{AppRules, Desk, Record, Worker, WorkerOptions};
use dwell_keys::access::{Scope, Scopes};
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_server::{House, router};
use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog};
use http_body_util::BodyExt;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Every route that tells of an app, for a user whom only the other app knows.
const READ: [&str; 6] = [
    "/v1/app",
    "/v1/users",
    "/v1/users/secret-ada",
    "/v1/users/secret-ada/sessions",
    "/v1/sessions",
    "/v1/series?metric=sessions_started",
];

struct Street {
    house: Arc<House>,
    /// What it is, the key, and how a reader of the other app's user is to be answered.
    keys: Vec<(&'static str, String)>,
    ours: String,
    _folder: tempfile::TempDir,
}

impl Street {
    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let (ours, ours_write) = registry.add_app(NewApp::parse("ours", "UTC").unwrap(), NOW).unwrap();
        let (_, theirs_write) = registry.add_app(NewApp::parse("theirs", "UTC").unwrap(), NOW).unwrap();
        let read: Scopes = [Scope::Read].into_iter().collect();
        let mut add = |app, until| registry.add_key(Purpose::Secret(app, read), until, NOW).unwrap();
        let ours_read = add("ours", None);
        let theirs_read = add("theirs", None);
        let revoked = add("ours", None);
        let earlier = NOW.minus(Span::from_secs(10));
        let expired = registry.add_key(Purpose::Secret("ours", read), Some(NOW.minus(Span::from_secs(1))), earlier);
        let expired = expired.unwrap();
        registry.revoke(&revoked.key.label, NOW).unwrap();
        let keys = vec![
            ("a write key of the app", ours_write.text.reveal().to_owned()),
            ("a write key of another", theirs_write.text.reveal().to_owned()),
            ("a reader of another", theirs_read.text.reveal().to_owned()),
            ("a revoked reader", revoked.text.reveal().to_owned()),
            ("an expired reader", expired.text.reveal().to_owned()),
            ("no key of ours", "dw_s_0000000000000000000000000000000000000000000000000000".to_owned()),
            ("nothing like a key", "hello".to_owned()),
        ];
        let log = Arc::new(MemoryLog::new());
        let books: Arc<dyn Books> = Arc::new(MemoryBooks::new());
        let rules: Arc<AppRules> = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let mut bytes = Vec::new();
        let kind = EventKind::ALL.iter().position(|kind| *kind == EventKind::Action).unwrap() as u8;
        let at = NOW.minus(Span::from_hours(5)).as_micros();
        let event = Record {
            app: ours.id.as_str(),
            user: "secret-ada",
            link_from: None,
            message_id: "1",
            message_id_is_derived: false,
            kind,
            name: None,
            happened_at: at,
            received_at: at,
            remaining: None,
            player: None,
            device: Some("secret-phone"),
            platform: None,
            campaign: None,
        };
        event.write(&mut bytes);
        let mut batch = Batch::new();
        batch.push(&bytes);
        log.append(batch).wait().unwrap();
        let options = WorkerOptions::default();
        let mut worker = Worker::new(log.clone(), books.clone(), Arc::new(rules.clone()), options);
        while !worker.turn(NOW).unwrap().is_idle() {}
        let desk = Desk::new(books, Arc::new(rules));
        let house = House::new(log, desk, Arc::new(RwLock::new(registry)), Arc::new(|| NOW));
        Street { house: Arc::new(house), keys, ours: ours_read.text.reveal().to_owned(), _folder: folder }
    }

    async fn ask(&self, path: &str, key: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response = router(self.house.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned())
    }
}

#[tokio::test]
async fn nobody_reads_what_is_not_theirs() {
    let street = Street::build();
    for path in READ {
        let (status, body) = street.ask(path, Some(&street.ours)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert!(
            path.contains("series") || path == "/v1/app" || body.contains("secret-ada") || body.contains("timed_out")
        );
        let (status, body) = street.ask(path, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} without a key: {body}");
        for (what, key) in &street.keys {
            let (status, body) = street.ask(path, Some(key)).await;
            let allowed: &[StatusCode] = match *what {
                "a write key of the app" | "a write key of another" => &[StatusCode::FORBIDDEN],
                // Their own app, in which nothing is; and nobody of that name.
                "a reader of another" => &[StatusCode::OK, StatusCode::NOT_FOUND],
                _ => &[StatusCode::UNAUTHORIZED],
            };
            assert!(allowed.contains(&status), "{path} with {what}: {status} {body}");
            for secret in ["secret-ada", "secret-phone", "timed_out", "\"count\":1", "\"users\":1"] {
                assert!(!body.contains(secret), "{path} with {what} tells {secret}: {body}");
            }
            assert!(!path.contains("secret-ada") || status != StatusCode::OK, "{path} with {what}: {body}");
        }
    }
}

#[tokio::test]
async fn the_stream_opens_to_readers_only() {
    let street = Street::build();
    for (what, key) in &street.keys {
        if *what == "a reader of another" {
            continue;
        }
        let (status, body) = street.ask("/v1/sessions/stream", Some(key)).await;
        assert!(matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), "{what}: {status} {body}");
    }
    let (status, _) = street.ask("/v1/sessions/stream", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
