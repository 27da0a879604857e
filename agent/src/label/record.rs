//! What is known of a label and an image: the row of the journal, and the proof for headquarters.

use super::canvas::Digest;
pub use storewarden_drivers::esl::estation::task::Proof;
use storewarden_prices::{BatchId, Money};
use storewarden_proto::v1;
use storewarden_rules::Utc;

/// The price an image shows, for the proof that headquarters gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Item bound to the label.
    pub item: String,
    /// What it costs.
    pub price: Money,
    /// The batch the price came with.
    pub batch: BatchId,
}

/// What a label told about itself, where it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Received signal strength.
    pub rf_dbm: Option<i32>,
    /// Battery voltage.
    pub battery_mv: Option<i32>,
    /// Temperature at the label.
    pub temperature_c: Option<i32>,
}

/// What a label shows, is about to show, or failed to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The label.
    pub label: String,
    /// The image.
    pub image: Digest,
    /// What it says.
    pub price: Price,
    /// How sure that is, or why it failed.
    pub result: Result<Proof, String>,
    /// What the label told about itself.
    pub told: Told,
    /// When that became known.
    pub at: Utc,
}

impl From<Record> for v1::LabelShown {
    fn from(record: Record) -> Self {
        let (proof, reason) = match record.result {
            Ok(Proof::Queued) => (v1::Proof::Queued, String::new()),
            Ok(Proof::Delivered) => (v1::Proof::Delivered, String::new()),
            Ok(Proof::Refreshed) => (v1::Proof::Refreshed, String::new()),
            Ok(Proof::ReadBack) => (v1::Proof::ReadBack, String::new()),
            Err(reason) => (v1::Proof::Failed, reason),
        };
        Self {
            label: record.label,
            item: record.price.item,
            price_minor: record.price.price.minor,
            currency: record.price.price.currency.code().to_owned(),
            batch: record.price.batch.number,
            key_id: record.price.batch.key.to_string(),
            image: record.image.to_vec(),
            proof: proof.into(),
            at_ms: record.at.0,
            reason,
            rf_dbm: record.told.rf_dbm,
            battery_mv: record.told.battery_mv,
            temperature_c: record.told.temperature_c,
        }
    }
}
