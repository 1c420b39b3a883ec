//! The dashboard: its types, its messages, its tests, its size, its files, and a real browser against a running Dwell.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{install, packages};
use crate::{Done, cargo, demo, root, run, sdk, target, venv};

/// Builds the dashboard into `web/dashboard/dist`, whence the next `cargo build` takes it.
pub fn files() -> Done {
    let folder = folder();
    install(&[("node", "nodejs"), ("npm", "npm")])?;
    packages(&folder)?;
    for script in ["messages", "build"] {
        npm(&folder, script)?;
    }
    Ok(())
}

/// Builds the dashboard, and tests of it what needs no browser.
pub fn build() -> Done {
    files()?;
    let folder = folder();
    fresh_types(&folder)?;
    for script in ["check", "build", "test"] {
        npm(&folder, script)?;
    }
    Ok(())
}

/// Builds the dashboard and a binary with it, and looks at every screen in a browser.
pub fn test() -> Done {
    build()?;
    in_browser("browser")
}

/// Loads many sessions, and measures how fast the screens are.
pub fn bench(flags: &[String]) -> Done {
    build()?;
    install(&[("chromium", "chromium")])?;
    cargo(&["build", "--release", "--package", "dwell"])?;
    run(Command::new("npm")
        .args(["run", "bench", "--"])
        .args(flags)
        .current_dir(folder())
        .env("DWELL", target().join("release/dwell")))
}

/// Makes the pictures of the guides anew: every screen and the page of the demo, in both languages.
pub fn pictures() -> Done {
    build()?;
    demo::build()?;
    in_browser("pictures")
}

/// Runs a script that looks at the screens of a running Dwell: with visitors who have the SDK, and beside SQL.
pub fn in_browser(script: &str) -> Done {
    install(&[("chromium", "chromium")])?;
    sdk::build()?;
    let python = venv("oracle", &root().join("tests/oracle/requirements.txt"))?;
    cargo(&["build", "--release", "--package", "dwell"])?;
    run(Command::new("npm")
        .args(["run", script])
        .current_dir(folder())
        .env("DWELL", target().join("release/dwell"))
        .env("PYTHON", python))
}

/// Makes the types of answers from `openapi.json`, and fails where they are others than those in the repository.
fn fresh_types(folder: &Path) -> Done {
    let types = folder.join("src/api/types.ts");
    let before = std::fs::read_to_string(&types).map_err(|error| error.to_string())?;
    npm(folder, "types")?;
    let after = std::fs::read_to_string(&types).map_err(|error| error.to_string())?;
    if before == after {
        return Ok(());
    }
    Err(format!("{} was not made from this openapi.json. It has been made anew: commit it", types.display()))
}

fn folder() -> PathBuf {
    root().join("web/dashboard")
}

fn npm(folder: &Path, script: &str) -> Done {
    run(Command::new("npm").args(["run", script]).current_dir(folder))
}
