//! How well each timeout finds the true sessions, when the log knows them.

use maud::{Markup, html};

use super::curves::whole;
use super::draw::{self, AXIS, NAMES, Panel, WIDTH};
use super::scale::{Scale, seconds};
use crate::report::{Report, TruthRow};

const PANEL: Panel = Panel { top: NAMES + 26.0, foot: 300.0 };
const HEIGHT: f64 = 342.0;
const KEYS: [(&str, &str); 3] =
    [("precision", "breaks that are true"), ("recall", "true breaks found"), ("f1", "both at once (F1)")];

/// Draws precision, recall and F1 over all timeouts.
pub fn figure(report: &Report, f1: &[f64]) -> Markup {
    let scale = Scale::even(1.0);
    let on_grid = |of: fn(&TruthRow) -> f64| {
        report.grid.iter().filter_map(move |row| {
            let truth = row.truth.as_ref()?;
            Some((AXIS.at(f64::from(row.timeout_s)), PANEL.at(scale.share(of(truth)))))
        })
    };
    html! {
        svg #truth .timed viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby="truth-title truth-desc"
            data-left=(AXIS.left) data-right=(AXIS.right) data-kind="truth" {
            title #truth-title { "Agreement with the true sessions under every timeout" }
            desc #truth-desc { (sentence(report, f1)) }
            (draw::ground(report, PANEL))
            (draw::time(AXIS, PANEL.top, PANEL.foot))
            text class="panel" x=((AXIS.left + AXIS.right) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { "timeout" }
            (draw::numbers(scale, PANEL, AXIS, |share| format!("{:.0} %", 100.0 * share)))
            (draw::marks(report, PANEL.foot))
            (draw::title(PANEL, "Agreement", &KEYS))
            (draw::line("precision", on_grid(|truth| truth.precision)))
            (draw::line("recall", on_grid(|truth| truth.recall)))
            (draw::line("f1", whole(f1, AXIS, |f1| PANEL.at(scale.share(*f1)))))
            line .cursor y1=(PANEL.top) y2=(PANEL.foot) visibility="hidden" {}
        }
    }
}

/// Says where the agreement is best, and what it is under the compared timeouts.
#[must_use]
pub fn sentence(report: &Report, f1: &[f64]) -> String {
    let at = |timeout: u32| f1.get(timeout as usize - 1).copied().unwrap_or(0.0);
    let (from, to) = (report.compared.from.timeout_s, report.compared.to.timeout_s);
    let (best, first, last) = best(f1);
    let place = if first == last {
        format!("under {}", seconds(first))
    } else {
        format!("from {} to {}", seconds(first), seconds(last))
    };
    format!(
        "The agreement (F1) is {:.3} under {}, {:.3} under {}, and at its best, {best:.3}, {place}.",
        at(from),
        seconds(from),
        at(to),
        seconds(to)
    )
}

/// Returns the best agreement, and the timeouts around it under which it is the same to three digits.
fn best(f1: &[f64]) -> (f64, u32, u32) {
    let best = f1.iter().copied().fold(0.0, f64::max);
    let as_good = |f1: &f64| (best * 1000.0).round() <= (f1 * 1000.0).round();
    let place = f1.iter().position(|value| *value == best).unwrap_or(0);
    let before = f1[..place].iter().rev().take_while(|f1| as_good(f1)).count();
    let after = f1[place..].iter().take_while(|f1| as_good(f1)).count().max(1);
    (best, (place - before) as u32 + 1, (place + after) as u32)
}
