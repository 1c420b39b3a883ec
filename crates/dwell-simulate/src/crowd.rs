//! Who the people are. Nothing about a person is kept: everything follows from the seed and the index, anew each time.

use crate::curve::Curve;
use crate::random::{Stream, derive, unit};
use crate::recipe::{Population, Recipe, Tempo, Zones};

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// How people use the app.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Habit {
    Social,
    Music,
    Popper,
    Stayer,
    Reader,
    Bot,
}

/// When people are awake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shift {
    Day,
    Night,
}

/// A place with a clock.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub country: &'static str,
    /// How far its clock is ahead of UTC.
    pub east: i64,
}

const PLACES: [Place; 5] = [
    Place { country: "GB", east: 0 },
    Place { country: "KR", east: 9 * HOUR },
    Place { country: "DE", east: HOUR },
    Place { country: "US", east: -5 * HOUR },
    Place { country: "US", east: -8 * HOUR },
];

/// No clock is further ahead of UTC.
pub const FURTHEST_EAST: i64 = 9 * HOUR;

/// Shares of the mixed population, of a thousand. One of a hundred is a bot.
const MIXED: [(u64, Habit, Shift); 8] = [
    (280, Habit::Social, Shift::Day),
    (150, Habit::Music, Shift::Day),
    (240, Habit::Popper, Shift::Day),
    (80, Habit::Stayer, Shift::Day),
    (170, Habit::Reader, Shift::Day),
    (10, Habit::Bot, Shift::Day),
    (40, Habit::Social, Shift::Night),
    (30, Habit::Reader, Shift::Night),
];

/// How likely people turn up on each day of the week, Monday first, in hundredths.
const PLAY_WEEK: [u32; 7] = [95, 95, 95, 100, 110, 125, 115];
const WORK_WEEK: [u32; 7] = [115, 115, 115, 110, 100, 70, 75];
const EVEN_WEEK: [u32; 7] = [100; 7];

/// What must be known of a person to say whether they turn up.
#[derive(Clone, Debug)]
pub struct Glance {
    pub user: u32,
    pub habit: Habit,
    pub shift: Shift,
    key: u64,
    /// How likely they turn up on an ordinary day, in millionths.
    keenness: i64,
    /// The day of their first visit, if they are newcomers; long ago for old hands.
    joined: i32,
    /// Where the chance of everything else about them goes on.
    rest: Stream,
}

/// The rest of a person.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub place: Place,
    /// When they wake, since local midnight.
    pub wakes: i64,
    /// How long they are awake.
    pub awake: i64,
    pub devices: u32,
    first_platform: &'static str,
}

impl Person {
    /// Returns where the app runs on a device.
    pub const fn platform(&self, device: u32) -> &'static str {
        if device == 1 { self.first_platform } else { "web" }
    }
}

/// All people of a recipe, and the shapes of what they do.
#[derive(Debug)]
pub struct Crowd {
    pub seed: u64,
    pub population: Population,
    pub zones: Zones,
    pub tempo: Tempo,
    pub event_names: u32,
    pub days: i32,
    /// In how many of them people come for the first time.
    pub joining_days: i32,
    /// How often people come on a day, in thousandths of what is their nature: more or less when many or few events
    /// are wanted.
    pub appetite: i64,
    pub curves: Curves,
    /// Midnight in UTC before the first visit, since 1970.
    pub midnight: i64,
    people: u64,
    turning_up: u64,
    visits: u64,
}

impl Crowd {
    pub fn of(recipe: &Recipe) -> Self {
        let from = recipe.from.as_micros().div_euclid(1000);
        Crowd {
            seed: recipe.seed,
            population: recipe.population,
            zones: recipe.zones,
            tempo: recipe.tempo,
            event_names: recipe.event_names,
            days: recipe.days as i32,
            joining_days: recipe.joining_days.unwrap_or(recipe.days) as i32,
            appetite: 1000,
            curves: Curves::new(),
            midnight: from - from.rem_euclid(DAY),
            people: derive(recipe.seed, 1),
            turning_up: derive(recipe.seed, 2),
            visits: derive(recipe.seed, 3),
        }
    }

    /// Looks at a person just long enough to say whether they turn up.
    #[inline]
    pub fn glance(&self, user: u32) -> Glance {
        let key = derive(self.people, u64::from(user));
        let mut rest = Stream::new(key);
        let (habit, shift) = self.habit(&mut rest);
        let keenness = self.curves.keenness.draw(&mut rest);
        let newcomer = rest.below(1000);
        let joined = if newcomer < 100 {
            -1 - rest.below(200) as i32
        } else {
            rest.below(self.joining_days as u64 * 9 / 10 + 1) as i32
        };
        Glance { user, habit, shift, key, keenness, joined, rest }
    }

    #[inline]
    fn habit(&self, stream: &mut Stream) -> (Habit, Shift) {
        let drawn = stream.below(1000);
        match self.population {
            Population::Social => (Habit::Social, Shift::Day),
            Population::Music => (Habit::Music, Shift::Day),
            Population::Poppers => (Habit::Popper, Shift::Day),
            Population::Stayers => (Habit::Stayer, Shift::Day),
            Population::Readers => (Habit::Reader, Shift::Day),
            Population::Bots => (Habit::Bot, Shift::Day),
            Population::NightWorkers if drawn < 500 => (Habit::Social, Shift::Night),
            Population::NightWorkers => (Habit::Reader, Shift::Night),
            Population::Mixed => {
                let mut below = 0;
                for (share, habit, shift) in MIXED {
                    below += share;
                    if drawn < below {
                        return (habit, shift);
                    }
                }
                (Habit::Popper, Shift::Day)
            }
        }
    }

    /// Returns how large the chance is that a person turns up on a day: above 1 is certain, 0 is before they joined.
    ///
    /// A newcomer is sure to come on the first day, and then stays away more and more.
    #[inline]
    pub fn eagerness(&self, glance: &Glance, day: i32) -> f64 {
        let age = day - glance.joined;
        if age < 0 {
            return 0.0;
        }
        let weekday = (self.midnight / DAY + i64::from(day) + 3).rem_euclid(7) as usize;
        let week = match glance.habit {
            Habit::Social | Habit::Music | Habit::Popper | Habit::Stayer => &PLAY_WEEK,
            Habit::Reader => &WORK_WEEK,
            Habit::Bot => &EVEN_WEEK,
        };
        let loyalty = if age == 0 { 1000.0 } else { 0.6 + 5.6 / f64::from(age + 7) };
        glance.keenness as f64 * f64::from(week[weekday]) * loyalty / 1e8
    }

    /// Draws for a person's day; they turn up when it is below their eagerness.
    #[inline]
    pub fn reluctance(&self, glance: &Glance, day: i32) -> f64 {
        unit(derive(glance.key ^ self.turning_up, day as u64))
    }

    /// Returns where the chance of a person's day begins.
    pub const fn day_key(&self, glance: &Glance, day: i32) -> u64 {
        derive(glance.key ^ self.visits, day as u64)
    }

    /// Looks at a person properly.
    #[inline]
    pub fn person(&self, glance: &Glance) -> Person {
        let mut stream = glance.rest.clone();
        let drawn = stream.below(PLACES.len() as u64) as usize;
        let place = match self.zones {
            Zones::Five => PLACES[drawn],
            Zones::Utc => PLACES[0],
        };
        // Two draws on top of each other: most people are ordinary.
        let early = stream.between(0, 2 * HOUR) + stream.between(0, 2 * HOUR);
        let wakes = match glance.shift {
            Shift::Day => 5 * HOUR + early,
            Shift::Night => 17 * HOUR + early,
        };
        let awake = stream.between(15 * HOUR, 17 * HOUR);
        let devices = if stream.per_mille(250) { 2 } else { 1 };
        let drawn = stream.below(100);
        let first_platform = match glance.habit {
            Habit::Bot => "web",
            Habit::Reader if drawn < 60 => "web",
            _ if drawn < 15 => "web",
            _ if drawn.is_multiple_of(2) => "ios",
            _ => "android",
        };
        Person { place, wakes, awake, devices, first_platform }
    }
}

/// The shapes of what people do, in milliseconds unless said otherwise.
#[derive(Debug)]
pub struct Curves {
    /// The chance to turn up, in millionths.
    pub keenness: Curve,
    /// How much of the waking day a checker keeps looking in, in thousandths.
    pub stretch: Curve,
    /// How many visits are planned, in thousandths of the usual number.
    pub visits: Curve,
    /// When in the waking day visits begin, in thousandths of it.
    pub rhythm: Curve,
    /// How long people are away at least: now and then they are back before others have finished a page.
    pub absence: Curve,
    pub social_gap: Curve,
    pub reader_gap: Curve,
    pub stayer_gap: Curve,
    pub stayer_silence: Curve,
    pub playing: Curve,
}

impl Curves {
    fn new() -> Self {
        Curves {
            keenness: Curve::log_normal(150_000, 0.9, 10_000, 1_000_000),
            stretch: Curve::log_normal(120, 1.0, 20, 1000),
            visits: Curve::log_normal(1000, 0.6, 200, 8000),
            rhythm: Curve::weighted(&[2, 4, 4, 3, 2, 3, 4, 3, 2, 2, 3, 4, 5, 6, 5, 2], 1000),
            absence: Curve::log_normal(45 * MINUTE, 0.8, 6 * MINUTE, 4 * HOUR),
            social_gap: Curve::log_normal(8 * SECOND, 0.6, 2 * SECOND, 20 * SECOND),
            reader_gap: Curve::log_normal(140 * SECOND, 0.8, 30 * SECOND, 8 * MINUTE),
            stayer_gap: Curve::log_normal(70 * SECOND, 0.9, 3 * SECOND, 5 * MINUTE),
            stayer_silence: Curve::log_normal(8 * MINUTE, 0.4, 5 * MINUTE, 20 * MINUTE),
            playing: Curve::log_normal(55 * MINUTE, 0.7, 20 * MINUTE, 4 * HOUR),
        }
    }
}
