//! CSV and TSV: events out of delimited text with a header.

use std::io::Read;
use std::sync::Arc;

use super::columns::{Found, Role, choose};
use super::error::ReadError;
use super::gather::{Cell, Frame, Gather, Row};
use super::moment::Clock;
use super::plan::{Compression, FileFormat, Plan, PlannedColumn};
use super::records::{Next, Records};
use super::reject::{Reason, Refusal, RejectionSink};
use super::sample::{SAMPLE_ROWS, TimeSample, Verdict};
use super::stream::{Bytes, Sampled};
use super::{Options, Tally};
use crate::batch::EventBatch;
use crate::names::Names;

/// One file of delimited text.
pub(super) struct Delimited {
    records: Records<Bytes>,
    compression: Compression,
    expected: usize,
    /// Which field plays which role.
    fields: Vec<(usize, Role)>,
    /// The fields of user and time when nothing else is read.
    plain: Option<(usize, usize)>,
    gather: Gather,
    failed: Option<ReadError>,
}

/// What the first line says.
struct Header {
    names: Vec<String>,
    delimiter: u8,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Delimited {
    pub fn open(
        file: &Arc<str>,
        sampled: Sampled,
        format: FileFormat,
        options: &Options,
        names: Arc<Names>,
    ) -> Result<(Self, Plan), ReadError> {
        let marked = if sampled.sample.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let header = header(file, &sampled.sample[marked..], format, options)?;
        let mut chosen = choose(file, &header.names, options.wish())?;
        let name = |column: usize| -> Arc<str> { header.names[column].as_str().into() };

        let samples = time_samples(&sampled, marked, &header, &chosen.roles, options);
        let mut columns: [Option<Arc<str>>; Role::COUNT] = Default::default();
        let mut clocks: [Option<Clock>; Role::COUNT] = Default::default();
        let mut planned = Vec::new();
        let mut fields = Vec::new();
        for role in Role::ALL {
            let Some((column, found)) = chosen.roles[role as usize] else {
                continue;
            };
            let mut time = None;
            if role.is_time() {
                let verdict = samples[role as usize].verdict(file, &name(column), role, options)?;
                time = Some(verdict.shape);
                clocks[role as usize] = Some(clock(&verdict, options));
                chosen.notes.extend(verdict.note);
            }
            columns[role as usize] = Some(name(column));
            fields.push((column, role));
            planned.push(PlannedColumn { role, name: name(column), found, time });
        }
        let frame = Arc::new(Frame::new(file.clone(), columns, clocks, options, names));
        let user_and_time = chosen.column(Role::User).zip(chosen.column(Role::Time));
        let alone = frame.is_plain() && chosen.column(Role::AnonymousUser).is_none();
        let compression = sampled.compression;
        let mut stream = sampled.into_stream();
        pass_mark(&mut stream, marked).map_err(|source| ReadError::Io { file: file.clone(), source })?;
        let mut delimited = Delimited {
            records: Records::new(stream, header.delimiter, options.line_limit),
            compression,
            expected: header.names.len(),
            fields,
            plain: user_and_time.filter(|_| alone),
            gather: Gather::new(frame),
            failed: None,
        };
        delimited.pass_header()?;
        Ok((delimited, Plan { format, compression, columns: planned, notes: chosen.notes }))
    }

    pub fn tally(&self) -> Tally {
        self.gather.tally
    }

    fn pass_header(&mut self) -> Result<(), ReadError> {
        // It was read once already, from the sample.
        match self.records.next() {
            Ok(_) => Ok(()),
            Err(error) => Err(self.damaged(error)),
        }
    }

    fn damaged(&self, why: std::io::Error) -> ReadError {
        damaged(&self.gather.frame.file, self.compression, self.records.bytes(), self.gather.tally.rows, why)
    }

    pub fn next_batch(&mut self, sink: &mut dyn RejectionSink) -> Result<Option<EventBatch>, ReadError> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        while !self.gather.is_full() {
            match self.records.next() {
                Ok(Next::End) => break,
                Ok(Next::Record(line)) => self.record(line, sink)?,
                Ok(Next::Refused(line, refusal)) => self.gather.refuse(line, refusal, sink)?,
                Err(error) => {
                    // What came before the damage is handed on first.
                    let damaged = self.damaged(error);
                    let Some(batch) = self.gather.take() else {
                        return Err(damaged);
                    };
                    self.failed = Some(damaged);
                    return Ok(Some(batch));
                }
            }
        }
        Ok(self.gather.take())
    }

    fn record(&mut self, line: u64, sink: &mut dyn RejectionSink) -> Result<(), ReadError> {
        let records = &self.records;
        if records.count() != self.expected {
            let reason = Reason::WrongFieldCount {
                found: u32::try_from(records.count()).unwrap_or(u32::MAX),
                expected: u32::try_from(self.expected).unwrap_or(u32::MAX),
            };
            return self.gather.refuse(line, Refusal::whole(records.raw(), reason), sink);
        }
        if let Some((user, time)) = self.plain {
            return self.gather.plain_row(line, Cell::text(records.field(user)), Cell::text(records.field(time)), sink);
        }
        let mut row: Row<'_> = [Cell::Nothing; Role::COUNT];
        for (field, role) in &self.fields {
            row[*role as usize] = Cell::text(records.field(*field));
        }
        self.gather.row(line, &row, sink)
    }
}

/// Says what became of a stream that broke.
pub(super) fn damaged(
    file: &Arc<str>,
    compression: Compression,
    bytes: u64,
    rows: u64,
    why: std::io::Error,
) -> ReadError {
    match compression {
        Compression::Plain => ReadError::Io { file: file.clone(), source: why },
        Compression::Gzip | Compression::Zstd => {
            ReadError::Damaged { file: file.clone(), how: compression.word(), bytes, rows, why }
        }
    }
}

pub(super) fn clock(verdict: &Verdict, options: &Options) -> Clock {
    let zone = (options.zone != jiff::tz::TimeZone::UTC).then(|| options.zone.clone());
    Clock { unit: verdict.unit, zone }
}

/// Drops the byte order mark from the front of a stream.
pub(super) fn pass_mark(stream: &mut Bytes, marked: usize) -> std::io::Result<()> {
    let mut mark = [0; BYTE_ORDER_MARK.len()];
    stream.read_exact(&mut mark[..marked])
}

fn header(file: &Arc<str>, sample: &[u8], format: FileFormat, options: &Options) -> Result<Header, ReadError> {
    let first = sample.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let Some(first) = first else {
        return Err(ReadError::Empty { file: file.clone() });
    };
    if first.contains(&0) {
        return Err(ReadError::Binary { file: file.clone() });
    }
    let delimiter = if format == FileFormat::Tsv { b'\t' } else { delimiter_of(first) };
    let mut records = Records::new(sample, delimiter, options.line_limit);
    let next = records.next().map_err(|source| ReadError::Io { file: file.clone(), source })?;
    let Next::Record(_) = next else {
        return Err(ReadError::NoHeader { file: file.clone() });
    };
    let name = |place| String::from_utf8_lossy(records.field(place)).trim().to_owned();
    Ok(Header { names: (0..records.count()).map(name).collect(), delimiter })
}

/// Returns the delimiter that stands most often in the header outside quotes; a comma when none does.
pub(super) fn delimiter_of(header: &[u8]) -> u8 {
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == delimiter);
        }
    }
    let mut best = counts[0];
    for candidate in counts {
        if best.1 < candidate.1 {
            best = candidate;
        }
    }
    best.0
}

fn time_samples(
    sampled: &Sampled,
    marked: usize,
    header: &Header,
    roles: &[Option<(usize, Found)>; Role::COUNT],
    options: &Options,
) -> Vec<TimeSample> {
    let mut samples: Vec<TimeSample> = Role::ALL.iter().map(|_| TimeSample::default()).collect();
    let sample = &sampled.sample[marked..];
    // The last line of a sample may go on behind it.
    let end = if sampled.whole { sample.len() } else { memchr::memrchr(b'\n', sample).map_or(0, |end| end + 1) };
    let mut records = Records::new(&sample[..end], header.delimiter, options.line_limit);
    let mut seen = 0;
    while seen < SAMPLE_ROWS + 1 {
        let line = match records.next() {
            Ok(Next::Record(line)) => line,
            Ok(Next::Refused(..)) => continue,
            Ok(Next::End) | Err(_) => break,
        };
        seen += 1;
        if seen == 1 || records.count() != header.names.len() {
            continue;
        }
        for role in Role::ALL {
            if let (true, Some((column, _))) = (role.is_time(), roles[role as usize]) {
                samples[role as usize].look(line, Cell::text(records.field(column)));
            }
        }
    }
    samples
}
