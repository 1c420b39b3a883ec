//! Histories that are counted anew, on the engine's thread: a piece of the log, or of the archive, after each turn, and then, while no turn is
//! taken, what differs takes the place of what was.
//!
//! What was asked for lies in a file (`dwell_policy::restating`), and so does that some of it may have been taken over:
//! whatever breaks off begins anew at the next start, in that case before anything else is counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{EngineError, Record, Restatement, RulesOf, Worker, WorkerOptions};
use dwell_keys::registry::Registry;
use dwell_policy::error::VersionError;
use dwell_policy::policies::Policies;
use dwell_policy::restating::{Asked, Ended, Restating};
use dwell_server::ArchivedPast;
use dwell_server::erasures::Erasures;
use dwell_store::{BooksOptions, DiskBooks, DiskLog, Log};
use tracing::{info, warn};

/// How often it is looked what was asked for.
const LOOK_EVERY: Span = Span::from_secs(1);

/// How much of the log is read between two turns, in bytes: so long everybody else waits.
const PIECE_BYTES: usize = 4 << 20;

/// What is kept in memory of the books that are made anew, half of it by the engine and half by their store.
const CACHE_BYTES: u64 = 64 << 20;

/// About how many keys are taken over in one commit.
const KEYS_AT_ONCE: usize = 10_000;

/// In the data folder, where books are made anew.
const FOLDER: &str = "books-anew";

/// See the module.
pub struct Restater {
    /// Where the books are made anew.
    pub data: PathBuf,
    /// What is asked for.
    pub policies: Arc<Policies>,
    /// Of which apps.
    pub registry: Arc<RwLock<Registry>>,
    /// What is read.
    pub log: Arc<DiskLog>,
    /// The folder of the archive, where events are that the log has dropped, and what says how far it has come.
    pub archive: (PathBuf, PathBuf),
    /// Who is not to be counted.
    pub erasures: Arc<Erasures>,
    /// What holds.
    pub rules: Arc<dyn RulesOf>,
    /// Which app's history is being counted, and how much of the log was read, for whoever asks.
    pub shown: Arc<RwLock<Option<(String, f64)>>>,
    /// What goes on.
    pub job: Option<Job>,
    /// Some of what was counted anew may have taken the place of what was: nothing else may be counted before all has.
    pub must_end: bool,
    /// When it was looked what was asked for.
    pub looked: Timestamp,
    /// What is wrong with the files, as it was told.
    pub mistakes: BTreeMap<String, String>,
}

/// How it stands after a step.
enum Stand {
    GoesOn,
    Done,
    Failed(String),
}

/// One history on its way.
pub struct Job {
    app: String,
    asked: Asked,
    /// The latest erasure that it knows of.
    erasures: u64,
    restatement: Restatement,
}

impl Restater {
    /// Goes one step on, if there is anything to do; says whether no turn may be taken before it is called again.
    ///
    /// `steady` is what time it is for the work, `now` for bells.
    pub fn step(
        &mut self,
        worker: &mut Worker,
        (steady, now): (Timestamp, Timestamp),
        stop: &AtomicBool,
    ) -> Result<bool, EngineError> {
        if self.looked.plus(LOOK_EVERY) <= steady {
            self.looked = steady;
            self.look();
        }
        let Some(mut job) = self.job.take() else { return Ok(self.must_end) };
        if job.erasures != self.erasures.latest(&job.app) {
            // It has read what is not to be known any more.
            info!(app = job.app, "somebody was erased meanwhile: the history is counted once more");
            self.looked = Timestamp::MIN;
            return Ok(self.must_end);
        }
        match self.advance(&mut job, worker, now, stop)? {
            Stand::GoesOn => self.job = Some(job),
            Stand::Done => self.end(job, None, now),
            Stand::Failed(why) if self.must_end => {
                self.tell(&job.app, &format!("it was begun and has to be brought to its end, and {why}"));
            }
            Stand::Failed(why) => self.end(job, Some(why), now),
        }
        Ok(self.must_end)
    }

    fn advance(
        &mut self,
        job: &mut Job,
        worker: &mut Worker,
        now: Timestamp,
        stop: &AtomicBool,
    ) -> Result<Stand, EngineError> {
        let until = worker.offset();
        let read = match job.restatement.read(until) {
            Ok(read) => read,
            Err(error) => return Ok(Stand::Failed(error.to_string())),
        };
        let share = job.restatement.offset().number() as f64 / (until.number().max(1) as f64);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Some((job.app.clone(), share.min(1.0)));
        if !read {
            return Ok(Stand::GoesOn);
        }
        // As late as the bell is by now, and no later: who is said to be gone before the next record is read must be so.
        let next = self.log.read(until, 1)?;
        let next = next.iter().next().and_then(|(_, bytes)| Record::read(bytes)).map(|record| record.received_at);
        let bell = next.map_or(now, |received_at| now.min(Timestamp::from_micros(received_at)));
        if let Err(error) = job.restatement.ring(bell) {
            return Ok(Stand::Failed(error.to_string()));
        }
        let (was, is) = worker.events_of(&job.restatement)?;
        if !is.contains(&was) {
            let is = is.end();
            return Ok(Stand::Failed(format!(
                "{was} events were counted when they came in, and {is} are in the log and the archive"
            )));
        }
        if !self.must_end {
            if let Err(error) = self.policies.takes_over(&job.app) {
                return Ok(Stand::Failed(error.to_string()));
            }
            self.must_end = true;
        }
        // After an error the rest is found anew: what was taken over does not differ any more.
        self.looked = Timestamp::MIN;
        while !worker.take_over(&mut job.restatement, now, KEYS_AT_ONCE)? {
            if stop.load(Ordering::Relaxed) {
                return Ok(Stand::GoesOn);
            }
        }
        worker.sync()?;
        Ok(Stand::Done)
    }

    /// Looks what is asked for; what goes on begins anew when it is not that any more.
    fn look(&mut self) {
        if let Some(job) = &self.job {
            match self.policies.restating(&job.app) {
                Ok(Restating { asked: Some(asked), .. }) if asked == job.asked => return,
                Ok(_) => {
                    info!(app = job.app, "something else was asked for meanwhile: the history is counted once more")
                }
                Err(error) => return self.tell(&job.app.clone(), &error),
            }
            self.job = None;
        }
        let apps: Vec<String> = {
            let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
            registry.apps().map(|app| app.id.as_str().to_owned()).collect()
        };
        let mut found = None;
        for app in apps {
            match self.policies.restating(&app) {
                // The version may not be known here yet, if a command put it.
                Ok(Restating { asked: Some(asked), takes_over, .. }) if self.knows(&app, asked.version) => {
                    if takes_over || found.is_none() {
                        found = Some((app, asked, takes_over));
                    }
                    if takes_over {
                        break;
                    }
                }
                Ok(_) => {}
                Err(error) => self.tell(&app, &error),
            }
        }
        let Some((app, asked, takes_over)) = found else { return };
        self.must_end = takes_over;
        let erasures = self.erasures.latest(&app);
        match self.begin(&app) {
            Ok(restatement) => {
                info!(app, version = asked.version, "the history is counted anew");
                self.job = Some(Job { app, asked, erasures, restatement });
            }
            Err(error) => self.tell(&app, &error),
        }
    }

    fn knows(&self, app: &str, version: u32) -> bool {
        drop(self.policies.refresh(app));
        self.policies.history(app).is_ok_and(|history| version <= history.newest())
    }

    fn begin(&self, app: &str) -> anyhow::Result<Restatement> {
        let folder = self.data.join(FOLDER);
        remove(&folder)?;
        let options = BooksOptions { cache_bytes: CACHE_BYTES / 2, buffer_bytes: CACHE_BYTES / 4 };
        let anew = Arc::new(DiskBooks::open(&folder, options)?);
        let options = WorkerOptions { turn_bytes: PIECE_BYTES, ..WorkerOptions::within(CACHE_BYTES / 2) };
        let (folder, note) = self.archive.clone();
        let past = Box::new(ArchivedPast::of(folder, note, app));
        let (log, rules) = (self.log.clone(), self.rules.clone());
        Ok(Restatement::new(app, log, anew, rules, self.erasures.erased(), options).with_past(past))
    }

    fn end(&mut self, job: Job, failed: Option<String>, now: Timestamp) {
        let Job { app, asked, restatement, erasures: _ } = job;
        self.must_end = false;
        match &failed {
            None => info!(app, version = asked.version, "the history was counted anew"),
            Some(why) => warn!(app, version = asked.version, why, "the history stays as it was"),
        }
        drop(restatement);
        // Before the end is told: whoever hears of it finds nothing left.
        if let Err(error) = remove(&self.data.join(FOLDER)) {
            self.tell(&app, &error);
        }
        if let Err(error) = self.policies.restated(&app, Ended { asked, at: now, failed }) {
            self.tell(&app, &error);
        }
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Says what is wrong once, not each second.
    fn tell(&mut self, app: &str, error: &dyn std::fmt::Display) {
        let error = error.to_string();
        if self.mistakes.get(app) != Some(&error) {
            warn!(app, %error, "a history cannot be counted anew");
            self.mistakes.insert(app.to_owned(), error);
        }
    }
}

fn remove(folder: &Path) -> Result<(), VersionError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(VersionError::Io { doing: "remove", path: folder.to_owned(), source: error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
