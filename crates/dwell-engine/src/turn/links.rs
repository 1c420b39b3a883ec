//! Whose an id is: what a link changes of it.
//!
//! Of each id one link is kept, the first in the order of [`Link`], and whether it holds. So an id leads to another, and in the end
//! to a user, under whose id lies the book. A link that takes the place of another lets its id lead elsewhere, and what came
//! under this id, and under those that lead to it, goes along.

use std::collections::BTreeSet;

use dwell_core::time::Timestamp;

use super::Turn;
use crate::book::{Ids, Sealed};
use crate::error::EngineError;
use crate::link::Link;
use crate::record::Record;
use crate::sheet::bad_book;

impl Turn<'_> {
    /// Takes the link that an event says, if it says one. Most are known.
    pub(super) fn link(&mut self, app: usize, event: &Record<'_>) -> Result<(), EngineError> {
        let rules = self.apps[app].rules.clone();
        let lateness = |at: Timestamp| rules.standing_of("", &[]).rules_at(at).allowed_lateness;
        let Some((from, link)) = Link::of(event, lateness) else { return Ok(()) };
        let slot = self.slot(app, from)?;
        if !link.is_before(self.slots[slot].link.as_deref()) {
            return Ok(());
        }
        let from = self.end_of(slot)?;
        // What was said before the link is taken before it.
        self.slots[from].was_linked = true;
        self.with_scene(|sheet, scene, slots| sheet.step(scene, &mut slots[from], Timestamp::MIN))?;
        let ids = self.who_goes_along(slot, from)?;
        let users_before = self.users([slot, from]);
        if let Ids::All = ids {
            // Where there was a circle, it is open now: the link that did not hold for its sake does.
            self.slots[from].is_moved = true;
            self.slots[from].is_changed = true;
        }
        self.slots[slot].link = Some(link.into());
        self.slots[slot].is_moved = true;
        self.slots[slot].is_changed = true;
        let to = self.end_of_new(slot)?;
        let users_before = users_before + if [slot, from].contains(&to) { 0 } else { self.users([to]) };
        // Of a circle that it closes, the link of this one does not hold.
        self.slots[to].is_moved = false;
        self.slots[to].is_changed = true;
        self.slots[to].was_linked = true;
        self.with_scene(|sheet, scene, slots| match slots.get_disjoint_mut([from, to]) {
            Ok([from, to]) => sheet.move_over(scene, from, to, &ids),
            // It goes another way to where it was before.
            Err(_same) => Ok(()),
        })?;
        let users = self.users([slot, from, to]);
        self.sheet.tally(app).numbers.users += users - users_before;
        Ok(())
    }

    /// Returns the place of who an id is now.
    pub(super) fn who_is(&mut self, app: usize, id: &str) -> Result<usize, EngineError> {
        let slot = self.slot(app, id)?;
        self.end_of(slot)
    }

    /// Returns the user to whom an id leads.
    pub(super) fn end_of(&mut self, mut slot: usize) -> Result<usize, EngineError> {
        let mut steps = 0;
        while let Some(next) = self.next_of(slot)? {
            slot = next;
            steps += 1;
            assert!(steps < self.slots.len(), "links that hold lead round: {}", self.slots[slot].user);
        }
        Ok(slot)
    }

    /// Returns the user to whom an id leads whose link is new. Where it leads round, that is the one whose link is the
    /// greatest on the way.
    fn end_of_new(&mut self, slot: usize) -> Result<usize, EngineError> {
        let mut way = vec![slot];
        let mut last = slot;
        while let Some(next) = self.next_of(last)? {
            if next == slot {
                let of = |slot: usize| &self.slots[slot].link;
                let greatest = way.into_iter().max_by(|one, other| of(*one).cmp(of(*other))).unwrap_or(slot);
                return Ok(greatest);
            }
            way.push(next);
            last = next;
        }
        Ok(last)
    }

    /// Returns to which id one leads; `None` where it is a user.
    fn next_of(&mut self, slot: usize) -> Result<Option<usize>, EngineError> {
        let of = &self.slots[slot];
        let Some(link) = of.link.as_ref().filter(|_| of.is_moved) else { return Ok(None) };
        let (app, to) = (of.app, link.to.clone());
        self.slot(app, &to).map(Some)
    }

    /// Finds whose events go along when the link of an id is another one: they are with the user to whom it led.
    fn who_goes_along(&mut self, slot: usize, user: usize) -> Result<Ids, EngineError> {
        if slot == user || self.is_on_circle(slot, user)? {
            return Ok(Ids::All);
        }
        let others: Vec<String> = match &self.slots[user].book {
            Some(bytes) => {
                let sealed = Sealed::read(bytes)
                    .map_err(bad_book(&self.apps[self.slots[user].app].name, &self.slots[user].user))?;
                sealed.other_ids().map(str::to_owned).collect()
            }
            None => Vec::new(),
        };
        let mut ids = BTreeSet::new();
        for id in others {
            let mut at = Some(self.slot(self.slots[slot].app, &id)?);
            while let Some(other) = at {
                if other == slot {
                    ids.insert(id);
                    break;
                }
                at = self.next_of(other)?;
            }
        }
        Ok(Ids::These(ids))
    }

    /// Says whether an id lies on the circle that the link of a user would close, if there is one.
    fn is_on_circle(&mut self, slot: usize, user: usize) -> Result<bool, EngineError> {
        let of = &self.slots[user];
        let Some(link) = &of.link else { return Ok(false) };
        let (app, to) = (of.app, link.to.clone());
        let mut at = self.slot(app, &to)?;
        while at != user {
            if at == slot {
                return Ok(true);
            }
            let Some(next) = self.next_of(at)? else { break };
            at = next;
        }
        Ok(false)
    }

    /// Counts the users among places.
    fn users(&self, slots: impl IntoIterator<Item = usize>) -> i64 {
        let slots: BTreeSet<usize> = slots.into_iter().collect();
        slots.into_iter().map(|slot| i64::from(self.slots[slot].is_user())).sum()
    }
}
