//! The price book: every accepted entry, and what an item costs at any moment.
//!
//! The price at `t` is a pure function of the entries. Among those of an item that are in force at
//! `t`: a promotion beats a regular price; then the higher priority; then the batch signed later wins
//! ([`Source`]); then the later begin; then the later place in the batch. So a promotion ends, and a price change begins,
//! without a message, and it does not matter in which order batches came.

use super::entry::{Entry, Kind};
use super::money::Money;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::sync::Arc;
use storewarden_rules::Utc;

/// All prices of a store.
#[derive(Clone, Debug)]
pub struct PriceBook {
    zone: Tz,
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
    /// Begin and end of the entry, in the zone of the book.
    from: Utc,
    until: Option<Utc>,
}

/// A time in which an item had one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From then
    pub from: Utc,
    /// until then, not including.
    pub until: Utc,
    /// It cost this.
    pub price: Money,
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
    fn rank(&self) -> (Kind, u32, &Source, Utc, usize) {
        (self.entry.kind, self.entry.priority, &self.source, self.from, self.place)
    }

    fn covers(&self, t: Utc) -> bool {
        self.from <= t && self.until.is_none_or(|until| t < until)
    }

    /// Whether this row is never seen from `t` on because `other` stands before it all the while.
    fn is_hidden_by(&self, other: &Self, t: Utc) -> bool {
        let end = |row: &Self| row.until.unwrap_or(Utc(i64::MAX));
        other.rank() > self.rank() && other.from <= t.max(self.from) && end(other) >= end(self)
    }
}

impl PriceBook {
    /// An empty book of a store in `zone`.
    pub fn new(zone: Tz) -> Self {
        Self { zone, items: BTreeMap::new() }
    }

    /// Adds the entries of a batch. One that is already there changes nothing.
    pub fn insert(&mut self, source: &Source, entries: impl IntoIterator<Item = Entry>) {
        for (place, entry) in entries.into_iter().enumerate() {
            let rows = match self.items.get_mut(&entry.item) {
                Some(rows) => rows,
                None => self.items.entry(entry.item.clone()).or_default(),
            };
            if let Err(at) = rows.binary_search_by(|row| (&row.source, row.place).cmp(&(source, place))) {
                let from = entry.valid_from.in_zone(self.zone);
                let until = entry.valid_until.map(|until| until.in_zone(self.zone));
                rows.insert(at, Row { source: source.clone(), place, entry, from, until });
            }
        }
    }

    /// When `entry` begins in this store.
    pub fn begin(&self, entry: &Entry) -> Utc {
        entry.valid_from.in_zone(self.zone)
    }

    /// The first of `entries`, which are about to be added, after whose end its item would have no price at
    /// all: its labels would go on showing one that is over.
    pub fn first_without_successor<'a>(&self, entries: &'a [Entry]) -> Option<&'a Entry> {
        let covers = |entry: &Entry, t| {
            entry.valid_from.in_zone(self.zone) <= t
                && entry.valid_until.is_none_or(|until| t < until.in_zone(self.zone))
        };
        entries.iter().find(|entry| {
            entry.valid_until.map(|until| until.in_zone(self.zone)).is_some_and(|end| {
                let in_batch = entries.iter().any(|other| other.item == entry.item && covers(other, end));
                !in_batch && self.price_at(&entry.item, end).is_none()
            })
        })
    }

    /// What `item` costs at `t`, if it has a price then.
    pub fn price_at(&self, item: &str, t: Utc) -> Option<Shown<'_>> {
        let rows = self.items.get(item)?;
        let row = rows.iter().filter(|row| row.covers(t)).max_by_key(|row| row.rank())?;
        Some(Shown { entry: &row.entry, batch: row.source.number })
    }

    /// What `item` cost in turn from `from` on until `until`, not including; nothing stands for times without
    /// a price. Only what [`PriceBook::forget_before`] has left is known.
    pub fn history(&self, item: &str, from: Utc, until: Utc) -> Vec<Span> {
        let rows = self.items.get(item).map_or(&[][..], Vec::as_slice);
        let edges = rows.iter().flat_map(|row| [Some(row.from), row.until]).flatten();
        let mut edges: Vec<_> =
            edges.filter(|edge| (from..until).contains(edge)).chain([from, until]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut spans: Vec<Span> = Vec::new();
        for pair in edges.windows(2) {
            let Some(shown) = self.price_at(item, pair[0]) else { continue };
            let price = shown.entry.price;
            match spans.last_mut() {
                Some(last) if last.until == pair[0] && last.price == price => last.until = pair[1],
                _ => spans.push(Span { from: pair[0], until: pair[1], price }),
            }
        }
        spans
    }

    /// The first moment after `t` at which an entry begins or ends: before it, no price changes.
    pub fn next_change_after(&self, t: Utc) -> Option<Utc> {
        self.items
            .values()
            .flatten()
            .flat_map(|row| [Some(row.from), row.until])
            .flatten()
            .filter(|edge| *edge > t)
            .min()
    }

    /// The same of one item.
    pub fn next_change_of(&self, item: &str, t: Utc) -> Option<Utc> {
        let rows = self.items.get(item)?;
        rows.iter().flat_map(|row| [Some(row.from), row.until]).flatten().filter(|edge| *edge > t).min()
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
            rows.retain(|row| row.until.is_none_or(|until| t < until));
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
