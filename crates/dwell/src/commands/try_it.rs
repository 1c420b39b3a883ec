//! `dwell try`: sample data, its sessions and its lab, in one command.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser};

use crate::commands::{lab, sessions, simulate};
use crate::progress::Progress;

/// Where to leave what was made.
#[derive(Args, Debug)]
pub struct Try {
    /// The folder for the sample and the page
    #[arg(long, default_value = "dwell-try", value_name = "FOLDER")]
    folder: PathBuf,
}

/// A command of its own, with the flags that a person would have typed.
#[derive(Parser)]
struct Typed<A: Args> {
    #[command(flatten)]
    args: A,
}

fn typed<A: Args>(command: &str, flags: &[&str]) -> anyhow::Result<A> {
    println!("\n$ dwell {command} {}", flags.join(" "));
    Ok(Typed::<A>::try_parse_from([&["dwell"], flags].concat())?.args)
}

/// Simulates a music app, makes sessions of what its users did, and looks at every timeout.
pub fn run(args: &Try, progress: &Progress) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.folder)
        .with_context(|| format!("cannot make the folder {}", args.folder.display()))?;
    let file = |name: &str| args.folder.join(name).to_string_lossy().into_owned();
    let (music, page) = (file("music.parquet"), file("lab.html"));
    println!("A music app: people choose something, put the phone away, and listen.");
    let made =
        ["--population", "music", "--users", "1000", "--late", "2%", "--duplicated", "1%", "--short-ids", "-o", &music];
    simulate::run(&typed("simulate", &made)?, progress)?;
    sessions::run(&typed("sessions", &[&music, "--truth", "true_session"])?, progress)?;
    println!("\nThe same events as others count them, who do not know that something can play in the background:");
    sessions::run(
        &typed("sessions", &[&music, "--profile", "ga4", "--truth", "true_session"])?,
        &Progress::when_watched(true),
    )?;
    println!("\nWhat every other timeout would have done:");
    let look = [
        &music,
        "--timeout",
        "15m",
        "--versus",
        "30m",
        "--kind",
        "media",
        "--by",
        "platform",
        "--truth",
        "true_session",
        "--html",
        &page,
    ];
    lab::run(&typed("lab", &look)?, &Progress::when_watched(true))?;
    println!("\nThe pictures are in {page}: open it in a browser.");
    Ok(())
}
