//! `dwell doctor`: looks at everything that a server needs, and says how to mend what is not right.

mod archive;

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use dwell_core::time::{Span, Timestamp};
use dwell_keys::accounts::Accounts;
use dwell_keys::registry::Registry;
use dwell_store::{Books, BooksOptions, DiskBooks, DiskLog, Log, LogOptions, StoreError};
use serde::Serialize;
use serde_json::json;

use crate::clock;
use crate::config::{self, Config, Overrides};
use crate::data_folder::{print_json, second_text};
use crate::disk_space;

/// Less room than this stops a server soon: one segment of the log and one file of the books, each as large as usual.
const LEAST_FREE: u64 = 256 << 20;
/// Less than this is worth a word.
const LITTLE_FREE: u64 = 2 << 30;

/// How often a sync is tried, and how fast none that writes can be.
const SYNCS: usize = 20;
const TOO_FAST: Duration = Duration::from_micros(5);
const SLOW: Duration = Duration::from_millis(50);

/// How far in the future a file may be before somebody's clock was wrong.
const AHEAD: Span = Span::from_minutes(5);

/// File systems that are in memory, and those over a network, whose locks and syncs are only as good as their servers.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];
const OVER_NETWORK: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs"];

/// What `dwell doctor` is told.
#[derive(Args, Debug)]
pub struct Doctor {
    /// The configuration [default: DWELL_CONFIG, else dwell.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Do not read every byte of log and archive, only how each file begins and ends
    #[arg(long)]
    quick: bool,
    /// Everything on standard output, as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// Everything that was looked at.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, said: impl Into<String>) {
        self.0.push(Finding { check, state: State::Ok, said: said.into(), mend: None });
    }

    fn warn(&mut self, check: &'static str, said: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { check, state: State::Warn, said: said.into(), mend: Some(mend.into()) });
    }

    fn fail(&mut self, check: &'static str, said: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { check, state: State::Fail, said: said.into(), mend: Some(mend.into()) });
    }
}

/// Looks at everything, prints a line for each, and fails if something keeps a server from working.
pub fn run(args: &Doctor) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    findings.ok("version", format!("dwell {}", env!("CARGO_PKG_VERSION")));
    if let Some(config) = configuration(args, &mut findings) {
        let data = &config.server.data;
        if folder(data, &mut findings) {
            syncs(data, &mut findings);
            room(data, &mut findings);
            time(data, &mut findings);
            apps(data, &mut findings);
            let running = log_and_books(&config, args.quick, &mut findings);
            port(&config, running, &mut findings);
        }
    }
    let Findings(findings) = findings;
    let failed = findings.iter().filter(|finding| finding.state == State::Fail).count();
    if args.json {
        print_json(&json!({ "ok": failed == 0, "checks": findings }))?;
    } else {
        let mut out = std::io::stdout().lock();
        for Finding { check, state, said, mend } in &findings {
            let word = match state {
                State::Ok => "OK  ",
                State::Warn => "WARN",
                State::Fail => "FAIL",
            };
            writeln!(out, "{word}  {check:<13}  {said}")?;
            if let Some(mend) = mend {
                writeln!(out, "{:<21}{mend}", "")?;
            }
        }
    }
    if failed == 0 { Ok(()) } else { bail!("{failed} of {} checks failed", findings.len()) }
}

fn configuration(args: &Doctor, findings: &mut Findings) -> Option<Config> {
    let read = config::written(args.config.as_deref(), &args.overrides).and_then(|raw| Config::meant(&raw));
    match read.and_then(|config| super::config::check_files(&config).map(|()| config)) {
        Ok(config) => {
            findings.ok("configuration", "every key is known, and the files that it names can be read");
            Some(config)
        }
        Err(error) => {
            findings.fail(
                "configuration",
                format!("{error:#}"),
                "mend it there; `dwell config check` shows what is in force",
            );
            None
        }
    }
}

/// Says whether there is a folder that can be written.
fn folder(data: &Path, findings: &mut Findings) -> bool {
    let shown = data.display();
    let about = match fs::metadata(data) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => {
            findings.fail("data folder", format!("{shown} is no folder"), "name another with --data");
            return false;
        }
        Err(error) => {
            findings.fail(
                "data folder",
                format!("{shown}: {error}"),
                "make it with `dwell apps add`, or name another with --data",
            );
            return false;
        }
    };
    let probe = data.join(format!(".doctor-{}", std::process::id()));
    let written = File::create(&probe).and_then(|mut file| file.write_all(b"x").and_then(|()| file.sync_all()));
    // What could not be made need not be removed.
    drop(fs::remove_file(&probe));
    if let Err(error) = written {
        findings.fail(
            "data folder",
            format!("nothing can be written in {shown}: {error}"),
            "give it to the user that runs Dwell, and see that there is room",
        );
        return false;
    }
    if about.permissions().mode() & 0o007 == 0 {
        findings.ok("data folder", format!("{shown} can be written, and not read by everybody"));
    } else {
        findings.warn(
            "data folder",
            format!("{shown} can be read by every user of this machine: ids of users stand in it"),
            format!("chmod 700 {shown}"),
        );
    }
    true
}

fn syncs(data: &Path, findings: &mut Findings) {
    let kind = disk_space::kind(data).unwrap_or_else(|| "of an unknown kind".to_owned());
    let path = data.join(format!(".doctor-{}", std::process::id()));
    let measured = time_of_a_sync(&path);
    drop(fs::remove_file(&path));
    let median = match measured {
        Ok(median) => median,
        Err(error) => {
            findings.fail(
                "file system",
                format!("{kind}: a sync failed: {error}"),
                "nothing can be acknowledged there: look at the disk",
            );
            return;
        }
    };
    let said = format!("{kind}, a sync of 4 KiB takes {:.2} ms", median.as_secs_f64() * 1e3);
    if IN_MEMORY.contains(&kind.as_str()) {
        findings.warn(
            "file system",
            format!("{said}: it is in memory, and all is lost when the machine stops"),
            "choose a folder on a disk",
        );
    } else if OVER_NETWORK.contains(&kind.as_str()) {
        findings.warn(
            "file system",
            format!("{said}: it is over a network"),
            "locks and syncs are as good as its server: choose a disk of this machine",
        );
    } else if median < TOO_FAST {
        findings.warn(
            "file system",
            format!("{said}: no disk is so fast"),
            "see that syncs are not switched off (nobarrier, eatmydata)",
        );
    } else if SLOW < median {
        findings.warn("file system", format!("{said}: every answer to an SDK waits for one"), "choose a faster disk");
    } else {
        findings.ok("file system", said);
    }
}

fn time_of_a_sync(path: &Path) -> std::io::Result<Duration> {
    let mut file = File::create(path)?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        let began = clock::steady();
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took[SYNCS / 2])
}

fn room(data: &Path, findings: &mut Findings) {
    let space = match disk_space::space(data) {
        Ok(space) => space,
        Err(error) => {
            findings.warn("free space", format!("cannot be seen: {error}"), "look at it with `df`");
            return;
        }
    };
    let said = format!("{} of {} are free", gib(space.free), gib(space.total));
    if space.free < LEAST_FREE {
        findings.fail("free space", said, "make room: with none left, events are refused and become no sessions");
    } else if space.free < LITTLE_FREE {
        findings.warn("free space", said, "make room soon; log.retention and log.archive say what of the log is kept");
    } else {
        findings.ok("free space", said);
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

fn time(data: &Path, findings: &mut Findings) {
    let now = clock::now();
    let newest = ["apps.json", "log/manifest", "log"].iter().filter_map(|name| written_at(&data.join(name))).max();
    match newest {
        Some(newest) if now.plus(AHEAD) < newest => findings.fail(
            "clock",
            format!("it is {} here, and a file was written at {}", second_text(now), second_text(newest)),
            "set the clock: now it is behind, or it was ahead when that was written; then see that it stays so (NTP)",
        ),
        Some(_) | None => {
            findings.ok("clock", format!("it is {}, later than anything that was written here", second_text(now)))
        }
    }
}

fn written_at(path: &Path) -> Option<Timestamp> {
    let since = fs::metadata(path).ok()?.modified().ok()?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?))
}

fn apps(data: &Path, findings: &mut Findings) {
    match Registry::open(data) {
        Ok(registry) => match registry.apps().count() {
            0 => findings.warn("apps and keys", "there is no app: nobody can send events", "dwell apps add NAME"),
            count => findings.ok("apps and keys", format!("{count} apps, {} keys", registry.keys().count())),
        },
        Err(error) => findings.fail("apps and keys", error.to_string(), "mend apps.json, or restore it from a backup"),
    }
    match Accounts::open(data).map(|accounts| accounts.all().len()) {
        Ok(0) => {}
        Ok(count) => findings.ok("accounts", format!("{count} people sign in by name and password")),
        Err(error) => findings.fail("accounts", error.to_string(), "mend accounts.json, or restore it from a backup"),
    }
}

/// Reads the log and the archive and opens the books, and says whether a server has them.
fn log_and_books(config: &Config, quick: bool, findings: &mut Findings) -> bool {
    let data = &config.server.data;
    if !data.join("log").is_dir() && data.join("books").is_dir() {
        findings.fail("log", "it is missing, and there are books that were made of one", "restore a backup");
        return false;
    }
    if !data.join("log").is_dir() {
        findings.ok("log", "there is none yet: the first start makes it");
        return false;
    }
    let log = match DiskLog::open(&data.join("log"), LogOptions::default()) {
        Ok(log) => log,
        Err(StoreError::Locked { .. }) => {
            findings.ok("log", "a server has it and the books open: ask its /readyz, or stop it to have them read");
            return true;
        }
        Err(error) => {
            findings.fail("log", error.to_string(), "docs/guide/operate.md, \"Damage\", says what can be done");
            return false;
        }
    };
    let held = format!(
        "records {} to {}, {}",
        log.first(),
        log.next(),
        if quick { "as each file begins and ends" } else { "every byte as it was written" }
    );
    match if quick { Ok(()) } else { log.verify().map(drop) } {
        Ok(()) => findings.ok("log", held),
        Err(error) => {
            findings.fail("log", error.to_string(), "docs/guide/operate.md, \"Damage\", says what can be done")
        }
    }
    archive::look_at(config, log.first(), quick, findings);
    if !data.join("books").is_dir() {
        findings.ok("books", "there are none yet: they are made from the log at the start");
        return false;
    }
    let anew = "stop the server, move the folder `books` away and start: they are made anew from the log, if it begins at record 0 or the archive has what was dropped; else restore a backup";
    match DiskBooks::open(&data.join("books"), BooksOptions::default()) {
        Err(error) => findings.fail("books", error.to_string(), anew),
        Ok(books) => {
            let (first, next, reached) = (log.first(), log.next(), books.offset());
            let said = format!("they have read up to record {reached}, {} less than the log has", next.since(reached));
            if next < reached {
                findings.fail("books", format!("they have read up to record {reached}, and the log ends before {next}: one of the two is of another time"), "restore both from the same backup");
            } else if reached < first {
                findings.fail(
                    "books",
                    format!("they have read up to record {reached}, and the log begins at {first}"),
                    "restore a backup whose books are younger",
                );
            } else {
                findings.ok("books", said);
            }
        }
    }
    false
}

fn port(config: &Config, running: bool, findings: &mut Findings) {
    let address = config.server.listen;
    match TcpListener::bind(address) {
        Ok(_) if running => findings.warn(
            "address",
            format!("{address} is free, and a server has the data folder"),
            "it may listen elsewhere; see its configuration",
        ),
        Ok(_) => findings.ok("address", format!("{address} is free")),
        Err(error) if running && error.kind() == std::io::ErrorKind::AddrInUse => {
            findings.ok("address", format!("somebody listens on {address}, the running server it seems"));
        }
        Err(error) => findings.fail(
            "address",
            format!("{address}: {error}"),
            "stop what listens there, or choose another --listen",
        ),
    }
}
