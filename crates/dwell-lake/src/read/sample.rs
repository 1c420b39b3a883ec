//! What the first values of a column say about the unit of its times.

use std::sync::Arc;

use dwell_core::decimal::scaled;
use dwell_core::excerpt::excerpt;
use jiff::tz::TimeZone;

use super::Options;
use super::columns::Role;
use super::error::ReadError;
use super::gather::Cell;
use super::moment::{TimeUnit, Unit};
use super::plan::TimeShape;

/// How many rows are looked at.
pub(super) const SAMPLE_ROWS: usize = 1000;

/// The times of one column, as far as they were looked at.
#[derive(Debug, Default)]
pub(super) struct TimeSample {
    /// The first value that looks like each unit, with its line.
    looks: [Option<(String, u64)>; TimeUnit::ALL.len()],
    numbers: usize,
    texts: usize,
    /// How many texts said no zone.
    without_zone: usize,
}

/// What a sample says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    pub unit: Unit,
    pub shape: TimeShape,
    pub note: Option<String>,
}

impl TimeSample {
    pub fn look(&mut self, line: u64, cell: Cell<'_>) {
        let (Cell::Text(text) | Cell::Number(text)) = cell else {
            return;
        };
        let text = text.trim_ascii();
        let Some(number) = scaled(text, 0) else {
            self.texts += usize::from(!text.is_empty());
            self.without_zone += usize::from(says_no_zone(text));
            return;
        };
        self.numbers += 1;
        if let Some(unit) = TimeUnit::of(number) {
            self.looks[unit as usize].get_or_insert_with(|| (excerpt(text), line));
        }
    }

    /// Decides on the unit of a column; what the caller gave stands.
    pub fn verdict(
        &self,
        file: &Arc<str>,
        column: &Arc<str>,
        role: Role,
        options: &Options,
    ) -> Result<Verdict, ReadError> {
        let zone = &options.zone;
        if let Some(unit) = options.time_unit {
            let shape = if self.numbers == 0 && 0 < self.texts { TimeShape::Texts } else { TimeShape::Numbers(unit) };
            return Ok(Verdict { unit: Unit::Given(unit), shape, note: None });
        }
        let mut seen = TimeUnit::ALL.iter().filter_map(|unit| Some((*unit, self.looks[*unit as usize].as_ref()?)));
        let one = seen.next();
        if let (Some((unit, (value, line))), Some((other, (other_value, other_line)))) = (one, seen.next()) {
            return Err(ReadError::MixedUnits {
                file: file.clone(),
                column: column.clone(),
                one: (unit, value.clone(), *line),
                other: (other, other_value.clone(), *other_line),
            });
        }
        Ok(match one {
            Some((unit, _)) => Verdict { unit: Unit::Inferred(unit), shape: TimeShape::Numbers(unit), note: None },
            None if self.numbers == 0 => {
                Verdict { unit: Unit::Unknown, shape: TimeShape::Texts, note: self.zone_note(role, zone) }
            }
            None => Verdict {
                unit: Unit::Inferred(TimeUnit::Seconds),
                shape: TimeShape::Numbers(TimeUnit::Seconds),
                note: Some(format!(
                    "{}: the numbers are too small to show their unit and are read as seconds (--time-unit says otherwise)",
                    role.word()
                )),
            },
        })
    }

    fn zone_note(&self, role: Role, zone: &TimeZone) -> Option<String> {
        let name = zone.iana_name().unwrap_or("the given zone");
        (0 < self.without_zone)
            .then(|| format!("{}: times without a zone are read as {name} (--zone says otherwise)", role.word()))
    }
}

fn says_no_zone(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    text.parse::<jiff::Timestamp>().is_err() && text.parse::<jiff::civil::DateTime>().is_ok()
}
