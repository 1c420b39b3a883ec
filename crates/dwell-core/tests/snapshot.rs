//! What is kept between events: whoever reads it goes on as if nothing had been written.

#[expect(dead_code, reason = "the lab asks for more")]
#[path = "support/stories.rs"]
mod stories;

use std::collections::BTreeMap;

use dwell_core::engagement::{Engagement, Parts};
use dwell_core::event::{Activity, EventKind};
use dwell_core::policy::{Campaigns, Policy, Rules, Standing, Version};
use dwell_core::session::ClosedSession;
use dwell_core::snapshot::Flaw;
use dwell_core::time::{Span, Timestamp};
use dwell_core::timeline::{Effects, Stated, Timeline};
use dwell_core::totals::Totals;
use proptest::arbitrary::any;
use proptest::collection::vec;
use stories::{AUDIENCES, EventBytes, Named, PLATFORMS, USER, VersionBytes, story, version};

const APP: &str = "app";

fn standing_of(versions: &[Version]) -> Standing {
    Policy::from_versions(versions.to_vec()).standing_of(USER, &AUDIENCES, &PLATFORMS)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

fn uuid(number: u64) -> String {
    format!("{:08x}-{:04x}-4{:03x}-8abc-{:012x}", number * 7919, number % 65_536, number % 4096, number * 104_729)
}

fn written(timeline: &Timeline) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeline.write(&mut bytes);
    bytes
}

fn kept(totals: &Totals) -> Vec<u8> {
    let mut bytes = Vec::new();
    totals.write(&mut bytes);
    bytes
}

/// One thing that happens to a timeline.
#[derive(Clone, Debug)]
enum Step {
    Event(Named),
    Again(Named),
    Bell(Timestamp),
    Settle(Timestamp),
}

/// Makes a life of events in any order, with bells and settling in between.
fn steps(drawn: &[(EventBytes, u8, u8)]) -> Vec<Step> {
    let bytes: Vec<EventBytes> = drawn.iter().map(|(bytes, ..)| *bytes).collect();
    let mut events: Vec<(u8, u8, Named)> =
        story(&bytes).into_iter().zip(drawn).map(|(event, (_, order, choice))| (*order, *choice, event)).collect();
    events.sort_by_key(|(order, ..)| order % 5);
    let mut steps = Vec::new();
    for (order, choice, event) in events {
        let happened_at = event.0.happened_at;
        steps.push(Step::Event(event.clone()));
        if choice % 7 == 1 {
            steps.push(Step::Again(event));
        }
        if choice % 3 == 1 {
            steps.push(Step::Bell(happened_at.plus(Span::from_micros(i64::from(order) * 50_000))));
        }
        if choice % 4 == 1 {
            steps.push(Step::Settle(happened_at.minus(Span::from_micros(i64::from(order) * 20_000))));
        }
    }
    steps
}

/// Takes a step and returns what it said.
fn take(timeline: &mut Timeline, step: &Step) -> (Option<Effects>, Option<Stated>) {
    match step {
        Step::Event((activity, name)) | Step::Again((activity, name)) => {
            (Some(timeline.observe(activity, name, activity.happened_at)), None)
        }
        Step::Bell(now) => (None, timeline.advance(*now)),
        Step::Settle(before) => {
            timeline.settle(*before);
            (None, None)
        }
    }
}

#[test]
fn who_is_written_and_read_after_every_step_says_what_one_who_is_not_says() {
    let drawn = (vec(any::<(EventBytes, u8, u8)>(), 0..14), vec(any::<VersionBytes>(), 0..3));
    stories::law(1, drawn, |(drawn, versions)| {
        let standing = standing_of(&versions.into_iter().map(version).collect::<Vec<_>>());
        let mut stays = Timeline::new(APP, USER, &standing);
        let mut comes_and_goes = stays.clone();
        for step in steps(&drawn) {
            assert_eq!(take(&mut stays, &step), take(&mut comes_and_goes, &step), "{step:?}");
            let bytes = written(&comes_and_goes);
            comes_and_goes = Timeline::read(APP, USER, &standing, &bytes).unwrap();
            assert_eq!(written(&comes_and_goes), bytes);
            assert_eq!(written(&stays), bytes);
            // All that there is, places and rules included.
            assert_eq!(format!("{comes_and_goes:?}"), format!("{stays:?}"));
            assert_eq!(comes_and_goes.deadline(), stays.deadline());
            assert_eq!(comes_and_goes.open(), stays.open());
            assert!(comes_and_goes.closed().eq(stays.closed()));
        }
    });
}

/// Does everything there is with somebody of whom anything may have been read.
fn live_on(mut timeline: Timeline, steps: &[Step]) {
    for step in steps {
        take(&mut timeline, step);
        written(&timeline);
    }
    timeline.settle(Timestamp::MAX);
    timeline.advance(Timestamp::MAX);
    written(&timeline);
}

#[test]
fn bytes_that_were_cut_or_changed_are_refused_or_read_and_never_more() {
    let drawn = (
        vec(any::<(EventBytes, u8, u8)>(), 0..10),
        (vec(any::<VersionBytes>(), 0..2), vec(any::<VersionBytes>(), 0..2)),
        vec((any::<u16>(), any::<u8>()), 1..40),
    );
    stories::law(1, drawn, |(drawn, (versions, others), changes)| {
        let standing = standing_of(&versions.into_iter().map(version).collect::<Vec<_>>());
        let mut timeline = Timeline::new(APP, USER, &standing);
        let mut totals = Totals::default();
        let steps = steps(&drawn);
        for step in &steps {
            let (effects, rung) = take(&mut timeline, step);
            effects.iter().flat_map(|effects| &effects.stated).chain(&rung).for_each(|stated| totals.add(stated));
        }
        let (bytes, of_totals) = (written(&timeline), kept(&totals));
        for length in 0..bytes.len() {
            assert!(Timeline::read(APP, USER, &standing, &bytes[..length]).is_err(), "{length}");
        }
        for length in 0..of_totals.len() {
            assert!(Totals::read(&of_totals[..length]).is_err(), "{length}");
        }
        let more = [&bytes[..], &[0]].concat();
        let bad = Timeline::read(APP, USER, &standing, &more).unwrap_err();
        assert_eq!((bad.flaw, bad.place), (Flaw::Rest, bytes.len()));
        // Rules may change between one event and the next, also for what is long past.
        let other = standing_of(&others.into_iter().map(version).collect::<Vec<_>>());
        live_on(Timeline::read(APP, USER, &other, &bytes).unwrap(), &steps);
        for (place, byte) in &changes {
            // Each byte alone, so that what is changed is deep inside; a user read so lives on without a panic.
            let mut changed = bytes.clone();
            let place = usize::from(*place);
            changed[place % bytes.len()] = *byte;
            if let Ok(timeline) = Timeline::read(APP, USER, &standing, &changed) {
                live_on(timeline, &steps);
            }
            let mut changed = of_totals.clone();
            changed[place % of_totals.len()] = *byte;
            if let Ok(totals) = Totals::read(&changed) {
                assert_eq!(Totals::read(&kept(&totals)), Ok(totals));
            }
        }
    });
}

#[test]
fn any_bytes_at_all_are_refused_or_read() {
    stories::law(1, vec(any::<u8>(), 0..200), |mut bytes| {
        let standing = standing_of(&[]);
        for version in [None, Some(1)] {
            if let (Some(version), Some(first)) = (version, bytes.first_mut()) {
                *first = version;
            }
            drop(Timeline::read(APP, USER, &standing, &bytes));
            drop(Totals::read(&bytes));
        }
    });
}

#[test]
fn a_number_of_things_that_are_not_there_takes_no_memory() {
    let standing = standing_of(&[]);
    // A new user with nothing, who claims as many entries as there are numbers.
    let mut bytes = written(&Timeline::new(APP, USER, &standing));
    assert_eq!(bytes, [4, 0, 0, 0, 0, 0, 0, 0]);
    bytes.splice(5..6, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    assert_eq!(
        Timeline::read(APP, USER, &standing, &bytes).unwrap_err().to_string(),
        "snapshot is bad at byte 15: cut"
    );
    assert_eq!(
        Timeline::read(APP, USER, &standing, &[1]).unwrap_err().to_string(),
        "snapshot is bad at byte 1: version"
    );
    assert_eq!(Timeline::read(APP, USER, &standing, &[]).unwrap_err().to_string(), "snapshot is bad at byte 0: cut");
}

#[test]
fn a_name_that_looks_like_a_uuid_is_read_as_it_was_written() {
    let standing = standing_of(&[]);
    let names = [
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0f8fad5b-d9cb-469f-a165-70867728950g",
        "0f8fad5bd-9cb-469f-a165-70867728950e",
        "0f8fad5b-d9cb-469f-a165-7086772895é",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "",
        "ж",
    ];
    let mut timeline = Timeline::new(APP, USER, &standing);
    for (place, name) in (0..).zip(names) {
        let kind = if place % 2 == 0 { EventKind::Action } else { EventKind::Silent };
        timeline.observe(&Activity::new(at(place), kind), name, at(place));
    }
    let read = Timeline::read(APP, USER, &standing, &written(&timeline)).unwrap();
    assert!(names.iter().filter(|name| !name.is_empty()).all(|name| read.is_known(name)));
    let entries: Vec<(i64, String)> = read
        .entries()
        .map(|(activity, name)| (activity.happened_at.since(at(0)).whole_secs(), (*name.text()).to_owned()))
        .collect();
    let expected = [0, 2, 4, 6].map(|place| (place as i64, names[place].to_owned()));
    assert_eq!(entries, expected);
    assert!(!read.is_known("") && !read.is_known("zoe"));
}

#[test]
fn a_snapshot_is_small() {
    let standing = standing_of(&[]);
    let sizes = |name: fn(u64) -> String| {
        let mut timeline = Timeline::new(APP, USER, &standing);
        let mut sizes = Vec::new();
        for number in 0..1000 {
            let happened_at = at(number as i64 * 47).plus(Span::from_micros(123_457 * number as i64));
            let keys = Activity { device: 3, platform: 2, ..Activity::new(happened_at, EventKind::Action) };
            timeline.observe(&keys, &name(number), happened_at);
            sizes.push(written(&timeline).len());
        }
        timeline.settle(at(60_000));
        (sizes[0], (sizes[999] - sizes[0]).div_ceil(999), written(&timeline).len())
    };
    // Bytes of a user with one event, of each further event, and of somebody of whom all is settled.
    assert_eq!(sizes(uuid), (60, 23, 72));
    assert_eq!(sizes(|number| format!("ajs-next-{number:027}")), (80, 43, 92));
}

#[test]
fn a_user_is_here_until_the_deadline_and_away_from_it_on() {
    let rules = Rules { playing: dwell_core::policy::Playing::Reaches(Span::from_minutes(10)), ..Rules::default() };
    let standing = standing_of(&[Version { rules, ..Version::default() }]);
    let mut timeline = Timeline::new(APP, USER, &standing);
    let minute = |minutes: i64| at(minutes * 60);
    let mut tell = |minutes: i64, kind| {
        timeline.observe(&Activity::new(minute(minutes), kind), "", minute(minutes));
        timeline.clone()
    };
    let idle = |minutes| Engagement::Idle(Span::from_minutes(minutes));
    let opened = tell(0, EventKind::Opened);
    assert_eq!(opened.presence_at(minute(-1)), Engagement::Foreground);
    assert_eq!(opened.presence_at(minute(5)), Engagement::Foreground);
    assert_eq!(opened.presence_at(minute(7)), idle(2));
    assert_eq!(opened.presence_at(minute(30).minus(Span::from_micros(1))).word(), "idle");
    assert_eq!(opened.presence_at(minute(30)), Engagement::Away);
    let started = tell(1, EventKind::PlayingStarted);
    assert_eq!(started.presence_at(minute(9)), Engagement::Foreground);
    let backgrounded = tell(2, EventKind::Backgrounded);
    assert_eq!(backgrounded.presence_at(minute(1)), Engagement::Playing);
    assert_eq!(backgrounded.presence_at(minute(10)), Engagement::Playing);
    assert_eq!(backgrounded.presence_at(minute(11)), idle(0));
    assert_eq!(backgrounded.presence_at(minute(12)), idle(1));
    assert_eq!(backgrounded.presence_at(minute(41)), Engagement::Away);
    let handed_over = tell(3, EventKind::UserChanged);
    assert_eq!(handed_over.presence_at(minute(3)), Engagement::Away);
    assert_eq!((handed_over.last(), handed_over.settled_until()), (Some(minute(2)), None));
    let closed = tell(4, EventKind::Closed);
    assert_eq!(closed.presence_at(minute(4)), Engagement::Away);
    assert_eq!(Timeline::new(APP, USER, &standing).presence_at(minute(0)), Engagement::Away);
    timeline.settle(minute(3));
    assert_eq!((timeline.last(), timeline.settled_until()), (Some(minute(4)), Some(minute(3))));
}

/// All sessions that are so, by their names.
type Told = BTreeMap<(Timestamp, [u8; 16], &'static str), ClosedSession>;

fn key(who: &'static str, stated: &Stated) -> (Timestamp, [u8; 16], &'static str) {
    (stated.closed.session.started_at, *stated.id.as_bytes(), who)
}

/// Hears what a step said, in totals and in a list.
fn hear(who: &'static str, said: &(Option<Effects>, Option<Stated>), totals: &mut Totals, told: &mut Told) {
    let (effects, rung) = said;
    for old in effects.iter().flat_map(|effects| &effects.retracted) {
        totals.take_back(old);
        told.remove(&key(who, old)).expect("only what was stated is retracted");
    }
    for new in effects.iter().flat_map(|effects| &effects.stated).chain(rung) {
        totals.add(new);
        told.insert(key(who, new), new.closed.clone());
    }
}

/// The totals are those of the list.
fn are_of(totals: &Totals, told: &Told) {
    let all = || told.values().map(|closed| &closed.session);
    assert_eq!(totals.sessions(), told.len() as u64);
    assert_eq!(totals.activities(), all().map(|session| session.activities).sum::<u64>());
    let length = all().fold(Span::ZERO, |sum, session| sum.plus(session.length()));
    assert_eq!(totals.length(), length);
    let mut parts = Parts::default();
    all().for_each(|session| parts.add(session.parts));
    assert_eq!(totals.parts(), parts);
    let mean = length.as_micros().checked_div(told.len() as i64).map(Span::from_micros);
    assert_eq!(totals.mean_length(), mean);
    assert_eq!(totals.first_started_at(), all().map(|session| session.started_at).min());
    assert_eq!(totals.latest_started_at(), all().map(|session| session.started_at).max());
    assert_eq!(totals.latest_ended_at(), all().map(|session| session.ended_at).max());
}

#[test]
fn totals_are_those_of_all_sessions_that_are_so() {
    let life = || vec(any::<(EventBytes, u8, u8)>(), 0..14);
    stories::law(1, (life(), life(), vec(any::<VersionBytes>(), 0..3)), |(one, other, versions)| {
        let mut versions: Vec<Version> = versions.into_iter().map(version).collect();
        // Another campaign parts nameless actions of one microsecond: the sessions have one name.
        versions.iter_mut().for_each(|version| version.rules.campaigns = Campaigns::Ignored);
        let standing = standing_of(&versions);
        let mut told = Told::new();
        let mut both = Totals::default();
        for (who, drawn) in [("one", one), ("other", other)] {
            let mut timeline = Timeline::new(APP, USER, &standing);
            let (mut totals, mut own) = (Totals::default(), Told::new());
            for step in steps(&drawn) {
                hear(who, &take(&mut timeline, &step), &mut totals, &mut own);
                if matches!(step, Step::Settle(_)) {
                    totals.settle(&timeline);
                }
                are_of(&totals, &own);
                let read = Totals::read(&kept(&totals)).unwrap();
                assert_eq!(read, totals);
                totals = read;
            }
            both.merge(&totals);
            told.extend(own);
            are_of(&both, &told);
        }
    });
}

#[test]
fn totals_of_sessions_that_were_all_taken_back_are_those_of_nobody() {
    let standing = standing_of(&[]);
    let mut timeline = Timeline::new(APP, USER, &standing);
    let mut sessions = Vec::new();
    for day in 0..5 {
        let happened_at = at(day * 86_400);
        let effects = timeline.observe(&Activity::new(happened_at, EventKind::Opened), "", happened_at);
        sessions.extend(effects.stated);
    }
    let mut totals = Totals::default();
    sessions.iter().for_each(|stated| totals.add(stated));
    assert_eq!((totals.sessions(), totals.latest_started_at()), (4, Some(at(3 * 86_400))));
    assert_eq!(kept(&totals).len(), 40);
    sessions.iter().for_each(|stated| totals.take_back(stated));
    assert_eq!(totals, Totals::default());
}
