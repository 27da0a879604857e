//! `storewarden replay`: recorded readings through exactly the rules that run in the store.
//!
//! Between rows the clock ticks once a second, as it does in the store, so that a delay ends when it
//! ends and not at the next row. A row is one poll of the columns it fills; the poll interval of a
//! device, which its silence is measured by, is the median step between the rows that hold it.

mod recording;

pub use recording::{Recording, RecordingError};

use crate::assemble::{Assembled, Names, assemble};
use crate::config::Config;
use crate::journal::alarms::evidence_json;
use crate::site_task::utc_offset_s;
use chrono::{DateTime, SecondsFormat};
use std::io::{self, Write};
use storewarden_rules::{
    AlarmEvent, AlarmPolicy, Event, Input, Millis, Mono, Now, Reading, Sample, SiteFull, Utc,
};

const TICK: Millis = Millis::from_secs(1);

/// Judges the recording and hands each alarm change to `out`, in order of time.
pub fn replay(
    config: &Config,
    recording: &Recording,
    mut out: impl FnMut(&Names, &AlarmEvent) -> io::Result<()>,
) -> Result<(), ReplayError> {
    let Assembled { mut site, names } =
        assemble(config, |device, _| recording.poll_interval(&device.id)).map_err(ReplayError::Site)?;
    // Nobody checks by hand in a recording.
    site.set_policy(AlarmPolicy { inspection_interval: None, ..site.policy() });
    let Some(first) = recording.rows.first() else { return Ok(()) };
    let points: Vec<_> = recording.columns.iter().map(|column| names.find_point(column)).collect();
    let at = |utc: Utc| Now { mono: Mono((utc - first.at).0), utc };
    let mut written = Ok(());
    let mut step = |now: Now, input: Input| {
        site.step(now, input, &mut |event| {
            if let (Event::Alarm(alarm), Ok(())) = (&event, &written) {
                written = out(&names, alarm);
            }
        });
    };
    let mut tick_at = first.at;
    for row in &recording.rows {
        // Strictly before the row: what the row says counts at its own second.
        while tick_at < row.at {
            step(at(tick_at), Input::Tick { utc_offset_s: utc_offset_s(config.store.timezone, tick_at) });
            tick_at = tick_at + TICK;
        }
        for (value, point) in row.values.iter().zip(&points) {
            if let (Some(value), Some(point)) = (value, point) {
                let reading = Reading { point: *point, at: row.at, sample: Sample::Good(*value) };
                step(at(row.at), Input::Reading(reading));
            }
        }
    }
    // The second of the last row still counts; what comes after it is not known.
    if let Some(last) = recording.rows.last() {
        step(at(last.at), Input::Tick { utc_offset_s: utc_offset_s(config.store.timezone, last.at) });
    }
    written.map_err(ReplayError::Output)
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The config holds more than the rules take.
    #[error(transparent)]
    Site(SiteFull),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

/// One change as a line for people.
pub fn write_line(out: &mut impl Write, names: &Names, event: &AlarmEvent) -> io::Result<()> {
    write!(
        out,
        "{}  {}  {}  {}  cause: {}",
        time(event.at),
        names.device(event.device).id,
        event.condition.name(),
        event.state.name(),
        event.diagnosis.cause.name()
    )?;
    for fact in &event.evidence.facts {
        write!(out, "  {} {:.1} {}", fact.quantity.name(), fact.value, fact.quantity.unit().symbol())?;
    }
    writeln!(out)
}

/// One change as a JSON object on a line.
pub fn write_json(out: &mut impl Write, names: &Names, event: &AlarmEvent) -> io::Result<()> {
    let line = serde_json::json!({
        "time": time(event.at),
        "device": names.device(event.device).id,
        "condition": event.condition.name(),
        "state": event.state.name(),
        "cause": event.diagnosis.cause.name(),
        "since": time(event.evidence.since),
        "evidence": evidence_json(&event.evidence),
    });
    writeln!(out, "{line}")
}

fn time(at: Utc) -> String {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
