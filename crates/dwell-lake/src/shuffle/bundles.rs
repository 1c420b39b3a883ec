//! Events that come as keys into a list of users, put aside user by user.
//!
//! Parquet names each user of a row group once and then says by key whose an event is. So the events of one user can be
//! counted before any of them is put down, and what lies together is a bundle: whose it is and how many there are, once,
//! and then the moments. Whoever sweeps looks a user up once for a bundle, not for every event.

use dwell_core::time::Timestamp;

use crate::shuffle::narrow::{UNITS, Window};
use crate::shuffle::users::Place;

/// The user's number in four bytes and the moment in eight: an event that has no short record.
const LONG: usize = 12;

/// So many moments say how the others lie.
const SAMPLED: usize = 1 << 12;

/// A partition begins with how many heads of bundles it has.
const HEADS: usize = 4;

/// What one thread gathered, partition after partition, as bytes.
#[derive(Debug)]
pub struct LaidOut {
    /// How the bundles are written.
    pub shape: Shape,
    /// The bundles.
    pub bytes: Vec<u8>,
    /// For each partition where its bytes end, and how many events they hold.
    pub ends: Vec<(u64, u32)>,
}

/// Events in order of arrival, before they are put down.
#[derive(Debug)]
pub struct Gathered {
    /// For each event the place of its user among all users here.
    events: Vec<u32>,
    /// When it happened, in microseconds.
    moments: Vec<i64>,
    /// The users of all lists, one list after the other. Who is in two of them is there twice.
    users: Vec<Place>,
    /// How many events each of them has.
    counts: Vec<u32>,
    /// The largest unit in which all moments have been whole so far, in microseconds.
    unit: i64,
    /// The earliest and the latest moment, in microseconds.
    range: (i64, i64),
}

/// The range of no moment.
const NO_RANGE: (i64, i64) = (i64::MAX, i64::MIN);

impl Default for Gathered {
    /// Begins with nothing, in the largest unit.
    fn default() -> Self {
        Gathered {
            events: Vec::new(),
            moments: Vec::new(),
            users: Vec::new(),
            counts: Vec::new(),
            unit: UNITS[0],
            range: NO_RANGE,
        }
    }
}

impl Gathered {
    /// Returns how many events there are.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// Makes room for so many more events.
    pub fn reserve(&mut self, events: usize) {
        self.events.reserve_exact(events);
        self.moments.reserve_exact(events);
    }

    /// Adds a list of users, and returns where it begins.
    pub fn add_list(&mut self, users: &[Place]) -> usize {
        let first = self.users.len();
        self.users.extend_from_slice(users);
        self.counts.resize(self.users.len(), 0);
        first
    }

    /// Takes events: for each one the key into the list that begins at `first`, and the moment in microseconds,
    /// all of them in the range.
    pub fn take(&mut self, first: usize, keys: &[u32], moments: &[i64], range: (i64, i64)) {
        let counts = &mut self.counts[first..];
        self.events.extend(keys.iter().map(|key| {
            counts[*key as usize] += 1;
            first as u32 + key
        }));
        self.moments.extend_from_slice(moments);
        self.range = (self.range.0.min(range.0), self.range.1.max(range.1));
    }

    /// Lays out all events for so many partitions in the shape that takes the fewest bytes, and begins again with none.
    pub fn lay_out(&mut self, partitions: usize) -> LaidOut {
        let order = self.in_order_of_partitions(partitions);
        loop {
            // Few moments are asked whether they are whole in a unit; should another one not be, that is found on the way.
            match self.lay_out_in_unit(&order, partitions) {
                Some(laid_out) => {
                    self.events.clear();
                    self.moments.clear();
                    self.users.clear();
                    self.counts.clear();
                    self.range = NO_RANGE;
                    return laid_out;
                }
                None => self.unit = UNITS.into_iter().find(|unit| *unit < self.unit).unwrap_or(1),
            }
        }
    }

    /// Returns nothing if a moment is not whole in the unit.
    fn lay_out_in_unit(&mut self, order: &Order, partitions: usize) -> Option<LaidOut> {
        let shape = self.shape();
        let mut next = self.counts.clone();
        let far = self.part_from_near(shape, &mut next);
        // Memory that nobody has had yet is nothing already and costs only when it is written to; to have too little would
        // mean to write it twice.
        let heads = order.users.len() + self.events() / shape.most() as usize;
        let room = self.events() * shape.width.bytes() + heads * shape.head.bytes() + partitions * HEADS;
        let mut bytes = vec![0; room + far.len() * LONG];
        let (mut end, mut ends) = (0, Vec::with_capacity(partitions));
        let mut far = far.iter().peekable();
        for partition in 0..partitions {
            let users = order.of(partition);
            let mut events;
            (end, events) = shape.begin_partition(users, &self.users, &mut next, &mut bytes, end);
            while let Some((place, units)) = far.next_if(|(place, _)| place.partition as usize == partition) {
                bytes[end..end + 4].copy_from_slice(&place.local.to_le_bytes());
                bytes[end + 4..end + LONG].copy_from_slice(&units.to_le_bytes());
                end += LONG;
                events += 1;
            }
            ends.push((end as u64, events));
        }
        bytes.truncate(end);
        shape.write(self, &mut next, &mut bytes).then_some(LaidOut { shape, bytes, ends })
    }

    /// Returns the events for which the shape has no short record, in order of partitions, and counts them no longer.
    fn part_from_near(&self, shape: Shape, counts: &mut [u32]) -> Vec<(Place, i64)> {
        let mut far = Vec::new();
        if shape.has_short(self.range.0 / shape.unit) && shape.has_short(self.range.1 / shape.unit) {
            return far;
        }
        for (user, at) in self.events.iter().zip(&self.moments) {
            let units = at / shape.unit;
            if !shape.has_short(units) {
                counts[*user as usize] -= 1;
                far.push((self.users[*user as usize], units));
            }
        }
        far.sort_by_key(|(place, _)| place.partition);
        far
    }

    /// Returns the users who have events.
    fn in_order_of_partitions(&self, partitions: usize) -> Order {
        let mut starts = vec![0; partitions + 1];
        let there = || self.users.iter().zip(&self.counts).enumerate().filter(|(_, (_, events))| **events != 0);
        for (_, (place, _)) in there() {
            starts[place.partition as usize + 1] += 1;
        }
        for partition in 0..partitions {
            starts[partition + 1] += starts[partition];
        }
        let mut users = vec![0; starts[partitions] as usize];
        let mut next = starts.clone();
        for (user, (place, _)) in there() {
            let next = &mut next[place.partition as usize];
            users[*next as usize] = user as u32;
            *next += 1;
        }
        Order { starts, users }
    }

    /// Returns the best shape for what was gathered, in a unit in which a sample of it is whole.
    fn shape(&mut self) -> Shape {
        let bits = 32 - self.users.iter().fold(0, |all, place| all | place.local).leading_zeros();
        let step = (self.events() / SAMPLED).max(1);
        let sampled = || self.moments.iter().step_by(step);
        let unit = UNITS.into_iter().find(|unit| *unit <= self.unit && sampled().all(|at| at % unit == 0)).unwrap_or(1);
        let (first, last) = (self.range.0 / unit, self.range.1 / unit);
        let since = |units: i64| units.wrapping_sub(first).cast_unsigned();
        let mut sample: Vec<u64> = sampled().map(|at| since(at / unit)).collect();
        sample.sort_unstable();
        self.unit = unit;
        let mut best = (usize::MAX, Window { from: 0, bits: 0 }, Width::Eight);
        for width in Width::ALL {
            let (window, inside) = Window::around_most(&sample, width.time_bits());
            let bytes = inside * width.bytes() + (sample.len() - inside) * LONG;
            if bytes < best.0 {
                best = (bytes, window, width);
            }
        }
        let (_, window, width) = best;
        // Where there is room for all, none is left out.
        let from = if since(last) >> window.bits == 0 { 0 } else { window.from };
        Shape { unit: self.unit, base: first.wrapping_add(from), bits, head: Head::for_bits(bits), width }
    }
}

/// Users in order of partitions.
struct Order {
    starts: Vec<u32>,
    users: Vec<u32>,
}

impl Order {
    fn of(&self, partition: usize) -> &[u32] {
        &self.users[self.starts[partition] as usize..self.starts[partition + 1] as usize]
    }
}

/// How the bundles of a run are written.
///
/// A partition is the number of its heads, the heads, the moments of all bundles in the same order, and at the end long
/// records of events that happened too long before or after the others. A head is the user's number and above it the
/// number of events less one; who has more events than it can tell has several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    unit: i64,
    /// The earliest moment that a short record can tell, in units.
    base: i64,
    /// How many bits the user's number has.
    bits: u32,
    head: Head,
    width: Width,
}

/// How many bytes a head has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Head {
    Two,
    Four,
    Eight,
}

impl Head {
    /// Returns the smallest that leaves three bits or more to the number of events.
    const fn for_bits(bits: u32) -> Self {
        match bits {
            ..=13 => Head::Two,
            14..=29 => Head::Four,
            _ => Head::Eight,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Head::Two => 2,
            Head::Four => 4,
            Head::Eight => 8,
        }
    }

    /// Puts a head at the beginning of the bytes, and returns what is behind it.
    #[inline]
    fn put(self, head: u64, bytes: &mut [u8]) -> &mut [u8] {
        // Of a length that is known beforehand, nothing needs to be called to copy it.
        let head = head.to_le_bytes();
        let (here, rest) = bytes.split_at_mut(self.bytes());
        match self {
            Head::Two => here.copy_from_slice(&head[..2]),
            Head::Four => here.copy_from_slice(&head[..4]),
            Head::Eight => here.copy_from_slice(&head),
        }
        rest
    }
}

/// How many bytes a moment has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Width {
    Three,
    Four,
    Five,
    Six,
    Eight,
}

impl Width {
    const ALL: [Width; 5] = [Width::Three, Width::Four, Width::Five, Width::Six, Width::Eight];

    const fn bytes(self) -> usize {
        match self {
            Width::Three => 3,
            Width::Four => 4,
            Width::Five => 5,
            Width::Six => 6,
            Width::Eight => 8,
        }
    }

    /// Returns how many bits of it are in use: never all of a number, so that windows can be reckoned with.
    const fn time_bits(self) -> u32 {
        match self {
            Width::Eight => 62,
            shorter => 8 * shorter.bytes() as u32,
        }
    }
}

impl Shape {
    /// Returns the unit in which moments are counted, in microseconds.
    pub const fn unit(self) -> i64 {
        self.unit
    }

    /// Says whether a short record has room for a moment in units.
    #[inline]
    const fn has_short(self, units: i64) -> bool {
        units.wrapping_sub(self.base).cast_unsigned() >> self.width.time_bits() == 0
    }

    /// Returns how many events one head can tell.
    const fn most(self) -> u32 {
        let bits = 8 * self.head.bytes() as u32 - self.bits;
        if bits < 32 { 1 << bits } else { u32::MAX }
    }

    /// Writes the heads of a partition that begins at `begin`, puts the place of each user's moments where the count of their
    /// events was, and returns where the moments end and how many events there are.
    fn begin_partition(
        self,
        users: &[u32],
        places: &[Place],
        counts: &mut [u32],
        bytes: &mut [u8],
        begin: usize,
    ) -> (usize, u32) {
        let mut heads = &mut bytes[begin + HEADS..];
        let (mut heads_there, mut events) = (0u32, 0);
        for user in users {
            let mut left = counts[*user as usize];
            events += left;
            while left != 0 {
                let told = left.min(self.most());
                let head = u64::from(places[*user as usize].local) | (u64::from(told - 1) << self.bits);
                heads = self.head.put(head, heads);
                heads_there += 1;
                left -= told;
            }
        }
        bytes[begin..begin + HEADS].copy_from_slice(&heads_there.to_le_bytes());
        let mut next = (begin + HEADS) as u32 + heads_there * self.head.bytes() as u32;
        for user in users {
            let count = &mut counts[*user as usize];
            next += std::mem::replace(count, next) * self.width.bytes() as u32;
        }
        (next as usize, events)
    }

    /// Writes the moments of all events that have short records, each at the next place of its user. Says whether all
    /// moments are whole in the unit.
    fn write(self, gathered: &Gathered, next: &mut [u32], bytes: &mut [u8]) -> bool {
        match self.width {
            Width::Three => self.write_in::<3>(gathered, next, bytes),
            Width::Four => self.write_in::<4>(gathered, next, bytes),
            Width::Five => self.write_in::<5>(gathered, next, bytes),
            Width::Six => self.write_in::<6>(gathered, next, bytes),
            Width::Eight => self.write_in::<8>(gathered, next, bytes),
        }
    }

    fn write_in<const WIDTH: usize>(self, gathered: &Gathered, next: &mut [u32], bytes: &mut [u8]) -> bool {
        // With the unit known beforehand, the compiler need not divide.
        match self.unit {
            1_000_000 => self.write_units::<WIDTH, 1_000_000>(gathered, next, bytes),
            1_000 => self.write_units::<WIDTH, 1_000>(gathered, next, bytes),
            _ => self.write_units::<WIDTH, 1>(gathered, next, bytes),
        }
    }

    fn write_units<const WIDTH: usize, const UNIT: i64>(
        self,
        gathered: &Gathered,
        next: &mut [u32],
        bytes: &mut [u8],
    ) -> bool {
        let mut beyond = 0;
        for (user, at) in gathered.events.iter().zip(&gathered.moments) {
            let units = at / UNIT;
            beyond |= at - units * UNIT;
            if self.has_short(units) {
                let next = &mut next[*user as usize];
                let since = units.wrapping_sub(self.base).to_le_bytes();
                bytes[*next as usize..][..WIDTH].copy_from_slice(&since[..WIDTH]);
                *next += WIDTH as u32;
            }
        }
        beyond == 0
    }

    /// Takes the bytes of a partition apart, which hold so many events.
    fn parts(self, bytes: &[u8], events: u32) -> Parts<'_> {
        let (heads, rest) = bytes
            .split_first_chunk::<HEADS>()
            .map_or((0, bytes), |(heads, rest)| (u32::from_le_bytes(*heads) as usize * self.head.bytes(), rest));
        let (heads, rest) = rest.split_at(heads);
        // What they take beyond short records says how many are long.
        let width = self.width.bytes();
        let long = (rest.len() - events as usize * width) / (LONG - width);
        let (moments, long) = rest.split_at(rest.len() - long * LONG);
        Parts { heads, moments, long }
    }

    /// Hands on the user of each bundle, and how many events it has.
    #[inline]
    pub fn counts(self, bytes: &[u8], events: u32, mut each: impl FnMut(u32, u32)) {
        let parts = self.parts(bytes, events);
        self.heads(parts.heads, &mut each);
        parts.long(|local, _| each(local, 1));
    }

    #[inline]
    fn heads(self, heads: &[u8], each: &mut impl FnMut(u32, u32)) {
        match self.head {
            Head::Two => self.heads_in::<2>(heads, each),
            Head::Four => self.heads_in::<4>(heads, each),
            Head::Eight => self.heads_in::<8>(heads, each),
        }
    }

    #[inline]
    fn heads_in<const HEAD: usize>(self, heads: &[u8], each: &mut impl FnMut(u32, u32)) {
        let locals = (1u64 << self.bits) - 1;
        for head in heads.chunks_exact(HEAD) {
            let mut number = [0; 8];
            number[..HEAD].copy_from_slice(head);
            let number = u64::from_le_bytes(number);
            each((number & locals) as u32, (number >> self.bits) as u32 + 1);
        }
    }

    /// Puts the moments of each user from the user's next place on, in microseconds.
    #[inline]
    pub fn put(self, bytes: &[u8], events: u32, next: &mut [u32], moments: &mut [Timestamp]) {
        match self.width {
            Width::Three => self.put_in::<3>(bytes, events, next, moments),
            Width::Four => self.put_in::<4>(bytes, events, next, moments),
            Width::Five => self.put_in::<5>(bytes, events, next, moments),
            Width::Six => self.put_in::<6>(bytes, events, next, moments),
            Width::Eight => self.put_in::<8>(bytes, events, next, moments),
        }
    }

    fn put_in<const WIDTH: usize>(self, bytes: &[u8], events: u32, next: &mut [u32], moments: &mut [Timestamp]) {
        let parts = self.parts(bytes, events);
        let mut rest = parts.moments;
        self.heads(parts.heads, &mut |local, count| {
            let next = &mut next[local as usize];
            let (these, others) = rest.split_at(count as usize * WIDTH);
            rest = others;
            let places = &mut moments[*next as usize..][..count as usize];
            for (place, record) in places.iter_mut().zip(these.chunks_exact(WIDTH)) {
                *place = Timestamp::from_micros(self.moment::<WIDTH>(record));
            }
            *next += count;
        });
        parts.long(|local, units| {
            let next = &mut next[local as usize];
            moments[*next as usize] = Timestamp::from_micros(units.wrapping_mul(self.unit));
            *next += 1;
        });
    }

    /// Hands on the user's number and the moment in microseconds of all events of a partition.
    pub fn read(self, bytes: &[u8], events: u32, each: impl FnMut(u32, i64)) {
        match self.width {
            Width::Three => self.read_in::<3>(bytes, events, each),
            Width::Four => self.read_in::<4>(bytes, events, each),
            Width::Five => self.read_in::<5>(bytes, events, each),
            Width::Six => self.read_in::<6>(bytes, events, each),
            Width::Eight => self.read_in::<8>(bytes, events, each),
        }
    }

    fn read_in<const WIDTH: usize>(self, bytes: &[u8], events: u32, mut each: impl FnMut(u32, i64)) {
        let parts = self.parts(bytes, events);
        let mut records = parts.moments.chunks_exact(WIDTH);
        self.heads(parts.heads, &mut |local, count| {
            for record in records.by_ref().take(count as usize) {
                each(local, self.moment::<WIDTH>(record));
            }
        });
        parts.long(|local, units| each(local, units.wrapping_mul(self.unit)));
    }

    #[inline]
    fn moment<const WIDTH: usize>(self, record: &[u8]) -> i64 {
        let mut since = [0; 8];
        since[..WIDTH].copy_from_slice(record);
        i64::from_le_bytes(since).wrapping_add(self.base).wrapping_mul(self.unit)
    }
}

/// The bytes of a partition.
struct Parts<'a> {
    heads: &'a [u8],
    moments: &'a [u8],
    long: &'a [u8],
}

impl Parts<'_> {
    /// Hands on the user's number and the moment in units of all long records.
    #[inline]
    fn long(&self, mut each: impl FnMut(u32, i64)) {
        for record in self.long.chunks_exact(LONG) {
            let (mut local, mut units) = ([0; 4], [0; 8]);
            local.copy_from_slice(&record[..4]);
            units.copy_from_slice(&record[4..]);
            each(u32::from_le_bytes(local), i64::from_le_bytes(units));
        }
    }
}

#[cfg(test)]
mod tests;
