//! `storewarden price`: what items cost here, and the store manager's markdowns.

use crate::ask::{journal_of, load, send};
use crate::config::Config;
use crate::failure::Failure;
use crate::journal::prices;
use chrono::{DateTime, Days, NaiveTime, SecondsFormat, TimeZone as _};
use chrono_tz::Tz;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use storewarden_prices::{BatchId, Entry, Jurisdiction, Kind, Money, PriceBook, Utc, When};
use storewarden_proto::prost::Message as _;
use storewarden_proto::{price_batch_signed_bytes, v1};

/// For how long a store may take what its manager signs here: it is handed over at once.
const ACCEPT_MS: i64 = 10 * 60 * 1_000;

/// What can be done with prices in a store.
#[derive(clap::Subcommand)]
pub enum Command {
    /// What every item costs now, by which batch, and until when (from the journal; works beside a running
    /// agent and without one).
    Show {
        /// Only this item.
        #[arg(long)]
        item: Option<String>,
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Mark items down for some hours, within the limits that headquarters signed. It ends by itself.
    #[command(group = clap::ArgGroup::new("how").required(true).args(["percent", "price"]))]
    Markdown {
        /// The item's code, as in the price table; repeatable.
        #[arg(long = "item", required = true, value_name = "ITEM")]
        items: Vec<String>,
        /// So many percent off its price; what is left is rounded up.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99))]
        percent: Option<u8>,
        /// What it costs then, e.g. 4.50.
        #[arg(long)]
        price: Option<String>,
        /// Until the store's clock next shows this time, e.g. 22:00.
        #[arg(long, value_name = "HH:MM")]
        until: String,
        #[command(flatten)]
        manager: Manager,
    },
    /// Take a markdown back before its end.
    Withdraw {
        /// Its number, as `markdown` and `show` print it.
        #[arg(long)]
        number: u64,
        /// The key it was signed with; without it the manager's own.
        #[arg(long, value_name = "ID")]
        signed_by: Option<String>,
        #[command(flatten)]
        manager: Manager,
    },
}

/// Who marks down.
#[derive(clap::Args)]
pub struct Manager {
    /// The person's name: it goes into the audit trail and to headquarters.
    #[arg(long)]
    by: String,
    /// The store manager's private key, as `storewarden-hq price keygen` writes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The id under which headquarters' list of keys has it.
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// The store's configuration.
    #[arg(long, default_value = "store.toml")]
    config: PathBuf,
}

impl Command {
    /// Reads the journal; markdowns are handed to the agent.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let now = Utc(chrono::Utc::now().timestamp_millis());
        match self {
            Self::Show { item, config, json } => {
                let config = load(&config)?;
                show(&book(&config)?, config.store.timezone, item.as_deref(), json, now)
            }
            Self::Markdown { items, percent, price, until, manager } => {
                let config = load(&manager.config)?;
                let book = book(&config)?;
                let zone = config.store.timezone;
                let until = next(&until, zone, now).ok_or_else(|| {
                    Failure::Input(format!("--until {until:?} is no time of day; write 22:00\n"))
                })?;
                let mut batch = manager.batch(&config, now);
                for item in &items {
                    let usual = book.usual_at(item, now).ok_or_else(|| {
                        Failure::Input(format!(
                            "item {item} has no price here now; `storewarden price show` lists those that have\n"
                        ))
                    })?;
                    let lower =
                        lower(usual.entry.price, percent, price.as_deref()).map_err(Failure::Input)?;
                    let entry =
                        marked_down(usual.entry, lower, (now, until), config.store.jurisdiction, &book);
                    batch.entries.push(entry.to_wire());
                }
                manager.sign_and_send(&config, &batch)?;
                for entry in &batch.entries {
                    let (item, name) = (&entry.item, &entry.name);
                    let price = Entry::check(entry, &|_| true)
                        .map_or_else(|_| String::new(), |e| e.price.to_string());
                    println!("{item} {name}: {price} until {}", local(until, zone));
                }
                println!("markdown {} by {}", batch.number, manager.by);
                Ok(())
            }
            Self::Withdraw { number, ref signed_by, ref manager } => {
                let config = load(&manager.config)?;
                let key_id = signed_by.clone().unwrap_or_else(|| manager.key_id.clone());
                let mut batch = manager.batch(&config, now);
                let id = BatchId { key: key_id.as_str().into(), number };
                if !book(&config)?.batches().contains(&id) {
                    return Err(Failure::Input(format!(
                        "no batch {number} of key {key_id} is in force here; `storewarden price show` lists them\n"
                    )));
                }
                batch.withdraws.push(v1::BatchName { key_id, number });
                manager.sign_and_send(&config, &batch)?;
                println!("markdown {number} withdrawn by {}", manager.by);
                Ok(())
            }
        }
    }
}

impl Manager {
    /// An empty batch of theirs. Its number is the time, seconds since 1970: a store needs to keep none.
    fn batch(&self, config: &Config, now: Utc) -> v1::PriceBatch {
        v1::PriceBatch {
            chain: config.store.chain.clone(),
            stores: vec![config.store.id.clone()],
            number: now.0.unsigned_abs() / 1_000,
            issued_ms: now.0,
            accept_from_ms: now.0 - ACCEPT_MS,
            accept_until_ms: now.0 + ACCEPT_MS,
            by: self.by.trim().to_owned(),
            ..v1::PriceBatch::default()
        }
    }

    fn sign_and_send(&self, config: &Config, batch: &v1::PriceBatch) -> Result<(), Failure> {
        let key = load_key(&self.key)?;
        let bytes = batch.encode_to_vec();
        let signature = key.sign(&price_batch_signed_bytes(&bytes)).to_bytes().to_vec();
        let signatures = vec![v1::Signature { key_id: self.key_id.clone(), signature }];
        let signed = v1::SignedBatch { batch: bytes, signatures, ..v1::SignedBatch::default() };
        send(config, "prices/markdown", &signed.encode_to_vec())
    }
}

fn load_key(path: &Path) -> Result<SigningKey, Failure> {
    let pem = std::fs::read_to_string(path)
        .map_err(|error| Failure::Input(format!("cannot read {}: {error}\n", path.display())))?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|_| {
        Failure::Input(format!(
            "{} is not an Ed25519 private key in PKCS#8 PEM form, as `storewarden-hq price keygen` writes it\n",
            path.display()
        ))
    })
}

fn book(config: &Config) -> Result<PriceBook, Failure> {
    prices::load_book(&journal_of(config)?, config.store.timezone).map_err(Failure::outcome)
}

/// When the clock on the wall next shows `time`, after `now`.
fn next(time: &str, zone: Tz, now: Utc) -> Option<Utc> {
    let time = NaiveTime::parse_from_str(time, "%H:%M").ok()?;
    let today = zone.timestamp_millis_opt(now.0).single()?.date_naive();
    let days = [0, 1, 2].into_iter().filter_map(|days| today.checked_add_days(Days::new(days)));
    days.map(|day| When::Wall(day.and_time(time)).in_zone(zone)).find(|at| *at > now)
}

/// What is left of `usual`.
fn lower(usual: Money, percent: Option<u8>, price: Option<&str>) -> Result<Money, String> {
    match (percent, price) {
        (Some(percent), _) => {
            let left = i128::from(usual.minor) * i128::from(100_u8.saturating_sub(percent));
            let minor = i64::try_from((left + 99) / 100).unwrap_or(i64::MAX);
            Ok(Money::new(minor, usual.currency))
        }
        (None, price) => {
            let price = price.unwrap_or_default();
            Money::parse(price, usual.currency).map_err(|error| format!("--price {price:?}: {error}\n"))
        }
    }
}

/// The markdown of an item that costs `usual` else. It says what it is compared with where the law allows it.
fn marked_down(
    usual: &Entry,
    price: Money,
    (from, until): (Utc, Utc),
    law: Option<Jurisdiction>,
    book: &PriceBook,
) -> Entry {
    let mut entry = Entry {
        price,
        kind: Kind::Markdown,
        priority: 0,
        valid_from: When::Instant(from),
        valid_until: Some(When::Instant(until)),
        unit_price: usual.unit_price.and(usual.content).and_then(|content| content.unit_price(price)),
        was: None,
        ..usual.clone()
    };
    let without = law.map_or(0, |law| law.faults(&entry, from, book).len());
    entry.was = Some(usual.price);
    if law.is_some_and(|law| law.faults(&entry, from, book).len() > without) {
        entry.was = None;
    }
    entry
}

fn show(book: &PriceBook, zone: Tz, only: Option<&str>, json: bool, now: Utc) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut shown = 0;
    for item in book.items().filter(|item| only.is_none_or(|only| only == *item)) {
        let Some(price) = book.price_at(item, now) else { continue };
        shown += 1;
        let entry = price.entry;
        let kind = entry.kind.name();
        let until = book.next_change_of(item, now).map(|at| local(at, zone));
        if json {
            let line = serde_json::json!({
                "item": item, "name": entry.name, "price": entry.price.to_string(),
                "price_minor": entry.price.minor, "currency": entry.price.currency.code(), "kind": kind,
                "key": &*price.source.key, "batch": price.source.number, "next_change": until,
            });
            writeln!(out, "{line}").map_err(Failure::output)?;
            continue;
        }
        let until = until.map_or_else(String::new, |until| format!(", may change {until}"));
        let (name, amount) = (&entry.name, entry.price);
        writeln!(
            out,
            "{item} {name}: {amount} {kind}, batch {} of {}{until}",
            price.source.number, price.source.key
        )
        .map_err(Failure::output)?;
    }
    if shown == 0 && !json {
        writeln!(out, "no prices").map_err(Failure::output)?;
    }
    out.flush().map_err(Failure::output)
}

fn local(at: Utc, zone: Tz) -> String {
    let at = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_prices::{Currency, Gtin, Measure, Source};

    const ZONE: Tz = chrono_tz::Asia::Shanghai;

    fn at(text: &str) -> Utc {
        Utc(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn until_is_the_next_time_that_the_clock_shows() {
        let now = at("2026-12-01T21:30:00+08:00");
        assert_eq!(next("22:00", ZONE, now), Some(at("2026-12-01T22:00:00+08:00")));
        assert_eq!(next("02:15", ZONE, now), Some(at("2026-12-02T02:15:00+08:00")));
        assert_eq!(next("21:30", ZONE, now), Some(at("2026-12-02T21:30:00+08:00")));
        assert_eq!(next("25:00", ZONE, now), None);
        assert_eq!(next("ten", ZONE, now), None);
    }

    #[test]
    fn percents_never_take_more_off_than_was_said() {
        let lower = |minor, percent| lower(Money::new(minor, Currency::Cny), Some(percent), None);
        assert_eq!(lower(199, 30), Ok(Money::new(140, Currency::Cny)));
        assert_eq!(lower(200, 30), Ok(Money::new(140, Currency::Cny)));
        assert_eq!(lower(1, 99), Ok(Money::new(1, Currency::Cny)));
        let priced = |text| super::lower(Money::new(198, Currency::Jpy), None, Some(text));
        assert_eq!(priced("120"), Ok(Money::new(120, Currency::Jpy)));
        assert!(priced("1.20").unwrap_err().starts_with("--price \"1.20\":"));
    }

    #[test]
    fn a_markdown_says_what_it_is_compared_with_where_the_law_allows_it() {
        let now = at("2026-12-01T18:00:00+08:00");
        let day = 86_400_000;
        let usual = |days: i64| Entry {
            item: "rice".into(),
            gtin: Gtin::parse("6921168509256").unwrap(),
            name: "饭团".into(),
            names: std::collections::BTreeMap::new(),
            class: String::new(),
            unit: "110 g".into(),
            price: Money::new(600, Currency::Cny),
            kind: Kind::Regular,
            priority: 4,
            valid_from: When::Instant(Utc(now.0 - days * day)),
            valid_until: None,
            sold_by: Some(Measure::Piece),
            content: storewarden_prices::Content::parse("110 g"),
            unit_price: Some(Money::new(5455, Currency::Cny)),
            was: None,
        };
        let marked = |days, law| {
            let mut book = PriceBook::new(ZONE);
            let source = Source { issued: Utc(0), key: "li".into(), number: 1 };
            book.insert(&source, [usual(days)]);
            marked_down(&usual(days), Money::new(420, Currency::Cny), (now, Utc(now.0 + day)), law, &book)
        };
        let entry = marked(8, Some(Jurisdiction::China));
        let cny = |minor| Some(Money::new(minor, Currency::Cny));
        assert_eq!((entry.kind, entry.was, entry.unit_price), (Kind::Markdown, cny(600), cny(3818)));
        assert_eq!(marked(8, None).was, cny(600));
        assert_eq!(marked(0, Some(Jurisdiction::China)).was, None, "was never charged before");
        assert!(Entry::check(&entry.to_wire(), &|_| true).is_ok());
    }
}
