//! `dwell simulate`: events of people that never were, and when they had truly left.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use dwell_core::event::EventKind;
use dwell_core::time::Timestamp;
use dwell_lake::write::events::{
    EventColumns, EventRow, EventText, More, ParquetRows, RowWriter, TextRows, VisitColumns, VisitRow,
};
use dwell_simulate::{
    Faults, IdText, Population, Recipe, SimulatedEvent, Simulation, Tempo, TrueVisit, Zones, device_id, short_id,
    user_id,
};

use crate::human::{count, parse_count, parse_share};
use crate::progress::Progress;

/// What to simulate.
#[derive(Args, Debug)]
pub struct Simulate {
    /// Where the events go; the ending says how: .parquet, .ndjson (or .jsonl), .csv
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Where the true visits go: who, from when until when
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// How many people
    #[arg(long, default_value = "1000", value_parser = parse_count, value_name = "N")]
    pub users: u64,
    /// About how many events should arrive; without, people do as they do
    #[arg(long, value_parser = parse_count, value_name = "N")]
    pub events: Option<u64>,
    /// Over how many days
    #[arg(long, default_value_t = 14, value_name = "N")]
    pub days: u32,
    /// The first day
    #[arg(long, default_value = "2026-01-05", value_name = "DATE")]
    pub from: String,
    /// Who they are
    #[arg(long, default_value = "mixed", value_parser = population, value_name = "WORD")]
    pub population: Population,
    /// How fast they live: fast, base or slow
    #[arg(long, default_value = "base", value_parser = tempo, value_name = "WORD")]
    pub tempo: Tempo,
    /// Where they live
    #[arg(long, value_enum, default_value_t = ZonesArg::Five)]
    pub zones: ZonesArg,
    /// Seed of all chance: the same seed gives the same events
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// How many different names actions have
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub names: u32,
    /// Share of events that never arrive
    #[arg(long, default_value = "0%", value_parser = parse_share, value_name = "SHARE")]
    pub lost: f64,
    /// Share of events that arrive twice
    #[arg(long, default_value = "0%", value_parser = parse_share, value_name = "SHARE")]
    pub duplicated: f64,
    /// Share of events that arrive 5 minutes to 48 hours late
    #[arg(long, default_value = "0%", value_parser = parse_share, value_name = "SHARE")]
    pub late: f64,
    /// Share of events that arrive later than is allowed: 73 to 120 hours
    #[arg(long, default_value = "0%", value_parser = parse_share, value_name = "SHARE")]
    pub very_late: f64,
    /// Share of devices whose clock is wrong
    #[arg(long, default_value = "0%", value_parser = parse_share, value_name = "SHARE")]
    pub skewed_clocks: f64,
    /// Only user, time and name, and only what was opened, shown or done: for tools that know nothing else
    #[arg(long)]
    pub plain: bool,
    /// Ids that people can say, like ada-000007, in place of 36 characters
    #[arg(long)]
    pub short_ids: bool,
}

/// Where people live.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ZonesArg {
    /// Seoul, Berlin, London, New York and San Francisco
    Five,
    /// All of them in London
    Utc,
}

fn population(word: &str) -> Result<Population, String> {
    let words: Vec<&str> = Population::ALL.into_iter().map(Population::word).collect();
    Population::from_word(word).ok_or_else(|| format!("`{word}` is none of {}", words.join(", ")))
}

fn tempo(word: &str) -> Result<Tempo, String> {
    Tempo::from_word(word).ok_or_else(|| format!("`{word}` is none of fast, base, slow"))
}

/// Simulates and writes.
pub fn run(args: &Simulate, progress: &Progress) -> anyhow::Result<()> {
    let from: jiff::civil::Date =
        args.from.parse().with_context(|| format!("--from {} is no date like 2026-01-05", args.from))?;
    let from = jiff::tz::TimeZone::UTC.to_timestamp(from.at(0, 0, 0, 0))?.as_microsecond();
    let recipe = Recipe {
        seed: args.seed,
        users: args.users,
        from: Timestamp::from_micros(from),
        days: args.days,
        joining_days: None,
        population: args.population,
        tempo: args.tempo,
        zones: match args.zones {
            ZonesArg::Five => Zones::Five,
            ZonesArg::Utc => Zones::Utc,
        },
        faults: Faults {
            lost: args.lost,
            duplicated: args.duplicated,
            late: args.late,
            very_late: args.very_late,
            skewed_clocks: args.skewed_clocks,
        },
        events: args.events,
        event_names: args.names,
    };
    let written = write(&recipe, args, progress)?;
    if progress.is_quiet() {
        return Ok(());
    }
    eprintln!(
        "{} events of {} users in {} true visits, {} to {}",
        count(written.events),
        count(args.users),
        count(written.visits),
        args.from,
        args.output.display()
    );
    Ok(())
}

struct Written {
    events: u64,
    visits: u64,
}

fn write(recipe: &Recipe, args: &Simulate, progress: &Progress) -> anyhow::Result<Written> {
    let mut simulation = Simulation::begin(recipe)?;
    let mut events_out = events_to(&args.output, args.plain)?;
    let mut visits_out = args.truth.as_deref().map(visits_to).transpose()?;
    let bar = progress.bar("simulating", args.events.unwrap_or(0));
    let (mut events, mut visits) = (Vec::new(), Vec::new());
    let mut written = Written { events: 0, visits: 0 };
    let user = |index| if args.short_ids { short_id(index) } else { IdText::of(user_id(args.seed, index)).to_string() };
    while simulation.fill(&mut events, &mut visits) {
        for event in &events {
            if args.plain && event.kind.alike() != EventKind::Action {
                continue;
            }
            take(events_out.as_mut(), event, &user(event.user), args)?;
            written.events += 1;
        }
        for visit in visits.iter().filter(|visit| 0 < visit.events) {
            written.visits += 1;
            if let Some(out) = &mut visits_out {
                out.take(&visit_row(visit, &user(visit.user)))?;
            }
        }
        bar.set(written.events);
        events.clear();
        visits.clear();
    }
    events_out.finish()?;
    if let Some(out) = visits_out {
        out.finish()?;
    }
    Ok(written)
}

fn take(
    out: &mut dyn for<'r> RowWriter<EventRow<'r>>,
    event: &SimulatedEvent,
    user: &str,
    args: &Simulate,
) -> anyhow::Result<()> {
    let message_id = IdText::of(event.message_id);
    let device = IdText::of(device_id(args.seed, event.user, event.device));
    let more = (!args.plain).then(|| More {
        message_id: message_id.as_str(),
        sent_at: event.sent_at,
        received_at: event.received_at,
        platform: event.platform,
        device_id: device.as_str(),
        player: event.player,
        position: event.position,
        total_length: event.total_length,
        country: event.country,
        true_session: event.true_session,
    });
    Ok(out.take(&EventRow { user_id: user, timestamp: event.original, event: event.name, more })?)
}

fn visit_row<'a>(visit: &TrueVisit, user: &'a str) -> VisitRow<'a> {
    VisitRow {
        user_id: user,
        true_session: visit.ordinal,
        started_at: visit.started_at,
        ended_at: visit.ended_at,
        listening_us: visit.listening.as_micros(),
        events: visit.events,
    }
}

fn create(path: &Path) -> anyhow::Result<Box<dyn Write + Send>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
}

type EventWriter = Box<dyn for<'r> RowWriter<EventRow<'r>>>;
type VisitWriter = Box<dyn for<'r> RowWriter<VisitRow<'r>>>;

fn events_to(path: &Path, plain: bool) -> anyhow::Result<EventWriter> {
    let columns = if plain { EventColumns::plain() } else { EventColumns::with_more() };
    match ending(path)? {
        Ending::Parquet => Ok(Box::new(ParquetRows::new(path.to_owned(), create(path)?, columns)?)),
        Ending::Text(format) => Ok(Box::new(TextRows::new(path.to_owned(), create(path)?, format))),
    }
}

fn visits_to(path: &Path) -> anyhow::Result<VisitWriter> {
    match ending(path)? {
        Ending::Parquet => Ok(Box::new(ParquetRows::new(path.to_owned(), create(path)?, VisitColumns::default())?)),
        Ending::Text(format) => Ok(Box::new(TextRows::new(path.to_owned(), create(path)?, format))),
    }
}

enum Ending {
    Parquet,
    Text(EventText),
}

fn ending(path: &Path) -> anyhow::Result<Ending> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => Ok(Ending::Parquet),
        Some("ndjson" | "jsonl" | "json") => Ok(Ending::Text(EventText::Ndjson)),
        Some("csv") => Ok(Ending::Text(EventText::Csv)),
        _ => bail!("{} does not end in .parquet, .ndjson or .csv, so how to write it is not known", path.display()),
    }
}
