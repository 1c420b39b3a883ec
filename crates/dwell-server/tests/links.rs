//! Two people log in under one anonymous id, in one browser: whose is what was done before does not depend on whose
//! `identify` is heard first.

use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use dwell_core::policy::Policy;
use dwell_core::time::{Timestamp, Zone};
use dwell_engine::{AppRules, Desk, Worker, WorkerOptions};
use dwell_keys::access::Scope;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_server::{House, router};
use dwell_store::{Books, Log, MemoryBooks, MemoryLog};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

fn at(text: &str) -> Timestamp {
    Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

/// What the browser says, each on its way by itself: nobody is known until Ada logs in at 09:30, and Bo does at 09:50.
fn messages() -> [(&'static str, Value); 6] {
    let message = |call: &'static str, id: &str, at: &str, who: Value| {
        let mut body = json!({ "messageId": id, "timestamp": format!("2026-11-24T{at}:00Z"), "event": "Song Liked" });
        body.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        (call, body)
    };
    [
        message("track", "first", "09:00", json!({ "anonymousId": "browser" })),
        message("track", "second", "09:20", json!({ "anonymousId": "browser" })),
        message("identify", "ada is here", "09:30", json!({ "anonymousId": "browser", "userId": "ada" })),
        message("track", "ada's", "09:40", json!({ "anonymousId": "browser", "userId": "ada" })),
        message("identify", "bo is here", "09:50", json!({ "anonymousId": "browser", "userId": "bo" })),
        message("track", "bo's", "10:00", json!({ "anonymousId": "browser", "userId": "bo" })),
    ]
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
    worker: Worker,
}

impl<'r> Street<'r> {
    fn build(radio: &'r Radio) -> Self {
        let now = at("2026-11-24T12:00:00Z");
        let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let (log, books) = (Arc::new(MemoryLog::new()), Arc::new(MemoryBooks::new()) as Arc<dyn Books>);
        let worker = Worker::new(log.clone(), books.clone(), Arc::new(rules.clone()), WorkerOptions::default());
        let desk = Desk::new(books, Arc::new(rules));
        let log: Arc<dyn Log> = log;
        let house = House::new(log, desk, radio.registry.clone(), Arc::new(move || now));
        Street { radio, house: Arc::new(house), worker }
    }

    async fn say(&mut self, (call, body): &(&str, Value)) {
        let request = Request::post(format!("/v1/{call}?writeKey={}", self.radio.write_key));
        let response =
            router(self.house.clone()).oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        while !self.worker.turn(at("2026-11-24T12:00:00Z")).unwrap().is_idle() {}
    }

    async fn ask(&self, path: &str) -> Value {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.radio.read_key));
        let response = router(self.house.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    /// Everything that is told of the three ids, but for how often it was told otherwise.
    async fn told(&self) -> Vec<Value> {
        let mut all = vec![self.ask("/v1/users").await];
        for id in ["browser", "ada", "bo"] {
            all.push(self.ask(&format!("/v1/users/{id}")).await);
            let mut sessions = self.ask(&format!("/v1/users/{id}/sessions")).await;
            for session in sessions["sessions"].as_array_mut().unwrap() {
                assert!(session.as_object_mut().unwrap().remove("amended").is_some());
            }
            all.push(sessions);
        }
        all
    }
}

#[tokio::test]
async fn two_people_who_log_in_under_one_anonymous_id_are_told_the_same_whoever_is_heard_first() {
    let (radio, messages) = (Radio::add(), messages());
    let mut first: Option<Vec<Value>> = None;
    let orders: [[usize; 6]; 6] = [
        [0, 1, 2, 3, 4, 5],
        [0, 1, 4, 5, 2, 3],
        [5, 4, 3, 2, 1, 0],
        [4, 2, 0, 5, 1, 3],
        [2, 0, 4, 3, 1, 5],
        [4, 5, 0, 3, 1, 2],
    ];
    for order in orders {
        let mut street = Street::build(&radio);
        for place in order {
            street.say(&messages[place]).await;
        }
        // Whoever got no answer says it again.
        for place in [4, 2, 0] {
            street.say(&messages[place]).await;
        }
        let told = street.told().await;
        let [_, browser, of_browser, ada, of_ada, bo, of_bo] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((&browser["user"], of_browser), (&json!("ada"), of_ada), "{order:?}");
        let spans = |sessions: &Value| -> Vec<(Value, Value, Value)> {
            let sessions = sessions["sessions"].as_array().unwrap().iter();
            sessions
                .map(|session| {
                    (session["started_at"].clone(), session["ended_at"].clone(), session["activities"].clone())
                })
                .collect()
        };
        let moment = |at: &str| json!(format!("2026-11-24T{at}:00.000000Z"));
        assert_eq!(spans(of_ada), [(moment("09:00"), moment("09:40"), json!(3))], "{order:?}");
        assert_eq!(spans(of_bo), [(moment("10:00"), moment("10:00"), json!(1))], "{order:?}");
        let total = |view: &Value| view["closed_sessions"]["total_length_seconds"].clone();
        assert_eq!((total(ada), total(bo)), (json!(2_400.0), json!(0.0)), "{order:?}");
        assert_eq!(first.get_or_insert_with(|| told.clone()), &told, "{order:?}");
    }
}

#[tokio::test]
async fn in_one_body_two_people_may_use_one_message_id() {
    let radio = Radio::add();
    let mut street = Street::build(&radio);
    let message = |user: &str| {
        let at = "2026-11-24T09:00:00Z";
        json!({ "type": "track", "event": "Song Liked", "messageId": "m", "timestamp": at, "userId": user })
    };
    street.say(&("batch", json!({ "batch": [message("ada"), message("bo"), message("ada")] }))).await;
    for user in ["ada", "bo"] {
        let told = street.ask(&format!("/v1/users/{user}/sessions")).await;
        assert_eq!(told["sessions"][0]["activities"], json!(1), "{told}");
    }
}
