//! Erasing a user over HTTP. It is noted before the answer; the engine's thread and that of the archive do it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::House;
use crate::api::{self, Answer, asked_in, when};
use crate::body::{Route, on_disk};
use crate::erasures::Erasure;
use crate::keys::admin_of;
use crate::problem::Problem;

/// How many are listed at most, and unless said otherwise.
const LONGEST_PAGE: usize = 1_000;
const USUAL_PAGE: usize = 100;

/// Every route of this room.
pub(crate) fn routes() -> [Route; 2] {
    [("/v1/users/{user}", get(api::user).delete(erase), &["GET", "DELETE"]), ("/v1/erasures", get(erasures), &["GET"])]
}

/// Notes that a user is to be erased. Whether anybody of that id is known is told, and changes nothing: events of theirs may
/// still wait in the log, or lie in the archive alone.
async fn erase(
    State(house): State<Arc<House>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (app, by) = admin_of(&house, &headers, &uri)?;
    let now = (house.clock)();
    on_disk(move || {
        let is_known = house.desk.user(app.id.as_str(), &user, now)?.is_some();
        let erasure = house.erasures.ask(app.id.as_str(), &user, &by, &when(now.as_micros()))?;
        tracing::info!(app = %app.id, number = erasure.number, by, "somebody is to be erased");
        let mut body = erasure_json(&erasure);
        body["is_known"] = json!(is_known);
        Ok((StatusCode::ACCEPTED, Json(body)).into_response())
    })
    .await
}

#[derive(Deserialize)]
struct Asked {
    before: Option<u64>,
    limit: Option<usize>,
}

/// The erasures of an app, the newest first.
async fn erasures(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let (app, _) = admin_of(&house, &headers, &uri)?;
    let Asked { before, limit } = asked_in(&uri)?;
    let most = limit.unwrap_or(USUAL_PAGE).clamp(1, LONGEST_PAGE);
    let all = house.erasures.all();
    let ours = all.iter().rev().filter(|erasure| erasure.app == app.id.as_str());
    let mut older = ours.filter(|erasure| before.is_none_or(|before| erasure.number < before));
    let page: Vec<&Erasure> = older.by_ref().take(most).collect();
    let next = older.next().and(page.last()).map(|erasure| erasure.number);
    let page: Vec<Value> = page.into_iter().map(erasure_json).collect();
    Ok(Json(json!({ "erasures": page, "next": next })))
}

fn erasure_json(erasure: &Erasure) -> Value {
    json!({
        "number": erasure.number,
        "app": erasure.app,
        "user": if erasure.is_out_of_log { None } else { Some(&erasure.user) },
        "asked_at": erasure.asked_at,
        "author": erasure.author,
        "state": erasure.state(),
        "ids": erasure.ids.len(),
        "is_out_of_books": erasure.is_out_of_books,
        "is_out_of_archive": erasure.is_out_of_archive,
        "ended_at": erasure.ended_at,
        "is_out_of_log": erasure.is_out_of_log,
    })
}
