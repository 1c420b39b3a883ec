//! The command line of Dwell: when people are using an app, when they have left, and when to speak to them.

mod archive;
mod backup;
mod chart;
mod clock;
mod commands;
mod config;
mod control;
mod crank;
mod data_folder;
mod demo;
mod disk_space;
mod eraser;
mod human;
mod input;
mod laws;
mod memory;
mod page;
mod policy_file;
mod process;
mod progress;
mod report;
mod restater;
mod retention;
mod sweeper;
mod telemetry;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use dwell_lake::load::LoadError;
use dwell_lake::read::ReadError;

use crate::commands::sessions::BrokenLaw;
use crate::progress::Progress;

/// The server makes and drops many small things on several threads: with this one it needs a third less work for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser, Debug)]
#[command(name = "dwell", version, about, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    /// No progress bar and no notes, only errors
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 could not be done; 2 wrong flags; 3 stopped by --strict at a row \
that cannot be read; 70 a law does not hold, which is an error in Dwell.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Turn files of events into sessions
    Sessions(Box<commands::sessions::Sessions>),
    /// See what every timeout would have done, and which one, if any, the log speaks for
    Lab(Box<commands::lab::LabArgs>),
    /// Make events of people whose true sessions are known
    Simulate(commands::simulate::Simulate),
    /// Serve three apps full of simulated people, and a page to be a user oneself
    Demo(commands::demo::DemoArgs),
    /// Make sample data, and show its sessions and its lab
    Try(commands::try_it::Try),
    /// Add apps, and show them
    Apps(commands::apps::Apps),
    /// Put the policy of an app, show it and its versions, and go back to one
    Policy(commands::policy::PolicyCommand),
    /// Write down all that there is of a user, or erase one
    Users(commands::users::Users),
    /// Take events over HTTP, and keep every user's sessions up to the second
    Serve(commands::serve::Serve),
    /// Copy the data folder of a server, whether it runs or not
    Backup(commands::backup::Backup),
    /// Look at everything that a server needs, and say how to mend what is not right
    Doctor(commands::doctor::Doctor),
    /// Make keys, show them, rotate and revoke them
    Keys(commands::keys::Keys),
    /// Let people sign in by name and password, and end that
    Accounts(commands::accounts::AccountsArgs),
    /// Say who is told of sessions, and see how deliveries stand
    Webhooks(commands::webhooks::WebhooksArgs),
    /// Check a configuration, or write the default one
    Config(commands::config::ConfigArgs),
    /// Write completions for a shell to standard output
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dwell: {error:#}");
            exit_code(&error)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let progress = Progress::when_watched(cli.quiet);
    match &cli.command {
        Command::Sessions(args) => commands::sessions::run(args, &progress),
        Command::Lab(args) => commands::lab::run(args, &progress),
        Command::Simulate(args) => commands::simulate::run(args, &progress),
        Command::Demo(args) => commands::demo::run(args, &progress),
        Command::Try(args) => commands::try_it::run(args, &progress),
        Command::Apps(args) => commands::apps::run(args),
        Command::Policy(args) => commands::policy::run(args, &progress),
        Command::Users(args) => commands::users::run(args, &progress),
        Command::Serve(args) => commands::serve::run(args),
        Command::Backup(args) => commands::backup::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Keys(args) => commands::keys::run(args, &progress),
        Command::Accounts(args) => commands::accounts::run(args),
        Command::Webhooks(args) => commands::webhooks::run(args, &progress),
        Command::Config(args) => commands::config::run(args),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "dwell", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// Whoever reads our output may stop reading whenever they like.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let read = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<LoadError>() {
        Some(LoadError::Read(error)) => matches!(error, ReadError::Stopped { .. }),
        Some(LoadError::Shuffle(_)) => false,
        None => matches!(cause.downcast_ref::<ReadError>(), Some(ReadError::Stopped { .. })),
    };
    if error.chain().any(read) {
        return ExitCode::from(3);
    }
    if error.downcast_ref::<BrokenLaw>().is_some() {
        return ExitCode::from(70);
    }
    ExitCode::FAILURE
}
