//! Every session of every timeout: the nodes of the Cartesian tree of a user's gaps, from one small stack.
//!
//! A stretch between two activities is a session for timeouts above its longest inner gap and up to the shorter of
//! the gaps around it. `n` activities make at most `2n - 1` such stretches (Vuillemin 1980, "A unifying look at
//! data structures"; the stack is that of the all-nearest-greater-values problem). Gaps come in as the number of
//! whole-second timeouts they reach, so everything between two whole seconds is one.

use alloc::vec::Vec;

use crate::time::{Span, Timestamp};

/// Activities in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// The first activity that Starts; [`Timestamp::MAX`] when none does.
    pub(super) first: Timestamp,
    /// The last activity.
    pub(super) last: Timestamp,
    /// Activities from the first that Starts on.
    joined: u32,
    /// All activities.
    all: u32,
}

impl Stretch {
    /// Returns a stretch of one activity that Starts.
    #[must_use]
    #[inline]
    pub const fn starting(at: Timestamp) -> Self {
        Stretch { first: at, last: at, joined: 1, all: 1 }
    }

    /// Returns a stretch of one activity that only Extends.
    #[must_use]
    #[inline]
    pub const fn extending(at: Timestamp) -> Self {
        Stretch { first: Timestamp::MAX, last: at, joined: 0, all: 1 }
    }

    /// Returns a stretch of so many actions.
    #[must_use]
    #[inline]
    pub const fn of_actions(first: Timestamp, last: Timestamp, count: u32) -> Self {
        Stretch { first, last, joined: count, all: count }
    }

    /// Says whether it is a session.
    #[must_use]
    #[inline]
    pub const fn starts(&self) -> bool {
        self.joined != 0
    }

    /// Returns the length of the session.
    #[must_use]
    #[inline]
    pub const fn length(&self) -> Span {
        self.last.since(self.first)
    }

    /// Returns how many activities the session holds.
    #[must_use]
    #[inline]
    pub const fn count(&self) -> u32 {
        self.joined
    }
}

/// What the nest found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// This stretch is a session under every timeout above the first `above` and up to the first `up_to`.
    Session {
        /// The session.
        stretch: Stretch,
        /// Under so many timeouts it is not one yet.
        above: u32,
        /// Under so many timeouts it still is one, or is not yet.
        up_to: u32,
    },
    /// Under timeouts above the first `at` two stretches are one.
    Joined {
        /// How many timeouts part them.
        at: u32,
        /// Both were sessions: there is one less.
        both_start: bool,
        /// By how much the sessions together grow.
        longer_by: Span,
    },
    /// Here is a session under every timeout.
    Always,
}

/// The stretches that are still open to the right, each with a shorter gap before it than the one below.
///
/// Timeouts are counted on a scale: whole seconds as a rule, or the places of a grid where nothing between them matters.
#[derive(Clone, Debug)]
pub struct Nest {
    pub(super) stack: Vec<Nested>,
    /// How many timeouts there are.
    all: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Nested {
    pub(super) stretch: Stretch,
    /// How many timeouts the gap before it reaches.
    pub(super) before: u32,
    /// How many timeouts its longest inner gap reaches.
    pub(super) inner: u32,
}

impl Nest {
    /// Begins with nothing, for so many timeouts.
    #[must_use]
    pub const fn new(all: u32) -> Self {
        Nest { stack: Vec::new(), all }
    }

    /// Takes the first activity of a user, or after a break that every timeout makes.
    #[inline]
    pub fn begin(&mut self, stretch: Stretch) {
        self.stack.push(Nested { stretch, before: self.all, inner: 0 });
    }

    /// Takes the next activity of a user, with how many timeouts the silence before it reaches; `None` for the first.
    #[inline]
    pub(super) fn take(&mut self, stretch: Stretch, reached: Option<u32>, found: &mut impl FnMut(Found)) {
        match reached {
            None => self.begin(stretch),
            Some(reached) if reached == self.all => {
                self.end(found);
                self.begin(stretch);
            }
            Some(reached) => self.follow(stretch, reached, found),
        }
    }

    /// Takes the next activity; the gap before it reaches `reached` timeouts. A gap that is known to reach all of them
    /// may be made a break instead: [`Nest::end`], then [`Nest::begin`].
    #[inline]
    pub fn follow(&mut self, stretch: Stretch, reached: u32, found: &mut impl FnMut(Found)) {
        if reached == 0
            && let Some(top) = self.stack.last_mut()
        {
            // Under every timeout it is one with what it follows.
            top.stretch = join(top.stretch, stretch, 0, found);
            return;
        }
        self.close(reached, found);
        self.stack.push(Nested { stretch, before: reached, inner: 0 });
    }

    /// Takes the next activities, of which the sessions within are known, and the stretch as a whole if it is one. No gap
    /// between them is longer than the one before them, nor than the one after them.
    #[inline]
    pub fn follow_known(&mut self, stretch: Stretch, reached: u32, found: &mut impl FnMut(Found)) {
        self.close(reached, found);
        self.stack.push(Nested { stretch, before: reached, inner: reached });
    }

    /// Joins what no gap as long as this parts.
    #[inline]
    fn close(&mut self, reached: u32, found: &mut impl FnMut(Found)) {
        while let [.., below, top] = self.stack.as_mut_slice()
            && top.before <= reached
        {
            *below = join_nested(*below, *top, found);
            self.stack.pop();
        }
    }

    /// Ends the user, or the part before a break that every timeout makes.
    pub fn end(&mut self, found: &mut impl FnMut(Found)) {
        while let [.., below, top] = self.stack.as_mut_slice() {
            *below = join_nested(*below, *top, found);
            self.stack.pop();
        }
        let Some(whole) = self.stack.pop() else { return };
        if whole.stretch.starts() {
            tell(&whole, self.all, found);
            found(Found::Always);
        }
    }
}

/// Joins two neighbours: under timeouts up to the gap between them they were apart.
#[inline]
fn join_nested(below: Nested, top: Nested, found: &mut impl FnMut(Found)) -> Nested {
    tell(&below, top.before, found);
    tell(&top, top.before, found);
    let stretch = join(below.stretch, top.stretch, top.before, found);
    Nested { stretch, before: below.before, inner: top.before }
}

#[inline]
fn tell(nested: &Nested, up_to: u32, found: &mut impl FnMut(Found)) {
    if nested.inner < up_to && nested.stretch.starts() {
        found(Found::Session { stretch: nested.stretch, above: nested.inner, up_to });
    }
}

#[inline]
fn join(left: Stretch, right: Stretch, at: u32, found: &mut impl FnMut(Found)) -> Stretch {
    let all = left.all.saturating_add(right.all);
    match (left.starts(), right.starts()) {
        (true, true) => {
            found(Found::Joined { at, both_start: true, longer_by: right.first.since(left.last) });
            Stretch { first: left.first, last: right.last, joined: left.joined.saturating_add(right.all), all }
        }
        (true, false) => {
            found(Found::Joined { at, both_start: false, longer_by: right.last.since(left.last) });
            Stretch { first: left.first, last: right.last, joined: left.joined.saturating_add(right.all), all }
        }
        (false, _) => Stretch { all, ..right },
    }
}
