//! The tables: before and after, milestones, and all timeouts of the grid, the twin of every figure.

use std::fmt::Write;

use maud::{Markup, html};

use super::scale::{change, micros, seconds};
use crate::human::{count, percent};
use crate::report::{GridRow, Report};

/// Writes what one timeout and the other make of the log.
pub fn compared(report: &Report) -> Markup {
    let (from, to) = (&report.compared.from, &report.compared.to);
    let on_grid = |timeout: u32| report.grid.iter().find(|row| row.timeout_s == timeout);
    let per_user =
        |sessions: u64| if report.users == 0 { 0.0 } else { sessions as f64 / report.users as f64 / report.days };
    let mut rows = vec![
        row("Sessions", from.sessions as f64, to.sessions as f64, |number| count(number as u64)),
        row("Sessions per user and day", per_user(from.sessions), per_user(to.sessions), |number| {
            format!("{number:.2}")
        }),
        row("Mean length", from.mean_length_us as f64, to.mean_length_us as f64, |number| micros(number as i64)),
        row("Length of all sessions together", from.total_length_us as f64, to.total_length_us as f64, |number| {
            micros(number as i64)
        }),
    ];
    if let (Some(from), Some(to)) = (on_grid(from.timeout_s), on_grid(to.timeout_s)) {
        let both =
            |word, of: fn(&GridRow) -> i64| row(word, of(from) as f64, of(to) as f64, |number| micros(number as i64));
        rows.extend([
            both("Half are no longer than", |row| row.median_length_us),
            both("Nine in ten are no longer than", |row| row.p90_length_us),
            row("Sessions of a single activity", from.one_activity as f64, to.one_activity as f64, |number| {
                count(number as u64)
            }),
        ]);
    }
    html! {
        div .scroll tabindex="0" role="region" aria-label="Table of both timeouts" {
            table .compared {
                thead {
                    tr {
                        td {} th .a-word scope="col" { "A: " (seconds(from.timeout_s)) }
                        th .b-word scope="col" { "B: " (seconds(to.timeout_s)) } th scope="col" { "Change" }
                    }
                }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

fn row(word: &str, from: f64, to: f64, write: impl Fn(f64) -> String) -> Markup {
    html! {
        tr { th scope="row" { (word) } td { (write(from)) } td { (write(to)) } td { (change(from, to)) } }
    }
}

/// Writes how many users reach each milestone under both timeouts.
pub fn milestones(report: &Report) -> Markup {
    let (from, to) = (report.compared.from.timeout_s, report.compared.to.timeout_s);
    let at = |users: &[u64], timeout: u32| users.get(timeout as usize - 1).copied().unwrap_or(0);
    html! {
        div .scroll tabindex="0" role="region" aria-label="Table of milestones" {
            table .compared {
                thead {
                    tr {
                        th scope="col" { "Users who have had at least" }
                        th .a-word scope="col" { "A: " (seconds(from)) }
                        th .b-word scope="col" { "B: " (seconds(to)) } th scope="col" { "Change" }
                    }
                }
                tbody {
                    @for milestone in &report.curve.milestones {
                        @let (before, after) = (at(&milestone.users, from), at(&milestone.users, to));
                        tr {
                            th scope="row" {
                                (count(u64::from(milestone.number))) " session" @if milestone.number != 1 { "s" }
                            }
                            td { (count(before)) } td { (count(after)) } td { (change(before as f64, after as f64)) }
                        }
                    }
                }
            }
        }
    }
}

/// Writes everything that is known of each timeout of the grid.
pub fn grid(report: &Report) -> Markup {
    let truth = report.grid.iter().any(|row| row.truth.is_some());
    html! {
        div .scroll tabindex="0" role="region" aria-label="Table of all timeouts" {
            table .grid-table {
                thead {
                    tr {
                        th scope="col" { "Timeout" } th scope="col" { "Sessions" } th scope="col" { "Per user and day" }
                        th scope="col" { "Of a single activity" } th scope="col" { "Mean length" }
                        th scope="col" { "Half are no longer" } th scope="col" { "75 % are no longer" }
                        th scope="col" { "90 % are no longer" } th scope="col" { "99 % are no longer" }
                        th scope="col" { "Fewer under the double" }
                        @if truth {
                            th scope="col" { "Breaks that are true" } th scope="col" { "True breaks found" }
                            th scope="col" { "F1" }
                        }
                    }
                }
                tbody { @for row in &report.grid { (grid_row(report, row, truth)) } }
            }
        }
    }
}

fn grid_row(report: &Report, row: &GridRow, truth: bool) -> Markup {
    let letter = if row.timeout_s == report.compared.from.timeout_s {
        Some("A")
    } else if row.timeout_s == report.compared.to.timeout_s {
        Some("B")
    } else {
        None
    };
    html! {
        tr class=[letter.map(|letter| if letter == "A" { "a-row" } else { "b-row" })] {
            th scope="row" { @if let Some(letter) = letter { span .letter { (letter) } " " } (seconds(row.timeout_s)) }
            td { (count(row.sessions)) } td { (format!("{:.2}", row.per_user_and_day)) }
            td { (percent(row.one_activity as f64, row.sessions as f64)) } td { (micros(row.mean_length_us)) }
            td { (micros(row.median_length_us)) } td { (micros(row.p75_length_us)) }
            td { (micros(row.p90_length_us)) } td { (micros(row.p99_length_us)) }
            td { @if let Some(fewer) = row.doubling { (percent(fewer, 1.0)) } @else { "–" } }
            @if truth {
                @if let Some(truth) = &row.truth {
                    @for number in [truth.precision, truth.recall, truth.f1] { td { (format!("{number:.3}")) } }
                } @else { td { "–" } td { "–" } td { "–" } }
            }
        }
    }
}

/// Writes the grid as CSV, for spreadsheets: numbers only, named as in the JSON.
#[must_use]
pub fn grid_csv(report: &Report) -> String {
    let mut text = "timeout_s,sessions,per_user_and_day,one_activity,total_length_us,mean_length_us,median_length_us,\
                    p75_length_us,p90_length_us,p99_length_us,doubling,precision,recall,f1\n"
        .to_owned();
    let or_empty = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    for row in &report.grid {
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            row.timeout_s,
            row.sessions,
            row.per_user_and_day,
            row.one_activity,
            row.total_length_us,
            row.mean_length_us,
            row.median_length_us,
            row.p75_length_us,
            row.p90_length_us,
            row.p99_length_us,
            or_empty(row.doubling),
            or_empty(row.truth.map(|truth| truth.precision)),
            or_empty(row.truth.map(|truth| truth.recall)),
            or_empty(row.truth.map(|truth| truth.f1)),
        )
        .ok();
    }
    text
}
