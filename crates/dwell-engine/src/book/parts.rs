//! What of a book lies on the shelf, and what comes back; and its lines in the ledger of gaps, which go along.

use dwell_core::event::{Activity, is_late};
use dwell_core::lab::live::{Line, Spine};
use dwell_core::time::Timestamp;
use dwell_core::timeline::Timeline;

use super::devices::latest_starts;
use super::leaf::{PartBytes, VERSION};
use super::{Book, Fill, MadeIds, PartNote, mark_of};
use crate::error::EngineError;
use crate::shelf::Shelf;
use crate::turn::written;

impl<'p> Book<'p> {
    /// Brings back everything that lies on the shelf.
    pub fn recall_all(&mut self, shelf: &mut Shelf<'_>) -> Result<(), EngineError> {
        self.recall_from(0, shelf)
    }

    /// Brings back all parts in which anything may have happened at a moment or later.
    pub(super) fn recall_since(&mut self, at: i64, shelf: &mut Shelf<'_>) -> Result<(), EngineError> {
        let first = self.rest.parts.partition_point(|part| part.until <= at);
        self.recall_from(first, shelf)
    }

    /// Brings back the parts that an event may concern.
    pub(super) fn recall(
        &mut self,
        activity: &Activity,
        name: &str,
        received_at: Timestamp,
        shelf: &mut Shelf<'_>,
    ) -> Result<(), EngineError> {
        if self.rest.parts.is_empty() {
            return Ok(());
        }
        let lateness = self.standing.rules_at(activity.happened_at).allowed_lateness;
        if is_late(activity.happened_at, received_at, lateness) {
            return Ok(());
        }
        let happened_at = activity.happened_at.as_micros();
        let mark = mark_of(name);
        let concerns = |part: &PartNote| happened_at < part.until || (!name.is_empty() && part.may_hold(mark));
        let first = self.rest.parts.iter().position(concerns).unwrap_or(self.rest.parts.len());
        self.recall_from(first, shelf)
    }

    /// Brings back a part and all later ones.
    fn recall_from(&mut self, first: usize, shelf: &mut Shelf<'_>) -> Result<(), EngineError> {
        if first == self.rest.parts.len() {
            return Ok(());
        }
        self.tell();
        for part in self.rest.parts.drain(first..).rev() {
            let bytes = shelf.take(part.number)?;
            let bad = |cause| EngineError::BadBook {
                app: self.app.to_owned(),
                what: format!("user {}, part {}", self.user, part.number),
                cause,
            };
            let PartBytes { version, timeline, spine, mut made_ids } =
                postcard::from_bytes(&bytes).map_err(|error| bad(error.to_string()))?;
            if version != VERSION {
                return Err(bad(format!("it has version {version}, and this program knows {VERSION}")));
            }
            let earlier =
                Timeline::read(self.app, self.user, self.standing, timeline).map_err(|error| bad(error.to_string()))?;
            let spine = Spine::read(spine).map_err(|error| bad(error.to_string()))?;
            self.timeline.join(earlier);
            self.spine = spine;
            self.rest.made_ids.append(&mut made_ids);
        }
        // The ledger holds them still: from here on they are told of again.
        self.told = self.lines();
        Ok(())
    }

    /// Puts all but the latest events on the shelf, when there are many.
    pub fn put_aside(&mut self, fill: Fill, shelf: &mut Shelf<'_>) {
        let Fill { most, keep, part } = fill;
        loop {
            let count = self.timeline.entries().len();
            if count <= most {
                return;
            }
            let moments = || self.timeline.entries().map(|(activity, _)| activity.happened_at);
            let first = moments().next();
            // Events of one moment stay together.
            let Some(cut) =
                moments().take(count - keep + 1).skip((count - keep).min(part)).find(|at| Some(*at) != first)
            else {
                return;
            };
            let mut spine = Vec::new();
            self.spine.write(&mut spine);
            let earlier = self.timeline.part(cut);
            self.pass(&earlier);
            let made_ids = std::mem::take(&mut self.rest.made_ids);
            let (made_ids, stay): (MadeIds, MadeIds) = made_ids.into_iter().partition(|(_, at)| *at < cut.as_micros());
            self.rest.made_ids = stay;
            let named = earlier.names().flat_map(|name| mark_of(&name.text()));
            let marks = named.chain(made_ids.keys().flat_map(|(_, name)| mark_of(name)));
            let note = PartNote {
                number: self.rest.next_part,
                until: cut.as_micros(),
                first_started_at: earlier.closed().next().map(|stated| stated.closed.session.started_at.as_micros()),
                marks: marks.collect(),
                devices: latest_starts(&earlier),
            };
            let mut timeline = Vec::new();
            earlier.write(&mut timeline);
            shelf.put(
                note.number,
                written(&PartBytes { version: VERSION, timeline: &timeline, spine: &spine, made_ids }),
            );
            self.rest.next_part = self.rest.next_part.wrapping_add(1);
            self.rest.parts.push(note);
        }
    }

    /// Takes the spine over what was parted off.
    pub(super) fn pass(&mut self, earlier: &Timeline<'p>) {
        let mut presence = earlier.settled_presence().clone();
        for (activity, _) in earlier.entries() {
            self.spine.follow(&mut presence, activity, self.standing, &mut |line| self.passed.push(line));
        }
    }

    /// Returns the lines of the spine and all that lies after it.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::with_capacity(2 * self.timeline.entries().len());
        let entries = self.timeline.entries().map(|(activity, _)| activity);
        self.spine.tell(self.timeline.settled_presence(), entries, self.standing, &mut |line| lines.push(line));
        lines
    }

    /// Tells the ledger of gaps what has changed.
    pub(super) fn tell(&mut self) {
        let after = self.lines();
        let mut now = std::mem::take(&mut self.passed);
        now.extend_from_slice(&after);
        self.gaps.replace(&self.told, &now);
        self.told = after;
    }
}
