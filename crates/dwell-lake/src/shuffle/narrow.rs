//! Who and when of an event in four to eight bytes.
//!
//! A thread gathers events, each as one number: above, the time since a moment near all of them, and below, the user's
//! number. When it makes a run of them, all records of the run become equally long, so that neither writing nor reading
//! waits for the record before: as many bytes as most of them need. A few that happened long before or after the others,
//! which would make all of them longer, follow those of their partition in twelve bytes each.

use crate::shuffle::users::Place;

/// Moments are counted in units of so many microseconds, as long as all of them are whole.
pub const UNITS: [i64; 3] = [1_000_000, 1_000, 1];

/// In a gathered number the user's number has so many bits, and the time since the beginning the others.
const LOCAL_BITS: u32 = 24;
const TIME_BITS: u32 = 64 - LOCAL_BITS;

/// Times are counted from here, so that those before the first event have a number too.
const MIDDLE: i64 = 1 << (TIME_BITS - 1);

/// The user's number in four bytes and the moment in eight: what fits nowhere else.
const LONG: usize = 12;

/// So many times say how the others lie.
const SAMPLED: usize = 1 << 12;

/// What one thread gathered, partition after partition, as bytes.
#[derive(Debug)]
pub struct LaidOut {
    /// How the records are written.
    pub shape: Shape,
    /// The records.
    pub bytes: Vec<u8>,
    /// For each partition where its bytes end, and how many events they hold.
    pub ends: Vec<(u64, u32)>,
}

/// Events in order of arrival, before they have a shape.
///
/// They are put down one after the other and divided only when all are there: to write at a thousand places at once while
/// the places of users are looked up costs more than to go through them twice.
#[derive(Debug)]
pub struct Gathered {
    unit: i64,
    /// The first moment that was gathered, in units.
    from: i64,
    /// The time since `from`, and the user's number.
    near: Vec<u64>,
    /// The partition of each of them.
    partitions: Vec<u32>,
    /// What has no such number, with its moment in units.
    far: Vec<(Place, i64)>,
    /// How many of `near` each partition has.
    counts: Vec<u32>,
    /// All users' numbers in `near`, one over the other.
    locals: u32,
}

impl Default for Gathered {
    /// Begins with nothing, in the largest unit.
    fn default() -> Self {
        Gathered {
            unit: UNITS[0],
            from: 0,
            near: Vec::new(),
            partitions: Vec::new(),
            far: Vec::new(),
            counts: Vec::new(),
            locals: 0,
        }
    }
}

impl Gathered {
    /// Returns how many events there are.
    pub fn events(&self) -> usize {
        self.near.len() + self.far.len()
    }

    /// Returns the unit in which moments are counted, in microseconds.
    pub fn unit(&self) -> i64 {
        self.unit
    }

    /// Counts moments in another unit from now on; there must be no events.
    pub fn count_in(&mut self, unit: i64) {
        debug_assert_eq!(self.events(), 0, "they were counted in another unit");
        self.unit = unit;
    }

    /// Says how many partitions there are.
    pub fn divide(&mut self, partitions: usize) {
        self.counts.resize(partitions, 0);
    }

    /// Takes events, whose moments are in microseconds, until one's moment is not whole in the unit; returns how many.
    pub fn take(&mut self, events: impl Iterator<Item = (Place, i64)>) -> usize {
        // With the unit known beforehand, the compiler need not divide.
        match self.unit {
            1_000_000 => self.take_in::<1_000_000>(events),
            1_000 => self.take_in::<1_000>(events),
            _ => self.take_in::<1>(events),
        }
    }

    fn take_in<const UNIT: i64>(&mut self, events: impl Iterator<Item = (Place, i64)>) -> usize {
        let before = self.events();
        let mut is_first = before == 0;
        let Gathered { near, partitions, far, counts, from, .. } = self;
        let mut locals = self.locals;
        for (place, at) in events {
            let units = at / UNIT;
            if units * UNIT != at {
                break;
            }
            if is_first {
                (*from, is_first) = (units, false);
            }
            let since = units.wrapping_sub(*from).wrapping_add(MIDDLE).cast_unsigned();
            if since < 1 << TIME_BITS && place.local < 1 << LOCAL_BITS {
                near.push((since << LOCAL_BITS) | u64::from(place.local));
                partitions.push(place.partition);
                counts[place.partition as usize] += 1;
                locals |= place.local;
            } else {
                far.push((place, units));
            }
        }
        self.locals = locals;
        self.events() - before
    }

    /// Makes room for so many more events.
    pub fn reserve(&mut self, events: usize) {
        self.near.reserve_exact(events);
        self.partitions.reserve_exact(events);
    }

    /// Lays out all events in the shape that takes the fewest bytes, and begins again with none.
    pub fn lay_out(&mut self) -> LaidOut {
        let shape = self.shape();
        self.part_from_near(shape);
        let (mut next, mut ends) = (Vec::with_capacity(self.counts.len()), Vec::with_capacity(self.counts.len()));
        let (mut end, mut far) = (0, self.far.iter().peekable());
        for (partition, short) in self.counts.iter().enumerate() {
            next.push(end);
            end += u64::from(*short) * shape.width.bytes() as u64;
            let mut events = *short;
            while far.next_if(|(place, _)| place.partition as usize == partition).is_some() {
                end += LONG as u64;
                events += 1;
            }
            ends.push((end, events));
        }
        let mut bytes = vec![0; end as usize];
        shape.write(self, &mut next, &mut bytes);
        for (place, units) in &self.far {
            let next = &mut next[place.partition as usize];
            let record = &mut bytes[*next as usize..][..LONG];
            record[..4].copy_from_slice(&place.local.to_le_bytes());
            record[4..].copy_from_slice(&units.to_le_bytes());
            *next += LONG as u64;
        }
        self.near.clear();
        self.partitions.clear();
        self.far.clear();
        self.counts.fill(0);
        self.locals = 0;
        LaidOut { shape, bytes, ends }
    }

    /// Says of those for whom the shape has no short record that they are far, and puts all who are in order of partitions.
    fn part_from_near(&mut self, shape: Shape) {
        let Gathered { near, partitions, far, counts, from, .. } = self;
        let begin = shape.begin(*from);
        for (number, partition) in near.iter().zip(partitions.iter()) {
            let (since, local) = shape.told(*number, begin);
            if !shape.has_short(since) {
                counts[*partition as usize] -= 1;
                let place = Place { partition: *partition, local };
                far.push((place, since.cast_signed().wrapping_add(shape.base)));
            }
        }
        far.sort_by_key(|(place, _)| place.partition);
    }

    /// Returns the best shape for what is near.
    fn shape(&self) -> Shape {
        let bits = 32 - self.locals.leading_zeros();
        let step = (self.near.len() / SAMPLED).max(1);
        let mut sample: Vec<u64> = self.near.iter().step_by(step).map(|number| number >> LOCAL_BITS).collect();
        sample.sort_unstable();
        let mut best = (usize::MAX, Window { from: 0, bits: TIME_BITS }, Width::Eight);
        for width in Width::ALL {
            let bits = (8 * width.bytes() as u32 - bits).min(TIME_BITS);
            let (window, inside) = Window::around_most(&sample, bits);
            let bytes = inside * width.bytes() + (sample.len() - inside) * LONG;
            if bytes < best.0 {
                best = (bytes, window, width);
            }
        }
        let (_, window, width) = best;
        let base = self.from.wrapping_sub(MIDDLE).wrapping_add(window.from);
        Shape { unit: self.unit, base, bits, time_bits: window.bits, width }
    }
}

/// Moments that short records have room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub from: i64,
    pub bits: u32,
}

impl Window {
    /// Returns the window of so many bits that the most of these times lie in, about in the middle of it, and how many.
    pub fn around_most(sorted: &[u64], bits: u32) -> (Self, usize) {
        let length = 1 << bits;
        let (mut first, mut most) = (0, 0..0);
        for (next, time) in sorted.iter().enumerate() {
            while length <= time - sorted[first] {
                first += 1;
            }
            if most.len() < next + 1 - first {
                most = first..next + 1;
            }
        }
        let inside = &sorted[most];
        let from = match (inside.first(), inside.last()) {
            (Some(least), Some(greatest)) => least.cast_signed() - (length - 1 - (greatest - least)).cast_signed() / 2,
            _ => 0,
        };
        (Window { from, bits }, inside.len())
    }
}

/// How the records of a run are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    unit: i64,
    /// The earliest moment that a short record can tell, in units.
    base: i64,
    /// How many bits the user's number has, and the time since the base.
    bits: u32,
    time_bits: u32,
    width: Width,
}

/// How many bytes a short record has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Width {
    Four,
    Five,
    Six,
    Seven,
    Eight,
}

impl Width {
    const ALL: [Width; 5] = [Width::Four, Width::Five, Width::Six, Width::Seven, Width::Eight];

    const fn bytes(self) -> usize {
        match self {
            Width::Four => 4,
            Width::Five => 5,
            Width::Six => 6,
            Width::Seven => 7,
            Width::Eight => 8,
        }
    }
}

impl Shape {
    /// Returns the unit in which moments are counted, in microseconds.
    pub const fn unit(self) -> i64 {
        self.unit
    }

    /// Returns what to add to a gathered time to count it from the base.
    const fn begin(self, from: i64) -> u64 {
        from.wrapping_sub(MIDDLE).wrapping_sub(self.base).cast_unsigned()
    }

    /// Returns the time since the base that a gathered number tells, and the user's number.
    #[inline]
    const fn told(self, number: u64, begin: u64) -> (u64, u32) {
        ((number >> LOCAL_BITS).wrapping_add(begin), (number & ((1 << LOCAL_BITS) - 1)) as u32)
    }

    /// Says whether a short record has room for a time since the base.
    #[inline]
    const fn has_short(self, since: u64) -> bool {
        since >> self.time_bits == 0
    }

    /// Writes all short records, each at its partition's next place in `bytes`.
    fn write(self, gathered: &Gathered, next: &mut [u64], bytes: &mut [u8]) {
        match self.width {
            Width::Four => self.write_in::<4>(gathered, next, bytes),
            Width::Five => self.write_in::<5>(gathered, next, bytes),
            Width::Six => self.write_in::<6>(gathered, next, bytes),
            Width::Seven => self.write_in::<7>(gathered, next, bytes),
            Width::Eight => self.write_in::<8>(gathered, next, bytes),
        }
    }

    fn write_in<const WIDTH: usize>(self, gathered: &Gathered, next: &mut [u64], bytes: &mut [u8]) {
        let begin = self.begin(gathered.from);
        for (number, partition) in gathered.near.iter().zip(&gathered.partitions) {
            let (since, local) = self.told(*number, begin);
            if self.has_short(since) {
                let next = &mut next[*partition as usize];
                let record = (since << self.bits) | u64::from(local);
                bytes[*next as usize..][..WIDTH].copy_from_slice(&record.to_le_bytes()[..WIDTH]);
                *next += WIDTH as u64;
            }
        }
    }

    /// Reads the records of so many events, and hands on the user's number and the moment in microseconds.
    #[inline]
    pub fn read(self, bytes: &[u8], events: u32, each: impl FnMut(u32, i64)) {
        match self.width {
            Width::Four => self.read_in::<4>(bytes, events, each),
            Width::Five => self.read_in::<5>(bytes, events, each),
            Width::Six => self.read_in::<6>(bytes, events, each),
            Width::Seven => self.read_in::<7>(bytes, events, each),
            Width::Eight => self.read_in::<8>(bytes, events, each),
        }
    }

    #[inline]
    fn read_in<const WIDTH: usize>(self, bytes: &[u8], events: u32, mut each: impl FnMut(u32, i64)) {
        // What they take beyond short records says how many are long.
        let long = (bytes.len() - events as usize * WIDTH) / (LONG - WIDTH);
        let (short, long) = bytes.split_at(bytes.len() - long * LONG);
        let locals = (1u64 << self.bits) - 1;
        for record in short.chunks_exact(WIDTH) {
            let mut number = [0; 8];
            number[..WIDTH].copy_from_slice(record);
            let number = u64::from_le_bytes(number);
            let units = (number >> self.bits).cast_signed().wrapping_add(self.base);
            each((number & locals) as u32, units.wrapping_mul(self.unit));
        }
        for record in long.chunks_exact(LONG) {
            let (mut local, mut units) = ([0; 4], [0; 8]);
            local.copy_from_slice(&record[..4]);
            units.copy_from_slice(&record[4..]);
            each(u32::from_le_bytes(local), i64::from_le_bytes(units).wrapping_mul(self.unit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gathers events in microseconds in three partitions, lays them out and reads them again, each partition sorted.
    fn there_and_back(events: &[(Place, i64)], gathered: &mut Gathered) -> Vec<Vec<(u32, i64)>> {
        gathered.divide(3);
        let mut from = 0;
        while from < events.len() {
            from += gathered.take(events[from..].iter().copied());
            if from < events.len() {
                panic!("a moment is not whole");
            }
        }
        let laid_out = gathered.lay_out();
        let mut start = 0;
        let mut all = Vec::new();
        for (end, events) in laid_out.ends {
            let mut back = Vec::new();
            let bytes = &laid_out.bytes[start..end as usize];
            laid_out.shape.read(bytes, events, |local, at| back.push((local, at)));
            start = end as usize;
            assert_eq!(back.len(), events as usize);
            back.sort_unstable();
            all.push(back);
        }
        all
    }

    fn by_partition(events: &[(Place, i64)]) -> Vec<Vec<(u32, i64)>> {
        let of = |partition: u32| {
            let events = events.iter().filter(|(place, _)| place.partition == partition);
            let mut events: Vec<_> = events.map(|(place, at)| (place.local, *at)).collect();
            events.sort_unstable();
            events
        };
        vec![of(0), of(1), of(2)]
    }

    fn moments() -> impl Strategy<Value = Vec<i64>> {
        let reach = prop_oneof![Just(0u32), 1u32..63];
        let near = (any::<i32>(), reach).prop_flat_map(|(base, reach)| {
            prop::collection::vec((0i64..=1 << reach).prop_map(move |at| i64::from(base) + at), 0..100)
        });
        let some_far = (near.clone(), prop::collection::vec(any::<i64>(), 0..3));
        prop_oneof![
            near,
            some_far.prop_map(|(near, far)| [near, far].concat()).prop_shuffle(),
            prop::collection::vec(any::<i64>(), 0..20)
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rounds in prop::collection::vec(moments(), 1..3),
            locals in prop_oneof![0u32..2, 0u32..70_000, any::<u32>()],
            unit in 0..3usize,
        ) {
            let unit = UNITS[unit];
            let mut gathered = Gathered::default();
            for moments in rounds {
                let event = |at: &i64| {
                    let local = (at.unsigned_abs() % (u64::from(locals) + 1)) as u32;
                    (Place { partition: at.rem_euclid(3) as u32, local }, at / unit * unit)
                };
                let events: Vec<_> = moments.iter().map(event).collect();
                gathered.count_in(unit);
                prop_assert_eq!(there_and_back(&events, &mut gathered), by_partition(&events));
            }
        }
    }

    #[test]
    fn a_few_events_long_ago_do_not_make_all_records_longer() {
        let hour = |at: i64, local: u32| (Place { partition: 0, local }, at * 3_600_000_000);
        let mut events: Vec<_> = (0..1_000).map(|at| hour(at / 100, 4_000)).collect();
        events.extend((0..5).map(|at| hour(-at * 100_000, 4_000)));
        let mut gathered = Gathered::default();
        gathered.divide(1);
        assert_eq!(gathered.take(events.into_iter()), 1_005);
        let laid_out = gathered.lay_out();
        // The one of this hour is among the thousand, and not long ago.
        assert_eq!(laid_out.bytes.len(), 1_001 * 4 + 4 * LONG);
    }

    #[test]
    fn what_is_not_whole_in_the_unit_is_left() {
        let mut gathered = Gathered::default();
        gathered.divide(1);
        let moments = [1_000_000, 2_000_000, 2_000_001, 3_000_000];
        assert_eq!(gathered.take(moments.into_iter().map(|at| (Place::default(), at))), 2);
        assert_eq!(gathered.events(), 2);
    }
}
