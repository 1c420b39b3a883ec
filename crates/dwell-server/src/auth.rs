//! Who asks, and what they may.

use std::sync::{Arc, PoisonError};

use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use dwell_keys::access::{Access, Role, Scope};
use dwell_keys::account::Account;
use dwell_keys::app::{App, AppId};
use dwell_keys::key::Label;

use crate::House;
use crate::login::{account_of, has_pass};
use crate::problem::Problem;

/// Returns the key in the headers or the query, wherever SDKs put it.
pub(crate) fn presented_key(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let from_header = authorization.and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Some(rest.trim().to_owned()),
            "basic" => user_of_basic(rest.trim()),
            _ => None,
        }
    });
    from_header.or_else(|| query_value(uri, "writeKey")).filter(|key| !key.is_empty())
}

/// Returns the user name of Basic authorization: SDKs put the key there and leave the password empty.
fn user_of_basic(encoded: &str) -> Option<String> {
    let decoded = BASE64_STANDARD.decode(encoded).or_else(|_| BASE64_STANDARD_NO_PAD.decode(encoded)).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    Some(decoded.split(':').next().unwrap_or_default().to_owned())
}

/// Returns a value of the query, if it is there and plain.
pub(crate) fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
}

/// Returns the app into which a key sends.
pub(crate) fn writer_of(house: &House, key: &str) -> Result<Arc<App>, Problem> {
    let access = who(house, key)?;
    access.sends_to().cloned().ok_or_else(Problem::may_not_write)
}

/// Returns the id of the app that a reader may read.
pub(crate) fn reader_of(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<String, Problem> {
    holder_of(house, headers, uri, Scope::Read)
}

/// Returns the id of the app in which somebody may do something.
pub(crate) fn holder_of(house: &House, headers: &HeaderMap, uri: &Uri, what: Scope) -> Result<String, Problem> {
    let (asking, app) = asked_about(house, headers, uri)?;
    if asking.may(what, &app.id) { Ok(app.id.to_string()) } else { Err(Problem::may_not(what)) }
}

/// Returns the app whose policy somebody may read: readers, and those who put another one.
pub(crate) fn policy_reader_of(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<Arc<App>, Problem> {
    let (asking, app) = asked_about(house, headers, uri)?;
    let may = [Scope::Read, Scope::WritePolicy].into_iter().any(|scope| asking.may(scope, &app.id));
    if may { Ok(app) } else { Err(Problem::may_not(Scope::Read)) }
}

/// Returns the app whose policy somebody may put, and their name as its author.
pub(crate) fn policy_writer_of(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<(Arc<App>, String), Problem> {
    let (asking, app) = asked_about(house, headers, uri)?;
    if asking.may(Scope::WritePolicy, &app.id) { Ok((app, asking.name())) } else { Err(Problem::may_not_put_policy()) }
}

/// Who is asking: the holder of a key, or somebody who signed in.
pub(crate) enum Asking {
    /// What the key is for, and what may be seen of it.
    Key(Access, Label),
    Person(Account),
}

impl Asking {
    /// Says whether they may do `what` in this app.
    pub fn may(&self, what: Scope, app: &AppId) -> bool {
        match self {
            Asking::Key(access, _) => access.may(what, app),
            Asking::Person(account) => account.may(what, app),
        }
    }

    /// Says whether they may do what is not of one app alone.
    pub fn may_run(&self) -> bool {
        match self {
            Asking::Key(access, _) => access.role == Role::Admin,
            Asking::Person(account) => account.may_run(),
        }
    }

    /// Returns by what they are known: the label of the key, or the name of the account.
    pub fn name(&self) -> String {
        match self {
            Asking::Key(_, label) => label.to_string(),
            Asking::Person(account) => account.name.to_string(),
        }
    }
}

/// Returns who is asking. A key in the request stands above the cookie that a browser sends by itself.
pub(crate) fn asking(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<Asking, Problem> {
    if let Some(key) = presented_key(headers, uri) {
        let access = who(house, &key)?;
        let label = Label::parse(&key).map_err(|_no_key| Problem::unknown_key())?;
        return Ok(Asking::Key(access, label));
    }
    match account_of(house, headers) {
        Some(account) => Ok(Asking::Person(account)),
        None if has_pass(house, headers) => Err(Problem::signed_out()),
        None => Err(Problem::no_key()),
    }
}

/// Returns who is asking, and about which app: that of the key, or the one that is named.
pub(crate) fn asked_about(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<(Asking, Arc<App>), Problem> {
    let asking = asking(house, headers, uri)?;
    if let Asking::Key(Access { app: Some(app), .. }, _) = &asking {
        let app = app.clone();
        return Ok((asking, app));
    }
    let asked = query_value(uri, "app").ok_or_else(Problem::which_app)?;
    let registry = house.registry.read().unwrap_or_else(PoisonError::into_inner);
    // Whoever may read nothing of an app is not told that it is there.
    let found = registry.app(&asked).ok().filter(|app| asking.may(Scope::Read, &app.id)).cloned();
    Ok((asking, found.ok_or_else(|| Problem::not_found("app"))?))
}

pub(crate) fn who(house: &House, key: &str) -> Result<Access, Problem> {
    let registry = house.registry.read().unwrap_or_else(PoisonError::into_inner);
    registry.who(key, (house.clock)()).ok_or_else(Problem::unknown_key)
}
