//! The engine's thread: turn after turn, and what is done while the disk refuses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{EngineError, Worker};
use dwell_store::{DiskBooks, DiskLog, Log, Offset};
use tracing::{error, info, warn};

use crate::clock::{Clock, SteadyClock};
use crate::restater::Restater;
use crate::retention::Retention;

/// How long the engine waits for events before it looks for deadlines.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a turn and the wait after it take at least. Much of a turn is the same for one event and for a thousand; nobody
/// sees the difference of a tenth of a second.
const PACE: Span = Span::from_micros(100_000);

/// How often the books are made durable by themselves.
const SYNC_EVERY: Span = Span::from_secs(10);

/// How often the age of the log is looked at.
const RETAIN_EVERY: Span = Span::from_minutes(1);

/// How long the books are left alone after they could not be written: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often somebody who waits looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the thread turns, beside the worker.
pub struct Crank {
    /// What is read.
    pub log: Arc<DiskLog>,
    /// What is written, and opened again after it could not be.
    pub books: Arc<DiskBooks>,
    /// Whether to stop.
    pub stop: Arc<AtomicBool>,
    /// What time it is for events and deadlines.
    pub clock: Clock,
    /// What time it is for the work itself: how often, and how long.
    pub steady: SteadyClock,
    /// Why the engine waits, for whoever asks.
    pub waiting: Arc<RwLock<Option<String>>>,
    /// What of the log may be dropped.
    pub retention: Retention,
}

/// Where it stands.
struct Stand {
    synced: Timestamp,
    retained: Timestamp,
    /// Up to where the log is needed no more.
    durable: Offset,
    pause: Duration,
}

impl Crank {
    /// Takes turn after turn until it is told to stop.
    ///
    /// When the books cannot be written, for want of room above all, it waits and tries again. Nothing is lost meanwhile: the
    /// log keeps what comes, or refuses it by its own rule. Whatever does not pass by itself is returned.
    pub fn turn(&self, worker: &mut Worker, restater: &mut Restater) -> Result<(), EngineError> {
        let long_ago = Timestamp::MIN;
        let mut stand = Stand { synced: long_ago, retained: long_ago, durable: Offset::ZERO, pause: SHORTEST_PAUSE };
        while !self.stop.load(Ordering::Relaxed) {
            match self.step(worker, restater, &mut stand) {
                Ok(()) => {}
                Err(error) if passes(&error) => {
                    self.wait(&error, &mut stand);
                    match self.books.mend() {
                        Err(error) if !error.passes_by_itself() => return Err(error.into()),
                        // If it was for nothing, the next turn says so.
                        Ok(()) | Err(_) => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        match worker.sync() {
            Ok(_) => Ok(()),
            Err(error) if passes(&error) => {
                warn!(%error, "the books could not be synced at the end: the next start reads a little of the log again");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn step(&self, worker: &mut Worker, restater: &mut Restater, stand: &mut Stand) -> Result<(), EngineError> {
        let now = self.steady.now();
        if restater.step(worker, (now, self.clock.now()), &self.stop)? {
            if restater.job.is_none() {
                std::thread::sleep(PATIENCE);
            }
            return Ok(());
        }
        // After a sync that failed, this fails too: only then has the worker let go of what it kept of the books.
        let turned = worker.turn(self.clock.now())?;
        if 0 < turned.lost {
            error!(events = turned.lost, "events of the log are damaged and were passed over");
        }
        if stand.synced.plus(SYNC_EVERY) <= now {
            match worker.sync() {
                Ok(durable) => {
                    (stand.durable, stand.synced) = (durable, now);
                    self.go_on(stand);
                }
                Err(error) if passes(&error) => self.tell(&error),
                Err(error) => return Err(error),
            }
        }
        self.retain(stand);
        if restater.job.is_some() {
            // The next piece of the log waits.
        } else if turned.is_idle() {
            if self.log.failure().is_some() {
                // Nothing more will come, and nobody is made to wait for it: deadlines still ring.
                std::thread::sleep(PATIENCE);
            } else {
                self.log.wait_past(worker.offset(), PATIENCE);
            }
        } else {
            let left = now.plus(PACE).since(self.steady.now());
            std::thread::sleep(Duration::from_micros(u64::try_from(left.as_micros()).unwrap_or(0)));
        }
        Ok(())
    }

    fn retain(&self, stand: &mut Stand) {
        let now = self.steady.now();
        if stand.retained.plus(RETAIN_EVERY) <= now {
            stand.retained = now;
            self.retention.apply(&self.log, stand.durable, now);
        }
    }

    /// Waits a while, longer each time.
    fn wait(&self, error: &EngineError, stand: &mut Stand) {
        self.tell(error);
        // A sync as soon as there is room shows whether there is enough of it.
        stand.synced = Timestamp::MIN;
        let mut waited = Duration::ZERO;
        while waited < stand.pause && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
        stand.pause = (stand.pause * 2).min(LONGEST_PAUSE);
        // What it drops may be the room that is missing.
        self.retain(stand);
    }

    /// Says that the engine waits, in the log only when it begins to.
    fn tell(&self, error: &EngineError) {
        let mut waiting = self.waiting.write().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none() {
            error!(%error, "the engine waits: events are kept and become no sessions; it tries again by itself");
        }
        *waiting = Some(error.to_string());
    }

    fn go_on(&self, stand: &mut Stand) {
        stand.pause = SHORTEST_PAUSE;
        let mut waiting = self.waiting.write().unwrap_or_else(PoisonError::into_inner);
        if waiting.take().is_some() {
            info!("the engine goes on");
        }
    }
}

/// Says whether trying again later makes sense.
fn passes(error: &EngineError) -> bool {
    match error {
        EngineError::Store(error) => error.passes_by_itself(),
        EngineError::BadRecord { .. } | EngineError::BadBook { .. } => false,
    }
}
