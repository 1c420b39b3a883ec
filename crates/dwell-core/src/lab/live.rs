//! The ledger of people who are still there: what one more event changes in it, and what a late one takes back.
//!
//! A [`Spine`] is what is left of a user's past for the ledger: the stretches that are open to the right
//! ([`super::nested`]). What behind it is known for good was told when it was passed; what the spine and the events after it
//! come to is told by [`Spine::tell`], and can be taken back and told anew when these change. So the ledger is right at
//! every moment, whatever comes late (law L5).

use alloc::vec::Vec;

use super::nested::{Found, Nest, Nested, Stretch};
use super::timeouts_reached;
use crate::bytes::{BadSnapshot, Flaw, Reader, Writer};
use crate::event::{Activity, Weight};
use crate::policy::Standing;
use crate::presence::Presence;
use crate::time::{Span, Timeout, Timestamp};

/// The form that is written. Bytes of any other are refused.
const VERSION: u8 = 1;

/// The fewest bytes of a stretch.
const SMALLEST_STRETCH: usize = 3;

/// One line of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Here is a session that no timeout joins to an earlier one.
    Always,
    /// What happens when timeouts pass `at` seconds.
    Passing {
        /// So many timeouts part two stretches, from one second up.
        at: u32,
        /// Both were sessions: there is one less.
        both_start: bool,
        /// By how much all sessions together grow.
        longer_by: Span,
    },
}

/// What a user's past comes to in the ledger.
#[derive(Clone, Debug)]
pub struct Spine {
    nest: Nest,
}

impl Default for Spine {
    fn default() -> Self {
        Spine { nest: Nest::new(Timeout::LONGEST.as_secs()) }
    }
}

impl Spine {
    /// Takes the user's next event, and tells what is known for good by it. `presence` is that before the event, and goes
    /// along.
    pub fn follow(
        &mut self,
        presence: &mut Presence,
        activity: &Activity,
        standing: &Standing,
        tell: &mut impl FnMut(Line),
    ) {
        let at = activity.happened_at;
        let stretch = match activity.kind.weight() {
            Weight::Starts => Some(Stretch::starting(at)),
            Weight::Extends => Some(Stretch::extending(at)),
            Weight::Silent => None,
        };
        if let Some(stretch) = stretch {
            let silence = presence.silence_before(at, standing);
            self.nest.take(stretch, silence.map(|silence| timeouts_reached(&silence, standing)), &mut lines(tell));
        }
        presence.observe(activity, standing);
    }

    /// Tells what the spine and the events after it come to, if nothing else follows. The spine stays as it is.
    pub fn tell<'a>(
        &self,
        presence: &Presence,
        after: impl IntoIterator<Item = &'a Activity>,
        standing: &Standing,
        tell: &mut impl FnMut(Line),
    ) {
        let (mut spine, mut presence) = (self.clone(), presence.clone());
        for activity in after {
            spine.follow(&mut presence, activity, standing, tell);
        }
        spine.nest.end(&mut lines(tell));
    }

    /// Appends the spine as bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.byte(VERSION);
        writer.number(self.nest.stack.len() as u64);
        if let Some(top) = self.nest.stack.last() {
            writer.stand_at(top.stretch.last);
        }
        for Nested { stretch, before, .. } in &self.nest.stack {
            writer.number(u64::from(*before) << 1 | u64::from(stretch.starts()));
            writer.moment(stretch.last);
            if stretch.starts() {
                writer.later(stretch.first, stretch.last);
            }
        }
    }

    /// Reads what [`Spine::write`] wrote.
    pub fn read(bytes: &[u8]) -> Result<Spine, BadSnapshot> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(reader.bad(Flaw::Version));
        }
        let mut spine = Spine::default();
        let count = reader.count(SMALLEST_STRETCH)?;
        if 0 < count {
            reader.stand_at_what_is_said()?;
        }
        for _ in 0..count {
            let head = reader.number(u64::from(Timeout::LONGEST.as_secs()) << 1 | 1)?;
            let last = reader.moment()?;
            // How many activities there were is nothing to the ledger.
            let stretch = if head & 1 == 0 {
                Stretch::extending(last)
            } else {
                let length = reader.number(i64::MAX as u64)?;
                let first = Timestamp::from_micros(last.as_micros().wrapping_sub(length as i64));
                Stretch::of_actions(first, last, 1)
            };
            spine.nest.stack.push(Nested { stretch, before: (head >> 1) as u32, inner: 0 });
        }
        reader.end()?;
        Ok(spine)
    }
}

fn lines(tell: &mut impl FnMut(Line)) -> impl FnMut(Found) {
    |found| match found {
        Found::Session { .. } => {}
        Found::Joined { at, both_start, longer_by } => tell(Line::Passing { at, both_start, longer_by }),
        Found::Always => tell(Line::Always),
    }
}
