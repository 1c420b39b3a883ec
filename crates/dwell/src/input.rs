//! What is read, and how: the flags that all commands on files share.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use dwell_core::words::EventWords;
use dwell_lake::load::{Inputs, LoadError, Loaded};
use dwell_lake::question::LateEvents;
use dwell_lake::read::{ColumnFlags, EventColumn, FileFormat, Options, Rejection, RejectionSink, TimeUnit};
use dwell_policy::text::Ruling;
use jiff::tz::TimeZone;

use crate::human::{count, parse_size};
use crate::progress::Progress;

/// Files of events, and what stands where in them.
#[derive(Args, Debug)]
pub struct InputArgs {
    /// Files of events, or patterns: CSV, TSV, NDJSON or Parquet, plain, gzip or zstd; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// What the files are, when it cannot be seen: csv, tsv, ndjson, parquet
    #[arg(long, value_parser = format, value_name = "WORD", help_heading = "What stands where")]
    pub format: Option<FileFormat>,
    /// Column of the user
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub user: Option<String>,
    /// Column of the time
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub time: Option<String>,
    /// Unit of times that are numbers: s, ms, us, ns [default: seen from the first rows]
    #[arg(long, value_parser = unit, value_name = "UNIT", help_heading = "What stands where")]
    pub time_unit: Option<TimeUnit>,
    /// Time zone of clocks that name none, and of midnight, like Asia/Seoul
    #[arg(long, default_value = "UTC", value_parser = zone, value_name = "ZONE", help_heading = "What stands where")]
    pub zone: TimeZone,
    /// Column of the event's name; `none` takes every row as an action
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub event: Option<String>,
    /// What names of events mean, like 1=opened,0=closed
    #[arg(long = "as", value_parser = EventWords::parse, value_name = "NAME=WORD,...", help_heading = "What stands where")]
    pub words: Option<EventWords>,
    /// Column of the message id, by which repeated events are known
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub message_id: Option<String>,
    /// Column of the time at which the event came in, by which late events are known
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub received_at: Option<String>,
    /// Column of the time at which the device sent the event
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub sent_at: Option<String>,
    /// Column of the time by the device's own clock
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub original_time: Option<String>,
    /// Column of the platform
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub platform: Option<String>,
    /// Column of the device
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub device: Option<String>,
    /// Column of the player
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub player: Option<String>,
    /// Column of the campaign
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub campaign: Option<String>,
    /// Column of the seconds into what plays
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub position: Option<String>,
    /// Column of the length of what plays, in seconds
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub total_length: Option<String>,
    /// Column of the seconds for which it will go on playing
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub remaining: Option<String>,
    /// Column of the true session, to be compared with
    #[arg(long, value_name = "COLUMN", help_heading = "What stands where")]
    pub truth: Option<String>,
    /// Name of the app: ids of sessions are derived from it
    #[arg(long, default_value = "app", value_name = "NAME", help_heading = "How it is read")]
    pub app: String,
    /// Up to when the log tells: sessions that could still go on then are open [default: the latest time in it]
    #[arg(long, value_name = "TIME", help_heading = "How it is read")]
    pub as_of: Option<String>,
    /// Take up late events too, which otherwise are left out and counted
    #[arg(long, help_heading = "How it is read")]
    pub restate: bool,
    /// Stop at the first row that cannot be read
    #[arg(long, help_heading = "How it is read")]
    pub strict: bool,
    /// Write all rows that cannot be read to this file (NDJSON)
    #[arg(long, value_name = "FILE", help_heading = "How it is read")]
    pub rejects: Option<PathBuf>,
    /// Longest line
    #[arg(long, default_value = "1MiB", value_parser = parse_size, value_name = "SIZE", help_heading = "How it is read")]
    pub line_limit: u64,
    /// Threads [default: all processors]
    #[arg(long, value_name = "N", help_heading = "How it is read")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Memory for events; what is beyond goes to a temporary file
    #[arg(long, default_value = "2GiB", value_parser = parse_size, value_name = "SIZE", help_heading = "How it is read")]
    pub memory: u64,
}

fn format(word: &str) -> Result<FileFormat, String> {
    FileFormat::from_word(word).ok_or_else(|| format!("`{word}` is none of csv, tsv, ndjson, parquet"))
}

fn unit(word: &str) -> Result<TimeUnit, String> {
    TimeUnit::from_word(word).ok_or_else(|| format!("`{word}` is none of s, ms, us, ns"))
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("`{name}` is no time zone like Asia/Seoul or UTC"))
}

/// How a log is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// As it lies, if it promises to lie in order of users. What was made of it may have to be made anew.
    AsItLies,
    /// All of it first, put aside by user.
    ByUser,
}

/// A log did not lie in order of users. Nobody sees it: the log is read in the other way.
#[derive(Debug, thiserror::Error)]
#[error("the log is not in the order of users that its row groups promise")]
pub struct NotAsPromised;

/// What a command wants to know of each event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The column that it splits by.
    pub by: Option<&'a str>,
    /// The names of first and last activities.
    pub names: bool,
}

impl InputArgs {
    /// Returns how many threads may work.
    #[must_use]
    pub fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        self.threads.map_or_else(all, std::num::NonZeroUsize::get)
    }

    /// Returns what becomes of late events.
    #[must_use]
    pub fn late(&self) -> LateEvents {
        if self.restate { LateEvents::TakenUp } else { LateEvents::LeftOut }
    }

    /// Opens the files.
    pub fn open(&self, ruling: &Ruling, wanted: Wanted<'_>) -> anyhow::Result<Inputs> {
        let mut words = EventWords::default();
        for (name, word) in &ruling.events {
            words.add(name, word).context("the policy's table of events cannot be used")?;
        }
        let options = Options {
            columns: self.columns(),
            time_unit: self.time_unit,
            zone: self.zone.clone(),
            format: self.format,
            words: self.words.clone().unwrap_or(words),
            by: wanted.by.map(str::to_owned),
            truth: self.truth.clone(),
            names_wanted: wanted.names,
            line_limit: usize::try_from(self.line_limit).unwrap_or(usize::MAX),
            ..Options::default()
        };
        Ok(Inputs::open(&self.files, &options)?)
    }

    fn columns(&self) -> ColumnFlags {
        ColumnFlags {
            user: self.user.clone(),
            time: self.time.clone(),
            event: self.event.as_ref().map(|name| match name.as_str() {
                "none" => EventColumn::Nothing,
                name => EventColumn::Named(name.to_owned()),
            }),
            message_id: self.message_id.clone(),
            received_at: self.received_at.clone(),
            sent_at: self.sent_at.clone(),
            original_time: self.original_time.clone(),
            platform: self.platform.clone(),
            device: self.device.clone(),
            player: self.player.clone(),
            campaign: self.campaign.clone(),
            position: self.position.clone(),
            total_length: self.total_length.clone(),
            remaining: self.remaining.clone(),
        }
    }

    /// Answers a question about all events. A log that promises to lie in order of users is read as it lies; should
    /// it turn out not to, it is asked once more, with its events put aside by user.
    pub fn ask<T>(
        &self,
        inputs: &Inputs,
        way: Way,
        progress: &Progress,
        answer: impl Fn(&Loaded<'_>, &Rejects) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if let Some(loaded) = inputs.as_it_lies().filter(|_| way == Way::AsItLies) {
            let mut rejects = Rejects::new(self)?;
            match answer(&loaded, &rejects) {
                Err(error) if error.is::<NotAsPromised>() => {}
                answered => {
                    rejects.finish()?;
                    return answered;
                }
            }
        }
        let (loaded, rejects) = self.load(inputs, progress)?;
        rejects.tell();
        answer(&loaded, &rejects)
    }

    fn load<'i>(&self, inputs: &'i Inputs, progress: &Progress) -> anyhow::Result<(Loaded<'i>, Rejects)> {
        let mut rejects = Rejects::new(self)?;
        let bar = progress.bar("reading", inputs.steps());
        let loaded = inputs.load(self.threads(), self.memory, &mut rejects, &|steps| bar.set(steps));
        drop(bar);
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(LoadError::Read(error)) if rejects.failed.is_some() => {
                let failed = rejects.failed.take().map_or_else(|| error.into(), anyhow::Error::from);
                return Err(failed.context("cannot write the rejected rows"));
            }
            Err(error) => return Err(error.into()),
        };
        rejects.finish()?;
        Ok((loaded, rejects))
    }
}

/// How many rejected rows are shown.
const SHOWN: usize = 5;

/// Rows that could not be read: counted by reason, the first few kept, all of them written if wanted.
pub struct Rejects {
    strict: bool,
    /// How many of each reason.
    pub counts: std::collections::BTreeMap<&'static str, u64>,
    /// The first few.
    pub first: Vec<Rejection>,
    file: Option<(PathBuf, BufWriter<File>)>,
    failed: Option<std::io::Error>,
}

impl Rejects {
    fn new(args: &InputArgs) -> anyhow::Result<Self> {
        let create = |path: &PathBuf| -> anyhow::Result<(PathBuf, BufWriter<File>)> {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok((path.clone(), BufWriter::new(file)))
        };
        Ok(Rejects {
            strict: args.strict,
            counts: std::collections::BTreeMap::new(),
            first: Vec::new(),
            file: args.rejects.as_ref().map(create).transpose()?,
            failed: None,
        })
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        if let Some((path, file)) = &mut self.file {
            file.flush().with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.first.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        Ok(())
    }

    /// Returns how many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Says in words what was refused.
    pub fn tell(&self) {
        if self.total() == 0 {
            return;
        }
        let reasons: Vec<String> =
            self.counts.iter().map(|(word, number)| format!("{} {word}", count(*number))).collect();
        eprintln!("{} rows could not be read ({}):", count(self.total()), reasons.join(", "));
        for rejection in self.first.iter().take(SHOWN) {
            eprintln!("  {rejection}");
        }
        let more = self.total() - (self.first.len().min(SHOWN)) as u64;
        if 0 < more {
            eprintln!("  and {} more; --rejects FILE keeps all", count(more));
        }
    }
}

impl RejectionSink for Rejects {
    fn reject(&mut self, rejection: Rejection) -> ControlFlow<()> {
        *self.counts.entry(rejection.reason.word()).or_default() += 1;
        if let Some((_, file)) = &mut self.file {
            let line = serde_json::json!({
                "file": &*rejection.file,
                "line": rejection.line,
                "column": rejection.column.as_deref(),
                "value": rejection.value,
                "reason": rejection.reason.word(),
                "says": rejection.reason.says(),
            });
            if let Err(error) = writeln!(file, "{line}") {
                self.failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        // Threads read on while one of them is at its first rows, so the earliest are chosen from the first hundreds.
        if self.first.len() < 64 * SHOWN {
            self.first.push(rejection);
        }
        if self.strict { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
