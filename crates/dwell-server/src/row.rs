//! An event of the log as the archive has it.

use dwell_core::event::EventKind;
use dwell_engine::{Erased, Record};
use dwell_lake::write::archive::ArchivedRow;
use dwell_store::Offset;

/// Returns a record of the log as a row of the archive; `None` for a kind that is none.
#[must_use]
pub fn archived<'a>(record: &Record<'a>, offset: Offset) -> Option<ArchivedRow<'a>> {
    let (given, derived) =
        if record.message_id_is_derived { (None, Some(record.message_id)) } else { (Some(record.message_id), None) };
    Some(ArchivedRow {
        user_id: record.user,
        happened_at: record.happened_at,
        kind: record.event_kind()?,
        name: record.name,
        message_id: given,
        derived_message_id: derived,
        received_at: record.received_at,
        remaining: record.remaining,
        player: record.player,
        device: record.device,
        platform: record.platform,
        campaign: record.campaign,
        country: record.country,
        app_version: record.app_version,
        linked_id: record.link_from,
        offset: offset.number(),
    })
}

/// Returns a row of an app's archive as the record of the log that it was.
#[must_use]
pub fn recorded<'a>(row: &ArchivedRow<'a>, app: &'a str) -> Record<'a> {
    let place = EventKind::ALL.iter().position(|kind| *kind == row.kind);
    Record {
        app,
        user: row.user_id,
        link_from: row.linked_id,
        message_id: row.message_id.or(row.derived_message_id).unwrap_or_default(),
        message_id_is_derived: row.message_id.is_none(),
        // Every kind is among all, of which there are few.
        kind: place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX),
        name: row.name,
        happened_at: row.happened_at,
        received_at: row.received_at,
        remaining: row.remaining,
        player: row.player,
        device: row.device,
        platform: row.platform,
        campaign: row.campaign,
        country: row.country,
        app_version: row.app_version,
    }
}

/// Returns what is to be taken of a row of an app's archive: nothing of people who were erased, and of another person's not that
/// it names them.
#[must_use]
pub fn left<'a>(row: &ArchivedRow<'a>, app: &str, erased: &Erased) -> Option<ArchivedRow<'a>> {
    let offset = Offset::new(row.offset);
    if erased.holds(app, row.user_id, offset) {
        return None;
    }
    let linked_id = row.linked_id.filter(|id| !erased.holds(app, id, offset));
    Some(ArchivedRow { linked_id, ..*row })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_row_as_it_was() {
        let full = Record {
            app: "app_news",
            user: "ada",
            link_from: Some("phone"),
            message_id: "1",
            message_id_is_derived: false,
            kind: 4,
            name: Some("tapped"),
            happened_at: -1,
            received_at: 2,
            remaining: Some(3),
            player: Some("radio"),
            device: Some("phone-1"),
            platform: Some("ios"),
            campaign: Some("spring"),
            country: Some("KR"),
            app_version: Some("2.1"),
        };
        let bare = Record {
            link_from: None,
            message_id: "",
            message_id_is_derived: true,
            kind: 0,
            name: Some(""),
            remaining: None,
            player: None,
            device: None,
            platform: None,
            campaign: None,
            country: None,
            app_version: None,
            ..full
        };
        for record in [full, bare] {
            let row = archived(&record, Offset::new(7)).unwrap();
            assert_eq!(recorded(&row, "app_news"), record);
        }
    }
}
