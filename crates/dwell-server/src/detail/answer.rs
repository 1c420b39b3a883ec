//! What was counted, as it is told.

use dwell_core::lab::GridPoint;
use dwell_core::lab::advice::{Advice, AppKind, Refusal, Verdict};
use dwell_core::time::Timeout;
use dwell_lake::lab::lanes::{Lane, draw};
use dwell_lake::lab::people::Facet;
use serde_json::{Value, json};

use super::counting::{Detail, Group};
use crate::api::{seconds, when};

/// What is wanted of it.
pub(crate) struct Asked {
    pub timeout: Timeout,
    pub versus: Timeout,
    pub by: Facet,
    pub kind: Option<AppKind>,
}

/// A day in microseconds.
const DAY: f64 = 86_400e6;

pub(crate) fn counted_json(detail: &Detail, asked: &Asked) -> Value {
    // From the first event to the last, as `dwell lab` has it.
    let days = detail.time_range.map_or(1.0, |(first, last)| ((last - first) as f64 / DAY).max(1.0));
    let counted = &detail.counted;
    let took = detail.counted_at.since(detail.order.began);
    let none = Vec::new();
    let groups = detail.groups.get(&asked.by).unwrap_or(&none);
    json!({
        "counted_at": when(detail.counted_at.as_micros()),
        "took_seconds": seconds(took.as_micros()),
        "read_up_to": detail.read_up_to.number(),
        "policy_version": detail.order.version,
        "is_whole": detail.events <= detail.events_found && detail.unproven.is_none(),
        "unproven": detail.unproven,
        "events": detail.events_found,
        "events_missing": detail.events.saturating_sub(detail.events_found),
        "first_event_at": detail.time_range.map(|(first, _)| when(first)),
        "last_event_at": detail.time_range.map(|(_, last)| when(last)),
        "told_until": detail.told_until.map(when),
        "activities": counted.activities,
        "silent": counted.silent,
        "duplicate": counted.duplicate,
        "late": counted.late,
        "users": detail.users,
        "days": days,
        "timeout_seconds": asked.timeout.as_secs(),
        "versus_seconds": asked.versus.as_secs(),
        "grid": detail.grid.iter().map(|point| grid_json(point, detail.users, days)).collect::<Vec<_>>(),
        "milestones": milestones(detail, asked),
        "advice": detail.advice.iter().find(|(kind, _)| *kind == asked.kind).map(|(kind, advice)| advice_json(*kind, advice)),
        "by": asked.by.word(),
        "groups": groups.iter().map(|group| group_json(group, asked)).collect::<Vec<_>>(),
        "lanes": draw(&detail.lanes, &detail.order.policy, asked.timeout, asked.versus).iter().map(lane_json).collect::<Vec<_>>(),
    })
}

fn grid_json(point: &GridPoint, users: u64, days: f64) -> Value {
    let sessions = point.sessions as f64;
    let mean = point.total_length.as_micros().checked_div(point.sessions.cast_signed()).unwrap_or(0);
    json!({
        "timeout_seconds": point.timeout.as_secs(),
        "sessions": point.sessions,
        "per_day": sessions / days,
        "per_user": if users == 0 { 0.0 } else { sessions / users as f64 },
        "one_activity": point.one_activity,
        "total_length_seconds": seconds(point.total_length.as_micros()),
        "mean_length_seconds": seconds(mean),
        "median_length_seconds": seconds(point.quantiles.median.as_micros()),
        "p75_length_seconds": seconds(point.quantiles.p75.as_micros()),
        "p90_length_seconds": seconds(point.quantiles.p90.as_micros()),
        "p99_length_seconds": seconds(point.quantiles.p99.as_micros()),
    })
}

fn milestones(detail: &Detail, asked: &Asked) -> Vec<Value> {
    let of = |(number, users): &(u32, Vec<u64>)| {
        let at = |timeout: Timeout| users.get(timeout.as_secs() as usize - 1).copied().unwrap_or(0);
        json!({ "sessions": number, "users": at(asked.timeout), "versus_users": at(asked.versus) })
    };
    detail.milestones.iter().map(of).collect()
}

fn group_json(group: &Group, asked: &Asked) -> Value {
    let side = |timeout| {
        let (sessions, total) = group.at(timeout);
        (sessions, seconds(total), seconds(total.checked_div(sessions.cast_signed()).unwrap_or(0)))
    };
    let (sessions, total, mean) = side(asked.timeout);
    let (versus_sessions, versus_total, versus_mean) = side(asked.versus);
    json!({
        "value": group.value,
        "users": group.users,
        "activities": group.activities,
        "sessions": sessions,
        "total_length_seconds": total,
        "mean_length_seconds": mean,
        "versus_sessions": versus_sessions,
        "versus_total_length_seconds": versus_total,
        "versus_mean_length_seconds": versus_mean,
    })
}

fn advice_json(kind: Option<AppKind>, advice: &Advice) -> Value {
    let (timeout, low, high, depth, refusal) = match &advice.verdict {
        Verdict::Advises { timeout, low, high, depth } => {
            (Some(timeout.as_secs()), Some(low.as_secs()), Some(high.as_secs()), Some(*depth), None)
        }
        Verdict::Refuses(refusal) => (None, None, None, None, Some(refusal_json(refusal))),
    };
    json!({
        "words": advice.in_words(),
        "kind": kind.map(AppKind::word),
        "timeout_seconds": timeout,
        "low_seconds": low,
        "high_seconds": high,
        "depth": depth,
        "refusal": refusal,
        "convention_low_seconds": advice.convention.0.as_secs(),
        "convention_high_seconds": advice.convention.1.as_secs(),
        "users": advice.users,
        "gaps": advice.gaps,
        "doubling": advice.doubling,
    })
}

/// A refusal as a word and its numbers, for whoever says it in another language.
fn refusal_json(refusal: &Refusal) -> Value {
    match refusal {
        Refusal::TooFewUsers { users, needed } => {
            json!({ "reason": "too_few_users", "found": users, "needed": needed })
        }
        Refusal::TooFewGaps { gaps, needed } => json!({ "reason": "too_few_gaps", "found": gaps, "needed": needed }),
        Refusal::NoValley => json!({ "reason": "no_valley" }),
        Refusal::Shallow { depth, needed } => json!({ "reason": "shallow", "found": depth, "needed": needed }),
        Refusal::Unsteady { share, needed } => json!({ "reason": "unsteady", "found": share, "needed": needed }),
        Refusal::Wide { low, high } => {
            json!({ "reason": "wide", "low_seconds": low.as_secs(), "high_seconds": high.as_secs() })
        }
        Refusal::Nested { at, outlying, allowed } => {
            json!({ "reason": "nested", "at_seconds": at.as_secs(), "found": outlying, "needed": allowed })
        }
        Refusal::Several { first, last } => {
            json!({ "reason": "several", "low_seconds": first.as_secs(), "high_seconds": last.as_secs() })
        }
        Refusal::Unusual { at, usual } => {
            json!({ "reason": "unusual", "at_seconds": at.as_secs(), "usual_seconds": usual.as_secs() })
        }
        Refusal::Night { at } => json!({ "reason": "night", "at_seconds": at.as_secs() }),
        Refusal::Thin { users, needed } => json!({ "reason": "thin", "found": users, "needed": needed }),
        Refusal::TwoCrowds { within, needed } => {
            json!({ "reason": "two_crowds", "found": within, "needed": needed })
        }
    }
}

/// All moments are told in seconds since the first activity.
fn lane_json(lane: &Lane) -> Value {
    let begin = lane.activities_us.first().copied().unwrap_or(0);
    let since = |at: &i64| seconds(at - begin);
    let stretches = |of: &[(i64, i64)]| of.iter().map(|(from, to)| [since(from), since(to)]).collect::<Vec<_>>();
    json!({
        "user": lane.user,
        "begins_at": when(begin),
        "activities": lane.activities_us.iter().map(since).collect::<Vec<_>>(),
        "foreground": stretches(&lane.foreground_us),
        "playing": stretches(&lane.playing_us),
        "idle": stretches(&lane.idle_us),
        "sessions": stretches(&lane.from_us),
        "versus_sessions": stretches(&lane.to_us),
    })
}
