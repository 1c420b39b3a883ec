//! The session feed as it grows: server-sent events, resumed from where a client was.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use serde::Deserialize;

use crate::House;
use crate::api::{asked_in, statement_json};
use crate::auth::{presented_key, reader_of};
use crate::login::still_in;
use crate::problem::Problem;

/// How often the books are looked into for more.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many statements are read at once.
const AT_ONCE: usize = 100;

#[derive(Deserialize)]
pub(crate) struct Asked {
    after: Option<u64>,
    from: Option<u64>,
}

struct Following {
    headers: HeaderMap,
    by_pass: bool,
    house: Arc<House>,
    app: String,
    next: u64,
    ready: std::vec::IntoIter<Event>,
}

/// Streams statements: those after `Last-Event-ID` or `?after=`, those from `?from=` on, else those that come from now on.
pub(crate) async fn stream(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let app = reader_of(&house, &headers, &uri)?;
    let asked: Asked = asked_in(&uri)?;
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|id| id.parse().ok());
    let next = match (resumed.or(asked.after), asked.from) {
        (Some(after), _) => after.saturating_add(1),
        // All that there is, wherever it begins by now.
        (None, Some(0)) => house.desk.feed_first(&app)?,
        (None, Some(from)) => from,
        (None, None) => house.desk.numbers(&app)?.next,
    };
    // Who comes again to a place that was dropped is told so, and not led on over what is missing.
    house.desk.feed(&app, next, 1)?;
    let by_pass = presented_key(&headers, &uri).is_none();
    let following = Following { headers, by_pass, house, app, next, ready: Vec::new().into_iter() };
    let events = futures_util::stream::unfold(following, |mut following| async {
        loop {
            if let Some(event) = following.ready.next() {
                return Some((Ok(event), following));
            }
            // A client that is told to come again goes on where it was.
            if following.house.stopping.load(Ordering::Relaxed) {
                return None;
            }
            // So is one who was signed out, and is told then that they are.
            if following.by_pass && !still_in(&following.house, &following.headers) {
                return None;
            }
            // When the books cannot be read, or the feed was dropped up to here, the stream ends, and the client comes again with
            // what it had.
            let statements = following.house.desk.feed(&following.app, following.next, AT_ONCE).ok()?;
            if statements.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            following.next = statements.last().map_or(following.next, |(number, _)| number + 1);
            let events: Vec<Event> = statements
                .iter()
                .map(|(number, statement)| {
                    let told = statement_json(*number, statement).to_string();
                    Event::default().id(number.to_string()).event(statement.news.word()).data(told)
                })
                .collect();
            following.ready = events.into_iter();
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
