//! People who are erased, on the engine's thread: turns read up to the offset of an erasure and no further before it is done.
//!
//! Who is to be erased lies in a file ([`Erasures`]), and so does how far that has come; that the books have done it, they remember
//! themselves. Whatever breaks off goes on from there at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{EngineError, Erasing, FeedErasure, Worker};
use dwell_server::erasures::{Erasure, Erasures, ErasuresError};
use dwell_store::{DiskLog, Log, Offset};
use tracing::{info, warn};

use crate::data_folder::moment_text;

/// How often it is looked whether a command asked for something.
const LOOK_EVERY: Span = Span::from_secs(1);

/// How often it is looked whether the log has let go of what was erased.
const FORGET_EVERY: Span = Span::from_minutes(1);

/// So many statements of a feed are swept between two turns.
const SWEPT_AT_ONCE: usize = 10_000;

/// See the module.
pub struct Eraser {
    /// Who is to be erased.
    pub erasures: Arc<Erasures>,
    /// What the worker reads.
    pub log: Arc<DiskLog>,
    looked: Timestamp,
    forgot: Timestamp,
    /// Whether it was compared what the books and the file say: of a backup, the file may know more.
    is_compared: bool,
    sweeping: Option<Sweeping>,
    /// What is wrong with the file, as it was told.
    mistake: Option<String>,
}

/// Through which feed it is swept, and for whom.
struct Sweeping {
    app: String,
    erasures: BTreeMap<u64, BTreeSet<String>>,
    sweep: FeedErasure,
}

/// What the engine may do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// Take a turn, but read nothing from this offset on.
    Turn(Option<Offset>),
    /// Come again at once: there is more to do.
    Again,
    /// Take no turn, and come again later: what has to be noted first cannot be.
    Wait,
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Noting(#[from] ErasuresError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Eraser {
    /// Begins with what the file says.
    pub fn new(erasures: Arc<Erasures>, log: Arc<DiskLog>) -> Self {
        let (looked, forgot) = (Timestamp::MIN, Timestamp::MIN);
        Eraser { erasures, log, looked, forgot, is_compared: false, sweeping: None, mistake: None }
    }

    /// Goes one step on, if there is anything to do. `steady` is what time it is for the work, `now` on the calendar.
    pub fn step(&mut self, worker: &mut Worker, steady: Timestamp, now: Timestamp) -> Result<Leave, EngineError> {
        if self.looked.plus(LOOK_EVERY) <= steady {
            self.looked = steady;
            if let Err(error) = self.erasures.refresh() {
                self.tell(&error);
            }
        }
        match self.try_step(worker, steady, now) {
            Ok(leave) => {
                self.mistake = None;
                Ok(leave)
            }
            Err(StepError::Noting(error)) => {
                self.tell(&error);
                Ok(Leave::Wait)
            }
            Err(StepError::Engine(error)) => Err(error),
        }
    }

    /// Forgets how far it was: the books may have lost what was written last.
    pub fn begin_anew(&mut self) {
        self.sweeping = None;
        self.is_compared = false;
    }

    fn try_step(&mut self, worker: &mut Worker, steady: Timestamp, now: Timestamp) -> Result<Leave, StepError> {
        if !self.is_compared {
            self.compare(worker)?;
            self.is_compared = true;
        }
        if self.forgot.plus(FORGET_EVERY) <= steady {
            self.forgot = steady;
            self.forget(worker)?;
        }
        let mut open = self.erasures.in_books();
        if open.is_empty() {
            return Ok(Leave::Turn(None));
        }
        if open.iter().any(|erasure| erasure.before.is_none()) {
            // All that was acknowledged before they were asked for lies before the end of the log by now.
            self.erasures.place(self.log.next())?;
            open = self.erasures.in_books();
        }
        let mut end: Option<Offset> = None;
        let mut swept: Vec<&Erasure> = Vec::new();
        for erasure in &open {
            let Some(before) = erasure.before.map(Offset::new) else { continue };
            match worker.erasing(erasure.number, &erasure.app)? {
                Erasing::Asked if worker.offset() < before => end = Some(end.map_or(before, |end| end.min(before))),
                Erasing::Asked => {
                    self.erase(worker, erasure, now)?;
                    return Ok(Leave::Again);
                }
                Erasing::Books => swept.push(erasure),
                Erasing::Feed => {
                    worker.sync()?;
                    self.erasures.is_out_of_books(erasure.number, &moment_text(now))?;
                    info!(app = erasure.app, number = erasure.number, "somebody was erased from the books");
                }
            }
        }
        self.sweep(worker, &swept)?;
        Ok(Leave::Turn(end))
    }

    fn erase(&self, worker: &mut Worker, erasure: &Erasure, now: Timestamp) -> Result<(), StepError> {
        let Erasure { number, app, user, ids, .. } = erasure;
        let ids: BTreeSet<String> = if ids.is_empty() {
            let ids = worker.ids_of(app, user)?;
            // Known before anything is gone: afterwards nobody could find them.
            self.erasures.found(*number, ids.iter().cloned().collect())?;
            ids
        } else {
            ids.iter().cloned().collect()
        };
        Ok(worker.erase(*number, app, &ids, now)?)
    }

    /// Sweeps some of the feed of one app for all who were erased from it by the time this was begun.
    fn sweep(&mut self, worker: &mut Worker, erasures: &[&Erasure]) -> Result<(), EngineError> {
        let mut sweeping = match self.sweeping.take() {
            Some(sweeping) => sweeping,
            None => {
                let Some(first) = erasures.first() else { return Ok(()) };
                let of_app = erasures.iter().filter(|erasure| erasure.app == first.app);
                let ids = |erasure: &&Erasure| (erasure.number, erasure.ids.iter().cloned().collect());
                let erasures = of_app.map(ids).collect();
                Sweeping { app: first.app.clone(), erasures, sweep: FeedErasure::default() }
            }
        };
        let of: Vec<(u64, &BTreeSet<String>)> = sweeping.erasures.iter().map(|(number, ids)| (*number, ids)).collect();
        if !worker.sweep_erased(&sweeping.app, &of, &mut sweeping.sweep, SWEPT_AT_ONCE)? {
            self.sweeping = Some(sweeping);
        }
        Ok(())
    }

    /// Puts right what the file says of the books, where these are older.
    fn compare(&self, worker: &Worker) -> Result<(), StepError> {
        for erasure in self.erasures.all().iter().filter(|erasure| erasure.is_out_of_books && !erasure.is_out_of_log) {
            if worker.erasing(erasure.number, &erasure.app)? != Erasing::Feed {
                self.erasures.is_in_books(erasure.number)?;
            }
        }
        Ok(())
    }

    /// Forgets by which ids those were known of whom the log holds nothing any more.
    fn forget(&self, worker: &mut Worker) -> Result<(), StepError> {
        let first = self.log.first().number();
        let is_gone = |erasure: &&Erasure| {
            !erasure.is_out_of_log
                && erasure.ended_at.is_some()
                && erasure.is_out_of_books
                && erasure.before.is_some_and(|before| before <= first)
        };
        for erasure in self.erasures.all().iter().filter(is_gone) {
            worker.forget_erasure(erasure.number, &erasure.app)?;
            worker.sync()?;
            self.erasures.forget(erasure.number)?;
            info!(app = erasure.app, number = erasure.number, "nothing is left of somebody who was erased");
        }
        Ok(())
    }

    /// Says what is wrong once, not each second.
    fn tell(&mut self, error: &ErasuresError) {
        let error = error.to_string();
        if self.mistake.as_ref() != Some(&error) {
            warn!(error, "nobody can be erased: what has to be noted cannot be read or written");
            self.mistake = Some(error);
        }
    }
}
