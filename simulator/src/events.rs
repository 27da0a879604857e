//! What truly happened, as JSON lines: the ground truth that alerts are measured against.

use crate::fault::Kind;
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// One true fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something broke.
    FaultBegin {
        /// Device id.
        device: String,
        /// What broke.
        kind: Kind,
    },
    /// It was mended.
    FaultEnd {
        /// Device id.
        device: String,
        /// What had been broken.
        kind: Kind,
    },
    /// The air temperature *in the register* crossed the unit's `watch_limit`: from now on a reader
    /// can know it.
    LimitCrossed {
        /// Device id.
        device: String,
        /// Whether it is above the limit now.
        above: bool,
        /// The limit, °C.
        limit: f64,
        /// The value in the register, °C.
        value: f64,
    },
    /// A coil of a relay module opened or closed; all are open at the begin.
    Switched {
        /// Device id.
        device: String,
        /// Its point, as `relay_1`.
        point: String,
        /// Whether it is closed now, and the lamp behind it on.
        on: bool,
    },
    /// A label shows a new image.
    LabelShown {
        /// Id of the access point.
        ap: String,
        /// Tag id.
        label: String,
        /// SHA-256 of the PNG, hex.
        sha256: String,
    },
    /// A label has started anew and shows nothing.
    LabelBlank {
        /// Id of the access point.
        ap: String,
        /// Tag id.
        label: String,
    },
}

/// A file of facts; without a path, nothing is kept.
#[derive(Debug, Default)]
pub struct Events {
    file: Option<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    at_ms: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Events {
    /// Appends to the file at `path`, made if it is not there.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        Ok(Self { file })
    }

    /// Writes one fact with the present UTC time, ms since 1970.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(&Line { at_ms: utc_ms(), event })?;
        line.push(b'\n');
        // One write per line: a reader never sees half a fact.
        file.write_all(&line)
    }
}

fn utc_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_flat_object() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("events.jsonl");
        let mut events = Events::open(Some(&path)).expect("opens");
        let event = Event::FaultBegin { device: "freezer-2".into(), kind: Kind::CompressorStopped };
        events.write(&event).expect("writes");
        events.write(&event).expect("writes");
        let text = std::fs::read_to_string(&path).expect("reads");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["event"], "fault_begin");
        assert_eq!(lines[0]["kind"], "compressor_stopped");
        assert!(lines[0]["at_ms"].as_u64().expect("a number") > 1_700_000_000_000);
    }
}
