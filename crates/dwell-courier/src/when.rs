//! Moments in files, as RFC 3339 in UTC.

use dwell_core::time::Timestamp;
use dwell_keys::moment;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    moment::write(*at).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    moment::read(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
