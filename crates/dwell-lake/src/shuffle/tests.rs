//! Events that come as keys are put aside as those that come as texts.

use std::sync::Arc;

use arrow_array::StringArray;

use super::{EVENTS_PER_PARTITION, Grouped, Shuffle, Shuffler};
use crate::batch::{EventBatch, Users};
use crate::split::tests::told;

/// So many events are expected, so that there are several partitions.
const EXPECTED: u64 = 5 * EVENTS_PER_PARTITION;

/// The part that a batch is in, its list of users, keys into it, and moments.
type Batch = (u64, Arc<StringArray>, Vec<u32>, Vec<i64>);

/// Batches of two lists of users, one after the other and back again, in three parts.
fn batches() -> Vec<Batch> {
    let list = |users: std::ops::Range<u32>| {
        Arc::new(StringArray::from_iter_values(users.map(|user| format!("{:02}-user", user * 37 % 60))))
    };
    let lists = [list(0..40), list(20..60)];
    let batch = |number: u64| {
        let list = &lists[usize::from(number % 4 == 2)];
        let keys: Vec<u32> = (0..90).map(|row| (row * row + number as u32) % 40).collect();
        let at = |row: i64| number as i64 * 1_000_000_000 + row * 7_000 - row % 5 * 20_000;
        // The last part has a moment that is not whole in milliseconds, and one of long ago.
        let odd = if number == 9 { -1 } else { 0 };
        let moments = (0..90).map(|row| if row == 50 { odd + at(row) / 1_000 * 1_000 } else { at(row) }).collect();
        (number / 4, list.clone(), keys, moments)
    };
    (0..12).map(batch).collect()
}

fn grouped(memory: u64, users: impl Fn(Arc<StringArray>, Vec<u32>) -> Users) -> Grouped {
    let shuffle = Shuffle::new(EXPECTED, memory);
    let mut shuffler = Shuffler::new(&shuffle);
    let mut part = 0;
    for (of_part, list, keys, moments) in batches() {
        if of_part != part {
            shuffler.begin_part(of_part).unwrap();
            part = of_part;
        }
        shuffler.take(&EventBatch::new(users(list, keys), moments, None)).unwrap();
    }
    shuffler.flush().unwrap();
    assert_eq!(shuffle.spilled() == 0, memory != 0);
    shuffle.group()
}

#[test]
fn keys_are_put_aside_as_texts_are_in_memory_and_on_disk() {
    let as_texts = |list: Arc<StringArray>, keys: Vec<u32>| {
        Users::Plain(StringArray::from_iter_values(keys.iter().map(|key| list.value(*key as usize))))
    };
    let as_keys = |values, keys| Users::Dictionary { values, keys };
    let expected = grouped(u64::MAX, as_texts);
    assert!(1 < expected.partitions());
    let expected = told(&expected);
    assert_eq!(expected.iter().map(|(_, moments)| moments.len()).sum::<usize>(), 12 * 90);
    assert_eq!(told(&grouped(0, as_texts)), expected);
    assert_eq!(told(&grouped(u64::MAX, as_keys)), expected);
    assert_eq!(told(&grouped(0, as_keys)), expected);
    assert_eq!(grouped(0, as_keys).time_range(), grouped(0, as_texts).time_range());
}
