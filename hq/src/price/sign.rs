//! `price keys`: whose signatures count, signed by a root key. `price sign`: a second signature of what was
//! put aside by `price push --hold`.

use super::outgoing::{self, Batch};
use crate::Failure;
use crate::database::{Database, now_ms};
use crate::keys;
use crate::print::say;
use chrono::DateTime;
use ed25519_dalek::{Signer as _, SigningKey};
use prost::Message as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use storewarden_proto::topic::is_valid_id;
use storewarden_proto::{key_list_signed_bytes, price_batch_signed_bytes, v1};
use thiserror::Error;

/// A list of keys may be taken for so long: a store that was away for a year still learns what was revoked.
const LIST_ACCEPT_MS: i64 = 366 * 24 * 3_600_000;
/// Prices of a batch that are shown before it is signed.
const SHOWN_MAX: usize = 20;

/// Arguments of `price keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
FILE is TOML:
  large_change_percent = 30  # beyond it a price needs an approver's signature too; 0: none does
  markdown_percent = 50      # a store's own markdown takes off at most so much
  markdown_hours = 12        # and ends within so many hours; left out: stores make none
  markdown_classes = [\"fresh\"]  # only of items of these classes; left out: of any
  [[key]]
  id = \"li\"
  public = \"64 hex digits, as `price keygen` prints them\"
  role = \"price_team\"        # or \"approver\"; \"store_manager\" signs markdowns
  stores = [\"0042\"]          # where it counts; left out: in every store. A store manager's names them
  valid_from = \"2026-12-01T00:00:00+08:00\"   # left out: from now on
  valid_until = \"2027-12-01T00:00:00+08:00\"  # left out: for ever
  revoked = \"2026-12-24T09:30:00+08:00\"      # from then on it counts no longer

Stores take the list as a whole; it replaces the one before. A key that was revoked stays in the list.")]
pub(crate) struct KeysArgs {
    /// The list
    file: PathBuf,
    /// Private root key, as written by `price keygen --root`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The id under which stores know the root key
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// The chain the list is for
    #[arg(long, value_name = "ID")]
    chain: String,
    /// The list's version, above that of every store; without it the next that this database knows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    list_version: Option<i64>,
    /// A store the list is sent to, repeatable; without it every store that headquarters knows
    #[arg(long = "store", value_name = "ID")]
    stores: Vec<String>,
}

/// Arguments of `price sign`.
#[derive(Debug, clap::Args)]
pub(crate) struct SignArgs {
    /// What `price push --hold` wrote; the signature is added to it
    file: PathBuf,
    /// Private key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The id under which stores know the key
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// Queue it for its stores as well
    #[arg(long)]
    queue: bool,
}

#[derive(Debug, Error)]
pub(crate) enum SignError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
    #[error("{0} is there already; what is put aside is never overwritten")]
    Exists(PathBuf),
    #[error("{0} is not what `price push --hold` writes, or only a part of it")]
    NotHeld(PathBuf),
    #[error("{path}: {why}")]
    List { path: PathBuf, why: String },
    #[error("{0:?} cannot be the id of a key or store: use 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'")]
    Id(String),
    #[error("key {0} has signed it already")]
    Twice(String),
    #[error("no store of chain {0} has reported yet: name the stores with --store, or start serve first")]
    NoStores(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    large_change_percent: u32,
    #[serde(default)]
    markdown_percent: u32,
    #[serde(default)]
    markdown_hours: u32,
    #[serde(default)]
    markdown_classes: Vec<String>,
    #[serde(default)]
    key: Vec<ListedKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedKey {
    id: String,
    public: String,
    role: Role,
    #[serde(default)]
    stores: Vec<String>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    revoked: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    PriceTeam,
    Approver,
    StoreManager,
}

/// Runs `price keys`.
pub(crate) fn send_keys(database: &mut Database, args: &KeysArgs) -> Result<(), Failure> {
    let root = keys::load(&args.key)?;
    let text =
        std::fs::read_to_string(&args.file).map_err(|error| SignError::Read(args.file.clone(), error))?;
    let version = match args.list_version {
        Some(version) => version,
        None => outgoing::last_list(database, &args.chain)? + 1,
    };
    let list = list(&text, &args.chain, version.cast_unsigned(), now_ms())
        .map_err(|why| SignError::List { path: args.file.clone(), why })?;
    let stores = targets(database, &args.chain, &args.stores)?;
    let batch = sign_list(&list, &args.key_id, &root);
    outgoing::queue(database, &args.chain, &[batch], &stores)?;
    say(&format!(
        "queued version {version} of the list of keys: {} keys for {} stores",
        list.keys.len(),
        stores.len()
    ));
    Ok(())
}

fn list(text: &str, chain: &str, version: u64, now: i64) -> Result<v1::KeyList, String> {
    let list: List = toml::from_str(text).map_err(|error| error.to_string())?;
    let time = |text: &Option<String>, id: &str| match text {
        None => Ok(0),
        Some(text) => DateTime::parse_from_rfc3339(text)
            .map(|time| time.timestamp_millis())
            .map_err(|_| format!("key {id}: {text:?} is no time; write 2026-12-01T00:00:00+08:00")),
    };
    if list.markdown_percent >= 100 {
        return Err("markdown_percent is 1 to 99: nothing is given away".into());
    }
    if (list.markdown_percent == 0) != (list.markdown_hours == 0) {
        return Err("markdown_percent and markdown_hours go together".into());
    }
    let mut keys = Vec::with_capacity(list.key.len());
    for ListedKey { id, public, role, stores, valid_from, valid_until, revoked } in list.key {
        if !is_valid_id(&id) {
            return Err(format!("{id:?} cannot be the id of a key"));
        }
        let public_key = hex_32(&public)
            .ok_or_else(|| format!("key {id}: public is 64 hex digits, as `price keygen` prints them"))?;
        if keys.iter().any(|known: &v1::PriceKey| known.id == id || known.public_key == public_key) {
            return Err(format!("key {id} is listed twice, or under another id"));
        }
        if matches!(role, Role::StoreManager) && stores.is_empty() {
            return Err(format!("key {id}: a store manager's key names the stores it counts in"));
        }
        keys.push(v1::PriceKey {
            public_key,
            role: match role {
                Role::PriceTeam => v1::PriceRole::PriceTeam,
                Role::Approver => v1::PriceRole::Approver,
                Role::StoreManager => v1::PriceRole::StoreManager,
            }
            .into(),
            stores,
            valid_from_ms: time(&valid_from, &id)?,
            valid_until_ms: time(&valid_until, &id)?,
            revoked_ms: time(&revoked, &id)?,
            id,
        });
    }
    Ok(v1::KeyList {
        chain: chain.to_owned(),
        version,
        issued_ms: now,
        keys,
        large_change_percent: list.large_change_percent,
        markdown_percent_max: list.markdown_percent,
        markdown_hours_max: list.markdown_hours,
        markdown_classes: list.markdown_classes,
    })
}

fn hex_32(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    (digits.len() == 64).then_some(())?;
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn sign_list(list: &v1::KeyList, key_id: &str, root: &SigningKey) -> Batch {
    let key_list = list.encode_to_vec();
    let signature = root.sign(&key_list_signed_bytes(&key_list)).to_bytes().to_vec();
    Batch {
        digest: Sha256::digest(&key_list).into(),
        key_id: key_id.to_owned(),
        number: list.version.cast_signed(),
        entries: 0,
        accept_until_ms: list.issued_ms + LIST_ACCEPT_MS,
        created_ms: list.issued_ms,
        payload: v1::SignedBatch {
            key_list,
            signatures: vec![v1::Signature { key_id: key_id.to_owned(), signature }],
            ..v1::SignedBatch::default()
        }
        .encode_to_vec(),
        campaign: None,
    }
}

fn targets(database: &mut Database, chain: &str, stores: &[String]) -> Result<Vec<String>, Failure> {
    if let Some(bad) = stores.iter().find(|store| !is_valid_id(store)) {
        return Err(SignError::Id(bad.clone()).into());
    }
    let mut stores =
        if stores.is_empty() { outgoing::known_stores(database, chain)? } else { stores.to_vec() };
    stores.sort();
    stores.dedup();
    if stores.is_empty() { Err(SignError::NoStores(chain.to_owned()).into()) } else { Ok(stores) }
}

/// Puts signed batches aside, in a file that is not there yet.
pub(crate) fn hold(path: &Path, payloads: &[&[u8]]) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    for payload in payloads {
        prost::encode_length_delimiter(payload.len(), &mut bytes).expect("a vector takes every byte");
        bytes.extend_from_slice(payload);
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(SignError::Exists(path.to_owned()).into());
        }
        other => other.map_err(|error| SignError::Write(path.to_owned(), error))?,
    };
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.map_err(|error| SignError::Write(path.to_owned(), error).into())
}

fn held(path: &Path) -> Result<Vec<(v1::SignedBatch, v1::PriceBatch)>, Failure> {
    let bytes = std::fs::read(path).map_err(|error| SignError::Read(path.to_owned(), error))?;
    let mut rest = bytes.as_slice();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let not_held = |_| SignError::NotHeld(path.to_owned());
        let signed = v1::SignedBatch::decode_length_delimited(&mut rest).map_err(not_held)?;
        let batch = v1::PriceBatch::decode(signed.batch.as_slice()).map_err(not_held)?;
        batches.push((signed, batch));
    }
    if batches.is_empty() { Err(SignError::NotHeld(path.to_owned()).into()) } else { Ok(batches) }
}

/// Runs `price sign`.
pub(crate) fn run(open: impl FnOnce() -> Result<Database, Failure>, args: &SignArgs) -> Result<(), Failure> {
    let key = keys::load(&args.key)?;
    if !is_valid_id(&args.key_id) {
        return Err(SignError::Id(args.key_id.clone()).into());
    }
    let mut batches = held(&args.file)?;
    for (signed, batch) in &mut batches {
        if signed.signatures.iter().any(|signature| signature.key_id == args.key_id) {
            return Err(SignError::Twice(args.key_id.clone()).into());
        }
        let signature = key.sign(&price_batch_signed_bytes(&signed.batch)).to_bytes().to_vec();
        signed.signatures.push(v1::Signature { key_id: args.key_id.clone(), signature });
        show(batch);
    }
    let aside = args.file.with_extension("signing");
    let payloads: Vec<_> = batches.iter().map(|(signed, _)| signed.encode_to_vec()).collect();
    hold(&aside, &payloads.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    std::fs::rename(&aside, &args.file).map_err(|error| SignError::Write(args.file.clone(), error))?;
    say(&format!("{} is signed by {}", args.file.display(), args.key_id));
    if args.queue {
        let mut database = open()?;
        let (signed, message) = &batches[0];
        let first = signed.signatures.first().map_or("", |first| first.key_id.as_str());
        let campaign = format!("{first}-{}", message.number);
        for ((signed, message), payload) in batches.iter().zip(payloads) {
            let first = signed.signatures.first().map_or("", |first| first.key_id.as_str());
            let batch = Batch {
                digest: Sha256::digest(&signed.batch).into(),
                key_id: first.to_owned(),
                number: message.number.cast_signed(),
                entries: message.entries.len(),
                accept_until_ms: message.accept_until_ms,
                created_ms: now_ms(),
                payload,
                campaign: Some(campaign.clone()),
            };
            let stores = targets(&mut database, &message.chain, &message.stores)?;
            outgoing::queue(&mut database, &message.chain, &[batch], &stores)?;
            say(&format!("queued batch {} of key {first} for {} stores", message.number, stores.len()));
        }
    }
    Ok(())
}

/// What is about to be signed, for who signs it.
fn show(batch: &v1::PriceBatch) {
    say(&format!("batch {} for chain {}: {} prices", batch.number, batch.chain, batch.entries.len()));
    for entry in batch.entries.iter().take(SHOWN_MAX) {
        let price = storewarden_prices::Currency::from_code(&entry.currency)
            .map_or_else(String::new, |currency| {
                storewarden_prices::Money::new(entry.price_minor, currency).to_string()
            });
        say(&format!("  {} {} {price}", entry.item, entry.name));
    }
    if batch.entries.len() > SHOWN_MAX {
        say(&format!("  and {} more", batch.entries.len() - SHOWN_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_what_is_wrong_with_it_is_said() {
        let public = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        let key = |more: &str| {
            format!(
                "large_change_percent = 30\n[[key]]\nid = \"li\"\npublic = \"{public}\"\nrole = \"price_team\"\n{more}"
            )
        };
        let read = |text: &str| list(text, "kaixin", 2, 9);
        let good = read(&key("revoked = \"1970-01-01T00:00:01Z\"")).unwrap();
        assert_eq!((good.version, good.large_change_percent, good.keys[0].revoked_ms), (2, 30, 1000));
        assert_eq!(good.keys[0].role(), v1::PriceRole::PriceTeam);
        let manager = key("stores = [\"0042\"]").replace("price_team", "store_manager");
        let with = |limits: &str| read(&format!("{limits}\n{manager}"));
        let limits = with("markdown_percent = 40\nmarkdown_hours = 12").unwrap();
        assert_eq!((limits.markdown_percent_max, limits.markdown_hours_max), (40, 12));
        assert_eq!(limits.keys[0].role(), v1::PriceRole::StoreManager);
        for (limits, why) in [
            ("markdown_percent = 100\nmarkdown_hours = 12", "1 to 99"),
            ("markdown_percent = 40", "go together"),
        ] {
            let said = with(limits).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        for (text, why) in [
            (&key("").replace("price_team", "store_manager")[..], "names the stores"),
            ("", "large_change_percent"),
            (&key("revoked = \"yesterday\""), "is no time"),
            (&key("unknown = 1"), "unknown"),
            (&key("").replace("price_team", "boss"), "boss"),
            (&key("").replace("19bf", "19b"), "64 hex digits"),
            (
                &[key(""), key("").replace("large_change_percent = 30", "").replace("\"li\"", "\"wang\"")]
                    .concat(),
                "twice",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn what_is_put_aside_comes_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leaflet.signed");
        let batch = v1::PriceBatch { number: 3, ..Default::default() };
        let signed = v1::SignedBatch { batch: batch.encode_to_vec(), ..Default::default() };
        let payload = signed.encode_to_vec();
        hold(&path, &[&payload, &payload]).unwrap();
        assert_eq!(held(&path).unwrap(), vec![(signed.clone(), batch.clone()), (signed, batch)]);
        assert!(hold(&path, &[&payload]).unwrap_err().to_string().contains("never overwritten"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(held(&path).unwrap_err().to_string().contains("only a part"));
    }
}
