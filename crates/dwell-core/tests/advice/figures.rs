//! How good the advice is, and how good others' rules are, on people whose visits are known.

use dwell_core::lab::advice::{Advice, AppKind, Question};

use super::people::{Chance, FAMILIES, Family, GAME, READING, SOCIAL, User, people};
use super::{advise, advised, fits};

const TEMPOS: [f64; 3] = [1.0 / 6.0, 1.0, 6.0];

/// What share of the best possible F1 each rule reaches on one app.
struct Figures {
    advice: Option<f64>,
    /// The same, asked with the kind of app.
    of_kind: Option<f64>,
    thirty: f64,
    gaussians: f64,
    deviations: f64,
    deviations_of_logs: f64,
    quartiles: f64,
    anchored: f64,
}

impl Figures {
    /// What happens where nothing is advised: things stay at thirty minutes.
    fn in_effect(&self) -> f64 {
        self.advice.unwrap_or(self.thirty)
    }

    fn in_effect_with_kind(&self) -> f64 {
        self.of_kind.unwrap_or(self.thirty)
    }
}

/// Where the density is lowest when every place is held the likelier the nearer it is to thirty minutes: what one
/// gets by anchoring.
fn anchored(advice: &Advice) -> f64 {
    let cost = |log2_secs: f64, density: f64| {
        let apart = log2_secs - libm::log2(1800.0);
        (density + 0.001) * libm::exp(0.5 * apart * apart)
    };
    let points = advice.density.iter().map(|point| (point.log2_secs, cost(point.log2_secs, point.own_time)));
    libm::exp2(points.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |point| point.0))
}

fn kind_of(family: Family) -> AppKind {
    // Who pops in is on a social app, as far as the presets know.
    AppKind::from_word(family.name).unwrap_or(AppKind::Social)
}

fn measure(family: Family) -> Figures {
    let users = people(family, 300, 250, 7);
    let truth = fits::truth(&users);
    let (best, top) = fits::best(&truth);
    let advice = advise(&users, &Question::default());
    let of_kind = advise(&users, &Question { kind: Some(kind_of(family)), ..Question::default() });
    let share = |timeout: f64| fits::f1(&truth, timeout) / top;
    let figures = Figures {
        advice: advised(&advice).map(share),
        of_kind: advised(&of_kind).map(share),
        thirty: share(1800.0),
        gaussians: share(fits::two_gaussians(&truth)),
        deviations: share(fits::mean_and_deviations(&truth)),
        deviations_of_logs: share(fits::mean_and_deviations_of_logs(&truth)),
        quartiles: share(fits::quartiles(&truth)),
        anchored: share(anchored(&advice)),
    };
    println!(
        "{:8} inside {:5.0} s, best {best:6.0} s at {top:.3}: advice {:.3}, with kind {:.3}, 30 min {:.3}, \
         gaussians {:.3}, deviations {:.3}, of logs {:.3}, quartiles {:.3}, anchored {:.3}. {}",
        family.name,
        family.inside.0,
        figures.advice.unwrap_or(f64::NAN),
        figures.of_kind.unwrap_or(f64::NAN),
        figures.thirty,
        figures.gaussians,
        figures.deviations,
        figures.deviations_of_logs,
        figures.quartiles,
        figures.anchored,
        advice.in_words()
    );
    figures
}

fn mean(figures: &[Figures], of: impl Fn(&Figures) -> f64) -> f64 {
    figures.iter().map(of).sum::<f64>() / figures.len() as f64
}

fn measure_all(change: impl Fn(Family) -> Family) -> Vec<Figures> {
    let apps = FAMILIES.iter().flat_map(|family| TEMPOS.map(|tempo| family.slower(tempo)));
    let figures: Vec<Figures> = apps.map(|family| measure(change(family))).collect();
    println!(
        "mean: advice in effect {:.3}, with kind {:.3}, 30 min {:.3}, gaussians {:.3}, deviations {:.3}, of logs {:.3}, \
         quartiles {:.3}, anchored {:.3}; advised {}, with kind {}, of {}",
        mean(&figures, Figures::in_effect),
        mean(&figures, Figures::in_effect_with_kind),
        mean(&figures, |figures| figures.thirty),
        mean(&figures, |figures| figures.gaussians),
        mean(&figures, |figures| figures.deviations),
        mean(&figures, |figures| figures.deviations_of_logs),
        mean(&figures, |figures| figures.quartiles),
        mean(&figures, |figures| figures.anchored),
        figures.iter().filter(|figures| figures.advice.is_some()).count(),
        figures.iter().filter(|figures| figures.of_kind.is_some()).count(),
        figures.len()
    );
    figures
}

fn assert_right_where_it_speaks(figures: &[Figures]) {
    for share in figures.iter().flat_map(|figures| figures.advice.into_iter().chain(figures.of_kind)) {
        assert!(0.97 < share, "advice that reaches {share} of what is possible");
    }
}

/// The plain world of the textbooks, in which two Gaussians are the truth: everyone should do well here.
#[test]
fn figures_of_smooth_people() {
    let figures = measure_all(|family| family);
    // Three apps are so slow that their valleys lie beyond three hours, where the night might have made them.
    assert_eq!(figures.iter().filter(|figures| figures.advice.is_some()).count(), 15);
    assert_right_where_it_speaks(&figures);
    assert!(mean(&figures, |figures| figures.thirty) + 0.1 < mean(&figures, Figures::in_effect));
    assert!(0.93 < mean(&figures, Figures::in_effect));
    // Where their model is the truth the fitted Gaussians are as good as anything: we say so.
    assert!(0.99 < mean(&figures, |figures| figures.gaussians));
    assert!(mean(&figures, |figures| figures.deviations) < 0.65);
    assert!(mean(&figures, |figures| figures.quartiles) < 0.80);
}

/// Bursts, pauses and quick returns: the advice may refuse, but when it speaks it is right.
#[test]
fn figures_of_rough_people() {
    let figures = measure_all(Family::rougher);
    assert_right_where_it_speaks(&figures);
    assert!(4 <= figures.iter().filter(|figures| figures.advice.is_some()).count());
    assert!(7 <= figures.iter().filter(|figures| figures.of_kind.is_some()).count());
    let in_effect = mean(&figures, Figures::in_effect);
    let thirty = mean(&figures, |figures| figures.thirty);
    assert!(thirty + 0.05 < in_effect);
    assert!(mean(&figures, |figures| figures.gaussians) < thirty, "published fits are no better than 30 min");
    assert!(mean(&figures, |figures| figures.deviations) < thirty, "published fits are no better than 30 min");
    assert!(mean(&figures, |figures| figures.quartiles) < thirty + 0.01, "published fits are no better than 30 min");
    assert!(mean(&figures, |figures| figures.gaussians) < in_effect);
    assert!(mean(&figures, |figures| figures.deviations_of_logs) < in_effect);
}

/// Anchoring at thirty minutes looks clever as long as all test data happens around thirty minutes.
#[test]
fn figures_of_an_anchor() {
    // Reading and media at their usual pace have their best timeouts near thirty minutes.
    let near = [READING, FAMILIES[1], FAMILIES[4]].map(measure);
    assert!(0.98 < mean(&near, |figures| figures.anchored));
    // The same people, only faster.
    let fast = [SOCIAL.slower(1.0 / 36.0), FAMILIES[1].slower(1.0 / 36.0), FAMILIES[5].slower(1.0 / 6.0)].map(measure);
    assert!(mean(&fast, |figures| figures.anchored) < 0.8);
    assert!(0.97 < mean(&fast, Figures::in_effect));
}

/// How far one user in a hundred who is a machine, with a hundred times the gaps, moves the advice: in octaves.
fn moved_by_bots(family: Family, every: f64) -> f64 {
    let mut users = people(family, 400, 150, 3);
    let before = advised(&advise(&users, &Question::default())).expect("advice without bots");
    let mut chance = Chance::new(5);
    for _ in 0..4 {
        let mut at = 0.0;
        let mut moments = Vec::new();
        for _ in 0..15_000 {
            moments.push(((at * 1e6) as i64, false));
            at += chance.lognormal(every, 0.1);
        }
        users.push(User { moments });
    }
    let after = advised(&advise(&users, &Question::default())).expect("advice with bots");
    println!("{} with bots every {every} s: {before} s, then {after} s", family.name);
    libm::fabs(libm::log2(after / before))
}

#[test]
fn figures_of_bots() {
    for family in [SOCIAL, READING, GAME] {
        for every in [2.0, 60.0, 600.0, 1800.0] {
            let moved = moved_by_bots(family, every);
            assert!(moved < 0.3, "{} moved by {moved} octaves by bots every {every} s", family.name);
        }
    }
}

#[test]
fn a_kind_chooses_where_to_look_and_makes_no_advice_worse() {
    for (family, kind) in [(SOCIAL, AppKind::Social), (READING, AppKind::Reading), (GAME, AppKind::Game)] {
        let users = people(family, 300, 250, 7);
        let truth = fits::truth(&users);
        let question = Question { kind: Some(kind), ..Question::default() };
        let timeout = advised(&advise(&users, &question)).expect("advice");
        assert!(0.975 < fits::f1(&truth, timeout) / fits::best(&truth).1);
    }
}
