//! Numbers, moments and texts as bytes, and what may be wrong with bytes that claim to be some.
//!
//! A number takes seven bits a byte, the lowest first; the eighth bit says that more follow. A number that may be negative
//! is folded first, so that small ones stay short. Nothing here knows what is written.

use alloc::vec::Vec;
use core::fmt;

use crate::name::Name;
use crate::time::{Span, Timestamp};

/// Says why bytes are no snapshot, and where they stop being one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSnapshot {
    /// What is wrong.
    pub flaw: Flaw,
    /// How many bytes had been read when it was seen.
    pub place: usize,
}

/// What may be wrong with a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flaw {
    /// It was written in a form that is not known.
    Version,
    /// There are fewer bytes than it says.
    Cut,
    /// A number is larger than it can be.
    Number,
    /// A text is not UTF-8.
    Text,
    /// A kind, reason or mark is none of ours.
    Word,
    /// What stands in order does not.
    Order,
    /// What is there once is there twice.
    Twice,
    /// There are more bytes than it says.
    Rest,
}

impl Flaw {
    /// Returns the word for it in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Flaw::Version => "version",
            Flaw::Cut => "cut",
            Flaw::Number => "number",
            Flaw::Text => "text",
            Flaw::Word => "word",
            Flaw::Order => "order",
            Flaw::Twice => "twice",
            Flaw::Rest => "rest",
        }
    }
}

impl fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot is bad at byte {}: {}", self.place, self.flaw.word())
    }
}

impl core::error::Error for BadSnapshot {}

/// Appends to bytes.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    anchor: i64,
}

impl<'o> Writer<'o> {
    pub(crate) const fn new(out: &'o mut Vec<u8>) -> Self {
        Writer { out, anchor: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.out.len()
    }

    /// Writes the moment from which all moments behind it are told.
    pub(crate) fn stand_at(&mut self, moment: Timestamp) {
        self.moment(moment);
        self.anchor = moment.as_micros();
    }

    pub(crate) const fn anchor(&self) -> Timestamp {
        Timestamp::from_micros(self.anchor)
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// Sets bits of a byte written before.
    pub(crate) fn mark(&mut self, place: usize, bits: u8) {
        if let Some(byte) = self.out.get_mut(place) {
            *byte |= bits;
        }
    }

    /// Takes back what was written from `second` on, if it is what stands between `first` and `second`.
    pub(crate) fn drop_repeated(&mut self, first: usize, second: usize) -> bool {
        let is_repeated = self.out[first..second] == self.out[second..];
        if is_repeated {
            self.out.truncate(second);
        }
        is_repeated
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn number(&mut self, mut number: u64) {
        while 0x80 <= number {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    pub(crate) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    pub(crate) fn span(&mut self, span: Span) {
        self.number(span.as_micros() as u64);
    }

    pub(crate) fn moment(&mut self, moment: Timestamp) {
        self.signed(moment.as_micros().wrapping_sub(self.anchor));
    }

    /// Writes a moment that is not before another one.
    pub(crate) fn later(&mut self, before: Timestamp, moment: Timestamp) {
        self.number(moment.as_micros().wrapping_sub(before.as_micros()) as u64);
    }

    /// Writes a name: one more than the length of its text and then that, or 0 and the sixteen bytes of a UUID.
    pub(crate) fn name(&mut self, name: &Name) {
        if let Some(bytes) = name.as_uuid() {
            self.byte(0);
            self.raw(bytes);
            return;
        }
        let text = name.text();
        self.number(text.len() as u64 + 1);
        self.raw(text.as_bytes());
    }
}

/// Reads bytes that may be anything.
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
    place: usize,
    anchor: i64,
}

impl<'b> Reader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Reader { bytes, place: 0, anchor: 0 }
    }

    pub(crate) const fn bad(&self, flaw: Flaw) -> BadSnapshot {
        BadSnapshot { flaw, place: self.place }
    }

    /// Says that nothing may follow.
    pub(crate) const fn end(&self) -> Result<(), BadSnapshot> {
        if self.place == self.bytes.len() { Ok(()) } else { Err(self.bad(Flaw::Rest)) }
    }

    pub(crate) fn stand_at_what_is_said(&mut self) -> Result<(), BadSnapshot> {
        self.anchor = self.moment()?.as_micros();
        Ok(())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, BadSnapshot> {
        let byte = *self.bytes.get(self.place).ok_or(self.bad(Flaw::Cut))?;
        self.place += 1;
        Ok(byte)
    }

    pub(crate) fn raw(&mut self) -> Result<[u8; 16], BadSnapshot> {
        let bytes = self.bytes[self.place..].first_chunk().ok_or(self.bad(Flaw::Cut))?;
        self.place += bytes.len();
        Ok(*bytes)
    }

    /// Reads a number that is at most so large.
    pub(crate) fn number(&mut self, most: u64) -> Result<u64, BadSnapshot> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && 1 < bits {
                return Err(self.bad(Flaw::Number));
            }
            number |= bits << shift;
            if byte < 0x80 {
                return if number <= most { Ok(number) } else { Err(self.bad(Flaw::Number)) };
            }
        }
        Err(self.bad(Flaw::Number))
    }

    /// Reads how many follow, each of which takes at least so many bytes.
    pub(crate) fn count(&mut self, smallest: usize) -> Result<usize, BadSnapshot> {
        let count = self.number(u64::MAX)?;
        let most = (self.bytes.len() - self.place) / smallest;
        if most as u64 >= count { Ok(count as usize) } else { Err(self.bad(Flaw::Cut)) }
    }

    pub(crate) fn signed(&mut self) -> Result<i64, BadSnapshot> {
        let folded = self.number(u64::MAX)?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    pub(crate) fn span(&mut self) -> Result<Span, BadSnapshot> {
        Ok(Span::from_micros(self.number(i64::MAX as u64)? as i64))
    }

    pub(crate) fn moment(&mut self) -> Result<Timestamp, BadSnapshot> {
        Ok(Timestamp::from_micros(self.anchor.wrapping_add(self.signed()?)))
    }

    pub(crate) fn later(&mut self, before: Timestamp) -> Result<Timestamp, BadSnapshot> {
        let distance = self.number(u64::MAX)?;
        let later = before.as_micros().checked_add_unsigned(distance);
        later.map(Timestamp::from_micros).ok_or(self.bad(Flaw::Number))
    }

    pub(crate) fn name(&mut self) -> Result<Name, BadSnapshot> {
        let Some(length) = self.number(u64::MAX)?.checked_sub(1) else {
            return Ok(Name::of_uuid(self.raw()?));
        };
        let rest = &self.bytes[self.place..];
        let bytes = usize::try_from(length).ok().and_then(|length| rest.get(..length)).ok_or(self.bad(Flaw::Cut))?;
        let text = core::str::from_utf8(bytes).ok().ok_or(self.bad(Flaw::Text))?;
        self.place += bytes.len();
        Ok(Name::of(text))
    }
}
