//! People who share devices, in files: sessions and the lab are those of the definition, in any order of rows.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;

use dwell_core::event::{Activity, EventKind, Weight, is_late};
use dwell_core::lab::Lab;
use dwell_core::lab::lengths::Grid;
use dwell_core::policy::{Policy, Version};
use dwell_core::session::Sessionizer;
use dwell_core::time::{Span, Timeout, Timestamp};
use dwell_lake::handover::Handovers;
use dwell_lake::lab::LabSweep;
use dwell_lake::load::Inputs;
use dwell_lake::question::{LateEvents, Question};
use dwell_lake::read::Options;
use dwell_lake::sessionize::{SessionRow, SessionSink, Sessionize, Tally};
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;
const BEGIN: i64 = 1_700_000_000_000_000;
const END: i64 = 1_000;

/// One row.
#[derive(Clone, Debug)]
struct Said {
    user: usize,
    kind: EventKind,
    minute: i64,
    /// None is 0.
    device: usize,
    /// After how many minutes it came in.
    delay: i64,
    number: usize,
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(BEGIN + minute * MINUTE)
}

fn user(number: usize) -> String {
    format!("user{number:03}")
}

fn policy() -> Policy {
    let mut version = Version { timeout: Timeout::from_secs(600).ok(), ..Version::default() };
    version.rules.allowed_lateness = Span::from_minutes(5);
    Policy::always(version)
}

/// What is told of a session: whose it is, from when to when, why it ended, with how many activities.
type Told = (String, Timestamp, Timestamp, Option<&'static str>, u64);

#[derive(Default)]
struct Rows(Vec<Told>);

impl SessionSink for Rows {
    type Error = Infallible;

    fn take(&mut self, row: &SessionRow<'_>) {
        let session = row.session;
        let reason = row.reason.map(|reason| reason.word());
        self.0.push((row.user.to_owned(), session.started_at, session.ended_at, reason, session.activities));
    }

    fn end_stretch(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Reads the rows from a file.
fn read(said: &[Said], threads: usize) -> (Vec<Told>, Tally, Lab) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    let mut text = "user,timestamp,event,message_id,device_id,received_at\n".to_owned();
    for Said { user: of, kind, minute, device, delay, number } in said {
        let device = if *device == 0 { String::new() } else { format!("device{device}") };
        let (happened_at, received_at) = (at(*minute).as_micros(), at(minute + delay).as_micros());
        writeln!(text, "{},{happened_at},{},m{number},{device},{received_at}", user(*of), kind.word()).unwrap();
    }
    std::fs::write(&path, text).unwrap();
    let inputs = Inputs::open(&[path.to_string_lossy().into_owned()], &Options::default()).unwrap();
    let loaded = inputs.load(threads, u64::MAX, &mut Vec::new(), &|_| ()).unwrap();
    let nobody = BTreeMap::new();
    let mut question = Question::new("app", &policy(), &nobody, &inputs.names, at(END), LateEvents::LeftOut);
    question.handovers = Handovers::find(&loaded.log, &question, threads).unwrap();
    let visitors = (0..threads).map(|_| Sessionize::new(&question, Tally::default(), Rows::default()));
    let (mut rows, mut tally) = (Vec::new(), Tally::default());
    for visitor in loaded.log.sweep(visitors.collect(), &|_| ()).unwrap() {
        assert_eq!(visitor.broken, None);
        rows.extend(visitor.sink.0);
        tally.merge(visitor.tally);
    }
    rows.sort();
    let visitors = (0..threads).map(|_| LabSweep::new(&question, LabSweep::empty_lab(&[])));
    let mut lab = Lab::new(Grid::standard(), &[]);
    for visitor in loaded.log.sweep(visitors.collect(), &|_| ()).unwrap() {
        visitor.labs.into_values().for_each(|other| lab.merge(other));
    }
    (rows, tally, lab)
}

/// What happened to each user, in order. This is the definition, word by word: everything is looked up in all that was said.
fn lives(said: &[Said], users: usize) -> Vec<Vec<Activity>> {
    let key = |said: &Said| (said.minute, format!("m{}", said.number));
    let mut said: Vec<&Said> = said.iter().collect();
    said.sort_by_key(|said| key(said));
    let takes: Vec<&Said> =
        said.iter().filter(|said| said.kind.weight() == Weight::Starts && said.device != 0).copied().collect();
    (0..users)
        .map(|number| {
            let mut life: Vec<((i64, String), Activity)> = Vec::new();
            for said in said.iter().filter(|said| said.user == number) {
                life.push((
                    key(said),
                    Activity { device: said.device as u32, ..Activity::new(at(said.minute), said.kind) },
                ));
            }
            for (place, take) in takes.iter().enumerate() {
                let had_it = takes[..place].iter().rfind(|other| other.device == take.device);
                let proves = |said: &&&Said| !matches!(said.kind, EventKind::Silent | EventKind::UserChanged);
                let mut mine = said.iter().filter(|said| said.user == number && key(said) < key(take));
                let is_there = mine.rfind(proves).is_some_and(|last| last.device == take.device);
                if take.user != number && had_it.is_some_and(|other| other.user == number) && is_there {
                    life.push((key(take), Activity::new(at(take.minute), EventKind::UserChanged)));
                }
            }
            life.sort_by(|(one, _), (other, _)| one.cmp(other));
            life.into_iter().map(|(_, activity)| activity).collect()
        })
        .collect()
}

fn wanted(said: &[Said], users: usize) -> (Vec<Told>, Lab) {
    let policy = policy();
    let mut rows = Vec::new();
    let mut lab = Lab::new(Grid::standard(), &[]);
    for (number, life) in lives(said, users).iter().enumerate() {
        let standing = policy.standing_of(&user(number), &[], &[]);
        let mut sessionizer = Sessionizer::new(&standing);
        let mut closed: Vec<_> = life.iter().filter_map(|activity| sessionizer.observe(activity).ended).collect();
        closed.extend(sessionizer.advance(at(END)));
        rows.extend(closed.into_iter().map(|closed| {
            let session = closed.session;
            (user(number), session.started_at, session.ended_at, Some(closed.reason.word()), session.activities)
        }));
        lab.observe_user(life, &standing);
    }
    rows.sort();
    (rows, lab)
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let kinds = [
        EventKind::Action,
        EventKind::Action,
        EventKind::Screen,
        EventKind::PlayingStarted,
        EventKind::Backgrounded,
        EventKind::Closed,
        EventKind::Heartbeat,
        EventKind::Silent,
        EventKind::UserChanged,
    ];
    let one = (0usize..4, 0usize..kinds.len(), 0i64..60, 0usize..4, 0i64..8);
    prop::collection::vec(one, 0..40).prop_map(move |said| {
        let said = said.into_iter().enumerate();
        said.map(|(number, (user, kind, minute, device, delay))| Said {
            user,
            kind: kinds[kind],
            minute,
            device: [1, 1, 2, 0][device],
            delay,
            number,
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_says_who_took_a_device_from_whom(said in said(), threads in 1usize..4) {
        let kept: Vec<Said> =
            said.iter().filter(|said| !is_late(at(said.minute), at(said.minute + said.delay), Span::from_minutes(5))).cloned().collect();
        let (rows, tally, lab) = read(&said, threads);
        let (wanted, wanted_lab) = wanted(&kept, 4);
        prop_assert_eq!(rows, wanted);
        prop_assert_eq!(lab.ledger(), wanted_lab.ledger());
        // A handover is no event.
        prop_assert_eq!(tally.events(), said.len() as u64);
        prop_assert_eq!(tally.outcomes[4], (said.len() - kept.len()) as u64);
    }
}

#[test]
fn a_device_with_too_many_people_is_none() {
    let action =
        |user: usize, minute| Said { user, kind: EventKind::Action, minute, device: 1, delay: 0, number: user };
    let changed = |people: usize, minutes: usize| {
        let said: Vec<Said> = (0..people).map(|number| action(number, (number / minutes) as i64)).collect();
        read(&said, 2).0.iter().filter(|(.., reason, _)| *reason == Some("user_changed")).count()
    };
    assert_eq!(changed(256, 256), 255, "a desk with many customers");
    assert_eq!(changed(257, 257), 0);
    // Within five minutes there are never so many.
    assert_eq!(changed(300, 40), 299);
}
