//! Accounts: people who sign in to look at apps, and what they may do.

use std::fmt;

use dwell_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Scope, Scopes};
use crate::app::AppId;
use crate::moment;
use crate::password::PasswordHash;

/// The longest name of an account, in characters.
pub const LONGEST_NAME: usize = 64;

/// One of those who look at apps by name and password. Users of the apps are others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawAccount", into = "RawAccount")]
pub struct Account {
    /// By what they sign in. It is the author of what they put.
    pub name: AccountName,
    /// What they may do.
    pub role: AccountRole,
    /// In which apps; none means all, those to come too.
    pub apps: Option<Vec<AppId>>,
    /// When the account was added.
    pub created_at: Timestamp,
    /// When the password was set last. What was given out under an earlier one holds no more.
    pub password_set_at: Timestamp,
    /// What is kept of the password.
    pub password: PasswordHash,
}

impl Account {
    /// Says whether they may do `what` in this app: the one place in which apps are kept apart for people.
    #[must_use]
    pub fn may(&self, what: Scope, app: &AppId) -> bool {
        self.sees(app) && self.role.scopes().allow(what)
    }

    /// Says whether they may do what is not of one app alone: add another one.
    #[must_use]
    pub fn may_run(&self) -> bool {
        self.role == AccountRole::Admin && self.apps.is_none()
    }

    fn sees(&self, app: &AppId) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(app))
    }
}

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountRole {
    /// Everything: keys too.
    Admin,
    /// Look, and put policies.
    Analyst,
    /// Look.
    Viewer,
}

impl AccountRole {
    /// All of them, the widest first.
    pub const ALL: [AccountRole; 3] = [AccountRole::Admin, AccountRole::Analyst, AccountRole::Viewer];

    /// Returns its word in files, flags and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            AccountRole::Admin => "admin",
            AccountRole::Analyst => "analyst",
            AccountRole::Viewer => "viewer",
        }
    }

    /// Takes the word of a role.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        AccountRole::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Returns what that lets somebody do within an app.
    #[must_use]
    pub fn scopes(self) -> Scopes {
        let scopes: &[Scope] = match self {
            AccountRole::Admin => &Scope::ALL,
            AccountRole::Analyst => &[Scope::Read, Scope::WritePolicy],
            AccountRole::Viewer => &[Scope::Read],
        };
        scopes.iter().copied().collect()
    }
}

/// By what somebody signs in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

impl AccountName {
    /// Takes a name of 1 to 64 characters without blanks, which may be an address of mail; or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if !(1..=LONGEST_NAME).contains(&length) {
            return Err(format!("the name of an account has 1 to {LONGEST_NAME} characters, not {length}"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("{text:?} holds a blank or a control character"));
        }
        if text.to_lowercase().starts_with("dw_") {
            // Labels of keys are authors too.
            return Err(format!("{text:?} begins with dw_, as keys do: choose another name"));
        }
        Ok(AccountName(text.to_owned()))
    }

    /// Returns it as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether people would take both for one name: capitals do not tell names apart.
    #[must_use]
    pub fn is_like(&self, other: &str) -> bool {
        self.0.to_lowercase() == other.to_lowercase()
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AccountName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        AccountName::parse(&text)
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> String {
        name.0
    }
}

/// An account as the file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount {
    name: AccountName,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    apps: Option<Vec<AppId>>,
    created_at: String,
    password_set_at: String,
    password: PasswordHash,
}

impl TryFrom<RawAccount> for Account {
    type Error = String;

    fn try_from(raw: RawAccount) -> Result<Self, String> {
        let role = AccountRole::from_word(&raw.role);
        Ok(Account {
            role: role
                .ok_or_else(|| format!("the account {:?} is {:?}, which is no role", raw.name.as_str(), raw.role))?,
            name: raw.name,
            apps: raw.apps,
            created_at: moment::read(&raw.created_at)?,
            password_set_at: moment::read(&raw.password_set_at)?,
            password: raw.password,
        })
    }
}

impl From<Account> for RawAccount {
    fn from(account: Account) -> RawAccount {
        RawAccount {
            name: account.name,
            role: account.role.word().to_owned(),
            apps: account.apps,
            created_at: moment::write(account.created_at),
            password_set_at: moment::write(account.password_set_at),
            password: account.password,
        }
    }
}
