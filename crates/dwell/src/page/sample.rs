//! A small report made by hand, with strings that would like to be more than text.

use std::collections::BTreeMap;

use dwell_lake::lab::lanes::Lane;

use crate::report::{
    AdviceReport, Compared, Curve, GapBin, GridRow, Milestone, Point, Report, Split, SplitValue, TruthRow, VENDORS,
};

/// A user id that would run if it were not escaped.
pub const HOSTILE: &str = "<script>alert(1)</script>";
/// A file name that would leave its attribute and its element.
pub const HOSTILE_FILE: &str = "\"'></script><img src=x onerror=alert(2)>.csv";
const LONGEST: u32 = 86_400;

/// Two users: one gap of 10 s, one of 20 min and one of 2 h, so that four sessions become two.
pub fn report() -> Report {
    let sessions = |timeout: u32| 2 + [10, 1200, 7200].iter().filter(|gap| timeout <= **gap).count() as u64;
    let total = |timeout: u32| {
        [10, 1200, 7200].iter().filter(|gap| **gap < timeout).map(|gap| i64::from(*gap) * 1_000_000).sum()
    };
    let point = |timeout: u32| Point {
        timeout_s: timeout,
        sessions: sessions(timeout),
        total_length_us: total(timeout),
        mean_length_us: total(timeout) / sessions(timeout) as i64,
    };
    let grid: Vec<GridRow> = [1, 10, 60, 600, 1800, 3600, 86_400].map(|timeout| row(point(timeout))).to_vec();
    let all = || 1..=LONGEST;
    let day = 1_704_067_200_000_000;
    let second = |second: i64| day + second * 1_000_000;
    Report {
        files: vec![HOSTILE_FILE.to_owned()],
        activities: 5,
        set_aside: BTreeMap::from([("silent", 1)]),
        users: 2,
        days: 1.0,
        time_range_us: Some((second(0), second(8410))),
        notes: vec!["A note of <b>ours</b>.".to_owned()],
        compared: Compared {
            from: point(1800),
            to: point(600),
            sentence: "Changing the timeout from 30 min to 10 min splits 3 sessions into 4.".to_owned(),
            arbitrary: "Doubling 30 min to 1 h changes nothing.".to_owned(),
        },
        advice: AdviceReport {
            words: "no advice: 2 users are too few".to_owned(),
            timeout_s: None,
            interval_s: None,
            depth: None,
            convention_s: (60, 3600),
            users: 2,
            gaps: 3,
            density: vec![(0.5, 0.1, 0.1), (8.0, 0.4, 0.4), (16.0, 0.1, 0.1), (20.0, 0.1, 0.1)],
        },
        vendors: VENDORS.to_vec(),
        grid: grid.clone(),
        curve: Curve {
            sessions: all().map(sessions).collect(),
            total_length_us: all().map(total).collect(),
            milestones: vec![Milestone { number: 2, users: all().map(|timeout| u64::from(timeout <= 7200)).collect() }],
            f1: Some(all().map(|timeout| if timeout <= 1200 { 1.0 } else { 0.5 }).collect()),
        },
        gaps: vec![
            GapBin { from_s: 0.0, to_s: 1.0, gaps: 0 },
            GapBin { from_s: 10.0, to_s: 12.0, gaps: 1 },
            GapBin { from_s: 1024.0, to_s: 1218.0, gaps: 1 },
            GapBin { from_s: 6889.0, to_s: 8192.0, gaps: 1 },
        ],
        by: Some(Split {
            column: "\"onmouseover=alert(3) x".to_owned(),
            values: vec![SplitValue {
                value: HOSTILE.to_owned(),
                users: 2,
                activities: 5,
                from: point(1800),
                to: point(600),
                grid,
            }],
        }),
        lanes: vec![Lane {
            user: HOSTILE.to_owned(),
            activities_us: [0, 10, 1210, 8410].map(second).to_vec(),
            foreground_us: vec![(second(0), second(10))],
            playing_us: vec![(second(10), second(300))],
            idle_us: vec![(second(300), second(1210))],
            from_us: vec![(second(0), second(1210)), (second(8410), second(8410))],
            to_us: vec![(second(0), second(10)), (second(1210), second(1210)), (second(8410), second(8410))],
        }],
    }
}

/// The same of a log in which nothing happened.
pub fn empty() -> Report {
    let mut report = report();
    report.activities = 0;
    report.users = 0;
    report.time_range_us = None;
    report.lanes.clear();
    report.by = None;
    report.gaps.truncate(1);
    report.advice.density.clear();
    report.curve.f1 = None;
    report.curve.milestones.clear();
    report.curve.sessions.fill(0);
    report.curve.total_length_us.fill(0);
    for row in &mut report.grid {
        *row = self::row(Point { sessions: 0, total_length_us: 0, mean_length_us: 0, timeout_s: row.timeout_s });
    }
    for point in [&mut report.compared.from, &mut report.compared.to] {
        *point = Point { sessions: 0, total_length_us: 0, mean_length_us: 0, timeout_s: point.timeout_s };
    }
    report
}

fn row(point: Point) -> GridRow {
    GridRow {
        timeout_s: point.timeout_s,
        sessions: point.sessions,
        per_user_and_day: point.sessions as f64 / 2.0,
        one_activity: point.sessions / 2,
        total_length_us: point.total_length_us,
        mean_length_us: point.mean_length_us,
        median_length_us: 0,
        p75_length_us: point.mean_length_us,
        p90_length_us: point.mean_length_us,
        p99_length_us: point.mean_length_us,
        doubling: Some(0.25),
        truth: Some(TruthRow { precision: 1.0, recall: 0.5, f1: 0.667 }),
    }
}
