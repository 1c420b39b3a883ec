//! What came under one id goes along when it is another person's: both are as if it had always been so.

#[expect(dead_code, reason = "the lab asks for more")]
#[path = "support/stories.rs"]
mod stories;

use std::collections::BTreeMap;

use dwell_core::event::{EventKind, Outcome};
use dwell_core::policy::{Campaigns, Policy, Standing};
use dwell_core::session::{ClosedSession, Session};
use dwell_core::time::{Span, Timestamp};
use dwell_core::timeline::{Effects, Stated, Timeline};
use proptest::arbitrary::any;
use proptest::collection::vec;
use stories::{AUDIENCES, EventBytes, Named, PLATFORMS, USER, VersionBytes, story, version};

const APP: &str = "app";

fn standing_of(versions: Vec<VersionBytes>) -> Standing {
    let mut versions: Vec<_> = versions.into_iter().map(version).collect();
    // Another campaign parts nameless actions of one microsecond: the sessions have one name.
    versions.iter_mut().for_each(|version| version.rules.campaigns = Campaigns::Ignored);
    Policy::from_versions(versions).standing_of(USER, &AUDIENCES, &PLATFORMS)
}

fn closed(timeline: &Timeline<'_>) -> Vec<ClosedSession> {
    let placeless = |closed: &ClosedSession| ClosedSession {
        session: Session { first: 0, last: 0, ..closed.session.clone() },
        reason: closed.reason,
    };
    timeline.closed().map(|stated| placeless(&stated.closed)).collect()
}

/// Somebody who knows what they were told.
#[derive(Default)]
struct Consumer(BTreeMap<[u8; 16], Stated>);

impl Consumer {
    fn hear(&mut self, Effects { retracted, stated, .. }: Effects) {
        for old in retracted {
            assert_eq!(self.0.remove(old.id.as_bytes()), Some(old), "only what was stated is retracted");
        }
        for new in stated {
            assert!(self.0.insert(*new.id.as_bytes(), new).is_none(), "what is stated stands already");
        }
    }
}

/// What shows of somebody, but for how often it was said otherwise.
fn assert_same(one: &Timeline<'_>, other: &Timeline<'_>, now: Timestamp) {
    assert_eq!(closed(one), closed(other));
    assert_eq!((one.deadline(), one.last()), (other.deadline(), other.last()));
    assert!(one.events().eq(other.events()));
    let later = now.plus(Span::from_micros(1));
    assert_eq!(one.presence_at(later), other.presence_at(later));
}

fn written_and_read<'p>(timeline: &Timeline<'p>, standing: &'p Standing) -> Timeline<'p> {
    let mut bytes = Vec::new();
    timeline.write(&mut bytes);
    let read = Timeline::read(APP, USER, standing, &bytes).unwrap();
    assert_eq!(format!("{read:?}"), format!("{timeline:?}"));
    read
}

#[test]
fn what_goes_along_is_as_if_it_had_always_been_there() {
    let drawn = (vec(any::<(EventBytes, u8)>(), 1..14), vec(any::<VersionBytes>(), 0..3), any::<u8>());
    stories::law(1, drawn, |(drawn, versions, choice)| {
        let standing = standing_of(versions);
        let (bytes, choices): (Vec<EventBytes>, Vec<u8>) = drawn.into_iter().unzip();
        let events: Vec<Named> = story(&bytes);
        // Under 0, 1 and 2 of the one; 1 and 2 go to the other, who calls them 7 and 1, and has something of their own.
        let taken = |under: u32| under == 1 || (under == 2 && choice % 2 == 0);
        let there = |under: u32| if under == 1 { 7 } else { 1 };
        let new = || Timeline::new(APP, USER, &standing);
        let (mut one, mut other, mut one_never, mut other_always) = (new(), new(), new(), new());
        let (mut of_one, mut of_other) = (Consumer::default(), Consumer::default());
        let mut now = Timestamp::MIN;
        for ((activity, name), choice) in events.iter().zip(&choices) {
            let under = u32::from(choice % 4);
            let at = activity.happened_at;
            if under == 3 {
                of_other.hear(other.observe(activity, name, at));
                other_always.observe(activity, name, at);
            } else {
                of_one.hear(one.observe_under(under, activity, name, at));
                if taken(under) {
                    other_always.observe_under(there(under), activity, name, at);
                } else {
                    one_never.observe_under(under, activity, name, at);
                }
            }
            if choice % 5 == 0 {
                now = now.max(at.plus(Span::from_secs(u32::from(choice / 16))));
                for (timeline, consumer) in [(&mut one, &mut of_one), (&mut other, &mut of_other)] {
                    let stated: Vec<Stated> = timeline.advance(now).into_iter().collect();
                    consumer.hear(Effects { outcome: Outcome::Silent, retracted: Vec::new(), stated });
                }
                one_never.advance(now);
                other_always.advance(now);
            }
        }
        one = written_and_read(&one, &standing);
        let (mut portion, effects) = one.take_out(taken);
        of_one.hear(effects);
        portion.events.iter_mut().for_each(|(under, ..)| *under = there(*under));
        portion.silent.iter_mut().for_each(|(under, ..)| *under = there(*under));
        of_other.hear(other.take_in(portion));
        other = written_and_read(&other, &standing);
        for timeline in [&mut one, &mut other, &mut one_never, &mut other_always] {
            timeline.advance(now);
        }
        assert_same(&one, &one_never, now);
        assert_same(&other, &other_always, now);
        assert!(one.names().eq(one_never.names()) && other.names().eq(other_always.names()));
        let stands = |timeline: &Timeline<'_>| -> Vec<[u8; 16]> {
            timeline.closed().map(|stated| *stated.id.as_bytes()).collect()
        };
        assert!(of_one.0.len() <= stands(&one).len() && stands(&one).len() <= of_one.0.len() + 1);
        assert!(of_other.0.keys().all(|id| stands(&other).contains(id)));
    });
}

#[test]
fn a_name_under_one_id_is_nobodys_duplicate_under_another() {
    let standing = standing_of(Vec::new());
    let mut timeline = Timeline::new(APP, USER, &standing);
    let activity = dwell_core::event::Activity::new(Timestamp::from_micros(1), EventKind::Action);
    let outcomes =
        [0, 1, 0, 1].map(|under| timeline.observe_under(under, &activity, "a", activity.happened_at).outcome);
    assert_eq!(outcomes, [Outcome::Joined, Outcome::Joined, Outcome::Duplicate, Outcome::Duplicate]);
    let (portion, _) = timeline.take_out(|under| under == 1);
    assert_eq!((portion.events.len(), portion.silent.len(), timeline.events().count()), (1, 0, 1));
    assert!(timeline.is_known("a"));
    let timeline = written_and_read(&timeline, &standing);
    assert_eq!(timeline.names().count(), 1);
}
