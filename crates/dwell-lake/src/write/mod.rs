//! Sessions out: Parquet, CSV and NDJSON with the same columns, in order of user and start.

pub mod archive;
pub mod columns;
pub mod events;
pub mod parquet;
pub mod text;
pub mod turnstile;

use std::path::PathBuf;

/// What can go wrong with writing.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file.
    #[error("cannot write {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The Parquet in it.
    #[error("cannot write {path}: {source}")]
    Parquet {
        /// Which.
        path: PathBuf,
        /// What the writer said.
        source: ::parquet::errors::ParquetError,
    },
    /// Another thread could not go on.
    #[error("writing was given up")]
    GivenUp,
}
