//! What came in lately, message by message, and what the door said of each: for whoever connects an app and wants to see it
//! arrive.
//!
//! It is in memory only, and there is not much of it. What the engine makes of an event is told by what is counted of the app.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use dwell_core::time::Timestamp;
use dwell_dialect::envelope::EnvelopeError;
use dwell_dialect::event::Event;
use dwell_dialect::rejection::Rejection;
use dwell_dialect::segment::Decoded;
use serde_json::{Value, json};

use crate::House;
use crate::api::{Answer, when};
use crate::auth::reader_of;

/// How many messages of an app are kept, and the last how many of one body: who sends thousands at once sees the end of them.
const KEPT: usize = 100;
const KEPT_OF_A_BODY: usize = 20;

/// Of a text so many characters are kept at most.
const LONGEST_TEXT: usize = 200;

/// What the dialect is called by which all of it comes.
const DIALECT: &str = "segment";

/// See the module. Apps are bounded by those that there are.
#[derive(Default)]
pub(crate) struct Arrivals(Mutex<HashMap<String, Ring>>);

/// The latest of one app, the oldest first.
#[derive(Default)]
struct Ring {
    arrivals: VecDeque<Arrival>,
    /// How many came before the first of them.
    gone: u64,
    /// How many erasures of the app there were when it began: another one makes it begin anew.
    erasures: usize,
}

struct Arrival {
    received_at: Timestamp,
    said: Option<Said>,
    fate: Fate,
}

/// What could be read of a message.
struct Said {
    call: &'static str,
    kind: &'static str,
    user: String,
    name: Option<String>,
    happened_at: Timestamp,
}

enum Fate {
    Accepted,
    Duplicate,
    Rejected { reason: &'static str, why: String },
}

/// Notes the messages of a body, and which of the events were duplicates, in their order.
pub(crate) fn note(house: &House, app: &str, received_at: Timestamp, decoded: &Decoded<'_>, duplicates: &[u32]) {
    let events = decoded.events.iter().rev().take(KEPT_OF_A_BODY).map(|event| {
        let is_known = duplicates.binary_search(&event.index).is_ok();
        let fate = if is_known { Fate::Duplicate } else { Fate::Accepted };
        (Some(event.index), Arrival { received_at, said: Some(Said::of(event)), fate })
    });
    let refused = decoded.rejections.iter().rev().take(KEPT_OF_A_BODY);
    let refused = refused.map(|rejection| (rejection.index, Arrival::refused(received_at, rejection)));
    let mut latest: Vec<(Option<u32>, Arrival)> = events.chain(refused).collect();
    latest.sort_by_key(|(index, _)| *index);
    let arrivals = latest.split_off(latest.len().saturating_sub(KEPT_OF_A_BODY));
    let left_out = decoded.received() - arrivals.len();
    add(house, app, left_out as u64, arrivals.into_iter().map(|(_, arrival)| arrival));
}

/// Notes a body that was refused as a whole.
pub(crate) fn note_rejection(house: &House, app: &str, received_at: Timestamp, rejection: &Rejection) {
    add(house, app, 0, [Arrival::refused(received_at, rejection)]);
}

/// Notes a body out of which nothing could be taken.
pub(crate) fn note_unopened(house: &House, app: &str, received_at: Timestamp, error: &EnvelopeError) {
    let fate = Fate::Rejected { reason: error.word(), why: error.to_string() };
    add(house, app, 0, [Arrival { received_at, said: None, fate }]);
}

fn add(house: &House, app: &str, left_out: u64, arrivals: impl IntoIterator<Item = Arrival>) {
    let mut apps = house.arrivals.lock();
    // Most often it is there, and needs no name of its own.
    if !apps.contains_key(app) {
        apps.insert(app.to_owned(), Ring { erasures: erasures_in(house, app), ..Ring::default() });
    }
    let Some(ring) = apps.get_mut(app) else { return };
    if 0 < left_out {
        // What is shown came in a row: what lies before a gap goes.
        ring.gone += ring.arrivals.len() as u64 + left_out;
        ring.arrivals.clear();
    }
    for arrival in arrivals {
        if ring.arrivals.len() == KEPT {
            ring.arrivals.pop_front();
            ring.gone += 1;
        }
        ring.arrivals.push_back(arrival);
    }
}

fn erasures_in(house: &House, app: &str) -> usize {
    house.erasures.all().iter().filter(|erasure| erasure.app == app).count()
}

impl Arrivals {
    /// Returns the latest of an app, the latest first, each with its number since the start. Where somebody was erased since
    /// they were shown last, they are forgotten.
    fn of(&self, app: &str, erasures: usize) -> Vec<Value> {
        let mut apps = self.lock();
        let Some(ring) = apps.get_mut(app) else { return Vec::new() };
        if ring.erasures != erasures {
            ring.gone += ring.arrivals.len() as u64;
            ring.arrivals.clear();
            ring.erasures = erasures;
        }
        let numbered = ring.arrivals.iter().zip(ring.gone + 1..).map(|(arrival, number)| arrival.told(number));
        let mut told: Vec<Value> = numbered.collect();
        told.reverse();
        told
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Ring>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrival {
    fn refused(received_at: Timestamp, rejection: &Rejection) -> Self {
        let fate = Fate::Rejected { reason: rejection.reason.word(), why: shortened(&rejection.to_string()) };
        Arrival { received_at, said: None, fate }
    }

    fn told(&self, number: u64) -> Value {
        let (fate, reason, why) = match &self.fate {
            Fate::Accepted => ("accepted", None, None),
            Fate::Duplicate => ("duplicate", None, None),
            Fate::Rejected { reason, why } => ("rejected", Some(*reason), Some(why)),
        };
        let said = self.said.as_ref();
        json!({
            "number": number,
            "received_at": when(self.received_at.as_micros()),
            "dialect": DIALECT,
            "type": said.map(|said| said.call),
            "kind": said.map(|said| said.kind),
            "user": said.map(|said| &said.user),
            "event": said.and_then(|said| said.name.as_ref()),
            "happened_at": said.map(|said| when(said.happened_at.as_micros())),
            "fate": fate,
            "reason": reason,
            "why": why,
        })
    }
}

impl Said {
    fn of(event: &Event<'_>) -> Self {
        Said {
            call: event.call.word(),
            kind: event.kind.word(),
            user: shortened(event.user()),
            name: event.name.as_deref().map(shortened),
            happened_at: event.happened.at,
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => [&text[..end], "…"].concat(),
        None => text.to_owned(),
    }
}

/// The latest messages of an app, the latest first.
pub(crate) async fn arrivals(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let arrivals = house.arrivals.of(&app, erasures_in(&house, &app));
    Ok(Json(json!({ "arrivals": arrivals, "kept": KEPT })))
}
