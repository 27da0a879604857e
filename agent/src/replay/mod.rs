//! `storewarden replay`: recorded readings through exactly the rules that run in the store.
//!
//! Between rows the clock ticks once a second, as it does in the store, so that a delay ends when it
//! ends and not at the next row. A row is one poll of the columns it fills; the poll interval of a
//! device, which its silence is measured by, is the median step between the rows that hold it.

mod command;
mod explain;
mod first_look;
mod recording;

pub use command::Replay;
use explain::{Moment, explain};
pub use recording::{Recording, RecordingError};

use crate::assemble::{Assembled, Names, assemble};
use crate::config::Config;
use crate::journal::alarms::evidence_json;
use crate::site_task::utc_offset_s;
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use std::io::{self, Write};
use std::sync::Arc;
use storewarden_rules::{
    AlarmEvent, AlarmPolicy, Event, Input, Millis, Mono, Now, PointId, Reading, Sample, Site, SiteFull, Utc,
};

const TICK: Millis = Millis::from_secs(1);

/// A store's rules and a recording of what they look at.
pub struct Player<'a> {
    site: Box<Site>,
    names: Arc<Names>,
    timezone: Tz,
    recording: &'a Recording,
    /// The point of each column.
    points: Vec<Option<PointId>>,
    next_row: usize,
    tick_at: Utc,
}

impl<'a> Player<'a> {
    /// The store of `config` before the first row.
    pub fn of_store(config: &Config, recording: &'a Recording) -> Result<Self, SiteFull> {
        let assembled = assemble(config, |device, _| recording.poll_interval(&device.id))?;
        Ok(Self::new(assembled, config.store.timezone, recording))
    }

    /// `assembled` before the first row.
    pub fn new(assembled: Assembled, timezone: Tz, recording: &'a Recording) -> Self {
        let Assembled { mut site, names } = assembled;
        // Nobody checks by hand in a recording.
        site.set_policy(AlarmPolicy { inspection_interval: None, ..site.policy() });
        let points = recording.columns.iter().map(|column| names.find_point(column)).collect();
        let tick_at = recording.rows.first().map_or(Utc(0), |row| row.at);
        Self { site, names, timezone, recording, points, next_row: 0, tick_at }
    }

    /// The names of everything in it.
    pub fn names(&self) -> Arc<Names> {
        self.names.clone()
    }

    /// Plays up to and including `until`, or to the last row: what comes after it is not known.
    pub fn play(&mut self, until: Utc, out: &mut dyn FnMut(Event)) {
        let Some(last) = self.recording.rows.last() else { return };
        let until = until.min(last.at);
        while let Some(row) = self.recording.rows.get(self.next_row)
            && row.at <= until
        {
            self.next_row += 1;
            // Strictly before the row: what the row says counts at its own second.
            while self.tick_at < row.at {
                self.tick(out);
            }
            for (value, point) in row.values.iter().zip(&self.points) {
                if let (Some(value), Some(point)) = (value, point) {
                    let reading = Reading { point: *point, at: row.at, sample: Sample::Good(*value) };
                    self.site.step(self.now(row.at), Input::Reading(reading), out);
                }
            }
        }
        while self.tick_at <= until {
            self.tick(out);
        }
    }

    fn tick(&mut self, out: &mut dyn FnMut(Event)) {
        let utc_offset_s = utc_offset_s(self.timezone, self.tick_at);
        self.site.step(self.now(self.tick_at), Input::Tick { utc_offset_s }, out);
        self.tick_at = self.tick_at + TICK;
    }

    fn now(&self, utc: Utc) -> Now {
        let start = self.recording.rows.first().map_or(utc, |row| row.at);
        Now { mono: Mono((utc - start).0), utc }
    }
}

/// Judges the recording and hands each alarm change to `out`, in order of time.
pub fn replay(
    mut player: Player<'_>,
    mut out: impl FnMut(&Names, &AlarmEvent) -> io::Result<()>,
) -> io::Result<()> {
    let names = player.names();
    let mut written = Ok(());
    player.play(Utc(i64::MAX), &mut |event| {
        if let (Event::Alarm(alarm), Ok(())) = (&event, &written) {
            written = out(&names, alarm);
        }
    });
    written
}

/// One change as a line for people.
pub fn write_line(out: &mut impl Write, names: &Names, event: &AlarmEvent) -> io::Result<()> {
    write!(
        out,
        "{}  {}  {}  {}  cause: {}",
        time(event.at),
        names.device(event.device).id,
        names.condition(event.condition),
        event.state.name(),
        event.diagnosis.cause.name()
    )?;
    if event.diagnosis.probability > 0.0 {
        write!(out, " ({:.0} %)", event.diagnosis.probability * 100.0)?;
    }
    for fact in &event.evidence.facts {
        write!(out, "  {} {:.1} {}", fact.quantity.name(), fact.value, fact.quantity.unit().symbol())?;
    }
    if let Some((device, condition)) = event.parent {
        write!(out, "  explained by {} of {}", names.condition(condition), names.device(device).id)?;
    }
    writeln!(out)
}

/// One change as a JSON object on a line.
pub fn write_json(out: &mut impl Write, names: &Names, event: &AlarmEvent) -> io::Result<()> {
    let alternatives: Vec<_> = event
        .diagnosis
        .alternatives
        .iter()
        .filter(|(_, probability)| *probability > 0.0)
        .map(|(cause, probability)| serde_json::json!({ "cause": cause.name(), "probability": share(*probability) }))
        .collect();
    let parent = event.parent.map(|(device, condition)| {
        serde_json::json!({ "device": names.device(device).id, "condition": names.condition(condition) })
    });
    let line = serde_json::json!({
        "time": time(event.at),
        "device": names.device(event.device).id,
        "condition": names.condition(event.condition),
        "state": event.state.name(),
        "cause": event.diagnosis.cause.name(),
        "probability": share(event.diagnosis.probability),
        "alternatives": alternatives,
        "parent": parent,
        "since": time(event.evidence.since),
        "evidence": evidence_json(&event.evidence),
    });
    writeln!(out, "{line}")
}

/// A probability with the two digits it is good for.
fn share(probability: f32) -> f64 {
    (f64::from(probability) * 100.0).round() / 100.0
}

fn time(at: Utc) -> String {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
