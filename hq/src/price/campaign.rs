//! What became of a campaign: what one `price push` queued, in every store and on every label.

use super::book::{self, Of};
use super::labels::{self, News};
use super::outgoing;
use crate::Failure;
use crate::database::{Database, now_ms, values};
use crate::print::{cell, csv_file};
use crate::show::rfc3339;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::Path;
use storewarden_prices::{BatchId, Utc};
use storewarden_proto::v1::Proof;

/// A campaign that is there.
pub(crate) struct Campaign {
    chain: String,
    digests: Vec<Vec<u8>>,
    batches: BTreeSet<BatchId>,
}

/// What a store said of the campaign as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// How many of its batches it accepted,
    pub(crate) accepted: usize,
    /// refused,
    pub(crate) refused: usize,
    /// and has not answered.
    pub(crate) open: usize,
    /// Of the latter: how many are too late to be accepted.
    pub(crate) expired: usize,
    /// The first refusal.
    pub(crate) reason: String,
}

/// How far a campaign is, in all its stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// What each store said.
    pub(crate) stores: BTreeMap<String, Answer>,
    /// The labels of each store that should show a price of it now.
    pub(crate) labels: BTreeMap<String, Labels>,
    /// Stores that cannot be heard at present: what their labels show is news of before.
    pub(crate) offline: BTreeSet<String>,
}

/// Labels that should show a price of a campaign now, of those that ever told of an item of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// How many there are.
    pub(crate) due: usize,
    /// Of these, those that do;
    pub(crate) shown: usize,
    /// those that could not be served so far.
    pub(crate) failed: usize,
    /// Beside these: those that should show one later.
    pub(crate) later: usize,
}

impl Progress {
    /// The labels of all stores.
    pub(crate) fn all_labels(&self) -> Labels {
        self.labels.values().fold(Labels::default(), |all, labels| Labels {
            due: all.due + labels.due,
            shown: all.shown + labels.shown,
            failed: all.failed + labels.failed,
            later: all.later + labels.later,
        })
    }

    /// The labels of one store.
    pub(crate) fn labels_of(&self, store: &str) -> Labels {
        self.labels.get(store).copied().unwrap_or_default()
    }
}

/// When a label should show a price of a campaign.
enum Due<'a> {
    /// Now; its news of that price, if there are any.
    Now(Option<&'a News>),
    /// Later.
    Later,
}

/// One line of the proof report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    store: String,
    label: String,
    state: &'static str,
    news: Option<News>,
    /// What stands there if there are no news: the item, or why the store refused.
    item: String,
    reason: String,
}

impl Campaign {
    /// The campaign of that name.
    pub(crate) fn open(database: &mut Database, chain: &str, name: &str) -> Result<Self, Failure> {
        let digests = outgoing::batches_of(database, chain, name)?;
        if digests.is_empty() {
            return Err(format!("chain {chain} has no campaign {name}; `price status` lists them").into());
        }
        let mut batches = BTreeSet::new();
        for digest in &digests {
            for row in
                database.query("SELECT key_id, number FROM batch WHERE digest = ?1", &values![digest])?
            {
                let key: String = row.get(0)?;
                batches.insert(BatchId { key: key.into(), number: row.get::<i64>(1)?.cast_unsigned() });
            }
        }
        Ok(Self { chain: chain.to_owned(), digests, batches })
    }

    /// What its stores have said so far.
    pub(crate) fn answers(&self, database: &mut Database) -> Result<BTreeMap<String, Answer>, Failure> {
        let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
        let now = now_ms();
        for digest in &self.digests {
            let sql = "SELECT target.store, target.accepted, target.reason, batch.accept_until_ms
                       FROM batch_store AS target JOIN batch ON batch.digest = target.digest
                       WHERE target.digest = ?1";
            for row in database.query(sql, &values![digest])? {
                let answer = answers.entry(row.get(0)?).or_default();
                match row.get::<Option<bool>>(1)? {
                    Some(true) => answer.accepted += 1,
                    Some(false) => {
                        answer.refused += 1;
                        if answer.reason.is_empty() {
                            answer.reason = row.get::<Option<String>>(2)?.unwrap_or_default();
                        }
                    }
                    None => {
                        answer.open += 1;
                        answer.expired += usize::from(row.get::<i64>(3)? <= now);
                    }
                }
            }
        }
        Ok(answers)
    }

    /// How far it is.
    pub(crate) fn progress(&self, database: &mut Database) -> Result<Progress, Failure> {
        let mut progress = Progress { stores: self.answers(database)?, ..Progress::default() };
        let sql = "SELECT store FROM store WHERE chain = ?1 AND online = 0";
        for row in database.query(sql, &values![&self.chain])? {
            let store: String = row.get(0)?;
            if progress.stores.contains_key(&store) {
                progress.offline.insert(store);
            }
        }
        self.each_due(database, &progress.stores, |store, _, due| {
            let labels = progress.labels.entry(store.to_owned()).or_default();
            let Due::Now(due) = due else {
                labels.later += 1;
                return Ok(());
            };
            labels.due += 1;
            labels.shown += usize::from(due.is_some_and(News::is_confirmed));
            labels.failed += usize::from(due.is_some_and(|news| news.proof == Proof::Failed));
            Ok(())
        })?;
        Ok(progress)
    }

    /// Calls `each` with every label that should show a price of the campaign now or later: its store, its name
    /// and item, and which of the two. A price whose time is over is none.
    fn each_due(
        &self,
        database: &mut Database,
        answers: &BTreeMap<String, Answer>,
        mut each: impl FnMut(&str, (&str, &str), Due<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let accepting = answers.iter().filter(|(_, answer)| answer.accepted > 0);
        let stores: Vec<_> = accepting.map(|(store, _)| store.clone()).collect();
        let now = Utc(now_ms());
        book::for_each(database, &self.chain, &stores, Of::Accepted, |database, shelves| {
            for store in &shelves.stores {
                for (name, label) in labels::of_store(database, &self.chain, store)? {
                    let Some(newest) = &label.newest else { continue };
                    let batch_at =
                        |at| shelves.book.price_at(&newest.item, at).map(|shown| shown.source.id());
                    let is_ours = |batch: &BatchId| self.batches.contains(batch);
                    let next = |at: &Utc| shelves.book.next_change_of(&newest.item, *at);
                    if let Some(batch) = batch_at(now).filter(is_ours) {
                        // A store of before did not say whose batch it was.
                        let is_of = |news: &&News| {
                            news.batch.number == batch.number
                                && (news.batch.key == batch.key || news.batch.key.is_empty())
                        };
                        let news = label.newest.as_ref().filter(is_of);
                        each(store, (&name, &newest.item), Due::Now(news))?;
                    } else if iter::successors(next(&now), next)
                        .any(|at| batch_at(at).is_some_and(|it| is_ours(&it)))
                    {
                        each(store, (&name, &newest.item), Due::Later)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Writes the proof report: a line for every label that told of a price of the campaign or should show one,
    /// and for every store that has not accepted it. How many lines.
    pub(crate) fn report(&self, database: &mut Database, path: &Path) -> Result<usize, Failure> {
        let answers = self.answers(database)?;
        let mut lines: BTreeMap<(String, String, Option<BatchId>), Line> = BTreeMap::new();
        for (store, answer) in &answers {
            let (state, reason) = match answer {
                Answer { refused: 1.., reason, .. } => ("refused", reason.clone()),
                Answer { expired: 1.., .. } => ("not_answered", "it is too late to be accepted".into()),
                Answer { open: 1.., .. } => ("not_answered", String::new()),
                Answer { .. } => continue,
            };
            let (store, label, item) = (store.clone(), String::new(), String::new());
            let line = Line { store: store.clone(), label, state, news: None, item, reason };
            lines.insert((store, String::new(), None), line);
        }
        for batch in &self.batches {
            let sql = "SELECT store, label, item, price_minor, currency, key_id, batch, proof, at_ms, reason
                       FROM label_shown WHERE chain = ?1 AND batch = ?2 AND key_id IN (?3, '')";
            let of = values![&self.chain, batch.number.cast_signed(), &*batch.key];
            for row in database.query(sql, &of)? {
                let (store, label): (String, String) = (row.get(0)?, row.get(1)?);
                // A number of an older store may be another key's: only stores of the campaign count.
                if !answers.contains_key(&store) {
                    continue;
                }
                let news = News::read(&row, 2)?;
                let state = match news.proof {
                    _ if news.is_confirmed() => "shown",
                    Proof::Failed => "failed",
                    _ => "under_way",
                };
                let (item, reason) = (news.item.clone(), news.reason.clone());
                let name = (store.clone(), label.clone(), Some(batch.clone()));
                lines.insert(name, Line { store, label, state, news: Some(news), item, reason });
            }
        }
        self.each_due(database, &answers, |store, (label, item), due| {
            let state = match due {
                Due::Now(None) => "waiting",
                Due::Now(Some(_)) => return Ok(()),
                Due::Later => "later",
            };
            let (store, label, item) = (store.to_owned(), label.to_owned(), item.to_owned());
            let name = (store.clone(), label.clone(), None);
            let line = Line { store, label, state, news: None, item, reason: String::new() };
            lines.insert(name, line);
            Ok(())
        })?;
        let mut csv = csv_file(path, &COLUMNS)?;
        for line in lines.values() {
            csv.write_record(line.cells())?;
        }
        csv.flush()?;
        Ok(lines.len())
    }
}

/// Of the proof report.
const COLUMNS: [&str; 12] = [
    "store",
    "label",
    "item",
    "price",
    "currency",
    "price_minor",
    "key",
    "batch",
    "state",
    "proof",
    "at",
    "reason",
];

impl Line {
    fn cells(&self) -> [String; 12] {
        let news = self.news.as_ref();
        let text = |text: fn(&News) -> String| news.map_or_else(String::new, text);
        let price = news.and_then(|news| news.price);
        [
            cell(&self.store),
            cell(&self.label),
            cell(&self.item),
            price.map_or_else(String::new, |price| price.decimal()),
            price.map_or_else(String::new, |price| price.currency.code().to_owned()),
            price.map_or_else(String::new, |price| price.minor.to_string()),
            text(|news| news.batch.key.to_string()),
            text(|news| news.batch.number.to_string()),
            self.state.to_owned(),
            text(|news| proof_name(news.proof).to_owned()),
            text(|news| rfc3339(news.at_ms)),
            cell(&self.reason),
        ]
    }
}

/// As in the report.
fn proof_name(proof: Proof) -> &'static str {
    match proof {
        Proof::Queued => "queued",
        Proof::Delivered => "delivered",
        Proof::Refreshed => "refreshed",
        Proof::ReadBack => "read_back",
        Proof::Failed | Proof::Unspecified => "",
    }
}
