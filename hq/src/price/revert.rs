//! `price revert`: what a campaign said counts no longer, from now on; the prices from before it hold.

use super::book;
use super::outgoing;
use super::send::{self, Content, SendArgs};
use crate::Failure;
use crate::database::{Database, now_ms, values};
use storewarden_prices::{LOOKS_BACK, WITHDRAWS_MAX};
use storewarden_proto::v1;
use thiserror::Error;

/// Arguments of `price revert`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A batch that takes the campaign's back is signed, numbered and sent like any other. Where a price changes by it
more than the list of keys allows, an approver must sign it too: --hold, then `price sign --queue`.

EXIT STATUS: as of `price push`")]
pub(crate) struct RevertArgs {
    /// The campaign, as `price push` and `price status` name it
    campaign: String,
    #[command(flatten)]
    send: SendArgs,
}

#[derive(Debug, Error)]
enum RevertError {
    #[error("chain {chain} has no campaign {campaign}; `price status` lists them")]
    Unknown { chain: String, campaign: String },
    #[error(
        "campaign {0} was signed more than 8 weeks ago: stores may have forgotten what held before; push the prices that shall hold"
    )]
    Old(String),
    #[error("campaign {0} only took another one back; push that one's prices again")]
    Withdrawal(String),
}

/// Runs `price revert`; whether the outcome is good.
pub(crate) fn run(database: &mut Database, args: &RevertArgs) -> Result<bool, Failure> {
    let (chain, campaign) = (&args.send.chain, &args.campaign);
    let digests = outgoing::batches_of(database, chain, campaign)?;
    if digests.is_empty() {
        return Err(RevertError::Unknown { chain: chain.clone(), campaign: campaign.clone() }.into());
    }
    let mut withdraws = Vec::new();
    for digest in digests {
        let sql = "SELECT key_id, number, created_ms, payload FROM batch WHERE digest = ?1";
        for row in database.query(sql, &values![&digest])? {
            if row.get::<i64>(2)? < now_ms() - LOOKS_BACK.0 {
                return Err(RevertError::Old(campaign.clone()).into());
            }
            if book::wire(&row.get::<Vec<u8>>(3)?)?.entries.is_empty() {
                return Err(RevertError::Withdrawal(campaign.clone()).into());
            }
            let number = row.get::<i64>(1)?.cast_unsigned();
            withdraws.push(v1::BatchName { key_id: row.get(0)?, number });
        }
    }
    let content = |part: &[v1::BatchName]| Content { withdraws: part.to_vec(), ..Content::default() };
    let contents = withdraws.chunks(WITHDRAWS_MAX).map(content).collect();
    send::run(database, &args.send, None, contents)
}
