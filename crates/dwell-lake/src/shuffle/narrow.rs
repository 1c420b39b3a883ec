//! Who and when of an event in four to six bytes.
//!
//! A record is one number, written with a prefix that tells its length: the distance to the record before it in
//! units of time, zigzag, and below it the user's number in as many bits as are needed so far. A record whose first
//! byte is zero is a mark: it tells the bits and the moment to go on from.

use crate::shuffle::users::Place;

/// What the next record is written against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer {
    bits: u8,
    last: i64,
    begun: bool,
}

const MARK_LENGTH: usize = 10;
/// A number of more bits than this does not fit a record.
const LARGEST: u32 = 56;

/// Moments are counted in units of so many microseconds, as long as all of them are whole.
pub const UNITS: [i64; 3] = [1_000_000, 1_000, 1];

impl Writer {
    /// Appends one event. `at` is counted in the units of the run.
    #[inline]
    pub fn write(&mut self, place: Place, at: i64, bytes: &mut Vec<u8>) {
        let distance = at.wrapping_sub(self.last);
        let zigzag = ((distance << 1) ^ (distance >> 63)) as u64;
        let fits =
            u64::from(place.local) >> self.bits == 0 && zigzag.leading_zeros() + LARGEST >= 64 + u32::from(self.bits);
        if fits && self.begun {
            self.record(zigzag, place, bytes);
        } else {
            self.mark(place, at, bytes);
            self.record(0, place, bytes);
        }
        self.last = at;
    }

    #[inline]
    fn record(&self, zigzag: u64, place: Place, bytes: &mut Vec<u8>) {
        let number = (zigzag << self.bits) | u64::from(place.local);
        let length = (63 - (number | 1).leading_zeros()) as usize / 7 + 1;
        let word = (number << length) | (1 << (length - 1));
        let end = bytes.len() + length;
        bytes.extend_from_slice(&word.to_le_bytes());
        bytes.truncate(end);
    }

    #[cold]
    fn mark(&mut self, place: Place, at: i64, bytes: &mut Vec<u8>) {
        self.bits = self.bits.max((32 - place.local.leading_zeros()) as u8);
        self.last = at;
        self.begun = true;
        bytes.push(0);
        bytes.push(self.bits);
        bytes.extend_from_slice(&at.to_le_bytes());
    }
}

/// Reads the records of one partition of one run, and hands on the user's number and the moment in microseconds.
#[inline]
pub fn read(mut bytes: &[u8], unit: i64, mut each: impl FnMut(u32, i64)) {
    let (mut bits, mut last) = (0, 0i64);
    while let [first, ..] = bytes {
        if *first == 0 {
            let Some((mark, rest)) = bytes.split_at_checked(MARK_LENGTH) else { return };
            bits = u32::from(mark[1]);
            last = i64::from_le_bytes([mark[2], mark[3], mark[4], mark[5], mark[6], mark[7], mark[8], mark[9]]);
            bytes = rest;
            continue;
        }
        let length = first.trailing_zeros() as usize + 1;
        let number = match bytes.first_chunk::<8>() {
            Some(word) => (u64::from_le_bytes(*word) & (u64::MAX >> (64 - 8 * length))) >> length,
            None => short(bytes, length),
        };
        let zigzag = number >> bits;
        let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        last = last.wrapping_add(distance);
        each((number & ((1 << bits) - 1)) as u32, last.wrapping_mul(unit));
        bytes = bytes.get(length..).unwrap_or_default();
    }
}

/// The last records of a run, where eight bytes are not left to take at once.
#[cold]
fn short(bytes: &[u8], length: usize) -> u64 {
    let mut word = [0; 8];
    let known = bytes.len().min(length);
    word[..known].copy_from_slice(&bytes[..known]);
    u64::from_le_bytes(word) >> length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(events in prop::collection::vec((0u32..70_000, prop_oneof![any::<i64>(), -1000i64..1000, 0i64..1 << 50]), 0..200)) {
            let (mut writer, mut bytes) = (Writer::default(), Vec::new());
            for (local, at) in &events {
                writer.write(Place { partition: 0, local: *local }, *at, &mut bytes);
            }
            let mut back = Vec::new();
            read(&bytes, 1, |local, at| back.push((local, at)));
            prop_assert_eq!(back, events);
        }
    }
}
