//! Records on their way into the log, and out of it.

use super::Offset;
use super::frame::{HEAD, Head, Kind, u32_at};

/// Bytes that the log adds to each record.
pub(super) const PER_RECORD: usize = 4;

/// Records that are appended together: after a crash all of them are there, or none.
///
/// They are laid out here as they will lie on disk, on the caller's thread, so that the log only has to write them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Room for the head, then the payload.
    bytes: Vec<u8>,
    records: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Batch::new()
    }
}

impl Batch {
    /// Starts an empty batch.
    pub fn new() -> Batch {
        Batch::with_capacity(0)
    }

    /// Starts an empty batch with room for so many bytes of records.
    pub fn with_capacity(bytes: usize) -> Batch {
        let mut buffer = Vec::with_capacity(HEAD + bytes);
        buffer.resize(HEAD, 0);
        Batch { bytes: buffer, records: 0 }
    }

    /// Adds a record. It may be empty. One that is too large is refused when the batch is appended.
    pub fn push(&mut self, record: &[u8]) {
        // A record of 4 GiB does not fit into any segment: its batch is refused by its size, whatever stands here.
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.records = self.records.saturating_add(1);
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.records as usize
    }

    /// Says whether it has none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many bytes it will take in the log.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The records, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        Payload { bytes: &self.bytes[HEAD..] }
    }

    pub(super) fn payload_crc(&self) -> u32 {
        crc32c::crc32c(&self.bytes[HEAD..])
    }

    /// Writes the head, and returns all bytes of the frame with the head's crc.
    pub(super) fn finish(&mut self, offset: Offset, synced: u32, payload_crc: u32, salt: u32) -> u32 {
        let length = (self.bytes.len() - HEAD) as u32;
        Head::write(&mut self.bytes, Kind::Frame, [length, self.records, synced], offset, payload_crc, salt)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<Record: AsRef<[u8]>> FromIterator<Record> for Batch {
    fn from_iter<Every: IntoIterator<Item = Record>>(records: Every) -> Batch {
        let mut batch = Batch::new();
        for record in records {
            batch.push(record.as_ref());
        }
        batch
    }
}

/// Records that were read, in order and without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    first: Offset,
    /// Payloads one after another.
    bytes: Vec<u8>,
    count: u64,
}

impl Records {
    pub(super) fn starting_at(first: Offset) -> Records {
        Records { first, bytes: Vec::new(), count: 0 }
    }

    /// The offset of the first record, or where reading was to begin if there is none yet.
    pub fn first(&self) -> Offset {
        self.first
    }

    /// The offset after the last record: where to go on reading.
    pub fn next(&self) -> Offset {
        self.first.plus(self.count)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes they take.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The records with their offsets.
    pub fn iter(&self) -> impl Iterator<Item = (Offset, &[u8])> {
        let mut offset = self.first;
        Payload { bytes: &self.bytes }.map(move |record| {
            let its = offset;
            offset = offset.plus(1);
            (its, record)
        })
    }

    /// Adds records of a payload from the one with this number on, and stops where `most` bytes are reached.
    ///
    /// Says whether it came to the end of the payload. At least one record is taken if there was none.
    pub(super) fn take(&mut self, payload: &[u8], skip: u64, most: usize) -> bool {
        for record in (Payload { bytes: payload }).skip(skip as usize) {
            if !self.is_empty() && most < self.bytes.len() + record.len() + PER_RECORD {
                return false;
            }
            self.push(record);
        }
        true
    }

    pub(super) fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.count += 1;
    }
}

/// Goes through a payload. It was checked by its checksum, so that what does not fit ends it.
struct Payload<'bytes> {
    bytes: &'bytes [u8],
}

impl<'bytes> Iterator for Payload<'bytes> {
    type Item = &'bytes [u8];

    fn next(&mut self) -> Option<&'bytes [u8]> {
        if self.bytes.len() < PER_RECORD {
            return None;
        }
        let end = PER_RECORD + u32_at(self.bytes, 0) as usize;
        let record = self.bytes.get(PER_RECORD..end)?;
        self.bytes = &self.bytes[end..];
        Some(record)
    }
}
