//! Says which timeout finds the true visits best, for every population and tempo.

use dwell_simulate::{Population, Recipe, Simulation, Tempo, boundaries_of_timeouts};

#[path = "../tests/silences/mod.rs"]
mod silences;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("population     tempo  best timeout      F1   F1 at 30 min  precision  recall");
    for population in Population::ALL {
        for tempo in Tempo::ALL {
            let users = if population == Population::Bots { 20 } else { 800 };
            let recipe = Recipe { population, tempo, users, ..Recipe::default() };
            let all = boundaries_of_timeouts(silences::gaps(Simulation::begin(&recipe)?).into_iter(), 86_400);
            let best = (0..all.len()).max_by(|one, other| all[*one].f1().total_cmp(&all[*other].f1())).unwrap_or(0);
            let at_30 = all[1799];
            println!(
                "{:14} {:5} {:>9} s {:>11.4} {:>14.4} {:>10.4} {:>7.4}",
                population.word(),
                tempo.word(),
                best + 1,
                all[best].f1(),
                at_30.f1(),
                at_30.precision(),
                at_30.recall()
            );
        }
    }
    Ok(())
}
