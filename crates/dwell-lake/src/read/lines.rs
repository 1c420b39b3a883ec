//! Lines out of a stream, in bounded memory, whatever their length.

use std::io::{self, Read};

use memchr::memchr;

/// How much is asked of the stream at once.
const PIECE: usize = 256 * 1024;

/// A stream, seen line by line.
pub(super) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    limit: usize,
    /// The line on which the place of reading is, counted from 1.
    line: u64,
    /// How many bytes have come out of the stream.
    bytes: u64,
}

/// What begins at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ahead {
    /// A line: its length without and with its end.
    Line { text: usize, whole: usize },
    /// A line that is longer than the limit.
    TooLong,
    /// Nothing more.
    End,
}

impl<R: Read> Lines<R> {
    pub fn new(from: R, limit: usize) -> Self {
        Lines { from, buffer: Vec::new(), start: 0, end: 0, at_end: false, limit, line: 1, bytes: 0 }
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the next `length` bytes, which [`Lines::ahead`] has seen.
    pub fn text(&self, length: usize) -> &[u8] {
        &self.buffer[self.start..self.start + length]
    }

    /// Looks at the line that begins `skip` bytes further on.
    ///
    /// An error comes only after all whole lines before it were seen; what is left of a cut line is not seen.
    pub fn ahead(&mut self, skip: usize) -> io::Result<Ahead> {
        let mut searched = skip;
        loop {
            if let Some(found) = memchr(b'\n', &self.buffer[self.start + searched..self.end]) {
                let length = searched + found - skip;
                return Ok(self.measured(skip, length, length + 1));
            }
            searched = self.end - self.start;
            let length = searched - skip;
            // One byte more may be the return of a line that just fits.
            if self.limit + 1 < length {
                return Ok(Ahead::TooLong);
            }
            if self.at_end {
                return Ok(if length == 0 { Ahead::End } else { self.measured(skip, length, length) });
            }
            self.fill()?;
        }
    }

    fn measured(&self, skip: usize, length: usize, whole: usize) -> Ahead {
        let line = &self.buffer[self.start + skip..self.start + skip + length];
        let text = if line.last() == Some(&b'\r') { length - 1 } else { length };
        if self.limit < text { Ahead::TooLong } else { Ahead::Line { text, whole } }
    }

    /// Goes on behind `whole` bytes, which hold this many lines.
    pub fn pass(&mut self, whole: usize, lines: u64) {
        self.start += whole;
        self.line += lines;
    }

    /// Goes on behind the line that begins here, however long it is, and returns its first bytes.
    pub fn pass_long_line(&mut self) -> io::Result<Vec<u8>> {
        let head = &self.buffer[self.start..self.end.min(self.start + 512)];
        let head = head[..memchr(b'\n', head).unwrap_or(head.len())].to_vec();
        loop {
            if let Some(found) = memchr(b'\n', &self.buffer[self.start..self.end]) {
                self.pass(found + 1, 1);
                return Ok(head);
            }
            self.start = self.end;
            if self.at_end {
                return Ok(head);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if 0 < self.start {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.end + PIECE {
            self.buffer.resize(self.end + PIECE, 0);
        }
        loop {
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    return Ok(());
                }
                Ok(count) => {
                    self.end += count;
                    self.bytes += count as u64;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
