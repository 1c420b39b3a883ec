//! The dialect of Segment's SDKs and of RudderStack's, which is the same on other paths.
//!
//! What each call and name means stands in docs/guide/dialect-segment.md.

use std::borrow::Cow;

use dwell_core::decimal::scaled;
use dwell_core::event::{EventKind, Happened, PlaybackRate, Stamps, remaining_of};
use dwell_core::id::LONGEST_ID;
use dwell_core::time::{Span, Timestamp};
use dwell_core::words::{EventWords, denies_activity, says_live};
use xxhash_rust::xxh3::Xxh3;

use crate::endpoint::{Call, Endpoint};
use crate::event::{Event, MessageId};
use crate::limits::Limits;
use crate::message::{Context, Message, Playing, Raw, object, text};
use crate::moment::{moment, within};
use crate::outline::{NoOutline, Outline, Piece, depth_of, outline};
use crate::rejection::{Reason, Refusal, Rejection};

/// The longest country and the longest version of an app that are kept, in bytes.
const LONGEST_COUNTRY: usize = 48;
const LONGEST_VERSION: usize = 48;

/// What became of a body. `received` = events + rejections, always.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decoded<'a> {
    /// The events, in the order in which they stood there.
    pub events: Vec<Event<'a>>,
    /// The messages that are none, and why; or one rejection of the body as a whole.
    pub rejections: Vec<Rejection>,
    /// The write key, when it stands in the body: of the batch, else of the first message that has one.
    pub write_key: Option<Cow<'a, str>>,
}

impl Decoded<'_> {
    /// Returns how many messages there were. A body that was refused as a whole counts as one.
    #[must_use]
    pub fn received(&self) -> usize {
        self.events.len() + self.rejections.len()
    }

    fn refused(reason: Reason) -> Self {
        Decoded { rejections: vec![Rejection::of_body(reason)], ..Decoded::default() }
    }
}

/// Reads the messages of a body that [`crate::envelope::open`] has unwrapped.
///
/// `words` are the app's own names of events; `received_at` is when the body came in, by our clock.
#[must_use]
pub fn decode<'a>(
    body: &'a [u8],
    endpoint: Endpoint,
    received_at: Timestamp,
    limits: &Limits,
    words: &EventWords,
) -> Decoded<'a> {
    if limits.batch_bytes < body.len() {
        return Decoded::refused(Reason::BatchTooLarge { found: body.len(), most: limits.batch_bytes });
    }
    let mut reader = Reader { received_at, limits, words, batch: Shared::default(), decoded: Decoded::default() };
    match endpoint {
        Endpoint::Single(call) => match depth_of(body) {
            Ok(depth) => reader.message(0, Piece { bytes: body, depth }, Some(call)),
            Err(NoOutline::Broken(at)) => return Decoded::refused(Reason::BadJson { at }),
            Err(NoOutline::TooMany) => return Decoded::refused(Reason::TooManyEvents { most: limits.batch_events }),
        },
        Endpoint::Batch => match outline(body, limits.batch_events) {
            Ok(outline) => reader.batch(outline),
            Err(NoOutline::Broken(at)) => return Decoded::refused(Reason::BadJson { at }),
            Err(NoOutline::TooMany) => return Decoded::refused(Reason::TooManyEvents { most: limits.batch_events }),
        },
    }
    reader.decoded
}

/// What a batch says for all its messages.
#[derive(Default)]
struct Shared<'a> {
    sent_at: Option<&'a str>,
    /// The same, read once.
    sent: Option<Timestamp>,
    context: Context<'a>,
}

struct Reader<'a, 'c> {
    received_at: Timestamp,
    limits: &'c Limits,
    words: &'c EventWords,
    batch: Shared<'a>,
    decoded: Decoded<'a>,
}

impl<'a> Reader<'a, '_> {
    fn batch(&mut self, outline: Outline<'a>) {
        self.take_write_key(outline.write_key.and_then(utf8));
        let Some(pieces) = outline.batch else {
            self.decoded.rejections.push(Rejection::of_body(Reason::MissingBatch));
            return;
        };
        self.batch.sent_at = outline.sent_at.and_then(utf8);
        self.batch.sent = time("sentAt", self.batch.sent_at).unwrap_or_default();
        let context = outline.context.filter(|context| context.depth <= self.limits.depth).and_then(utf8);
        self.batch.context = context.and_then(|context| object(context).ok()).unwrap_or_default();
        self.decoded.events.reserve(pieces.len());
        for (index, piece) in pieces.into_iter().enumerate() {
            self.message(index as u32, piece, None);
        }
    }

    fn take_write_key(&mut self, raw: Raw<'a>) {
        if self.decoded.write_key.is_none()
            && let Ok(key) = text("writeKey", raw)
            && !key.is_empty()
        {
            self.decoded.write_key = Some(key);
        }
    }

    fn message(&mut self, index: u32, piece: Piece<'a>, call: Option<Call>) {
        match self.event(index, piece, call) {
            Ok(event) => self.decoded.events.push(event),
            Err(refusal) => self.decoded.rejections.push(refusal.at(index)),
        }
    }

    fn event(&mut self, index: u32, piece: Piece<'a>, call: Option<Call>) -> Result<Event<'a>, Refusal> {
        let message: Message<'a> = object(self.text_of(piece)?)?;
        self.take_write_key(message.write_key);
        let call = match call {
            Some(call) => call,
            None => call_of(&message)?,
        };
        let user_id = person("userId", message.user_id)?;
        let anonymous_id = person("anonymousId", message.anonymous_id)?;
        if user_id.is_none() && anonymous_id.is_none() {
            return Err(Refusal { field: Some("userId"), value: String::new(), reason: Reason::MissingUser });
        }
        let previous_id = person("previousId", message.previous_id)?;
        if call == Call::Alias && previous_id.is_none() {
            return Err(Refusal { field: Some("previousId"), value: String::new(), reason: Reason::MissingPreviousId });
        }
        let name = name_of(&message)?;
        let sent_at = self.sent_at(&message)?;
        let original = self.original(&message, sent_at)?;
        let context = self.context(&message.context);
        let active = !denies_activity(text("context.active", context.active)?.as_bytes());
        let kind = self.words.kind_of(name.as_deref().unwrap_or_default(), call.word(), active);
        let (player, remaining) = playing(kind, &message)?;
        Ok(Event {
            index,
            call,
            kind,
            name,
            user_id,
            anonymous_id,
            previous_id,
            message_id: self.message_id(index, call, &message, original)?,
            happened: self.happened(original, sent_at)?,
            received_at: self.received_at,
            device: said("context.device.id", context.device.id)?,
            platform: match said("context.os.name", context.os.name)? {
                Some(platform) => Some(platform),
                None => said("context.platform", context.platform)?,
            },
            campaign: said("context.campaign.name", context.campaign.name)?,
            country: country(&context),
            app_version: short(context.app.version, LONGEST_VERSION),
            player,
            remaining,
        })
    }

    /// Refuses what is too large, too deep or no text before anything is made of it.
    fn text_of(&self, piece: Piece<'a>) -> Result<&'a str, Refusal> {
        let found = piece.bytes.len();
        if self.limits.event_bytes < found {
            let most = self.limits.event_bytes;
            return Err(Refusal::whole(piece.bytes, Reason::EventTooLarge { found, most }));
        }
        if self.limits.depth < piece.depth {
            let reason = Reason::TooDeep { found: piece.depth, most: self.limits.depth };
            return Err(Refusal::whole(piece.bytes, reason));
        }
        std::str::from_utf8(piece.bytes)
            .map_err(|error| Refusal::whole(piece.bytes, Reason::NotUtf8 { at: error.valid_up_to() }))
    }

    /// What the batch says of its context holds for messages that do not say it themselves.
    fn context(&self, own: &Context<'a>) -> Context<'a> {
        let batch = &self.batch.context;
        let mut context = *own;
        context.active = own.active.or(batch.active);
        context.platform = own.platform.or(batch.platform);
        context.device.id = own.device.id.or(batch.device.id);
        context.os.name = own.os.name.or(batch.os.name);
        context.campaign.name = own.campaign.name.or(batch.campaign.name);
        context.app.version = own.app.version.or(batch.app.version);
        // A place of the message's own is better known than one of the batch, however it is said.
        if own.location.country.is_none() && own.locale.is_none() {
            context.location.country = batch.location.country;
            context.locale = batch.locale;
        }
        context
    }

    /// Reads when it happened. With a `sentAt` the device's own time is wanted, `originalTimestamp` before `timestamp`;
    /// without one nothing can be put right, so `timestamp` comes first. Files are read so, too (law L4).
    fn original(&self, message: &Message<'a>, sent_at: Option<Timestamp>) -> Result<Option<Timestamp>, Refusal> {
        let given = time("timestamp", message.timestamp)?;
        let original = time("originalTimestamp", message.original_timestamp)?;
        Ok(if sent_at.is_some() { original.or(given) } else { given.or(original) })
    }

    /// Reads when the device sent it: the message's own word stands above that of its batch.
    fn sent_at(&self, message: &Message<'a>) -> Result<Option<Timestamp>, Refusal> {
        match time("sentAt", message.sent_at)? {
            Some(sent_at) => Ok(Some(sent_at)),
            None if self.batch.sent.is_none() => time("sentAt", self.batch.sent_at),
            None => Ok(self.batch.sent),
        }
    }

    /// Puts the clock right. Without a time a message happened when it was sent, so when it came in.
    fn happened(&self, original: Option<Timestamp>, sent_at: Option<Timestamp>) -> Result<Happened, Refusal> {
        let Some(original) = original else {
            return Ok(Happened { at: self.received_at, from_the_future: false });
        };
        let happened = Stamps { original, sent_at, received_at: Some(self.received_at) }.happened();
        match within(i128::from(happened.at.as_micros())) {
            Ok(_) => Ok(happened),
            Err(reason) => Err(Refusal { field: Some("timestamp"), value: String::new(), reason }),
        }
    }

    /// Returns the client's id of a message, or derives one from what it says: sort, name, people, group, time,
    /// properties and traits. Without a time it cannot be told from its repetition, so none is anybody's duplicate.
    fn message_id(
        &self,
        index: u32,
        call: Call,
        message: &Message<'a>,
        original: Option<Timestamp>,
    ) -> Result<MessageId<'a>, Refusal> {
        let given = text("messageId", message.message_id)?;
        if LONGEST_ID < given.len() {
            return Err(Refusal::of("messageId", &given, Reason::MessageIdTooLong));
        }
        if !given.is_empty() {
            return Ok(MessageId::Given(given));
        }
        let mut hasher = Xxh3::new();
        feed(&mut hasher, Some(call.word()));
        for said in [message.event, message.name, message.user_id, message.anonymous_id, message.previous_id] {
            feed(&mut hasher, said);
        }
        for said in [message.group_id, message.properties, message.traits] {
            feed(&mut hasher, said);
        }
        hasher.update(&original.unwrap_or(self.received_at).as_micros().to_le_bytes());
        if original.is_none() {
            hasher.update(&index.to_le_bytes());
        }
        Ok(MessageId::Derived(format!("derived-{:032x}", hasher.digest128())))
    }
}

fn feed(hasher: &mut Xxh3, said: Raw<'_>) {
    let said = said.unwrap_or_default();
    hasher.update(&(said.len() as u64).to_le_bytes());
    hasher.update(said.as_bytes());
}

fn utf8(piece: Piece<'_>) -> Raw<'_> {
    std::str::from_utf8(piece.bytes).ok().filter(|text| *text != "null")
}

fn call_of(message: &Message<'_>) -> Result<Call, Refusal> {
    let word = text("type", message.message_type)?;
    if word.is_empty() {
        return Err(Refusal { field: Some("type"), value: String::new(), reason: Reason::MissingType });
    }
    Call::from_word(&word).ok_or_else(|| Refusal::of("type", &word, Reason::UnknownType))
}

/// Reads the id of a person. One that is blank is none.
fn person<'a>(field: &'static str, raw: Raw<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
    let id = text(field, raw)?;
    if LONGEST_ID < id.len() {
        return Err(Refusal::of(field, &id, Reason::UserTooLong));
    }
    Ok((!id.trim_ascii().is_empty()).then_some(id))
}

/// Reads what no rule asks for: it never refuses an event, and is left out where it is too long.
fn short<'a>(raw: Raw<'a>, most: usize) -> Option<Cow<'a, str>> {
    let said = text("", raw).ok()?;
    let is_short = !said.trim_ascii().is_empty() && said.len() <= most;
    is_short.then_some(said)
}

/// Returns the country: what the client says of the place, else the region of its language, `KR` of `ko-KR`.
fn country<'a>(context: &Context<'a>) -> Option<Cow<'a, str>> {
    let Some(said) = short(context.location.country, LONGEST_COUNTRY) else {
        let locale = short(context.locale, LONGEST_COUNTRY)?;
        return region(&locale).map(|region| Cow::Owned(region.to_ascii_uppercase()));
    };
    let is_code = said.len() == 2 && said.bytes().any(|byte| byte.is_ascii_lowercase());
    Some(if is_code { Cow::Owned(said.to_ascii_uppercase()) } else { said })
}

/// Returns the region of a language tag: the part of two letters behind the language, whatever stands around it.
fn region(locale: &str) -> Option<&str> {
    let tag = locale.split(['.', '@']).next()?;
    let is_region = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    tag.split(['-', '_']).skip(1).find(is_region)
}

fn said<'a>(field: &'static str, raw: Raw<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
    let text = text(field, raw)?;
    Ok((!text.is_empty()).then_some(text))
}

/// Returns what the client called it: its event, else its name.
fn name_of<'a>(message: &Message<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
    match said("event", message.event)? {
        Some(event) => Ok(Some(event)),
        None => said("name", message.name),
    }
}

fn time(field: &'static str, raw: Raw<'_>) -> Result<Option<Timestamp>, Refusal> {
    let text = text(field, raw)?;
    moment(&text).map_err(|reason| Refusal::of(field, &text, reason))
}

/// Reads who plays and how long they will go on. Only what plays is asked: a `position` elsewhere is another thing.
fn playing<'a>(kind: EventKind, message: &Message<'a>) -> Result<(Option<Cow<'a, str>>, Option<Span>), Refusal> {
    let is_going_on = match kind {
        EventKind::PlayingStarted | EventKind::PlayingProgress => true,
        EventKind::PlayingStopped => false,
        EventKind::Opened
        | EventKind::Foregrounded
        | EventKind::Screen
        | EventKind::Page
        | EventKind::Action
        | EventKind::Heartbeat
        | EventKind::Backgrounded
        | EventKind::Closed
        | EventKind::UserChanged
        | EventKind::Silent => return Ok((None, None)),
    };
    let playing = match message.properties {
        Some(properties) if properties.starts_with('{') => object::<Playing<'a>>(properties)?,
        Some(_) | None => Playing::default(),
    };
    let player = said("properties.session_id", playing.session_id)?;
    let is_live = says_live(text("properties.livestream", playing.livestream)?.as_bytes());
    if !is_going_on || is_live {
        return Ok((player, None));
    }
    let position = seconds("properties.position", playing.position)?;
    let total_length = seconds("properties.total_length", playing.total_length)?;
    let remaining = match (position, total_length) {
        (Some(position), Some(total_length)) => remaining_of(position, total_length, rate(playing.playback_rate)),
        (None, _) | (_, None) => None,
    };
    Ok((player, remaining))
}

/// Reads how fast it plays. What is no rate says nothing, whatever it is: it never refuses an event.
fn rate(raw: Raw<'_>) -> Option<PlaybackRate> {
    PlaybackRate::read(text("", raw).ok()?.as_bytes())
}

fn seconds(field: &'static str, raw: Raw<'_>) -> Result<Option<Span>, Refusal> {
    let text = text(field, raw)?;
    if text.is_empty() {
        return Ok(None);
    }
    match scaled(text.trim_ascii().as_bytes(), 6).map(i64::try_from) {
        Some(Ok(micros)) if 0 <= micros => Ok(Some(Span::from_micros(micros))),
        Some(_) | None => Err(Refusal::of(field, &text, Reason::NotANumber)),
    }
}
