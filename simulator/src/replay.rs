//! Turns a recording into the agent's replay format: a time column and one column per
//! `device/point`.

use crate::physics::recording::RecordingError;
use chrono::{DateTime, SecondsFormat, Utc};

/// The columns of `text` named in `columns` (column of the recording, `device/point`), with times as
/// RFC 3339 in UTC and values in steps of 0.1. Empty cells stay empty.
pub fn convert(text: &str, columns: &[(String, String)]) -> Result<String, RecordingError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let indices = columns
        .iter()
        .map(|(column, _)| {
            headers.iter().position(|name| name == column).ok_or_else(|| RecordingError::Column {
                column: column.clone(),
                known: headers.iter().skip(1).collect::<Vec<_>>().join(", "),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = String::from("time");
    for (_, point) in columns {
        out.push(',');
        out.push_str(point);
    }
    out.push('\n');
    for (number, record) in reader.records().enumerate() {
        let record = record?;
        let wrong =
            |cell: &str, expected| RecordingError::Cell { line: number + 2, cell: cell.to_owned(), expected };
        let cell = record.get(0).unwrap_or_default();
        let time = DateTime::parse_from_rfc3339(&cell.replacen(' ', "T", 1))
            .map_err(|_| wrong(cell, "a time like 2018-06-01T07:00:00+00:00"))?;
        out.push_str(&time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Secs, true));
        for index in &indices {
            out.push(',');
            let cell = record.get(*index).unwrap_or_default();
            if !cell.is_empty() {
                let value: f64 = cell.parse().map_err(|_| wrong(cell, "a number"))?;
                out.push_str(&format!("{value:.1}"));
            }
        }
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::recording::SOLARPLUS;

    fn columns() -> Vec<(String, String)> {
        [("Tfre", "freezer-1/air_temperature"), ("Tref", "chiller-1/air_temperature")]
            .map(|(column, point)| (column.to_owned(), point.to_owned()))
            .to_vec()
    }

    #[test]
    fn the_committed_replay_is_what_the_recording_becomes() {
        let replay = convert(SOLARPLUS, &columns()).expect("converts");
        let committed = include_str!("../recordings/solarplus-replay.csv");
        assert!(replay == committed, "make it anew with the command in recordings/README.md");
        let mut lines = replay.lines();
        assert_eq!(lines.next(), Some("time,freezer-1/air_temperature,chiller-1/air_temperature"));
        assert_eq!(lines.next(), Some("2018-06-01T07:00:00Z,-25.2,4.3"));
    }

    #[test]
    fn an_empty_cell_stays_empty_and_a_bad_one_is_named() {
        let text = "Time,a\n2018-06-01 07:00:00+00:00,\n";
        let columns = [("a".to_owned(), "x/y".to_owned())];
        assert_eq!(convert(text, &columns).expect("converts"), "time,x/y\n2018-06-01T07:00:00Z,\n");
        let error = convert(&text.replace(",\n", ",warm\n"), &columns).expect_err("bad").to_string();
        assert_eq!(error, "line 2: `warm` is not a number");
    }
}
