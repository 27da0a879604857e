//! What became of prices: what the price team ordered against what labels truly showed and what the store said of
//! them. Pure.
//!
//! What an item costs is worked out by a few lines of this file's own, after docs/prices.md: the price book that
//! store and headquarters share has no part in it.

use super::known::{COMPLAINTS_MAX, SLACK_MS, Trials};
use super::order::{Pushed, price_minor};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// How long before its minute a price may be shown, ms: as far as a clock may be off that a store trusts.
const EARLY_MS: i64 = 5_000;
/// SHA-256 of the image that the simulator's stranger brings onto a label, hex:
/// `printf 'nobody of ours sent this' | sha256sum`.
const STRANGER: &str = "cc162a7e2d4b047bb315e64dd932a5bad7e7775565bfc5f0dd2c3a381196af93";
/// Proofs by their number in the contract (`Proof`): from the first to before the second a label is said to show
/// something.
const REFRESHED: u64 = 3;
const FAILED: u64 = 5;

/// A price that the price team wants on a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Number of the item, and of its label.
    pub label: u32,
    /// The price; no other offer has it.
    pub price: i64,
    /// Whether it stands before regular prices.
    pub is_promotion: bool,
    /// ms since 1970.
    pub from_ms: i64,
    /// Not including; none for ever.
    pub until_ms: Option<i64>,
}

/// Everything that the price team ordered, in its order.
pub fn offers(pushed: &[Pushed], labels: u32) -> Vec<Offer> {
    let of = |pushed: &Pushed| {
        let Pushed { order, .. } = *pushed;
        let (from_ms, until_ms) = (pushed.begins_ms(), pushed.ends_ms());
        (order.first..order.first + order.count).map(move |label| Offer {
            label,
            price: price_minor(order.number, label, labels),
            is_promotion: until_ms.is_some(),
            from_ms,
            until_ms,
        })
    };
    pushed.iter().filter(|pushed| pushed.order.forgery.is_none()).flat_map(of).collect()
}

/// What each label should show at `at_ms`, by its number: a promotion before a regular price, then what was
/// ordered later.
pub fn due(offers: &[Offer], at_ms: i64) -> BTreeMap<u32, &Offer> {
    let mut due: BTreeMap<u32, &Offer> = BTreeMap::new();
    for offer in offers {
        let is_over = offer.until_ms.is_some_and(|until| until <= at_ms);
        let is_better = due.get(&offer.label).is_none_or(|other| offer.is_promotion >= other.is_promotion);
        if offer.from_ms <= at_ms && !is_over && is_better {
            due.insert(offer.label, offer);
        }
    }
    due
}

/// When one begins or ends before `before_ms` for the last time, ms since 1970.
pub fn last_edge(offers: &[Offer], before_ms: i64) -> i64 {
    let edges = offers.iter().flat_map(|offer| [Some(offer.from_ms), offer.until_ms]).flatten();
    edges.filter(|edge| *edge < before_ms).max().unwrap_or(0)
}

/// A label has begun to show something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its number.
    pub label: u32,
    /// ms since 1970.
    pub at_ms: i64,
    /// SHA-256 of the image, hex; none after a reset.
    pub image: Option<String>,
}

/// What the store said of a label at headquarters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Number of the label, and of the item it is said to show.
    pub label: u32,
    /// See above.
    pub item: u32,
    /// The price it is said to show.
    pub price: i64,
    /// SHA-256 of the image, hex.
    pub image: String,
    /// How sure that is, as in the contract.
    pub proof: u64,
    /// ms since 1970, by the agent's clock.
    pub at_ms: i64,
}

/// What each label shows at last, by its number: SHA-256 of the image, hex; none after a reset.
pub fn last(shown: &[Shown]) -> BTreeMap<u32, Option<&str>> {
    shown.iter().map(|shown| (shown.label, shown.image.as_deref())).collect()
}

/// A batch in the queue of headquarters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its prices.
    pub prices: Vec<i64>,
    /// Whether the store took it; none if it never said.
    pub accepted: Option<bool>,
    /// Why not.
    pub reason: String,
}

/// What was written down of prices.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// By the simulator, in order.
    pub shown: Vec<Shown>,
    /// What headquarters was told, in order.
    pub claims: Vec<Claim>,
    /// Its queue.
    pub batches: Vec<Batch>,
    /// Every price in the store's journal.
    pub accepted: Vec<i64>,
    /// Batches that the store refused, also such as came past headquarters.
    pub refused: usize,
    /// Results that the journal numbered and headquarters has not.
    pub missing: usize,
}

/// What became of prices; the last three counts must be 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Prices {
    /// Labels.
    pub labels: usize,
    /// Prices ordered, each for one label.
    pub ordered: usize,
    /// Orders that must not count, and batches that the store refused.
    pub forged: usize,
    /// See above.
    pub refused: usize,
    /// How often a label was refreshed with an image of ours.
    pub shown: usize,
    /// How often a label was reset, or got somebody else's image.
    pub disturbed: usize,
    /// How often the store said that a label shows its price.
    pub confirmed: usize,
    /// Labels that show nothing at the end, or of which headquarters has no proof of what they show; orders that the
    /// store did not take; results that headquarters has not.
    pub lost: usize,
    /// Labels that show another price than they should at the end; prices of another item, or before their
    /// minute; labels that did not show what the store said.
    pub wrong: usize,
    /// Images of no price that the price team ordered, prices in the journal or in the store's words that it did
    /// not order, and batches the store took although it must not.
    pub unauthorised: usize,
    /// Each of these, for people.
    #[serde(skip)]
    pub complaints: Vec<String>,
}

/// Judges prices at the end of it all: `pictures` are the images of all `offers`, SHA-256 in hex, by price.
pub fn judge(
    pushed: &[Pushed],
    labels: u32,
    pictures: &HashMap<i64, String>,
    records: &Records,
    trials: &Trials,
) -> Prices {
    let offers = offers(pushed, labels);
    let by_price: HashMap<i64, &Offer> = offers.iter().map(|offer| (offer.price, offer)).collect();
    let by_picture: HashMap<&str, &Offer> =
        pictures.iter().filter_map(|(price, image)| Some((image.as_str(), *by_price.get(price)?))).collect();
    let mut told = Prices {
        labels: usize::try_from(labels).unwrap_or(usize::MAX),
        ordered: offers.len(),
        forged: pushed.iter().filter(|pushed| pushed.order.forgery.is_some()).count(),
        refused: records.refused,
        ..Prices::default()
    };
    told.lost(records.missing, "price results are not at headquarters");
    // What our own side brought onto each label.
    let mut ours: BTreeMap<u32, Vec<(i64, &str)>> = BTreeMap::new();
    for shown in &records.shown {
        let Some(image) = shown.image.as_deref().filter(|image| *image != STRANGER) else {
            told.disturbed += 1;
            continue;
        };
        told.shown += 1;
        ours.entry(shown.label).or_default().push((shown.at_ms, image));
        match by_picture.get(image) {
            None => told.unauthorised(&format!("nobody ordered what it shows: {shown:?}")),
            Some(offer) if offer.label != shown.label => {
                told.wrong(&format!("it shows the price of another label: {shown:?}, {offer:?}"));
            }
            Some(offer) if shown.at_ms < offer.from_ms - EARLY_MS => {
                told.wrong(&format!("before its minute: {shown:?}, {offer:?}"));
            }
            Some(_) => {}
        }
    }
    for claim in records.claims.iter().filter(|claim| (REFRESHED..FAILED).contains(&claim.proof)) {
        told.confirmed += 1;
        let Some(offer) = by_price.get(&claim.price) else {
            told.unauthorised(&format!("nobody ordered what the store says: {claim:?}"));
            continue;
        };
        let is_told_right = (offer.label, offer.label) == (claim.label, claim.item)
            && pictures.get(&claim.price) == Some(&claim.image);
        let images = ours.get(&claim.label).map_or(&[][..], Vec::as_slice);
        if !is_told_right || !trials.true_times(claim.at_ms).any(|at| showed(images, at, &claim.image)) {
            told.wrong(&format!("the label did not show what the store says: {claim:?}"));
        }
    }
    for batch in &records.batches {
        let is_ordered = batch.prices.iter().all(|price| by_price.contains_key(price));
        match (is_ordered, batch.accepted) {
            (true, Some(true)) | (false, Some(false)) => {}
            (false, Some(true)) => told.unauthorised(&format!("the store took {batch:?}")),
            (_, None) => told.lost(1, &format!("the store never answered {batch:?}")),
            (true, Some(false)) => told.lost(1, &format!("the store refused {batch:?}")),
        }
    }
    for price in records.accepted.iter().filter(|price| !by_price.contains_key(price)) {
        told.unauthorised(&format!("the journal holds the price {price}, which nobody ordered"));
    }
    let certain = records.claims.iter().filter(|claim| (REFRESHED..FAILED).contains(&claim.proof));
    let proven: HashMap<u32, i64> = certain.map(|claim| (claim.label, claim.price)).collect();
    let last = last(&records.shown);
    for (label, offer) in due(&offers, trials.run.1) {
        match last.get(&label).copied().flatten() {
            None => told.lost(1, &format!("the label shows nothing, it should show {offer:?}")),
            Some(image) if pictures.get(&offer.price).map(String::as_str) != Some(image) => {
                let shows = by_picture.get(image);
                told.wrong(&format!(
                    "at the end the label shows {shows:?} ({image}), it should show {offer:?}"
                ));
            }
            Some(_) if proven.get(&label) != Some(&offer.price) => {
                told.lost(1, &format!("headquarters has no proof that the label shows {offer:?}"));
            }
            Some(_) => {}
        }
    }
    told
}

/// Whether `image` was what our own side had brought onto a label last, at a moment so near to `at_ms` that clocks
/// and the way of a result do not matter. What a reset or a stranger did to it since may not have been told yet.
fn showed(images: &[(i64, &str)], at_ms: i64, image: &str) -> bool {
    let before = images.partition_point(|(begin, _)| *begin < at_ms - SLACK_MS);
    let after = images.partition_point(|(begin, _)| *begin <= at_ms + SLACK_MS);
    images[before.saturating_sub(1)..after].iter().any(|(_, shown)| *shown == image)
}

impl Prices {
    fn lost(&mut self, count: usize, what: &str) {
        self.lost += count;
        if count > 0 {
            self.complain(&format!("{count} lost: {what}"));
        }
    }

    /// Counts something wrong.
    pub fn wrong(&mut self, what: &str) {
        self.wrong += 1;
        self.complain(what);
    }

    fn unauthorised(&mut self, what: &str) {
        self.unauthorised += 1;
        self.complain(what);
    }

    fn complain(&mut self, what: &str) {
        if self.complaints.len() < COMPLAINTS_MAX {
            let what: String = what.chars().take(COMPLAINT_CHARS_MAX).collect();
            self.complaints.push(what);
        }
    }
}

/// Longest complaint: a batch has thousands of prices.
const COMPLAINT_CHARS_MAX: usize = 400;

#[cfg(test)]
#[path = "prices_tests.rs"]
mod tests;
