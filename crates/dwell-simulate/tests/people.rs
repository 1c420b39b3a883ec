//! Every population does what is said of it.

mod reader;

use std::collections::BTreeMap;

use dwell_core::event::EventKind;
use dwell_core::time::{Span, Timestamp};
use dwell_simulate::{Population, Recipe, SimulatedEvent, Simulation, Tempo, TrueVisit, Zones};

const DAY: i64 = 86_400_000_000;

struct Lives {
    recipe: Recipe,
    visits: Vec<TrueVisit>,
    /// Events by person and visit, in their order.
    events: BTreeMap<(u64, u64), Vec<SimulatedEvent>>,
}

impl Lives {
    fn of(population: Population, tempo: Tempo) -> Self {
        let users = if population == Population::Bots { 20 } else { 400 };
        Lives::made(Recipe { population, tempo, users, ..Recipe::default() })
    }

    fn made(recipe: Recipe) -> Self {
        let mut simulation = Simulation::begin(&recipe).expect("a good recipe");
        let (mut all, mut visits) = (Vec::new(), Vec::new());
        while simulation.fill(&mut all, &mut visits) {}
        let mut events: BTreeMap<(u64, u64), Vec<SimulatedEvent>> = BTreeMap::new();
        for event in reader::by_user(all).into_values().flatten() {
            events.entry((event.user, event.true_session)).or_default().push(event);
        }
        Lives { recipe, visits, events }
    }

    fn lengths(&self) -> Vec<i64> {
        sorted(self.visits.iter().map(|visit| visit.ended_at.since(visit.started_at).as_micros()))
    }

    /// Silences inside visits.
    fn silences(&self) -> Vec<i64> {
        let apart = |pair: &[SimulatedEvent]| pair[1].happened_at.since(pair[0].happened_at).as_micros();
        sorted(self.events.values().flat_map(|events| events.windows(2).map(apart).collect::<Vec<_>>()))
    }

    /// Absences between visits, those over a night left out.
    fn absences(&self) -> Vec<i64> {
        let mut last: BTreeMap<u64, Timestamp> = BTreeMap::new();
        let mut absences = Vec::new();
        for visit in &self.visits {
            if let Some(left) = last.insert(visit.user, visit.ended_at) {
                absences.push(visit.started_at.since(left).as_micros());
            }
        }
        sorted(absences.into_iter().filter(|absence| *absence < minutes(300)))
    }

    /// Share of visits that begin between two hours of London's clock.
    fn share_between(&self, from: i64, to: i64) -> f64 {
        let hour = |visit: &TrueVisit| visit.started_at.as_micros().rem_euclid(DAY) / (DAY / 24);
        let inside = self.visits.iter().filter(|visit| from <= hour(visit) && hour(visit) < to).count();
        inside as f64 / self.visits.len() as f64
    }
}

fn sorted(values: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut values: Vec<i64> = values.into_iter().collect();
    values.sort_unstable();
    values
}

fn minutes(minutes: i64) -> i64 {
    minutes * 60_000_000
}

fn share_below(sorted: &[i64], bound: i64) -> f64 {
    sorted.partition_point(|value| *value < bound) as f64 / sorted.len() as f64
}

fn assert_within(values: &[i64], least: i64, most: i64) {
    let (first, last) = (values[0], values[values.len() - 1]);
    assert!(least <= first && last <= most, "from {first} to {last} us, not within {least} to {most}");
}

#[test]
fn social_people_look_in_for_minutes_and_again_within_the_hour_and_a_half() {
    let lives = Lives::of(Population::Social, Tempo::Base);
    assert_within(&lives.lengths(), minutes(1), minutes(4));
    assert_within(&lives.silences(), 0, 20_000_000);
    let absences = lives.absences();
    assert!(minutes(20) <= absences[0]);
    assert!(0.97 < share_below(&absences, minutes(90) + 1), "{}", share_below(&absences, minutes(90) + 1));
}

#[test]
fn listeners_look_for_two_minutes_and_listen_for_hours() {
    let lives = Lives::of(Population::Music, Tempo::Base);
    let lengths = lives.lengths();
    assert_within(&lengths, minutes(1), minutes(243));
    assert!(share_below(&lengths, minutes(20)) < 0.05);
    let mut silent_ends = 0;
    for visit in &lives.visits {
        let events = &lives.events[&(visit.user, visit.ordinal)];
        let started = events.iter().find(|event| event.kind == EventKind::PlayingStarted).expect("something plays");
        assert!(started.happened_at.since(visit.started_at) <= Span::from_minutes(2));
        let playing = visit.ended_at.since(started.happened_at).as_micros();
        assert!((0..=70_000_000).contains(&(playing - visit.listening.as_micros())), "{visit:?}");
        silent_ends += usize::from(events.iter().all(|event| event.kind != EventKind::PlayingStopped));
    }
    let silent = silent_ends as f64 / lives.visits.len() as f64;
    assert!((0.35..0.45).contains(&silent), "{silent}");
    let all = || lives.events.values().flatten();
    assert!(
        all().any(|event| event.kind == EventKind::Foregrounded && event.happened_at != lives.visits[0].started_at)
    );
    for event in all().filter(|event| event.total_length.is_some()) {
        assert!(event.position < event.total_length && event.player == 1);
    }
    let lengths = sorted(all().filter_map(|event| event.total_length).map(i64::from));
    assert!(
        0.9 < share_below(&lengths, 241) && 240 < lengths[lengths.len() - 1],
        "tracks mostly, and some long pieces"
    );
}

#[test]
fn poppers_do_one_thing() {
    let lives = Lives::of(Population::Poppers, Tempo::Base);
    assert!(lives.events.values().all(|events| events.len() == 1 && events[0].kind == EventKind::Action));
    let days = lives.visits.iter().map(|visit| (visit.user, visit.started_at.as_micros() / DAY));
    let days: std::collections::BTreeSet<_> = days.collect();
    let a_day = lives.visits.len() as f64 / days.len() as f64;
    assert!((2.0..5.0).contains(&a_day), "{a_day}");
}

#[test]
fn stayers_stay_and_fall_silent() {
    let lives = Lives::of(Population::Stayers, Tempo::Base);
    let lengths = lives.lengths();
    assert!(share_below(&lengths, minutes(30)) < 0.03);
    assert_within(&lengths, 0, minutes(120));
    let long = |events: &&Vec<SimulatedEvent>| {
        events.windows(2).any(|pair| minutes(10) <= pair[1].happened_at.since(pair[0].happened_at).as_micros())
    };
    let with_silence = lives.events.values().filter(long).count() as f64 / lives.events.len() as f64;
    assert!((0.3..0.8).contains(&with_silence), "{with_silence}");
    assert_within(&lives.silences(), 0, minutes(20));
}

#[test]
fn readers_read_five_to_twenty_pages() {
    let lives = Lives::of(Population::Readers, Tempo::Base);
    let pages = sorted(lives.events.values().map(|events| events.len() as i64));
    assert!(share_below(&pages, 5) < 0.02 && pages[pages.len() - 1] == 20);
    assert_within(&lives.silences(), 30_000_000, minutes(8));
    assert_within(&lives.absences(), minutes(6), minutes(300));
    assert!(lives.events.values().flatten().all(|event| event.kind == EventKind::Page));
}

#[test]
fn bots_know_no_night_and_never_hesitate() {
    let lives = Lives::of(Population::Bots, Tempo::Base);
    for events in lives.events.values() {
        let apart: std::collections::BTreeSet<i64> =
            events.windows(2).map(|pair| pair[1].happened_at.since(pair[0].happened_at).as_micros()).collect();
        assert!(apart.len() <= 1, "{apart:?}");
    }
    assert_within(&lives.silences(), 3_000_000, 8_000_000);
    assert!(minutes(55) <= lives.lengths()[lives.visits.len() / 10]);
    for quarter in 0..4 {
        assert!(0.1 < lives.share_between(quarter * 6, quarter * 6 + 6));
    }
}

#[test]
fn one_of_a_hundred_of_the_mixed_is_a_bot_and_makes_a_hundred_times_the_events() {
    let lives = Lives::made(Recipe { users: 8000, days: 7, ..Recipe::default() });
    let mut of_user: BTreeMap<u64, usize> = BTreeMap::new();
    let mut bots = std::collections::BTreeSet::new();
    for ((user, _), events) in &lives.events {
        *of_user.entry(*user).or_default() += events.len();
        if 300 < events.len() && events.iter().all(|event| event.kind == EventKind::Page) {
            bots.insert(*user);
        }
    }
    let share = bots.len() as f64 / of_user.len() as f64;
    assert!((0.007..0.013).contains(&share), "{share}");
    let mean = |bot: bool| {
        let counts: Vec<usize> =
            of_user.iter().filter(|(user, _)| bots.contains(user) == bot).map(|(_, count)| *count).collect();
        counts.iter().sum::<usize>() as f64 / counts.len() as f64
    };
    let times = mean(true) / mean(false);
    assert!((60.0..150.0).contains(&times), "{times}");
    let mut visits_of: BTreeMap<u64, i64> = BTreeMap::new();
    for visit in &lives.visits {
        *visits_of.entry(visit.user).or_default() += 1;
    }
    let visits = sorted(visits_of.into_values());
    let (median, top) = (visits[visits.len() / 2], visits[visits.len() - visits.len() / 100]);
    assert!(6 * median < top, "heavy tail: {median} and {top}");
}

#[test]
fn people_sleep_and_night_workers_sleep_when_it_is_day() {
    let in_london =
        |population| Lives::made(Recipe { population, users: 1500, zones: Zones::Utc, ..Recipe::default() });
    let by_day = in_london(Population::Readers);
    assert!(by_day.share_between(1, 5) < 0.01, "{}", by_day.share_between(1, 5));
    assert!(0.25 < by_day.share_between(17, 22));
    let by_night = in_london(Population::NightWorkers);
    assert!(by_night.share_between(13, 17) < 0.01, "{}", by_night.share_between(13, 17));
    assert!(0.2 < by_night.share_between(0, 6), "{}", by_night.share_between(0, 6));
}

#[test]
fn five_zones_each_sleep_at_their_own_time() {
    let lives = Lives::made(Recipe { population: Population::Readers, users: 4000, ..Recipe::default() });
    let mut hours: BTreeMap<&str, [u32; 24]> = BTreeMap::new();
    let mut events: BTreeMap<&str, u32> = BTreeMap::new();
    for event in lives.events.values().map(|events| events[0]) {
        hours.entry(event.country).or_default()
            [(event.happened_at.as_micros().rem_euclid(DAY) / (DAY / 24)) as usize] += 1;
        *events.entry(event.country).or_default() += 1;
    }
    assert_eq!(events.len(), 4);
    // From one to five at night in Seoul it is 16 to 20 o'clock in London.
    for (country, quiet) in [("GB", 1..5), ("KR", 16..20), ("DE", 0..4), ("US", 10..11)] {
        let there: u32 = hours[country][quiet].iter().sum();
        assert!(f64::from(there) < f64::from(events[country]) * 0.01, "{country}: {there}");
    }
}

#[test]
fn newcomers_join_all_the_time() {
    let lives = Lives::made(Recipe { users: 3000, days: 30, ..Recipe::default() });
    let mut first: BTreeMap<u64, i64> = BTreeMap::new();
    for visit in &lives.visits {
        let day = visit.started_at.since(lives.recipe.from).as_micros() / DAY;
        first.entry(visit.user).or_insert(day);
    }
    for third in 0..3 {
        let joined = first.values().filter(|day| *day / 10 == third).count() as f64 / first.len() as f64;
        assert!((0.2..0.45).contains(&joined), "{third}: {joined}");
    }
}

#[test]
fn a_week_has_days_for_work_and_days_for_play() {
    let on = |population, weekend: bool| {
        let lives = Lives::made(Recipe { population, users: 2000, days: 28, zones: Zones::Utc, ..Recipe::default() });
        let day = |visit: &&TrueVisit| (visit.started_at.as_micros() / DAY + 3) % 7;
        let visits = lives.visits.iter().filter(|visit| (5 <= day(visit)) == weekend).count();
        visits as f64 / if weekend { 2.0 } else { 5.0 }
    };
    assert!(on(Population::Readers, true) < on(Population::Readers, false) * 0.85);
    assert!(on(Population::Poppers, false) * 1.05 < on(Population::Poppers, true));
}
