//! The courier: looks after all endpoints in turns.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dwell_core::time::{Span, Timestamp};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use crate::answer::{Answer, Kind};
use crate::board::{Board, Standing};
use crate::endpoint::{Endpoint, EndpointId};
use crate::endpoints::Endpoints;
use crate::error::CourierError;
use crate::feed::{Delivery, Feed, FeedError};
use crate::letter::{Letter, Post};
use crate::progress::{Led, Progress, Wanted};
use crate::state;

/// How often the file of endpoints is looked at, and the state of those that changed is written.
const LOOK_EVERY: Span = Span::from_secs(1);

/// How often the feed is looked into for an endpoint that has heard everything.
const FEED_EVERY: Span = Span::from_micros(200_000);

/// How many lines of the feed are held for an endpoint.
const PAGE: usize = 16;

/// How many pages without a line that is heard are read for one endpoint before others have their turn.
const PAGES: usize = 64;

/// What the courier keeps to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// How many letters are on their way at once, to all endpoints.
    pub at_once: usize,
    /// How many dead letters are kept for each endpoint.
    pub dead_letters: usize,
}

/// Takes deliveries to all endpoints of a data folder. There is one for each folder: whoever holds its log.
pub struct Courier {
    folder: PathBuf,
    feed: Arc<dyn Feed>,
    post: Arc<dyn Post>,
    board: Arc<Board>,
    options: Options,
    endpoints: Endpoints,
    desks: BTreeMap<EndpointId, Desk>,
    on_their_way: JoinSet<(EndpointId, u64, Answer)>,
    /// Whose turn it was last.
    last: Option<EndpointId>,
    look_at: Timestamp,
    /// Whether the state could not be written: said once.
    cannot_write: bool,
}

/// What is known of an endpoint only while the courier works.
#[derive(Default)]
struct Desk {
    ready: VecDeque<Delivery>,
    look_at: Option<Timestamp>,
    /// Whether a letter is on its way.
    busy: bool,
    changed: bool,
}

impl Courier {
    /// Reads the endpoints of a data folder. Nothing is sent before the first turn.
    pub fn new(
        folder: &Path,
        feed: Arc<dyn Feed>,
        post: Arc<dyn Post>,
        board: Arc<Board>,
        options: Options,
    ) -> Result<Self, CourierError> {
        Ok(Courier {
            folder: folder.to_owned(),
            feed,
            post,
            board,
            options,
            endpoints: Endpoints::open(folder)?,
            desks: BTreeMap::new(),
            on_their_way: JoinSet::new(),
            last: None,
            look_at: Timestamp::from_micros(i64::MIN),
            cannot_write: false,
        })
    }

    /// Looks at the endpoints, starts what is due and writes down how far each has come. Needs a runtime of tokio.
    pub fn turn(&mut self, now: Timestamp) {
        // A clock that was put back must not keep us from looking.
        if self.look_at <= now || now.plus(LOOK_EVERY) < self.look_at {
            self.look_at = now.plus(LOOK_EVERY);
            self.write();
            if let Err(error) = self.endpoints.refresh() {
                warn!(%error, "the endpoints of webhooks stay as they were");
            }
            self.meet(now);
        }
        self.start(now);
    }

    /// Waits until a letter is answered, at most so long, and notes all answers that are there.
    pub async fn wait(&mut self, patience: Duration, clock: impl Fn() -> Timestamp) {
        if self.on_their_way.is_empty() {
            tokio::time::sleep(patience).await;
            return;
        }
        let mut first = tokio::time::timeout(patience, self.on_their_way.join_next()).await.ok().flatten();
        while let Some(joined) = first {
            match joined {
                Ok((id, number, answer)) => self.note(&id, number, &answer, clock()),
                // Each letter is in a task of its own, whose panic is an answer: see `send`.
                Err(error) => error!(%error, "a letter was lost on its way"),
            }
            first = self.on_their_way.try_join_next();
        }
    }

    /// Says whether letters are on their way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.on_their_way.is_empty()
    }

    /// Writes down how far each endpoint has come.
    pub fn write(&mut self) {
        for (id, desk) in &mut self.desks {
            if !desk.changed {
                continue;
            }
            let Some(progress) = self.board.lock().get(id).map(|standing| standing.progress.clone()) else { continue };
            match state::write(&self.folder, id, progress) {
                Ok(()) => (desk.changed, self.cannot_write) = (false, false),
                Err(error) => {
                    if !std::mem::replace(&mut self.cannot_write, true) {
                        warn!(%error, "how far webhooks have come cannot be written: after a crash they are repeated");
                    }
                }
            }
        }
    }

    /// Takes in endpoints that are new, lets go of those that were removed, and grants wishes.
    fn meet(&mut self, now: Timestamp) {
        let all: Vec<Endpoint> = self.endpoints.all().to_vec();
        let gone: Vec<EndpointId> =
            self.board.lock().keys().filter(|id| all.iter().all(|endpoint| endpoint.id != **id)).cloned().collect();
        for id in gone {
            self.board.lock().remove(&id);
            self.desks.remove(&id);
            info!(endpoint = %id, "an endpoint of webhooks was removed");
            if let Err(error) = state::remove(&self.folder, &id) {
                warn!(endpoint = %id, %error, "what was known of an endpoint stays behind");
            }
        }
        for endpoint in all {
            match self.desks.get_mut(&endpoint.id) {
                Some(desk) => {
                    let mut board = self.board.lock();
                    let Some(standing) = board.get_mut(&endpoint.id) else { continue };
                    let (changed, given_up) = grant(&mut standing.progress, &endpoint, self.options.dead_letters, now);
                    desk.changed |= changed;
                    self.board.count_died(given_up);
                    if standing.endpoint.events != endpoint.events {
                        desk.ready.clear();
                    }
                    standing.endpoint = endpoint;
                }
                None => self.take_in(endpoint, now),
            }
        }
    }

    fn take_in(&mut self, endpoint: Endpoint, now: Timestamp) {
        let known = self.known(&endpoint);
        let mut board = self.board.lock();
        let id = endpoint.id.clone();
        match known {
            Ok(mut progress) => {
                let (changed, given_up) = grant(&mut progress, &endpoint, self.options.dead_letters, now);
                self.board.count_died(given_up);
                board.insert(id.clone(), Standing { endpoint, progress, problem: None });
                self.desks.insert(id, Desk { changed, ..Desk::default() });
            }
            Err(error) => {
                let problem = error.to_string();
                let known = board.get(&id).and_then(|standing| standing.problem.as_ref());
                if known != Some(&problem) {
                    error!(endpoint = %id, error = %problem, "nothing is sent to an endpoint of webhooks");
                }
                let progress = Progress::begin(0);
                board.insert(id, Standing { endpoint, progress, problem: Some(problem) });
            }
        }
    }

    /// Returns how far an endpoint has come. Where one that is new begins is written down before anything is sent to it:
    /// after a crash it must not begin anywhere else.
    fn known(&self, endpoint: &Endpoint) -> Result<Progress, CourierError> {
        if let Some(progress) = state::read(&self.folder, &endpoint.id)? {
            return Ok(progress);
        }
        let app = endpoint.app.as_str();
        let (first, next) = (self.feed.first(app)?, self.feed.next(app)?);
        // From 0 on is all that there is. Who names another place has seen what came before it.
        let from = endpoint.from.map(|from| if from == 0 { first } else { from });
        let next = from.unwrap_or(next);
        let progress = Progress::begin(next);
        state::write(&self.folder, &endpoint.id, progress.clone())?;
        info!(endpoint = %endpoint.id, app = %endpoint.app, next, "an endpoint of webhooks begins");
        Ok(progress)
    }

    /// Starts letters, an endpoint after the other, beginning after the one whose turn it was last.
    fn start(&mut self, now: Timestamp) {
        let ids: Vec<EndpointId> = self.desks.keys().cloned().collect();
        let first = self.last.as_ref().map_or(0, |last| ids.partition_point(|id| id <= last));
        for id in ids.iter().cycle().skip(first).take(ids.len()) {
            if self.options.at_once <= self.on_their_way.len() {
                return;
            }
            match self.next_for(id, now) {
                Ok(Some((endpoint, delivery))) => {
                    self.send(&endpoint, delivery, now);
                    self.last = Some(id.clone());
                }
                Ok(None) => self.trouble(id, None, now),
                Err(error) => self.trouble(id, Some(error.to_string()), now),
            }
        }
    }

    /// Returns what is to be sent to an endpoint now.
    fn next_for(&mut self, id: &EndpointId, now: Timestamp) -> Result<Option<(Endpoint, Delivery)>, FeedError> {
        let Some(desk) = self.desks.get_mut(id).filter(|desk| !desk.is_waiting(now)) else { return Ok(None) };
        // The feed is on the disk: it is read while nobody waits for the board.
        let asked = self
            .board
            .lock()
            .get(id)
            .and_then(|standing| standing.progress.wants(now).map(|wanted| (standing.endpoint.clone(), wanted)));
        let Some((endpoint, wanted)) = asked else { return Ok(None) };
        let from = match wanted {
            Wanted::Same(number) | Wanted::Again(number) => {
                let delivery = exactly(self.feed.as_ref(), &endpoint, number)?;
                if delivery.is_none() {
                    warn!(endpoint = %id, number, "what was to be tried again is older than the feed keeps it");
                    if let Some(standing) = self.board.lock().get_mut(id) {
                        standing.progress.let_go(number);
                        desk.changed = true;
                    }
                }
                return Ok(delivery.map(|delivery| (endpoint, delivery)));
            }
            Wanted::From(from) => from,
        };
        let Heard { lost, reached, delivery } = desk.first_heard(self.feed.as_ref(), &endpoint, from)?;
        if let Some(standing) = self.board.lock().get_mut(id) {
            if let Some((from, count)) = lost {
                standing.progress.lose(from, count, now);
            }
            standing.progress.pass(reached);
            desk.changed |= from < reached;
        }
        if delivery.is_none() {
            desk.look_at = Some(now.plus(FEED_EVERY));
        }
        Ok(delivery.map(|delivery| (endpoint, delivery)))
    }

    /// Notes that the feed could not be read for an endpoint, or that it could.
    fn trouble(&mut self, id: &EndpointId, problem: Option<String>, now: Timestamp) {
        let mut board = self.board.lock();
        let (Some(standing), Some(desk)) = (board.get_mut(id), self.desks.get_mut(id)) else { return };
        if problem.is_some() {
            desk.look_at = Some(now.plus(LOOK_EVERY));
        }
        if let Some(problem) = &problem
            && standing.problem.as_ref() != Some(problem)
        {
            error!(endpoint = %id, error = %problem, "an endpoint of webhooks does not come on");
        }
        standing.problem = problem;
    }

    fn send(&mut self, endpoint: &Endpoint, delivery: Delivery, now: Timestamp) {
        let Delivery { number, word, body } = delivery;
        let letter = Letter::to(endpoint, endpoint.delivery_id(number), body, now);
        if let Some(standing) = self.board.lock().get_mut(&endpoint.id) {
            standing.progress.start(number, &word, now);
            standing.problem = None;
        }
        if let Some(desk) = self.desks.get_mut(&endpoint.id) {
            desk.busy = true;
        }
        let (id, answering) = (endpoint.id.clone(), self.post.post(letter));
        self.on_their_way.spawn(async move {
            // In a task of its own: were it to panic, the endpoint would be busy for ever.
            let answer = tokio::spawn(answering).await;
            let broken =
                |error| Answer::none(Kind::Unreachable, format!("sending failed in a way of our own: {error}"));
            (id, number, answer.unwrap_or_else(broken))
        });
    }

    /// Notes what came of a letter.
    fn note(&mut self, id: &EndpointId, number: u64, answer: &Answer, now: Timestamp) {
        self.board.count(answer.kind);
        let mut board = self.board.lock();
        // Removed while the letter was on its way.
        let (Some(standing), Some(desk)) = (board.get_mut(id), self.desks.get_mut(id)) else { return };
        (desk.busy, desk.changed) = (false, true);
        let progress = &mut standing.progress;
        if answer.kind == Kind::Delivered {
            progress.deliver(number, now);
            debug!(endpoint = %id, number, "delivered");
            return;
        }
        let name = standing.endpoint.delivery_id(number);
        let first = progress.current.as_ref().is_some_and(|current| current.attempts == 0);
        match progress.fail(number, answer, &name, self.options.dead_letters, now) {
            Led::Waits if first => warn!(endpoint = %id, number, says = answer.says, "a webhook is tried again"),
            Led::Waits => debug!(endpoint = %id, number, says = answer.says, "a webhook is tried again"),
            Led::Died => {
                self.board.count_died(1);
                error!(endpoint = %id, number, says = answer.says, "a webhook was given up, and is a dead letter");
            }
            Led::Nothing => debug!(endpoint = %id, number, says = answer.says, "a webhook that was skipped failed"),
            Led::Off => {
                warn!(endpoint = %id, number, says = answer.says, "an endpoint of webhooks was switched off");
            }
        }
    }
}

/// What an endpoint hears next.
struct Heard {
    /// From which number on the feed has dropped how many, before that.
    lost: Option<(u64, u64)>,
    /// Up to where there is nothing that it hears.
    reached: u64,
    delivery: Option<Delivery>,
}

impl Desk {
    /// Says whether there is nothing to do yet. A clock that was put back does not make it wait longer.
    fn is_waiting(&self, now: Timestamp) -> bool {
        self.busy || self.look_at.is_some_and(|at| now < at && at <= now.plus(LOOK_EVERY))
    }

    /// Returns the first line from a number on that the endpoint hears, and up to where there is none.
    fn first_heard(&mut self, feed: &dyn Feed, endpoint: &Endpoint, from: u64) -> Result<Heard, FeedError> {
        let (mut reached, mut lost) = (from, None);
        for _ in 0..PAGES {
            while let Some(delivery) = self.ready.pop_front() {
                if delivery.number < reached {
                    continue;
                }
                if reached < delivery.number {
                    if lost.is_some() {
                        // What was read before ends here, and behind it more is gone: told by itself, at the next look.
                        self.ready.push_front(delivery);
                        return Ok(Heard { lost, reached, delivery: None });
                    }
                    error!(
                        endpoint = %endpoint.id, from = reached, to = delivery.number,
                        "an endpoint of webhooks was behind for longer than the feed is kept: what it missed is lost"
                    );
                    lost = Some((reached, delivery.number - reached));
                }
                reached = delivery.number;
                if endpoint.hears(&delivery.word) {
                    return Ok(Heard { lost, reached, delivery: Some(delivery) });
                }
                reached += 1;
            }
            self.ready = feed.read(endpoint.app.as_str(), reached, PAGE)?.into();
            if self.ready.is_empty() {
                break;
            }
        }
        Ok(Heard { lost, reached, delivery: None })
    }
}

/// Reads one line of the feed again; `None` when it was dropped.
fn exactly(feed: &dyn Feed, endpoint: &Endpoint, number: u64) -> Result<Option<Delivery>, FeedError> {
    let app = endpoint.app.as_str();
    let found = feed.read(app, number, 1)?.into_iter().find(|delivery| delivery.number == number);
    if found.is_none() && feed.first(app)? <= number {
        return Err(FeedError(format!("number {number} of the feed of {app} is gone")));
    }
    Ok(found)
}

/// Grants what was not granted yet, and says whether there was anything and how many deliveries were given up by it.
fn grant(progress: &mut Progress, endpoint: &Endpoint, most: usize, now: Timestamp) -> (bool, u64) {
    let (before, mut given_up) = (progress.granted, 0);
    for wished in endpoint.wishes.iter().filter(|wished| before < wished.serial) {
        given_up += u64::from(progress.grant(wished.wish, most, now));
        progress.granted = wished.serial;
    }
    (before != progress.granted, given_up)
}
