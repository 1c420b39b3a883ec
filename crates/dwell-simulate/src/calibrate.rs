//! How often people must turn up so that a wanted number of events arrives.

use crate::crowd::Crowd;
use crate::plan::{Plan, plan_day};
use crate::recipe::{Recipe, RecipeProblem};
use crate::visit::{Moment, live_through};

/// Of more days than this (one person, one day) only so many are looked at, evenly spread.
const MOST_DAYS: u64 = 500_000;

/// So much more than by nature people do on a day at most.
const MOST_APPETITE: i64 = 16;

/// One day of one person: how eager and how reluctant they are, and how many events it would bring.
struct Day {
    eagerness: f64,
    reluctance: f64,
    events: f64,
}

/// Returns by how much everybody's eagerness must be multiplied, and sets their appetite.
///
/// First people turn up more often; when all of them are there every day and it is not enough, they do more.
pub fn calibrate(crowd: &mut Crowd, recipe: &Recipe, window: (i64, i64)) -> Result<f64, RecipeProblem> {
    let Some(asked) = recipe.events else { return Ok(1.0) };
    let faults = &recipe.faults;
    let each = (1.0 - faults.lost) * (1.0 + faults.duplicated);
    loop {
        let days = sample(crowd, recipe, window);
        let most = days.iter().map(|day| day.events).sum::<f64>() * each;
        if asked as f64 <= most {
            let pairs = pairs(recipe);
            let wanted = asked as f64 / each;
            return Ok(if pairs <= MOST_DAYS { fit_exactly(days, wanted) } else { fit(&days, wanted) });
        }
        if MOST_APPETITE <= crowd.appetite {
            return Err(RecipeProblem::TooManyEvents { asked, most: most as u64 });
        }
        crowd.appetite *= 2;
    }
}

fn pairs(recipe: &Recipe) -> u64 {
    // One day before and one after: where it is tomorrow already, and where it is yesterday still.
    recipe.users * (u64::from(recipe.days) + 2)
}

fn sample(crowd: &Crowd, recipe: &Recipe, (from, to): (i64, i64)) -> Vec<Day> {
    let pairs = pairs(recipe);
    let count = pairs.min(MOST_DAYS);
    let weight = pairs as f64 / count as f64;
    let mut days = Vec::new();
    let (mut plans, mut moments): (Vec<Plan>, Vec<Moment>) = (Vec::new(), Vec::new());
    for place in 0..count {
        let pair = (u128::from(place) * u128::from(pairs) / u128::from(count)) as u64;
        let glance = crowd.glance((pair % recipe.users) as u32);
        let day = (pair / recipe.users) as i32 - 1;
        let eagerness = crowd.eagerness(&glance, day);
        if eagerness <= 0.0 {
            continue;
        }
        plans.clear();
        moments.clear();
        plan_day(crowd, &glance, day, &mut plans);
        for plan in plans.iter().filter(|plan| from <= plan.start && plan.start < to) {
            live_through(crowd, plan, &mut moments);
        }
        let reluctance = crowd.reluctance(&glance, day);
        days.push(Day { eagerness, reluctance, events: moments.len() as f64 * weight });
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
