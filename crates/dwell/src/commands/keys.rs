//! `dwell keys`: who may do what.

use std::collections::BTreeMap;

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};
use dwell_core::time::Span;
use dwell_keys::access::{Scope, Scopes};
use dwell_keys::key::{Key, KeyState, KeyText, Label};
use dwell_keys::registry::Purpose;
use serde_json::json;

use crate::clock;
use crate::data_folder::{DataArgs, key_report, moment_text, print_json, print_table, scope_words, second_text};
use crate::human::{self, parse_span};
use crate::progress::Progress;

/// What to do about keys.
#[derive(Args, Debug)]
pub struct Keys {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand, Debug)]
enum KeysCommand {
    /// Make a key
    Add(Add),
    /// Show all keys, but not what is secret of them
    List(List),
    /// Make a key in place of another, which holds a while longer
    Rotate(Rotate),
    /// End a key at once
    Revoke(Revoke),
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("purpose").required(true).args(["scope", "write", "admin"]))]
struct Add {
    /// Name or id of the app
    #[arg(long, value_name = "APP", required_unless_present = "admin")]
    app: Option<String>,
    /// A secret key, and what it is for: read, write_policy, or admin_app, which is all within the app
    #[arg(long, value_parser = scope, value_delimiter = ',', value_name = "WORD,...")]
    scope: Vec<Scope>,
    /// One more write key, which is public
    #[arg(long)]
    write: bool,
    /// The admin key, if none holds
    #[arg(long, conflicts_with = "app")]
    admin: bool,
    /// How long the key holds, like 90d [default: until it is revoked]
    #[arg(long, value_parser = parse_span, value_name = "SPAN")]
    expires: Option<Span>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct List {
    /// Only the keys of this app
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct Rotate {
    /// The key, as `dwell keys list` shows it
    #[arg(value_parser = Label::parse, value_name = "KEY")]
    key: Label,
    /// How long the old key goes on to hold
    #[arg(long, default_value = "24h", value_parser = parse_span, value_name = "SPAN")]
    keep: Span,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct Revoke {
    /// The key, as `dwell keys list` shows it
    #[arg(value_parser = Label::parse, value_name = "KEY")]
    key: Label,
    #[command(flatten)]
    data: DataArgs,
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::from_word(word).ok_or_else(|| format!("`{word}` is none of {}", Scope::ALL.map(Scope::word).join(", ")))
}

/// Does it.
pub fn run(args: &Keys, progress: &Progress) -> anyhow::Result<()> {
    match &args.command {
        KeysCommand::Add(args) => add(args, progress),
        KeysCommand::List(args) => list(args),
        KeysCommand::Rotate(args) => rotate(args, progress),
        KeysCommand::Revoke(args) => revoke(args),
    }
}

fn add(args: &Add, progress: &Progress) -> anyhow::Result<()> {
    let mut registry = args.data.open()?;
    let now = clock::now();
    let app = args.app.as_deref().unwrap_or_default();
    let purpose = match (args.admin, args.write) {
        (true, _) => Purpose::Admin,
        (false, true) => Purpose::Write(app),
        (false, false) => Purpose::Secret(app, args.scope.iter().copied().collect::<Scopes>()),
    };
    let new = registry.add_key(purpose, args.expires.map(|span| now.plus(span)), now)?;
    if args.data.json {
        return print_json(&key_report(&new.key, Some(&new.text), now));
    }
    show(&new.key, &new.text, progress);
    Ok(())
}

fn rotate(args: &Rotate, progress: &Progress) -> anyhow::Result<()> {
    let mut registry = args.data.open()?;
    let now = clock::now();
    let new = registry.rotate(&args.key, now.plus(args.keep), now)?;
    let old = registry.keys().find(|key| key.label == args.key).context("the old key vanished")?;
    if args.data.json {
        let mut report = key_report(&new.key, Some(&new.text), now);
        report["replaces"] = key_report(old, None, now);
        return print_json(&report);
    }
    show(&new.key, &new.text, progress);
    if let Some(end) = old.expires_at
        && !progress.is_quiet()
    {
        eprintln!("The old key {} holds until {}.", old.label, second_text(end));
    }
    Ok(())
}

fn revoke(args: &Revoke) -> anyhow::Result<()> {
    let now = clock::now();
    args.data.open()?.revoke(&args.key, now)?;
    if args.data.json {
        return print_json(&json!({ "label": args.key.as_str(), "revoked_at": moment_text(now) }));
    }
    println!("{} opens nothing any more; a running server knows within a second", args.key);
    Ok(())
}

/// Shows a key alone on standard output, so that a script can take it, and says the rest beside.
fn show(key: &Key, text: &KeyText, progress: &Progress) {
    println!("{}", text.reveal());
    if progress.is_quiet() {
        return;
    }
    if text.reveal() == key.label.as_str() {
        eprintln!("It is public: apps carry it.");
    } else {
        eprintln!("It is secret, shown this once and kept nowhere. Lists show it as {}.", key.label);
    }
}

fn list(args: &List) -> anyhow::Result<()> {
    let registry = args.data.open()?;
    let now = clock::now();
    let only = args.app.as_deref().map(|app| registry.app(app).map(|app| app.id.clone())).transpose()?;
    let keys: Vec<&Key> = registry.keys().filter(|key| only.is_none() || key.app == only).collect();
    if args.data.json {
        let reports: Vec<_> = keys.iter().map(|key| key_report(key, None, now)).collect();
        return print_json(&reports.into());
    }
    if keys.is_empty() {
        println!("There are no keys yet.");
        return Ok(());
    }
    let names: BTreeMap<_, _> = registry.apps().map(|app| (&app.id, app.name.as_str())).collect();
    let row = |key: &&Key| {
        let app = key.app.as_ref().and_then(|id| names.get(id)).copied().unwrap_or("all");
        let scopes = scope_words(key).join(",");
        let what = if scopes.is_empty() { key.role.word().to_owned() } else { format!("secret: {scopes}") };
        vec![key.label.to_string(), app.to_owned(), what, second_text(key.created_at), state_words(key, now)]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    print_table(&["key", "app", "for", "made", "state"], &rows)
}

fn state_words(key: &Key, now: dwell_core::time::Timestamp) -> String {
    match (key.state(now), key.expires_at) {
        (KeyState::Valid, Some(end)) => format!("valid for {}", human::span(end.since(now))),
        (state @ (KeyState::Valid | KeyState::Expired | KeyState::Revoked), _) => state.word().to_owned(),
    }
}
