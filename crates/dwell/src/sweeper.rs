//! How old the feed gets: on the engine's thread, a piece of what is old is dropped between two turns.
//!
//! Receivers of webhooks are waited for, but not for ever ([022](../../../docs/decisions/022-feed-kept.md)).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{EngineError, Sweep, Worker};
use dwell_keys::registry::Registry;
use tracing::{debug, warn};

/// How often it is looked what has grown old.
const LOOK_EVERY: Span = Span::from_minutes(1);

/// How many statements are dropped at most between two turns.
const AT_ONCE: usize = 2_000;

/// At how many feeds is looked at most between two turns, where nothing is to be dropped.
const FEEDS_AT_ONCE: usize = 100;

/// See the module.
pub struct Sweeper {
    /// How long statements are kept.
    pub keep: Span,
    /// The data folder, in which it is written how far webhooks have come.
    pub data: PathBuf,
    /// Whose feeds there are.
    pub registry: Arc<RwLock<Registry>>,
    /// How many statements were dropped since the start, for whoever asks.
    pub swept: Arc<AtomicU64>,
    /// Feeds at which is still to be looked, and what may be dropped of each.
    pub waiting: VecDeque<(String, Sweep)>,
    /// When it was looked last what has grown old.
    pub looked: Timestamp,
    /// What is wrong with the endpoints, as it was told.
    pub mistake: Option<String>,
}

impl Sweeper {
    /// Drops one piece, if anything is old. `steady` is what time it is for the work, `now` for what was told.
    pub fn step(&mut self, worker: &mut Worker, steady: Timestamp, now: Timestamp) -> Result<(), EngineError> {
        if self.waiting.is_empty() && self.looked.plus(LOOK_EVERY) <= steady {
            self.looked = steady;
            self.look(now);
        }
        for _ in 0..FEEDS_AT_ONCE {
            let Some((app, sweep)) = self.waiting.pop_front() else { return Ok(()) };
            let swept = worker.sweep(&app, sweep, AT_ONCE)?;
            if 0 < swept.dropped {
                self.swept.fetch_add(swept.dropped, Ordering::Relaxed);
                if swept.goes_on {
                    self.waiting.push_back((app, sweep));
                } else {
                    debug!(app, feed_begins_at = swept.first, "statements older than feed.keep were dropped");
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Finds what may be dropped of each feed from now on.
    fn look(&mut self, now: Timestamp) {
        // Where nobody knows who waits, all are waited for as long as anybody is.
        let needed = match dwell_courier::needed(&self.data) {
            Ok(needed) => {
                self.mistake = None;
                Some(needed)
            }
            Err(error) => {
                let error = error.to_string();
                if self.mistake.as_ref() != Some(&error) {
                    warn!(%error, "who waits for webhooks is not known: the feed is kept for longer");
                    self.mistake = Some(error);
                }
                None
            }
        };
        let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        self.waiting = registry
            .apps()
            .map(|app| {
                let needed = needed.as_ref().map_or(0, |needed| needed.get(&app.id).copied().unwrap_or(u64::MAX));
                let old = now.minus(self.keep);
                // After twice as long nobody is waited for any more.
                (app.id.to_string(), Sweep { old, needed, too_old: old.minus(self.keep) })
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dwell_core::policy::Policy;
    use dwell_core::time::Zone;
    use dwell_courier::endpoint::{Endpoint, Target};
    use dwell_courier::{Endpoints, NewEndpoint, Off, Progress};
    use dwell_engine::{AppRules, Desk, Record, WorkerOptions};
    use dwell_keys::app::AppId;
    use dwell_keys::registry::NewApp;
    use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog};

    use super::*;

    const BEGAN: Timestamp = Timestamp::from_micros(1_795_507_200_000_000);

    fn day(day: u32) -> Timestamp {
        BEGAN.plus(Span::from_hours(24 * day))
    }

    /// A feed of ten statements, two on each of five days; `keep` is ten days.
    struct Radio {
        folder: tempfile::TempDir,
        app: AppId,
        desk: Desk,
        worker: Worker,
        sweeper: Sweeper,
    }

    impl Radio {
        fn open() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut registry = Registry::open(folder.path()).unwrap();
            let app = registry.add_app(NewApp::parse("Radio", "UTC").unwrap(), BEGAN).unwrap().0.id.clone();
            let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
            let (log, books) = (Arc::new(MemoryLog::new()), Arc::new(MemoryBooks::new()) as Arc<dyn Books>);
            let mut worker = Worker::new(log.clone(), books.clone(), Arc::new(rules.clone()), WorkerOptions::default());
            for number in 0..5 {
                let at = day(number);
                say(&log, app.as_str(), at);
                for later in [0, 45] {
                    while !worker.turn(at.plus(Span::from_minutes(later))).unwrap().is_idle() {}
                }
            }
            let sweeper = Sweeper {
                keep: Span::from_hours(240),
                data: folder.path().to_owned(),
                registry: Arc::new(RwLock::new(registry)),
                swept: Arc::default(),
                waiting: VecDeque::new(),
                looked: Timestamp::MIN,
                mistake: None,
            };
            Radio { app, desk: Desk::new(books, Arc::new(rules)), worker, sweeper, folder }
        }

        /// Sweeps at midnight of a day, and returns with which number the feed begins then.
        fn sweep(&mut self, at: u32) -> u64 {
            self.sweeper.looked = Timestamp::MIN;
            self.sweeper.step(&mut self.worker, BEGAN, day(at)).unwrap();
            let first = self.desk.feed_first(self.app.as_str()).unwrap();
            assert_eq!(self.sweeper.swept.load(Ordering::Relaxed), first);
            first
        }

        fn receiver(&self) -> Endpoint {
            let new = NewEndpoint {
                app: self.app.clone(),
                url: Target::parse("https://one.example/").unwrap(),
                events: Vec::new(),
                from: Some(0),
            };
            Endpoints::open(self.folder.path()).unwrap().add(new, BEGAN).unwrap()
        }
    }

    fn say(log: &MemoryLog, app: &str, at: Timestamp) {
        let message_id = at.as_micros().to_string();
        let record = Record {
            app,
            user: "ada",
            link_from: None,
            message_id: &message_id,
            message_id_is_derived: false,
            kind: 0,
            name: None,
            happened_at: at.as_micros(),
            received_at: at.as_micros(),
            remaining: None,
            player: None,
            device: None,
            platform: None,
            campaign: None,
            country: None,
            app_version: None,
        };
        let (mut bytes, mut batch) = (Vec::new(), Batch::new());
        record.write(&mut bytes);
        batch.push(&bytes);
        log.append(batch).wait().unwrap();
    }

    /// Writes how far a receiver has come, as the courier does.
    fn write(folder: &Path, endpoint: &Endpoint, progress: &Progress) {
        let path = folder.join("webhooks-state");
        std::fs::create_dir_all(&path).unwrap();
        let state = serde_json::json!({ "format": 1, "progress": progress });
        std::fs::write(path.join(format!("{}.json", endpoint.id)), state.to_string()).unwrap();
    }

    #[test]
    fn what_nobody_waits_for_goes_when_it_is_older_than_it_is_kept() {
        let mut radio = Radio::open();
        assert_eq!((radio.sweep(10), radio.sweep(11), radio.sweep(12)), (0, 2, 4));
        // Once a minute it is looked, and not at every turn.
        radio.sweeper.step(&mut radio.worker, BEGAN, day(100)).unwrap();
        assert_eq!(radio.desk.feed_first(radio.app.as_str()).unwrap(), 4);
        radio.sweeper.step(&mut radio.worker, BEGAN.plus(LOOK_EVERY), day(100)).unwrap();
        assert_eq!(radio.desk.feed_first(radio.app.as_str()).unwrap(), 10);
    }

    #[test]
    fn a_receiver_that_is_behind_is_waited_for_until_twice_as_long() {
        let mut radio = Radio::open();
        let endpoint = radio.receiver();
        assert_eq!(radio.sweep(12), 0, "it begins at 0");
        write(radio.folder.path(), &endpoint, &Progress::begin(3));
        assert_eq!(radio.sweep(12), 3);
        assert_eq!((radio.sweep(20), radio.sweep(22)), (3, 4), "what it has not got is older than 20 days");
        // What cannot be read is waited for as long, and no longer.
        std::fs::write(radio.folder.path().join("webhooks.json"), "no endpoints").unwrap();
        assert_eq!((radio.sweep(22), radio.sweep(24)), (4, 8));
    }

    #[test]
    fn a_receiver_that_is_off_is_not_waited_for() {
        let mut radio = Radio::open();
        let endpoint = radio.receiver();
        let off = Some(Off { at: BEGAN, says: "answered 410".to_owned() });
        write(radio.folder.path(), &endpoint, &Progress { off, ..Progress::begin(0) });
        assert_eq!(radio.sweep(12), 4);
    }
}
