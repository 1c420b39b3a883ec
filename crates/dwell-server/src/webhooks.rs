//! Webhooks: what they carry, and how they stand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use dwell_courier::endpoint::EndpointId;
use dwell_courier::{DeadLetter, Delivery, Feed, FeedError, Standing};
use dwell_engine::{Desk, EngineError, Statement};
use dwell_keys::access::Scope;
use serde_json::{Value, json};

use crate::House;
use crate::api::{Answer, statement_json, when};
use crate::auth::holder_of;
use crate::problem::Problem;

/// The words of the session feed, which an endpoint may choose from.
pub const WORDS: [&str; 6] =
    ["session.started", "session.ended", "session.amended", "session.retracted", "user.erased", "session.erased"];

/// The session feed as the courier takes it.
pub struct SessionFeed {
    desk: Desk,
}

impl SessionFeed {
    /// Reads the feed of the books that this desk reads.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        SessionFeed { desk }
    }
}

impl Feed for SessionFeed {
    fn first(&self, app: &str) -> Result<u64, FeedError> {
        self.desk.feed_first(app).map_err(failed)
    }

    fn next(&self, app: &str) -> Result<u64, FeedError> {
        self.desk.numbers(app).map(|numbers| numbers.next).map_err(failed)
    }

    fn read(&self, app: &str, from: u64, most: usize) -> Result<Vec<Delivery>, FeedError> {
        let statements = match self.desk.feed(app, from, most) {
            Err(EngineError::FeedDropped { first }) => self.desk.feed(app, first, most),
            read => read,
        };
        let statements = statements.map_err(failed)?;
        Ok(statements.iter().map(|(number, statement)| delivery(app, *number, statement)).collect())
    }
}

fn failed(error: EngineError) -> FeedError {
    FeedError(error.to_string())
}

/// A statement as a webhook carries it: what the feed says of it, in the envelope of the standard.
fn delivery(app: &str, number: u64, statement: &Statement) -> Delivery {
    let word = statement.news.word();
    // When it was made, not when it is sent: the same whenever it is tried.
    let timestamp = when(statement.at.as_micros());
    let body = json!({ "type": word, "timestamp": timestamp, "app": app, "data": statement_json(number, statement) });
    Delivery { number, word: word.to_owned(), body: body.to_string().into() }
}

/// The endpoints of an app, and how far deliveries to each have come.
pub(crate) async fn webhooks(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let app = holder_of(&house, &headers, &uri, Scope::AdminApp)?;
    let next = house.desk.numbers(&app)?.next;
    let all: Vec<Value> = house.webhooks.of(&app).iter().map(|standing| standing_json(standing, next)).collect();
    Ok(Json(json!({ "webhooks": all })))
}

/// The dead letters of an endpoint, the oldest first.
pub(crate) async fn dead(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let app = holder_of(&house, &headers, &uri, Scope::AdminApp)?;
    let found = EndpointId::parse(&id).ok().and_then(|id| house.webhooks.one(&id));
    let standing = found.filter(|standing| standing.endpoint.app.as_str() == app);
    let standing = standing.ok_or_else(|| Problem::not_found("webhook"))?;
    let dead: Vec<Value> = standing.progress.dead.iter().map(|letter| dead_json(&standing, letter)).collect();
    Ok(Json(json!({ "dead": dead, "forgotten": standing.progress.forgotten })))
}

fn standing_json(standing: &Standing, feed_next: u64) -> Value {
    let (endpoint, progress) = (&standing.endpoint, &standing.progress);
    let moment = |at: dwell_core::time::Timestamp| when(at.as_micros());
    json!({
        "id": endpoint.id.as_str(),
        "url": endpoint.url.to_string(),
        "events": endpoint.events,
        "created_at": moment(endpoint.created_at),
        "state": standing.state(),
        "problem": standing.problem,
        "off": progress.off.as_ref().map(|off| json!({ "at": moment(off.at), "says": off.says })),
        "next": progress.next,
        "behind": feed_next.saturating_sub(progress.next),
        "trying": progress.current.as_ref().map(|current| json!({
            "number": current.number,
            "type": current.word,
            "attempts": current.attempts,
            "due_at": moment(current.due_at),
        })),
        "trouble": progress.trouble.as_ref().map(|trouble| json!({ "at": moment(trouble.at), "says": trouble.says })),
        "last": progress.last.as_ref().map(|last| json!({ "number": last.number, "at": moment(last.at) })),
        "delivered": progress.delivered,
        "failed_attempts": progress.failed,
        "dead": progress.dead.len(),
        "forgotten": progress.forgotten,
        "lost": progress.lost,
    })
}

fn dead_json(standing: &Standing, letter: &DeadLetter) -> Value {
    json!({
        "webhook_id": standing.endpoint.delivery_id(letter.number),
        "number": letter.number,
        "type": letter.word,
        "attempts": letter.attempts,
        "at": when(letter.at.as_micros()),
        "says": letter.says,
    })
}

#[cfg(test)]
mod tests {
    use dwell_core::time::Timestamp;
    use dwell_engine::News;

    use super::*;

    #[test]
    fn a_webhook_says_what_the_feed_says() {
        let at = Timestamp::from_micros(1_795_521_624_947_364);
        let statement = Statement { at, user: "ada".to_owned(), news: News::Retracted("a-session".to_owned()) };
        let delivery = delivery("app_0123456789ab", 7, &statement);
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        assert_eq!((delivery.number, delivery.word.as_str()), (7, "session.retracted"));
        assert_eq!(
            body,
            json!({ "type": "session.retracted", "timestamp": "2026-11-24T12:00:24.947364Z", "app": "app_0123456789ab",
            "data": { "number": 7, "at": "2026-11-24T12:00:24.947364Z", "type": "session.retracted", "user": "ada",
                "session_id": "a-session" } })
        );
    }

    #[test]
    fn the_words_that_may_be_chosen_are_those_of_the_feed() {
        let row = || dwell_engine::SessionRow {
            session_id: String::new(),
            ordinal: 1,
            started_at: 0,
            ended_at: 0,
            end_reason: String::new(),
            activities: 1,
            foreground_time: 0,
            playing_time: 0,
            idle_time: 0,
            timeout: 1,
            timeout_source: String::new(),
            amended: 0,
            platforms: Vec::new(),
            devices: Vec::new(),
        };
        let news = [
            News::Started(0),
            News::Ended(row()),
            News::Amended(row()),
            News::Retracted(String::new()),
            News::UserErased,
            News::Erased,
        ];
        assert_eq!(news.each_ref().map(News::word), WORDS);
    }
}
