//! Where the apps and keys are that a command is about.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use dwell_core::time::Timestamp;
use dwell_keys::access::{Role, Scope};
use dwell_keys::app::App;
use dwell_keys::key::{Key, KeyText};
use dwell_keys::registry::Registry;
use rustix::process::{Uid, geteuid};
use serde_json::{Value, json};

use crate::config::{self, Config, Overrides};

/// Which data folder.
#[derive(Args, Debug)]
pub struct DataArgs {
    /// The data folder [default: server.data of the configuration]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration, for its data folder [default: DWELL_CONFIG, else dwell.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Everything on standard output, as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which app of which data folder.
#[derive(Args, Debug)]
pub struct Which {
    /// Name or id of the app
    #[arg(long, value_name = "APP")]
    pub app: String,
    #[command(flatten)]
    pub data: DataArgs,
}

impl Which {
    /// Returns the app, and the data folder, which is there.
    pub fn open(&self) -> anyhow::Result<(Arc<App>, PathBuf)> {
        let registry = self.data.open()?;
        Ok((registry.app(&self.app)?.clone(), registry.folder().to_owned()))
    }
}

impl DataArgs {
    /// Opens the apps and keys of a folder that is there.
    pub fn open(&self) -> anyhow::Result<Registry> {
        let folder = self.folder()?;
        if !folder.is_dir() {
            bail!(
                "there is no data folder {}: add an app with `dwell apps add`, or name another with --data",
                folder.display()
            );
        }
        Ok(Registry::open(&folder)?)
    }

    /// Opens the apps and keys of a folder, which is made if it is not there.
    pub fn make(&self) -> anyhow::Result<Registry> {
        Ok(Registry::make(&self.folder()?)?)
    }

    /// Returns the configuration, with the data folder that was named.
    pub fn config(&self) -> anyhow::Result<Config> {
        let overrides = Overrides { data: self.data.clone(), ..Overrides::default() };
        let raw = config::written(self.config.as_deref(), &overrides)?;
        let config = Config::meant(&raw)?;
        refuse_strangers(&config.server.data, geteuid())?;
        Ok(config)
    }

    /// Returns the data folder that is meant.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        Ok(self.config()?.server.data)
    }
}

/// Refuses root, where the folder is somebody else's: root may write there, and the server could not read what it wrote.
fn refuse_strangers(folder: &Path, asks: Uid) -> anyhow::Result<()> {
    let owner = folder.metadata().map_or(asks.as_raw(), |known| known.uid());
    if asks.is_root() && owner != asks.as_raw() {
        bail!(
            "the data folder {} belongs to the user with the number {owner}, who could not read what root writes there: run this as \
             them, like `runuser -u dwell -- dwell ...`",
            folder.display()
        );
    }
    Ok(())
}

/// Writes a moment in full, for machines.
#[must_use]
pub fn moment_text(moment: Timestamp) -> String {
    calendar(moment).to_string()
}

/// Writes a moment to the second, for people.
#[must_use]
pub fn second_text(moment: Timestamp) -> String {
    format!("{:.0}", calendar(moment))
}

/// A span of ages may lead beyond the calendar: then it is the last moment of it.
fn calendar(moment: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(moment.as_micros()).unwrap_or(jiff::Timestamp::MAX)
}

/// Returns what may be told of a key; the key itself only when it was just made.
#[must_use]
pub fn key_report(key: &Key, text: Option<&KeyText>, now: Timestamp) -> Value {
    let mut report = json!({
        "label": key.label.as_str(),
        "app": key.app.as_ref().map(ToString::to_string),
        "role": key.role.word(),
        "scopes": scope_words(key),
        "state": key.state(now).word(),
        "created_at": moment_text(key.created_at),
        "expires_at": key.expires_at.map(moment_text),
        "revoked_at": key.revoked_at.map(moment_text),
        "replaced_by": key.replaced_by.as_ref().map(ToString::to_string),
    });
    if let Some(text) = text {
        report["key"] = json!(text.reveal());
    }
    report
}

/// Returns the words of a key's scopes.
#[must_use]
pub fn scope_words(key: &Key) -> Vec<&'static str> {
    match key.role {
        Role::Secret(scopes) => scopes.iter().map(Scope::word).collect(),
        Role::Write | Role::Admin => Vec::new(),
    }
}

/// Prints JSON as every command prints it.
pub fn print_json(value: &Value) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(value)?)?)
}

/// Prints rows under each other, as wide as they need.
pub fn print_table(heads: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        cells.chain(heads.get(column).copied()).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut out = std::io::stdout().lock();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column))).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    line(&mut heads.iter().copied())?;
    for row in rows {
        line(&mut row.iter().map(String::as_str))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_does_not_write_into_the_folder_of_somebody_else() {
        let folder = tempfile::tempdir().unwrap();
        let owner = Uid::from_raw(folder.path().metadata().unwrap().uid());
        let absent = folder.path().join("absent");
        let asked = |path: &Path, asks| refuse_strangers(path, asks).map_err(|error| error.to_string());
        assert_eq!((asked(folder.path(), owner), asked(&absent, Uid::ROOT)), (Ok(()), Ok(())));
        // The system itself tells a stranger that is not root.
        assert_eq!(asked(folder.path(), Uid::from_raw(4_711)), Ok(()));
        if geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(4_711), None).unwrap();
            let why = asked(folder.path(), Uid::ROOT).unwrap_err();
            assert!(why.contains("number 4711") && why.contains("runuser"), "{why}");
        }
    }
}
