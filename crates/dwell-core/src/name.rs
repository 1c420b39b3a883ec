//! The name of an event as it is kept: most are UUIDs, which need neither be spelled out nor be read again from one event to
//! the next.

use alloc::boxed::Box;
use core::cmp::Ordering;
use core::fmt;
use core::ops::Deref;

/// Where the hyphens of a UUID stand, and where the two digits of each of its bytes begin.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The name of an event. They are equal and in order as their texts are.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Form);

/// What is a UUID in small letters is never a text.
#[derive(Clone, PartialEq, Eq)]
enum Form {
    Uuid([u8; 16]),
    Text(Box<str>),
}

/// The text of a [`Name`].
#[derive(Clone, Copy)]
pub struct Spelled<'n>(Letters<'n>);

#[derive(Clone, Copy)]
enum Letters<'n> {
    Uuid([u8; 36]),
    Text(&'n str),
}

impl Name {
    /// Takes a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Name(match uuid_of(text) {
            Some(bytes) => Form::Uuid(bytes),
            None => Form::Text(text.into()),
        })
    }

    /// Returns the name whose text is this UUID in small letters.
    pub(crate) const fn of_uuid(bytes: [u8; 16]) -> Self {
        Name(Form::Uuid(bytes))
    }

    /// Returns the bytes of a UUID, if that is what it is.
    pub(crate) const fn as_uuid(&self) -> Option<&[u8; 16]> {
        match &self.0 {
            Form::Uuid(bytes) => Some(bytes),
            Form::Text(_) => None,
        }
    }

    /// Returns its text.
    #[must_use]
    pub fn text(&self) -> Spelled<'_> {
        Spelled(match &self.0 {
            Form::Uuid(bytes) => Letters::Uuid(spelled(*bytes)),
            Form::Text(text) => Letters::Text(text),
        })
    }

    /// Says whether there is none: then the event is nobody's duplicate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Form::Text(text) if text.is_empty())
    }
}

impl Default for Name {
    fn default() -> Self {
        Name(Form::Text("".into()))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            // Hyphens stand at the same places, and digits are in order as what they are worth.
            (Form::Uuid(one), Form::Uuid(other)) => u128::from_be_bytes(*one).cmp(&u128::from_be_bytes(*other)),
            (Form::Text(one), Form::Text(other)) => one.cmp(other),
            _ => self.text().cmp(&*other.text()),
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text(), f)
    }
}

impl Deref for Spelled<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // Digits and hyphens are always UTF-8.
            Letters::Uuid(letters) => core::str::from_utf8(letters).unwrap_or_default(),
            Letters::Text(text) => text,
        }
    }
}

/// Returns the bytes of a UUID that is written as most are, in small letters.
fn uuid_of(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if HYPHENS.iter().any(|place| text[*place] != b'-') {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, place) in bytes.iter_mut().zip(PAIRS) {
        *byte = digit_of(text[place])? << 4 | digit_of(text[place + 1])?;
    }
    Some(bytes)
}

const fn digit_of(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

fn spelled(uuid: [u8; 16]) -> [u8; 36] {
    let mut text = [b'-'; 36];
    for (byte, place) in uuid.into_iter().zip(PAIRS) {
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    /// Texts that are UUIDs, nearly so, or nothing of the kind.
    fn text() -> impl Strategy<Value = String> {
        let uuid = any::<u128>().prop_map(|number| {
            let digits = format!("{number:032x}");
            format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
        });
        let near = (uuid.clone(), 0..36_usize, prop::sample::select(vec!["-", "0", "f", "g", "A", "F", "_", ""]));
        let near = near.prop_map(|(uuid, place, letter)| format!("{}{letter}{}", &uuid[..place], &uuid[place + 1..]));
        prop_oneof![uuid, near, ".{0,3}", Just(String::new())]
    }

    proptest! {
        #[test]
        fn names_are_what_their_texts_are(one in text(), other in text()) {
            let (name, other_name) = (Name::of(&one), Name::of(&other));
            prop_assert_eq!(&*name.text(), one.as_str());
            prop_assert_eq!(name.cmp(&other_name), one.cmp(&other));
            prop_assert_eq!(name == other_name, one == other);
            prop_assert_eq!(name.is_empty(), one.is_empty());
            prop_assert_eq!(name.cmp(&Name::of(&one)), Ordering::Equal);
        }
    }
}
