//! The price team's table (CSV or JSON) to price entries; every error with its place and column.

use chrono::DateTime;
use encoding_rs::GB18030;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use storewarden_prices::{Content, Currency, Entry, Gtin, Measure, Money, Utc, When};
use storewarden_proto::v1::{LocalName, PriceEntry, PriceKind};

/// The columns that every table has, in any order; the first line names them.
const COLUMNS: [&str; 9] =
    ["item", "gtin", "name", "unit", "currency", "price", "kind", "valid_from", "valid_until"];
/// Those that a table may have.
const MORE_COLUMNS: [&str; 9] =
    ["priority", "sold_by", "content", "unit_price", "was", "name_zh", "name_en", "name_ja", "class"];

/// Errors told at once; a table with more is of the wrong kind.
const FAULTS_MAX: usize = 20;

/// One thing wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    place: Place,
    /// The column's name, or empty if the line as a whole is meant.
    column: &'static str,
    what: String,
}

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In CSV, from 1, the header's line.
    Line(u64),
    /// In JSON, from 1.
    Object(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Object(number) => write!(f, "object {number}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "" => write!(f, "{}: {}", self.place, self.what),
            column => write!(f, "{}, column {column}: {}", self.place, self.what),
        }
    }
}

/// The text of a table: UTF-8, or else GB18030, as spreadsheets in China write it. None if it is neither.
pub(crate) fn text(csv: &[u8]) -> Option<Cow<'_, str>> {
    let csv = without_byte_order_mark(csv);
    match std::str::from_utf8(csv) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => GB18030.decode_without_bom_handling_and_without_replacement(csv),
    }
}

/// The entries of a table with their places, CSV or a JSON array of objects with the columns' names; an empty `valid_from`
/// becomes `now_ms`. Whole or not at all: up to [`FAULTS_MAX`] things that are wrong, in their order.
pub(crate) fn entries(table: &str, now_ms: i64) -> Result<Vec<(Place, PriceEntry)>, Vec<Fault>> {
    if table.trim_start().starts_with('[') {
        return entries_of(objects(table)?.into_iter(), now_ms);
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table.as_bytes());
    let positions = columns(&mut reader).map_err(|fault| vec![fault])?;
    let rows = reader.into_records().map(|record| {
        let record = record.map_err(|error| unreadable(&error))?;
        let place = Place::Line(record.position().map_or(0, csv::Position::line));
        let field = |(column, at): (&&'static str, &usize)| Some((*column, record.get(*at)?.to_owned()));
        Ok(Row { fields: positions.iter().filter_map(field).collect(), place })
    });
    entries_of(rows, now_ms)
}

/// The objects of a JSON array. Numbers are taken as they are written: 12.50 is no binary fraction.
fn objects(json: &str) -> Result<Vec<Result<Row, Fault>>, Vec<Fault>> {
    let array: Vec<HashMap<String, Box<serde_json::value::RawValue>>> =
        serde_json::from_str(json).map_err(|error| {
            let place = Place::Line(u64::try_from(error.line()).unwrap_or(0));
            vec![Fault { place, column: "", what: format!("not an array of objects: {error}") }]
        })?;
    Ok((1..).zip(array).map(|(number, object)| row_of(Place::Object(number), &object)).collect())
}

fn row_of(place: Place, object: &HashMap<String, Box<serde_json::value::RawValue>>) -> Result<Row, Fault> {
    let mut fields = HashMap::new();
    for (name, value) in object {
        let known = COLUMNS.iter().chain(&MORE_COLUMNS).find(|known| *known == name);
        let Some(column) = known else {
            let (expected, more) = (COLUMNS.join(", "), MORE_COLUMNS.join(", "));
            let what = format!("unknown name {name:?}; the names are {expected}, and if wanted {more}");
            return Err(Fault { place, column: "", what });
        };
        let value = value.get();
        let text = match value.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(value).unwrap_or_default().trim().to_owned(),
            Some(b'-' | b'0'..=b'9') => value.to_owned(),
            _ if value == "null" => continue,
            _ => {
                let what = format!("{value} is neither text nor a number");
                return Err(Fault { place, column, what });
            }
        };
        fields.insert(*column, text);
    }
    Ok(Row { fields, place })
}

fn entries_of(
    rows: impl Iterator<Item = Result<Row, Fault>>,
    now_ms: i64,
) -> Result<Vec<(Place, PriceEntry)>, Vec<Fault>> {
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    let mut first_places = HashMap::new();
    for row in rows {
        let result = row.map_err(|fault| vec![fault]).and_then(|row| {
            let place = row.place;
            let entry = entry(&row, now_ms)?;
            let from = (entry.valid_from_ms, entry.valid_from_local.clone());
            match first_places.insert((entry.item.clone(), entry.kind, from), place) {
                Some(before) => Err(vec![Fault {
                    place,
                    column: "item",
                    what: format!(
                        "{} has a {} price from the same moment on {before}",
                        entry.item,
                        kind_name(entry.kind)
                    ),
                }]),
                None => Ok((place, entry)),
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
        let what = "there is no price in the table".into();
        return Err(vec![Fault { place: Place::Line(1), column: "", what }]);
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
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the header has {expected_len}")
        }
        _ => error.to_string(),
    };
    Fault { place: Place::Line(line), column: "", what }
}

/// Where each column is.
type Positions = HashMap<&'static str, usize>;

fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<Positions, Fault> {
    let header = reader.headers().map_err(|error| unreadable(&error))?;
    let fault = |what| Fault { place: Place::Line(1), column: "", what };
    let (expected, more) = (COLUMNS.join(","), MORE_COLUMNS.join(","));
    let mut positions = Positions::new();
    for (at, name) in header.iter().enumerate() {
        let Some(known) = COLUMNS.iter().chain(&MORE_COLUMNS).find(|known| **known == name) else {
            return Err(fault(format!(
                "unknown column {name:?}; the header is {expected}, and if wanted {more}"
            )));
        };
        if positions.insert(*known, at).is_some() {
            return Err(fault(format!("column {name:?} is there twice")));
        }
    }
    match COLUMNS.iter().find(|name| !positions.contains_key(*name)) {
        None => Ok(positions),
        Some(missing) => Err(fault(format!("column {missing:?} is missing; the header is {expected}"))),
    }
}

struct Row {
    fields: HashMap<&'static str, String>,
    place: Place,
}

impl Row {
    /// Empty where the table has no such column.
    fn get(&self, column: &str) -> &str {
        self.fields.get(column).map_or("", String::as_str)
    }

    fn fault(&self, column: &'static str, what: impl Into<String>) -> Fault {
        Fault { place: self.place, column, what: what.into() }
    }
}

fn entry(row: &Row, now_ms: i64) -> Result<PriceEntry, Vec<Fault>> {
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
        text => {
            let instant =
                DateTime::parse_from_rfc3339(text).map(|time| When::Instant(Utc(time.timestamp_millis())));
            let when = instant.ok().or_else(|| When::wall(text));
            if when.is_none() {
                let what = format!(
                    "{text:?} is not a time: write 2026-12-01T06:00 for each store's own clock, or with a zone, 2026-12-01T06:00:00+08:00"
                );
                faults.push(row.fault(column, what));
            }
            when
        }
    };
    let (from, until) = (time("valid_from"), time("valid_until"));
    let from = match (from, until) {
        (Some(from), _) => from,
        (None, Some(When::Wall(_))) if row.get("valid_from").is_empty() => {
            faults.push(row.fault("valid_from", "an end by each store's own clock needs a begin by it"));
            When::Instant(Utc(now_ms))
        }
        (None, _) => When::Instant(Utc(now_ms)),
    };
    match until {
        Some(until) if is_wall(until) != is_wall(from) && !row.get("valid_from").is_empty() => {
            faults.push(
                row.fault("valid_until", "valid_from and valid_until must both have a zone, or neither"),
            );
        }
        Some(until) if is_wall(until) == is_wall(from) && until <= from => {
            faults.push(row.fault("valid_until", "must be after valid_from"));
        }
        Some(When::Instant(Utc(until))) if until <= now_ms => {
            faults.push(row.fault("valid_until", "is over already"));
        }
        None if kind == PriceKind::Promotion && row.get("valid_until").is_empty() => {
            faults.push(row.fault("valid_until", "a promotion must have an end"));
        }
        _ => {}
    }
    let priority = match row.get("priority") {
        "" => 0,
        text => text.parse().unwrap_or_else(|_| {
            faults.push(row.fault("priority", format!("{text:?} is not a whole number from 0 on")));
            0
        }),
    };
    let sold_by = row.get("sold_by");
    let measure = Measure::ALL.into_iter().find(|measure| measure.symbol() == sold_by);
    if measure.is_none() && !sold_by.is_empty() {
        let known = Measure::ALL.map(Measure::symbol).join(", ");
        faults.push(row.fault("sold_by", format!("{sold_by:?} is not known; write one of {known}")));
    }
    let content = Content::parse(row.get("content"));
    if content.is_none() && !row.get("content").is_empty() {
        faults.push(row.fault(
            "content",
            format!("{:?} is not a content: write 550 ml, 1.5 kg or 6 piece", row.get("content")),
        ));
    }
    let mut amount = |column| match (row.get(column), currency) {
        ("", _) | (_, None) => None,
        (text, Some(currency)) => match Money::parse(text, currency) {
            Ok(money) => Some(money),
            Err(error) => {
                faults.push(row.fault(column, error.to_string()));
                None
            }
        },
    };
    // What follows from the content need not be written.
    let follows = content.zip(price_minor).and_then(|(content, price)| content.unit_price(price));
    let (stated, was) = (amount("unit_price"), amount("was"));
    if let Some(stated) = stated.filter(|stated| Some(*stated) != follows) {
        let right =
            follows.map_or_else(|| "without a content".to_owned(), |right| format!("it would be {right}"));
        faults.push(
            row.fault("unit_price", format!("{stated} does not follow from price and content: {right}")),
        );
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let names = [("zh", "name_zh"), ("en", "name_en"), ("ja", "name_ja")]
        .map(|(language, column)| LocalName { language: language.into(), name: row.get(column).to_owned() });
    let names = names.into_iter().filter(|local| !local.name.is_empty()).collect();
    let (valid_from_ms, valid_from_local) = from.to_wire();
    let (valid_until_ms, valid_until_local) = until.map(When::to_wire).unwrap_or_default();
    let minor = |money: Option<Money>| money.map_or(0, |money| money.minor);
    let entry = PriceEntry {
        item: row.get("item").to_owned(),
        gtin: gtin.to_owned(),
        name: row.get("name").to_owned(),
        unit: row.get("unit").to_owned(),
        currency: row.get("currency").to_owned(),
        price_minor: minor(price_minor),
        kind: kind.into(),
        valid_from_ms,
        valid_until_ms,
        valid_from_local,
        valid_until_local,
        priority,
        sold_by: measure.map_or(0, |measure| measure.to_wire().into()),
        content_milli: content.map_or(0, |content| content.milli),
        content_measure: content.map_or(0, |content| content.measure.to_wire().into()),
        unit_price_minor: minor(follows),
        was_minor: minor(was),
        names,
        item_class: row.get("class").to_owned(),
    };
    // What a store would refuse as well; whether its labels' font has every character is not known here.
    match Entry::check(&entry, &|_| true) {
        Ok(_) => Ok(entry),
        Err(fault) => Err(vec![row.fault("", fault.to_string())]),
    }
}

fn is_wall(when: When) -> bool {
    matches!(when, When::Wall(_))
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

    fn entries(table: &str, now_ms: i64) -> Result<Vec<PriceEntry>, Vec<Fault>> {
        super::entries(table, now_ms).map(|rows| rows.into_iter().map(|(_, entry)| entry).collect())
    }

    fn faults(rows: &str) -> Vec<String> {
        let csv = format!("{HEADER}{rows}");
        entries(&csv, NOW).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_in_other_languages_and_the_class_come_along() {
        let csv = "item,gtin,name,unit,currency,price,kind,valid_from,valid_until,name_en,name_ja,class\n\
                   1001,6901028075763,农夫山泉,550 ml,CNY,2.00,regular,,,Spring water,,drinks\n";
        let entries = entries(csv, NOW).unwrap();
        let names: Vec<_> =
            entries[0].names.iter().map(|it| (it.language.as_str(), it.name.as_str())).collect();
        assert_eq!(names, [("en", "Spring water")]);
        assert_eq!(entries[0].item_class, "drinks");
        assert!(Entry::check(&entries[0], &|_| true).is_ok());
        let bad = csv.replace("drinks", "soft drinks");
        let faults = super::entries(&bad, NOW).unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "line 2: the class must be at most 32 of a-z, A-Z, 0-9, '-', '_' and '.'"
        );
    }

    #[test]
    fn a_table_becomes_entries() {
        let csv = format!(
            "\u{feff}{HEADER}1001,6901028075763,农夫山泉,550 ml,CNY,2.00,regular,,\n\
             1002,4006381333931,\"Milk, whole\",1 l,CNY,12.5,promotion,2026-12-01T06:00:00+08:00,2026-12-08T06:00:00+08:00\n"
        );
        let entries = entries(&text(csv.as_bytes()).unwrap(), NOW).unwrap();
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
    fn an_array_of_objects_is_the_same_table() {
        let csv = format!("{HEADER}1001,6901028075763,农夫山泉,550 ml,CNY,2.10,regular,,\n");
        let json = r#" [{"item": "1001", "gtin": "6901028075763", "name": "农夫山泉", "unit": "550 ml",
            "currency": "CNY", "price": 2.10, "kind": "regular", "valid_until": null}]"#;
        assert_eq!(entries(json, NOW), entries(&csv, NOW));
        let faults = |json: &str| -> Vec<String> {
            entries(json, NOW).unwrap_err().iter().map(ToString::to_string).collect()
        };
        let twice = json.replace("}]", "}, {\"item\": \"x\", \"gtin\": 1, \"prise\": 2}, {\"name\": [1]}]");
        let said = faults(&twice);
        assert!(said[0].starts_with("object 2: unknown name \"prise\""), "{said:?}");
        assert_eq!(said[1], "object 3, column name: [1] is neither text nor a number");
        assert!(faults("[{]")[0].contains("not an array of objects"));
        assert_eq!(faults("[]"), ["line 1: there is no price in the table"]);
        // A binary fraction of 0.1 + 0.2 would be 0.30000000000000004: numbers are read as they are written.
        let exact = json.replace("2.10", "0.30");
        assert_eq!(entries(&exact, NOW).unwrap()[0].price_minor, 30);
    }

    #[test]
    fn columns_may_stand_in_another_order() {
        let csv = "price,item,gtin,name,unit,currency,kind,valid_until,valid_from\n3,1,4006381333931,a,,JPY,regular,,\n";
        assert_eq!(entries(csv, NOW).unwrap()[0].price_minor, 3);
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
        assert_eq!(faults(""), ["line 1: there is no price in the table"]);
        let twice = "1,4006381333931,a,,CNY,1,regular,,\n1,4006381333931,a,,CNY,2,regular,,\n";
        assert_eq!(
            faults(twice),
            ["line 3, column item: 1 has a regular price from the same moment on line 2"]
        );
        let header = |text: &str| entries(text, NOW).unwrap_err()[0].to_string();
        assert!(header("item,gtin\n").contains("column \"name\" is missing"));
        assert!(header(&format!("extra,{HEADER}")).contains("unknown column \"extra\""));
        assert!(header(&format!("item,{HEADER}")).contains("twice"));
    }

    #[test]
    fn a_table_of_a_chinese_spreadsheet_is_read() {
        let csv = format!("{HEADER}1,4006381333931,农夫山泉,550 毫升,CNY,2,regular,,\n");
        // By Python: "农夫山泉,550 毫升".encode("gb18030")
        let encoded: &[u8] = b"\xc5\xa9\xb7\xf2\xc9\xbd\xc8\xaa,550 \xba\xc1\xc9\xfd";
        let mut bytes = format!("{HEADER}1,4006381333931,").into_bytes();
        bytes.extend(encoded);
        bytes.extend(b",CNY,2,regular,,\n");
        assert_eq!(text(&bytes).as_deref(), Some(csv.as_str()));
        assert_eq!(text(b"\xff\xff\xff"), None);
    }

    #[test]
    fn more_columns_say_what_the_law_asks_for() {
        let header = format!("{},priority,sold_by,content,unit_price,was\n", HEADER.trim());
        let csv = |row: &str| format!("{header}{row}\n");
        let good = csv(
            "1,4006381333931,a,,EUR,1.29,promotion,2026-12-01T06:00,2026-12-08T06:00,2,piece,550 ml,,1.49",
        );
        let entry = &entries(&good, NOW).unwrap()[0];
        assert_eq!((entry.valid_from_ms, entry.valid_from_local.as_str()), (0, "2026-12-01T06:00:00"));
        assert_eq!(entry.valid_until_local, "2026-12-08T06:00:00");
        assert_eq!((entry.priority, entry.sold_by()), (2, storewarden_proto::v1::Measure::Piece));
        assert_eq!((entry.content_milli, entry.unit_price_minor, entry.was_minor), (550, 235, 149));
        let bad = csv(
            "1,4006381333931,a,,EUR,1.29,promotion,2026-12-01T06:00,2026-12-08T06:00:00Z,x,crate,5 oz,2.34,1.499",
        );
        let found: Vec<_> = entries(&bad, NOW).unwrap_err().iter().map(ToString::to_string).collect();
        let expected = [
            "line 2, column valid_until: valid_from and valid_until must both have a zone",
            "line 2, column priority: \"x\" is not",
            "line 2, column sold_by: \"crate\" is not known; write one of piece, kg, l, m, m2",
            "line 2, column content: \"5 oz\" is not a content",
            "line 2, column was: \"1.499\" has more decimals",
            "line 2, column unit_price: €2.34 does not follow from price and content: without a content",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (fault, start) in found.iter().zip(expected) {
            assert!(fault.starts_with(start), "{fault} | {start}");
        }
        let no_begin = csv("1,4006381333931,a,,EUR,1.29,promotion,,2026-12-08T06:00,,,,,");
        assert!(entries(&no_begin, NOW).unwrap_err()[0].to_string().contains("needs a begin by it"));
    }
}
