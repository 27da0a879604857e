//! What a price batch says, and whether it fits what a store has. Who signed it is not asked here.
//!
//! A batch is taken whole or not at all: one bad entry refuses it.

use super::book::{BatchId, PriceBook, Source};
use super::entry::{Entry, ItemFault, Kind};
use super::law::Jurisdiction;
use super::money::Money;
use chrono::{DateTime, SecondsFormat};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use storewarden_proto::v1;
use storewarden_rules::{Millis, Utc};

/// Most entry faults that are listed; the rest is counted.
const FAULTS_LISTED_MAX: usize = 10;
/// Prices that a book may hold, in force, to come or of the last weeks: ten of each of 5,000 items.
pub const PRICES_MAX: usize = 50_000;
/// Batches that one may withdraw.
pub const WITHDRAWS_MAX: usize = 64;

/// A batch whose entries are good in themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// When and by which key it was signed, and its number.
    pub source: Source,
    /// By whose rules its entries are to be judged, if it says so.
    pub jurisdiction: Option<Jurisdiction>,
    /// What it says; none in a batch that only withdraws.
    pub entries: Vec<Arc<Entry>>,
    /// What it takes back.
    pub withdraws: Vec<BatchId>,
}

/// How far those who signed may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// As far as they like.
    None,
    /// A price may change by so many percent at most.
    Change {
        /// Of the price without the batch.
        percent: u32,
    },
    /// Markdowns, and nothing else.
    Markdown {
        /// What may be taken off at most, of the price that would hold without any markdown.
        percent: u32,
        /// How soon it must end.
        within: Millis,
        /// Of which classes the items are; none: of any.
        classes: Vec<String>,
    },
}

/// From some moment on, an item has another price than without a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which item.
    pub item: String,
    /// From when on.
    pub at: Utc,
    /// What it would cost without; none: it would have no price.
    pub old: Option<Money>,
    /// What it costs with it.
    pub new: Option<Money>,
}

/// Why a batch is not taken, in words for the price team.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFault {
    /// Nothing in it.
    #[error("the batch has no entries")]
    Empty,
    /// Rules that nobody here knows.
    #[error("jurisdiction `{0}` is not known; write CN, EU or JP")]
    Jurisdiction(String),
    /// For shelves elsewhere.
    #[error("it is made for {}, this store is in {}", .batch.code(), .store.code())]
    OtherJurisdiction {
        /// Of the batch.
        batch: Jurisdiction,
        /// Of the store.
        store: Jurisdiction,
    },
    /// An item would be left without a price.
    #[error("item {item}: nothing gives it a price from {} on; add a regular price without an end", rfc3339(*.at))]
    NoPrice {
        /// Which.
        item: String,
        /// From when on.
        at: Utc,
    },
    /// More than one should.
    #[error("{0} batches are more than the {WITHDRAWS_MAX} that one may withdraw")]
    Withdraws(usize),
    /// No room.
    #[error(
        "this store holds {0} prices of the last 8 weeks and to come, and no more than {PRICES_MAX} with these: leave out what no label shows, or withdraw what is not wanted"
    )]
    Full(usize),
    /// Some entries are bad.
    #[error(transparent)]
    Entries(#[from] EntryFaults),
}

/// What is wrong with entries: the first ten, and how many there are beyond those.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct EntryFaults {
    listed: Vec<EntryFault>,
    more: usize,
}

/// One bad entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFault {
    /// Place in the batch, from 0; none where it is what the batch takes back that does it.
    pub index: Option<usize>,
    /// The item code as it came, shortened.
    pub item: String,
    /// What is wrong with it.
    pub why: String,
}

impl EntryFaults {
    /// Notes one.
    pub fn add(&mut self, index: Option<usize>, item: &str, why: &impl ToString) {
        if self.listed.len() == FAULTS_LISTED_MAX {
            self.more += 1;
        } else {
            let item = item.chars().take(64).collect();
            self.listed.push(EntryFault { index, item, why: why.to_string() });
        }
    }

    /// The first ten.
    pub fn listed(&self) -> &[EntryFault] {
        &self.listed
    }

    /// How many there are beyond those.
    pub fn more(&self) -> usize {
        self.more
    }

    /// An error if there are any.
    ///
    /// # Errors
    /// All of them.
    pub fn none(self) -> Result<(), Self> {
        if self.listed.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for EntryFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, EntryFault { index, item, why }) in self.listed.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "; " })?;
            match index {
                Some(index) => write!(f, "entry {index} (item {item}): {why}")?,
                None => write!(f, "item {item}: {why}")?,
            }
        }
        if self.more > 0 { write!(f, "; and {} more", self.more) } else { Ok(()) }
    }
}

impl Batch {
    /// Reads a batch that `key` signed. `can_show` tells whether the labels' font has a character.
    ///
    /// # Errors
    /// The first thing that is wrong; among entries, all of them.
    pub fn read(
        wire: &v1::PriceBatch,
        key: &str,
        can_show: &dyn Fn(char) -> bool,
    ) -> Result<Self, BatchFault> {
        let jurisdiction = Jurisdiction::from_code(&wire.jurisdiction);
        if jurisdiction.is_none() && !wire.jurisdiction.is_empty() {
            return Err(BatchFault::Jurisdiction(wire.jurisdiction.chars().take(16).collect()));
        }
        if wire.entries.is_empty() && wire.withdraws.is_empty() {
            return Err(BatchFault::Empty);
        }
        if wire.withdraws.len() > WITHDRAWS_MAX {
            return Err(BatchFault::Withdraws(wire.withdraws.len()));
        }
        let mut entries = Vec::with_capacity(wire.entries.len());
        let mut faults = EntryFaults::default();
        let mut seen = HashMap::with_capacity(wire.entries.len());
        for (index, entry) in wire.entries.iter().enumerate() {
            let checked = Entry::check(entry, can_show).and_then(|checked| {
                match seen.insert((&entry.item, checked.kind, checked.valid_from), index) {
                    Some(first) => Err(ItemFault::Twice { first }),
                    None => Ok(checked),
                }
            });
            match checked {
                Ok(checked) => entries.push(Arc::new(checked)),
                Err(fault) => faults.add(Some(index), &entry.item, &fault),
            }
        }
        faults.none()?;
        Ok(Self { source: source(wire, key), jurisdiction, entries, withdraws: withdraws(wire) })
    }

    /// Reads a batch that was accepted before: what this program cannot read of it, as of another version's,
    /// is left out and named.
    pub fn read_again(wire: &v1::PriceBatch, key: &str) -> (Self, Vec<(String, ItemFault)>) {
        let mut faults = Vec::new();
        // The font was looked at when it was accepted.
        let entries = wire.entries.iter().filter_map(|entry| match Entry::check(entry, &|_| true) {
            Ok(entry) => Some(Arc::new(entry)),
            Err(fault) => {
                faults.push((entry.item.clone(), fault));
                None
            }
        });
        let entries = entries.collect();
        let jurisdiction = Jurisdiction::from_code(&wire.jurisdiction);
        (Self { source: source(wire, key), jurisdiction, entries, withdraws: withdraws(wire) }, faults)
    }

    /// Adds it to a book.
    pub fn add_to(self, book: &mut PriceBook) {
        book.insert(&self.source, self.entries);
        for batch in &self.withdraws {
            book.withdraw(batch, self.source.issued);
        }
    }

    /// Whether it fits a store: it leaves no item without a price, is such as the law of the store's place
    /// allows, and from `now` on keeps within the limit of those who signed. `book` holds what was accepted
    /// before; `store` is where the store says it is. The time of the store counts, and not when the batch says
    /// that it was signed or begins: those are the signer's choice.
    ///
    /// # Errors
    /// The first thing that is wrong; of the law, and of the limit, all.
    pub fn judge(
        &self,
        book: &PriceBook,
        store: Option<Jurisdiction>,
        limit: &Limit,
        now: Utc,
    ) -> Result<(), BatchFault> {
        if let (Some(of_batch), Some(store)) = (self.jurisdiction, store)
            && of_batch != store
        {
            return Err(BatchFault::OtherJurisdiction { batch: of_batch, store });
        }
        if book.len() + self.entries.len() > PRICES_MAX {
            return Err(BatchFault::Full(book.len()));
        }
        // What is compared with may come with the batch itself.
        let mut whole = book.clone();
        self.clone().add_to(&mut whole);
        if let Some((item, at)) = self.first_without_price(book, &whole, now) {
            return Err(BatchFault::NoPrice { item, at });
        }
        if let Some(law) = self.jurisdiction.or(store) {
            let mut faults = EntryFaults::default();
            for (index, entry) in self.entries.iter().enumerate() {
                for fault in law.faults(entry, book.begin(entry), &whole) {
                    faults.add(Some(index), &entry.item, &fault);
                }
            }
            faults.none()?;
        }
        Ok(self.beyond(book, &whole, limit, now).none()?)
    }

    /// Every change of a price that it brings, from `now` on; by item, and then by time.
    pub fn changes(&self, book: &PriceBook, now: Utc) -> Vec<Change> {
        let mut whole = book.clone();
        self.clone().add_to(&mut whole);
        self.changes_in(book, &whole, now)
    }

    fn items<'a>(&'a self, book: &'a PriceBook) -> BTreeSet<&'a str> {
        let taken_back = self.withdraws.iter().flat_map(|batch| book.items_of(batch));
        self.entries.iter().map(|entry| entry.item.as_str()).chain(taken_back).collect()
    }

    fn changes_in(&self, book: &PriceBook, whole: &PriceBook, now: Utc) -> Vec<Change> {
        let mut changes = Vec::new();
        for item in self.items(book) {
            let price = |book: &PriceBook, at| book.price_at(item, at).map(|shown| shown.entry.price);
            let mut last = None;
            let mut moment = Some(now);
            while let Some(at) = moment {
                let (old, new) = (price(book, at), price(whole, at));
                if last != Some((old, new)) && old != new {
                    changes.push(Change { item: item.to_owned(), at, old, new });
                }
                last = Some((old, new));
                let next = [book, whole].map(|book| book.next_change_of(item, at));
                moment = next.into_iter().flatten().min();
            }
        }
        changes
    }

    /// The first item that has a price and would then, from some moment on, have none: its labels would go on
    /// showing one that is over.
    fn first_without_price(&self, book: &PriceBook, whole: &PriceBook, now: Utc) -> Option<(String, Utc)> {
        self.items(book).into_iter().find_map(|item| {
            let mut has_price = book.price_at(item, now).is_some();
            let mut moment = Some(now);
            while let Some(at) = moment {
                match whole.price_at(item, at) {
                    Some(_) => has_price = true,
                    None if has_price => return Some((item.to_owned(), at)),
                    None => {}
                }
                moment = whole.next_change_of(item, at);
            }
            None
        })
    }

    fn beyond(&self, book: &PriceBook, whole: &PriceBook, limit: &Limit, now: Utc) -> EntryFaults {
        let mut faults = EntryFaults::default();
        if let Limit::Markdown { percent, within, classes } = limit {
            for (index, entry) in self.entries.iter().enumerate() {
                if let Some(fault) = markdown_fault(entry, book, (*percent, *within, classes), now) {
                    faults.add(Some(index), &entry.item, &fault);
                }
            }
            return faults;
        }
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.kind == Kind::Markdown {
                faults.add(Some(index), &entry.item, &Beyond::NotTheStores);
            }
        }
        let Limit::Change { percent } = *limit else { return faults };
        let mut told = BTreeSet::new();
        for Change { item, old, new, .. } in self.changes_in(book, whole, now) {
            // What has no price has nothing to change from.
            let (Some(from), Some(to)) = (old, new) else { continue };
            let change = (i128::from(to.minor) - i128::from(from.minor)).abs();
            let is_large =
                from.currency != to.currency || change * 100 > i128::from(from.minor) * i128::from(percent);
            if is_large && told.insert(item.clone()) {
                let index = self.entries.iter().position(|entry| entry.item == item && entry.price == to);
                faults.add(index, &item, &Beyond::LargeChange { from, to, percent });
            }
        }
        faults
    }
}

/// What goes beyond the limit of those who signed.
#[derive(Debug, thiserror::Error)]
enum Beyond {
    #[error(
        "{from} to {to} is more than {percent} %: an approver must sign it too (`storewarden-hq price sign`)"
    )]
    LargeChange { from: Money, to: Money, percent: u32 },
    #[error("a markdown is the store's, signed by its manager; make it a promotion")]
    NotTheStores,
    #[error("a store manager signs markdowns only")]
    NotMarkdown,
    #[error("a markdown ends within {} h from now", .0.0 / 3_600_000)]
    TooLong(Millis),
    #[error("only items of these classes are marked down: {0}")]
    Class(String),
    #[error("it has no price that could be marked down")]
    NoPrice,
    #[error("{to} is not below {from}, its price")]
    NotBelow { from: Money, to: Money },
    #[error("{to} is more than {percent} % below {from}: headquarters allows no more")]
    TooLow { from: Money, to: Money, percent: u32 },
}

/// What is wrong with a store's own markdown, of the price that would hold without any.
fn markdown_fault(
    entry: &Entry,
    book: &PriceBook,
    (percent, within, classes): (u32, Millis, &[String]),
    now: Utc,
) -> Option<Beyond> {
    if entry.kind != Kind::Markdown {
        return Some(Beyond::NotMarkdown);
    }
    let end = book.end(entry).filter(|end| *end <= now + within);
    let Some(end) = end else { return Some(Beyond::TooLong(within)) };
    let begin = now.max(book.begin(entry));
    let mut moment = Some(begin);
    while let Some(at) = moment.filter(|at| *at < end || *at == begin) {
        let Some(usual) = book.usual_at(&entry.item, at) else { return Some(Beyond::NoPrice) };
        if !classes.is_empty() && !classes.contains(&usual.entry.class) {
            return Some(Beyond::Class(classes.join(", ")));
        }
        let (from, to) = (usual.entry.price, entry.price);
        if from.currency != to.currency || at == begin && to.minor >= from.minor {
            return Some(Beyond::NotBelow { from, to });
        }
        if i128::from(to.minor) * 100 < i128::from(from.minor) * i128::from(100_u32.saturating_sub(percent)) {
            return Some(Beyond::TooLow { from, to, percent });
        }
        moment = book.next_change_of(&entry.item, at);
    }
    None
}

fn source(wire: &v1::PriceBatch, key: &str) -> Source {
    Source { issued: Utc(wire.issued_ms), key: key.into(), number: wire.number }
}

fn withdraws(wire: &v1::PriceBatch) -> Vec<BatchId> {
    let id = |batch: &v1::BatchName| BatchId { key: batch.key_id.as_str().into(), number: batch.number };
    wire.withdraws.iter().map(id).collect()
}

fn rfc3339(at: Utc) -> String {
    DateTime::from_timestamp_millis(at.0)
        .map_or_else(|| format!("{} ms since 1970", at.0), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
