//! The price book: every accepted entry, and what an item costs at any moment.
//!
//! The price at `t` is a pure function of the batches. Among an item's entries that are in force at
//! `t`: a promotion beats a regular price; then the higher priority; then the batch signed later wins
//! ([`Source`]); then the later begin; then the later place in the batch. A markdown, of several the one signed
//! last, holds where it is below that. An entry is in force from its begin until its end, or until a batch was
//! signed that withdraws its own. So a promotion ends, and a price change begins,
//! without a message, and it does not matter in which order batches came.

use super::entry::{Entry, Kind};
use super::money::Money;
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use storewarden_rules::{Millis, Utc};

/// For how long after the rest of a withdrawal it is remembered: what it withdraws may come so late. No batch
/// can be accepted for longer than a year after it was signed.
pub const WITHDRAWN_KEPT: Millis = Millis::from_mins(366 * 24 * 60);

/// All prices of a store.
#[derive(Clone, Debug)]
pub struct PriceBook {
    zone: Tz,
    /// By item; each list ordered by source and place in it.
    items: BTreeMap<String, Vec<Row>>,
    /// From when on a batch, by key and number, counts no longer.
    withdrawn: BTreeMap<BatchId, Utc>,
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
    entry: Arc<Entry>,
    /// Begin and end of the entry, in the zone of the book.
    from: Utc,
    until: Option<Utc>,
    /// From when on its batch is withdrawn.
    withdrawn: Option<Utc>,
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
    pub entry: &'a Arc<Entry>,
    /// The batch it came with.
    pub source: &'a Source,
}

/// Names a batch in its chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// The key that signed it; empty where an older program did not keep it.
    pub key: Arc<str>,
    /// Its number among those of that key.
    pub number: u64,
}

impl Source {
    /// The name of the batch.
    pub fn id(&self) -> BatchId {
        BatchId { key: self.key.clone(), number: self.number }
    }
}

impl Row {
    fn rank(&self) -> (Kind, u32, &Source, Utc, usize) {
        (self.entry.kind, self.entry.priority, &self.source, self.from, self.place)
    }

    /// When it is over; none if never.
    fn end(&self) -> Option<Utc> {
        [self.until, self.withdrawn].into_iter().flatten().min()
    }

    fn covers(&self, t: Utc) -> bool {
        self.from <= t && self.end().is_none_or(|end| t < end)
    }

    fn is_of(&self, batch: &BatchId) -> bool {
        self.source.number == batch.number && self.source.key == batch.key
    }

    fn is_markdown(&self) -> bool {
        self.entry.kind == Kind::Markdown
    }

    /// Whether this row is never seen from `t` on because `other`, which cannot be withdrawn from before `t`
    /// on, stands before it all the while.
    fn is_hidden_by(&self, other: &Self, t: Utc) -> bool {
        let end = |row: &Self| row.end().unwrap_or(Utc(i64::MAX));
        self.is_markdown() == other.is_markdown()
            && other.source.issued <= t
            && other.rank() > self.rank()
            && other.from <= t.max(self.from)
            && end(other) >= end(self)
    }

    /// When the price of its item may change.
    fn edges(&self) -> impl Iterator<Item = Utc> {
        [Some(self.from), self.end()].into_iter().flatten()
    }
}

impl PriceBook {
    /// An empty book of a store in `zone`.
    pub fn new(zone: Tz) -> Self {
        Self { zone, items: BTreeMap::new(), withdrawn: BTreeMap::new() }
    }

    /// Adds the entries of a batch. One that is already there changes nothing.
    pub fn insert(&mut self, source: &Source, entries: impl IntoIterator<Item = impl Into<Arc<Entry>>>) {
        let withdrawn = self.withdrawn.get(&source.id()).copied();
        for (place, entry) in entries.into_iter().enumerate() {
            let entry: Arc<Entry> = entry.into();
            let rows = match self.items.get_mut(&entry.item) {
                Some(rows) => rows,
                None => self.items.entry(entry.item.clone()).or_default(),
            };
            if let Err(at) = rows.binary_search_by(|row| (&row.source, row.place).cmp(&(source, place))) {
                let from = entry.valid_from.in_zone(self.zone);
                let until = entry.valid_until.map(|until| until.in_zone(self.zone));
                rows.insert(at, Row { source: source.clone(), place, entry, from, until, withdrawn });
            }
        }
    }

    /// From `at` on, what `batch` says counts no longer, also if it comes only later. Of
    /// several withdrawals the first holds.
    pub fn withdraw(&mut self, batch: &BatchId, at: Utc) {
        let known = self.withdrawn.entry(batch.clone()).or_insert(at);
        *known = at.min(*known);
        let first = *known;
        for row in self.items.values_mut().flatten() {
            if row.is_of(batch) {
                row.withdrawn = Some(first);
            }
        }
    }

    /// When `entry` begins in this store.
    pub fn begin(&self, entry: &Entry) -> Utc {
        entry.valid_from.in_zone(self.zone)
    }

    /// When `entry` ends in this store, if it does.
    pub fn end(&self, entry: &Entry) -> Option<Utc> {
        entry.valid_until.map(|until| until.in_zone(self.zone))
    }

    /// What `item` costs at `t`, if it has a price then.
    pub fn price_at(&self, item: &str, t: Utc) -> Option<Shown<'_>> {
        let usual = self.usual_at(item, t)?;
        let markdown = self.best_at(item, t, true).filter(|markdown| {
            let (low, high) = (markdown.entry.price, usual.entry.price);
            low.currency == high.currency && low.minor < high.minor
        });
        Some(markdown.unwrap_or(usual))
    }

    /// What `item` costs at `t` without markdowns, if it has a price then.
    pub fn usual_at(&self, item: &str, t: Utc) -> Option<Shown<'_>> {
        self.best_at(item, t, false)
    }

    fn best_at(&self, item: &str, t: Utc, of_markdowns: bool) -> Option<Shown<'_>> {
        let rows = self.items.get(item)?.iter();
        let rows = rows.filter(|row| row.is_markdown() == of_markdowns && row.covers(t));
        let Row { entry, source, .. } = rows.max_by_key(|row| row.rank())?;
        Some(Shown { entry, source })
    }

    /// What `item` cost in turn from `from` on until `until`, not including; nothing stands for times without
    /// a price. Only what [`PriceBook::forget_before`] has left is known.
    pub fn history(&self, item: &str, from: Utc, until: Utc) -> Vec<Span> {
        let rows = self.items.get(item).map_or(&[][..], Vec::as_slice);
        let edges = rows.iter().flat_map(Row::edges);
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
        self.items.values().flatten().flat_map(Row::edges).filter(|edge| *edge > t).min()
    }

    /// The same of one item.
    pub fn next_change_of(&self, item: &str, t: Utc) -> Option<Utc> {
        self.items.get(item)?.iter().flat_map(Row::edges).filter(|edge| *edge > t).min()
    }

    /// Every item that has an entry, in order.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.items.keys().map(String::as_str)
    }

    /// Items of which `batch` says something, in order.
    pub fn items_of(&self, batch: &BatchId) -> impl Iterator<Item = &str> {
        let is_of = |rows: &[Row]| rows.iter().any(|row| row.is_of(batch));
        self.items.iter().filter(move |(_, rows)| is_of(rows)).map(|(item, _)| item.as_str())
    }

    /// Every batch of which an entry is held.
    pub fn batches(&self) -> BTreeSet<BatchId> {
        self.items.values().flatten().map(|row| row.source.id()).collect()
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
    /// force or to come. The journal keeps the history. A batch that was signed before `t` is not to be
    /// withdrawn any more: what it hid may be gone.
    pub fn forget_before(&mut self, t: Utc) {
        self.items.retain(|_, rows| {
            rows.retain(|row| row.end().is_none_or(|end| t < end && row.from < end));
            let hidden: Vec<bool> =
                rows.iter().map(|row| rows.iter().any(|other| row.is_hidden_by(other, t))).collect();
            let mut hidden = hidden.into_iter();
            rows.retain(|_| !hidden.next().unwrap_or(false));
            !rows.is_empty()
        });
        self.withdrawn.retain(|_, at| *at >= Utc(t.0 - WITHDRAWN_KEPT.0));
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
pub(crate) mod tests;
