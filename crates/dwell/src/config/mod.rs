//! What is meant by what was written: `RawConfig` becomes `Config` once, and nothing below reads files or variables.

mod raw;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::Args;
use dwell_core::time::Span;
use dwell_courier::address::Allowed;
use serde::{Serialize, Serializer};

use crate::human::{parse_size, parse_span, span};
pub use raw::{DEFAULTS, RawConfig, Setting};

/// The file that is read when nobody names one.
const FILE: &str = "dwell.toml";
/// The variable that names the file.
const FILE_VARIABLE: &str = "DWELL_CONFIG";
/// The largest file that is read.
const LONGEST_FILE: u64 = 1 << 20;

/// Flags that go over the file and the environment.
#[derive(Args, Debug, Default)]
pub struct Overrides {
    /// Where to listen, like 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The data folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Any key of the configuration, like server.workers=4
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(format!("`{text}` has no `=`: write one like server.workers=4")),
    }
}

/// What is meant.
#[derive(Serialize, Debug)]
pub struct Config {
    /// The door.
    pub server: Server,
    /// What is let in.
    pub ingest: Ingest,
    /// Where it is kept.
    pub log: Log,
    /// What becomes of it.
    pub sessions: Sessions,
    /// What is known of users.
    pub books: Books,
    /// What is told of sessions.
    pub feed: Feed,
    /// What is told of it all.
    pub telemetry: Telemetry,
    /// Who is sent traces.
    pub otlp: Otlp,
    /// Who else is told of sessions.
    pub webhooks: Webhooks,
}

/// The door.
#[derive(Serialize, Debug)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// With what HTTPS is spoken.
    pub tls: Option<Tls>,
    /// The most connections at once.
    pub connections: usize,
    /// How long a client may take for its first byte.
    #[serde(rename = "first_byte_timeout_us", serialize_with = "micros")]
    pub first_byte_timeout: Span,
    /// How long for all of its header.
    #[serde(rename = "header_timeout_us", serialize_with = "micros")]
    pub header_timeout: Span,
    /// How long for all of its body.
    #[serde(rename = "body_timeout_us", serialize_with = "micros")]
    pub body_timeout: Span,
    /// How long a connection may lie idle between two requests.
    #[serde(rename = "idle_timeout_us", serialize_with = "micros")]
    pub idle_timeout: Span,
    /// How long requests under way may take at a stop.
    #[serde(rename = "stop_timeout_us", serialize_with = "micros")]
    pub stop_timeout: Span,
    /// Threads for requests; none said means as many as there are cores.
    pub workers: Option<usize>,
}

/// Files in PEM.
#[derive(Serialize, Debug)]
pub struct Tls {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What is let in.
#[derive(Serialize, Debug)]
pub struct Ingest {
    /// The largest event.
    pub event_bytes: usize,
    /// The largest body, after decompression.
    pub batch_bytes: usize,
    /// The most events in a body.
    pub batch_events: usize,
    /// How deep objects and lists may lie in each other.
    pub depth: u32,
    /// How many of the latest events are remembered at least.
    pub remembered: usize,
}

/// Where events are kept.
#[derive(Serialize, Debug)]
pub struct Log {
    /// The largest a segment gets.
    pub segment_bytes: usize,
    /// What may wait to be written.
    pub queue_bytes: usize,
    /// The most that is written with one sync.
    pub group_bytes: usize,
    /// What is read at the start.
    pub check: Check,
    /// What to do about damage.
    pub on_damage: OnDamage,
    /// How long events are kept at least.
    #[serde(rename = "retention_us", serialize_with = "micros")]
    pub retention: Span,
    /// Where events go before they are dropped here.
    pub archive: Archive,
    /// The folder of the archive; `None` is the one in the data folder.
    pub archive_folder: Option<PathBuf>,
    /// How long an event waits for others before it goes to the archive.
    #[serde(rename = "archive_every_us", serialize_with = "micros")]
    pub archive_every: Span,
}

/// What becomes of events.
#[derive(Serialize, Debug)]
pub struct Sessions {
    /// The rules of apps that have none of their own.
    pub policy: Option<PathBuf>,
}

/// What is known of users.
#[derive(Serialize, Debug)]
pub struct Books {
    /// Memory for what lies on disk.
    pub cache_bytes: u64,
    /// Memory for what is not on disk yet.
    pub buffer_bytes: u64,
}

/// What is told of sessions, in order.
#[derive(Serialize, Debug)]
pub struct Feed {
    /// How long statements are kept.
    #[serde(rename = "keep_us", serialize_with = "micros")]
    pub keep: Span,
}

/// What the program tells of itself.
#[derive(Serialize, Debug)]
pub struct Telemetry {
    /// How.
    pub format: LogFormat,
    /// How much.
    pub level: Level,
}

/// Who is sent traces of what is done.
#[derive(Serialize, Debug)]
pub struct Otlp {
    /// Where the collector is; `None` without one.
    pub endpoint: Option<String>,
    /// Of so many requests one is traced.
    pub one_in: u64,
}

/// How deliveries go to receivers.
#[derive(Serialize, Debug)]
pub struct Webhooks {
    /// Whether they may go without TLS.
    pub allow_http: Choice,
    /// Networks that may be connected to although they are not public.
    #[serde(serialize_with = "shown")]
    pub allow_private: Allowed,
    /// How long a connection may take.
    #[serde(rename = "connect_timeout_us", serialize_with = "micros")]
    pub connect_timeout: Span,
    /// How long an answer may take.
    #[serde(rename = "timeout_us", serialize_with = "micros")]
    pub timeout: Span,
    /// The most on their way at once.
    pub concurrency: usize,
    /// How many dead letters are kept for each receiver.
    pub dead_letters: usize,
}

/// One of a few words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$its_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$its_doc])* $variant),+ }

        impl FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("{word:?} is none of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words! {
    /// What of the log is read at the start.
    Check {
        /// How each segment begins and ends.
        Ends = "ends",
        /// Every byte.
        All = "all",
    }
}

words! {
    /// What to do about damage in the log.
    OnDamage {
        /// Do not start.
        Refuse = "refuse",
        /// Start, and keep what is damaged away from readers.
        Quarantine = "quarantine",
    }
}

words! {
    /// Where events go before the log drops them.
    Archive {
        /// There is none yet, and one is waited for: nothing is dropped.
        Awaited = "awaited",
        /// To Parquet files, one folder for each app.
        Parquet = "parquet",
        /// Nowhere: they are dropped.
        Without = "none",
    }
}

words! {
    /// How lines of the program's own log are written.
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
}

words! {
    /// Whether something is so.
    Choice {
        /// It is.
        Yes = "yes",
        /// It is not.
        No = "no",
    }
}

words! {
    /// How much is told.
    Level {
        /// Something was lost.
        Error = "error",
        /// Something is worse than it should be.
        Warn = "warn",
        /// Rare news.
        Info = "info",
        /// Everything.
        Debug = "debug",
    }
}

const SECOND: Span = Span::from_secs(1);
const HOUR: Span = Span::from_hours(1);
const YEAR: Span = Span::from_hours(24 * 366);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Config {
    /// Returns the folder of the archive.
    pub fn archive_folder(&self) -> PathBuf {
        self.log.archive_folder.clone().unwrap_or_else(|| self.server.data.join(crate::archive::FOLDER))
    }

    /// Works out what is meant, or says where something is written that cannot be.
    pub fn meant(raw: &RawConfig) -> anyhow::Result<Self> {
        let config = Config {
            server: Server {
                listen: address(raw, "server.listen")?,
                data: path(raw, "server.data")?.context("server.data is empty: there must be a data folder")?,
                tls: tls(raw)?,
                connections: number(raw, "server.connections", 1..=1_000_000)?,
                first_byte_timeout: within(raw, "server.first_byte_timeout", SECOND..=HOUR)?,
                header_timeout: within(raw, "server.header_timeout", SECOND..=HOUR)?,
                body_timeout: within(raw, "server.body_timeout", SECOND..=HOUR)?,
                idle_timeout: within(raw, "server.idle_timeout", SECOND..=HOUR)?,
                stop_timeout: within(raw, "server.stop_timeout", SECOND..=HOUR)?,
                workers: Some(number(raw, "server.workers", 0..=1_024)?).filter(|workers| *workers != 0),
            },
            ingest: Ingest {
                event_bytes: size(raw, "ingest.event_bytes", KIB..=16 * MIB)?,
                batch_bytes: size(raw, "ingest.batch_bytes", KIB..=64 * MIB)?,
                batch_events: number(raw, "ingest.batch_events", 1..=1_000_000)?,
                depth: number(raw, "ingest.depth", 4..=1_000)?,
                remembered: number(raw, "ingest.remembered", 0..=1_000_000_000)?,
            },
            log: Log {
                segment_bytes: size(raw, "log.segment_bytes", MIB..=GIB)?,
                queue_bytes: size(raw, "log.queue_bytes", MIB..=64 * GIB)?,
                group_bytes: size(raw, "log.group_bytes", 64 * KIB..=GIB)?,
                check: word(raw, "log.check")?,
                on_damage: word(raw, "log.on_damage")?,
                retention: within(raw, "log.retention", HOUR..=times(YEAR, 100))?,
                archive: word(raw, "log.archive")?,
                archive_folder: path(raw, "log.archive_folder")?,
                archive_every: within(raw, "log.archive_every", SECOND..=times(HOUR, 24))?,
            },
            sessions: Sessions { policy: path(raw, "sessions.policy")? },
            books: Books {
                cache_bytes: size(raw, "books.cache_bytes", MIB..=1024 * GIB)?,
                buffer_bytes: size(raw, "books.buffer_bytes", MIB..=16 * GIB)?,
            },
            feed: Feed { keep: within(raw, "feed.keep", HOUR..=times(YEAR, 100))? },
            telemetry: Telemetry { format: word(raw, "telemetry.format")?, level: word(raw, "telemetry.level")? },
            otlp: Otlp { endpoint: endpoint(raw)?, one_in: number(raw, "otlp.one_in", 1..=1_000_000_000)? },
            webhooks: Webhooks {
                allow_http: word(raw, "webhooks.allow_http")?,
                allow_private: read(raw, "webhooks.allow_private", Allowed::parse)?,
                connect_timeout: within(raw, "webhooks.connect_timeout", SECOND..=times(SECOND, 60))?,
                timeout: within(raw, "webhooks.timeout", SECOND..=times(SECOND, 300))?,
                concurrency: number(raw, "webhooks.concurrency", 1..=1_000)?,
                dead_letters: number(raw, "webhooks.dead_letters", 0..=10_000)?,
            },
        };
        in_order(
            raw,
            "ingest.event_bytes",
            config.ingest.event_bytes,
            "ingest.batch_bytes",
            config.ingest.batch_bytes,
        )?;
        in_order(raw, "ingest.batch_bytes", config.ingest.batch_bytes, "log.segment_bytes", config.log.segment_bytes)?;
        in_order(raw, "log.group_bytes", config.log.group_bytes, "log.queue_bytes", config.log.queue_bytes)?;
        Ok(config)
    }
}

/// Reads all that was written: the defaults, the file, the environment and the flags.
pub fn written(file: Option<&Path>, overrides: &Overrides) -> anyhow::Result<RawConfig> {
    let mut raw = RawConfig::defaults()?;
    if let Some(path) = found(file) {
        let text = text_of(&path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
        raw.lay_file(&path, &text)?;
    }
    raw.lay_environment(std::env::vars_os())?;
    if let Some(listen) = overrides.listen {
        raw.lay_flag("server.listen", &listen.to_string(), "--listen")?;
    }
    if let Some(data) = &overrides.data {
        let data = data.to_str().with_context(|| format!("--data {} is not UTF-8", data.display()))?;
        raw.lay_flag("server.data", data, "--data")?;
    }
    for (key, value) in &overrides.set {
        raw.lay_flag(key, value, "--set")?;
    }
    Ok(raw)
}

/// Returns the file to be read: the one that was named, by a flag or a variable, or the usual one if it is there.
fn found(named: Option<&Path>) -> Option<PathBuf> {
    let by_variable = || std::env::var_os(FILE_VARIABLE).filter(|path: &OsString| !path.is_empty()).map(PathBuf::from);
    let usual = || Some(PathBuf::from(FILE)).filter(|path| path.exists());
    named.map(Path::to_owned).or_else(by_variable).or_else(usual)
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if LONGEST_FILE < length {
        bail!("it has {length} bytes, and no configuration has more than {LONGEST_FILE}");
    }
    Ok(std::fs::read_to_string(path)?)
}

/// Reads one key, and names it and its place when it cannot be read.
fn read<T>(raw: &RawConfig, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> anyhow::Result<T> {
    let setting = raw.setting(key)?;
    match parse(&setting.value) {
        Ok(value) => Ok(value),
        Err(error) => bail!("{}: {key}: {error}", setting.origin),
    }
}

fn address(raw: &RawConfig, key: &str) -> anyhow::Result<SocketAddr> {
    read(raw, key, |text| {
        text.parse().map_err(|_| format!("{text:?} is no address and port like 127.0.0.1:8080 or [::]:8080"))
    })
}

fn path(raw: &RawConfig, key: &str) -> anyhow::Result<Option<PathBuf>> {
    read(raw, key, |text| Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from)))
}

fn word<T: FromStr<Err = String>>(raw: &RawConfig, key: &str) -> anyhow::Result<T> {
    read(raw, key, str::parse)
}

fn number<T: TryFrom<u64>>(raw: &RawConfig, key: &str, bounds: RangeInclusive<u64>) -> anyhow::Result<T> {
    read(raw, key, |text| {
        let number = text.replace('_', "").parse::<u64>().map_err(|_| format!("{text:?} is no whole number"))?;
        fitting(number, &bounds, u64::to_string)
    })
}

fn size<T: TryFrom<u64>>(raw: &RawConfig, key: &str, bounds: RangeInclusive<u64>) -> anyhow::Result<T> {
    read(raw, key, |text| fitting(parse_size(text)?, &bounds, |bytes| size_text(*bytes)))
}

fn fitting<T: TryFrom<u64>>(
    number: u64,
    bounds: &RangeInclusive<u64>,
    show: impl Fn(&u64) -> String,
) -> Result<T, String> {
    let wrong =
        || format!("{} is out of bounds: from {} to {}", show(&number), show(bounds.start()), show(bounds.end()));
    let fits = if bounds.contains(&number) { T::try_from(number).ok() } else { None };
    fits.ok_or_else(wrong)
}

fn within(raw: &RawConfig, key: &str, bounds: RangeInclusive<Span>) -> anyhow::Result<Span> {
    read(raw, key, |text| {
        let length = parse_span(text)?;
        if bounds.contains(&length) {
            return Ok(length);
        }
        Err(format!("{text:?} is out of bounds: from {} to {}", span(*bounds.start()), span(*bounds.end())))
    })
}

fn endpoint(raw: &RawConfig) -> anyhow::Result<Option<String>> {
    read(raw, "otlp.endpoint", |text| match text.strip_prefix("http://") {
        None if text.is_empty() => Ok(None),
        Some(host) if host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') => Ok(Some(text.to_owned())),
        _ => Err(format!("{text:?} is no address of a collector like http://127.0.0.1:4318")),
    })
}

fn tls(raw: &RawConfig) -> anyhow::Result<Option<Tls>> {
    match (path(raw, "server.tls_certificate")?, path(raw, "server.tls_key")?) {
        (Some(certificate), Some(key)) => Ok(Some(Tls { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("server.tls_certificate is given, and server.tls_key is not: HTTPS needs both"),
        (None, Some(_)) => bail!("server.tls_key is given, and server.tls_certificate is not: HTTPS needs both"),
    }
}

/// Checks that one size fits into another.
fn in_order(raw: &RawConfig, inner: &str, small: usize, outer: &str, large: usize) -> anyhow::Result<()> {
    if small <= large {
        return Ok(());
    }
    let (inner, outer) = (raw.setting(inner)?, raw.setting(outer)?);
    bail!(
        "{} ({}, {}) is larger than {} ({}, {}), into which it must fit",
        inner.key,
        inner.value,
        inner.origin,
        outer.key,
        outer.value,
        outer.origin
    );
}

fn times(span: Span, count: i64) -> Span {
    Span::from_micros(span.as_micros().saturating_mul(count))
}

fn size_text(bytes: u64) -> String {
    for (unit, word) in [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")] {
        if unit <= bytes && bytes.is_multiple_of(unit) {
            return format!("{}{word}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

fn shown<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn micros<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(span.as_micros())
}

#[cfg(test)]
mod tests;
