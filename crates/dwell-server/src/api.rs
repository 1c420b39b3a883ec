//! Questions about now, and their answers as JSON. Times are RFC 3339 in UTC, lengths are seconds.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Uri};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dwell_core::engagement::Engagement;
use dwell_core::time::{Span, Timestamp};
use dwell_engine::{Desk, News, Numbers, OpenSession, Series, SessionRow, Statement, UserView};
use dwell_keys::access::{Role, Scope};
use dwell_keys::key::{Key, KeyState};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::House;
use crate::auth::{Asking, asking, reader_of};
use crate::problem::Problem;

/// How many rows a page has at most, and unless said otherwise.
const LONGEST_PAGE: usize = 1_000;
const USUAL_PAGE: usize = 100;

/// How many phases of a user are given at most.
const MOST_PHASES: usize = 5_000;

/// How many places of a series are given at most.
const LONGEST_SERIES: usize = 100_000;

pub(crate) type Answer = Result<Json<Value>, Problem>;

/// Says that the process lives.
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// Says whether events are taken and counted.
pub(crate) async fn ready(State(house): State<Arc<House>>) -> Result<&'static str, Problem> {
    if let Some(why) = house.stopped.get() {
        return Err(Problem::stopped(why));
    }
    if let Some(why) = (house.machine)().log_failure {
        return Err(Problem::log_failed(&why));
    }
    match &*house.waiting.read().unwrap_or_else(PoisonError::into_inner) {
        Some(why) => Err(Problem::waiting(why)),
        None => Ok("ready\n"),
    }
}

/// Says which version this is.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({ "name": "dwell", "version": env!("CARGO_PKG_VERSION") }))
}

/// What is counted of an app.
pub(crate) async fn app(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let Numbers { open, users, events, joined, amended, silent, orphan, duplicate, late, .. } =
        house.desk.numbers(&app)?;
    Ok(Json(json!({
        "app": app,
        "open_sessions": open,
        "users": users,
        "events": { "read": events, "joined": joined, "amended": amended, "silent": silent, "orphan": orphan,
            "duplicate": duplicate, "late": late },
    })))
}

/// The apps that somebody may read: with a key its own, with the admin key all. Their write keys are public.
pub(crate) async fn apps(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let asking = asking(&house, &headers, &uri)?;
    let now = (house.clock)();
    let registry = house.registry.read().unwrap_or_else(PoisonError::into_inner);
    let apps = registry.apps().filter(|app| asking.may(Scope::Read, &app.id));
    let apps: Vec<Value> = apps
        .map(|app| {
            let opens = |key: &&Key| key.role == Role::Write && key.state(now) == KeyState::Valid;
            let keys = registry.keys().filter(|key| key.app.as_ref() == Some(&app.id)).filter(opens);
            let write_keys: Vec<&str> = keys.map(|key| key.label.as_str()).collect();
            json!({ "app": app.id.as_str(), "name": app.name.as_str(), "zone": app.zone.as_str(), "write_keys": write_keys })
        })
        .collect();
    // Whoever may read all may do so where there is no app yet, too.
    if apps.is_empty() && !asking.may_run() && matches!(asking, Asking::Key(..)) {
        return Err(Problem::may_not(Scope::Read));
    }
    Ok(Json(json!({ "apps": apps })))
}

#[derive(Deserialize)]
pub(crate) struct PageOf {
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct From {
    from: Option<String>,
}

impl PageOf {
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(USUAL_PAGE).clamp(1, LONGEST_PAGE)
    }

    pub fn after(&self) -> Result<Option<Vec<u8>>, Problem> {
        let read = |cursor: &String| BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_broken| Problem::no_cursor());
        self.cursor.as_ref().map(read).transpose()
    }
}

/// All users of an app, in order of their ids.
pub(crate) async fn users(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let page: PageOf = asked_in(&uri)?;
    let (users, next) = house.desk.users(&app, page.after()?.as_deref(), page.limit())?;
    Ok(Json(json!({ "users": users, "next": next.map(|next| BASE64_URL_SAFE_NO_PAD.encode(next)) })))
}

/// What is known of one user.
pub(crate) async fn user(
    State(house): State<Arc<House>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let now = (house.clock)();
    let view = house.desk.user(&app, &user, now)?.ok_or_else(|| Problem::not_found("user"))?;
    Ok(Json(user_json(&view)))
}

/// When a user was on the screen, playing and idle in the latest sessions.
pub(crate) async fn phases(
    State(house): State<Arc<House>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let now = (house.clock)();
    let (known_from, all) = house.desk.phases(&app, &user, now)?.ok_or_else(|| Problem::not_found("user"))?;
    // The latest matter.
    let shown = &all[all.len().saturating_sub(MOST_PHASES)..];
    let known_from = if shown.len() < all.len() { shown.first().map(|first| first.from) } else { known_from };
    let phases: Vec<Value> = shown
        .iter()
        .map(|phase| {
            json!({
                "ordinal": phase.ordinal,
                "from": when(phase.from.as_micros()),
                "to": when(phase.until.as_micros()),
                "state": phase.part.word(),
            })
        })
        .collect();
    Ok(Json(json!({ "known_from": known_from.map(|at| when(at.as_micros())), "phases": phases })))
}

/// A user's closed sessions in order of their starts.
pub(crate) async fn sessions(
    State(house): State<Arc<House>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let (page, From { from }): (PageOf, From) = (asked_in(&uri)?, asked_in(&uri)?);
    let from = from.map(|text| moment("from", &text)).transpose()?;
    // A cursor is further on than where its first page began.
    let after = page.after()?.or(from.map(Desk::before_sessions));
    let now = (house.clock)();
    house.desk.user(&app, &user, now)?.ok_or_else(|| Problem::not_found("user"))?;
    let (rows, next) = house.desk.sessions(&app, &user, after.as_deref(), page.limit())?;
    let rows: Vec<Value> = rows.iter().map(row_json).collect();
    Ok(Json(json!({ "sessions": rows, "next": next.map(|next| BASE64_URL_SAFE_NO_PAD.encode(next)) })))
}

#[derive(Deserialize)]
pub(crate) struct SeriesAsked {
    metric: String,
    by: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// A series of an app: what was counted, by minute, hour or day.
pub(crate) async fn series(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let asked: SeriesAsked = asked_in(&uri)?;
    let by = asked.by.as_deref().unwrap_or("hour");
    let (series, unit) = match (asked.metric.as_str(), by) {
        ("sessions_started", "minute") => (Series::Started, 60),
        ("sessions_started", "hour") => (Series::Started, 3_600),
        ("sessions_started", "day") => (Series::Started, 86_400),
        ("sessions_ended", "minute") => (Series::Ended, 60),
        ("sessions_ended", "hour") => (Series::Ended, 3_600),
        ("sessions_ended", "day") => (Series::Ended, 86_400),
        ("active_users", "minute") => (Series::ActiveByMinute, 60),
        ("active_users", "hour") => (Series::ActiveByHour, 3_600),
        ("active_users", "day") => (Series::ActiveByDay, 86_400),
        (metric, by) => {
            return Err(Problem::bad_request(format!(
                "there is no series of {metric} by {by}: sessions_started, sessions_ended and active_users go by minute, hour or day"
            )));
        }
    };
    let now = (house.clock)();
    let to = asked.to.as_deref().map_or(Ok(now.plus(Span::from_secs(1))), |text| moment("to", text))?;
    let from = asked.from.as_deref().map_or(Ok(to.minus(Span::from_hours(24))), |text| moment("from", text))?;
    let places = house.desk.series(&app, series, (from, to), LONGEST_SERIES)?;
    let mut points: Vec<(i64, i64)> = Vec::new();
    for (at, count) in places {
        let begin = at.as_micros().div_euclid(unit * 1_000_000) * unit * 1_000_000;
        match points.last_mut() {
            Some(last) if last.0 == begin => last.1 += count,
            _ => points.push((begin, count)),
        }
    }
    let points: Vec<Value> = points.iter().map(|(at, count)| json!({ "at": when(*at), "count": count })).collect();
    Ok(Json(
        json!({ "metric": asked.metric, "by": by, "from": when(from.as_micros()), "to": when(to.as_micros()), "points": points }),
    ))
}

#[derive(Deserialize)]
pub(crate) struct FeedAsked {
    after: Option<u64>,
    limit: Option<usize>,
}

/// The session feed, page by page: from its beginning, or after a place that is still in it.
pub(crate) async fn feed(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let app = reader_of(&house, &headers, &uri)?;
    let asked: FeedAsked = asked_in(&uri)?;
    let most = asked.limit.unwrap_or(USUAL_PAGE).clamp(1, LONGEST_PAGE);
    let first = house.desk.feed_first(&app)?;
    let statements = house.desk.feed(&app, asked.after.map_or(first, |after| after.saturating_add(1)), most)?;
    let next = house.desk.numbers(&app)?.next;
    let last = statements.last().map(|(number, _)| *number).or(asked.after);
    let statements: Vec<Value> =
        statements.iter().map(|(number, statement)| statement_json(*number, statement)).collect();
    Ok(Json(json!({ "statements": statements, "after": last, "first": first, "next": next })))
}

/// Reads the query. Only after the key was seen: who may not read is not told what could be asked.
pub(crate) fn asked_in<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let read = Query::try_from_uri(uri);
    read.map(|Query(asked)| asked).map_err(|error| Problem::bad_request(error.body_text()))
}

pub(crate) fn user_json(view: &UserView) -> Value {
    let totals = &view.totals;
    let presence = match view.presence {
        Engagement::Foreground => json!({ "state": "foreground" }),
        Engagement::Playing => json!({ "state": "playing" }),
        Engagement::Idle(silence) => json!({ "state": "idle", "for_seconds": seconds(silence.as_micros()) }),
        Engagement::Away => json!({ "state": "away" }),
    };
    json!({
        "user": view.user,
        "presence": presence,
        "last_seen_at": view.last_seen_at.map(|at| when(at.as_micros())),
        "open_session": view.open.as_ref().map(open_json),
        "closed_sessions": {
            "count": totals.sessions(),
            "first_started_at": totals.first_started_at().map(|at| when(at.as_micros())),
            "latest_started_at": totals.latest_started_at().map(|at| when(at.as_micros())),
            "total_length_seconds": seconds(totals.length().as_micros()),
            "mean_length_seconds": totals.mean_length().map(|mean| seconds(mean.as_micros())),
            "foreground_seconds": seconds(totals.parts().foreground.as_micros()),
            "playing_seconds": seconds(totals.parts().playing.as_micros()),
            "idle_seconds": seconds(totals.parts().idle.as_micros()),
        },
    })
}

fn open_json(open: &OpenSession) -> Value {
    json!({
        "ordinal": open.ordinal,
        "started_at": when(open.started_at),
        "last_seen_at": when(open.last_seen_at),
        "ends_at_unless_seen": when(open.deadline),
        "activities": open.activities,
        "length_seconds": seconds(open.last_seen_at - open.started_at),
        "foreground_seconds": seconds(open.foreground_time),
        "playing_seconds": seconds(open.playing_time),
        "idle_seconds": seconds(open.idle_time),
    })
}

pub(crate) fn row_json(row: &SessionRow) -> Value {
    json!({
        "session_id": row.session_id,
        "ordinal": row.ordinal,
        "started_at": when(row.started_at),
        "ended_at": when(row.ended_at),
        "end_reason": row.end_reason,
        "activities": row.activities,
        "length_seconds": seconds(row.ended_at - row.started_at),
        "foreground_seconds": seconds(row.foreground_time),
        "playing_seconds": seconds(row.playing_time),
        "idle_seconds": seconds(row.idle_time),
        "timeout_seconds": row.timeout,
        "timeout_source": row.timeout_source,
        "amended": row.amended,
        "platforms": row.platforms,
        "devices": row.devices,
    })
}

pub(crate) fn statement_json(number: u64, statement: &Statement) -> Value {
    let Statement { at, user, news } = statement;
    let mut told = json!({ "number": number, "at": when(at.as_micros()), "type": news.word(), "user": user });
    match news {
        News::Started(at) => told["started_at"] = json!(when(*at)),
        News::Ended(row) | News::Amended(row) => told["session"] = row_json(row),
        News::Retracted(id) => told["session_id"] = json!(id),
        News::UserErased | News::Erased => {}
    }
    told
}

pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// Writes a moment as RFC 3339 in UTC, with microseconds.
pub(crate) fn when(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_beyond| micros.to_string(), |at| format!("{at:.6}"))
}

fn moment(name: &str, text: &str) -> Result<Timestamp, Problem> {
    // In a query, a plus is a blank.
    let read = text.replace(' ', "+").parse::<jiff::Timestamp>();
    read.map(|at| Timestamp::from_micros(at.as_microsecond())).map_err(|_broken| {
        Problem::bad_request(format!("`{name}` is no moment: write it as 2026-01-31T09:00:00Z, and not as {text:?}"))
    })
}
