//! What Dwell makes of them: listening holds a visit together, and the two diaries end as they are told to.

mod reader;

use std::collections::BTreeSet;

use dwell_core::event::EventKind;
use dwell_core::policy::{Policy, Version};
use dwell_core::session::{Session, Sessionizer};
use dwell_core::time::{Span, Timeout};
use dwell_simulate::diary::{Signals, diary_music, diary_social};
use dwell_simulate::{Population, Recipe, SimulatedEvent, Simulation};

fn sessions(events: &[SimulatedEvent], minutes: u64) -> Vec<Session> {
    let timeout = Some(Timeout::from_secs(minutes * 60).expect("within bounds"));
    let standing = Policy::always(Version { timeout, ..Version::default() }).standing_of("", &[], &[]);
    let mut sessionizer = Sessionizer::new(&standing);
    let mut sessions = Vec::new();
    for event in events {
        sessions.extend(sessionizer.observe(&event.activity()).ended.map(|closed| closed.session));
    }
    sessions.extend(sessionizer.finish());
    sessions
}

/// Counts the visits that lie in more than one session.
fn cut_visits(events: &[SimulatedEvent]) -> usize {
    let mut cut = BTreeSet::new();
    for session in sessions(events, 30) {
        let before = session.first.checked_sub(1).and_then(|place| events.get(place as usize));
        if let Some(before) = before
            && before.true_session == events[session.first as usize].true_session
        {
            cut.insert(before.true_session);
        }
    }
    cut.len()
}

fn plays(event: &SimulatedEvent) -> bool {
    matches!(event.kind, EventKind::PlayingStarted | EventKind::PlayingProgress | EventKind::PlayingStopped)
}

#[test]
fn listeners_visits_hold_with_playing_signals_and_fall_apart_without() {
    let recipe = Recipe { population: Population::Music, users: 300, ..Recipe::default() };
    let users = reader::by_user(Simulation::begin(&recipe).expect("a good recipe").events());
    let (mut with, mut without, mut visits) = (0, 0, 0);
    for events in users.values() {
        visits += events.iter().map(|event| event.true_session).collect::<BTreeSet<_>>().len();
        with += cut_visits(events);
        let silent: Vec<SimulatedEvent> = events.iter().copied().filter(|event| !plays(event)).collect();
        without += cut_visits(&silent);
    }
    assert_eq!(with, 0);
    assert!(visits / 20 < without, "{without} of {visits}");
}

#[test]
fn three_hours_of_music_are_one_session_with_signals_and_one_minute_without() {
    let with = sessions(&diary_music(Signals::Sent).events, 30);
    assert_eq!(with.len(), 1);
    assert_eq!(with[0].length(), Span::from_minutes(181));
    assert_eq!(with[0].parts.playing, Span::from_hours(3));
    let without = sessions(&diary_music(Signals::NotSent).events, 30);
    assert_eq!(without.len(), 1);
    assert_eq!(without[0].length(), Span::from_minutes(1));
    for signals in [Signals::Sent, Signals::NotSent] {
        let diary = diary_music(signals);
        assert_eq!(diary.visits.len(), 1);
        assert_eq!(diary.visits[0].listening, Span::from_hours(3));
        assert_eq!(diary.visits[0].events, diary.events.len() as u64);
        assert_eq!(diary.visits[0].ended_at.since(diary.visits[0].started_at), Span::from_minutes(181));
    }
}

#[test]
fn eight_hours_of_looking_in_are_one_session_at_30_minutes_and_24_at_15() {
    let diary = diary_social();
    assert_eq!(sessions(&diary.events, 30).len(), 1);
    assert_eq!(sessions(&diary.events, 15).len(), 24);
    // The silence between two visits is 17 minutes: exactly that still ends a session.
    assert_eq!(sessions(&diary.events, 17).len(), 24);
    assert_eq!(sessions(&diary.events, 18).len(), 1);
    assert_eq!(diary.visits.len(), 24);
    let first_and_last = diary.visits[23].started_at.since(diary.visits[0].started_at);
    assert_eq!(first_and_last, Span::from_minutes(23 * 20));
    let ids: BTreeSet<u128> = diary.events.iter().map(|event| event.message_id).collect();
    assert_eq!(ids.len(), diary.events.len());
    assert!(diary.events.iter().all(|event| event.true_session != 0));
}
