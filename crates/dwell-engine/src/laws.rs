//! The laws that a turn can check on the sessions that it states, without reading more of the books: L1 and L6.
//!
//! What does not hold is an error of ours, or of what the books hold. Nothing is stopped for it: the sessions are stated, and whoever
//! takes the turn is told. L1 is checked between sessions that lie in one part of a user's book; of one that is open, when it
//! ends.

use dwell_core::id::SessionId;
use dwell_core::law::{Broken, Law, in_order, parts_add_up};
use dwell_core::timeline::Stated;

use crate::book::Changed;

/// Which laws are checked.
pub const CHECKED: [Law; 2] = [Law::L1, Law::L6];

/// How many breaches are named at most until somebody asks.
const NAMED: usize = 8;

/// A law that does not hold for a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// The app.
    pub app: String,
    /// The user.
    pub user: String,
    /// The closed session; where two break the law, the earlier one.
    pub session: SessionId,
    /// The law, and what was seen.
    pub broken: Broken,
}

/// How often laws did not hold, and the first few of these cases.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Breaches {
    counts: [u64; CHECKED.len()],
    named: Vec<Breach>,
}

impl Breaches {
    /// Returns how often each law did not hold.
    pub fn counts(&self) -> impl Iterator<Item = (Law, u64)> {
        CHECKED.into_iter().zip(self.counts)
    }

    /// Returns the first few cases, the earliest first.
    #[must_use]
    pub fn named(&self) -> &[Breach] {
        &self.named
    }

    /// Says whether every law did hold.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Counts one.
    pub fn note(&mut self, breach: Breach) {
        if let Some((_, count)) = CHECKED.iter().zip(&mut self.counts).find(|(law, _)| **law == breach.broken.law) {
            *count += 1;
        }
        if self.named.len() < NAMED {
            self.named.push(breach);
        }
    }

    /// Adds what others found afterwards.
    pub fn append(&mut self, later: Breaches) {
        for (count, more) in self.counts.iter_mut().zip(later.counts) {
            *count += more;
        }
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(later.named.into_iter().take(room));
    }
}

/// Checks what a user's sessions have come to, of which some changed just now, and notes which of them break a law.
///
/// `closed` are those at hand, in order.
pub(crate) fn check<'t>(
    closed: impl Iterator<Item = &'t Stated>,
    changed: &Changed,
    mut note: impl FnMut(SessionId, Broken),
) {
    for stated in &changed.stated {
        if let Err(broken) = parts_add_up(&stated.closed.session) {
            note(stated.id, broken);
        }
    }
    let started = |stated: &Stated| stated.closed.session.started_at;
    let mut changes = changed.stated.iter().chain(&changed.retracted).map(started);
    let Some(first) = changes.next() else { return };
    // What has not changed was checked before.
    let (from, until) = changes.fold((first, first), |(from, until), at| (from.min(at), until.max(at)));
    let mut before: Option<&Stated> = None;
    for stated in closed {
        if let Some(earlier) = before
            && from <= started(stated)
            && started(earlier) <= until
            && let Err(broken) = in_order(&earlier.closed.session, earlier.closed.reason, &stated.closed.session)
        {
            note(earlier.id, broken);
        }
        before = Some(stated);
    }
}

#[cfg(test)]
mod tests {
    use dwell_core::event::{Activity, EventKind};
    use dwell_core::policy::{Policy, Standing};
    use dwell_core::time::{Span, Timestamp};
    use dwell_core::timeline::Timeline;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    /// Three sessions that ended.
    fn told(standing: &Standing) -> Vec<Stated> {
        let mut timeline = Timeline::new("app", "ada", standing);
        for hour in 1..=4 {
            let at = Timestamp::from_micros(hour * HOUR);
            let action = Activity::new(at, EventKind::Action);
            timeline.observe(&action, &format!("m{hour}"), at);
        }
        timeline.closed().cloned().collect()
    }

    /// The laws that do not hold for these, when those at some places were stated just now.
    fn broken(closed: &[Stated], new: &[usize]) -> Vec<(Law, SessionId)> {
        let stated = new.iter().map(|place| closed[*place].clone()).collect();
        let changed = Changed { stated, ..Changed::default() };
        let mut found = Vec::new();
        check(closed.iter(), &changed, |id, broken| found.push((broken.law, id)));
        found
    }

    #[test]
    fn sessions_as_they_should_be_break_no_law() {
        let standing = Policy::default().standing_of("ada", &[], &[""]);
        let closed = told(&standing);
        assert_eq!(closed.len(), 3);
        assert_eq!(broken(&closed, &[0, 1, 2]), []);
    }

    #[test]
    fn two_sessions_that_overlap_or_are_not_numbered_in_order_break_the_first() {
        let standing = Policy::default().standing_of("ada", &[], &[""]);
        let closed = told(&standing);
        let mut overlap = closed.clone();
        let idle = Span::from_micros(2 * HOUR);
        overlap[0].closed.session.ended_at = overlap[0].closed.session.started_at.plus(idle);
        overlap[0].closed.session.parts.idle = idle;
        assert_eq!(broken(&overlap, &[0]), [(Law::L1, closed[0].id)]);
        assert_eq!(broken(&overlap, &[1]), [(Law::L1, closed[0].id)], "either of the two is new");
        assert_eq!(broken(&overlap, &[2]), [], "what has not changed was checked before");
        let mut twice = closed.clone();
        twice[1].closed.session.ordinal = 1;
        let both = [(Law::L1, closed[0].id), (Law::L1, closed[1].id)];
        assert_eq!(broken(&twice, &[1]), both);
    }

    #[test]
    fn parts_that_do_not_come_to_the_length_break_the_sixth() {
        let standing = Policy::default().standing_of("ada", &[], &[""]);
        let mut closed = told(&standing);
        closed[1].closed.session.parts.playing = Span::from_micros(1);
        assert_eq!(broken(&closed, &[1, 2]), [(Law::L6, closed[1].id)]);
    }

    #[test]
    fn all_are_counted_and_few_are_named() {
        let standing = Policy::default().standing_of("ada", &[], &[""]);
        let mut closed = told(&standing);
        closed[0].closed.session.parts.idle = Span::from_micros(1);
        let broken = parts_add_up(&closed[0].closed.session).unwrap_err();
        let breach = |user: &str| Breach {
            app: "app".to_owned(),
            user: user.to_owned(),
            session: closed[0].id,
            broken: broken.clone(),
        };
        let (mut breaches, mut more) = (Breaches::default(), Breaches::default());
        (0..6).for_each(|_| breaches.note(breach("ada")));
        (0..6).for_each(|_| more.note(breach("bob")));
        assert!(!breaches.is_empty() && Breaches::default().is_empty());
        breaches.append(more);
        assert_eq!(breaches.counts().collect::<Vec<_>>(), [(Law::L1, 0), (Law::L6, 12)]);
        let named: Vec<&str> = breaches.named().iter().map(|breach| breach.user.as_str()).collect();
        assert_eq!(named, ["ada", "ada", "ada", "ada", "ada", "ada", "bob", "bob"]);
    }
}
