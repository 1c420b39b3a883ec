//! One user's events in whatever order they arrive: what was said too early is taken back and said anew.
//!
//! The same events give the same sessions, ids and totals in every order and however often they come (law L3).

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Activity, EventKind, Outcome, is_late};
use crate::id::SessionId;
use crate::policy::Standing;
use crate::session::{ClosedSession, Session, Sessionizer};
use crate::time::Timestamp;

/// A closed session as it was told to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stated {
    /// Its name.
    pub id: SessionId,
    /// What is known of it.
    pub closed: ClosedSession,
    /// How often it had been said otherwise before. The one fact that depends on the order of arrival.
    pub amended: u32,
}

/// What an event made us say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effects {
    /// What became of the event.
    pub outcome: Outcome,
    /// Sessions that were stated and are not so, the earliest first.
    pub retracted: Vec<Stated>,
    /// Sessions that are so, the earliest first.
    pub stated: Vec<Stated>,
}

#[derive(Clone, Debug)]
struct Entry {
    activity: Activity,
    message_id: Box<str>,
}

impl Entry {
    /// Events of one user are ordered by (`happened_at`, `message_id`); the kind decides between nameless ones.
    fn key(&self) -> (Timestamp, &str, EventKind) {
        (self.activity.happened_at, &self.message_id, self.activity.kind)
    }
}

/// One user's events and the sessions they make, kept right as events arrive.
#[derive(Clone, Debug)]
pub struct Timeline<'p> {
    app: String,
    user: String,
    standing: &'p Standing,
    /// The state before the first entry; what lies behind it is settled.
    base: Sessionizer<'p>,
    /// How many events lie behind it, when the last of them happened, and the name of the event that began
    /// the session open there.
    settled: u64,
    settled_until: Timestamp,
    settled_first: Box<str>,
    entries: Vec<Entry>,
    known: BTreeSet<Box<str>>,
    live: Sessionizer<'p>,
    stated: Vec<Stated>,
    /// The session closed by the bell: stated, though the user might still prove to have been there.
    rung: Option<Stated>,
}

impl<'p> Timeline<'p> {
    /// Begins with a user of whom nothing is known.
    #[must_use]
    pub fn new(app: &str, user: &str, standing: &'p Standing) -> Self {
        Timeline {
            app: app.into(),
            user: user.into(),
            standing,
            base: Sessionizer::new(standing),
            settled: 0,
            settled_until: Timestamp::MIN,
            settled_first: "".into(),
            entries: Vec::new(),
            known: BTreeSet::new(),
            live: Sessionizer::new(standing),
            stated: Vec::new(),
            rung: None,
        }
    }

    /// Takes an event, in any order. `message_id` names it within the app; an empty one is nobody's duplicate.
    pub fn observe(&mut self, activity: &Activity, message_id: &str, received_at: Timestamp) -> Effects {
        let nothing = |outcome| Effects { outcome, retracted: Vec::new(), stated: Vec::new() };
        if self.known.contains(message_id) {
            return nothing(Outcome::Duplicate);
        }
        let lateness = self.standing.rules_at(activity.happened_at).allowed_lateness;
        if is_late(activity.happened_at, received_at, lateness) || activity.happened_at < self.settled_until {
            return nothing(Outcome::Late);
        }
        if !message_id.is_empty() {
            self.known.insert(message_id.into());
        }
        if activity.kind == EventKind::Silent {
            return nothing(Outcome::Silent);
        }
        let entry = Entry { activity: *activity, message_id: message_id.into() };
        let place = self.entries.partition_point(|other| other.key() <= entry.key());
        let at_the_end = place == self.entries.len();
        self.entries.insert(place, entry);
        if at_the_end { self.append() } else { self.amend(place) }
    }

    /// Closes the open session when its deadline has passed by `now`.
    pub fn advance(&mut self, now: Timestamp) -> Option<Stated> {
        if self.rung.is_some() {
            return None;
        }
        let closed = self.live.clone().advance(now)?;
        let stated = self.state(closed, 0);
        self.rung = Some(stated.clone());
        Some(stated)
    }

    /// Returns the session that may still grow, unless the bell has closed it.
    #[must_use]
    pub fn open(&self) -> Option<&Session> {
        if self.rung.is_some() { None } else { self.live.open() }
    }

    /// Returns the closed sessions that are not settled, the earliest first.
    pub fn closed(&self) -> impl Iterator<Item = &Stated> {
        self.stated.iter().chain(&self.rung)
    }

    /// Forgets the events before a moment: what they made is final, and earlier ones will be refused as late.
    ///
    /// Sessions that ended behind it are no longer listed; totals were told when they were stated.
    pub fn settle(&mut self, before: Timestamp) {
        let count = self.entries.partition_point(|entry| entry.activity.happened_at < before);
        let mut ended = 0;
        for entry in self.entries.drain(..count).collect::<Vec<_>>() {
            let observed = self.base.observe(&entry.activity);
            ended += usize::from(observed.ended.is_some());
            if self.base.open().is_some_and(|open| open.first == self.settled) {
                self.settled_first = entry.message_id.clone();
            }
            self.known.remove(&entry.message_id);
            self.settled += 1;
        }
        self.stated.drain(..ended.min(self.stated.len()));
        self.settled_until = self.settled_until.max(before);
    }

    fn append(&mut self) -> Effects {
        let Some(entry) = self.entries.last() else {
            return Effects { outcome: Outcome::Silent, retracted: Vec::new(), stated: Vec::new() };
        };
        let observed = self.live.observe(&entry.activity);
        let mut effects = Effects { outcome: observed.outcome, retracted: Vec::new(), stated: Vec::new() };
        let rung = self.rung.take();
        let Some(closed) = observed.ended else {
            if let Some(rung) = rung {
                if self.live.open().is_some_and(|open| open.started_at == rung.closed.session.started_at) {
                    // The user had been there all the time: the bell rang before we heard of it.
                    effects.outcome = Outcome::Amended;
                    effects.retracted.push(rung);
                } else {
                    self.rung = Some(rung);
                }
            }
            return effects;
        };
        let amended = rung.as_ref().map_or(0, |rung| rung.amended + 1);
        let stated = self.state(closed, amended);
        match rung {
            Some(rung) if same(&rung, &stated) => self.stated.push(rung),
            other => {
                effects.retracted.extend(other);
                effects.stated.push(stated.clone());
                self.stated.push(stated);
            }
        }
        effects
    }

    /// Says everything anew from the settled state on, and keeps what stands as it was.
    fn amend(&mut self, place: usize) -> Effects {
        let was_rung = self.rung.take();
        let before: Vec<Stated> = core::mem::take(&mut self.stated).into_iter().chain(was_rung.clone()).collect();
        let mut outcome = Outcome::Orphan;
        let mut live = self.base.clone();
        let mut closed = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let observed = live.observe(&entry.activity);
            closed.extend(observed.ended);
            if index == place {
                outcome = observed.outcome;
            }
        }
        self.live = live;
        let rung_at = was_rung.as_ref().and_then(|_| self.live.clone().advance(Timestamp::MAX));
        let ends = closed.len();
        closed.extend(rung_at);
        let mut effects = Effects { outcome, retracted: Vec::new(), stated: Vec::new() };
        let mut kept = Vec::new();
        for (index, closed) in closed.into_iter().enumerate() {
            let stated = self.state(closed, 0);
            let stated = match before.iter().find(|old| same(old, &stated)) {
                Some(old) => old.clone(),
                None => {
                    let amended = before.iter().filter(|old| overlap(old, &stated)).map(|old| old.amended + 1).max();
                    let stated = Stated { amended: amended.unwrap_or(0), ..stated };
                    effects.stated.push(stated.clone());
                    stated
                }
            };
            if index < ends { kept.push(stated) } else { self.rung = Some(stated) }
        }
        effects.retracted =
            before.into_iter().filter(|old| !kept.iter().chain(&self.rung).any(|new| same(old, new))).collect();
        self.stated = kept;
        if !(effects.stated.is_empty() && effects.retracted.is_empty()) && outcome == Outcome::Joined {
            effects.outcome = Outcome::Amended;
        }
        effects
    }

    fn state(&self, closed: ClosedSession, amended: u32) -> Stated {
        let first = closed.session.first;
        let message_id = match first.checked_sub(self.settled).and_then(|place| self.entries.get(place as usize)) {
            Some(entry) => &entry.message_id,
            None => &self.settled_first,
        };
        let id = SessionId::derive(&self.app, &self.user, closed.session.started_at, message_id);
        Stated { id, closed, amended }
    }
}

/// Says whether both say the same of the same session; where its events are kept does not matter.
fn same(one: &Stated, other: &Stated) -> bool {
    let placeless = |stated: &Stated| Session { first: 0, last: 0, ..stated.closed.session.clone() };
    one.id == other.id && one.closed.reason == other.closed.reason && placeless(one) == placeless(other)
}

fn overlap(one: &Stated, other: &Stated) -> bool {
    let (one, other) = (&one.closed.session, &other.closed.session);
    one.started_at <= other.ended_at && other.started_at <= one.ended_at
}
