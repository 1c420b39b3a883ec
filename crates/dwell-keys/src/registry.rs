//! The registry: all apps and keys in memory, and the changes that can be made to them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dwell_core::event::EventKind;
use dwell_core::time::Timestamp;

use crate::access::{Access, Role, Scopes};
use crate::app::{App, AppId, AppName, AppZone, MOST_WORDS};
use crate::error::RegistryError;
use crate::file::{self, Contents};
use crate::key::{Key, KeyState, Label, NewKey, shown};
use crate::whole_file::{self, FileError, Seen};

/// All apps and keys of a data folder, as they were when the file was last read.
#[derive(Debug)]
pub struct Registry {
    folder: PathBuf,
    seen: Option<Seen>,
    apps: Vec<Arc<App>>,
    keys: Vec<Key>,
    /// By what may be seen of a key: the key, and the app that it opens.
    doors: HashMap<Box<str>, Door>,
}

#[derive(Debug)]
struct Door {
    key: Key,
    app: Option<Arc<App>>,
}

/// What an app is to be.
#[derive(Clone, PartialEq, Debug)]
pub struct NewApp {
    /// What people will call it.
    pub name: AppName,
    /// Where its days begin.
    pub zone: AppZone,
}

impl NewApp {
    /// Takes a name and a time zone, or says what is wrong with them.
    pub fn parse(name: &str, zone: &str) -> Result<Self, String> {
        Ok(NewApp { name: AppName::parse(name)?, zone: AppZone::parse(zone)? })
    }
}

/// What a key that is to be made is for; an app is named by its name or its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose<'a> {
    /// Send the events of an app.
    Write(&'a str),
    /// Ask about an app, or change it.
    Secret(&'a str, Scopes),
    /// Run Dwell.
    Admin,
}

impl Registry {
    /// Reads the apps and keys of a data folder. Where there is no file, there are none yet.
    pub fn open(folder: &Path) -> Result<Self, RegistryError> {
        let (contents, seen) = file::read(folder)?;
        let mut registry = Registry {
            folder: folder.to_owned(),
            seen: None,
            apps: Vec::new(),
            keys: Vec::new(),
            doors: HashMap::new(),
        };
        registry.take(contents, seen);
        Ok(registry)
    }

    /// Makes a data folder that is not there yet, so that it survives a power cut, and reads its apps and keys.
    pub fn make(folder: &Path) -> Result<Self, RegistryError> {
        whole_file::make_folder(folder)?;
        Registry::open(folder)
    }

    /// Says who is asking, or that the key opens nothing.
    ///
    /// An unknown key costs one look into a table and no memory; the hash is worked out only when the first 13
    /// characters, which are no secret, are those of a key. Cheap enough to be asked before a body is read.
    #[must_use]
    pub fn who(&self, key: &str, now: Timestamp) -> Option<Access> {
        let door = self.doors.get(shown(key)?)?;
        if door.key.state(now) != KeyState::Valid || !door.key.is(key) {
            return None;
        }
        Some(Access { app: door.app.clone(), role: door.key.role })
    }

    /// Reads the file again if it has changed, and says whether it had.
    ///
    /// Costs one look at the file's entry: meant to be called once a second. When the new file cannot be used, what was
    /// read before stays in force. What is wrong with the file is said once; when the machine refused, it is tried again
    /// at the next call.
    pub fn refresh(&mut self) -> Result<bool, RegistryError> {
        let there = file::look(&self.folder)?;
        if there == self.seen {
            return Ok(false);
        }
        match file::read(&self.folder) {
            Ok((contents, seen @ Some(_))) => {
                self.take(contents, seen);
                Ok(true)
            }
            Ok((_, None)) => {
                self.seen = None;
                Err(RegistryError::Gone { path: file::path(&self.folder) })
            }
            Err(error) => {
                if !matches!(error, RegistryError::File { error: FileError::Io { .. } }) {
                    self.seen = there;
                }
                Err(error)
            }
        }
    }

    /// Returns the data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns all apps, in the order in which they were added.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.iter()
    }

    /// Returns all keys that were ever made, in that order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// Finds an app by its name or its id.
    pub fn app(&self, asked: &str) -> Result<&Arc<App>, RegistryError> {
        let found = self.apps.iter().find(|app| is_meant(app, asked));
        found.ok_or_else(|| RegistryError::NoApp { asked: asked.to_owned() })
    }

    /// Adds an app, and makes its write key.
    pub fn add_app(&mut self, new: NewApp, now: Timestamp) -> Result<(Arc<App>, NewKey), RegistryError> {
        let id = AppId::draw()?;
        let key = Key::draw(Role::Write, Some(id.clone()), now)?;
        let app = App { id, name: new.name, zone: new.zone, created_at: now, names: BTreeMap::new() };
        let added = app.clone();
        self.change(|contents| {
            if let Some(there) = contents.apps.iter().find(|there| there.name.is_like(app.name.as_str())) {
                return Err(RegistryError::AppThere { name: there.name.to_string(), id: there.id.to_string() });
            }
            contents.apps.push(app);
            contents.keys.push(key.key.clone());
            Ok(())
        })?;
        Ok((Arc::new(added), key))
    }

    /// Says what a name of an event means in an app, or that it means nothing of its own any more.
    pub fn explain(&mut self, app: &str, event: &str, kind: Option<EventKind>) -> Result<(), RegistryError> {
        self.change(|contents| {
            let Some(app) = contents.apps.iter_mut().find(|there| is_meant(there, app)) else {
                return Err(RegistryError::NoApp { asked: app.to_owned() });
            };
            match kind {
                Some(_) if MOST_WORDS <= app.names.len() && !app.names.contains_key(event) => {
                    return Err(RegistryError::TooManyWords { most: MOST_WORDS });
                }
                Some(kind) => app.names.insert(event.to_owned(), kind),
                None => app.names.remove(event),
            };
            Ok(())
        })
    }

    /// Makes a key. There is at most one admin key that holds: another one is refused.
    pub fn add_key(
        &mut self,
        purpose: Purpose<'_>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<NewKey, RegistryError> {
        self.change(|contents| {
            let (role, app) = match purpose {
                Purpose::Write(app) => (Role::Write, Some(contents.id_of(app)?)),
                Purpose::Secret(_, scopes) if scopes.is_empty() => return Err(RegistryError::NoScope),
                Purpose::Secret(app, scopes) => (Role::Secret(scopes), Some(contents.id_of(app)?)),
                Purpose::Admin => (Role::Admin, None),
            };
            let valid = |key: &&Key| key.role == Role::Admin && key.state(now) == KeyState::Valid;
            if role == Role::Admin
                && let Some(there) = contents.keys.iter().find(valid)
            {
                return Err(RegistryError::AdminThere { label: there.label.clone() });
            }
            let mut new = contents.draw(role, app, now)?;
            new.key.expires_at = expires_at;
            contents.keys.push(new.key.clone());
            Ok(new)
        })
    }

    /// Makes a key in place of another, which goes on to hold until the given moment.
    ///
    /// The new one may do the same, and for as long: a key that was made for 90 days is followed by one for 90 days.
    pub fn rotate(&mut self, label: &Label, until: Timestamp, now: Timestamp) -> Result<NewKey, RegistryError> {
        self.change(|contents| {
            let old = contents.valid_key(label, now)?;
            if let Some(by) = &old.replaced_by {
                return Err(RegistryError::KeyIsReplaced { label: label.clone(), by: by.clone() });
            }
            let (role, app) = (old.role, old.app.clone());
            let expires_at = old.expires_at.map(|end| now.plus(end.since(old.created_at)));
            let mut new = contents.draw(role, app, now)?;
            new.key.expires_at = expires_at;
            let old = contents.valid_key(label, now)?;
            old.replaced_by = Some(new.key.label.clone());
            old.expires_at = Some(old.expires_at.map_or(until, |end| end.min(until)));
            contents.keys.push(new.key.clone());
            Ok(new)
        })
    }

    /// Ends a key at once: a running server hears of it within a second.
    pub fn revoke(&mut self, label: &Label, now: Timestamp) -> Result<(), RegistryError> {
        self.change(|contents| {
            let key = contents.key(label)?;
            if key.state(now) == KeyState::Revoked {
                return Err(RegistryError::KeyIsOver { label: label.clone(), state: KeyState::Revoked });
            }
            key.revoked_at = Some(now);
            Ok(())
        })
    }

    /// Makes the admin key if there never was one: whoever starts a server for the first time shows it once.
    ///
    /// Where it was lost or revoked, nothing is made: a restart must not hand out power over all apps.
    pub fn first_start(&mut self, now: Timestamp) -> Result<Option<NewKey>, RegistryError> {
        let is_admin = |key: &Key| key.role == Role::Admin;
        if self.keys.iter().any(is_admin) {
            return Ok(None);
        }
        self.change(|contents| {
            // Another process may have been first.
            if contents.keys.iter().any(is_admin) {
                return Ok(None);
            }
            let new = contents.draw(Role::Admin, None, now)?;
            contents.keys.push(new.key.clone());
            Ok(Some(new))
        })
    }

    /// Changes what the file says now, not what was read before, while nobody else does.
    fn change<T>(&mut self, act: impl FnOnce(&mut Contents) -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        let lock = file::lock(&self.folder)?;
        let (mut contents, _) = file::read(&self.folder)?;
        let answer = act(&mut contents)?;
        let seen = file::replace(&self.folder, &contents)?;
        drop(lock);
        self.take(contents, Some(seen));
        Ok(answer)
    }

    fn take(&mut self, contents: Contents, seen: Option<Seen>) {
        let apps: Vec<Arc<App>> = contents.apps.into_iter().map(Arc::new).collect();
        let by_id: BTreeMap<&AppId, &Arc<App>> = apps.iter().map(|app| (&app.id, app)).collect();
        let door = |key: &Key| {
            let app = key.app.as_ref().and_then(|id| by_id.get(id)).map(|app| Arc::clone(app));
            (Box::from(key.label.as_str()), Door { key: key.clone(), app })
        };
        self.doors = contents.keys.iter().map(door).collect();
        self.keys = contents.keys;
        self.apps = apps;
        self.seen = seen;
    }
}

fn is_meant(app: &App, asked: &str) -> bool {
    app.id.as_str() == asked || app.name.is_like(asked)
}

impl Contents {
    fn id_of(&self, asked: &str) -> Result<AppId, RegistryError> {
        let found = self.apps.iter().find(|app| is_meant(app, asked)).map(|app| app.id.clone());
        found.ok_or_else(|| RegistryError::NoApp { asked: asked.to_owned() })
    }

    fn key(&mut self, label: &Label) -> Result<&mut Key, RegistryError> {
        let found = self.keys.iter_mut().find(|key| key.label == *label);
        found.ok_or_else(|| RegistryError::NoKey { label: label.clone() })
    }

    fn valid_key(&mut self, label: &Label, now: Timestamp) -> Result<&mut Key, RegistryError> {
        let key = self.key(label)?;
        match key.state(now) {
            KeyState::Valid => Ok(key),
            state @ (KeyState::Expired | KeyState::Revoked) => {
                Err(RegistryError::KeyIsOver { label: label.clone(), state })
            }
        }
    }

    /// Draws a key whose label nobody has. With 40 bits of chance two labels agree about once in a million keys.
    fn draw(&self, role: Role, app: Option<AppId>, now: Timestamp) -> Result<NewKey, RegistryError> {
        loop {
            let new = Key::draw(role, app.clone(), now)?;
            if self.keys.iter().all(|key| key.label != new.key.label) {
                return Ok(new);
            }
        }
    }
}
