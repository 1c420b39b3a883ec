//! The operator: events of one user after the other become sessions, a tally of all, and rows for whoever wants them.

use dwell_core::engagement::Parts;
use dwell_core::event::Outcome;
use dwell_core::id::SessionId;
use dwell_core::lab::lengths::{Grid, Lengths, Missing, Quantiles};
use dwell_core::law::{self, Broken};
use dwell_core::session::{ClosedSession, EndReason, Session, Sessionizer};
use dwell_core::time::{Span, Timeout, Timestamp};

use crate::question::Question;
use crate::shuffle::wide::WideEvent;
use crate::sweep::{Events, LeftOut, User, Visitor, in_time_and_once};

/// One session, as it is written.
#[derive(Debug)]
pub struct SessionRow<'a> {
    /// The user's id.
    pub user: &'a str,
    /// The session's id.
    pub id: SessionId,
    /// What is known of it.
    pub session: &'a Session,
    /// Why it ended; `None` while it is open.
    pub reason: Option<EndReason>,
    /// Keys of the names of its first and its last activity.
    pub names: (u32, u32),
}

/// Somebody who takes sessions, in order of user and start within a stretch.
pub trait SessionSink: Send {
    /// What can go wrong.
    type Error: Send;

    /// Says whether rows are wanted at all: without, ids need not be derived.
    const WANTS_ROWS: bool = true;

    /// Takes one session.
    fn take(&mut self, row: &SessionRow<'_>);

    /// Says that a stretch of users is through.
    fn end_stretch(&mut self, stretch: usize) -> Result<(), Self::Error>;

    /// Says that its thread cannot go on: whoever waits for a stretch of it must not wait any longer.
    fn give_up(&mut self) {}
}

/// Takes no sessions: only the tally is wanted.
#[derive(Debug, Default)]
pub struct NoRows;

impl SessionSink for NoRows {
    type Error = std::convert::Infallible;

    const WANTS_ROWS: bool = false;

    fn take(&mut self, _: &SessionRow<'_>) {}

    fn end_stretch(&mut self, _: usize) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// What all sessions come to.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Users of whom there is any event.
    pub users: u64,
    /// Users who have a session.
    pub users_with_sessions: u64,
    /// Events by what became of them: joined, silent, orphan, duplicate, late.
    pub outcomes: [u64; OUTCOMES.len()],
    /// All sessions, open ones included.
    pub sessions: u64,
    /// Those that are still open.
    pub open: u64,
    /// Closed ones by the reason of their end, in the order of [`EndReason::ALL`].
    pub ended: [u64; EndReason::ALL.len()],
    /// Those with one activity only.
    pub one_activity: u64,
    /// Their length together.
    pub total_length: Span,
    /// The parts of it.
    pub parts: Parts,
    /// How the breaks agree with the truth in the log.
    pub truth: Agreement,
    lengths: Lengths,
}

/// What becomes of an event of a file, in the order of [`Tally::outcomes`].
pub const OUTCOMES: [Outcome; 5] =
    [Outcome::Joined, Outcome::Silent, Outcome::Orphan, Outcome::Duplicate, Outcome::Late];

/// Breaks between activities that follow one another, ours against the true ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Agreement {
    /// Both say that a session ended.
    pub both: u64,
    /// Only we do.
    pub only_ours: u64,
    /// Only the truth does.
    pub only_true: u64,
}

impl Agreement {
    /// Returns how many of our breaks are true ones, from 0 to 1; `None` without breaks.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.both, self.both + self.only_ours)
    }

    /// Returns how many of the true breaks are ours too.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        ratio(self.both, self.both + self.only_true)
    }

    /// Returns the harmonic mean of both: 2 both / (2 both + only ours + only true).
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.both, 2 * self.both + self.only_ours + self.only_true)
    }

    fn add(&mut self, other: Agreement) {
        self.both += other.both;
        self.only_ours += other.only_ours;
        self.only_true += other.only_true;
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (0 < whole).then(|| part as f64 / whole as f64)
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            users: 0,
            users_with_sessions: 0,
            outcomes: [0; 5],
            sessions: 0,
            open: 0,
            ended: [0; EndReason::ALL.len()],
            one_activity: 0,
            total_length: Span::ZERO,
            parts: Parts::default(),
            truth: Agreement::default(),
            lengths: Lengths::new(Grid::new(&[Timeout::SHORTEST])),
        }
    }
}

impl Tally {
    /// Adds what was tallied of other users.
    pub fn merge(&mut self, other: Tally) {
        self.users += other.users;
        self.users_with_sessions += other.users_with_sessions;
        for (mine, theirs) in self.outcomes.iter_mut().zip(other.outcomes) {
            *mine += theirs;
        }
        self.sessions += other.sessions;
        self.open += other.open;
        for (mine, theirs) in self.ended.iter_mut().zip(other.ended) {
            *mine += theirs;
        }
        self.one_activity += other.one_activity;
        self.total_length = self.total_length.plus(other.total_length);
        self.parts.add(other.parts);
        self.truth.add(other.truth);
        self.lengths.merge(other.lengths);
    }

    /// Returns the quantiles of length over all sessions, or that a second sweep is needed for them.
    pub fn quantiles(&self) -> Result<Quantiles, Missing> {
        Ok(self.lengths.quantiles()?.first().copied().unwrap_or_default())
    }

    /// Returns an empty tally that will know the quantiles that this one cannot tell.
    #[must_use]
    pub fn again(&self) -> Tally {
        Tally { lengths: self.lengths.again(), ..Tally::default() }
    }

    /// Returns how many events were counted, whatever became of them.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Counts copies that were left out before they came here.
    pub(crate) fn repeat(&mut self, copies: u64) {
        self.outcomes[3] += copies;
    }

    fn leave_out(&mut self, left_out: LeftOut) {
        self.outcomes[3] += left_out.duplicates;
        self.outcomes[4] += left_out.late;
    }

    fn count(&mut self, outcome: Outcome) {
        if let Some(place) = OUTCOMES.iter().position(|other| *other == outcome) {
            self.outcomes[place] += 1;
        }
    }
}

/// Sessionizes one user after the other.
#[derive(Debug)]
pub struct Sessionize<'q, S> {
    question: &'q Question,
    /// What all sessions come to.
    pub tally: Tally,
    /// Who takes the rows.
    pub sink: S,
    /// The first law that did not hold: an error of ours.
    pub broken: Option<Broken>,
    joined: u64,
    taken: Vec<u32>,
}

/// The session of the user that was noted last.
#[derive(Default)]
struct Before {
    closed: Option<(Session, EndReason)>,
    started_alike: u32,
}

impl<'q, S: SessionSink> Sessionize<'q, S> {
    /// Begins with nothing.
    pub fn new(question: &'q Question, tally: Tally, sink: S) -> Self {
        Sessionize { question, tally, sink, broken: None, joined: 0, taken: Vec::new() }
    }

    /// Returns the places of the events of the latest user that counted, and of handovers, which are beyond all events.
    pub(crate) fn taken(&self) -> &[u32] {
        &self.taken
    }

    fn actions(&mut self, user: &str, moments: &[Timestamp]) {
        let question = self.question;
        let mut sessionizer = Sessionizer::new(question.standing_of(user));
        let mut before = Before::default();
        sessionizer.observe_actions(moments.iter().copied(), |closed| {
            self.note(user, closed.session, Some(closed.reason), &mut before, Taken::default());
        });
        self.tally.outcomes[0] += moments.len() as u64;
        self.end_user(user, sessionizer, &mut before, Taken::default());
    }

    fn known(&mut self, user: &str, events: &[WideEvent], message_ids: &[u8]) {
        let question = self.question;
        let standing = question.standing_of(user);
        let mut sessionizer = Sessionizer::new(standing);
        let mut before = Before::default();
        let mut last_true = None;
        let mut places = std::mem::take(&mut self.taken);
        let left_out = in_time_and_once(events, message_ids, standing, question.late, &mut places);
        self.tally.leave_out(left_out);
        question.handovers.put_among(user, events, message_ids, &mut places);
        let taken = Taken { events, places: &places, message_ids };
        for place in &places {
            if let Some(activity) = question.handovers.at(user, *place) {
                if let Some(ClosedSession { session, reason }) = sessionizer.observe(&activity).ended {
                    self.note(user, session, Some(reason), &mut before, taken);
                }
                continue;
            }
            let event = &events[*place as usize];
            let observed = sessionizer.observe(&event.activity);
            self.tally.count(observed.outcome);
            if let Some(ClosedSession { session, reason }) = observed.ended {
                self.note(user, session, Some(reason), &mut before, taken);
            }
            if observed.outcome == Outcome::Joined && event.truth != 0 {
                // An activity that closes its session is in the one that was noted last.
                let noted = before.closed.as_ref().map_or(0, |(session, _)| session.ordinal);
                let ordinal = sessionizer.open().map_or(noted, |open| open.ordinal);
                self.agree(&mut last_true, ordinal, event.truth);
            }
        }
        self.end_user(user, sessionizer, &mut before, taken);
        self.taken = places;
    }

    fn agree(&mut self, last: &mut Option<(u32, u64)>, ordinal: u32, truth: u64) {
        if let Some((last_ordinal, last_truth)) = last.replace((ordinal, truth)) {
            match (last_ordinal != ordinal, last_truth != truth) {
                (true, true) => self.tally.truth.both += 1,
                (true, false) => self.tally.truth.only_ours += 1,
                (false, true) => self.tally.truth.only_true += 1,
                (false, false) => {}
            }
        }
    }

    fn end_user(&mut self, user: &str, mut sessionizer: Sessionizer<'_>, before: &mut Before, known: Taken<'_>) {
        if let Some(closed) = sessionizer.advance(self.question.as_of) {
            self.note(user, closed.session, Some(closed.reason), before, known);
        }
        if let Some(open) = sessionizer.finish() {
            self.note(user, open, None, before, known);
        }
        self.tally.users += 1;
        self.tally.users_with_sessions += u64::from(before.closed.is_some());
    }

    fn note(&mut self, user: &str, session: Session, reason: Option<EndReason>, before: &mut Before, known: Taken<'_>) {
        let tally = &mut self.tally;
        let length = session.length();
        tally.sessions += 1;
        match reason {
            Some(reason) => tally.ended[reason as usize] += 1,
            None => tally.open += 1,
        }
        tally.one_activity += u64::from(session.activities == 1);
        tally.total_length = tally.total_length.plus(length);
        tally.parts.add(session.parts);
        tally.lengths.add(length, u32::try_from(session.activities).unwrap_or(u32::MAX), 0, 1);
        self.joined += session.activities;
        self.check(&session, before);
        if S::WANTS_ROWS {
            self.hand_on(user, &session, reason, before, known);
        }
        before.closed = Some((session, reason.unwrap_or(EndReason::TimedOut)));
    }

    fn check(&mut self, session: &Session, before: &Before) {
        let in_order = match &before.closed {
            Some((earlier, reason)) => law::in_order(earlier, *reason, session),
            None => Ok(()),
        };
        if let Err(broken) = in_order.and_then(|()| law::parts_add_up(session)) {
            self.broken.get_or_insert(broken);
        }
    }

    fn hand_on(
        &mut self,
        user: &str,
        session: &Session,
        reason: Option<EndReason>,
        before: &mut Before,
        known: Taken<'_>,
    ) {
        let first = known.at(session.first);
        let named = known.message_id(first);
        let alike = before.closed.as_ref().is_some_and(|(earlier, _)| earlier.started_at == session.started_at);
        before.started_alike = if alike { before.started_alike + 1 } else { 0 };
        // Without message ids, sessions that a forced break parts within one microsecond are told apart by number.
        let id = if named.is_empty() && alike {
            SessionId::derive(&self.question.app, user, session.started_at, &format!("#{}", before.started_alike))
        } else {
            SessionId::derive(&self.question.app, user, session.started_at, named)
        };
        let names = (first.map_or(0, |event| event.name), known.at(session.last).map_or(0, |event| event.name));
        self.sink.take(&SessionRow { user, id, session, reason, names });
    }
}

/// The events of a user that the sessionizer saw, to be found by the place by which it knows them. Handovers are no events.
#[derive(Clone, Copy, Default)]
struct Taken<'a> {
    events: &'a [WideEvent],
    places: &'a [u32],
    message_ids: &'a [u8],
}

impl<'a> Taken<'a> {
    fn at(&self, place: u64) -> Option<&'a WideEvent> {
        self.events.get(*self.places.get(place as usize)? as usize)
    }

    fn message_id(&self, event: Option<&WideEvent>) -> &'a str {
        event.map_or("", |event| event.message_id(self.message_ids))
    }
}

impl<S: SessionSink> Visitor for Sessionize<'_, S> {
    type Error = S::Error;

    const IN_ORDER: bool = S::WANTS_ROWS;

    fn user(&mut self, user: &User<'_>) {
        match &user.events {
            Events::Actions(times) => self.actions(user.id, times),
            Events::Known { events, message_ids } => self.known(user.id, events, message_ids),
        }
    }

    fn end_stretch(&mut self, stretch: usize) -> Result<(), Self::Error> {
        let set_aside = self.tally.events() - self.tally.outcomes[0];
        if let Err(broken) = law::all_accounted(self.tally.events(), self.joined, set_aside) {
            self.broken.get_or_insert(broken);
        }
        if let Err(broken) = law::totals_agree(self.tally.parts.length(), self.tally.total_length) {
            self.broken.get_or_insert(broken);
        }
        self.sink.end_stretch(stretch)
    }

    fn give_up(&mut self) {
        self.sink.give_up();
    }
}
