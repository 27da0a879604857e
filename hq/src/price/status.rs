//! `price status`: what became of each batch in each store.

use super::campaign::Campaign;
use super::watch;
use crate::Failure;
use crate::database::{Database, Error, now_ms, values};
use crate::keys::hex;
use crate::show::rfc3339;
use serde::Serialize;
use std::io::Write as _;
use storewarden_proto::v1::Proof;

/// What one store did with one batch.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) store: String,
    /// None until the store has said.
    pub(crate) accepted: Option<bool>,
    /// Why it was refused.
    reason: Option<String>,
    /// When it was last handed to the broker for this store.
    sent: Option<String>,
    /// Too late to be accepted, without an answer.
    expired: bool,
    /// Labels of which the store says that they show the batch's price, or why not yet.
    labels: Labels,
}

/// Labels by how sure the store is.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Labels {
    /// Refreshed or read back.
    shown: u32,
    /// Queued at or delivered by the gateway.
    under_way: u32,
    failed: u32,
}

impl Outcome {
    /// For people.
    pub(crate) fn line(&self) -> String {
        let Labels { shown, under_way, failed } = self.labels;
        let said = match (self.accepted, &self.sent) {
            (Some(true), _) => "accepted".to_owned(),
            (Some(false), _) => format!("refused: {}", self.reason.as_deref().unwrap_or("")),
            (None, _) if self.expired => "not answered, and too late now".to_owned(),
            (None, Some(sent)) => format!("sent {sent}, not answered yet"),
            (None, None) => "waits to be sent".to_owned(),
        };
        format!("{}: {said}; labels: {shown} shown, {under_way} under way, {failed} failed", self.store)
    }
}

/// One batch with its stores.
#[derive(Debug, Serialize)]
struct BatchStatus {
    digest: String,
    campaign: String,
    chain: String,
    key_id: String,
    number: i64,
    prices: i64,
    created: String,
    accept_until: String,
    stores: Vec<Outcome>,
}

/// Arguments of `price status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Only this campaign: every store's answer, and how many of its labels show it. Exit status 1 unless all have
    /// accepted it and every label that should shows it
    #[arg(requires = "chain")]
    campaign: Option<String>,
    /// The chain of the campaign
    #[arg(long, value_name = "ID")]
    chain: Option<String>,
    /// Go on until it is done: a bar on a terminal, else a line for every change
    #[arg(long, requires = "campaign")]
    watch: bool,
    /// With --watch: no longer than that
    #[arg(long = "for", value_name = "SPAN", value_parser = humantime::parse_duration, requires = "watch")]
    longest: Option<std::time::Duration>,
    /// One JSON object a batch and line
    #[arg(long, conflicts_with = "campaign")]
    json: bool,
}

/// Arguments of `price proof`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
COLUMNS: store, label, item, price, currency, price_minor, key, batch, state, proof, at, reason. A line for every label
that told of a price of the campaign or should show one now, and for every store that has not accepted it.
  state   shown, under_way, failed, waiting (nothing told yet), later; of a store: refused, not_answered
  proof   read_back, refreshed, delivered, queued: how sure the store is
  at      when it became so, by the store's clock, UTC")]
pub(crate) struct ProofArgs {
    /// The campaign, as `price push` and `price status` name it
    campaign: String,
    /// The chain
    #[arg(long, value_name = "ID")]
    chain: String,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    csv: std::path::PathBuf,
}

/// Runs `price proof`.
pub(crate) fn proof(database: &mut Database, args: &ProofArgs) -> Result<(), Failure> {
    let lines = Campaign::open(database, &args.chain, &args.campaign)?.report(database, &args.csv)?;
    writeln!(std::io::stdout(), "{}: {lines} lines", args.csv.display())?;
    Ok(())
}

/// Runs `price status`; whether the outcome is good.
pub(crate) fn run(database: &mut Database, args: &StatusArgs) -> Result<bool, Failure> {
    let (Some(name), Some(chain)) = (&args.campaign, &args.chain) else {
        return all(database, args.json).map(|()| true);
    };
    let campaign = Campaign::open(database, chain, name)?;
    if args.watch { watch::run(database, &campaign, args.longest) } else { watch::once(database, &campaign) }
}

/// Prints all batches, the newest last; one JSON object a line if `json`.
fn all(database: &mut Database, json: bool) -> Result<(), Failure> {
    let batches = database.query(
        "SELECT digest, chain, key_id, number, entries, created_ms, accept_until_ms, campaign FROM batch
         ORDER BY created_ms, number",
        &[],
    )?;
    for row in batches {
        let digest: Vec<u8> = row.get(0)?;
        let batch = BatchStatus {
            digest: hex(&digest),
            campaign: row.get(7)?,
            chain: row.get(1)?,
            key_id: row.get(2)?,
            number: row.get(3)?,
            prices: row.get(4)?,
            created: rfc3339(row.get(5)?),
            accept_until: rfc3339(row.get(6)?),
            stores: outcomes(database, &digest)?,
        };
        if json {
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&batch)?)?;
            continue;
        }
        writeln!(
            std::io::stdout(),
            "batch {} of key {} for chain {}, campaign {}: {} prices, signed {}, to be accepted until {}",
            batch.number,
            batch.key_id,
            batch.chain,
            batch.campaign,
            batch.prices,
            batch.created,
            batch.accept_until
        )?;
        for outcome in &batch.stores {
            writeln!(std::io::stdout(), "  {}", outcome.line())?;
        }
    }
    Ok(())
}

/// What the stores of a batch have said so far.
pub(crate) fn outcomes(database: &mut Database, digest: &[u8]) -> Result<Vec<Outcome>, Error> {
    let proofs = [Proof::Refreshed, Proof::ReadBack, Proof::Queued, Proof::Delivered, Proof::Failed];
    let [refreshed, read_back, queued, delivered, failed] = proofs.map(i32::from);
    let rows = database.query(
        "SELECT target.store, accepted, target.reason, sent_ms, accept_until_ms,
           count(label) FILTER (WHERE proof IN (?2, ?3)),
           count(label) FILTER (WHERE proof IN (?4, ?5)),
           count(label) FILTER (WHERE proof = ?6)
         FROM batch_store AS target JOIN batch ON batch.digest = target.digest
           LEFT JOIN label_shown ON label_shown.chain = batch.chain AND label_shown.store = target.store
             AND label_shown.batch = batch.number AND label_shown.key_id IN (batch.key_id, '')
         WHERE target.digest = ?1
         GROUP BY target.store, accepted, target.reason, sent_ms, accept_until_ms ORDER BY target.store",
        &values![digest, refreshed, read_back, queued, delivered, failed],
    )?;
    let outcome = |row: &crate::database::Row| {
        let accepted: Option<bool> = row.get(1)?;
        Ok(Outcome {
            store: row.get(0)?,
            accepted,
            reason: row.get::<Option<String>>(2)?.filter(|reason| !reason.is_empty()),
            sent: row.get::<Option<i64>>(3)?.map(rfc3339),
            expired: accepted.is_none() && row.get::<i64>(4)? <= now_ms(),
            labels: Labels { shown: row.get(5)?, under_way: row.get(6)?, failed: row.get(7)? },
        })
    };
    rows.iter().map(outcome).collect()
}
