//! How often people must turn up so that a wanted number of events arrives.

use crate::crowd::{Crowd, Habit};
use crate::plan::{Plan, plan_day};
use crate::recipe::{Population, Recipe, RecipeProblem};
use crate::visit::{Moment, count};

/// All days (of one person each) are counted up to this many; of more, some are, evenly spread.
const MOST_DAYS: u64 = 3_000_000;

/// In a larger crowd so many days of people are counted, and still all days of bots: few bots make many events.
const MOST_DAYS_OF_PEOPLE: u64 = 500_000;

/// How often people come on a day, in thousandths of what is their nature: it is tried in these steps.
const APPETITES: [i64; 7] = [250, 500, 1000, 2000, 4000, 8000, 16_000];
const BY_NATURE: usize = 2;

/// Below this factor people would hardly ever turn up, so that they come less often on a day instead.
const RARE: f64 = 0.5;

/// One day of one person: how eager and how reluctant they are, and how many events it would bring.
struct Day {
    eagerness: f64,
    reluctance: f64,
    events: f64,
    /// How many days it stands for.
    stands_for: u64,
}

impl Day {
    /// Returns how many events are to be expected of the days that it stands for. If for itself alone, it is known.
    fn expected(&self, factor: f64) -> f64 {
        let willingness = self.eagerness * factor;
        if 1 < self.stands_for {
            return self.events * self.stands_for as f64 * willingness.min(1.0);
        }
        if self.reluctance <= willingness { self.events } else { 0.0 }
    }
}

/// Returns by how much everybody's eagerness must be multiplied, and sets their appetite.
///
/// When few events are wanted people come less often on a day, so that they can turn up on several; when many are
/// wanted and all of them are there every day, they come more often.
pub fn calibrate(crowd: &mut Crowd, recipe: &Recipe, window: (i64, i64)) -> Result<f64, RecipeProblem> {
    let Some(asked) = recipe.events else { return Ok(1.0) };
    let faults = &recipe.faults;
    let each = (1.0 - faults.lost) * (1.0 + faults.duplicated);
    let wanted = asked as f64 / each;
    let mut step = BY_NATURE;
    let mut most = 0.0;
    while let Some(appetite) = APPETITES.get(step) {
        crowd.appetite = *appetite;
        let days = sample(crowd, recipe, window);
        most = expected(&days, f64::MAX);
        if most < wanted {
            step += 1;
            continue;
        }
        let factor = fit(&days, wanted);
        if RARE <= factor || step == 0 || BY_NATURE < step {
            return Ok(factor);
        }
        step -= 1;
    }
    Err(RecipeProblem::TooManyEvents { asked, most: (most * each) as u64 })
}

fn sample(crowd: &Crowd, recipe: &Recipe, (from, to): (i64, i64)) -> Vec<Day> {
    // One day before and one after: where it is tomorrow already, and where it is yesterday still.
    let days_each = u64::from(recipe.days) + 2;
    let of_people = one_of(recipe.users, days_each, MOST_DAYS_OF_PEOPLE);
    let of_bots = match recipe.population {
        Population::Bots => of_people,
        Population::Mixed => one_of(recipe.users / 100, days_each, MOST_DAYS),
        Population::Social
        | Population::Music
        | Population::Poppers
        | Population::Stayers
        | Population::Readers
        | Population::NightWorkers => 1,
    };
    let mut days = Vec::new();
    let (mut plans, mut moments): (Vec<Plan>, Vec<Moment>) = (Vec::new(), Vec::new());
    for user in 0..recipe.users {
        let glance = crowd.glance(user as u32);
        let stands_for = match glance.habit {
            Habit::Bot => of_bots,
            Habit::Social | Habit::Music | Habit::Popper | Habit::Stayer | Habit::Reader => of_people,
        };
        let before = user * days_each % stands_for;
        let mut place = if before == 0 { 0 } else { stands_for - before };
        while place < days_each {
            let day = place as i32 - 1;
            place += stands_for;
            let eagerness = crowd.eagerness(&glance, day);
            if eagerness <= 0.0 {
                continue;
            }
            plans.clear();
            plan_day(crowd, &glance, day, &mut plans);
            let kept = plans.iter().filter(|plan| from <= plan.start && plan.start < to);
            let events: usize = kept.map(|plan| count(crowd, plan, &mut moments)).sum();
            let reluctance = crowd.reluctance(&glance, day);
            days.push(Day { eagerness, reluctance, events: events as f64, stands_for });
        }
    }
    days
}

/// Returns of how many days one is counted: a number in step with no week of days, lest it fall on the same day always.
fn one_of(users: u64, days_each: u64, most: u64) -> u64 {
    let days = users * days_each;
    if days <= MOST_DAYS {
        return 1;
    }
    let mut one_of = days.div_ceil(most);
    while common_divisor(one_of, days_each) != 1 {
        one_of += 1;
    }
    one_of
}

fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

fn expected(days: &[Day], factor: f64) -> f64 {
    days.iter().map(|day| day.expected(factor)).sum()
}

/// Finds the factor at which about as many events are to be expected as are wanted, by halving.
fn fit(days: &[Day], wanted: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while expected(days, high) < wanted && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if expected(days, middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    // Between the two lies one person's day, which may be that of a bot.
    let (short, over) = (wanted - expected(days, low), expected(days, high) - wanted);
    if short < over { low } else { high }
}
