//! The engine's thread: turn after turn, and what is done while the disk refuses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use dwell_core::time::{Span, Timestamp};
use dwell_engine::{Breaches, EngineError, TRACES, Worker};
use dwell_store::{DiskBooks, DiskLog, Log, Offset};
use tracing::field::Empty;
use tracing::{error, info, trace_span, warn};

use crate::clock::{self, Clock, SteadyClock};
use crate::eraser::{Eraser, Leave};
use crate::laws::LawWatch;
use crate::restater::Restater;
use crate::retention::Retention;
use crate::sweeper::Sweeper;

/// How long the engine waits for events before it looks for deadlines.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a turn and the wait after it take at least. Much of a turn is the same for one event and for a thousand; nobody
/// sees the difference of a tenth of a second.
const PACE: Span = Span::from_micros(100_000);

/// How often the books are made durable by themselves.
const SYNC_EVERY: Span = Span::from_secs(10);
/// The same while the engine is behind: it waits for the disk less often then. The log has it all.
const SYNC_BEHIND_EVERY: Span = Span::from_secs(60);

/// How often the age of the log is looked at.
const RETAIN_EVERY: Span = Span::from_minutes(1);

/// How long the books are left alone after they could not be written: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often it is said how far books that are made anew from the archive have come.
const TELL_EVERY: Span = Span::from_secs(10);

/// How often somebody who waits looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is done between two turns.
pub struct Between {
    /// Histories are counted anew.
    pub restater: Restater,
    /// People are erased.
    pub eraser: Eraser,
    /// Feeds lose what is old.
    pub sweeper: Sweeper,
}

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
    /// Laws that did not hold, for whoever asks.
    pub breaches: Arc<Mutex<Breaches>>,
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
    laws: LawWatch,
    /// When it was last said how far the archive was read, while it is.
    told_of_past: Option<Timestamp>,
}

impl Crank {
    /// Takes turn after turn until it is told to stop.
    ///
    /// When the books cannot be written, for want of room above all, it waits and tries again. Nothing is lost meanwhile: the
    /// log keeps what comes, or refuses it by its own rule. Whatever does not pass by itself is returned.
    pub fn turn(&self, worker: &mut Worker, between: &mut Between) -> Result<(), EngineError> {
        let long_ago = Timestamp::MIN;
        let laws = LawWatch::new(self.breaches.clone());
        let mut stand = Stand {
            synced: long_ago,
            retained: long_ago,
            durable: Offset::ZERO,
            pause: SHORTEST_PAUSE,
            laws,
            told_of_past: None,
        };
        while !self.stop.load(Ordering::Relaxed) {
            match self.step(worker, between, &mut stand) {
                Ok(()) => {}
                Err(error) if passes(&error) => {
                    self.wait(&error, &mut stand);
                    between.eraser.begin_anew();
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

    fn step(&self, worker: &mut Worker, between: &mut Between, stand: &mut Stand) -> Result<(), EngineError> {
        let Between { restater, eraser, sweeper } = between;
        let now = self.steady.now();
        if restater.step(worker, (now, self.clock.now()), &self.stop)? {
            if restater.job.is_none() {
                std::thread::sleep(PATIENCE);
            }
            return Ok(());
        }
        // After a sync that failed, this fails too: only then has the worker let go of what it kept of the books.
        let end = match eraser.step(worker, now, clock::now())? {
            Leave::Turn(end) => end,
            Leave::Again => return Ok(()),
            Leave::Wait => {
                std::thread::sleep(PATIENCE);
                return Ok(());
            }
        };
        self.tell_of_past(worker.offset(), now, stand);
        let span = trace_span!(target: TRACES, "turn", events = Empty, deadlines = Empty, idle = Empty);
        let turned = span.in_scope(|| worker.turn_before(end, self.clock.now()))?;
        if turned.is_idle() {
            // There are five of these a second, and nobody wants to see them.
            span.record("idle", true);
        }
        span.record("events", turned.events).record("deadlines", turned.deadlines);
        drop(span);
        stand.laws.take(worker.take_breaches(), now);
        if 0 < turned.lost {
            error!(events = turned.lost, "events of the log are damaged and were passed over");
        }
        let sync_every = if worker.is_behind() { SYNC_BEHIND_EVERY } else { SYNC_EVERY };
        if stand.synced.plus(sync_every) <= now {
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
        // Of two clocks that differ, the one that keeps more.
        sweeper.step(worker, now, self.clock.now().min(clock::now()))?;
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

    /// Says that books are behind what the log has dropped, how far they have come, and when that is over.
    fn tell_of_past(&self, offset: Offset, now: Timestamp, stand: &mut Stand) {
        let (first, told) = (self.log.first(), stand.told_of_past);
        if first <= offset {
            if told.is_some() {
                info!(record = offset.number(), "what the log has dropped was counted from the archive");
                stand.told_of_past = None;
            }
        } else if told.is_none_or(|told| told.plus(TELL_EVERY) <= now) {
            let (record, log_begins_at) = (offset.number(), first.number());
            let percent = record * 100 / log_begins_at;
            info!(record, log_begins_at, percent, "what the log has dropped is counted from the archive");
            stand.told_of_past = Some(now);
        }
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
        EngineError::FeedDropped { .. }
        | EngineError::Past { .. }
        | EngineError::BadRecord { .. }
        | EngineError::BadBook { .. } => false,
    }
}
