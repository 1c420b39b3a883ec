//! What stands in `deploy/` and what is told to the outside, tried by the programs that it is for.

use std::process::Command;

use crate::clients::install;
use crate::{Done, root, run, target, venv};

/// Has traces read by OpenTelemetry's own messages; and has Prometheus load the alert rules, test them, and watch a running Dwell with
/// them and with the questions of the board.
///
/// Where there is no Prometheus, it says so and passes, but in CI: Debian's package starts a service of its own, which nobody wants on
/// the machine on which they work.
pub fn watched() -> Done {
    let folder = root().join("tests/deploy");
    let dwell = target().join("release/dwell");
    let python = venv("deploy", &folder.join("requirements.txt"))?;
    run(Command::new(&python).arg(folder.join("traces.py")).arg("--dwell").arg(&dwell))?;
    let missing = Command::new("promtool").arg("--version").output().is_err();
    if missing && std::env::var_os("CI").is_none() {
        println!(
            "there is no Prometheus here, so alert rules and board were NOT tried; CI does it, and so does this once \
             Debian's package `prometheus` is installed"
        );
        return Ok(());
    }
    install(&[("promtool", "prometheus")])?;
    let promtool = |args: [&str; 2], path: &str| run(Command::new("promtool").args(args).arg(root().join(path)));
    promtool(["check", "config"], "deploy/prometheus.yml")?;
    promtool(["test", "rules"], "tests/deploy/alerts.test.yml")?;
    run(Command::new(&python).arg(folder.join("watched.py")).arg("--dwell").arg(&dwell))
}
