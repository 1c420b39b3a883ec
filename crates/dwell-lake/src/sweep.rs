//! User after user, each with all their events in order: the way from a shuffle to any question.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dwell_core::event::{Activity, EventKind};
use dwell_core::time::Timestamp;
use hashbrown::HashSet;

use crate::shuffle::run::Layout;
use crate::shuffle::users::PartitionUsers;
use crate::shuffle::wide::{self, WideEvent};
use crate::shuffle::{EVENTS_PER_PARTITION, Grouped, ShuffleError, narrow};
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
    /// All are actions of which nothing else is known: microseconds since 1970 in UTC.
    Actions(&'a [i64]),
    /// Of some more is known.
    Known {
        /// The events.
        events: &'a [WideEvent],
        /// The message ids of all; [`WideEvent::message_id`] says where each one's stands.
        message_ids: &'a [u8],
        /// How many more there were that had a message id that one of these has.
        duplicates: u64,
    },
}

/// Somebody who is shown all users. Each thread has one of its own.
pub trait Visitor: Send {
    /// What can go wrong with what it makes.
    type Error: Send;

    /// Looks at a user. Within a stretch users come in order of their ids.
    fn user(&mut self, user: &User<'_>);

    /// Says that a stretch of users is through; stretches are numbered from 0 in order of the ids in them.
    fn end_stretch(&mut self, stretch: usize) -> Result<(), Self::Error>;
}

/// Why a sweep did not come to its end.
#[derive(Debug)]
pub enum SweepError<E> {
    /// The events could not be brought back.
    Shuffle(ShuffleError),
    /// The visitor could not go on.
    Visitor(E),
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
                return Err(error);
            }
        }
        Ok(visitor)
    };
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = visitors.into_iter().map(|visitor| scope.spawn(move || work(visitor))).collect();
        let ends: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        ends.into_iter()
            .map(|end| match end {
                Ok(visitor) => visitor,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

/// What one thread needs to put the events of a partition in order, kept from one to the next.
#[derive(Debug, Default)]
struct Room {
    from_disk: Vec<u8>,
    locals: Vec<u32>,
    times: Vec<i64>,
    wide: Vec<WideEvent>,
    message_ids: Vec<u8>,
    starts: Vec<u32>,
    sorted_times: Vec<i64>,
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

    fn sweep_whole(
        &mut self,
        grouped: &Grouped,
        partition: usize,
        visitor: &mut impl Visitor,
    ) -> Result<(), ShuffleError> {
        let users = &grouped.users[partition];
        let ranked = in_order_of_ids(users);
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
        let Room { from_disk, locals, times, starts, sorted_times, .. } = self;
        locals.clear();
        times.clear();
        starts.clear();
        starts.resize(users.count() + 1, 0);
        for run in &grouped.runs {
            narrow::read(run.partition(partition, from_disk)?, run.unit, |local, at| {
                locals.push(local);
                times.push(at);
                starts[local as usize] += 1;
            });
        }
        begin_where_the_one_before_ends(starts, ranked);
        sorted_times.clear();
        sorted_times.resize(times.len(), 0);
        for (local, at) in locals.iter().zip(times.iter()) {
            let place = &mut starts[*local as usize];
            sorted_times[*place as usize] = *at;
            *place += 1;
        }
        let mut from = 0;
        for local in ranked {
            let to = starts[*local as usize] as usize;
            let times = &mut sorted_times[from..to];
            from = to;
            if !times.is_empty() {
                sort_nearly_sorted(times);
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
        for run in &grouped.runs {
            let bytes = run.partition(partition, from_disk)?;
            let mut take = |local: u32, event: WideEvent| {
                locals.push(local);
                wide.push(event);
                starts[local as usize] += 1;
            };
            match run.layout {
                Layout::Wide => wide::read(bytes, message_ids, take),
                Layout::Narrow => narrow::read(bytes, run.unit, |local, at| take(local, an_action(at))),
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
            let duplicates = put_in_order(of_user, message_ids);
            let events = Events::Known { events: of_user, message_ids, duplicates };
            visitor.user(&User { id: users.text(*local), events });
        }
        Ok(())
    }
}

fn an_action(at: i64) -> WideEvent {
    let activity = Activity::new(Timestamp::from_micros(at), EventKind::Action);
    WideEvent { activity, name: 0, by: 0, truth: 0, received_at: None, message_id: (0, 0) }
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

/// Sorts what is nearly sorted: most users' events came in order, or one of them came a little late.
fn sort_nearly_sorted(times: &mut [i64]) {
    let mut moves = 0;
    for next in 1..times.len() {
        let at = times[next];
        let mut place = next;
        while 0 < place && at < times[place - 1] {
            times[place] = times[place - 1];
            place -= 1;
            moves += 1;
        }
        times[place] = at;
        if 8 * times.len() < moves {
            times.sort_unstable();
            return;
        }
    }
}

/// Sorts one user's events by (`happened_at`, `message_id`) and takes out those whose message id came before;
/// returns how many. Among events that these do not tell apart everything else decides, never the order of arrival.
fn put_in_order(events: &mut Vec<WideEvent>, message_ids: &[u8]) -> u64 {
    let message_id = |event: &WideEvent| &message_ids[event.message_id.0..event.message_id.0 + event.message_id.1];
    let rest = |event: &WideEvent| {
        let a = &event.activity;
        (
            a.kind,
            event.received_at,
            a.remaining,
            a.player,
            a.device,
            a.platform,
            a.campaign,
            event.name,
            event.by,
            event.truth,
        )
    };
    events.sort_by(|one, other| {
        one.activity
            .happened_at
            .cmp(&other.activity.happened_at)
            .then_with(|| message_id(one).cmp(message_id(other)))
            .then_with(|| rest(one).cmp(&rest(other)))
    });
    let before = events.len();
    let mut seen = HashSet::new();
    events.retain(|event| event.message_id.1 == 0 || seen.insert(message_id(event)));
    (before - events.len()) as u64
}
