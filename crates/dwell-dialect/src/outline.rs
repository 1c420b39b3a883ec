//! Where the messages of a body begin and end, found before any of them is judged: so that a bad one is alone.
//!
//! Only strings and brackets are looked at. Inside a message anything may be wrong as long as its brackets close;
//! whether it is JSON is judged message by message.

use memchr::memchr2;

/// One value as it stands in the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece<'a> {
    pub bytes: &'a [u8],
    /// How deep objects and lists lie in it: 0 for a text or a number.
    pub depth: u32,
}

/// What stands on the top floor of a batch. Of keys that come twice the last counts, as everywhere.
#[derive(Debug, Default)]
pub(crate) struct Outline<'a> {
    /// The messages; `None` when there is no list of them.
    pub batch: Option<Vec<Piece<'a>>>,
    pub sent_at: Option<Piece<'a>>,
    pub write_key: Option<Piece<'a>>,
    pub context: Option<Piece<'a>>,
}

/// Why a body has no outline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoOutline {
    /// It is not JSON from this byte on.
    Broken(usize),
    /// There are more messages than wanted.
    TooMany,
}

/// Finds the outline of an object. At most `most` messages are kept.
pub(crate) fn outline(body: &[u8], most: usize) -> Result<Outline<'_>, NoOutline> {
    let mut scan = Scan { bytes: body, at: 0 };
    let mut outline = Outline::default();
    scan.expect(b'{')?;
    if !scan.skip(b'}') {
        loop {
            let key = scan.key()?;
            match key {
                b"batch" if scan.peek() == Some(b'[') => outline.batch = Some(scan.list(most)?),
                b"batch" => {
                    scan.value()?;
                    outline.batch = None;
                }
                b"sentAt" => outline.sent_at = Some(scan.value()?),
                b"writeKey" => outline.write_key = Some(scan.value()?),
                b"context" => outline.context = Some(scan.value()?),
                _ => {
                    scan.value()?;
                }
            }
            if scan.skip(b'}') {
                break;
            }
            scan.expect(b',')?;
        }
    }
    scan.end()?;
    Ok(outline)
}

/// Returns how deep one value lies; the place at which it breaks off when it is none, or something follows it.
pub(crate) fn depth_of(body: &[u8]) -> Result<u32, NoOutline> {
    let mut scan = Scan { bytes: body, at: 0 };
    let piece = scan.value()?;
    scan.end()?;
    Ok(piece.depth)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// Returns the next byte that is no blank, without taking it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// Takes the next byte if it is the wanted one.
    fn skip(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), NoOutline> {
        if self.skip(wanted) { Ok(()) } else { Err(self.broken()) }
    }

    fn end(&mut self) -> Result<(), NoOutline> {
        if self.peek().is_none() { Ok(()) } else { Err(self.broken()) }
    }

    fn broken(&self) -> NoOutline {
        NoOutline::Broken(self.at)
    }

    /// Takes a key and its colon.
    fn key(&mut self) -> Result<&'a [u8], NoOutline> {
        self.expect(b'"')?;
        let start = self.at;
        self.text()?;
        let key = &self.bytes[start..self.at - 1];
        self.expect(b':')?;
        Ok(key)
    }

    /// Takes the rest of a text, up to and with its closing quote.
    fn text(&mut self) -> Result<(), NoOutline> {
        while let Some(found) = memchr2(b'"', b'\\', self.bytes.get(self.at..).unwrap_or_default()) {
            let is_end = self.bytes[self.at + found] == b'"';
            // What stands behind a backslash is passed over, whatever it is.
            self.at += found + if is_end { 1 } else { 2 };
            if is_end {
                return Ok(());
            }
        }
        Err(NoOutline::Broken(self.bytes.len()))
    }

    fn list(&mut self, most: usize) -> Result<Vec<Piece<'a>>, NoOutline> {
        self.expect(b'[')?;
        let mut pieces = Vec::new();
        if self.skip(b']') {
            return Ok(pieces);
        }
        loop {
            if pieces.len() == most {
                return Err(NoOutline::TooMany);
            }
            pieces.push(self.value()?);
            if self.skip(b']') {
                return Ok(pieces);
            }
            self.expect(b',')?;
        }
    }

    /// Takes one value.
    fn value(&mut self) -> Result<Piece<'a>, NoOutline> {
        let first = self.peek();
        let start = self.at;
        let mut deepest = 0;
        match first {
            Some(b'{' | b'[') => deepest = self.nested()?,
            Some(b'"') => {
                self.at += 1;
                self.text()?;
            }
            Some(_) | None => self.bare(),
        }
        if self.at == start {
            return Err(self.broken());
        }
        Ok(Piece { bytes: &self.bytes[start..self.at], depth: deepest })
    }

    /// Takes an object or a list, and returns how deep it is.
    fn nested(&mut self) -> Result<u32, NoOutline> {
        let (mut depth, mut deepest) = (0_u32, 0);
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => self.text()?,
                b'{' | b'[' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(deepest);
                    }
                }
                _ => {}
            }
        }
        Err(self.broken())
    }

    /// Takes what is neither text nor nested: a number, a word, or nonsense.
    fn bare(&mut self) {
        let rest = &self.bytes[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }
}
