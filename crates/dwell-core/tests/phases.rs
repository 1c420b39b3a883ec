//! Where the parts of a session lie: laid out, they are its parts.

#[expect(dead_code, reason = "the lab asks for more")]
#[path = "support/stories.rs"]
mod stories;

use dwell_core::engagement::{Engagement, Parts};
use dwell_core::event::{Activity, EventKind};
use dwell_core::phases::{Part, Phase};
use dwell_core::policy::{Policy, Version};
use dwell_core::time::{Span, Timestamp};
use dwell_core::timeline::Timeline;
use proptest::arbitrary::any;
use proptest::collection::vec;
use stories::{AUDIENCES, EventBytes, PLATFORMS, USER, VersionBytes, story, version};

fn parts_of(phases: &[Phase], ordinal: u32) -> Parts {
    let mut parts = Parts::default();
    for phase in phases.iter().filter(|phase| phase.ordinal == ordinal) {
        parts.add(phase.parts());
    }
    parts
}

#[test]
fn the_phases_of_a_session_are_its_parts_in_order_and_the_last_one_is_what_somebody_does_now() {
    let drawn = (vec(any::<EventBytes>(), 0..14), vec(any::<VersionBytes>(), 0..3), 0_u32..7_200);
    stories::law(1, drawn, |(events, versions, later)| {
        let versions: Vec<Version> = versions.into_iter().map(version).collect();
        let standing = Policy::from_versions(versions).standing_of(USER, &AUDIENCES, &PLATFORMS);
        let mut timeline = Timeline::new("app", USER, &standing);
        for (activity, message_id) in story(&events) {
            timeline.observe(&activity, &message_id, activity.happened_at);
        }
        let phases = timeline.phases(Timestamp::MIN);
        for pair in phases.windows(2) {
            assert!(pair[0].until <= pair[1].from, "{pair:?} lie in each other");
        }
        assert!(phases.iter().all(|phase| phase.from < phase.until));
        for session in timeline.closed().map(|stated| &stated.closed.session).chain(timeline.open()) {
            assert_eq!(parts_of(&phases, session.ordinal), session.parts, "{session:?}: {phases:?}");
        }
        let Some((open, deadline)) = timeline.open().zip(timeline.deadline()) else { return };
        let now = open.ended_at.plus(Span::from_secs(later));
        let last = timeline.phases(now).last().copied();
        let does = timeline.presence_at(now);
        if open.ended_at < now && now < deadline && does != Engagement::Away {
            let last = last.expect("time has passed in the open session");
            assert_eq!(last.until, now);
            // At the very end of what plays it is over, and was so until then.
            let word = last.part.word();
            assert!(word == does.word() || does == Engagement::Idle(Span::ZERO), "{last:?}, {does:?}");
        }
        assert!(last.is_none_or(|last| last.until <= deadline.max(open.ended_at)));
    });
}

#[test]
fn who_plays_with_the_screen_away_is_laid_out_so() {
    let standing = Policy::default().standing_of(USER, &[], &[]);
    let mut timeline = Timeline::new("app", USER, &standing);
    let at = |minute: i64| Timestamp::from_micros(minute * 60_000_000);
    for (minute, kind, remaining) in [
        (0, EventKind::Opened, None),
        (1, EventKind::PlayingStarted, Some(Span::from_minutes(30))),
        (2, EventKind::Backgrounded, None),
        (40, EventKind::Foregrounded, None),
    ] {
        let activity = Activity { player: 1, remaining, ..Activity::new(at(minute), kind) };
        timeline.observe(&activity, &minute.to_string(), at(minute));
    }
    let laid: Vec<_> = timeline.phases(at(41)).iter().map(|phase| (phase.from, phase.until, phase.part)).collect();
    assert_eq!(
        laid,
        [
            (at(0), at(2), Part::Foreground),
            (at(2), at(31), Part::Playing),
            (at(31), at(40), Part::Idle),
            (at(40), at(41), Part::Foreground)
        ]
    );
}
