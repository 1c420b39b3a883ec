//! Figure 1: what every timeout makes of the log.

use maud::{Markup, html};

use super::draw::{self, AXIS, NAMES, Panel, WIDTH};
use super::scale::{Scale, TimeAxis, seconds, short};
use crate::report::{GridRow, Report};

const SESSIONS: Panel = Panel { top: NAMES + 26.0, foot: 300.0 };
const LENGTHS: Panel = Panel { top: 336.0, foot: 500.0 };
const SINGLE: Panel = Panel { top: 536.0, foot: 620.0 };
const HEIGHT: f64 = 662.0;
const LENGTH_KEYS: [(&str, &str); 3] =
    [("median", "half are no longer"), ("mean", "mean"), ("p90", "nine in ten are no longer")];
/// Lengths under this are drawn as this, since a scale by powers of ten has no zero.
const SHORTEST_S: f64 = 1.0;

/// Draws sessions, lengths and the share of sessions of one activity over all timeouts.
pub fn figure(report: &Report) -> Markup {
    let sessions = sessions_scale(report);
    let longest_s =
        report.grid.iter().map(|row| row.p90_length_us.max(row.mean_length_us)).max().unwrap_or(0) as f64 / 1e6;
    let lengths = Scale::powers(SHORTEST_S, (longest_s * 1.3).max(60.0));
    let share = Scale::even(1.0);
    html! {
        svg #curves .timed viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby="curves-title curves-desc"
            data-left=(AXIS.left) data-right=(AXIS.right) data-top=(SESSIONS.top) data-foot=(SINGLE.foot)
            data-kind="curves" {
            title #curves-title { "Sessions and their lengths under every timeout from 1 s to 24 h" }
            desc #curves-desc { (description(report)) }
            @for panel in [SESSIONS, LENGTHS, SINGLE] { (draw::ground(report, panel)) }
            @for panel in [SESSIONS, LENGTHS] { (down(panel)) }
            (draw::time(AXIS, SINGLE.top, SINGLE.foot))
            text class="panel" x=((AXIS.left + AXIS.right) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { "timeout" }

            (draw::numbers(sessions, SESSIONS, AXIS, short))
            (draw::lengths(lengths, longest_s * 1.3, LENGTHS, AXIS))
            (draw::numbers(share, SINGLE, AXIS, |share| format!("{:.0} %", 100.0 * share)))
            (draw::marks(report, SINGLE.foot))

            @let word = if sessions.is_logarithmic() { "Sessions (logarithmic scale)" } else { "Sessions" };
            (draw::title(SESSIONS, word, &[]))
            @let height = |number: &u64| SESSIONS.at(sessions.share(*number as f64));
            (draw::line("sessions", whole(&report.curve.sessions, AXIS, height)))
            (draw::title(LENGTHS, "Length of a session", &LENGTH_KEYS))
            @let length = |micros: i64| LENGTHS.at(lengths.share(micros as f64 / 1e6));
            (draw::line("p90", on_grid(report, |row| length(row.p90_length_us))))
            (draw::line("median", on_grid(report, |row| length(row.median_length_us))))
            (draw::line("mean", on_grid(report, |row| length(row.mean_length_us))))
            (draw::title(SINGLE, "Sessions of a single activity", &[]))
            (draw::line("single", on_grid(report, |row| SINGLE.at(share.share(single(row))))))

            line .cursor y1=(SESSIONS.top) y2=(SINGLE.foot) visibility="hidden" {}
            (candidate(report, sessions))
        }
    }
}

/// Returns the scale on which sessions are drawn, here and in the terminal.
#[must_use]
pub fn sessions_scale(report: &Report) -> Scale {
    let low = report.curve.sessions.iter().min().copied().unwrap_or(0);
    let high = report.curve.sessions.iter().max().copied().unwrap_or(0);
    Scale::readable(low as f64, high as f64)
}

/// The timeout that the reader may move; the script brings it to life.
fn candidate(report: &Report, scale: Scale) -> Markup {
    let low = report.curve.sessions.iter().min().copied().unwrap_or(0);
    let high = report.curve.sessions.iter().max().copied().unwrap_or(0);
    html! {
        g #candidate .js-only role="slider" tabindex="0" aria-label="Timeout to try" aria-orientation="horizontal"
            aria-valuemin="1" aria-valuemax="86400" aria-valuenow=(report.compared.from.timeout_s)
            aria-valuetext=(seconds(report.compared.from.timeout_s))
            data-top=(SESSIONS.top) data-foot=(SESSIONS.foot) data-logarithmic=(scale.is_logarithmic())
            data-low-share=(scale.share(low as f64)) data-high-share=(scale.share(high as f64))
            data-low=(low) data-high=(high) {
            line .candidate-line y1=(SESSIONS.top) y2=(SINGLE.foot) {}
            circle .candidate-halo r="15" {}
            circle .candidate-dot r="7" {}
        }
    }
}

fn down(panel: Panel) -> Markup {
    html! {
        @for tick in super::scale::TICKS_S {
            @let x = draw::coordinate(AXIS.at(f64::from(tick)));
            line class="grid" x1=(x) x2=(x) y1=(panel.top) y2=(panel.foot) {}
        }
    }
}

/// Returns the share of sessions that are one activity and no more.
fn single(row: &GridRow) -> f64 {
    if row.sessions == 0 { 0.0 } else { row.one_activity as f64 / row.sessions as f64 }
}

/// Returns a line through the timeouts of a whole curve that can be told apart.
pub fn whole<T>(values: &[T], axis: TimeAxis, y: impl Fn(&T) -> f64) -> impl Iterator<Item = (f64, f64)> {
    axis.seconds_shown().into_iter().filter_map(move |seconds| {
        let value = values.get(seconds as usize - 1)?;
        Some((axis.at(f64::from(seconds)), y(value)))
    })
}

fn on_grid(report: &Report, y: impl Fn(&GridRow) -> f64) -> impl Iterator<Item = (f64, f64)> {
    report.grid.iter().map(move |row| (AXIS.at(f64::from(row.timeout_s)), y(row)))
}

fn description(report: &Report) -> String {
    let (Some(first), Some(last)) = (report.grid.first(), report.grid.last()) else {
        return "There is nothing to draw.".to_owned();
    };
    format!(
        "From a timeout of {} to one of {} the number of sessions goes from {} to {}, and their mean length from {} \
         to {}. \
         The numbers stand in the table of all timeouts below.",
        seconds(first.timeout_s),
        seconds(last.timeout_s),
        crate::human::count(first.sessions),
        crate::human::count(last.sessions),
        super::scale::micros(first.mean_length_us),
        super::scale::micros(last.mean_length_us),
    )
}
