//! Where things lie in the books. Every key begins with a letter and the app, and keys of one sort lie in order.

use dwell_core::time::Timestamp;
use dwell_core::timeline::Stated;

const BOOK: u8 = b'u';
const SESSION: u8 = b's';
const DEADLINE: u8 = b't';
const PART: u8 = b'p';
const FEED: u8 = b'f';
const FEED_FIRST: u8 = b'g';
const NUMBERS: u8 = b'q';
const SERIES: u8 = b'c';
const LAB: u8 = b'l';
const DEVICE: u8 = b'd';
const ERASURE: u8 = b'e';

/// Appends a text so that texts lie in their own order, and none is the beginning of another.
fn text(key: &mut Vec<u8>, text: &str) {
    for (place, piece) in text.as_bytes().split(|byte| *byte == 0).enumerate() {
        if 0 < place {
            key.extend_from_slice(&[0, 0xff]);
        }
        key.extend_from_slice(piece);
    }
    key.extend_from_slice(&[0, 0]);
}

/// Takes a text from the front of a key.
fn take_text(key: &mut &[u8]) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let (byte, rest) = key.split_first()?;
        *key = rest;
        if *byte == 0 {
            let (next, rest) = key.split_first()?;
            *key = rest;
            if *next == 0 {
                return String::from_utf8(text).ok();
            }
        }
        text.push(*byte);
    }
}

/// Writes a moment so that earlier ones come first, also those before 1970.
pub(crate) fn moment(at: Timestamp) -> [u8; 8] {
    (at.as_micros().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn take_moment(key: &mut &[u8]) -> Option<Timestamp> {
    let (bytes, rest) = key.split_first_chunk::<8>()?;
    *key = rest;
    Some(Timestamp::from_micros((u64::from_be_bytes(*bytes) ^ (1 << 63)).cast_signed()))
}

fn begin(tag: u8, app: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.push(tag);
    text(&mut key, app);
    key
}

fn of_user(tag: u8, app: &str, user: &str) -> Vec<u8> {
    let mut key = begin(tag, app);
    text(&mut key, user);
    key
}

/// What is known of a user, or who they are now.
pub(crate) fn book(app: &str, user: &str) -> Vec<u8> {
    of_user(BOOK, app, user)
}

/// Writes the key of [`book`] in place of what was in `key`.
pub(crate) fn write_book(key: &mut Vec<u8>, app: &str, user: &str) {
    key.clear();
    key.push(BOOK);
    text(key, app);
    text(key, user);
}

/// All users of an app, in order of their ids.
pub(crate) fn books(app: &str) -> Vec<u8> {
    begin(BOOK, app)
}

/// Reads the user of a key of a book.
pub(crate) fn user_of(key: &[u8]) -> Option<String> {
    let mut rest = key.strip_prefix(&[BOOK])?;
    take_text(&mut rest)?;
    take_text(&mut rest)
}

/// All sessions of a user, in order of their starts.
pub(crate) fn sessions(app: &str, user: &str) -> Vec<u8> {
    of_user(SESSION, app, user)
}

/// All sessions of an app, in order of its users.
pub(crate) fn all_sessions(app: &str) -> Vec<u8> {
    begin(SESSION, app)
}

/// What lies in the books for an app beside users, sessions, deadlines, numbers and the feed.
pub(crate) const OF_AN_APP: [u8; 4] = [PART, DEVICE, SERIES, LAB];

/// All of one sort that lies in the books for an app.
pub(crate) fn of_app(tag: u8, app: &str) -> Vec<u8> {
    begin(tag, app)
}

/// Returns of the key of a session what all have in common that begin together: the user and the moment.
pub(crate) fn start_of(key: &[u8]) -> &[u8] {
    // An ordinal and the bytes of a name follow.
    key.get(..key.len().saturating_sub(4 + 16)).unwrap_or(key)
}

/// Reads the user of the key of a session.
pub(crate) fn user_of_session(key: &[u8]) -> Option<String> {
    let mut rest = key.strip_prefix(&[SESSION])?;
    take_text(&mut rest)?;
    take_text(&mut rest)
}

/// One session. Where several begin in one moment, their ordinals say which is first.
pub(crate) fn session(app: &str, user: &str, stated: &Stated) -> Vec<u8> {
    let mut key = sessions(app, user);
    key.extend_from_slice(&moment(stated.closed.session.started_at));
    key.extend_from_slice(&stated.closed.session.ordinal.to_be_bytes());
    key.extend_from_slice(stated.id.as_bytes());
    key
}

/// All deadlines, the next one first.
pub(crate) const fn deadlines() -> [u8; 1] {
    [DEADLINE]
}

/// Comes before every deadline at a moment or later, and after all earlier ones.
pub(crate) fn before_deadlines(at: Timestamp) -> Vec<u8> {
    let mut key = vec![DEADLINE];
    key.extend_from_slice(&moment(at));
    key
}

/// A moment at which a user's session ends by itself.
pub(crate) fn deadline(at: Timestamp, app: &str, user: &str) -> Vec<u8> {
    let mut key = vec![DEADLINE];
    key.extend_from_slice(&moment(at));
    text(&mut key, app);
    text(&mut key, user);
    key
}

/// Reads a deadline: when, which app and which user.
pub(crate) fn read_deadline(key: &[u8]) -> Option<(Timestamp, String, String)> {
    let mut rest = key.strip_prefix(&[DEADLINE])?;
    Some((take_moment(&mut rest)?, take_text(&mut rest)?, take_text(&mut rest)?))
}

/// A part of a user's book that is seldom needed.
pub(crate) fn part(app: &str, user: &str, number: u32) -> Vec<u8> {
    let mut key = of_user(PART, app, user);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// All parts of a user's book.
pub(crate) fn parts(app: &str, user: &str) -> Vec<u8> {
    of_user(PART, app, user)
}

/// Who was seen on a device.
pub(crate) fn device(app: &str, device: &str) -> Vec<u8> {
    of_user(DEVICE, app, device)
}

/// That somebody was erased.
pub(crate) fn erasure(app: &str, number: u64) -> Vec<u8> {
    let mut key = begin(ERASURE, app);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// All statements of an app, in their order.
pub(crate) fn feed(app: &str) -> Vec<u8> {
    begin(FEED, app)
}

/// One statement.
pub(crate) fn statement(app: &str, number: u64) -> Vec<u8> {
    let mut key = feed(app);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// With which number the feed of an app begins.
pub(crate) fn feed_first(app: &str) -> Vec<u8> {
    begin(FEED_FIRST, app)
}

/// What is counted of an app.
pub(crate) fn numbers(app: &str) -> Vec<u8> {
    begin(NUMBERS, app)
}

/// All pages of the app's ledger of gaps.
pub(crate) fn pages(app: &str) -> Vec<u8> {
    begin(LAB, app)
}

/// One page of it.
pub(crate) fn page(app: &str, number: u16) -> Vec<u8> {
    let mut key = pages(app);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// One place in one of the app's series.
pub(crate) fn point(app: &str, series: u8, at: Timestamp) -> Vec<u8> {
    let mut key = begin(SERIES, app);
    key.push(series);
    key.extend_from_slice(&moment(at));
    key
}

/// All places of a series.
pub(crate) fn series(app: &str, series: u8) -> Vec<u8> {
    let mut key = begin(SERIES, app);
    key.push(series);
    key
}

/// One place in one of the app's series by values; `None` are all others.
pub(crate) fn value_point(app: &str, series: u8, value: Option<&str>, at: Timestamp) -> Vec<u8> {
    let mut key = value_series(app, series, value);
    key.extend_from_slice(&moment(at));
    key
}

/// All places of a value in a series.
pub(crate) fn value_series(app: &str, series: u8, value: Option<&str>) -> Vec<u8> {
    let mut key = self::series(app, series);
    key.push(u8::from(value.is_none()));
    text(&mut key, value.unwrap_or(""));
    key
}

/// Reads when a place of a series is.
pub(crate) fn moment_at_end(key: &[u8]) -> Option<Timestamp> {
    take_moment(&mut key.get(key.len().checked_sub(8)?..)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn users_lie_in_order_and_apart(one in "\\PC{0,6}|[\0a]{0,4}", other in "\\PC{0,6}|[\0a]{0,4}", app in "[\0ab]{0,3}") {
            let (first, second) = (book(&app, &one), book(&app, &other));
            prop_assert_eq!(first.cmp(&second), one.as_bytes().cmp(other.as_bytes()));
            prop_assert_eq!(one != other, !first.starts_with(&second));
            prop_assert_eq!(user_of(&first), Some(one));
        }

        #[test]
        fn deadlines_lie_in_order_and_can_be_read(one in any::<i64>(), other in any::<i64>(), user in "\\PC{0,6}") {
            let (one, other) = (Timestamp::from_micros(one), Timestamp::from_micros(other));
            let key = deadline(one, "app", &user);
            prop_assert_eq!(key.cmp(&deadline(other, "app", &user)), one.cmp(&other));
            prop_assert_eq!(read_deadline(&key), Some((one, "app".to_owned(), user)));
            prop_assert_eq!(moment_at_end(&point("app", 1, one)), Some(one));
        }
    }
}
