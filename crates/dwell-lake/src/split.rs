//! Divides a partition that has grown too large: its users were not known when the ranges were chosen.
//!
//! That is so when a log is in order of users, or when later users have greater ids.

use crate::batch::Detail;
use crate::shuffle::run::{Layout, Run};
use crate::shuffle::users::{PartitionUsers, Place};
use crate::shuffle::{Grouped, ShuffleError, narrow, wide};

/// Divides one partition into smaller ones of about so many events, in order of the users' ids.
pub fn split(grouped: &Grouped, partition: usize, events_wanted: u64) -> Result<Grouped, ShuffleError> {
    let users = &grouped.users[partition];
    let mut room = Vec::new();
    let mut counts = vec![0u64; users.count()];
    grouped.bring(partition, &mut room)?;
    let mut brought = room.as_slice();
    for run in &grouped.runs {
        let bytes = run.partition(partition, &mut brought);
        match run.layout {
            Layout::Narrow(shape) => {
                shape.read(bytes, run.events(partition), |local, _| counts[local as usize] += 1);
            }
            Layout::Bundles(shape) => {
                shape.counts(bytes, run.events(partition), |local, count| counts[local as usize] += u64::from(count));
            }
            Layout::Wide => wide::read(bytes, &mut Vec::new(), |local, _| counts[local as usize] += 1),
        }
    }
    let mut ranked: Vec<u32> = (0..users.count() as u32).collect();
    ranked.sort_unstable_by(|one, other| users.text(*one).cmp(users.text(*other)));
    let mut places = vec![Place::default(); users.count()];
    let mut parts = vec![PartitionUsers::default()];
    let mut events = 0;
    for local in ranked {
        if events_wanted < events + counts[local as usize] && 0 < events {
            parts.push(PartitionUsers::default());
            events = 0;
        }
        events += counts[local as usize];
        let partition = parts.len() - 1;
        places[local as usize] =
            Place { partition: partition as u32, local: parts[partition].append(users.text(local)) };
    }
    let mut runs = Vec::new();
    let mut brought = room.as_slice();
    for run in &grouped.runs {
        runs.push(divide(run, partition, run.partition(partition, &mut brought), &places, parts.len()));
    }
    Ok(Grouped::from_parts(parts, runs))
}

fn divide(run: &Run, partition: usize, bytes: &[u8], places: &[Place], parts: usize) -> Run {
    let (layout, bytes, ends) = match run.layout {
        Layout::Narrow(shape) => {
            let mut events = Vec::new();
            shape.read(bytes, run.events(partition), |local, at| events.push((places[local as usize], at)));
            divide_narrow(events, shape.unit(), parts)
        }
        Layout::Bundles(shape) => {
            let mut events = Vec::new();
            shape.read(bytes, run.events(partition), |local, at| events.push((places[local as usize], at)));
            divide_narrow(events, shape.unit(), parts)
        }
        Layout::Wide => {
            let (bytes, ends) = divide_wide(bytes, places, parts);
            (Layout::Wide, bytes, ends)
        }
    };
    Run::new(run.number, layout, bytes, ends)
}

fn divide_narrow(events: Vec<(Place, i64)>, unit: i64, parts: usize) -> (Layout, Vec<u8>, Vec<(u64, u32)>) {
    let mut gathered = narrow::Gathered::default();
    gathered.count_in(unit);
    gathered.divide(parts);
    gathered.take(events.into_iter());
    let narrow::LaidOut { shape, bytes, ends } = gathered.lay_out();
    (Layout::Narrow(shape), bytes, ends)
}

fn divide_wide(bytes: &[u8], places: &[Place], parts: usize) -> (Vec<u8>, Vec<(u64, u32)>) {
    let mut buffers: Vec<(Vec<u8>, u32)> = vec![Default::default(); parts];
    let mut message_ids = Vec::new();
    let mut all = Vec::new();
    wide::read(bytes, &mut message_ids, |local, event| all.push((local, event)));
    for (local, event) in all {
        let place = places[local as usize];
        let (bytes, events) = &mut buffers[place.partition as usize];
        wide::write(
            place.local,
            event.activity.happened_at.as_micros(),
            &Detail::from(&event),
            event.message_id(&message_ids),
            bytes,
        );
        *events += 1;
    }
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for (part, events) in buffers {
        bytes.extend_from_slice(&part);
        ends.push((bytes.len() as u64, events));
    }
    (bytes, ends)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use arrow_array::StringArray;

    use super::*;
    use crate::batch::{EventBatch, Users};
    use crate::shuffle::{Shuffle, Shuffler};
    use crate::sweep::{Events, User, Visitor, sweep};

    /// Writes down whom it sees, and when.
    struct Told(Vec<(String, Vec<i64>)>);

    impl Visitor for Told {
        type Error = Infallible;

        const IN_ORDER: bool = true;

        fn user(&mut self, user: &User<'_>) {
            let times = match &user.events {
                Events::Actions(times) => times.iter().map(|at| at.as_micros()).collect(),
                Events::Known { events, .. } => {
                    events.iter().map(|event| event.activity.happened_at.as_micros()).collect()
                }
            };
            self.0.push((user.id.to_owned(), times));
        }

        fn end_stretch(&mut self, _: usize) -> Result<(), Infallible> {
            Ok(())
        }
    }

    pub(crate) fn told(grouped: &Grouped) -> Vec<(String, Vec<i64>)> {
        match sweep(grouped, vec![Told(Vec::new())]) {
            Ok(told) => told.into_iter().flat_map(|told| told.0).collect(),
            Err(_) => panic!("the sweep failed"),
        }
    }

    #[test]
    fn a_partition_that_is_divided_holds_the_same_users_in_the_same_order() {
        let shuffle = Shuffle::new(0, u64::MAX);
        let mut shuffler = Shuffler::new(&shuffle);
        let ids: Vec<String> = (0..100).map(|user| format!("user{user}")).collect();
        for round in 0..20_i64 {
            let keys: Vec<u32> = (0..100).map(|user| user * 37 % 100).collect();
            let values = Arc::new(StringArray::from_iter_values(&ids));
            let happened_at =
                keys.iter().map(|key| round * 1_000_001 + i64::from(*key) * 500 - 7 * (round % 3)).collect();
            let batch = EventBatch::new(Users::Dictionary { values, keys }, happened_at, None);
            shuffler.take(&batch).unwrap();
        }
        shuffler.flush().unwrap();
        let grouped = shuffle.group();
        assert_eq!(grouped.partitions(), 1);
        for wanted in [1, 50, 1_000, 1_000_000] {
            let parts = split(&grouped, 0, wanted).unwrap();
            assert_eq!(told(&parts), told(&grouped), "{wanted}");
            assert_eq!(parts.partitions() == 1, wanted == 1_000_000);
        }
        assert_eq!(told(&grouped).len(), 100);
    }
}
