//! Signatures as Standard Webhooks writes them: `v1,` and HMAC-SHA256 of id, time and body.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// How many bytes of a secret are drawn. The standard asks for 24 to 64.
const DRAWN: usize = 32;
const SHORTEST: usize = 24;
const LONGEST: usize = 64;

/// What a sender and a receiver share.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(Vec<u8>);

impl Secret {
    pub(crate) fn draw() -> Result<Self, getrandom::Error> {
        let mut bytes = vec![0; DRAWN];
        getrandom::fill(&mut bytes)?;
        Ok(Secret(bytes))
    }

    /// Takes `whsec_` and base64, or says what is wrong. What was refused is not repeated: it may be a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("a secret is {PREFIX} and base64 of {SHORTEST} to {LONGEST} bytes");
        let bytes = text.strip_prefix(PREFIX).and_then(|rest| BASE64_STANDARD.decode(rest).ok()).ok_or_else(wrong)?;
        if (SHORTEST..=LONGEST).contains(&bytes.len()) { Ok(Secret(bytes)) } else { Err(wrong()) }
    }

    /// Returns the secret itself, as receivers take it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        // HMAC takes a key of any length.
        let Ok(mut mac) = mac else { unreachable!("HMAC refused a key") };
        mac.update(id.as_bytes());
        mac.update(format!(".{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Hides the secret, so that no log can hold it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Secret::parse(&text)
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> String {
        secret.reveal()
    }
}

/// Returns the header `webhook-signature`: one signature for each secret that holds, with blanks between.
#[must_use]
pub fn signatures<'a>(secrets: impl Iterator<Item = &'a Secret>, id: &str, seconds: i64, body: &[u8]) -> String {
    secrets.map(|secret| secret.sign(id, seconds, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    /// What the libraries of the standard are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let secret = Secret::parse(SECRET).unwrap();
        let signed = signatures(
            [&secret].into_iter(),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_library_of_the_standard_signs_the_same_with_each_of_two_secrets() {
        let (new, old) = (Secret::draw().unwrap(), Secret::draw().unwrap());
        let body = r#"{"type":"session.ended","data":{"user":"Ädä"}}"#.as_bytes();
        let signed = signatures([&new, &old].into_iter(), "a-b-1", 1_767_600_000, body);
        let theirs = [&new, &old]
            .map(|secret| Webhook::new(&secret.reveal()).unwrap().sign("a-b-1", 1_767_600_000, body).unwrap());
        assert_eq!(signed, theirs.join(" "));
        for (id, seconds, body) in
            [("a-b-2", 1_767_600_000, body), ("a-b-1", 1_767_600_001, body), ("a-b-1", 1_767_600_000, b"{}")]
        {
            assert_ne!(signatures([&new].into_iter(), id, seconds, body), theirs[0]);
        }
    }

    #[test]
    fn a_secret_comes_back_from_its_text_and_hides_in_logs() {
        let secret = Secret::draw().unwrap();
        assert_eq!(Secret::parse(&secret.reveal()).unwrap(), secret);
        assert_eq!(format!("{secret:?}"), "Secret(...)");
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_***", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(Secret::parse(text).is_err(), "{text}");
        }
        assert!(!Secret::parse("whsec_secretstuff!").unwrap_err().contains("secretstuff"));
    }
}
