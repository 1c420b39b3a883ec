//! Names of people, devices and events: unique by construction, 128 bits written like a UUID.

use core::fmt;

use crate::random::{derive, mix};

const USER: u64 = 0x75;
const DEVICE: u64 = 0x64;
const MESSAGE: u64 = 0x6d;

/// Returns the id of the person with this index; [`IdText`] writes it down.
///
/// No two indices of one seed have the same id: the bits of the index are scattered, and none is lost.
#[must_use]
pub const fn user_id(seed: u64, index: u64) -> u128 {
    scatter(derive(seed, USER), index, 0)
}

/// Returns the id of a person's device, which is 1 or 2.
#[must_use]
pub const fn device_id(seed: u64, index: u64, device: u32) -> u128 {
    scatter(derive(seed, DEVICE), index, device as u64)
}

pub(crate) const fn message_id(seed: u64, user: u32, visit: u32, event: u32) -> u128 {
    scatter(derive(seed, MESSAGE), (user as u64) << 32 | visit as u64, event as u64)
}

/// Returns a name that people can say, for examples: `ada-000007`.
#[must_use]
pub fn short_id(index: u64) -> String {
    const NAMES: [&str; 8] = ["ada", "bo", "cleo", "dara", "eli", "fay", "gus", "hana"];
    format!("{}-{index:06}", NAMES[(index % 8) as usize])
}

/// Four rounds in which each half is changed by the other can be undone, so that nothing is lost.
const fn scatter(key: u64, left: u64, right: u64) -> u128 {
    let right = right ^ mix(left ^ key);
    let left = left ^ mix(right.wrapping_add(key));
    let right = right ^ mix(left.wrapping_sub(key));
    let left = left ^ mix(right);
    (left as u128) << 64 | right as u128
}

/// An id as 36 characters: `0f8fad5b-d9cb-469f-a165-70867728950e`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdText([u8; 36]);

impl IdText {
    /// Writes an id down.
    #[must_use]
    pub fn of(id: u128) -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut place = 0;
        for byte in id.to_be_bytes() {
            if matches!(place, 8 | 13 | 18 | 23) {
                place += 1;
            }
            text[place] = DIGITS[usize::from(byte >> 4)];
            text[place + 1] = DIGITS[usize::from(byte & 15)];
            place += 2;
        }
        IdText(text)
    }

    /// Returns the characters, all of them ASCII.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 36] {
        &self.0
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_id_is_written_like_a_uuid() {
        let id = 0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e;
        assert_eq!(IdText::of(id).to_string(), "0f8fad5b-d9cb-469f-a165-70867728950e");
    }

    #[test]
    fn nobody_shares_an_id_and_another_seed_gives_others() {
        let ids: BTreeSet<u128> = (0..10_000).flat_map(|index| [user_id(1, index), user_id(2, index)]).collect();
        assert_eq!(ids.len(), 20_000);
        let mut messages = BTreeSet::new();
        for user in 0..20 {
            for visit in 0..20 {
                for event in 0..20 {
                    messages.insert(message_id(1, user, visit, event));
                }
            }
        }
        assert_eq!(messages.len(), 8_000);
    }
}
