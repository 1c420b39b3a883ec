//! `dwell users`: all that there is of somebody as a file, and somebody erased.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dwell_server::erasures::{Erasure, Erasures};
use serde_json::{Value, json};

use crate::clock;
use crate::commands::policy::author;
use crate::control;
use crate::data_folder::{Which, moment_text, print_json, print_table};
use crate::progress::Progress;

/// How often it is looked whether an erasure is done.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to do about a user.
#[derive(Args, Debug)]
pub struct Users {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Write all that there is of a user, a line of JSON for each thing, by asking the server that runs
    Export(Export),
    /// Erase a user, for good
    Erase(Erase),
    /// Show who was erased, the newest first
    Erasures(List),
}

#[derive(Args, Debug)]
struct Export {
    /// Any id of the user
    #[arg(long, value_name = "ID")]
    user: String,
    /// The file to write, which must not be there yet [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
struct Erase {
    /// Any id of the user: all ids that are the same person are erased
    #[arg(long, value_name = "ID")]
    user: String,
    /// Do not ask for the id once more
    #[arg(long)]
    yes: bool,
    /// Wait until nothing of the user is in books and archive; this takes a server that runs
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    which: Which,
}

/// Does it.
pub fn run(args: &Users, progress: &Progress) -> anyhow::Result<()> {
    match &args.command {
        Command::Export(args) => export(args),
        Command::Erase(args) => erase(args, progress),
        Command::Erasures(args) => list(args),
    }
}

fn export(args: &Export) -> anyhow::Result<()> {
    let (app, data) = args.which.open()?;
    match &args.output {
        None => control::ask_for_export(&data, app.id.as_str(), &args.user, &mut std::io::stdout().lock()),
        Some(path) => {
            let mut file = File::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
            let written = control::ask_for_export(&data, app.id.as_str(), &args.user, &mut file)
                .and_then(|()| file.sync_all().with_context(|| format!("cannot sync {}", path.display())));
            if written.is_err() {
                // A part of a file might be taken for all.
                std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
            written
        }
    }
}

fn erase(args: &Erase, progress: &Progress) -> anyhow::Result<()> {
    let (app, data) = args.which.open()?;
    if !args.yes {
        confirm(&args.user, app.name.as_str())?;
    }
    let erasures = Erasures::of(&data);
    let asked = erasures.ask(app.id.as_str(), &args.user, &author(), &moment_text(clock::now()))?;
    let mut now = asked.clone();
    while args.wait && now.ended_at.is_none() {
        std::thread::sleep(LOOK_EVERY);
        erasures.refresh()?;
        let found = erasures.all().into_iter().find(|erasure| erasure.number == asked.number);
        now = found.context("the erasure is no longer known")?;
    }
    if args.which.data.json {
        return print_json(&report(&now));
    }
    if now.ended_at.is_some() {
        println!("erased: nothing of {} is in the books or the archive of {}", args.user, app.name);
        return Ok(());
    }
    println!("noted as number {}: {} is to be erased from {}", now.number, args.user, app.name);
    if !progress.is_quiet() {
        eprintln!("a running server does so by itself, another one when it starts; `dwell users erasures` shows it");
    }
    Ok(())
}

/// Has the id typed once more: nothing brings somebody back.
fn confirm(user: &str, app: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("this cannot be taken back: say --yes where nobody can type the id once more");
    }
    eprint!("all that there is of {user} in {app} goes, for good; type the id once more: ");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    if typed.trim_end_matches(['\r', '\n']) != user {
        bail!("that is another id: nobody is erased");
    }
    Ok(())
}

fn list(args: &List) -> anyhow::Result<()> {
    let (app, data) = args.which.open()?;
    let erasures = Erasures::of(&data);
    erasures.refresh()?;
    let all: Vec<Erasure> = erasures.all().into_iter().rev().filter(|erasure| erasure.app == app.id.as_str()).collect();
    if args.which.data.json {
        return print_json(&all.iter().map(report).collect::<Vec<_>>().into());
    }
    if all.is_empty() {
        println!("nobody was erased from {}", app.name);
        return Ok(());
    }
    let row = |erasure: &Erasure| {
        let user = if erasure.is_out_of_log { "(forgotten)".to_owned() } else { erasure.user.clone() };
        let ended = erasure.ended_at.clone().unwrap_or_default();
        let cells = [erasure.state().to_owned(), user, erasure.asked_at.clone(), ended, erasure.author.clone()];
        std::iter::once(erasure.number.to_string()).chain(cells).collect()
    };
    print_table(&["number", "state", "user", "asked", "ended", "by"], &all.iter().map(row).collect::<Vec<_>>())
}

fn report(erasure: &Erasure) -> Value {
    json!({
        "number": erasure.number,
        "app": erasure.app,
        "user": if erasure.is_out_of_log { None } else { Some(&erasure.user) },
        "state": erasure.state(),
        "asked_at": erasure.asked_at,
        "author": erasure.author,
        "ids": erasure.ids.len(),
        "ended_at": erasure.ended_at,
        "is_out_of_log": erasure.is_out_of_log,
    })
}
