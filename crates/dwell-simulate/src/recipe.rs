//! What to make: how many people of which kind, how fast they live, and what goes wrong on the way.

use dwell_core::time::Timestamp;

use crate::name::MOST_ACTION_NAMES;

/// The most days that a recipe may have.
pub const TEN_YEARS: u32 = 3650;

/// Everything that decides which events come out: the same recipe gives the same events on every machine.
#[derive(Clone, PartialEq, Debug)]
pub struct Recipe {
    /// The seed of all chance.
    pub seed: u64,
    /// How many people there are. Not all of them need turn up: with few `events` a lukewarm one may never do.
    pub users: u64,
    /// No visit begins before this.
    pub from: Timestamp,
    /// Over how many days visits begin. The last ones run on past the end, and late events arrive days after it.
    pub days: u32,
    /// Over how many days from the first they come for the first time; `None` is over all of them.
    ///
    /// With it, a recipe of more days goes on from one of fewer: the same people do the same until then.
    pub joining_days: Option<u32>,
    /// Who they are.
    pub population: Population,
    /// How fast they live.
    pub tempo: Tempo,
    /// Where they live.
    pub zones: Zones,
    /// What goes wrong on the way.
    pub faults: Faults,
    /// About how many events should arrive, duplicates included; `None` leaves people to their nature.
    ///
    /// Reached by making people turn up on fewer or more days, never by thinning out a visit. The number comes within
    /// 3 % from a million events on; below that one user's day more or less (a bot's is some thousand events) shows.
    pub events: Option<u64>,
    /// How many different named actions there are, from 1 to 256.
    pub event_names: u32,
}

/// Who the people are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Population {
    /// Look in for 1 to 4 minutes, and again after 20 to 90.
    Social,
    /// Choose something, put the screen away and listen for 20 minutes to 4 hours.
    Music,
    /// Do one thing and are gone, a few times a day.
    Poppers,
    /// Stay for half an hour to two hours, and fall silent for minutes in the middle.
    Stayers,
    /// Read 5 to 20 pages, each for half a minute to eight.
    Readers,
    /// Are none: a page every few seconds for hours, by day and by night.
    Bots,
    /// Look in or read while the others sleep.
    NightWorkers,
    /// Some of each. One of a hundred is a bot, and they make about half of the events.
    Mixed,
}

impl Population {
    /// All populations, in their order.
    pub const ALL: [Population; 8] = [
        Population::Social,
        Population::Music,
        Population::Poppers,
        Population::Stayers,
        Population::Readers,
        Population::Bots,
        Population::NightWorkers,
        Population::Mixed,
    ];

    /// Returns the word for it on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Population::Social => "social",
            Population::Music => "music",
            Population::Poppers => "poppers",
            Population::Stayers => "stayers",
            Population::Readers => "readers",
            Population::Bots => "bots",
            Population::NightWorkers => "night-workers",
            Population::Mixed => "mixed",
        }
    }

    /// Finds the population for a word; `None` for a word that is none of ours.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Population::ALL.into_iter().find(|population| population.word() == word)
    }
}

/// How fast people live: the silences inside a visit and the absences between visits alike.
///
/// It moves the right timeout, so that a method that was fitted to 30 minutes is found out. What plays is not
/// changed: a song lasts as long as it lasts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tempo {
    /// Six times as fast.
    Fast,
    /// As people are.
    Base,
    /// Six times as slow.
    Slow,
}

impl Tempo {
    /// All tempi, the fastest first.
    pub const ALL: [Tempo; 3] = [Tempo::Fast, Tempo::Base, Tempo::Slow];

    /// Returns the word for it on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Tempo::Fast => "fast",
            Tempo::Base => "base",
            Tempo::Slow => "slow",
        }
    }

    /// Finds the tempo for a word; `None` for a word that is none of ours.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Tempo::ALL.into_iter().find(|tempo| tempo.word() == word)
    }

    pub(crate) const fn of(self, base: i64) -> i64 {
        match self {
            Tempo::Fast => base / 6,
            Tempo::Base => base,
            Tempo::Slow => base * 6,
        }
    }
}

/// Where people live. Offsets are fixed: nobody here puts a clock forward in spring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Zones {
    /// Seoul (+9), Berlin (+1), London (0), New York (-5) and San Francisco (-8), a fifth of the people each.
    Five,
    /// All of them in London.
    Utc,
}

/// What goes wrong on the way, each as a share of events from 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Faults {
    /// Never arrive. A visit of which nothing arrives is not countable: see [`crate::TrueVisit::events`].
    pub lost: f64,
    /// Arrive again, 2 seconds to 2 hours later, with the same `message_id`.
    pub duplicated: f64,
    /// Arrive 5 minutes to 48 hours after they happened; the others take 50 milliseconds to 20 seconds.
    pub late: f64,
    /// Arrive 73 to 120 hours after they happened: later than Dwell's default allows.
    pub very_late: f64,
    /// Share of **devices** whose clock is wrong by 2 minutes to 3 days, either way.
    pub skewed_clocks: f64,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults { lost: 0.0, duplicated: 0.0, late: 0.0, very_late: 0.0, skewed_clocks: 0.0 };
}

impl Default for Recipe {
    /// A thousand people of all kinds for two weeks from Monday, the 5th of January 2026, and nothing goes wrong.
    fn default() -> Self {
        Recipe {
            seed: 1,
            users: 1000,
            from: Timestamp::from_micros(1_767_571_200_000_000),
            days: 14,
            joining_days: None,
            population: Population::Mixed,
            tempo: Tempo::Base,
            zones: Zones::Five,
            faults: Faults::NONE,
            events: None,
            event_names: 40,
        }
    }
}

/// Why a recipe cannot be followed.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub enum RecipeProblem {
    /// Nobody, or more than fit.
    #[error("{users} users are out of bounds: there must be from 1 to 4294967295")]
    Users {
        /// What was asked for.
        users: u64,
    },
    /// No day, or more than ten years.
    #[error("{days} days are out of bounds: there must be from 1 to 3650")]
    Days {
        /// What was asked for.
        days: u32,
    },
    /// Before 1970 or after 2200.
    #[error("the first day is out of bounds: it must lie from 1970 to 2200")]
    From,
    /// Not a share.
    #[error("the share of {fault} events is out of bounds: {share} is not from 0 to 1")]
    Share {
        /// Which fault.
        fault: &'static str,
        /// What was asked for.
        share: f64,
    },
    /// No name at all, or more than there are.
    #[error("{names} event names are out of bounds: there must be from 1 to {MOST_ACTION_NAMES}")]
    EventNames {
        /// What was asked for.
        names: u32,
    },
    /// These people cannot do so much in so few days.
    #[error("{asked} events are more than these users can cause: about {most} with everybody there every day")]
    TooManyEvents {
        /// What was asked for.
        asked: u64,
        /// What can be had.
        most: u64,
    },
}

impl Recipe {
    pub(crate) fn check(&self) -> Result<(), RecipeProblem> {
        if self.users < 1 || u64::from(u32::MAX) < self.users {
            return Err(RecipeProblem::Users { users: self.users });
        }
        for days in [self.days, self.joining_days.unwrap_or(self.days)] {
            if !(1..=TEN_YEARS).contains(&days) {
                return Err(RecipeProblem::Days { days });
            }
        }
        let latest = 7_258_118_400_000_000;
        if self.from.as_micros() < 0 || latest < self.from.as_micros() {
            return Err(RecipeProblem::From);
        }
        if self.event_names < 1 || MOST_ACTION_NAMES < self.event_names {
            return Err(RecipeProblem::EventNames { names: self.event_names });
        }
        let faults = &self.faults;
        let shares = [
            ("lost", faults.lost),
            ("duplicated", faults.duplicated),
            ("late", faults.late),
            ("very late", faults.very_late),
            ("late and very late", faults.late + faults.very_late),
            ("skewed", faults.skewed_clocks),
        ];
        for (fault, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(RecipeProblem::Share { fault, share });
            }
        }
        Ok(())
    }
}
