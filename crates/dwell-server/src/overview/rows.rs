//! Days by where their sessions come from: one row for each value, and all of the screen for one of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dwell_core::time::Timestamp;
use dwell_engine::{DaySum, Facet};
use serde_json::{Value, json};

use super::{Asked, Days, MOST_PLACES, dates_of, measures};
use crate::House;
use crate::problem::Problem;

/// So many rows of a facet are told; what is left is one row more.
const MOST_ROWS: usize = 100;

/// By value: an empty one where nothing was said; `None` are all others.
type Sums = BTreeMap<Option<String>, DaySum>;

/// Returns by which facets rows are wanted.
pub(super) fn facets(asked: Option<&str>) -> Result<Vec<Facet>, Problem> {
    let facet = |word: &str| {
        let known = Facet::ALL.into_iter().find(|facet| facet.word() == word);
        known.ok_or_else(|| {
            Problem::bad_request("`by` is `platform`, `country` or `version`, or several of them with commas")
        })
    };
    let words: BTreeSet<&str> = asked.into_iter().flat_map(|text| text.split(',')).collect();
    let mut facets = words.into_iter().map(facet).collect::<Result<Vec<_>, _>>()?;
    facets.sort_unstable();
    Ok(facets)
}

/// Returns to which value of which facet all is narrowed.
pub(super) fn filter(asked: &Asked) -> Result<Option<(Facet, &str)>, Problem> {
    let Asked { platform, country, version, .. } = asked;
    let mut filters = Facet::ALL.into_iter().zip([platform, country, version]);
    let mut said = filters.by_ref().filter_map(|(facet, value)| Some((facet, value.as_deref()?)));
    let (first, second) = (said.next(), said.next());
    if second.is_some() {
        return Err(Problem::bad_request("only one of `platform`, `country` and `version` can be asked for at a time"));
    }
    Ok(first)
}

/// Returns the rows of a facet, those with the most sessions first, and what all others come to last.
pub(super) fn rows(
    (house, app, facet): (&House, &str, Facet),
    (days, until): (&Days, Timestamp),
    (before, before_until): (&Days, Timestamp),
) -> Result<Vec<Value>, Problem> {
    let whole = until == days.end();
    let is_nothing = |sums: &Sums, value: &Option<String>| {
        sums.get(value).is_none_or(|day| day.sum == dwell_engine::Quarter::default())
    };
    let now = sums((house, app, facet), days, until)?;
    let earlier = sums((house, app, facet), before, before_until)?;
    let values: BTreeSet<&Option<String>> = now.keys().chain(earlier.keys()).collect();
    let mut values: Vec<&Option<String>> =
        values.into_iter().filter(|value| !is_nothing(&now, value) || !is_nothing(&earlier, value)).collect();
    let started = |sums: &Sums, value: &Option<String>| sums.get(value).map_or(0, |day| day.sum.started);
    // Who has none is last, whatever they come to.
    values.sort_by_key(|value| (value.is_none(), Reverse(started(&now, value)), Reverse(started(&earlier, value))));
    let told = values.iter().take_while(|value| value.is_some()).count().min(MOST_ROWS);
    let (told, others) = values.split_at(told);
    let row = |value: Option<&str>, of: &[&Option<String>]| {
        let side = |sums: &Sums| {
            let mut all = DaySum::default();
            for day in of.iter().filter_map(|value| sums.get(value)) {
                add(&mut all, day);
            }
            measures(&all.sum, Value::Null, if whole { all.lengths.median() } else { None })
        };
        let mut row = side(&now);
        row["facet"] = json!(facet.word());
        row["value"] = json!(value);
        row["before"] = side(&earlier);
        row
    };
    let mut rows: Vec<Value> = told.iter().map(|value| row(value.as_deref(), &[value])).collect();
    if !others.is_empty() {
        rows.push(row(None, others));
    }
    Ok(rows)
}

/// Adds up days by value; of a last day that goes on, quarters of an hour.
fn sums((house, app, facet): (&House, &str, Facet), days: &Days, until: Timestamp) -> Result<Sums, Problem> {
    let mut sums = Sums::new();
    let begin_of_last = days.bounds.iter().rev().nth(1).copied().unwrap_or(until);
    for (date, values) in house.desk.days_by(app, facet, dates_of(days), MOST_PLACES)? {
        let is_last = days.place_of_date(date) == days.dates.len().checked_sub(1);
        for (value, day) in values {
            let sum = sums.entry(value).or_default();
            if !(is_last && until < days.end()) {
                add(sum, &day);
            }
        }
    }
    if until < days.end() {
        for (value, sum) in &mut sums {
            let of = (facet, value.as_deref());
            for (_, quarter) in house.desk.quarters_of(app, of, (begin_of_last, until), MOST_PLACES)? {
                sum.sum.add(&quarter);
            }
        }
    }
    Ok(sums)
}

fn add(sum: &mut DaySum, day: &DaySum) {
    sum.sum.add(&day.sum);
    sum.lengths.add(&day.lengths);
}
