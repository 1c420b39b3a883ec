//! A copy of the log while it goes on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::manifest::{Manifest, ManifestFile};
use super::segment::{Extent, Segment, damage_in};
use super::{Check, DiskLog, Log, LogOptions, Offset};
use crate::disk::RealDisk;
use crate::error::StoreError;

/// Copies segments with what was readable of each into a folder that has no log, durably, and reads all of it again.
pub(super) fn copy(segments: &[(Arc<Segment>, Extent)], folder: &Path) -> Result<Range<Offset>, StoreError> {
    std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
    let (Some((first, _)), Some((last, end))) = (segments.first(), segments.last()) else {
        return Err(StoreError::Closed);
    };
    let offsets = first.first..end.next;
    for (segment, extent) in segments {
        let bytes = segment.bytes((!extent.closed).then_some(extent.end))?;
        let damage = damage_in(segment, &bytes, extent);
        if !damage.is_empty() {
            return Err(StoreError::Damaged(damage));
        }
        let Some(name) = segment.path.file_name() else { continue };
        let path = folder.join(name);
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(StoreError::io("create", &path))?;
        file.write_all(&bytes).map_err(StoreError::io("write", &path))?;
        file.sync_all().map_err(StoreError::io("sync", &path))?;
        // Retention goes by it.
        let closed_at = std::fs::metadata(&segment.path).and_then(|about| about.modified());
        closed_at.and_then(|at| file.set_modified(at)).map_err(StoreError::io("set the time of", &path))?;
    }
    // Durably before the manifest speaks of them.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", folder))?;
    let says = Manifest { salt: first.salt, first: first.first, last: last.first };
    drop(ManifestFile::create(&RealDisk, folder, says)?);
    let copied = DiskLog::open(folder, LogOptions { check: Check::All, ..LogOptions::default() })?;
    let found = copied.first()..copied.next();
    if found != offsets {
        let what = format!(
            "the copy holds records {} to {}, not {} to {}",
            found.start, found.end, offsets.start, offsets.end
        );
        return Err(StoreError::Io {
            what: "copy the log to",
            path: folder.to_owned(),
            source: std::io::Error::other(what),
        });
    }
    Ok(offsets)
}
