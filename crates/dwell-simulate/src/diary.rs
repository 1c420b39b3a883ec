//! Two stories told by hand, for the README and for tests: what 30 minutes gets wrong in both directions.

use dwell_core::event::EventKind;
use dwell_core::time::{Span, Timestamp};

use crate::event::{SimulatedEvent, TrueVisit};
use crate::id::message_id;

/// A story: what was received, and what was so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diary {
    /// The events of one person, in order of arrival.
    pub events: Vec<SimulatedEvent>,
    /// The person's true visits.
    pub visits: Vec<TrueVisit>,
}

/// Whether the app says that something plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signals {
    /// When it begins, and every five minutes.
    Sent,
    /// Never.
    NotSent,
}

/// Monday, the 5th of January 2026, at midnight.
const MIDNIGHT: Timestamp = Timestamp::from_micros(1_767_571_200_000_000);

/// One minute of screen, three hours of music with the screen away, silence.
///
/// One visit of 3 h 1 min. With the signals a session of that length; without them it seems to last a minute.
#[must_use]
pub fn diary_music(signals: Signals) -> Diary {
    let opened = MIDNIGHT.plus(Span::from_hours(20));
    let away = opened.plus(Span::from_minutes(1));
    let ended_at = away.plus(Span::from_hours(3));
    let mut events = vec![
        event(opened, EventKind::Opened, "opened"),
        event(opened.plus(Span::from_secs(15)), EventKind::Screen, "library"),
        event(opened.plus(Span::from_secs(40)), EventKind::Action, "album_opened"),
    ];
    if signals == Signals::Sent {
        events.push(event(opened.plus(Span::from_secs(50)), EventKind::PlayingStarted, "playing_started"));
    }
    events.push(event(away, EventKind::Backgrounded, "backgrounded"));
    if signals == Signals::Sent {
        for step in 1..=36 {
            let at = away.plus(Span::from_minutes(5 * step));
            events.push(event(at, EventKind::PlayingProgress, "playing_progress"));
        }
    }
    let listening = ended_at.since(away);
    number(events, vec![TrueVisit { listening, ..visit(opened, ended_at) }])
}

/// Eight hours of looking in for three minutes, every twenty minutes from the start of one visit to the next.
///
/// Twenty-four visits. One session at 30 minutes, twenty-four at 15.
#[must_use]
pub fn diary_social() -> Diary {
    let mut events = Vec::new();
    let mut visits = Vec::new();
    for look in 0..24 {
        let start = MIDNIGHT.plus(Span::from_hours(9)).plus(Span::from_minutes(20 * look));
        let end = start.plus(Span::from_minutes(3));
        events.push(event(start, EventKind::Foregrounded, "foregrounded"));
        for step in 1..18 {
            events.push(event(start.plus(Span::from_secs(10 * step)), EventKind::Action, "post_viewed"));
        }
        events.push(event(end, EventKind::Backgrounded, "backgrounded"));
        visits.push(visit(start, end));
    }
    number(events, visits)
}

fn event(at: Timestamp, kind: EventKind, name: &'static str) -> SimulatedEvent {
    let plays = matches!(kind, EventKind::PlayingStarted | EventKind::PlayingProgress);
    SimulatedEvent {
        user: 0,
        happened_at: at,
        original: at,
        sent_at: at,
        received_at: at,
        kind,
        name,
        message_id: 0,
        platform: "ios",
        device: 1,
        player: u32::from(plays),
        position: None,
        total_length: None,
        country: "KR",
        true_session: 0,
    }
}

fn visit(started_at: Timestamp, ended_at: Timestamp) -> TrueVisit {
    TrueVisit { user: 0, ordinal: 0, started_at, ended_at, listening: Span::ZERO, events: 0 }
}

/// Numbers the visits, and puts every event into its own.
fn number(mut events: Vec<SimulatedEvent>, mut visits: Vec<TrueVisit>) -> Diary {
    for (place, visit) in visits.iter_mut().enumerate() {
        visit.ordinal = place as u64 + 1;
        for event in &mut events {
            if visit.started_at <= event.happened_at && event.happened_at <= visit.ended_at {
                event.true_session = visit.ordinal;
                event.message_id = message_id(0, 0, visit.ordinal as u32, visit.events as u32);
                visit.events += 1;
            }
        }
    }
    Diary { events, visits }
}
