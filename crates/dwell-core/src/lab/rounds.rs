//! A user of whom nothing but actions is known, however many: gaps by the block, and what reaches beyond blocks once more.
//!
//! Most users are one block. What blocks of others leave are few gaps and the stretches between them, and these are gaps
//! in a row again: so they go into blocks of their own, until one holds them all.

use alloc::vec::Vec;

use super::block::{BITS, Between, Block, LARGEST_BLOCK, Sides};
use super::ledger::GapLedger;
use super::lengths::Lengths;
use super::milestones::Milestones;
use super::nested::{Nest, Stretch};
use crate::time::Timestamp;

/// What it takes to go through a user's gaps, kept from one user to the next.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    block: Block,
    rest: Rest,
    next: Rest,
    /// For gaps of which each round leaves nearly all.
    nest: Nest,
}

/// Gaps whose sessions reach beyond their block, and the stretches around them: one more than gaps.
#[derive(Clone, Debug, Default)]
struct Rest {
    places: Vec<u8>,
    firsts: Vec<Timestamp>,
    lasts: Vec<Timestamp>,
}

impl Rest {
    fn begin(&mut self, first: Timestamp) {
        self.places.clear();
        self.firsts.clear();
        self.lasts.clear();
        self.firsts.push(first);
    }

    /// Takes the gaps of a block whose bits are set.
    fn take(&mut self, mut beyond: u64, places: &[u8], firsts: &[Timestamp], lasts: &[Timestamp]) {
        while beyond != 0 {
            let bit = beyond.trailing_zeros() as usize;
            beyond &= beyond - 1;
            self.places.push(places[bit - 1]);
            self.lasts.push(lasts[bit - 1]);
            self.firsts.push(firsts[bit]);
        }
    }

    fn end(&mut self, last: Timestamp) {
        self.lasts.push(last);
    }
}

impl Rounds {
    /// Begins with nothing, for a grid of so many timeouts.
    pub fn new(timeouts: u32) -> Self {
        Rounds { block: Block::new(), rest: Rest::default(), next: Rest::default(), nest: Nest::new(timeouts) }
    }

    /// Takes all moments of a user, in order and at least one. `reached` says how many timeouts a gap of so many
    /// microseconds reaches.
    pub fn observe(
        &mut self,
        moments: &[Timestamp],
        reached: impl Fn(u64) -> u32,
        ledger: &mut GapLedger,
        lengths: &mut Lengths,
        milestones: &mut Milestones,
    ) {
        let Rounds { block, rest, .. } = self;
        let gaps = moments.len() - 1;
        let sides = if gaps <= LARGEST_BLOCK { Sides::Closed } else { Sides::Open };
        let mut before = lengths.grid().timeouts().len() as u8;
        if gaps == 0 {
            return lengths.add_single(before);
        }
        rest.begin(moments[0]);
        for from in (0..gaps).step_by(LARGEST_BLOCK) {
            let around = &moments[from..=gaps.min(from + LARGEST_BLOCK)];
            ledger.expect(around.len());
            block.fill(around, |gap| {
                let reached = reached(gap);
                ledger.part(reached, gap);
                (lengths.grid().up_to(reached), reached)
            });
            if block.reaches(lengths.grid().up_to(milestones.least())) {
                let mut longest = [0; BITS];
                let told = block.longest(milestones.most() as u32, &mut longest);
                milestones.part_all(&longest[..told]);
            }
            let beyond = block.note(around, around, sides, Between::Action, lengths);
            if sides == Sides::Open {
                rest.take(beyond, block.places(), around, around);
                // Of the action between two blocks neither knows whether it is alone.
                lengths.add_single(before.min(block.places()[0]));
                before = block.places()[block.places().len() - 1];
            }
        }
        if sides == Sides::Open {
            lengths.add_single(before);
            rest.end(moments[gaps]);
            self.go_on(lengths);
        }
    }

    /// Goes on with what blocks have left.
    fn go_on(&mut self, lengths: &mut Lengths) {
        let Rounds { block, rest, next, .. } = self;
        while LARGEST_BLOCK < rest.places.len() {
            next.begin(rest.firsts[0]);
            for from in (0..rest.places.len()).step_by(LARGEST_BLOCK) {
                let to = rest.places.len().min(from + LARGEST_BLOCK);
                let (firsts, lasts) = (&rest.firsts[from..=to], &rest.lasts[from..=to]);
                block.fill_known(&rest.places[from..to]);
                let beyond = block.note(firsts, lasts, Sides::Open, Between::Stretch, lengths);
                next.take(beyond, block.places(), firsts, lasts);
            }
            next.end(rest.lasts[rest.places.len()]);
            let (before, after) = (rest.places.len(), next.places.len());
            core::mem::swap(rest, next);
            if before < 2 * after {
                return self.nest(lengths);
            }
        }
        block.fill_known(&rest.places);
        block.note(&rest.firsts, &rest.lasts, Sides::Closed, Between::Stretch, lengths);
    }

    /// Goes through what is left gap by gap, since blocks would hardly leave less of it.
    #[cold]
    fn nest(&mut self, lengths: &mut Lengths) {
        let Rounds { rest, nest, .. } = self;
        // The first stretch is one action, and of the others all sessions within are known, as is the stretch if it is one.
        // So none is told before it is joined, and then it has several actions, however many are said here.
        let stretch = |(first, last): (&Timestamp, &Timestamp)| Stretch::of_actions(*first, *last, 1);
        let mut stretches = rest.firsts.iter().zip(&rest.lasts).map(stretch);
        let Some(first) = stretches.next() else { return };
        nest.begin(first);
        for (stretch, reached) in stretches.zip(&rest.places) {
            nest.follow_known(stretch, u32::from(*reached), &mut |found| lengths.note_several(found));
        }
        nest.end(&mut |found| lengths.note_several(found));
    }
}
