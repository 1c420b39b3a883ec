//! Apps and keys over HTTP, for admins: what there is, and what becomes of it. A secret is told once, to who made it.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dwell_core::time::{Span, Timestamp};
use dwell_keys::access::{Role, Scope, Scopes};
use dwell_keys::app::App;
use dwell_keys::error::RegistryError;
use dwell_keys::key::{Key, KeyText, Label};
use dwell_keys::registry::{NewApp, Purpose, Registry};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::House;
use crate::api::{self, Answer, when};
use crate::auth::{asked_about, asking};
use crate::body::{Route, json_in, on_disk, read};
use crate::problem::Problem;

const MOST_BODY_BYTES: usize = 8 << 10;

/// How long a key that is replaced goes on to hold, unless said.
const KEEP: u32 = 24 * 3_600;

/// Every route of this room.
pub(crate) fn routes() -> [Route; 4] {
    [
        ("/v1/apps", get(api::apps).post(add_app), &["GET", "POST"]),
        ("/v1/keys", get(keys).post(add), &["GET", "POST"]),
        ("/v1/keys/{label}/rotate", post(rotate), &["POST"]),
        ("/v1/keys/{label}/revoke", post(revoke), &["POST"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppBody {
    name: String,
    #[serde(default = "utc")]
    zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Adds an app, and makes its write key.
async fn add_app(State(house): State<Arc<House>>, request: Request<Body>) -> Result<Response, Problem> {
    let asking = asking(&house, request.headers(), request.uri())?;
    if !asking.may_run() {
        return Err(Problem::may_not_run());
    }
    let AppBody { name, zone } = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let new = NewApp::parse(&name, &zone).map_err(Problem::bad_request)?;
    let (by, now) = (asking.name(), (house.clock)());
    on_disk(move || {
        let (app, key) = change(&house, |registry| registry.add_app(new, now))?;
        tracing::info!(app = %app.id, by, "an app was added");
        let body = json!({ "app": app.id.as_str(), "name": app.name.as_str(), "zone": app.zone.as_str(),
            "write_keys": [key.text.reveal()] });
        Ok(Json(body).into_response())
    })
    .await
}

/// All keys of an app that ever were, without what is secret of them.
async fn keys(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let (app, _) = admin_of(&house, &headers, &uri)?;
    let now = (house.clock)();
    let registry = house.registry.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let keys = registry.keys().filter(|key| key.app.as_ref() == Some(&app.id));
    let keys: Vec<Value> = keys.map(|key| key_json(key, None, now)).collect();
    Ok(Json(json!({ "keys": keys })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    /// What a secret key is for; none makes a write key.
    scopes: Vec<String>,
    expires_in_seconds: Option<u32>,
}

/// Makes a key.
async fn add(State(house): State<Arc<House>>, request: Request<Body>) -> Result<Response, Problem> {
    let (app, by) = admin_of(&house, request.headers(), request.uri())?;
    let KeyBody { scopes, expires_in_seconds } = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let scope =
        |word: &String| Scope::from_word(word).ok_or_else(|| Problem::bad_request(format!("{word:?} is no scope")));
    let scopes: Scopes = scopes.iter().map(scope).collect::<Result<_, _>>()?;
    let now = (house.clock)();
    let expires_at = expires_in_seconds.map(|seconds| now.plus(Span::from_secs(seconds)));
    on_disk(move || {
        let id = app.id.as_str();
        let purpose = if scopes.is_empty() { Purpose::Write(id) } else { Purpose::Secret(id, scopes) };
        let new = change(&house, |registry| registry.add_key(purpose, expires_at, now))?;
        tracing::info!(app = id, key = %new.key.label, by, "a key was made");
        Ok(Json(key_json(&new.key, Some(&new.text), now)).into_response())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    keep_seconds: Option<u32>,
}

/// Makes a key in place of another, which goes on to hold a while.
async fn rotate(
    State(house): State<Arc<House>>,
    Path(label): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (app, by) = admin_of(&house, request.headers(), request.uri())?;
    let label = label_of(&house, &app, &label)?;
    let RotateBody { keep_seconds } = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let now = (house.clock)();
    let until = now.plus(Span::from_secs(keep_seconds.unwrap_or(KEEP)));
    on_disk(move || {
        let new = change(&house, |registry| registry.rotate(&label, until, now))?;
        tracing::info!(app = %app.id, old = %label, new = %new.key.label, by, "a key was rotated");
        Ok(Json(key_json(&new.key, Some(&new.text), now)).into_response())
    })
    .await
}

/// Ends a key at once.
async fn revoke(
    State(house): State<Arc<House>>,
    Path(label): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (app, by) = admin_of(&house, &headers, &uri)?;
    let label = label_of(&house, &app, &label)?;
    let now = (house.clock)();
    on_disk(move || {
        change(&house, |registry| registry.revoke(&label, now))?;
        tracing::info!(app = %app.id, key = %label, by, "a key was revoked");
        Ok(Json(json!({ "label": label.as_str(), "revoked_at": when(now.as_micros()) })).into_response())
    })
    .await
}

/// Returns the app that somebody may change in every way, and their name.
pub(crate) fn admin_of(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<(Arc<App>, String), Problem> {
    let (asking, app) = asked_about(house, headers, uri)?;
    if asking.may(Scope::AdminApp, &app.id) { Ok((app, asking.name())) } else { Err(Problem::may_not(Scope::AdminApp)) }
}

/// Finds a key of this app: those of others are not there, nor is the admin key.
fn label_of(house: &House, app: &App, text: &str) -> Result<Label, Problem> {
    let registry = house.registry.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let label = Label::parse(text).ok();
    let found = registry.keys().find(|key| key.app.as_ref() == Some(&app.id) && Some(&key.label) == label.as_ref());
    found.map(|key| key.label.clone()).ok_or_else(|| Problem::not_found("key"))
}

/// Changes the file, and has the house know before the answer goes out. Whoever asks something meanwhile is not held up.
fn change<T>(house: &House, act: impl FnOnce(&mut Registry) -> Result<T, RegistryError>) -> Result<T, RegistryError> {
    let folder = house.registry.read().unwrap_or_else(std::sync::PoisonError::into_inner).folder().to_owned();
    let mut beside = Registry::open(&folder)?;
    let done = act(&mut beside)?;
    house.registry.write().unwrap_or_else(std::sync::PoisonError::into_inner).refresh()?;
    Ok(done)
}

fn key_json(key: &Key, text: Option<&KeyText>, now: Timestamp) -> Value {
    let moment = |at: Option<Timestamp>| at.map(|at| when(at.as_micros()));
    let scopes: Vec<&str> = match key.role {
        Role::Secret(scopes) => scopes.iter().map(Scope::word).collect(),
        Role::Write | Role::Admin => Vec::new(),
    };
    let mut told = json!({
        "label": key.label.as_str(),
        "role": key.role.word(),
        "scopes": scopes,
        "state": key.state(now).word(),
        "created_at": when(key.created_at.as_micros()),
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
        "replaced_by": key.replaced_by.as_ref().map(Label::as_str),
    });
    if let Some(text) = text {
        told["key"] = json!(text.reveal());
    }
    told
}
