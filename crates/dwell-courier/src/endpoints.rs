//! The file of endpoints: `webhooks.json` in the data folder, changed by commands and read by the courier.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dwell_core::time::Timestamp;
use dwell_keys::app::AppId;
use dwell_keys::whole_file::{self, FileError, Seen};
use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, EndpointId, Held, MOST_SECRETS, MOST_WISHES, Target, Wish, Wished};
use crate::error::CourierError;
use crate::signature::Secret;

/// The most endpoints of all apps together: one thread looks after them.
pub const MOST_ENDPOINTS: usize = 100;

/// The largest file that is read or written.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// The only way in which the file is laid out so far.
const FORMAT: u32 = 1;

/// All endpoints of a data folder, as they were when the file was last read.
#[derive(Debug)]
pub struct Endpoints {
    path: PathBuf,
    seen: Option<Seen>,
    all: Vec<Endpoint>,
}

/// What an endpoint is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEndpoint {
    /// Of whose users it hears.
    pub app: AppId,
    /// Where it listens.
    pub url: Target,
    /// Which words of the feed it hears; none means all.
    pub events: Vec<String>,
    /// With which number of the feed it begins; none means what comes after the server has seen it first.
    pub from: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u32,
    endpoints: Vec<Endpoint>,
}

impl Endpoints {
    /// Reads the endpoints of a data folder. Where there is no file, there are none yet.
    pub fn open(folder: &Path) -> Result<Self, CourierError> {
        let path = folder.join("webhooks.json");
        let (all, seen) = read(&path)?;
        Ok(Endpoints { path, seen, all })
    }

    /// Reads the file again if it has changed, and says whether it had.
    ///
    /// Meant to be called once a second. When the new file cannot be used, what was read before stays in force. What is
    /// wrong with the file is said once; when the machine refused, it is tried again at the next call.
    pub fn refresh(&mut self) -> Result<bool, CourierError> {
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
                Err(CourierError::Gone { path: self.path.clone() })
            }
            Err(error) => {
                if !matches!(error, CourierError::File(FileError::Io { .. })) {
                    self.seen = there;
                }
                Err(error)
            }
        }
    }

    /// Returns all endpoints, in the order in which they were added.
    #[must_use]
    pub fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// Finds an endpoint.
    pub fn one(&self, id: &EndpointId) -> Result<&Endpoint, CourierError> {
        self.all.iter().find(|endpoint| endpoint.id == *id).ok_or_else(|| CourierError::NoEndpoint { id: id.clone() })
    }

    /// Adds an endpoint, and draws its secret.
    pub fn add(&mut self, new: NewEndpoint, now: Timestamp) -> Result<Endpoint, CourierError> {
        let secrets = vec![Held { secret: Secret::draw()?, until: None }];
        let NewEndpoint { app, url, events, from } = new;
        let id = EndpointId::draw()?;
        let endpoint = Endpoint { id, app, url, events, from, created_at: now, secrets, wishes: Vec::new() };
        self.change(|all| {
            if MOST_ENDPOINTS <= all.len() {
                return Err(CourierError::TooManyEndpoints { most: MOST_ENDPOINTS });
            }
            all.push(endpoint.clone());
            Ok(endpoint)
        })
    }

    /// Removes an endpoint, and returns what it was.
    pub fn remove(&mut self, id: &EndpointId) -> Result<Endpoint, CourierError> {
        self.change(|all| {
            let place = all.iter().position(|endpoint| endpoint.id == *id);
            Ok(all.remove(place.ok_or_else(|| CourierError::NoEndpoint { id: id.clone() })?))
        })
    }

    /// Draws another secret. Those before it go on to sign, beside the new one, until the given moment at the latest.
    pub fn rotate(&mut self, id: &EndpointId, until: Timestamp, now: Timestamp) -> Result<Secret, CourierError> {
        let secret = Secret::draw()?;
        self.change(|all| {
            let endpoint = find(all, id)?;
            for held in &mut endpoint.secrets {
                held.until = Some(held.until.map_or(until, |end| end.min(until)));
            }
            endpoint.secrets.retain(|held| held.until.is_none_or(|end| now < end));
            if MOST_SECRETS <= endpoint.secrets.len() {
                return Err(CourierError::TooManySecrets { id: id.clone(), most: MOST_SECRETS });
            }
            endpoint.secrets.insert(0, Held { secret: secret.clone(), until: None });
            Ok(secret)
        })
    }

    /// Asks the server for something. `granted` is the last wish of which is known that it was granted.
    pub fn wish(&mut self, id: &EndpointId, wishes: &[Wish], granted: u64) -> Result<(), CourierError> {
        self.change(|all| {
            let endpoint = find(all, id)?;
            let last = endpoint.wishes.last().map_or(0, |wished| wished.serial).max(granted);
            endpoint.wishes.retain(|wished| granted < wished.serial);
            if MOST_WISHES < endpoint.wishes.len() + wishes.len() {
                return Err(CourierError::TooManyWishes { id: id.clone(), most: MOST_WISHES });
            }
            let serials = last + 1..;
            endpoint.wishes.extend(serials.zip(wishes).map(|(serial, wish)| Wished { serial, wish: *wish }));
            Ok(())
        })
    }

    /// Changes what the file says now, not what was read before, while nobody else does.
    fn change<T>(
        &mut self,
        act: impl FnOnce(&mut Vec<Endpoint>) -> Result<T, CourierError>,
    ) -> Result<T, CourierError> {
        let lock = whole_file::lock(&self.path)?;
        let (mut all, _) = read(&self.path)?;
        let answer = act(&mut all)?;
        let contents = Contents { format: FORMAT, endpoints: all };
        let mut bytes = serde_json::to_vec_pretty(&contents).map_err(|error| damaged(&self.path, error.to_string()))?;
        bytes.push(b'\n');
        let seen = whole_file::replace(&self.path, &bytes, MOST_BYTES)?;
        drop(lock);
        (self.all, self.seen) = (contents.endpoints, Some(seen));
        Ok(answer)
    }
}

fn find<'a>(all: &'a mut [Endpoint], id: &EndpointId) -> Result<&'a mut Endpoint, CourierError> {
    all.iter_mut().find(|endpoint| endpoint.id == *id).ok_or_else(|| CourierError::NoEndpoint { id: id.clone() })
}

fn damaged(path: &Path, problem: String) -> CourierError {
    CourierError::Damaged { path: path.to_owned(), problem }
}

fn read(path: &Path) -> Result<(Vec<Endpoint>, Option<Seen>), CourierError> {
    let Some((bytes, seen)) = whole_file::read(path, MOST_BYTES)? else { return Ok((Vec::new(), None)) };
    let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| damaged(path, error.to_string()))?;
    if contents.format != FORMAT {
        let problem = format!("format {} is unknown: a later Dwell wrote it, and can read it", contents.format);
        return Err(damaged(path, problem));
    }
    let mut ids = BTreeSet::new();
    if let Some(twice) = contents.endpoints.iter().find(|endpoint| !ids.insert(&endpoint.id)) {
        return Err(damaged(path, format!("two endpoints have the id {}", twice.id)));
    }
    Ok((contents.endpoints, Some(seen)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);

    fn new() -> NewEndpoint {
        NewEndpoint {
            app: serde_json::from_str("\"app_0123456789ab\"").unwrap(),
            url: Target::parse("https://example.com/hook").unwrap(),
            events: vec!["session.ended".to_owned()],
            from: None,
        }
    }

    #[test]
    fn what_was_added_rotated_and_wished_is_read_back_and_a_running_courier_hears_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Endpoints::open(folder.path()).unwrap();
        assert!(!server.refresh().unwrap());
        let mut command = Endpoints::open(folder.path()).unwrap();
        let added = command.add(new(), NOW).unwrap();
        command.wish(&added.id, &[Wish::RetryAll, Wish::Skip(7)], 0).unwrap();
        let later = NOW.plus(dwell_core::time::Span::from_hours(24));
        let rotated = command.rotate(&added.id, later, NOW).unwrap();
        assert!(server.refresh().unwrap() && !server.refresh().unwrap());
        let read = server.one(&added.id).unwrap();
        assert_eq!(read, command.one(&added.id).unwrap());
        assert_eq!(read.wishes.iter().map(|wished| wished.serial).collect::<Vec<_>>(), [1, 2]);
        let signers = |at| read.signers(at).map(Secret::reveal).collect::<Vec<_>>();
        assert_eq!(signers(NOW), [rotated.reveal(), added.secrets[0].secret.reveal()]);
        assert_eq!(signers(later), [rotated.reveal()]);
        command.remove(&added.id).unwrap();
        assert!(server.refresh().unwrap() && server.all().is_empty());
        assert!(matches!(command.remove(&added.id).unwrap_err(), CourierError::NoEndpoint { .. }));
    }

    #[test]
    fn wishes_that_were_granted_are_forgotten_and_their_numbers_are_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Endpoints::open(folder.path()).unwrap();
        let id = command.add(new(), NOW).unwrap().id;
        let serials = |command: &Endpoints| -> Vec<u64> {
            command.one(&id).unwrap().wishes.iter().map(|wished| wished.serial).collect()
        };
        command.wish(&id, &[Wish::RetryAll, Wish::RetryAll], 0).unwrap();
        command.wish(&id, &[Wish::Retry(1)], 2).unwrap();
        assert_eq!(serials(&command), [3]);
        command.wish(&id, &[Wish::Retry(1)], 3).unwrap();
        assert_eq!(serials(&command), [4]);
        let many = vec![Wish::RetryAll; MOST_WISHES];
        assert!(matches!(command.wish(&id, &many, 3).unwrap_err(), CourierError::TooManyWishes { .. }));
    }

    #[test]
    fn there_are_bounds_for_endpoints_and_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Endpoints::open(folder.path()).unwrap();
        let id = command.add(new(), NOW).unwrap().id;
        let later = NOW.plus(dwell_core::time::Span::from_hours(1));
        (1..MOST_SECRETS).for_each(|_| drop(command.rotate(&id, later, NOW).unwrap()));
        assert!(matches!(command.rotate(&id, later, NOW).unwrap_err(), CourierError::TooManySecrets { .. }));
        command.rotate(&id, NOW, NOW).unwrap();
        assert_eq!(command.one(&id).unwrap().secrets.len(), 1);
        (1..MOST_ENDPOINTS).for_each(|_| drop(command.add(new(), NOW).unwrap()));
        assert!(matches!(command.add(new(), NOW).unwrap_err(), CourierError::TooManyEndpoints { .. }));
    }

    #[test]
    fn a_file_that_cannot_be_read_changes_nothing_and_is_complained_of_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Endpoints::open(folder.path()).unwrap();
        let id = command.add(new(), NOW).unwrap().id;
        let mut server = Endpoints::open(folder.path()).unwrap();
        let path = folder.path().join("webhooks.json");
        let good = std::fs::read_to_string(&path).unwrap();
        for wrong in ["", "{", "[]", &good.replace("\"format\": 1", "\"format\": 2"), &good.replace("whsec_", "whsec")]
        {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(server.refresh().unwrap_err(), CourierError::Damaged { .. }), "{wrong}");
            assert!(!server.refresh().unwrap() && server.one(&id).is_ok(), "{wrong}");
            assert!(command.add(new(), NOW).is_err());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(server.refresh().unwrap_err(), CourierError::Gone { .. }));
        assert!(server.one(&id).is_ok());
        std::fs::write(&path, good).unwrap();
        assert!(server.refresh().unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_but_the_owner_can_read_the_secrets() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Endpoints::open(folder.path()).unwrap().add(new(), NOW).unwrap();
        let mode = std::fs::metadata(folder.path().join("webhooks.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
