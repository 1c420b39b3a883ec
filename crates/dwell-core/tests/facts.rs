//! Facts that need no story: names, bounds, words, and what one function says of one value.

use std::cmp::Ordering;

use dwell_core::engagement::Parts;
use dwell_core::event::{Activity, EventKind, Outcome, Stamps, is_late, order};
use dwell_core::id::SessionId;
use dwell_core::lab::Lab;
use dwell_core::lab::ledger::{CurvePoint, GapLedger};
use dwell_core::lab::lengths::{Grid, LARGEST_GRID, Lengths, Missing, Quantiles};
use dwell_core::lab::milestones::Milestones;
use dwell_core::lab::nested::{Found, Nest, Stretch};
use dwell_core::law::{self, Law};
use dwell_core::policy::{Decided, Policy, Source, Version};
use dwell_core::presence::{Ground, Presence};
use dwell_core::profile::Profile;
use dwell_core::session::{EndReason, Session, Sessionizer};
use dwell_core::time::{Span, Timeout, TimeoutOutOfBounds, Timestamp, Zone};
use expect_test::expect;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn us(micros: i64) -> Span {
    Span::from_micros(micros)
}

fn timeout(seconds: u64) -> Timeout {
    Timeout::from_secs(seconds).unwrap()
}

// Names of sessions.

/// The names were computed by Python's xxhash 3.5, which wraps the author's own library:
///
/// ```text
/// import struct, xxhash
/// text = lambda s: struct.pack('<Q', len(s.encode())) + s.encode()
/// name = lambda app, user, at, id: xxhash.xxh3_128_hexdigest(text(app) + text(user) + struct.pack('<q', at) + text(id))
/// ```
#[test]
fn the_name_of_a_session_is_the_same_on_every_machine() {
    let name = |app, user, micros, message_id| SessionId::derive(app, user, at(micros), message_id).to_string();
    assert_eq!(name("", "", 0, ""), "9a026d96-b3c0-f0fc-a057-271c9071c99d");
    assert_eq!(name("app", "ada", 1_700_000_000_000_000, "m1"), "be8f8867-59a2-8742-4da7-9847ec607079");
    assert_eq!(name("app", "ada", -1, "m1"), "2d3eb7bc-6d82-12b3-a087-2e707a887003");
    assert_eq!(name("täglich", "日本", i64::MIN, &"x".repeat(300)), "47f7fa6c-fdbe-9a85-b60b-e5d2981df6d7");
}

#[test]
fn names_do_not_run_into_one_another() {
    let name = |app, user, message_id| SessionId::derive(app, user, at(0), message_id).to_string();
    assert_eq!(name("ab", "c", ""), "d5405623-05f2-7db8-27ab-5ce674821453");
    assert_eq!(name("a", "bc", ""), "387696a5-02e2-23b6-f677-9c19d6d39e8c");
    assert_ne!(name("a", "b", "c"), name("a", "bc", ""));
    assert_ne!(name("a", "", "b"), name("a", "b", ""));
}

#[test]
fn the_bytes_of_a_name_are_its_digits() {
    let id = SessionId::derive("app", "ada", at(-1), "m1");
    assert_eq!(id.as_bytes()[..4], [0x2d, 0x3e, 0xb7, 0xbc]);
    assert_eq!(id.as_bytes()[15], 0x03);
}

// Time.

#[test]
fn a_timeout_is_from_one_second_to_a_day() {
    assert_eq!(Timeout::from_secs(0), Err(TimeoutOutOfBounds { seconds: 0 }));
    assert_eq!(Timeout::from_secs(1), Ok(Timeout::SHORTEST));
    assert_eq!(Timeout::from_secs(86_400), Ok(Timeout::LONGEST));
    assert_eq!(Timeout::from_secs(86_401), Err(TimeoutOutOfBounds { seconds: 86_401 }));
    assert_eq!(Timeout::from_secs(1800), Ok(Timeout::DEFAULT));
    assert_eq!(timeout(61).as_secs(), 61);
    assert_eq!(timeout(61).as_span(), us(61_000_000));
}

#[test]
fn a_refused_timeout_is_told_the_bounds() {
    let refused = Timeout::from_secs(86_401).unwrap_err().to_string();
    expect!["a timeout of 86401 s is out of bounds: it must be from 1 s to 24 h (86400 s)"].assert_eq(&refused);
}

#[test]
fn a_gap_exactly_as_long_as_the_timeout_reaches_it() {
    assert!(!timeout(2).is_reached_by(us(1_999_999)));
    assert!(timeout(2).is_reached_by(us(2_000_000)));
    assert!(!timeout(2).exclusive().is_reached_by(us(2_000_000)));
    assert!(timeout(2).exclusive().is_reached_by(us(2_000_001)));
    assert_eq!(timeout(2).exclusive().as_secs(), 2);
}

#[test]
fn the_timeouts_that_a_gap_reaches_are_those_that_say_so() {
    let day = 86_400_000_000;
    for gap in [0, 1, 999_999, 1_000_000, 1_000_001, 59_999_999, day - 1_000_001, day - 1, day, day + 1, i64::MAX] {
        let reached = (1..=86_400).filter(|seconds| timeout(*seconds).is_reached_by(us(gap))).count();
        assert_eq!(Timeout::reached_by(us(gap)) as usize, reached, "a gap of {gap} us");
    }
}

#[test]
fn distances_are_never_negative_and_moments_end_at_the_ends_of_time() {
    assert_eq!((at(7).since(at(5)), at(5).since(at(7)), at(5).since(at(5))), (us(2), Span::ZERO, Span::ZERO));
    assert_eq!((at(5).plus(us(2)), at(5).minus(us(2))), (at(7), at(3)));
    assert_eq!((Timestamp::MAX.plus(us(1)), Timestamp::MIN.minus(us(1))), (Timestamp::MAX, Timestamp::MIN));
    assert_eq!(Timestamp::MAX.since(Timestamp::MIN), Span::MAX);
    assert_eq!((us(-1), us(0), us(1).as_micros()), (Span::ZERO, Span::ZERO, 1));
    assert_eq!((us(5).plus(us(2)), us(5).minus(us(2)), us(2).minus(us(5))), (us(7), us(3), Span::ZERO));
    assert_eq!(Span::MAX.plus(us(1)), Span::MAX);
    assert_eq!(
        (Span::from_secs(2), Span::from_minutes(2), Span::from_hours(2)),
        (us(2_000_000), us(120_000_000), us(7_200_000_000))
    );
    assert_eq!((us(1_999_999).whole_secs(), us(2_000_000).whole_secs()), (1, 2));
}

#[test]
fn a_zone_knows_its_days_and_their_times() {
    let day = 86_400_000_000;
    let zone = Zone { offsets: vec![(at(0), 3600), (at(day), -7200)] };
    assert_eq!((zone.day_of(at(-1)), zone.time_of_day(at(-1))), (-1, us(day - 1)));
    assert_eq!((zone.day_of(at(0)), zone.time_of_day(at(0))), (0, Span::from_hours(1)));
    assert_eq!(zone.day_of(at(day - 1)), 1);
    assert_eq!((zone.day_of(at(day)), zone.time_of_day(at(day))), (0, Span::from_hours(22)));
    assert_eq!(Zone::default().time_of_day(at(day + 5)), us(5));
}

// Words.

#[test]
fn every_kind_has_its_word() {
    let words: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.word()).collect();
    expect!["opened foregrounded screen page action playing_started heartbeat playing_progress playing_stopped backgrounded closed user_changed silent"]
        .assert_eq(&words.join(" "));
    for kind in EventKind::ALL {
        assert_eq!(EventKind::from_word(kind.word()), Some(kind));
    }
    assert_eq!(EventKind::from_word("Opened"), None);
}

#[test]
fn every_reason_source_and_outcome_has_its_word() {
    let reasons = EndReason::ALL.map(EndReason::word).join(" ");
    expect!["timed_out closed user_changed too_long midnight new_campaign"].assert_eq(&reasons);
    let sources = [Source::Default, Source::App, Source::Platform, Source::Audience, Source::User, Source::Background];
    assert!(sources.is_sorted());
    expect!["default app platform audience user background"].assert_eq(&sources.map(Source::word).join(" "));
    let outcomes =
        [Outcome::Joined, Outcome::Amended, Outcome::Silent, Outcome::Orphan, Outcome::Duplicate, Outcome::Late];
    expect!["joined amended silent orphan duplicate late"].assert_eq(&outcomes.map(Outcome::word).join(" "));
}

#[test]
fn every_profile_has_its_name_and_says_its_rule() {
    let rules: Vec<String> =
        Profile::ALL.iter().map(|profile| format!("{}: {}\n", profile.name(), profile.rule())).collect();
    expect![[r#"
        braze-web: 30 min of silence, never less than 10 s after the start
        braze-mobile: 10 s in the background
        ga4: 30 min of silence
        amplitude-mobile: 5 min of silence
        mixpanel: 30 min of silence, or midnight
        matomo: 30 min of silence, or midnight, or another campaign
        posthog: 30 min of silence, or 24 h in all
        snowplow: more than 30 min of silence
    "#]]
    .assert_eq(&rules.concat());
    for profile in Profile::ALL {
        assert_eq!(Profile::from_name(profile.name()), Some(profile));
    }
    assert_eq!(Profile::from_name("flurry"), None);
}

// Events.

#[test]
fn events_are_in_the_order_of_time_then_of_their_names() {
    let event = |micros, kind| Activity::new(at(micros), kind);
    let (closed, opened) = (event(5, EventKind::Closed), event(5, EventKind::Opened));
    assert_eq!(order((&event(4, EventKind::Closed), "b"), (&opened, "a")), Ordering::Less);
    assert_eq!(order((&closed, "a"), (&opened, "b")), Ordering::Less);
    assert_eq!(order((&closed, ""), (&opened, "")), Ordering::Greater);
    assert_eq!(order((&opened, "a"), (&opened, "a")), Ordering::Equal);
}

#[test]
fn whatever_is_known_of_nameless_events_orders_them() {
    let plain = Activity::new(at(5), EventKind::Action);
    let others = [
        Activity { remaining: Some(us(0)), ..plain },
        Activity { player: 1, ..plain },
        Activity { device: 1, ..plain },
        Activity { platform: 1, ..plain },
        Activity { campaign: 1, ..plain },
        Activity { origin: 1, ..plain },
    ];
    for other in others {
        assert_eq!(order((&plain, ""), (&other, "")), Ordering::Less);
        assert_eq!(order((&other, ""), (&plain, "")), Ordering::Greater);
    }
}

#[test]
fn clocks_at_the_ends_of_time_are_put_right_as_far_as_time_goes() {
    let stamps = Stamps { original: Timestamp::MAX, sent_at: Some(Timestamp::MIN), received_at: Some(at(0)) };
    let happened = stamps.happened();
    assert_eq!((happened.at, happened.from_the_future), (at(0), true));
    let stamps = Stamps { original: Timestamp::MIN, sent_at: Some(Timestamp::MAX), received_at: Some(at(-5)) };
    assert_eq!(stamps.happened().at, Timestamp::MIN);
    let stamps = Stamps { original: at(7), sent_at: Some(at(3)), received_at: None };
    assert_eq!((stamps.happened().at, stamps.happened().from_the_future), (at(7), false));
}

#[test]
fn an_event_received_before_it_happened_is_not_late() {
    assert!(!is_late(at(10), at(0), Span::ZERO));
    assert!(is_late(at(0), at(1), Span::ZERO));
}

// Policies.

#[test]
fn a_policy_that_always_holds_has_no_date() {
    let version = Version { effective_from: at(5), timeout: Some(timeout(7)), ..Version::default() };
    let policy = Policy::always(version.clone());
    assert_eq!(policy.versions(), [Version { effective_from: Timestamp::MIN, ..version }]);
    let decided = policy.standing_of("ada", &[], &[]).timeout_at(Timestamp::MIN, 0);
    assert_eq!(decided, Decided { timeout: timeout(7), source: Source::App });
}

#[test]
fn nobodys_policy_is_the_default() {
    let decided = Policy::default().standing_of("ada", &["vip"], &["", "ios"]).timeout_at(at(0), 1);
    assert_eq!(decided, Decided { timeout: Timeout::DEFAULT, source: Source::Default });
    assert_eq!(Policy::default(), Policy::from_versions(vec![]));
}

#[test]
fn only_users_and_audiences_make_users_unlike() {
    let plain = Version::default();
    let platforms = Version { platforms: [("ios".to_owned(), timeout(1))].into(), ..plain.clone() };
    let later = Version { effective_from: at(5), ..plain.clone() };
    let audiences = Version { audiences: vec![("vip".into(), timeout(1))], ..plain.clone() };
    let users = Version { users: [("ada".to_owned(), timeout(1))].into(), ..plain.clone() };
    assert!(Policy::from_versions(vec![later.clone(), platforms]).is_the_same_for_all());
    assert!(!Policy::from_versions(vec![audiences, later.clone()]).is_the_same_for_all());
    assert!(!Policy::from_versions(vec![users, later]).is_the_same_for_all());
}

#[test]
fn a_platform_that_nobody_named_has_the_timeout_of_the_app() {
    let version = Version { platforms: [("ios".to_owned(), timeout(1))].into(), ..Version::default() };
    let standing = Policy::always(version).standing_of("ada", &[], &["", "ios"]);
    let source = |platform| standing.timeout_at(at(0), platform).source;
    assert_eq!((source(0), source(1), source(2)), (Source::Default, Source::Platform, Source::Default));
}

// Presence.

#[test]
fn presence_knows_what_plays_and_what_the_screen_shows() {
    let standing = Policy::default().standing_of("ada", &[], &[]);
    let mut presence = Presence::default();
    assert_eq!((presence.last(), presence.reach(), presence.ground()), (None, Timestamp::MIN, Ground::Foreground));
    assert_eq!(presence.silence_before(at(5), &standing), None);
    let playing = Activity { remaining: Some(us(10)), ..Activity::new(at(5), EventKind::PlayingStarted) };
    presence.observe(&playing, &standing);
    presence.observe(&Activity::new(at(6), EventKind::Backgrounded), &standing);
    presence.observe(&Activity::new(at(7), EventKind::Silent), &standing);
    assert_eq!((presence.last(), presence.reach(), presence.ground()), (Some(at(6)), at(15), Ground::Background));
    assert!(presence.plays_at(at(14)) && !presence.plays_at(at(15)));
    let silence = presence.silence_before(at(20), &standing).unwrap();
    assert_eq!((silence.after, silence.until, silence.gap(), silence.began()), (at(6), at(20), us(5), at(15)));
    assert_eq!(presence.silence_before(at(9), &standing).unwrap().began(), at(9));
}

#[test]
fn the_time_in_use_is_the_time_on_the_screen_and_the_time_playing() {
    let parts = Parts { foreground: us(1), playing: us(2), idle: us(4) };
    assert_eq!((parts.engaged(), parts.length()), (us(3), us(7)));
    let mut sum = parts;
    sum.add(parts);
    assert_eq!(sum, Parts { foreground: us(2), playing: us(4), idle: us(8) });
}

#[test]
fn a_session_comes_from_where_its_first_activity_came() {
    let standing = Policy::default().standing_of("ada", &[], &[]);
    let mut sessionizer = Sessionizer::new(&standing);
    // What proves nothing begins nothing, and what comes later changes nothing.
    let silent = Activity { platform: 9, origin: 9, ..Activity::new(at(1), EventKind::Silent) };
    let first = Activity { platform: 2, origin: 3, ..Activity::new(at(2), EventKind::Action) };
    let later = Activity { platform: 1, origin: 4, ..Activity::new(at(3), EventKind::Action) };
    for activity in [silent, first, later] {
        sessionizer.observe(&activity);
    }
    let open = sessionizer.finish().unwrap();
    assert_eq!((open.platform, open.origin, open.platforms), (2, 3, vec![1, 2]));
}

// Laws.

fn session(ordinal: u32, started_at: i64, ended_at: i64) -> Session {
    Session {
        ordinal,
        started_at: at(started_at),
        ended_at: at(ended_at),
        first: 0,
        last: 0,
        activities: 2,
        parts: Parts { foreground: at(ended_at).since(at(started_at)), ..Parts::default() },
        decided: Decided { timeout: Timeout::DEFAULT, source: Source::Default },
        platforms: vec![],
        devices: vec![],
        campaign: 0,
        platform: 0,
        origin: 0,
    }
}

#[test]
fn law_1_holds_only_for_sessions_apart_and_numbered_one_after_the_other() {
    let (earlier, later) = (session(1, 0, 5), session(2, 6, 7));
    law::in_order(&earlier, EndReason::TimedOut, &later).unwrap();
    assert_eq!(law::in_order(&earlier, EndReason::TimedOut, &session(3, 6, 7)).unwrap_err().law, Law::L1);
    assert_eq!(law::in_order(&earlier, EndReason::Closed, &session(2, 4, 7)).unwrap_err().law, Law::L1);
    let touching = EndReason::ALL.map(|reason| law::in_order(&earlier, reason, &session(2, 5, 7)).is_ok());
    assert_eq!(touching, [false, true, true, true, false, true]);
    let broken = law::in_order(&earlier, EndReason::TimedOut, &session(2, 5, 7)).unwrap_err();
    expect!["law L1 is broken: session 1 ended at 5 and session 2 started at 5 (microseconds since 1970)"]
        .assert_eq(&broken.to_string());
}

#[test]
fn laws_2_6_and_7_hold_only_when_the_sums_agree() {
    law::all_accounted(7, 4, 3).unwrap();
    let broken = law::all_accounted(7, 4, 2).unwrap_err();
    expect!["law L2 is broken: 7 events came in, 4 are in sessions and 2 were set aside"]
        .assert_eq(&broken.to_string());
    law::parts_add_up(&session(1, 0, 5)).unwrap();
    let short = Session { parts: Parts { idle: us(4), ..Parts::default() }, ..session(1, 0, 5) };
    let broken = law::parts_add_up(&short).unwrap_err();
    expect!["law L6 is broken: the parts of the session that started at 0 come to 4 us, its length is 5 us"]
        .assert_eq(&broken.to_string());
    law::totals_agree(us(5), us(5)).unwrap();
    let broken = law::totals_agree(us(5), us(4)).unwrap_err();
    expect!["law L7 is broken: the sessions come to 5 us, the total says 4 us"].assert_eq(&broken.to_string());
}

#[test]
fn law_8_holds_on_either_side_of_the_timeout() {
    let judged = |gap, ended| law::rightly_judged(timeout(1), us(gap), ended);
    judged(999_999, None).unwrap();
    judged(1_000_000, Some(EndReason::TimedOut)).unwrap();
    judged(0, Some(EndReason::Closed)).unwrap();
    expect!["law L8 is broken: a silence of 1000000 us under a timeout of 1000000 us lies inside a session"]
        .assert_eq(&judged(1_000_000, None).unwrap_err().to_string());
    expect!["law L8 is broken: a silence of 999999 us under a timeout of 1000000 us ended a session"]
        .assert_eq(&judged(999_999, Some(EndReason::TimedOut)).unwrap_err().to_string());
}

// The lab.

#[test]
fn the_standard_grid_has_sixty_four_timeouts_in_order_from_a_second_to_a_day() {
    let seconds: Vec<u32> = Grid::standard().timeouts().iter().map(|timeout| timeout.as_secs()).collect();
    assert_eq!(seconds.len(), LARGEST_GRID);
    assert!(seconds.is_sorted());
    assert_eq!((seconds[0], seconds[63]), (1, 86_400));
    for round in [10, 30, 60, 300, 600, 900, 1800, 3600] {
        assert!(seconds.contains(&round), "{round} s");
    }
    let widest = seconds.windows(2).skip(8).map(|pair| f64::from(pair[1]) / f64::from(pair[0])).fold(0.0, f64::max);
    assert!(widest < 1.26, "one timeout is {widest} times the one before");
}

#[test]
fn a_grid_is_in_order_without_repetition_and_no_larger_than_it_may_be() {
    let grid = Grid::new(&[timeout(9), timeout(2), timeout(9)]);
    assert_eq!(grid.timeouts(), [timeout(2), timeout(9)]);
    let many: Vec<Timeout> = (1..=100).rev().map(timeout).collect();
    assert_eq!(Grid::new(&many).timeouts().len(), LARGEST_GRID);
    assert_eq!(Grid::new(&many).timeouts()[63], timeout(64));
}

#[test]
fn a_lab_without_users_has_nothing_to_say_and_says_it() {
    let lab = Lab::new(Grid::new(&[timeout(1)]), &[1]);
    let point = lab.grid().unwrap()[0];
    assert_eq!((point.sessions, point.one_activity, point.total_length, point.quantiles), Default::default());
    assert_eq!((lab.users(), lab.activities(), lab.ledger().sessions_always()), (0, 0, 0));
    assert_eq!(lab.ledger().curve().len(), 86_400);
    assert_eq!(lab.ledger().curve()[0].mean_length(), Span::ZERO);
}

#[test]
fn a_mean_length_is_rounded_down() {
    let point = CurvePoint { timeout: timeout(1), sessions: 3, total_length: us(11) };
    assert_eq!(point.mean_length(), us(3));
}

#[test]
fn the_ledger_counts_gaps_by_their_whole_seconds() {
    let mut ledger = GapLedger::default();
    ledger.always();
    ledger.join(2, true, us(7));
    ledger.join(2, false, us(5));
    ledger.join(86_400, true, us(1));
    let gaps: Vec<u64> = ledger.gaps().collect();
    assert_eq!((ledger.sessions_always(), gaps[1], gaps[2], gaps.len()), (1, 0, 1, 86_400));
    let curve = ledger.curve();
    let seen = |place: usize| (curve[place].sessions, curve[place].total_length.as_micros());
    assert_eq!((seen(1), seen(2), seen(86_399)), ((2, 0), (1, 12), (1, 12)));
}

#[test]
fn milestones_are_in_order_and_begin_with_the_first_session() {
    let milestones = Milestones::new(&[3, 0, 1, 3]);
    assert_eq!(milestones.numbers(), [1, 3]);
    assert_eq!(milestones.users()[0].len(), 86_400);
}

#[test]
fn what_is_missing_is_said_in_a_sentence() {
    expect!["3 quantiles need a second pass"].assert_eq(&Missing { quantiles: 3 }.to_string());
}

/// Adds sessions of two activities, under every timeout, of these lengths and up to `count` microseconds more.
fn add(lengths: &mut Lengths, from: i64, count: i64) {
    for micros in from..from + count {
        lengths.add(us(micros), 2, 0, 86_400);
    }
}

/// One that has let everything go but what lies around a second, as it had room for four.
fn around_a_second() -> Lengths {
    let mut lengths = Lengths::with_room(Grid::new(&[timeout(1)]), 4);
    add(&mut lengths, 1_000_000, 4);
    lengths
}

#[test]
fn what_no_quantile_needs_is_not_kept() {
    let mut lengths = around_a_second();
    add(&mut lengths, 10_000_000, 100_000);
    assert_eq!(lengths.kept(), 4);
    add(&mut lengths, 1_000_004, 3);
    assert_eq!(lengths.kept(), 7);
    // Twice as many as after the first choice: now all quantiles are around ten seconds.
    add(&mut lengths, 1_000_007, 1);
    assert_eq!(lengths.kept(), 0);
}

/// Says which of these lengths are kept after four of `length` and a choice.
fn kept_around<const N: usize>(length: i64, others: [i64; N]) -> [bool; N] {
    others.map(|micros| {
        let mut lengths = Lengths::with_room(Grid::new(&[timeout(1)]), 4);
        add(&mut lengths, length, 4);
        add(&mut lengths, micros, 1);
        lengths.kept() == 5
    })
}

#[test]
fn a_bucket_is_a_sixty_fourth_of_an_octave() {
    // Ten seconds lie in the thirteenth from 2^23 us on.
    let edge = |bucket: i64| (1 << 23) + (bucket << 17);
    let others = [edge(11), edge(12) - 1, edge(12), edge(13) - 1, edge(13), edge(14) - 1];
    assert_eq!(kept_around(10_000_000, others), [false, false, true, true, false, false]);
}

#[test]
fn short_lengths_have_buckets_of_about_a_millisecond() {
    // Up to 2^16 us and from there to 2^17 us there are 64 buckets each, 1024 us wide.
    assert_eq!(kept_around(5000, [3072, 4095, 4096, 5119, 5120, 6143]), [false, false, true, true, false, false]);
    let first = 1 << 16;
    assert_eq!(kept_around(first - 4, [first - 1025, first - 1024, first - 1, first]), [false, true, true, false]);
    assert_eq!(kept_around(first, [first - 1, first, first + 1023, first + 1024]), [false, true, true, false]);
}

#[test]
fn what_is_kept_for_one_timeout_is_not_for_another() {
    let mut lengths = Lengths::with_room(Grid::new(&[timeout(1), timeout(2)]), 4);
    let mut add = |micros, above, up_to| {
        lengths.add(us(micros), 2, above, up_to);
        lengths.kept()
    };
    // Under a second sessions last a second, under two they last ten.
    assert_eq!(
        [add(1_000_000, 0, 1), add(1_000_000, 0, 1), add(10_000_000, 1, 2), add(10_000_000, 1, 2)],
        [1, 2, 3, 4]
    );
    assert_eq!([add(1_000_000, 1, 2), add(10_000_000, 0, 1)], [4, 4]);
    assert_eq!([add(1_000_000, 0, 1), add(10_000_000, 1, 2), add(10_000_000, 0, 2)], [5, 6, 7]);
    // Under a second two of five last ten; one of these is kept, for the other timeout's sake, and is not taken for both.
    assert_eq!(lengths.quantiles(), Err(Missing { quantiles: 3 }));
}

#[test]
fn what_one_lab_let_go_another_cannot_make_up_for() {
    let mut some = around_a_second();
    add(&mut some, 10_000_000, 100);
    let mut others = Lengths::new(Grid::new(&[timeout(1)]));
    add(&mut others, 10_001_000, 200);
    some.merge(others);
    assert_eq!(some.quantiles(), Err(Missing { quantiles: 4 }));
    let mut again = some.again();
    add(&mut again, 1_000_000, 4);
    add(&mut again, 10_000_000, 100);
    add(&mut again, 10_001_000, 200);
    // Of 304 the 152nd, 228th, 274th and 301st: four and a hundred come before the last two hundred.
    let of_the_last = |rank: i64| us(10_001_000 + rank - 4 - 100 - 1);
    let found =
        Quantiles { median: of_the_last(152), p75: of_the_last(228), p90: of_the_last(274), p99: of_the_last(301) };
    assert_eq!(again.quantiles(), Ok(vec![found]));
}

#[test]
fn labs_merged_keep_no_more_than_they_have_room_for() {
    // A hundred and fifty lengths, each an eighth longer than the one before, so that no two lie in one bucket, and of
    // each 944: then the last rank around the last quantile is the first of the last length.
    let longer = |count: i32| us((100_000.0 * 1.125_f64.powi(count)) as i64);
    let add = |lengths: &mut Lengths, counts: &mut dyn Iterator<Item = i32>| {
        counts.for_each(|count| (0..944).for_each(|_| lengths.add(longer(count), 2, 0, 86_400)));
    };
    let with_room = || Lengths::with_room(Grid::new(&[timeout(1)]), 150 * 944);
    let (mut some, mut others) = (with_room(), with_room());
    add(&mut some, &mut (0..150).filter(|count| count % 3 == 0));
    add(&mut others, &mut (0..150).filter(|count| count % 3 != 0));
    assert_eq!((some.kept(), others.kept()), (50 * 944, 100 * 944));
    some.merge(others);
    // So many ranks to either side: 2377, 2061, 1425 and 473. That is from the 72nd length to the 77th, counted from 0,
    // from the 110th to the 114th, from the 133rd to the 136th, and from the 147th to the 149th.
    assert_eq!(some.kept(), (6 + 5 + 4 + 3) * 944);
    let found = Quantiles { median: longer(74), p75: longer(112), p90: longer(134), p99: longer(148) };
    assert_eq!(some.quantiles(), Ok(vec![found]));
    let mut again = some.again();
    add(&mut again, &mut (0..150));
    assert_eq!((again.kept(), again.quantiles()), (4 * 944, Ok(vec![found])));
}

#[test]
fn the_longest_of_all_lengths_has_a_bucket_and_no_neighbour() {
    let mut lengths = Lengths::with_room(Grid::new(&[timeout(1)]), 1);
    lengths.add(Span::MAX, 2, 0, 86_400);
    let all = Quantiles { median: Span::MAX, p75: Span::MAX, p90: Span::MAX, p99: Span::MAX };
    assert_eq!((lengths.kept(), lengths.quantiles()), (1, Ok(vec![all])));
}

/// Returns the sessions of a user as (first timeout but one, last timeout, activities): their activities, each with
/// the seconds of silence before it and whether it starts.
fn nested(activities: &[(u32, bool)]) -> Vec<(u32, u32, u32)> {
    let (mut nest, mut sessions, mut now) = (Nest::new(86_400), Vec::new(), 0);
    let mut found = |found| {
        if let Found::Session { stretch, above, up_to } = found {
            sessions.push((above, up_to, stretch.count()));
        }
    };
    for (place, (seconds, starts)) in activities.iter().enumerate() {
        now += i64::from(*seconds) * 1_000_000;
        let stretch = if *starts { Stretch::starting(at(now)) } else { Stretch::extending(at(now)) };
        if place == 0 { nest.begin(stretch) } else { nest.follow(stretch, *seconds, &mut found) }
    }
    nest.end(&mut found);
    sessions.sort_unstable();
    sessions
}

#[test]
fn between_equal_silences_there_is_no_timeout() {
    let sessions = nested(&[(0, true), (5, true), (5, true)]);
    assert_eq!(sessions, [(0, 5, 1), (0, 5, 1), (0, 5, 1), (5, 86_400, 3)]);
}

#[test]
fn orphans_that_find_a_session_are_all_counted() {
    let sessions = nested(&[(0, true), (10, false), (3, false), (3, true), (2, false)]);
    assert_eq!(sessions, [(0, 2, 1), (0, 10, 1), (2, 3, 2), (3, 10, 2), (10, 86_400, 5)]);
}

#[test]
fn a_late_copy_of_a_known_event_is_late_as_in_a_file() {
    let standing = Policy::default().standing_of("ada", &[], &[]);
    let mut timeline = dwell_core::timeline::Timeline::new("app", "ada", &standing);
    let action = Activity::new(at(0), EventKind::Action);
    let outcomes =
        [0, 60, 72 * 3600 + 1].map(|seconds| timeline.observe(&action, "one", at(seconds * 1_000_000)).outcome);
    assert_eq!(outcomes, [Outcome::Joined, Outcome::Duplicate, Outcome::Late]);
}
