//! The price book: every accepted entry, and what an item costs at any moment.
//!
//! The price at `t` is a pure function of the entries. Among those of an item that are in force at
//! `t`: a promotion beats a regular price; then the batch signed later wins ([`Source`]); then the later
//! begin; then the later place in the batch. So a promotion ends, and a price change begins,
//! without a message, and it does not matter in which order batches came.

use super::entry::{Entry, Kind};
use std::collections::BTreeMap;
use std::sync::Arc;
use storewarden_rules::Utc;

/// All prices of a store.
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    /// By item; each list ordered by source and place in it.
    items: BTreeMap<String, Vec<Row>>,
}

/// The batch an entry came with. Of two the greater was signed later; those signed at one moment are told
/// apart by key and number, so that every store orders them alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// When it was signed, by headquarters' clock.
    pub issued: Utc,
    /// The key that signed it.
    pub key: Arc<str>,
    /// Its number among the batches of that key.
    pub number: u64,
}

#[derive(Clone, Debug)]
struct Row {
    source: Source,
    place: usize,
    entry: Entry,
}

/// What a label should show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The entry in force.
    pub entry: &'a Entry,
    /// Number of the batch it came with.
    pub batch: u64,
}

impl Row {
    fn rank(&self) -> (Kind, &Source, Utc, usize) {
        (self.entry.kind, &self.source, self.entry.valid_from, self.place)
    }

    /// Whether this row is never seen from `t` on because `other` stands before it all the while.
    fn is_hidden_by(&self, other: &Self, t: Utc) -> bool {
        let end = |row: &Self| row.entry.valid_until.unwrap_or(Utc(i64::MAX));
        other.rank() > self.rank()
            && other.entry.valid_from <= t.max(self.entry.valid_from)
            && end(other) >= end(self)
    }
}

impl PriceBook {
    /// Adds the entries of a batch. One that is already there changes nothing.
    pub fn insert(&mut self, source: &Source, entries: impl IntoIterator<Item = Entry>) {
        for (place, entry) in entries.into_iter().enumerate() {
            let rows = match self.items.get_mut(&entry.item) {
                Some(rows) => rows,
                None => self.items.entry(entry.item.clone()).or_default(),
            };
            if let Err(at) = rows.binary_search_by(|row| (&row.source, row.place).cmp(&(source, place))) {
                rows.insert(at, Row { source: source.clone(), place, entry });
            }
        }
    }

    /// The first of `entries`, which are about to be added, after whose end its item would have no price at
    /// all: its labels would go on showing one that is over.
    pub fn first_without_successor<'a>(&self, entries: &'a [Entry]) -> Option<&'a Entry> {
        entries.iter().find(|entry| {
            entry.valid_until.is_some_and(|end| {
                let in_batch = entries.iter().any(|other| other.item == entry.item && other.covers(end));
                !in_batch && self.price_at(&entry.item, end).is_none()
            })
        })
    }

    /// What `item` costs at `t`, if it has a price then.
    pub fn price_at(&self, item: &str, t: Utc) -> Option<Shown<'_>> {
        let rows = self.items.get(item)?;
        let row = rows.iter().filter(|row| row.entry.covers(t)).max_by_key(|row| row.rank())?;
        Some(Shown { entry: &row.entry, batch: row.source.number })
    }

    /// The first moment after `t` at which an entry begins or ends: before it, no price changes.
    pub fn next_change_after(&self, t: Utc) -> Option<Utc> {
        self.items
            .values()
            .flatten()
            .flat_map(|row| [Some(row.entry.valid_from), row.entry.valid_until])
            .flatten()
            .filter(|edge| *edge > t)
            .min()
    }

    /// Every item that has an entry, in order.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.items.keys().map(String::as_str)
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.items.values().map(Vec::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Drops what no label will show at `t` or later, so that the book stays as large as what is in
    /// force or to come. The journal keeps the history.
    pub fn forget_before(&mut self, t: Utc) {
        self.items.retain(|_, rows| {
            rows.retain(|row| row.entry.valid_until.is_none_or(|until| t < until));
            let hidden: Vec<bool> =
                rows.iter().map(|row| rows.iter().any(|other| row.is_hidden_by(other, t))).collect();
            let mut hidden = hidden.into_iter();
            rows.retain(|_| !hidden.next().unwrap_or(false));
            !rows.is_empty()
        });
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
