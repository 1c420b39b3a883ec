//! What the holder of a key may do.

use std::sync::Arc;

use crate::app::{App, AppId};

/// One thing that a secret key may be for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Ask about users, sessions and the lab.
    Read,
    /// Put another policy in force.
    WritePolicy,
    /// Everything within the app, its keys included.
    AdminApp,
}

impl Scope {
    /// All scopes, the narrowest first.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::WritePolicy, Scope::AdminApp];

    /// Returns its word in files and flags.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::WritePolicy => "write_policy",
            Scope::AdminApp => "admin_app",
        }
    }

    /// Takes the word of a scope.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Scope::ALL.into_iter().find(|scope| scope.word() == word)
    }

    const fn bit(self) -> u8 {
        match self {
            Scope::Read => 1,
            Scope::WritePolicy => 2,
            Scope::AdminApp => 4,
        }
    }
}

/// Some scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Says whether these scopes let a caller do `what`. `admin_app` lets them do everything.
    #[must_use]
    pub const fn allow(self, what: Scope) -> bool {
        self.0 & (what.bit() | Scope::AdminApp.bit()) != 0
    }

    /// Says whether there is no scope at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the scopes that were given, the narrowest first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Scopes(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// What sort of key it is, and with it what its holder may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Public, in every copy of the app: sends events, and reads the inbox of the user who holds it. Nothing else.
    Write,
    /// Held by the app's own servers.
    Secret(Scopes),
    /// Held by whoever runs Dwell.
    Admin,
}

impl Role {
    /// Returns its word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Role::Write => "write",
            Role::Secret(_) => "secret",
            Role::Admin => "admin",
        }
    }
}

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Access {
    /// The app of the key; the admin key has none.
    pub app: Option<Arc<App>>,
    /// What the key is for.
    pub role: Role,
}

impl Access {
    /// Says whether the holder may do `what` in this app: the one place in which apps are kept apart for keys.
    ///
    /// A write key may do none of these, since everybody has it.
    #[must_use]
    pub fn may(&self, what: Scope, app: &AppId) -> bool {
        match self.role {
            Role::Write => false,
            Role::Secret(scopes) => self.is_of(app) && scopes.allow(what),
            Role::Admin => true,
        }
    }

    /// Returns what the holder may do, wherever they may.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        match self.role {
            Role::Write => Scopes::default(),
            Role::Secret(scopes) if scopes.allow(Scope::AdminApp) => Scope::ALL.into_iter().collect(),
            Role::Secret(scopes) => scopes,
            Role::Admin => Scope::ALL.into_iter().collect(),
        }
    }

    /// Returns the app into which the holder may send events. A secret key is not for sending, nor is the admin key.
    #[must_use]
    pub fn sends_to(&self) -> Option<&Arc<App>> {
        match self.role {
            Role::Write => self.app.as_ref(),
            Role::Secret(_) | Role::Admin => None,
        }
    }

    fn is_of(&self, app: &AppId) -> bool {
        self.app.as_ref().is_some_and(|own| own.id == *app)
    }
}
