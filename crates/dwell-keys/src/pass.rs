//! Passes: what the browser of somebody who signed in shows at each request, and when it holds no more.
//!
//! They are in memory only, and of each only a hash: who reads the memory of a server or a copy of its files cannot take
//! anybody's place, and after a restart everybody signs in again.

use std::collections::HashMap;
use std::fmt;

use dwell_core::time::{Span, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::account::{Account, AccountName};
use crate::accounts::Accounts;
use crate::key::draw;

/// Without a request for so long, a pass ends.
pub const IDLE: Span = Span::from_hours(12);

/// However much it is used, a pass ends so long after it was given.
pub const LONGEST: Span = Span::from_hours(7 * 24);

/// How many passes one account has at most: with another one, that ends which was seen the longest ago.
pub const MOST_OF_ONE: usize = 20;

/// How many characters are drawn: 260 bits.
const DRAWN: usize = 52;

/// A pass, whole: given once to the browser, and kept nowhere.
pub struct PassText(String);

impl PassText {
    /// Returns the pass itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Hides the pass, so that no log can hold it.
impl fmt::Debug for PassText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassText(...)")
    }
}

/// All passes that hold.
#[derive(Debug, Default)]
pub struct Passes {
    by_digest: HashMap<[u8; 32], Pass>,
}

#[derive(Debug)]
struct Pass {
    name: AccountName,
    /// Under which password it was given.
    password_set_at: Timestamp,
    created_at: Timestamp,
    seen_at: Timestamp,
}

impl Pass {
    /// Says whether it holds. It does not at the very moment it ends.
    fn holds(&self, now: Timestamp) -> bool {
        now < self.seen_at.plus(IDLE) && now < self.created_at.plus(LONGEST)
    }

    fn is_of(&self, account: &Account) -> bool {
        self.name == account.name && self.password_set_at == account.password_set_at
    }
}

impl Passes {
    /// Gives a pass to somebody whose password was right.
    pub fn give(&mut self, account: &Account, now: Timestamp) -> Result<PassText, getrandom::Error> {
        let text = draw::<DRAWN>()?;
        self.by_digest.retain(|_, pass| pass.holds(now));
        let of_them = self.by_digest.iter().filter(|(_, pass)| pass.name == account.name);
        let oldest = of_them.clone().min_by_key(|(_, pass)| pass.seen_at).map(|(digest, _)| *digest);
        if let Some(oldest) = oldest.filter(|_| MOST_OF_ONE <= of_them.count()) {
            self.by_digest.remove(&oldest);
        }
        let pass = Pass {
            name: account.name.clone(),
            password_set_at: account.password_set_at,
            created_at: now,
            seen_at: now,
        };
        self.by_digest.insert(digest(&text), pass);
        Ok(PassText(text))
    }

    /// Says whose pass it is, if it holds, and that they were seen now.
    pub fn see<'a>(&mut self, text: &str, accounts: &'a Accounts, now: Timestamp) -> Option<&'a Account> {
        let account = self.whose(text, accounts, now)?;
        if let Some(pass) = self.by_digest.get_mut(&digest(text)) {
            pass.seen_at = pass.seen_at.max(now);
        }
        Some(account)
    }

    /// Says whose pass it is, if it holds: an account that was removed has none, nor one whose password was set anew.
    #[must_use]
    pub fn whose<'a>(&self, text: &str, accounts: &'a Accounts, now: Timestamp) -> Option<&'a Account> {
        let pass = self.by_digest.get(&digest(text)).filter(|pass| pass.holds(now))?;
        accounts.named(pass.name.as_str()).filter(|account| pass.is_of(account))
    }

    /// Ends a pass.
    pub fn end(&mut self, text: &str) {
        self.by_digest.remove(&digest(text));
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
