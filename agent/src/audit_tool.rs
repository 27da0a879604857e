//! `storewarden audit`: whether the trail of who did what is whole, and whether what is on the shelf was
//! signed by who may sign.

use crate::ask::{journal_of, load};
use crate::config::Config;
use crate::failure::Failure;
use crate::journal::{audit, prices};
use crate::price::Authority;
use chrono::{DateTime, SecondsFormat, Utc};
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use storewarden_prices::LOOKS_BACK;
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::SignedBatch;

/// What can be asked of the trail.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prove it: each row by its hash over the row before, and every accepted price batch by its signatures.
    /// Prints the last hash: who notes it elsewhere will see it if the newest rows are cut off. Exit status
    /// 1 if anything does not fit.
    Verify {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
    },
    /// Print it, the oldest first.
    Show {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
    },
}

impl Command {
    /// Reads the journal, also beside a running agent.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        match self {
            Self::Verify { config } => verify(&load(&config)?, &mut out),
            Self::Show { config } => show(&load(&config)?, &mut out),
        }
    }
}

fn show(config: &Config, out: &mut impl Write) -> Result<(), Failure> {
    let db = journal_of(config)?;
    let sql = "SELECT id, at_ms, by, what, detail FROM audit ORDER BY id";
    let mut statement = db.prepare(sql).map_err(Failure::outcome)?;
    let mut rows = statement.query([]).map_err(Failure::outcome)?;
    while let Some(row) = rows.next().map_err(Failure::outcome)? {
        let line = || -> rusqlite::Result<String> {
            let at: i64 = row.get(1)?;
            let at = DateTime::<Utc>::from_timestamp_millis(at).unwrap_or_default();
            let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let (id, by, what, detail): (i64, String, String, String) =
                (row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?);
            let by = if by.is_empty() { "-".to_owned() } else { by };
            Ok(format!("{id} {at} {by} {what}: {detail}"))
        };
        writeln!(out, "{}", line().map_err(Failure::outcome)?).map_err(Failure::output)?;
    }
    out.flush().map_err(Failure::output)
}

fn verify(config: &Config, out: &mut impl Write) -> Result<(), Failure> {
    let db = journal_of(config)?;
    let mut faults = 0;
    let mut say = |line: String| writeln!(out, "{line}").map_err(Failure::output);
    match audit::first_break(&db).map_err(Failure::outcome)? {
        None => {
            let sql = "SELECT count(*), coalesce((SELECT hex(hash) FROM audit ORDER BY id DESC LIMIT 1), '') FROM audit";
            let (rows, hash): (i64, String) =
                db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(Failure::outcome)?;
            say(format!("trail: {rows} rows, whole; last hash {}", hash.to_lowercase()))?;
        }
        Some(row) => {
            faults += 1;
            say(format!(
                "trail: row {row} does not follow from the one before: it or a row before it was changed or removed"
            ))?;
        }
    }
    let list = prices::key_list(&db).map_err(Failure::outcome)?;
    let authority = crate::shelf::authority(config, list.as_deref());
    if list.is_some() && !config.root_keys.is_empty() && !authority.has_list() {
        faults += 1;
        say("the list of keys is not signed by a [[root_key]] of the configuration".into())?;
    }
    let (lost, strange) = differences(&db).map_err(Failure::outcome)?;
    for (digests, what) in [(lost, "was accepted and is gone"), (strange, "was never accepted")] {
        for digest in digests {
            faults += 1;
            say(format!("batch with sha256 {digest}: {what}"))?;
        }
    }
    let mut batches = db
        .prepare("SELECT key_id, number, digest, signed, at_ms FROM price_batch ORDER BY 1, 2")
        .map_err(Failure::outcome)?;
    let mut rows = batches.query([]).map_err(Failure::outcome)?;
    let (mut proven, mut unsigned, mut over) = (0, 0, 0);
    let lately = Utc::now().timestamp_millis() - LOOKS_BACK.0;
    while let Some(row) = rows.next().map_err(Failure::outcome)? {
        let read = || -> rusqlite::Result<(String, i64, Vec<u8>, Vec<u8>)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let (key, number, digest, signed) = read().map_err(Failure::outcome)?;
        if signed.is_empty() {
            over += 1;
            if row.get::<_, i64>(4).map_err(Failure::outcome)? >= lately {
                faults += 1;
                say(format!("batch {number} of key {key}: its prices were removed before they were over"))?;
            }
            continue;
        }
        match judge(&authority, &key, &digest, &signed) {
            Ok(true) => proven += 1,
            Ok(false) => unsigned += 1,
            Err(why) => {
                faults += 1;
                say(format!("batch {number} of key {key}: {why}"))?;
            }
        }
    }
    say(format!("prices: {proven} batches proven by their signatures"))?;
    if over > 0 {
        say(format!("prices: {over} batches that are over: only that they were accepted is kept"))?;
    }
    if unsigned > 0 {
        say(format!(
            "prices: {unsigned} batches of an older journal, which did not keep signatures: nothing to prove"
        ))?;
    }
    out.flush().map_err(Failure::output)?;
    if faults > 0 { Err(Failure::Outcome(format!("{faults} faults"))) } else { Ok(()) }
}

/// Batches of which the trail says that they were accepted and that are not there, and those that are there
/// and of which it says nothing; by their digests.
fn differences(db: &rusqlite::Connection) -> rusqlite::Result<(Vec<String>, Vec<String>)> {
    let digests = |sql: &str| -> rusqlite::Result<BTreeSet<String>> {
        db.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    let said = digests("SELECT substr(detail, -64) FROM audit WHERE what = 'price-batch-accepted'")?;
    let held = digests("SELECT lower(hex(digest)) FROM price_batch")?;
    Ok((said.difference(&held).cloned().collect(), held.difference(&said).cloned().collect()))
}

/// Whether a batch is proven; false if there is nothing to prove it by.
fn judge(authority: &Authority, key: &str, digest: &[u8], signed: &[u8]) -> Result<bool, String> {
    use sha2::{Digest as _, Sha256};
    let signed = SignedBatch::decode(signed).map_err(|_| "cannot be read".to_owned())?;
    if signed.signatures.is_empty() {
        return Ok(false);
    }
    if Sha256::digest(&signed.batch).as_slice() != digest {
        return Err("is not what was accepted".into());
    }
    let signers = authority.signers(&signed.batch, &signed.signatures).map_err(|fault| fault.to_string())?;
    if signers.contains(&key) { Ok(true) } else { Err(format!("is not signed by {key}")) }
}
