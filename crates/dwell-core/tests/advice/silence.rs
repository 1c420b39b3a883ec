//! Where there is nothing to say, nothing is said.

use dwell_core::lab::advice::{AppKind, DEPTH_NEEDED, Question, Refusal, Verdict, grid, valley};

use super::people::{Chance, GAME, User, once_a_day, people, without_visits};
use super::{advise, advised};

fn assert_silent(name: &str, users: &[User]) {
    let advice = advise(users, &Question::default());
    assert_eq!(advised(&advice), None, "{name}: {}", advice.in_words());
}

/// Both without nights and with them, few users and many.
fn for_all_crowds(test: impl Fn(usize, f64, u64)) {
    for (users, seeds) in [(30, 3), (400, 1)] {
        for seed in 1..=seeds {
            for sleep in [0.0, 0.97] {
                test(users, sleep, seed);
            }
        }
    }
}

#[test]
fn gaps_around_one_length_give_no_advice() {
    for_all_crowds(|users, sleep, seed| {
        for median in [5.0, 60.0, 600.0, 3600.0, 14_400.0] {
            let draw = |chance: &mut Chance, own: f64| chance.lognormal(median * own, 1.5);
            assert_silent("lognormal", &without_visits(users, 200, sleep, seed, draw));
        }
    });
}

#[test]
fn events_at_random_give_no_advice() {
    for_all_crowds(|users, sleep, seed| {
        for mean in [5.0, 60.0, 600.0, 3600.0, 14_400.0] {
            let draw = |chance: &mut Chance, own: f64| chance.exponential(mean * own);
            assert_silent("poisson", &without_visits(users, 200, sleep, seed, draw));
        }
    });
}

#[test]
fn a_power_law_gives_no_advice() {
    for_all_crowds(|users, sleep, seed| {
        for alpha in [0.3, 0.6, 1.0, 1.5] {
            let draw = |chance: &mut Chance, _: f64| libm::pow(chance.even(), -1.0 / alpha);
            assert_silent("power law", &without_visits(users, 200, sleep, seed, draw));
        }
    });
}

#[test]
fn one_visit_a_day_gives_no_advice() {
    for (users, seed) in [(30, 1), (60, 2), (400, 3)] {
        for hours_about in [0.3, 1.0, 2.0, 4.0] {
            for skip in [0.0, 0.3, 0.7] {
                assert_silent("once a day", &once_a_day(users, hours_about, skip, seed));
            }
        }
    }
}

/// By the clock the night makes a valley at some hours; in waking time it is gone.
#[test]
fn the_night_alone_gives_no_advice() {
    let users = without_visits(400, 200, 0.99, 3, |chance, own| chance.exponential(1800.0 * own));
    let advice = advise(&users, &Question::default());
    let plain: Vec<f64> = advice.density.iter().map(|point| point.plain).collect();
    let trap = valley::valleys(&plain);
    let deep = trap
        .iter()
        .any(|valley| DEPTH_NEEDED < valley.depth && (2.0 * 3600.0..6.0 * 3600.0).contains(&grid::seconds(valley.at)));
    assert!(deep, "the trap is set: {trap:?}");
    assert_eq!(advice.verdict, Verdict::Refuses(Refusal::NoValley), "{}", advice.in_words());
}

#[test]
fn a_clock_of_whole_seconds_or_minutes_makes_no_valley() {
    for unit in [1_000_000, 60_000_000] {
        let mut users = without_visits(200, 200, 0.9, 3, |chance, own| chance.lognormal(90.0 * own, 1.5));
        for user in &mut users {
            user.moments.iter_mut().for_each(|moment| moment.0 -= moment.0 % unit);
        }
        assert_silent("coarse clock", &users);
    }
}

#[test]
fn two_crowds_are_not_two_kinds_of_gaps() {
    let mut users = without_visits(200, 200, 0.5, 3, |chance, own| chance.lognormal(5.0 * own, 0.7));
    users.extend(without_visits(200, 200, 0.5, 4, |chance, own| chance.lognormal(7200.0 * own, 0.7)));
    let verdict = advise(&users, &Question::default()).verdict;
    assert!(matches!(verdict, Verdict::Refuses(Refusal::TwoCrowds { .. })), "{verdict:?}");
}

#[test]
fn five_users_are_nobody_however_much_they_do() {
    let users = people(GAME, 5, 10_000, 1);
    let verdict = advise(&users, &Question::default()).verdict;
    assert_eq!(verdict, Verdict::Refuses(Refusal::TooFewUsers { users: 5, needed: 30 }));
}

#[test]
fn a_kind_invents_nothing() {
    let users = without_visits(400, 200, 0.97, 1, |chance, own| chance.lognormal(600.0 * own, 1.5));
    for kind in AppKind::ALL {
        let advice = advise(&users, &Question { kind: Some(kind), ..Question::default() });
        assert_eq!(advised(&advice), None, "{kind:?}: {}", advice.in_words());
    }
}

#[test]
fn nobody_at_all_is_no_reason_to_fall_over() {
    let advice = advise(&[], &Question::default());
    assert_eq!(advice.verdict, Verdict::Refuses(Refusal::TooFewUsers { users: 0, needed: 30 }));
    let advice = advise(&vec![User { moments: vec![(0, true)] }; 50], &Question::default());
    assert_eq!(advice.verdict, Verdict::Refuses(Refusal::TooFewUsers { users: 0, needed: 30 }));
    let advice = advise(&vec![User { moments: vec![(0, true); 50] }; 50], &Question::default());
    assert_eq!(advised(&advice), None, "{}", advice.in_words());
    let far = [(i64::MIN, true), (0, true), (i64::MAX, true)];
    let advice = advise(&vec![User { moments: far.to_vec() }; 400], &Question::default());
    assert_eq!(advised(&advice), None, "{}", advice.in_words());
}
