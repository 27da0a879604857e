//! `price push`: a table becomes signed batches in the queue, which `serve` brings to the stores.

use super::send::{self, Content, SendArgs};
use super::table::{self, Place};
use crate::Failure;
use crate::database::{Database, now_ms};
use prost::Message as _;
use std::collections::HashMap;
use std::path::PathBuf;
use storewarden_proto::{PAYLOAD_BYTES_MAX, v1};
use thiserror::Error;

/// Arguments of `price push`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
COLUMNS of the CSV file (UTF-8 or GB18030; the first line names them, in any order), or the names in the
objects of a JSON array:
  item         the item's number in the stores' systems
  gtin         EAN-13, 13 digits with a right check digit
  name         as it stands on the label
  unit         what the price is for, e.g. \"500 ml\"; may be empty
  currency     CNY, EUR, JPY or USD
  price        digits with a point, e.g. 12.50; JPY has no decimals
  kind         regular or promotion
  valid_from   2026-12-01T06:00 by each store's own clock, or 2026-12-01T06:00:00+08:00; empty means from now on
  valid_until  the same, not including; may be empty for a regular price
and if wanted
  priority     among promotions, and among regular prices, the higher one holds; 0 where empty
  sold_by      what the price buys: piece, kg, l, m or m2
  content      what is in the pack: 550 ml, 1.5 kg, 6 piece
  unit_price   price of a kg, l, m or m2; what follows from price and content where empty
  was          the price that a reduction is compared with
  name_zh, name_en, name_ja   what stores with labels in that language show instead of the name
  class        what kind of goods it is, e.g. fresh: the list of keys may allow markdowns of some classes only

A table that is larger than one message may be becomes several batches with numbers in a row; the rows of an
item stay together, and all are queued or none.

EXIT STATUS: 0 queued (with --wait: accepted everywhere; with --dry-run: no store would refuse), 1 a store refused
or did not answer in time,
2 the file, the key or an argument is wrong; nothing was queued")]
pub(crate) struct PushArgs {
    /// The table of prices
    csv: PathBuf,
    /// By whose law stores judge the prices: CN, EU or JP
    #[arg(long, value_name = "CODE", value_parser = ["CN", "EU", "JP"])]
    jurisdiction: Option<String>,
    /// What `price status`, `proof` and `revert` call it; without it KEY-NUMBER
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    #[command(flatten)]
    send: SendArgs,
}

#[derive(Debug, Error)]
enum PushError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("{0} is neither UTF-8 nor GB18030: save the table as CSV UTF-8")]
    Encoding(PathBuf),
    #[error("{path} is not taken, nothing was queued:\n{faults}")]
    Table { path: PathBuf, faults: String },
    #[error("item {0} has more prices than one message may hold ({PAYLOAD_BYTES_MAX} bytes): leave some out")]
    TooLarge(String),
}

/// Runs `price push`; whether the outcome is good.
pub(crate) fn run(database: &mut Database, args: &PushArgs) -> Result<bool, Failure> {
    let csv = std::fs::read(&args.csv).map_err(|error| PushError::Read(args.csv.clone(), error))?;
    let csv = table::text(&csv).ok_or_else(|| PushError::Encoding(args.csv.clone()))?;
    let entries = table::entries(&csv, now_ms()).map_err(|faults| PushError::Table {
        path: args.csv.clone(),
        faults: faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"),
    })?;
    let jurisdiction = args.jurisdiction.clone().unwrap_or_default();
    let content = |entries| Content { entries, jurisdiction: jurisdiction.clone(), ..Content::default() };
    let contents = split(entries)?.into_iter().map(content).collect();
    send::run(database, &args.send, args.campaign.as_deref(), contents)
}

/// A price with its place in the table.
type Row = (Place, v1::PriceEntry);

/// Bytes of a batch beside its entries, with room: addresses, numbers, two signatures, and the stores.
const BESIDE: usize = 16 * 1024;

/// Entries of the same item together, as many to a batch as a message holds, in their order.
fn split(entries: Vec<Row>) -> Result<Vec<Vec<Row>>, PushError> {
    let mut order: Vec<Vec<Row>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for row in entries {
        let place = *places.entry(row.1.item.clone()).or_insert_with(|| {
            order.push(Vec::new());
            order.len() - 1
        });
        order[place].push(row);
    }
    let mut batches: Vec<Vec<Row>> = Vec::new();
    let mut room = 0;
    for item in order {
        // Each entry stands in the message with its tag and its length.
        let bytes: usize = item.iter().map(|(_, entry)| entry.encoded_len() + 4).sum();
        if bytes > PAYLOAD_BYTES_MAX - BESIDE {
            return Err(PushError::TooLarge(item[0].1.item.clone()));
        }
        match batches.last_mut() {
            Some(batch) if bytes <= room => batch.extend(item),
            _ => {
                room = PAYLOAD_BYTES_MAX - BESIDE;
                batches.push(item);
            }
        }
        room -= bytes;
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    #[test]
    fn a_large_table_becomes_batches_that_keep_each_item_together() {
        let entry = |item: usize, kind: i32| v1::PriceEntry {
            item: format!("{item:05}"),
            gtin: "6921168509256".into(),
            name: "农夫山泉饮用天然水".repeat(2),
            kind,
            ..Default::default()
        };
        // A leaflet of 5,000 items: all regular prices, then all promotions.
        let table: Vec<Row> = (1..=2)
            .flat_map(|kind| (0..5000).map(move |item| (item, kind)))
            .map(|(i, k)| (Place::Line(0), entry(i, k)))
            .collect();
        let batches = split(table.clone()).unwrap();
        assert!((3..8).contains(&batches.len()), "{}", batches.len());
        let mut seen = HashMap::new();
        for (number, batch) in batches.iter().enumerate() {
            let entries = batch.iter().map(|(_, entry)| entry.clone()).collect();
            let message = v1::PriceBatch { entries, ..Default::default() };
            let key = SigningKey::from_bytes(&[7; 32]);
            assert!(send::sign(&message, "hq-1", &key, "leaflet").payload.len() <= PAYLOAD_BYTES_MAX);
            for (_, entry) in batch {
                assert_eq!(
                    *seen.entry(entry.item.clone()).or_insert(number),
                    number,
                    "an item is torn apart"
                );
            }
        }
        let mut all: Vec<_> =
            batches.into_iter().flatten().map(|(_, entry)| (entry.kind, entry.item)).collect();
        all.sort();
        assert_eq!(all, table.iter().map(|(_, entry)| (entry.kind, entry.item.clone())).collect::<Vec<_>>());
        let long = v1::PriceEntry { name: "x".repeat(PAYLOAD_BYTES_MAX), ..entry(7, 1) };
        assert!(split(vec![(Place::Line(1), long)]).unwrap_err().to_string().contains("item 00007"));
    }
}
