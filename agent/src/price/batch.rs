//! Whether a price batch may be believed: signature, destination, number, time, and what it says.

use super::authority::{Authority, Denied, Right};
use super::numbers::{NumberFault, Numbers};
use crate::console::PersonName;
use crate::label::{self, Display, Templates};
use crate::signed::SignatureFault;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use storewarden_prices::{Batch, BatchFault, EntryFaults, Jurisdiction, PriceBook};
use storewarden_proto::prost::Message as _;
use storewarden_proto::{PAYLOAD_BYTES_MAX, v1};
use storewarden_rules::Utc;

/// A batch that satisfied everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub batch: Batch,
    /// SHA-256 of the signed bytes.
    pub digest: [u8; 32],
    /// The message as it came: the signed bytes and their signatures.
    pub signed: Vec<u8>,
    /// All known keys that signed it.
    pub signers: Vec<String>,
    /// What they may.
    pub right: Right,
    /// The person who makes a store's own markdown; else empty.
    pub by: String,
}

/// A batch that was refused: why, and which one as far as that can be told. Key and number come
/// from the message and are not to be trusted: they only help the price team to find the batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// SHA-256 of the signed bytes; of the whole payload where no signed bytes could be found.
    pub digest: [u8; 32],
    /// Empty where unknown.
    pub key_id: String,
    /// 0 where unknown.
    pub number: u64,
    /// The reason.
    pub why: Why,
}

/// Why a batch was refused, in words for the price team.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Larger than any message may be.
    #[error("{0} bytes is more than the {PAYLOAD_BYTES_MAX} a message may have; split the batch")]
    TooLarge(usize),
    /// Not the expected message.
    #[error("not a signed price batch: it could not be decoded")]
    NotSigned,
    /// No signature that counts.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// Those who signed may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The signature is good, what it covers is not a batch.
    #[error("the signed bytes are not a price batch: they could not be decoded")]
    NotBatch,
    /// For someone else.
    #[error("the batch is for chain `{0}`, this store belongs to another")]
    Chain(String),
    /// For someone else of the same chain.
    #[error("the batch is not for this store")]
    Store,
    /// A replay.
    #[error(transparent)]
    Number(#[from] NumberFault),
    /// Too early.
    #[error("it may be accepted only from {0} ms since 1970 UTC on")]
    NotYet(i64),
    /// Too late.
    #[error("it could be accepted only before {0} ms since 1970 UTC; sign it anew")]
    NoLonger(i64),
    /// A store manager's batch for others.
    #[error("a store manager's batch is for one store, by name")]
    NotOneStore,
    /// Nobody's.
    #[error("a markdown names the person who makes it: `by` must be a name of 1 to 40 characters")]
    By,
    /// Too much for a store manager.
    #[error("a store manager takes back markdowns of the store only, not batch {number} of key `{key}`")]
    TakesBack {
        /// Whose.
        key: String,
        /// Its number.
        number: u64,
    },
    /// What it says is wrong, or does not fit the store.
    #[error(transparent)]
    Batch(#[from] BatchFault),
    /// A label cannot show it.
    #[error(transparent)]
    Label(#[from] EntryFaults),
}

/// Checks a payload of topic `price` completely.
///
/// `numbers` are those that are used up; `can_show` tells whether the labels' font has a character
/// ([`crate::label::can_show`]). The signature is checked
/// before anything it covers is looked at.
///
/// # Errors
/// The first thing that is wrong; among entries, all of them.
pub fn verify(
    payload: &[u8],
    authority: &Authority,
    numbers: &Numbers,
    chain: &str,
    store: &str,
    now: Utc,
    can_show: &dyn Fn(char) -> bool,
) -> Result<Verified, Refusal> {
    let mut refusal = Refusal {
        digest: Sha256::digest(payload).into(),
        key_id: String::new(),
        number: 0,
        why: Why::NotSigned,
    };
    let refuse = |refusal: Refusal, why| Err(Refusal { why, ..refusal });

    if payload.len() > PAYLOAD_BYTES_MAX {
        return refuse(refusal, Why::TooLarge(payload.len()));
    }
    let Ok(signed) = v1::SignedBatch::decode(payload) else { return Err(refusal) };
    if signed.batch.is_empty() {
        return Err(refusal);
    }
    refusal.digest = Sha256::digest(&signed.batch).into();

    let signers = match authority.signers(&signed.batch, &signed.signatures) {
        Ok(signers) => signers,
        Err(fault) => return refuse(refusal, fault.into()),
    };
    signers[0].clone_into(&mut refusal.key_id);
    let by = authority.permit(&signers, now);
    if let Ok(by) = &by {
        by.key.clone_into(&mut refusal.key_id);
    }
    let Ok(batch) = v1::PriceBatch::decode(signed.batch.as_slice()) else {
        return refuse(refusal, Why::NotBatch);
    };
    refusal.number = batch.number;
    let right = match by {
        Ok(by) => by.right,
        Err(denied) => return refuse(refusal, denied.into()),
    };
    if let Err(why) = check_address(&batch, &refusal.key_id, numbers, chain, store, now) {
        return refuse(refusal, why);
    }
    let by = match check_person(&batch, right, authority) {
        Ok(by) => by,
        Err(why) => return refuse(refusal, why),
    };
    match Batch::read(&batch, &refusal.key_id, can_show) {
        Ok(batch) => {
            let (digest, signed) = (refusal.digest, payload.to_vec());
            let signers = signers.iter().map(|id| (*id).to_owned()).collect();
            Ok(Verified { batch, digest, signed, signers, right, by })
        }
        Err(fault) => refuse(refusal, fault.into()),
    }
}

fn check_address(
    batch: &v1::PriceBatch,
    key_id: &str,
    numbers: &Numbers,
    chain: &str,
    store: &str,
    now: Utc,
) -> Result<(), Why> {
    if batch.chain != chain {
        return Err(Why::Chain(batch.chain.clone()));
    }
    if !batch.stores.is_empty() && !batch.stores.iter().any(|id| id == store) {
        return Err(Why::Store);
    }
    numbers.check(key_id, batch.number)?;
    if now < Utc(batch.accept_from_ms) {
        return Err(Why::NotYet(batch.accept_from_ms));
    }
    if now >= Utc(batch.accept_until_ms) {
        return Err(Why::NoLonger(batch.accept_until_ms));
    }
    Ok(())
}

/// What a store manager signs is for one store, made by a person, and takes back nothing of headquarters.
/// Returns that person.
fn check_person(batch: &v1::PriceBatch, right: Right, authority: &Authority) -> Result<String, Why> {
    if right != Right::StoreManager {
        return Ok(String::new());
    }
    if batch.stores.len() != 1 {
        return Err(Why::NotOneStore);
    }
    if let Some(other) = batch.withdraws.iter().find(|other| !authority.is_store_manager(&other.key_id)) {
        return Err(Why::TakesBack { key: other.key_id.chars().take(64).collect(), number: other.number });
    }
    PersonName::parse(&batch.by).map(PersonName::into_string).map_err(|_| Why::By)
}

/// Whether a believed batch fits the store ([`Batch::judge`]), within the limit of those who signed.
///
/// # Errors
/// What does not fit.
pub fn judge(
    verified: Verified,
    authority: &Authority,
    book: &PriceBook,
    store: Option<Jurisdiction>,
    now: Utc,
) -> Result<Verified, Refusal> {
    match verified.batch.judge(book, store, &authority.limit(verified.right), now) {
        Ok(()) => Ok(verified),
        Err(fault) => Err(verified.refused(fault.into())),
    }
}

impl Verified {
    fn refused(&self, why: Why) -> Refusal {
        let source = &self.batch.source;
        Refusal { digest: self.digest, key_id: source.key.to_string(), number: source.number, why }
    }
}

/// Whether every entry of a batch can be shown by all labels that are bound to its item: `labels` gives the
/// item and the display of each.
///
/// # Errors
/// All that does not fit a label.
pub fn fit<'a>(
    verified: Verified,
    labels: impl Iterator<Item = (&'a str, Display)>,
    templates: &Templates,
) -> Result<Verified, Refusal> {
    let mut displays: HashMap<&str, Vec<Display>> = HashMap::new();
    for (item, display) in labels {
        let known = displays.entry(item).or_default();
        if !known.contains(&display) {
            known.push(display);
        }
    }
    let mut faults = EntryFaults::default();
    for (index, entry) in verified.batch.entries.iter().enumerate() {
        for display in displays.get(entry.item.as_str()).into_iter().flatten() {
            let fits =
                label::fits(templates, *display, &label::Shelf::of(entry, *display, templates.language()));
            for fault in fits.err().into_iter().flatten() {
                faults.add(Some(index), &entry.item, &fault);
            }
        }
    }
    match faults.none() {
        Ok(()) => Ok(verified),
        Err(faults) => Err(verified.refused(faults.into())),
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
