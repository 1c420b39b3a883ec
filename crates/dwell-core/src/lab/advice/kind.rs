//! What is usual for a kind of app.

use crate::time::Timeout;

/// What kind of app it is: what is usual there, for choosing between valleys about as deep. It never makes a valley.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppKind {
    /// Feeds and talk.
    Social,
    /// Music and films.
    Media,
    /// Articles and books.
    Reading,
    /// Games.
    Game,
    /// Shops.
    Shop,
}

impl AppKind {
    /// All kinds.
    pub const ALL: [AppKind; 5] = [AppKind::Social, AppKind::Media, AppKind::Reading, AppKind::Game, AppKind::Shop];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            AppKind::Social => "social",
            AppKind::Media => "media",
            AppKind::Reading => "reading",
            AppKind::Game => "game",
            AppKind::Shop => "shop",
        }
    }

    /// Finds the kind for a word; `None` for a word that is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        AppKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Returns the timeout that is usual for it.
    #[must_use]
    pub const fn usual_timeout(self) -> Timeout {
        let secs = match self {
            AppKind::Social | AppKind::Game => 5 * 60,
            AppKind::Shop => 20 * 60,
            AppKind::Media | AppKind::Reading => 30 * 60,
        };
        match Timeout::from_secs(secs) {
            Ok(timeout) => timeout,
            Err(_) => Timeout::DEFAULT,
        }
    }

    /// Returns the same in seconds.
    pub(super) fn usual(self) -> f64 {
        f64::from(self.usual_timeout().as_secs())
    }
}
