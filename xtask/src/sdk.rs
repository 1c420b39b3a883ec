//! The web SDK: its types, its tests, its size, and real browsers against a running Dwell, set-up included.

use std::path::Path;
use std::process::Command;

use crate::clients::{install, packages};
use crate::{Done, root, run, target};

/// Builds the SDK and fails where it is not what it should be.
pub fn run_all() -> Done {
    let folder = root().join("web/sdk");
    install(&[("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium"), ("firefox-esr", "firefox-esr")])?;
    packages(&folder)?;
    npm(&folder, "build")?;
    npm(&folder, "test")?;
    let dwell = target().join("release/dwell");
    for browser in ["chromium", "firefox"] {
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
