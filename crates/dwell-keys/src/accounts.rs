//! The file of accounts: `accounts.json` in the data folder, changed by commands and read by the server.

use std::path::{Path, PathBuf};

use dwell_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, AccountName, AccountRole};
use crate::app::AppId;
use crate::error::AccountError;
use crate::password::PasswordHash;
use crate::whole_file::{self, FileError, Seen};

/// The most accounts of a data folder.
pub const MOST_ACCOUNTS: usize = 1_000;

/// The largest file that is read or written.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// The only way in which the file is laid out so far.
const FORMAT: u32 = 1;

/// All accounts of a data folder, as they were when the file was last read.
#[derive(Debug)]
pub struct Accounts {
    path: PathBuf,
    seen: Option<Seen>,
    all: Vec<Account>,
}

/// What an account is to be.
#[derive(Clone, PartialEq, Debug)]
pub struct NewAccount {
    /// By what they sign in.
    pub name: AccountName,
    /// What they may do.
    pub role: AccountRole,
    /// In which apps; none means all.
    pub apps: Option<Vec<AppId>>,
    /// What is kept of the password that they chose.
    pub password: PasswordHash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u32,
    accounts: Vec<Account>,
}

impl Accounts {
    /// Begins without having looked: nobody can sign in until [`Accounts::refresh`] has read the file.
    #[must_use]
    pub fn unread(folder: &Path) -> Self {
        Accounts { path: folder.join("accounts.json"), seen: None, all: Vec::new() }
    }

    /// Reads the accounts of a data folder. Where there is no file, there are none yet.
    pub fn open(folder: &Path) -> Result<Self, AccountError> {
        let mut accounts = Accounts::unread(folder);
        (accounts.all, accounts.seen) = read(&accounts.path)?;
        Ok(accounts)
    }

    /// Reads the file again if it has changed, and says whether it had.
    ///
    /// Meant to be called once a second. When the new file cannot be used, what was read before stays in force. What is
    /// wrong with the file is said once; when the machine refused, it is tried again at the next call.
    pub fn refresh(&mut self) -> Result<bool, AccountError> {
        let there = whole_file::look(&self.path)?;
        if there == self.seen {
            return Ok(false);
        }
        match read(&self.path) {
            Ok((all, seen @ Some(_))) => {
                (self.all, self.seen) = (all, seen);
                Ok(true)
            }
            Ok((_, None)) => {
                self.seen = None;
                Err(AccountError::Gone { path: self.path.clone() })
            }
            Err(error) => {
                if !matches!(error, AccountError::File(FileError::Io { .. })) {
                    self.seen = there;
                }
                Err(error)
            }
        }
    }

    /// Returns all accounts, in the order in which they were added.
    #[must_use]
    pub fn all(&self) -> &[Account] {
        &self.all
    }

    /// Finds the account of a name; capitals do not matter.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Account> {
        self.all.iter().find(|account| account.name.is_like(name))
    }

    /// Adds an account.
    pub fn add(&mut self, new: NewAccount, now: Timestamp) -> Result<(), AccountError> {
        self.change(|all| {
            if let Some(there) = all.iter().find(|there| there.name.is_like(new.name.as_str())) {
                return Err(AccountError::AccountThere { name: there.name.to_string() });
            }
            if MOST_ACCOUNTS <= all.len() {
                return Err(AccountError::TooMany { most: MOST_ACCOUNTS });
            }
            let NewAccount { name, role, apps, password } = new;
            all.push(Account { name, role, apps, created_at: now, password_set_at: now, password });
            Ok(())
        })
    }

    /// Sets another password. Whoever signed in under the one before is signed out, within a second.
    pub fn set_password(&mut self, name: &str, password: PasswordHash, now: Timestamp) -> Result<(), AccountError> {
        self.change(|all| {
            let account = all.iter_mut().find(|account| account.name.is_like(name));
            let account = account.ok_or_else(|| AccountError::NoAccount { asked: name.to_owned() })?;
            account.password = password;
            account.password_set_at = now;
            Ok(())
        })
    }

    /// Removes an account, and returns what it was. They are signed out within a second.
    pub fn remove(&mut self, name: &str) -> Result<Account, AccountError> {
        self.change(|all| {
            let place = all.iter().position(|account| account.name.is_like(name));
            Ok(all.remove(place.ok_or_else(|| AccountError::NoAccount { asked: name.to_owned() })?))
        })
    }

    /// Changes what the file says now, not what was read before, while nobody else does.
    fn change<T>(&mut self, act: impl FnOnce(&mut Vec<Account>) -> Result<T, AccountError>) -> Result<T, AccountError> {
        let lock = whole_file::lock(&self.path)?;
        let (mut accounts, _) = read(&self.path)?;
        let answer = act(&mut accounts)?;
        let contents = Contents { format: FORMAT, accounts };
        let failed =
            |error: serde_json::Error| FileError::Io { doing: "write", path: self.path.clone(), source: error.into() };
        let mut bytes = serde_json::to_vec_pretty(&contents).map_err(failed)?;
        bytes.push(b'\n');
        let seen = whole_file::replace(&self.path, &bytes, MOST_BYTES)?;
        drop(lock);
        (self.all, self.seen) = (contents.accounts, Some(seen));
        Ok(answer)
    }
}

fn read(path: &Path) -> Result<(Vec<Account>, Option<Seen>), AccountError> {
    let Some((bytes, seen)) = whole_file::read(path, MOST_BYTES)? else { return Ok((Vec::new(), None)) };
    let damaged = |line: usize, problem: String| AccountError::Damaged { path: path.to_owned(), line, problem };
    let contents: Contents =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.line().max(1), error.to_string()))?;
    if contents.format != FORMAT {
        let problem = format!("format {} is unknown: a later Dwell wrote it, and can read it", contents.format);
        return Err(damaged(1, problem));
    }
    for (place, account) in contents.accounts.iter().enumerate() {
        if contents.accounts.iter().take(place).any(|other| other.name.is_like(account.name.as_str())) {
            return Err(damaged(1, format!("two accounts are called {:?}", account.name.as_str())));
        }
    }
    Ok((contents.accounts, Some(seen)))
}
