//! The demo: its page, its tests, and all that `dwell demo` shows, built and run with one command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{install, packages};
use crate::{Done, cargo, dashboard, root, run, sdk, target};

/// Builds everything that is to be seen, as far as Node is there, and runs the demo with these flags.
pub fn start(flags: &[String]) -> Done {
    match why_no_pages() {
        None => {
            dashboard::files()?;
            build()?;
        }
        Some(why) => println!(
            "{why}, so its page and the dashboard cannot be built: unless they were before, the demo has the API alone.\n\
             To see them, install Node {OLDEST_NODE} or later with npm (https://nodejs.org/en/download), and run this again."
        ),
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

/// The oldest Node that builds the pages: as Vite, which builds the dashboard, says of itself.
const OLDEST_NODE: &str = "20.19";

/// Says why the pages cannot be built on this machine; `None` where they can.
fn why_no_pages() -> Option<String> {
    let asked = |program: &str| {
        let answer = Command::new(program).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    };
    let Some(node) = asked("node") else { return Some("Node is not here".to_owned()) };
    if !is_new_enough(&node) {
        return Some(format!("Node is here as {node}, which is too old"));
    }
    asked("npm").is_none().then(|| "npm is not here".to_owned())
}

/// Says whether a version like `v20.20.2` is [`OLDEST_NODE`] or later.
fn is_new_enough(version: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split('.').take(2).map_while(|part| part.parse().ok()).collect() };
    numbers(OLDEST_NODE) <= numbers(version.trim_start_matches('v'))
}

/// Builds the page and a binary with it, and uses it in a browser.
pub fn test() -> Done {
    build()?;
    in_browser()
}

/// Uses the page in a browser.
pub fn in_browser() -> Done {
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

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn a_node_that_is_too_old_is_known() {
        for (version, is_new) in [
            ("v20.19.0", true),
            ("v20.18.3", false),
            ("v18.20.1", false),
            ("v22.1.0", true),
            ("v9.30.0", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), is_new, "{version}");
        }
    }
}
