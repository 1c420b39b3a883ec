//! The street door: a body comes in, and is acknowledged when the log has kept it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dwell_core::event::EventKind;
use dwell_core::time::{Span, Timestamp};
use dwell_dialect::answer::{self, Fates};
use dwell_dialect::endpoint::Endpoint;
use dwell_dialect::envelope::{self, EnvelopeError};
use dwell_dialect::event::{Event, MessageId};
use dwell_dialect::rejection::{Reason, Rejection};
use dwell_dialect::segment::{self, Decoded};
use dwell_engine::{Record, TRACES};
use dwell_keys::app::App;
use dwell_store::Batch;
use tracing::{Instrument, trace_span};

use crate::House;
use crate::arrivals;
use crate::auth::{presented_key, writer_of};
use crate::body::read;
use crate::policy::words_of;
use crate::problem::Problem;

/// The paths of the dialect that the document names. [`Endpoint::from_path`] knows a few more of the same meaning.
#[cfg(test)]
pub(crate) const NAMED_PATHS: [&str; 17] = [
    "/v1/identify",
    "/v1/track",
    "/v1/page",
    "/v1/screen",
    "/v1/group",
    "/v1/alias",
    "/v1/i",
    "/v1/t",
    "/v1/p",
    "/v1/s",
    "/v1/g",
    "/v1/a",
    "/v1/batch",
    "/v1/b",
    "/b",
    "/v1/import",
    "/beacon/v1/batch",
];

/// Takes events on any path of the dialect.
pub(crate) async fn ingest(State(house): State<Arc<House>>, request: Request<Body>) -> Response {
    match take(&house, request).await {
        Ok(answer) => answer,
        Err(problem) => problem.into_response(),
    }
}

async fn take(house: &House, request: Request<Body>) -> Result<Response, Problem> {
    let endpoint = Endpoint::from_path(request.uri().path()).ok_or_else(|| Problem::not_found("page"))?;
    if request.method() != Method::POST {
        return Err(Problem::bad_method());
    }
    let presented = presented_key(request.headers(), request.uri());
    // A key that nobody knows is not worth reading a body for.
    let mut app = presented.as_deref().map(|key| writer_of(house, key)).transpose()?;
    let body = read(house, request.into_body(), house.limits.batch_bytes).await?;
    let received_at = (house.clock)();
    let open = match envelope::open(&body, house.limits.batch_bytes) {
        Ok(open) => open,
        Err(error) => return Ok(refuse_body(house, app.as_deref(), received_at, &error)),
    };
    let words = app.as_deref().map(|app| words_of(house, app, received_at)).transpose()?.unwrap_or_default();
    let mut decoded = segment::decode(&open, endpoint, received_at, &house.limits, &words);
    let own_words;
    if app.is_none() {
        let found = writer_of(house, decoded.write_key.as_deref().ok_or_else(Problem::no_key)?)?;
        own_words = words_of(house, &found, received_at)?;
        if own_words != words {
            // Only now is it known what the app calls its events.
            decoded = segment::decode(&open, endpoint, received_at, &house.limits, &own_words);
        }
        app = Some(found);
    }
    let app = app.map(|app| app.id.to_string()).unwrap_or_default();
    let whole = decoded.rejections.iter().find(|rejection| rejection.index.is_none());
    if let Some(rejection) = whole {
        house.counts.receive(&app, 1);
        house.counts.reject(&app, rejection.reason.word(), 1);
        arrivals::note_rejection(house, &app, received_at, rejection);
        return Ok(json(status_of(rejection), answer::failure(rejection)));
    }
    let duplicates = keep(house, &app, &decoded, received_at).await?;
    house.counts.receive(&app, decoded.received() as u64);
    house.counts.duplicate(&app, duplicates.len() as u64);
    for rejection in &decoded.rejections {
        house.counts.reject(&app, rejection.reason.word(), 1);
    }
    let accepted = decoded.events.len() - duplicates.len();
    house.counts.accept(&app, accepted as u64);
    arrivals::note(house, &app, received_at, &decoded, &duplicates);
    let fates = Fates { accepted, duplicates: &duplicates, rejections: &decoded.rejections };
    Ok(json(StatusCode::OK, answer::success(&fates)))
}

/// Appends all events to the log that are no repetitions, and returns which of them are.
async fn keep(house: &House, app: &str, decoded: &Decoded<'_>, received_at: Timestamp) -> Result<Vec<u32>, Problem> {
    let records = decoded.events.iter().map(|event| record_of(app, event));
    let mut heard = house.lately.hear(records, received_at, house.least_lateness(app)?);
    house.lately.tell(&mut heard, house.erasures.spared_from());
    let mut batch = Batch::new();
    let mut duplicates = Vec::new();
    let mut bytes = Vec::new();
    for (event, is_known) in decoded.events.iter().zip(heard.known()) {
        if is_known {
            duplicates.push(event.index);
        } else {
            record_of(app, event).write(&mut bytes);
            batch.push(&bytes);
        }
    }
    if !batch.is_empty() {
        let span = trace_span!(target: TRACES, "append", records = batch.len() as u64);
        let offset = async { house.log.append(batch).await }.instrument(span).await?;
        // Not a moment before: whoever is told of a duplicate may forget the event.
        house.lately.remember(&mut heard, offset);
    }
    Ok(duplicates)
}

fn record_of<'a>(app: &'a str, event: &'a Event<'_>) -> Record<'a> {
    let kind = EventKind::ALL.iter().position(|kind| *kind == event.kind).unwrap_or_default();
    Record {
        app,
        user: event.user(),
        link_from: event.link().map(|link| link.from),
        message_id: event.message_id.as_str(),
        message_id_is_derived: matches!(event.message_id, MessageId::Derived(_)),
        kind: kind as u8,
        name: event.name.as_deref(),
        happened_at: event.happened.at.as_micros(),
        received_at: event.received_at.as_micros(),
        remaining: event.remaining.map(Span::as_micros),
        player: event.player.as_deref(),
        device: event.device.as_deref(),
        platform: event.platform.as_deref(),
        campaign: event.campaign.as_deref(),
        country: event.country.as_deref(),
        app_version: event.app_version.as_deref(),
    }
}

fn refuse_body(house: &House, app: Option<&App>, received_at: Timestamp, error: &EnvelopeError) -> Response {
    if let Some(app) = app {
        house.counts.receive(app.id.as_str(), 1);
        house.counts.reject(app.id.as_str(), error.word(), 1);
        arrivals::note_unopened(house, app.id.as_str(), received_at, error);
    }
    match error {
        EnvelopeError::TooLarge { .. } => Problem::too_large(house.limits.batch_bytes).into_response(),
        other => Problem::bad_request(other.to_string()).into_response(),
    }
}

fn status_of(rejection: &Rejection) -> StatusCode {
    let too_large = matches!(rejection.reason, Reason::BatchTooLarge { .. } | Reason::TooManyEvents { .. });
    if too_large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, kind, body).into_response()
}
