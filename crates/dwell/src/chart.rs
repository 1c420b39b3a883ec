//! The lab for a terminal: sessions over the timeout, and the gaps beneath, on one logarithmic axis.
//!
//! It is plain text without colours, so that it may go anywhere. Lines are drawn in the dots of Braille letters, two
//! across and four down in each.

use crate::page::scale::{LONGEST_S, Scale, TICKS_S, TimeAxis, seconds, short};
use crate::page::{drawn_gaps, gaps_scale, per_doubling, sessions_scale};
use crate::report::Report;

/// Left of the axis stand numbers this wide, and a line.
const NUMBERS: usize = 7;
/// A chart that is narrower than this shows nothing.
const NARROWEST: usize = 32;
const CURVE_ROWS: usize = 12;
const GAP_ROWS: usize = 6;
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const BRAILLE: u32 = 0x2800;
/// Which bit of a Braille letter stands for which of its dots: by row, then left and right.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Draws the chart in so many columns; every line ends with a line feed.
pub fn chart(report: &Report, columns: usize) -> String {
    let width = columns.max(NARROWEST) - NUMBERS - 1;
    let scale = sessions_scale(report);
    let mut text = title("Sessions by timeout", scale);
    text.push_str(&names(report, width));
    text.push_str(&panel(&curve(report, scale, width), scale, report, width));
    text.push_str(&ticks(width));
    text.push('\n');
    let scale = gaps_scale(&report.gaps);
    text.push_str(&title("Gaps by length, per doubling", scale));
    text.push_str(&panel(&gaps(report, scale, width), scale, report, width));
    text.push_str(&ticks(width));
    text.push('\n');
    text.push_str(&key(report, columns.max(NARROWEST)));
    text
}

fn title(word: &str, scale: Scale) -> String {
    let kind = if scale.is_logarithmic() { " (logarithmic scale)" } else { "" };
    format!("{word}{kind}\n")
}

fn axis(width: usize) -> TimeAxis {
    TimeAxis { left: 0.0, right: (width - 1) as f64 }
}

fn column(seconds: u32, width: usize) -> usize {
    axis(width).at(f64::from(seconds)).round() as usize
}

/// A picture of letters, the highest row first.
type Picture = Vec<Vec<char>>;

/// Draws a line: in each column of dots from where it comes to where it goes, so that it has no holes.
fn curve(report: &Report, scale: Scale, width: usize) -> Picture {
    let (across, down) = (2 * width, 4 * CURVE_ROWS);
    let axis = TimeAxis { left: 0.0, right: (across - 1) as f64 };
    let height = |column: usize| {
        let seconds = axis.seconds_at(column as f64).round() as usize;
        let sessions = report.curve.sessions.get(seconds - 1).copied().unwrap_or(0);
        ((1.0 - scale.share(sessions as f64)) * (down - 1) as f64).round() as usize
    };
    let mut bits = vec![vec![0; width]; CURVE_ROWS];
    let mut last = height(0);
    for column in 0..across {
        let here = height(column);
        for dot in last.min(here)..=last.max(here) {
            bits[dot / 4][column / 2] |= DOTS[dot % 4][column % 2];
        }
        last = here;
    }
    let letter = |bits: u32| if bits == 0 { ' ' } else { char::from_u32(BRAILLE + bits).unwrap_or(' ') };
    bits.into_iter().map(|row| row.into_iter().map(letter).collect()).collect()
}

/// Draws a bar in each column, by eighths of a letter.
fn gaps(report: &Report, scale: Scale, width: usize) -> Picture {
    let axis = axis(width);
    let mut picture = vec![vec![' '; width]; GAP_ROWS];
    for column in 0..width {
        // A day itself stands at the end of the axis, and belongs to the last bin.
        let seconds = axis.seconds_at(column as f64).min(LONGEST_S - 1.0);
        let bin = drawn_gaps(&report.gaps).find(|bin| bin.from_s <= seconds && seconds < bin.to_s);
        let Some(bin) = bin else { continue };
        let eighths = ((scale.share(per_doubling(bin)) * (8 * GAP_ROWS) as f64).round() as usize).max(1);
        for (row, line) in picture.iter_mut().rev().enumerate() {
            line[column] = BLOCKS[eighths.saturating_sub(8 * row).min(8)];
        }
    }
    picture
}

/// The marks, the last over those before: their letters, their lines and their timeouts.
fn marks(report: &Report) -> Vec<(char, char, u32)> {
    let mut marks: Vec<(char, char, u32)> = report.vendors.iter().map(|vendor| ('v', '┊', vendor.timeout_s)).collect();
    marks.extend(report.advice.timeout_s.map(|timeout| ('*', '┆', timeout)));
    marks.push(('B', '│', report.compared.to.timeout_s));
    marks.push(('A', '│', report.compared.from.timeout_s));
    marks
}

/// Writes the marks' letters over the chart; under them lies the range that the advice speaks of.
fn names(report: &Report, width: usize) -> String {
    let mut line = vec![' '; width];
    let (letter, (low, high)) = match report.advice.interval_s {
        Some(interval) => ('═', interval),
        None => ('~', report.advice.convention_s),
    };
    for place in &mut line[column(low, width)..=column(high.max(low), width)] {
        *place = letter;
    }
    for (letter, _, timeout) in marks(report) {
        line[column(timeout, width)] = letter;
    }
    row("", ' ', &line)
}

/// Writes a picture with the lines of the marks behind it and the numbers of its scale before it.
fn panel(picture: &Picture, scale: Scale, report: &Report, width: usize) -> String {
    let rows = picture.len();
    let mut numbers = vec![String::new(); rows];
    for tick in scale.ticks() {
        let row = ((1.0 - scale.share(tick)) * (rows - 1) as f64).round() as usize;
        numbers[row] = short(tick);
    }
    let mut text = String::new();
    for (number, letters) in numbers.iter().zip(picture) {
        let mut line = letters.clone();
        for (_, stroke, timeout) in marks(report) {
            let place = &mut line[column(timeout, width)];
            if *place == ' ' || ['│', '┊', '┆'].contains(place) {
                *place = stroke;
            }
        }
        text.push_str(&row(number, if number.is_empty() { '│' } else { '┤' }, &line));
    }
    text
}

fn row(number: &str, edge: char, letters: &[char]) -> String {
    let line: String = letters.iter().collect();
    let line = format!("{number:>NUMBERS$}{edge}{line}");
    format!("{}\n", line.trim_end())
}

/// Writes the axis, and as many of its timeouts as there is room for.
fn ticks(width: usize) -> String {
    let mut line = vec!['─'; width];
    let mut words = vec![' '; NUMBERS + 1 + width];
    let mut free = 0;
    // Both ends are worth more than what lies between them.
    let last = TICKS_S.len() - 1;
    let end = start_of(TICKS_S[last], width);
    for (index, tick) in TICKS_S.into_iter().enumerate() {
        let word = seconds(tick);
        let start = start_of(tick, width);
        if start < free || (index < last && end < start + word.len() + 1) {
            continue;
        }
        line[column(tick, width)] = '┴';
        words.splice(start..start + word.len(), word.chars());
        free = start + word.len() + 1;
    }
    let words: String = words.into_iter().collect();
    format!("{}{}\n", row("", '└', &line), words.trim_end())
}

/// Returns where the word of a tick begins, so that it stands under it and within the chart.
fn start_of(tick: u32, width: usize) -> usize {
    let word = seconds(tick).len();
    (NUMBERS + 1 + column(tick, width)).saturating_sub(word / 2).min(NUMBERS + 1 + width - word)
}

/// Says what the marks are.
fn key(report: &Report, columns: usize) -> String {
    let mut items = vec![
        format!("A {}", seconds(report.compared.from.timeout_s)),
        format!("B {}", seconds(report.compared.to.timeout_s)),
    ];
    items.push(match (report.advice.timeout_s, report.advice.interval_s) {
        (Some(timeout), Some((low, high))) => {
            format!("* advice {} (═ {} to {})", seconds(timeout), seconds(low), seconds(high))
        }
        _ => {
            let (low, high) = report.advice.convention_s;
            format!("~ the gaps do not choose ({} to {})", seconds(low), seconds(high))
        }
    });
    items.extend(report.vendors.iter().map(|vendor| format!("v {} {}", vendor.name, seconds(vendor.timeout_s))));
    let mut text = String::new();
    let mut line = String::new();
    for item in items {
        if !line.is_empty() && columns < line.chars().count() + 3 + item.chars().count() {
            text.push_str(&line);
            text.push('\n');
            line.clear();
        }
        if !line.is_empty() {
            line.push_str("   ");
        }
        line.push_str(&item);
    }
    text.push_str(&line);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::page::sample;

    #[test]
    fn a_chart_shows_the_curve_its_marks_and_the_gaps() {
        expect![[r#"
            Sessions by timeout
                                 v         ~~~~~~~~~v~~B~~~~~~A~~~
                   │⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⢤                  ┊  │      │
                   │             ⢸                  ┊  │      │
                   │             ⢸⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⡀ │
                  4┤             ┊                  ┊  │    ⡇ │
                   │             ┊                  ┊  │    ⡇ │
                   │             ┊                  ┊  │    ⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⡇
                   │             ┊                  ┊  │      │       ⡇
                  2┤             ┊                  ┊  │      │       ⠓⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒
                   │             ┊                  ┊  │      │
                   │             ┊                  ┊  │      │
                   │             ┊                  ┊  │      │
                  0┤             ┊                  ┊  │      │
                   └┴─────┴──────┴─────┴────────────┴─────────┴──────┴─────┴───────┴
                   1 s   3 s   10 s  30 s         5 min    30 min   2 h   6 h   24 h

            Gaps by length, per doubling
                  4┤             ▄                  ┊  │   ▆  │      ▆
                  3┤             █                  ┊  │   █  │      █
                   │             █                  ┊  │   █  │      █
                  2┤             █                  ┊  │   █  │      █
                  1┤             █                  ┊  │   █  │      █
                  0┤             █                  ┊  │   █  │      █
                   └┴─────┴──────┴─────┴────────────┴─────────┴──────┴─────┴───────┴
                   1 s   3 s   10 s  30 s         5 min    30 min   2 h   6 h   24 h

            A 30 min   B 10 min   ~ the gaps do not choose (1 min to 1 h)
            v Braze mobile 10 s   v Amplitude mobile 5 min
            v web (GA4, Braze, Mixpanel, Matomo, PostHog, Snowplow) 30 min
        "#]]
        .assert_eq(&chart(&sample::report(), 72));
    }

    #[test]
    fn a_chart_fits_its_columns() {
        for columns in [0, 32, 60, 100, 160] {
            for report in [sample::report(), sample::empty()] {
                let chart = chart(&report, columns);
                let widest =
                    chart.lines().filter(|line| !line.starts_with("v ")).map(|line| line.chars().count()).max();
                assert!(widest <= Some(columns.max(48)), "{columns}: {widest:?}");
            }
        }
    }
}
