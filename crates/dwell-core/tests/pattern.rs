//! How people use an app: both sides of every edge of the rule.

use dwell_core::event::{Activity, EventKind};
use dwell_core::lab::pattern::Pattern;
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp};

/// Midnight of a day in UTC, to count from.
const DAY_0: Timestamp = Timestamp::from_micros(1_767_571_200_000_000);

fn second(of: u32) -> Timestamp {
    DAY_0.plus(Span::from_secs(of))
}

/// Sessions of these beginnings and lengths, in seconds since [`DAY_0`], with an activity every 20 minutes.
fn sessions(of: &[(u32, u32)]) -> Vec<Activity> {
    let mut all = Vec::new();
    for (from, length) in of {
        all.extend((0..*length).step_by(1200).map(|at| Activity::new(second(from + at), EventKind::Action)));
        all.push(Activity::new(second(from + length), EventKind::Action));
    }
    all
}

fn pattern(of: &[Activity], as_of: Timestamp) -> Pattern {
    Pattern::of(of, &Policy::default().standing_of("ada", &[], &[]), as_of)
}

const LATER: u32 = 30 * 86_400;

#[test]
fn who_has_come_for_less_than_a_week_is_a_newcomer_whatever_they_do() {
    let once = sessions(&[(0, 3000)]);
    assert_eq!(pattern(&once, second(7 * 86_400 - 1)), Pattern::Newcomer);
    assert_eq!(pattern(&once, second(7 * 86_400)), Pattern::Stayer);
}

#[test]
fn who_listens_for_more_than_half_of_their_time_is_a_listener() {
    let listens = |playing: u32, whole: u32| {
        let told = |at: u32, kind| Activity::new(second(at), kind);
        let lasts = Activity { remaining: Some(Span::from_secs(playing)), ..told(0, EventKind::PlayingStarted) };
        [
            lasts,
            told(0, EventKind::Backgrounded),
            told(playing, EventKind::PlayingStopped),
            told(whole, EventKind::Action),
        ]
    };
    assert_eq!(pattern(&listens(1001, 2000), second(LATER)), Pattern::Listener);
    assert_eq!(pattern(&listens(1000, 2000), second(LATER)), Pattern::Stayer);
}

#[test]
fn who_looks_in_often_and_briefly_is_a_checker() {
    let four = |length: u32| sessions(&[(0, length), (4_000, length), (8_000, length), (12_000, length)]);
    assert_eq!(pattern(&four(299), second(LATER)), Pattern::Checker);
    assert_eq!(pattern(&four(300), second(LATER)), Pattern::Other);
    // Three on a day are not often, nor are seven on two.
    assert_eq!(pattern(&sessions(&[(0, 9), (4_000, 9), (8_000, 9)]), second(LATER)), Pattern::Other);
    let day_after = [(0, 9), (4_000, 9), (8_000, 9), (12_000, 9), (86_400, 9), (90_400, 9), (94_400, 9)];
    assert_eq!(pattern(&sessions(&day_after), second(LATER)), Pattern::Other);
}

#[test]
fn who_comes_for_twenty_minutes_is_a_stayer() {
    assert_eq!(pattern(&sessions(&[(0, 1200)]), second(LATER)), Pattern::Stayer);
    assert_eq!(pattern(&sessions(&[(0, 1199)]), second(LATER)), Pattern::Other);
    assert_eq!(pattern(&[], second(LATER)), Pattern::Other);
}
