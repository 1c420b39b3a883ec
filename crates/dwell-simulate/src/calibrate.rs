//! How often people must turn up so that a wanted number of events arrives.

use crate::crowd::{Crowd, Habit};
use crate::plan::{Plan, plan_day};
use crate::recipe::{Recipe, RecipeProblem};
use crate::visit::{Moment, count};

/// All days (of one person each) are counted up to this many; of more, so many are looked at, evenly spread.
const MOST_DAYS: u64 = 3_000_000;

/// Of those looked at in a larger crowd, so many are counted: but a bot's always, since few bots make many events.
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
        most = days.iter().map(|day| day.events).sum();
        if most < wanted {
            step += 1;
            continue;
        }
        let factor = if pairs(recipe) <= MOST_DAYS { fit_exactly(days, wanted) } else { fit(&days, wanted) };
        if RARE <= factor || step == 0 || BY_NATURE < step {
            return Ok(factor);
        }
        step -= 1;
    }
    Err(RecipeProblem::TooManyEvents { asked, most: (most * each) as u64 })
}

fn pairs(recipe: &Recipe) -> u64 {
    // One day before and one after: where it is tomorrow already, and where it is yesterday still.
    recipe.users * (u64::from(recipe.days) + 2)
}

fn sample(crowd: &Crowd, recipe: &Recipe, (from, to): (i64, i64)) -> Vec<Day> {
    let pairs = pairs(recipe);
    let looked_at = pairs.min(MOST_DAYS);
    let one_of = if pairs <= MOST_DAYS { 1 } else { MOST_DAYS / MOST_DAYS_OF_PEOPLE };
    let mut days = Vec::new();
    let (mut plans, mut moments): (Vec<Plan>, Vec<Moment>) = (Vec::new(), Vec::new());
    for place in 0..looked_at {
        let pair = (u128::from(place) * u128::from(pairs) / u128::from(looked_at)) as u64;
        let glance = crowd.glance((pair % recipe.users) as u32);
        let day = (pair / recipe.users) as i32 - 1;
        let eagerness = crowd.eagerness(&glance, day);
        let stands_for = match glance.habit {
            Habit::Bot => 1,
            Habit::Social | Habit::Music | Habit::Popper | Habit::Stayer | Habit::Reader => one_of,
        };
        if eagerness <= 0.0 || place % stands_for != 0 {
            continue;
        }
        plans.clear();
        plan_day(crowd, &glance, day, &mut plans);
        let kept = plans.iter().filter(|plan| from <= plan.start && plan.start < to);
        let events: usize = kept.map(|plan| count(crowd, plan, &mut moments)).sum();
        let weight = stands_for as f64 * pairs as f64 / looked_at as f64;
        days.push(Day { eagerness, reluctance: crowd.reluctance(&glance, day), events: events as f64 * weight });
    }
    days
}

/// All days are known: lets in one after the other, the most willing first, until there are enough events.
fn fit_exactly(mut days: Vec<Day>, wanted: f64) -> f64 {
    let needs = |day: &Day| day.reluctance / day.eagerness;
    days.sort_by(|one, other| needs(one).total_cmp(&needs(other)));
    let mut events = 0.0;
    for day in &days {
        if wanted <= events + day.events / 2.0 {
            return needs(day);
        }
        events += day.events;
    }
    f64::MAX
}

/// Some days are known: finds the factor at which as many events are to be expected, by halving.
fn fit(days: &[Day], wanted: f64) -> f64 {
    let expected = |factor: f64| days.iter().map(|day| day.events * (day.eagerness * factor).min(1.0)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while expected(high) < wanted && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if expected(middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
