//! Where numbers and timeouts stand on a figure. The page and the terminal chart share these scales.

use dwell_core::time::Span;

use crate::human;

/// The longest timeout, where the time axis ends. It begins at one second.
pub const LONGEST_S: f64 = 86_400.0;
/// Timeouts that are written at the time axis, in seconds.
pub const TICKS_S: [u32; 13] = [1, 3, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400];
/// From this ratio of largest to smallest on, a scale by powers of ten is the readable one.
const WIDE: f64 = 12.0;
/// No scale has more lines across than this.
const MOST_TICKS: usize = 7;

/// The logarithmic axis from 1 s to 24 h.
#[derive(Clone, Copy, Debug)]
pub struct TimeAxis {
    /// Where one second stands.
    pub left: f64,
    /// Where a day stands.
    pub right: f64,
}

impl TimeAxis {
    /// Returns where a timeout stands; what is beyond an end stands at the end.
    #[must_use]
    pub fn at(self, seconds: f64) -> f64 {
        let share = seconds.clamp(1.0, LONGEST_S).ln() / LONGEST_S.ln();
        self.left + share * (self.right - self.left)
    }

    /// Returns which timeout stands at a place.
    #[must_use]
    pub fn seconds_at(self, place: f64) -> f64 {
        let share = (place - self.left) / (self.right - self.left);
        LONGEST_S.powf(share.clamp(0.0, 1.0))
    }

    /// Returns the whole seconds that are worth a point of a line: about one for each unit of width.
    #[must_use]
    pub fn seconds_shown(self) -> Vec<u32> {
        let steps = (self.right - self.left).ceil() as u32;
        let mut shown: Vec<u32> =
            (0..=steps).map(|step| self.seconds_at(self.left + f64::from(step)).round() as u32).collect();
        shown.dedup();
        shown
    }
}

/// An axis for numbers: even, or by powers of ten.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// Returns an even scale from zero to at least `high`.
    #[must_use]
    pub fn even(high: f64) -> Self {
        let high = if 0.0 < high { high } else { 1.0 };
        Scale { low: 0.0, high: high * 1.04, logarithmic: false }
    }

    /// Returns a scale by powers of ten; both ends must be above zero.
    #[must_use]
    pub fn powers(low: f64, high: f64) -> Self {
        let low = low.max(f64::MIN_POSITIVE);
        Scale { low, high: high.max(low * 1.5), logarithmic: true }
    }

    /// Returns the scale on which numbers between these can be told apart.
    #[must_use]
    pub fn readable(low: f64, high: f64) -> Self {
        if 0.0 < low && low * WIDE < high { Scale::powers(low / 1.15, high * 1.15) } else { Scale::even(high) }
    }

    /// Says whether equal steps are equal ratios.
    #[must_use]
    pub const fn is_logarithmic(self) -> bool {
        self.logarithmic
    }

    /// Returns how far up a number stands: 0 at the foot, 1 at the top.
    #[must_use]
    pub fn share(self, number: f64) -> f64 {
        let share = if self.logarithmic {
            (number.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (number - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// Returns the round numbers for lines across.
    #[must_use]
    pub fn ticks(self) -> Vec<f64> {
        if !self.logarithmic {
            return self.even_ticks();
        }
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let fine: Vec<f64> = decades
            .clone()
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect();
        if fine.len() <= MOST_TICKS {
            return fine;
        }
        let coarse: Vec<f64> =
            decades.map(|power| 10f64.powi(power)).filter(|tick| (self.low..=self.high).contains(tick)).collect();
        if coarse.len() < 3 { fine } else { coarse }
    }

    fn even_ticks(self) -> Vec<f64> {
        let rough = self.high / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| rough <= digit * power).unwrap_or(10.0);
        let step = digit * power;
        (0..=MOST_TICKS).map(|index| index as f64 * step).filter(|tick| *tick <= self.high).collect()
    }
}

/// Lengths that are written at an axis of lengths, in seconds.
pub const LENGTH_TICKS_S: [u32; 10] = [1, 10, 60, 600, 3600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000];

/// Writes a number in the least space: `850`, `12k`, `1.5M`.
#[must_use]
pub fn short(number: f64) -> String {
    let in_units = |unit: f64, letter: &str| {
        let text = format!("{:.1}", number / unit);
        format!("{}{letter}", text.strip_suffix(".0").unwrap_or(&text))
    };
    match number {
        1e9.. => in_units(1e9, "G"),
        1e6.. => in_units(1e6, "M"),
        1e3.. => in_units(1e3, "k"),
        _ => in_units(1.0, ""),
    }
}

/// Writes seconds as a span.
#[must_use]
pub fn seconds(seconds: u32) -> String {
    human::span(Span::from_secs(seconds))
}

/// Writes microseconds as a span.
#[must_use]
pub fn micros(micros: i64) -> String {
    human::span(Span::from_micros(micros))
}

/// Writes by how much something changes, in percent; a dash when there was nothing.
#[must_use]
pub fn change(before: f64, after: f64) -> String {
    if before == 0.0 {
        return "–".to_owned();
    }
    let percent = 100.0 * (after - before) / before;
    let sign = if percent < -0.05 {
        "−"
    } else if 0.05 <= percent {
        "+"
    } else {
        ""
    };
    format!("{sign}{:.1} %", percent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_axis_runs_from_a_second_to_a_day() {
        let axis = TimeAxis { left: 10.0, right: 110.0 };
        assert_eq!(axis.at(1.0), 10.0);
        assert_eq!(axis.at(86_400.0), 110.0);
        assert_eq!(axis.at(0.0), 10.0);
        assert!((axis.seconds_at(axis.at(1800.0)) - 1800.0).abs() < 1e-6);
        let shown = axis.seconds_shown();
        assert_eq!((shown[0], shown[shown.len() - 1]), (1, 86_400));
    }

    #[test]
    fn scales_have_few_round_ticks() {
        assert_eq!(Scale::even(100.0).ticks(), [0.0, 50.0, 100.0]);
        assert_eq!(Scale::readable(3.0, 40.0).ticks(), [5.0, 10.0, 20.0]);
        assert_eq!(Scale::readable(90.0, 1_000_000.0).ticks(), [100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0]);
        assert!(!Scale::readable(0.0, 0.0).is_logarithmic());
        assert_eq!(Scale::readable(0.0, 0.0).share(0.0), 0.0);
    }

    #[test]
    fn numbers_are_written_short() {
        assert_eq!([850.0, 12_000.0, 1_500_000.0, 0.5].map(short), ["850", "12k", "1.5M", "0.5"]);
        assert_eq!(change(200.0, 150.0), "−25.0 %");
        assert_eq!(change(0.0, 1.0), "–");
    }
}
