//! One user's events in whatever order they arrive: what was said too early is taken back and said anew.
//!
//! The same events give the same sessions, ids and totals in every order and however often they come (law L3).

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::engagement::Engagement;
use crate::event::{Activity, EventKind, Outcome, Weight, is_late, order};
use crate::id::SessionId;
use crate::name::Name;
use crate::names::Names;
use crate::policy::Standing;
use crate::presence::{Judge, Presence};
use crate::session::{ClosedSession, EndReason, Session, Sessionizer};
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

/// What came under some ids of a user and is not settled: what can go along when they are another person's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Portion {
    /// Its events in order: under which id each came, what the rules see of it, and its name.
    pub events: Vec<(u32, Activity, Name)>,
    /// The names of events that left no trace: under which id each came, and when it happened.
    pub silent: Vec<(u32, Name, Timestamp)>,
    /// The latest moment that a bell told; [`Timestamp::MIN`] before any did.
    pub now: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// The key of the id under which it came; 0 is the user's own.
    pub(crate) under: u32,
    pub(crate) activity: Activity,
    /// Of a handover, the name of the other one's event: nobody's duplicate here.
    pub(crate) message_id: Name,
    /// Nobody said so: it follows from what another user did, and may be withdrawn.
    pub(crate) is_handover: bool,
}

impl Entry {
    pub(crate) fn order(&self, other: &Entry) -> Ordering {
        order((&self.activity, &self.message_id), (&other.activity, &other.message_id))
            .then(self.is_handover.cmp(&other.is_handover))
    }
}

/// One user's events and the sessions they make, kept right as events arrive.
#[derive(Clone, Debug)]
pub struct Timeline<'p> {
    app: &'p str,
    user: &'p str,
    standing: &'p Standing,
    /// The state before the first entry; what lies behind it is settled.
    pub(crate) base: Sessionizer<'p>,
    /// How many events lie behind it, when the last of them happened, and the name of the event that began
    /// the session open there.
    pub(crate) settled: u64,
    pub(crate) settled_until: Timestamp,
    pub(crate) settled_first: Name,
    pub(crate) entries: Vec<Entry>,
    /// The names of events, also of those that left no trace.
    pub(crate) known: Names,
    pub(crate) live: Sessionizer<'p>,
    pub(crate) stated: Vec<Stated>,
    /// The session closed by the bell: stated, though the user might still prove to have been there.
    pub(crate) rung: Option<Stated>,
    /// The latest moment that a bell told us.
    pub(crate) now: Timestamp,
    /// What was retracted of the session that is open now: when that is stated, it was said otherwise before.
    pub(crate) taken_back: Option<Stated>,
}

impl<'p> Timeline<'p> {
    /// Begins with a user of whom nothing is known.
    #[must_use]
    pub fn new(app: &'p str, user: &'p str, standing: &'p Standing) -> Self {
        Timeline {
            app,
            user,
            standing,
            base: Sessionizer::new(standing),
            settled: 0,
            settled_until: Timestamp::MIN,
            settled_first: Name::default(),
            entries: Vec::new(),
            known: Names::default(),
            live: Sessionizer::new(standing),
            stated: Vec::new(),
            rung: None,
            now: Timestamp::MIN,
            taken_back: None,
        }
    }

    /// Returns what holds for the user.
    pub(crate) const fn standing(&self) -> &'p Standing {
        self.standing
    }

    /// Takes an event, in any order. `message_id` names it within the app; an empty one is nobody's duplicate.
    pub fn observe(&mut self, activity: &Activity, message_id: &str, received_at: Timestamp) -> Effects {
        self.observe_under(0, activity, message_id, received_at)
    }

    /// Takes an event that came under another id of the user, which has a key of its own; 0 is the user's own id.
    ///
    /// It makes no difference to sessions. But a name under one id is nobody's duplicate under another, and the id may turn
    /// out to be somebody else ([`Timeline::take_out`]).
    pub fn observe_under(
        &mut self,
        under: u32,
        activity: &Activity,
        message_id: &str,
        received_at: Timestamp,
    ) -> Effects {
        let nothing = |outcome| Effects { outcome, retracted: Vec::new(), stated: Vec::new() };
        let lateness = self.standing.rules_at(activity.happened_at).allowed_lateness;
        // Lateness is a property of the record alone, so it comes before what else has arrived.
        if is_late(activity.happened_at, received_at, lateness) {
            return nothing(Outcome::Late);
        }
        let name = Name::of(message_id);
        if self.known.contains(under, &name) {
            return nothing(Outcome::Duplicate);
        }
        if activity.happened_at < self.settled_until {
            return nothing(Outcome::Late);
        }
        if !name.is_empty() {
            self.known.insert(under, name.clone(), activity.happened_at);
        }
        if activity.kind == EventKind::Silent {
            return nothing(Outcome::Silent);
        }
        let place = self.put(Entry { under, activity: *activity, message_id: name, is_handover: false });
        if place + 1 == self.entries.len() { self.append() } else { self.amend(place) }
    }

    /// Says when others were seen on a device after this user, from a moment on: each with the name of the other's event.
    ///
    /// What was said of that device from that moment on before is withdrawn, and all is as if it had never been said: such a
    /// handover is a `user_changed` that nobody sent, and what it follows from may come late. Behind what is settled nothing
    /// changes.
    pub fn hand_over(&mut self, device: u32, from: Timestamp, handovers: &[(Timestamp, &str)]) -> Effects {
        let from = from.max(self.settled_until);
        let is_one = |entry: &Entry| entry.is_handover && entry.activity.device == device;
        let mut now: Vec<Entry> = handovers
            .iter()
            .filter(|(at, _)| from <= *at)
            .map(|(at, message_id)| Entry {
                under: 0,
                activity: Activity { device, ..Activity::new(*at, EventKind::UserChanged) },
                message_id: Name::of(message_id),
                is_handover: true,
            })
            .collect();
        now.sort_by(Entry::order);
        let later = self.entries.partition_point(|entry| entry.activity.happened_at < from);
        let before = self.entries[later..].iter().filter(|entry| is_one(entry));
        if before.eq(&now) {
            return effects(Outcome::Silent, Vec::new(), Vec::new());
        }
        self.entries.retain(|entry| !(is_one(entry) && from <= entry.activity.happened_at));
        for entry in now {
            self.put(entry);
        }
        self.say_anew()
    }

    /// Takes out what came under some ids and is not settled, as if it had never come. Who takes out the user's own id,
    /// which is 0, takes out every other, too: nobody is left from whom a device could have been taken, so handovers go.
    ///
    /// Handovers that follow from what was taken out are not known to do so: whoever takes it out says them anew.
    pub fn take_out(&mut self, is_taken: impl Fn(u32) -> bool) -> (Portion, Effects) {
        let all = is_taken(0);
        let (taken, stay): (Vec<Entry>, Vec<Entry>) =
            core::mem::take(&mut self.entries).into_iter().partition(|entry| all || is_taken(entry.under));
        self.entries = stay;
        let mut names = self.known.take_out(|under| all || is_taken(under));
        let effects = if taken.is_empty() { effects(Outcome::Silent, Vec::new(), Vec::new()) } else { self.say_anew() };
        let events: Vec<_> = taken.into_iter().filter(|entry| !entry.is_handover).collect();
        for entry in &events {
            names.remove(entry.under, &entry.message_id);
        }
        let silent = names.iter().map(|(under, name, at)| (under, name.clone(), at)).collect();
        let events = events.into_iter().map(|entry| (entry.under, entry.activity, entry.message_id)).collect();
        (Portion { events, silent, now: self.now }, effects)
    }

    /// Takes in what was taken out of another timeline, with keys of this one. All of it must lie behind what is settled here.
    pub fn take_in(&mut self, portion: Portion) -> Effects {
        let Portion { events, silent, now } = portion;
        self.now = self.now.max(now);
        for (under, name, at) in silent {
            self.known.insert(under, name, at);
        }
        let count = self.entries.len();
        for (under, activity, message_id) in events {
            debug_assert!(self.settled_until <= activity.happened_at, "what is settled cannot change");
            if message_id.is_empty() || self.known.insert(under, message_id.clone(), activity.happened_at) {
                self.put(Entry { under, activity, message_id, is_handover: false });
            }
        }
        if count == self.entries.len() {
            return effects(Outcome::Silent, Vec::new(), Vec::new());
        }
        self.say_anew()
    }

    /// Closes the open session when its deadline has passed by `now`.
    pub fn advance(&mut self, now: Timestamp) -> Option<Stated> {
        self.now = self.now.max(now);
        let closed = self.ring().filter(|_| self.rung.is_none())?;
        self.say(Vec::new(), Vec::new(), Some(closed)).0.pop()
    }

    /// Returns when to call [`Timeline::advance`] next; `None` while no session is open.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.rung.is_some() { None } else { self.live.deadline() }
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

    /// Returns when the user was last heard of, silent events apart; settled or not.
    #[must_use]
    pub const fn last(&self) -> Option<Timestamp> {
        self.live.presence().last()
    }

    /// Returns when the user was last heard of by a moment, settled or not, and when next after it; silent events apart. The
    /// moment must not lie before what is settled.
    #[must_use]
    pub fn heard_around(&self, at: Timestamp) -> [Option<Timestamp>; 2] {
        let (by_then, after) =
            self.entries.split_at(self.entries.partition_point(|entry| entry.activity.happened_at <= at));
        let proves = |entry: &&Entry| entry.activity.kind.weight() != Weight::Silent;
        let moment = |entry: &Entry| entry.activity.happened_at;
        let last = by_then.iter().rev().find(proves).map(moment);
        [last.or(self.settled_presence().last()), after.iter().find(proves).map(moment)]
    }

    /// Returns what the user is doing at `now`, which is taken for no earlier than the last activity.
    ///
    /// They are away from the deadline on, whether or not the bell has rung, and as soon as another has the device.
    #[must_use]
    pub fn presence_at(&self, now: Timestamp) -> Engagement {
        let now = self.last().map_or(now, |last| last.max(now));
        let silence = self.live.presence().silence_before(now, self.standing);
        match (self.deadline(), silence) {
            (Some(deadline), Some(silence)) if now < deadline => {
                if silence.judge == Judge::Forced(EndReason::UserChanged) {
                    return Engagement::Away;
                }
                let idle_after = self.standing.rules_at(silence.began()).idle_after;
                Engagement::at_the_end_of(&silence, idle_after)
            }
            _ => Engagement::Away,
        }
    }

    /// Returns the moment behind which everything is settled; `None` while nothing is.
    #[must_use]
    pub fn settled_until(&self) -> Option<Timestamp> {
        Some(self.settled_until).filter(|until| *until != Timestamp::MIN)
    }

    /// Returns the events that are not settled and their message ids, in order, handovers among them; silent ones left no
    /// trace.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&Activity, &Name)> {
        self.entries.iter().map(|entry| (&entry.activity, &entry.message_id))
    }

    /// Returns the same without handovers: what was said of this user.
    pub fn events(&self) -> impl Iterator<Item = (&Activity, &Name)> {
        let said = self.entries.iter().filter(|entry| !entry.is_handover);
        said.map(|entry| (&entry.activity, &entry.message_id))
    }

    /// Returns the handovers alone, each with the name of the other one's event.
    pub fn handovers(&self) -> impl Iterator<Item = (&Activity, &Name)> {
        let withdrawable = self.entries.iter().filter(|entry| entry.is_handover);
        withdrawable.map(|entry| (&entry.activity, &entry.message_id))
    }

    /// Returns where the user stood in time before the first event that is not settled.
    #[must_use]
    pub const fn settled_presence(&self) -> &Presence {
        self.base.presence()
    }

    /// Says whether an event of this name under the user's own id would be a duplicate. The names of what is settled are
    /// forgotten.
    #[must_use]
    pub fn is_known(&self, message_id: &str) -> bool {
        self.known.contains(0, &Name::of(message_id))
    }

    /// Returns the names of the events that are not settled, also of those that left no trace.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.known.iter().map(|(_, name, _)| name)
    }

    /// Returns the keys of the ids under which anything came that is not settled, each once or more often.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        let of_events = self.entries.iter().filter(|entry| !entry.is_handover).map(|entry| entry.under);
        of_events.chain(self.known.iter().map(|(under, ..)| under))
    }

    /// Forgets the events before a moment: what they made is final, and earlier ones will be refused as late.
    ///
    /// Sessions that ended behind it are no longer listed; totals were told when they were stated.
    pub fn settle(&mut self, before: Timestamp) {
        drop(self.part(before));
    }

    /// Divides the life at a moment, and returns what lies before it.
    ///
    /// What stays goes on alone, and makes of every event from `before` on what the whole would have made of it; only of an
    /// event before that, and of the name of one, it knows nothing more. [`Timeline::join`] brings them together again.
    #[must_use]
    pub fn part(&mut self, before: Timestamp) -> Timeline<'p> {
        let count = self.entries.partition_point(|entry| entry.activity.happened_at < before);
        let mut later = self.entries.split_off(count);
        core::mem::swap(&mut later, &mut self.entries);
        let mut earlier = Timeline {
            base: self.base.clone(),
            settled: self.settled,
            settled_until: self.settled_until,
            settled_first: self.settled_first.clone(),
            entries: later,
            ..Timeline::new(self.app, self.user, self.standing)
        };
        let mut ended = 0;
        for entry in &earlier.entries {
            let observed = self.base.observe(&entry.activity);
            ended += usize::from(observed.ended.is_some());
            if self.base.open().is_some_and(|open| open.first == self.settled) {
                self.settled_first = entry.message_id.clone();
            }
            self.settled += 1;
        }
        earlier.live = self.base.clone();
        earlier.known = self.known.part(before);
        // Under other rules than those that were in force when they were stated there may be more.
        earlier.stated = self.stated.drain(..ended.min(self.stated.len())).collect();
        self.settled_until = self.settled_until.max(before);
        earlier
    }

    /// Puts back what [`Timeline::part`] returned, the latest part first.
    pub fn join(&mut self, mut earlier: Timeline<'p>) {
        debug_assert_eq!(
            earlier.settled + earlier.entries.len() as u64,
            self.settled,
            "another part is missing between"
        );
        self.base = earlier.base;
        self.settled = earlier.settled;
        self.settled_until = earlier.settled_until;
        self.settled_first = earlier.settled_first;
        earlier.entries.append(&mut self.entries);
        self.entries = earlier.entries;
        self.known.join(earlier.known);
        earlier.stated.append(&mut self.stated);
        self.stated = earlier.stated;
    }

    /// Puts an entry where it belongs, and returns where that is.
    fn put(&mut self, entry: Entry) -> usize {
        let place = self.entries.partition_point(|other| other.order(&entry) != Ordering::Greater);
        self.entries.insert(place, entry);
        place
    }

    /// Takes the last entry, which is new, on top of what has been said.
    fn append(&mut self) -> Effects {
        let Some(entry) = self.entries.last() else {
            return Effects { outcome: Outcome::Silent, retracted: Vec::new(), stated: Vec::new() };
        };
        let observed = self.live.observe(&entry.activity);
        let before: Vec<Stated> = self.rung.take().into_iter().collect();
        let (stated, retracted) = self.say(before, observed.ended.into_iter().collect(), None);
        effects(observed.outcome, retracted, stated)
    }

    /// Says everything anew from the settled state on; the entry at `place` is new.
    fn amend(&mut self, place: usize) -> Effects {
        let has_rung = self.rung.is_some();
        let before: Vec<Stated> = core::mem::take(&mut self.stated).into_iter().chain(self.rung.take()).collect();
        let (outcome, closed) = self.read_anew(Some(place));
        let rung = self.ring().filter(|_| has_rung);
        let (stated, retracted) = self.say(before, closed, rung);
        effects(outcome, retracted, stated)
    }

    /// Says everything anew from the settled state on, when entries have come or gone anywhere.
    fn say_anew(&mut self) -> Effects {
        let (_, closed) = self.read_anew(None);
        // Whether the bell has rung is known: it rings for what is the end now as for anything else.
        let rung = self.ring();
        let before = core::mem::take(&mut self.stated).into_iter().chain(self.rung.take()).collect();
        let (stated, retracted) = self.say(before, closed, rung);
        effects(Outcome::Silent, retracted, stated)
    }

    /// Reads all entries from the settled state on: returns what became of one of them, and the sessions that ended.
    fn read_anew(&mut self, place: Option<usize>) -> (Outcome, Vec<ClosedSession>) {
        let mut outcome = Outcome::Orphan;
        let mut closed = Vec::new();
        self.live = self.base.clone();
        for (index, entry) in self.entries.iter().enumerate() {
            let observed = self.live.observe(&entry.activity);
            closed.extend(observed.ended);
            if Some(index) == place {
                outcome = observed.outcome;
            }
        }
        (outcome, closed)
    }

    /// Returns the open session as the bell at `now` closes it, if it does.
    fn ring(&self) -> Option<ClosedSession> {
        if self.now < self.live.deadline()? { None } else { self.live.clone().advance(self.now) }
    }

    /// Puts sessions in the place of those `before`, and returns what is new and what is no longer so.
    fn say(
        &mut self,
        mut before: Vec<Stated>,
        closed: Vec<ClosedSession>,
        rung: Option<ClosedSession>,
    ) -> (Vec<Stated>, Vec<Stated>) {
        let has_rung = rung.is_some();
        let mut all: Vec<Stated> = closed.into_iter().chain(rung).map(|closed| self.state(closed)).collect();
        let mut new = Vec::new();
        for (place, stated) in all.iter_mut().enumerate() {
            match before.iter().position(|old| same(old, stated)) {
                Some(old) => stated.amended = before.remove(old).amended,
                None => new.push(place),
            }
        }
        let retracted = before;
        let otherwise: Vec<Stated> = retracted.iter().cloned().chain(self.taken_back.take()).collect();
        for place in &new {
            let session = &all[*place].closed.session;
            let amended =
                otherwise.iter().filter(|old| overlap(&old.closed.session, session)).map(|old| old.amended + 1);
            all[*place].amended = amended.max().unwrap_or(0);
        }
        let new = new.into_iter().map(|place| all[place].clone()).collect();
        self.rung = if has_rung { all.pop() } else { None };
        self.stated.extend(all);
        let of_the_open = |old: &Stated| self.open().is_some_and(|open| overlap(&old.closed.session, open));
        self.taken_back = otherwise.into_iter().filter(of_the_open).max_by_key(|old| old.amended);
        (new, retracted)
    }

    fn state(&self, closed: ClosedSession) -> Stated {
        let first = closed.session.first;
        let message_id = match first.checked_sub(self.settled).and_then(|place| self.entries.get(place as usize)) {
            Some(entry) => &entry.message_id,
            None => &self.settled_first,
        };
        let id = SessionId::derive(self.app, self.user, closed.session.started_at, &message_id.text());
        Stated { id, closed, amended: 0 }
    }
}

fn effects(outcome: Outcome, retracted: Vec<Stated>, stated: Vec<Stated>) -> Effects {
    let outcome = if outcome == Outcome::Joined && !retracted.is_empty() { Outcome::Amended } else { outcome };
    Effects { outcome, retracted, stated }
}

/// Says whether both say the same of the same session; where its events are kept does not matter.
fn same(one: &Stated, other: &Stated) -> bool {
    let placeless = |stated: &Stated| Session { first: 0, last: 0, ..stated.closed.session.clone() };
    one.id == other.id && one.closed.reason == other.closed.reason && placeless(one) == placeless(other)
}

fn overlap(one: &Session, other: &Session) -> bool {
    one.started_at <= other.ended_at && other.started_at <= one.ended_at
}
