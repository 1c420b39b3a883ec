//! Who and when of an event in four to eight bytes.
//!
//! All records of a run are equally long, so that neither writing nor reading waits for the record before: below, the
//! user's number in as many bits as the run needs, and above, the time since the earliest moment of the run.

use crate::shuffle::users::Place;

/// Moments are counted in units of so many microseconds, as long as all of them are whole.
pub const UNITS: [i64; 3] = [1_000_000, 1_000, 1];

/// One event, before it has a shape: where it goes, and when it happened, in units.
pub type Loose = (Place, i64);

/// How the records of a run are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    unit: i64,
    /// The earliest moment, in units.
    base: i64,
    /// How many bits the user's number has.
    bits: u32,
    width: Width,
}

/// How many bytes a record has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Width {
    Four,
    Five,
    Six,
    Seven,
    Eight,
    /// The user's number in four bytes and the moment in eight: what fits nowhere else.
    Twelve,
}

/// Lays out events, partition after partition, in the shortest shape; `counts` says how many each partition has.
/// Returns the bytes, and for each partition where its bytes end and how many events they hold.
pub fn lay_out(events: &[Loose], counts: &[u32], unit: i64) -> (Shape, Vec<u8>, Vec<(u64, u32)>) {
    let shape = Shape::of(events, unit);
    let mut next = Vec::with_capacity(counts.len());
    let mut ends = Vec::with_capacity(counts.len());
    let mut end = 0;
    for count in counts {
        next.push(end);
        end += shape.bytes(*count);
        ends.push((end, *count));
    }
    let mut bytes = vec![0; end as usize];
    shape.write(events, &mut next, &mut bytes);
    (shape, bytes, ends)
}

impl Shape {
    /// Returns the unit in which moments are counted, in microseconds.
    pub const fn unit(self) -> i64 {
        self.unit
    }

    /// Returns the shortest shape for these events.
    fn of(events: &[Loose], unit: i64) -> Self {
        let (mut base, mut latest, mut largest) = (i64::MAX, i64::MIN, 0);
        for (place, at) in events {
            base = base.min(*at);
            latest = latest.max(*at);
            largest = largest.max(place.local);
        }
        let bits = 32 - largest.leading_zeros();
        let width = match latest.wrapping_sub(base) {
            range if latest < base || range < 0 => Width::Twelve,
            range => match (64 - range.leading_zeros() + bits).div_ceil(8) {
                ..=4 => Width::Four,
                5 => Width::Five,
                6 => Width::Six,
                7 => Width::Seven,
                8 => Width::Eight,
                _ => Width::Twelve,
            },
        };
        Shape { unit, base, bits, width }
    }

    /// Returns how many bytes so many records take.
    fn bytes(self, records: u32) -> u64 {
        let width = match self.width {
            Width::Four => 4,
            Width::Five => 5,
            Width::Six => 6,
            Width::Seven => 7,
            Width::Eight => 8,
            Width::Twelve => 12,
        };
        u64::from(records) * width
    }

    /// Writes all events, each at its partition's next place in `bytes`.
    fn write(self, events: &[Loose], next: &mut [u64], bytes: &mut [u8]) {
        match self.width {
            Width::Four => self.write_short::<4>(events, next, bytes),
            Width::Five => self.write_short::<5>(events, next, bytes),
            Width::Six => self.write_short::<6>(events, next, bytes),
            Width::Seven => self.write_short::<7>(events, next, bytes),
            Width::Eight => self.write_short::<8>(events, next, bytes),
            Width::Twelve => {
                for (place, at) in events {
                    let next = &mut next[place.partition as usize];
                    let record = &mut bytes[*next as usize..][..12];
                    record[..4].copy_from_slice(&place.local.to_le_bytes());
                    record[4..].copy_from_slice(&at.to_le_bytes());
                    *next += 12;
                }
            }
        }
    }

    fn write_short<const WIDTH: usize>(self, events: &[Loose], next: &mut [u64], bytes: &mut [u8]) {
        for (place, at) in events {
            let next = &mut next[place.partition as usize];
            let number = ((at - self.base).cast_unsigned() << self.bits) | u64::from(place.local);
            bytes[*next as usize..][..WIDTH].copy_from_slice(&number.to_le_bytes()[..WIDTH]);
            *next += WIDTH as u64;
        }
    }

    /// Reads records, and hands on the user's number and the moment in microseconds.
    #[inline]
    pub fn read(self, bytes: &[u8], each: impl FnMut(u32, i64)) {
        match self.width {
            Width::Four => self.read_short::<4>(bytes, each),
            Width::Five => self.read_short::<5>(bytes, each),
            Width::Six => self.read_short::<6>(bytes, each),
            Width::Seven => self.read_short::<7>(bytes, each),
            Width::Eight => self.read_short::<8>(bytes, each),
            Width::Twelve => self.read_long(bytes, each),
        }
    }

    #[inline]
    fn read_short<const WIDTH: usize>(self, bytes: &[u8], mut each: impl FnMut(u32, i64)) {
        let locals = (1u64 << self.bits) - 1;
        for record in bytes.chunks_exact(WIDTH) {
            let mut number = [0; 8];
            number[..WIDTH].copy_from_slice(record);
            let number = u64::from_le_bytes(number);
            let at = (number >> self.bits).cast_signed().wrapping_add(self.base);
            each((number & locals) as u32, at.wrapping_mul(self.unit));
        }
    }

    fn read_long(self, bytes: &[u8], mut each: impl FnMut(u32, i64)) {
        for record in bytes.chunks_exact(12) {
            let (mut local, mut at) = ([0; 4], [0; 8]);
            local.copy_from_slice(&record[..4]);
            at.copy_from_slice(&record[4..]);
            each(u32::from_le_bytes(local), i64::from_le_bytes(at).wrapping_mul(self.unit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments() -> impl Strategy<Value = Vec<i64>> {
        let reach = prop_oneof![Just(0u32), 1u32..63];
        (any::<i32>(), reach).prop_flat_map(|(base, reach)| {
            prop::collection::vec((0i64..=1 << reach).prop_map(move |at| i64::from(base) + at), 0..100)
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            moments in prop_oneof![moments(), prop::collection::vec(any::<i64>(), 0..20)],
            locals in prop_oneof![0u32..2, 0u32..70_000, any::<u32>()],
        ) {
            let place = |at: i64| Place { partition: at.rem_euclid(3) as u32, local: (at.unsigned_abs() % (u64::from(locals) + 1)) as u32 };
            let events: Vec<Loose> = moments.iter().map(|at| (place(*at), *at)).collect();
            let mut counts = [0; 3];
            for (place, _) in &events {
                counts[place.partition as usize] += 1;
            }
            let (shape, bytes, ends) = lay_out(&events, &counts, 1);
            let mut start = 0;
            for (partition, (end, count)) in ends.into_iter().enumerate() {
                let mut back = Vec::new();
                shape.read(&bytes[start..end as usize], |local, at| back.push((local, at)));
                start = end as usize;
                prop_assert_eq!(back.len(), count as usize);
                let wanted = events.iter().filter(|(place, _)| place.partition as usize == partition);
                let wanted: Vec<_> = wanted.map(|(place, at)| (place.local, *at)).collect();
                prop_assert_eq!(back, wanted);
            }
        }
    }
}
