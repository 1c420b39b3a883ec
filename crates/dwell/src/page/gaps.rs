//! Figure 2: how long the silences are, which is why a timeout does what it does.

use maud::{Markup, html};

use super::draw::{self, AXIS, NAMES, Panel, WIDTH};
use super::scale::{LONGEST_S, Scale, seconds, short};
use crate::human::count;
use crate::report::{GapBin, Report};

const PANEL: Panel = Panel { top: NAMES + 26.0, foot: 330.0 };
const HEIGHT: f64 = 372.0;
const LOGARITHMIC: &str = "Gaps per doubling of length (logarithmic scale)";

/// What a gap is under the compared timeouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Joined,
    Between,
    Parted,
}

impl Part {
    const ALL: [Part; 3] = [Part::Joined, Part::Between, Part::Parted];

    const fn kind(self) -> &'static str {
        match self {
            Part::Joined => "joined",
            Part::Between => "between",
            Part::Parted => "parted",
        }
    }
}

/// Draws the gaps by length on the time axis, in colours by what the compared timeouts make of them.
pub fn figure(report: &Report) -> Markup {
    let scale = scale(&report.gaps);
    html! {
        svg #gaps .timed viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby="gaps-title gaps-desc"
            data-left=(AXIS.left) data-right=(AXIS.right) data-kind="gaps" {
            title #gaps-title { "Gaps between activities by their length" }
            desc #gaps-desc { (description(report)) }
            (draw::ground(report, PANEL))
            (draw::time(AXIS, PANEL.top, PANEL.foot))
            text class="panel" x=((AXIS.left + AXIS.right) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" {
                "length of the gap"
            }
            (draw::numbers(scale, PANEL, AXIS, short))
            (draw::title(
                PANEL,
                if scale.is_logarithmic() { LOGARITHMIC } else { "Gaps per doubling of length" },
                &[("density", "what the advice looks at")]
            ))
            @for bin in drawn(&report.gaps) { (bar(report, bin, scale)) }
            (density(report, scale))
            (draw::marks(report, PANEL.foot))
            line .cursor y1=(PANEL.top) y2=(PANEL.foot) visibility="hidden" {}
        }
        ul .key {
            @for part in Part::ALL {
                li { (draw::patch(part.kind())) (meaning(report, part)) }
            }
        }
    }
}

/// How many gaps there would be in a whole doubling of length: bins are of unequal width, and only this compares them.
#[must_use]
pub fn per_doubling(bin: &GapBin) -> f64 {
    bin.gaps as f64 / (bin.to_s / bin.from_s).log2()
}

/// Returns the bins that have a place on the axis: gaps under a second have none, and no timeout tells them apart.
pub fn drawn(bins: &[GapBin]) -> impl Iterator<Item = &GapBin> {
    bins.iter().filter(|bin| 1.0 <= bin.from_s && 0 < bin.gaps)
}

/// Returns the scale of the bars.
pub fn scale(bins: &[GapBin]) -> Scale {
    let mut sorted: Vec<f64> = drawn(bins).map(per_doubling).collect();
    sorted.sort_by(f64::total_cmp);
    let highest = sorted.last().copied().unwrap_or(0.0);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(highest);
    // The hill of gaps between visits is often a hundred times lower than that inside, and just as telling.
    if middle * 20.0 < highest {
        let lowest = sorted.first().copied().unwrap_or(1.0);
        Scale::powers(lowest / 2.0, highest * 1.2)
    } else {
        Scale::even(highest)
    }
}

/// Returns the shorter and the longer of the compared timeouts.
fn bounds(report: &Report) -> (u32, u32) {
    let (from, to) = (report.compared.from.timeout_s, report.compared.to.timeout_s);
    (from.min(to), from.max(to))
}

fn bar(report: &Report, bin: &GapBin, scale: Scale) -> Markup {
    let (shorter, longer) = bounds(report);
    let y = PANEL.at(scale.share(per_doubling(bin)));
    let pieces = [
        (Part::Joined, bin.from_s, bin.to_s.min(f64::from(shorter))),
        (Part::Between, bin.from_s.max(f64::from(shorter)), bin.to_s.min(f64::from(longer))),
        (Part::Parted, bin.from_s.max(f64::from(longer)), bin.to_s),
    ];
    html! {
        g {
            title { (seconds(bin.from_s as u32)) " to " (seconds(bin.to_s as u32)) ": " (count(bin.gaps)) " gaps" }
            @for (part, from, to) in pieces.into_iter().filter(|(_, from, to)| from < to) {
                @let (left, right) = (AXIS.at(from), AXIS.at(to));
                rect class=(part.kind()) x=(draw::coordinate(left + 0.5)) y=(draw::coordinate(y))
                    width=(draw::coordinate((right - left - 1.0).max(0.5))) height=(draw::coordinate(PANEL.foot - y)) {}
            }
        }
    }
}

/// Draws the density that the advice looks at, as high as the highest bar: its valleys matter, not its height.
fn density(report: &Report, scale: Scale) -> Markup {
    let shown: Vec<(f64, f64)> = report
        .advice
        .density
        .iter()
        .map(|(log2_secs, own_time, _)| (log2_secs.exp2(), *own_time))
        .filter(|(seconds, _)| (1.0..=LONGEST_S).contains(seconds))
        .collect();
    let highest = shown.iter().map(|(_, density)| *density).fold(0.0, f64::max);
    let highest_bar = drawn(&report.gaps).map(per_doubling).fold(0.0, f64::max);
    html! {
        @if 0.0 < highest && 0.0 < highest_bar {
            @let place = |(seconds, density): &(f64, f64)| {
                (AXIS.at(*seconds), PANEL.at(scale.share(density / highest * highest_bar)))
            };
            (draw::line("density-halo", shown.iter().map(place)))
            (draw::line("density", shown.iter().map(place)))
        }
    }
}

fn meaning(report: &Report, part: Part) -> String {
    let (shorter, longer) = bounds(report);
    let between = report.compared.from.sessions.abs_diff(report.compared.to.sessions);
    match part {
        Part::Joined => format!("shorter than {}: inside a session under both", seconds(shorter)),
        Part::Between => format!(
            "from {} to {}: a new session under the one, none under the other. They make the difference of {} sessions",
            seconds(shorter),
            seconds(longer),
            count(between)
        ),
        Part::Parted => format!("{} and longer: a new session under both", seconds(longer)),
    }
}

fn description(report: &Report) -> String {
    let (shorter, longer) = bounds(report);
    let highest = report
        .gaps
        .iter()
        .filter(|bin| 1.0 <= bin.from_s)
        .max_by(|one, other| per_doubling(one).total_cmp(&per_doubling(other)));
    let most = highest.map_or_else(String::new, |bin| {
        format!(
            "Gaps of {} to {} are the most frequent for their width. ",
            seconds(bin.from_s as u32),
            seconds(bin.to_s as u32)
        )
    });
    format!(
        "{most}The bars change colour at {} and at {}, the timeouts that are compared.",
        seconds(shorter),
        seconds(longer)
    )
}
