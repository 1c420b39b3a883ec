//! What goes wrong does so as often as asked, and never changes what people did.

use std::collections::{BTreeMap, BTreeSet};

use dwell_core::event::is_late;
use dwell_core::time::Span;
use dwell_simulate::{Faults, Recipe, SimulatedEvent, Simulation, TrueVisit};

fn with(faults: Faults) -> (Vec<SimulatedEvent>, Vec<TrueVisit>) {
    let recipe = Recipe { users: 600, days: 7, faults, ..Recipe::default() };
    let mut simulation = Simulation::begin(&recipe).expect("a good recipe");
    let (mut events, mut visits) = (Vec::new(), Vec::new());
    while simulation.fill(&mut events, &mut visits) {}
    (events, visits)
}

fn assert_share(part: usize, whole: usize, expected: f64) {
    let share = part as f64 / whole as f64;
    assert!((share - expected).abs() < expected * 0.1 + 0.0001, "{part} of {whole} is {share}, not {expected}");
}

#[test]
fn nothing_goes_wrong_unless_asked() {
    let (events, visits) = with(Faults::NONE);
    let ids: BTreeSet<u128> = events.iter().map(|event| event.message_id).collect();
    assert_eq!(ids.len(), events.len());
    assert!(events.iter().all(|event| event.received_at.since(event.happened_at) <= Span::from_secs(20)));
    assert!(events.iter().all(|event| event.original == event.happened_at && event.sent_at == event.received_at));
    assert_eq!(visits.iter().map(|visit| visit.events).sum::<u64>(), events.len() as u64);
}

#[test]
fn lost_events_never_arrive_and_their_visits_still_took_place() {
    let (before, visits_before) = with(Faults::NONE);
    let (after, visits_after) = with(Faults { lost: 0.2, ..Faults::NONE });
    assert_share(before.len() - after.len(), before.len(), 0.2);
    let bare = |visits: &[TrueVisit]| visits.iter().map(|visit| TrueVisit { events: 0, ..*visit }).collect::<Vec<_>>();
    assert_eq!(bare(&visits_before), bare(&visits_after));
    assert!(visits_after.iter().any(|visit| visit.events == 0));
}

#[test]
fn duplicates_are_the_same_event_received_again_within_the_deduplication_window() {
    let (events, _) = with(Faults { duplicated: 0.03, ..Faults::NONE });
    let mut first: BTreeMap<u128, SimulatedEvent> = BTreeMap::new();
    let mut again = 0;
    for event in &events {
        if let Some(one) = first.get(&event.message_id) {
            again += 1;
            let apart = event.received_at.since(one.received_at);
            assert!(Span::from_secs(2) <= apart && apart <= Span::from_hours(2));
            assert_eq!(*event, SimulatedEvent { received_at: event.received_at, sent_at: event.sent_at, ..*one });
        } else {
            first.insert(event.message_id, *event);
        }
    }
    assert_share(again, first.len(), 0.03);
}

#[test]
fn late_events_come_within_two_days_and_very_late_ones_after_three() {
    let (events, _) = with(Faults { late: 0.02, very_late: 0.01, ..Faults::NONE });
    let beyond = |allowed| events.iter().filter(|event| is_late(event.happened_at, event.received_at, allowed)).count();
    assert_share(beyond(Span::from_minutes(5)), events.len(), 0.03);
    assert_share(beyond(Span::from_hours(72)), events.len(), 0.01);
    assert_eq!(beyond(Span::from_hours(48)), beyond(Span::from_hours(73).minus(Span::from_micros(1))));
    assert_eq!(beyond(Span::from_hours(120)), 0);
}

#[test]
fn wrong_clocks_are_wrong_per_device_and_the_rule_puts_them_right() {
    let faults = Faults { skewed_clocks: 0.3, late: 0.05, duplicated: 0.05, ..Faults::NONE };
    let (events, _) = with(faults);
    let mut devices: BTreeMap<(u64, u32), i64> = BTreeMap::new();
    for event in &events {
        let skew = event.original.as_micros() - event.happened_at.as_micros();
        let known = *devices.entry((event.user, event.device)).or_insert(skew);
        assert_eq!(known, skew, "the clock of a device is always wrong by the same");
        let happened = event.stamps().happened();
        assert_eq!((happened.at, happened.from_the_future), (event.happened_at, false));
    }
    let wrong: Vec<i64> = devices.values().copied().filter(|skew| *skew != 0).collect();
    assert!((wrong.len() as f64 / devices.len() as f64 - 0.3).abs() < 0.05, "{} of {}", wrong.len(), devices.len());
    assert!(wrong.iter().all(|skew| (120_000_000..=72 * 3_600_000_000).contains(&skew.abs())));
    assert!(wrong.iter().any(|skew| *skew < 0) && wrong.iter().any(|skew| 0 < *skew));
}
