//! Apps are apart: every route that reads, with every sort of key.

use std::path::Path;
use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use dwell_core::event::EventKind;
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp, Zone};
use dwell_courier::endpoint::Target;
use dwell_courier::{Answer, Board, Courier, Endpoints, Kind, Letter, NewEndpoint, Options, Post};
use dwell_engine::{AppRules, Desk, Record, Worker, WorkerOptions};
use dwell_keys::access::{Scope, Scopes};
use dwell_keys::app::AppId;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_server::{House, SessionFeed, router};
use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog};
use http_body_util::BodyExt;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Every route that tells of an app, for a user whom only the other app knows.
const READ: [&str; 9] = [
    "/v1/overview?days=2&last=today",
    "/v1/app",
    "/v1/arrivals",
    "/v1/users",
    "/v1/users/secret-ada",
    "/v1/users/secret-ada/sessions",
    "/v1/users/secret-ada/export",
    "/v1/sessions",
    "/v1/series?metric=sessions_started",
];

/// Every route that shows how an app is run, with what of it is nobody else's.
const MANAGE: [&str; 2] = ["/v1/webhooks", "/v1/webhooks/{id}/dead"];

/// Every route that tells of a policy or puts one: method, path, and whether it puts.
const POLICY: [(&str, &str, bool); 8] = [
    ("PUT", "/v1/policy", true),
    ("POST", "/v1/policy/versions/1/restore", true),
    ("POST", "/v1/policy/restating", true),
    ("GET", "/v1/policy", false),
    ("GET", "/v1/policy/restating", false),
    ("GET", "/v1/lab", false),
    ("GET", "/v1/policy/versions", false),
    ("GET", "/v1/policy/versions/1", false),
];

struct Street {
    house: Arc<House>,
    /// What it is, the key, and how a reader of the other app's user is to be answered.
    keys: Vec<(&'static str, String)>,
    ours: String,
    /// A key that may do everything in the app, one that may in another, and the admin key.
    ours_all: String,
    theirs_all: String,
    admin: String,
    webhook: String,
    app: String,
    /// Those who may put the policy of our app, and one who may put that of another.
    putters: Vec<(&'static str, String)>,
    their_putter: String,
    ours_id: String,
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
        let all: Scopes = [Scope::AdminApp].into_iter().collect();
        let mut secret = |app| registry.add_key(Purpose::Secret(app, all), None, NOW).unwrap().text.reveal().to_owned();
        let (ours_all, theirs_all) = (secret("ours"), secret("theirs"));
        let admin = registry.add_key(Purpose::Admin, None, NOW).unwrap().text.reveal().to_owned();
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
        let mut secret = |app, scope| {
            let key = registry.add_key(Purpose::Secret(app, [scope].into_iter().collect()), None, NOW).unwrap();
            key.text.reveal().to_owned()
        };
        let putters = vec![
            ("one who puts the policy", secret("ours", Scope::WritePolicy)),
            ("one who may do all within the app", secret("ours", Scope::AdminApp)),
        ];
        let their_putter = secret("theirs", Scope::WritePolicy);
        let putters = putters.into_iter().chain([("the admin", admin.clone())]).collect();
        let ours_id = ours.id.to_string();
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
            country: None,
            app_version: None,
        };
        event.write(&mut bytes);
        let mut batch = Batch::new();
        batch.push(&bytes);
        log.append(batch).wait().unwrap();
        let options = WorkerOptions::default();
        let mut worker = Worker::new(log.clone(), books.clone(), Arc::new(rules.clone()), options);
        while !worker.turn(NOW).unwrap().is_idle() {}
        let desk = Desk::new(books, Arc::new(rules));
        let (webhook, board) = webhook(folder.path(), ours.id.clone(), desk.clone());
        let mut house = House::new(log, desk, Arc::new(RwLock::new(registry)), Arc::new(|| NOW));
        house.webhooks = board;
        Street {
            house: Arc::new(house),
            keys,
            ours: ours_read.text.reveal().to_owned(),
            ours_all,
            theirs_all,
            admin,
            webhook,
            app: ours.id.to_string(),
            putters,
            their_putter,
            ours_id,
            _folder: folder,
        }
    }

    async fn ask(&self, path: &str, key: Option<&str>) -> (StatusCode, String) {
        self.ask_by("GET", path, key, Body::empty()).await
    }

    async fn ask_by(&self, method: &str, path: &str, key: Option<&str>, body: Body) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if method != "GET" {
            let newest = self.house.policies.history(&self.ours_id).unwrap().newest();
            request = request.header("if-match", format!("\"{newest}\""));
        }
        let response = router(self.house.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned())
    }
}

/// Nobody can be reached.
struct Nobody;

impl Post for Nobody {
    fn post(&self, _: Letter) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async { Answer::none(Kind::Refused, "secret-receiver does not want it") })
    }
}

/// An endpoint of an app, for which something is a dead letter.
fn webhook(folder: &Path, app: AppId, desk: Desk) -> (String, Arc<Board>) {
    let url = Target::parse("https://secret-receiver.example/").unwrap();
    let new = NewEndpoint { app, url, events: Vec::new(), from: Some(0) };
    let id = Endpoints::open(folder).unwrap().add(new, NOW).unwrap().id;
    let board = Arc::<Board>::default();
    let options = Options { at_once: 1, dead_letters: 10 };
    let feed = Arc::new(SessionFeed::new(desk));
    let mut courier = Courier::new(folder, feed, Arc::new(Nobody), board.clone(), options).unwrap();
    std::thread::scope(|scope| {
        // These tests are asynchronous themselves, and a runtime cannot wait within another.
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                for hour in 0..10 {
                    let now = NOW.plus(Span::from_hours(hour));
                    courier.turn(now);
                    courier.wait(std::time::Duration::from_millis(50), || now).await;
                }
            });
        });
    });
    (id.to_string(), board)
}

#[tokio::test]
async fn how_an_app_is_run_is_seen_by_those_who_run_it() {
    let street = Street::build();
    for path in MANAGE {
        let path = path.replace("{id}", &street.webhook);
        for (key, app) in [(&street.ours_all, String::new()), (&street.admin, format!("?app={}", street.app))] {
            let (status, body) = street.ask(&format!("{path}{app}"), Some(key)).await;
            assert_eq!(status, StatusCode::OK, "{path}: {body}");
            assert!(body.contains("secret-receiver"), "{path}: {body}");
            assert!(!body.contains("whsec_"), "{path} tells what signs: {body}");
        }
        let may_not = [("no key", None), ("a reader", Some(street.ours.as_str()))];
        let others = street.keys.iter().map(|(what, key)| (*what, Some(key.as_str())));
        for (what, key) in may_not.into_iter().chain(others) {
            let (status, body) = street.ask(&path, key).await;
            let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert!(refused && !body.contains("secret-receiver"), "{path} with {what}: {status} {body}");
        }
        let (status, body) = street.ask(&path, Some(&street.theirs_all)).await;
        let empty = (StatusCode::OK, r#"{"webhooks":[]}"#.to_owned());
        assert!((status, body.clone()) == empty || status == StatusCode::NOT_FOUND, "{path}: {status} {body}");
        assert!(!body.contains("secret-receiver"), "{path}: {body}");
    }
    let (status, _) = street.ask("/v1/webhooks/wh_000000000000/dead", Some(&street.ours_all)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_reads_what_is_not_theirs() {
    let street = Street::build();
    // What comes in by the door is seen by whoever reads what came in.
    let said = Body::from(r#"{"userId":"secret-ada","event":"secret-event"}"#);
    let (status, _) = street.ask_by("POST", &format!("/v1/track?writeKey={}", street.keys[0].1), None, said).await;
    assert_eq!(status, StatusCode::OK);
    for path in READ {
        let (status, body) = street.ask(path, Some(&street.ours)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert!(
            path.contains("series")
                || path == "/v1/app"
                || body.contains("\"ended\":1")
                || body.contains("secret-ada")
                || body.contains("timed_out")
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
            for secret in ["secret-ada", "secret-phone", "timed_out", "\"ended\":1", "\"count\":1", "\"users\":1"] {
                assert!(!body.contains(secret), "{path} with {what} tells {secret}: {body}");
            }
            assert!(!path.contains("secret-ada") || status != StatusCode::OK, "{path} with {what}: {body}");
        }
    }
}

#[tokio::test]
async fn a_policy_is_previewed_by_those_who_may_read_the_users_and_nobody_else() {
    let street = Street::build();
    let candidate = || Body::from(r#"{"policy":{"timeout":"1s"}}"#);
    let path = format!("/v1/policy/preview?app={}", street.ours_id);
    // Until it is counted, so that there is something to tell.
    let mut asked = 0;
    let counted = loop {
        asked += 1;
        assert!(asked < 3_000, "it is still not counted");
        let (status, body) = street.ask_by("POST", &path, Some(&street.ours), candidate()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        if body.contains("\"ready\"") {
            break body;
        }
        assert!(body.contains("\"counting\"") && body.contains("\"failed\":null"), "{body}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert!(counted.contains(&street.ours_id), "{counted}");
    let before = street.house.policies.history(&street.ours_id).unwrap().newest();
    let (status, body) = street.ask_by("POST", &path, None, candidate()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    for (what, key) in &street.keys {
        for path in [path.as_str(), "/v1/policy/preview"] {
            let (status, body) = street.ask_by("POST", path, Some(key), candidate()).await;
            let allowed: &[StatusCode] = match *what {
                "a write key of the app" | "a write key of another" => &[StatusCode::FORBIDDEN],
                "a reader of another" => &[StatusCode::OK, StatusCode::NOT_FOUND],
                _ => &[StatusCode::UNAUTHORIZED],
            };
            assert!(allowed.contains(&status), "{path} with {what}: {status} {body}");
            assert!(!body.contains(&street.ours_id) && !body.contains("\"ready\""), "{path} with {what}: {body}");
        }
    }
    // Who may put a policy may not therefore see who the users are.
    for (what, key) in street.putters.iter().filter(|(what, _)| *what == "one who puts the policy") {
        let (status, body) = street.ask_by("POST", &path, Some(key), candidate()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{what}: {body}");
    }
    for wrong in [r#"{"policy":{"timeout":"0s"}}"#, r#"{"text":"timeuot = 3"}"#, "{}"] {
        let (status, body) = street.ask_by("POST", &path, Some(&street.ours), wrong.into()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {body}");
    }
    assert_eq!(street.house.policies.history(&street.ours_id).unwrap().newest(), before, "a preview puts nothing");
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

/// What is put where somebody puts, and what a restore is told.
fn policy_body(path: &str) -> Body {
    if path == "/v1/policy" { r#"{"policy":{"users":{"secret-bo":"7m"}}}"#.into() } else { "{}".into() }
}

#[tokio::test]
async fn a_policy_is_put_and_read_by_those_who_may_and_nobody_else() {
    let street = Street::build();
    let newest = || street.house.policies.history(&street.ours_id).unwrap().newest();
    for (method, path, puts) in POLICY {
        for (what, key) in &street.putters {
            let asked = if *what == "the admin" { format!("{path}?app={}", street.ours_id) } else { path.to_owned() };
            let before = newest();
            let (status, body) = street.ask_by(method, &asked, Some(key), policy_body(path)).await;
            assert_eq!(status, StatusCode::OK, "{method} {path} with {what}: {body}");
            // A list of versions is without texts, and the lab shows the timeout alone.
            let shown = path == "/v1/policy/versions"
                || path == "/v1/policy/restating"
                || (path == "/v1/lab" && body.contains("in_force_seconds"));
            assert!(body.contains("secret-bo") || shown, "{method} {path} with {what}: {body}");
            let is_new = puts && path != "/v1/policy/restating";
            assert_eq!(newest(), before + u32::from(is_new), "{method} {path} with {what}");
        }
    }
    let there = newest();
    for (method, path, puts) in POLICY {
        let (status, body) = street.ask_by(method, path, None, policy_body(path)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} without a key: {body}");
        let (status, body) = street.ask_by(method, path, Some(&street.ours), policy_body(path)).await;
        let expected = if puts { StatusCode::FORBIDDEN } else { StatusCode::OK };
        assert_eq!(status, expected, "{method} {path} with a reader: {body}");
        let theirs = ("one who puts the policy of another", street.their_putter.clone());
        for (what, key) in street.keys.iter().chain([&theirs]) {
            let (status, body) = street.ask_by(method, path, Some(key), policy_body(path)).await;
            let allowed: &[StatusCode] = match *what {
                "a write key of the app" | "a write key of another" => &[StatusCode::FORBIDDEN],
                "a reader of another" if puts => &[StatusCode::FORBIDDEN],
                // Their own app, which has no version; so what they replace or go back to is not there.
                "a reader of another" => &[StatusCode::OK, StatusCode::NOT_FOUND],
                "one who puts the policy of another" => {
                    &[StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::PRECONDITION_FAILED]
                }
                _ => &[StatusCode::UNAUTHORIZED],
            };
            assert!(allowed.contains(&status), "{method} {path} with {what}: {status} {body}");
            assert!(!body.contains("secret-bo"), "{method} {path} with {what}: {body}");
            // The id of an app in the query opens nothing to whom it does not belong.
            let (status, body) =
                street.ask_by(method, &format!("{path}?app={}", street.ours_id), Some(key), policy_body(path)).await;
            assert!(allowed.contains(&status), "{method} {path} with {what}: {status} {body}");
            assert!(!body.contains("secret-bo"), "{method} {path} with {what}: {body}");
        }
    }
    assert_eq!(newest(), there, "somebody put the policy of an app that is not theirs");
}

#[tokio::test]
async fn a_user_is_erased_by_those_who_run_the_app_and_nobody_else() {
    let street = Street::build();
    let path = "/v1/users/secret-ada";
    let erase = async |key: Option<&str>, app: &str| {
        let (status, body) = street.ask_by("DELETE", &format!("{path}{app}"), key, Body::empty()).await;
        (status, body, street.house.erasures.all().len())
    };
    let may_not = [("nobody", None), ("a reader", Some(street.ours.as_str()))];
    let others = street.keys.iter().map(|(what, key)| (*what, Some(key.as_str())));
    let putters = street.putters.iter().map(|(what, key)| (*what, Some(key.as_str())));
    for (what, key) in may_not.into_iter().chain(others).chain(putters) {
        if ["the admin", "one who may do all within the app"].contains(&what) {
            continue;
        }
        let (status, body, noted) = erase(key, "").await;
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST);
        assert!(refused && noted == 0, "{what}: {status} {body}");
    }
    // Whoever runs another app erases a user of theirs, whatever the id.
    let (status, body, noted) = erase(Some(&street.theirs_all), &format!("?app={}", street.ours_id)).await;
    assert_eq!((status, noted), (StatusCode::ACCEPTED, 1), "{body}");
    assert!(!body.contains(&street.ours_id) && body.contains("\"is_known\":false"), "{body}");
    let (status, body, noted) = erase(Some(&street.ours_all), "").await;
    assert_eq!((status, noted), (StatusCode::ACCEPTED, 2), "{body}");
    assert!(body.contains("\"is_known\":true") && body.contains("\"state\":\"asked\""), "{body}");
    // Asked for twice before it has begun, it is one.
    let (status, again, noted) = erase(Some(&street.admin), &format!("?app={}", street.ours_id)).await;
    assert_eq!((status, again, noted), (StatusCode::ACCEPTED, body, 2));
    let (_, ours) = street.ask("/v1/erasures", Some(&street.ours_all)).await;
    let (_, theirs) = street.ask("/v1/erasures", Some(&street.theirs_all)).await;
    assert!(ours.contains("\"number\":2") && !ours.contains("\"number\":1"), "{ours}");
    assert!(theirs.contains("\"number\":1") && !theirs.contains("\"number\":2"), "{theirs}");
    let (status, body) = street.ask("/v1/erasures", Some(&street.ours)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
}
