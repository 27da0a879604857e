//! What headquarters knows of the prices in each store: the batches that it accepted, read as it reads them.

use crate::Failure;
use crate::database::{Database, values};
use chrono_tz::Tz;
use prost::Message as _;
use std::collections::{BTreeMap, HashMap};
use storewarden_prices::{Batch, Jurisdiction, PriceBook};
use storewarden_proto::v1;

/// Stores with the same prices.
pub(crate) struct Shelves {
    /// In order; at least one.
    pub(crate) stores: Vec<String>,
    /// In which they read wall-clock times; none until they have said.
    pub(crate) zone: Option<Tz>,
    /// By whose law they judge, if they say so.
    pub(crate) jurisdiction: Option<Jurisdiction>,
    /// Their prices.
    pub(crate) book: PriceBook,
}

/// Time zone and jurisdiction, as a store says them.
type Place = (String, String);
/// Of batches, in order.
type Digests = Vec<Vec<u8>>;

/// Of which batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Those that the store has said it accepted.
    Accepted,
    /// Those, and those that it may still accept at this moment, ms since 1970.
    Underway(i64),
}

/// Calls `each` with the prices of `stores`, of those that have the same only once: a chain's stores differ
/// in few batches. One book is held at a time.
pub(crate) fn for_each(
    database: &mut Database,
    chain: &str,
    stores: &[String],
    of: Of,
    mut each: impl FnMut(&mut Database, Shelves) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let underway_at = match of {
        Of::Accepted => i64::MAX,
        Of::Underway(now) => now,
    };
    let mut held: BTreeMap<String, Digests> =
        stores.iter().map(|store| (store.clone(), Vec::new())).collect();
    let rows = database.query(
        "SELECT target.store, batch.digest FROM batch_store AS target
           JOIN batch ON batch.digest = target.digest
         WHERE batch.chain = ?1 AND batch.is_list = 0
           AND (target.accepted = 1 OR (target.accepted IS NULL AND batch.accept_until_ms > ?2))
         ORDER BY batch.digest",
        &values![chain, underway_at],
    )?;
    for row in rows {
        if let Some(digests) = held.get_mut(&row.get::<String>(0)?) {
            digests.push(row.get(1)?);
        }
    }
    let mut places: HashMap<String, Place> = HashMap::new();
    let said = "SELECT store, timezone, jurisdiction FROM store WHERE chain = ?1";
    for row in database.query(said, &values![chain])? {
        places.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
    }
    let mut alike: BTreeMap<(Place, Digests), Vec<String>> = BTreeMap::new();
    for (store, digests) in held {
        let place = places.get(&store).cloned().unwrap_or_default();
        alike.entry((place, digests)).or_default().push(store);
    }
    let mut read: HashMap<Vec<u8>, Batch> = HashMap::new();
    for (((zone, jurisdiction), digests), stores) in alike {
        let zone = zone.parse::<Tz>().ok();
        let mut book = PriceBook::new(zone.unwrap_or(Tz::UTC));
        for digest in digests {
            let batch = match read.get(&digest) {
                Some(batch) => batch.clone(),
                None => {
                    let batch = load(database, &digest)?;
                    read.insert(digest, batch.clone());
                    batch
                }
            };
            batch.add_to(&mut book);
        }
        let jurisdiction = Jurisdiction::from_code(&jurisdiction);
        each(database, Shelves { stores, zone, jurisdiction, book })?;
    }
    Ok(())
}

/// A batch of the database; what this program cannot read of it is left out.
fn load(database: &mut Database, digest: &[u8]) -> Result<Batch, Failure> {
    let rows = database.query("SELECT key_id, payload FROM batch WHERE digest = ?1", &values![digest])?;
    let row = rows.first().ok_or("a batch is gone from the database")?;
    let (key, payload): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
    Ok(Batch::read_again(&wire(&payload)?, &key).0)
}

/// What was signed.
pub(crate) fn wire(payload: &[u8]) -> Result<v1::PriceBatch, Failure> {
    Ok(v1::PriceBatch::decode(v1::SignedBatch::decode(payload)?.batch.as_slice())?)
}

/// The newest list of keys that was sent in `chain`, if one was.
pub(crate) fn key_list(database: &mut Database, chain: &str) -> Result<Option<v1::KeyList>, Failure> {
    let sql = "SELECT payload FROM batch WHERE chain = ?1 AND is_list = 1 ORDER BY number DESC LIMIT 1";
    let rows = database.query(sql, &values![chain])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let signed = v1::SignedBatch::decode(row.get::<Vec<u8>>(0)?.as_slice())?;
    Ok(Some(v1::KeyList::decode(signed.key_list.as_slice())?))
}
