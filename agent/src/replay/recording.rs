//! Recorded readings from a CSV file: first column `time` (RFC 3339), the others point ids such as
//! `freezer-2/air_temperature`. An empty cell is no reading.

use crate::config::Config;
use chrono::{DateTime, NaiveDateTime};
use std::io::Read;
use storewarden_rules::{Millis, Utc};

/// A recording, checked against the config.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Point ids, one per value column.
    pub columns: Vec<String>,
    /// Rows in order of time.
    pub rows: Vec<Row>,
}

/// Readings of one moment.
#[derive(Clone, Debug)]
pub struct Row {
    /// When.
    pub at: Utc,
    /// One per column; none where the cell is empty.
    pub values: Vec<Option<f64>>,
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Not CSV.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// The first column is something else.
    #[error("line 1: the first column must be `time`, not `{0}`")]
    FirstColumn(String),
    /// A column that is no point of the config.
    #[error("line 1: column `{column}` is not known; write one of {known}")]
    UnknownPoint {
        /// The column.
        column: String,
        /// Some that would do.
        known: String,
    },
    /// No cabinet without its air.
    #[error("line 1: there is no column `air_temperature`; a cabinet is judged by it")]
    NoAir,
    /// The same column twice.
    #[error("line 1: column `{0}` is there twice")]
    DoubleColumn(String),
    /// Not a time.
    #[error("line {line}: `{text}` is no time; write RFC 3339, as 2018-06-01T07:00:00Z")]
    Time {
        /// Line in the file.
        line: u64,
        /// What stood there.
        text: String,
    },
    /// Not later than the row before.
    #[error("line {line}: `{text}` is not later than the row before; sort the file by time")]
    Order {
        /// Line in the file.
        line: u64,
        /// What stood there.
        text: String,
    },
    /// Not a number.
    #[error("line {line}, column `{column}`: `{text}` is no number; leave the cell empty for no reading")]
    Number {
        /// Line in the file.
        line: u64,
        /// The column.
        column: String,
        /// What stood there.
        text: String,
    },
}

/// What a time without its zone means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Nothing: schedules and stamps depend on it.
    Needed,
    /// UTC: only the steps count.
    UtcIfNone,
}

impl Zone {
    fn read(self, text: &str) -> Option<Utc> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(Utc(at.timestamp_millis()));
        }
        let at = NaiveDateTime::parse_from_str(&text.replacen('T', " ", 1), "%Y-%m-%d %H:%M:%S%.f").ok()?;
        (self == Self::UtcIfNone).then(|| Utc(at.and_utc().timestamp_millis()))
    }
}

impl Recording {
    /// Reads a recording of points of `config`.
    pub fn read(config: &Config, csv: impl Read) -> Result<Self, RecordingError> {
        Self::read_columns(csv, Zone::Needed, |column| check_column(config, column))
    }

    /// Reads a recording each of whose columns passes `check`.
    pub(super) fn read_columns(
        csv: impl Read,
        zone: Zone,
        check: impl Fn(&str) -> Result<(), RecordingError>,
    ) -> Result<Self, RecordingError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
        let header = reader.headers()?.clone();
        let first = header.get(0).unwrap_or("").trim_start_matches('\u{feff}');
        if first != "time" {
            return Err(RecordingError::FirstColumn(first.into()));
        }
        let columns: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
        for (index, column) in columns.iter().enumerate() {
            check(column)?;
            if columns[..index].contains(column) {
                return Err(RecordingError::DoubleColumn(column.clone()));
            }
        }
        let mut rows: Vec<Row> = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let text = record.get(0).unwrap_or("");
            let at = zone.read(text).ok_or_else(|| RecordingError::Time { line, text: text.into() })?;
            if rows.last().is_some_and(|last| last.at >= at) {
                return Err(RecordingError::Order { line, text: text.into() });
            }
            let values = record
                .iter()
                .skip(1)
                .zip(&columns)
                .map(|(text, column)| number(line, column, text))
                .collect::<Result<_, _>>()?;
            rows.push(Row { at, values });
        }
        Ok(Self { columns, rows })
    }

    /// Median step between the rows that hold a reading of `device`; none where fewer than two do.
    pub fn poll_interval(&self, device: &str) -> Option<Millis> {
        let of_device: Vec<usize> = (0..self.columns.len())
            .filter(|index| self.columns[*index].split_once('/').is_some_and(|(id, _)| id == device))
            .collect();
        let times: Vec<Utc> = self
            .rows
            .iter()
            .filter(|row| of_device.iter().any(|index| row.values[*index].is_some()))
            .map(|row| row.at)
            .collect();
        let mut steps: Vec<Millis> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied()
    }
}

fn check_column(config: &Config, column: &str) -> Result<(), RecordingError> {
    let known = || config.devices.iter().flat_map(|d| d.profile.points.iter().map(move |p| (&d.id, &p.name)));
    if known().any(|(device, point)| column.split_once('/') == Some((device, point))) {
        return Ok(());
    }
    let mut some: Vec<String> = known().take(12).map(|(device, point)| format!("{device}/{point}")).collect();
    if known().count() > some.len() {
        some.push("…".into());
    }
    Err(RecordingError::UnknownPoint { column: column.into(), known: some.join(", ") })
}

fn number(line: u64, column: &str, text: &str) -> Result<Option<f64>, RecordingError> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Some(value)),
        _ => Err(RecordingError::Number { line, column: column.into(), text: text.into() }),
    }
}
