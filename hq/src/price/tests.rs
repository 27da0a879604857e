//! Books, campaigns and labels in a database of each kind.

use super::book::{self, Of};
use super::campaign::{Answer, Campaign, Labels};
use super::integrity::{self, IntegrityArgs};
use super::outgoing;
use super::send::sign;
use crate::database::tests::Empty;
use crate::database::{Database, now_ms, values};
use ed25519_dalek::SigningKey;
use storewarden_prices::Utc;
use storewarden_proto::v1::{BatchName, PriceBatch, PriceEntry, PriceKind, Proof};

const HOUR: i64 = 3_600_000;

fn entry(item: &str, minor: i64, from: &str) -> PriceEntry {
    PriceEntry {
        item: item.into(),
        gtin: "6921168509256".into(),
        name: item.into(),
        currency: "CNY".into(),
        price_minor: minor,
        kind: PriceKind::Regular.into(),
        valid_from_local: from.into(),
        ..PriceEntry::default()
    }
}

/// Queues a batch of the key `li` for these stores, as a campaign of its number.
fn queue(database: &mut Database, batch: PriceBatch, stores: &[&str]) {
    let batch = PriceBatch { issued_ms: now_ms() - HOUR, accept_until_ms: now_ms() + HOUR, ..batch };
    let signed = sign(&batch, "li", &SigningKey::from_bytes(&[1; 32]), &format!("c{}", batch.number));
    let stores: Vec<_> = stores.iter().map(|store| (*store).to_owned()).collect();
    outgoing::queue(database, "k", &[signed], &stores).unwrap();
}

fn run(database: &mut Database, sql: &str) {
    database.transaction(|transaction| transaction.execute(sql, &[])).unwrap();
}

fn store(database: &mut Database, store: &str, zone: &str) {
    let sql = "INSERT INTO store VALUES ('k', ?1, 1, 1, 1, '', ?2, 0, 0, 0, '', ?3, 'CN')";
    let values = values![store, [0_u8].as_slice(), zone];
    database.transaction(|transaction| transaction.execute(sql, &values)).unwrap();
}

fn answer(database: &mut Database, number: i64, store: &str, accepted: bool) {
    let sql = "UPDATE batch_store SET accepted = ?1, reason = 'too dear'
               WHERE store = ?2 AND digest = (SELECT digest FROM batch WHERE number = ?3)";
    let values = values![accepted, store, number];
    assert_eq!(database.transaction(|transaction| transaction.execute(sql, &values)).unwrap(), 1);
}

fn shown(database: &mut Database, store: &str, label: &str, item: &str, key: &str, proof: Proof, at_ms: i64) {
    let sql = "INSERT INTO label_shown VALUES ('k', ?1, ?2, 2, ?3, 210, 'CNY', ?4, ?5, '=why', ?6)";
    let values = values![store, label, item, proof as i32, at_ms, key];
    database.transaction(|transaction| transaction.execute(sql, &values)).unwrap();
}

/// Three stores: two have accepted the first two batches, one of them by another clock; one has refused the
/// second.
fn chain(database: &mut Database) -> Vec<String> {
    for (id, zone) in [("a", "Asia/Shanghai"), ("b", "Asia/Tokyo"), ("c", "Asia/Shanghai")] {
        store(database, id, zone);
    }
    let batch = |number, entries| PriceBatch { number, entries, ..PriceBatch::default() };
    let long_ago = "2020-01-01T06:00";
    let first = vec![entry("water", 200, long_ago), entry("tea", 350, long_ago)];
    queue(database, batch(1, first), &["a", "b", "c"]);
    queue(database, batch(2, vec![entry("water", 210, "2021-01-01T06:00")]), &["a", "b", "c"]);
    for id in ["a", "b", "c"] {
        answer(database, 1, id, true);
        answer(database, 2, id, id != "c");
    }
    ["a", "b", "c"].map(str::to_owned).to_vec()
}

#[test]
fn stores_with_the_same_prices_are_told_together() {
    for empty in Empty::each() {
        let database = &mut empty.open();
        let stores = chain(database);
        // Under way: the withdrawal of the second.
        let withdraws = vec![BatchName { key_id: "li".into(), number: 2 }];
        queue(database, PriceBatch { number: 3, withdraws, ..PriceBatch::default() }, &["a", "b"]);
        let books = |database: &mut Database, of| {
            let mut told = Vec::new();
            book::for_each(database, "k", &stores, of, |_, shelves| {
                let price =
                    shelves.book.price_at("water", Utc(now_ms())).map(|shown| shown.entry.price.minor);
                // 2021-01-01 05:30 in Shanghai is 6:30 in Tokyo.
                let then = shelves.book.price_at("water", Utc(1_609_450_200_000));
                let then = then.map(|shown| shown.entry.price.minor);
                told.push((shelves.stores.join(" "), shelves.zone.unwrap().name(), price, then));
                Ok(())
            })
            .unwrap();
            told.sort();
            told
        };
        assert_eq!(
            books(database, Of::Accepted),
            [
                ("a".to_owned(), "Asia/Shanghai", Some(210), Some(200)),
                ("b".to_owned(), "Asia/Tokyo", Some(210), Some(210)),
                ("c".to_owned(), "Asia/Shanghai", Some(200), Some(200)),
            ]
        );
        let underway: Vec<_> = books(database, Of::Underway(now_ms())).into_iter().map(|it| it.2).collect();
        assert_eq!(underway, [Some(200); 3]);
        // Told alike they are one.
        run(database, "UPDATE store SET timezone = 'Asia/Shanghai'");
        let together: Vec<_> = books(database, Of::Accepted).into_iter().map(|it| it.0).collect();
        assert_eq!(together, ["a b", "c"]);
    }
}

#[test]
fn a_campaign_is_counted_and_reported_label_by_label() {
    for empty in Empty::each() {
        let database = &mut empty.open();
        chain(database);
        assert!(Campaign::open(database, "k", "c9").is_err());
        let campaign = Campaign::open(database, "k", "c2").unwrap();
        // A label that told of it, one of an older store, one that failed, one that told only of before, and
        // one of another item.
        shown(database, "a", "L1", "water", "li", Proof::Refreshed, 5);
        shown(database, "a", "L2", "water", "", Proof::Delivered, 5);
        shown(database, "b", "L3", "water", "li", Proof::Failed, 5);
        shown(database, "b", "L4", "water", "someone", Proof::Refreshed, 5);
        shown(database, "b", "L5", "tea", "someone", Proof::Refreshed, 5);
        // A store that refused it has labels, too.
        shown(database, "c", "L6", "water", "someone", Proof::Refreshed, 5);
        let progress = campaign.progress(database).unwrap();
        assert_eq!(progress.labels_of("a"), Labels { due: 2, shown: 2, failed: 0, later: 0 });
        assert_eq!(progress.labels_of("b"), Labels { due: 2, shown: 0, failed: 1, later: 0 });
        assert_eq!(progress.all_labels(), Labels { due: 4, shown: 2, failed: 1, later: 0 });
        assert!(progress.offline.is_empty());
        run(database, "UPDATE store SET online = 0 WHERE store = 'b'");
        assert_eq!(campaign.progress(database).unwrap().offline, ["b".to_owned()].into());
        let accepted = Answer { accepted: 1, ..Answer::default() };
        let refused = Answer { refused: 1, reason: "too dear".into(), ..Answer::default() };
        assert_eq!(progress.stores["a"], accepted);
        assert_eq!(progress.stores["c"], refused);

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proof.csv");
        assert_eq!(campaign.report(database, &path).unwrap(), 5);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "a,L1,water,2.10,CNY,210,li,2,shown,refreshed,1970-01-01T00:00:00.005Z,'=why",
                "a,L2,water,2.10,CNY,210,,2,shown,delivered,1970-01-01T00:00:00.005Z,'=why",
                "b,L3,water,2.10,CNY,210,li,2,failed,,1970-01-01T00:00:00.005Z,'=why",
                "b,L4,water,,,,,,waiting,,,",
                "c,,,,,,,,refused,,,too dear",
            ]
        );
    }
}

/// Status and `--csv` of `price integrity` of chain `k`, as Python's csv module reads it: store, what, item, label.
fn integrity(database: &mut Database, tills: &str, more: &[&str]) -> (bool, Vec<String>) {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: IntegrityArgs,
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (pos, csv) = (path("tills.csv"), path("differences.csv"));
    std::fs::write(&pos, tills).unwrap();
    let line = ["hq", "--chain", "k", "--pos", &pos, "--csv", &csv].into_iter().chain(more.iter().copied());
    let is_good = integrity::run(database, &<Line as clap::Parser>::parse_from(line).args).unwrap();
    let rows = by_python(std::path::Path::new(&csv), &["store", "what", "item", "label"]);
    (is_good, rows)
}

/// These columns of a CSV file, joined by blanks, line by line, as Python's csv module reads it.
fn by_python(path: &std::path::Path, columns: &[&str]) -> Vec<String> {
    let python = std::env::var("STOREWARDEN_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = "import csv, json, sys
rows = csv.DictReader(open(sys.argv[1], encoding='utf-8', newline=''), strict=True)
print(json.dumps([' '.join(row[name] for name in sys.argv[2:]) for row in rows]))";
    let read =
        std::process::Command::new(python).args(["-c", script]).arg(path).args(columns).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

#[test]
fn what_comes_later_is_told_as_such() {
    for empty in Empty::each() {
        let database = &mut empty.open();
        chain(database);
        shown(database, "a", "L1", "water", "li", Proof::Refreshed, 5);
        let ahead = vec![entry("water", 230, "2099-01-01T06:00")];
        queue(database, PriceBatch { number: 4, entries: ahead, ..PriceBatch::default() }, &["a"]);
        answer(database, 4, "a", true);
        let campaign = Campaign::open(database, "k", "c4").unwrap();
        let labels = campaign.progress(database).unwrap().all_labels();
        assert_eq!(labels, Labels { due: 0, shown: 0, failed: 0, later: 1 });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proof.csv");
        campaign.report(database, &path).unwrap();
        assert_eq!(by_python(&path, &["store", "label", "item", "state"]), ["a L1 water later"]);
    }
}

#[test]
fn a_file_of_tills_that_names_other_stores_agrees_with_nothing() {
    for empty in Empty::each() {
        let database = &mut empty.open();
        chain(database);
        for id in ["a", "b"] {
            shown(database, id, "L1", "water", "li", Proof::Refreshed, 5);
        }
        let good = "store,item,price\na,water,2.10\na,tea,3.50\n";
        let (is_good, rows) = integrity(database, good, &["--store", "a"]);
        assert!(is_good, "{rows:?}");
        assert_eq!(rows, ["a item_unlabelled tea "]);
        // A spreadsheet took the zeros of the stores' numbers away, or the file is another chain's.
        let (is_good, rows) = integrity(database, &good.replace("\na,", "\n7,"), &["--store", "a"]);
        assert!(!is_good, "{rows:?}");
        assert_eq!(rows, ["7 store_unknown  ", "a item_unlabelled tea ", "a tills_missing  "]);
        // One that is known and not asked for is passed over; one that is asked for and not in the file is not.
        let (is_good, rows) = integrity(database, good, &["--store", "b"]);
        assert!(!is_good, "{rows:?}");
        assert_eq!(rows, ["b item_unlabelled tea ", "b tills_missing  "]);
    }
}

#[test]
fn what_a_store_writes_is_no_formula_and_no_other_column() {
    for empty in Empty::each() {
        let database = &mut empty.open();
        chain(database);
        shown(database, "a", "=L1", "water", "li", Proof::Failed, 5);
        let why = values!["@a \"b\", c\nd;"];
        database
            .transaction(|transaction| transaction.execute("UPDATE label_shown SET reason = ?1", &why))
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proof.csv");
        Campaign::open(database, "k", "c2").unwrap().report(database, &path).unwrap();
        let rows = by_python(&path, &["store", "label", "state", "reason"]);
        assert_eq!(rows, ["a '=L1 failed '@a \"b\", c\nd;", "c  refused too dear"]);
        assert_eq!(
            integrity(database, "store,item,price\na,water,2.10\na,tea,3.50\n", &["--store", "a"]).1[0],
            "a label_unproven water '=L1"
        );
    }
}
