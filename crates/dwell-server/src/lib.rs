//! HTTP: lets events in and answers questions.
//!
//! [`router`] is the whole face of it, and needs no socket. An event's way: `ingest.rs` reads the body, the dialect
//! understands it, and the log keeps it; only then is it acknowledged. Everything else asks the engine's [`Desk`].
//!
//! What this crate never does: hold a rule of sessions, write the books, or read the clock (it is given one).

#![forbid(unsafe_code)]

mod api;
mod arrivals;
mod auth;
mod body;
mod dashboard;
mod demo;
mod detail;
mod document;
pub mod door;
mod erase;
pub mod erasures;
mod export;
mod history;
mod ingest;
mod keys;
mod lab;
pub mod lately;
mod login;
mod metrics;
mod overview;
mod past;
mod policy;
pub mod priority;
mod problem;
mod row;
mod settings;
mod stream;
mod traced;
mod traffic;
mod webhooks;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use dwell_core::time::Timestamp;
use dwell_courier::Board;
use dwell_dialect::limits::Limits;
use dwell_engine::{Breaches, Desk};
use dwell_keys::accounts::Accounts;
use dwell_keys::registry::Registry;
use dwell_policy::policies::{Base, Policies};
use dwell_store::Log;
use tower_http::compression::CompressionLayer;

use crate::arrivals::Arrivals;
pub use crate::demo::Demo;
use crate::detail::Details;
pub use crate::detail::preview::preview_of;
use crate::erasures::Erasures;
use crate::export::Exports;
pub use crate::export::{ExportLines, export_of};
pub use crate::lab::lab_of;
use crate::lately::Lately;
use crate::login::Gate;
use crate::metrics::Counts;
pub use crate::past::ArchivedPast;
pub use crate::row::{archived, left, recorded};
pub use crate::traced::Traced;
use crate::traffic::Traffic;
pub use crate::webhooks::{SessionFeed, WORDS};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the rooms of this floor share.
pub struct House {
    /// Where accepted events go.
    pub log: Arc<dyn Log>,
    /// Where questions are answered.
    pub desk: Desk,
    /// Who knows the apps and their keys.
    pub registry: Arc<RwLock<Registry>>,
    /// Who signs in by name and password.
    pub accounts: Arc<RwLock<Accounts>>,
    /// What holds in each app.
    pub policies: Arc<Policies>,
    /// What time it is.
    pub clock: Clock,
    /// How much is read of what anybody sends.
    pub limits: Limits,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// What is spoken at the door, `http` or `https`: SDKs are told to come back by it.
    pub scheme: &'static str,
    /// Whether the engine works: the words of what stopped it.
    pub stopped: Arc<std::sync::OnceLock<String>>,
    /// Whether the engine waits for the disk, and why. It goes on by itself.
    pub waiting: Arc<RwLock<Option<String>>>,
    /// Laws that did not hold for sessions that the engine stated since the start.
    pub breaches: Arc<Mutex<Breaches>>,
    /// Whether somebody told the server to stop: streams end, which would go on for ever.
    pub stopping: Arc<AtomicBool>,
    /// Which app's history is being counted anew, and how much of the log was read for it.
    pub restating: Arc<RwLock<Option<(String, f64)>>>,
    /// What came in lately: by it repetitions are told.
    pub lately: Lately,
    /// Who is to be erased, and who was.
    pub erasures: Arc<Erasures>,
    /// How webhooks stand.
    pub webhooks: Arc<Board>,
    /// How many statements of feeds were dropped since the start, because they were older than they are kept.
    pub swept: Arc<AtomicU64>,
    /// The page of a demo, and whom it is for; other servers have none.
    pub demo: Option<Demo>,
    /// The folder of the archive, where events are looked for that the log has let go; it may not be there.
    pub archive: PathBuf,
    /// The file that says how far the archive has come; it may not be there.
    pub archive_note: PathBuf,
    /// What else is worth watching of the machine; empty where nobody says.
    pub machine: Arc<dyn Fn() -> Machine + Send + Sync>,
    /// What the process itself takes; `None` where nobody says.
    pub process: Arc<dyn Fn() -> Option<Process> + Send + Sync>,
    /// What became of connections; see [`door::Door`].
    pub connections: Arc<door::Connections>,
    /// What of traces was sent to a collector, where there is one.
    pub traced: Arc<Traced>,
    arrivals: Arrivals,
    counts: Counts,
    traffic: Traffic,
    gate: Gate,
    details: Details,
    exports: Exports,
}

/// What is to be watched of the log and the disk under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Why the log takes nothing more, if its disk failed.
    pub log_failure: Option<String>,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Files of it.
    pub log_segments: u64,
    /// Bytes that wait to be written to it.
    pub log_waiting_bytes: u64,
    /// Syncs of it since the start.
    pub log_syncs: u64,
    /// Appends to it that found no room on the disk since the start.
    pub log_full: u64,
    /// Appends that found too much waiting since the start.
    pub log_busy: u64,
    /// The offset up to which events are in the archive; `None` where there is none.
    pub archive_next: Option<u64>,
    /// Bytes that are free where the data lies; `None` where that cannot be seen.
    pub disk_free_bytes: Option<u64>,
    /// By how many seconds the machine's clock was put ahead since the start; less than nothing when it was put back.
    pub clock_off_seconds: i64,
}

/// What is to be watched of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Bytes of memory that it has in the machine.
    pub resident_bytes: u64,
    /// How long it has worked, on all cores together, for itself and in the system.
    pub cpu_time: Duration,
    /// Files and connections that it has open.
    pub open_fds: u64,
    /// How many it may have; `None` without such a limit.
    pub most_fds: Option<u64>,
    /// When it was started, since 1970 in UTC, by the system's clock.
    pub started_at: Duration,
}

impl House {
    /// Puts a house together with the usual limits, the usual policy for apps that have none, and nobody who signs in.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, desk: Desk, registry: Arc<RwLock<Registry>>, clock: Clock) -> Self {
        let data = registry.read().unwrap_or_else(PoisonError::into_inner).folder().to_owned();
        House {
            log,
            desk,
            registry,
            accounts: Arc::new(RwLock::new(Accounts::unread(&data))),
            policies: Arc::new(Policies::new(&data, Base::default())),
            clock,
            limits: Limits::default(),
            body_timeout: Duration::from_secs(10),
            scheme: "http",
            stopped: Arc::default(),
            waiting: Arc::default(),
            breaches: Arc::default(),
            stopping: Arc::default(),
            restating: Arc::default(),
            lately: Lately::default(),
            erasures: Arc::new(Erasures::of(&data)),
            webhooks: Arc::default(),
            swept: Arc::default(),
            demo: None,
            archive: data.join("archive"),
            archive_note: data.join("archive.json"),
            machine: Arc::new(Machine::default),
            process: Arc::new(|| None),
            connections: Arc::default(),
            traced: Arc::default(),
            arrivals: Arrivals::default(),
            counts: Counts::default(),
            traffic: Traffic::default(),
            gate: Gate::default(),
            details: Details::default(),
            exports: Exports::default(),
        }
    }
}

/// Everything that is read, each on its own path. `openapi.json` describes the same, and a test compares them.
fn routes() -> [(&'static str, MethodRouter<Arc<House>>); 23] {
    [
        ("/healthz", get(api::health)),
        ("/readyz", get(api::ready)),
        ("/version", get(api::version)),
        ("/metrics", get(metrics::metrics)),
        ("/openapi.json", get(document::openapi)),
        ("/docs", get(document::docs)),
        ("/v1/app", get(api::app)),
        ("/v1/arrivals", get(arrivals::arrivals)),
        ("/v1/series", get(api::series)),
        ("/v1/overview", get(overview::overview)),
        // The longest answer there is. It holds numbers only, so that its length tells nothing of a secret.
        ("/v1/lab", get(lab::lab).layer(CompressionLayer::new())),
        ("/v1/lab/detail", get(detail::detail).layer(CompressionLayer::new())),
        ("/v1/users", get(api::users)),
        ("/v1/users/{user}/sessions", get(api::sessions)),
        ("/v1/users/{user}/phases", get(api::phases)),
        ("/v1/users/{user}/export", get(export::export)),
        ("/v1/sessions", get(api::feed)),
        ("/v1/sessions/stream", get(stream::stream)),
        ("/v1/webhooks", get(webhooks::webhooks)),
        ("/v1/webhooks/{id}/dead", get(webhooks::dead)),
        ("/v1/projects/{key}/settings", get(settings::segment)),
        ("/sourceConfig", get(settings::rudderstack)),
        ("/sourceConfig/", get(settings::rudderstack)),
    ]
}

/// Returns everything that is answered.
pub fn router(house: Arc<House>) -> Router {
    let others = policy::routes().into_iter().chain(login::routes()).chain(keys::routes()).chain(erase::routes());
    let others = others.map(|(path, method, _)| (path, method));
    routes()
        .into_iter()
        .chain(others)
        .chain(dashboard::routes())
        .chain(house.demo.iter().flat_map(|_| demo::routes()))
        .fold(Router::new(), |router, (path, method)| router.route(path, method))
        .method_not_allowed_fallback(|| async { problem::Problem::only_read() })
        .fallback(ingest::ingest)
        .layer(middleware::from_fn_with_state(house.clone(), login::only_our_pages))
        .layer(middleware::from_fn(any_origin))
        .layer(middleware::from_fn_with_state(house.clone(), traffic::count))
        .with_state(house)
}

/// Lets pages of any origin send events: the write key is public. What a cookie opens they cannot read, since browsers hide
/// an answer to everybody from pages that had cookies sent with their question.
async fn any_origin(request: Request, next: Next) -> Response {
    use axum::http::{HeaderValue, Method, StatusCode, header};
    let preflight = request.method() == Method::OPTIONS;
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    // Unless this is said, no page can read when it should come back.
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        if let Some(wanted) = wanted {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
    }
    response
}
