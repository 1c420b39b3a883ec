//! Where a message was sent, and so what sort of message it is.

/// The six sorts of message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// Says who somebody is.
    Identify,
    /// Says what somebody did.
    Track,
    /// Says which page somebody saw.
    Page,
    /// Says which screen somebody saw.
    Screen,
    /// Says to which group somebody belongs.
    Group,
    /// Says that two ids are one person.
    Alias,
}

impl Call {
    /// All of them.
    pub const ALL: [Call; 6] = [Call::Identify, Call::Track, Call::Page, Call::Screen, Call::Group, Call::Alias];

    /// Returns the word for it in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Call::Identify => "identify",
            Call::Track => "track",
            Call::Page => "page",
            Call::Screen => "screen",
            Call::Group => "group",
            Call::Alias => "alias",
        }
    }

    /// Finds the sort of message for its word, in small letters as all SDKs write it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Call::ALL.into_iter().find(|call| call.word() == word)
    }

    /// Finds the sort of message for the last part of a path: the word or its first letter.
    fn from_path(part: &str) -> Option<Self> {
        Call::ALL.into_iter().find(|call| call.word() == part || (part.len() == 1 && call.word().starts_with(part)))
    }
}

/// What a path takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// A list of messages, each with its own type.
    Batch,
    /// One message. The path says what it is, whatever the message says of itself.
    Single(Call),
}

impl Endpoint {
    /// Finds what a path takes, without its query: `/v1/track`, `/v1/t`, `/t`, `/v1/batch`, `/v1/b`, `/b`,
    /// `/v1/import`, `/beacon/v1/batch`.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let part = path.strip_prefix("beacon/").unwrap_or(path);
        let part = part.strip_prefix("v1/").unwrap_or(part);
        match part {
            "batch" | "b" | "import" => Some(Endpoint::Batch),
            _ => Call::from_path(part).map(Endpoint::Single),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_paths_lead_to_the_same_place() {
        for call in Call::ALL {
            let short = &call.word()[..1];
            for path in [format!("/v1/{}", call.word()), format!("/v1/{short}"), format!("/{short}")] {
                assert_eq!(Endpoint::from_path(&path), Some(Endpoint::Single(call)), "{path}");
            }
        }
        for path in ["/v1/batch", "/v1/b", "/b", "/v1/import", "/beacon/v1/batch"] {
            assert_eq!(Endpoint::from_path(path), Some(Endpoint::Batch), "{path}");
        }
        for path in ["", "/", "/v1", "/v1/", "v1/track", "/v2/track", "/v1/tr", "/v1/track/", "/v1/x", "/v1/v1/t"] {
            assert_eq!(Endpoint::from_path(path), None, "{path}");
        }
    }
}
