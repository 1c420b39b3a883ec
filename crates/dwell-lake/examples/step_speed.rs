//! Measures what each step on the way through a log costs, on one thread:
//! `cargo run --release -p dwell-lake --example step_speed -- FILE...`
//!
//! Says the CPU nanoseconds for an event: read alone; put aside by user; swept by a visitor who only counts; sessions;
//! the lab. What a visitor costs is its sweep less the one that only counts. Linux only.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use dwell_core::policy::Policy;
use dwell_core::time::Timestamp;
use dwell_lake::lab::LabSweep;
use dwell_lake::load::{Inputs, Loaded};
use dwell_lake::question::{LateEvents, Question};
use dwell_lake::read::Options;
use dwell_lake::sessionize::{NoRows, Sessionize, Tally};
use dwell_lake::sweep::{Events, User, Visitor};

/// Counts events, and looks at no moment.
struct Count(u64);

impl Visitor for Count {
    type Error = Infallible;

    fn user(&mut self, user: &User<'_>) {
        self.0 += match &user.events {
            Events::Actions(moments) => moments.len() as u64,
            Events::Known { events, .. } => events.len() as u64,
        };
    }

    fn end_stretch(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }
}

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let inputs =
        Inputs::open(&files, &Options { names_wanted: false, ..Options::default() }).expect("the files can be opened");
    let before = cpu_nanos();
    let (loaded, lies) = match inputs.as_it_lies() {
        Some(loaded) => (loaded, "read in order"),
        None => (load(&inputs), "read and put aside"),
    };
    let events = loaded.tally.events;
    let say = |what: &str, before: u64| {
        println!("{what:24} {:6.2} ns an event", (cpu_nanos() - before) as f64 / events as f64);
    };
    say(lies, before);
    let as_of = loaded.log.time_range().map_or(Timestamp::MIN, |(_, last)| Timestamp::from_micros(last));
    let policy = Policy::default();
    let question = Question::new("", &policy, &BTreeMap::new(), &inputs.names, as_of, LateEvents::LeftOut);
    let before = cpu_nanos();
    sweep(&loaded, Count(0));
    say("swept", before);
    let before = cpu_nanos();
    sweep(&loaded, Sessionize::new(&question, Tally::default(), NoRows));
    say("swept, sessions", before);
    let before = cpu_nanos();
    sweep(&loaded, LabSweep::new(&question, LabSweep::empty_lab(&[2, 3, 5, 10])));
    say("swept, lab", before);
}

fn load(inputs: &Inputs) -> Loaded<'_> {
    let mut sink = |_| ControlFlow::Continue(());
    inputs.load(1, u64::MAX, &mut sink, &|_| ()).expect("the files can be read")
}

fn sweep<V: Visitor>(loaded: &Loaded<'_>, visitor: V) -> V {
    let swept = loaded.log.sweep(vec![visitor], &|_| ());
    let visitor = swept.ok().and_then(|mut all| all.pop());
    visitor.expect("the log can be swept")
}

/// Returns how long all threads of this program have been on a core: user and system time.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux says so");
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    ticks * 10_000_000
}
