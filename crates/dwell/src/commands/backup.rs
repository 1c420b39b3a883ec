//! `dwell backup`: a copy of the data folder, of a server that runs or not.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use dwell_store::{BooksOptions, DiskBooks, DiskLog, LogOptions, StoreError};
use serde_json::json;

use crate::backup::{self, About};
use crate::control;
use crate::data_folder::{DataArgs, print_json};

/// What `dwell backup` is told.
#[derive(Args, Debug)]
pub struct Backup {
    #[command(flatten)]
    data: DataArgs,
    /// Where the copy goes: a folder that is not there yet
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Makes the copy, or lets the server make it that has the folder.
pub fn run(args: &Backup) -> anyhow::Result<()> {
    let data = args.data.folder()?;
    if !data.is_dir() {
        bail!("there is no data folder {}: name another with --data", data.display());
    }
    let about = match DiskLog::open(&data.join("log"), LogOptions::default()) {
        Ok(log) => {
            let books = DiskBooks::open(&data.join("books"), BooksOptions::default())?;
            backup::copy(&data, &args.to, &log, &books)?
        }
        Err(StoreError::Locked { .. }) => control::ask_for_backup(&data, &args.to)?,
        Err(error) => return Err(error.into()),
    };
    if args.data.json {
        return print_json(&json!({ "to": args.to, "backup": about }));
    }
    let About { log_first, log_next, books_offset, books_entries, files, left_out, .. } = &about;
    let mut out = std::io::stdout().lock();
    writeln!(out, "backup  {}, every byte of it read again", args.to.display())?;
    writeln!(out, "log     records {log_first} to {log_next}")?;
    writeln!(out, "books   {books_entries} entries, which reach record {books_offset}")?;
    writeln!(out, "files   {}", if files.is_empty() { "none".to_owned() } else { files.join(", ") })?;
    if !left_out.is_empty() {
        writeln!(out, "NOT in it: {}", left_out.join(", "))?;
    }
    Ok(())
}
