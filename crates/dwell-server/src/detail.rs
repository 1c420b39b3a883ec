//! The deep lab of a live app: what the ledger does not know, counted anew from all events there are.
//!
//! Quantiles, sessions of one activity, milestones, advice, who is hurt and some users side by side are what `dwell lab` finds
//! in a file. Here the same sweep finds them in the archive and the log. It takes its time, on a thread of its own and of low
//! priority, one app at a time; what it found is kept in memory and shown until there is newer. Whoever asks starts it.

mod answer;
mod counting;
mod difference;
pub(crate) mod preview;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use dwell_core::lab::advice::AppKind;
use dwell_core::time::{Span, Timestamp};
use dwell_keys::access::Scope;
use dwell_lake::lab::people::Facet;
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};

use crate::House;
use crate::api::asked_in;
use crate::auth::asked_about;
use crate::body::on_disk;
use crate::detail::answer::{Asked, counted_json};
use crate::detail::counting::{ALL_DONE, Detail, Order, count};
use crate::detail::preview::{Candidate, Preview};
use crate::lab::{in_force, read_one};
use crate::priority::Priority;
use crate::problem::Problem;

/// Of so many apps the last result is kept.
const MOST_KEPT: usize = 3;

/// A result is shown for so long at least before another one is counted, though there are new events.
const FRESH_FOR: Span = Span::from_minutes(1);

/// And for so many times as long as it took, so that a large app does not count all the time.
const REST: i64 = 20;

/// What is said where our own program is wrong.
const BROKEN: &str = "a promise between our own lines was broken; what it was stands in the server's own log";

#[derive(Deserialize)]
pub(crate) struct DetailAsked {
    timeout: Option<String>,
    versus: Option<String>,
    by: Option<String>,
    kind: Option<String>,
}

/// What is known beside the ledger; while it is counted for the first time, how far that is.
pub(crate) async fn detail(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let (asking, app) = asked_about(&house, &headers, &uri)?;
    if !asking.may(Scope::Read, &app.id) {
        return Err(Problem::may_not(Scope::Read));
    }
    let asked: DetailAsked = asked_in(&uri)?;
    let now = (house.clock)();
    let history = house.policies.history(app.id.as_str())?;
    let policy = history.policy(&house.policies.base().policy);
    let in_force = in_force(&policy, now);
    let timeout = |name, text: &Option<String>| text.as_deref().map_or(Ok(in_force), |text| read_one(name, text));
    let asked = Asked {
        timeout: timeout("timeout", &asked.timeout)?,
        versus: timeout("versus", &asked.versus)?,
        by: word_of("by", asked.by.as_deref(), &Facet::ALL, Facet::word)?.unwrap_or(Facet::Platform),
        kind: word_of("kind", asked.kind.as_deref(), &AppKind::ALL, AppKind::word)?,
    };
    let order = Order { app: app.id.to_string(), policy, version: history.newest(), in_force, began: now };
    let looked = look(&house, order, now);
    on_disk(move || {
        let counted = looked.detail.as_ref().map(|detail| counted_json(detail, &asked));
        let done = looked.done.map(|done| f64::from(done) / f64::from(ALL_DONE));
        let state = match (&counted, done) {
            (Some(_), _) => "ready",
            (None, Some(_)) => "counting",
            (None, None) => "waiting",
        };
        Ok(Json(json!({
            "app": app.id.as_str(),
            "in_force_seconds": in_force.as_secs(),
            "state": state,
            "counting": done,
            "failed": looked.failed,
            "read_up_to": house.desk.offset().number(),
            "counted": counted,
        }))
        .into_response())
    })
    .await
}

/// Finds what a word of a question means.
fn word_of<T: Copy>(
    name: &str,
    word: Option<&str>,
    all: &[T],
    word_of: fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(word) = word else { return Ok(None) };
    let found = all.iter().copied().find(|one| word_of(*one) == word);
    let wanted = || all.iter().map(|one| word_of(*one)).collect::<Vec<_>>().join(", ");
    let refused = || Problem::bad_request(format!("`{name}` is one of {}, not {word:?}", wanted()));
    found.map(Some).ok_or_else(refused)
}

/// What was counted of apps, and what is being counted.
#[derive(Default)]
pub(crate) struct Details(Mutex<Desks>);

#[derive(Default)]
struct Desks {
    /// That which was asked for last comes last.
    kept: Vec<Arc<Detail>>,
    previews: Vec<Arc<Preview>>,
    /// One thing at a time, so that the memory for one is enough.
    under_way: Option<(Work, Arc<AtomicU32>)>,
    /// The last that could not be counted: when, and why.
    failed: Option<(Work, Timestamp, String)>,
}

/// What is counted.
#[derive(Clone, PartialEq, Eq)]
enum Work {
    /// The lab of an app.
    Detail(String),
    /// What another policy would do.
    Preview(Candidate),
}

struct Looked {
    detail: Option<Arc<Detail>>,
    /// How far the counting of this app is, in thousandths.
    done: Option<u32>,
    failed: Option<String>,
}

impl Details {
    fn lock(&self) -> MutexGuard<'_, Desks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what there is, and begins to count anew where that is too old and nothing else is being counted.
fn look(house: &Arc<House>, order: Order, now: Timestamp) -> Looked {
    let mut desks = house.details.lock();
    // It may name somebody who was erased since.
    let latest = house.erasures.latest(&order.app);
    desks.kept.retain(|detail| detail.order.app != order.app || detail.erasures == latest);
    let place = desks.kept.iter().position(|detail| detail.order.app == order.app);
    let detail = place.map(|place| desks.kept.remove(place));
    desks.kept.extend(detail.clone());
    let work = Work::Detail(order.app.clone());
    let failed = desks.failed.as_ref().filter(|(failed, _, _)| *failed == work);
    let rests = failed.is_some_and(|(_, at, _)| now < at.plus(FRESH_FOR));
    let failed = failed.map(|(_, _, why)| why.clone());
    let is_fresh = detail.as_ref().is_some_and(|detail| is_fresh(detail, &order, house, now));
    if desks.under_way.is_none() && !is_fresh && !rests {
        begin(house, &mut desks, order);
    } else if desks.under_way.as_ref().is_some_and(|(under_way, _)| *under_way != work) {
        // Another one is being counted: whoever asks comes again.
        return Looked { detail, done: None, failed };
    }
    let done = desks.under_way.as_ref().map(|(_, done)| done.load(Ordering::Relaxed));
    Looked { detail, done, failed }
}

fn is_fresh(detail: &Detail, order: &Order, house: &House, now: Timestamp) -> bool {
    let holds = detail.order.version == order.version && detail.order.in_force == order.in_force;
    holds && (detail.read_up_to == house.desk.offset() || rests((detail.order.began, detail.counted_at), now))
}

/// Says whether what was counted between two moments is shown for a while yet, though there are new events.
fn rests((began, counted_at): (Timestamp, Timestamp), now: Timestamp) -> bool {
    let took = counted_at.since(began);
    now < counted_at.plus(Span::from_micros(took.as_micros().saturating_mul(REST)).max(FRESH_FOR))
}

fn begin(house: &Arc<House>, desks: &mut Desks, order: Order) {
    let done = Arc::<AtomicU32>::default();
    let app = order.app.clone();
    desks.under_way = Some((Work::Detail(app.clone()), done.clone()));
    let weak = Arc::downgrade(house);
    let thread = std::thread::Builder::new().name("detail".to_owned());
    if let Err(error) = thread.spawn(move || run(&weak, app, order, &done)) {
        warn!(%error, "the lab cannot be counted");
        desks.under_way = None;
    }
}

fn run(house: &Weak<House>, app: String, order: Order, done: &AtomicU32) {
    Priority::CanWait.take();
    let counted = catch_unwind(AssertUnwindSafe(|| count(house, order, done)));
    let Some(house) = house.upgrade() else { return };
    let mut desks = house.details.lock();
    desks.under_way = None;
    desks.failed = None;
    let why = match counted {
        Ok(Ok(detail)) => {
            let took_us = detail.counted_at.since(detail.order.began).as_micros();
            info!(app, events = detail.events_found, took_us, "the lab was counted");
            desks.kept.retain(|kept| kept.order.app != app);
            desks.kept.push(Arc::new(detail));
            let too_many = desks.kept.len().saturating_sub(MOST_KEPT);
            desks.kept.drain(..too_many);
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_panic) => BROKEN.to_owned(),
    };
    warn!(app, error = %why, "the lab could not be counted");
    desks.failed = Some((Work::Detail(app), (house.clock)(), why));
}
