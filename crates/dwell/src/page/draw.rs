//! What figures are made of: lines, axes, and the marks that every figure on the time axis carries.

use std::fmt::Write;

use maud::{Markup, html};

use super::scale::{LENGTH_TICKS_S, Scale, TICKS_S, TimeAxis, seconds};
use crate::report::Report;

/// Width of a figure that fills the page, in units of its drawing.
pub const WIDTH: f64 = 880.0;
/// The time axis of such a figure.
pub const AXIS: TimeAxis = TimeAxis { left: 64.0, right: 860.0 };
/// Height of the rows in which the marks have their names.
pub const NAMES: f64 = 72.0;
/// Height of a row of names.
const ROW: f64 = 16.0;
/// About how wide a letter is.
const LETTER: f64 = 6.5;
/// About how wide a letter of a title is.
const BOLD_LETTER: f64 = 8.0;

/// A place between top and foot of a figure.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Where it begins.
    pub top: f64,
    /// Where it ends.
    pub foot: f64,
}

impl Panel {
    /// Returns where a share of the height stands.
    #[must_use]
    pub fn at(self, share: f64) -> f64 {
        self.foot - share * (self.foot - self.top)
    }
}

/// Writes a coordinate with one digit after the point, if it needs one.
#[must_use]
pub fn coordinate(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Writes the points of a line.
pub fn points(places: impl Iterator<Item = (f64, f64)>) -> String {
    places.fold(String::new(), |mut text, (x, y)| {
        // Writing to a string cannot fail.
        write!(text, "{},{} ", coordinate(x), coordinate(y)).ok();
        text
    })
}

/// Draws a line of one of the kinds that the style knows.
pub fn line(kind: &str, places: impl Iterator<Item = (f64, f64)>) -> Markup {
    html! { polyline class={ "line " (kind) } points=(points(places)) {} }
}

/// Draws the lines across a panel with their numbers.
pub fn numbers(scale: Scale, panel: Panel, axis: TimeAxis, word: impl Fn(f64) -> String) -> Markup {
    let across = |tick: f64| (panel.at(scale.share(tick)), word(tick));
    lines_across(scale.ticks().into_iter().map(across), axis)
}

/// Draws the lines across a panel of lengths.
pub fn lengths(scale: Scale, longest_s: f64, panel: Panel, axis: TimeAxis) -> Markup {
    let shown = LENGTH_TICKS_S.into_iter().filter(|tick| f64::from(*tick) <= longest_s);
    // The foot stands for all that is shorter, too: a scale by powers of ten has no zero.
    let word = |tick: u32| if tick == 1 { "≤ 1 s".to_owned() } else { seconds(tick) };
    lines_across(shown.map(|tick| (panel.at(scale.share(f64::from(tick))), word(tick))), axis)
}

fn lines_across(lines: impl Iterator<Item = (f64, String)>, axis: TimeAxis) -> Markup {
    html! {
        @for (y, word) in lines {
            line class="grid" x1=(axis.left) x2=(axis.right) y1=(coordinate(y)) y2=(coordinate(y)) {}
            text class="tick" x=(axis.left - 7.0) y=(coordinate(y + 4.0)) text-anchor="end" { (word) }
        }
    }
}

/// Draws the time axis: a line down at every tick from `top` to `foot`, and the timeouts under it.
pub fn time(axis: TimeAxis, top: f64, foot: f64) -> Markup {
    html! {
        @for tick in TICKS_S {
            @let x = coordinate(axis.at(f64::from(tick)));
            line class="grid" x1=(x) x2=(x) y1=(top) y2=(foot) {}
            text class="tick" x=(x) y=(foot + 16.0) text-anchor="middle" { (seconds(tick)) }
        }
    }
}

/// Draws the ground of the advice behind a panel: the interval that it gives, or where gaps do not choose.
pub fn ground(report: &Report, panel: Panel) -> Markup {
    let (kind, (low, high)) = match report.advice.interval_s {
        Some(interval) => ("advised", interval),
        None => ("undecided", report.advice.convention_s),
    };
    let (left, right) = (AXIS.at(f64::from(low)), AXIS.at(f64::from(high)));
    html! {
        rect class=(kind) x=(coordinate(left)) width=(coordinate((right - left).max(1.0)))
            y=(panel.top) height=(coordinate(panel.foot - panel.top)) {}
    }
}

/// Draws the lines of all marked timeouts down to `foot`, with their names in the rows above `NAMES`.
pub fn marks(report: &Report, foot: f64) -> Markup {
    let marks = marked(report);
    html! {
        @for mark in &marks {
            @let x = coordinate(AXIS.at(mark.seconds));
            @if mark.has_line {
                line class={ "mark " (mark.kind) } x1=(x) x2=(x) y1=(ROW * (mark.row + 1.0)) y2=(foot) {}
            }
        }
        // Names come last, so that no line runs through one.
        @for mark in &marks { (name(mark)) }
    }
}

/// A timeout with a name over it.
struct Mark {
    kind: &'static str,
    seconds: f64,
    word: String,
    row: f64,
    has_line: bool,
}

fn marked(report: &Report) -> Vec<Mark> {
    let mark = |kind, timeout: u32, word, row| Mark { kind, seconds: f64::from(timeout), word, row, has_line: true };
    let named = |letter: &str, timeout: u32| format!("{letter}: {}", seconds(timeout));
    let vendors = report.vendors.iter().map(|vendor| {
        mark("vendor", vendor.timeout_s, vendor.name.split(" (").next().unwrap_or_default().to_owned(), 3.0)
    });
    let mut marks: Vec<Mark> = vendors.collect();
    marks.push(match report.advice.timeout_s {
        Some(timeout) => mark("advice", timeout, named("advice", timeout), 2.0),
        None => {
            let (low, high) = report.advice.convention_s;
            let middle = (f64::from(low) * f64::from(high)).sqrt();
            let word = "no advice: the gaps do not choose".to_owned();
            Mark { kind: "undecided-name", seconds: middle, word, row: 2.0, has_line: false }
        }
    });
    let (from, to) = (report.compared.from.timeout_s, report.compared.to.timeout_s);
    marks.extend([mark("a", from, named("A", from), 0.0), mark("b", to, named("B", to), 1.0)]);
    marks
}

/// Writes the name of a mark, within the figure.
fn name(mark: &Mark) -> Markup {
    let half = mark.word.chars().count() as f64 * LETTER / 2.0;
    let x = AXIS.at(mark.seconds).clamp(half + 4.0, WIDTH - half - 4.0);
    html! {
        text class={ "name " (mark.kind) } x=(coordinate(x)) y=(ROW * mark.row + 12.0) text-anchor="middle" {
            (mark.word)
        }
    }
}

/// Defines the hatchings that figures fill with. It stands once on the page, in a picture of no size.
pub fn hatchings() -> Markup {
    html! {
        svg class="hatchings" width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatch-undecided" width="7" height="7" patternUnits="userSpaceOnUse"
                    patternTransform="rotate(45)" {
                    rect class="hatch-ground" width="7" height="7" {}
                    line class="hatch-line" y2="7" {}
                }
                pattern id="hatch-between" width="5" height="5" patternUnits="userSpaceOnUse"
                    patternTransform="rotate(-45)" {
                    rect class="between-ground" width="5" height="5" {}
                    line class="between-line" y2="5" {}
                }
            }
        }
    }
}

/// Writes a title over a panel, with what its lines are.
pub fn title(panel: Panel, word: &str, keys: &[(&str, &str)]) -> Markup {
    let y = panel.top - 9.0;
    let mut x = AXIS.left + word.chars().count() as f64 * BOLD_LETTER + 24.0;
    let mut places = Vec::new();
    for (kind, key) in keys {
        places.push((x, *kind, *key));
        x += 34.0 + key.chars().count() as f64 * LETTER + 24.0;
    }
    html! {
        text class="panel" x=(AXIS.left) y=(y) { (word) }
        @for (x, kind, key) in places {
            line class={ "line " (kind) } x1=(coordinate(x)) x2=(coordinate(x + 28.0)) y1=(y - 4.0) y2=(y - 4.0) {}
            text class="tick" x=(coordinate(x + 34.0)) y=(y) { (key) }
        }
    }
}

/// Draws a line for a key, as it is in the figure.
pub fn swatch(kind: &str) -> Markup {
    html! { svg viewBox="0 0 18 12" aria-hidden="true" { line class=(kind) x2="18" y1="6" y2="6" {} } }
}

/// Draws a patch for a key, as it is in the figure.
pub fn patch(kind: &str) -> Markup {
    html! { svg viewBox="0 0 18 12" aria-hidden="true" { rect class=(kind) width="18" height="12" {} } }
}
