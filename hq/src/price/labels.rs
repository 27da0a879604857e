//! What the labels of a store have told.

use crate::database::{Database, Error, Row, values};
use std::collections::BTreeMap;
use storewarden_prices::{BatchId, Currency, Money};
use storewarden_proto::v1::Proof;

/// The news of a label about one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// The item that it is bound to; empty if it shows nothing.
    pub(crate) item: String,
    /// The price it shows or should show; none in a currency that nobody here knows.
    pub(crate) price: Option<Money>,
    /// Of which batch.
    pub(crate) batch: BatchId,
    /// How far that is proven.
    pub(crate) proof: Proof,
    /// When, ms since 1970 by the store's clock.
    pub(crate) at_ms: i64,
    /// Why it failed.
    pub(crate) reason: String,
}

/// One label of a store, by the newest it told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Label {
    /// The newest of all.
    pub(crate) newest: Option<News>,
    /// The newest of which it is sure that the label shows it.
    pub(crate) confirmed: Option<News>,
}

impl News {
    /// Whether the label has it, as far as its driver can tell: some gateways say no more than that it was
    /// delivered.
    pub(crate) fn is_confirmed(&self) -> bool {
        matches!(self.proof, Proof::Delivered | Proof::Refreshed | Proof::ReadBack)
    }

    /// From `item, price_minor, currency, key_id, batch, proof, at_ms, reason` beginning with `column`.
    pub(crate) fn read(row: &Row, column: usize) -> Result<Self, Error> {
        let (minor, currency): (i64, String) = (row.get(column + 1)?, row.get(column + 2)?);
        let key: String = row.get(column + 3)?;
        let proof = i32::try_from(row.get::<i64>(column + 5)?).unwrap_or_default();
        Ok(Self {
            item: row.get(column)?,
            price: Currency::from_code(&currency).map(|currency| Money::new(minor, currency)),
            batch: BatchId { key: key.into(), number: row.get::<i64>(column + 4)?.cast_unsigned() },
            proof: Proof::try_from(proof).unwrap_or_default(),
            at_ms: row.get(column + 6)?,
            reason: row.get(column + 7)?,
        })
    }
}

/// The labels of a store that ever told something.
pub(crate) fn of_store(
    database: &mut Database,
    chain: &str,
    store: &str,
) -> Result<BTreeMap<String, Label>, Error> {
    let mut labels: BTreeMap<String, Label> = BTreeMap::new();
    let sql =
        "SELECT label, item, price_minor, currency, key_id, batch, proof, at_ms, reason FROM label_shown
               WHERE chain = ?1 AND store = ?2";
    database.for_each(sql, &values![chain, store], |row| {
        let news = News::read(row, 1)?;
        let label = labels.entry(row.get(0)?).or_default();
        let is_newer = |known: &Option<News>| known.as_ref().is_none_or(|known| known.at_ms <= news.at_ms);
        if news.is_confirmed() && is_newer(&label.confirmed) {
            label.confirmed = Some(news.clone());
        }
        if is_newer(&label.newest) {
            label.newest = Some(news);
        }
        Ok::<_, Error>(())
    })?;
    Ok(labels)
}
