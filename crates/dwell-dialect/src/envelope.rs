//! What is wrapped around a body, taken off by looking at the bytes: labels lie.
//!
//! SDKs send gzip that is labelled as a form, gzip without a label, JSON labelled as text, and a form with JSON in
//! base64. The first bytes tell which, since JSON begins with a brace, gzip with 1f 8b, and a form with a name.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::GzDecoder;

/// Why what is wrapped around a body cannot be taken off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// There is nothing in it.
    #[error("there is nothing in it; send a message or a batch of messages")]
    Empty,
    /// It is larger than the limit, packed or unpacked.
    #[error("more than {most} bytes; send fewer messages at once")]
    TooLarge {
        /// How many bytes there may be.
        most: usize,
    },
    /// The gzip ends too early.
    #[error("the gzip was cut: it ends after {bytes} bytes without its end; send it again in full")]
    CutGzip {
        /// How many bytes there are.
        bytes: usize,
    },
    /// The gzip is damaged.
    #[error("the gzip is damaged after {unpacked} unpacked bytes; send it again, or without compression")]
    BadGzip {
        /// How far it could be unpacked.
        unpacked: usize,
    },
    /// Something follows the gzip.
    #[error("the gzip ends at byte {at} and something that is none follows; send only the gzip")]
    AfterGzip {
        /// Where it begins.
        at: usize,
    },
    /// A form without the field that we know.
    #[error("neither JSON nor gzip nor a form with `data`; send JSON, as it is or packed with gzip")]
    Unknown,
    /// A form whose `data` is neither JSON nor base64.
    #[error("`data` of the form is neither JSON nor base64; send JSON, as it is or in base64")]
    BadForm,
}

impl EnvelopeError {
    /// Returns the word for it in metrics and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            EnvelopeError::Empty => "empty_body",
            EnvelopeError::TooLarge { .. } => "batch_too_large",
            EnvelopeError::CutGzip { .. } => "cut_gzip",
            EnvelopeError::BadGzip { .. } => "bad_gzip",
            EnvelopeError::AfterGzip { .. } => "after_gzip",
            EnvelopeError::Unknown => "unknown_body",
            EnvelopeError::BadForm => "bad_form",
        }
    }
}

/// Returns the JSON in a body, at most `most` bytes of it; what is more costs an error, not memory.
///
/// A query string is a form too, so `data=...` of a pixel request may be given as it is.
pub fn open(body: &[u8], most: usize) -> Result<Cow<'_, [u8]>, EnvelopeError> {
    if most < body.len() {
        return Err(EnvelopeError::TooLarge { most });
    }
    if !is_gzip(body) {
        return unform(body);
    }
    let plain = gunzip(body, most)?;
    match unform(&plain)? {
        Cow::Borrowed(json) if json.len() == plain.len() => Ok(Cow::Owned(plain)),
        json => Ok(Cow::Owned(json.into_owned())),
    }
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// How much is unpacked at once, in bytes.
const STEP: usize = 16 * 1024;

/// Unpacks one gzip after the other, as the format allows, and stops at the limit.
fn gunzip(packed: &[u8], most: usize) -> Result<Vec<u8>, EnvelopeError> {
    let mut plain = Vec::with_capacity((4 * packed.len()).min(most));
    let mut rest = packed;
    while !rest.is_empty() {
        if !is_gzip(rest) {
            return Err(EnvelopeError::AfterGzip { at: packed.len() - rest.len() });
        }
        let mut member = GzDecoder::new(rest);
        let mut step = [0; STEP];
        loop {
            match member.read(&mut step) {
                Ok(0) => break,
                Ok(count) if most - plain.len() < count => return Err(EnvelopeError::TooLarge { most }),
                Ok(count) => plain.extend_from_slice(&step[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(EnvelopeError::CutGzip { bytes: packed.len() });
                }
                Err(_damaged) => return Err(EnvelopeError::BadGzip { unpacked: plain.len() }),
            }
        }
        rest = member.into_inner();
    }
    Ok(plain)
}

/// Takes the JSON out of a form, or what is no form as it is.
fn unform(body: &[u8]) -> Result<Cow<'_, [u8]>, EnvelopeError> {
    let text = trimmed(body);
    match text.first() {
        None => return Err(EnvelopeError::Empty),
        Some(b'{' | b'[' | b'"') => return Ok(Cow::Borrowed(text)),
        Some(_) => {}
    }
    let fields = text.split(|byte| *byte == b'&');
    let Some(data) = fields.filter_map(|field| field.strip_prefix(b"data=")).next() else {
        return Err(EnvelopeError::Unknown);
    };
    let data = percent_decoded(data);
    let data = trimmed(&data);
    if data.starts_with(b"{") {
        return Ok(Cow::Owned(data.to_vec()));
    }
    match base64_decoded(data) {
        Some(json) if json.trim_ascii_start().starts_with(b"{") => Ok(Cow::Owned(json)),
        Some(_) | None => Err(EnvelopeError::BadForm),
    }
}

/// Takes off blanks and the mark that some editors write before UTF-8.
fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes).trim_ascii()
}

/// Decodes `%7B` and `+` of forms. A per cent sign with no number behind it stands for itself.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let hex = tail.get(..2).and_then(|two| Some((hex_digit(two[0])?, hex_digit(two[1])?)));
        match (first, hex) {
            (b'%', Some((high, low))) => {
                plain.push(high * 16 + low);
                rest = &tail[2..];
            }
            (b'+', _) => plain.push(b' '),
            (other, _) => plain.push(*other),
        }
    }
    plain
}

fn hex_digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).map(|digit| digit as u8)
}

/// Decodes base64 of either alphabet, padded or not. A plus that a form has made a blank is a plus again.
fn base64_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect();
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let is_url_safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_url_safe { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}
