//! A street with two apps: a door whose log commits when it is told to, and an engine that takes turns when it is told to.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use dwell_core::policy::Policy;
use dwell_core::time::{Timestamp, Zone};
use dwell_engine::{AppRules, Desk, Numbers, Worker, WorkerOptions};
use dwell_keys::access::Scope;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_policy::policies::NewVersion;
use dwell_server::lately::Lately;
use dwell_server::{House, router};
use dwell_store::{Books, DiskLog, Log, LogOptions, MemoryBooks, SimulatedDisk};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// When all begins, in words and in microseconds.
pub const BEGAN: &str = "2026-11-24T08:00:00Z";
pub const BEGAN_AT: i64 = 1_795_507_200_000_000;
pub const HOUR: i64 = 3_600_000_000;

/// How many are remembered unless a test says otherwise.
const USUAL: usize = 1_000;

pub struct Street {
    pub disk: SimulatedDisk,
    log: Arc<DiskLog>,
    books: Arc<dyn Books>,
    worker: Worker,
    house: Arc<House>,
    registry: Arc<RwLock<Registry>>,
    apps: [App; 2],
    clock: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

struct App {
    id: String,
    write_key: String,
    secret_key: String,
}

/// A request that came as far as it could.
pub struct Begun {
    answer: Pin<Box<dyn Future<Output = Response<Body>>>>,
    ready: Option<Response<Body>>,
}

impl Begun {
    pub fn waits(&self) -> bool {
        self.ready.is_none()
    }
}

/// A track with an id, at the moment when all begins.
pub fn track(user: &str, id: &str) -> Value {
    json!({ "type": "track", "userId": user, "event": "Song Liked", "messageId": id, "timestamp": BEGAN })
}

/// A moment as people write it.
pub fn text(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap().to_string()
}

/// What an answer says: how many were accepted, and which are duplicates.
pub fn fates(body: &Value) -> (u64, Vec<u64>) {
    let duplicates = body["duplicates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let duplicates: Vec<u64> = duplicates.iter().map(|index| index.as_u64().unwrap()).collect();
    assert_eq!(body["duplicate"], json!(duplicates.len()), "{body}");
    (body["accepted"].as_u64().unwrap(), duplicates)
}

impl Street {
    pub fn build() -> Self {
        let now = Timestamp::from_micros(BEGAN_AT);
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let apps = ["Radio", "News"].map(|name| {
            let (app, write_key) = registry.add_app(NewApp::parse(name, "UTC").unwrap(), now).unwrap();
            let scopes = [Scope::Read, Scope::AdminApp].into_iter().collect();
            let secret_key = registry.add_key(Purpose::Secret(name, scopes), None, now).unwrap();
            App {
                id: app.id.to_string(),
                write_key: write_key.text.reveal().to_owned(),
                secret_key: secret_key.text.reveal().to_owned(),
            }
        });
        let disk = SimulatedDisk::new(1);
        let options = LogOptions { salt: 1, ..LogOptions::default() };
        let log = Arc::new(DiskLog::open_stepped(Arc::new(disk.clone()), Path::new("log"), options).unwrap());
        let books: Arc<dyn Books> = Arc::new(MemoryBooks::new());
        let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let worker = Worker::new(log.clone(), books.clone(), Arc::new(rules), WorkerOptions::default());
        let (registry, clock) = (Arc::new(RwLock::new(registry)), Arc::new(AtomicI64::new(BEGAN_AT)));
        let house = house(&log, &books, &registry, &clock, Lately::of(USUAL));
        Street { disk, log, books, worker, house, registry, apps, clock, _folder: folder }
    }

    pub fn house(&self) -> &House {
        &self.house
    }

    pub fn log(&self) -> &DiskLog {
        &self.log
    }

    /// Remembers no more than so many from now on, and nothing of before.
    pub fn forget_all_but(&mut self, events: usize) {
        self.start_again(Lately::of(events));
    }

    /// Another process opens the same folder.
    pub fn start_again(&mut self, lately: Lately) {
        self.house = house(&self.log, &self.books, &self.registry, &self.clock, lately);
        self.house.erasures.refresh().unwrap();
    }

    pub fn wait(&self, hours: i64) {
        self.clock.fetch_add(hours * HOUR, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.load(Ordering::Relaxed))
    }

    /// Writes and syncs what waits in the log.
    pub fn commit(&self) {
        self.log.step();
    }

    /// Takes turns until the engine has read all.
    pub fn turn(&mut self) {
        while !self.worker.turn(self.now()).unwrap().is_idle() {}
    }

    /// Sends a body, and lets it come as far as it can while the log commits nothing.
    pub fn begin(&self, app: usize, messages: &[Value]) -> Begun {
        self.begin_with(app, json!({ "batch": messages }).to_string())
    }

    /// The same with any text.
    pub fn begin_with(&self, app: usize, text: String) -> Begun {
        let request = Request::post(format!("/v1/batch?writeKey={}", self.apps[app].write_key));
        let request = request.body(Body::from(text)).unwrap();
        let router = router(self.house.clone());
        let mut answer = Box::pin(async move { router.oneshot(request).await.unwrap() });
        let ready = match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => Some(response),
            Poll::Pending => None,
        };
        Begun { answer, ready }
    }

    /// Lets the log commit, and returns what a body is answered.
    pub async fn end(&self, begun: Begun) -> (StatusCode, Value) {
        self.commit();
        let response = match begun.ready {
            Some(response) => response,
            None => begun.answer.await,
        };
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Sends a body, and returns what it is told.
    pub async fn say(&mut self, app: usize, messages: &[Value]) -> (u64, Vec<u64>) {
        let begun = self.begin(app, messages);
        let (status, body) = self.end(begun).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let (received, rejected) = (body["received"].as_u64().unwrap(), body["rejected"].as_u64().unwrap());
        let (accepted, duplicates) = fates(&body);
        assert_eq!(received, accepted + duplicates.len() as u64 + rejected, "{body}");
        (accepted, duplicates)
    }

    /// What came in lately, the latest first.
    pub async fn arrivals(&self, app: usize) -> Vec<Value> {
        let (status, body) = self.ask(app, "GET", "/v1/arrivals").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        body["arrivals"].as_array().unwrap().clone()
    }

    pub fn numbers(&self, app: usize) -> Numbers {
        self.house.desk.numbers(&self.apps[app].id).unwrap()
    }

    async fn ask(&self, app: usize, method: &str, path: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.apps[app].secret_key));
        let response = router(self.house.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// What is known of a user; nothing of somebody who is not there.
    pub async fn user(&self, app: usize, user: &str) -> Option<Value> {
        let (status, body) = self.ask(app, "GET", &format!("/v1/users/{user}")).await;
        (status == StatusCode::OK).then(|| serde_json::from_str(&body).unwrap())
    }

    /// The sessions of a user, but for how often they were told otherwise, and their ids, which name the app.
    pub async fn sessions(&self, app: usize, user: &str) -> Vec<Value> {
        let (status, body) = self.ask(app, "GET", &format!("/v1/users/{user}/sessions")).await;
        if status != StatusCode::OK {
            return Vec::new();
        }
        let mut body: Value = serde_json::from_str(&body).unwrap();
        let sessions = body["sessions"].as_array_mut().unwrap();
        for session in &mut *sessions {
            for name in ["amended", "session_id"] {
                assert!(session.as_object_mut().unwrap().remove(name).is_some());
            }
        }
        std::mem::take(sessions)
    }

    /// What the door counted of an app: received, accepted, duplicate, rejected.
    pub async fn counts(&self, app: usize) -> [u64; 4] {
        let (_, text) = self.ask(app, "GET", "/metrics").await;
        let label = format!("app=\"{}\"", self.apps[app].id);
        ["received", "accepted", "duplicate", "rejected"].map(|part| {
            let name = format!("dwell_messages_{part}_total{{");
            let lines = text.lines().filter(|line| line.starts_with(&name) && line.contains(&label));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
        })
    }

    pub async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.ask(0, "GET", "/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
    }

    /// Puts a version of an app's policy.
    pub fn put_policy(&self, app: usize, text: &str) {
        let version = NewVersion { text, author: "ada", note: "", from: None, replaces: 0, restates: false };
        self.house.policies.put(&self.apps[app].id, &version, self.now()).unwrap();
    }

    /// Asks for an erasure over HTTP.
    pub async fn ask_to_erase(&self, app: usize, user: &str) {
        let (status, body) = self.ask(app, "DELETE", &format!("/v1/users/{user}")).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    }

    /// Does what the engine's thread does of erasures that were asked for.
    pub fn erase(&mut self) {
        let erasures = self.house.erasures.clone();
        let before = self.log.next();
        erasures.place(before).unwrap();
        self.turn();
        for erasure in erasures.in_books() {
            let ids: BTreeSet<String> = self.worker.ids_of(&erasure.app, &erasure.user).unwrap();
            erasures.found(erasure.number, ids.iter().cloned().collect()).unwrap();
            self.worker.erase(erasure.number, &erasure.app, &ids, self.now()).unwrap();
            erasures.is_out_of_books(erasure.number, BEGAN).unwrap();
        }
    }
}

fn house(
    log: &Arc<DiskLog>,
    books: &Arc<dyn Books>,
    registry: &Arc<RwLock<Registry>>,
    clock: &Arc<AtomicI64>,
    lately: Lately,
) -> Arc<House> {
    let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
    let desk = Desk::new(books.clone(), Arc::new(rules));
    let clock = clock.clone();
    let now = move || Timestamp::from_micros(clock.load(Ordering::Relaxed));
    let mut house = House::new(log.clone(), desk, registry.clone(), Arc::new(now));
    house.lately = lately;
    Arc::new(house)
}
