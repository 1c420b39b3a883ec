//! The fields of one message, as they stand there: found in one walk, without a copy.
//!
//! Of keys that come twice the last counts, as in files and as browsers have it. What stands where an object belongs
//! and is none counts as nothing said.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use dwell_core::decimal::number_text;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::rejection::{Reason, Refusal};

/// One value as it is written; `None` when it is null or not there.
pub(crate) type Raw<'a> = Option<&'a str>;

/// What is wanted of a message.
#[derive(Debug, Default)]
pub(crate) struct Message<'a> {
    pub message_type: Raw<'a>,
    pub user_id: Raw<'a>,
    pub anonymous_id: Raw<'a>,
    pub previous_id: Raw<'a>,
    pub group_id: Raw<'a>,
    pub message_id: Raw<'a>,
    pub event: Raw<'a>,
    pub name: Raw<'a>,
    pub timestamp: Raw<'a>,
    pub original_timestamp: Raw<'a>,
    pub sent_at: Raw<'a>,
    pub write_key: Raw<'a>,
    pub properties: Raw<'a>,
    pub traits: Raw<'a>,
    pub context: Context<'a>,
}

/// What is wanted of a context.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context<'a> {
    pub active: Raw<'a>,
    pub platform: Raw<'a>,
    pub device: Named<'a>,
    pub os: Named<'a>,
    pub campaign: Named<'a>,
    pub app: About<'a>,
    pub location: About<'a>,
    pub locale: Raw<'a>,
}

/// Something with an id or a name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'a> {
    pub id: Raw<'a>,
    pub name: Raw<'a>,
}

/// What is wanted of the app and of the place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    pub version: Raw<'a>,
    pub country: Raw<'a>,
}

/// What is wanted of the properties of something that plays.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Playing<'a> {
    pub session_id: Raw<'a>,
    pub position: Raw<'a>,
    pub total_length: Raw<'a>,
    pub playback_rate: Raw<'a>,
    pub livestream: Raw<'a>,
}

/// Reads one object, and refuses what is no JSON or no object.
pub(crate) fn object<'a, T: Take<'a>>(text: &'a str) -> Result<T, Refusal> {
    if !text.trim_ascii_start().starts_with('{') {
        let reason = match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Reason::NotAnObject,
            Err(error) => Reason::BadJson { at: place(text, &error) },
        };
        return Err(Refusal::whole(text.as_bytes(), reason));
    }
    match serde_json::from_str::<Loose<T>>(text) {
        Ok(object) => Ok(object.0),
        Err(error) => {
            let at = place(text, &error);
            let from = at.saturating_sub(20);
            Err(Refusal::whole(text.as_bytes().get(from..).unwrap_or_default(), Reason::BadJson { at }))
        }
    }
}

/// Returns the byte at which an error was found.
fn place(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    (before + error.column()).saturating_sub(1)
}

/// Returns a value as text: empty when nothing is said, numbers without a fraction of zero.
pub(crate) fn text<'a>(field: &'static str, raw: Raw<'a>) -> Result<Cow<'a, str>, Refusal> {
    let Some(raw) = raw else {
        return Ok(Cow::Borrowed(""));
    };
    match raw.as_bytes() {
        [b'"', .., b'"'] if !raw.as_bytes().contains(&b'\\') => Ok(Cow::Borrowed(&raw[1..raw.len() - 1])),
        [b'"', ..] => match serde_json::from_str::<String>(raw) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(error) => Err(Refusal::of(field, raw, Reason::BadJson { at: place(raw, &error) })),
        },
        [b'{' | b'[', ..] => Err(Refusal::of(field, raw, Reason::Nested)),
        [b't' | b'f', ..] => Ok(Cow::Borrowed(raw)),
        number => Ok(number_text(number)),
    }
}

/// Fills itself from the keys of an object.
pub(crate) trait Take<'de>: Default {
    type Key: Deserialize<'de>;

    fn take<A: MapAccess<'de>>(&mut self, key: Self::Key, map: &mut A) -> Result<(), A::Error>;
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
pub(crate) enum MessageKey {
    Type,
    UserId,
    AnonymousId,
    PreviousId,
    GroupId,
    MessageId,
    Event,
    Name,
    Timestamp,
    OriginalTimestamp,
    SentAt,
    WriteKey,
    Properties,
    Traits,
    Context,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for Message<'de> {
    type Key = MessageKey;

    fn take<A: MapAccess<'de>>(&mut self, key: MessageKey, map: &mut A) -> Result<(), A::Error> {
        let place = match key {
            MessageKey::Type => &mut self.message_type,
            MessageKey::UserId => &mut self.user_id,
            MessageKey::AnonymousId => &mut self.anonymous_id,
            MessageKey::PreviousId => &mut self.previous_id,
            MessageKey::GroupId => &mut self.group_id,
            MessageKey::MessageId => &mut self.message_id,
            MessageKey::Event => &mut self.event,
            MessageKey::Name => &mut self.name,
            MessageKey::Timestamp => &mut self.timestamp,
            MessageKey::OriginalTimestamp => &mut self.original_timestamp,
            MessageKey::SentAt => &mut self.sent_at,
            MessageKey::WriteKey => &mut self.write_key,
            MessageKey::Properties => &mut self.properties,
            MessageKey::Traits => &mut self.traits,
            MessageKey::Context => {
                self.context = map.next_value::<Loose<Context<'de>>>()?.0;
                return Ok(());
            }
            MessageKey::Other => return pass_over(map),
        };
        *place = raw(map)?;
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
pub(crate) enum ContextKey {
    Active,
    Platform,
    Device,
    Os,
    Campaign,
    App,
    Location,
    Locale,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for Context<'de> {
    type Key = ContextKey;

    fn take<A: MapAccess<'de>>(&mut self, key: ContextKey, map: &mut A) -> Result<(), A::Error> {
        match key {
            ContextKey::Active => self.active = raw(map)?,
            ContextKey::Platform => self.platform = raw(map)?,
            ContextKey::Device => self.device = map.next_value::<Loose<Named<'de>>>()?.0,
            ContextKey::Os => self.os = map.next_value::<Loose<Named<'de>>>()?.0,
            ContextKey::Campaign => self.campaign = map.next_value::<Loose<Named<'de>>>()?.0,
            ContextKey::App => self.app = map.next_value::<Loose<About<'de>>>()?.0,
            ContextKey::Location => self.location = map.next_value::<Loose<About<'de>>>()?.0,
            ContextKey::Locale => self.locale = raw(map)?,
            ContextKey::Other => pass_over(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
pub(crate) enum NamedKey {
    Id,
    Name,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for Named<'de> {
    type Key = NamedKey;

    fn take<A: MapAccess<'de>>(&mut self, key: NamedKey, map: &mut A) -> Result<(), A::Error> {
        match key {
            NamedKey::Id => self.id = raw(map)?,
            NamedKey::Name => self.name = raw(map)?,
            NamedKey::Other => pass_over(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
pub(crate) enum AboutKey {
    Version,
    Country,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for About<'de> {
    type Key = AboutKey;

    fn take<A: MapAccess<'de>>(&mut self, key: AboutKey, map: &mut A) -> Result<(), A::Error> {
        match key {
            AboutKey::Version => self.version = raw(map)?,
            AboutKey::Country => self.country = raw(map)?,
            AboutKey::Other => pass_over(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
pub(crate) enum PlayingKey {
    #[serde(alias = "sessionId")]
    SessionId,
    Position,
    #[serde(alias = "totalLength")]
    TotalLength,
    #[serde(alias = "playbackRate")]
    PlaybackRate,
    Livestream,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for Playing<'de> {
    type Key = PlayingKey;

    fn take<A: MapAccess<'de>>(&mut self, key: PlayingKey, map: &mut A) -> Result<(), A::Error> {
        match key {
            PlayingKey::SessionId => self.session_id = raw(map)?,
            PlayingKey::Position => self.position = raw(map)?,
            PlayingKey::TotalLength => self.total_length = raw(map)?,
            PlayingKey::PlaybackRate => self.playback_rate = raw(map)?,
            PlayingKey::Livestream => self.livestream = raw(map)?,
            PlayingKey::Other => pass_over(map)?,
        }
        Ok(())
    }
}

fn raw<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Raw<'de>, A::Error> {
    let value = map.next_value::<&'de RawValue>()?.get();
    Ok((value != "null").then_some(value))
}

fn pass_over<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>()?;
    Ok(())
}

/// An object, or nothing said when it is none.
struct Loose<T>(T);

impl<'de, T: Take<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor(PhantomData))
    }
}

struct LooseVisitor<T>(PhantomData<T>);

impl<'de, T: Take<'de>> Visitor<'de> for LooseVisitor<T> {
    type Value = Loose<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut taken = T::default();
        while let Some(key) = map.next_key()? {
            taken.take(key, &mut map)?;
        }
        Ok(Loose(taken))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose(T::default()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose(T::default()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Loose(T::default()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose(T::default()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Loose(T::default()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose(T::default()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Loose(T::default()))
    }
}
