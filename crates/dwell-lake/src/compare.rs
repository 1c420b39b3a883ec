//! One history under two policies, user after user: what would change, where, and for whom.
//!
//! Both sides are what [`Sessionize`] says of the same events, so that neither can count by a rule of its own.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::convert::Infallible;

use dwell_core::event::{Activity, EventKind, Weight};
use dwell_core::lab::lengths::Quantiles;
use dwell_core::law::Broken;
use dwell_core::time::{Span, Timestamp};

use crate::lab::people::{Facet, told_once};
use crate::log::Log;
use crate::question::Question;
use crate::retell::Origins;
use crate::sessionize::{NoRows, Sessionize, Tally};
use crate::shuffle::wide::WideEvent;
use crate::sweep::{Events, SweepError, User, Visitor};

/// So many of the users who change most are named.
pub const MOST_CHANGED: usize = 10;

/// What sessions come to, of some users or of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// Users who have a session.
    pub users: u64,
    /// Their sessions, open ones included.
    pub sessions: u64,
    /// Those with one activity only.
    pub one_activity: u64,
    /// Their length together.
    pub total_length: Span,
    /// How much of it something played with the screen away.
    pub playing: Span,
}

impl Sum {
    /// Returns what a tally comes to.
    #[must_use]
    pub const fn of(tally: &Tally) -> Self {
        Sum {
            users: tally.users_with_sessions,
            sessions: tally.sessions,
            one_activity: tally.one_activity,
            total_length: tally.total_length,
            playing: tally.parts.playing,
        }
    }

    /// Returns what came to an earlier sum to make this one.
    fn beyond(self, earlier: Sum) -> Sum {
        let since = |now: Span, then: Span| Span::from_micros(now.as_micros() - then.as_micros());
        Sum {
            users: self.users - earlier.users,
            sessions: self.sessions - earlier.sessions,
            one_activity: self.one_activity - earlier.one_activity,
            total_length: since(self.total_length, earlier.total_length),
            playing: since(self.playing, earlier.playing),
        }
    }

    fn add(&mut self, other: Sum) {
        self.users += other.users;
        self.sessions += other.sessions;
        self.one_activity += other.one_activity;
        self.total_length = self.total_length.plus(other.total_length);
        self.playing = self.playing.plus(other.playing);
    }
}

/// The same users under both policies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pair {
    /// Under the first.
    pub before: Sum,
    /// Under the second.
    pub after: Sum,
}

impl Pair {
    fn add(&mut self, other: Pair) {
        self.before.add(other.before);
        self.after.add(other.after);
    }
}

/// A user who changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Their id.
    pub user: String,
    /// What they have under both.
    pub pair: Pair,
}

impl Changed {
    /// Those who change most come first; of those who change alike the smaller id.
    fn place(&self) -> (Reverse<u64>, Reverse<u64>, &str) {
        let Pair { before, after } = self.pair;
        let longer = after.total_length.as_micros().abs_diff(before.total_length.as_micros());
        (Reverse(after.sessions.abs_diff(before.sessions)), Reverse(longer), &self.user)
    }
}

/// All users under one of the policies. It keeps no lengths, so that many results may be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// What their sessions come to.
    pub sum: Sum,
    /// The quantiles of lengths; `None` if not even a second pass could tell them.
    pub quantiles: Option<Quantiles>,
}

/// A history under two policies.
#[derive(Debug)]
pub struct Compared {
    /// All users under the first.
    pub before: Side,
    /// And under the second.
    pub after: Side,
    /// By the key of the platform of a user's first activity, where it is one of those that are shown by themselves.
    pub platforms: BTreeMap<u32, Pair>,
    /// How many users have another number of sessions.
    pub users_changed: u64,
    /// The users who change most, [`MOST_CHANGED`] at the most.
    pub most_changed: Vec<Changed>,
    /// The first law that did not hold: an error of ours.
    pub broken: Option<Broken>,
}

impl Compared {
    /// Counts a log that was told by [`crate::retell::Retelling`] under both questions. A second pass comes where one is
    /// not enough for the quantiles.
    pub fn over(
        log: &Log<'_>,
        (before, after): (&Question, &Question),
        origins: &Origins,
    ) -> Result<Compared, SweepError<Infallible>> {
        let sweep = |tallies: (Tally, Tally)| -> Result<Comparing<'_>, SweepError<Infallible>> {
            let begun = Comparing::begin((before, after), tallies, origins);
            let swept = log.sweep(vec![begun], &|_| {})?.pop();
            Ok(swept.unwrap_or_else(|| Comparing::begin((before, after), Default::default(), origins)))
        };
        let once = sweep(Default::default())?;
        let (mut first, mut second) = (once.before.tally.quantiles().ok(), once.after.tally.quantiles().ok());
        if first.is_none() || second.is_none() {
            let again = sweep((once.before.tally.again(), once.after.tally.again()))?;
            first = first.or_else(|| again.before.tally.quantiles().ok());
            second = second.or_else(|| again.after.tally.quantiles().ok());
        }
        let broken = once.before.broken.or(once.after.broken);
        Ok(Compared {
            before: Side { sum: Sum::of(&once.before.tally), quantiles: first },
            after: Side { sum: Sum::of(&once.after.tally), quantiles: second },
            platforms: once.platforms,
            users_changed: once.users_changed,
            most_changed: once.most_changed,
            broken,
        })
    }
}

struct Comparing<'q> {
    before: Sessionize<'q, NoRows>,
    after: Sessionize<'q, NoRows>,
    origins: &'q Origins,
    platforms: BTreeMap<u32, Pair>,
    users_changed: u64,
    most_changed: Vec<Changed>,
    once: Vec<WideEvent>,
}

impl<'q> Comparing<'q> {
    fn begin((before, after): (&'q Question, &'q Question), tallies: (Tally, Tally), origins: &'q Origins) -> Self {
        Comparing {
            before: Sessionize::new(before, tallies.0, NoRows),
            after: Sessionize::new(after, tallies.1, NoRows),
            origins,
            platforms: BTreeMap::new(),
            users_changed: 0,
            most_changed: Vec::new(),
            once: Vec::new(),
        }
    }

    fn known(&mut self, id: &str, events: &[WideEvent], message_ids: &[u8]) {
        let mut once = std::mem::take(&mut self.once);
        let repeated = told_once(events, &mut once);
        let known = User { id, events: Events::Known { events: &once, message_ids } };
        let side = |side: &mut Sessionize<'q, NoRows>| {
            let earlier = Sum::of(&side.tally);
            side.user(&known);
            side.tally.repeat(repeated);
            Sum::of(&side.tally).beyond(earlier)
        };
        let pair = Pair { before: side(&mut self.before), after: side(&mut self.after) };
        // Rules may differ in what is late: who has activities under either is on a platform.
        let mut taken =
            self.before.taken().iter().chain(self.after.taken()).filter_map(|place| once.get(*place as usize));
        if let Some(first) = taken.find(|event| event.activity.kind.weight() != Weight::Silent) {
            let platform = self.origins.shown(Facet::Platform, first.activity.platform);
            self.platforms.entry(platform).or_default().add(pair);
        }
        self.once = once;
        self.users_changed += u64::from(pair.before.sessions != pair.after.sessions);
        if pair.before != pair.after {
            self.remember(id, pair);
        }
    }

    fn remember(&mut self, user: &str, pair: Pair) {
        let changed = Changed { user: user.to_owned(), pair };
        let place = self.most_changed.partition_point(|other| other.place() < changed.place());
        if place < MOST_CHANGED {
            self.most_changed.insert(place, changed);
            self.most_changed.truncate(MOST_CHANGED);
        }
    }
}

impl Visitor for Comparing<'_> {
    type Error = Infallible;

    fn user(&mut self, user: &User<'_>) {
        match &user.events {
            Events::Known { events, message_ids } => self.known(user.id, events, message_ids),
            Events::Actions(moments) => {
                let event = |at: &Timestamp| WideEvent::of(Activity::new(*at, EventKind::Action));
                let events: Vec<WideEvent> = moments.iter().map(event).collect();
                self.known(user.id, &events, &[]);
            }
        }
    }

    fn end_stretch(&mut self, stretch: usize) -> Result<(), Infallible> {
        self.before.end_stretch(stretch)?;
        self.after.end_stretch(stretch)
    }
}
