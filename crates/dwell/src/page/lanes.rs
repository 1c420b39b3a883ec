//! Figure 3: some users, and their sessions under both timeouts.

use std::collections::BTreeMap;
use std::fmt::Write;

use dwell_lake::lab::lanes::Lane;
use jiff::Timestamp;
use maud::{Markup, html};

use super::draw::coordinate;
use super::scale::seconds;
use crate::human::count;
use crate::report::Report;

/// No more users are drawn.
const MOST: usize = 20;
/// Longer ids are cut.
const LONGEST_ID: usize = 48;
const DAY_US: i64 = 86_400_000_000;
const MINUTE_US: i64 = 60_000_000;
/// The narrowest stretch of time that a lane shows.
const NARROWEST_US: i64 = 20 * MINUTE_US;
/// Steps between the times written at a lane, in minutes.
const STEPS: [i64; 10] = [2, 5, 10, 15, 30, 60, 120, 180, 360, 720];
const MOST_TIMES: i64 = 12;

const WIDTH: f64 = 880.0;
const LEFT: f64 = 26.0;
const RIGHT: f64 = 872.0;
const HEIGHT: f64 = 70.0;
const A_TOP: f64 = 4.0;
const BAR: f64 = 13.0;
const TICKS_TOP: f64 = 20.0;
const TICKS_FOOT: f64 = 34.0;
const B_TOP: f64 = 37.0;
const FOOT: f64 = 53.0;
/// What is nearer than this to its neighbour cannot be told from it.
const TELLABLE: f64 = 1.0;

/// What a lane shows of a user: one of their days.
struct Shown<'a> {
    lane: &'a Lane,
    /// The first microsecond of the day, in UTC.
    day_us: i64,
    from_us: i64,
    to_us: i64,
}

/// Draws a lane for each sampled user.
pub fn figure(report: &Report) -> Markup {
    html! {
        ol .lanes {
            @for (index, lane) in report.lanes.iter().take(MOST).enumerate() {
                @if let Some(shown) = shown(lane) { li { (drawn(report, &shown, index)) } }
            }
        }
    }
}

/// Chooses the day on which the two timeouts differ most; the fullest day when they differ nowhere.
fn shown(lane: &Lane) -> Option<Shown<'_>> {
    let mut days: BTreeMap<i64, (usize, bool, usize)> = BTreeMap::new();
    for (one, other) in [(&lane.from_us, &lane.to_us), (&lane.to_us, &lane.from_us)] {
        for session in one.iter().filter(|session| !other.contains(session)) {
            days.entry(session.0.div_euclid(DAY_US)).or_default().0 += 1;
        }
    }
    for playing in &lane.playing_us {
        days.entry(playing.0.div_euclid(DAY_US)).or_default().1 = true;
    }
    for activity in &lane.activities_us {
        days.entry(activity.div_euclid(DAY_US)).or_default().2 += 1;
    }
    let (day, _) = days.into_iter().max_by_key(|(day, rank)| (*rank, -day))?;
    let (begin, end) = (day * DAY_US, (day + 1) * DAY_US);
    let on_day = |at: i64| (begin..end).contains(&at);
    let first = lane.activities_us.iter().copied().filter(|at| on_day(*at)).min()?;
    let sessions = lane.from_us.iter().chain(&lane.to_us).filter(|session| on_day(session.0)).map(|session| session.1);
    let activities = lane.activities_us.iter().copied().filter(|at| on_day(*at));
    let last = sessions.chain(activities).max()?.min(end + DAY_US / 4);
    let room = (last - first) / 40 + MINUTE_US / 2;
    let wanting = ((NARROWEST_US - (last - first)) / 2).max(0);
    Some(Shown { lane, day_us: begin, from_us: first - room - wanting, to_us: last + room + wanting })
}

impl Shown<'_> {
    fn at(&self, moment: i64) -> f64 {
        let share = (moment - self.from_us) as f64 / (self.to_us - self.from_us) as f64;
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn sees(&self, (start, end): (i64, i64)) -> bool {
        self.from_us <= end && start <= self.to_us
    }

    fn seen(&self, sessions: &[(i64, i64)]) -> usize {
        sessions.iter().filter(|session| self.sees(**session)).count()
    }

    fn date(&self) -> String {
        Timestamp::from_microsecond(self.day_us).map(|at| at.strftime("%a %-d %b %Y").to_string()).unwrap_or_default()
    }

    /// Returns the times to write and where.
    fn times(&self) -> Vec<(f64, String)> {
        let enough = |step: &i64| (self.to_us - self.from_us) / (step * MINUTE_US) <= MOST_TIMES;
        let step = STEPS.into_iter().find(enough).unwrap_or(STEPS[STEPS.len() - 1]) * MINUTE_US;
        let first = self.from_us.div_euclid(step) + 1;
        (first..)
            .map(|index| index * step)
            .take_while(|at| *at <= self.to_us)
            .map(|at| {
                let minutes = at.rem_euclid(DAY_US) / MINUTE_US;
                (self.at(at), format!("{:02}:{:02}", minutes / 60, minutes % 60))
            })
            .collect()
    }
}

fn drawn(report: &Report, shown: &Shown, index: usize) -> Markup {
    let lane = shown.lane;
    let (a, b) = (shown.seen(&lane.from_us), shown.seen(&lane.to_us));
    let label = format!("lane-{index}");
    html! {
        p .lane-head id=(label) {
            strong .user { (short_id(&lane.user)) } " " span .date { (shown.date()) } " "
            span .a-word { "A: " (sessions(a)) } " " span .b-word { "B: " (sessions(b)) }
        }
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby=(label)
            aria-describedby={ (label) "-desc" } {
            desc id={ (label) "-desc" } { (description(report, shown, a, b)) }
            path .playing d=(playing(shown)) {}
            @for (x, time) in shown.times() {
                line class="grid" x1=(coordinate(x)) x2=(coordinate(x)) y1="0" y2=(FOOT) {}
                text class="tick" x=(coordinate(x.clamp(LEFT, RIGHT - 14.0))) y=(HEIGHT - 4.0) text-anchor="middle" {
                    (time)
                }
            }
            text .name.a x="8" y=(A_TOP + 11.0) text-anchor="middle" { "A" }
            text .name.b x="8" y=(B_TOP + 11.0) text-anchor="middle" { "B" }
            (bars("a", shown, &lane.from_us, A_TOP))
            (bars("b", shown, &lane.to_us, B_TOP))
            path .activities d=(activities(shown)) {}
        }
    }
}

/// Draws sessions as bars, each with a dark edge where it starts, so that neighbours can be counted.
///
/// Where there are more of them than the eye can part, one stands for all: a page has to be carried about.
fn bars(kind: &str, shown: &Shown, sessions: &[(i64, i64)], top: f64) -> Markup {
    let (mut bars, mut starts) = (String::new(), String::new());
    let mut last = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for session in sessions.iter().filter(|session| shown.sees(**session)) {
        let (left, right) = (shown.at(session.0), shown.at(session.1).max(shown.at(session.0) + 2.5));
        if left - last.0 < TELLABLE && right - last.1 < TELLABLE {
            continue;
        }
        last = (left, right);
        let (left, width) = (coordinate(left), coordinate(right - left));
        // Writing to a string cannot fail.
        write!(bars, "M{left},{top}h{width}v{BAR}h-{width}z").ok();
        write!(starts, "M{left},{top}v{BAR}").ok();
    }
    html! {
        path class={ "session " (kind) } d=(bars) {}
        path class={ "start " (kind) } d=(starts) {}
    }
}

/// Draws activities as ticks; those that fall together on the picture are one.
fn activities(shown: &Shown) -> String {
    let mut path = String::new();
    let mut last = f64::NEG_INFINITY;
    for moment in shown.lane.activities_us.iter().filter(|at| (shown.from_us..=shown.to_us).contains(*at)) {
        let x = shown.at(*moment);
        if TELLABLE <= x - last {
            write!(path, "M{},{TICKS_TOP}V{TICKS_FOOT}", coordinate(x)).ok();
            last = x;
        }
    }
    path
}

/// Shades what played; nearby stretches are one here too.
fn playing(shown: &Shown) -> String {
    let mut path = String::new();
    let mut last = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for stretch in shown.lane.playing_us.iter().filter(|stretch| shown.sees(**stretch)) {
        let (left, right) = (shown.at(stretch.0), shown.at(stretch.1).max(shown.at(stretch.0) + 1.0));
        if left - last.0 < TELLABLE && right - last.1 < TELLABLE {
            continue;
        }
        last = (left, right);
        write!(path, "M{},0H{}V{FOOT}H{}z", coordinate(left), coordinate(right), coordinate(left)).ok();
    }
    path
}

fn sessions(number: usize) -> String {
    if number == 1 { "1 session".to_owned() } else { format!("{} sessions", count(number as u64)) }
}

fn short_id(user: &str) -> String {
    if user.chars().count() <= LONGEST_ID {
        return user.to_owned();
    }
    user.chars().take(LONGEST_ID).chain(['…']).collect()
}

fn description(report: &Report, shown: &Shown, a: usize, b: usize) -> String {
    let activities = shown.lane.activities_us.iter().filter(|at| (shown.from_us..=shown.to_us).contains(*at)).count();
    format!(
        "{} activities on this day; {} under {}, {} under {}.",
        count(activities as u64),
        sessions(a),
        seconds(report.compared.from.timeout_s),
        sessions(b),
        seconds(report.compared.to.timeout_s)
    )
}
