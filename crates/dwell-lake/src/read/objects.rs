//! JSON objects, of which only the wanted values are looked at.

use std::fmt;

use hashbrown::HashMap;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{Role, plainly};
use super::gather::{Cell, Row};

/// Which values of an object are wanted for a role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// None.
    Nothing,
    /// The value at this path, such as `context.device.id`.
    Path(String),
    /// The first that is there of these, written plainly.
    Names(&'static [&'static str]),
}

/// How many different paths are taken out of one object.
const MOST_PATHS: usize = 64;
/// How many different keys of one object are remembered; others are looked up again each time.
const MOST_KEYS: usize = 4096;
/// How deep objects are looked into.
const DEEPEST: usize = 8;

/// Takes wanted values out of objects. What a key means is found out once.
pub(super) struct Objects {
    wanted: [Wanted; Role::COUNT],
    /// All keys met so far, by the object in which they stand.
    levels: Vec<Level>,
    /// For each role the places of its values in `spots`, the best first.
    places: [Vec<(usize, usize)>; Role::COUNT],
    paths: usize,
    spots: Vec<Spot>,
    unescaped: String,
}

#[derive(Debug, Default)]
struct Level {
    path: String,
    plain: String,
    depth: usize,
    keys: HashMap<Box<str>, Key>,
}

/// What a key leads to.
#[derive(Clone, Copy, Debug)]
struct Key {
    /// The place in `spots` that its value takes.
    spot: Option<usize>,
    /// The level of the object that may stand behind it.
    level: Option<usize>,
}

/// Where a value stands in its line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Spot {
    #[default]
    Nothing,
    Text(usize, usize),
    /// A text with escapes, quotes and all.
    Escaped(usize, usize),
    /// A text, in `unescaped`.
    Unescaped(usize, usize),
    Number(usize, usize),
    Nested(usize, usize),
}

/// Why a line gives no object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoObject {
    NotJson,
    NotAnObject,
}

impl Objects {
    pub fn new(wanted: [Wanted; Role::COUNT]) -> Self {
        Objects {
            wanted,
            levels: vec![Level::default()],
            places: Default::default(),
            paths: 0,
            spots: Vec::new(),
            unescaped: String::new(),
        }
    }

    /// Reads one line.
    pub fn read<'a>(&'a mut self, line: &'a str) -> Result<Row<'a>, NoObject> {
        self.spots.clear();
        self.spots.resize(self.paths, Spot::Nothing);
        self.unescaped.clear();
        if !line.trim_ascii_start().starts_with('{') {
            let is_json = serde_json::from_str::<IgnoredAny>(line).is_ok();
            return Err(if is_json { NoObject::NotAnObject } else { NoObject::NotJson });
        }
        let mut json = serde_json::Deserializer::from_str(line);
        let walk = Walk { objects: self, line, level: 0 };
        walk.deserialize(&mut json).and_then(|()| json.end()).map_err(|_error| NoObject::NotJson)?;
        self.unescape(line)?;
        Ok(self.row(line))
    }

    fn unescape(&mut self, line: &str) -> Result<(), NoObject> {
        for spot in &mut self.spots {
            if let Spot::Escaped(start, end) = *spot {
                let Ok(text) = serde_json::from_str::<String>(&line[start..end]) else {
                    return Err(NoObject::NotJson);
                };
                let from = self.unescaped.len();
                self.unescaped.push_str(&text);
                *spot = Spot::Unescaped(from, self.unescaped.len());
            }
        }
        Ok(())
    }

    fn row<'a>(&'a self, line: &'a str) -> Row<'a> {
        let mut row: Row<'a> = [Cell::Nothing; Role::COUNT];
        for (cell, places) in row.iter_mut().zip(&self.places) {
            for (_, place) in places {
                *cell = self.cell(line, self.spots.get(*place).copied().unwrap_or_default());
                if *cell != Cell::Nothing {
                    break;
                }
            }
        }
        row
    }

    fn cell<'a>(&'a self, line: &'a str, spot: Spot) -> Cell<'a> {
        let line = line.as_bytes();
        match spot {
            Spot::Nothing | Spot::Escaped(..) => Cell::Nothing,
            Spot::Text(start, end) => Cell::text(&line[start..end]),
            Spot::Unescaped(start, end) => Cell::text(&self.unescaped.as_bytes()[start..end]),
            Spot::Number(start, end) => Cell::Number(&line[start..end]),
            Spot::Nested(start, end) => Cell::Nested(&line[start..end]),
        }
    }

    fn key(&mut self, level: usize, key: &str) -> Key {
        if let Some(known) = self.levels[level].keys.get(key) {
            return *known;
        }
        let found = self.meet(level, key);
        if self.levels[level].keys.len() < MOST_KEYS {
            self.levels[level].keys.insert(key.into(), found);
        }
        found
    }

    /// Finds out what a key means that was not met before.
    fn meet(&mut self, level: usize, key: &str) -> Key {
        let parent = &self.levels[level];
        let path = if parent.path.is_empty() { key.to_owned() } else { format!("{}.{key}", parent.path) };
        let plain = format!("{}{}", parent.plain, plainly(key));
        let depth = parent.depth + 1;
        let mut spot = None;
        let mut leads_on = false;
        for role in 0..Role::COUNT {
            let rank = match &self.wanted[role] {
                Wanted::Nothing => None,
                Wanted::Path(wanted) => {
                    leads_on |= wanted.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
                    (*wanted == path).then_some(0)
                }
                Wanted::Names(names) => {
                    leads_on |= names.iter().any(|name| name.len() > plain.len() && name.starts_with(plain.as_str()));
                    names.iter().position(|name| *name == plain)
                }
            };
            if let Some(rank) = rank
                && (spot.is_some() || self.paths < MOST_PATHS)
            {
                let place = *spot.get_or_insert(self.paths);
                self.places[role].push((rank, place));
                self.places[role].sort_unstable();
            }
        }
        if spot.is_some() {
            self.paths += 1;
            self.spots.push(Spot::Nothing);
        }
        let goes_on = leads_on && depth < DEEPEST && self.levels.len() < MOST_PATHS && !plain.is_empty();
        let level = goes_on.then(|| {
            self.levels.push(Level { path, plain, depth, keys: HashMap::new() });
            self.levels.len() - 1
        });
        Key { spot, level }
    }
}

/// Walks through one object of a line.
struct Walk<'o, 'de> {
    objects: &'o mut Objects,
    line: &'de str,
    level: usize,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Walk { objects, line, level } = self;
        while let Some(key) = map.next_key_seed(FindKey { objects, level })? {
            if key.spot.is_none() && key.level.is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &'de RawValue = map.next_value()?;
            let text = value.get();
            let start = text.as_ptr() as usize - line.as_ptr() as usize;
            let is_object = text.starts_with('{');
            if let Some(spot) = key.spot {
                objects.spots[spot] = spot_of(text, start);
            }
            if let (Some(level), true) = (key.level, is_object) {
                let mut json = serde_json::Deserializer::from_str(text);
                let walk = Walk { objects, line, level };
                walk.deserialize(&mut json).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }
}

fn spot_of(text: &str, start: usize) -> Spot {
    let end = start + text.len();
    match text.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Spot::Text(start + 1, end - 1),
        [b'"', ..] => Spot::Escaped(start, end),
        [b'n', ..] => Spot::Nothing,
        [b't' | b'f', ..] => Spot::Text(start, end),
        [b'{' | b'[', ..] => Spot::Nested(start, end),
        _ => Spot::Number(start, end),
    }
}

/// Looks a key up where it stands, without a copy of it.
struct FindKey<'o> {
    objects: &'o mut Objects,
    level: usize,
}

impl<'de> DeserializeSeed<'de> for FindKey<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FindKey<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
        Ok(self.objects.key(self.level, key))
    }
}
