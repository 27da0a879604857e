//! `--dry-run`: what a batch would change in each store, and what the store would refuse. Judged by the same
//! code as in the store, of what headquarters knows of it: the batches it has accepted or may still accept.
//!
//! Not seen from here: what does not fit a label's template, since headquarters does not know which label
//! hangs where, and a price book that somebody has changed in the store since.

use super::book::{self, Of, Shelves};
use super::table::Place;
use crate::Failure;
use crate::database::Database;
use crate::print::{cell, csv_file, say};
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use storewarden_prices::{Batch, BatchFault, Change, Limit, Utc};
use storewarden_proto::v1;

/// Changes and stores that are shown; `--changes` has all.
const SHOWN_MAX: usize = 10;

/// Shows it, and writes every change to `changes`. Whether no store would refuse.
pub(super) fn run(
    database: &mut Database,
    (chain, key_id): (&str, &str),
    changes: Option<&Path>,
    (messages, places): (&[v1::PriceBatch], &[Vec<Place>]),
    targets: &[String],
    now_ms: i64,
) -> Result<bool, Failure> {
    let (now, list) = (Utc(now_ms), book::key_list(database, chain)?);
    let limit = limit(list.as_ref(), key_id, now_ms);
    let mut csv = changes.map(Changes::create).transpose()?;
    let names: HashMap<&str, &str> = messages
        .iter()
        .flat_map(|message| &message.entries)
        .map(|entry| (entry.item.as_str(), entry.name.as_str()))
        .collect();
    let mut all_accept = true;
    book::for_each(database, chain, targets, Of::Underway(now_ms), |_, shelves| {
        say(&whom(&shelves));
        let zone = shelves.zone.unwrap_or(Tz::UTC);
        for outcome in outcomes(&shelves, key_id, messages, places, &limit, now) {
            match outcome {
                Ok(changes) => {
                    show(&changes, &names, zone);
                    if let Some(csv) = &mut csv {
                        csv.write(&shelves.stores, &changes, &names, zone)?;
                    }
                }
                Err(refused) => {
                    all_accept = false;
                    refused.iter().for_each(|line| say(&format!("  refused: {line}")));
                    if let Some(csv) = &mut csv {
                        csv.refused(&shelves.stores, &refused)?;
                    }
                }
            }
        }
        Ok(())
    })?;
    csv.map(Changes::finish).transpose()?;
    Ok(all_accept)
}

/// How far this key may go by the list that was last sent; why it may not sign at all.
fn limit(list: Option<&v1::KeyList>, key_id: &str, now_ms: i64) -> Result<Limit, String> {
    // Without a root key the keys of the stores' configurations sign, without limits.
    let Some(list) = list else { return Ok(Limit::None) };
    let version = list.version;
    let Some(key) = list.keys.iter().find(|key| key.id == key_id) else {
        return Err(format!("key {key_id} is not in version {version} of the list of keys"));
    };
    if key.revoked_ms != 0 && key.revoked_ms <= now_ms {
        return Err(format!("key {key_id} is revoked by version {version} of the list of keys"));
    }
    if now_ms < key.valid_from_ms || (key.valid_until_ms != 0 && key.valid_until_ms <= now_ms) {
        return Err(format!("key {key_id} is not valid now by version {version} of the list of keys"));
    }
    if key.role() != v1::PriceRole::PriceTeam {
        return Err(format!(
            "key {key_id} is not the price team's; a batch is signed by the price team first"
        ));
    }
    Ok(match list.large_change_percent {
        0 => Limit::None,
        percent => Limit::Change { percent },
    })
}

/// What each batch would change there, or why it would be refused, by the lines of the table.
fn outcomes(
    shelves: &Shelves,
    key_id: &str,
    messages: &[v1::PriceBatch],
    places: &[Vec<Place>],
    limit: &Result<Limit, String>,
    now: Utc,
) -> Vec<Result<Vec<Change>, Vec<String>>> {
    let mut book = shelves.book.clone();
    let judged = messages.iter().zip(places).map(|(message, places)| {
        let limit = limit.clone().map_err(|why| vec![why])?;
        // The font is looked at in the store.
        let batch = Batch::read(message, key_id, &|_| true).map_err(|fault| lines(&fault, places))?;
        batch.judge(&book, shelves.jurisdiction, &limit, now).map_err(|fault| lines(&fault, places))?;
        let changes = batch.changes(&book, now);
        batch.add_to(&mut book);
        Ok(changes)
    });
    judged.collect()
}

/// The faults, each with its line of the table where it has one.
fn lines(fault: &BatchFault, places: &[Place]) -> Vec<String> {
    let BatchFault::Entries(faults) = fault else { return vec![fault.to_string()] };
    let line = |fault: &storewarden_prices::EntryFault| {
        let item = &fault.item;
        match fault.index.and_then(|index| places.get(index)) {
            Some(place) => format!("{place} (item {item}): {}", fault.why),
            None => format!("item {item}: {}", fault.why),
        }
    };
    let mut lines: Vec<_> = faults.listed().iter().map(line).collect();
    if faults.more() > 0 {
        lines.push(format!("and {} more", faults.more()));
    }
    lines
}

fn whom(shelves: &Shelves) -> String {
    let stores = &shelves.stores;
    let first = stores.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if stores.len() > SHOWN_MAX { ", …" } else { "" };
    let zone = match shelves.zone {
        Some(zone) => zone.name().to_owned(),
        None => "time zone not known yet: wall-clock times are read as UTC".into(),
    };
    let count = if stores.len() == 1 { "1 store".to_owned() } else { format!("{} stores", stores.len()) };
    format!("{count} ({first}{more}; {zone}):")
}

fn show(changes: &[Change], names: &HashMap<&str, &str>, zone: Tz) {
    for change in changes.iter().take(SHOWN_MAX) {
        let name = names.get(change.item.as_str()).copied().unwrap_or_default();
        let (old, new) = (amount(change.old), amount(change.new));
        say(&format!("  {} {name}: {old} → {new} from {}", change.item, local(change.at, zone)));
    }
    match changes.len() {
        0 => say("  no price changes"),
        count if count > SHOWN_MAX => say(&format!("  and {} changes more", count - SHOWN_MAX)),
        _ => {}
    }
}

fn amount(price: Option<storewarden_prices::Money>) -> String {
    price.map_or_else(|| "no price".to_owned(), |price| price.to_string())
}

fn local(at: Utc, zone: Tz) -> String {
    let at = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// A file of every change in every store.
struct Changes(csv::Writer<File>);

impl Changes {
    fn create(path: &Path) -> Result<Self, Failure> {
        let csv = csv_file(path, &["store", "item", "name", "from", "old", "new", "refused"])?;
        Ok(Self(csv))
    }

    fn write(
        &mut self,
        stores: &[String],
        changes: &[Change],
        names: &HashMap<&str, &str>,
        zone: Tz,
    ) -> Result<(), Failure> {
        for store in stores {
            for change in changes {
                let name = names.get(change.item.as_str()).copied().unwrap_or_default();
                let cells = [
                    store,
                    &cell(&change.item),
                    &cell(name),
                    &local(change.at, zone),
                    &change.old.map_or_else(String::new, |price| price.decimal()),
                    &change.new.map_or_else(String::new, |price| price.decimal()),
                    "",
                ];
                self.0.write_record(cells)?;
            }
        }
        Ok(())
    }

    fn refused(&mut self, stores: &[String], lines: &[String]) -> Result<(), Failure> {
        for store in stores {
            for line in lines {
                self.0.write_record([store, "", "", "", "", "", &cell(line)])?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}
