//! Passwords: what one must be like, and what is kept of it.

use std::fmt;

use argon2::Argon2;
use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use serde::{Deserialize, Serialize};

/// How many characters a password has at least.
pub const SHORTEST: usize = 12;

/// How many bytes of one are looked at at most: nobody is to have megabytes hashed.
pub const LONGEST_BYTES: usize = 1_024;

/// A hash that no password has. Whoever gives an unknown name waits for as long as one who gives a wrong password.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is kept of a password: salt and hash by argon2id (19 MiB, two passes, one lane), as a text that says so itself.
///
/// Making and checking one takes some hundredths of a second of a processor, and 19 MiB: never where others wait for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a password that somebody chose, or says what is wrong with it.
    pub fn of(password: &str) -> Result<Self, String> {
        let length = password.chars().count();
        if length < SHORTEST {
            return Err(format!("a password has at least {SHORTEST} characters, not {length}: take a few words"));
        }
        if LONGEST_BYTES < password.len() {
            return Err(format!("a password has at most {LONGEST_BYTES} bytes"));
        }
        let hash: phc::PasswordHash =
            Argon2::default().hash_password(password.as_bytes()).map_err(|error| error.to_string())?;
        Ok(PasswordHash(hash.to_string()))
    }

    /// Returns what is compared with where there is no account.
    #[must_use]
    pub fn of_nobody() -> Self {
        PasswordHash(NOBODYS.to_owned())
    }

    /// Says whether this is the password. It takes as long whatever the password is.
    #[must_use]
    pub fn is(&self, password: &str) -> bool {
        let read = phc::PasswordHash::new(&self.0);
        // What is too long is no password of ours; a part of it is hashed all the same.
        let looked_at = password.as_bytes().get(..LONGEST_BYTES).unwrap_or(password.as_bytes());
        let same = read.is_ok_and(|hash| Argon2::default().verify_password(looked_at, &hash).is_ok());
        same && password.len() <= LONGEST_BYTES
    }
}

/// Hides the hash, so that no log can hold it.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(...)")
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The refused text is not repeated: it may be a password that somebody wrote there.
        match phc::PasswordHash::new(&text) {
            Ok(hash) if hash.algorithm.as_str() == "argon2id" && hash.hash.is_some() => Ok(PasswordHash(text)),
            Ok(_) | Err(_) => {
                Err("a password is kept as a hash by argon2id; set it by `dwell accounts password`".into())
            }
        }
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> String {
        hash.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_what_was_chosen_and_nothing_else() {
        let hash = PasswordHash::of("correct horse battery").unwrap();
        assert!(hash.is("correct horse battery"));
        for wrong in ["", "correct horse batterz", "Correct horse battery", "correct horse battery ", "correct horse"] {
            assert!(!hash.is(wrong), "{wrong:?}");
        }
        assert_ne!(hash.0, PasswordHash::of("correct horse battery").unwrap().0, "every hash has a salt of its own");
        assert!(!format!("{hash:?}").contains(&hash.0[30..]));
    }

    #[test]
    fn passwords_have_a_length_and_ends_are_counted_in() {
        assert!(PasswordHash::of("elevenchars").is_err());
        assert!(PasswordHash::of("twelve chars").is_ok());
        assert!(PasswordHash::of("열두 글자가 되는 암호다").is_ok());
        let longest = "x".repeat(LONGEST_BYTES);
        let hash = PasswordHash::of(&longest).unwrap();
        assert!(hash.is(&longest) && !hash.is(&format!("{longest}x")), "what is cut off would not be looked at");
        assert!(PasswordHash::of(&format!("{longest}x")).is_err());
    }

    #[test]
    fn the_hash_of_nobody_costs_as_much_and_is_nobodys() {
        let parameters = |hash: &PasswordHash| hash.0.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(&PasswordHash::of_nobody()), parameters(&PasswordHash::of("twelve chars").unwrap()));
        assert!(PasswordHash::try_from(NOBODYS.to_owned()).is_ok());
        assert!(!PasswordHash::of_nobody().is("twelve chars"));
    }

    #[test]
    fn what_is_no_hash_is_refused_and_not_repeated() {
        for text in [
            "",
            "correct horse battery",
            "$argon2i$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            let error = PasswordHash::try_from(text.to_owned()).unwrap_err();
            assert!(text.is_empty() || !error.contains(text));
        }
    }
}
