//! Stories of files: what stands in them, and what is read out of them.

mod damage;
mod delimited;
mod dialect;
mod files;
mod laws;
mod objects;
mod parquet;
mod time;

use std::fmt::Write;
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{EventFile, Options, ReadError, Rejection, Tally, open_stream};
use crate::batch::{Detail, EventBatch, Users};
use crate::names::Names;

/// Everything that came out of a file.
#[derive(Debug, Default)]
struct Told {
    plan: String,
    events: Vec<Event>,
    rejections: Vec<Rejection>,
    error: Option<ReadError>,
    tally: Tally,
    without_details: usize,
}

/// One event, with its texts.
#[derive(Debug, PartialEq, Clone)]
struct Event {
    user: String,
    at: i64,
    detail: Option<Detail>,
    message_id: String,
}

fn names() -> Arc<Names> {
    Arc::new(Names::default())
}

fn options() -> Options {
    Options::default()
}

fn told(bytes: impl Into<Vec<u8>>, options: &Options) -> Told {
    told_of("log", Box::new(Cursor::new(bytes.into())), options, names())
}

fn told_of(name: &str, stream: Box<dyn Read + Send>, options: &Options, names: Arc<Names>) -> Told {
    match open_stream(name.into(), stream, options, names) {
        Ok(file) => told_to_the_end(file),
        Err(error) => Told { error: Some(error), ..Told::default() },
    }
}

fn told_to_the_end(mut file: EventFile) -> Told {
    let mut told = Told { plan: file.plan().to_string(), ..Told::default() };
    loop {
        match file.next_batch(&mut told.rejections) {
            Ok(Some(batch)) => {
                assert!(!batch.is_empty(), "a batch is never empty");
                told.without_details += usize::from(batch.details.is_none());
                told.events.extend(events(&batch));
            }
            Ok(None) => break,
            Err(error) => {
                told.error = Some(error);
                break;
            }
        }
    }
    told.tally = file.tally();
    assert_eq!(told.tally.events, told.events.len() as u64, "each event handed on is counted");
    assert_eq!(told.tally.rejections, told.rejections.len() as u64, "each rejection told is counted");
    assert_eq!(told.tally.rows, told.tally.events + told.tally.rejections, "rows = events + rejections");
    told
}

fn events(batch: &EventBatch) -> Vec<Event> {
    let user = |row: usize| match &batch.users {
        Users::Plain(texts) => texts.value(row).to_owned(),
        Users::Dictionary { values, keys } => values.value(keys[row] as usize).to_owned(),
    };
    let event = |row: usize| {
        let detail = batch.details.as_ref().map(|details| details.rows[row]);
        let message_id = batch.details.as_ref().map_or("", |details| {
            let (start, end) = details.rows[row].message_id;
            &details.message_ids[start as usize..end as usize]
        });
        Event { user: user(row), at: batch.happened_at[row], detail, message_id: message_id.to_owned() }
    };
    match &batch.users {
        Users::Plain(texts) => assert_eq!(arrow_array::Array::len(texts), batch.len()),
        Users::Dictionary { keys, .. } => assert_eq!(keys.len(), batch.len()),
    }
    (0..batch.len()).map(event).collect()
}

/// Tells a file as a story: its plan, its events, what was refused, and how it ended.
fn story(bytes: impl Into<Vec<u8>>, options: &Options) -> String {
    let names = names();
    let told = told_of("log", Box::new(Cursor::new(bytes.into())), options, names.clone());
    let mut story = String::new();
    if !told.plan.is_empty() {
        writeln!(story, "{}", told.plan).unwrap();
    }
    for event in &told.events {
        writeln!(story, "{}", line(event, &names)).unwrap();
    }
    for rejection in &told.rejections {
        writeln!(story, "refused {rejection} [{}]", rejection.reason.word()).unwrap();
    }
    if 0 < told.tally.from_the_future {
        writeln!(story, "from the future: {}", told.tally.from_the_future).unwrap();
    }
    if let Some(error) = &told.error {
        writeln!(story, "error: {error}").unwrap();
    }
    story
}

fn line(event: &Event, names: &Names) -> String {
    let at = jiff::Timestamp::from_microsecond(event.at).unwrap();
    let mut line = format!("{} {at}", event.user);
    let Some(detail) = event.detail else {
        return line;
    };
    write!(line, " {}", detail.kind.word()).unwrap();
    let texts = names.texts();
    let keys = [
        ("name", detail.name),
        ("platform", detail.platform),
        ("device", detail.device),
        ("player", detail.player),
        ("campaign", detail.campaign),
        ("by", detail.by),
    ];
    for (word, key) in keys {
        if key != 0 {
            let text = texts[key as usize].replace('\r', "\\r").replace('\n', "\\n");
            write!(line, " {word}={text}").unwrap();
        }
    }
    if let Some(remaining) = detail.remaining {
        write!(line, " remaining={}us", remaining.as_micros()).unwrap();
    }
    if detail.truth != 0 {
        line.push_str(" truth");
    }
    if let Some(received_at) = detail.received_at {
        write!(line, " received={}", jiff::Timestamp::from_microsecond(received_at).unwrap()).unwrap();
    }
    if !event.message_id.is_empty() {
        write!(line, " id={}", event.message_id).unwrap();
    }
    line
}

fn check(bytes: impl Into<Vec<u8>>, options: &Options, expected: &expect_test::Expect) {
    expected.assert_eq(&story(bytes, options));
}

/// A sink that stops at the first refused row.
fn strict(_: Rejection) -> ControlFlow<()> {
    ControlFlow::Break(())
}
