//! The web SDK: its types, its tests, its size, and real browsers against a running Dwell, set-up included.

use std::path::Path;
use std::process::Command;

use crate::clients::{install, packages};
use crate::{Done, root, run, target};

/// Builds the SDK into `web/sdk/dist`.
pub fn build() -> Done {
    let folder = root().join("web/sdk");
    install(&[("node", "nodejs"), ("npm", "npm")])?;
    packages(&folder)?;
    npm(&folder, "build")
}

/// Builds the SDK, runs its tests, and runs it in the browsers `chromium` and `firefox`, as far as they are named.
pub fn run_in(browsers: &[&str]) -> Done {
    let folder = root().join("web/sdk");
    install(&[("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium")])?;
    if browsers.contains(&"firefox") {
        install(&[("firefox-esr", "firefox-esr")])?;
    }
    build()?;
    npm(&folder, "test")?;
    let dwell = target().join("release/dwell");
    for browser in browsers {
        run(Command::new("npm")
            .args(["run", "browsers"])
            .current_dir(&folder)
            .env("DWELL", &dwell)
            .env("BROWSER", browser))?;
    }
    Ok(())
}

fn npm(folder: &Path, script: &str) -> Done {
    run(Command::new("npm").args(["run", script]).current_dir(folder))
}
