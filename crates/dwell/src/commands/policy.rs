//! `dwell policy`: what holds in an app, since when, and who said so.

mod lab;
mod preview;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use dwell_core::time::Timestamp;
use dwell_keys::app::App;
use dwell_policy::calendar::moment;
use dwell_policy::history::{History, Put, State};
use dwell_policy::policies::{Base, MOST_TEXT_BYTES, NewVersion, Policies};
use dwell_policy::restating::{Asked, Ended, Restating};
use dwell_policy::text::{not_obeyed, read_single, to_json};
use serde_json::{Value, json};

use crate::clock;
use crate::data_folder::{Which, moment_text, print_json, print_table, second_text};
use crate::progress::Progress;

/// What to do about the policy of an app.
#[derive(Args, Debug)]
pub struct PolicyCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print the newest version, or another one
    Show(Show),
    /// Put another version in force, from now on or from a date
    Put(PutArgs),
    /// Show all versions, the newest first
    Versions(Versions),
    /// Put the text of an earlier version in force again
    Restore(Restore),
    /// Have the history counted anew under the policy as it is, late events with it, or say how that stands
    Restate(Restate),
    /// Say whether a text could be put
    Check(Check),
    /// Say what a text would have done to all sessions so far, by asking the server that runs; nothing is put
    Preview(preview::Preview),
    /// Say what another timeout for everybody would have done, by asking the server that runs; nothing is put
    Lab(lab::LabOf),
}

#[derive(Args, Debug)]
struct Show {
    /// Which version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    number: Option<u32>,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
struct How {
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    note: String,
    /// From when on it holds, like 2026-03-01 or 2026-03-01T09:00:00Z; a date begins at midnight of the app's zone [default: now]
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// Count the history anew under it, so that it may hold from a moment that has passed; a running server does so within
    /// a second, another one at its start
    #[arg(long)]
    restate: bool,
    /// The version that it replaces, which is the newest one; must be said where there is one
    #[arg(long, value_name = "NUMBER")]
    replaces: Option<u32>,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
struct PutArgs {
    /// The policy (TOML); - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
struct Versions {
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
struct Restore {
    /// The version whose text is to hold again
    #[arg(value_name = "VERSION")]
    number: u32,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
struct Restate {
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    note: String,
    /// Only say how it stands
    #[arg(long)]
    status: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
struct Check {
    /// The policy (TOML); - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Does it.
pub fn run(args: &PolicyCommand, progress: &Progress) -> anyhow::Result<()> {
    match &args.command {
        Command::Show(args) => show(args, progress),
        Command::Put(args) => put(args, progress),
        Command::Versions(args) => versions(args),
        Command::Restore(args) => restore(args, progress),
        Command::Restate(args) => restate(args),
        Command::Check(args) => check(args),
        Command::Preview(args) => preview::run(args, progress),
        Command::Lab(args) => lab::run(args),
    }
}

/// Opens the policies of an app.
fn open(which: &Which) -> anyhow::Result<(Arc<App>, Policies)> {
    let (app, data) = which.open()?;
    Ok((app, Policies::new(&data, Base::default())))
}

fn show(args: &Show, progress: &Progress) -> anyhow::Result<()> {
    let (app, policies) = open(&args.which)?;
    let history = policies.history(app.id.as_str())?;
    let number = args.number.unwrap_or(history.newest());
    if number == 0 {
        bail!("{} has no version of its own: the policy of the server holds, or the default", app.name);
    }
    let text = policies.text(app.id.as_str(), number)?;
    let put = history.put(number).context("the version vanished")?;
    let now = clock::now();
    if args.which.data.json {
        let mut report = report(&history, put, now);
        report["text"] = json!(text);
        report["policy"] = to_json(&text)?;
        return print_json(&report);
    }
    if !progress.is_quiet() {
        eprintln!("version {number} of {}, by {}, {}", app.name, put.author, since(&history, put, now));
    }
    Ok(write!(std::io::stdout(), "{text}")?)
}

fn put(args: &PutArgs, progress: &Progress) -> anyhow::Result<()> {
    let text = read(&args.file)?;
    let obeyed = read_single(&text).map_err(|error| anyhow!("{}: {}", args.file.display(), error.sentence()))?;
    let parts = not_obeyed(&obeyed.version);
    if !parts.is_empty() && !progress.is_quiet() {
        eprintln!("the live server does not obey this part of a policy yet: {}", parts.join(", "));
    }
    args.how.act(|policies, app, new, now| policies.put(app, &NewVersion { text: &text, ..*new }, now))
}

fn restore(args: &Restore, progress: &Progress) -> anyhow::Result<()> {
    if !progress.is_quiet() {
        eprintln!(
            "the text of version {} becomes the newest version; nothing is taken out of the history",
            args.number
        );
    }
    args.how.act(|policies, app, new, now| policies.restore(app, args.number, new, now))
}

impl How {
    /// Puts a version, and says which.
    fn act<E: std::error::Error + Send + Sync + 'static>(
        &self,
        act: impl FnOnce(&Policies, &str, &NewVersion<'_>, Timestamp) -> Result<Arc<History>, E>,
    ) -> anyhow::Result<()> {
        let (app, policies) = open(&self.which)?;
        let newest = policies.history(app.id.as_str())?.newest();
        let replaces = match self.replaces {
            Some(replaces) => replaces,
            None if newest == 0 => 0,
            None => bail!(
                "version {newest} is the newest of {}: look at it with `dwell policy show`, and say --replaces {newest}",
                app.name
            ),
        };
        let zone = app.zone.time_zone();
        let from = self.from.as_deref().map(|text| moment(text, zone)).transpose();
        let from = from.map_err(anyhow::Error::msg).context("--from")?;
        let author = author();
        let new = NewVersion { text: "", author: &author, note: &self.note, from, replaces, restates: self.restate };
        let now = clock::now();
        let history = act(&policies, app.id.as_str(), &new, now)?;
        let put = history.put(history.newest()).context("the version vanished")?;
        if self.which.data.json {
            return print_json(&report(&history, put, now));
        }
        println!("version {} of {}, {}", put.number, app.name, since(&history, put, now));
        Ok(())
    }
}

fn versions(args: &Versions) -> anyhow::Result<()> {
    let (app, policies) = open(&args.which)?;
    let history = policies.history(app.id.as_str())?;
    let now = clock::now();
    if args.which.data.json {
        let rows: Vec<Value> = history.puts().iter().rev().map(|put| report(&history, put, now)).collect();
        return print_json(&rows.into());
    }
    if history.newest() == 0 {
        println!("{} has no version of its own: `dwell policy put FILE --app {0}` puts one.", app.name);
        return Ok(());
    }
    let row = |put: &Put| {
        let note = match put.restores {
            Some(number) => format!("(version {number} again) {}", put.note),
            None => put.note.clone(),
        };
        vec![
            put.number.to_string(),
            history.state_of(put, now).word().to_owned(),
            second_text(put.effective_from),
            second_text(put.written_at),
            put.author.clone(),
            note,
        ]
    };
    let rows: Vec<Vec<String>> = history.puts().iter().rev().map(row).collect();
    print_table(&["version", "state", "from", "put", "by", "note"], &rows)
}

fn restate(args: &Restate) -> anyhow::Result<()> {
    let (app, policies) = open(&args.which)?;
    if !args.status {
        policies.ask_to_restate(app.id.as_str(), &author(), &args.note, clock::now())?;
    }
    let restating = policies.restating(app.id.as_str())?;
    if args.which.data.json {
        return print_json(&restating_report(&restating));
    }
    match &restating.asked {
        Some(asked) => println!(
            "the history of {} is to be counted anew under version {}, asked for at {}: a running server does so by itself, \
             another one when it starts",
            app.name,
            asked.version,
            second_text(asked.at)
        ),
        None => println!("nothing is asked for that is not done"),
    }
    for ended in restating.ended.iter().rev() {
        let how = ended.failed.as_deref().map_or_else(|| "done".to_owned(), |why| format!("could not be done: {why}"));
        println!("{}: under version {}, {how}", second_text(ended.at), ended.asked.version);
    }
    Ok(())
}

fn restating_report(restating: &Restating) -> Value {
    let asked = |asked: &Asked| json!({ "version": asked.version, "asked_at": moment_text(asked.at), "author": asked.author, "note": asked.note });
    let ended = |ended: &Ended| {
        let mut report = asked(&ended.asked);
        report["ended_at"] = json!(moment_text(ended.at));
        report["failed"] = json!(ended.failed);
        report
    };
    json!({
        "asked": restating.asked.as_ref().map(asked),
        "ended": restating.ended.iter().rev().map(ended).collect::<Vec<_>>(),
    })
}

fn check(args: &Check) -> anyhow::Result<()> {
    let text = read(&args.file)?;
    let single = read_single(&text).map_err(|error| anyhow!("{}: {}", args.file.display(), error.sentence()))?;
    let parts = not_obeyed(&single.version);
    let but = if parts.is_empty() {
        String::new()
    } else {
        format!("; the live server does not obey {} yet", parts.join(", "))
    };
    println!("{} can be put{but}", args.file.display());
    Ok(())
}

fn read(file: &PathBuf) -> anyhow::Result<String> {
    // One byte more than may be, so that too long a text is told from the longest.
    let most = MOST_TEXT_BYTES as u64 + 1;
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(most).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(most).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read the policy {}", file.display()))?;
    if MOST_TEXT_BYTES < text.len() {
        bail!("{}: a policy may have at most {MOST_TEXT_BYTES} bytes", file.display());
    }
    Ok(text)
}

/// Names whoever runs the command, as the machine knows them.
pub(super) fn author() -> String {
    let user = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
    let shown: String = user.chars().filter(|c| !c.is_control()).take(64).collect();
    format!("local:{shown}")
}

fn since(history: &History, put: &Put, now: Timestamp) -> String {
    let from = second_text(put.effective_from);
    match history.state_of(put, now) {
        State::Planned => format!("holds from {from} on"),
        State::InForce => format!("holds since {from}"),
        State::Past => format!("held from {from} on, and does not any more"),
        State::Overtaken => format!("was to hold from {from} on; another one took its place before"),
    }
}

fn report(history: &History, put: &Put, now: Timestamp) -> Value {
    json!({
        "number": put.number,
        "state": history.state_of(put, now).word(),
        "effective_from": moment_text(put.effective_from),
        "written_at": moment_text(put.written_at),
        "author": put.author,
        "note": put.note,
        "restores": put.restores,
    })
}
