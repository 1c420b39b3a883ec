//! Which column is what: found by name or given by flag, and told to the user.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::ReadError;

/// What a column is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Role {
    /// Who.
    User,
    /// Who, when the user is not said.
    AnonymousUser,
    /// When.
    Time,
    /// What.
    Event,
    /// Segment's kind of message: track, page, screen, identify, group, alias.
    MessageType,
    /// Says whether the user was active.
    Active,
    /// Which event it is, for those that come twice.
    MessageId,
    /// When it came in.
    ReceivedAt,
    /// When the device sent it.
    SentAt,
    /// When it happened by the device's clock.
    OriginalTime,
    /// Which platform.
    Platform,
    /// Which device.
    Device,
    /// Which player.
    Player,
    /// Which campaign brought the user.
    Campaign,
    /// How far what plays has come, in seconds.
    Position,
    /// How long what plays is, in seconds.
    TotalLength,
    /// How long what plays will go on, in seconds.
    Remaining,
    /// How many times as fast as recorded it plays.
    PlaybackRate,
    /// Whether what plays has no end.
    Livestream,
    /// What the lab is split by.
    By,
    /// The true session.
    Truth,
}

impl Role {
    /// How many there are.
    pub const COUNT: usize = 21;

    /// All of them, each at its place.
    pub const ALL: [Role; Role::COUNT] = [
        Role::User,
        Role::AnonymousUser,
        Role::Time,
        Role::Event,
        Role::MessageType,
        Role::Active,
        Role::MessageId,
        Role::ReceivedAt,
        Role::SentAt,
        Role::OriginalTime,
        Role::Platform,
        Role::Device,
        Role::Player,
        Role::Campaign,
        Role::Position,
        Role::TotalLength,
        Role::Remaining,
        Role::PlaybackRate,
        Role::Livestream,
        Role::By,
        Role::Truth,
    ];

    /// Returns what to call it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::AnonymousUser => "anonymous user",
            Role::Time => "time",
            Role::Event => "event",
            Role::MessageType => "message type",
            Role::Active => "active",
            Role::MessageId => "message id",
            Role::ReceivedAt => "received at",
            Role::SentAt => "sent at",
            Role::OriginalTime => "original time",
            Role::Platform => "platform",
            Role::Device => "device",
            Role::Player => "player",
            Role::Campaign => "campaign",
            Role::Position => "position",
            Role::TotalLength => "total length",
            Role::Remaining => "remaining",
            Role::PlaybackRate => "playback rate",
            Role::Livestream => "livestream",
            Role::By => "by",
            Role::Truth => "truth",
        }
    }

    /// Returns the flag that names its column; empty for those that are found by name only.
    #[must_use]
    pub const fn flag(self) -> &'static str {
        match self {
            Role::User => "--user",
            Role::Time => "--time",
            Role::Event => "--event",
            Role::MessageId => "--message-id",
            Role::ReceivedAt => "--received-at",
            Role::SentAt => "--sent-at",
            Role::OriginalTime => "--original-time",
            Role::Platform => "--platform",
            Role::Device => "--device",
            Role::Player => "--player",
            Role::Campaign => "--campaign",
            Role::Position => "--position",
            Role::TotalLength => "--total-length",
            Role::Remaining => "--remaining",
            Role::By => "--by",
            Role::Truth => "--truth",
            Role::AnonymousUser | Role::MessageType | Role::Active | Role::PlaybackRate | Role::Livestream => "",
        }
    }

    /// Says whether its column holds times.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Role::Time | Role::ReceivedAt | Role::SentAt | Role::OriginalTime)
    }

    /// Returns the names by which it is found, the best first, as [`plainly`] makes them.
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Role::User => &[
                "userid",
                "user",
                "distinctid",
                "uid",
                "visitorid",
                "clientid",
                "customerid",
                "memberid",
                "participantid",
                "participant",
                "personid",
                "profileid",
                "panelistid",
                "fullvisitorid",
                "userpseudoid",
                "domainuserid",
                "anonymousid",
            ],
            Role::AnonymousUser => &["anonymousid"],
            Role::Time => &[
                "timestamp",
                "ts",
                "time",
                "eventtime",
                "eventtimestamp",
                "happenedat",
                "occurredat",
                "datetime",
                "createdat",
                "eventts",
                "unixtime",
                "unixtimestamp",
                "epoch",
                "derivedtstamp",
                "collectortstamp",
                "originaltimestamp",
            ],
            Role::Event => &["event", "eventname", "name", "type", "kind", "action", "eventtype"],
            Role::MessageType => &["type"],
            Role::Active => &["contextactive"],
            Role::MessageId => &["messageid", "eventid", "insertid", "$insertid"],
            Role::ReceivedAt => &["receivedat"],
            Role::SentAt => &["sentat"],
            Role::OriginalTime => &["originaltimestamp"],
            Role::Platform => &["platform", "os", "devicetype", "osname", "contextosname", "contextplatform"],
            Role::Device => &["deviceid", "contextdeviceid"],
            Role::Player => &["player", "playerid", "contentsession", "contentsessionid", "propertiessessionid"],
            Role::Campaign => &["campaign", "utmcampaign", "campaignname", "contextcampaignname"],
            Role::Position => &["position", "propertiesposition"],
            Role::TotalLength => &["totallength", "propertiestotallength"],
            Role::Remaining => &["remaining", "remainingseconds"],
            Role::PlaybackRate => &["playbackrate", "propertiesplaybackrate"],
            Role::Livestream => &["livestream", "propertieslivestream"],
            Role::By | Role::Truth => &[],
        }
    }
}

/// Columns that the user named; the others are found by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ColumnFlags {
    /// Who.
    pub user: Option<String>,
    /// When.
    pub time: Option<String>,
    /// What.
    pub event: Option<EventColumn>,
    /// Which event it is, for those that come twice.
    pub message_id: Option<String>,
    /// When it came in.
    pub received_at: Option<String>,
    /// When the device sent it.
    pub sent_at: Option<String>,
    /// When it happened by the device's clock.
    pub original_time: Option<String>,
    /// Which platform.
    pub platform: Option<String>,
    /// Which device.
    pub device: Option<String>,
    /// Which player.
    pub player: Option<String>,
    /// Which campaign brought the user.
    pub campaign: Option<String>,
    /// How far what plays has come, in seconds.
    pub position: Option<String>,
    /// How long what plays is, in seconds.
    pub total_length: Option<String>,
    /// How long what plays will go on, in seconds.
    pub remaining: Option<String>,
}

/// Where the names of events stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventColumn {
    /// In this column.
    Named(String),
    /// Nowhere: every event is an action, whatever the columns are called.
    Nothing,
}

impl ColumnFlags {
    fn of(&self, role: Role) -> Option<&str> {
        let flag = match role {
            Role::User => &self.user,
            Role::Time => &self.time,
            Role::MessageId => &self.message_id,
            Role::ReceivedAt => &self.received_at,
            Role::SentAt => &self.sent_at,
            Role::OriginalTime => &self.original_time,
            Role::Platform => &self.platform,
            Role::Device => &self.device,
            Role::Player => &self.player,
            Role::Campaign => &self.campaign,
            Role::Position => &self.position,
            Role::TotalLength => &self.total_length,
            Role::Remaining => &self.remaining,
            Role::Event => match &self.event {
                Some(EventColumn::Named(name)) => return Some(name),
                Some(EventColumn::Nothing) | None => return None,
            },
            Role::AnonymousUser
            | Role::MessageType
            | Role::Active
            | Role::PlaybackRate
            | Role::Livestream
            | Role::By
            | Role::Truth => {
                return None;
            }
        };
        flag.as_deref()
    }
}

/// How the column of a role was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// By its name.
    ByName,
    /// The user named it.
    ByFlag,
}

/// What was asked for, whatever the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub flags: &'a ColumnFlags,
    pub by: Option<&'a str>,
    pub truth: Option<&'a str>,
}

/// What rows are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Shape {
    /// Like those of any log.
    #[default]
    Flat,
    /// Like Segment's messages: besides the event there is a type, and a message or anonymous id.
    Segment,
}

/// Which column plays which role in one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    /// For each role the place of its column and how it was found.
    pub roles: [Option<(usize, Found)>; Role::COUNT],
    /// What the user should know about the choice.
    pub notes: Vec<String>,
    /// What the rows are like.
    pub shape: Shape,
}

impl Chosen {
    pub fn column(&self, role: Role) -> Option<usize> {
        self.roles[role as usize].map(|(column, _)| column)
    }
}

/// Makes names comparable: small letters, without `_`, `-`, `.` and blanks.
#[must_use]
pub(super) fn plainly(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '_' | '-' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Finds the columns of all roles. `names` are headers, or paths like `context.device.id`.
pub(super) fn choose(file: &Arc<str>, names: &[String], wish: Wish<'_>) -> Result<Chosen, ReadError> {
    let plain: Vec<String> = names.iter().map(|name| plainly(name)).collect();
    let has = |name: &str| plain.iter().any(|plain| plain == name);
    let is_segment = has("type") && (has("messageid") || has("anonymousid"));
    let shape = if is_segment { Shape::Segment } else { Shape::Flat };
    let mut chosen = Chosen { shape, ..Chosen::default() };
    for role in Role::ALL {
        let asked = match role {
            Role::By => wish.by,
            Role::Truth => wish.truth,
            _ => wish.flags.of(role),
        };
        let place = match asked {
            Some(name) => Some((named(file, names, &plain, name, role)?, Found::ByFlag)),
            None => by_name(names, &plain, role, chosen.shape, &mut chosen.notes).map(|column| (column, Found::ByName)),
        };
        chosen.roles[role as usize] = place;
    }
    drop_what_means_nothing(&mut chosen, wish);
    note_doubles(names, &mut chosen);
    for role in [Role::User, Role::Time] {
        if chosen.column(role).is_none() {
            return Err(ReadError::MissingColumn { file: file.clone(), role, columns: names.to_vec() });
        }
    }
    Ok(chosen)
}

/// Takes back roles that say nothing without another.
fn drop_what_means_nothing(chosen: &mut Chosen, wish: Wish<'_>) {
    let user = chosen.roles[Role::User as usize];
    let by_flag = matches!(user, Some((_, Found::ByFlag)));
    if by_flag || chosen.column(Role::AnonymousUser) == user.map(|(column, _)| column) {
        chosen.roles[Role::AnonymousUser as usize] = None;
    }
    if wish.flags.event == Some(EventColumn::Nothing) {
        chosen.roles[Role::Event as usize] = None;
    }
    if chosen.shape != Shape::Segment || wish.flags.event.is_some() {
        chosen.roles[Role::MessageType as usize] = None;
    }
    // A place in something of unknown length says nothing; `position` alone is often a place on a page.
    if chosen.column(Role::TotalLength).is_none() || chosen.column(Role::Position).is_none() {
        chosen.roles[Role::TotalLength as usize] = None;
        chosen.roles[Role::Position as usize] = None;
        chosen.roles[Role::PlaybackRate as usize] = None;
        chosen.roles[Role::Livestream as usize] = None;
    }
}

fn named(file: &Arc<str>, names: &[String], plain: &[String], name: &str, role: Role) -> Result<usize, ReadError> {
    if let Some(column) = names.iter().position(|column| column == name) {
        return Ok(column);
    }
    let wanted = plainly(name);
    if let Some(column) = plain.iter().position(|plain| *plain == wanted) {
        return Ok(column);
    }
    Err(ReadError::NoSuchColumn {
        file: file.clone(),
        column: name.into(),
        flag: role.flag(),
        nearest: nearest(&wanted, names, plain),
        columns: names.to_vec(),
    })
}

fn by_name(names: &[String], plain: &[String], role: Role, shape: Shape, notes: &mut Vec<String>) -> Option<usize> {
    let mut candidates = Vec::new();
    for name in role.names() {
        candidates.extend((0..plain.len()).filter(|column| plain[*column] == *name));
    }
    let best = *candidates.first()?;
    let others = candidates[1..].iter().map(|column| names[*column].as_str());
    let passed: Vec<&str> = others.filter(|name| *name != names[best] && is_rival(role, name, shape)).collect();
    if !passed.is_empty() {
        let flag = role.flag();
        notes.push(format!(
            "{}: {} rather than {}{}",
            role.word(),
            names[best],
            passed.join(", "),
            if flag.is_empty() { String::new() } else { format!(" ({flag} says otherwise)") }
        ));
    }
    Some(best)
}

/// Says whether a column passed over is worth a word: the anonymous id, the device's own time and what Segment says
/// besides the event's name have their own roles.
fn is_rival(role: Role, name: &str, shape: Shape) -> bool {
    match role {
        Role::User => plainly(name) != "anonymousid",
        Role::Time => plainly(name) != "originaltimestamp",
        Role::Event => shape == Shape::Flat || !matches!(plainly(name).as_str(), "name" | "type"),
        _ => true,
    }
}

fn note_doubles(names: &[String], chosen: &mut Chosen) {
    let mut told = BTreeSet::new();
    for (column, _) in chosen.roles.iter().flatten() {
        let name = &names[*column];
        let count = names.iter().filter(|other| *other == name).count();
        if 1 < count && told.insert(name) {
            chosen.notes.push(format!("{count} columns are called {name}: the first is read"));
        }
    }
}

/// How many letters a name may be off and still be meant.
const MOST_SLIPS: usize = 3;

fn nearest(wanted: &str, names: &[String], plain: &[String]) -> Option<String> {
    let slips = |name: &String| slips_between(wanted, name);
    let best = (0..plain.len()).min_by_key(|column| slips(&plain[*column]))?;
    let limit = MOST_SLIPS.min(wanted.chars().count() / 2);
    (slips(&plain[best]) <= limit).then(|| names[best].clone())
}

/// Counts letters that must be added, dropped or changed to make one name of the other (Levenshtein).
fn slips_between(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for place in 0..other.len() {
            let changed = corner + usize::from(other[place] != letter);
            corner = row[place + 1];
            row[place + 1] = changed.min(corner + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_stands_at_its_place() {
        for (place, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role as usize, place);
            for name in role.names() {
                assert_eq!(plainly(name), *name, "names are written plainly");
            }
        }
    }

    #[test]
    fn slips_are_counted() {
        assert_eq!(slips_between("user", "user"), 0);
        assert_eq!(slips_between("usr", "user"), 1);
        assert_eq!(slips_between("kitten", "sitting"), 3);
        assert_eq!(slips_between("", "abc"), 3);
    }
}
