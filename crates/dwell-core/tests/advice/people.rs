//! People who come and go, with the truth about their visits: made here, so that core needs nobody else.

use dwell_core::lab::advice::Gap;
use dwell_core::time::Timestamp;

/// Draws numbers; the same seed gives the same people.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From nought to one, neither of them.
    pub fn even(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.even()));
        radius * libm::cos(core::f64::consts::TAU * self.even())
    }

    /// Around `median`, with a standard deviation of the natural logarithm of `sigma`.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.even())
    }
}

/// How the people of an app behave.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub name: &'static str,
    /// Median seconds between two events of a visit, and the spread of its logarithm.
    pub inside: (f64, f64),
    /// Mean events of a visit.
    pub events: f64,
    /// Mean seconds of a user's waking time between two visits.
    pub between: f64,
    /// How much sleep there is: 0 is none, 1 a night in which nobody comes.
    pub sleep: f64,
    /// Shares of the gaps of a visit that are bursts of a second or two, and pauses twenty times as long as usual.
    pub uneven: (f64, f64),
    /// Share of the visits that follow ten times as soon as usual.
    pub returns: f64,
}

pub const SOCIAL: Family = Family {
    name: "social",
    inside: (15.0, 1.2),
    events: 15.0,
    between: 2.5 * 3600.0,
    sleep: 0.97,
    uneven: (0.0, 0.0),
    returns: 0.0,
};
pub const MEDIA: Family = Family {
    name: "media",
    inside: (210.0, 0.5),
    events: 10.0,
    between: 10.0 * 3600.0,
    sleep: 0.97,
    uneven: (0.0, 0.0),
    returns: 0.0,
};
pub const READING: Family = Family {
    name: "reading",
    inside: (60.0, 1.3),
    events: 6.0,
    between: 20.0 * 3600.0,
    sleep: 0.97,
    uneven: (0.0, 0.0),
    returns: 0.0,
};
pub const GAME: Family = Family {
    name: "game",
    inside: (20.0, 0.8),
    events: 40.0,
    between: 5.0 * 3600.0,
    sleep: 0.97,
    uneven: (0.0, 0.0),
    returns: 0.0,
};
pub const SHOP: Family = Family {
    name: "shop",
    inside: (30.0, 1.2),
    events: 12.0,
    between: 72.0 * 3600.0,
    sleep: 0.97,
    uneven: (0.0, 0.0),
    returns: 0.0,
};
pub const POPPERS: Family = Family {
    name: "poppers",
    inside: (5.0, 0.7),
    events: 3.0,
    between: 1200.0,
    sleep: 0.97,
    uneven: (0.0, 0.0),
    returns: 0.0,
};
pub const FAMILIES: [Family; 6] = [SOCIAL, MEDIA, READING, GAME, SHOP, POPPERS];

impl Family {
    /// The same people, `times` as slow in everything but their nights.
    pub fn slower(self, times: f64) -> Self {
        Family { inside: (self.inside.0 * times, self.inside.1), between: self.between * times, ..self }
    }

    /// The same people as an app sees them that reports several events at once, whose users pause inside of visits
    /// and sometimes come back soon.
    pub fn rougher(self) -> Self {
        Family { uneven: (0.4, 0.05), returns: 0.25, ..self }
    }

    fn gap_inside(&self, own: f64, chance: &mut Chance) -> f64 {
        let kind = chance.even();
        if kind < self.uneven.0 {
            return chance.lognormal(1.5, 0.6);
        }
        let pause = if kind < self.uneven.0 + self.uneven.1 { 20.0 } else { 1.0 };
        chance.lognormal(own * pause, self.inside.1)
    }
}

/// One user: moments in microseconds, and whether a visit begins there.
#[derive(Clone, Debug, Default)]
pub struct User {
    pub moments: Vec<(i64, bool)>,
}

impl User {
    pub fn gaps(&self) -> Vec<Gap> {
        let at = Timestamp::from_micros;
        self.moments.windows(2).map(|pair| Gap { reach: at(pair[0].0), until: at(pair[1].0) }).collect()
    }

    /// Length in seconds, and whether it lies between visits.
    pub fn truth(&self) -> impl Iterator<Item = (f64, bool)> {
        self.moments.windows(2).map(|pair| ((pair[1].0 - pair[0].0) as f64 / 1e6, pair[1].1))
    }
}

/// How awake somebody is, by hours since midnight.
fn awake(hour: f64, sleep: f64) -> f64 {
    match hour {
        hour if hour < 7.0 => 1.0 - sleep,
        hour if hour < 18.0 => 1.0,
        hour if hour < 23.0 => 1.5,
        _ => 0.6,
    }
}

/// Walks on from `from` until `waking` seconds of waking time are over.
fn wait(from: f64, waking: f64, zone: f64, sleep: f64) -> f64 {
    let (mut at, mut left) = (from, waking);
    while at < 2.0 * DAYS * 86_400.0 {
        let step = 600.0;
        let rate = awake(((at + zone) / 3600.0).rem_euclid(24.0), sleep);
        if left < rate * step {
            return at + left / rate.max(1e-9);
        }
        left -= rate * step;
        at += step;
    }
    at
}

pub const DAYS: f64 = 60.0;

/// One user of a family, for sixty days or `most` moments.
pub fn user(family: Family, most: usize, chance: &mut Chance) -> User {
    let zone = libm::floor(chance.even() * 24.0) * 3600.0;
    let inside = chance.lognormal(family.inside.0, 0.25);
    let between = chance.lognormal(family.between, 0.6);
    let mut at = wait(0.0, chance.even() * between.min(86_400.0), zone, family.sleep);
    let mut moments = Vec::new();
    while at < DAYS * 86_400.0 && moments.len() < most {
        moments.push(((at * 1e6) as i64, true));
        while moments.len() < most && chance.even() < 1.0 - 1.0 / family.events {
            at += family.gap_inside(inside, chance).max(0.001);
            moments.push(((at * 1e6) as i64, false));
        }
        let soon = if chance.even() < family.returns { 0.1 } else { 1.0 };
        at = wait(at, chance.exponential(between * soon), zone, family.sleep);
    }
    User { moments }
}

/// So many users of a family.
pub fn people(family: Family, count: usize, most: usize, seed: u64) -> Vec<User> {
    let mut chance = Chance::new(seed);
    (0..count).map(|_| user(family, most, &mut chance)).collect()
}

/// People without visits: every gap is drawn alike, in waking time.
pub fn without_visits(
    count: usize,
    most: usize,
    sleep: f64,
    seed: u64,
    draw: impl Fn(&mut Chance, f64) -> f64,
) -> Vec<User> {
    let mut chance = Chance::new(seed);
    let mut one = || {
        let zone = libm::floor(chance.even() * 24.0) * 3600.0;
        let own = chance.lognormal(1.0, 0.4);
        let mut at = wait(0.0, chance.even() * 3600.0, zone, sleep);
        let mut moments = Vec::new();
        while at < DAYS * 86_400.0 && moments.len() < most {
            moments.push(((at * 1e6) as i64, true));
            let gap = draw(&mut chance, own);
            at = wait(at, gap, zone, sleep);
        }
        User { moments }
    };
    (0..count).map(|_| one()).collect()
}

/// People who come once a day, at their hour, for one event.
pub fn once_a_day(count: usize, hours_about: f64, skip: f64, seed: u64) -> Vec<User> {
    let mut chance = Chance::new(seed);
    let mut one = || {
        let hour = chance.even() * 24.0;
        let mut moments = Vec::new();
        for day in 0..60 {
            if chance.even() < skip {
                continue;
            }
            let at = (f64::from(day) * 24.0 + hour + hours_about * chance.normal()) * 3600.0;
            moments.push(((at * 1e6) as i64, true));
        }
        moments.sort_unstable();
        User { moments }
    };
    (0..count).map(|_| one()).collect()
}
