//! The policy of an app: what holds, what held, and another version put in force.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dwell_core::policy::Standing;
use dwell_core::time::{Span, Timestamp};
use dwell_core::words::EventWords;
use dwell_keys::app::App;
use dwell_lake::read::archive::whole;
use dwell_policy::calendar::moment;
use dwell_policy::error::VersionError;
use dwell_policy::history::{History, Put};
use dwell_policy::policies::{MOST_TEXT_BYTES, NewVersion, Policies};
use dwell_policy::restating::{Asked, Ended, Restating};
use dwell_policy::text::{from_json, not_obeyed, to_json};
use dwell_store::Offset;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::House;
use crate::api::{PageOf, asked_in, when};
use crate::auth::{policy_reader_of, policy_writer_of};
use crate::body::{Route, json_in, on_disk, read};
use crate::detail::preview::preview;
use crate::problem::Problem;

/// The largest body: in JSON, a text may be up to twice as long, and a note is short.
pub(crate) const MOST_BODY_BYTES: usize = 2 * MOST_TEXT_BYTES + (16 << 10);

/// Every route of this room.
pub(crate) fn routes() -> [Route; 6] {
    [
        ("/v1/policy", get(current).put(put), &["GET", "PUT"]),
        ("/v1/policy/preview", post(preview), &["POST"]),
        ("/v1/policy/restating", get(restating).post(restate), &["GET", "POST"]),
        ("/v1/policy/versions", get(versions), &["GET"]),
        ("/v1/policy/versions/{number}", get(version), &["GET"]),
        ("/v1/policy/versions/{number}/restore", post(restore), &["POST"]),
    ]
}

/// Returns what names of events mean in an app at a moment, the narrowest word first: that of its own policy, that of
/// `dwell apps explain`, that of the server's policy while the app has none, and then what everybody's names mean.
pub(crate) fn words_of(house: &House, app: &App, at: Timestamp) -> Result<EventWords, Problem> {
    let history = house.policies.history(app.id.as_str())?;
    let own = history.words_at(at);
    let base = if own.is_none() { Some(&house.policies.base().words) } else { None };
    let words = base.into_iter().flatten().chain(&app.names).chain(own.into_iter().flatten());
    Ok(words.map(|(name, kind)| (name.clone(), *kind)).collect())
}

impl House {
    /// Returns how old an event of an app may be to be late under none of the versions of its policy.
    pub(crate) fn least_lateness(&self, app: &str) -> Result<Span, VersionError> {
        Ok(self.policies.history(app)?.least_lateness(&self.policies.base().policy))
    }
}

/// The newest version, which is the one that a put replaces, and which one holds now.
async fn current(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let app = policy_reader_of(&house, &headers, &uri)?;
    let now = (house.clock)();
    on_disk(move || answer(&house.policies, &app, now)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutBody {
    policy: Option<Value>,
    text: Option<String>,
    #[serde(default)]
    note: String,
    effective_from: Option<String>,
    #[serde(default)]
    restate: bool,
}

/// Puts another version in force.
async fn put(State(house): State<Arc<House>>, request: Request<Body>) -> Result<Response, Problem> {
    let (app, author) = policy_writer_of(&house, request.headers(), request.uri())?;
    let replaces = replaced_in(request.headers())?;
    let body: PutBody = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let text = text_in(body.policy.as_ref(), body.text)?;
    let from = from_in(&app, body.effective_from.as_deref())?;
    let now = (house.clock)();
    on_disk(move || {
        let new = NewVersion { text: &text, author: &author, note: &body.note, from, replaces, restates: body.restate };
        whole_history(&house, &app, body.restate)?;
        let history = house.policies.put(app.id.as_str(), &new, now)?;
        tell(&app, &history);
        answer(&house.policies, &app, now)
    })
    .await
}

/// Returns the text of a policy that was given one way or the other.
pub(crate) fn text_in(policy: Option<&Value>, text: Option<String>) -> Result<String, Problem> {
    match (policy, text) {
        (Some(policy), None) => Ok(from_json(policy).map_err(VersionError::from)?),
        (None, Some(text)) => Ok(text),
        (Some(_), Some(_)) | (None, None) => {
            Err(Problem::bad_request("give either `policy`, as JSON, or `text`, as TOML"))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoreBody {
    #[serde(default)]
    note: String,
    effective_from: Option<String>,
    #[serde(default)]
    restate: bool,
}

/// Puts the text of an earlier version as the newest.
async fn restore(
    State(house): State<Arc<House>>,
    Path(number): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (app, author) = policy_writer_of(&house, request.headers(), request.uri())?;
    let number = number_in(&number)?;
    let replaces = replaced_in(request.headers())?;
    let body: RestoreBody = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let from = from_in(&app, body.effective_from.as_deref())?;
    let now = (house.clock)();
    on_disk(move || {
        let new = NewVersion { text: "", author: &author, note: &body.note, from, replaces, restates: body.restate };
        whole_history(&house, &app, body.restate)?;
        let history = house.policies.restore(app.id.as_str(), number, &new, now)?;
        tell(&app, &history);
        answer(&house.policies, &app, now)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestateBody {
    #[serde(default)]
    note: String,
}

/// Has the history counted anew under the policy as it is.
async fn restate(State(house): State<Arc<House>>, request: Request<Body>) -> Result<Response, Problem> {
    let (app, author) = policy_writer_of(&house, request.headers(), request.uri())?;
    let body: RestateBody = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let now = (house.clock)();
    on_disk(move || {
        whole_history(&house, &app, true)?;
        house.policies.ask_to_restate(app.id.as_str(), &author, &body.note, now)?;
        tracing::info!(app = %app.id, author, "the history is to be counted anew");
        Ok(Json(restating_json(&house, &app)?).into_response())
    })
    .await
}

/// How it stands with a history that is counted anew, and with those before it.
async fn restating(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let app = policy_reader_of(&house, &headers, &uri)?;
    on_disk(move || Ok(Json(restating_json(&house, &app)?).into_response())).await
}

/// Refuses what takes the whole history, where neither the log nor the archive holds it any more. Whether files of the archive are as
/// they were written is seen when they are read.
fn whole_history(house: &House, app: &App, is_needed: bool) -> Result<(), Problem> {
    let first = house.log.first();
    if !is_needed || first == Offset::ZERO {
        return Ok(());
    }
    let id = app.id.as_str();
    let pieces = whole::note(&house.archive_note)
        .and_then(|note| whole::pieces(&house.archive.join(id), id, &note, first.number()));
    pieces.map(drop).map_err(|why| Problem::log_dropped(first.number(), &why))
}

fn restating_json(house: &House, app: &App) -> Result<Value, Problem> {
    let Restating { asked, takes_over, ended } = house.policies.restating(app.id.as_str())?;
    let shown = house.restating.read().unwrap_or_else(PoisonError::into_inner).clone();
    let share = shown.and_then(|(of, share)| (of == app.id.as_str()).then_some(share));
    let state = match (&asked, takes_over, share) {
        (None, ..) => "none",
        (Some(_), true, _) => "taking_over",
        (Some(_), false, Some(_)) => "reading",
        (Some(_), false, None) => "waiting",
    };
    let asked_json = |asked: &Asked| json!({ "version": asked.version, "asked_at": when(asked.at.as_micros()), "author": asked.author, "note": asked.note });
    let ended_json = |ended: &Ended| {
        let mut body = asked_json(&ended.asked);
        body["ended_at"] = json!(when(ended.at.as_micros()));
        body["failed"] = json!(ended.failed);
        body
    };
    Ok(json!({
        "app": app.id.as_str(),
        "state": state,
        "share_read": share,
        "asked": asked.as_ref().map(asked_json),
        "ended": ended.iter().rev().map(ended_json).collect::<Vec<_>>(),
    }))
}

/// All versions without their texts, the newest first.
async fn versions(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Result<Json<Value>, Problem> {
    let app = policy_reader_of(&house, &headers, &uri)?;
    let page: PageOf = asked_in(&uri)?;
    let now = (house.clock)();
    let history = house.policies.history(app.id.as_str())?;
    let before = match page.after()? {
        Some(cursor) => read_cursor(&cursor).ok_or_else(Problem::no_cursor)?,
        None => u32::MAX,
    };
    let mut older = history.puts().iter().rev().filter(|put| put.number < before);
    let rows: Vec<&Put> = older.by_ref().take(page.limit()).collect();
    let next = older.next().and(rows.last()).map(|put| BASE64_URL_SAFE_NO_PAD.encode(put.number.to_be_bytes()));
    let rows: Vec<Value> = rows.into_iter().map(|put| put_json(&history, put, now)).collect();
    Ok(Json(json!({ "versions": rows, "next": next })))
}

/// One version with its text.
async fn version(
    State(house): State<Arc<House>>,
    Path(number): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let app = policy_reader_of(&house, &headers, &uri)?;
    let number = number_in(&number)?;
    let now = (house.clock)();
    on_disk(move || {
        let history = house.policies.history(app.id.as_str())?;
        Ok(Json(whole_json(&house.policies, &app, &history, number, now)?).into_response())
    })
    .await
}

/// What is told of the policy of an app, with the number by which the next put names what it replaces.
fn answer(policies: &Policies, app: &App, now: Timestamp) -> Result<Response, Problem> {
    let history = policies.history(app.id.as_str())?;
    let newest = match history.newest() {
        0 => None,
        number => Some(whole_json(policies, app, &history, number, now)?),
    };
    let standing: Standing = history.policy(&policies.base().policy).standing_of("", &[], &[]);
    let body = json!({
        "app": app.id.as_str(),
        "in_force": history.in_force_at(now),
        "timeout_seconds": standing.timeout_at(now, 0).timeout.as_secs(),
        "newest": newest,
    });
    let mut response = Json(body).into_response();
    let tag = HeaderValue::from_str(&format!("\"{}\"", history.newest()));
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    Ok(response)
}

fn whole_json(
    policies: &Policies,
    app: &App,
    history: &History,
    number: u32,
    now: Timestamp,
) -> Result<Value, Problem> {
    let text = policies.text(app.id.as_str(), number)?;
    let put = history.put(number).ok_or_else(|| Problem::not_found("version"))?;
    let mut whole = put_json(history, put, now);
    whole["policy"] = to_json(&text).map_err(VersionError::from)?;
    whole["text"] = json!(text);
    whole["not_obeyed"] = json!(history.says(number).map(|says| not_obeyed(&says.version)).unwrap_or_default());
    Ok(whole)
}

fn put_json(history: &History, put: &Put, now: Timestamp) -> Value {
    json!({
        "number": put.number,
        "state": history.state_of(put, now).word(),
        "effective_from": when(put.effective_from.as_micros()),
        "written_at": when(put.written_at.as_micros()),
        "author": put.author,
        "note": put.note,
        "restores": put.restores,
    })
}

fn tell(app: &App, history: &History) {
    if let Some(put) = history.puts().last() {
        tracing::info!(app = %app.id, number = put.number, author = put.author, "a version of the policy was put");
    }
}

/// Returns the version that a put says it replaces: nobody overwrites what they have not seen.
fn replaced_in(headers: &HeaderMap) -> Result<u32, Problem> {
    let tag = headers.get(header::IF_MATCH).ok_or_else(Problem::which_version)?;
    let number = tag.to_str().ok().and_then(|tag| tag.trim().trim_matches('"').parse().ok());
    number.ok_or_else(|| Problem::bad_request("`If-Match` names one version, as the ETag of /v1/policy does: \"3\""))
}

fn from_in(app: &App, effective_from: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let read = effective_from.map(|text| moment(text, app.zone.time_zone())).transpose();
    read.map_err(|problem| Problem::bad_request(format!("`effective_from`: {problem}")))
}

fn number_in(text: &str) -> Result<u32, Problem> {
    text.parse().map_err(|_no_number| Problem::not_found("version"))
}

fn read_cursor(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}
