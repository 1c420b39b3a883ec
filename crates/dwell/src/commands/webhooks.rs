//! `dwell webhooks`: who is told of sessions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dwell_core::time::Span;
use dwell_courier::endpoint::{Endpoint, EndpointId, Target, Wish};
use dwell_courier::{
    Board, Courier, CourierError, Endpoints, Kind, Letter, NewEndpoint, Options, Post, PostOptions, Postman, Progress,
    Secret, post_once, read_progress,
};
use dwell_engine::Desk;
use dwell_server::{SessionFeed, WORDS};
use serde_json::{Value, json};

use crate::clock;
use crate::commands::serve::duration;
use crate::config::{Choice, Config};
use crate::data_folder::{DataArgs, moment_text, print_json, print_table, second_text};
use crate::human::parse_span;
use crate::progress::Progress as Watched;

/// How many characters of what a receiver says are shown.
const SHOWN: usize = 500;

/// What to do about webhooks.
#[derive(Args, Debug)]
pub struct WebhooksArgs {
    #[command(subcommand)]
    command: WebhooksCommand,
}

#[derive(Subcommand, Debug)]
enum WebhooksCommand {
    /// Add an endpoint, and make its secret
    Add(Add),
    /// Show all endpoints, and how deliveries to each stand
    List(List),
    /// Remove an endpoint, and what is known of it
    Remove(One),
    /// Make a secret beside the one that signs, which goes on to sign a while longer
    Rotate(Rotate),
    /// Send an event of the type webhook.test now, and show the answer
    Test(One),
    /// Show what was given up
    Dead(One),
    /// Deliver what was given up again, and go on at once where deliveries wait or were switched off
    Retry(Retry),
    /// Give up the delivery that is being tried, and go on with the next
    Skip(Skip),
}

#[derive(Args, Debug)]
struct Add {
    /// Name or id of the app
    #[arg(long, value_name = "APP")]
    app: String,
    /// Where the receiver listens, like `https://example.com/dwell`
    #[arg(long, value_parser = Target::parse, value_name = "URL")]
    url: Target,
    /// What it hears, like session.ended [default: everything]
    #[arg(long, value_parser = word, value_delimiter = ',', value_name = "TYPE,...")]
    events: Vec<String>,
    /// With which number of the feed to begin; 0 is the first of all [default: what comes from now on]
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct List {
    /// Only the endpoints of this app
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct One {
    /// The endpoint, as `dwell webhooks list` shows it
    #[arg(value_parser = EndpointId::parse, value_name = "ENDPOINT")]
    endpoint: EndpointId,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct Rotate {
    /// The endpoint, as `dwell webhooks list` shows it
    #[arg(value_parser = EndpointId::parse, value_name = "ENDPOINT")]
    endpoint: EndpointId,
    /// How long the old secret goes on to sign
    #[arg(long, default_value = "24h", value_parser = parse_span, value_name = "SPAN")]
    keep: Span,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct Retry {
    /// The endpoint, as `dwell webhooks list` shows it
    #[arg(value_parser = EndpointId::parse, value_name = "ENDPOINT")]
    endpoint: EndpointId,
    /// Which dead letters, by their numbers [default: all]
    #[arg(value_name = "NUMBER")]
    numbers: Vec<u64>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct Skip {
    /// The endpoint, as `dwell webhooks list` shows it
    #[arg(value_parser = EndpointId::parse, value_name = "ENDPOINT")]
    endpoint: EndpointId,
    /// The number that is being tried, as `dwell webhooks list` shows it
    #[arg(value_name = "NUMBER")]
    number: u64,
    #[command(flatten)]
    data: DataArgs,
}

fn word(text: &str) -> Result<String, String> {
    let known = WORDS.contains(&text).then(|| text.to_owned());
    known.ok_or_else(|| format!("`{text}` is none of {}", WORDS.join(", ")))
}

/// Makes the courier of a server.
pub fn courier(config: &Config, desk: Desk, board: Arc<Board>) -> anyhow::Result<Courier> {
    let post = Arc::new(postman(config)?);
    let options = Options { at_once: config.webhooks.concurrency, dead_letters: config.webhooks.dead_letters };
    Ok(Courier::new(&config.server.data, Arc::new(SessionFeed::new(desk)), post, board, options)?)
}

fn postman(config: &Config) -> Result<Postman, CourierError> {
    let webhooks = &config.webhooks;
    Postman::new(PostOptions {
        allow_http: webhooks.allow_http == Choice::Yes,
        allowed: webhooks.allow_private.clone(),
        connect_timeout: duration(webhooks.connect_timeout),
        timeout: duration(webhooks.timeout),
    })
}

/// Does it.
pub fn run(args: &WebhooksArgs, watched: &Watched) -> anyhow::Result<()> {
    match &args.command {
        WebhooksCommand::Add(args) => add(args, watched),
        WebhooksCommand::List(args) => list(args),
        WebhooksCommand::Remove(args) => remove(args),
        WebhooksCommand::Rotate(args) => rotate(args, watched),
        WebhooksCommand::Test(args) => test(args),
        WebhooksCommand::Dead(args) => dead(args),
        WebhooksCommand::Retry(args) => retry(args),
        WebhooksCommand::Skip(args) => wish(&args.data, &args.endpoint, &[Wish::Skip(args.number)]),
    }
}

/// Opens the endpoints of a data folder that is there.
fn endpoints(data: &DataArgs) -> anyhow::Result<(Config, Endpoints)> {
    data.open()?;
    let config = data.config()?;
    let endpoints = Endpoints::open(&config.server.data)?;
    Ok((config, endpoints))
}

fn add(args: &Add, watched: &Watched) -> anyhow::Result<()> {
    let registry = args.data.open()?;
    let (config, mut endpoints) = endpoints(&args.data)?;
    if !args.url.is_private() && config.webhooks.allow_http == Choice::No {
        bail!("{} would be read by everybody on the way: give an https:// URL, or set webhooks.allow_http", args.url);
    }
    let (app, url) = (registry.app(&args.app)?.id.clone(), args.url.clone());
    let new = NewEndpoint { app, url, events: args.events.clone(), from: args.from };
    let endpoint = endpoints.add(new, clock::now())?;
    let secret = newest(&endpoint)?;
    if args.data.json {
        let mut report = report(&endpoint, None);
        report["secret"] = json!(secret.reveal());
        return print_json(&report);
    }
    println!("endpoint  {}", endpoint.id);
    println!("secret    {}", secret.reveal());
    if !watched.is_quiet() {
        eprintln!(
            "The secret is shown this once; the receiver verifies with it. A running server begins within a second."
        );
    }
    Ok(())
}

fn newest(endpoint: &Endpoint) -> anyhow::Result<&Secret> {
    Ok(&endpoint.secrets.first().context("the endpoint has no secret")?.secret)
}

fn list(args: &List) -> anyhow::Result<()> {
    let registry = args.data.open()?;
    let (config, endpoints) = endpoints(&args.data)?;
    let only = args.app.as_deref().map(|app| registry.app(app).map(|app| app.id.clone())).transpose()?;
    let shown = endpoints.all().iter().filter(|endpoint| only.as_ref().is_none_or(|only| *only == endpoint.app));
    let known = |endpoint: &Endpoint| read_progress(&config.server.data, &endpoint.id);
    if args.data.json {
        let reports = shown.map(|endpoint| Ok(report(endpoint, known(endpoint)?.as_ref())));
        return print_json(&reports.collect::<Result<Vec<_>, CourierError>>()?.into());
    }
    let names: BTreeMap<_, _> = registry.apps().map(|app| (&app.id, app.name.as_str())).collect();
    let mut rows = Vec::new();
    for endpoint in shown {
        let app = names.get(&endpoint.app).copied().unwrap_or_else(|| endpoint.app.as_str());
        let progress = known(endpoint)?;
        let (state, next, dead) = match &progress {
            Some(progress) => (state_words(progress), progress.next.to_string(), dead_words(progress)),
            None => ("new: the server has not seen it".to_owned(), String::new(), String::new()),
        };
        let hears = if endpoint.events.is_empty() { "all".to_owned() } else { endpoint.events.join(",") };
        rows.push(vec![endpoint.id.to_string(), app.to_owned(), endpoint.url.to_string(), hears, next, dead, state]);
    }
    if rows.is_empty() {
        println!("There are no endpoints yet: `dwell webhooks add --app APP --url URL` adds one.");
        return Ok(());
    }
    print_table(&["endpoint", "app", "url", "hears", "next", "dead", "state"], &rows)
}

fn dead_words(progress: &Progress) -> String {
    let forgotten = match progress.forgotten {
        0 => String::new(),
        forgotten => format!(" and {forgotten} forgotten"),
    };
    let lost = match progress.lost {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    format!("{}{forgotten}{lost}", progress.dead.len())
}

fn state_words(progress: &Progress) -> String {
    let trouble = progress.trouble.as_ref().map(|trouble| trouble.says.as_str()).unwrap_or_default();
    match (&progress.off, &progress.current) {
        (Some(off), _) => format!("off since {}: {}", second_text(off.at), off.says),
        (None, Some(current)) if 0 < current.attempts => format!(
            "failing: {trouble}; {} was tried {} times, and is again at {}",
            current.number,
            current.attempts,
            second_text(current.due_at)
        ),
        (None, _) => match &progress.last {
            Some(last) => format!("on; {} was taken at {}", last.number, second_text(last.at)),
            None => "on".to_owned(),
        },
    }
}

fn report(endpoint: &Endpoint, progress: Option<&Progress>) -> Value {
    json!({
        "id": endpoint.id.as_str(),
        "app": endpoint.app.as_str(),
        "url": endpoint.url.to_string(),
        "events": endpoint.events,
        "created_at": moment_text(endpoint.created_at),
        "state": progress.map_or("new", Progress::state),
        "progress": progress,
    })
}

fn remove(args: &One) -> anyhow::Result<()> {
    let (_, mut endpoints) = endpoints(&args.data)?;
    let removed = endpoints.remove(&args.endpoint)?;
    if args.data.json {
        return print_json(&report(&removed, None));
    }
    println!("{} at {} hears nothing any more; a running server knows within a second", removed.id, removed.url);
    Ok(())
}

fn rotate(args: &Rotate, watched: &Watched) -> anyhow::Result<()> {
    let (_, mut endpoints) = endpoints(&args.data)?;
    let now = clock::now();
    let until = now.plus(args.keep);
    let secret = endpoints.rotate(&args.endpoint, until, now)?;
    if args.data.json {
        return print_json(&json!({
            "id": args.endpoint.as_str(),
            "secret": secret.reveal(),
            "old_signs_until": moment_text(until),
        }));
    }
    println!("{}", secret.reveal());
    if !watched.is_quiet() {
        eprintln!("It is shown this once. The old secret signs beside it until {}.", second_text(until));
    }
    Ok(())
}

fn test(args: &One) -> anyhow::Result<()> {
    let (config, endpoints) = endpoints(&args.data)?;
    let endpoint = endpoints.one(&args.endpoint)?;
    let now = clock::now();
    let id = format!("{}-{}-test-{}", endpoint.app, endpoint.id, now.as_micros());
    let data = json!({ "endpoint": endpoint.id.as_str(), "sent_at": moment_text(now) });
    let body =
        json!({ "type": "webhook.test", "timestamp": moment_text(now), "app": endpoint.app.as_str(), "data": data });
    let body = body.to_string();
    let post: Arc<dyn Post> = Arc::new(postman(&config)?);
    let answer = post_once(&post, Letter::to(endpoint, id.clone(), body.into(), now))?;
    let said: String = String::from_utf8_lossy(&answer.body).chars().take(SHOWN).collect();
    if args.data.json {
        print_json(&json!({ "webhook_id": id, "result": answer.kind.word(), "says": answer.says, "body": said }))?;
    } else {
        println!("{}: {}", answer.kind.word(), answer.says);
        // What strangers say may hold anything that a terminal obeys.
        println!("{}", said.escape_debug());
    }
    if answer.kind != Kind::Delivered {
        bail!("{} did not take it", endpoint.url);
    }
    Ok(())
}

fn dead(args: &One) -> anyhow::Result<()> {
    let (config, endpoints) = endpoints(&args.data)?;
    let endpoint = endpoints.one(&args.endpoint)?;
    let progress = read_progress(&config.server.data, &endpoint.id)?.unwrap_or_else(|| Progress::begin(0));
    if args.data.json {
        return print_json(&json!({ "dead": progress.dead, "forgotten": progress.forgotten }));
    }
    if progress.dead.is_empty() {
        println!("Nothing was given up.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = progress
        .dead
        .iter()
        .map(|letter| {
            let (number, attempts) = (letter.number.to_string(), letter.attempts.to_string());
            vec![number, letter.word.clone(), attempts, second_text(letter.at), letter.says.clone()]
        })
        .collect();
    print_table(&["number", "type", "attempts", "given up", "why"], &rows)
}

fn retry(args: &Retry) -> anyhow::Result<()> {
    let wishes: Vec<Wish> = args.numbers.iter().map(|number| Wish::Retry(*number)).collect();
    wish(&args.data, &args.endpoint, if wishes.is_empty() { &[Wish::RetryAll] } else { &wishes })
}

/// Asks the server for something. One that does not run is told when it starts.
fn wish(data: &DataArgs, id: &EndpointId, wishes: &[Wish]) -> anyhow::Result<()> {
    let (config, mut endpoints) = endpoints(data)?;
    let known = known(&config.server.data, id)?;
    let dead = |number| known.dead.iter().any(|letter| letter.number == number);
    for wish in wishes {
        match wish {
            Wish::RetryAll => {}
            Wish::Retry(number) if dead(*number) => {}
            Wish::Retry(number) => bail!("{number} is no dead letter of {id}; `dwell webhooks dead {id}` shows all"),
            Wish::Skip(number) if known.current.as_ref().is_some_and(|current| current.number == *number) => {}
            Wish::Skip(number) => bail!("{number} is not what is tried for {id}; `dwell webhooks list` shows what is"),
        }
    }
    endpoints.wish(id, wishes, known.granted)?;
    if data.json {
        return print_json(&json!({ "id": id.as_str(), "wishes": wishes }));
    }
    println!("a running server does so within a second, another one when it starts");
    Ok(())
}

fn known(folder: &Path, id: &EndpointId) -> anyhow::Result<Progress> {
    Ok(read_progress(folder, id)?.unwrap_or_else(|| Progress::begin(0)))
}
