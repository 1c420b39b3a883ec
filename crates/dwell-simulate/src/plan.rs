//! When people come: a person's day becomes a handful of visits, each with a beginning, a length and real absence
//! around it.
//!
//! A person's day begins an hour before they usually wake, and all its visits end within 23 hours: so days can be
//! planned apart from each other, and visits never meet.

use crate::crowd::{Crowd, DAY, Glance, HOUR, Habit, MINUTE, Person, SECOND};
use crate::random::{Stream, derive};
use crate::visit::reading_time;

/// No more visits are planned for a person's day, except for checkers, whom the clock holds in check.
const MOST_VISITS: i64 = 40;

/// A visit that will take place.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub user: u32,
    /// The person's nth visit, counted from 1; 0 until it is known that the visit lies in the recipe's days.
    pub ordinal: u32,
    /// Since 1970.
    pub start: i64,
    pub length: i64,
    pub habit: Habit,
    pub device: u32,
    /// Where its chance begins.
    pub key: u64,
}

impl Plan {
    pub const fn end(&self) -> i64 {
        self.start + self.length
    }
}

/// Returns the first moment at which anybody's day of this number can hold a visit.
pub const fn earliest_start(crowd: &Crowd, day: i32) -> i64 {
    crowd.midnight + day as i64 * DAY - crate::crowd::FURTHEST_EAST
}

/// Plans the day of a person who turns up, in order of time.
pub fn plan_day(crowd: &Crowd, glance: &Glance, day: i32, plans: &mut Vec<Plan>) {
    let person = crowd.person(glance);
    let key = crowd.day_key(glance, day);
    let mut stream = Stream::new(key);
    let begins = crowd.midnight + i64::from(day) * DAY - person.place.east + person.wakes - HOUR;
    let wakes = begins + stream.between(20 * MINUTE, 100 * MINUTE);
    let mut planner = Planner { crowd, glance, person, key, wakes, limit: begins + 23 * HOUR, free_from: wakes, plans };
    match glance.habit {
        Habit::Social => planner.look_in(&mut stream),
        Habit::Music => planner.come(1300, &mut stream),
        Habit::Popper => planner.come(3000, &mut stream),
        Habit::Stayer => planner.come(1300, &mut stream),
        Habit::Reader => planner.come(1700, &mut stream),
        Habit::Bot => planner.run(&mut stream),
    }
}

struct Planner<'a> {
    crowd: &'a Crowd,
    glance: &'a Glance,
    person: Person,
    key: u64,
    wakes: i64,
    limit: i64,
    /// Before this they cannot come again.
    free_from: i64,
    plans: &'a mut Vec<Plan>,
}

impl Planner<'_> {
    /// A checker looks in, and again, and again, for some part of the day.
    fn look_in(&mut self, stream: &mut Stream) {
        let crowd = self.crowd;
        let share = crowd.curves.stretch.draw(stream) * crowd.appetite / 1000;
        let span = crowd.tempo.of(self.person.awake * share / 1000).min(self.person.awake);
        let mut at = self.wakes + stream.between(0, self.person.awake - span);
        let until = at + span;
        loop {
            let length = crowd.tempo.of(stream.between(MINUTE, 4 * MINUTE));
            if self.add(at, length, stream) == Place::Missing {
                return;
            }
            at = self.free_from + crowd.tempo.of(stream.between(20 * MINUTE, 90 * MINUTE));
            if until <= at {
                return;
            }
        }
    }

    /// The others come a number of times (in thousandths), mostly when people have time.
    fn come(&mut self, usual: i64, stream: &mut Stream) {
        let crowd = self.crowd;
        let awake = self.person.awake;
        let wanted = usual * crowd.curves.visits.draw(stream) / 1000 * crowd.appetite / 1000;
        // Who lives six times as slow comes a sixth as often; who lives fast does so in a sixth of the day.
        let wanted = wanted.min(wanted * 1000 / crowd.tempo.of(1000));
        let visits = ((wanted + stream.between(0, 999)) / 1000).clamp(1, MOST_VISITS) as usize;
        let span = crowd.tempo.of(awake).min(awake);
        let from = self.wakes + crowd.curves.rhythm.draw(stream) * (awake - span) / 1000;
        let mut starts = [0; MOST_VISITS as usize];
        for start in &mut starts[..visits] {
            *start = from + crowd.curves.rhythm.draw(stream) * span / 1000 + stream.between(0, span / 1000);
        }
        starts[..visits].sort_unstable();
        for start in &starts[..visits] {
            let at = (*start).max(self.free_from);
            let length = self.length(stream);
            if self.wakes + awake <= at || self.add(at, length, stream) == Place::Missing {
                return;
            }
            self.free_from += crowd.tempo.of(crowd.curves.absence.draw(stream));
        }
    }

    /// A bot runs by day and by night.
    fn run(&mut self, stream: &mut Stream) {
        let runs = (stream.between(1, 3) * self.crowd.appetite.min(4000) / 1000).max(1);
        let each = (self.limit - self.wakes) / runs;
        for run in 0..runs {
            let at = self.wakes + run * each + stream.between(0, each / 3);
            let length = self.crowd.tempo.of(stream.between(2 * HOUR, 4 * HOUR)).min(each / 2);
            if self.add(at, length, stream) == Place::Missing {
                return;
            }
        }
    }

    /// Draws how long a visit of this person lasts.
    fn length(&self, stream: &mut Stream) -> i64 {
        let crowd = self.crowd;
        match self.glance.habit {
            Habit::Music => crowd.tempo.of(stream.between(30 * SECOND, 2 * MINUTE)) + crowd.curves.playing.draw(stream),
            Habit::Stayer => crowd.tempo.of(stream.between(30 * MINUTE, 2 * HOUR)),
            Habit::Reader => reading_time(crowd, self.next_key()),
            Habit::Popper | Habit::Social | Habit::Bot => 0,
        }
    }

    fn next_key(&self) -> u64 {
        derive(self.key, self.plans.len() as u64)
    }

    /// Adds a visit, cut short where the person's day ends.
    fn add(&mut self, at: i64, length: i64, stream: &mut Stream) -> Place {
        if self.limit <= at {
            return Place::Missing;
        }
        let length = length.min(self.limit - at);
        let device = if 1 < self.person.devices && stream.per_mille(250) { 2 } else { 1 };
        let (user, habit) = (self.glance.user, self.glance.habit);
        self.plans.push(Plan { user, ordinal: 0, start: at, length, habit, device, key: self.next_key() });
        self.free_from = at + length;
        Place::Found
    }
}

/// Whether there was time left for a visit.
#[derive(PartialEq, Eq)]
enum Place {
    Found,
    Missing,
}
