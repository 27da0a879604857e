//! Spans of time as they are written: "40s", "6h".

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        D::Error::custom(format!("`{text}` is no time span ({error}); write \"40s\" or \"6h\""))
    })
}
