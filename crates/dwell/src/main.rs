//! The command line of Dwell: when people are using an app, when they have left, and when to speak to them.

mod commands;
mod human;
mod progress;

use clap::{Parser, Subcommand};

use crate::progress::Progress;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser, Debug)]
#[command(name = "dwell", version, about, propagate_version = true)]
struct Cli {
    /// No progress bar and no notes, only errors
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make events of people whose true sessions are known
    Simulate(commands::simulate::Simulate),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let progress = Progress::when_watched(cli.quiet);
    match &cli.command {
        Command::Simulate(args) => commands::simulate::run(args, &progress),
    }
}
