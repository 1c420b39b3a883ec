//! Login for people: a name and a password become a pass, which the browser keeps in a cookie that no script can read.
//!
//! Whoever shows a key in a header needs none of this, and is not held up by it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dwell_core::time::{Span, Timestamp};
use dwell_dialect::endpoint::Endpoint;
use dwell_keys::account::{Account, AccountName};
use dwell_keys::attempts::{Attempts, Pace};
use dwell_keys::pass::{LONGEST, Passes};
use dwell_keys::password::PasswordHash;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::House;
use crate::auth::{Asking, asking, presented_key};
use crate::body::{Route, json_in, read};
use crate::problem::Problem;
use crate::settings::scheme;

/// The largest body of a login: a name and a password.
const MOST_BODY_BYTES: usize = 8 << 10;

/// How fast one may try to sign in under one name, and from one address. What was right does not count.
const OF_A_NAME: Pace = Pace { at_once: 10, every: Span::from_minutes(1) };
const OF_AN_ADDRESS: Pace = Pace { at_once: 30, every: Span::from_secs(10) };

/// How many names and addresses are remembered.
const MOST_REMEMBERED: usize = 4_096;

/// How many passwords are hashed at once, and how many wait for that and how long. Each takes 19 MiB.
const HASHED_AT_ONCE: usize = 2;
const MOST_WAITING: usize = 32;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Who signed in, and who tried to.
pub(crate) struct Gate {
    passes: Mutex<Passes>,
    of_names: Mutex<Attempts<String>>,
    of_addresses: Mutex<Attempts<IpAddr>>,
    hashing: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            passes: Mutex::default(),
            of_names: Mutex::new(Attempts::new(OF_A_NAME, MOST_REMEMBERED)),
            of_addresses: Mutex::new(Attempts::new(OF_AN_ADDRESS, MOST_REMEMBERED)),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            waiting: Semaphore::new(MOST_WAITING),
        }
    }
}

/// Every route of this room.
pub(crate) fn routes() -> [Route; 3] {
    [("/v1/login", post(login), &["POST"]), ("/v1/logout", post(logout), &["POST"]), ("/v1/me", get(me), &["GET"])]
}

/// Refuses what would change something by a cookie alone, unless the page that asks is our own: another page could ask in
/// somebody's name without their knowledge.
///
/// Events are let through: they are sent from pages of others, and no cookie opens anything there.
pub(crate) async fn only_our_pages(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let (headers, uri) = (request.headers(), request.uri());
    let takes_events = Endpoint::from_path(uri.path()).is_some();
    let by_cookie = presented_key(headers, uri).is_none() && pass_in(&house, headers).is_some();
    if !reads && !takes_events && by_cookie && sent_by(&house, headers) != SentBy::OurPage {
        return Problem::not_our_page().into_response();
    }
    next.run(request).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SentBy {
    OurPage,
    AnotherPage,
    /// No browser, or a very old one.
    Unknown,
}

/// Says which page sent a request, as browsers tell it. No page can change these headers.
fn sent_by(house: &House, headers: &HeaderMap) -> SentBy {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = said("sec-fetch-site") {
        return if site == "same-origin" { SentBy::OurPage } else { SentBy::AnotherPage };
    }
    // Where the server is reached by plain http, browsers say the origin only.
    let Some(origin) = said("origin") else { return SentBy::Unknown };
    let ours = format!("{}://{}", scheme(house, headers), said("host").unwrap_or_default());
    if origin.eq_ignore_ascii_case(&ours) { SentBy::OurPage } else { SentBy::AnotherPage }
}

/// Returns the account whose pass the browser shows, and notes that they were here.
pub(crate) fn account_of(house: &House, headers: &HeaderMap) -> Option<Account> {
    let pass = pass_in(house, headers)?;
    let accounts = house.accounts.read().unwrap_or_else(PoisonError::into_inner);
    let mut passes = house.gate.passes.lock().unwrap_or_else(PoisonError::into_inner);
    passes.see(&pass, &accounts, (house.clock)()).cloned()
}

/// Says whether whoever began to follow something by a pass still has it: that a stream goes on is no sign of life.
pub(crate) fn still_in(house: &House, headers: &HeaderMap) -> bool {
    let Some(pass) = pass_in(house, headers) else { return false };
    let accounts = house.accounts.read().unwrap_or_else(PoisonError::into_inner);
    let passes = house.gate.passes.lock().unwrap_or_else(PoisonError::into_inner);
    passes.whose(&pass, &accounts, (house.clock)()).is_some()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: String,
}

/// Takes a name and a password, and gives a pass.
async fn login(State(house): State<Arc<House>>, request: Request<Body>) -> Result<Response, Problem> {
    if sent_by(&house, request.headers()) == SentBy::AnotherPage {
        return Err(Problem::not_our_page());
    }
    let from = address_of(&request);
    let now = (house.clock)();
    take(&house.gate.of_addresses, &from, now)?;
    let headers = request.headers().clone();
    let Login { name, password } = json_in(&read(&house, request.into_body(), MOST_BODY_BYTES).await?)?;
    let asked = remembered(&name);
    take(&house.gate.of_names, &asked, now)?;
    let account = {
        let accounts = house.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.named(&name).cloned()
    };
    // Nobody's hash takes as long: who has an account here is not to be seen by a clock.
    let hash = account.as_ref().map_or_else(PasswordHash::of_nobody, |account| account.password.clone());
    let right = is_right(&house, hash, password).await?;
    let Some(account) = account.filter(|_| right) else {
        tracing::info!(%from, "a login was refused");
        return Err(Problem::wrong_password());
    };
    house.gate.of_names.lock().unwrap_or_else(PoisonError::into_inner).forget(&asked);
    house.gate.of_addresses.lock().unwrap_or_else(PoisonError::into_inner).give_back(&from);
    let pass = {
        let mut passes = house.gate.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = pass_in(&house, &headers) {
            passes.end(&before);
        }
        passes.give(&account, (house.clock)()).map_err(|error| Problem::stopped(&error.to_string()))?
    };
    tracing::info!(account = %account.name, %from, "signed in");
    let body = Json(person_json(&account));
    Ok(([cookie(&house, &headers, pass.reveal(), LONGEST)?], body).into_response())
}

/// Ends a pass. It is no mistake to have none.
async fn logout(State(house): State<Arc<House>>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(pass) = pass_in(&house, &headers) {
        house.gate.passes.lock().unwrap_or_else(PoisonError::into_inner).end(&pass);
    }
    Ok(([cookie(&house, &headers, "", Span::ZERO)?], Json(json!({ "signed_in": false }))).into_response())
}

/// Who is asking, and what they may do.
async fn me(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Result<Json<Value>, Problem> {
    Ok(Json(match asking(&house, &headers, &uri)? {
        Asking::Person(account) => person_json(&account),
        Asking::Key(access, label) => json!({
            "by": "key",
            "name": label.as_str(),
            "role": access.role.word(),
            "may": access.scopes().iter().map(|scope| scope.word()).collect::<Vec<_>>(),
            "apps": access.app.map(|app| vec![app.id.to_string()]),
        }),
    }))
}

fn person_json(account: &Account) -> Value {
    json!({
        "by": "account",
        "name": account.name.as_str(),
        "role": account.role.word(),
        "may": account.role.scopes().iter().map(|scope| scope.word()).collect::<Vec<_>>(),
        "apps": account.apps.as_ref().map(|apps| apps.iter().map(|app| app.as_str()).collect::<Vec<_>>()),
    })
}

/// Counts an attempt, or says when to come again.
fn take<K: std::hash::Hash + Eq + Clone>(
    attempts: &Mutex<Attempts<K>>,
    who: &K,
    now: Timestamp,
) -> Result<(), Problem> {
    let taken = attempts.lock().unwrap_or_else(PoisonError::into_inner).take(who, now);
    taken.map_err(|wait| Problem::too_often(u32::try_from(wait.whole_secs() + 1).unwrap_or(u32::MAX)))
}

/// Compares a password where nobody else waits for it, a few at a time.
async fn is_right(house: &House, hash: PasswordHash, password: String) -> Result<bool, Problem> {
    let _waiting = house.gate.waiting.try_acquire().map_err(|_full| Problem::many_logins())?;
    let hashing = tokio::time::timeout(LONGEST_WAIT, house.gate.hashing.clone().acquire_owned()).await;
    let hashing = hashing.ok().and_then(Result::ok).ok_or_else(Problem::many_logins)?;
    let compared = tokio::task::spawn_blocking(move || {
        // Whoever asks may go away meanwhile: the place is taken until the work is done.
        let _hashing = hashing;
        hash.is(&password)
    })
    .await;
    compared.map_err(|stopped| Problem::stopped(&stopped.to_string()))
}

/// Names that differ in capitals only are one, and all that cannot be one are one.
fn remembered(name: &str) -> String {
    AccountName::parse(name).map(|name| name.as_str().to_lowercase()).unwrap_or_default()
}

/// Returns where a request comes from. Of IPv6, somebody who has one address has 2^64: they are one.
fn address_of(request: &Request<Body>) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    match peer.map(|ConnectInfo(address)| address.ip().to_canonical()) {
        Some(IpAddr::V6(address)) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        Some(address) => address,
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The name of the cookie. Where TLS is spoken, browsers let nobody but this very host set one of such a name.
fn cookie_name(house: &House, headers: &HeaderMap) -> &'static str {
    if scheme(house, headers) == "https" { "__Host-dwell_pass" } else { "dwell_pass" }
}

fn cookie(
    house: &House,
    headers: &HeaderMap,
    pass: &str,
    lasts: Span,
) -> Result<(header::HeaderName, HeaderValue), Problem> {
    let name = cookie_name(house, headers);
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    let seconds = lasts.whole_secs();
    let text = format!("{name}={pass}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    let value = HeaderValue::try_from(text).map_err(|error| Problem::stopped(&error.to_string()))?;
    Ok((header::SET_COOKIE, value))
}

/// Says whether the browser shows a pass, held or not.
pub(crate) fn has_pass(house: &House, headers: &HeaderMap) -> bool {
    pass_in(house, headers).is_some()
}

/// Returns the pass that the browser shows.
fn pass_in(house: &House, headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(house, headers);
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.to_owned())
}
