//! What is believed of a folder when it is opened: first all of it is judged, then, if nothing speaks against it, mended.
//!
//! Mended is only what a crash leaves behind and nobody was promised: a torn tail is cut, a segment that was never
//! announced in the manifest is removed, and so are those that retention had struck out. See `frame.rs` for how a torn
//! tail is told from damage.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{HEAD, Head, HeaderRead, Kind, SegmentHeader, segment_first, segment_name};
use super::manifest::{self, Found, Manifest, ManifestFile};
use super::scan::Scan;
use super::segment::{Extent, Segment, header_is_damaged};
use super::{Check, LogOptions, Offset, OnDamage, bad};
use crate::disk::{Disk, read_up_to};
use crate::error::{Damage, DamageKind, StoreError};

/// Where records are missing and nothing says how many, so many offsets are never used, so that none is used twice.
///
/// No segment has more records.
const GAP: u64 = 1 << 28;

/// A log that can be gone on with.
pub(super) struct Recovered {
    pub manifest: ManifestFile,
    pub segments: Vec<Arc<Segment>>,
    /// The offset that the next record will get.
    pub next: Offset,
    /// The last segment, if it takes more records.
    pub open: Option<OpenEnd>,
    pub damage: Vec<Damage>,
}

/// Where the last segment goes on.
#[derive(Clone, Copy)]
pub(super) struct OpenEnd {
    pub length: u64,
    pub chain: u32,
}

struct Place<'disk> {
    disk: &'disk Arc<dyn Disk>,
    folder: &'disk Path,
    options: &'disk LogOptions,
    damage: Vec<Damage>,
}

/// What the last segment turned out to be.
struct Judged {
    last: Last,
    /// Bytes that are sound, but that nothing proves to be durable, and where they stand.
    unproven: (u64, Vec<u8>),
}

enum Last {
    /// It ends with a footer: it takes nothing more.
    Closed,
    /// It is damaged, and is left as it is.
    SetAside,
    /// It goes on here, whatever stands after that.
    Open(OpenEnd),
}

/// Opens a folder, which must be locked.
pub(super) fn recover(disk: &Arc<dyn Disk>, folder: &Path, options: &LogOptions) -> Result<Recovered, StoreError> {
    let names = disk.list(folder).map_err(StoreError::io("list", folder))?;
    let firsts: Vec<Offset> = names.iter().filter_map(|name| segment_first(name)).collect();
    let place = Place { disk, folder, options, damage: Vec::new() };
    match ManifestFile::find(&**disk, folder, &names)? {
        Found::Valid(manifest) => place.recover_by(manifest, &firsts),
        Found::Absent | Found::Damaged => place.without_manifest(&names, &firsts),
    }
}

impl Place<'_> {
    /// There is no manifest: the log was never finished being made, or it has lost it.
    fn without_manifest(mut self, names: &[String], firsts: &[Offset]) -> Result<Recovered, StoreError> {
        let has_manifest = names.iter().any(|name| name == manifest::NAME);
        let unborn = match firsts {
            [] => !has_manifest,
            [only] => *only == Offset::ZERO && !self.has_records(*only)?,
            _ => false,
        };
        if unborn {
            return self.make(has_manifest, firsts);
        }
        let path = self.folder.join(manifest::NAME);
        self.damage.push(Damage { kind: DamageKind::Manifest, path, bytes: 0..0, offsets: Offset::ZERO..Offset::ZERO });
        let (Some(first), Some(last)) = (firsts.first(), firsts.last()) else {
            return Err(StoreError::Damaged(self.damage));
        };
        if self.options.on_damage == OnDamage::Refuse {
            return Err(StoreError::Damaged(self.damage));
        }
        let salt = self.salt_of(firsts)?;
        if has_manifest {
            self.remove(&self.folder.join(manifest::NAME))?;
        }
        let manifest = ManifestFile::create(&**self.disk, self.folder, Manifest { salt, first: *first, last: *last })?;
        self.recover_by(manifest, firsts)
    }

    /// Makes a new log. What an earlier attempt left is removed.
    fn make(self, has_manifest: bool, firsts: &[Offset]) -> Result<Recovered, StoreError> {
        if has_manifest {
            // Durably before the segment: a manifest without any segment would be damage.
            self.remove(&self.folder.join(manifest::NAME))?;
            self.sync_folder()?;
        }
        for first in firsts {
            self.remove(&self.path(*first))?;
        }
        let header = SegmentHeader { salt: self.options.salt, first: Offset::ZERO };
        let segment = create_segment(self.disk, self.folder, header)?;
        let says = Manifest { salt: header.salt, first: Offset::ZERO, last: Offset::ZERO };
        let manifest = ManifestFile::create(&**self.disk, self.folder, says)?;
        let open = Some(OpenEnd { length: HEAD as u64, chain: 0 });
        Ok(Recovered { manifest, segments: vec![segment], next: Offset::ZERO, open, damage: Vec::new() })
    }

    fn recover_by(mut self, manifest: ManifestFile, firsts: &[Offset]) -> Result<Recovered, StoreError> {
        let says = manifest.says;
        let mut leftover = Vec::new();
        let mut kept = Vec::new();
        for first in firsts.iter().copied() {
            let announced = says.first <= first && first <= says.last;
            if first < says.first || !announced && !self.has_records(first)? {
                leftover.push(first);
                continue;
            }
            if !announced {
                self.report(DamageKind::Unknown, first, 0..0, first..first);
            }
            kept.push(first);
        }
        self.note_missing_ends(says, &kept);
        let mut segments = Vec::new();
        for (at, first) in kept.iter().enumerate() {
            if let Some(following) = kept.get(at + 1) {
                segments.push(self.closed(*first, *following, says.salt)?);
            }
        }
        let (last, judged) = match kept.last() {
            Some(first) => {
                let (segment, judged) = self.last(*first, says.salt)?;
                segments.push(Arc::clone(&segment));
                (Some(segment), judged)
            }
            None => (None, Judged { last: Last::SetAside, unproven: (0, Vec::new()) }),
        };
        if !self.damage.is_empty() && self.options.on_damage == OnDamage::Refuse {
            return Err(StoreError::Damaged(self.damage));
        }
        self.mend(manifest, &leftover, segments, last, judged)
    }

    /// Does what was decided. Until here nothing was changed.
    fn mend(
        self,
        mut manifest: ManifestFile,
        leftover: &[Offset],
        segments: Vec<Arc<Segment>>,
        last: Option<Arc<Segment>>,
        judged: Judged,
    ) -> Result<Recovered, StoreError> {
        // First of all: what it struck out must not come back after the files are gone.
        manifest.affirm()?;
        for first in leftover {
            self.remove(&self.path(*first))?;
        }
        let mut next = last.as_ref().map_or(manifest.says.last, |last| last.next());
        let mut open = None;
        if let Some(last) = last {
            if let Last::Open(end) = judged.last {
                open = Some(end);
            }
            make_durable(&last, &judged)?;
        }
        let beyond_missing = self.damage.iter().map(|damage| damage.offsets.end).max().unwrap_or_default();
        let ends = next;
        next = next.max(beyond_missing);
        let open = open.filter(|_| ends == next);
        if open.is_none() && segments.iter().any(|segment| segment.first == next) {
            next = next.plus(GAP);
        }
        self.sync_folder()?;
        Ok(Recovered { manifest, segments, next, open, damage: self.damage })
    }

    fn note_missing_ends(&mut self, says: Manifest, kept: &[Offset]) {
        let begins = kept.first().copied().unwrap_or(says.last);
        if says.first < begins {
            self.report(DamageKind::Missing, says.first, 0..0, says.first..begins);
        }
        if kept.last().is_none_or(|last| *last < says.last) {
            self.report(DamageKind::Missing, says.last, 0..0, says.last..says.last.plus(GAP));
        }
    }

    /// Judges a segment that has another after it.
    fn closed(&mut self, first: Offset, following: Offset, salt: u32) -> Result<Arc<Segment>, StoreError> {
        let segment = self.open(first, salt)?;
        if self.options.check == Check::Ends
            && let Some(extent) = self.by_its_ends(&segment, following)?
        {
            *segment.extent() = extent;
            return Ok(segment);
        }
        let bytes = segment.bytes(None)?;
        self.note_header(&segment, &bytes)?;
        let scan = Scan::of(&bytes, first, salt);
        let mut extent = Extent::of(&scan);
        extent.closed = true;
        for hole in &scan.holes {
            self.report(DamageKind::Records, first, hole.bytes.clone(), hole.offsets.clone());
        }
        if !scan.closed && scan.holes.is_empty() {
            let from = if scan.footer { scan.end } else { scan.tail.start };
            self.report(DamageKind::Footer, first, from..bytes.len() as u64, scan.next..scan.next.max(following));
        } else if scan.next < following {
            if scan.closed {
                self.report(DamageKind::Missing, scan.next, 0..0, scan.next..following);
            } else {
                self.report(DamageKind::Records, first, scan.tail, scan.next..following);
            }
        } else if following < scan.next {
            self.report(DamageKind::Footer, first, scan.end..bytes.len() as u64, following..scan.next);
        }
        *segment.extent() = extent;
        Ok(segment)
    }

    /// Believes a closed segment by its header and its footer alone, if they are right.
    fn by_its_ends(&self, segment: &Segment, following: Offset) -> Result<Option<Extent>, StoreError> {
        let file = segment.file()?;
        let length = file.length().map_err(StoreError::io("measure", &segment.path))?;
        let Some(end) = length.checked_sub(HEAD as u64).filter(|end| HEAD as u64 <= *end) else { return Ok(None) };
        let mut header = [0; HEAD];
        let mut footer = [0; HEAD];
        for (bytes, place) in [(&mut header, 0), (&mut footer, end)] {
            read_up_to(&*file, bytes, place).map_err(StoreError::io("read", &segment.path))?;
        }
        if header_is_damaged(&header, segment.first, segment.salt) {
            return Ok(None);
        }
        let sound = Head::read(&footer, segment.salt).is_some_and(|footer| {
            footer.kind == Kind::Footer && footer.offset == following && u64::from(footer.records) == end
        });
        Ok(sound.then(|| Extent { end, next: following, closed: true, ..Extent::empty(segment.first) }))
    }

    /// Judges the segment that was written last.
    fn last(&mut self, first: Offset, salt: u32) -> Result<(Arc<Segment>, Judged), StoreError> {
        let segment = self.open(first, salt)?;
        let bytes = segment.bytes(None)?;
        let mut whole = self.note_header(&segment, &bytes)?;
        let mut scan = Scan::of(&bytes, first, salt);
        if bytes.len() < HEAD {
            // It had a header once, and nothing says what else.
            self.report(DamageKind::Records, first, 0..0, first..first.plus(GAP));
        }
        if scan.footer && !scan.closed && scan.holes.is_empty() {
            self.report(DamageKind::Footer, first, scan.end..bytes.len() as u64, scan.next..scan.next);
            whole = false;
        }
        if bad::CUTS_MIDDLE {
            scan.synced = 0;
        }
        for hole in scan.holes.iter().filter(|hole| scan.was_durable(hole)) {
            self.report(DamageKind::Records, first, hole.bytes.clone(), hole.offsets.clone());
            whole = false;
        }
        if whole && let Some(hole) = scan.holes.first() {
            let end = hole.bytes.start as usize;
            scan = Scan::of(&bytes[..end], first, salt);
        }
        *segment.extent() = Extent::of(&scan);
        segment.hold(segment.file()?);
        let last = if !whole {
            Last::SetAside
        } else if scan.closed {
            Last::Closed
        } else {
            Last::Open(OpenEnd { length: scan.end, chain: scan.chain })
        };
        if !matches!(last, Last::Open(_)) {
            segment.close();
        }
        let end = if scan.closed { bytes.len() } else { scan.end as usize };
        let begin = (scan.synced as usize).clamp(HEAD, end.max(HEAD));
        let unproven = (begin as u64, bytes.get(begin..end).unwrap_or_default().to_vec());
        Ok((segment, Judged { last, unproven }))
    }

    /// Reports a damaged header, and says whether it is sound.
    fn note_header(&mut self, segment: &Segment, bytes: &[u8]) -> Result<bool, StoreError> {
        if let HeaderRead::OtherVersion(found) = SegmentHeader::read(bytes) {
            return Err(StoreError::Version { path: segment.path.clone(), found, known: super::frame::VERSION });
        }
        let damaged = header_is_damaged(bytes, segment.first, segment.salt);
        if damaged {
            self.report(DamageKind::Header, segment.first, 0..HEAD as u64, segment.first..segment.first);
        }
        Ok(!damaged)
    }

    /// Says whether a segment that nobody announced holds a record all the same.
    fn has_records(&self, first: Offset) -> Result<bool, StoreError> {
        let segment = self.open(first, 0)?;
        let bytes = segment.bytes(None)?;
        Ok(match SegmentHeader::read(&bytes) {
            HeaderRead::Valid(header) => Scan::of(&bytes, first, header.salt).next != first,
            HeaderRead::OtherVersion(_) => true,
            HeaderRead::Damaged => false,
        })
    }

    /// The salt, from any segment that still says it.
    fn salt_of(&self, firsts: &[Offset]) -> Result<u32, StoreError> {
        for first in firsts {
            let mut bytes = [0; HEAD];
            let segment = self.open(*first, 0)?;
            read_up_to(&*segment.file()?, &mut bytes, 0).map_err(StoreError::io("read", &segment.path))?;
            if let HeaderRead::Valid(header) = SegmentHeader::read(&bytes) {
                return Ok(header.salt);
            }
        }
        Err(StoreError::Damaged(self.damage.clone()))
    }

    fn open(&self, first: Offset, salt: u32) -> Result<Arc<Segment>, StoreError> {
        let segment = Segment::new(self.disk, self.path(first), SegmentHeader { salt, first }, Extent::empty(first));
        Ok(Arc::new(segment))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.disk.remove(path).map_err(StoreError::io("remove", path))
    }

    fn sync_folder(&self) -> Result<(), StoreError> {
        if bad::NO_FOLDER_SYNC {
            return Ok(());
        }
        self.disk.sync_folder(self.folder).map_err(StoreError::io("sync", self.folder))
    }

    fn path(&self, first: Offset) -> PathBuf {
        self.folder.join(segment_name(first))
    }

    fn report(
        &mut self,
        kind: DamageKind,
        first: Offset,
        bytes: std::ops::Range<u64>,
        offsets: std::ops::Range<Offset>,
    ) {
        self.damage.push(Damage { kind, path: self.path(first), bytes, offsets });
    }
}

/// Makes the last segment durable as it was judged to be. Nobody must build on it, or be shown it, before.
///
/// What nothing proves to be durable is written again, not only synced: after a sync that failed, in a process that is
/// no more, the system may still show bytes that it will never write.
fn make_durable(last: &Segment, judged: &Judged) -> Result<(), StoreError> {
    if bad::NO_SYNC || bad::NO_SYNC_ON_OPEN || matches!(judged.last, Last::SetAside) {
        return Ok(());
    }
    let file = last.file()?;
    let (begin, bytes) = &judged.unproven;
    crate::disk::write_all_at(&*file, &mut [std::io::IoSlice::new(bytes)], *begin)
        .map_err(StoreError::io("write", &last.path))?;
    file.set_length(begin + bytes.len() as u64).map_err(StoreError::io("cut", &last.path))?;
    file.sync().map_err(StoreError::io("sync", &last.path))
}

/// Creates a segment with nothing in it, durably.
pub(super) fn create_segment(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    header: SegmentHeader,
) -> Result<Arc<Segment>, StoreError> {
    let path = folder.join(segment_name(header.first));
    let file = disk.create(&path).map_err(StoreError::io("create", &path))?;
    crate::disk::write_all_at(&*file, &mut [std::io::IoSlice::new(&header.to_bytes())], 0)
        .map_err(StoreError::io("write", &path))?;
    if !bad::NO_SYNC {
        file.sync().map_err(StoreError::io("sync", &path))?;
    }
    if !bad::NO_FOLDER_SYNC {
        disk.sync_folder(folder).map_err(StoreError::io("sync", folder))?;
    }
    let segment = Segment::new(disk, path, header, Extent::empty(header.first));
    segment.hold(file);
    Ok(Arc::new(segment))
}
