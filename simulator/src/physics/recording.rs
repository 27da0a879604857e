//! A recorded column, held from one row to the next and played in a circle.

use chrono::DateTime;

/// The recording that ships with the program: a real convenience store, see `recordings/README.md`.
pub const SOLARPLUS: &str = include_str!("../../recordings/solarplus.csv");

/// Why a text is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Not CSV.
    #[error("not a CSV file: {0}")]
    Csv(#[from] csv::Error),
    /// The column is missing.
    #[error("has no column `{column}`; it has {known}")]
    Column {
        /// What was asked for.
        column: String,
        /// What there is.
        known: String,
    },
    /// A cell is not what it must be.
    #[error("line {line}: `{cell}` is not {expected}")]
    Cell {
        /// Line of the file, from 1.
        line: usize,
        /// What stands there.
        cell: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// Too short or not in order of time.
    #[error("needs at least two rows with rising times; line {line} is not later than the one before")]
    Order {
        /// Line of the file, from 1.
        line: usize,
    },
}

/// One column of a recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Seconds since the first row, and the value from then on.
    rows: Vec<(f64, f64)>,
    length_s: f64,
}

impl Recording {
    /// Reads `column` of a CSV text whose first column is a time (RFC 3339, a space in place of the
    /// T allowed). Empty cells hold the value before.
    pub fn parse(text: &str, column: &str) -> Result<Self, RecordingError> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader.headers()?.clone();
        let index = headers.iter().position(|name| name == column).ok_or_else(|| RecordingError::Column {
            column: column.to_owned(),
            known: headers.iter().skip(1).collect::<Vec<_>>().join(", "),
        })?;
        let mut rows: Vec<(f64, f64)> = Vec::new();
        let mut first_ms = None;
        for (number, record) in reader.records().enumerate() {
            let record = record?;
            let line = number + 2;
            let cell = |index: usize| record.get(index).unwrap_or_default();
            let wrong = |index: usize, expected| RecordingError::Cell {
                line,
                cell: cell(index).to_owned(),
                expected,
            };
            if cell(index).is_empty() {
                continue;
            }
            let time = DateTime::parse_from_rfc3339(&cell(0).replacen(' ', "T", 1))
                .map_err(|_| wrong(0, "a time like 2018-06-01T07:00:00+00:00"))?
                .timestamp_millis();
            let value: f64 = cell(index).parse().map_err(|_| wrong(index, "a number"))?;
            let since_ms = time - *first_ms.get_or_insert(time);
            #[expect(clippy::cast_precision_loss, reason = "exact below 285,000 years")]
            let at_s = since_ms as f64 / 1000.0;
            if rows.last().is_some_and(|(before, _)| at_s <= *before) {
                return Err(RecordingError::Order { line });
            }
            rows.push((at_s, value));
        }
        let [.., (before, _), (last, _)] = rows[..] else { return Err(RecordingError::Order { line: 2 }) };
        Ok(Self { length_s: last + (last - before), rows })
    }

    /// The value `at_s` seconds (≥ 0) after the first row; after the last row it begins anew.
    pub fn at(&self, at_s: f64) -> f64 {
        let at_s = at_s.rem_euclid(self.length_s);
        let next = self.rows.partition_point(|(from, _)| *from <= at_s);
        self.rows[next.saturating_sub(1)].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Time,a\n2018-06-01 07:00:00+00:00,1\n2018-06-01 07:05:00+00:00,2\n";

    #[test]
    fn a_value_holds_until_the_next_row_and_the_end_joins_the_start() {
        let recording = Recording::parse(TEXT, "a").expect("a recording");
        let read: Vec<f64> = [0.0, 299.0, 300.0, 599.0, 600.0].map(|at| recording.at(at)).to_vec();
        assert_eq!(read, [1.0, 1.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn faults_name_the_line_or_the_columns_there_are() {
        let error = |text: &str, column| Recording::parse(text, column).expect_err("bad").to_string();
        assert!(error(TEXT, "b").contains("it has a"));
        assert!(error(&TEXT.replace(",2\n", ",x\n"), "a").contains("line 3: `x` is not a number"));
        assert!(error(&TEXT.replace("07:05", "07:00"), "a").contains("line 3 is not later"));
    }

    #[test]
    fn the_shipped_recording_is_five_days_of_a_freezer() {
        let freezer = Recording::parse(SOLARPLUS, "Tfre").expect("shipped");
        assert_eq!(freezer.rows.len(), 1440);
        assert!((freezer.at(0.0) + 25.2).abs() < 0.01);
        assert!((freezer.length_s - (5.0 * 86_400.0 + 300.0)).abs() < 1.0);
    }
}
