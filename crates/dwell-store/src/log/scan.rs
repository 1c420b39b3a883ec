//! Goes through the bytes of a segment and says what is sound in it: no IO, no judgement.

use std::ops::Range;

use super::Offset;
use super::frame::{HEAD, Head, Kind, chained};

/// Bytes between places that are remembered.
pub(super) const INDEX_EVERY: u64 = 256 << 10;

/// Bytes that are not sound, with something sound after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub bytes: Range<u64>,
    /// The records that must have been there, by what comes after.
    pub offsets: Range<Offset>,
}

/// What is sound in a segment.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// Where the last sound frame ends, or the footer begins.
    pub end: u64,
    /// The offset after the last sound record.
    pub next: Offset,
    /// The chain of the sound frames up to there.
    pub chain: u32,
    pub holes: Vec<Hole>,
    /// Up to where sound frames say that the segment had been durable.
    pub synced: u64,
    /// There is a footer, sound by itself.
    pub footer: bool,
    /// The footer agrees with all that stands before it, and is the last thing.
    pub closed: bool,
    /// Bytes after all that is sound. Empty if there are none.
    pub tail: Range<u64>,
    /// Places of some frames.
    pub index: Vec<(Offset, u64)>,
}

impl Scan {
    /// Scans a segment that begins at an offset, its header included, which is not looked at.
    pub fn of(bytes: &[u8], first: Offset, salt: u32) -> Scan {
        let header = HEAD.min(bytes.len()) as u64;
        let mut scan = Scan {
            end: header,
            next: first,
            chain: 0,
            holes: Vec::new(),
            synced: 0,
            footer: false,
            closed: false,
            tail: 0..0,
            index: vec![(first, header)],
        };
        let length = bytes.len() as u64;
        let mut place = header;
        while place < length {
            let Some((found, head)) = next_sound(bytes, place, scan.next, salt) else { break };
            if place < found || scan.next < head.offset {
                scan.holes.push(Hole { bytes: place..found, offsets: scan.next..head.offset });
            }
            place = scan.accept(found, &head);
        }
        scan.tail = place.min(length)..length;
        scan.closed &= scan.tail.is_empty();
        scan
    }

    /// Takes what was found, and returns where it ends.
    fn accept(&mut self, place: u64, head: &Head) -> u64 {
        self.synced = self.synced.max(u64::from(head.synced));
        match head.kind {
            Kind::Frame => {
                self.closed = false;
                if self.index.last().is_none_or(|(_, last)| last + INDEX_EVERY <= place) {
                    self.index.push((head.offset, place));
                }
                self.chain = chained(self.chain, head.crc);
                self.next = head.next();
                self.end = place + head.size();
                self.end
            }
            Kind::Footer => {
                self.footer = true;
                self.closed = self.holes.is_empty() && head.check == self.chain;
                self.end = place;
                place + HEAD as u64
            }
        }
    }

    /// Says whether a hole had been durable, so that it is damage and not a torn tail.
    pub fn was_durable(&self, hole: &Hole) -> bool {
        hole.bytes.start < self.synced
    }
}

/// The first sound frame or footer at or after a place that can follow the record before `expected`.
fn next_sound(bytes: &[u8], from: u64, expected: Offset, salt: u32) -> Option<(u64, Head)> {
    let last = bytes.len().checked_sub(HEAD)?;
    (from as usize..=last).find_map(|place| {
        let head = Head::read(&bytes[place..], salt)?;
        if head.offset < expected || !is_whole(&head, &bytes[place + HEAD..]) {
            return None;
        }
        Some((place as u64, head))
    })
}

/// Says whether what follows a head is its payload.
pub(super) fn is_whole(head: &Head, rest: &[u8]) -> bool {
    match head.kind {
        Kind::Frame => rest.get(..head.length as usize).is_some_and(|payload| crc32c::crc32c(payload) == head.check),
        Kind::Footer => true,
    }
}
