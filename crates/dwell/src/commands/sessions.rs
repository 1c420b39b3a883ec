//! `dwell sessions`: events of files become sessions, and a summary in words and numbers.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use dwell_core::engagement::Parts;
use dwell_core::lab::lengths::Quantiles;
use dwell_core::law::Broken;
use dwell_core::session::EndReason;
use dwell_core::time::{Span, Timestamp};
use dwell_lake::handover::Handovers;
use dwell_lake::load::{Inputs, Loaded};
use dwell_lake::question::Question;
use dwell_lake::sessionize::{NoRows, OUTCOMES, SessionSink, Sessionize, Tally};
use dwell_lake::sweep::SweepError;
use dwell_lake::write::WriteError;
use dwell_lake::write::parquet::ParquetFile;
use dwell_lake::write::text::{TextFile, TextFormat};
use dwell_policy::calendar::moment;
use dwell_policy::text::Ruling;
use serde_json::json;

use crate::human::{count, percent, span};
use crate::input::{InputArgs, NotAsPromised, Rejects, Wanted, Way};
use crate::policy_file::PolicyArgs;
use crate::progress::Progress;

/// What to make sessions of.
#[derive(Args, Debug)]
pub struct Sessions {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Where the sessions go, `-` for standard output; the ending says how: .parquet, .csv, .ndjson
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How the sessions are written, when the ending does not say
    #[arg(long, value_enum, value_name = "WORD")]
    output_format: Option<OutputFormat>,
    /// The summary as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// How sessions are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum OutputFormat {
    /// Parquet, sorted by user and start
    Parquet,
    /// Comma-separated
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// A law that did not hold: an error of Dwell's, not of the input.
#[derive(Debug, thiserror::Error)]
#[error("{0}; this is an error in Dwell: please report it with the command and, if you can, the file")]
pub struct BrokenLaw(pub Broken);

/// Makes sessions, writes them where asked, and says what they come to.
pub fn run(args: &Sessions, progress: &Progress) -> anyhow::Result<()> {
    if args.json && args.output.as_deref() == Some(Path::new("-")) {
        bail!("--json and --output - both want standard output; give --output a file");
    }
    let ruling = args.policy.ruling(&args.input.zone)?;
    let inputs = args.input.open(&ruling, Wanted { by: None, names: args.output.is_some() })?;
    tell_plans(&inputs, progress);
    args.input.ask(&inputs, way(args.output.as_deref()), progress, |loaded, rejects| {
        answer(args, &ruling, &inputs, loaded, rejects, progress)
    })
}

/// Returns how the log may be read: what has gone into a pipe cannot be made anew.
fn way(output: Option<&Path>) -> Way {
    match output {
        None => Way::AsItLies,
        Some(path) if path == Path::new("-") => Way::ByUser,
        Some(path) if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) => Way::ByUser,
        Some(_) => Way::AsItLies,
    }
}

fn answer(
    args: &Sessions,
    ruling: &Ruling,
    inputs: &Inputs,
    loaded: &Loaded<'_>,
    rejects: &Rejects,
    progress: &Progress,
) -> anyhow::Result<()> {
    let question = question(&args.input, ruling, inputs, loaded)?;
    let sweep = Sweep { loaded, question: &question, threads: args.input.threads(), progress };
    let mut tally = write(args, inputs, &sweep)?;
    let quantiles = match tally.quantiles() {
        Ok(quantiles) => quantiles,
        Err(_) => {
            let empty = tally.again();
            tally = sweep.run(|| (empty.clone(), NoRows), never)?;
            tally.quantiles().context("the quantiles are not known even after a second pass")?
        }
    };
    let summary = Summary { loaded, rejects, tally: &tally, quantiles, as_of: question.as_of };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", summary.json())?;
    } else if args.output.as_deref() != Some(Path::new("-")) {
        write!(out, "{}", summary.words())?;
    }
    Ok(())
}

/// Says on standard error how the files were understood, when people watch.
pub fn tell_plans(inputs: &Inputs, progress: &Progress) {
    if progress.is_quiet() {
        return;
    }
    for file in inputs.files.iter().take(3) {
        let plan = file.plan.to_string().replace('\n', "\n  ");
        eprintln!("{}: {plan}", file.name);
    }
    if 3 < inputs.files.len() {
        eprintln!("and {} more files", inputs.files.len() - 3);
    }
}

/// Puts together what is asked.
pub fn question(args: &InputArgs, ruling: &Ruling, inputs: &Inputs, loaded: &Loaded<'_>) -> anyhow::Result<Question> {
    let as_of = match &args.as_of {
        Some(text) => moment(text, &args.zone).map_err(anyhow::Error::msg).context("--as-of")?,
        None => Timestamp::from_micros(loaded.log.told_until().unwrap_or(0)),
    };
    let mut question = Question::new(&args.app, &ruling.policy, &ruling.audiences, &inputs.names, as_of, args.late());
    question.handovers = Handovers::find(&loaded.log, &question, args.threads()).map_err(|error| match error {
        SweepError::Shuffle(error) => error.into(),
        SweepError::Visitor(error) => never(error),
        SweepError::NotAsPromised => NotAsPromised.into(),
    })?;
    Ok(question)
}

fn write(args: &Sessions, inputs: &Inputs, sweep: &Sweep<'_>) -> anyhow::Result<Tally> {
    let Some(output) = &args.output else {
        return sweep.run(|| (Tally::default(), NoRows), never);
    };
    let names = Arc::new(inputs.names.texts());
    let failed = |error: WriteError| anyhow::Error::from(error);
    let format = match format_of(args.output_format, output)? {
        OutputFormat::Parquet if output == Path::new("-") => {
            bail!("Parquet cannot go to standard output; give --output a file, or --output-format csv")
        }
        OutputFormat::Parquet => {
            let file = ParquetFile::create(output, names)?;
            let tally = sweep.run(|| (Tally::default(), file.sink()), failed)?;
            file.finish()?;
            return Ok(tally);
        }
        OutputFormat::Csv => TextFormat::Csv,
        OutputFormat::Ndjson => TextFormat::Ndjson,
    };
    let writer: Box<dyn Write + Send> = if output == Path::new("-") {
        Box::new(BufWriter::new(std::io::stdout()))
    } else {
        Box::new(BufWriter::new(File::create(output).with_context(|| format!("cannot write {}", output.display()))?))
    };
    let file = TextFile::new(output.clone(), writer, format, names)?;
    let tally = sweep.run(|| (Tally::default(), file.sink()), failed)?;
    file.finish()?;
    Ok(tally)
}

fn format_of(asked: Option<OutputFormat>, output: &Path) -> anyhow::Result<OutputFormat> {
    if let Some(format) = asked {
        return Ok(format);
    }
    match output.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => Ok(OutputFormat::Parquet),
        Some("csv") => Ok(OutputFormat::Csv),
        Some("ndjson" | "jsonl" | "json") => Ok(OutputFormat::Ndjson),
        _ if output == Path::new("-") => Ok(OutputFormat::Csv),
        _ => bail!(
            "{} does not end in .parquet, .csv or .ndjson; say how to write it with --output-format",
            output.display()
        ),
    }
}

fn never(error: std::convert::Infallible) -> anyhow::Error {
    match error {}
}

/// What every sweep over the log needs.
struct Sweep<'s> {
    loaded: &'s Loaded<'s>,
    question: &'s Question,
    threads: usize,
    progress: &'s Progress,
}

impl Sweep<'_> {
    fn run<S: SessionSink>(
        &self,
        make: impl Fn() -> (Tally, S),
        failed: impl Fn(S::Error) -> anyhow::Error,
    ) -> anyhow::Result<Tally> {
        let visitors = (0..self.threads).map(|_| {
            let (tally, sink) = make();
            Sessionize::new(self.question, tally, sink)
        });
        let bar = self.progress.bar_of(self.loaded.log.steps());
        let swept =
            self.loaded.log.sweep(visitors.collect(), &|steps| bar.set(steps)).map_err(|error| match error {
                SweepError::Shuffle(error) => error.into(),
                SweepError::Visitor(error) => failed(error),
                SweepError::NotAsPromised => NotAsPromised.into(),
            })?;
        let mut all: Option<Tally> = None;
        for visitor in swept {
            if let Some(broken) = visitor.broken {
                return Err(BrokenLaw(broken).into());
            }
            match &mut all {
                Some(all) => all.merge(visitor.tally),
                None => all = Some(visitor.tally),
            }
        }
        Ok(all.unwrap_or_default())
    }
}

struct Summary<'s> {
    loaded: &'s Loaded<'s>,
    rejects: &'s Rejects,
    tally: &'s Tally,
    quantiles: Quantiles,
    as_of: Timestamp,
}

impl Summary<'_> {
    /// Returns the days from the first event to the last, at least one.
    fn days(&self) -> f64 {
        let range = self.loaded.log.time_range();
        range.map_or(1.0, |(first, last)| ((last - first) as f64 / 86_400e6).max(1.0))
    }

    fn mean(&self) -> Span {
        let total = self.tally.total_length.as_micros();
        Span::from_micros(total.checked_div(self.tally.sessions as i64).unwrap_or(0))
    }

    fn per_user_and_day(&self) -> f64 {
        let users = self.tally.users_with_sessions as f64;
        if users == 0.0 { 0.0 } else { self.tally.sessions as f64 / users / self.days() }
    }

    fn words(&self) -> String {
        let tally = self.tally;
        let Parts { foreground, playing, idle } = tally.parts;
        let total = tally.total_length.as_micros() as f64;
        let set_aside = OUTCOMES.iter().zip(tally.outcomes).skip(1).filter(|(_, number)| 0 < *number);
        let set_aside: Vec<String> =
            set_aside.map(|(outcome, number)| format!("{} {}", count(number), outcome.word())).collect();
        let aside = if set_aside.is_empty() { String::new() } else { format!(", of these {}", set_aside.join(", ")) };
        let ended = EndReason::ALL.iter().zip(tally.ended).filter(|(_, number)| 0 < *number);
        let ended: Vec<String> = ended.map(|(reason, number)| format!("{} {}", count(number), reason.word())).collect();
        let mut lines = vec![
            format!("events                {}{aside}", count(tally.events())),
            format!("users                 {}", count(tally.users)),
            format!("sessions              {}, of these {} still open", count(tally.sessions), count(tally.open)),
            format!("ended                 {}", if ended.is_empty() { "none".to_owned() } else { ended.join(", ") }),
            format!(
                "length                mean {}, median {}, p90 {}",
                span(self.mean()),
                span(self.quantiles.median),
                span(self.quantiles.p90)
            ),
            format!("with one activity     {}", percent(tally.one_activity as f64, tally.sessions as f64)),
            format!("per user and day      {:.2}", self.per_user_and_day()),
            format!(
                "of the time           {} foreground, {} playing in the background, {} idle",
                percent(foreground.as_micros() as f64, total),
                percent(playing.as_micros() as f64, total),
                percent(idle.as_micros() as f64, total)
            ),
        ];
        if let (Some(precision), Some(recall), Some(f1)) =
            (tally.truth.precision(), tally.truth.recall(), tally.truth.f1())
        {
            lines.push(format!("against the truth     precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}"));
        }
        if 0 < self.loaded.tally.from_the_future {
            lines.push(format!(
                "from the future       {} events, taken as happening when they came in",
                count(self.loaded.tally.from_the_future)
            ));
        }
        if 0 < self.loaded.spilled {
            lines.push(format!(
                "set aside on disk     {} MB of events, for lack of memory",
                self.loaded.spilled / 1_000_000
            ));
        }
        lines.join("\n") + "\n"
    }

    fn json(&self) -> serde_json::Value {
        let tally = self.tally;
        let time = |at: Timestamp| jiff::Timestamp::from_microsecond(at.as_micros()).map(|at| format!("{at:.6}")).ok();
        let range = self.loaded.log.time_range();
        json!({
            "rows": self.loaded.tally.rows,
            "rejected": self.rejects.counts,
            "events": tally.events(),
            "outcomes": OUTCOMES.iter().zip(tally.outcomes).map(|(outcome, number)| (outcome.word(), number)).collect::<std::collections::BTreeMap<_, _>>(),
            "from_the_future": self.loaded.tally.from_the_future,
            "first_event_at": range.and_then(|(first, _)| time(Timestamp::from_micros(first))),
            "last_event_at": range.and_then(|(_, last)| time(Timestamp::from_micros(last))),
            "as_of": time(self.as_of),
            "users": tally.users,
            "users_with_sessions": tally.users_with_sessions,
            "sessions": tally.sessions,
            "open": tally.open,
            "ended": EndReason::ALL.iter().zip(tally.ended).map(|(reason, number)| (reason.word(), number)).collect::<std::collections::BTreeMap<_, _>>(),
            "one_activity": tally.one_activity,
            "total_length_us": tally.total_length.as_micros(),
            "mean_length_us": self.mean().as_micros(),
            "median_length_us": self.quantiles.median.as_micros(),
            "p75_length_us": self.quantiles.p75.as_micros(),
            "p90_length_us": self.quantiles.p90.as_micros(),
            "p99_length_us": self.quantiles.p99.as_micros(),
            "foreground_us": tally.parts.foreground.as_micros(),
            "playing_us": tally.parts.playing.as_micros(),
            "idle_us": tally.parts.idle.as_micros(),
            "per_user_and_day": self.per_user_and_day(),
            "truth": tally.truth.f1().map(|f1| json!({
                "precision": tally.truth.precision(),
                "recall": tally.truth.recall(),
                "f1": f1,
            })),
            "bytes_in_memory": self.loaded.in_memory,
            "bytes_spilled": self.loaded.spilled,
        })
    }
}
