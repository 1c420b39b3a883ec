//! The demo: its page, its tests, and all that `dwell demo` shows, built and run with one command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{install, packages};
use crate::{Done, cargo, dashboard, root, run, sdk, target};

/// Builds everything that is to be seen, as far as Node is there, and runs the demo with these flags.
pub fn start(flags: &[String]) -> Done {
    if Command::new("node").arg("--version").output().is_ok() {
        dashboard::files()?;
        build()?;
    } else {
        println!("Node is not here: the demo runs without its page and without the dashboard");
    }
    cargo(&["build", "--release", "--package", "dwell"])?;
    run(Command::new(target().join("release/dwell")).arg("demo").args(flags))
}

/// Builds the page of the demo into `web/demo/dist`, whence the next `cargo build` takes it, and tests what needs no browser.
pub fn build() -> Done {
    let folder = folder();
    install(&[("node", "nodejs"), ("npm", "npm")])?;
    sdk::build()?;
    packages(&folder)?;
    for script in ["check", "build", "test"] {
        npm(&folder, script)?;
    }
    Ok(())
}

/// Builds the page and a binary with it, and uses it in a browser.
pub fn test() -> Done {
    build()?;
    install(&[("chromium", "chromium")])?;
    cargo(&["build", "--release", "--package", "dwell"])?;
    run(Command::new("npm").args(["run", "browser"]).current_dir(folder()).env("DWELL", target().join("release/dwell")))
}

fn folder() -> PathBuf {
    root().join("web/demo")
}

fn npm(folder: &Path, script: &str) -> Done {
    run(Command::new("npm").args(["run", script]).current_dir(folder))
}
