//! `dwell demo`: three apps with a past and a present, and a page to be a user oneself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use dwell_core::time::Timestamp;
use dwell_server::Demo;
use dwell_ui::Pages;

use crate::clock;
use crate::commands::serve::{self, Beside};
use crate::config::{Config, RawConfig};
use crate::demo::story::{Size, Story, VISITOR};
use crate::demo::teller::Teller;
use crate::human::{self, count};
use crate::progress::Progress;
use crate::telemetry;

/// What to show.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Where to listen; leave it to this machine, since whoever can open the page may read
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The folder of the demo; one that is there is gone on with
    #[arg(long, default_value = "dwell-demo", value_name = "FOLDER")]
    folder: PathBuf,
    /// Throw away the demo that is in the folder, and begin anew
    #[arg(long)]
    fresh: bool,
    /// How many people each app has
    #[arg(long, default_value = "7000", value_parser = human::parse_count, value_name = "N")]
    users: u64,
    /// How many days before today they began to come
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=365), value_name = "N")]
    days: u32,
    /// Seed of all chance [default: drawn]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Serves until it is told to stop.
pub fn run(args: &DemoArgs, progress: &Progress) -> anyhow::Result<()> {
    // Before anything is made: who has to choose another place need not wait for it.
    let listener = serve::bind(args.listen)?;
    let address = listener.local_addr()?;
    let began = clock::steady();
    let beside = Beside::new();
    let (story, is_new) = story(args, beside.steady.now())?;
    let config = config(&args.folder, address)?;
    // There are no traces of a demo, so that nothing has to be sent at its end.
    let _telling = telemetry::begin(&config)?;
    let visited = story.visited().context("the demo has no app for a visitor: begin with --fresh")?;
    let demo = Demo {
        write_key: visited.write_key.clone(),
        read_key: visited.read_key.clone().unwrap_or_default(),
        user: VISITOR.to_owned(),
    };
    let (steady, door, bell) = (beside.steady, beside.door.clone(), beside.bell.clone());
    let told_until = Timestamp::from_micros(story.told_until);
    // Before the server is there: none of its deadlines may ring earlier than it is told of what came before them.
    door.hold_at(told_until);
    bell.hold_at(told_until);
    let stop = beside.stopping.clone();
    let url = format!("http://{address}");
    let mut teller = Teller { url, story, folder: args.folder.clone(), steady, door, bell, stop };
    if is_new {
        println!("Three apps, and {} days of what {} simulated people did in each.", args.days, count(args.users));
    } else {
        println!("The demo in {} goes on where it stopped.", args.folder.display());
    }
    let progress = *progress;
    let people = std::thread::Builder::new().name("people".to_owned()).spawn(move || {
        let stop = teller.stop.clone();
        let ended = live(&mut teller, &progress, began);
        // Without people there is nothing to show.
        stop.store(true, Ordering::Relaxed);
        ended
    })?;
    let stopping = beside.stopping.clone();
    let served = serve::serve(&config, Beside { listener: Some(listener), demo: Some(demo), ..beside });
    stopping.store(true, Ordering::Relaxed);
    let lived = people.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    served?;
    lived
}

/// Returns the story of the folder, and whether it begins here.
fn story(args: &DemoArgs, now: Timestamp) -> anyhow::Result<(Story, bool)> {
    let folder = &args.folder;
    let there = Story::read(folder);
    if args.fresh && folder.exists() {
        if !matches!(there, Ok(None)) {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    } else if let Some(story) = there? {
        return Ok((story, false));
    }
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} holds something else than a demo: choose another --folder", folder.display());
    }
    let seed = args.seed.unwrap_or(now.as_micros().unsigned_abs());
    Ok((Story::begin(folder, Size { users: args.users, days: args.days, seed }, now)?, true))
}

/// The defaults, whatever the environment says of another server.
fn config(folder: &Path, address: SocketAddr) -> anyhow::Result<Config> {
    let mut raw = RawConfig::defaults()?;
    let data = folder.to_str().with_context(|| format!("--folder {} is not UTF-8", folder.display()))?;
    raw.lay_flag("server.data", data, "--folder")?;
    raw.lay_flag("server.listen", &address.to_string(), "--listen")?;
    raw.lay_flag("telemetry.level", "warn", "demo")?;
    Config::meant(&raw)
}

/// Tells the past, says what to try, and tells the present.
fn live(teller: &mut Teller, progress: &Progress, began: Instant) -> anyhow::Result<()> {
    let mut channels = teller.channels()?;
    let told = teller.tell_past(&mut channels, progress)?;
    if !told.whole {
        return Ok(());
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{} events were told in {seconds:.1} s, and people go on to come.\n", count(told.events));
    println!("Dwell is at {}, sign in with {}\n", teller.url, teller.story.login);
    println!("{}", what_to_try(teller));
    teller.tell_present(&mut channels)
}

fn what_to_try(teller: &Teller) -> String {
    let url = &teller.url;
    let mut lines = vec!["What to try:".to_owned()];
    if Pages::Demo.are_built() {
        lines
            .push(format!("  {url}/demo  be a user: scroll, play, switch the tab, come back, and watch your own lane"));
    }
    if Pages::Dashboard.are_built() {
        lines.push(format!("  {url}/  who is here now; what another timeout would do; one person's sessions"));
    }
    if let Some(app) = teller.story.visited() {
        let key = app.read_key.as_deref().unwrap_or_default();
        lines.push(format!(
            "  curl -H 'Authorization: Bearer {key}' {url}/v1/app  who is in {}, for machines",
            app.name
        ));
    }
    lines.push(format!("  {url}/docs  everything that can be asked"));
    let pages = [(Pages::Dashboard, "the dashboard"), (Pages::Demo, "the page of the demo")];
    let missing: Vec<&str> = pages.iter().filter(|(pages, _)| !pages.are_built()).map(|(_, name)| *name).collect();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        lines.push(format!(
            "This binary has not {missing}, for which Node 20.19 or later is needed once: cargo xtask demo"
        ));
    }
    lines.push("Ctrl-C stops it. The next start goes on from there; --fresh begins anew.".to_owned());
    lines.join("\n")
}
