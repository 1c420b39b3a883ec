//! `dwell serve`: one process, one data folder.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use dwell_core::time::{Span, Timestamp};
use dwell_courier::Board;
use dwell_dialect::limits::Limits;
use dwell_engine::{AppRules, Desk, RulesOf, Worker, WorkerOptions};
use dwell_keys::accounts::Accounts;
use dwell_keys::app::AppId;
use dwell_keys::registry::Registry;
use dwell_policy::calendar::zone_table;
use dwell_policy::policies::{Base, Policies};
use dwell_policy::text::not_obeyed;
use dwell_server::door::{self, Door};
use dwell_server::erasures::Erasures;
use dwell_server::lately::Lately;
use dwell_server::priority::Priority;
use dwell_server::{ArchivedPast, Demo, House, Machine, Traced};
use dwell_store::{BooksOptions, Check, DiskBooks, DiskLog, Log, LogOptions, OnDamage, StoreError};
use jiff::tz::TimeZone;
use tracing::{error, info, warn};

use crate::archive::{self, Archive, Cleaner};
use crate::clock::{self, Clock, SteadyClock};
use crate::commands::webhooks;
use crate::config::{self, Config, Overrides};
use crate::control::Control;
use crate::crank::{Between, Crank};
use crate::disk_space;
use crate::eraser::Eraser;
use crate::memory;
use crate::policy_file;
use crate::process;
use crate::restater::Restater;
use crate::retention::Retention;
use crate::sweeper::Sweeper;
use crate::telemetry;

/// How often apps and keys are looked at, and the machine's clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether the program wants to end by itself.
const LOOK_AT_STOP_EVERY: Duration = Duration::from_millis(100);

/// By how much the machine's clock has to be moved to be told of.
const WORTH_A_WORD: Span = Span::from_minutes(1);

/// What `dwell serve` is told.
#[derive(Args, Debug)]
pub struct Serve {
    /// The configuration [default: DWELL_CONFIG, else dwell.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

/// What a server is told beside its configuration.
pub(super) struct Beside {
    /// The clock of the machine.
    pub steady: SteadyClock,
    /// What time it is for whoever comes in.
    pub door: Clock,
    /// What time it is for deadlines.
    pub bell: Clock,
    /// Where to listen, if somebody has taken the place already.
    pub listener: Option<TcpListener>,
    /// Whether somebody said to stop: this program itself, or who runs it.
    pub stopping: Arc<AtomicBool>,
    /// The page of a demo, and whom it is for.
    pub demo: Option<Demo>,
    /// What of traces was sent.
    pub traced: Arc<Traced>,
}

impl Beside {
    /// Takes the clock of the machine for everything.
    pub fn new() -> Self {
        let steady = SteadyClock::start();
        let clock = || Clock::of(steady);
        Beside {
            steady,
            door: clock(),
            bell: clock(),
            listener: None,
            stopping: Arc::default(),
            demo: None,
            traced: Arc::default(),
        }
    }
}

/// Runs until it is told to stop.
pub fn run(args: &Serve) -> anyhow::Result<()> {
    let raw = config::written(args.config.as_deref(), &args.overrides)?;
    let config = Config::meant(&raw)?;
    let telling = telemetry::begin(&config)?;
    serve(&config, Beside { traced: telling.traced.clone(), ..Beside::new() })
}

/// Puts the house together, and runs it until it is told to stop.
pub(super) fn serve(config: &Config, beside: Beside) -> anyhow::Result<()> {
    let Beside { steady, door, bell, listener, stopping, demo, traced } = beside;
    memory::keep_freed();
    let data = &config.server.data;
    let mut registry = Registry::make(data)?;
    let accounts = Arc::new(RwLock::new(Accounts::open(data)?));
    let policies = Arc::new(Policies::new(data, base(config)?));
    for app in registry.apps() {
        policies.history(app.id.as_str())?;
    }
    let log: Arc<DiskLog> = Arc::new(DiskLog::open(&data.join("log"), log_options(config))?);
    // One half keeps users as the engine needs them, the other what lies around them on disk.
    let cache_bytes = config.books.cache_bytes / 2;
    let books_options = BooksOptions { cache_bytes, buffer_bytes: config.books.buffer_bytes };
    let books = Arc::new(open_books(&data.join("books"), books_options)?);
    if let Some(admin) = registry.first_start(clock::now())? {
        println!("the admin key, shown this once: {}", admin.text.reveal());
    }
    let registry = Arc::new(RwLock::new(registry));
    let rules: Arc<dyn RulesOf> =
        Arc::new(Rules { policies: policies.clone(), registry: registry.clone(), known: Mutex::default() });
    let desk = Desk::new(books.clone(), rules.clone());
    let webhooks = Arc::<Board>::default();
    let courier = webhooks::courier(config, desk.clone(), webhooks.clone())?;
    let stopped = Arc::new(OnceLock::new());
    let mut house = House::new(log.clone(), desk, registry.clone(), Arc::new(move || door.now()));
    house.webhooks = webhooks;
    house.policies = policies.clone();
    house.accounts = accounts.clone();
    // What must not be read has to be known before anybody reads.
    let erasures = Arc::new(Erasures::of(data));
    erasures.refresh()?;
    erasures.keep_within(log.next())?;
    house.erasures = erasures.clone();
    house.lately = Lately::of(config.ingest.remembered);
    house.limits = Limits {
        event_bytes: config.ingest.event_bytes,
        batch_bytes: config.ingest.batch_bytes,
        batch_events: config.ingest.batch_events,
        depth: config.ingest.depth,
    };
    house.body_timeout = duration(config.server.body_timeout);
    house.scheme = if config.server.tls.is_some() { "https" } else { "http" };
    house.stopped = stopped.clone();
    let archived = (config.log.archive == config::Archive::Parquet).then(Arc::<AtomicU64>::default);
    house.machine = Arc::new({
        let (log, data, archived) = (log.clone(), data.clone(), archived.clone());
        move || Machine {
            archive_next: archived.as_ref().map(|next| next.load(Ordering::Relaxed)),
            ..machine(&log, &data, steady)
        }
    });
    house.process = Arc::new(process::seen);
    let archive_folder = config.archive_folder();
    house.archive = archive_folder.clone();
    let archive_note = data.join(archive::NOTE);
    house.archive_note = archive_note.clone();
    let why_stopped = stopped.clone();
    house.stopping = stopping.clone();
    house.demo = demo;
    house.traced = traced;
    let house = Arc::new(house);

    let stop = Arc::new(AtomicBool::new(false));
    let copying = Arc::<Mutex<()>>::default();
    let control = Control {
        data: data.clone(),
        log: log.clone(),
        books: books.clone(),
        house: house.clone(),
        copying: copying.clone(),
        stop: stop.clone(),
    };
    let cleaner = Cleaner {
        folder: archive_folder.clone(),
        erasures: erasures.clone(),
        clock: steady,
        stop: stop.clone(),
        rests_until: Timestamp::MIN,
    };
    let archive = archived.clone().map(|reached| Archive {
        log: log.clone(),
        data: data.clone(),
        folder: archive_folder.clone(),
        every: config.log.archive_every,
        erasures: erasures.clone(),
        reached,
        note: Mutex::default(),
        clock: steady,
        stop: stop.clone(),
    });
    archive.as_ref().map_or(Ok(()), Archive::begin)?;
    let crank = Crank {
        log: log.clone(),
        books: books.clone(),
        stop: stop.clone(),
        clock: bell,
        steady,
        waiting: house.waiting.clone(),
        breaches: house.breaches.clone(),
        retention: Retention {
            keep: (config.log.archive != config::Archive::Awaited).then_some(config.log.retention),
            archived,
            copying,
        },
    };
    let restater = Restater {
        data: data.clone(),
        policies: policies.clone(),
        registry: registry.clone(),
        log: log.clone(),
        archive: (archive_folder.clone(), archive_note.clone()),
        erasures: erasures.clone(),
        rules: rules.clone(),
        shown: house.restating.clone(),
        job: None,
        must_end: false,
        looked: Timestamp::MIN,
        mistakes: BTreeMap::new(),
    };
    let eraser = Eraser::new(erasures, log.clone());
    let sweeper = Sweeper {
        keep: config.feed.keep,
        data: data.clone(),
        registry: registry.clone(),
        swept: house.swept.clone(),
        waiting: VecDeque::new(),
        looked: Timestamp::MIN,
        mistake: None,
    };
    let mut between = Between { restater, eraser, sweeper };
    let past = Box::new(ArchivedPast::of_all(archive_folder, archive_note));
    let mut worker = Worker::new(log, books, rules, WorkerOptions::within(cache_bytes)).with_past(past);
    let engine = std::thread::Builder::new().name("engine".to_owned()).spawn({
        move || {
            Priority::Engine.take();
            let why = match catch_unwind(AssertUnwindSafe(|| crank.turn(&mut worker, &mut between))) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_panic) => "a promise between our own lines was broken; what it was stands above".to_owned(),
            };
            error!(error = %why, "the engine stopped");
            stopped.get_or_init(|| why);
        }
    })?;
    let watch = std::thread::Builder::new().name("watch".to_owned()).spawn({
        let (stop, registry) = (stop.clone(), registry);
        move || watch(&registry, &accounts, &policies, &stop, steady)
    })?;
    let courier = std::thread::Builder::new().name("courier".to_owned()).spawn({
        let stop = stop.clone();
        // Receivers compare what is signed with their own clocks: it is the calendar that counts here.
        move || {
            if let Err(error) = dwell_courier::run(courier, &stop, clock::now) {
                error!(%error, "no webhooks are delivered until the next start");
            }
        }
    })?;
    let archive = std::thread::Builder::new().name("archive".to_owned()).spawn(move || {
        Priority::CanWait.take();
        match archive {
            Some(archive) => archive.run(cleaner),
            // Files may lie there from another time.
            None => cleaner.run(),
        }
    })?;
    // Beside the door and not before it: whoever is not told of a duplicate has lost nothing, and whoever has to wait has.
    let lately = std::thread::Builder::new().name("lately".to_owned()).spawn({
        let (house, stop) = (house.clone(), stop.clone());
        move || match house.remember_log(&stop) {
            Ok(events) => info!(events, "repetitions of the latest events in the log are known"),
            Err(error) => warn!(%error, "repetitions of what came before the start are accepted"),
        }
    })?;
    let control = match control.listen() {
        Ok(listener) => {
            let answer = move || control.answer(&listener);
            Some(std::thread::Builder::new().name("control".to_owned()).spawn(answer)?)
        }
        Err(error) => {
            warn!(%error, "no command can ask this server for a backup or a preview: the control socket in the data folder cannot be had");
            None
        }
    };
    let served = listen(config, listener, house, stopping);
    stop.store(true, Ordering::Relaxed);
    for thread in [engine, watch, courier, archive, lately].into_iter().chain(control) {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    served?;
    match why_stopped.get() {
        // Whoever looks after the process must know that it did not end well.
        Some(why) => bail!("the engine had stopped: {why}"),
        None => Ok(()),
    }
}

/// Opens the books, or makes them.
fn open_books(folder: &Path, options: BooksOptions) -> Result<DiskBooks, StoreError> {
    // The store starts a thread of its own, which has the priority of the one that opens it.
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            Priority::Engine.take();
            DiskBooks::open(folder, options)
        });
        opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Reads what holds for apps that have no policy of their own.
fn base(config: &Config) -> anyhow::Result<Base> {
    let Some(path) = &config.sessions.policy else { return Ok(Base::default()) };
    let ruling = policy_file::read(path, &TimeZone::UTC)?;
    let words = ruling.words().with_context(|| format!("the policy {} cannot be used", path.display()))?;
    let parts: BTreeSet<&str> = ruling.policy.versions().iter().flat_map(not_obeyed).collect();
    for part in parts {
        warn!(policy = %path.display(), part, "the live server does not obey this part of the policy");
    }
    Ok(Base { policy: ruling.policy, words })
}

fn listen(
    config: &Config,
    listener: Option<TcpListener>,
    house: Arc<House>,
    stopping: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    // Who took the place before says when it is worth a visit.
    let is_announced = listener.is_some();
    let listener = listener.map_or_else(|| bind(config.server.listen), Ok)?;
    let door = Door {
        tls: config.server.tls.as_ref().map(|tls| (tls.certificate.clone(), tls.key.clone())),
        connections: config.server.connections,
        counted: house.connections.clone(),
        first_byte_timeout: duration(config.server.first_byte_timeout),
        header_timeout: duration(config.server.header_timeout),
        idle_timeout: duration(config.server.idle_timeout),
        stop_timeout: duration(config.server.stop_timeout),
    };
    let scheme = if door.tls.is_some() { "https" } else { "http" };
    if !is_announced {
        println!("dwell listens on {scheme}://{}", listener.local_addr()?);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = config.server.workers {
        runtime.worker_threads(workers);
    }
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(async {
        door::serve(door, listener, dwell_server::router(house), told_to_stop(stopping)).await?;
        info!("stopped");
        Ok(())
    })
}

/// Takes the place on which to listen.
pub(super) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address}: stop what listens there, or choose another --listen"))
}

/// Waits for what a person or a system sends to end a program, or until it wants to end by itself.
async fn told_to_stop(stopping: Arc<AtomicBool>) {
    use tokio::signal::unix::SignalKind;
    let by_itself = async {
        while !stopping.load(Ordering::Relaxed) {
            tokio::time::sleep(LOOK_AT_STOP_EVERY).await;
        }
    };
    tokio::select! {
        () = by_itself => {}
        () = comes(SignalKind::terminate()) => {}
        () = comes(SignalKind::interrupt()) => {}
    }
    stopping.store(true, Ordering::Relaxed);
    info!("told to stop: requests under way are finished first");
}

async fn comes(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            warn!(%error, "a signal cannot be waited for");
            std::future::pending().await
        }
    }
}

/// What is watched of the log and its disk.
fn machine(log: &DiskLog, data: &Path, clock: SteadyClock) -> Machine {
    let segments = log.segments();
    let counts = log.counts();
    Machine {
        log_failure: log.failure().map(|why| why.to_string()),
        log_bytes: segments.iter().map(|segment| segment.bytes).sum(),
        log_segments: segments.len() as u64,
        log_waiting_bytes: log.waiting_bytes() as u64,
        log_syncs: counts.syncs,
        log_full: counts.full,
        log_busy: counts.busy,
        // A disk that cannot be seen has no such metric.
        clock_off_seconds: clock.off_by() / 1_000_000,
        archive_next: None,
        disk_free_bytes: disk_space::space(data).ok().map(|space| space.free),
    }
}

/// Looks after what changes outside: apps, keys, accounts, policies and the machine's clock.
fn watch(
    registry: &RwLock<Registry>,
    accounts: &RwLock<Accounts>,
    policies: &Policies,
    stop: &AtomicBool,
    clock: SteadyClock,
) {
    let mut told = 0;
    let mut mistakes = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = registry.write().unwrap_or_else(PoisonError::into_inner).refresh() {
            warn!(%error, "apps and keys stay as they were");
        }
        if let Err(error) = accounts.write().unwrap_or_else(PoisonError::into_inner).refresh() {
            warn!(%error, "accounts stay as they were");
        }
        look_at_policies(registry, policies, &mut mistakes);
        let off = clock.off_by();
        if WORTH_A_WORD.as_micros() <= off.saturating_sub(told).saturating_abs() {
            warn!(
                off_by_seconds = off / 1_000_000,
                "the machine's clock was moved; time goes on here as it did, until the next start"
            );
            told = off;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Looks for versions of policies that commands put. What is wrong with those of an app is said once, not each second.
fn look_at_policies(registry: &RwLock<Registry>, policies: &Policies, mistakes: &mut BTreeMap<AppId, String>) {
    let apps: Vec<AppId> = {
        let registry = registry.read().unwrap_or_else(PoisonError::into_inner);
        registry.apps().map(|app| app.id.clone()).collect()
    };
    for app in apps {
        match policies.refresh(app.as_str()) {
            Ok(changed) => {
                if changed {
                    info!(%app, "a version of the policy was put by a command");
                }
                mistakes.remove(&app);
            }
            Err(error) => {
                let error = error.to_string();
                if mistakes.get(&app) != Some(&error) {
                    warn!(%app, %error, "the policy stays as it was");
                    mistakes.insert(app, error);
                }
            }
        }
    }
}

/// Each app's own policy and zone.
struct Rules {
    policies: Arc<Policies>,
    registry: Arc<RwLock<Registry>>,
    /// By app: of which version these are the rules, and the rules.
    known: Mutex<HashMap<String, (u32, Arc<AppRules>)>>,
}

impl RulesOf for Rules {
    fn rules_of(&self, app: &str) -> Arc<AppRules> {
        // The versions of all apps were read at the start; those of one that was added since may be damaged.
        let history = self.policies.history(app).unwrap_or_else(|why| {
            error!(app, error = %why, "the policy of the server is taken, since that of the app cannot be read");
            Arc::default()
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((newest, rules)) = known.get(app)
            && *newest == history.newest()
        {
            return rules.clone();
        }
        let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        let zone = registry.app(app).map(|app| zone_table(app.zone.time_zone())).unwrap_or_default();
        let rules = Arc::new(AppRules::of(&history.policy(&self.policies.base().policy), zone));
        known.insert(app.to_owned(), (history.newest(), rules.clone()));
        rules
    }
}

fn log_options(config: &Config) -> LogOptions {
    LogOptions {
        segment_bytes: config.log.segment_bytes,
        queue_bytes: config.log.queue_bytes,
        group_bytes: config.log.group_bytes,
        check: match config.log.check {
            config::Check::Ends => Check::Ends,
            config::Check::All => Check::All,
        },
        on_damage: match config.log.on_damage {
            config::OnDamage::Refuse => OnDamage::Refuse,
            config::OnDamage::Quarantine => OnDamage::Quarantine,
        },
        ..LogOptions::default()
    }
}

pub(super) fn duration(span: Span) -> Duration {
    Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(0))
}
