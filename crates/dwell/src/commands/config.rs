//! `dwell config`: what is in force, and who said so.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::config::{self, Config, DEFAULTS, Overrides, RawConfig};
use crate::data_folder::{print_json, print_table};
use crate::policy_file;

/// What to do about the configuration.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Show what will be in force, and where each value comes from
    Check(Check),
    /// Write the defaults, which are the manual, to standard output
    Default,
}

#[derive(Args, Debug)]
struct Check {
    /// The configuration [default: DWELL_CONFIG, else dwell.toml if it is there]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Everything on standard output, as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    match &args.command {
        ConfigCommand::Check(args) => check(args),
        ConfigCommand::Default => {
            print!("{DEFAULTS}");
            Ok(())
        }
    }
}

fn check(args: &Check) -> anyhow::Result<()> {
    let raw = config::written(args.file.as_deref(), &args.overrides)?;
    let config = Config::meant(&raw)?;
    check_files(&config)?;
    if args.json {
        return print_json(&report(&raw, &config)?);
    }
    let shown = |value: &str| if value.is_empty() { "(none)".to_owned() } else { value.to_owned() };
    let row = |setting: &config::Setting| vec![setting.key.clone(), shown(&setting.value), setting.origin.to_string()];
    let rows: Vec<Vec<String>> = raw.settings().iter().map(row).collect();
    print_table(&["key", "value", "from"], &rows)
}

/// Opens the files that are named, as a server would.
pub fn check_files(config: &Config) -> anyhow::Result<()> {
    if let Some(tls) = &config.server.tls {
        for (key, path) in [("tls_certificate", &tls.certificate), ("tls_key", &tls.key)] {
            File::open(path).with_context(|| format!("server.{key}: cannot open {}", path.display()))?;
        }
    }
    if let Some(policy) = &config.sessions.policy {
        let ruling = policy_file::read(policy, &TimeZone::UTC).context("sessions.policy")?;
        ruling.words().context("sessions.policy")?;
    }
    Ok(())
}

fn report(raw: &RawConfig, config: &Config) -> anyhow::Result<Value> {
    let written: serde_json::Map<String, Value> = raw
        .settings()
        .iter()
        .map(|setting| (setting.key.clone(), json!({ "value": setting.value, "from": setting.origin.to_string() })))
        .collect();
    Ok(json!({ "written": written, "meant": serde_json::to_value(config)? }))
}
