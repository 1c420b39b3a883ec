//! Laws: two ways to one number. `DWELL_CASES=1000000 cargo test --release --test laws` takes longer and finds more.

#[path = "support/model.rs"]
mod model;
#[path = "support/stories.rs"]
mod stories;

use std::collections::BTreeMap;

use dwell_core::event::{Activity, EventKind, Outcome, Weight};
use dwell_core::lab::Lab;
use dwell_core::lab::lengths::{Grid, Quantiles};
use dwell_core::law;
use dwell_core::policy::{Campaigns, Policy, Standing, Version};
use dwell_core::presence::Presence;
use dwell_core::session::{ClosedSession, EndReason, Session, Sessionizer};
use dwell_core::time::{Span, Timeout, Timestamp};
use dwell_core::timeline::{Effects, Stated, Timeline};
use model::{Model, Seen};
use proptest::arbitrary::any;
use proptest::collection::vec;
use stories::{AUDIENCES, EventBytes, Named, PLATFORMS, USER, VersionBytes, for_the_lab, story, version};

fn standing_of(versions: &[Version]) -> Standing {
    Policy::from_versions(versions.to_vec()).standing_of(USER, &AUDIENCES, &PLATFORMS)
}

fn replay(events: &[Named], standing: &Standing) -> (Vec<ClosedSession>, Option<Session>) {
    let mut sessionizer = Sessionizer::new(standing);
    let closed = events.iter().filter_map(|(activity, _)| sessionizer.observe(activity).ended).collect();
    (closed, sessionizer.finish())
}

#[test]
fn the_sessionizer_does_what_the_slow_model_does() {
    stories::law(1, (vec(any::<EventBytes>(), 0..14), vec(any::<VersionBytes>(), 0..3)), |(events, versions)| {
        let versions: Vec<Version> = versions.into_iter().map(version).collect();
        let standing = standing_of(&versions);
        let events: Vec<Activity> = story(&events).into_iter().map(|(activity, _)| activity).collect();
        let mut sessionizer = Sessionizer::new(&standing);
        let observed: Vec<_> = events.iter().map(|activity| sessionizer.observe(activity)).collect();
        let closed = observed.iter().filter_map(|observed| observed.ended.as_ref());
        let mut seen: Vec<Seen> = closed.map(|closed| Seen::of(&closed.session, Some(closed.reason))).collect();
        seen.extend(sessionizer.finish().map(|open| Seen::of(&open, None)));
        let outcomes: Vec<Outcome> = observed.iter().map(|observed| observed.outcome).collect();
        let model =
            Model { events: &events, versions: &versions, user: USER, audiences: &AUDIENCES, platforms: &PLATFORMS };
        assert_eq!((seen, outcomes), model.sessions());
    });
}

#[test]
fn sessions_are_in_order_and_hold_every_activity_once_and_their_parts_add_up() {
    stories::law(1, (vec(any::<EventBytes>(), 0..14), vec(any::<VersionBytes>(), 0..3)), |(events, versions)| {
        let versions: Vec<Version> = versions.into_iter().map(version).collect();
        let standing = standing_of(&versions);
        let events: Vec<Activity> = story(&events).into_iter().map(|(activity, _)| activity).collect();
        let mut sessionizer = Sessionizer::new(&standing);
        let (mut closed, mut aside) = (Vec::new(), 0);
        for activity in &events {
            let observed = sessionizer.observe(activity);
            closed.extend(observed.ended);
            aside += u64::from(observed.outcome != Outcome::Joined);
        }
        let open = sessionizer.finish();
        for (earlier, later) in closed.iter().zip(closed.iter().skip(1).map(|closed| &closed.session).chain(&open)) {
            law::in_order(&earlier.session, earlier.reason, later).unwrap();
        }
        let all: Vec<&Session> = closed.iter().map(|closed| &closed.session).chain(&open).collect();
        let joined = all.iter().map(|session| session.activities).sum();
        law::all_accounted(events.len() as u64, joined, aside).unwrap();
        let (mut lengths, mut parts) = (Span::ZERO, Span::ZERO);
        for session in all {
            law::parts_add_up(session).unwrap();
            lengths = lengths.plus(session.length());
            parts = parts.plus(session.parts.engaged()).plus(session.parts.idle);
        }
        law::totals_agree(lengths, parts).unwrap();
    });
}

#[test]
fn silences_inside_a_session_are_under_its_timeout_and_those_that_end_it_are_not() {
    stories::law(1, (vec(any::<EventBytes>(), 0..14), vec(any::<VersionBytes>(), 0..3)), |(events, versions)| {
        let mut versions: Vec<Version> = versions.into_iter().map(version).collect();
        // A shortest session lives through longer silences: only named profiles ask for it.
        versions.iter_mut().for_each(|version| version.rules.shortest = Span::ZERO);
        let standing = standing_of(&versions);
        let mut sessionizer = Sessionizer::new(&standing);
        for (activity, _) in story(&events) {
            let decided = sessionizer.open().map(|open| open.decided);
            let silence = sessionizer.presence().silence_before(activity.happened_at, &standing);
            let leaves_no_trace = is_elsewhere(&activity, sessionizer.presence());
            let ended = sessionizer.observe(&activity).ended.map(|closed| closed.reason);
            if let (Some(decided), Some(silence)) = (decided, silence)
                && activity.kind != EventKind::Silent
                && !leaves_no_trace
            {
                // A close ends the session after the silence, not because of it.
                let ended = ended.filter(|reason| *reason != EndReason::Closed);
                law::rightly_judged(decided.timeout, silence.gap(), ended).unwrap();
            }
        }
    });
}

/// Says of a device that changed hands whether the user was last seen elsewhere: then nothing happened to them.
fn is_elsewhere(activity: &Activity, presence: &Presence) -> bool {
    activity.kind == EventKind::UserChanged && !presence.loses(activity.device)
}

#[test]
fn a_bell_that_rings_at_the_deadline_says_what_the_next_visit_would_have_said() {
    let drawn = (vec((any::<EventBytes>(), any::<u8>()), 0..14), vec(any::<VersionBytes>(), 0..3));
    stories::law(1, drawn, |(drawn, versions)| {
        let standing = standing_of(&versions.into_iter().map(version).collect::<Vec<_>>());
        let (bytes, rings): (Vec<EventBytes>, Vec<u8>) = drawn.into_iter().unzip();
        let events = story(&bytes);
        let mut live = Sessionizer::new(&standing);
        let mut closed = Vec::new();
        for ((activity, _), ring) in events.iter().zip(rings) {
            let deadline = live.deadline().filter(|deadline| *deadline <= activity.happened_at);
            if let Some(deadline) = deadline
                && ring % 2 == 0
                && activity.kind != EventKind::Silent
                && !is_elsewhere(activity, live.presence())
            {
                assert_eq!(live.advance(deadline.minus(Span::from_micros(1))), None);
                let rung = live.advance(deadline).expect("the deadline has come");
                assert_eq!(rung.reason, EndReason::TimedOut);
                closed.push(rung);
                assert_eq!((live.advance(Timestamp::MAX), live.open(), live.deadline()), (None, None, None));
            }
            closed.extend(live.observe(activity).ended);
        }
        let (told, open) = replay(&events, &standing);
        assert_eq!(closed.len(), told.len());
        for (live, file) in closed.iter().zip(&told) {
            assert_eq!((&live.session, live.reason), (&file.session, file.reason));
        }
        assert_eq!(live.finish(), open);
    });
}

#[test]
fn a_user_with_whom_nothing_is_shared_changes_nothing() {
    stories::law(1, (vec(any::<EventBytes>(), 0..8), any::<VersionBytes>()), |(events, bytes)| {
        let rules = version(bytes);
        let policy = Policy::from_versions(vec![rules.clone()]);
        let events = story(&events);
        let (mine, other) = (standing_of(&[rules]), policy.standing_of("zoe", &[], &PLATFORMS));
        if policy.is_the_same_for_all() {
            assert_eq!(replay(&events, &mine), replay(&events, &other));
        } else {
            let version = policy.versions().last().unwrap();
            assert!(!version.users.is_empty() || !version.audiences.is_empty());
        }
    });
}

#[test]
fn actions_in_a_row_do_among_other_events_what_they_do_one_by_one() {
    stories::law(1, (vec(any::<EventBytes>(), 0..14), vec(any::<VersionBytes>(), 0..2)), |(events, versions)| {
        let mut versions: Vec<Version> = versions.into_iter().map(version).collect();
        versions.iter_mut().for_each(|version| version.effective_from = Timestamp::MIN);
        let standing = standing_of(&versions);
        let mut events = story(&events);
        for (activity, _) in events.iter_mut().filter(|(activity, _)| activity.kind == EventKind::Action) {
            *activity = Activity::new(activity.happened_at, EventKind::Action);
        }
        let mut sessionizer = Sessionizer::new(&standing);
        let mut closed = Vec::new();
        for row in events.chunk_by(|(one, _), (other, _)| one.kind == other.kind) {
            if row[0].0.kind == EventKind::Action {
                let moments = row.iter().map(|(activity, _)| activity.happened_at);
                sessionizer.observe_actions(moments, |ended| closed.push(ended));
            } else {
                closed.extend(row.iter().filter_map(|(activity, _)| sessionizer.observe(activity).ended));
            }
        }
        assert_eq!((closed, sessionizer.finish()), replay(&events, &standing));
    });
}

/// Somebody who keeps what they are told, and nothing else.
#[derive(Default)]
struct Consumer {
    sessions: BTreeMap<(Timestamp, [u8; 16]), Stated>,
}

impl Consumer {
    fn hear(&mut self, effects: &Effects) {
        for old in &effects.retracted {
            let key = (old.closed.session.started_at, *old.id.as_bytes());
            let told = self.sessions.remove(&key).expect("only what was stated is retracted");
            assert_eq!(placeless(&told.closed), placeless(&old.closed));
        }
        for new in &effects.stated {
            self.hear_one(new);
        }
    }

    fn hear_one(&mut self, new: &Stated) {
        let key = (new.closed.session.started_at, *new.id.as_bytes());
        assert!(self.sessions.insert(key, new.clone()).is_none(), "what is stated stands already");
    }

    fn knows(&self) -> Vec<ClosedSession> {
        let mut sessions: Vec<ClosedSession> = self.sessions.values().map(|stated| placeless(&stated.closed)).collect();
        sessions.sort_by_key(|closed| closed.session.ordinal);
        sessions
    }
}

fn placeless(closed: &ClosedSession) -> ClosedSession {
    ClosedSession { session: Session { first: 0, last: 0, ..closed.session.clone() }, reason: closed.reason }
}

/// What a file with the events heard so far says, and which session is open at its end.
fn in_order(heard: &[Named], standing: &Standing) -> (Vec<ClosedSession>, Option<Session>) {
    let mut sorted = heard.to_vec();
    sorted.sort_by(|one, other| dwell_core::event::order((&one.0, &one.1), (&other.0, &other.1)));
    sorted.retain(|(activity, _)| activity.kind != EventKind::Silent);
    replay(&sorted, standing)
}

/// Puts events in the order that their bytes say.
fn shuffled(events: Vec<Named>, order: &[u8]) -> Vec<Named> {
    let mut order: Vec<(u8, Named)> = order.iter().copied().chain(std::iter::repeat(0)).zip(events).collect();
    order.sort_by_key(|(byte, _)| *byte);
    order.into_iter().map(|(_, event)| event).collect()
}

#[test]
fn order_and_repetition_of_arrival_change_nothing() {
    let drawn =
        (vec(any::<EventBytes>(), 0..12), vec(any::<VersionBytes>(), 0..3), vec(any::<u8>(), 12), vec(any::<u8>(), 12));
    stories::law(1, drawn, |(bytes, versions, order, bells)| {
        let mut versions: Vec<Version> = versions.into_iter().map(version).collect();

        // Another campaign parts nameless actions of one microsecond: the sessions have one name.
        versions.iter_mut().for_each(|version| version.rules.campaigns = Campaigns::Ignored);
        let standing = standing_of(&versions);
        let mut timeline = Timeline::new("app", USER, &standing);
        let mut consumer = Consumer::default();
        let mut heard: Vec<Named> = Vec::new();
        for ((activity, name), bell) in shuffled(story(&bytes), &order).into_iter().zip(bells.into_iter().cycle()) {
            let effects = timeline.observe(&activity, &name, activity.happened_at);
            heard.push((activity, name.clone()));
            consumer.hear(&effects);
            assert_eq!(effects.outcome == Outcome::Silent, activity.kind.weight() == Weight::Silent);
            assert!(effects.outcome != Outcome::Amended || !effects.retracted.is_empty());
            let again = |old: &Stated| {
                let is_the_same = |new: &Stated| new.id == old.id && placeless(&new.closed) == placeless(&old.closed);
                effects.stated.iter().any(is_the_same)
            };
            assert!(!effects.retracted.iter().any(again), "what stays so is not taken back");
            if !name.is_empty() && bell % 2 == 0 {
                let again = timeline.observe(&activity, &name, activity.happened_at);
                assert_eq!(again, Effects { outcome: Outcome::Duplicate, retracted: Vec::new(), stated: Vec::new() });
            }
            is_so(&timeline, &consumer, &heard, &standing);
            if bell % 3 == 0 {
                let now = Timestamp::from_micros(i64::from(bell) * 100_000);
                let rung = timeline.advance(now);
                rung.iter().for_each(|stated| consumer.hear_one(stated));
                is_so(&timeline, &consumer, &heard, &standing);
                assert!(timeline.deadline().is_none_or(|deadline| now < deadline));
            }
        }
        let (last, open) = (in_order(&heard, &standing), timeline.open().cloned());
        if open.is_some() {
            assert_eq!(open, last.1);
        }
        timeline.advance(Timestamp::MAX).iter().for_each(|stated| consumer.hear_one(stated));
        let mut all = last.0;
        all.extend(last.1.map(|session| ClosedSession { session, reason: EndReason::TimedOut }));
        assert_eq!(timeline.closed().map(|stated| stated.closed.clone()).collect::<Vec<_>>(), all);
        // The names are those of the first activities, whatever the way here was.
        for stated in timeline.closed() {
            let is_first = |(activity, name): &&Named| {
                let id = dwell_core::id::SessionId::derive("app", USER, activity.happened_at, name);
                activity.kind.weight() == Weight::Starts && id == stated.id
            };
            let first = heard.iter().find(is_first).expect("a session has the name of an event");
            assert_eq!(first.0.happened_at, stated.closed.session.started_at);
        }
    });
}

/// What was told is what the timeline says, and that is what a file says, but for a bell that a deadline explains.
fn is_so(timeline: &Timeline, consumer: &Consumer, heard: &[Named], standing: &Standing) {
    let says: Vec<ClosedSession> = timeline.closed().map(|stated| stated.closed.clone()).collect();
    assert_eq!(consumer.knows(), says.iter().map(placeless).collect::<Vec<_>>());
    let (mut file, open) = in_order(heard, standing);
    match timeline.open() {
        Some(session) => assert_eq!(Some(session), open.as_ref()),
        None => file.extend(open.map(|session| ClosedSession { session, reason: EndReason::TimedOut })),
    }
    assert_eq!(says, file);
}

#[test]
fn what_is_settled_changes_nothing_that_can_still_be_seen() {
    let drawn = (vec((any::<EventBytes>(), any::<u8>()), 0..14), vec(any::<VersionBytes>(), 0..3));
    stories::law(1, drawn, |(drawn, versions)| {
        let mut versions: Vec<Version> = versions.into_iter().map(version).collect();
        versions.iter_mut().for_each(|version| version.rules.campaigns = Campaigns::Ignored);
        let standing = standing_of(&versions);
        let (bytes, choices): (Vec<EventBytes>, Vec<u8>) = drawn.into_iter().unzip();
        let mut keeps = Timeline::new("app", USER, &standing);
        let mut settles = Timeline::new("app", USER, &standing);
        let mut gone = 0;
        // Neighbours arrive in the wrong order, so that there is something to amend.
        let mut events = story(&bytes);
        for (place, choice) in choices.iter().enumerate().skip(1) {
            if choice % 4 == 1 {
                events.swap(place - 1, place);
            }
        }
        for (place, (activity, name)) in events.iter().enumerate() {
            let choice = choices[place];
            let kept = keeps.observe(activity, name, activity.happened_at);
            let settled = settles.observe(activity, name, activity.happened_at);
            assert_eq!(
                (&kept.outcome, &kept.retracted, &kept.stated),
                (&settled.outcome, &settled.retracted, &settled.stated)
            );
            if choice % 5 == 0 {
                let now = activity.happened_at.plus(Span::from_micros(i64::from(choice) * 50_000));
                assert_eq!(keeps.advance(now), settles.advance(now));
            }
            let rest = events[place + 1..].iter().map(|(activity, _)| activity.happened_at).min();
            if let Some(rest) = rest
                && choice % 3 == 0
            {
                settles.settle(rest);
                if choice % 2 == 0 {
                    settles.settle(rest.minus(Span::from_secs(2)));
                }
                let early = Activity::new(rest.minus(Span::from_micros(1)), EventKind::Action);
                assert_eq!(settles.observe(&early, "early", rest).outcome, Outcome::Late);
            }
            let all: Vec<&Stated> = keeps.closed().collect();
            let left: Vec<&Stated> = settles.closed().collect();
            assert!(gone <= all.len() - left.len(), "what is settled does not come back");
            gone = all.len() - left.len();
            assert_eq!(&all[gone..], left);
            assert_eq!(keeps.open(), settles.open());
            assert_eq!(keeps.deadline(), settles.deadline());
        }
        // The settled sessions are those that ended behind the line.
        settles.settle(Timestamp::MAX);
        assert!(settles.closed().all(|stated| stated.closed.reason == EndReason::TimedOut));
        assert!(settles.closed().count() <= 1);
    });
}

#[test]
fn settling_forgets_the_names_of_events_that_left_no_trace() {
    let standing = standing_of(&[]);
    let mut timeline = Timeline::new("app", USER, &standing);
    let at = Timestamp::from_micros(5);
    assert_eq!(timeline.observe(&Activity::new(at, EventKind::Silent), "a", at).outcome, Outcome::Silent);
    assert_eq!(timeline.observe(&Activity::new(at, EventKind::Silent), "a", at).outcome, Outcome::Duplicate);
    timeline.settle(at);
    assert_eq!(timeline.observe(&Activity::new(at, EventKind::Silent), "a", at).outcome, Outcome::Duplicate);
    timeline.settle(Timestamp::from_micros(6));
    assert_eq!(timeline.observe(&Activity::new(at, EventKind::Silent), "a", at).outcome, Outcome::Late);
    let later = Timestamp::from_micros(6);
    assert_eq!(timeline.observe(&Activity::new(later, EventKind::Silent), "a", later).outcome, Outcome::Silent);
}

// The timeout lab.

const MILESTONES: [u32; 4] = [1, 2, 3, 5];

fn grid() -> Grid {
    Grid::new(&[1, 2, 3, 4, 5, 7, 10, 20, 1800, 86_399, 86_400].map(|seconds| Timeout::from_secs(seconds).unwrap()))
}

/// Everything that the lab says of one timeout, from a replay of all users under it.
#[derive(PartialEq, Eq, Debug, Default)]
struct Replayed {
    sessions: u64,
    total_length: Span,
    one_activity: u64,
    quantiles: Quantiles,
    milestones: Vec<u64>,
}

fn replayed(users: &[Vec<Named>], versions: &[Version], timeout: Timeout) -> Replayed {
    let under = |version: &Version| Version { timeout: Some(timeout), ..version.clone() };
    let mut versions: Vec<Version> = versions.iter().map(under).collect();
    versions.insert(0, Version { timeout: Some(timeout), ..Version::default() });
    let standing = standing_of(&versions);
    let mut lengths = Vec::new();
    let mut all = Replayed { milestones: vec![0; MILESTONES.len()], ..Replayed::default() };
    for events in users {
        let (closed, open) = replay(events, &standing);
        let sessions: Vec<Session> = closed.into_iter().map(|closed| closed.session).chain(open).collect();
        for (users, number) in all.milestones.iter_mut().zip(MILESTONES) {
            *users += u64::from(number as usize <= sessions.len());
        }
        for session in sessions {
            all.sessions += 1;
            all.one_activity += u64::from(session.activities == 1);
            all.total_length = all.total_length.plus(session.length());
            lengths.push(session.length());
        }
    }
    lengths.sort_unstable();
    // The smallest length that a share of all do not pass.
    let share = |percent: usize| {
        let is_enough = |place: &usize| lengths.len() * percent <= (place + 1) * 100;
        (0..lengths.len()).find(is_enough).map_or(Span::ZERO, |place| lengths[place])
    };
    all.quantiles = Quantiles { median: share(50), p75: share(75), p90: share(90), p99: share(99) };
    all
}

fn observed(mut lab: Lab, users: &[Vec<Named>], versions: &[Version]) -> Lab {
    let standing = standing_of(versions);
    for events in users {
        lab.observe_user(events.iter().map(|(activity, _)| activity), &standing);
    }
    lab
}

/// L5 for the curve and the milestones, for every timeout that this story could tell apart, and some others.
fn curve_is_replayed(lab: &Lab, users: &[Vec<Named>], versions: &[Version], timeouts: impl Iterator<Item = u32>) {
    let (curve, reached) = (lab.ledger().curve(), lab.milestones().users());
    for seconds in timeouts {
        let place = seconds as usize - 1;
        let timeout = Timeout::from_secs(u64::from(seconds)).unwrap();
        let replayed = replayed(users, versions, timeout);
        let at = &curve[place];
        assert_eq!((at.timeout, at.sessions, at.total_length), (timeout, replayed.sessions, replayed.total_length));
        let reached: Vec<u64> = reached.iter().map(|users| users[place]).collect();
        assert_eq!(reached, replayed.milestones, "users with so many sessions under {seconds} s");
    }
}

fn grid_is_replayed(lab: &Lab, users: &[Vec<Named>], versions: &[Version]) {
    for point in lab.grid().expect("nothing is missing") {
        let found = Replayed {
            sessions: point.sessions,
            total_length: point.total_length,
            one_activity: point.one_activity,
            quantiles: point.quantiles,
            milestones: Vec::new(),
        };
        let replayed = Replayed { milestones: Vec::new(), ..replayed(users, versions, point.timeout) };
        assert_eq!(found, replayed, "under {} s", point.timeout.as_secs());
    }
}

#[test]
fn the_lab_says_what_a_replay_says_under_every_timeout() {
    let drawn = (vec(vec(any::<EventBytes>(), 0..14), 1..6), vec(any::<VersionBytes>(), 0..3), vec(1..86_400u32, 3));
    stories::law(32, drawn, |(users, versions, others)| {
        let versions: Vec<Version> = versions.into_iter().map(version).map(for_the_lab).collect();
        let users: Vec<Vec<Named>> = users.iter().map(|bytes| story(bytes)).collect();
        let lab = observed(Lab::new(grid(), &MILESTONES), &users, &versions);
        curve_is_replayed(&lab, &users, &versions, (1..=24).chain(others).chain([59, 60, 61, 86_399, 86_400]));
        grid_is_replayed(&lab, &users, &versions);
        let activities =
            users.iter().flatten().filter(|(activity, _)| activity.kind.weight() != Weight::Silent).count();
        assert_eq!(lab.activities(), activities as u64);
        assert_eq!(lab.users(), replayed(&users, &versions, Timeout::LONGEST).milestones[0]);
    });
}

#[test]
fn on_a_grid_as_large_as_it_may_be_the_lab_says_what_a_replay_says() {
    let drawn = (vec(vec(any::<EventBytes>(), 0..14), 1..6), vec(any::<VersionBytes>(), 0..2));
    stories::law(128, drawn, |(users, versions)| {
        let versions: Vec<Version> = versions.into_iter().map(version).map(for_the_lab).collect();
        let users: Vec<Vec<Named>> = users.iter().map(|bytes| story(bytes)).collect();
        grid_is_replayed(&observed(Lab::new(Grid::standard(), &[]), &users, &versions), &users, &versions);
    });
}

#[test]
fn two_labs_of_different_users_are_one_lab() {
    let drawn = (vec(vec(any::<EventBytes>(), 0..14), 0..6), vec(any::<VersionBytes>(), 0..3), any::<u8>());
    stories::law(64, drawn, |(users, versions, cut)| {
        let versions: Vec<Version> = versions.into_iter().map(version).map(for_the_lab).collect();
        let users: Vec<Vec<Named>> = users.iter().map(|bytes| story(bytes)).collect();
        let (some, others) = users.split_at(usize::from(cut) % (users.len() + 1));
        let mut lab = observed(Lab::new(grid(), &MILESTONES), some, &versions);
        lab.merge(observed(Lab::new(grid(), &MILESTONES), others, &versions));
        let whole = observed(Lab::new(grid(), &MILESTONES), &users, &versions);
        assert_eq!(lab.ledger(), whole.ledger());
        assert_eq!(lab.milestones(), whole.milestones());
        assert_eq!(lab.grid(), whole.grid());
        assert_eq!((lab.users(), lab.activities()), (whole.users(), whole.activities()));
    });
}

#[test]
fn with_little_room_the_lab_is_exact_or_says_what_is_missing_and_knows_it_the_second_time() {
    let drawn =
        (vec(vec(any::<EventBytes>(), 0..14), 1..40), vec(any::<VersionBytes>(), 0..2), 1..20usize, any::<u8>());
    let (found, missed) = (std::cell::Cell::new(0u32), std::cell::Cell::new(0u32));
    stories::law(64, drawn, |(users, versions, room, cut)| {
        let versions: Vec<Version> = versions.into_iter().map(version).map(for_the_lab).collect();
        let users: Vec<Vec<Named>> = users.iter().map(|bytes| story(bytes)).collect();
        let (some, others) = users.split_at(usize::from(cut) % (users.len() + 1));
        let mut lab = observed(Lab::with_room(grid(), &MILESTONES, room), some, &versions);
        lab.merge(observed(Lab::with_room(grid(), &MILESTONES, room), others, &versions));
        curve_is_replayed(&lab, &users, &versions, 1..=4);
        match lab.grid() {
            Ok(_) => {
                found.set(found.get() + 1);
                grid_is_replayed(&lab, &users, &versions);
            }
            Err(missing) => {
                missed.set(missed.get() + 1);
                assert_ne!(missing.quantiles, 0);
            }
        }
        // The second pass may be parted otherwise than the first.
        let (some, others) = users.split_at(users.len() / 2);
        let mut again = observed(lab.again(), others, &versions);
        again.merge(observed(lab.again(), some, &versions));
        assert_eq!((again.users(), again.activities()), (lab.users(), lab.activities()));
        assert_eq!(again.milestones(), lab.milestones());
        grid_is_replayed(&again, &users, &versions);
    });
    assert!(0 < found.get() && 0 < missed.get(), "{} found, {} missed", found.get(), missed.get());
}

#[test]
fn where_every_activity_starts_sessions_are_users_and_gaps_no_shorter_than_the_timeout() {
    stories::law(64, vec(vec(any::<u8>(), 1..20), 1..4), |users| {
        let actions = |bytes: &Vec<u8>| -> Vec<Named> {
            story(&bytes.iter().map(|step| [*step, 255, 0, 0, 0, 0, 3]).collect::<Vec<EventBytes>>())
        };
        let users: Vec<Vec<Named>> = users.iter().map(actions).collect();
        let lab = observed(Lab::new(grid(), &MILESTONES), &users, &[]);
        let mut short_way = Lab::new(grid(), &MILESTONES);
        for events in &users {
            let moments: Vec<_> = events.iter().map(|(activity, _)| activity.happened_at).collect();
            short_way.observe_user_of_actions(&moments, &standing_of(&[]));
        }
        assert_eq!((lab.users(), lab.activities()), (short_way.users(), short_way.activities()));
        assert_eq!((lab.ledger(), lab.milestones()), (short_way.ledger(), short_way.milestones()));
        assert_eq!(lab.grid(), short_way.grid());
        let gaps: Vec<i64> = users
            .iter()
            .flat_map(|events| events.windows(2))
            .map(|pair| pair[1].0.happened_at.as_micros() - pair[0].0.happened_at.as_micros())
            .collect();
        for at in lab.ledger().curve() {
            let timeout = i64::from(at.timeout.as_secs()) * 1_000_000;
            let longer = gaps.iter().filter(|gap| timeout <= **gap).count();
            assert_eq!(at.sessions, (users.len() + longer) as u64);
        }
    });
}
