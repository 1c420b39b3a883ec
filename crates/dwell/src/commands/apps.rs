//! `dwell apps`: which apps there are.

use anyhow::Context;
use clap::{Args, Subcommand};
use dwell_core::event::EventKind;
use dwell_keys::app::{AppName, AppZone};
use dwell_keys::registry::NewApp;
use serde_json::json;

use crate::clock;
use crate::data_folder::{DataArgs, print_json, print_table, second_text};

/// What to do about apps.
#[derive(Args, Debug)]
pub struct Apps {
    #[command(subcommand)]
    command: AppsCommand,
}

#[derive(Subcommand, Debug)]
enum AppsCommand {
    /// Add an app, and make its write key
    Add(Add),
    /// Show all apps
    List(List),
    /// Say what a name of an event means in an app
    Explain(Explain),
}

#[derive(Args, Debug)]
struct Add {
    /// What people will call it
    #[arg(value_parser = AppName::parse, value_name = "NAME")]
    name: AppName,
    /// Where its days begin, like Asia/Seoul or +09:00
    #[arg(long, default_value = "UTC", value_parser = AppZone::parse, value_name = "ZONE")]
    zone: AppZone,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct Explain {
    /// Name or id of the app
    #[arg(value_name = "APP")]
    app: String,
    /// What the app calls the event
    #[arg(value_name = "EVENT")]
    event: String,
    /// What it is, like playing_started or silent; without, it is not explained any more
    #[arg(value_parser = kind, value_name = "WORD")]
    word: Option<EventKind>,
    #[command(flatten)]
    data: DataArgs,
}

fn kind(word: &str) -> Result<EventKind, String> {
    let words: Vec<&str> = EventKind::ALL.into_iter().map(EventKind::word).collect();
    EventKind::from_word(word).ok_or_else(|| format!("`{word}` is none of {}", words.join(", ")))
}

/// Does it.
pub fn run(args: &Apps) -> anyhow::Result<()> {
    match &args.command {
        AppsCommand::Add(args) => add(args),
        AppsCommand::List(args) => list(args),
        AppsCommand::Explain(args) => explain(args),
    }
}

fn add(args: &Add) -> anyhow::Result<()> {
    let new = NewApp { name: args.name.clone(), zone: args.zone.clone() };
    let (app, key) = args.data.make()?.add_app(new, clock::now())?;
    if args.data.json {
        return print_json(&json!({ "app": serde_json::to_value(&*app)?, "write_key": key.text.reveal() }));
    }
    println!("app        {} {}, whose days begin in {}", app.id, app.name, app.zone.as_str());
    println!("write key  {}", key.text.reveal());
    Ok(())
}

fn list(args: &List) -> anyhow::Result<()> {
    let registry = args.data.open()?;
    if args.data.json {
        let apps: Result<Vec<_>, _> = registry.apps().map(|app| serde_json::to_value(&**app)).collect();
        return print_json(&apps?.into());
    }
    let row = |app: &dwell_keys::app::App| {
        vec![app.id.to_string(), app.name.to_string(), app.zone.as_str().to_owned(), second_text(app.created_at)]
    };
    let rows: Vec<Vec<String>> = registry.apps().map(|app| row(app)).collect();
    if rows.is_empty() {
        println!("There are no apps yet: `dwell apps add NAME` adds one.");
        return Ok(());
    }
    print_table(&["id", "name", "zone", "added"], &rows)
}

fn explain(args: &Explain) -> anyhow::Result<()> {
    let mut registry = args.data.open()?;
    registry.explain(&args.app, &args.event, args.word)?;
    let app = registry.app(&args.app).context("the app vanished")?;
    if args.data.json {
        return print_json(&serde_json::to_value(&**app)?);
    }
    match args.word {
        Some(kind) => println!("{:?} is {} in {}", args.event, kind.word(), app.name),
        None => println!("{:?} means nothing of its own in {}", args.event, app.name),
    }
    Ok(())
}
