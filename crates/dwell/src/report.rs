//! What the lab found out, as numbers: the one source of the table, the chart, the CSV, the JSON and the page.

use std::collections::BTreeMap;

use dwell_core::lab::Lab;
use dwell_core::lab::advice::Advice;
use dwell_core::lab::ledger::CurvePoint;
use dwell_core::time::{Span, Timeout};
use dwell_lake::lab::lanes::Lane;
use dwell_lake::sessionize::Agreement;
use serde::Serialize;

/// Everything that a lab says. Spans are whole microseconds (`_us`) or whole seconds (`_s`).
#[derive(Clone, Serialize, Debug)]
pub struct Report {
    /// The files.
    pub files: Vec<String>,
    /// Events that went into it.
    pub activities: u64,
    /// Events that were silent, repeated or late, and rows that could not be read.
    pub set_aside: BTreeMap<&'static str, u64>,
    /// Users who have a session.
    pub users: u64,
    /// Days from the first event to the last, at least one.
    pub days: f64,
    /// When the first and the last event happened, microseconds since 1970 in UTC.
    pub time_range_us: Option<(i64, i64)>,
    /// What the curve leaves out, in a sentence each.
    pub notes: Vec<String>,
    /// The timeouts that are compared: the one in force or proposed, and the other.
    pub compared: Compared,
    /// The advice, in words and numbers.
    pub advice: AdviceReport,
    /// What others set by default.
    pub vendors: Vec<Vendor>,
    /// 64 timeouts, with everything that is known of each.
    pub grid: Vec<GridRow>,
    /// Every timeout from 1 s to 24 h, by seconds.
    pub curve: Curve,
    /// Gaps between activities by length: the why.
    pub gaps: Vec<GapBin>,
    /// The same on the grid, for each value of the column that the lab is split by.
    pub by: Option<Split>,
    /// Some users under both timeouts, the most changed first.
    pub lanes: Vec<Lane>,
}

/// The whole curve; at place `i` stands the timeout of `i + 1` seconds.
#[derive(Clone, Serialize, Debug)]
pub struct Curve {
    /// How many sessions.
    pub sessions: Vec<u64>,
    /// Their length together.
    pub total_length_us: Vec<i64>,
    /// For each milestone the users who have that many sessions.
    pub milestones: Vec<Milestone>,
    /// F1 of the breaks against the truth, when the log knows it.
    pub f1: Option<Vec<f64>>,
}

/// Users who reach their Nth session.
#[derive(Clone, Serialize, Debug)]
pub struct Milestone {
    /// N.
    pub number: u32,
    /// Users, by timeout.
    pub users: Vec<u64>,
}

/// One timeout.
#[derive(Clone, Serialize, Debug)]
pub struct GridRow {
    /// The timeout.
    pub timeout_s: u32,
    /// How many sessions.
    pub sessions: u64,
    /// Sessions per user and day.
    pub per_user_and_day: f64,
    /// Those of one activity.
    pub one_activity: u64,
    /// Length of all together.
    pub total_length_us: i64,
    /// Mean length.
    pub mean_length_us: i64,
    /// Median length.
    pub median_length_us: i64,
    /// Three quarters are no longer.
    pub p75_length_us: i64,
    /// Nine tenths are no longer.
    pub p90_length_us: i64,
    /// Ninety-nine hundredths are no longer.
    pub p99_length_us: i64,
    /// By which share there are fewer sessions under twice the timeout.
    pub doubling: Option<f64>,
    /// How the breaks agree with the truth.
    pub truth: Option<TruthRow>,
}

/// Agreement with the truth.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct TruthRow {
    /// How many of our breaks are true.
    pub precision: f64,
    /// How many true breaks are ours.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// Two timeouts and what lies between them.
#[derive(Clone, Serialize, Debug)]
pub struct Compared {
    /// The one.
    pub from: Point,
    /// The other.
    pub to: Point,
    /// What going from the one to the other does, in a sentence.
    pub sentence: String,
    /// How arbitrary the first one is, in a sentence.
    pub arbitrary: String,
}

/// What one timeout does.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct Point {
    /// The timeout.
    pub timeout_s: u32,
    /// How many sessions.
    pub sessions: u64,
    /// Their length together.
    pub total_length_us: i64,
    /// Mean length.
    pub mean_length_us: i64,
}

/// The advice.
#[derive(Clone, Serialize, Debug)]
pub struct AdviceReport {
    /// In words.
    pub words: String,
    /// The timeout, when one is advised.
    pub timeout_s: Option<u32>,
    /// Its interval.
    pub interval_s: Option<(u32, u32)>,
    /// How deep the valley is, from 0 to 1.
    pub depth: Option<f64>,
    /// Between these the gaps do not choose.
    pub convention_s: (u32, u32),
    /// Users and gaps that were looked at.
    pub users: u64,
    /// Gaps that were looked at.
    pub gaps: u64,
    /// The density of gaps, for drawing: log2 of seconds, in users' own time, by the clock.
    pub density: Vec<(f64, f64, f64)>,
}

/// Somebody else's default.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct Vendor {
    /// Who.
    pub name: &'static str,
    /// Their timeout.
    pub timeout_s: u32,
}

/// Gaps of one range of lengths.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct GapBin {
    /// From this many seconds on.
    pub from_s: f64,
    /// Under this many.
    pub to_s: f64,
    /// How many.
    pub gaps: u64,
}

/// The lab split by a column.
#[derive(Clone, Serialize, Debug)]
pub struct Split {
    /// The column.
    pub column: String,
    /// Its values, the one with the most users first.
    pub values: Vec<SplitValue>,
}

/// One value.
#[derive(Clone, Serialize, Debug)]
pub struct SplitValue {
    /// The value of the user's first event.
    pub value: String,
    /// Users with a session.
    pub users: u64,
    /// Events.
    pub activities: u64,
    /// Under the first of the compared timeouts.
    pub from: Point,
    /// Under the other.
    pub to: Point,
    /// On the grid.
    pub grid: Vec<GridRow>,
}

/// What others set by default, where they are known for it.
pub const VENDORS: [Vendor; 3] = [
    Vendor { name: "Braze mobile", timeout_s: 10 },
    Vendor { name: "Amplitude mobile", timeout_s: 300 },
    Vendor { name: "web (GA4, Braze, Mixpanel, Matomo, PostHog, Snowplow)", timeout_s: 1800 },
];

impl Point {
    /// Returns what stands on the curve.
    #[must_use]
    pub fn on(curve: &[CurvePoint], timeout: Timeout) -> Self {
        let point = &curve[timeout.as_secs() as usize - 1];
        Point {
            timeout_s: timeout.as_secs(),
            sessions: point.sessions,
            total_length_us: point.total_length.as_micros(),
            mean_length_us: point.mean_length().as_micros(),
        }
    }

    /// Returns the mean length.
    #[must_use]
    pub fn mean_length(&self) -> Span {
        Span::from_micros(self.mean_length_us)
    }
}

/// Returns the rows of the grid.
pub fn grid_rows(
    lab: &Lab,
    curve: &[CurvePoint],
    days: f64,
    truth: Option<&[Agreement]>,
) -> anyhow::Result<Vec<GridRow>> {
    let row = |point: &dwell_core::lab::GridPoint| {
        let seconds = point.timeout.as_secs();
        let at = &curve[seconds as usize - 1];
        let users = lab.users() as f64;
        let doubled = curve.get(2 * seconds as usize - 1).filter(|_| 0 < point.sessions);
        GridRow {
            timeout_s: seconds,
            sessions: point.sessions,
            per_user_and_day: if users == 0.0 { 0.0 } else { point.sessions as f64 / users / days },
            one_activity: point.one_activity,
            total_length_us: point.total_length.as_micros(),
            mean_length_us: at.mean_length().as_micros(),
            median_length_us: point.quantiles.median.as_micros(),
            p75_length_us: point.quantiles.p75.as_micros(),
            p90_length_us: point.quantiles.p90.as_micros(),
            p99_length_us: point.quantiles.p99.as_micros(),
            doubling: doubled.map(|doubled| 1.0 - doubled.sessions as f64 / point.sessions as f64),
            truth: truth.and_then(|truth| truth_row(&truth[seconds as usize - 1])),
        }
    };
    Ok(lab.grid()?.iter().map(row).collect())
}

fn truth_row(agreement: &Agreement) -> Option<TruthRow> {
    Some(TruthRow { precision: agreement.precision()?, recall: agreement.recall()?, f1: agreement.f1()? })
}

/// Gathers the gaps in bins of a quarter octave.
#[must_use]
pub fn gap_bins(gaps: &[u64]) -> Vec<GapBin> {
    let bound = |quarter: u32| (f64::from(quarter) / 4.0).exp2();
    let mut bins = vec![GapBin { from_s: 0.0, to_s: 1.0, gaps: gaps.first().copied().unwrap_or(0) }];
    let mut from = 1;
    for quarter in 1.. {
        let to = bound(quarter).ceil() as usize;
        if to <= from {
            continue;
        }
        let end = to.min(gaps.len());
        bins.push(GapBin { from_s: from as f64, to_s: end as f64, gaps: gaps[from..end].iter().sum() });
        from = end;
        if end == gaps.len() {
            break;
        }
    }
    bins
}

impl AdviceReport {
    /// Takes the advice as core gives it.
    #[must_use]
    pub fn new(advice: &Advice) -> Self {
        use dwell_core::lab::advice::Verdict;
        let (timeout_s, interval_s, depth) = match &advice.verdict {
            Verdict::Advises { timeout, low, high, depth } => {
                (Some(timeout.as_secs()), Some((low.as_secs(), high.as_secs())), Some(*depth))
            }
            Verdict::Refuses(_) => (None, None, None),
        };
        AdviceReport {
            words: advice.in_words(),
            timeout_s,
            interval_s,
            depth,
            convention_s: (advice.convention.0.as_secs(), advice.convention.1.as_secs()),
            users: advice.users,
            gaps: advice.gaps,
            density: advice.density.iter().map(|point| (point.log2_secs, point.own_time, point.plain)).collect(),
        }
    }
}
