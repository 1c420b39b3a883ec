//! Who asks, and what they may.

use std::sync::{Arc, PoisonError};

use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use dwell_keys::access::{Access, Scope};
use dwell_keys::app::App;
use dwell_keys::key::Label;

use crate::House;
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

/// Returns the id of the app in which the holder of the key may do something.
pub(crate) fn holder_of(house: &House, headers: &HeaderMap, uri: &Uri, what: Scope) -> Result<String, Problem> {
    let (access, app) = asked_about(house, headers, uri)?;
    if access.may(what, &app.id) { Ok(app.id.to_string()) } else { Err(Problem::may_not(what)) }
}

/// Returns the app whose policy somebody may read: readers, and those who put another one.
pub(crate) fn policy_reader_of(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<Arc<App>, Problem> {
    let (access, app) = asked_about(house, headers, uri)?;
    let may = [Scope::Read, Scope::WritePolicy].into_iter().any(|scope| access.may(scope, &app.id));
    if may { Ok(app) } else { Err(Problem::may_not(Scope::Read)) }
}

/// Returns the app whose policy somebody may put, and what may be seen of their key.
pub(crate) fn policy_writer_of(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<(Arc<App>, String), Problem> {
    let (access, app) = asked_about(house, headers, uri)?;
    if !access.may(Scope::WritePolicy, &app.id) {
        return Err(Problem::may_not_put_policy());
    }
    // It was just found to be a key of ours.
    let label = presented_key(headers, uri).and_then(|key| Label::parse(&key).ok()).ok_or_else(Problem::unknown_key)?;
    Ok((app, label.to_string()))
}

/// Returns who is asking, and about which app: that of the key, or the one that the admin names.
fn asked_about(house: &House, headers: &HeaderMap, uri: &Uri) -> Result<(Access, Arc<App>), Problem> {
    let key = presented_key(headers, uri).ok_or_else(Problem::no_key)?;
    let access = who(house, &key)?;
    let app = match &access.app {
        Some(app) => app.clone(),
        None => {
            let asked = query_value(uri, "app").ok_or_else(Problem::which_app)?;
            let registry = house.registry.read().unwrap_or_else(PoisonError::into_inner);
            registry.app(&asked).map_err(|_unknown| Problem::not_found("app"))?.clone()
        }
    };
    Ok((access, app))
}

pub(crate) fn who(house: &House, key: &str) -> Result<Access, Problem> {
    let registry = house.registry.read().unwrap_or_else(PoisonError::into_inner);
    registry.who(key, (house.clock)()).ok_or_else(Problem::unknown_key)
}
