//! One event as a client reported it, with everything that the rules ask for.

use std::borrow::Cow;

use dwell_core::event::{EventKind, Happened};
use dwell_core::time::{Span, Timestamp};

use crate::endpoint::Call;

/// One event. Its texts are borrowed from the body wherever they stand there as they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// Which message of the body it was, counted from 0.
    pub index: u32,
    /// What sort of message it was.
    pub call: Call,
    /// What it is to a session.
    pub kind: EventKind,
    /// What the client called it: its event, else its name.
    pub name: Option<Cow<'a, str>>,
    /// Who, when the app knows.
    pub user_id: Option<Cow<'a, str>>,
    /// Who, when the app does not know yet.
    pub anonymous_id: Option<Cow<'a, str>>,
    /// Of an alias, which id it was before.
    pub previous_id: Option<Cow<'a, str>>,
    /// Names the event.
    pub message_id: MessageId<'a>,
    /// When the user did it, clock skew put right.
    pub happened: Happened,
    /// When it came in.
    pub received_at: Timestamp,
    /// Which device.
    pub device: Option<Cow<'a, str>>,
    /// Which platform.
    pub platform: Option<Cow<'a, str>>,
    /// Which campaign brought the user.
    pub campaign: Option<Cow<'a, str>>,
    /// In which country: two capital letters where that is how it was said, else as it was said.
    pub country: Option<Cow<'a, str>>,
    /// Which version of the app.
    pub app_version: Option<Cow<'a, str>>,
    /// Which player speaks; only of what plays.
    pub player: Option<Cow<'a, str>>,
    /// How long what plays will go on from here, when the client said its position and length.
    pub remaining: Option<Span>,
}

/// Names an event, so that a second one is known as such.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MessageId<'a> {
    /// The client gave it.
    Given(Cow<'a, str>),
    /// Derived from what the message says, for want of a better one: the same message gives the same id.
    Derived(String),
}

impl MessageId<'_> {
    /// Returns the text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            MessageId::Given(id) => id,
            MessageId::Derived(id) => id,
        }
    }
}

/// Says that two ids are one person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link<'a> {
    /// The id it was before.
    pub from: &'a str,
    /// The id it is from now on.
    pub to: &'a str,
}

impl Event<'_> {
    /// Returns whose event it is: the user's, or the anonymous id's when the user is not said.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user_id.as_deref().or(self.anonymous_id.as_deref()).unwrap_or_default()
    }

    /// Returns which two ids the event says are one person: an identify with both ids, or an alias.
    ///
    /// Other messages with both ids say it too, but only because an identify came before.
    #[must_use]
    pub fn link(&self) -> Option<Link<'_>> {
        let (from, to) = match self.call {
            Call::Identify => (self.anonymous_id.as_deref()?, self.user_id.as_deref()?),
            Call::Alias => (self.previous_id.as_deref()?, self.user()),
            Call::Track | Call::Page | Call::Screen | Call::Group => return None,
        };
        (from != to).then_some(Link { from, to })
    }
}
