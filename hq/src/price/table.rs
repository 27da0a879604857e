//! The price team's table (CSV) to price entries; every error with its line and column.

use chrono::DateTime;
use std::collections::HashMap;
use std::fmt;
use storewarden_prices::{Currency, Gtin, Money};
use storewarden_proto::v1::{PriceEntry, PriceKind};

/// The columns, in any order; the first line names them.
const COLUMNS: [&str; 9] =
    ["item", "gtin", "name", "unit", "currency", "price", "kind", "valid_from", "valid_until"];

/// Errors told at once; a table with more is of the wrong kind.
const FAULTS_MAX: usize = 20;

/// One thing wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From 1, the header's line.
    line: u64,
    /// The column's name, or empty if the line as a whole is meant.
    column: &'static str,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "" => write!(f, "line {}: {}", self.line, self.what),
            column => write!(f, "line {}, column {column}: {}", self.line, self.what),
        }
    }
}

/// The entries of `csv`; an empty `valid_from` becomes `now_ms`. Whole or not at all: up to
/// [`FAULTS_MAX`] things that are wrong, in the order of the lines.
pub(crate) fn entries(csv: &[u8], now_ms: i64) -> Result<Vec<PriceEntry>, Vec<Fault>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(without_byte_order_mark(csv));
    let positions = columns(&mut reader).map_err(|fault| vec![fault])?;
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    let mut first_lines = HashMap::new();
    for record in reader.records() {
        let result = record.map_err(|error| vec![unreadable(&error)]).and_then(|record| {
            let line = record.position().map_or(0, csv::Position::line);
            let entry = entry(&Row { record: &record, positions, line }, now_ms)?;
            match first_lines.insert((entry.item.clone(), entry.kind, entry.valid_from_ms), line) {
                Some(before) => Err(vec![Fault {
                    line,
                    column: "item",
                    what: format!(
                        "{} has a {} price from the same moment on line {before}",
                        entry.item,
                        kind_name(entry.kind)
                    ),
                }]),
                None => Ok(entry),
            }
        });
        match result {
            Ok(entry) => entries.push(entry),
            Err(more) => faults.extend(more),
        }
        if faults.len() >= FAULTS_MAX {
            faults.truncate(FAULTS_MAX);
            break;
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if entries.is_empty() {
        return Err(vec![Fault { line: 1, column: "", what: "there is no price after the header".into() }]);
    }
    Ok(entries)
}

/// Spreadsheets put one before UTF-8.
fn without_byte_order_mark(csv: &[u8]) -> &[u8] {
    csv.strip_prefix(b"\xef\xbb\xbf").unwrap_or(csv)
}

fn unreadable(error: &csv::Error) -> Fault {
    let line = error.position().map_or(0, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the text is not UTF-8; save the table as CSV UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the header has {expected_len}")
        }
        _ => error.to_string(),
    };
    Fault { line, column: "", what }
}

/// Where each of [`COLUMNS`] is.
fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<[usize; COLUMNS.len()], Fault> {
    let header = reader.headers().map_err(|error| unreadable(&error))?;
    let fault = |what| Fault { line: 1, column: "", what };
    let expected = COLUMNS.join(",");
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(fault(format!("unknown column {unknown:?}; the header is {expected}")));
    }
    let mut positions = [0; COLUMNS.len()];
    for (position, name) in positions.iter_mut().zip(COLUMNS) {
        let mut found = header.iter().enumerate().filter(|(_, column)| *column == name);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => *position = at,
            (Some(_), Some(_)) => return Err(fault(format!("column {name:?} is there twice"))),
            (None, _) => return Err(fault(format!("column {name:?} is missing; the header is {expected}"))),
        }
    }
    Ok(positions)
}

struct Row<'a> {
    record: &'a csv::StringRecord,
    positions: [usize; COLUMNS.len()],
    line: u64,
}

impl Row<'_> {
    fn get(&self, column: &str) -> &str {
        COLUMNS
            .iter()
            .position(|name| *name == column)
            .and_then(|n| self.record.get(self.positions[n]))
            .unwrap_or("")
    }
    fn fault(&self, column: &'static str, what: impl Into<String>) -> Fault {
        Fault { line: self.line, column, what: what.into() }
    }
}

fn entry(row: &Row<'_>, now_ms: i64) -> Result<PriceEntry, Vec<Fault>> {
    let mut faults = Vec::new();
    for column in ["item", "name"] {
        if row.get(column).is_empty() {
            faults.push(row.fault(column, "must not be empty"));
        }
    }
    let gtin = row.get("gtin");
    if let Err(error) = Gtin::parse(gtin) {
        faults.push(row.fault("gtin", error.to_string()));
    }
    let currency = Currency::from_code(row.get("currency"));
    if currency.is_none() {
        let known = Currency::ALL.map(Currency::code).join(", ");
        faults.push(
            row.fault("currency", format!("{:?} is not known; write one of {known}", row.get("currency"))),
        );
    }
    let price = currency.map(|currency| Money::parse(row.get("price"), currency)).transpose();
    let price_minor = price.unwrap_or_else(|error| {
        faults.push(row.fault("price", error.to_string()));
        None
    });
    let kind = match row.get("kind") {
        "regular" => PriceKind::Regular,
        "promotion" => PriceKind::Promotion,
        other => {
            faults.push(row.fault("kind", format!("{other:?} is neither regular nor promotion")));
            PriceKind::Unspecified
        }
    };
    let mut time = |column| match row.get(column) {
        "" => None,
        text => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Some(time.timestamp_millis()),
            Err(_) => {
                let what =
                    format!("{text:?} is not a time with its zone, for example 2026-12-01T06:00:00+08:00");
                faults.push(row.fault(column, what));
                None
            }
        },
    };
    let (from, until) = (time("valid_from"), time("valid_until"));
    let valid_from_ms = from.unwrap_or(now_ms);
    match until {
        Some(until) if until <= valid_from_ms => {
            faults.push(row.fault("valid_until", "must be after valid_from"));
        }
        Some(until) if until <= now_ms => faults.push(row.fault("valid_until", "is over already")),
        None if kind == PriceKind::Promotion && row.get("valid_until").is_empty() => {
            faults.push(row.fault("valid_until", "a promotion must have an end"));
        }
        _ => {}
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(PriceEntry {
        item: row.get("item").to_owned(),
        gtin: gtin.to_owned(),
        name: row.get("name").to_owned(),
        unit: row.get("unit").to_owned(),
        currency: row.get("currency").to_owned(),
        price_minor: price_minor.map_or(0, |price| price.minor),
        kind: kind.into(),
        valid_from_ms,
        valid_until_ms: until.unwrap_or(0),
    })
}

/// Name of a `PriceKind` as in the table.
fn kind_name(kind: i32) -> &'static str {
    if kind == PriceKind::Promotion as i32 { "promotion" } else { "regular" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000; // 2026-09-21
    const HEADER: &str = "item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n";

    fn faults(rows: &str) -> Vec<String> {
        let csv = format!("{HEADER}{rows}");
        entries(csv.as_bytes(), NOW).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_becomes_entries() {
        let csv = format!(
            "\u{feff}{HEADER}1001,6901028075763,农夫山泉,550 ml,CNY,2.00,regular,,\n\
             1002,4006381333931,\"Milk, whole\",1 l,CNY,12.5,promotion,2026-12-01T06:00:00+08:00,2026-12-08T06:00:00+08:00\n"
        );
        let entries = entries(csv.as_bytes(), NOW).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].price_minor, entries[0].valid_from_ms, entries[0].valid_until_ms),
            (200, NOW, 0)
        );
        assert_eq!(entries[1].name, "Milk, whole");
        assert_eq!(entries[1].kind, PriceKind::Promotion as i32);
        // date -u -d 2026-11-30T22:00:00Z +%s
        assert_eq!(entries[1].valid_from_ms, 1_796_076_000_000);
    }

    #[test]
    fn columns_may_stand_in_another_order() {
        let csv = "price,item,gtin,name,unit,currency,kind,valid_until,valid_from\n3,1,4006381333931,a,,JPY,regular,,\n";
        assert_eq!(entries(csv.as_bytes(), NOW).unwrap()[0].price_minor, 3);
    }

    #[test]
    fn faults_name_line_and_column() {
        let all = faults(
            "1,4006381333931,a,,CNY,1.00,regular,,\n\
             2,4006381333932,b,,CNY,1.005,regular,,\n\
             3,123,c,,XXX,1,sale,tomorrow,\n\
             4,4006381333931,,,CNY,1,promotion,,\n\
             5,4006381333931,d,,CNY,1,regular,2026-12-02T00:00:00Z,2026-12-01T00:00:00Z\n\
             6,4006381333931,e,,CNY,1,regular,2020-01-01T00:00:00Z,2021-01-01T00:00:00Z\n",
        );
        let expected = [
            "line 3, column gtin: GTIN `4006381333932` has check digit 2, but its other digits ask for 1",
            "line 3, column price: \"1.005\" has more decimals",
            "line 4, column gtin:",
            "line 4, column currency:",
            "line 4, column kind:",
            "line 4, column valid_from:",
            "line 5, column name:",
            "line 5, column valid_until: a promotion must have an end",
            "line 6, column valid_until: must be after valid_from",
            "line 7, column valid_until: is over already",
        ];
        assert_eq!(all.len(), expected.len(), "{all:#?}");
        for (fault, start) in all.iter().zip(expected) {
            assert!(fault.starts_with(start), "{fault} | {start}");
        }
    }

    #[test]
    fn a_wrong_form_is_said() {
        assert_eq!(faults("1,2\n"), ["line 2: 2 columns where the header has 9"]);
        assert_eq!(faults(""), ["line 1: there is no price after the header"]);
        let twice = "1,4006381333931,a,,CNY,1,regular,,\n1,4006381333931,a,,CNY,2,regular,,\n";
        assert_eq!(
            faults(twice),
            ["line 3, column item: 1 has a regular price from the same moment on line 2"]
        );
        let header = |text: &str| entries(text.as_bytes(), NOW).unwrap_err()[0].to_string();
        assert!(header("item,gtin\n").contains("column \"name\" is missing"));
        assert!(header(&format!("extra,{HEADER}")).contains("unknown column \"extra\""));
        assert!(header(&format!("item,{HEADER}")).contains("twice"));
    }
}
