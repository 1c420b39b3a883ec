//! The files of how far deliveries have come: one for each endpoint, written by the courier alone.

use std::path::{Path, PathBuf};

use dwell_keys::whole_file::{self, FileError};
use serde::{Deserialize, Serialize};

use crate::endpoint::EndpointId;
use crate::error::CourierError;
use crate::progress::Progress;

/// The largest file: 10,000 dead letters, each with a long sentence, and room.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// The only way in which the files are laid out so far.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u32,
    progress: Progress,
}

fn folder_of(data: &Path) -> PathBuf {
    data.join("webhooks-state")
}

fn path_of(data: &Path, id: &EndpointId) -> PathBuf {
    folder_of(data).join(format!("{id}.json"))
}

/// Reads how far deliveries to an endpoint have come; `None` for one that the courier has not seen yet.
///
/// While a server runs, what is read may be a second old.
pub fn read(data: &Path, id: &EndpointId) -> Result<Option<Progress>, CourierError> {
    let path = path_of(data, id);
    let Some((bytes, _)) = whole_file::read(&path, MOST_BYTES)? else { return Ok(None) };
    let damaged = |problem| CourierError::Damaged { path: path.clone(), problem };
    let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if contents.format != FORMAT {
        return Err(damaged(format!("format {} is unknown: a later Dwell wrote it, and can read it", contents.format)));
    }
    Ok(Some(contents.progress))
}

/// Writes it durably: after a crash there is the old file or the new one.
pub(crate) fn write(data: &Path, id: &EndpointId, progress: Progress) -> Result<(), CourierError> {
    whole_file::make_folder(&folder_of(data))?;
    let path = path_of(data, id);
    let failed = |error: serde_json::Error| FileError::Io { doing: "write", path: path.clone(), source: error.into() };
    let mut bytes = serde_json::to_vec(&Contents { format: FORMAT, progress }).map_err(failed)?;
    bytes.push(b'\n');
    whole_file::replace(&path, &bytes, MOST_BYTES)?;
    Ok(())
}

/// Removes what is known of an endpoint that was removed.
pub(crate) fn remove(data: &Path, id: &EndpointId) -> Result<(), CourierError> {
    let path = path_of(data, id);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::Io { doing: "remove", path, source }.into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
