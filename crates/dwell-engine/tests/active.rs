//! In every minute, hour and day each user who was active is counted once, whatever comes when, and wherever the rest of their
//! book lies.

#[expect(dead_code, reason = "others ask for more")]
#[path = "support/house.rs"]
mod house;

use std::collections::BTreeSet;
use std::sync::Arc;

use dwell_core::event::{EventKind, Weight, is_late};
use dwell_core::policy::{Policy, Version};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use dwell_engine::{AppRules, Record};
use dwell_store::{Batch, Log};
use house::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;

/// An hour and a half before a day begins in the zone of the app.
const EVENING: i64 = 1_700_060_400_000_000 - 90 * MINUTE;

/// An event, to the second: there are several in a minute.
#[derive(Clone, Debug)]
struct Heard {
    id: usize,
    kind: EventKind,
    second: i64,
    device: usize,
    /// After how many seconds it came in.
    delay: i64,
    number: usize,
}

impl Heard {
    fn at(&self) -> Timestamp {
        Timestamp::from_micros(EVENING + self.second * SECOND)
    }

    fn received_at(&self) -> i64 {
        EVENING + (self.second + self.delay) * SECOND
    }
}

/// So many events of three people in three minutes of each of four hours, late by seconds.
fn heard_of(many: std::ops::Range<usize>, delay: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Heard>> {
    let second = prop::sample::select(vec![0i64, 1, 30, 59]);
    let when = (0i64..4, 0i64..3, second).prop_map(|(hour, minute, second)| hour * 3_600 + minute * 60 + second);
    let one = (0usize..3, 0usize..KINDS.len(), when, 0usize..4, delay);
    prop::collection::vec(one, many).prop_map(|drawn| {
        let heard = drawn.into_iter().enumerate().map(|(number, (id, kind, second, device, delay))| {
            // Half of all on one device, and some on none.
            Heard { id, kind: KINDS[kind], second, device: [1, 1, 2, 0][device], delay, number }
        });
        heard.collect()
    })
}

/// Nine hours east, until the clock is put forward by one an hour after midnight.
fn zone() -> Zone {
    let spring = Timestamp::from_micros(EVENING + 150 * MINUTE);
    Zone { offsets: vec![(Timestamp::MIN, 9 * 3_600), (spring, 10 * 3_600)] }
}

fn rules_with(lateness: Span) -> Arc<AppRules> {
    let mut version = Version { timeout: Timeout::from_secs(600).ok(), ..Version::default() };
    version.rules.allowed_lateness = lateness;
    Arc::new(AppRules::of(&Policy::always(version), zone()))
}

fn say(house: &House, all: &[Heard], link_from: Option<usize>, received_at: impl Fn(&Heard) -> i64) {
    let mut batch = Batch::new();
    for heard in all {
        let device = format!("device{}", heard.device);
        let mut bytes = Vec::new();
        Record {
            app: APP,
            user: &user(heard.id),
            link_from: link_from.map(user).as_deref(),
            message_id: &format!("m{}", heard.number),
            message_id_is_derived: heard.number % 5 == 4,
            kind: EventKind::ALL.iter().position(|kind| *kind == heard.kind).unwrap() as u8,
            name: None,
            happened_at: heard.at().as_micros(),
            received_at: received_at(heard),
            remaining: None,
            player: None,
            device: (heard.device != 0).then_some(device.as_str()),
            platform: None,
            campaign: None,
            country: None,
            app_version: None,
        }
        .write(&mut bytes);
        batch.push(&bytes);
    }
    if !batch.is_empty() {
        house.log.append(batch).wait().unwrap();
    }
}

/// What is to be counted of people who have these ids.
fn wanted(all: &[Heard], person: impl Fn(usize) -> usize) -> ActiveUsers {
    let active = all.iter().filter(|heard| heard.kind.weight() != Weight::Silent);
    let heard: Vec<_> = active.map(|heard| (person(heard.id), heard.at())).collect();
    active_users_of(&heard, &zone())
}

proptest! {
    #[test]
    fn each_user_counts_once_in_a_minute_an_hour_and_a_day_in_any_order(
        heard in heard_of(0..50, 0..1),
        shuffled in prop::collection::vec(any::<u32>(), 50),
        repeats in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..10),
        late in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        split in any::<prop::sample::Index>(),
        pieces in 1usize..6,
        (links, restarts) in (0usize..3, any::<bool>()),
        turn_bytes in prop::sample::select(vec![1usize, 300, 1_000, 100_000]),
    ) {
        let day_later = EVENING + 24 * 60 * MINUTE;
        let mut places = shuffled.into_iter();
        let mut sent = heard.clone();
        sent.sort_by_cached_key(|_| places.next());
        for (which, place) in repeats.into_iter().filter(|_| !heard.is_empty()) {
            let copy = sent[which.index(sent.len())].clone();
            sent.insert(place.index(sent.len() + 1), copy);
        }
        // Long after that some are heard of once more, and others of those moments for the first time: all of them are late.
        let again = late.into_iter().filter(|_| !heard.is_empty()).map(|which| heard[which.index(heard.len())].clone());
        let again: Vec<Heard> = again.collect();
        let others: Vec<Heard> = again.iter().map(|one| Heard { number: one.number + 500, ..one.clone() }).collect();
        let house = House::under(rules_with(Span::from_hours(72)), turn_bytes);
        let cut = split.index(sent.len() + 1);
        let parts = [&sent[..cut], &sent[cut..]];
        for (part, is_last) in parts.into_iter().zip([false, true]) {
            for piece in part.chunks(part.len().div_ceil(pieces).max(1)) {
                say(&house, piece, None, |_| day_later);
                house.work(0);
                if restarts {
                    house.restart();
                }
            }
            let link = Heard { id: 1, kind: EventKind::Silent, second: 0, device: 0, delay: 0, number: 1_000 };
            if 0 < links && !is_last {
                say(&house, std::slice::from_ref(&link), Some(0), |_| day_later);
            }
            if 1 < links && is_last {
                say(&house, &[Heard { number: 1_001, ..link }], Some(2), |_| day_later);
            }
            house.work(0);
        }
        for late in [again, others] {
            say(&house, &late, None, |_| EVENING + 80 * 60 * MINUTE);
        }
        house.work(0);
        let person = |id: usize| match links {
            0 => id,
            1 => id.max(1),
            _ => 1,
        };
        prop_assert_eq!(active_users(&house.desk()), wanted(&heard, person));
    }

    #[test]
    fn what_is_settled_is_not_counted_again(
        mut heard in heard_of(0..60, 0..500),
        pieces in 1usize..30,
        restarts in any::<bool>(),
        turn_bytes in prop::sample::select(vec![1usize, 300, 1_000, 100_000]),
    ) {
        // Five minutes late is late, and soon after that it is settled.
        let lateness = Span::from_minutes(5);
        let house = House::under(rules_with(lateness), turn_bytes);
        heard.sort_by_key(Heard::received_at);
        for piece in heard.chunks(heard.len().div_ceil(pieces).max(1)) {
            say(&house, piece, None, Heard::received_at);
            house.work(0);
            if restarts {
                house.restart();
            }
        }
        let in_time = |heard: &Heard| !is_late(heard.at(), Timestamp::from_micros(heard.received_at()), lateness);
        heard.retain(in_time);
        prop_assert_eq!(active_users(&house.desk()), wanted(&heard, |id| id));
    }
}

/// What is counted of one user's actions, heard of in this order, each in a turn of its own.
fn counted(seconds: &[i64]) -> ActiveUsers {
    let house = House::under(rules_with(Span::from_hours(72)), 1);
    for (number, second) in seconds.iter().enumerate() {
        let heard = Heard { id: 0, kind: EventKind::Action, second: *second, device: 0, delay: 0, number };
        say(&house, &[heard], None, |_| EVENING + 24 * 60 * MINUTE);
        house.work(0);
    }
    active_users(&house.desk())
}

#[test]
fn of_what_happened_in_one_minute_any_may_be_heard_of_first() {
    // Before, between and after others of the same minute, while most of them lie on the shelf.
    let minute = [3_600, 3_601, 3_605, 3_610, 3_620, 3_630, 3_640, 3_659];
    let all = counted(&minute);
    assert_eq!(all.values().collect::<Vec<_>>(), [&1, &1, &1]);
    for first in 0..minute.len() {
        let mut order = minute.to_vec();
        order.rotate_left(first);
        assert_eq!(counted(&order), all, "{order:?}");
        order.reverse();
        assert_eq!(counted(&order), all, "{order:?}");
    }
    // A second before and the moment after it are other minutes of other hours.
    let places = counted(&[3_599, 3_600, 7_200, 7_199]).into_keys().map(|(series, _)| series);
    let kinds = places.collect::<Vec<_>>();
    assert_eq!(kinds.len(), 4 + 3 + 1);
    assert_eq!(kinds.iter().collect::<BTreeSet<_>>().len(), 3);
}
