//! The lab split by a column: a table, and a small curve for each value.

use maud::{Markup, html};

use super::draw::{self, Panel};
use super::scale::{Scale, TimeAxis, change, micros, seconds, short};
use crate::human::count;
use crate::report::{Report, Split, SplitValue};

/// No more values have a curve.
const MOST_CURVES: usize = 12;
/// No more values have a row.
const MOST_ROWS: usize = 100;
const WIDTH: f64 = 280.0;
const HEIGHT: f64 = 150.0;
const AXIS: TimeAxis = TimeAxis { left: 38.0, right: 270.0 };
const PANEL: Panel = Panel { top: 10.0, foot: 124.0 };
const TICKS_S: [u32; 4] = [1, 60, 1800, 86_400];

/// Draws the curves of the values side by side, on one scale.
pub fn figure(report: &Report, split: &Split) -> Markup {
    let numbers =
        || split.values.iter().take(MOST_CURVES).flat_map(|value| &value.grid).map(|row| row.per_user_and_day);
    let scale = Scale::readable(numbers().fold(f64::INFINITY, f64::min), numbers().fold(0.0, f64::max));
    html! {
        div .multiples {
            @for (index, value) in split.values.iter().take(MOST_CURVES).enumerate() {
                div .multiple { (drawn(report, value, scale, &format!("value-{index}"))) }
            }
        }
    }
}

fn drawn(report: &Report, value: &SplitValue, scale: Scale, label: &str) -> Markup {
    let marks = [("a", report.compared.from.timeout_s), ("b", report.compared.to.timeout_s)];
    html! {
        @let change = change(value.from.sessions as f64, value.to.sessions as f64);
        p id=(label) { strong { (named(&value.value)) } " " span .date { (count(value.users)) " users, " (change) } }
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby=(label) {
            @for tick in TICKS_S {
                @let x = draw::coordinate(AXIS.at(f64::from(tick)));
                line class="grid" x1=(x) x2=(x) y1=(PANEL.top) y2=(PANEL.foot) {}
                @let x = draw::coordinate(AXIS.at(f64::from(tick)).min(AXIS.right - 8.0));
                text class="tick" x=(x) y=(PANEL.foot + 16.0) text-anchor="middle" { (seconds(tick)) }
            }
            (draw::numbers(scale, PANEL, AXIS, short))
            @for (kind, timeout) in marks {
                @let x = draw::coordinate(AXIS.at(f64::from(timeout)));
                line class={ "mark " (kind) } x1=(x) x2=(x) y1=(PANEL.top) y2=(PANEL.foot) {}
            }
            (draw::line("sessions", value.grid.iter().map(|row| {
                (AXIS.at(f64::from(row.timeout_s)), PANEL.at(scale.share(row.per_user_and_day)))
            })))
        }
    }
}

/// Writes the table of values under both timeouts.
pub fn table(report: &Report, split: &Split) -> Markup {
    let (from, to) = (seconds(report.compared.from.timeout_s), seconds(report.compared.to.timeout_s));
    html! {
        div .scroll tabindex="0" role="region" aria-label="Table by value" {
            table {
                thead {
                    tr {
                        th scope="col" { (split.column) } th scope="col" { "Users" } th scope="col" { "Events" }
                        th scope="col" { "Sessions under " (from) } th scope="col" { "Sessions under " (to) }
                        th scope="col" { "Change" }
                        th scope="col" { "Mean length under " (from) } th scope="col" { "Mean length under " (to) }
                    }
                }
                tbody {
                    @for value in split.values.iter().take(MOST_ROWS) {
                        tr {
                            th scope="row" { (named(&value.value)) }
                            td { (count(value.users)) } td { (count(value.activities)) }
                            td { (count(value.from.sessions)) } td { (count(value.to.sessions)) }
                            td { (change(value.from.sessions as f64, value.to.sessions as f64)) }
                            td { (micros(value.from.mean_length_us)) } td { (micros(value.to.mean_length_us)) }
                        }
                    }
                }
            }
        }
        @if MOST_ROWS < split.values.len() {
            p .note {
                "There are " (count((split.values.len() - MOST_ROWS) as u64)) " more values, with fewer users each."
            }
        }
    }
}

/// Says what is in a value that has nothing to show.
fn named(value: &str) -> &str {
    if value.trim().is_empty() { "(none)" } else { value }
}
