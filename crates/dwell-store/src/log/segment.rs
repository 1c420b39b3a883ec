//! One segment as readers see it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Offset;
use super::batch::Records;
use super::frame::{HEAD, Head, HeaderRead, Kind, SegmentHeader};
use super::scan::{Hole, INDEX_EVERY, Scan, is_whole};
use crate::disk::{Disk, DiskFile, read_up_to};
use crate::error::{Damage, DamageKind, StoreError};

/// Bytes that are read at once.
const WINDOW: usize = 256 << 10;

pub(super) struct Segment {
    pub first: Offset,
    pub path: PathBuf,
    pub salt: u32,
    disk: Arc<dyn Disk>,
    /// Kept open while the segment grows. There may be more closed segments than files a process may have open.
    held: Mutex<Option<Arc<dyn DiskFile>>>,
    extent: Mutex<Extent>,
}

/// What of a segment may be read.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// Where the readable frames end.
    pub end: u64,
    /// The offset after the last readable record.
    pub next: Offset,
    /// Places of some frames, in order. The first is where the first frame is.
    pub index: Vec<(Offset, u64)>,
    /// What was set aside as damaged.
    pub holes: Vec<Hole>,
    /// Nothing will be added.
    pub closed: bool,
}

impl Extent {
    pub fn empty(first: Offset) -> Extent {
        Extent { end: HEAD as u64, next: first, index: vec![(first, HEAD as u64)], holes: Vec::new(), closed: false }
    }

    pub fn of(scan: &Scan) -> Extent {
        Extent {
            end: scan.end,
            next: scan.next,
            index: scan.index.clone(),
            holes: scan.holes.clone(),
            closed: scan.closed,
        }
    }

    fn note(&mut self, offset: Offset, place: u64) {
        if self.index.last().is_none_or(|(last, at)| *last < offset && at + INDEX_EVERY <= place) {
            self.index.push((offset, place));
        }
    }
}

impl Segment {
    pub fn new(disk: &Arc<dyn Disk>, path: PathBuf, header: SegmentHeader, extent: Extent) -> Segment {
        let SegmentHeader { salt, first } = header;
        let disk = Arc::clone(disk);
        Segment { first, path, salt, disk, held: Mutex::new(None), extent: Mutex::new(extent) }
    }

    /// The file, opened if it is not.
    pub fn file(&self) -> Result<Arc<dyn DiskFile>, StoreError> {
        match &*self.held() {
            Some(file) => Ok(Arc::clone(file)),
            None => self.disk.open(&self.path).map_err(StoreError::io("open", &self.path)),
        }
    }

    /// Keeps the file open from now on.
    pub fn hold(&self, file: Arc<dyn DiskFile>) {
        *self.held() = Some(file);
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<dyn DiskFile>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn extent(&self) -> MutexGuard<'_, Extent> {
        self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset after the last record that may be read.
    pub fn next(&self) -> Offset {
        self.extent().next
    }

    /// Shows readers more frames.
    pub fn publish(&self, end: u64, next: Offset, places: &[(Offset, u64)]) {
        let mut extent = self.extent();
        for (offset, place) in places {
            extent.note(*offset, *place);
        }
        extent.end = end;
        extent.next = next;
    }

    pub fn close(&self) {
        self.extent().closed = true;
        *self.held() = None;
    }

    /// Adds records from `records.next()` on, and says whether there is room for more from what follows.
    pub fn read_into(&self, records: &mut Records, most: usize) -> Result<bool, StoreError> {
        let (mut place, end, next) = self.start_of(records.next())?;
        let mut window = Window { segment: self, file: self.file()?, start: 0, bytes: Vec::new(), end };
        while records.next() < next {
            let head = match Head::read(window.at(place, HEAD)?, self.salt) {
                Some(head) if head.kind == Kind::Frame && head.offset <= records.next() => head,
                Some(_) | None => return Err(self.unsound_at(place, records.next())),
            };
            if records.next() < head.next() {
                let whole = window.at(place, HEAD + head.length as usize)?;
                if whole.len() < HEAD || !is_whole(&head, &whole[HEAD..]) {
                    return Err(self.unsound_at(place, records.next()));
                }
                let skip = records.next().since(head.offset);
                if !records.take(&whole[HEAD..], skip, most) {
                    return Ok(false);
                }
                if head.offset < head.next() {
                    self.extent().note(head.offset, place);
                }
            }
            place += head.size();
        }
        Ok(true)
    }

    /// Where to begin so as to come to an offset: the place, the readable end, and the offset up to which nothing is
    /// quarantined.
    fn start_of(&self, from: Offset) -> Result<(u64, u64, Offset), StoreError> {
        let extent = self.extent();
        let mut next = extent.next;
        for hole in &extent.holes {
            if hole.offsets.contains(&from) {
                return Err(StoreError::Quarantined { offsets: hole.offsets.clone() });
            }
            if from < hole.offsets.start {
                next = next.min(hole.offsets.start);
            }
        }
        let after_hole = extent
            .holes
            .iter()
            .filter(|hole| hole.offsets.end <= from)
            .map(|hole| (hole.offsets.end, hole.bytes.end))
            .next_back();
        let before = extent.index.partition_point(|(offset, _)| *offset <= from);
        let indexed = before.checked_sub(1).and_then(|at| extent.index.get(at)).copied();
        let begin = match (indexed, after_hole) {
            (Some(index), Some(hole)) => index.1.max(hole.1),
            (Some(index), None) => index.1,
            (None, Some(hole)) => hole.1,
            (None, None) => HEAD as u64,
        };
        Ok((begin, extent.end, next))
    }

    /// Something unsound came while reading: says what, as exactly as can be.
    fn unsound_at(&self, place: u64, offset: Offset) -> StoreError {
        match self.examine() {
            Err(error) => error,
            Ok(damage) if damage.is_empty() => {
                let bytes = place..self.extent().end;
                let offsets = offset..self.next();
                let path = self.path.clone();
                StoreError::Damaged(vec![Damage { kind: DamageKind::Records, path, bytes, offsets }])
            }
            Ok(damage) => StoreError::Damaged(damage),
        }
    }

    /// Reads all of it again and returns what is damaged.
    pub fn examine(&self) -> Result<Vec<Damage>, StoreError> {
        let extent = self.extent().clone();
        let bytes = self.bytes(if extent.closed { None } else { Some(extent.end) })?;
        Ok(damage_in(self, &bytes, &extent))
    }

    /// All bytes, or those up to a place.
    pub fn bytes(&self, up_to: Option<u64>) -> Result<Vec<u8>, StoreError> {
        let file = self.file()?;
        let length = match up_to {
            Some(length) => length,
            None => file.length().map_err(StoreError::io("measure", &self.path))?,
        };
        let mut bytes = vec![0; length as usize];
        let read = read_up_to(&*file, &mut bytes, 0).map_err(StoreError::io("read", &self.path))?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// What is damaged in a segment of which it is known how far it must reach.
pub(super) fn damage_in(segment: &Segment, bytes: &[u8], extent: &Extent) -> Vec<Damage> {
    let damage = |kind, bytes, offsets| Damage { kind, path: segment.path.clone(), bytes, offsets };
    let mut found = Vec::new();
    if header_is_damaged(bytes, segment.first, segment.salt) {
        found.push(damage(DamageKind::Header, 0..HEAD as u64, segment.first..segment.first));
    }
    let scan = Scan::of(bytes, segment.first, segment.salt);
    for hole in &scan.holes {
        found.push(damage(DamageKind::Records, hole.bytes.clone(), hole.offsets.clone()));
    }
    if scan.next < extent.next {
        found.push(damage(DamageKind::Records, scan.tail.clone(), scan.next..extent.next));
    } else if extent.closed && !scan.closed && found.is_empty() {
        found.push(damage(DamageKind::Footer, scan.end..bytes.len() as u64, scan.next..scan.next));
    }
    found
}

/// Says whether a segment does not begin as it must.
pub(super) fn header_is_damaged(bytes: &[u8], first: Offset, salt: u32) -> bool {
    match SegmentHeader::read(bytes) {
        HeaderRead::Valid(header) => header != SegmentHeader { salt, first },
        HeaderRead::OtherVersion(_) | HeaderRead::Damaged => true,
    }
}

/// A piece of the file in memory, moved along.
struct Window<'segment> {
    segment: &'segment Segment,
    file: Arc<dyn DiskFile>,
    start: u64,
    bytes: Vec<u8>,
    end: u64,
}

impl Window<'_> {
    /// So many bytes from a place, or fewer at the readable end.
    fn at(&mut self, place: u64, length: usize) -> Result<&[u8], StoreError> {
        let until = (place + length as u64).min(self.end).max(place);
        if place < self.start || self.start + (self.bytes.len() as u64) < until {
            let size = (self.end.saturating_sub(place) as usize).min(length.max(WINDOW));
            self.bytes.resize(size, 0);
            let read =
                read_up_to(&*self.file, &mut self.bytes, place).map_err(StoreError::io("read", &self.segment.path))?;
            self.bytes.truncate(read);
            self.start = place;
        }
        let begin = (place - self.start) as usize;
        let end = ((until - self.start) as usize).min(self.bytes.len());
        Ok(self.bytes.get(begin..end).unwrap_or_default())
    }
}
