//! Users get numbers: first a partition, by the order of their ids, then a number within it.
//!
//! Partitions are ranges of ids, so that going through them in order is going through the users in order.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, StringArray};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Where a user's events go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The partition.
    pub partition: u32,
    /// The user's number in it.
    pub local: u32,
}

/// Ranges of user ids: partition `i` holds those whose key is at least the `i`-th bound and under the next.
#[derive(Debug)]
pub struct Ranges {
    prefix: Vec<u8>,
    bounds: Vec<u64>,
    steps: Steps,
}

/// Where to look for a key among bounds: they are gone through in steps of equal length, so that few bounds are left to
/// compare it with. Where ids lie evenly there is hardly one.
#[derive(Debug, Default)]
struct Steps {
    first: u64,
    /// A step is two to the power of this long.
    shift: u32,
    /// For each step how many bounds lie before it.
    before: Vec<u32>,
}

/// So many steps for each bound, about.
const STEPS_FOR_A_BOUND: u64 = 4;

impl Steps {
    fn over(bounds: &[u64]) -> Self {
        let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Steps::default() };
        let length = (last - first) / (bounds.len() as u64 * STEPS_FOR_A_BOUND);
        let shift = 64 - length.leading_zeros();
        let steps = (last - first).checked_shr(shift).unwrap_or(0) + 1;
        let begin = |step: u64| first + (step << shift);
        let before = (0..steps).map(|step| bounds.partition_point(|bound| *bound < begin(step)) as u32);
        Steps { first: *first, shift, before: before.chain([bounds.len() as u32]).collect() }
    }

    /// Returns how many of the bounds, the same that this was made for, are at most so great.
    #[inline]
    fn up_to(&self, key: u64, bounds: &[u64]) -> usize {
        let Some(since) = key.checked_sub(self.first) else { return 0 };
        let step = since.checked_shr(self.shift).unwrap_or(0);
        match self.before.get(step as usize..) {
            Some([from, to, ..]) => {
                let (from, to) = (*from as usize, *to as usize);
                from + bounds[from..to].partition_point(|bound| *bound <= key)
            }
            _ => bounds.len(),
        }
    }
}

impl Ranges {
    /// Divides the ids into at most `parts` ranges that hold about as many of the sample each.
    pub fn from_sample(sample: &mut Vec<&str>, parts: usize) -> Self {
        sample.sort_unstable();
        sample.dedup();
        let prefix = match (sample.first(), sample.last()) {
            (Some(first), Some(last)) => {
                first.bytes().zip(last.bytes()).take_while(|(one, other)| one == other).map(|(byte, _)| byte).collect()
            }
            _ => Vec::new(),
        };
        let mut ranges = Ranges { prefix, bounds: Vec::new(), steps: Steps::default() };
        let bound = |part: usize| ranges.key(sample[part * sample.len() / parts].as_bytes());
        let mut bounds: Vec<u64> = if sample.is_empty() { Vec::new() } else { (1..parts).map(bound).collect() };
        bounds.dedup();
        ranges.steps = Steps::over(&bounds);
        ranges.bounds = bounds;
        ranges
    }

    /// Divides stretches of a log that is in order of users into ranges of about so many events each; `None` when
    /// stretches overlap, so that the log is in no such order.
    pub fn from_stretches(mut stretches: Vec<Stretch>, events_each: u64) -> Option<Self> {
        stretches.sort_unstable_by(|one, other| one.least.cmp(&other.least));
        let overlap = |pair: &[Stretch]| pair[1].least < pair[0].most;
        if stretches.len() < 2 || stretches.windows(2).any(overlap) {
            return None;
        }
        let (first, last) = (&stretches.first()?.least, &stretches.last()?.most);
        let common = first.iter().zip(last).take_while(|(one, other)| one == other).count();
        let mut ranges = Ranges { prefix: first[..common].to_vec(), bounds: Vec::new(), steps: Steps::default() };
        let mut bounds = Vec::new();
        for stretch in &stretches {
            let (least, most) = (ranges.key(&stretch.least), ranges.key(&stretch.most));
            let parts = stretch.events.div_ceil(events_each).max(1);
            let step = most.saturating_sub(least) / parts;
            bounds.extend((0..parts).map(|part| least + part * step));
        }
        bounds.dedup();
        ranges.steps = Steps::over(&bounds);
        ranges.bounds = bounds;
        Some(ranges)
    }

    /// Returns how many ranges there are.
    pub fn count(&self) -> usize {
        self.bounds.len() + 1
    }

    /// Returns the range that an id belongs to. Of two ids the greater never gets the smaller range.
    #[inline]
    pub fn of(&self, user: &[u8]) -> u32 {
        self.steps.up_to(self.key(user), &self.bounds) as u32
    }

    /// Returns the first eight bytes after what the whole sample had in common: monotonic in the id.
    #[inline]
    fn key(&self, user: &[u8]) -> u64 {
        let common = self.prefix.len();
        if common == 0
            && let Some(first) = user.first_chunk()
        {
            return u64::from_be_bytes(*first);
        }
        let head = &user[..user.len().min(common)];
        match head.cmp(&self.prefix[..]) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => u64::MAX,
            std::cmp::Ordering::Equal => {
                let rest = &user[common..];
                let mut first = [0; 8];
                let known = rest.len().min(8);
                first[..known].copy_from_slice(&rest[..known]);
                u64::from_be_bytes(first)
            }
        }
    }
}

/// A stretch of a log, and between which user ids all of its events lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// No id is smaller.
    pub least: Vec<u8>,
    /// No id is greater.
    pub most: Vec<u8>,
    /// How many events it has.
    pub events: u64,
}

/// The users of one partition.
#[derive(Debug, Default)]
pub struct PartitionUsers {
    table: HashTable<Slot>,
    /// For each user where the id stands: the number of the chunk times its size, and the place in it.
    starts: Vec<u32>,
    /// Ids, each after its length in two bytes. Chunks are filled and never moved: all partitions grow at the same
    /// pace, and what one leaves behind when it moves would be of no use to another.
    chunks: Vec<Vec<u8>>,
}

const CHUNK: usize = 16 * 1024;

/// A user is known by 96 bits of a hash that is seeded anew in every run: that any two of a billion users share them
/// has a chance of one in 10^11, and comparing the ids themselves would cost a wait for memory on every look.
#[derive(Debug)]
struct Slot {
    low: u64,
    high: u32,
    local: u32,
}

impl PartitionUsers {
    /// Returns how many users there are.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// Returns the id of a user.
    pub fn text(&self, local: u32) -> &str {
        let start = self.starts[local as usize] as usize;
        let rest = &self.chunks[start / CHUNK][start % CHUNK..];
        let id = rest.split_first_chunk::<2>().map(|(length, rest)| &rest[..usize::from(u16::from_le_bytes(*length))]);
        id.and_then(|id| std::str::from_utf8(id).ok()).unwrap_or_default()
    }

    #[inline]
    fn number(&mut self, hash: u128, text: &str) -> u32 {
        let (low, high) = (hash as u64, (hash >> 64) as u32);
        let same = |slot: &Slot| slot.high == high && slot.low == low;
        match self.table.entry(low, same, |slot| slot.low) {
            Entry::Occupied(found) => found.get().local,
            Entry::Vacant(vacant) => {
                vacant.insert(Slot { low, high, local: self.starts.len() as u32 });
                self.append(text)
            }
        }
    }

    /// Adds a user who is known to be new.
    pub fn append(&mut self, text: &str) -> u32 {
        let needed = text.len() + 2;
        // Readers refuse ids of more than a kilobyte.
        assert!(needed <= CHUNK, "an id of {} bytes came past the reader", text.len());
        if self.chunks.last().is_none_or(|chunk| CHUNK < chunk.len() + needed) {
            // The first chunk grows, so that a thousand partitions of few users take little room.
            self.chunks.push(if self.chunks.is_empty() { Vec::new() } else { Vec::with_capacity(CHUNK) });
        }
        let local = self.starts.len() as u32;
        if let Some(chunk) = self.chunks.last_mut() {
            let length = chunk.len();
            chunk.extend_from_slice(&(text.len() as u16).to_le_bytes());
            chunk.extend_from_slice(text.as_bytes());
            let start = u32::try_from((self.chunks.len() - 1) * CHUNK + length);
            assert!(start.is_ok(), "the ids of one partition of users are longer than 4 GiB");
            self.starts.push(start.unwrap_or(0));
        }
        local
    }
}

/// All users of a run.
#[derive(Debug)]
pub struct AllUsers {
    ranges: Ranges,
    partitions: Vec<Mutex<PartitionUsers>>,
    seed: u64,
}

impl AllUsers {
    /// Begins with nobody.
    pub fn new(ranges: Ranges) -> Self {
        let partitions = (0..ranges.count()).map(|_| Mutex::default()).collect();
        AllUsers { ranges, partitions, seed: RandomState::new().hash_one(0) }
    }

    /// Returns how many partitions there are.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Ends the numbering: what is left of each partition is the list of its users.
    pub fn into_partitions(self) -> Vec<PartitionUsers> {
        let finish = |users: Mutex<PartitionUsers>| {
            let users = users.into_inner().unwrap_or_else(PoisonError::into_inner);
            PartitionUsers { table: HashTable::new(), ..users }
        };
        self.partitions.into_iter().map(finish).collect()
    }

    /// Finds the places of all ids, new ones for new ids. Each partition is locked once.
    pub fn places(&self, ids: &StringArray, scratch: &mut Scratch, places: &mut Vec<Place>) {
        places.clear();
        places.resize(ids.len(), Place::default());
        scratch.hashes.clear();
        scratch.starts.clear();
        scratch.starts.resize(self.partitions.len() + 1, 0);
        for (place, id) in places.iter_mut().zip(ids.iter()) {
            let id = id.unwrap_or_default();
            place.partition = self.ranges.of(id.as_bytes());
            scratch.starts[place.partition as usize + 1] += 1;
            scratch.hashes.push(xxh3_128_with_seed(id.as_bytes(), self.seed));
        }
        for partition in 0..self.partitions.len() {
            scratch.starts[partition + 1] += scratch.starts[partition];
        }
        scratch.order.clear();
        scratch.order.resize(ids.len(), 0);
        for (index, place) in places.iter().enumerate() {
            let next = &mut scratch.starts[place.partition as usize];
            scratch.order[*next as usize] = index as u32;
            *next += 1;
        }
        let mut from = 0;
        for partition in 0..self.partitions.len() {
            let to = scratch.starts[partition] as usize;
            if from < to {
                let mut users = self.lock(partition);
                for index in &scratch.order[from..to] {
                    let index = *index as usize;
                    places[index].local = users.number(scratch.hashes[index], ids.value(index));
                }
            }
            from = to;
        }
    }

    fn lock(&self, partition: usize) -> MutexGuard<'_, PartitionUsers> {
        self.partitions[partition].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for [`AllUsers::places`] to work in, kept between calls.
#[derive(Debug, Default)]
pub struct Scratch {
    hashes: Vec<u128>,
    starts: Vec<u32>,
    order: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretch(least: &str, most: &str, events: u64) -> Stretch {
        Stretch { least: least.into(), most: most.into(), events }
    }

    #[test]
    fn a_log_in_order_of_users_is_divided_where_its_stretches_are() {
        let stretches = vec![stretch("user-b", "user-c", 10), stretch("user-a", "user-b", 10)];
        let ranges = Ranges::from_stretches(stretches, 10).expect("they do not overlap");
        let of = |user: &str| ranges.of(user.as_bytes());
        assert_eq!((of("user-a"), of("user-azz"), of("user-b"), of("user-c")), (1, 1, 2, 2));
        assert_eq!((of("a"), of("zebra")), (0, 2), "ids beyond what was promised have a place too");
        assert_eq!(ranges.count(), 3);
    }

    #[test]
    fn a_stretch_of_many_events_is_divided() {
        let stretches = vec![stretch("a", "b", 40), stretch("b", "c", 10)];
        let ranges = Ranges::from_stretches(stretches, 10).expect("they do not overlap");
        assert_eq!(ranges.count(), 6);
        assert!(ranges.of(b"a") < ranges.of(b"aq") && ranges.of(b"aq") < ranges.of(b"b"));
    }

    proptest! {
        #[test]
        fn steps_find_what_comparing_with_all_bounds_finds(
            near in prop::collection::vec(0u64..200, 0..40),
            far in prop::collection::vec(any::<u64>(), 0..4),
            base in any::<u64>(),
            keys in prop::collection::vec(0u64..210, 1..40),
        ) {
            let mut bounds: Vec<u64> = near.iter().map(|near| base.saturating_add(*near)).chain(far).collect();
            bounds.sort_unstable();
            bounds.dedup();
            let steps = Steps::over(&bounds);
            let near = keys.into_iter().map(|key| base.saturating_add(key).saturating_sub(5));
            for key in near.chain(bounds.clone()).chain([0, u64::MAX]) {
                prop_assert_eq!(steps.up_to(key, &bounds), bounds.partition_point(|bound| *bound <= key));
            }
        }
    }

    #[test]
    fn stretches_that_overlap_promise_nothing() {
        assert!(Ranges::from_stretches(vec![stretch("a", "c", 1), stretch("b", "d", 1)], 10).is_none());
        assert!(Ranges::from_stretches(vec![stretch("a", "c", 1)], 10).is_none());
    }
}
