//! Endpoints: who wants to be told what, where, and how we sign it.

use std::fmt;

use dwell_core::time::Timestamp;
use dwell_keys::app::AppId;
use dwell_keys::{key, moment};
use http::Uri;
use serde::{Deserialize, Serialize};

use crate::signature::Secret;

const ID_PREFIX: &str = "wh_";
const ID_DRAWN: usize = 12;

/// The longest URL, in bytes.
pub const LONGEST_URL: usize = 2_000;

/// The most secrets that sign at once: the newest, and those that were rotated and still hold.
pub const MOST_SECRETS: usize = 4;

/// The most wishes that may wait for a server that does not run.
pub const MOST_WISHES: usize = 1_000;

/// The name of an endpoint: `wh_` and twelve letters or digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointId(String);

impl EndpointId {
    pub(crate) fn draw() -> Result<Self, getrandom::Error> {
        Ok(EndpointId(format!("{ID_PREFIX}{}", key::draw::<ID_DRAWN>()?)))
    }

    /// Takes an id, or says what one looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix(ID_PREFIX) {
            Some(drawn) if drawn.len() == ID_DRAWN && key::is_drawn(drawn) => Ok(EndpointId(text.to_owned())),
            Some(_) | None => {
                Err(format!("{text:?} is no endpoint like wh_0123456789ab; `dwell webhooks list` shows all"))
            }
        }
    }

    /// Returns it as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EndpointId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        EndpointId::parse(&text)
    }
}

impl From<EndpointId> for String {
    fn from(id: EndpointId) -> String {
        id.0
    }
}

/// Where deliveries go: an absolute URL without a name and password in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    uri: Uri,
}

impl Target {
    /// Takes a URL, or says what is wrong with it.
    ///
    /// Where its host leads is not looked at here: that may change, and is checked whenever a connection is made.
    pub fn parse(text: &str) -> Result<Self, String> {
        if LONGEST_URL < text.len() {
            return Err(format!("the URL has {} bytes, and at most {LONGEST_URL} are taken", text.len()));
        }
        let uri: Uri = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
        if !matches!(uri.scheme_str(), Some("https" | "http")) {
            return Err(format!("{text:?} does not begin with https://"));
        }
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        if uri.host().is_none_or(str::is_empty) {
            return Err(format!("{text:?} names no host"));
        }
        if authority.contains('@') {
            return Err(
                "a name or password in a URL would be seen by many: put what the receiver needs into the path \
                        or the query"
                    .to_owned(),
            );
        }
        if text.contains('#') {
            return Err(format!("{text:?} has a fragment, which is never sent: leave away what follows the #"));
        }
        Ok(Target { uri })
    }

    /// Returns the URL.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Says whether nobody on the way can read what is sent.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Target::parse(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

/// What somebody asked for at the command line, for the server that delivers.
///
/// Wishes stand in the file of endpoints, so that one process alone writes how far deliveries have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Deliver all dead letters again, and go on at once where deliveries wait or were switched off.
    RetryAll,
    /// Deliver one dead letter again.
    Retry(u64),
    /// Give up what is being tried, and go on with the next.
    Skip(u64),
}

/// A wish, with its place among all wishes for the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wished {
    /// Counted from 1; what was granted is not granted again.
    pub serial: u64,
    /// What is wished.
    pub wish: Wish,
}

/// Somebody who is told of sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawEndpoint", into = "RawEndpoint")]
pub struct Endpoint {
    /// Its name, which stays.
    pub id: EndpointId,
    /// Of whose users it hears.
    pub app: AppId,
    /// Where it listens.
    pub url: Target,
    /// Which words of the feed it hears; none means all.
    pub events: Vec<String>,
    /// With which number of the feed it begins; none means what comes after the server has seen it first.
    pub from: Option<u64>,
    /// When it was added.
    pub created_at: Timestamp,
    /// What signs, the newest first.
    pub secrets: Vec<Held>,
    /// What was asked for and may not be granted yet, the oldest first.
    pub wishes: Vec<Wished>,
}

/// A secret, and until when it signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The secret.
    pub secret: Secret,
    /// None for the newest, which has no end.
    pub until: Option<Timestamp>,
}

impl Endpoint {
    /// Says whether the endpoint hears a word of the feed.
    #[must_use]
    pub fn hears(&self, word: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|heard| heard == word)
    }

    /// Returns what signs at a moment, the newest first. A rotated secret does not sign any more at its very end.
    pub fn signers(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(move |held| held.until.is_none_or(|until| now < until)).map(|held| &held.secret)
    }

    /// Returns the `webhook-id` of a delivery: the same at every attempt, and after every restart.
    #[must_use]
    pub fn delivery_id(&self, number: u64) -> String {
        format!("{}-{}-{number}", self.app, self.id)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEndpoint {
    id: EndpointId,
    app: AppId,
    url: Target,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    created_at: String,
    secrets: Vec<RawHeld>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wishes: Vec<Wished>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeld {
    secret: Secret,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl TryFrom<RawEndpoint> for Endpoint {
    type Error = String;

    fn try_from(raw: RawEndpoint) -> Result<Self, String> {
        let held =
            |raw: RawHeld| Ok(Held { secret: raw.secret, until: raw.until.as_deref().map(moment::read).transpose()? });
        let secrets = raw.secrets.into_iter().map(held).collect::<Result<Vec<Held>, String>>()?;
        if secrets.iter().all(|held| held.until.is_some()) {
            return Err(format!("the endpoint {} has no secret that stays", raw.id));
        }
        Ok(Endpoint {
            id: raw.id,
            app: raw.app,
            url: raw.url,
            events: raw.events,
            from: raw.from,
            created_at: moment::read(&raw.created_at)?,
            secrets,
            wishes: raw.wishes,
        })
    }
}

impl From<Endpoint> for RawEndpoint {
    fn from(endpoint: Endpoint) -> RawEndpoint {
        let held = |held: Held| RawHeld { secret: held.secret, until: held.until.map(moment::write) };
        RawEndpoint {
            id: endpoint.id,
            app: endpoint.app,
            url: endpoint.url,
            events: endpoint.events,
            from: endpoint.from,
            created_at: moment::write(endpoint.created_at),
            secrets: endpoint.secrets.into_iter().map(held).collect(),
            wishes: endpoint.wishes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_a_receiver_is_refused_with_the_reason() {
        for (text, says) in [
            ("", "is no URL"),
            ("example.com/hook", "is no URL"),
            ("/hook", "does not begin with https://"),
            ("ftp://example.com", "does not begin with https://"),
            ("file:///etc/passwd", "is no URL"),
            ("https://ada:secret@example.com/", "a name or password"),
            ("https://example.com/a#b", "fragment"),
            ("https://exämple.com/", "is no URL"),
            ("https:///hook", "is no URL"),
        ] {
            let said = Target::parse(text).unwrap_err();
            assert!(said.contains(says), "{text:?}: {said}");
        }
        assert!(Target::parse(&format!("https://example.com/{}", "a".repeat(LONGEST_URL))).is_err());
        let good = Target::parse("https://hooks.example.com:8443/dwell?key=1").unwrap();
        assert_eq!(
            (good.to_string().as_str(), good.is_private()),
            ("https://hooks.example.com:8443/dwell?key=1", true)
        );
        assert!(!Target::parse("http://example.com").unwrap().is_private());
    }

    #[test]
    fn an_id_is_known_by_its_form() {
        assert!(EndpointId::parse("wh_0123456789ab").is_ok());
        for text in
            ["", "wh_", "wh_0123456789a", "wh_0123456789abc", "app_0123456789ab", "wh_0123456789aI", "wh_../../../etc"]
        {
            assert!(EndpointId::parse(text).is_err(), "{text:?}");
        }
    }
}
