//! All that there is of one user, as a file of lines: for people who ask what is known of them.
//!
//! What the books know comes first. Then the whole log and archive are read for their events, on a thread of its own and of low
//! priority. Only so much is in memory as is on its way; whoever reads slowly makes the thread wait. The last line says that it
//! was the last: a file that was broken off has none.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Weak};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use dwell_engine::{Desk, EngineError};
use dwell_lake::write::archive::ArchivedRow;
use dwell_store::Offset;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use crate::House;
use crate::api::{row_json, seconds, user_json, when};
use crate::auth::reader_of;
use crate::history::{self, HistoryError, Told};
use crate::priority::Priority;
use crate::problem::Problem;

/// So many exports are made at once, of all apps together.
const AT_ONCE: usize = 2;

/// How many bytes of lines go on their way together, about.
const PIECE_BYTES: usize = 64 << 10;

/// How many such pieces wait for whoever reads.
const PIECES: usize = 2;

/// How many rows of the books are read at once.
const ROWS: usize = 100;

/// Places for exports.
pub(crate) struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Self {
        Exports(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("whoever asked has left")]
    Left,
    #[error("the server stops")]
    Stops,
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("the books cannot be read: {0}")]
    Books(#[from] EngineError),
}

/// Some lines on their way.
enum Piece {
    Lines(Bytes),
    Last(Bytes),
}

/// Answers with all that there is of a user.
pub(crate) async fn export(
    State(house): State<Arc<House>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let app = reader_of(&house, &headers, &uri)?;
    let ExportLines { receiver, place } = begin(&house, app, &user)?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        // Ids stay out of the name: they may hold anything.
        (header::CONTENT_DISPOSITION, "attachment; filename=\"user.ndjson\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body_of(receiver, place)).into_response())
}

/// Begins to write all that there is of a user of the app with this id, for whoever asks on the machine itself; says why not
/// where that cannot be.
pub fn export_of(house: &Arc<House>, app: &str, user: &str) -> Result<ExportLines, String> {
    begin(house, app.to_owned(), user).map_err(Problem::into_detail)
}

/// All that there is of a user, on its way.
pub struct ExportLines {
    receiver: Receiver<Piece>,
    /// The place is taken as long as somebody writes or reads.
    place: Arc<OwnedSemaphorePermit>,
}

impl ExportLines {
    /// Writes them; an error says that they are not all. Not to be called where others wait for the thread.
    pub fn write_to(mut self, out: &mut impl io::Write) -> io::Result<()> {
        loop {
            match self.receiver.blocking_recv() {
                Some(Piece::Lines(bytes)) => out.write_all(&bytes)?,
                Some(Piece::Last(bytes)) => {
                    out.write_all(&bytes)?;
                    return out.flush();
                }
                None => return Err(io::Error::other("the export broke off")),
            }
        }
    }
}

fn begin(house: &Arc<House>, app: String, user: &str) -> Result<ExportLines, Problem> {
    let now = (house.clock)();
    // In this order: what is counted of the app then lies before the offset.
    let events = house.desk.numbers(&app)?.events;
    let end = house.desk.offset();
    let view = house.desk.user(&app, user, now)?.ok_or_else(|| Problem::not_found("user"))?;
    let place = house.exports.0.clone().try_acquire_owned().map_err(|_none| Problem::many_exports())?;
    let place = Arc::new(place);
    let (sender, receiver) = channel(PIECES);
    let about = json!({ "app": app, "asked_for": user, "user": view.user, "exported_at": when(now.as_micros()),
        "read_up_to": end.number() });
    let lines = Lines { sender, buffer: Vec::new() };
    let held = Some(place.clone());
    let mut writing = Writing { house: Arc::downgrade(house), app, user: view.user.clone(), lines, end, events, held };
    let profile = user_json(&view);
    let write = move || {
        Priority::CanWait.take();
        match writing.all(about, profile) {
            Ok(()) | Err(ExportError::Left) => {}
            Err(error) => warn!(app = writing.app, %error, "an export broke off"),
        }
    };
    if let Err(error) = std::thread::Builder::new().name("export".to_owned()).spawn(write) {
        warn!(%error, "an export cannot begin");
        return Err(Problem::many_exports());
    }
    Ok(ExportLines { receiver, place })
}

/// Returns a body that fails unless its last piece came.
fn body_of(receiver: Receiver<Piece>, place: Arc<OwnedSemaphorePermit>) -> Body {
    Body::from_stream(futures_util::stream::unfold(Some((receiver, place)), |reading| async {
        let (mut receiver, place) = reading?;
        Some(match receiver.recv().await {
            Some(Piece::Lines(bytes)) => (Ok(bytes), Some((receiver, place))),
            Some(Piece::Last(bytes)) => (Ok(bytes), None),
            None => (Err(io::Error::other("the export broke off")), None),
        })
    }))
}

/// Lines, gathered into pieces.
struct Lines {
    sender: Sender<Piece>,
    buffer: Vec<u8>,
}

impl Lines {
    fn add(&mut self, word: &str, mut line: Value) -> Result<(), ExportError> {
        line["type"] = json!(word);
        self.buffer.extend_from_slice(line.to_string().as_bytes());
        self.buffer.push(b'\n');
        if self.buffer.len() < PIECE_BYTES {
            return Ok(());
        }
        self.send(Piece::Lines)
    }

    fn send(&mut self, piece: fn(Bytes) -> Piece) -> Result<(), ExportError> {
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender.blocking_send(piece(bytes)).map_err(|_left| ExportError::Left)
    }
}

struct Writing {
    house: Weak<House>,
    app: String,
    /// Who it is now.
    user: String,
    lines: Lines,
    /// Up to here the log is read.
    end: Offset,
    /// How many events of the app the engine had read.
    events: u64,
    /// The place, until all is written.
    held: Option<Arc<OwnedSemaphorePermit>>,
}

impl Writing {
    fn all(&mut self, about: Value, profile: Value) -> Result<(), ExportError> {
        let mut devices = BTreeSet::new();
        self.lines.add("about", about)?;
        self.lines.add("profile", profile)?;
        let desk = self.house.upgrade().ok_or(ExportError::Stops)?.desk.clone();
        self.ids(&desk)?;
        self.sessions(&desk, &mut devices)?;
        drop(desk);
        let (events, found_all, unproven) = self.told(&mut devices)?;
        for device in devices {
            self.lines.add("device", json!({ "device": device }))?;
        }
        let is_whole = found_all && unproven.is_none();
        self.lines.add("end", json!({ "events": events, "is_whole": is_whole, "unproven": unproven }))?;
        // Whoever has read the last piece may ask for another export at once.
        drop(self.held.take());
        self.lines.send(Piece::Last)
    }

    /// Writes every id that is the person's now.
    fn ids(&mut self, desk: &Desk) -> Result<(), ExportError> {
        self.lines.add("id", json!({ "id": self.user }))?;
        let mut after = None;
        loop {
            let (moved, next) = desk.moved(&self.app, after.as_deref(), ROWS)?;
            let ids: Vec<&str> = moved.iter().map(String::as_str).collect();
            for (id, now) in moved.iter().zip(desk.who_are(&self.app, &ids)?) {
                if now.as_ref() == Some(&self.user) {
                    self.lines.add("id", json!({ "id": id }))?;
                }
            }
            self.may_go_on()?;
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn sessions(&mut self, desk: &Desk, devices: &mut BTreeSet<String>) -> Result<(), ExportError> {
        let mut after = None;
        loop {
            let (rows, next) = desk.sessions(&self.app, &self.user, after.as_deref(), ROWS)?;
            for row in rows {
                self.lines.add("session", row_json(&row))?;
                devices.extend(row.devices);
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Writes the person's events, and returns how many there were, whether as many of the app's were found as it had, and why nobody can
    /// show that these are all.
    fn told(&mut self, devices: &mut BTreeSet<String>) -> Result<(u64, bool, Option<String>), ExportError> {
        let (mut of_app, mut of_user) = (0, 0);
        let (house, app, end) = (self.house.clone(), self.app.clone(), self.end);
        let take = |home: &House, rows: &[ArchivedRow<'_>]| -> Result<(), ExportError> {
            self.may_go_on()?;
            let people = history::people(&home.desk, &self.app, rows)?;
            for row in rows {
                if people.get(row.user_id).map_or(row.user_id, String::as_str) != self.user {
                    continue;
                }
                of_user += 1;
                devices.extend(row.device.map(str::to_owned));
                self.lines.add("event", event_json(row))?;
            }
            of_app += rows.len() as u64;
            Ok(())
        };
        // Who was erased was counted when they were there.
        let Told { passed_over, unproven } = history::read(&house, &app, end, take, |_at| {})?;
        Ok((of_user, self.events <= of_app + passed_over, unproven))
    }

    fn may_go_on(&self) -> Result<(), ExportError> {
        if self.lines.sender.is_closed() {
            return Err(ExportError::Left);
        }
        let house = self.house.upgrade().ok_or(ExportError::Stops)?;
        if house.stopping.load(std::sync::atomic::Ordering::Relaxed) { Err(ExportError::Stops) } else { Ok(()) }
    }
}

fn event_json(row: &ArchivedRow<'_>) -> Value {
    json!({
        "user": row.user_id,
        "happened_at": when(row.happened_at),
        "received_at": when(row.received_at),
        "kind": row.kind.word(),
        "name": row.name,
        "message_id": row.message_id,
        "derived_message_id": row.derived_message_id,
        "remaining_seconds": row.remaining.map(seconds),
        "player": row.player,
        "device": row.device,
        "platform": row.platform,
        "campaign": row.campaign,
        "country": row.country,
        "app_version": row.app_version,
        "linked_id": row.linked_id,
        "log_offset": row.offset,
    })
}
