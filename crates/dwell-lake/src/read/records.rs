//! Records of delimited text: quotes, line ends within quotes, and what to do when a quote never ends.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

use super::lines::{Ahead, Lines};
use super::reject::{Reason, Refusal};

/// Delimited text, record by record. Quoting is that of RFC 4180; a quote inside an unquoted field is a letter, and
/// what follows a closing quote is kept, as other readers have it.
pub(super) struct Records<R> {
    lines: Lines<R>,
    delimiter: u8,
    limit: usize,
    /// The record that was read last: how many bytes and lines to pass before the next.
    behind: (usize, u64),
    /// Where the fields stand: in the line, or in `unquoted`.
    fields: Vec<(usize, usize)>,
    text: usize,
    is_quoted: bool,
    unquoted: Vec<u8>,
}

/// What came next.
#[derive(Debug)]
pub(super) enum Next {
    /// A record that begins on this line; its fields can be asked for.
    Record(u64),
    /// Something on this line that is no record. Reading goes on behind it.
    Refused(u64, Refusal),
    /// Nothing more.
    End,
}

impl<R: Read> Records<R> {
    pub fn new(from: R, delimiter: u8, limit: usize) -> Self {
        Records {
            lines: Lines::new(from, limit),
            delimiter,
            limit,
            behind: (0, 0),
            fields: Vec::new(),
            text: 0,
            is_quoted: false,
            unquoted: Vec::new(),
        }
    }

    pub fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// Returns how many fields the record has.
    pub fn count(&self) -> usize {
        self.fields.len()
    }

    /// Returns one field; empty if there is none.
    #[inline]
    pub fn field(&self, place: usize) -> &[u8] {
        let Some((start, end)) = self.fields.get(place) else {
            return b"";
        };
        if self.is_quoted { &self.unquoted[*start..*end] } else { &self.lines.text(self.text)[*start..*end] }
    }

    /// Returns the record as it stands in the file.
    pub fn raw(&self) -> &[u8] {
        self.lines.text(self.text)
    }

    /// Goes on to the next record. Empty lines are passed over.
    pub fn next(&mut self) -> io::Result<Next> {
        loop {
            let (whole, lines) = std::mem::take(&mut self.behind);
            self.lines.pass(whole, lines);
            let line = self.lines.line();
            match self.lines.ahead(0)? {
                Ahead::End => return Ok(Next::End),
                Ahead::TooLong => {
                    let head = self.lines.pass_long_line()?;
                    return Ok(Next::Refused(line, Refusal::whole(&head, Reason::LineTooLong)));
                }
                Ahead::Line { text: 0, whole } => self.lines.pass(whole, 1),
                Ahead::Line { text, whole } => return self.record(line, text, whole),
            }
        }
    }

    fn record(&mut self, line: u64, text: usize, whole: usize) -> io::Result<Next> {
        self.behind = (whole, 1);
        self.text = text;
        self.fields.clear();
        let record = self.lines.text(text);
        self.is_quoted = memchr(b'"', record).is_some();
        if !self.is_quoted {
            let mut start = 0;
            for end in memchr_iter(self.delimiter, record) {
                self.fields.push((start, end));
                start = end + 1;
            }
            self.fields.push((start, text));
            return Ok(Next::Record(line));
        }
        self.quoted_record(line, text, whole)
    }

    fn quoted_record(&mut self, line: u64, text: usize, whole: usize) -> io::Result<Next> {
        self.unquoted.clear();
        let mut quotes = Quotes { state: State::FieldStart, field: 0 };
        let (mut seen, mut text, mut whole, mut lines) = (0, text, whole, 1);
        let first = self.behind;
        loop {
            quotes.read(&self.lines.text(text)[seen..], self.delimiter, &mut self.fields, &mut self.unquoted);
            if quotes.state != State::Quoted {
                quotes.end_field(&mut self.fields, &self.unquoted);
                self.text = text;
                self.behind = (whole, lines);
                return Ok(Next::Record(line));
            }
            seen = text;
            match self.lines.ahead(whole)? {
                Ahead::Line { text: more, whole: and_end } if whole + more <= self.limit => {
                    text = whole + more;
                    whole += and_end;
                    lines += 1;
                }
                Ahead::Line { .. } | Ahead::TooLong | Ahead::End => {
                    // Only the line with the quote is given up: the lines behind it may be sound.
                    let refusal = Refusal::whole(self.lines.text(self.text), Reason::UnclosedQuote);
                    self.behind = first;
                    return Ok(Next::Refused(line, refusal));
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind a quote that closes the field, or is the first of two that stand for one.
    QuoteInQuoted,
}

/// Takes quotes out of a record, piece by piece.
struct Quotes {
    state: State,
    /// Where the field that is being read begins in the unquoted text.
    field: usize,
}

impl Quotes {
    fn read(&mut self, piece: &[u8], delimiter: u8, fields: &mut Vec<(usize, usize)>, unquoted: &mut Vec<u8>) {
        for byte in piece {
            match (self.state, *byte) {
                (State::FieldStart, b'"') => self.state = State::Quoted,
                (State::Quoted, b'"') => self.state = State::QuoteInQuoted,
                (State::Quoted, byte) => unquoted.push(byte),
                (State::QuoteInQuoted, b'"') => {
                    unquoted.push(b'"');
                    self.state = State::Quoted;
                }
                (State::FieldStart | State::Unquoted | State::QuoteInQuoted, byte) if byte == delimiter => {
                    self.end_field(fields, unquoted);
                    self.state = State::FieldStart;
                }
                (State::FieldStart | State::Unquoted | State::QuoteInQuoted, byte) => {
                    unquoted.push(byte);
                    self.state = State::Unquoted;
                }
            }
        }
    }

    fn end_field(&mut self, fields: &mut Vec<(usize, usize)>, unquoted: &[u8]) {
        fields.push((self.field, unquoted.len()));
        self.field = unquoted.len();
    }
}
