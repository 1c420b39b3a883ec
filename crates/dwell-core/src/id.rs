//! Names of sessions: derived from what happened, never drawn. And how long names that come from outside may be.

use core::fmt;

use xxhash_rust::xxh3::Xxh3;

use crate::time::Timestamp;

/// The longest id that is read, of a user or of a message, in bytes.
pub const LONGEST_ID: usize = 1024;

/// The name of a session: the same facts give the same name on every machine, in every order of arrival.
///
/// XXH3-128 over app, user, the first activity's `happened_at` and its `message_id` (SESSION.md, section 5),
/// each text preceded by its length in bytes, all integers little-endian. The high half stands first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Derives the name of the session of `user` in `app` that begins with the given activity.
    ///
    /// A log without message ids gives the empty one: within a user, no two sessions then begin at one moment
    /// unless a break is forced between activities of the same microsecond.
    #[must_use]
    pub fn derive(app: &str, user: &str, happened_at: Timestamp, message_id: &str) -> Self {
        let mut hasher = Xxh3::new();
        feed(&mut hasher, app);
        feed(&mut hasher, user);
        hasher.update(&happened_at.as_micros().to_le_bytes());
        feed(&mut hasher, message_id);
        SessionId(hasher.digest128().to_be_bytes())
    }

    /// Takes the sixteen bytes of a name that was derived before.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        SessionId(bytes)
    }

    /// Returns the sixteen bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

fn feed(hasher: &mut Xxh3, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// Written as 8-4-4-4-12 hexadecimal digits, as tools that know UUIDs expect.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
