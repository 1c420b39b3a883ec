//! A life in parts: who keeps only the latest part at hand says what one says who keeps everything.

#[expect(dead_code, reason = "the lab asks for more")]
#[path = "support/stories.rs"]
mod stories;

use dwell_core::event::Weight;
use dwell_core::policy::{Policy, Standing};
use dwell_core::time::{Span, Timestamp};
use dwell_core::timeline::Timeline;
use proptest::arbitrary::any;
use proptest::collection::vec;
use stories::{AUDIENCES, EventBytes, Named, PLATFORMS, USER, VersionBytes, story, version};

const APP: &str = "app";

fn read<'p>(standing: &'p Standing, bytes: &[u8]) -> Timeline<'p> {
    Timeline::read(APP, USER, standing, bytes).unwrap()
}

fn written(timeline: &Timeline<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeline.write(&mut bytes);
    bytes
}

/// The last of some moments by another, and the first after it.
fn heard_around(moments: &[Timestamp], at: Timestamp) -> [Option<Timestamp>; 2] {
    let (by_then, after): (Vec<_>, Vec<_>) = moments.iter().copied().partition(|moment| *moment <= at);
    [by_then.into_iter().max(), after.into_iter().min()]
}

#[test]
fn parts_say_what_the_whole_says_and_make_the_whole_again() {
    let drawn = (vec(any::<(EventBytes, u8, u8)>(), 0..16), vec(any::<VersionBytes>(), 0..3));
    stories::law(1, drawn, |(drawn, versions)| {
        let versions: Vec<_> = versions.into_iter().map(version).collect();
        let standing = Policy::from_versions(versions).standing_of(USER, &AUDIENCES, &PLATFORMS);
        let bytes: Vec<EventBytes> = drawn.iter().map(|(bytes, ..)| *bytes).collect();
        let mut events: Vec<(u8, u8, Named)> =
            story(&bytes).into_iter().zip(&drawn).map(|(event, (_, order, choice))| (*order, *choice, event)).collect();
        events.sort_by_key(|(order, ..)| order % 3);
        let mut whole = Timeline::new(APP, USER, &standing);
        let mut head = whole.clone();
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut said: Vec<Timestamp> = Vec::new();
        for (_, choice, (activity, name)) in &events {
            let is_earlier = head.settled_until().is_some_and(|until| activity.happened_at < until);
            let is_named = |bytes: &Vec<u8>| read(&standing, bytes).is_known(name);
            if is_earlier || parts.iter().any(is_named) {
                while let Some(bytes) = parts.pop() {
                    head.join(read(&standing, &bytes));
                }
                assert_eq!(format!("{head:?}"), format!("{whole:?}"), "parts make the whole");
            }
            assert_eq!(head.heard_around(activity.happened_at), heard_around(&said, activity.happened_at));
            if !whole.is_known(name) && activity.kind.weight() != Weight::Silent {
                said.push(activity.happened_at);
            }
            let received_at = activity.happened_at;
            assert_eq!(head.observe(activity, name, received_at), whole.observe(activity, name, received_at));
            if choice % 4 == 0 {
                let now = activity.happened_at.plus(Span::from_minutes(u32::from(*choice)));
                assert_eq!(head.advance(now), whole.advance(now));
            }
            assert_eq!(head.deadline(), whole.deadline());
            assert_eq!(head.open(), whole.open());
            assert_eq!(head.last(), whole.last());
            let middle = head.entries().nth(head.entries().count() / 2).map(|(activity, _)| activity.happened_at);
            if let Some(middle) = middle.filter(|_| choice % 2 == 0) {
                parts.push(written(&head.part(middle)));
            }
        }
        while let Some(bytes) = parts.pop() {
            head.join(read(&standing, &bytes));
        }
        assert_eq!(format!("{head:?}"), format!("{whole:?}"), "parts make the whole");
    });
}
