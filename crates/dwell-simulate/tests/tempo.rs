//! The tempo moves the right timeout: who is fitted to 30 minutes is found out.

mod silences;

use dwell_simulate::{Boundaries, Population, Recipe, Simulation, Tempo, boundaries_of_timeouts};

struct Verdict {
    best: usize,
    f1: f64,
    at_30_minutes: Boundaries,
}

fn verdict(population: Population, tempo: Tempo) -> Verdict {
    let recipe = Recipe { population, tempo, users: 600, ..Recipe::default() };
    let simulation = Simulation::begin(&recipe).expect("a good recipe");
    let all = boundaries_of_timeouts(silences::gaps(simulation).into_iter(), 86_400);
    let best = (0..all.len()).max_by(|one, other| all[*one].f1().total_cmp(&all[*other].f1())).expect("timeouts");
    Verdict { best: best + 1, f1: all[best].f1(), at_30_minutes: all[1799] }
}

#[test]
fn the_mixed_want_minutes_a_quarter_of_an_hour_or_hours() {
    for (tempo, least, most) in [(Tempo::Fast, 60, 300), (Tempo::Base, 600, 1500), (Tempo::Slow, 4000, 12_000)] {
        let verdict = verdict(Population::Mixed, tempo);
        assert!((least..most).contains(&verdict.best), "{tempo:?}: {}", verdict.best);
        assert!(0.98 < verdict.f1, "{tempo:?}: {}", verdict.f1);
    }
}

#[test]
fn thirty_minutes_take_the_visits_of_the_fast_for_one_and_cut_those_of_the_slow() {
    let fast = verdict(Population::Mixed, Tempo::Fast).at_30_minutes;
    assert!(fast.recall() < 0.5 && 0.99 < fast.precision(), "{fast:?}");
    let slow = verdict(Population::Mixed, Tempo::Slow).at_30_minutes;
    assert!(slow.precision() < 0.85 && 0.99 < slow.recall(), "{slow:?}");
    let readers = verdict(Population::Readers, Tempo::Slow);
    assert!(readers.at_30_minutes.f1() < 0.6 && 0.98 < readers.f1, "{:?}", readers.at_30_minutes);
    let social = verdict(Population::Social, Tempo::Fast);
    assert!(social.at_30_minutes.f1() < 0.5 && 0.98 < social.f1, "{:?}", social.at_30_minutes);
}

#[test]
fn not_even_the_best_timeout_is_always_right_about_the_mixed() {
    for tempo in [Tempo::Fast, Tempo::Base] {
        assert!(verdict(Population::Mixed, tempo).f1 < 0.999);
    }
}
