//! From columns to events without looking at rows one by one, as far as that goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, Int32Array, Int64Array, StringArray};
use dwell_core::event::{EventKind, Stamps};
use dwell_core::id::LONGEST_ID;
use dwell_core::time::Timestamp;

use super::super::columns::Role;
use super::super::gather::{
    Cell, Frame, Keys, NOTHING_KNOWN, hash_of_truth, id_text, micros, no_time, text_of, user_text,
};
use super::super::moment::{TimeUnit, Unit, micros_of, within};
use super::super::reject::{Reason, Refusal};
use super::ReadColumn;
use super::values::Values;
use crate::batch::{Detail, Details, EventBatch, Users, range_of};

/// Refused rows by their place in the batch. What was found out about a row first stands.
pub(super) type Refusals = BTreeMap<usize, Refusal>;

/// Makes batches of columns, and remembers what it knows of lists of texts.
pub(super) struct Swift {
    frame: Arc<Frame>,
    keys: Keys,
    /// The list of users that came last, and whether any of them is none.
    users: Option<(Arc<StringArray>, Flaws)>,
    /// For each role the list of texts that came last, and what its texts mean.
    meanings: BTreeMap<Role, (Arc<StringArray>, Vec<Meant>)>,
    pub from_the_future: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flaws {
    None,
    Some,
}

/// What one text means for a role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Meant {
    kind: EventKind,
    key: u32,
    hash: u64,
}

const MEANS_NOTHING: Meant = Meant { kind: EventKind::Action, key: 0, hash: 0 };

impl Swift {
    pub fn new(frame: Arc<Frame>) -> Self {
        Swift { frame, keys: Keys::default(), users: None, meanings: BTreeMap::new(), from_the_future: 0 }
    }

    /// Makes a batch of columns of equal length; `None` when no row is left. An error says what is broken.
    pub fn batch(
        &mut self,
        columns: &[ReadColumn],
        values: Vec<Values>,
        rows: usize,
        refusals: &mut Refusals,
    ) -> Result<Option<EventBatch>, &'static str> {
        let mut users = None;
        let mut happened_at = None;
        let mut rest = Vec::new();
        for (column, values) in columns.iter().zip(values) {
            let values = Arc::new(values);
            for role in &column.roles {
                match role {
                    Role::User => users = Some(values.clone()),
                    Role::Time => happened_at = Some(values.clone()),
                    role => rest.push((*role, values.clone())),
                }
            }
        }
        let (Some(users), Some(times)) = (users, happened_at) else {
            return Err("its columns of users and times are gone");
        };
        // What comes from the future is counted only when everything else about the row is sound.
        rest.sort_by_key(|(role, _)| *role == Role::ReceivedAt);
        let users = self.users(&users, rows, refusals)?;
        let (mut happened_at, range) = self.times(times, rows, refusals);
        let details = self.details(&rest, rows, &mut happened_at, refusals);
        match range {
            // Nothing has moved a moment since, or taken one out.
            Some(range) if rest.is_empty() && refusals.is_empty() && rows != 0 => {
                Ok(Some(EventBatch { users, happened_at, range, details }))
            }
            _ => Ok(kept(users, happened_at, details, refusals)),
        }
    }

    fn users(&mut self, values: &Values, rows: usize, refusals: &mut Refusals) -> Result<Users, &'static str> {
        match values {
            Values::Words { keys, texts } => self.user_words(keys, texts, refusals),
            Values::Texts(texts) => {
                for row in 0..rows {
                    check_user(texts, row, row, refusals);
                }
                Ok(Users::Plain(texts.clone()))
            }
            other => {
                let mut builder = StringBuilder::with_capacity(rows, rows * 8);
                let mut room = String::new();
                for row in 0..rows {
                    match user_text(other.cell(row, &mut room), Cell::Nothing) {
                        Ok(user) => builder.append_value(user),
                        Err(refusal) => {
                            builder.append_value("");
                            refusals.entry(row).or_insert(refusal);
                        }
                    }
                }
                Ok(Users::Plain(builder.finish()))
            }
        }
    }

    fn user_words(
        &mut self,
        keys: &Int32Array,
        texts: &Arc<StringArray>,
        refusals: &mut Refusals,
    ) -> Result<Users, &'static str> {
        let (texts, flaws) = match &self.users {
            Some((known, flaws)) if is_same(known, texts) => (known.clone(), *flaws),
            _ => {
                let flawed = (0..texts.len()).any(|place| flaw_of(texts, place).is_some());
                let flaws = if flawed { Flaws::Some } else { Flaws::None };
                self.users = Some((texts.clone(), flaws));
                (texts.clone(), flaws)
            }
        };
        let numbers: Vec<u32> = keys.values().iter().map(|key| key.cast_unsigned()).collect();
        let largest = numbers.iter().copied().max().unwrap_or(0);
        let some_null = 0 < keys.null_count();
        if !some_null && texts.len() <= largest as usize && !numbers.is_empty() {
            return Err("a key is outside its list of users");
        }
        if !some_null && flaws == Flaws::None {
            return Ok(Users::Dictionary { values: texts, keys: numbers });
        }
        let mut sound = Vec::with_capacity(numbers.len());
        for (row, key) in numbers.into_iter().enumerate() {
            if keys.is_null(row) || texts.len() <= key as usize {
                refusals.entry(row).or_insert_with(|| Refusal::of(Role::User, b"", Reason::MissingUser));
                sound.push(0);
            } else {
                check_user(&texts, key as usize, row, refusals);
                sound.push(key);
            }
        }
        Ok(Users::Dictionary { values: texts, keys: sound })
    }

    /// Returns the moments, and their range if it is known.
    fn times(&self, values: Arc<Values>, rows: usize, refusals: &mut Refusals) -> (Vec<i64>, Option<(i64, i64)>) {
        let clock = self.frame.clocks[Role::Time as usize].as_ref();
        if let Some((numbers, unit)) = numbers_of(&values, clock.map(|clock| clock.unit))
            && let Some(range) = self.sound_range(numbers, unit, matches!(&*values, Values::Whole(_)))
        {
            let numbers = numbers.clone();
            // One owner is left, unless the column plays other roles too, and the numbers need not be copied.
            drop(values);
            return (all_micros(numbers, unit), Some(range));
        }
        let mut room = String::new();
        let mut happened_at = Vec::with_capacity(rows);
        for row in 0..rows {
            match micros(&self.frame, Role::Time, values.cell(row, &mut room)).and_then(|time| time.ok_or_else(no_time))
            {
                Ok(time) => happened_at.push(time),
                Err(refusal) => {
                    happened_at.push(0);
                    refusals.entry(row).or_insert(refusal);
                }
            }
        }
        (happened_at, None)
    }

    /// Returns the range of all moments if no number needs to be looked at: the smallest and the largest are sound and
    /// look alike.
    fn sound_range(&self, numbers: &Int64Array, unit: TimeUnit, are_plain_numbers: bool) -> Option<(i64, i64)> {
        if 0 < numbers.null_count() {
            return None;
        }
        let (least, most) = range_of(numbers.values());
        if most < least {
            return Some((least, most));
        }
        let range = (within(micros_of(least, unit)).ok()?, within(micros_of(most, unit)).ok()?);
        if !are_plain_numbers {
            return Some(range);
        }
        let clock = self.frame.clocks[Role::Time as usize].as_ref();
        let sound = |number| clock.is_some_and(|clock| clock.micros_of_integer(number).is_ok());
        let looks = |number| TimeUnit::of(i128::from(number));
        (sound(least) && sound(most) && looks(least) == looks(most)).then_some(range)
    }

    fn details(
        &mut self,
        rest: &[(Role, Arc<Values>)],
        rows: usize,
        happened_at: &mut [i64],
        refusals: &mut Refusals,
    ) -> Option<Details> {
        if rest.is_empty() {
            return None;
        }
        let mut details = Details { rows: Vec::new(), message_ids: String::new() };
        for (role, values) in rest {
            match role {
                Role::MessageId => message_ids(values, rows, &mut details, refusals),
                Role::ReceivedAt => self.received_at(values, rows, happened_at, &mut details, refusals),
                role => self.meanings(*role, values, rows, &mut details.rows, refusals),
            }
        }
        let known = details.rows.iter().any(|detail| *detail != NOTHING_KNOWN);
        known.then_some(details)
    }

    fn received_at(
        &mut self,
        values: &Values,
        rows: usize,
        happened_at: &mut [i64],
        details: &mut Details,
        refusals: &mut Refusals,
    ) {
        let mut room = String::new();
        for (row, at) in happened_at.iter_mut().enumerate() {
            let received_at = match micros(&self.frame, Role::ReceivedAt, values.cell(row, &mut room)) {
                Ok(Some(received_at)) => received_at,
                Ok(None) => continue,
                Err(refusal) => {
                    refusals.entry(row).or_insert(refusal);
                    continue;
                }
            };
            let original = Timestamp::from_micros(*at);
            let stamps = Stamps { original, sent_at: None, received_at: Some(Timestamp::from_micros(received_at)) };
            let happened = stamps.happened();
            if happened.from_the_future && !refusals.contains_key(&row) {
                self.from_the_future += 1;
                *at = happened.at.as_micros();
            }
            full(&mut details.rows, rows)[row].received_at = Some(received_at);
        }
    }

    /// Fills in what texts mean: by their keys where there are keys.
    fn meanings(
        &mut self,
        role: Role,
        values: &Values,
        rows: usize,
        details: &mut Vec<Detail>,
        refusals: &mut Refusals,
    ) {
        if let Values::Words { keys, texts } = values {
            let known = match self.meanings.remove(&role) {
                Some((list, known)) if is_same(&list, texts) => known,
                _ => (0..texts.len()).map(|place| self.meant(role, texts.value(place))).collect(),
            };
            if known.iter().any(|meant| *meant != MEANS_NOTHING) {
                let details = full(details, rows);
                for (row, key) in keys.values().iter().enumerate() {
                    if keys.is_valid(row)
                        && let Some(meant) = usize::try_from(*key).ok().and_then(|key| known.get(key))
                    {
                        fill(&mut details[row], role, *meant);
                    }
                }
            }
            self.meanings.insert(role, (texts.clone(), known));
            return;
        }
        let mut room = String::new();
        for row in 0..rows {
            match text_of(role, values.cell(row, &mut room)) {
                Ok(text) => {
                    let meant = self.meant(role, &text);
                    if meant != MEANS_NOTHING {
                        fill(&mut full(details, rows)[row], role, meant);
                    }
                }
                Err(refusal) => {
                    refusals.entry(row).or_insert(refusal);
                }
            }
        }
    }

    fn meant(&mut self, role: Role, text: &str) -> Meant {
        if text.is_empty() {
            return MEANS_NOTHING;
        }
        match role {
            Role::Event => {
                let (meaning, key) = self.keys.event_of(&self.frame, text);
                Meant { kind: meaning.kind, key, hash: 0 }
            }
            Role::Truth => Meant { hash: hash_of_truth(text), ..MEANS_NOTHING },
            _ => Meant { key: self.keys.key_of(&self.frame, text), ..MEANS_NOTHING },
        }
    }
}

/// Returns a column of whole numbers or moments with its unit; `None` for all others.
fn numbers_of(values: &Values, unit: Option<Unit>) -> Option<(&Int64Array, TimeUnit)> {
    match (values, unit) {
        (Values::Moments(numbers, unit), _) => Some((numbers, *unit)),
        (Values::Whole(numbers), Some(Unit::Given(unit) | Unit::Inferred(unit))) => Some((numbers, unit)),
        _ => None,
    }
}

/// Returns the details, one per row from now on.
fn full(details: &mut Vec<Detail>, rows: usize) -> &mut [Detail] {
    if details.len() < rows {
        details.resize(rows, NOTHING_KNOWN);
    }
    details
}

fn fill(detail: &mut Detail, role: Role, meant: Meant) {
    match role {
        Role::Event => {
            detail.kind = meant.kind;
            detail.name = meant.key;
        }
        Role::Platform => detail.platform = meant.key,
        Role::Device => detail.device = meant.key,
        Role::Player => detail.player = meant.key,
        Role::Campaign => detail.campaign = meant.key,
        Role::By => detail.by = meant.key,
        Role::Truth => detail.truth = meant.hash,
        other => unreachable!("{} is not read by what its texts mean", other.word()),
    }
}

fn message_ids(values: &Values, rows: usize, details: &mut Details, refusals: &mut Refusals) {
    let mut room = String::new();
    for row in 0..rows {
        match id_text(Role::MessageId, values.cell(row, &mut room), Reason::MessageIdTooLong) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                let start = details.message_ids.len() as u32;
                details.message_ids.push_str(&text);
                full(&mut details.rows, rows)[row].message_id = (start, details.message_ids.len() as u32);
            }
            Err(refusal) => {
                refusals.entry(row).or_insert(refusal);
            }
        }
    }
}

/// Says whether two lists are one and the same, without looking at their texts.
fn is_same(one: &StringArray, other: &StringArray) -> bool {
    one.len() == other.len()
        && one.value_data().as_ptr() == other.value_data().as_ptr()
        && one.value_offsets().as_ptr() == other.value_offsets().as_ptr()
}

fn flaw_of(texts: &StringArray, place: usize) -> Option<Reason> {
    if texts.is_null(place) {
        return Some(Reason::MissingUser);
    }
    let text = texts.value(place);
    if LONGEST_ID < text.len() {
        return Some(Reason::UserTooLong);
    }
    text.trim_ascii().is_empty().then_some(Reason::MissingUser)
}

fn check_user(texts: &StringArray, place: usize, row: usize, refusals: &mut Refusals) {
    if let Some(reason) = flaw_of(texts, place) {
        let refusal = || Refusal::of(Role::User, texts.value(place).as_bytes(), reason);
        refusals.entry(row).or_insert_with(refusal);
    }
}

/// Makes microseconds of numbers that are known to be in range; what is microseconds already is moved.
fn all_micros(numbers: Int64Array, unit: TimeUnit) -> Vec<i64> {
    let (_, buffer, _) = numbers.into_parts();
    match unit {
        TimeUnit::Micros => buffer.into(),
        TimeUnit::Seconds => buffer.iter().map(|seconds| seconds * 1_000_000).collect(),
        TimeUnit::Millis => buffer.iter().map(|millis| millis * 1_000).collect(),
        TimeUnit::Nanos => buffer.iter().map(|nanos| nanos.div_euclid(1_000)).collect(),
    }
}

/// Takes refused rows out of a batch.
fn kept(
    users: Users,
    mut happened_at: Vec<i64>,
    mut details: Option<Details>,
    refusals: &Refusals,
) -> Option<EventBatch> {
    let rows = happened_at.len();
    if refusals.len() == rows {
        return None;
    }
    if refusals.is_empty() {
        return Some(EventBatch::new(users, happened_at, details));
    }
    let sound: Vec<usize> = (0..rows).filter(|row| !refusals.contains_key(row)).collect();
    let users = match users {
        Users::Plain(texts) => Users::Plain(StringArray::from_iter_values(sound.iter().map(|row| texts.value(*row)))),
        Users::Dictionary { values, keys } => {
            Users::Dictionary { values, keys: sound.iter().map(|row| keys[*row]).collect() }
        }
    };
    happened_at = sound.iter().map(|row| happened_at[*row]).collect();
    if let Some(details) = &mut details {
        details.rows = sound.iter().map(|row| details.rows[*row]).collect();
    }
    Some(EventBatch::new(users, happened_at, details))
}

#[cfg(test)]
mod tests {
    use super::super::super::moment::Clock;
    use super::*;
    use crate::read::Options;

    fn words(keys: Vec<i32>, texts: &[&str]) -> Values {
        Values::Words { keys: Int32Array::from(keys), texts: Arc::new(StringArray::from_iter_values(texts)) }
    }

    fn column(roles: Vec<Role>) -> ReadColumn {
        ReadColumn { root: 0, leaf: 0, roles, is_text: true }
    }

    #[test]
    fn a_list_of_texts_that_changes_between_batches_is_noticed() {
        let frame =
            Frame::new("log".into(), Default::default(), Default::default(), &Options::default(), Arc::default());
        let mut swift = Swift::new(Arc::new(frame));
        let columns = [column(vec![Role::User]), column(vec![Role::Time]), column(vec![Role::Event])];
        let mut read = |user: &str, event: &str| {
            let times = Values::Moments(Int64Array::from(vec![1, 2]), TimeUnit::Micros);
            let values = vec![words(vec![0, 0], &[user]), times, words(vec![0, 0], &[event])];
            let mut refusals = Refusals::new();
            let batch = swift.batch(&columns, values, 2, &mut refusals).unwrap();
            (batch.map(|batch| batch.details.map(|details| details.rows[1].kind)), refusals.len())
        };
        assert_eq!(read("ada", "closed"), (Some(Some(EventKind::Closed)), 0));
        assert_eq!(read("bob", "opened"), (Some(Some(EventKind::Opened)), 0));
        assert_eq!(read("", "opened"), (None, 2), "the flaws of a new list are looked for anew");
    }

    #[test]
    fn the_range_of_a_batch_is_that_of_its_moments_also_where_they_were_put_right() {
        let mut clocks: [Option<Clock>; Role::COUNT] = Default::default();
        clocks[Role::ReceivedAt as usize] = Some(Clock { unit: Unit::Unknown, zone: None });
        let frame = Frame::new("log".into(), Default::default(), clocks, &Options::default(), Arc::default());
        let mut swift = Swift::new(Arc::new(frame));
        let columns = [column(vec![Role::User]), column(vec![Role::Time]), column(vec![Role::ReceivedAt])];
        let moments = |of: [i64; 5]| Values::Moments(Int64Array::from(of.to_vec()), TimeUnit::Micros);
        let hours = |hours: i64| hours * 3_600_000_000;
        let values =
            vec![words(vec![0; 5], &["ada"]), moments([2, 1, 3, 7, 4].map(hours)), moments([5, 6, 7, 5, 6].map(hours))];
        let batch = swift.batch(&columns, values, 5, &mut Refusals::new()).unwrap().unwrap();
        assert_eq!(batch.happened_at, [2, 1, 3, 5, 4].map(hours), "what is from the future happened when it came in");
        assert_eq!(batch.range, (hours(1), hours(5)));
        let values = vec![words(vec![0; 5], &["ada"]), moments([2, 1, 3, 7, 4].map(hours))];
        let batch = swift.batch(&columns[..2], values, 5, &mut Refusals::new()).unwrap().unwrap();
        assert_eq!(batch.range, (hours(1), hours(7)));
    }

    #[test]
    fn a_key_outside_its_list_is_broken() {
        let frame =
            Frame::new("log".into(), Default::default(), Default::default(), &Options::default(), Arc::default());
        let mut swift = Swift::new(Arc::new(frame));
        let columns = [column(vec![Role::User]), column(vec![Role::Time])];
        for key in [1, -1] {
            let times = Values::Moments(Int64Array::from(vec![1]), TimeUnit::Micros);
            let values = vec![words(vec![key], &["ada"]), times];
            assert!(swift.batch(&columns, values, 1, &mut Refusals::new()).is_err());
        }
    }
}
