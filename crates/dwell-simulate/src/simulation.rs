//! The stream: events in order of arrival, one minute at a time.
//!
//! People's days are planned just before they can begin, and a visit is lived through in the minute in which it
//! begins. Its events wait in the minute in which they will arrive. So only the visits of about two days and the
//! events on their way are held, and nothing about a person except how many visits they have had.

use std::collections::VecDeque;

use dwell_core::event::EventKind;
use dwell_core::time::{Span, Timestamp};

use crate::calibrate::calibrate;
use crate::crowd::{Crowd, DAY, MINUTE};
use crate::event::{SimulatedEvent, TrueVisit};
use crate::fault::{Fate, Road};
use crate::id::message_id;
use crate::name::Name;
use crate::plan::{Plan, earliest_start, plan_day};
use crate::recipe::{Recipe, RecipeProblem};
use crate::visit::{Moment, live_through};

/// Makes events as a recipe says.
#[derive(Debug)]
pub struct Simulation {
    crowd: Crowd,
    road: Road,
    users: u32,
    /// By how much everybody's eagerness to turn up is multiplied.
    eagerness: f64,
    from: i64,
    to: i64,
    /// The next day to plan; the last one is the day after the last.
    day: i32,
    slot_length: i64,
    /// When the first of the slots begins.
    now: i64,
    slots: VecDeque<Slot>,
    /// How many visits each person has had.
    ordinals: Vec<u32>,
    plans: Vec<Plan>,
    moments: Vec<Moment>,
    spare: Vec<Slot>,
}

/// What happens in one minute: visits that begin, events that arrive.
#[derive(Debug, Default)]
struct Slot {
    plans: Vec<Plan>,
    arrivals: Vec<Arrival>,
}

/// An event on its way, as small as it can be: millions may wait.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    received: i64,
    happened: i64,
    user: u32,
    ordinal: u32,
    event: u32,
    name: Name,
    track: Option<(u16, u16)>,
    kind: EventKind,
    device: u8,
}

/// At most so many emptied slots are kept for use again.
const MOST_SPARE_SLOTS: usize = 64;

impl Simulation {
    /// Begins, or says why the recipe cannot be followed. Finding out how to reach a wanted number of events takes up
    /// to a second.
    pub fn begin(recipe: &Recipe) -> Result<Self, RecipeProblem> {
        Simulation::in_slots_of(recipe, MINUTE)
    }

    fn in_slots_of(recipe: &Recipe, slot_length: i64) -> Result<Self, RecipeProblem> {
        recipe.check()?;
        let mut crowd = Crowd::of(recipe);
        // A millisecond that has begun before `from` is no longer there.
        let from = -(-recipe.from.as_micros()).div_euclid(1000);
        let to = from + i64::from(recipe.days) * DAY;
        let eagerness = calibrate(&mut crowd, recipe, (from, to))?;
        let users = recipe.users as u32;
        Ok(Simulation {
            now: from.div_euclid(slot_length) * slot_length,
            crowd,
            road: Road::new(recipe.seed, recipe.faults),
            users,
            eagerness,
            from,
            to,
            day: -1,
            slot_length,
            slots: VecDeque::new(),
            ordinals: vec![0; users as usize],
            plans: Vec::new(),
            moments: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Appends the events that arrive in the next minute in which anything happens, and the visits that begin in it.
    ///
    /// Says whether there was such a minute; when not, everything has been told. Events are in order of
    /// `received_at`, visits in order of `started_at`, from call to call as well.
    pub fn fill(&mut self, events: &mut Vec<SimulatedEvent>, visits: &mut Vec<TrueVisit>) -> bool {
        loop {
            self.plan_days_before(self.now + self.slot_length);
            let Some(mut slot) = self.slots.pop_front() else {
                if self.crowd.days < self.day {
                    return false;
                }
                self.now += self.slot_length;
                continue;
            };
            // Events of a visit may arrive in the minute in which it begins, which is the front again meanwhile.
            self.slots.push_front(self.spare.pop().unwrap_or_default());
            slot.plans.sort_unstable_by_key(|plan| (plan.start, plan.user));
            for plan in &slot.plans {
                visits.push(self.live(plan));
            }
            if let Some(mut arrived_at_once) = self.slots.pop_front() {
                slot.arrivals.append(&mut arrived_at_once.arrivals);
                self.keep(arrived_at_once);
            }
            slot.arrivals.sort_unstable_by_key(|arrival| {
                (arrival.received, arrival.user, arrival.ordinal, arrival.event, arrival.happened)
            });
            events.extend(slot.arrivals.iter().map(|arrival| self.tell(arrival)));
            self.now += self.slot_length;
            let anything = !(slot.plans.is_empty() && slot.arrivals.is_empty());
            self.keep(slot);
            if anything {
                return true;
            }
        }
    }

    /// Returns the events alone, in order of `received_at`.
    pub fn events(mut self) -> impl Iterator<Item = SimulatedEvent> {
        let (mut events, mut visits) = (Vec::new(), Vec::new());
        std::iter::from_fn(move || {
            events.clear();
            visits.clear();
            self.fill(&mut events, &mut visits).then(|| events.clone())
        })
        .flatten()
    }

    /// Returns the true visits alone, in order of `started_at`, those of which no event arrives among them.
    pub fn visits(mut self) -> impl Iterator<Item = TrueVisit> {
        let (mut events, mut visits) = (Vec::new(), Vec::new());
        std::iter::from_fn(move || {
            events.clear();
            visits.clear();
            self.fill(&mut events, &mut visits).then(|| visits.clone())
        })
        .flatten()
    }

    /// Plans all days that may begin before a moment.
    fn plan_days_before(&mut self, moment: i64) {
        while self.day <= self.crowd.days && earliest_start(&self.crowd, self.day) < moment {
            self.plan_everybodys_day();
            self.day += 1;
        }
    }

    fn plan_everybodys_day(&mut self) {
        let mut plans = std::mem::take(&mut self.plans);
        for user in 0..self.users {
            let glance = self.crowd.glance(user);
            let eagerness = self.crowd.eagerness(&glance, self.day) * self.eagerness;
            if eagerness <= 0.0 || eagerness < self.crowd.reluctance(&glance, self.day) {
                continue;
            }
            plans.clear();
            plan_day(&self.crowd, &glance, self.day, &mut plans);
            for plan in &plans {
                if self.from <= plan.start && plan.start < self.to {
                    self.await_visit(*plan);
                }
            }
        }
        self.plans = plans;
    }

    fn await_visit(&mut self, plan: Plan) {
        let ordinal = &mut self.ordinals[plan.user as usize];
        *ordinal += 1;
        let plan = Plan { ordinal: *ordinal, ..plan };
        self.slot_at(plan.start).plans.push(plan);
    }

    /// Lives through a visit and sends its events on their way.
    fn live(&mut self, plan: &Plan) -> TrueVisit {
        let mut moments = std::mem::take(&mut self.moments);
        moments.clear();
        let listening = live_through(&self.crowd, plan, &mut moments);
        let mut fates = Road::stream(plan.key);
        let mut events = 0;
        for (event, moment) in moments.iter().enumerate() {
            let Fate::Arrives { after, again } = self.road.fate(&mut fates) else { continue };
            let arrival = Arrival {
                received: moment.at + after,
                happened: moment.at,
                user: plan.user,
                ordinal: plan.ordinal,
                event: event as u32,
                name: moment.name,
                track: moment.track,
                kind: moment.kind,
                device: plan.device as u8,
            };
            events += 1;
            self.slot_at(arrival.received).arrivals.push(arrival);
            if let Some(again) = again {
                let received = arrival.received + again;
                self.slot_at(received).arrivals.push(Arrival { received, ..arrival });
            }
        }
        self.moments = moments;
        TrueVisit {
            user: u64::from(plan.user),
            ordinal: u64::from(plan.ordinal),
            started_at: timestamp(plan.start),
            ended_at: timestamp(plan.end()),
            listening: Span::from_micros(listening * 1000),
            events,
        }
    }

    fn slot_at(&mut self, at: i64) -> &mut Slot {
        assert!(self.now <= at, "the past is told already: {at} < {}", self.now);
        let place = ((at - self.now) / self.slot_length) as usize;
        while self.slots.len() <= place {
            self.slots.push_back(self.spare.pop().unwrap_or_default());
        }
        &mut self.slots[place]
    }

    fn keep(&mut self, mut slot: Slot) {
        if self.spare.len() < MOST_SPARE_SLOTS {
            slot.plans.clear();
            slot.arrivals.clear();
            self.spare.push(slot);
        }
    }

    fn tell(&self, arrival: &Arrival) -> SimulatedEvent {
        let glance = self.crowd.glance(arrival.user);
        let person = self.crowd.person(&glance);
        let device = u32::from(arrival.device);
        let skew = self.road.skew(arrival.user, device);
        let plays =
            matches!(arrival.kind, EventKind::PlayingStarted | EventKind::PlayingProgress | EventKind::PlayingStopped);
        SimulatedEvent {
            user: u64::from(arrival.user),
            happened_at: timestamp(arrival.happened),
            original: timestamp(arrival.happened + skew),
            sent_at: timestamp(arrival.received + skew),
            received_at: timestamp(arrival.received),
            kind: arrival.kind,
            name: arrival.name.text(),
            message_id: message_id(self.crowd.seed, arrival.user, arrival.ordinal, arrival.event),
            platform: person.platform(device),
            device,
            player: u32::from(plays),
            position: arrival.track.map(|(position, _)| u32::from(position)),
            total_length: arrival.track.map(|(_, length)| u32::from(length)),
            country: person.place.country,
            true_session: u64::from(arrival.ordinal),
        }
    }
}

const fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Faults;

    fn all(recipe: &Recipe, slot_length: i64) -> (Vec<SimulatedEvent>, Vec<TrueVisit>) {
        let mut simulation = Simulation::in_slots_of(recipe, slot_length).expect("a good recipe");
        let (mut events, mut visits) = (Vec::new(), Vec::new());
        while simulation.fill(&mut events, &mut visits) {}
        (events, visits)
    }

    #[test]
    fn a_longer_recipe_goes_on_from_a_shorter_one_and_people_go_on_to_come() {
        let faults = Faults { duplicated: 0.05, late: 0.05, ..Faults::NONE };
        let short = Recipe { users: 200, days: 6, joining_days: Some(6), faults, ..Recipe::default() };
        let long = Recipe { days: 400, ..short.clone() };
        let begin = |recipe: &Recipe| Simulation::begin(recipe).expect("a good recipe");
        let end = short.from.plus(Span::from_hours(24 * short.days));
        let visits: Vec<TrueVisit> = begin(&short).visits().collect();
        let prefix = begin(&long).visits().take_while(|visit| visit.started_at < end);
        assert!(100 < visits.len() && visits.iter().copied().eq(prefix), "the longer one begins otherwise");
        // A year on, as many come as on the days after everybody had come.
        let mut by_day = [0_usize; 400];
        for visit in begin(&long).visits() {
            by_day[(visit.started_at.since(short.from).whole_secs() / 86_400) as usize] += 1;
        }
        let (first, last): (usize, usize) = (by_day[6..34].iter().sum(), by_day[372..].iter().sum());
        assert!(first / 2 < last, "{first} visits in the first weeks, {last} in the last");
    }

    #[test]
    fn no_more_waits_after_years_than_in_the_first() {
        let faults = Faults { duplicated: 0.01, late: 0.01, ..Faults::NONE };
        let recipe = Recipe { users: 60, days: 1_500, joining_days: Some(6), faults, ..Recipe::default() };
        let mut simulation = Simulation::begin(&recipe).expect("a good recipe");
        let (mut events, mut visits, mut most) = (Vec::new(), Vec::new(), [0; 2]);
        while simulation.fill(&mut events, &mut visits) {
            events.clear();
            visits.clear();
            let waiting: usize = simulation.slots.iter().map(|slot| slot.plans.len() + slot.arrivals.len()).sum();
            let half = usize::from(750 < simulation.day);
            most[half] = most[half].max(waiting);
        }
        assert!(most[1] < most[0] * 3 / 2, "{most:?} wait");
    }

    #[test]
    fn the_length_of_a_slot_changes_nothing() {
        let faults = Faults { lost: 0.05, duplicated: 0.05, late: 0.05, very_late: 0.02, skewed_clocks: 0.2 };
        let recipe = Recipe { users: 300, days: 4, faults, ..Recipe::default() };
        let minutes = all(&recipe, MINUTE);
        assert!(1000 < minutes.0.len());
        for slot_length in [7_001, 13 * MINUTE, DAY, 100 * DAY] {
            let others = all(&recipe, slot_length);
            assert!(minutes == others, "slots of {slot_length} ms give other events");
        }
    }
}
