//! How a segment looks on disk. All numbers are little-endian.
//!
//! ```text
//! segment = header (32)  frame*  [footer (32)]
//! header  = magic u64, version u32, salt u32, first offset u64, zero u32, crc u32
//! frame   = magic u32, payload length u32, records u32, synced u32, first offset u64, payload crc u32, crc u32, payload
//! footer  = the same 32 bytes with its own magic, no payload, its own place in place of the count of records, and the
//!           chain in place of the payload's crc
//! payload = (record length u32, record)*
//! ```
//!
//! One append is one frame, so that recovery keeps all of it or nothing.
//!
//! - `crc` is CRC32C of the bytes before it, begun with the log's salt. The salt is not known outside, so that no record
//!   can be made that looks like a frame, and no frame of another log is taken for one of this log.
//! - `synced` says up to which byte the segment was durable when the frame was written. It is what tells a torn tail from
//!   damage: where a valid frame says that a bad place before it had been durable, the bad place is damage.
//! - A frame without records is a seal. It is written when nothing else is to be, only to say `synced`.
//! - The chain is the CRC32C of the crcs of all frames in order: frames of a closed segment cannot change places.

use super::Offset;

/// Bytes of a header, of a frame before its payload, and of a footer.
pub(super) const HEAD: usize = 32;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

const SEGMENT_MAGIC: u64 = u64::from_le_bytes(*b"DWELLSEG");
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"DWLf");
const FOOTER_MAGIC: u32 = u32::from_le_bytes(*b"DWLe");

/// What stands before a payload, or at the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub kind: Kind,
    pub length: u32,
    /// How many records there are, or in a footer where it stands.
    pub records: u32,
    pub synced: u32,
    pub offset: Offset,
    /// The payload's checksum, or in a footer the chain.
    pub check: u32,
    pub crc: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Frame,
    Footer,
}

impl Head {
    /// Writes a head into the first bytes of a buffer, and returns its crc.
    pub fn write(into: &mut [u8], kind: Kind, counts: [u32; 3], offset: Offset, check: u32, salt: u32) -> u32 {
        let magic = match kind {
            Kind::Frame => FRAME_MAGIC,
            Kind::Footer => FOOTER_MAGIC,
        };
        let [length, records, synced] = counts;
        into[0..4].copy_from_slice(&magic.to_le_bytes());
        into[4..8].copy_from_slice(&length.to_le_bytes());
        into[8..12].copy_from_slice(&records.to_le_bytes());
        into[12..16].copy_from_slice(&synced.to_le_bytes());
        into[16..24].copy_from_slice(&offset.number().to_le_bytes());
        into[24..28].copy_from_slice(&check.to_le_bytes());
        let crc = salted(salt, &into[..28]);
        into[28..32].copy_from_slice(&crc.to_le_bytes());
        crc
    }

    /// Reads the head at the beginning of these bytes, if there is a whole and valid one.
    pub fn read(bytes: &[u8], salt: u32) -> Option<Head> {
        let bytes = bytes.get(..HEAD)?;
        let kind = match u32_at(bytes, 0) {
            FRAME_MAGIC => Kind::Frame,
            FOOTER_MAGIC => Kind::Footer,
            _ => return None,
        };
        let crc = u32_at(bytes, 28);
        if crc != salted(salt, &bytes[..28]) {
            return None;
        }
        Some(Head {
            kind,
            length: u32_at(bytes, 4),
            records: u32_at(bytes, 8),
            synced: u32_at(bytes, 12),
            offset: Offset::new(u64_at(bytes, 16)),
            check: u32_at(bytes, 24),
            crc,
        })
    }

    /// How many bytes it takes with its payload.
    pub fn size(&self) -> u64 {
        HEAD as u64 + u64::from(self.length)
    }

    /// The offset after its last record.
    pub fn next(&self) -> Offset {
        self.offset.plus(u64::from(self.records))
    }
}

/// What stands at the beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub salt: u32,
    pub first: Offset,
}

/// What the first bytes of a file turned out to be.
pub(super) enum HeaderRead {
    Valid(SegmentHeader),
    OtherVersion(u32),
    Damaged,
}

impl SegmentHeader {
    pub fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC.to_le_bytes());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.number().to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> HeaderRead {
        let Some(bytes) = bytes.get(..HEAD) else { return HeaderRead::Damaged };
        let sound = u64_at(bytes, 0) == SEGMENT_MAGIC && u32_at(bytes, 28) == crc32c::crc32c(&bytes[..28]);
        if !sound {
            return HeaderRead::Damaged;
        }
        match u32_at(bytes, 8) {
            VERSION => {
                HeaderRead::Valid(SegmentHeader { salt: u32_at(bytes, 12), first: Offset::new(u64_at(bytes, 16)) })
            }
            other => HeaderRead::OtherVersion(other),
        }
    }
}

/// Adds the crc of a frame to the chain of those before it.
pub(super) fn chained(chain: u32, crc: u32) -> u32 {
    crc32c::crc32c_append(chain, &crc.to_le_bytes())
}

fn salted(salt: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(salt, bytes)
}

/// The name of the segment that begins at an offset.
pub(super) fn segment_name(first: Offset) -> String {
    format!("{:020}.segment", first.number())
}

/// The offset at which a segment of this name begins, if it is the name of one.
pub(super) fn segment_first(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(".segment")?;
    let first = Offset::new(digits.parse().ok()?);
    (segment_name(first) == name).then_some(first)
}

/// The four bytes at a place as a number. The caller has checked that they are there.
pub(super) fn u32_at(bytes: &[u8], place: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[place..place + 4]);
    u32::from_le_bytes(four)
}

/// The eight bytes at a place as a number. The caller has checked that they are there.
pub(super) fn u64_at(bytes: &[u8], place: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[place..place + 8]);
    u64::from_le_bytes(eight)
}
