//! Both sides of each edge, and the words for what lies there.

use core::fmt::Write;

use dwell_core::lab::advice::{
    Advice, AppKind, DEPTH_NEEDED, GAPS_NEEDED, Gap, MAX_USERS, NIGHT, OUTLYING_ALLOWED, Question, Refusal,
    SUPPORT_NEEDED, Sample, USERS_NEEDED, Verdict, WITHIN_NEEDED, grid, words,
};
use dwell_core::presence::{Ground, Judge, Silence};
use dwell_core::session::EndReason;
use dwell_core::time::{Span, Timeout, Timestamp};
use expect_test::expect;

use super::people::{Chance, GAME, MEDIA, READING, SHOP, SOCIAL, User, people, without_visits};
use super::{advise, advised, hash, sample};

fn plainly(users: &[User]) -> Advice {
    advise(users, &Question::default())
}

#[test]
fn thirty_users_are_enough_and_twenty_nine_are_not() {
    let users = people(GAME, 30, 250, 7);
    assert!(advised(&plainly(&users)).is_some(), "{}", plainly(&users).in_words());
    let refusal = Refusal::TooFewUsers { users: 29, needed: USERS_NEEDED };
    assert_eq!(plainly(&users[..29]).verdict, Verdict::Refuses(refusal));
}

/// Forty users with so many gaps together.
fn gaps_in_all(count: usize) -> Vec<User> {
    let mut users = people(GAME, 40, 200, 7);
    let mut left = count;
    for (index, user) in users.iter_mut().enumerate() {
        let share = left / (40 - index);
        user.moments.truncate(share + 1);
        left -= share;
    }
    users
}

#[test]
fn five_hundred_gaps_are_enough_to_look_and_one_less_is_not() {
    let refusal = Refusal::TooFewGaps { gaps: 499, needed: GAPS_NEEDED };
    assert_eq!(plainly(&gaps_in_all(499)).verdict, Verdict::Refuses(refusal));
    let advice = plainly(&gaps_in_all(500));
    assert_eq!(advice.gaps, 500);
    assert!(!matches!(advice.verdict, Verdict::Refuses(Refusal::TooFewGaps { .. })), "{}", advice.in_words());
}

/// Users with gaps of given lengths in seconds, from noon on, each as often as said.
fn users_with(count: usize, gaps: &[(f64, f64, usize)]) -> Vec<User> {
    users_from(11, count, gaps)
}

fn users_from(seed: u64, count: usize, gaps: &[(f64, f64, usize)]) -> Vec<User> {
    let mut chance = Chance::new(seed);
    let mut one = || {
        let mut at = 43_200.0;
        let mut lengths: Vec<f64> = Vec::new();
        for (median, sigma, times) in gaps {
            lengths.extend((0..*times).map(|_| chance.lognormal(*median, *sigma)));
        }
        let mut moments = vec![((at * 1e6) as i64, true)];
        while !lengths.is_empty() {
            let next = lengths.swap_remove((chance.next() % lengths.len() as u64) as usize);
            at += next;
            moments.push(((at * 1e6) as i64, true));
        }
        User { moments }
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn a_valley_is_deep_enough_or_shallow() {
    // The nearer the hills, the shallower the valley between them.
    let hills = |apart: f64| users_with(200, &[(60.0, 0.7, 30), (60.0 * apart, 0.7, 30)]);
    let depth = |apart: f64| match plainly(&hills(apart)).verdict {
        Verdict::Advises { depth, .. } | Verdict::Refuses(Refusal::Shallow { depth, .. }) => depth,
        Verdict::Refuses(refusal) => panic!("{refusal:?} at {apart}"),
    };
    let (shallow, deep) = (depth(8.0), depth(10.0));
    assert!(0.15 < shallow && shallow < DEPTH_NEEDED, "{shallow}");
    assert!(DEPTH_NEEDED < deep && deep < 0.35, "{deep}");
    assert_eq!(advised(&plainly(&hills(8.0))), None);
    assert!(advised(&plainly(&hills(10.0))).is_some());
    // In between it is deep enough, though not in nine of ten resamples.
    let verdict = plainly(&hills(9.0)).verdict;
    assert!(matches!(verdict, Verdict::Refuses(Refusal::Unsteady { .. })), "{verdict:?}");
}

#[test]
fn a_hill_of_twenty_users_stands_and_one_of_nineteen_does_not() {
    let crowd = |long: usize| {
        let mut users = users_with(100, &[(20.0, 0.5, 40)]);
        users.extend(users_with(long, &[(20.0, 0.5, 20), (3600.0, 0.1, 20)]));
        plainly(&users).verdict
    };
    let Verdict::Refuses(Refusal::Thin { users: 19, needed: SUPPORT_NEEDED }) = crowd(19) else {
        panic!("{:?}", crowd(19));
    };
    assert!(!matches!(crowd(20), Verdict::Refuses(Refusal::Thin { .. })), "{:?}", crowd(20));
}

#[test]
fn a_difference_must_lie_within_users() {
    // So many of forty gaps are of the other kind.
    let crowd = |mixed: usize| {
        let mut users = users_with(100, &[(20.0, 0.4, 40 - mixed), (3600.0, 0.4, mixed)]);
        users.extend(users_with(100, &[(20.0, 0.4, mixed), (3600.0, 0.4, 40 - mixed)]));
        plainly(&users).verdict
    };
    // Within users lies 4 p (1 - p): .19 where two of forty are of the other kind, .2775 where three are.
    let Verdict::Refuses(Refusal::TwoCrowds { within, .. }) = crowd(2) else { panic!("{:?}", crowd(2)) };
    assert!(within < WITHIN_NEEDED, "{within}");
    assert!(matches!(crowd(3), Verdict::Advises { .. }), "{:?}", crowd(3));
}

#[test]
fn what_lies_beyond_the_valley_must_be_of_one_kind() {
    // Beyond the valley at a few seconds lie pauses of some minutes, and gaps of a day between them: so many of 100.
    let nested = |days: usize| {
        plainly(&users_with(200, &[(1.5, 0.4, 60), (60.0, 1.0, 100 - days), (2000.0, 1.6, days)])).verdict
    };
    let Verdict::Refuses(Refusal::Nested { outlying, .. }) = nested(16) else { panic!("{:?}", nested(16)) };
    assert!(OUTLYING_ALLOWED < outlying, "{outlying}");
    assert!(matches!(nested(4), Verdict::Advises { .. }), "{:?}", nested(4));
}

#[test]
fn a_valley_before_three_hours_is_advised_and_one_after_may_be_the_night() {
    let late = |times: f64| {
        let users = users_with(200, &[(600.0 * times, 0.4, 30), (60_000.0 * times, 0.4, 10)]);
        plainly(&users).verdict
    };
    let Verdict::Advises { timeout, .. } = late(2.0) else { panic!("{:?}", late(2.0)) };
    assert!(timeout.as_span() < NIGHT);
    let Verdict::Refuses(Refusal::Night { at }) = late(6.0) else { panic!("{:?}", late(6.0)) };
    assert!(NIGHT <= at.as_span());
}

/// Two valleys as deep: bursts of a second, actions every minute or two, visits every few hours.
fn two_valleys() -> Vec<User> {
    users_with(200, &[(1.5, 0.4, 40), (100.0, 0.4, 40), (9000.0, 0.4, 40)])
}

#[test]
fn of_several_valleys_the_kind_takes_the_usual_one() {
    let users = two_valleys();
    let verdict = plainly(&users).verdict;
    assert!(matches!(verdict, Verdict::Refuses(Refusal::Several { .. })), "{verdict:?}");
    let of = |kind| advised(&advise(&users, &Question { kind: Some(kind), ..Question::default() }));
    for kind in AppKind::ALL {
        let timeout = of(kind).expect("advice");
        assert!((200.0..1800.0).contains(&timeout), "{kind:?}: {timeout}");
    }
}

/// At the same distance from what is usual the kind does not tell either.
#[test]
fn of_two_valleys_as_unusual_the_kind_takes_none() {
    let kind = Some(AppKind::Game);
    // Valleys at some 10 s and some 8 min: ten minutes are a game's business, and so is nothing in between.
    let verdict = |slower: f64| {
        let gaps = [(1.5, 0.4, 40), (60.0 * slower, 0.4, 40), (60.0 * 60.0 * slower, 0.4, 40)];
        advise(&users_with(200, &gaps), &Question { kind, ..Question::default() }).verdict
    };
    assert!(matches!(verdict(1.0), Verdict::Advises { .. }), "{:?}", verdict(1.0));
    let either = (2..40).map(|times| verdict(f64::from(times)));
    assert!(either.into_iter().any(|verdict| matches!(verdict, Verdict::Refuses(Refusal::Several { .. }))));
}

#[test]
fn a_valley_sixteen_times_as_soon_as_usual_is_not_believed() {
    let users = people(SOCIAL.slower(1.0 / 36.0), 300, 250, 7);
    let free = advised(&plainly(&users)).expect("advice");
    assert!((18.75..60.0).contains(&free), "{free}");
    let of = |kind| advise(&users, &Question { kind: Some(kind), ..Question::default() }).verdict;
    assert!(matches!(of(AppKind::Social), Verdict::Advises { .. }), "{:?}", of(AppKind::Social));
    let Verdict::Refuses(Refusal::Unusual { usual, .. }) = of(AppKind::Reading) else {
        panic!("{:?}", of(AppKind::Reading));
    };
    assert_eq!(usual, AppKind::Reading.usual_timeout());
}

/// Sixty users of whom each has their own pace, the more different the greater `sigma`.
fn paces(sigma: f64) -> Verdict {
    let mut chance = Chance::new(1);
    let mut users = Vec::new();
    for seed in 0..60 {
        let pace = chance.lognormal(1.0, sigma);
        users.extend(users_from(seed, 1, &[(40.0 * pace, 0.4, 20), (4000.0 * pace, 0.4, 20)]));
    }
    plainly(&users).verdict
}

#[test]
fn an_interval_of_four_times_is_advice_and_a_wider_one_is_not() {
    let Verdict::Advises { low, high, .. } = paces(1.3) else { panic!("{:?}", paces(1.3)) };
    assert!(high.as_secs() <= 4 * low.as_secs(), "{low:?} {high:?}");
    let Verdict::Refuses(Refusal::Wide { low, high }) = paces(1.6) else { panic!("{:?}", paces(1.6)) };
    assert!(4 * low.as_secs() < high.as_secs(), "{low:?} {high:?}");
}

#[test]
fn the_order_of_users_changes_nothing() {
    let users = people(READING, 100, 100, 3);
    let mut backwards = Sample::default();
    for (index, user) in users.iter().enumerate().rev() {
        backwards.observe(hash(index), &user.gaps());
    }
    let question = Question::default();
    assert_eq!(sample(&users).advise(&question), backwards.advise(&question));
}

#[test]
fn no_more_users_are_kept_than_are_allowed_and_the_rest_are_counted() {
    let mut sample = Sample::default();
    let gap = Gap { reach: Timestamp::from_micros(0), until: Timestamp::from_micros(5_000_000) };
    for index in 0..MAX_USERS + 7 {
        sample.observe(hash(index), &[gap]);
    }
    sample.observe(hash(0), &[gap]);
    let advice = sample.advise(&Question::default());
    assert_eq!((advice.users, advice.left_out), (MAX_USERS as u64, 8));
}

#[test]
fn doubling_counts_sessions_on_both_sides() {
    let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
    let gaps = |lengths: &[i64]| -> Vec<Gap> {
        lengths.iter().map(|length| Gap { reach: at(1000), until: at(1000 + length) }).collect()
    };
    let mut sample = Sample::default();
    sample.observe(1, &gaps(&[1799, 1800, 3599, 3600]));
    sample.observe(2, &[]);
    // At 30 min: two users and three gaps; at an hour: two users and one.
    assert_eq!(sample.advise(&Question::default()).doubling, 3.0 / 5.0 - 1.0);
    assert_eq!(sample.advise(&Question { in_force: Timeout::LONGEST, ..Question::default() }).doubling, 0.0);
}

#[test]
fn only_gaps_that_the_timeout_judges_say_something_about_it() {
    let at = Timestamp::from_micros;
    let silence = |judge| Silence { after: at(0), reach: at(5), until: at(9), ground: Ground::Foreground, judge };
    assert_eq!(Gap::of(&silence(Judge::Timeout)).map(|gap| gap.length()), Some(Span::from_micros(4)));
    assert_eq!(Gap::of(&silence(Judge::Background(Timeout::DEFAULT))), None);
    assert_eq!(Gap::of(&silence(Judge::Forced(EndReason::Closed))), None);
}

#[test]
fn an_advised_timeout_is_round_where_the_interval_allows_it() {
    let round = |exact, low, high| {
        let of = |secs| Timeout::from_secs(secs).expect("a timeout");
        words::round(of(exact), of(low), of(high)).as_secs()
    };
    assert_eq!(round(693, 600, 756), 600);
    assert_eq!(round(693, 601, 756), 693);
    assert_eq!(round(1750, 1500, 1800), 1800);
    assert_eq!(round(1750, 1500, 1799), 1750);
    assert_eq!(round(7, 5, 9), 7);
}

#[test]
fn every_kind_has_a_word() {
    for kind in AppKind::ALL {
        assert_eq!(AppKind::from_word(kind.word()), Some(kind));
    }
    assert_eq!(AppKind::from_word("bank"), None);
}

#[test]
fn advice_reads_as_a_sentence() {
    let even = without_visits(200, 200, 0.9, 3, |chance, own| chance.lognormal(1800.0 * own, 1.5));
    let all = [
        people(GAME, 300, 250, 7),
        people(SHOP, 300, 250, 7),
        people(MEDIA.slower(6.0), 300, 250, 7),
        people(GAME, 5, 250, 7),
        people(GAME, 40, 5, 7),
        even,
    ];
    let words: Vec<String> = all.iter().map(|users| plainly(users).in_words()).collect();
    expect![[r#"
        12 min 36 s, give or take (11 min to 14 min): a valley 84 % deep lies there, between gaps inside visits and gaps between them; doubling the 30 min in force changes the count of sessions by 10 %.
        35 min 39 s, give or take (31 min to 41 min): a valley 91 % deep lies there, between gaps inside visits and gaps between them; doubling the 30 min in force changes the count of sessions by 1 %.
        no advice: the valley at 3 h may be no more than the night; doubling the 30 min in force changes the count of sessions by 62 %.
        no advice: 5 users are too few to speak for the others, 30 are needed; doubling the 30 min in force changes the count of sessions by 6 %.
        no advice: 160 gaps are too few, 500 are needed; doubling the 30 min in force changes the count of sessions by 2 %.
        no valley: any timeout from 2 min to 9 h 30 min is a convention here; doubling the 30 min in force changes the count of sessions by 33 %."#]].assert_eq(&words.join("\n"));
}

#[test]
fn every_refusal_reads_as_a_sentence() {
    let of = |secs| Timeout::from_secs(secs).expect("a timeout");
    let refusals = [
        Refusal::Shallow { depth: 0.12, needed: DEPTH_NEEDED },
        Refusal::Several { first: of(40), last: of(4100) },
        Refusal::Unusual { at: of(17), usual: of(1800) },
        Refusal::Nested { at: of(17), outlying: 0.15, allowed: OUTLYING_ALLOWED },
        Refusal::Night { at: of(14_000) },
        Refusal::Thin { users: 4, needed: SUPPORT_NEEDED },
        Refusal::TwoCrowds { within: 0.02, needed: WITHIN_NEEDED },
        Refusal::Unsteady { share: 0.65, needed: 0.9 },
        Refusal::Wide { low: of(100), high: of(5000) },
    ];
    let advice = plainly(&[]);
    let mut all = String::new();
    for refusal in refusals {
        let verdict = Verdict::Refuses(refusal);
        let convention = (of(100), of(5000));
        let advice = Advice { verdict, convention, doubling: -0.09, ..advice.clone() };
        writeln!(all, "{}", advice.in_words()).expect("a string takes everything");
    }
    expect![[r#"
        no valley worth the name (12 % deep, 25 % needed): any timeout from 2 min to 1 h 30 min is a convention here; doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: there are several valleys, from 40 s to 1 h, and only the kind of app can tell which one parts visits; doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: the valley at 17 s is too far from the 30 min that are usual for such an app; doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: the valley at 17 s seems to part bursts inside visits, since 15 % of what lies beyond it are far longer gaps (5 % allowed); doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: the valley at 4 h may be no more than the night; doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: one side of the valley is the work of 4 users, 20 are needed; doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: some users have short gaps and others long ones, which makes two crowds and not visits (2 % of the difference lies within users, 25 % needed); doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: only 65 % of the samples of these users show the valley, 90 % are needed; doubling the 30 min in force changes the count of sessions by 9 %.
        no advice: the valley may lie anywhere from 2 min to 1 h 30 min; doubling the 30 min in force changes the count of sessions by 9 %.
    "#]].assert_eq(&all);
}

/// Where the scale begins there is no slope and no loss: else a hill would seem to stand a little above one second.
#[test]
fn at_one_second_weight_is_kept_and_the_density_is_flat() {
    let mut weights = vec![0.0; grid::BINS];
    weights[0] = 1.0;
    let area: f64 = grid::density(&weights).iter().sum::<f64>() / grid::PER_OCTAVE as f64;
    assert!((0.999..1.001).contains(&area), "{area}");
    let even = grid::density(&vec![1.0; grid::BINS]);
    assert!((even[0] / even[grid::BINS / 2] - 1.0).abs() < 1e-9, "{} {}", even[0], even[grid::BINS / 2]);
}
