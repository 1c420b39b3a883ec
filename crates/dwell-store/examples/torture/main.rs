//! Takes a log and its books, breaks the machine under them, and counts what is missing.
//!
//! ```text
//! cargo run --release -p dwell-store --example torture -- kill  [--cycles 1000]   kill -9 under load
//! cargo run --release -p dwell-store --example torture -- power [--cycles 300]    power cuts of a real file system
//! cargo run --release -p dwell-store --example torture -- full                    a real file system without room
//! cargo run --release -p dwell-store --example torture -- inject [--calls 60]     each system call fails, or is the last one
//! cargo run --release -p dwell-store --example torture -- flips [--bytes 65536]   every bit of a segment, turned round
//! ```
//!
//! `power` and `full` need root, loop devices and ext4, `inject` needs strace, and they say so if they have not got them (exit code 3). Built with one of the
//! `bad-*` features, a command that finds nothing wrong has failed.

mod check;
mod child;
mod flips;
mod full;
mod inject;
mod kill;
mod power;

use std::path::PathBuf;
use std::process::ExitCode;

/// What ends a command early.
pub enum Stop {
    /// Something was lost, doubled or misread.
    Violation(String),
    /// The machine cannot do this.
    Unable(String),
    /// Something else went wrong.
    Broken(String),
}

impl Stop {
    /// Names what was tried when the system refused.
    pub fn broken(what: &str) -> impl FnOnce(std::io::Error) -> Stop {
        let what = what.to_owned();
        move |error| Stop::Broken(format!("{what}: {error}"))
    }
}

/// Numbers that look random, the same each time.
pub struct Dice(pub u64);

impl Dice {
    /// A number under the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str, otherwise: u64| {
        let at = args.iter().position(|arg| arg == flag);
        at.and_then(|at| args.get(at + 1)).and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    };
    let folder = std::env::temp_dir().join(format!("dwell-torture-{}", std::process::id()));
    let done = match args.first().map(String::as_str) {
        Some("kill") => kill::run(&folder, number("--cycles", 20), number("--seed", 1)),
        Some("power") => power::run(&folder, number("--cycles", 20), number("--seed", 1)),
        Some("full") => full::run(&folder),
        Some("inject") => inject::run(&folder, number("--calls", 4)),
        Some("flips") => flips::run(number("--bytes", 4_096) as usize),
        Some("child") => match args.get(1) {
            Some(folder) => child::run(&PathBuf::from(folder), number("--from", 0), number("--for", 0)),
            None => Err(Stop::Broken("child needs a folder".into())),
        },
        _ => {
            eprintln!("torture kill|power|full|inject|flips [--cycles N] [--calls N] [--seed N] [--bytes N]");
            return ExitCode::from(2);
        }
    };
    drop(std::fs::remove_dir_all(&folder));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Violation(what)) => {
            println!("VIOLATION: {what}");
            ExitCode::FAILURE
        }
        Err(Stop::Unable(why)) => {
            println!("not run: {why}");
            ExitCode::from(3)
        }
        Err(Stop::Broken(what)) => {
            eprintln!("torture: {what}");
            ExitCode::from(4)
        }
    }
}
