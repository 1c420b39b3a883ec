//! The names of events: what people did, in words that an app might use.

use dwell_core::event::EventKind;

use crate::random::Stream;

/// How many different named actions there are at most.
pub const MOST_ACTION_NAMES: u32 = 256;

macro_rules! each_of_each {
    ([$($done:literal)*] $things:tt) => { [$(each_of_each!(@ $done $things)),*] };
    (@ $done:literal [$($thing:literal)*]) => { [$(concat!($thing, "_", $done)),*] };
}

const ACTIONS: [[&str; 16]; 16] = each_of_each!(
    ["viewed" "liked" "shared" "opened" "saved" "searched" "added" "removed"
     "rated" "followed" "edited" "sorted" "hidden" "reported" "bought" "returned"]
    ["post" "photo" "video" "story" "comment" "profile" "item" "cart"
     "list" "track" "album" "offer" "review" "place" "event" "article"]
);

const SCREENS: [&str; 8] = ["home", "feed", "search", "profile", "detail", "library", "messages", "settings"];
const PAGES: [&str; 8] = ["front", "news", "article", "sports", "culture", "opinion", "archive", "about"];

const FIRST_SCREEN: u16 = EventKind::ALL.len() as u16;
const FIRST_PAGE: u16 = FIRST_SCREEN + SCREENS.len() as u16;
const FIRST_ACTION: u16 = FIRST_PAGE + PAGES.len() as u16;

/// A key for the name of an event: a lifecycle word, a screen, a page or an action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name(u16);

impl Name {
    /// Returns the name of an event that has none of its own: the word for its kind.
    pub const fn of_kind(kind: EventKind) -> Self {
        Name(kind as u16)
    }

    /// Draws a screen.
    pub const fn screen(stream: &mut Stream) -> Self {
        Name(FIRST_SCREEN + stream.below(SCREENS.len() as u64) as u16)
    }

    /// Draws a page.
    pub const fn page(stream: &mut Stream) -> Self {
        Name(FIRST_PAGE + stream.below(PAGES.len() as u64) as u16)
    }

    /// Draws one of the first `names` actions; the first ones are the most common.
    pub fn action(stream: &mut Stream, names: u32) -> Self {
        let place = stream.unit();
        Name(FIRST_ACTION + (place * place * f64::from(names)) as u16)
    }

    /// Returns the text.
    pub fn text(self) -> &'static str {
        let key = usize::from(self.0);
        if self.0 < FIRST_SCREEN {
            return EventKind::ALL[key].word();
        }
        if self.0 < FIRST_PAGE {
            return SCREENS[key - usize::from(FIRST_SCREEN)];
        }
        if self.0 < FIRST_ACTION {
            return PAGES[key - usize::from(FIRST_PAGE)];
        }
        let action = key - usize::from(FIRST_ACTION);
        ACTIONS[action / 16][action % 16]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_key_of_a_kind_is_its_place_among_all_kinds() {
        for kind in EventKind::ALL {
            assert_eq!(Name::of_kind(kind).text(), kind.word());
        }
    }

    #[test]
    fn all_actions_differ_and_all_of_them_are_drawn() {
        let mut stream = Stream::new(3);
        let names: BTreeSet<&str> = (0..100_000).map(|_| Name::action(&mut stream, MOST_ACTION_NAMES).text()).collect();
        assert_eq!(names.len(), MOST_ACTION_NAMES as usize);
    }
}
