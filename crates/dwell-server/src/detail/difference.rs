//! What a policy would change, as it is told.

use dwell_core::time::Span;
use dwell_lake::compare::{Pair, Side, Sum};
use serde_json::{Value, json};

use super::preview::Preview;
use crate::api::{seconds, when};

pub(crate) fn difference_json(preview: &Preview) -> Value {
    let compared = &preview.compared;
    let pair = Pair { before: compared.before.sum, after: compared.after.sum };
    let mut measures = pair_json(&pair);
    let quantile = |of: fn(&Side) -> Option<Span>| match (of(&compared.before), of(&compared.after)) {
        (Some(before), Some(after)) => lengths(before, after),
        (None, _) | (_, None) => Value::Null,
    };
    measures["median_length_seconds"] = quantile(|side| Some(side.quantiles?.median));
    measures["p90_length_seconds"] = quantile(|side| Some(side.quantiles?.p90));
    let took = preview.counted_at.since(preview.began);
    json!({
        "counted_at": when(preview.counted_at.as_micros()),
        "took_seconds": seconds(took.as_micros()),
        "read_up_to": preview.read_up_to.number(),
        "policy_version": preview.candidate.version,
        "is_whole": preview.events <= preview.events_found && preview.unproven.is_none(),
        "unproven": preview.unproven,
        "events": preview.events_found,
        "events_missing": preview.events.saturating_sub(preview.events_found),
        "first_event_at": preview.time_range.map(|(first, _)| when(first)),
        "last_event_at": preview.time_range.map(|(_, last)| when(last)),
        "told_until": preview.told_until.map(when),
        "users_changed": compared.users_changed,
        "words": in_words(&pair, compared.users_changed),
        "all": measures,
        "platforms": preview.platforms.iter().map(|(name, pair)| {
            let mut row = pair_json(pair);
            row["value"] = json!(name);
            row
        }).collect::<Vec<_>>(),
        "most_changed": compared.most_changed.iter().map(|changed| json!({
            "user": changed.user,
            "sessions": count(changed.pair.before.sessions, changed.pair.after.sessions),
            "total_length_seconds": lengths(changed.pair.before.total_length, changed.pair.after.total_length),
        })).collect::<Vec<_>>(),
    })
}

fn pair_json(pair: &Pair) -> Value {
    let Pair { before, after } = pair;
    json!({
        "users": count(before.users, after.users),
        "sessions": count(before.sessions, after.sessions),
        "one_activity": count(before.one_activity, after.one_activity),
        "one_activity_share": measure(share(before), share(after)),
        "total_length_seconds": lengths(before.total_length, after.total_length),
        "mean_length_seconds": lengths(mean(before), mean(after)),
        "playing_seconds": lengths(before.playing, after.playing),
    })
}

fn share(sum: &Sum) -> f64 {
    if sum.sessions == 0 { 0.0 } else { sum.one_activity as f64 / sum.sessions as f64 }
}

fn mean(sum: &Sum) -> Span {
    Span::from_micros(sum.total_length.as_micros().checked_div(sum.sessions.cast_signed()).unwrap_or(0))
}

/// Both numbers, the difference, and by how much of the first that is in percent; `null` where the first is nothing.
fn count(before: u64, after: u64) -> Value {
    let change = after.cast_signed() - before.cast_signed();
    json!({ "before": before, "after": after, "change": change, "percent": percent(before as f64, change as f64) })
}

fn lengths(before: Span, after: Span) -> Value {
    let change = after.as_micros() - before.as_micros();
    let percent = percent(before.as_micros() as f64, change as f64);
    json!({
        "before": seconds(before.as_micros()),
        "after": seconds(after.as_micros()),
        "change": seconds(change),
        "percent": percent,
    })
}

fn measure(before: f64, after: f64) -> Value {
    json!({ "before": before, "after": after, "change": after - before, "percent": percent(before, after - before) })
}

fn percent(before: f64, change: f64) -> Option<f64> {
    (before != 0.0).then(|| 100.0 * change / before)
}

fn in_words(pair: &Pair, users_changed: u64) -> String {
    let Pair { before, after } = pair;
    let users = before.users.max(after.users);
    if pair.before == pair.after && users_changed == 0 {
        return format!("nothing would have changed: {} sessions of {users} users", before.sessions);
    }
    let change = after.sessions.cast_signed() - before.sessions.cast_signed();
    let by = percent(before.sessions as f64, change as f64).map_or(String::new(), |by| format!(" ({by:+.1} %)"));
    format!(
        "{} sessions would have been {}{by}, {:.1} s long on average and not {:.1} s; of {users} users, {users_changed} would have \
         another number of them",
        before.sessions,
        after.sessions,
        seconds(mean(after).as_micros()),
        seconds(mean(before).as_micros()),
    )
}
