//! The published SDKs against a running Dwell, set-up included.

use std::path::Path;
use std::process::Command;

use crate::{Done, root, run, target, venv};

/// Has every SDK tell its stories, and fails where Dwell knows them otherwise.
pub fn run_all() -> Done {
    let folder = root().join("tests/clients");
    let python = venv("clients", &folder.join("requirements.txt"))?;
    install(&[("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium")])?;
    packages(&folder)?;
    run(Command::new(python).arg(folder.join("clients.py")).arg("--dwell").arg(target().join("release/dwell")))
}

/// Sees to it that programs are there, each from its package of Debian where it is not.
pub(crate) fn install(programs: &[(&str, &'static str)]) -> Done {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| Command::new(program).arg("--version").output().is_err())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get").args(["install", "-y", "--no-install-recommends"]).args(&missing))
        .map_err(|error| format!("{} must be installed to run the SDKs: {error}", missing.join(", ")))
}

/// Installs the packages of the lock file, unless they are there already.
pub(crate) fn packages(folder: &Path) -> Done {
    let wanted = std::fs::read_to_string(folder.join("package-lock.json")).map_err(|error| error.to_string())?;
    let stamp = folder.join("node_modules/installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder))?;
    std::fs::write(&stamp, wanted).map_err(|error| error.to_string())
}
