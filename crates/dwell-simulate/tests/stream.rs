//! The stream keeps its promises: order, size, and the same every time.

mod reader;

use std::collections::BTreeMap;

use dwell_core::time::{Span, Timestamp};
use dwell_simulate::{
    Faults, IdText, Population, Recipe, RecipeProblem, SimulatedEvent, Simulation, Tempo, TrueVisit, user_id,
};
use expect_test::{Expect, expect};

const EVERYTHING_WRONG: Faults =
    Faults { lost: 0.05, duplicated: 0.05, late: 0.05, very_late: 0.01, skewed_clocks: 0.2 };

fn all(recipe: &Recipe) -> (Vec<SimulatedEvent>, Vec<TrueVisit>) {
    let mut simulation = Simulation::begin(recipe).expect("a good recipe");
    let (mut events, mut visits) = (Vec::new(), Vec::new());
    while simulation.fill(&mut events, &mut visits) {}
    (events, visits)
}

/// Everything about every event and visit, boiled down to a number by FNV-1a over what a reader would print.
fn digest(recipe: &Recipe) -> String {
    let (events, visits) = all(recipe);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |text: String| {
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    events.iter().for_each(|event| take(format!("{event:?}")));
    visits.iter().for_each(|visit| take(format!("{visit:?}")));
    format!("events {}, visits {}, digest {hash:016x}", events.len(), visits.len())
}

fn check(recipe: &Recipe, expected: &Expect) {
    expected.assert_eq(&digest(recipe));
}

#[test]
fn a_seed_gives_the_same_events_on_every_machine_and_for_ever() {
    check(
        &Recipe { users: 40, days: 3, faults: EVERYTHING_WRONG, ..Recipe::default() },
        &expect!["events 7092, visits 100, digest 1cc3bee4c46ee748"],
    );
    check(
        &Recipe { users: 40, days: 3, seed: 2, ..Recipe::default() },
        &expect!["events 2411, visits 166, digest 081d263523e95cc4"],
    );
    check(
        &Recipe { users: 200, days: 5, events: Some(5000), ..Recipe::default() },
        &expect!["events 4984, visits 62, digest 6a7b9a4b61faa952"],
    );
}

#[test]
fn the_first_events_can_be_read() {
    let recipe = Recipe { users: 60, days: 2, population: Population::Music, ..Recipe::default() };
    let simulation = Simulation::begin(&recipe).expect("a good recipe");
    let lines: Vec<String> = simulation
        .events()
        .take(12)
        .map(|event| {
            let since = |at: Timestamp| at.since(recipe.from).as_micros() as f64 / 1e6;
            format!(
                "{:.3} +{:.3} {} {} {} {}/{} {:?}/{:?} visit {}",
                since(event.happened_at),
                event.received_at.since(event.happened_at).as_micros() as f64 / 1e6,
                &IdText::of(user_id(recipe.seed, event.user)).as_str()[..8],
                event.country,
                event.name,
                event.platform,
                event.device,
                event.position,
                event.total_length,
                event.true_session
            )
        })
        .collect();
    expect![[r#"
        1300.140 +0.405 14aea8bd KR article_liked ios/1 None/None visit 1
        1312.027 +1.898 14aea8bd KR post_viewed ios/1 None/None visit 1
        1296.919 +19.456 14aea8bd KR opened ios/1 None/None visit 1
        1322.703 +4.605 14aea8bd KR comment_liked ios/1 None/None visit 1
        1328.736 +0.659 14aea8bd KR video_viewed ios/1 None/None visit 1
        1338.280 +0.818 14aea8bd KR video_viewed ios/1 None/None visit 1
        1352.604 +0.259 14aea8bd KR cart_liked ios/1 None/None visit 1
        1369.038 +0.583 14aea8bd KR review_viewed ios/1 None/None visit 1
        1375.528 +0.701 14aea8bd KR settings ios/1 None/None visit 1
        1378.521 +1.824 14aea8bd KR playing_started ios/1 Some(0)/Some(179) visit 1
        1382.452 +7.205 14aea8bd KR backgrounded ios/1 None/None visit 1
        1557.521 +0.275 14aea8bd KR playing_started ios/1 Some(0)/Some(173) visit 1"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn events_come_in_order_of_arrival_and_visits_in_order_of_start() {
    for population in Population::ALL {
        let recipe = Recipe { users: 100, days: 4, population, faults: EVERYTHING_WRONG, ..Recipe::default() };
        let (events, visits) = all(&recipe);
        assert!(!visits.is_empty());
        assert!(events.is_sorted_by_key(|event| event.received_at), "{population:?}");
        assert!(visits.is_sorted_by_key(|visit| visit.started_at), "{population:?}");
        assert!(events.iter().all(|event| event.happened_at < event.received_at));
    }
}

#[test]
fn every_event_lies_in_its_visit_and_visits_of_a_person_never_meet() {
    for population in Population::ALL {
        for tempo in Tempo::ALL {
            let users = if population == Population::Bots { 5 } else { 100 };
            // Not at midnight, and not on a whole millisecond.
            let from = Timestamp::from_micros(1_767_571_200_000_000 + 40_000_000_123);
            let recipe =
                Recipe { users, days: 5, from, population, tempo, faults: EVERYTHING_WRONG, ..Recipe::default() };
            let (events, visits) = all(&recipe);
            let mut of_user: BTreeMap<u64, Vec<TrueVisit>> = BTreeMap::new();
            for visit in visits {
                assert!(recipe.from <= visit.started_at);
                assert!(visit.started_at < recipe.from.plus(Span::from_hours(24 * recipe.days)));
                assert!(visit.listening <= visit.ended_at.since(visit.started_at));
                of_user.entry(visit.user).or_default().push(visit);
            }
            for visits in of_user.values() {
                for (place, visit) in visits.iter().enumerate() {
                    assert_eq!(visit.ordinal, place as u64 + 1);
                }
                assert!(visits.is_sorted_by(|one, next| one.ended_at < next.started_at), "{population:?} {tempo:?}");
            }
            let mut arrived: BTreeMap<(u64, u64), u64> = BTreeMap::new();
            for event in reader::by_user(events).values().flatten() {
                let visit = of_user[&event.user][event.true_session as usize - 1];
                assert!(visit.started_at <= event.happened_at && event.happened_at <= visit.ended_at);
                *arrived.entry((event.user, event.true_session)).or_default() += 1;
            }
            for visit in of_user.values().flatten() {
                assert_eq!(arrived.get(&(visit.user, visit.ordinal)).copied().unwrap_or(0), visit.events);
            }
        }
    }
}

#[test]
fn about_as_many_events_arrive_as_were_asked_for() {
    let faults = Faults { lost: 0.1, duplicated: 0.05, ..Faults::NONE };
    for (users, days, asked, tolerance) in [
        (100, 14, 5_000, 2_500),
        (1_000, 14, 100_000, 3_000),
        (20_000, 30, 500_000, 5_000),
        // Wants people to do more than is their nature.
        (500, 14, 500_000, 10_000),
        // More people and days than are counted one by one.
        (60_000, 60, 1_500_000, 45_000),
    ] {
        let recipe = Recipe { users, days, events: Some(asked), faults, ..Recipe::default() };
        let came = Simulation::begin(&recipe).expect("a good recipe").events().count() as i64;
        assert!((came - asked as i64).abs() <= tolerance, "{users} users, {days} days: {came} instead of {asked}");
    }
}

#[test]
fn nearly_everybody_comes_even_when_there_are_only_fifty_events_for_each() {
    let recipe = Recipe { users: 60_000, days: 60, events: Some(3_000_000), ..Recipe::default() };
    let mut came = vec![false; 60_000];
    for event in Simulation::begin(&recipe).expect("a good recipe").events() {
        came[event.user as usize] = true;
    }
    let came = came.iter().filter(|came| **came).count();
    assert!(54_000 < came, "{came}");
}

#[test]
fn what_cannot_be_made_is_refused_with_the_facts() {
    let good = Recipe { users: 10, ..Recipe::default() };
    let problem = |recipe: Recipe| Simulation::begin(&recipe).map(|_| ()).expect_err("refused").to_string();
    let lines = [
        problem(Recipe { users: 0, ..good.clone() }),
        problem(Recipe { users: 1 << 32, ..good.clone() }),
        problem(Recipe { days: 0, ..good.clone() }),
        problem(Recipe { from: Timestamp::MIN, ..good.clone() }),
        problem(Recipe { event_names: 257, ..good.clone() }),
        problem(Recipe { faults: Faults { lost: 1.5, ..Faults::NONE }, ..good.clone() }),
        problem(Recipe { faults: Faults { late: f64::NAN, ..Faults::NONE }, ..good.clone() }),
        problem(Recipe { faults: Faults { late: 0.6, very_late: 0.6, ..Faults::NONE }, ..good.clone() }),
    ];
    expect![[r#"
        0 users are out of bounds: there must be from 1 to 4294967295
        4294967296 users are out of bounds: there must be from 1 to 4294967295
        0 days are out of bounds: there must be from 1 to 3650
        the first day is out of bounds: it must lie from 1970 to 2200
        257 event names are out of bounds: there must be from 1 to 256
        the share of lost events is out of bounds: 1.5 is not from 0 to 1
        the share of late events is out of bounds: NaN is not from 0 to 1
        the share of late and very late events is out of bounds: 1.2 is not from 0 to 1"#]]
    .assert_eq(&lines.join("\n"));
    let too_many = Simulation::begin(&Recipe { events: Some(u64::MAX), ..good });
    assert!(matches!(too_many, Err(RecipeProblem::TooManyEvents { most: 10_000.., .. })));
}

#[test]
fn even_the_longest_visits_end_before_the_persons_next_day() {
    for population in [Population::Stayers, Population::Readers, Population::Music] {
        let recipe = Recipe { users: 3000, population, tempo: Tempo::Slow, ..Recipe::default() };
        let mut left: BTreeMap<u64, Timestamp> = BTreeMap::new();
        for visit in Simulation::begin(&recipe).expect("a good recipe").visits() {
            if let Some(left) = left.insert(visit.user, visit.ended_at) {
                assert!(left < visit.started_at, "{visit:?} begins before the person had left at {left:?}");
            }
        }
    }
}
