//! Whether a price batch may be believed: signature, destination, number, time, and every entry.
//! Whole or nothing: one bad entry refuses the batch.

use super::authority::{Authority, Denied};
use super::numbers::{NumberFault, Numbers};
use crate::label::{self, Display, Templates};
use crate::signed::SignatureFault;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use storewarden_prices::{Entry, ItemFault, Jurisdiction, LawFault, Money, PriceBook, Source};
use storewarden_proto::prost::Message as _;
use storewarden_proto::{PAYLOAD_BYTES_MAX, v1};
use storewarden_rules::Utc;

/// Most entry faults a refusal lists; the rest is counted.
const FAULTS_LISTED_MAX: usize = 10;

/// A batch that satisfied everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When and by which key it was signed, and its number.
    pub source: Source,
    /// SHA-256 of the signed bytes.
    pub digest: [u8; 32],
    /// The message as it came: the signed bytes and their signatures.
    pub signed: Vec<u8>,
    /// All known keys that signed it.
    pub signers: Vec<String>,
    /// Whether an approver is among them.
    pub is_approved: bool,
    /// By whose rules its entries are to be judged, if it says so.
    pub jurisdiction: Option<Jurisdiction>,
    /// At least one.
    pub entries: Vec<Entry>,
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
    /// An item would be left without a price.
    #[error("item {0}: nothing gives it a price once this one ends; add a regular price without an end")]
    NoSuccessor(String),
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
    /// Nothing in it.
    #[error("the batch has no entries")]
    Empty,
    /// Some entries are bad.
    #[error("{}", list(.faults, *.more))]
    Entries {
        /// The first ten.
        faults: Vec<EntryFault>,
        /// How many there are beyond those.
        more: usize,
    },
}

/// One bad entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} (item {item}): {fault}")]
pub struct EntryFault {
    /// Place in the batch, from 0.
    pub index: usize,
    /// The item code as it came, shortened.
    pub item: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with an entry: in itself, before the law, or on a label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// In itself.
    #[error(transparent)]
    Item(#[from] ItemFault),
    /// Before the law.
    #[error(transparent)]
    Law(#[from] LawFault),
    /// Too much for one signature.
    #[error(
        "{from} to {to} is more than {percent} %: an approver must sign it too (`storewarden-hq price sign`)"
    )]
    LargeChange {
        /// What it would be without.
        from: Money,
        /// The new one.
        to: Money,
        /// How much may change.
        percent: u32,
    },
    /// On a label of its item.
    #[error(transparent)]
    Label(#[from] label::Fault),
}

fn list(faults: &[EntryFault], more: usize) -> String {
    let mut text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text += &format!("; and {more} more");
    }
    text
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
    let is_approved = match by {
        Ok(by) => by.is_approved,
        Err(denied) => return refuse(refusal, denied.into()),
    };
    if let Err(why) = check_address(&batch, &refusal.key_id, numbers, chain, store, now) {
        return refuse(refusal, why);
    }
    let jurisdiction = Jurisdiction::from_code(&batch.jurisdiction);
    if jurisdiction.is_none() && !batch.jurisdiction.is_empty() {
        return refuse(refusal, Why::Jurisdiction(batch.jurisdiction.chars().take(16).collect()));
    }
    match check_entries(&batch.entries, can_show) {
        Ok(entries) => {
            let source =
                Source { issued: Utc(batch.issued_ms), key: refusal.key_id.into(), number: refusal.number };
            let (digest, signed) = (refusal.digest, payload.to_vec());
            let signers = signers.iter().map(|id| (*id).to_owned()).collect();
            Ok(Verified { source, digest, signed, signers, is_approved, jurisdiction, entries })
        }
        Err(why) => refuse(refusal, why),
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

fn check_entries(wire: &[v1::PriceEntry], can_show: &dyn Fn(char) -> bool) -> Result<Vec<Entry>, Why> {
    if wire.is_empty() {
        return Err(Why::Empty);
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(wire.len());
    let mut faults = Faults::default();
    let mut seen = HashMap::with_capacity(wire.len());
    for (index, entry) in wire.iter().enumerate() {
        let checked = Entry::check(entry, can_show).and_then(|checked| {
            match seen.insert((&entry.item, checked.kind, checked.valid_from), index) {
                Some(first) => Err(ItemFault::Twice { first }),
                None => Ok(checked),
            }
        });
        match checked {
            Ok(checked) => entries.push(checked),
            Err(fault) => faults.add(index, &entry.item, fault.into()),
        }
    }
    faults.into_why().map_or(Ok(entries), Err)
}

/// Whether a believed batch fits the store: its prices leave no item without one, are such as the law of the
/// store's place allows, and from `now` on change by no more than `percent` unless an approver has signed.
/// `book` holds what was accepted before; `store` is where the store says it is.
///
/// # Errors
/// The first thing that is wrong; of the law, and of large changes, all.
pub fn judge(
    batch: Verified,
    book: &PriceBook,
    store: Option<Jurisdiction>,
    (percent, now): (Option<u32>, Utc),
) -> Result<Verified, Refusal> {
    let large =
        percent.filter(|_| !batch.is_approved).and_then(|percent| too_large(&batch, book, percent, now));
    match why_not(&batch, book, store).or(large) {
        None => Ok(batch),
        Some(why) => Err(batch.refused(why)),
    }
}

impl Verified {
    fn refused(&self, why: Why) -> Refusal {
        Refusal { digest: self.digest, key_id: self.source.key.to_string(), number: self.source.number, why }
    }
}

/// Whether every entry of a batch can be shown by all labels that are bound to its item: `labels` gives the
/// item and the display of each.
///
/// # Errors
/// All that does not fit a label.
pub fn fit<'a>(
    batch: Verified,
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
    let mut faults = Faults::default();
    for (index, entry) in batch.entries.iter().enumerate() {
        for display in displays.get(entry.item.as_str()).into_iter().flatten() {
            let fits = label::fits(templates, *display, &label::Shelf::of(entry, *display));
            for fault in fits.err().into_iter().flatten() {
                faults.add(index, &entry.item, fault.into());
            }
        }
    }
    match faults.into_why() {
        None => Ok(batch),
        Some(why) => Err(batch.refused(why)),
    }
}

fn why_not(batch: &Verified, book: &PriceBook, store: Option<Jurisdiction>) -> Option<Why> {
    if let (Some(of_batch), Some(store)) = (batch.jurisdiction, store)
        && of_batch != store
    {
        return Some(Why::OtherJurisdiction { batch: of_batch, store });
    }
    if let Some(entry) = book.first_without_successor(&batch.entries) {
        return Some(Why::NoSuccessor(entry.item.clone()));
    }
    let law = batch.jurisdiction.or(store)?;
    // What is compared with may come with the batch itself.
    let mut whole = book.clone();
    whole.insert(&batch.source, batch.entries.iter().cloned());
    let mut faults = Faults::default();
    for (index, entry) in batch.entries.iter().enumerate() {
        for fault in law.faults(entry, book.begin(entry), &whole) {
            faults.add(index, &entry.item, fault.into());
        }
    }
    faults.into_why()
}

/// Entries by which, at `now` or at any moment to come, an item costs more than `percent` more or less than
/// it would without the batch. What then has no price has nothing to change from. The time of the store
/// counts, and not when the batch says that it was signed or begins: those are the signer's choice.
fn too_large(batch: &Verified, book: &PriceBook, percent: u32, now: Utc) -> Option<Why> {
    let mut whole = book.clone();
    whole.insert(&batch.source, batch.entries.iter().cloned());
    let mut faults = Faults::default();
    for (index, entry) in batch.entries.iter().enumerate() {
        let mut moment = Some(now);
        while let Some(at) = moment {
            moment = whole.next_change_of(&entry.item, at);
            let (Some(old), Some(new)) = (book.price_at(&entry.item, at), whole.price_at(&entry.item, at))
            else {
                continue;
            };
            if new.entry != entry || new.batch != batch.source.number {
                continue;
            }
            let (from, to) = (i128::from(old.entry.price.minor), i128::from(entry.price.minor));
            if old.entry.price.currency != entry.price.currency
                || (to - from).abs() * 100 > from * i128::from(percent)
            {
                let fault = Fault::LargeChange { from: old.entry.price, to: entry.price, percent };
                faults.add(index, &entry.item, fault);
                break;
            }
        }
    }
    faults.into_why()
}

/// What is wrong with entries: the first are listed, the rest is counted.
#[derive(Default)]
struct Faults {
    listed: Vec<EntryFault>,
    more: usize,
}

impl Faults {
    fn add(&mut self, index: usize, item: &str, fault: Fault) {
        if self.listed.len() == FAULTS_LISTED_MAX {
            self.more += 1;
        } else {
            self.listed.push(EntryFault { index, item: item.chars().take(64).collect(), fault });
        }
    }

    fn into_why(self) -> Option<Why> {
        (!self.listed.is_empty()).then_some(Why::Entries { faults: self.listed, more: self.more })
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
