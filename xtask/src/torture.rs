//! The log and the books, and what can happen to the machine under them.

use crate::{Done, cargo, cargo_command, run};

/// The features of `dwell-store` that make it wrong, and the test that must notice.
const BAD_BUILDS: [(&str, &str); 8] = [
    ("bad-no-fsync", "simulation"),
    ("bad-ack-early", "simulation"),
    ("bad-no-dir-fsync", "simulation"),
    ("bad-retry-fsync", "simulation"),
    ("bad-no-rollback", "simulation"),
    ("bad-half-append", "simulation"),
    ("bad-no-sync-on-open", "simulation"),
    ("bad-cut-middle", "recovery"),
];

/// The exit code of an example that says why it cannot run here.
const NOT_RUN: i32 = 3;

/// What every change goes through.
pub fn short() -> Done {
    example(&["kill", "--cycles", "20"])?;
    example(&["power", "--cycles", "20"])?;
    example(&["full"])?;
    example(&["inject"])?;
    example(&["flips"])?;
    bad_builds()
}

/// What takes longer.
pub fn long() -> Done {
    let simulation = ["test", "--release", "--package", "dwell-store", "--test", "simulation", "--", "--nocapture"];
    run(cargo_command().args(simulation).env("DWELL_CYCLES", "200000"))?;
    bad_builds()?;
    example(&["full"])?;
    example(&["inject", "--calls", "60"])?;
    example(&["flips", "--bytes", "32768"])?;
    example(&["kill", "--cycles", "1000"])?;
    example(&["power", "--cycles", "300"])
}

/// Runs the tests on builds that are wrong on purpose. The tests know, and fail if nothing was noticed.
pub fn bad_builds() -> Done {
    for (feature, test) in BAD_BUILDS {
        // Of the other tests most would fail, too, and say nothing new.
        let filter = match test {
            "simulation" => "nothing_acknowledged",
            _ => "what_a_seal_proves",
        };
        let args =
            ["test", "--package", "dwell-store", "--features", feature, "--test", test, "--", "--nocapture", filter];
        cargo(&args)?;
    }
    Ok(())
}

fn example(args: &[&str]) -> Done {
    let mut command = cargo_command();
    command.args(["run", "--release", "--package", "dwell-store", "--example", "torture", "--"]).args(args);
    println!("> {command:?}");
    let status = command.status().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    if status.success() || status.code() == Some(NOT_RUN) {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}
