//! What sessions come to by where they come from: by platform, by country and by version of the app.
//!
//! A session counts under what its own first activity said. It is counted where `quarter.rs` counts it, once more for each facet:
//! under its value by the quarter of an hour, and with all values of its facet by the day in the app's zone.
//!
//! Of a day only so many values are told apart, so that whoever invents values takes a bounded place. A value that has a place
//! on a day keeps it, and one that found none gets none on that day any more: what is taken back is taken from where it was counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dwell_core::time::Timestamp;
use dwell_store::Changes;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::keys;
use crate::quarter::{LengthCounts, Quarter};
use crate::sheet::App;
use crate::turn::{read, written};

/// So many values of a day have a place of their own. What says nothing always has one.
pub(crate) const MOST_VALUES: usize = 64;

/// A longer value, in bytes, has none.
const LONGEST_VALUE: usize = 64;

/// Tags of the first facet: those of sums by the quarter of an hour, and by the day. The others follow.
const QUARTERS: u8 = 72;
const DAYS: u8 = 80;

/// By what sessions are told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Facet {
    /// Where the app runs.
    Platform,
    /// In which country.
    Country,
    /// Which version of the app.
    Version,
}

impl Facet {
    /// All of them.
    pub const ALL: [Facet; 3] = [Facet::Platform, Facet::Country, Facet::Version];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Facet::Platform => "platform",
            Facet::Country => "country",
            Facet::Version => "version",
        }
    }

    pub(crate) const fn quarters(self) -> u8 {
        QUARTERS + self as u8
    }

    pub(crate) const fn days(self) -> u8 {
        DAYS + self as u8
    }
}

/// What a day comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DaySum {
    /// Its sums.
    pub sum: Quarter,
    /// How long its sessions were, about.
    pub lengths: LengthCounts,
}

/// What a day comes to by the value of a facet: an empty one where nothing was said; `None` are all values that have no place of
/// their own.
pub type DayValues = BTreeMap<Option<String>, DaySum>;

/// The values of a session, by the place of the facet in [`Facet::ALL`].
#[derive(Clone, Debug)]
pub(crate) struct Values(pub [String; 3]);

/// What is added in a turn, by the place of the app, the facet, the day and the value.
#[derive(Debug, Default)]
pub(crate) struct Parted(BTreeMap<(usize, Facet, i64), BTreeMap<String, Added>>);

#[derive(Debug, Default)]
struct Added {
    quarters: BTreeMap<i64, Quarter>,
    lengths: LengthCounts,
}

impl Added {
    fn is_nothing(&self) -> bool {
        self.lengths == LengthCounts::default() && self.quarters.values().all(|quarter| *quarter == Quarter::default())
    }

    /// Returns for how many sessions it speaks.
    fn sessions(&self) -> i64 {
        self.quarters.values().map(|quarter| quarter.started + quarter.ended).sum()
    }
}

impl Parted {
    /// Adds to a quarter of an hour and its day, for each facet of a session; a length of a closed one, so many times.
    pub fn add(
        &mut self,
        (app, day, at): (usize, i64, i64),
        values: &Values,
        quarter: &Quarter,
        length: Option<(i64, i64)>,
    ) {
        for (facet, value) in Facet::ALL.into_iter().zip(&values.0) {
            let of_day = self.0.entry((app, facet, day)).or_default();
            if !of_day.contains_key(value) {
                of_day.insert(value.clone(), Added::default());
            }
            let Some(added) = of_day.get_mut(value) else { continue };
            added.quarters.entry(at).or_default().add(quarter);
            if let Some((micros, count)) = length {
                added.lengths.count_length(micros, count);
            }
        }
    }

    /// Adds what others say.
    pub fn append(&mut self, other: Parted) {
        for (place, values) in other.0 {
            let mine = self.0.entry(place).or_default();
            for (value, added) in values {
                let sum = mine.entry(value).or_default();
                added.quarters.iter().for_each(|(at, quarter)| sum.quarters.entry(*at).or_default().add(quarter));
                sum.lengths.add(&added.lengths);
            }
        }
    }

    /// Puts all of it on top of what is there.
    pub fn write(
        mut self,
        apps: &[App],
        load: impl Fn(&[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, EngineError>,
        changes: &mut Changes,
    ) -> Result<(), EngineError> {
        // What was said and taken back within the turn takes no place.
        self.0.values_mut().for_each(|values| values.retain(|_, added| !added.is_nothing()));
        self.0.retain(|_, values| !values.is_empty());
        let key = |(app, facet, day): &(usize, Facet, i64)| {
            keys::point(&apps[*app].name, facet.days(), Timestamp::from_micros(*day))
        };
        let places: Vec<Vec<u8>> = self.0.keys().map(key).collect();
        let mut quarters: BTreeMap<Vec<u8>, Quarter> = BTreeMap::new();
        let before = load(&places)?;
        for ((place, before), ((app, facet, _), values)) in places.into_iter().zip(before).zip(self.0) {
            let before: Option<DayValues> = before.map(|bytes| read("", "a day by values", &bytes)).transpose()?;
            let mut sums = before.unwrap_or_default();
            // Where not all find a place, those with the most sessions do.
            let mut values: Vec<(String, Added)> = values.into_iter().collect();
            values.sort_by_key(|(_, added)| Reverse(added.sessions()));
            for (value, added) in values {
                let value = place_of(&sums, value);
                for (at, quarter) in added.quarters {
                    let at = Timestamp::from_micros(at);
                    let key = keys::value_point(&apps[app].name, facet.quarters(), value.as_deref(), at);
                    quarters.entry(key).or_default().add(&quarter);
                    sums.entry(value.clone()).or_default().sum.add(&quarter);
                }
                sums.entry(value).or_default().lengths.add(&added.lengths);
            }
            changes.put(place, written(&sums));
        }
        let places: Vec<Vec<u8>> = quarters.keys().cloned().collect();
        let before = load(&places)?;
        for ((place, added), before) in quarters.into_iter().zip(before) {
            let before: Option<Quarter> = before.map(|bytes| read("", "a quarter", &bytes)).transpose()?;
            let mut sum = before.unwrap_or_default();
            sum.add(&added);
            changes.put(place, written(&sum));
        }
        Ok(())
    }
}

/// Returns under what a value counts on a day of which this is known: itself, or `None` where it has no place.
fn place_of(sums: &DayValues, value: String) -> Option<String> {
    let told = sums.keys().flatten().filter(|value| !value.is_empty()).count();
    let has_place = value.is_empty() || (value.len() <= LONGEST_VALUE && told < MOST_VALUES);
    let value = Some(value);
    if has_place || sums.contains_key(&value) { value } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_place_keeps_it_and_who_found_none_gets_none() {
        let mut sums = DayValues::new();
        let mut count = |value: String| {
            let place = place_of(&sums, value);
            sums.entry(place.clone()).or_default();
            place
        };
        assert_eq!(count("x".repeat(LONGEST_VALUE + 1)), None);
        for number in 0..MOST_VALUES {
            assert_eq!(count(number.to_string()), Some(number.to_string()));
        }
        assert_eq!(count("one more".to_owned()), None);
        assert_eq!(count(String::new()), Some(String::new()), "nothing said is no value that anybody invents");
        assert_eq!(count("0".to_owned()), Some("0".to_owned()));
        assert_eq!(count("one more".to_owned()), None);
    }
}
