//! How a user's activity spreads over the day, and how long a gap is in that user's waking time.
//!
//! No time zone is asked for: the day is the 24 hours of UTC, and each user's own hours say when their night is.
//! Without this, sleep makes gaps of six to ten hours that are no visits' doing, and between them and the gaps of
//! an afternoon lies a valley at three to six hours that says nothing about sessions.

use alloc::vec::Vec;

/// Parts of the day: half hours.
pub const SLOTS: usize = 24;
const SLOT_SECONDS: f64 = 86_400.0 / SLOTS as f64;
const DAY: f64 = 86_400.0;
/// How much the common curve counts against a user's own hours, in hours of activity.
const SHRINKAGE: f64 = 4.0;
/// The least that any hour is held to be worth, against an even day.
const FLOOR: f64 = 0.04;
/// With fewer hours of activity a user says nothing about what days look like in general.
const TELLING_HOURS: f64 = 24.0;
/// With fewer such users the day in general is held to be even.
const TELLING_USERS: usize = 10;

/// In how many hours, by hour of the day, a user was active: an hour full of events counts as one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hours(pub [f32; SLOTS]);

impl Hours {
    /// Counts hours of activity from moments in order, in microseconds since 1970.
    pub fn count(moments: impl Iterator<Item = i64>) -> Self {
        let mut hours = Hours::default();
        let mut last = None;
        for micros in moments {
            let hour = micros.div_euclid((SLOT_SECONDS * 1e6) as i64);
            if last != Some(hour) {
                hours.0[hour.rem_euclid(SLOTS as i64) as usize] += 1.0;
                last = Some(hour);
            }
        }
        hours
    }

    fn total(&self) -> f64 {
        self.0.iter().map(|hours| f64::from(*hours)).sum()
    }

    /// Returns the hour around which activity lies, and how sure that is, from nought to one.
    fn centre(&self) -> (f64, f64) {
        let (mut east, mut north) = (0.0, 0.0);
        for (slot, hours) in self.0.iter().enumerate() {
            let angle = (slot as f64 + 0.5) / SLOTS as f64 * core::f64::consts::TAU;
            east += f64::from(*hours) * libm::cos(angle);
            north += f64::from(*hours) * libm::sin(angle);
        }
        let total = self.total().max(1.0);
        let turn = libm::atan2(north, east) / core::f64::consts::TAU;
        let rayleigh = (east * east + north * north) / total;
        ((turn + 1.0) * SLOTS as f64 % SLOTS as f64, (1.0 - 2.0 / rayleigh.max(2.0)).max(0.0))
    }
}

/// What days look like in general.
#[derive(Clone, Debug)]
pub struct CommonDay {
    /// By the hour of UTC, whoever it was.
    by_clock: [f64; SLOTS],
    /// By the hours from the centre of each user's own activity: the middle slot is that centre.
    by_centre: [f64; SLOTS],
}

impl CommonDay {
    /// Learns from the hours of all users.
    #[must_use]
    pub fn learn<'a>(users: impl Iterator<Item = &'a Hours>) -> Self {
        let mut by_clock = [0.0; SLOTS];
        let mut by_centre = [0.0; SLOTS];
        let mut telling = 0;
        for hours in users {
            let total = hours.total();
            if total == 0.0 {
                continue;
            }
            let weight = total.min(TELLING_HOURS) / total;
            for (slot, count) in hours.0.iter().enumerate() {
                by_clock[slot] += weight * f64::from(*count);
            }
            let (centre, sure) = hours.centre();
            if total < TELLING_HOURS || sure == 0.0 {
                continue;
            }
            telling += 1;
            for (slot, count) in hours.0.iter().enumerate() {
                add_at(&mut by_centre, slot as f64 - centre + SLOTS as f64 / 2.0, f64::from(*count) / total);
            }
        }
        if telling < TELLING_USERS {
            by_centre = [1.0; SLOTS];
        }
        CommonDay { by_clock: even_out(by_clock), by_centre: even_out(by_centre) }
    }

    /// Returns the day of one user: their own hours, as far as there are enough, and the common day.
    #[must_use]
    pub fn of(&self, hours: &Hours) -> Day {
        let (centre, sure) = hours.centre();
        let mut expected = [0.0; SLOTS];
        for (slot, share) in self.by_centre.iter().enumerate() {
            add_at(&mut expected, slot as f64 + centre - SLOTS as f64 / 2.0, sure * share);
        }
        for (slot, share) in self.by_clock.iter().enumerate() {
            expected[slot] += (1.0 - sure) * share;
        }
        let own = smooth(hours);
        let total = hours.total();
        let mut rate = [0.0; SLOTS];
        for slot in 0..SLOTS {
            let shrunk = (own[slot] + SHRINKAGE * expected[slot] / SLOTS as f64) / (total + SHRINKAGE);
            rate[slot] = FLOOR + (1.0 - FLOOR) * shrunk * SLOTS as f64;
        }
        Day::with_rate(rate)
    }
}

fn add_at(slots: &mut [f64; SLOTS], place: f64, amount: f64) {
    let place = (place + 2.0 * SLOTS as f64) % SLOTS as f64;
    let first = place as usize % SLOTS;
    let rest = place - libm::floor(place);
    slots[first] += amount * (1.0 - rest);
    slots[(first + 1) % SLOTS] += amount * rest;
}

fn even_out(mut slots: [f64; SLOTS]) -> [f64; SLOTS] {
    let mean: f64 = slots.iter().sum::<f64>() / SLOTS as f64;
    for slot in &mut slots {
        *slot = if mean == 0.0 { 1.0 } else { *slot / mean };
    }
    slots
}

fn smooth(hours: &Hours) -> [f64; SLOTS] {
    let at = |slot: usize| f64::from(hours.0[slot % SLOTS]);
    core::array::from_fn(|slot| 0.5 * at(slot) + 0.25 * at(slot + 1) + 0.25 * at(slot + SLOTS - 1))
}

/// How fast a user's own time goes at each hour of the day: 1 at a typical moment of activity.
#[derive(Clone, Debug)]
pub struct Day {
    /// Own time since midnight at the beginning of each slot, and at the end of the day.
    since_midnight: Vec<f64>,
}

impl Day {
    fn with_rate(rate: [f64; SLOTS]) -> Self {
        let square: f64 = rate.iter().map(|rate| rate * rate).sum();
        let typical = square / rate.iter().sum::<f64>();
        let mut since_midnight = Vec::with_capacity(SLOTS + 1);
        let mut own = 0.0;
        for rate in rate {
            since_midnight.push(own);
            own += rate / typical * SLOT_SECONDS;
        }
        since_midnight.push(own);
        Day { since_midnight }
    }

    /// Returns how long a gap of `gap` seconds is in the user's own time, when it begins `start` seconds after midnight.
    #[must_use]
    pub fn own_time(&self, start: f64, gap: f64) -> f64 {
        let days = libm::floor(gap / DAY);
        let rest = gap - days * DAY;
        days * self.since_midnight[SLOTS] + self.own_since_midnight(start + rest) - self.own_since_midnight(start)
    }

    fn own_since_midnight(&self, seconds: f64) -> f64 {
        let days = libm::floor(seconds / DAY);
        let place = (seconds - days * DAY) / SLOT_SECONDS;
        let slot = (place as usize).min(SLOTS - 1);
        let (from, to) = (self.since_midnight[slot], self.since_midnight[slot + 1]);
        days * self.since_midnight[SLOTS] + from + (to - from) * (place - slot as f64)
    }
}
