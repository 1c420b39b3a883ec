//! The timeout lab: what every timeout would have done, exactly, from one pass.
//!
//! Every stretch of activities without a long silence is a session for exactly one range of timeouts: from just
//! above its longest inner silence up to the shorter of the two silences around it. [`nested`] finds these ranges,
//! [`ledger`] and [`lengths`] add them up. Start at [`Lab::observe`].
//!
//! With `max_length`, borders of campaigns or a shortest length a break depends on where the session began; the curve
//! is without them.

pub mod advice;
mod block;
pub mod ledger;
pub mod lengths;
pub mod live;
pub mod milestones;
pub mod nested;
pub mod pattern;
mod rounds;

use alloc::vec::Vec;

use crate::event::{Activity, EventKind, Weight};
use crate::policy::{Edge, Standing};
use crate::presence::{Judge, Presence, Silence};
use crate::time::{Span, Timeout, Timestamp};
use ledger::GapLedger;
use lengths::{Grid, Lengths, Missing, Quantiles};
use milestones::Milestones;
use nested::{Nest, Stretch};
use rounds::Rounds;

/// What every timeout would have done, as far as users were observed.
#[derive(Clone, Debug)]
pub struct Lab {
    ledger: GapLedger,
    lengths: Lengths,
    milestones: Milestones,
    /// For whole seconds.
    nest: Nest,
    /// For users of whom nothing but actions is known.
    rounds: Rounds,
    activities: u64,
    users: u64,
}

/// What one timeout of the grid would have done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GridPoint {
    /// The timeout.
    pub timeout: Timeout,
    /// How many sessions.
    pub sessions: u64,
    /// How many of them hold one activity only.
    pub one_activity: u64,
    /// The length of all of them together.
    pub total_length: Span,
    /// Lengths that a half, three quarters, nine tenths and ninety-nine hundredths of them do not pass.
    pub quantiles: Quantiles,
}

impl Lab {
    /// Begins with no users. `milestones` are the numbers of sessions to count users for.
    #[must_use]
    pub fn new(grid: Grid, milestones: &[u32]) -> Self {
        Lab::empty(Lengths::new(grid), Milestones::new(milestones))
    }

    /// Begins with no users, and with room for so many exact lengths before the first choice of those to keep.
    #[must_use]
    pub fn with_room(grid: Grid, milestones: &[u32], room: usize) -> Self {
        Lab::empty(Lengths::with_room(grid, room), Milestones::new(milestones))
    }

    fn empty(lengths: Lengths, milestones: Milestones) -> Self {
        let rounds = Rounds::new(lengths.grid().timeouts().len() as u32);
        let nest = Nest::new(Timeout::LONGEST.as_secs());
        Lab { ledger: GapLedger::default(), lengths, milestones, nest, rounds, activities: 0, users: 0 }
    }

    /// Takes all events of one user, in order of (`happened_at`, `message_id`).
    pub fn observe_user<'a>(&mut self, activities: impl IntoIterator<Item = &'a Activity>, standing: &Standing) {
        let mut presence = Presence::default();
        for activity in activities {
            if activity.kind.weight() != Weight::Silent {
                let silence = presence.silence_before(activity.happened_at, standing);
                self.observe(activity, silence.as_ref(), standing);
            }
            presence.observe(activity, standing);
        }
        self.end_user();
    }

    /// Takes all moments of a user of whom nothing but actions is known, in order; as [`Lab::observe_user`] would.
    ///
    /// Between two actions a gap parts two sessions, or nothing: so the ledger need not wait for what it joins, and
    /// only the lengths ask what lies within what, on the grid.
    pub fn observe_user_of_actions(&mut self, moments: &[Timestamp], standing: &Standing) {
        if !standing.is_plain() {
            let activities: Vec<Activity> = moments.iter().map(|at| Activity::new(*at, EventKind::Action)).collect();
            return self.observe_user(&activities, standing);
        }
        let Lab { ledger, lengths, milestones, rounds, .. } = self;
        let Some(first) = moments.first() else { return };
        let edge = standing.rules_at(*first).edge;
        let shorter = u64::from(edge == Edge::Continues);
        let reached = |gap: u64| Timeout::reached_by_micros(gap.saturating_sub(shorter));
        rounds.observe(moments, reached, ledger, lengths, milestones);
        ledger.always();
        milestones.always();
        self.activities += moments.len() as u64;
        self.users += u64::from(self.milestones.end_user());
    }

    /// Takes the user's next activity and the silence before it, `None` for the first. Silent events are none.
    #[inline]
    pub fn observe(&mut self, activity: &Activity, silence: Option<&Silence>, standing: &Standing) {
        let at = activity.happened_at;
        let stretch = match activity.kind.weight() {
            Weight::Starts => Stretch::starting(at),
            Weight::Extends => Stretch::extending(at),
            Weight::Silent => return,
        };
        self.activities += 1;
        let Lab { nest, ledger, lengths, milestones, .. } = self;
        let reached = silence.map(|silence| timeouts_reached(silence, standing));
        nest.take(stretch, reached, &mut |found| note(ledger, lengths, milestones, found));
    }

    /// Says that the user has no more activities.
    pub fn end_user(&mut self) {
        self.end_segment();
        self.users += u64::from(self.milestones.end_user());
    }

    fn end_segment(&mut self) {
        let Lab { nest, ledger, lengths, milestones, .. } = self;
        nest.end(&mut |found| note(ledger, lengths, milestones, found));
    }

    /// Adds what another lab saw of other users. Both must have the same grid and milestones.
    pub fn merge(&mut self, other: Lab) {
        self.ledger.merge(&other.ledger);
        self.lengths.merge(other.lengths);
        self.milestones.merge(&other.milestones);
        self.activities += other.activities;
        self.users += other.users;
    }

    /// Returns how many activities were observed.
    #[must_use]
    pub const fn activities(&self) -> u64 {
        self.activities
    }

    /// Returns how many users have a session; the same under every timeout.
    #[must_use]
    pub const fn users(&self) -> u64 {
        self.users
    }

    /// Returns the ledger: sessions and their total length for every whole second.
    #[must_use]
    pub const fn ledger(&self) -> &GapLedger {
        &self.ledger
    }

    /// Returns how many users reach each milestone.
    #[must_use]
    pub const fn milestones(&self) -> &Milestones {
        &self.milestones
    }

    /// Returns what every timeout of the grid would have done, or says that lengths were let go that turn out to
    /// be needed: then all users must be observed again by a lab that [`Lab::again`] makes.
    pub fn grid(&self) -> Result<Vec<GridPoint>, Missing> {
        let quantiles = self.lengths.quantiles()?;
        let totals = self.ledger.curve();
        let point = |(index, (quantiles, one_activity)): (usize, (Quantiles, u64))| {
            let timeout = self.lengths.grid().timeouts()[index];
            let at = &totals[timeout.as_secs() as usize - 1];
            GridPoint { timeout, sessions: at.sessions, one_activity, total_length: at.total_length, quantiles }
        };
        Ok(quantiles.into_iter().zip(self.lengths.one_activity()).enumerate().map(point).collect())
    }

    /// Returns an empty lab that will keep what this one let go.
    #[must_use]
    pub fn again(&self) -> Lab {
        Lab::empty(self.lengths.again(), self.milestones.again())
    }
}

/// Returns how many timeouts, from one second up, the silence reaches; all of them where the break is forced.
#[must_use]
#[inline]
pub fn timeouts_reached(silence: &Silence, standing: &Standing) -> u32 {
    match silence.judge {
        Judge::Forced(_) => Timeout::LONGEST.as_secs(),
        Judge::Background(timeout) if timeout.is_reached_by(silence.gap()) => Timeout::LONGEST.as_secs(),
        Judge::Background(_) => 0,
        Judge::Timeout => reached_from(standing.rules_at(silence.began()).edge, silence.gap()),
    }
}

/// Returns how many timeouts a gap reaches that the timeout judges.
#[inline]
fn reached_from(edge: Edge, gap: Span) -> u32 {
    match edge {
        Edge::Ends => Timeout::reached_by(gap),
        Edge::Continues => Timeout::reached_by(gap.minus(Span::from_micros(1))),
    }
}

#[inline]
fn note(ledger: &mut GapLedger, lengths: &mut Lengths, milestones: &mut Milestones, found: nested::Found) {
    match found {
        nested::Found::Session { stretch, above, up_to } => {
            lengths.add(stretch.length(), stretch.count(), above, up_to)
        }
        nested::Found::Joined { at, both_start, longer_by } => {
            ledger.join(at, both_start, longer_by);
            if both_start {
                milestones.gap(at);
            }
        }
        nested::Found::Always => {
            ledger.always();
            milestones.always();
        }
    }
}
