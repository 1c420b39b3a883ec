//! `dwell policy preview`: what a policy would have done, asked of the server that has the data folder.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use dwell_core::time::Span;
use serde_json::Value;

use crate::control::ask_for_preview;
use crate::data_folder::{Which, print_json, print_table};
use crate::human;
use crate::progress::Progress;

/// How often it is looked whether it was counted.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The bar has so many steps.
const STEPS: u64 = 1_000;

/// Names in the answer, what they are called, and how they are written.
const MEASURES: [(&str, &str, Unit); 9] = [
    ("sessions", "sessions", Unit::Count),
    ("users", "users", Unit::Count),
    ("mean_length_seconds", "mean length", Unit::Seconds),
    ("median_length_seconds", "median length", Unit::Seconds),
    ("p90_length_seconds", "p90 length", Unit::Seconds),
    ("one_activity", "with one activity", Unit::Count),
    ("one_activity_share", "of all", Unit::Share),
    ("total_length_seconds", "total length", Unit::Seconds),
    ("playing_seconds", "of these playing", Unit::Seconds),
];

#[derive(Clone, Copy)]
enum Unit {
    Count,
    Seconds,
    Share,
}

#[derive(Args, Debug)]
pub(super) struct Preview {
    /// The policy (TOML); - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &Preview, progress: &Progress) -> anyhow::Result<()> {
    let text = super::read(&args.file)?;
    let (app, data) = args.which.open()?;
    let bar = progress.bar("counting", STEPS);
    let answer = loop {
        let answer = ask_for_preview(&data, app.id.as_str(), &text)
            .map_err(|error| error.context(format!("{} cannot be previewed", args.file.display())))?;
        if answer["state"] == "ready" {
            break answer;
        }
        if let Some(why) = answer["failed"].as_str() {
            bail!("the history of {} cannot be counted: {why}", app.name);
        }
        bar.set((answer["counting"].as_f64().unwrap_or(0.0) * STEPS as f64) as u64);
        std::thread::sleep(LOOK_EVERY);
    };
    drop(bar);
    if args.which.data.json {
        return print_json(&answer);
    }
    tell(&answer, progress).ok_or_else(|| anyhow!("the server's answer is not that of this version"))?
}

/// Writes it for people; `None` where the answer has not what it should have.
fn tell(answer: &Value, progress: &Progress) -> Option<anyhow::Result<()>> {
    let counted = &answer["counted"];
    let left_out: Vec<&str> = answer["not_obeyed"].as_array()?.iter().filter_map(Value::as_str).collect();
    if !left_out.is_empty() && !progress.is_quiet() {
        eprintln!("not in these numbers: what the policy says of {}", left_out.join(", "));
    }
    let missing = counted["events_missing"].as_u64()?;
    if missing != 0 && !progress.is_quiet() {
        eprintln!(
            "{} events are neither in the log any more nor in the archive: they are not counted",
            human::count(missing)
        );
    }
    let all = rows(&counted["all"])?;
    let mut platforms = Vec::new();
    for platform in counted["platforms"].as_array()? {
        let name = match platform["value"].as_str() {
            None => "all others",
            Some("") => "not said",
            Some(name) => name,
        };
        platforms.push(row(&platform["sessions"], name.to_owned(), Unit::Count)?);
    }
    let mut users = Vec::new();
    for user in counted["most_changed"].as_array()? {
        users.push(row(&user["sessions"], user["user"].as_str()?.to_owned(), Unit::Count)?);
    }
    let words = counted["words"].as_str()?;
    Some((|| {
        let mut out = std::io::stdout();
        writeln!(out, "{words}\n")?;
        print_table(&["", "as it was", "under this", "change", "percent"], &all)?;
        if 1 < platforms.len() {
            writeln!(out)?;
            print_table(&["sessions by platform", "as it was", "under this", "change", "percent"], &platforms)?;
        }
        if !users.is_empty() {
            writeln!(out)?;
            print_table(&["most changed users", "as it was", "under this", "change", "percent"], &users)?;
        }
        Ok(())
    })())
}

/// One row for each measure that is there.
fn rows(measures: &Value) -> Option<Vec<Vec<String>>> {
    let known = MEASURES.iter().filter(|(name, ..)| !measures[*name].is_null());
    known.map(|(name, called, unit)| row(&measures[*name], (*called).to_owned(), *unit)).collect()
}

fn row(pair: &Value, name: String, unit: Unit) -> Option<Vec<String>> {
    let number = |which: &str| pair[which].as_f64();
    let (before, after, change) = (number("before")?, number("after")?, number("change")?);
    let sign = if 0.0 < change { "+" } else { "" };
    let percent = number("percent").map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.1} %"));
    Some(vec![name, written(before, unit), written(after, unit), format!("{sign}{}", written(change, unit)), percent])
}

fn written(number: f64, unit: Unit) -> String {
    let minus = if number < 0.0 { "-" } else { "" };
    let size = number.abs();
    match unit {
        Unit::Count => format!("{minus}{}", human::count(size.round() as u64)),
        Unit::Seconds => format!("{minus}{}", human::span(Span::from_micros((size * 1e6).round() as i64))),
        Unit::Share => format!("{minus}{:.1} %", 100.0 * size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_has_its_sign_and_nothing_before_has_no_percent() {
        let told = |pair: Value, unit| row(&pair, "x".to_owned(), unit).unwrap()[1..].join("|");
        let less = json!({ "before": 1200, "after": 900, "change": -300, "percent": -25.0 });
        assert_eq!(told(less, Unit::Count), "1,200|900|-300|-25.0 %");
        let more = json!({ "before": 0.0, "after": 90.0, "change": 90.0, "percent": null });
        assert_eq!(told(more, Unit::Seconds), "0 s|1 min 30 s|+1 min 30 s|-");
        let share = json!({ "before": 0.25, "after": 0.125, "change": -0.125, "percent": -50.0 });
        assert_eq!(told(share, Unit::Share), "25.0 %|12.5 %|-12.5 %|-50.0 %");
        assert_eq!(row(&json!({ "before": 1 }), String::new(), Unit::Count), None);
    }
}
