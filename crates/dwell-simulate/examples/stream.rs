//! Streams a population and says what came: `stream [population] [events] [users] [days] [tempo]`.
//!
//! Measure it from outside, since nothing here knows a clock: `/usr/bin/time -v target/release/examples/stream`.

use std::collections::BTreeMap;

use dwell_simulate::{Faults, Population, Recipe, Simulation, Tempo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, usual: u64| arguments.get(place).map_or(Ok(usual), |text| text.parse());
    let population = arguments.first().map_or(Some(Population::Mixed), |word| Population::from_word(word));
    let tempo = arguments.get(4).map_or(Some(Tempo::Base), |word| Tempo::from_word(word));
    let events = number(1, 100_000_000)?;
    let recipe = Recipe {
        users: number(2, 2_000_000)?,
        days: u32::try_from(number(3, 60)?)?,
        population: population.ok_or("no such population")?,
        tempo: tempo.ok_or("no such tempo")?,
        events: (events != 0).then_some(events),
        faults: Faults { lost: 0.01, duplicated: 0.01, late: 0.02, very_late: 0.0, skewed_clocks: 0.05 },
        ..Recipe::default()
    };
    let mut simulation = Simulation::begin(&recipe)?;
    let (mut events, mut visits) = (Vec::new(), Vec::new());
    let (mut event_count, mut visit_count, mut digest) = (0_u64, 0_u64, 0_u128);
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = vec![false; usize::try_from(recipe.users)?];
    while simulation.fill(&mut events, &mut visits) {
        for event in &events {
            digest = digest.rotate_left(1) ^ event.message_id ^ event.received_at.as_micros() as u128;
            seen[event.user as usize] = true;
            *kinds.entry(event.kind.word()).or_default() += 1;
        }
        event_count += events.len() as u64;
        visit_count += visits.len() as u64;
        events.clear();
        visits.clear();
    }
    let users = seen.iter().filter(|seen| **seen).count();
    println!("events {event_count}, visits {visit_count}, users {users}, digest {digest:032x}");
    println!("{kinds:?}");
    Ok(())
}
