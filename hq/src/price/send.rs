//! What `price push` and `price revert` have in common: batches are signed, and queued, put aside or only
//! tried.

use super::dry_run;
use super::outgoing::{self, Batch};
use super::sign;
use super::status;
use super::table::Place;
use crate::Failure;
use crate::database::{Database, now_ms};
use crate::keys;
use crate::print::say;
use ed25519_dalek::{Signer as _, SigningKey};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use storewarden_proto::topic::is_valid_id;
use storewarden_proto::{price_batch_signed_bytes, v1};
use thiserror::Error;

/// A batch may be accepted from so long before it was signed: clocks of stores differ a little.
const ACCEPT_EARLY_MS: i64 = 10 * 60 * 1000;

/// Who signs, for whom, and what is done with it.
#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// Private key file, as written by `price keygen`
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The id under which stores know the key
    #[arg(long, value_name = "ID")]
    pub(crate) key_id: String,
    /// The chain the prices are for
    #[arg(long, value_name = "ID")]
    pub(crate) chain: String,
    /// A store the prices are for, repeatable; without it every store that headquarters knows
    #[arg(long = "store", value_name = "ID")]
    pub(crate) stores: Vec<String>,
    /// The batch's number, above every earlier one of this key; without it the next
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    number: Option<i64>,
    /// For how long stores may still accept the batch
    #[arg(long, value_name = "HOURS", default_value_t = 72, value_parser = clap::value_parser!(i64).range(1..=8760))]
    accept_hours: i64,
    /// Sign and put it aside in a file, to be signed by an approver (`price sign`); queue nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["wait", "dry_run"])]
    hold: Option<PathBuf>,
    /// Show what would change in each store and what would be refused; sign and queue nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: every change in every store, as CSV
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    changes: Option<PathBuf>,
    /// Wait so long for what each store says
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

/// What one batch shall say.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// Its prices, each with its place in the table.
    pub(crate) entries: Vec<(Place, v1::PriceEntry)>,
    /// What it takes back.
    pub(crate) withdraws: Vec<v1::BatchName>,
    /// By whose law it is to be judged, or empty.
    pub(crate) jurisdiction: String,
}

#[derive(Debug, Error)]
enum SendError {
    #[error(
        "{0:?} cannot be the id of a chain, store, key or campaign: use 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'"
    )]
    Id(String),
    #[error("no store of chain {0} has reported yet: name the stores with --store, or start serve first")]
    NoStores(String),
    #[error("number {number} is not above {last}, the last one of this key; leave --number out")]
    Number { number: i64, last: i64 },
    #[error("there is a campaign {0} already; give this one another name with --campaign")]
    Campaign(String),
}

/// Signs `contents` as batches with numbers in a row, all of one campaign, and queues them, all or none; or
/// what the arguments say instead. Whether the outcome is good.
pub(crate) fn run(
    database: &mut Database,
    args: &SendArgs,
    campaign: Option<&str>,
    contents: Vec<Content>,
) -> Result<bool, Failure> {
    for id in args.stores.iter().chain([&args.chain, &args.key_id]).map(String::as_str).chain(campaign) {
        if !is_valid_id(id) {
            return Err(SendError::Id(id.to_owned()).into());
        }
    }
    let key = keys::load(&args.key)?;
    let targets = targets(database, args)?;
    let last = outgoing::last_number(database, &args.chain, &args.key_id)?;
    let number = args.number.unwrap_or(last + 1);
    if number <= last {
        return Err(SendError::Number { number, last }.into());
    }
    let campaign = campaign.map_or_else(|| format!("{}-{number}", args.key_id), str::to_owned);
    if !outgoing::batches_of(database, &args.chain, &campaign)?.is_empty() {
        return Err(SendError::Campaign(campaign).into());
    }
    let prices: usize = contents.iter().map(|content| content.entries.len()).sum();
    let withdrawn: usize = contents.iter().map(|content| content.withdraws.len()).sum();
    let now = now_ms();
    let (messages, places): (Vec<_>, Vec<_>) = (number..)
        .zip(contents)
        .map(|(number, content)| {
            let (places, entries): (Vec<_>, _) = content.entries.into_iter().unzip();
            let message = v1::PriceBatch {
                chain: args.chain.clone(),
                stores: args.stores.clone(),
                number: number.cast_unsigned(),
                issued_ms: now,
                accept_from_ms: now - ACCEPT_EARLY_MS,
                accept_until_ms: now + args.accept_hours * 3_600_000,
                entries,
                jurisdiction: content.jurisdiction,
                withdraws: content.withdraws,
                ..v1::PriceBatch::default()
            };
            (message, places)
        })
        .unzip();
    let numbers = match messages.as_slice() {
        [one] => format!("batch {} of key {}", one.number, args.key_id),
        [first, .., last] => {
            format!("{} batches ({} to {}) of key {}", messages.len(), first.number, last.number, args.key_id)
        }
        [] => String::new(),
    };
    let says = match withdrawn {
        0 => format!("{prices} prices"),
        withdrawn => format!("{withdrawn} batches withdrawn"),
    };
    let what = format!("{numbers}: {says} for {} stores, campaign {campaign}", targets.len());
    if args.dry_run {
        say(&format!("would queue {what}"));
        let (signer, changes) = ((args.chain.as_str(), args.key_id.as_str()), args.changes.as_deref());
        return dry_run::run(database, signer, changes, (&messages, &places), &targets, now);
    }
    let batches: Vec<_> =
        messages.iter().map(|message| sign(message, &args.key_id, &key, &campaign)).collect();
    if let Some(file) = &args.hold {
        sign::hold(file, &batches.iter().map(|batch| batch.payload.as_slice()).collect::<Vec<_>>())?;
        say(&format!("put aside in {}: {what}", file.display()));
        return Ok(true);
    }
    outgoing::queue(database, &args.chain, &batches, &targets)?;
    say(&format!("queued {what}; number and digest:"));
    batches.iter().for_each(|batch| say(&format!("  {} {}", batch.number, keys::hex(&batch.digest))));
    match args.wait {
        Some(seconds) => {
            let digests: Vec<_> = batches.iter().map(|batch| batch.digest).collect();
            wait(database, &digests, Duration::from_secs(seconds))
        }
        None => Ok(true),
    }
}

fn targets(database: &mut Database, args: &SendArgs) -> Result<Vec<String>, Failure> {
    if args.stores.is_empty() {
        let known = outgoing::known_stores(database, &args.chain)?;
        if known.is_empty() {
            return Err(SendError::NoStores(args.chain.clone()).into());
        }
        return Ok(known);
    }
    let stores: BTreeSet<_> = args.stores.iter().cloned().collect();
    Ok(stores.into_iter().collect())
}

/// The batch as it travels; its digest and signature are of exactly the bytes in it.
pub(crate) fn sign(message: &v1::PriceBatch, key_id: &str, key: &SigningKey, campaign: &str) -> Batch {
    let bytes = message.encode_to_vec();
    let signature = key.sign(&price_batch_signed_bytes(&bytes));
    Batch {
        digest: Sha256::digest(&bytes).into(),
        key_id: key_id.to_owned(),
        number: message.number.cast_signed(),
        entries: message.entries.len(),
        accept_until_ms: message.accept_until_ms,
        created_ms: message.issued_ms,
        payload: v1::SignedBatch {
            key_list: Vec::new(),
            batch: bytes,
            signatures: vec![v1::Signature {
                key_id: key_id.to_owned(),
                signature: signature.to_bytes().to_vec(),
            }],
        }
        .encode_to_vec(),
        campaign: Some(campaign.to_owned()),
    }
}

/// Prints what each store says as it comes; good if all accept in time.
fn wait(database: &mut Database, digests: &[[u8; 32]], longest: Duration) -> Result<bool, Failure> {
    let end = Instant::now() + longest;
    let mut told = BTreeSet::new();
    let mut all_accept = true;
    loop {
        let mut outcomes = Vec::new();
        for digest in digests {
            outcomes.extend(status::outcomes(database, digest)?.into_iter().map(|outcome| (digest, outcome)));
        }
        let open = outcomes.iter().filter(|(_, outcome)| outcome.accepted.is_none()).count();
        for (digest, outcome) in &outcomes {
            let Some(accepted) = outcome.accepted else { continue };
            if told.insert((*digest, outcome.store.clone())) {
                all_accept &= accepted;
                say(&outcome.line());
            }
        }
        if open == 0 {
            return Ok(all_accept);
        }
        if Instant::now() >= end {
            for (_, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.accepted.is_none()) {
                say(&format!(
                    "{}: no answer within {} s; serve goes on trying",
                    outcome.store,
                    longest.as_secs()
                ));
            }
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Signature;

    #[test]
    fn the_signature_covers_the_bytes_that_travel() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let message = v1::PriceBatch { chain: "kaixin".into(), number: 3, ..Default::default() };
        let batch = sign(&message, "hq-1", &key, "leaflet");
        let travelled = v1::SignedBatch::decode(batch.payload.as_slice()).unwrap();
        assert_eq!(batch.digest, <[u8; 32]>::from(Sha256::digest(&travelled.batch)));
        assert_eq!(v1::PriceBatch::decode(travelled.batch.as_slice()).unwrap(), message);
        let signature = Signature::from_slice(&travelled.signatures[0].signature).unwrap();
        let signed = [b"storewarden/v1/price-batch\n", travelled.batch.as_slice()].concat();
        key.verifying_key().verify_strict(&signed, &signature).unwrap();
    }
}
