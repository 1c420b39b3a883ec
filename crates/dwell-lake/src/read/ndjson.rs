//! NDJSON: events out of one object per line, flat or shaped like Segment's messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::columns::{Chosen, EventColumn, Found, Role, Shape, choose, plainly};
use super::delimited::{clock, damaged, pass_mark};
use super::error::ReadError;
use super::gather::{Frame, Gather};
use super::lines::{Ahead, Lines};
use super::moment::Clock;
use super::objects::{NoObject, Objects, Wanted};
use super::plan::{Compression, FileFormat, Plan, PlannedColumn};
use super::reject::{Reason, Refusal, RejectionSink};
use super::sample::{SAMPLE_ROWS, TimeSample};
use super::stream::{Bytes, Sampled};
use super::{Options, Tally};
use crate::batch::EventBatch;
use crate::names::Names;

/// One file of objects.
pub(super) struct Ndjson {
    lines: Lines<Bytes>,
    compression: Compression,
    objects: Objects,
    gather: Gather,
    failed: Option<ReadError>,
}

/// How many different paths of a sample are told apart.
const MOST_COLUMNS: usize = 1000;
/// How deep the objects of a sample are looked into.
const DEEPEST: usize = 4;

impl Ndjson {
    pub fn open(
        file: &Arc<str>,
        sampled: Sampled,
        options: &Options,
        names: Arc<Names>,
    ) -> Result<(Self, Plan), ReadError> {
        let marked = if sampled.sample.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        if !sampled.whole && !sampled.sample.contains(&b'\n') {
            return Err(ReadError::LongLine { file: file.clone() });
        }
        let sample = sample_lines(&sampled, marked, options);
        let paths = paths(file, &sample)?;
        let mut chosen = choose(file, &paths, options.wish())?;
        add_user_id(&mut chosen, &paths);
        let wanted = wanted(&chosen, &paths, options);
        let samples = time_samples(&sample, wanted.clone());

        let mut columns: [Option<Arc<str>>; Role::COUNT] = Default::default();
        let mut clocks: [Option<Clock>; Role::COUNT] = Default::default();
        let mut planned = Vec::new();
        let time_name: Arc<str> = chosen.column(Role::Time).map_or("", |column| paths[column].as_str()).into();
        let time = samples[Role::Time as usize].verdict(file, &time_name, Role::Time, options)?;
        for role in Role::ALL {
            let Some((column, found)) = chosen.roles[role as usize] else {
                // A column that turns up behind the sample is read all the same.
                if let Wanted::Names([name, ..]) = &wanted[role as usize] {
                    columns[role as usize] = Some((*name).into());
                    clocks[role as usize] = role.is_time().then(|| clock(&time, options));
                }
                continue;
            };
            let name: Arc<str> = paths[column].as_str().into();
            let mut shape = None;
            if role.is_time() {
                let verdict = samples[role as usize].verdict(file, &name, role, options)?;
                shape = Some(verdict.shape);
                clocks[role as usize] = Some(clock(&verdict, options));
                chosen.notes.extend(verdict.note);
            }
            columns[role as usize] = Some(name.clone());
            planned.push(PlannedColumn { role, name, found, time: shape });
        }
        let compression = sampled.compression;
        let mut stream = sampled.into_stream();
        pass_mark(&mut stream, marked).map_err(|source| ReadError::Io { file: file.clone(), source })?;
        let frame = Arc::new(Frame::new(file.clone(), columns, clocks, options, names));
        let ndjson = Ndjson {
            lines: Lines::new(stream, options.line_limit),
            compression,
            objects: Objects::new(wanted),
            gather: Gather::new(frame),
            failed: None,
        };
        Ok((ndjson, Plan { format: FileFormat::Ndjson, compression, columns: planned, notes: chosen.notes }))
    }

    pub fn tally(&self) -> Tally {
        self.gather.tally
    }

    pub fn next_batch(&mut self, sink: &mut dyn RejectionSink) -> Result<Option<EventBatch>, ReadError> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        while !self.gather.is_full() {
            match self.line(sink) {
                Ok(Step::Read) => {}
                Ok(Step::End) => break,
                Ok(Step::Broken(error)) => {
                    let file = &self.gather.frame.file;
                    let rows = self.gather.tally.rows;
                    let damaged = damaged(file, self.compression, self.lines.bytes(), rows, error);
                    let Some(batch) = self.gather.take() else {
                        return Err(damaged);
                    };
                    self.failed = Some(damaged);
                    return Ok(Some(batch));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.gather.take())
    }

    fn line(&mut self, sink: &mut dyn RejectionSink) -> Result<Step, ReadError> {
        let number = self.lines.line();
        let (text, whole) = match self.lines.ahead(0) {
            Ok(Ahead::Line { text, whole }) => (text, whole),
            Ok(Ahead::End) => return Ok(Step::End),
            Ok(Ahead::TooLong) => {
                let head = match self.lines.pass_long_line() {
                    Ok(head) => head,
                    Err(error) => return Ok(Step::Broken(error)),
                };
                self.gather.refuse(number, Refusal::whole(&head, Reason::LineTooLong), sink)?;
                return Ok(Step::Read);
            }
            Err(error) => return Ok(Step::Broken(error)),
        };
        let line = self.lines.text(text);
        if line.trim_ascii().is_empty() {
            self.lines.pass(whole, 1);
            return Ok(Step::Read);
        }
        match std::str::from_utf8(line) {
            Err(_) => self.gather.refuse(number, Refusal::whole(line, Reason::NotUtf8), sink)?,
            Ok(line) => match self.objects.read(line) {
                Ok(row) => self.gather.row(number, &row, sink)?,
                Err(why) => {
                    let reason = match why {
                        NoObject::NotJson => Reason::BadJson,
                        NoObject::NotAnObject => Reason::NotAnObject,
                    };
                    self.gather.refuse(number, Refusal::whole(line.as_bytes(), reason), sink)?;
                }
            },
        }
        self.lines.pass(whole, 1);
        Ok(Step::Read)
    }
}

enum Step {
    Read,
    End,
    Broken(std::io::Error),
}

/// Returns the first lines, with their numbers. What is no line or no UTF-8 is left for the reading to refuse.
fn sample_lines<'a>(sampled: &'a Sampled, marked: usize, options: &Options) -> Vec<(u64, &'a str)> {
    let sample = &sampled.sample[marked..];
    let end = if sampled.whole { sample.len() } else { memchr::memrchr(b'\n', sample).map_or(0, |end| end + 1) };
    let mut lines = Vec::new();
    for (place, line) in sample[..end].split(|byte| *byte == b'\n').enumerate() {
        if SAMPLE_ROWS <= lines.len() {
            break;
        }
        if line.len() <= options.line_limit
            && let Ok(text) = std::str::from_utf8(line)
            && !text.trim_ascii().is_empty()
        {
            lines.push((place as u64 + 1, text));
        }
    }
    lines
}

/// Lists the paths of all values, those of the first objects first.
fn paths(file: &Arc<str>, sample: &[(u64, &str)]) -> Result<Vec<String>, ReadError> {
    let mut known = BTreeSet::new();
    let mut paths = Vec::new();
    let mut objects = 0;
    for (_, line) in sample {
        if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line) {
            objects += 1;
            add_paths("", &object, 1, &mut known, &mut paths);
        }
    }
    if objects == 0 {
        return Err(ReadError::NoObject { file: file.clone(), lines: sample.len() });
    }
    Ok(paths)
}

fn add_paths(
    above: &str,
    object: &serde_json::Map<String, serde_json::Value>,
    depth: usize,
    known: &mut BTreeSet<String>,
    paths: &mut Vec<String>,
) {
    for (key, value) in object {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            serde_json::Value::Object(inner) if depth < DEEPEST => add_paths(&path, inner, depth + 1, known, paths),
            _ => {
                if paths.len() < MOST_COLUMNS && known.insert(path.clone()) {
                    paths.push(path);
                }
            }
        }
    }
}

/// A Segment file whose first users are all anonymous may still know some of them later.
fn add_user_id(chosen: &mut Chosen, paths: &[String]) {
    let user = chosen.roles[Role::User as usize];
    if let Some((column, Found::ByName)) = user
        && plainly(&paths[column]) == "anonymousid"
    {
        chosen.roles[Role::AnonymousUser as usize] = user;
    }
}

/// Says which values are wanted for each role. Who and when come from one path only, lest a row that lacks it be
/// read from another; what else is known may stand under any of its names.
fn wanted(chosen: &Chosen, paths: &[String], options: &Options) -> [Wanted; Role::COUNT] {
    let path = |role: Role| chosen.column(role).map(|column| Wanted::Path(paths[column].clone()));
    let mut wanted = Role::ALL.map(|role| match chosen.roles[role as usize] {
        Some((column, Found::ByFlag)) => Wanted::Path(paths[column].clone()),
        Some(_) | None if !role.names().is_empty() => Wanted::Names(role.names()),
        Some(_) | None => Wanted::Nothing,
    });
    wanted[Role::Time as usize] = path(Role::Time).unwrap_or(Wanted::Nothing);
    wanted[Role::AnonymousUser as usize] = path(Role::AnonymousUser).unwrap_or(Wanted::Nothing);
    wanted[Role::User as usize] = match (path(Role::User), path(Role::AnonymousUser)) {
        (Some(user), Some(anonymous)) if user == anonymous => Wanted::Names(&["userid"]),
        (Some(user), _) => user,
        (None, _) => Wanted::Nothing,
    };
    wanted[Role::Event as usize] = match &options.columns.event {
        Some(EventColumn::Nothing) => Wanted::Nothing,
        Some(EventColumn::Named(_)) => path(Role::Event).unwrap_or(Wanted::Nothing),
        None if chosen.shape == Shape::Segment => Wanted::Names(&["event", "name"]),
        None => path(Role::Event).unwrap_or(Wanted::Nothing),
    };
    if chosen.column(Role::MessageType).is_none() {
        wanted[Role::MessageType as usize] = Wanted::Nothing;
    }
    wanted
}

fn time_samples(sample: &[(u64, &str)], wanted: [Wanted; Role::COUNT]) -> Vec<TimeSample> {
    let mut samples: Vec<TimeSample> = Role::ALL.iter().map(|_| TimeSample::default()).collect();
    let mut objects = Objects::new(wanted);
    for (number, line) in sample {
        let Ok(row) = objects.read(line) else {
            continue;
        };
        for role in Role::ALL {
            if role.is_time() {
                samples[role as usize].look(*number, row[role as usize]);
            }
        }
    }
    samples
}
