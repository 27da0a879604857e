//! `price push`: a table becomes a signed batch in the queue, which `serve` brings to the stores.

use super::outgoing::{self, Batch};
use super::sign;
use super::status;
use super::table;
use crate::Failure;
use crate::database::{Database, now_ms};
use crate::keys;
use ed25519_dalek::{Signer as _, SigningKey};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use storewarden_proto::topic::is_valid_id;
use storewarden_proto::{PAYLOAD_BYTES_MAX, price_batch_signed_bytes, v1};
use thiserror::Error;

/// A batch may be accepted from so long before it was signed: clocks of stores differ a little.
const ACCEPT_EARLY_MS: i64 = 10 * 60 * 1000;

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

A table that is larger than one message may be becomes several batches with numbers in a row; the rows of an
item stay together, and all are queued or none.

EXIT STATUS: 0 queued (with --wait: accepted everywhere), 1 a store refused or did not answer in time,
2 the file, the key or an argument is wrong; nothing was queued")]
pub(crate) struct PushArgs {
    /// The table of prices
    csv: PathBuf,
    /// Private key file, as written by `price keygen`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The id under which stores know the key
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// The chain the prices are for
    #[arg(long, value_name = "ID")]
    chain: String,
    /// A store the prices are for, repeatable; without it every store that headquarters knows
    #[arg(long = "store", value_name = "ID")]
    stores: Vec<String>,
    /// The batch's number, above every earlier one of this key; without it the next
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    number: Option<i64>,
    /// By whose law stores judge the prices: CN, EU or JP
    #[arg(long, value_name = "CODE", value_parser = ["CN", "EU", "JP"])]
    jurisdiction: Option<String>,
    /// For how long stores may still accept the batch
    #[arg(long, value_name = "HOURS", default_value_t = 72, value_parser = clap::value_parser!(i64).range(1..=8760))]
    accept_hours: i64,
    /// Sign and put it aside in a file, to be signed by an approver (`price sign`); queue nothing
    #[arg(long, value_name = "FILE")]
    hold: Option<PathBuf>,
    /// Check and show everything, queue nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait so long for what each store says
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

#[derive(Debug, Error)]
enum PushError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("{0} is neither UTF-8 nor GB18030: save the table as CSV UTF-8")]
    Encoding(PathBuf),
    #[error("{path} is not taken, nothing was queued:\n{faults}")]
    Table { path: PathBuf, faults: String },
    #[error(
        "{0:?} cannot be the id of a chain, store or key: use 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'"
    )]
    Id(String),
    #[error("no store of chain {0} has reported yet: name the stores with --store, or start serve first")]
    NoStores(String),
    #[error("number {number} is not above {last}, the last one of this key; leave --number out")]
    Number { number: i64, last: i64 },
    #[error("item {0} has more prices than one message may hold ({PAYLOAD_BYTES_MAX} bytes): leave some out")]
    TooLarge(String),
}

/// Runs `price push`; whether the outcome is good.
pub(crate) fn run(database: &mut Database, args: &PushArgs) -> Result<bool, Failure> {
    let key = keys::load(&args.key)?;
    for id in args.stores.iter().chain([&args.chain, &args.key_id]) {
        if !is_valid_id(id) {
            return Err(PushError::Id(id.clone()).into());
        }
    }
    let csv = std::fs::read(&args.csv).map_err(|error| PushError::Read(args.csv.clone(), error))?;
    let now = now_ms();
    let csv = table::text(&csv).ok_or_else(|| PushError::Encoding(args.csv.clone()))?;
    let entries = table::entries(&csv, now).map_err(|faults| PushError::Table {
        path: args.csv.clone(),
        faults: faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"),
    })?;
    let targets = targets(database, args)?;
    let last = outgoing::last_number(database, &args.chain, &args.key_id)?;
    let number = args.number.unwrap_or(last + 1);
    if number <= last {
        return Err(PushError::Number { number, last }.into());
    }
    let prices = entries.len();
    let mut batches = Vec::new();
    for (number, entries) in (number..).zip(split(entries)?) {
        let message = v1::PriceBatch {
            chain: args.chain.clone(),
            stores: args.stores.clone(),
            number: number.cast_unsigned(),
            issued_ms: now,
            accept_from_ms: now - ACCEPT_EARLY_MS,
            accept_until_ms: now + args.accept_hours * 3_600_000,
            entries,
            jurisdiction: args.jurisdiction.clone().unwrap_or_default(),
        };
        batches.push(sign(&message, &args.key_id, &key));
    }
    let numbers = match batches.as_slice() {
        [one] => format!("batch {} of key {}", one.number, args.key_id),
        [first, .., last] => {
            format!("{} batches ({} to {}) of key {}", batches.len(), first.number, last.number, args.key_id)
        }
        [] => String::new(),
    };
    let what = format!("{numbers}: {prices} prices for {} stores", targets.len());
    let digests = || batches.iter().map(|batch| format!("  {} {}", batch.number, keys::hex(&batch.digest)));
    if args.dry_run {
        say(&format!("would queue {what}"));
        return Ok(true);
    }
    if let Some(file) = &args.hold {
        sign::hold(file, &batches.iter().map(|batch| batch.payload.as_slice()).collect::<Vec<_>>())?;
        say(&format!("put aside in {}: {what}", file.display()));
        return Ok(true);
    }
    outgoing::queue(database, &args.chain, &batches, &targets)?;
    say(&format!("queued {what}; number and digest:"));
    digests().for_each(|line| say(&line));
    match args.wait {
        Some(seconds) => {
            let digests: Vec<_> = batches.iter().map(|batch| batch.digest).collect();
            wait(database, &digests, Duration::from_secs(seconds))
        }
        None => Ok(true),
    }
}

/// Bytes of a batch beside its entries, with room: addresses, numbers, two signatures, and the stores.
const BESIDE: usize = 16 * 1024;

/// Entries of the same item together, as many to a batch as a message holds, in their order.
fn split(entries: Vec<v1::PriceEntry>) -> Result<Vec<Vec<v1::PriceEntry>>, PushError> {
    let mut order: Vec<Vec<v1::PriceEntry>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let place = *places.entry(entry.item.clone()).or_insert_with(|| {
            order.push(Vec::new());
            order.len() - 1
        });
        order[place].push(entry);
    }
    let mut batches: Vec<Vec<v1::PriceEntry>> = Vec::new();
    let mut room = 0;
    for item in order {
        // Each entry stands in the message with its tag and its length.
        let bytes: usize = item.iter().map(|entry| entry.encoded_len() + 4).sum();
        if bytes > PAYLOAD_BYTES_MAX - BESIDE {
            return Err(PushError::TooLarge(item[0].item.clone()));
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

fn targets(database: &mut Database, args: &PushArgs) -> Result<Vec<String>, Failure> {
    if args.stores.is_empty() {
        let known = outgoing::known_stores(database, &args.chain)?;
        if known.is_empty() {
            return Err(PushError::NoStores(args.chain.clone()).into());
        }
        return Ok(known);
    }
    let mut stores = args.stores.clone();
    stores.sort();
    stores.dedup();
    Ok(stores)
}

/// The batch as it travels; its digest and signature are of exactly the bytes in it.
fn sign(message: &v1::PriceBatch, key_id: &str, key: &SigningKey) -> Batch {
    let bytes = message.encode_to_vec();
    let signature = key.sign(&price_batch_signed_bytes(&bytes));
    Batch {
        digest: Sha256::digest(&bytes).into(),
        key_id: key_id.to_owned(),
        number: message.number.cast_signed(),
        entries: message.entries.len(),
        accept_until_ms: message.accept_until_ms,
        created_ms: message.issued_ms,
        payload: v1::SignedBatch {
            key_list: Vec::new(),
            batch: bytes,
            signatures: vec![v1::Signature {
                key_id: key_id.to_owned(),
                signature: signature.to_bytes().to_vec(),
            }],
        }
        .encode_to_vec(),
    }
}

/// Prints a line. Where nobody reads any more, the exit status still tells the outcome.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints what each store says as it comes; good if all accept in time.
fn wait(database: &mut Database, digests: &[[u8; 32]], longest: Duration) -> Result<bool, Failure> {
    let end = Instant::now() + longest;
    let mut told = std::collections::BTreeSet::new();
    let mut all_accept = true;
    loop {
        let mut outcomes = Vec::new();
        for digest in digests {
            outcomes.extend(status::outcomes(database, digest)?.into_iter().map(|outcome| (digest, outcome)));
        }
        let open = outcomes.iter().filter(|(_, outcome)| outcome.accepted.is_none()).count();
        for (digest, outcome) in &outcomes {
            let Some(accepted) = outcome.accepted else { continue };
            if told.insert((*digest, outcome.store.clone())) {
                all_accept &= accepted;
                say(&outcome.line());
            }
        }
        if open == 0 {
            return Ok(all_accept);
        }
        if Instant::now() >= end {
            for (_, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.accepted.is_none()) {
                say(&format!(
                    "{}: no answer within {} s; serve goes on trying",
                    outcome.store,
                    longest.as_secs()
                ));
            }
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Signature;

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
        let table: Vec<_> = (1..=2)
            .flat_map(|kind| (0..5000).map(move |item| (item, kind)))
            .map(|(i, k)| entry(i, k))
            .collect();
        let batches = split(table.clone()).unwrap();
        assert!((3..8).contains(&batches.len()), "{}", batches.len());
        let mut seen = HashMap::new();
        for (number, batch) in batches.iter().enumerate() {
            let message = v1::PriceBatch { entries: batch.clone(), ..Default::default() };
            let key = SigningKey::from_bytes(&[7; 32]);
            assert!(sign(&message, "hq-1", &key).payload.len() <= PAYLOAD_BYTES_MAX);
            for entry in batch {
                assert_eq!(
                    *seen.entry(entry.item.clone()).or_insert(number),
                    number,
                    "an item is torn apart"
                );
            }
        }
        let mut all: Vec<_> = batches.into_iter().flatten().map(|entry| (entry.kind, entry.item)).collect();
        all.sort();
        assert_eq!(all, table.iter().map(|entry| (entry.kind, entry.item.clone())).collect::<Vec<_>>());
        let long = v1::PriceEntry { name: "x".repeat(PAYLOAD_BYTES_MAX), ..entry(7, 1) };
        assert!(split(vec![long]).unwrap_err().to_string().contains("item 00007"));
    }

    #[test]
    fn the_signature_covers_the_bytes_that_travel() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let message = v1::PriceBatch { chain: "kaixin".into(), number: 3, ..Default::default() };
        let batch = sign(&message, "hq-1", &key);
        let travelled = v1::SignedBatch::decode(batch.payload.as_slice()).unwrap();
        assert_eq!(batch.digest, <[u8; 32]>::from(Sha256::digest(&travelled.batch)));
        assert_eq!(v1::PriceBatch::decode(travelled.batch.as_slice()).unwrap(), message);
        let signature = Signature::from_slice(&travelled.signatures[0].signature).unwrap();
        let signed = [b"storewarden/v1/price-batch\n", travelled.batch.as_slice()].concat();
        key.verifying_key().verify_strict(&signed, &signature).unwrap();
    }
}
