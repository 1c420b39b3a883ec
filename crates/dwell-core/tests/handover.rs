//! Handovers come and go: what is said in the end is what one reading says that knew of those that stayed, and of no others.

#[expect(dead_code, reason = "the lab asks for more")]
#[path = "support/stories.rs"]
mod stories;

use std::collections::BTreeMap;

use dwell_core::event::{Activity, EventKind, order};
use dwell_core::policy::{Campaigns, Policy, Standing};
use dwell_core::session::{ClosedSession, EndReason, Session, Sessionizer};
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

fn placeless(closed: &ClosedSession) -> ClosedSession {
    ClosedSession { session: Session { first: 0, last: 0, ..closed.session.clone() }, reason: closed.reason }
}

/// What one reading of events and handovers in order says, all up to the end of time.
fn in_order(events: &[Named], handovers: &[(u32, Timestamp, String)], standing: &Standing) -> Vec<ClosedSession> {
    let changed = |device: u32, at: Timestamp| Activity { device, ..Activity::new(at, EventKind::UserChanged) };
    let mut all = events.to_vec();
    all.extend(handovers.iter().map(|(device, at, name)| (changed(*device, *at), name.clone())));
    all.sort_by(|one, other| order((&one.0, &one.1), (&other.0, &other.1)));
    let mut sessionizer = Sessionizer::new(standing);
    let mut closed: Vec<_> = all.iter().filter_map(|(activity, _)| sessionizer.observe(activity).ended).collect();
    closed.extend(sessionizer.finish().map(|session| ClosedSession { session, reason: EndReason::TimedOut }));
    closed.iter().map(placeless).collect()
}

/// Somebody who knows what they were told.
#[derive(Default)]
struct Consumer(BTreeMap<(Timestamp, [u8; 16]), ClosedSession>);

impl Consumer {
    fn hear(&mut self, retracted: &[Stated], stated: &[Stated]) {
        let key = |stated: &Stated| (stated.closed.session.started_at, *stated.id.as_bytes());
        for old in retracted {
            let told = self.0.remove(&key(old)).expect("only what was stated is retracted");
            assert_eq!(told, placeless(&old.closed));
        }
        for new in stated {
            assert!(self.0.insert(key(new), placeless(&new.closed)).is_none(), "what is stated stands already");
        }
    }

    fn knows(&self) -> Vec<ClosedSession> {
        let mut all: Vec<_> = self.0.values().cloned().collect();
        all.sort_by_key(|closed| closed.session.ordinal);
        all
    }
}

fn closed(timeline: &Timeline<'_>) -> Vec<ClosedSession> {
    timeline.closed().map(|stated| placeless(&stated.closed)).collect()
}

/// Draws handovers at and beside the moments of events, with the names of events and others.
fn handovers_of(drawn: &[(u8, u8, u8)], events: &[Named]) -> Vec<(u32, Timestamp, String)> {
    let beside = |(place, device, choice): &(u8, u8, u8)| {
        let (activity, name) = events.get(usize::from(*place) % events.len().max(1))?;
        let at = match choice % 4 {
            0 => activity.happened_at.plus(Span::from_micros(1)),
            1 => activity.happened_at.plus(Span::from_micros(700_000)),
            _ => activity.happened_at,
        };
        let name = if choice % 3 == 0 { name.clone() } else { format!("{:x}", choice / 4) };
        Some((u32::from(device % 3), at, name))
    };
    drawn.iter().filter_map(beside).collect()
}

fn hand_over(timeline: &mut Timeline<'_>, device: u32, from: Timestamp, all: &[(u32, Timestamp, String)]) -> Effects {
    let of_it: Vec<(Timestamp, &str)> = all
        .iter()
        .filter(|(other, at, _)| *other == device && from <= *at)
        .map(|(_, at, name)| (*at, name.as_str()))
        .collect();
    timeline.hand_over(device, from, &of_it)
}

#[test]
fn handovers_that_come_and_go_leave_what_one_reading_says() {
    let drawn = (
        vec(any::<(EventBytes, u8, u8)>(), 1..12),
        vec(any::<VersionBytes>(), 0..3),
        vec(any::<(u8, u8, u8)>(), 0..6),
        vec(any::<(u8, u8, u8)>(), 0..6),
    );
    stories::law(1, drawn, |(drawn, versions, wrong, right)| {
        let standing = standing_of(versions);
        let bytes: Vec<EventBytes> = drawn.iter().map(|(bytes, ..)| *bytes).collect();
        let events: Vec<Named> = story(&bytes);
        let (wrong, right) = (handovers_of(&wrong, &events), handovers_of(&right, &events));
        let mut sent: Vec<(u8, u8, Named)> =
            events.iter().cloned().zip(&drawn).map(|(event, (_, order, choice))| (*order, *choice, event)).collect();
        sent.sort_by_key(|(order, ..)| order % 3);
        let mut timeline = Timeline::new(APP, USER, &standing);
        let mut consumer = Consumer::default();
        let mut moments: Vec<Timestamp> = Vec::new();
        for (_, choice, (activity, name)) in &sent {
            let effects = timeline.observe(activity, name, activity.happened_at);
            consumer.hear(&effects.retracted, &effects.stated);
            moments.push(activity.happened_at);
            // Both what will prove wrong and what will prove right is said now and then, as far as it lies behind a moment.
            let (device, all) = (u32::from(choice % 3), if choice % 2 == 0 { &wrong } else { &right });
            let from = if choice % 5 == 0 { Timestamp::MIN } else { moments[usize::from(*choice) % moments.len()] };
            let effects = hand_over(&mut timeline, device, from, all);
            consumer.hear(&effects.retracted, &effects.stated);
            if choice % 7 == 0 {
                let rung = timeline.advance(activity.happened_at.plus(Span::from_secs(u32::from(*choice))));
                consumer.hear(&[], rung.as_slice());
            }
            assert_eq!(consumer.knows(), closed(&timeline));
            // Who is put aside, written and read goes on as if not.
            let middle = timeline.entries().nth(usize::from(*choice) % 4).map(|(activity, _)| activity.happened_at);
            if let Some(middle) = middle.filter(|_| choice % 4 == 1) {
                let whole = format!("{timeline:?}");
                let earlier = timeline.part(middle);
                let read = |timeline: &Timeline<'_>| {
                    let mut bytes = Vec::new();
                    timeline.write(&mut bytes);
                    Timeline::read(APP, USER, &standing, &bytes).unwrap()
                };
                let (earlier, later) = (read(&earlier), read(&timeline));
                timeline = later;
                timeline.join(earlier);
                assert_eq!(format!("{timeline:?}"), whole);
            }
        }
        for device in 0..3 {
            let effects = hand_over(&mut timeline, device, Timestamp::MIN, &right);
            consumer.hear(&effects.retracted, &effects.stated);
            let again = hand_over(&mut timeline, device, Timestamp::MIN, &right);
            assert!(again.retracted.is_empty() && again.stated.is_empty());
        }
        let rung = timeline.advance(Timestamp::MAX);
        consumer.hear(&[], rung.as_slice());
        assert_eq!(closed(&timeline), in_order(&events, &right, &standing));
        assert_eq!(consumer.knows(), closed(&timeline));
        let said: Vec<_> = timeline.events().map(|(activity, name)| (*activity, (*name.text()).to_owned())).collect();
        let kept: Vec<_> = events.into_iter().filter(|(activity, _)| activity.kind != EventKind::Silent).collect();
        assert_eq!(said, kept);
    });
}

#[test]
fn what_is_withdrawn_is_as_if_it_had_never_been() {
    let drawn =
        (vec(any::<(EventBytes, u8)>(), 1..12), vec(any::<VersionBytes>(), 0..3), vec(any::<(u8, u8, u8)>(), 1..6));
    stories::law(1, drawn, |(drawn, versions, handovers)| {
        let standing = standing_of(versions);
        let (bytes, choices): (Vec<EventBytes>, Vec<u8>) = drawn.into_iter().unzip();
        let events = story(&bytes);
        let handovers = handovers_of(&handovers, &events);
        let mut never = Timeline::new(APP, USER, &standing);
        let mut withdrawn = never.clone();
        let mut now = Timestamp::MIN;
        for ((activity, name), choice) in events.iter().zip(&choices) {
            let received_at = activity.happened_at;
            never.observe(activity, name, received_at);
            withdrawn.observe(activity, name, received_at);
            if choice % 3 == 0 {
                for device in 0..3 {
                    hand_over(&mut withdrawn, device, Timestamp::MIN, &handovers);
                }
            }
            if choice % 4 == 0 {
                now = now.max(activity.happened_at.plus(Span::from_secs(u32::from(choice % 6))));
                never.advance(now);
                withdrawn.advance(now);
            }
        }
        let mut effects_were_none = true;
        for device in 0..3 {
            let effects = withdrawn.hand_over(device, Timestamp::MIN, &[]);
            effects_were_none &= effects.retracted.is_empty() && effects.stated.is_empty();
        }
        // What the bell has rung for is closed again; in both, it closes what it would close.
        assert!(withdrawn.deadline().is_none_or(|deadline| now < deadline) || effects_were_none);
        never.advance(now);
        withdrawn.advance(now);
        assert_eq!(closed(&withdrawn), closed(&never));
        assert_eq!((withdrawn.open(), withdrawn.deadline()), (never.open(), never.deadline()));
        assert!(withdrawn.entries().eq(never.entries()) && withdrawn.names().eq(never.names()));
        let later = now.plus(Span::from_micros(1));
        assert_eq!(withdrawn.presence_at(later), never.presence_at(later));
    });
}

#[test]
fn what_is_settled_is_not_handed_over_any_more() {
    let standing = standing_of(Vec::new());
    let mut timeline = Timeline::new(APP, USER, &standing);
    let at = |seconds: u32| Timestamp::from_micros(0).plus(Span::from_secs(seconds));
    let tap = |seconds: u32| Activity { device: 1, ..Activity::new(at(seconds), EventKind::Action) };
    timeline.observe(&tap(0), "a", at(0));
    timeline.observe(&tap(60), "b", at(60));
    timeline.settle(at(50));
    let effects = timeline.hand_over(1, Timestamp::MIN, &[(at(10), "x")]);
    assert_eq!((effects.stated.len(), timeline.entries().len()), (0, 1));
    // From there on it is.
    let effects = timeline.hand_over(1, Timestamp::MIN, &[(at(50), "x")]);
    assert_eq!(effects.stated[0].closed.reason, EndReason::UserChanged);
}
