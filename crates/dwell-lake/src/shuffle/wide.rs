//! Everything that is known of an event, as bytes of its own length.

use dwell_core::event::{Activity, EventKind};
use dwell_core::time::{Span, Timestamp};

use crate::batch::Detail;

/// An event in memory, with all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct WideEvent {
    /// What the rules see.
    pub activity: Activity,
    /// Key of the event's own name.
    pub name: u32,
    /// Key of the value that the lab is split by.
    pub by: u32,
    /// The true session, hashed; 0 for none.
    pub truth: u64,
    /// When it came in.
    pub received_at: Option<Timestamp>,
    /// Where its message id stands, as start and length.
    pub message_id: (usize, usize),
}

impl WideEvent {
    /// Returns an event of which only the activity is known.
    #[must_use]
    #[inline]
    pub const fn of(activity: Activity) -> Self {
        WideEvent { activity, name: 0, by: 0, truth: 0, received_at: None, message_id: (0, 0) }
    }

    /// Returns the message id; empty when it has none.
    #[must_use]
    #[inline]
    pub fn message_id<'a>(&self, message_ids: &'a [u8]) -> &'a str {
        let (start, length) = self.message_id;
        // Ids were written from texts, each in one piece.
        std::str::from_utf8(&message_ids[start..start + length]).unwrap_or_default()
    }
}

impl From<&WideEvent> for Detail {
    fn from(event: &WideEvent) -> Self {
        Detail {
            kind: event.activity.kind,
            name: event.name,
            remaining: event.activity.remaining,
            player: event.activity.player,
            device: event.activity.device,
            platform: event.activity.platform,
            campaign: event.activity.campaign,
            by: event.by,
            truth: event.truth,
            received_at: event.received_at.map(Timestamp::as_micros),
            message_id: (0, 0),
        }
    }
}

const HAS_REMAINING: u8 = 1;
const HAS_RECEIVED: u8 = 2;
const HAS_KEYS: u8 = 4;
const HAS_MESSAGE_ID: u8 = 8;
const HAS_TRUTH: u8 = 16;

/// Appends an event.
pub fn write(local: u32, at: i64, detail: &Detail, message_id: &str, bytes: &mut Vec<u8>) {
    let keys = [detail.name, detail.player, detail.device, detail.platform, detail.campaign, detail.by];
    let mut has = 0;
    for (there, flag) in [
        (detail.remaining.is_some(), HAS_REMAINING),
        (detail.received_at.is_some(), HAS_RECEIVED),
        (keys.iter().any(|key| *key != 0), HAS_KEYS),
        (!message_id.is_empty(), HAS_MESSAGE_ID),
        (detail.truth != 0, HAS_TRUTH),
    ] {
        has |= if there { flag } else { 0 };
    }
    bytes.extend_from_slice(&local.to_le_bytes());
    bytes.extend_from_slice(&at.to_le_bytes());
    bytes.push(detail.kind as u8);
    bytes.push(has);
    if let Some(remaining) = detail.remaining {
        bytes.extend_from_slice(&remaining.as_micros().to_le_bytes());
    }
    if let Some(received_at) = detail.received_at {
        bytes.extend_from_slice(&received_at.to_le_bytes());
    }
    if has & HAS_KEYS != 0 {
        for key in keys {
            bytes.extend_from_slice(&key.to_le_bytes());
        }
    }
    if has & HAS_MESSAGE_ID != 0 {
        bytes.extend_from_slice(&(message_id.len() as u32).to_le_bytes());
        bytes.extend_from_slice(message_id.as_bytes());
    }
    if has & HAS_TRUTH != 0 {
        bytes.extend_from_slice(&detail.truth.to_le_bytes());
    }
}

/// Reads all events of one partition of one run; message ids are appended to `message_ids`.
pub fn read(mut bytes: &[u8], message_ids: &mut Vec<u8>, mut each: impl FnMut(u32, WideEvent)) {
    while let Some((local, event)) = read_one(&mut bytes, message_ids) {
        each(local, event);
    }
}

fn read_one(bytes: &mut &[u8], message_ids: &mut Vec<u8>) -> Option<(u32, WideEvent)> {
    let local = u32::from_le_bytes(take(bytes)?);
    let at = i64::from_le_bytes(take(bytes)?);
    let [kind, has] = take(bytes)?;
    let kind = *EventKind::ALL.get(usize::from(kind))?;
    let activity = Activity::new(Timestamp::from_micros(at), kind);
    let mut event = WideEvent { message_id: (message_ids.len(), 0), ..WideEvent::of(activity) };
    if has & HAS_REMAINING != 0 {
        event.activity.remaining = Some(Span::from_micros(i64::from_le_bytes(take(bytes)?)));
    }
    if has & HAS_RECEIVED != 0 {
        event.received_at = Some(Timestamp::from_micros(i64::from_le_bytes(take(bytes)?)));
    }
    if has & HAS_KEYS != 0 {
        event.name = u32::from_le_bytes(take(bytes)?);
        event.activity.player = u32::from_le_bytes(take(bytes)?);
        event.activity.device = u32::from_le_bytes(take(bytes)?);
        event.activity.platform = u32::from_le_bytes(take(bytes)?);
        event.activity.campaign = u32::from_le_bytes(take(bytes)?);
        event.by = u32::from_le_bytes(take(bytes)?);
    }
    if has & HAS_MESSAGE_ID != 0 {
        let length = u32::from_le_bytes(take(bytes)?) as usize;
        let (text, rest) = bytes.split_at_checked(length)?;
        message_ids.extend_from_slice(text);
        event.message_id.1 = length;
        *bytes = rest;
    }
    if has & HAS_TRUTH != 0 {
        event.truth = u64::from_le_bytes(take(bytes)?);
    }
    Some((local, event))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}
