//! `dwell policy lab`: what another timeout would have done in a live app, asked of the server that has the data folder.

use std::io::Write;

use anyhow::anyhow;
use clap::Args;
use dwell_core::time::{Span, Timeout};
use dwell_policy::span::timeout;
use serde_json::Value;

use crate::control::ask_for_lab;
use crate::data_folder::{Which, print_json, print_table};
use crate::human;

#[derive(Args, Debug)]
pub(super) struct LabOf {
    /// The timeout to try, for everybody
    #[arg(long, value_parser = timeout, value_name = "SPAN")]
    timeout: Timeout,
    /// The timeout to compare with [default: the one in force]
    #[arg(long, value_parser = timeout, value_name = "SPAN")]
    versus: Option<Timeout>,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &LabOf) -> anyhow::Result<()> {
    let (app, data) = args.which.open()?;
    let written = |timeout: Timeout| format!("{}s", timeout.as_secs());
    let answer = ask_for_lab(&data, app.id.as_str(), written(args.timeout), args.versus.map(written))?;
    if args.which.data.json {
        return print_json(&answer);
    }
    tell(&answer).ok_or_else(|| anyhow!("the server's answer is not that of this version"))?
}

/// Writes it for people; `None` where the answer has not what it should have.
fn tell(answer: &Value) -> Option<anyhow::Result<()>> {
    let (before, after) = (Point::of(&answer["versus"])?, Point::of(&answer["points"][0])?);
    let change = if before.sessions == 0 {
        "-".to_owned()
    } else {
        format!("{:+.1} %", 100.0 * (after.sessions as f64 - before.sessions as f64) / before.sessions as f64)
    };
    let rows = vec![before.row("-".to_owned()), after.row(change)];
    let in_force = answer["in_force_seconds"].as_i64()?;
    Some((|| {
        writeln!(
            std::io::stdout(),
            "{} is in force; one timeout for everybody is compared\n",
            seconds(in_force as f64)
        )?;
        print_table(&["timeout", "sessions", "change", "mean length", "total length"], &rows)
    })())
}

/// What one timeout comes to.
struct Point {
    timeout: f64,
    sessions: u64,
    mean: f64,
    total: f64,
}

impl Point {
    fn of(point: &Value) -> Option<Self> {
        let number = |name: &str| point[name].as_f64();
        Some(Point {
            timeout: number("timeout_seconds")?,
            sessions: point["sessions"].as_u64()?,
            mean: number("mean_length_seconds")?,
            total: number("total_length_seconds")?,
        })
    }

    fn row(&self, change: String) -> Vec<String> {
        vec![seconds(self.timeout), human::count(self.sessions), change, seconds(self.mean), seconds(self.total)]
    }
}

fn seconds(number: f64) -> String {
    human::span(Span::from_micros((number * 1e6).round() as i64))
}
