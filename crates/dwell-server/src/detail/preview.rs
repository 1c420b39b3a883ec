//! What another policy would do, before it is put: the app's history counted under what held, and under what might hold.
//!
//! It shares the place of the deep lab: of both together one is counted at a time, by the same thread of low priority.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use dwell_core::policy::Policy;
use dwell_core::time::Timestamp;
use dwell_keys::access::Scope;
use dwell_lake::compare::Compared;
use dwell_policy::error::VersionError;
use dwell_policy::policies::MOST_TEXT_BYTES;
use dwell_policy::text::{not_obeyed, read_single};
use dwell_store::Offset;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::counting::{ALL_DONE, CountError, Gathered};
use super::difference::difference_json;
use super::{BROKEN, FRESH_FOR, Work, rests};
use crate::House;
use crate::auth::asked_about;
use crate::body::{json_in, read};
use crate::policy::{MOST_BODY_BYTES, text_in};
use crate::priority::Priority;
use crate::problem::Problem;

/// So many results are kept, of one app or of several. They are small.
const MOST_KEPT: usize = 16;

/// When all events were read, in thousandths of all.
const GATHERED_DONE: u32 = 700;

/// A policy that might be put, and what it would take the place of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Candidate {
    pub app: String,
    /// The newest version of the app's policy.
    pub version: u32,
    pub text: String,
}

/// What a candidate would do.
pub(crate) struct Preview {
    pub candidate: Candidate,
    pub began: Timestamp,
    pub counted_at: Timestamp,
    pub read_up_to: Offset,
    /// How many events of the app the engine had read by then, and how many of them were found.
    pub events: u64,
    pub events_found: u64,
    pub unproven: Option<String>,
    /// The latest erasure that is in it.
    pub erasures: u64,
    pub time_range: Option<(i64, i64)>,
    pub told_until: Option<i64>,
    pub compared: Compared,
    /// The platforms that [`Compared::platforms`] has keys of; `None` is all others.
    pub platforms: Vec<(Option<String>, dwell_lake::compare::Pair)>,
}

/// Both policies.
struct Rules {
    before: Policy,
    after: Policy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviewBody {
    policy: Option<Value>,
    text: Option<String>,
}

/// What a policy would do; while it is counted, how far that is. Users are named, so it takes who may read them.
pub(crate) async fn preview(State(house): State<Arc<House>>, request: Request<Body>) -> Result<Response, Problem> {
    let (asking, app) = asked_about(&house, request.headers(), request.uri())?;
    if !asking.may(Scope::Read, &app.id) {
        return Err(Problem::may_not(Scope::Read));
    }
    let body: PreviewBody = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let text = text_in(body.policy.as_ref(), body.text)?;
    Ok(Json(told(&house, app.id.as_str(), text)?).into_response())
}

/// The same, for a command on the machine.
///
/// # Errors
/// Why it cannot be said, in words: the text is no policy, or there is no such app.
pub fn preview_of(house: &Arc<House>, app: &str, text: String) -> Result<Value, String> {
    told(house, app, text).map_err(Problem::into_detail)
}

fn told(house: &Arc<House>, app: &str, text: String) -> Result<Value, Problem> {
    if MOST_TEXT_BYTES < text.len() {
        return Err(VersionError::TooLong { bytes: text.len(), most: MOST_TEXT_BYTES }.into());
    }
    let says = read_single(&text).map_err(VersionError::from)?;
    let mut not_obeyed = not_obeyed(&says.version);
    if !says.words.is_empty() {
        // What a name means was decided when the event came in.
        not_obeyed.push("events");
    }
    let history = house.policies.history(app)?;
    let rules = Rules { before: history.policy(&house.policies.base().policy), after: Policy::always(says.version) };
    let candidate = Candidate { app: app.to_owned(), version: history.newest(), text };
    let looked = look(house, candidate, rules, (house.clock)());
    let done = looked.done.map(|done| f64::from(done) / f64::from(ALL_DONE));
    let state = match (&looked.preview, done) {
        (Some(_), _) => "ready",
        (None, Some(_)) => "counting",
        (None, None) => "waiting",
    };
    Ok(json!({
        "app": app,
        "state": state,
        "counting": done,
        "failed": looked.failed,
        "read_up_to": house.desk.offset().number(),
        "not_obeyed": not_obeyed,
        "counted": looked.preview.map(|preview| difference_json(&preview)),
    }))
}

struct Looked {
    preview: Option<Arc<Preview>>,
    done: Option<u32>,
    failed: Option<String>,
}

/// Returns what there is, and begins to count where that is too old and nothing else is being counted.
fn look(house: &Arc<House>, candidate: Candidate, rules: Rules, now: Timestamp) -> Looked {
    let mut desks = house.details.lock();
    // They may name somebody who was erased since.
    let latest = house.erasures.latest(&candidate.app);
    desks.previews.retain(|preview| preview.candidate.app != candidate.app || preview.erasures == latest);
    let place = desks.previews.iter().position(|preview| preview.candidate == candidate);
    let preview = place.map(|place| desks.previews.remove(place));
    desks.previews.extend(preview.clone());
    let is_fresh = preview.as_ref().is_some_and(|preview| {
        preview.read_up_to == house.desk.offset() || rests((preview.began, preview.counted_at), now)
    });
    let work = Work::Preview(candidate.clone());
    let failed = desks.failed.as_ref().filter(|(failed, _, _)| *failed == work);
    let waits = failed.is_some_and(|(_, at, _)| now < at.plus(FRESH_FOR));
    let failed = failed.map(|(_, _, why)| why.clone());
    if desks.under_way.is_none() && !is_fresh && !waits {
        let done = Arc::<AtomicU32>::default();
        desks.under_way = Some((work.clone(), done.clone()));
        let weak = Arc::downgrade(house);
        let thread = std::thread::Builder::new().name("preview".to_owned());
        if let Err(error) = thread.spawn(move || run(&weak, &candidate, &rules, &done)) {
            warn!(%error, "a policy cannot be previewed");
            desks.under_way = None;
        }
    }
    let ours = desks.under_way.as_ref().filter(|(under_way, _)| *under_way == work);
    let done = ours.map(|(_, done)| done.load(Ordering::Relaxed));
    Looked { preview, done, failed }
}

fn run(house: &Weak<House>, candidate: &Candidate, rules: &Rules, done: &AtomicU32) {
    Priority::CanWait.take();
    let counted = catch_unwind(AssertUnwindSafe(|| count(house, candidate, rules, done)));
    let Some(house) = house.upgrade() else { return };
    let mut desks = house.details.lock();
    desks.under_way = None;
    desks.failed = None;
    let why = match counted {
        Ok(Ok(preview)) => {
            let took_us = preview.counted_at.since(preview.began).as_micros();
            info!(app = candidate.app, events = preview.events_found, took_us, "a policy was previewed");
            desks.previews.retain(|kept| kept.candidate != *candidate);
            desks.previews.push(Arc::new(preview));
            let too_many = desks.previews.len().saturating_sub(MOST_KEPT);
            desks.previews.drain(..too_many);
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_panic) => BROKEN.to_owned(),
    };
    warn!(app = candidate.app, error = %why, "a policy could not be previewed");
    desks.failed = Some((Work::Preview(candidate.clone()), (house.clock)(), why));
}

fn count(house: &Weak<House>, candidate: &Candidate, rules: &Rules, done: &AtomicU32) -> Result<Preview, CountError> {
    let now = || Ok::<_, CountError>((house.upgrade().ok_or(CountError::Stops)?.clock)());
    let began = now()?;
    let gathered = Gathered::of(house, &candidate.app, done)?;
    done.store(GATHERED_DONE, Ordering::Relaxed);
    let before = gathered.question(&candidate.app, &rules.before)?;
    let after = gathered.question(&candidate.app, &rules.after)?;
    let compared = Compared::over(&gathered.log, (&before, &after), &gathered.origins)?;
    if let Some(broken) = compared.broken {
        return Err(CountError::Law(broken));
    }
    let texts = gathered.names.texts();
    let named = compared.platforms.iter().map(|(key, pair)| (texts.get(*key as usize).map(ToString::to_string), *pair));
    let mut platforms: Vec<_> = named.collect();
    // The greatest first, and all others last.
    platforms.sort_by_key(|(name, pair)| (name.is_none(), std::cmp::Reverse(pair.before.sessions), name.clone()));
    Ok(Preview {
        candidate: candidate.clone(),
        began,
        counted_at: now()?,
        read_up_to: gathered.read_up_to,
        events: gathered.events,
        events_found: gathered.events_found,
        unproven: gathered.unproven.clone(),
        erasures: gathered.erasures,
        time_range: gathered.log.time_range(),
        told_until: gathered.log.told_until(),
        compared,
        platforms,
    })
}
