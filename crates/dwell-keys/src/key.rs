//! Keys: how they are drawn, what is kept of them, and whether they hold.

use std::fmt;

use dwell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::access::{Role, Scope, Scopes};
use crate::app::AppId;
use crate::moment;

/// Digits and letters without those that are taken for each other: 32 of them, five bits each.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What every key begins with is as long as this.
const PREFIX: usize = 5;
/// How many drawn characters of a secret may be seen: 40 bits, so that keys can be told apart.
const SHOWN: usize = 8;
/// How many characters of a write key are drawn: 130 bits.
const WRITE_DRAWN: usize = 26;
/// How many characters of a secret are drawn: 260 bits, of which 220 are never seen again.
const SECRET_DRAWN: usize = 52;

/// Draws characters from the machine's own source of randomness, five bits each.
pub fn draw<const N: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// Says whether a text could have been drawn.
#[must_use]
pub fn is_drawn(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// What sort of key a text begins like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Write,
    Secret,
    Admin,
}

impl Sort {
    fn of(text: &str) -> Option<Self> {
        match text.get(..PREFIX)? {
            "dw_w_" => Some(Sort::Write),
            "dw_s_" => Some(Sort::Secret),
            "dw_a_" => Some(Sort::Admin),
            _ => None,
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Sort::Write => "dw_w_",
            Sort::Secret => "dw_s_",
            Sort::Admin => "dw_a_",
        }
    }

    /// How long a key is.
    const fn length(self) -> usize {
        match self {
            Sort::Write => PREFIX + WRITE_DRAWN,
            Sort::Secret | Sort::Admin => PREFIX + SECRET_DRAWN,
        }
    }

    /// How much of it may be seen.
    const fn shown(self) -> usize {
        match self {
            Sort::Write => PREFIX + WRITE_DRAWN,
            Sort::Secret | Sort::Admin => PREFIX + SHOWN,
        }
    }
}

/// Returns what may be seen of a key, if the text has the length of one; its characters are not looked at.
pub(crate) fn shown(key: &str) -> Option<&str> {
    let sort = Sort::of(key)?;
    if key.len() == sort.length() { key.get(..sort.shown()) } else { None }
}

/// What may be seen of a key, by which people name it: all of a write key, `dw_s_` and eight characters of a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// Takes a label, or a whole key, of which it keeps no more than the label.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sort = Sort::of(text).filter(|sort| text.len() == sort.length() || text.len() == sort.shown());
        match sort.and_then(|sort| text.get(..sort.shown())) {
            Some(label) if label.get(PREFIX..).is_some_and(is_drawn) => Ok(Label(label.to_owned())),
            Some(_) | None => Err("a key is named by dw_w_ and 26 characters, or by dw_s_ or dw_a_ and the first 8; \
                                   `dwell keys list` shows them"
                .to_owned()),
        }
    }

    /// Returns it as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn sort(&self) -> Option<Sort> {
        Sort::of(&self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Label {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The refused text is not repeated: it may be a secret that somebody put in the wrong place.
        match Label::parse(&text) {
            Ok(label) if label.0.len() == text.len() => Ok(label),
            Ok(_) => Err("a whole secret stands where its first 13 characters belong: revoke it".to_owned()),
            Err(error) => Err(error),
        }
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        label.0
    }
}

/// A key, whole: shown once to whoever asked for it, and kept nowhere.
pub struct KeyText(String);

impl KeyText {
    /// Returns the key itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Hides the key, so that no log can hold it.
impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}...)", shown(&self.0).unwrap_or_default())
    }
}

/// A key that was just made.
#[derive(Debug)]
pub struct NewKey {
    /// What is kept of it.
    pub key: Key,
    /// The key itself.
    pub text: KeyText,
}

/// What is kept of a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawKey", into = "RawKey")]
pub struct Key {
    /// What may be seen of it.
    pub label: Label,
    /// Whose it is; the admin key has no app.
    pub app: Option<AppId>,
    /// What it is for.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it does not hold any more, by itself.
    pub expires_at: Option<Timestamp>,
    /// When somebody revoked it.
    pub revoked_at: Option<Timestamp>,
    /// The key that was made in its place.
    pub replaced_by: Option<Label>,
    /// None for a write key, which is its own label.
    digest: Option<Fingerprint>,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

impl KeyState {
    /// Returns its word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            KeyState::Valid => "valid",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
        }
    }
}

impl Key {
    /// Draws a key.
    pub(crate) fn draw(role: Role, app: Option<AppId>, created_at: Timestamp) -> Result<NewKey, getrandom::Error> {
        let (text, shown, digest) = match role {
            Role::Write => drawn::<WRITE_DRAWN>(Sort::Write)?,
            Role::Secret(_) => drawn::<SECRET_DRAWN>(Sort::Secret)?,
            Role::Admin => drawn::<SECRET_DRAWN>(Sort::Admin)?,
        };
        let label = Label(shown);
        let key = Key { label, app, role, created_at, expires_at: None, revoked_at: None, replaced_by: None, digest };
        Ok(NewKey { key, text: KeyText(text) })
    }

    /// Says whether the key opens anything at this moment. It does not at the very moment it expires.
    ///
    /// One that was revoked stays so, even when a clock that is put back shows a time before that.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            return KeyState::Revoked;
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return KeyState::Expired;
        }
        KeyState::Valid
    }

    /// Says whether a whole key is this one. The comparison takes as long whatever the key is.
    pub(crate) fn is(&self, key: &str) -> bool {
        match &self.digest {
            None => self.label.as_str() == key,
            Some(digest) => bool::from(Fingerprint::of(key).0.ct_eq(&digest.0)),
        }
    }
}

fn drawn<const N: usize>(sort: Sort) -> Result<(String, String, Option<Fingerprint>), getrandom::Error> {
    let text = format!("{}{}", sort.prefix(), draw::<N>()?);
    let shown = shown(&text).map(str::to_owned).unwrap_or_default();
    let digest = (shown != text).then(|| Fingerprint::of(&text));
    Ok((text, shown, digest))
}

/// SHA-256 of a whole key. A key has 260 bits of chance, so that a slow hash would only slow down its owner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(key: &str) -> Self {
        Fingerprint(Sha256::digest(key.as_bytes()).into())
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || "sha256 is not 64 hexadecimal digits".to_owned();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0_u8; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * place..2 * place + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
        }
        Ok(Fingerprint(bytes))
    }
}

impl From<Fingerprint> for String {
    fn from(digest: Fingerprint) -> String {
        digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A key as the file has it. What sort of key it is, its label says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    label: Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<AppId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<Label>,
}

impl TryFrom<RawKey> for Key {
    type Error = String;

    fn try_from(raw: RawKey) -> Result<Self, String> {
        let scope = |word: &String| Scope::from_word(word).ok_or_else(|| format!("{word:?} is no scope"));
        let scopes = raw.scopes.iter().map(scope).collect::<Result<Scopes, String>>()?;
        let says = |fault: &str| Err(format!("the key {} {fault}", raw.label));
        let role = match (raw.label.sort(), scopes.is_empty()) {
            (Some(Sort::Write), true) => Role::Write,
            (Some(Sort::Admin), true) => Role::Admin,
            (Some(Sort::Secret), false) => Role::Secret(scopes),
            (Some(Sort::Secret), true) => return says("has no scope"),
            (Some(Sort::Write | Sort::Admin) | None, _) => return says("has scopes, which only dw_s_ keys have"),
        };
        if raw.sha256.is_some() != (role != Role::Write) {
            return says("must have a sha256 if it is a secret, and none if it is a write key");
        }
        if raw.app.is_some() != (role != Role::Admin) {
            return says("must have an app, unless it is an admin key");
        }
        let moment = |text: Option<String>| text.map(|text| moment::read(&text)).transpose();
        Ok(Key {
            label: raw.label,
            app: raw.app,
            role,
            created_at: moment::read(&raw.created_at)?,
            expires_at: moment(raw.expires_at)?,
            revoked_at: moment(raw.revoked_at)?,
            replaced_by: raw.replaced_by,
            digest: raw.sha256,
        })
    }
}

impl From<Key> for RawKey {
    fn from(key: Key) -> RawKey {
        let scopes = match key.role {
            Role::Secret(scopes) => scopes.iter().map(|scope| scope.word().to_owned()).collect(),
            Role::Write | Role::Admin => Vec::new(),
        };
        RawKey {
            label: key.label,
            sha256: key.digest,
            app: key.app,
            scopes,
            created_at: moment::write(key.created_at),
            expires_at: key.expires_at.map(moment::write),
            revoked_at: key.revoked_at.map(moment::write),
            replaced_by: key.replaced_by,
        }
    }
}
