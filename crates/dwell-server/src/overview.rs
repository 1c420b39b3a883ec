//! What some days of an app come to, beside as many days before them, in days of the app's zone.

mod rows;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use dwell_core::time::Timestamp;
use dwell_engine::{DayValues, Facet, LengthCounts, Quarter, Series};
use dwell_keys::access::Scope;
use dwell_keys::app::App;
use dwell_policy::history::{History, State as PutState};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::House;
use crate::api::{Answer, asked_in, seconds, when};
use crate::auth::asked_about;
use crate::problem::Problem;

/// How many days may be asked for, and how many are told unless said.
const MOST_DAYS: u16 = 366;
const USUAL_DAYS: u16 = 7;

/// How many places of a series are read at most: more than there are quarters of an hour in the days that may be asked for.
const MOST_PLACES: usize = 100_000;

const HOUR: i64 = 3_600_000_000;

#[derive(Deserialize)]
pub(crate) struct Asked {
    days: Option<u16>,
    last: Option<String>,
    by: Option<String>,
    platform: Option<String>,
    country: Option<String>,
    version: Option<String>,
}

/// What the days come to, each of them or each hour of a single one, and what the days before came to.
pub(crate) async fn overview(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Answer {
    let (asking, app) = asked_about(&house, &headers, &uri)?;
    if !asking.may(Scope::Read, &app.id) {
        return Err(Problem::may_not(Scope::Read));
    }
    let asked: Asked = asked_in(&uri)?;
    let now = (house.clock)();
    let days = asked.days.unwrap_or(USUAL_DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::bad_request(format!("`days` is a number from 1 to {MOST_DAYS}")));
    }
    let zone = app.zone.time_zone();
    let last = last_day(asked.last.as_deref(), now, zone)?;
    let span = Days::ending(last, days, zone)?;
    let (facets, filter) = (rows::facets(asked.by.as_deref())?, rows::filter(&asked)?);
    let until = span.end().min(now).max(span.begin());
    let whole = until == span.end();
    let seen = Seen::read(&house, &app, filter, (&span, until))?;
    let before = Days::ending(earlier(last, days)?, days, zone)?;
    // Of a day that goes on, that day is compared up to the same time.
    let before_until = if whole { before.end() } else { same_time_before(until, days, zone)?.min(before.end()) };
    let seen_before = Seen::read(&house, &app, filter, (&before, before_until))?;
    let places = if days == 1 { seen.hours(&span, until) } else { seen.days(&span) };
    let mut rows = Vec::new();
    for facet in facets {
        rows.extend(rows::rows((&house, app.id.as_str(), facet), (&span, until), (&before, before_until))?);
    }
    let history = house.policies.history(app.id.as_str())?;
    Ok(Json(json!({
        "app": app.id.as_str(),
        "zone": app.zone.as_str(),
        "by": if days == 1 { "hour" } else { "day" },
        "first": span.first().to_string(),
        "last": last.to_string(),
        "begins_at": when(span.begin().as_micros()),
        "until": when(until.as_micros()),
        "whole": whole,
        "total": seen.total(true),
        "before": {
            "first": before.first().to_string(),
            "last": before.last().to_string(),
            "total": seen_before.total(whole),
        },
        "places": places,
        "filter": filter.map(|(facet, value)| json!({ "facet": facet.word(), "value": value })),
        "rows": rows,
        "versions": versions(&history, span.begin(), until, now),
    })))
}

/// Days in a row in a zone: each with the moment in which it begins, and the moment after the last.
struct Days {
    dates: Vec<Date>,
    bounds: Vec<Timestamp>,
}

impl Days {
    fn ending(last: Date, days: u16, zone: &TimeZone) -> Result<Self, Problem> {
        let mut date = earlier(last, days - 1)?;
        let (mut dates, mut bounds) = (Vec::new(), Vec::new());
        while date <= last {
            dates.push(date);
            bounds.push(begin_of(date, zone)?);
            date = date.tomorrow().map_err(beyond)?;
        }
        bounds.push(begin_of(date, zone)?);
        Ok(Days { dates, bounds })
    }

    fn begin(&self) -> Timestamp {
        self.bounds.first().copied().unwrap_or(Timestamp::MIN)
    }

    fn end(&self) -> Timestamp {
        self.bounds.last().copied().unwrap_or(Timestamp::MIN)
    }

    fn first(&self) -> Date {
        self.dates.first().copied().unwrap_or_default()
    }

    fn last(&self) -> Date {
        self.dates.last().copied().unwrap_or_default()
    }

    /// Returns in which of the days a moment lies.
    fn place_of(&self, at: Timestamp) -> Option<usize> {
        self.bounds.partition_point(|begin| *begin <= at).checked_sub(1).filter(|place| *place < self.dates.len())
    }

    /// Returns in which of the days a date lies that is written as midnight in UTC.
    fn place_of_date(&self, at: Timestamp) -> Option<usize> {
        self.dates.iter().position(|date| midnight_in_utc(*date) == at)
    }
}

/// Returns from which date on and before which one to read what goes by dates.
fn dates_of(days: &Days) -> (Timestamp, Timestamp) {
    (midnight_in_utc(days.first()), midnight_in_utc(days.last()).plus(dwell_core::time::Span::from_hours(1)))
}

/// What was seen of some days.
struct Seen {
    quarters: Vec<(Timestamp, Quarter)>,
    sums: Vec<Quarter>,
    /// Not known of a part of all sessions.
    users: Option<Vec<i64>>,
    lengths: Vec<LengthCounts>,
}

impl Seen {
    fn read(
        house: &House,
        app: &App,
        filter: Option<(Facet, &str)>,
        (days, until): (&Days, Timestamp),
    ) -> Result<Self, Problem> {
        let (app, dates) = (app.id.as_str(), dates_of(days));
        let moments = (days.begin(), until);
        let (quarters, lengths) = match filter {
            None => (house.desk.quarters(app, moments, MOST_PLACES)?, house.desk.lengths(app, dates, MOST_PLACES)?),
            Some((facet, value)) => {
                let of_day = |(at, values): (Timestamp, DayValues)| {
                    let day = values.into_iter().find(|(of, _)| of.as_deref() == Some(value));
                    (at, day.map(|(_, day)| day.lengths).unwrap_or_default())
                };
                let by_day = house.desk.days_by(app, facet, dates, MOST_PLACES)?;
                (
                    house.desk.quarters_of(app, (facet, Some(value)), moments, MOST_PLACES)?,
                    by_day.into_iter().map(of_day).collect(),
                )
            }
        };
        let mut seen = Seen {
            sums: vec![Quarter::default(); days.dates.len()],
            users: filter.is_none().then(|| vec![0; days.dates.len()]),
            lengths: vec![LengthCounts::default(); days.dates.len()],
            quarters,
        };
        for (at, quarter) in &seen.quarters {
            if let Some(sum) = days.place_of(*at).and_then(|place| seen.sums.get_mut(place)) {
                sum.add(quarter);
            }
        }
        if let Some(by_day) = &mut seen.users {
            for (at, users) in house.desk.series(app, Series::ActiveByDay, dates, MOST_PLACES)? {
                if let Some(place) = days.place_of_date(at).and_then(|place| by_day.get_mut(place)) {
                    *place = users;
                }
            }
        }
        for (at, lengths) in lengths {
            if let Some(place) = days.place_of_date(at).and_then(|place| seen.lengths.get_mut(place)) {
                *place = lengths;
            }
        }
        Ok(seen)
    }

    /// Sums up all days. Users and the median are known of whole days only.
    fn total(&self, of_whole_days: bool) -> Value {
        let (mut sum, mut lengths) = (Quarter::default(), LengthCounts::default());
        self.sums.iter().for_each(|day| sum.add(day));
        self.lengths.iter().for_each(|day| lengths.add(day));
        let mean = |users: &Vec<i64>| users.iter().sum::<i64>() as f64 / users.len().max(1) as f64;
        let users = self.users.as_ref().filter(|_| of_whole_days).map(mean);
        let median = if of_whole_days { lengths.median() } else { None };
        measures(&sum, json!(users), median)
    }

    fn days(&self, days: &Days) -> Vec<Value> {
        let all = days.dates.iter().zip(&days.bounds).zip(self.sums.iter().zip(&self.lengths)).enumerate();
        all.map(|(number, ((date, begin), (sum, lengths)))| {
            let users = self.users.as_ref().and_then(|users| users.get(number));
            let mut place = measures(sum, json!(users), lengths.median());
            place["day"] = json!(date.to_string());
            place["begins_at"] = json!(when(begin.as_micros()));
            place
        })
        .collect()
    }

    fn hours(&self, days: &Days, until: Timestamp) -> Vec<Value> {
        let (begin, end) = (days.begin(), days.end());
        let hours = end.since(begin).as_micros() / HOUR;
        let mut sums = vec![Quarter::default(); usize::try_from(hours).unwrap_or(0)];
        for (at, quarter) in &self.quarters {
            let place = usize::try_from(at.since(begin).as_micros() / HOUR).ok();
            if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
                sum.add(quarter);
            }
        }
        let begins = (0..).map(|hour: i64| begin.as_micros() + hour * HOUR);
        let there = sums.iter().zip(begins).filter(|(_, at)| *at < until.as_micros().max(begin.as_micros() + 1));
        there
            .map(|(sum, at)| {
                let mut place = measures(sum, Value::Null, None);
                place["day"] = json!(days.first().to_string());
                place["begins_at"] = json!(when(at));
                place
            })
            .collect()
    }
}

fn measures(sum: &Quarter, users: Value, median: Option<f64>) -> Value {
    let mean = (0 < sum.ended).then(|| seconds(sum.length) / sum.ended as f64);
    json!({
        "sessions": sum.started,
        "ended": sum.ended,
        "users": users,
        "mean_length_seconds": mean,
        "median_length_seconds": median,
        "total_length_seconds": seconds(sum.length),
        "foreground_seconds": seconds(sum.foreground),
        "playing_seconds": seconds(sum.playing),
        "idle_seconds": seconds(sum.length - sum.foreground - sum.playing),
    })
}

/// The versions of the policy that came into force in these days.
fn versions(history: &History, from: Timestamp, until: Timestamp, now: Timestamp) -> Vec<Value> {
    let held = |state| matches!(state, PutState::InForce | PutState::Past);
    let puts = history.puts().iter().filter(|put| from <= put.effective_from && put.effective_from < until);
    puts.filter(|put| held(history.state_of(put, now)))
        .map(|put| {
            json!({
                "number": put.number,
                "effective_from": when(put.effective_from.as_micros()),
                "author": put.author,
                "note": put.note,
                "restores": put.restores,
            })
        })
        .collect()
}

fn last_day(asked: Option<&str>, now: Timestamp, zone: &TimeZone) -> Result<Date, Problem> {
    let today = local(now, zone)?.date();
    match asked {
        Some("today") => Ok(today),
        None | Some("yesterday") => today.yesterday().map_err(beyond),
        Some(text) => match text.parse::<Date>() {
            Ok(date) if date <= today => Ok(date),
            Ok(date) => Err(Problem::bad_request(format!("`last` is a day to come: {date}"))),
            Err(_no_date) => Err(Problem::bad_request("`last` is a day like 2026-01-31, `today` or `yesterday`")),
        },
    }
}

/// Returns what calendar and clock show at a moment.
fn local(at: Timestamp, zone: &TimeZone) -> Result<DateTime, Problem> {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).map_err(beyond)?;
    Ok(zone.to_datetime(at))
}

/// Returns when calendar and clock show something, or would, were the clock not put forward then.
fn moment_of(local: DateTime, zone: &TimeZone) -> Result<Timestamp, Problem> {
    Ok(Timestamp::from_micros(zone.to_timestamp(local).map_err(beyond)?.as_microsecond()))
}

fn begin_of(date: Date, zone: &TimeZone) -> Result<Timestamp, Problem> {
    moment_of(date.at(0, 0, 0, 0), zone)
}

fn same_time_before(at: Timestamp, days: u16, zone: &TimeZone) -> Result<Timestamp, Problem> {
    moment_of(local(at, zone)?.checked_sub(i64::from(days).days()).map_err(beyond)?, zone)
}

fn earlier(date: Date, days: u16) -> Result<Date, Problem> {
    date.checked_sub(i64::from(days).days()).map_err(beyond)
}

fn midnight_in_utc(date: Date) -> Timestamp {
    let since = date.since(jiff::civil::date(1970, 1, 1)).map(|span| i64::from(span.get_days())).unwrap_or_default();
    Timestamp::from_micros(since * 24 * HOUR)
}

fn beyond(error: jiff::Error) -> Problem {
    Problem::bad_request(format!("these days are beyond the calendar: {error}"))
}
