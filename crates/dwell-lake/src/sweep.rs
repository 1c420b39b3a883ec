//! User after user, each with all their events in order: the way from a shuffle to any question.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dwell_core::event::{Activity, EventKind, is_late, order};
use dwell_core::policy::Standing;
use dwell_core::time::Timestamp;
use hashbrown::HashSet;

use crate::question::LateEvents;
use crate::shuffle::run::Layout;
use crate::shuffle::users::PartitionUsers;
use crate::shuffle::wide::{self, WideEvent};
use crate::shuffle::{EVENTS_PER_PARTITION, Grouped, ShuffleError};
use crate::split::split;

/// A partition of more events than this is divided before it is sorted.
const LARGEST_PARTITION: u64 = 16 * EVENTS_PER_PARTITION;

/// One user with all their events.
#[derive(Debug)]
pub struct User<'a> {
    /// The id.
    pub id: &'a str,
    /// The events, in order of (`happened_at`, `message_id`).
    pub events: Events<'a>,
}

/// The events of one user.
#[derive(Debug)]
pub enum Events<'a> {
    /// All are actions of which nothing else is known.
    Actions(&'a [Timestamp]),
    /// Of some more is known.
    Known {
        /// The events.
        events: &'a [WideEvent],
        /// The message ids of all; [`WideEvent::message_id`] says where each one's stands.
        message_ids: &'a [u8],
    },
}

/// Somebody who is shown all users. Each thread has one of its own.
pub trait Visitor: Send {
    /// What can go wrong with what it makes.
    type Error: Send;

    /// Whether it wants users in order of their ids: within a stretch, and stretch by stretch.
    const IN_ORDER: bool = false;

    /// Looks at a user.
    fn user(&mut self, user: &User<'_>);

    /// Says that a stretch of users is through; stretches are numbered from 0 in order of the ids in them.
    fn end_stretch(&mut self, stretch: usize) -> Result<(), Self::Error>;

    /// Says that its thread cannot go on: whoever waits for a stretch of it must not wait any longer.
    fn give_up(&mut self) {}
}

/// Why a sweep did not come to its end.
#[derive(Debug)]
pub enum SweepError<E> {
    /// The events could not be brought back.
    Shuffle(ShuffleError),
    /// The visitor could not go on.
    Visitor(E),
    /// The log is not in the order that its files promise, or not all that it seemed to be: its events have to be put
    /// aside by user. Only a sweep of [`crate::in_order::InOrder`] ends so.
    NotAsPromised,
}

/// Shows all users to the visitors, one visitor on each thread, and returns them.
pub fn sweep<V: Visitor>(grouped: &Grouped, visitors: Vec<V>) -> Result<Vec<V>, SweepError<V::Error>> {
    let threads = visitors.len().max(1);
    // Stretches are long enough for a good row group and short enough to share the work out evenly.
    let per_stretch = (grouped.partitions() / (threads * 16)).max(1);
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let work = |mut visitor: V| {
        let mut room = Room::default();
        while !stop.load(Ordering::Relaxed) {
            let stretch = next.fetch_add(1, Ordering::Relaxed);
            let from = stretch * per_stretch;
            if grouped.partitions() <= from {
                break;
            }
            let swept = (from..grouped.partitions().min(from + per_stretch))
                .try_for_each(|partition| room.sweep(grouped, partition, &mut visitor))
                .map_err(SweepError::Shuffle)
                .and_then(|()| visitor.end_stretch(stretch).map_err(SweepError::Visitor));
            if let Err(error) = swept {
                stop.store(true, Ordering::Relaxed);
                visitor.give_up();
                return Err(error);
            }
        }
        Ok(visitor)
    };
    on_threads(visitors, work)
}

/// Sends each visitor on its way on a thread of its own, and waits for all; of several errors the first that is not
/// only the visitor's is returned, since one thread that cannot go on stops the visitors of others.
pub(crate) fn on_threads<V: Visitor, W: Send>(
    visitors: Vec<V>,
    work: impl Fn(V) -> Result<W, SweepError<V::Error>> + Sync,
) -> Result<Vec<W>, SweepError<V::Error>> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = visitors.into_iter().map(|visitor| scope.spawn(move || work(visitor))).collect();
        let mut ends = Vec::new();
        for thread in threads {
            ends.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        ends.sort_by_key(|end| matches!(end, Ok(_) | Err(SweepError::Visitor(_))));
        ends.into_iter().collect()
    })
}

/// What one thread needs to put the events of a partition in order, kept from one to the next.
#[derive(Debug, Default)]
struct Room {
    from_disk: Vec<u8>,
    locals: Vec<u32>,
    wide: Vec<WideEvent>,
    message_ids: Vec<u8>,
    starts: Vec<u32>,
    /// As many as the largest partition had so far.
    times: Vec<Timestamp>,
    late: Vec<Timestamp>,
    order: Vec<u32>,
    of_user: Vec<WideEvent>,
}

impl Room {
    fn sweep(&mut self, grouped: &Grouped, partition: usize, visitor: &mut impl Visitor) -> Result<(), ShuffleError> {
        let users = &grouped.users[partition];
        let events: u64 = grouped.runs.iter().map(|run| u64::from(run.events(partition))).sum();
        if LARGEST_PARTITION < events && 1 < users.count() {
            let parts = split(grouped, partition, EVENTS_PER_PARTITION)?;
            return (0..parts.partitions()).try_for_each(|part| self.sweep_whole(&parts, part, visitor));
        }
        self.sweep_whole(grouped, partition, visitor)
    }

    fn sweep_whole<V: Visitor>(
        &mut self,
        grouped: &Grouped,
        partition: usize,
        visitor: &mut V,
    ) -> Result<(), ShuffleError> {
        let users = &grouped.users[partition];
        let ranked = if V::IN_ORDER { in_order_of_ids(users) } else { (0..users.count() as u32).collect() };
        let holds_wide = |run: &crate::shuffle::run::Run| run.layout == Layout::Wide && 0 < run.events(partition);
        if grouped.runs.iter().any(holds_wide) {
            self.sweep_wide(grouped, partition, &ranked, visitor)
        } else {
            self.sweep_narrow(grouped, partition, &ranked, visitor)
        }
    }

    fn sweep_narrow(
        &mut self,
        grouped: &Grouped,
        partition: usize,
        ranked: &[u32],
        visitor: &mut impl Visitor,
    ) -> Result<(), ShuffleError> {
        let users = &grouped.users[partition];
        let Room { from_disk, starts, times, late, .. } = self;
        grouped.bring(partition, from_disk)?;
        starts.clear();
        starts.resize(users.count() + 1, 0);
        // Events are looked at twice, to be counted and to be put down: most runs have only heads to count.
        let mut events = 0;
        let mut brought = from_disk.as_slice();
        for run in &grouped.runs {
            let bytes = run.partition(partition, &mut brought);
            let of_run = run.events(partition);
            events += of_run as usize;
            match run.layout {
                Layout::Bundles(shape) => shape.counts(bytes, of_run, |local, count| starts[local as usize] += count),
                Layout::Narrow(shape) => shape.read(bytes, of_run, |local, _| starts[local as usize] += 1),
                Layout::Wide => {}
            }
        }
        begin_where_the_one_before_ends(starts, ranked);
        if times.len() < events {
            times.resize(events, Timestamp::MIN);
        }
        let mut brought = from_disk.as_slice();
        for run in &grouped.runs {
            let bytes = run.partition(partition, &mut brought);
            match run.layout {
                Layout::Bundles(shape) => shape.put(bytes, run.events(partition), starts, times),
                Layout::Narrow(shape) => shape.read(bytes, run.events(partition), |local, at| {
                    let place = &mut starts[local as usize];
                    times[*place as usize] = Timestamp::from_micros(at);
                    *place += 1;
                }),
                Layout::Wide => {}
            }
        }
        let mut from = 0;
        for local in ranked {
            let to = starts[*local as usize] as usize;
            let times = &mut times[from..to];
            from = to;
            if !times.is_empty() {
                sort_nearly_sorted(times, late);
                visitor.user(&User { id: users.text(*local), events: Events::Actions(times) });
            }
        }
        Ok(())
    }

    fn sweep_wide(
        &mut self,
        grouped: &Grouped,
        partition: usize,
        ranked: &[u32],
        visitor: &mut impl Visitor,
    ) -> Result<(), ShuffleError> {
        let users = &grouped.users[partition];
        let Room { from_disk, locals, wide, message_ids, starts, order, of_user, .. } = self;
        locals.clear();
        wide.clear();
        message_ids.clear();
        starts.clear();
        starts.resize(users.count() + 1, 0);
        grouped.bring(partition, from_disk)?;
        let mut brought = from_disk.as_slice();
        for run in &grouped.runs {
            let bytes = run.partition(partition, &mut brought);
            let mut take = |local: u32, event: WideEvent| {
                locals.push(local);
                wide.push(event);
                starts[local as usize] += 1;
            };
            match run.layout {
                Layout::Wide => wide::read(bytes, message_ids, take),
                Layout::Narrow(shape) => {
                    shape.read(bytes, run.events(partition), |local, at| take(local, an_action(at)));
                }
                Layout::Bundles(shape) => {
                    shape.read(bytes, run.events(partition), |local, at| take(local, an_action(at)));
                }
            }
        }
        begin_where_the_one_before_ends(starts, ranked);
        order.clear();
        order.resize(wide.len(), 0);
        for (index, local) in locals.iter().enumerate() {
            let place = &mut starts[*local as usize];
            order[*place as usize] = index as u32;
            *place += 1;
        }
        let mut from = 0;
        for local in ranked {
            let to = starts[*local as usize] as usize;
            of_user.clear();
            of_user.extend(order[from..to].iter().map(|index| wide[*index as usize]));
            from = to;
            if of_user.is_empty() {
                continue;
            }
            put_in_order(of_user, message_ids);
            let events = Events::Known { events: of_user, message_ids };
            visitor.user(&User { id: users.text(*local), events });
        }
        Ok(())
    }
}

fn an_action(at: i64) -> WideEvent {
    WideEvent::of(Activity::new(Timestamp::from_micros(at), EventKind::Action))
}

/// Returns the users' numbers in the order of their ids.
fn in_order_of_ids(users: &PartitionUsers) -> Vec<u32> {
    let key = |text: &str| {
        let mut head = [0; 8];
        let known = text.len().min(8);
        head[..known].copy_from_slice(&text.as_bytes()[..known]);
        u64::from_be_bytes(head)
    };
    let mut ranked: Vec<(u64, u32)> = (0..users.count() as u32).map(|local| (key(users.text(local)), local)).collect();
    ranked.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| users.text(one.1).cmp(users.text(other.1))));
    ranked.into_iter().map(|(_, local)| local).collect()
}

/// Turns the number of events of each user into the place where theirs begin, the users in the order given.
fn begin_where_the_one_before_ends(counts: &mut [u32], ranked: &[u32]) {
    let mut begin = 0;
    for local in ranked {
        let count = &mut counts[*local as usize];
        begin += std::mem::replace(count, begin);
    }
}

/// Sorts what is nearly sorted: most users' events came in order, and some a little late.
///
/// The late ones are taken out, sorted by themselves, and put back where they belong, from the end on.
pub(crate) fn sort_nearly_sorted(times: &mut [Timestamp], late: &mut Vec<Timestamp>) {
    if late.len() < times.len() {
        late.resize(times.len(), Timestamp::MIN);
    }
    // Each event is put down among both and counts for one of them: to guess which would go wrong too often.
    let (mut in_order, mut latest) = (0, Timestamp::MIN);
    for next in 0..times.len() {
        let at = times[next];
        times[in_order] = at;
        late[next - in_order] = at;
        in_order += usize::from(latest <= at);
        latest = latest.max(at);
    }
    let late = &mut late[..times.len() - in_order];
    late.sort_unstable();
    let mut place = times.len();
    for at in late.iter().rev() {
        while 0 < in_order && *at < times[in_order - 1] {
            place -= 1;
            in_order -= 1;
            times[place] = times[in_order];
        }
        place -= 1;
        times[place] = *at;
    }
}

/// Sorts one user's events as core orders them. Among events that are one to the rules, what else is known decides,
/// never the order of arrival.
fn put_in_order(events: &mut [WideEvent], message_ids: &[u8]) {
    let rest = |event: &WideEvent| (event.received_at, event.name, event.by, event.truth);
    events.sort_by(|one, other| {
        // Ids are only looked at where the moment does not decide.
        one.activity.happened_at.cmp(&other.activity.happened_at).then_with(|| {
            let (id, other_id) = (one.message_id(message_ids), other.message_id(message_ids));
            order((&one.activity, id), (&other.activity, other_id)).then_with(|| rest(one).cmp(&rest(other)))
        })
    });
}

/// How many events of a user were left out, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    /// They came in later than is allowed.
    pub late: u64,
    /// They had the message id of one that happened no later.
    pub duplicates: u64,
}

/// Puts the places of the events that count into `places`: those in time, and of each message id the earliest.
///
/// Lateness comes first, as at the door of the live engine: a copy that is late cannot stand for one that is not.
/// Message ids are compared within a user.
pub fn in_time_and_once(
    events: &[WideEvent],
    message_ids: &[u8],
    standing: &Standing,
    late: LateEvents,
    places: &mut Vec<u32>,
) -> LeftOut {
    places.clear();
    let mut left_out = LeftOut::default();
    let mut seen = HashSet::new();
    for (place, event) in events.iter().enumerate() {
        let at = event.activity.happened_at;
        let lateness = standing.rules_at(at).allowed_lateness;
        if late == LateEvents::LeftOut
            && event.received_at.is_some_and(|received_at| is_late(at, received_at, lateness))
        {
            left_out.late += 1;
        } else if event.message_id.1 != 0 && !seen.insert(event.message_id(message_ids)) {
            left_out.duplicates += 1;
        } else {
            places.push(place as u32);
        }
    }
    left_out
}

#[cfg(test)]
mod tests {
    use super::sort_nearly_sorted;
    use dwell_core::time::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_comes_late_finds_its_place(times in prop::collection::vec(-20i64..20, 0..60)) {
            let mut times: Vec<_> = times.into_iter().map(Timestamp::from_micros).collect();
            let mut sorted = times.clone();
            sorted.sort_unstable();
            sort_nearly_sorted(&mut times, &mut Vec::new());
            prop_assert_eq!(times, sorted);
        }
    }
}
