//! What is written as bundles is read again.

use super::*;
use crate::batch::range_of;
use proptest::prelude::*;

const PARTITIONS: usize = 3;

/// Users of two lists, some of them in both.
fn lists(locals: u32) -> [Vec<Place>; 2] {
    let place =
        |user: u32| Place { partition: user % PARTITIONS as u32, local: user.wrapping_mul(locals / 7 + 1) & locals };
    [(0..10).map(place).collect(), (5..20).map(place).collect()]
}

/// Lays out what was gathered and reads it again in both ways; each partition sorted.
fn back(gathered: &mut Gathered, locals: u32) -> Vec<Vec<(u32, i64)>> {
    let laid_out = gathered.lay_out(PARTITIONS);
    let mut start = 0;
    let mut all = Vec::new();
    for (end, events) in laid_out.ends {
        let bytes = &laid_out.bytes[start..end as usize];
        start = end as usize;
        let mut back = Vec::new();
        laid_out.shape.read(bytes, events, |local, at| back.push((local, at)));
        assert_eq!(back.len(), events as usize);
        back.sort_unstable();
        if locals < 1 << 16 {
            assert_eq!(put(laid_out.shape, bytes, events, locals), back);
        }
        all.push(back);
    }
    assert_eq!(start, laid_out.bytes.len());
    all
}

/// Puts events down user by user, as a sweep does.
fn put(shape: Shape, bytes: &[u8], events: u32, locals: u32) -> Vec<(u32, i64)> {
    let mut next = vec![0; locals as usize + 1];
    shape.counts(bytes, events, |local, count| next[local as usize] += count);
    let mut begin = 0;
    for count in &mut next {
        begin += std::mem::replace(count, begin);
    }
    let starts = next.clone();
    let mut moments = vec![Timestamp::MIN; events as usize];
    shape.put(bytes, events, &mut next, &mut moments);
    let of = |(local, (from, to)): (usize, (&u32, &u32))| {
        let moments = &moments[*from as usize..*to as usize];
        moments.iter().map(|at| (local as u32, at.as_micros())).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = starts.iter().zip(&next).enumerate().flat_map(of).collect();
    all.sort_unstable();
    all
}

fn by_partition(events: &[(Place, i64)]) -> Vec<Vec<(u32, i64)>> {
    let of = |partition: usize| {
        let events = events.iter().filter(|(place, _)| place.partition as usize == partition);
        let mut events: Vec<_> = events.map(|(place, at)| (place.local, *at)).collect();
        events.sort_unstable();
        events
    };
    (0..PARTITIONS).map(of).collect()
}

/// Moments that lie within a reach, and a few anywhere.
fn moments() -> impl Strategy<Value = Vec<i64>> {
    let reach = prop_oneof![Just(0u32), 1u32..62];
    let near = (any::<i32>(), reach).prop_flat_map(|(base, reach)| {
        prop::collection::vec((0i64..=1 << reach).prop_map(move |at| i64::from(base) + at), 0..200)
    });
    let far = prop::collection::vec(-(1i64 << 61)..1 << 61, 0..3);
    (near, far).prop_map(|(near, far)| [near, far].concat()).prop_shuffle()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        rounds in prop::collection::vec(prop::collection::vec((moments(), 0..2usize), 1..4), 1..3),
        locals in prop_oneof![Just(0u32), Just(1), Just((1 << 12) - 1), Just((1 << 13) - 1), Just((1 << 20) - 1), Just(u32::MAX)],
        unit in 0..3usize,
    ) {
        let unit = UNITS[unit];
        let lists = lists(locals);
        let mut gathered = Gathered::default();
        for batches in rounds {
            let mut events = Vec::new();
            let mut firsts = [None; 2];
            for (moments, list) in batches {
                let users = &lists[list];
                let first = *firsts[list].get_or_insert_with(|| gathered.add_list(users));
                // Most events are of few users, so that bundles are long.
                let key = |at: &i64| (at.unsigned_abs() % 41 % users.len() as u64) as u32;
                let keys: Vec<u32> = moments.iter().map(key).collect();
                let moments: Vec<i64> = moments.iter().map(|at| at / unit * unit).collect();
                events.extend(keys.iter().zip(&moments).map(|(key, at)| (users[*key as usize], *at)));
                let range = range_of(&moments);
                gathered.take(first, &keys, &moments, range);
            }
            prop_assert_eq!(gathered.events(), events.len());
            prop_assert_eq!(back(&mut gathered, locals), by_partition(&events));
            prop_assert_eq!(gathered.events(), 0);
        }
    }
}

#[test]
fn a_user_is_named_once_for_all_events_that_a_head_can_tell() {
    let mut gathered = Gathered::default();
    let first = gathered.add_list(&[Place { partition: 1, local: (1 << 12) - 1 }, Place { partition: 2, local: 0 }]);
    let moments: Vec<i64> = (0..40).map(|at| at * 3_600_000_000).collect();
    let range = range_of(&moments);
    gathered.take(first, &[0; 40], &moments, range);
    let laid_out = gathered.lay_out(PARTITIONS);
    // Sixteen, sixteen and eight events; whole seconds of 39 hours take three bytes.
    let ends = [(4, 0), (8 + 3 * 2 + 40 * 3, 40), (12 + 3 * 2 + 40 * 3, 0)];
    assert_eq!(laid_out.ends, ends);
}

#[test]
fn a_few_events_long_ago_do_not_make_all_moments_longer() {
    let mut gathered = Gathered::default();
    let first = gathered.add_list(&[Place { partition: 0, local: 1 }]);
    let mut moments: Vec<i64> = (0..1_000).map(|at| at * 1_000_000).collect();
    moments.extend((1..6).map(|at| -at * 1_000_000_000_000_000));
    let range = range_of(&moments);
    gathered.take(first, &[0; 1_005], &moments, range);
    let bytes = gathered.lay_out(1).bytes.len();
    assert_eq!(bytes, HEADS + 2 + 1_000 * 3 + 5 * LONG);
}
#[test]
fn a_moment_that_is_not_whole_is_found_also_where_no_sample_looks() {
    let mut gathered = Gathered::default();
    let first = gathered.add_list(&[Place { partition: 0, local: 1 }]);
    let mut moments: Vec<i64> = (0..3 * SAMPLED as i64).map(|at| at * 1_000_000).collect();
    moments[1] += 1_000;
    moments[4] += 1;
    gathered.take(first, &vec![0; moments.len()], &moments, range_of(&moments));
    let laid_out = gathered.lay_out(1);
    let mut back = Vec::new();
    laid_out.shape.read(&laid_out.bytes, moments.len() as u32, |_, at| back.push(at));
    assert_eq!(back, moments);
}
