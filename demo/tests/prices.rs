//! A signed price from headquarters to the label and the proof back; a price nobody signed; a batch that
//! comes again; and the agent killed in the middle.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{CHAIN, Party, STORE, Scene, column, count, eventually, mosquitto, program, until};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{BatchOutcome, LabelShown, PriceBatch, Proof, SignedBatch, Stream};

const KEY: &str = "price-team";
/// Item, EAN-13, name, and its label, whose first two digits are the model.
const ITEMS: [(&str, &str, &str, &str); 3] = [
    ("10001", "6901234567892", "农夫山泉饮用天然水", "3D000001"),
    ("10002", "6902083881405", "香草冰淇淋", "36000002"),
    ("10003", "6921168509256", "红烧牛肉面", "40000003"),
];
/// In a drawer: of the model of the first item's label.
const SPARE: &str = "3D000009";
const FIRST: [&str; 3] = ["2.00", "6.50", "4.50"];
const SECOND: [&str; 3] = ["2.10", "6.90", "3.99"];

/// A shelf with three labels behind a simulated access point, the store, headquarters.
struct Shelf {
    scene: Scene,
    headquarters: Option<Party>,
    /// The store's broker, the access point, the broker of headquarters.
    _parties: [Party; 3],
}

impl Shelf {
    /// Starts everything but the agent. The radio needs `airtime_ms` for each label.
    fn start(airtime_ms: u64) -> Self {
        let scene = Scene::new();
        let lan = mosquitto(scene.dir(), scene.lan_port);
        let labels: Vec<_> = ITEMS.iter().map(|item| item.3).chain([SPARE]).collect();
        let simulated = format!(
            "[[gateway]]\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{}\"\nheartbeat = \"1s\"\n\
             airtime_ms = {airtime_ms}\nlabels = {labels:?}\n",
            scene.lan_port
        );
        std::fs::write(scene.path("sim.toml"), simulated).unwrap();
        let mut command = program("storesim");
        command.arg("run").arg(scene.path("sim.toml")).arg("--events").arg(scene.path("truth.jsonl"));
        command.arg("--labels-dir").arg(scene.path("labels"));
        let simulator = Party::start(scene.dir(), "storesim", &mut command);

        let broker = scene.broker();
        let headquarters = scene.headquarters();
        let dir = scene.dir().to_str().unwrap();
        let printed = scene.hq(&["price", "keygen", "--out", dir, "--id", KEY]);
        let public = printed.lines().find_map(|line| line.trim().strip_prefix("public = ")).expect("a key");
        let mut config = format!(
            "[[price_key]]\nid = \"{KEY}\"\npublic = {public}\n\n\
             [[gateway]]\nid = \"shelf\"\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{}\"\n",
            scene.lan_port
        );
        for (item, .., label) in ITEMS {
            config += &format!("\n[[label]]\nid = \"{label}\"\ngateway = \"shelf\"\nitem = \"{item}\"\n");
        }
        scene.configure(&config);
        Self { scene, headquarters: Some(headquarters), _parties: [lan, simulator, broker] }
    }

    /// Signs and queues these prices for the first items.
    fn push(&self, prices: &[&str]) {
        let row = |((item, gtin, name, _), price): (&(&str, &str, &str, &str), &&str)| {
            format!("{item},{gtin},{name},500 ml,CNY,{price},regular,,\n")
        };
        self.push_rows(&ITEMS.iter().zip(prices).map(row).collect::<String>());
    }

    /// Signs and queues a table of these rows.
    fn push_rows(&self, rows: &str) {
        let table = format!("item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n{rows}");
        let (csv, key) = (self.scene.path("prices.csv"), self.scene.path(&format!("{KEY}.pem")));
        std::fs::write(&csv, table).unwrap();
        let (csv, key) = (csv.to_str().unwrap(), key.to_str().unwrap());
        let of = ["--key", key, "--key-id", KEY, "--chain", CHAIN, "--store", STORE];
        self.scene.hq(&[&["price", "push", csv], of.as_slice()].concat());
    }

    /// `storewarden label …`
    fn label(&self, act: &str, arguments: &[&str]) -> String {
        let mut command = program("storewarden");
        command.args(["label", act, "--config"]).arg(self.scene.path("store.toml")).args(arguments);
        parties::printed(&command.output().unwrap())
    }

    /// Every image that a label truly showed so far: label and SHA-256.
    fn shown(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.scene.path("truth.jsonl")).unwrap_or_default();
        let facts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        facts
            .filter(|fact| fact["event"] == "label_shown")
            .map(|fact| (fact["label"].as_str().unwrap().into(), fact["sha256"].as_str().unwrap().into()))
            .collect()
    }

    /// What each label shows now, by the image it kept.
    fn on_the_shelf(&self) -> HashMap<String, String> {
        let image = |label: &str| {
            let png = std::fs::read(self.scene.path("labels").join(format!("{label}.png"))).unwrap();
            (label.to_owned(), hex(&Sha256::digest(png)))
        };
        ITEMS.iter().map(|item| image(item.3)).collect()
    }

    fn results(&self) -> Vec<Body> {
        let messages = self.scene.messages(Stream::PriceResult.into());
        messages.into_iter().filter_map(|message| message.body).collect()
    }

    /// The proofs at headquarters that labels show prices of a batch.
    fn proofs(&self, batch: u64) -> Vec<LabelShown> {
        let shown = |body| match body {
            Body::LabelShown(shown) if shown.batch == batch && shown.proof() >= Proof::Refreshed => {
                Some(shown)
            }
            _ => None,
        };
        self.results().into_iter().filter_map(shown).filter(|shown| shown.proof() != Proof::Failed).collect()
    }

    /// What the store said at headquarters of the batch with this digest.
    fn outcomes(&self, batch: &[u8]) -> Vec<BatchOutcome> {
        let digest = Sha256::digest(batch);
        let outcome = |body| match body {
            Body::BatchOutcome(outcome) if outcome.digest == digest.as_slice() => Some(outcome),
            _ => None,
        };
        self.results().into_iter().filter_map(outcome).collect()
    }

    /// Waits until headquarters counts all labels of batch `number` as shown, and checks the proofs
    /// against the images and the prices.
    fn proven(&self, number: u64, minor: [i64; 3]) {
        until("headquarters has proof of all three labels", || {
            let proofs = self.proofs(number);
            ITEMS.iter().all(|item| proofs.iter().any(|proof| proof.label == item.3))
        });
        let status = self.scene.hq(&["price", "status", "--json"]);
        let mut batches = status.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let batch = batches.find(|batch| batch["number"] == number).expect("it was pushed");
        assert_eq!(batch["stores"][0]["accepted"], true, "{batch}");
        assert_eq!(batch["stores"][0]["labels"]["shown"], 3, "{batch}");
        let (proofs, images) = (self.proofs(number), self.on_the_shelf());
        for ((item, .., label), minor) in ITEMS.iter().zip(minor) {
            let proof = proofs.iter().rfind(|proof| proof.label == *label).expect("it is counted");
            assert_eq!((proof.item.as_str(), proof.price_minor), (*item, minor));
            assert_eq!(proof.currency, "CNY");
            assert_eq!(hex(&proof.image), images[*label], "the proof is of what the label shows");
        }
    }

    /// The payload of a batch as headquarters sends it.
    fn payload(&self, number: u64) -> SignedBatch {
        self.payload_of(KEY, number)
    }

    fn payload_of(&self, key: &str, number: u64) -> SignedBatch {
        let sql = format!("SELECT payload FROM batch WHERE number = {number} AND key_id = '{key}'");
        SignedBatch::decode(column::<Vec<u8>>(&self.scene.hq_db(), &sql)[0].as_slice()).unwrap()
    }

    /// Publishes a batch past headquarters, as anyone could who gets at its broker.
    fn smuggle(&self, batch: &SignedBatch) {
        let file = self.scene.path("smuggled");
        std::fs::write(&file, batch.encode_to_vec()).unwrap();
        let topic = format!("storewarden/v1/{CHAIN}/{STORE}/price");
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &self.scene.hq_port.to_string()]);
        let output = command.args(["-t", &topic, "-f"]).arg(&file).output();
        let output = output.unwrap_or_else(|error| panic!("mosquitto_pub ({error}): run ./scripts/test"));
        parties::printed(&output);
    }

    /// Waits until headquarters has `count` answers to a batch; gives the last.
    fn answered(&self, batch: &SignedBatch, count: usize) -> BatchOutcome {
        let outcome = eventually("the store answers", || {
            let outcomes = self.outcomes(&batch.batch);
            (outcomes.len() >= count).then(|| outcomes.last().cloned())
        });
        outcome.expect("count is above 0")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_signed_price_reaches_its_label_and_no_other_does() {
    let shelf = Shelf::start(100);
    let _agent = shelf.scene.agent();
    shelf.push(&FIRST);
    shelf.proven(1, [200, 650, 450]);
    let first = shelf.on_the_shelf();
    shelf.push(&SECOND);
    shelf.proven(2, [210, 690, 399]);
    assert!(
        ITEMS.iter().all(|item| shelf.on_the_shelf()[item.3] != first[item.3]),
        "other prices, other images"
    );
    assert_eq!(shelf.shown().len(), 6, "each label was refreshed once for each batch");

    // One byte flipped, in the middle of the names and prices.
    let mut flipped = shelf.payload(2);
    let middle = flipped.batch.len() / 2;
    flipped.batch[middle] ^= 0x01;
    // A price of 1 fen, well-formed, under the signature of the real one.
    let mut cheap = shelf.payload(2);
    let mut batch = PriceBatch::decode(cheap.batch.as_slice()).unwrap();
    batch.number = 9;
    batch.entries[0].price_minor = 1;
    cheap.batch = batch.encode_to_vec();
    // No signature at all.
    let unsigned = SignedBatch {
        batch: cheap.batch.clone().into_iter().chain([0x40, 0]).collect(),
        ..SignedBatch::default()
    };
    for (forged, why) in
        [(&flipped, "does not match"), (&cheap, "does not match"), (&unsigned, "no signature")]
    {
        shelf.smuggle(forged);
        let outcome = shelf.answered(forged, 1);
        assert!(!outcome.accepted);
        assert!(outcome.reason.contains(why), "{}", outcome.reason);
    }
    let refusals: Vec<String> = column(
        &shelf.scene.journal(),
        "SELECT detail FROM audit WHERE what = 'price-batch-refused' ORDER BY id",
    );
    assert_eq!(refusals.len(), 3);
    for (detail, forged) in refusals.iter().zip([&flipped, &cheap, &unsigned]) {
        assert!(detail.contains(&hex(&Sha256::digest(&forged.batch))), "{detail}");
    }

    // The first batch comes again, long after it was replaced.
    let old = shelf.payload(1);
    let answers = shelf.outcomes(&old.batch).len();
    shelf.smuggle(&old);
    let again = shelf.answered(&old, answers + 1);
    assert!(again.accepted, "its first answer again: {}", again.reason);
    assert_eq!(again.number, 1);
    assert_eq!(count(&shelf.scene.journal(), "price_batch"), 2, "not applied twice");

    // Whatever those had set off would be on the labels before this one.
    shelf.push(&["2.20"]);
    until("one more label shows a new price", || {
        shelf.proofs(3).iter().any(|proof| proof.price_minor == 220)
    });
    assert_eq!(shelf.shown().len(), 7);
    assert_eq!(count(&shelf.scene.journal(), "audit WHERE what = 'price-batch-accepted'"), 3);
}

#[test]
fn killed_between_acceptance_and_display_every_label_is_right_in_the_end() {
    let shelf = Shelf::start(700);
    let mut agent = shelf.scene.agent();
    shelf.push(&FIRST);
    shelf.proven(1, [200, 650, 450]);
    let first = shelf.on_the_shelf();

    // Accepted, and nothing shown yet.
    let before = shelf.shown().len();
    shelf.push(&SECOND);
    until("the second batch is accepted", || count(&shelf.scene.journal(), "price_batch") == 2);
    agent.kill();
    agent = shelf.scene.agent();
    shelf.proven(2, [210, 690, 399]);
    shown_once_or_twice(&shelf.shown()[before..]);

    // Back to the first prices; one label has them when the agent dies.
    let before = shelf.shown().len();
    shelf.push(&FIRST);
    until("a label shows its new price", || shelf.shown().len() > before);
    agent.kill();
    agent = shelf.scene.agent();
    shelf.proven(3, [200, 650, 450]);
    shown_once_or_twice(&shelf.shown()[before..]);
    assert_eq!(shelf.on_the_shelf(), first, "the same prices, the same images");
    let failed = |body: &Body| matches!(body, Body::LabelShown(shown) if shown.proof() == Proof::Failed);
    assert!(!shelf.results().iter().any(failed), "the agent's death is no failure of a label");

    until("headquarters has everything", || shelf.scene.outbox() == 0);
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
    assert_eq!(count(&shelf.scene.journal(), "price_batch"), 3);
}

/// Tells the agent's clock from the right one by so much, ms.
fn agent_by_another_clock(shelf: &Shelf, offset_ms: i64) -> Party {
    let file = shelf.scene.path("clock");
    std::fs::write(&file, offset_ms.to_string()).unwrap();
    let mut command = shelf.scene.agent_command("run", &[]);
    Party::start(shelf.scene.dir(), "storewarden", command.env("STOREWARDEN_CLOCK_OFFSET_FILE", file))
}

#[test]
fn nothing_scheduled_is_shown_by_a_clock_that_cannot_be_trusted() {
    const MINUTE: i64 = 60_000;
    let mut shelf = Shelf::start(100);
    let mut agent = agent_by_another_clock(&shelf, 0);
    shelf.push(&FIRST);
    shelf.proven(1, [200, 650, 450]);
    let (begin, end) =
        (chrono::Utc::now() + Duration::from_secs(20), chrono::Utc::now() + Duration::from_secs(3600));
    let (item, gtin, name, label) = ITEMS[0];
    let (from, until_then) = (begin.to_rfc3339(), end.to_rfc3339());
    shelf.push_rows(&format!("{item},{gtin},{name},500 ml,CNY,1.50,promotion,{from},{until_then}\n"));
    until("the promotion is accepted", || count(&shelf.scene.journal(), "price_batch") == 2);

    // Headquarters goes, and the clock is a minute ahead: the promotion is due by it.
    shelf.headquarters.take().unwrap().kill();
    std::fs::write(shelf.scene.path("clock"), MINUTE.to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(shelf.shown().len(), 3, "labels keep what they show");
    // So it does after a start, and where headquarters is there and disagrees, also when it is due in truth.
    agent.kill();
    agent = agent_by_another_clock(&shelf, MINUTE);
    std::thread::sleep(Duration::from_secs(3));
    assert!(chrono::Utc::now() < begin, "this machine is too slow for this test");
    shelf.headquarters = Some(shelf.scene.headquarters());
    let left = (begin - chrono::Utc::now()).to_std().unwrap_or_default();
    std::thread::sleep(left + Duration::from_secs(3));
    assert_eq!(shelf.shown().len(), 3, "by a clock that is wrong nothing is due");

    std::fs::write(shelf.scene.path("clock"), "0").unwrap();
    until("the promotion is on its label, and only there", || shelf.shown().len() == 4);
    assert_eq!(shelf.shown()[3].0, label);
    until("headquarters has the proof", || shelf.proofs(2).iter().any(|proof| proof.price_minor == 150));
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn what_comes_next_is_on_its_label_before_its_minute_and_shown_then_without_headquarters() {
    let mut shelf = Shelf::start(100);
    let mut agent = shelf.scene.agent();
    shelf.push(&FIRST);
    shelf.proven(1, [200, 650, 450]);
    let begin = chrono::Utc::now() + Duration::from_secs(25);
    let rows = ITEMS.map(|(item, gtin, name, _)| {
        format!("{item},{gtin},{name},500 ml,CNY,1.50,regular,{},\n", begin.to_rfc3339())
    });
    shelf.push_rows(&rows.concat());
    let kept = "label_page WHERE kept IS NOT NULL";
    until("every label keeps its next price", || count(&shelf.scene.journal(), kept) == 3);
    assert!(chrono::Utc::now() < begin, "this machine is too slow for this test");
    assert_eq!(shelf.shown().len(), 3, "and shows the one before");
    until("the list says so", || shelf.label("list", &[]).matches("has the next price").count() == 3);
    // Neither a death nor the silence of headquarters changes anything at the minute. What a clock says after
    // a start counts when headquarters has agreed.
    agent.kill();
    agent = shelf.scene.agent();
    until("headquarters vouches for the clock", || {
        shelf.scene.view().is_some_and(|view| view["clock_trust"] == "synchronised")
    });
    shelf.headquarters.take().unwrap().kill();
    assert!(chrono::Utc::now() < begin, "this machine is too slow for this test");
    until("every label shows its next price", || shelf.shown().len() == 6);
    assert!(chrono::Utc::now() >= begin);
    shelf.headquarters = Some(shelf.scene.headquarters());
    shelf.proven(2, [150, 150, 150]);
    assert_eq!(shelf.shown().len(), 6);
    let sent: Vec<String> = column(&shelf.scene.journal(), "SELECT proof FROM label");
    assert_eq!(sent, ["refreshed"; 3]);
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn people_swap_bind_and_find_labels_and_no_label_keeps_a_price_that_is_not_its_own() {
    let shelf = Shelf::start(100);
    let mut agent = shelf.scene.agent();
    shelf.push(&FIRST);
    shelf.proven(1, [200, 650, 450]);
    let first = shelf.on_the_shelf();
    let label = |act: &str, label: &str, more: &[&str]| {
        shelf.label(act, &[&["--by", "小李", "--label", label], more].concat())
    };
    let image = |label: &str| {
        let png = std::fs::read(shelf.scene.path("labels").join(format!("{label}.png"))).ok()?;
        Some(hex(&Sha256::digest(png)))
    };
    until("the agent answers", || shelf.scene.view().is_some());
    // A broken label goes, and the spare one takes its place.
    let old = ITEMS[0].3;
    label("swap", old, &["--with", SPARE]);
    until("the new label shows the price", || image(SPARE).as_ref() == first.get(old));
    until("the old one shows nothing", || image(old).as_ref() != first.get(old));
    let blank = image(old);
    // It is bound to another item, and unbound again.
    label("bind", old, &["--item", ITEMS[2].0, "--place", "shelf 4, label 17"]);
    until("it shows the other item", || image(old) != blank);
    until("the list says so", || {
        shelf.label("list", &[]).contains("shelf 4, label 17: label 3D000001: 10003")
    });
    agent.kill();
    agent = shelf.scene.agent();
    until("the agent is back", || shelf.scene.view().is_some());
    label("unbind", old, &[]);
    until("it shows nothing", || image(old) == blank);
    label("find", SPARE, &[]);
    // A new price goes to where the item is now.
    shelf.push(&SECOND);
    until("the new price is on the new label", || {
        shelf.proofs(2).iter().any(|proof| proof.label == SPARE && proof.price_minor == 210)
    });
    assert_eq!(image(old), blank);
    let bound: Vec<String> =
        column(&shelf.scene.journal(), "SELECT by FROM audit WHERE what = 'label-bound' ORDER BY id");
    assert_eq!(bound, ["小李"; 4]);
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn with_a_root_key_roles_limits_and_revocation_decide_and_the_trail_proves_it() {
    let shelf = Shelf::start(50);
    let hq = |arguments: &[&str]| shelf.scene.hq(arguments);
    let dir = shelf.scene.dir().to_str().unwrap();
    let path = |name: &str| shelf.scene.path(name).to_str().unwrap().to_owned();
    let public =
        |printed: &str| printed.lines().find_map(|line| line.strip_prefix("public = ")).unwrap().to_owned();
    let root = public(&hq(&["price", "keygen", "--root", "--out", dir, "--id", "root"]));
    let zhao = public(&hq(&["price", "keygen", "--out", dir, "--id", "zhao"]));
    let config = std::fs::read_to_string(shelf.scene.path("store.toml")).unwrap();
    let before = config.lines().skip_while(|line| *line != "[[price_key]]").nth(2).unwrap().to_owned();
    let li = before.strip_prefix("public = ").unwrap();
    let config =
        config.replace("[[price_key]]", "[[root_key]]").replace(&before, &format!("public = {root}"));
    let config = config.replacen(&format!("id = \"{KEY}\""), "id = \"root\"", 1);
    std::fs::write(shelf.scene.path("store.toml"), config).unwrap();
    let mut agent = shelf.scene.agent();
    let list = |revoked: &str| {
        let text = format!(
            "large_change_percent = 30\n[[key]]\nid = \"{KEY}\"\npublic = {li}\nrole = \"price_team\"\n{revoked}\n\
             [[key]]\nid = \"zhao\"\npublic = {zhao}\nrole = \"approver\"\n"
        );
        std::fs::write(shelf.scene.path("keys.toml"), text).unwrap();
        let (keys, root) = (path("keys.toml"), path("root.pem"));
        hq(&["price", "keys", &keys, "--key", &root, "--key-id", "root", "--chain", CHAIN, "--store", STORE]);
    };
    let refused = |number: u64, why: &str| {
        let answer = shelf.answered(&shelf.payload_of(KEY, number), 1);
        assert!(!answer.accepted && answer.reason.contains(why), "{}", answer.reason);
    };
    // Before the list has come, nobody may sign.
    shelf.push(&FIRST);
    refused(1, "a key this store knows");
    list("");
    until("the list is in force", || count(&shelf.scene.journal(), "key_list") == 1);
    shelf.push(&FIRST);
    shelf.proven(2, [200, 650, 450]);
    // Half the price is more than one may sign.
    shelf.push(&["1.00"]);
    refused(3, "entry 0 (item 10001): ¥2.00 to ¥1.00 is more than 30 %: an approver must sign it too");
    let (held, key) = (path("half.signed"), path(&format!("{KEY}.pem")));
    let of = ["--key", &key, "--key-id", KEY, "--chain", CHAIN, "--store", STORE];
    hq(&[&["price", "push", &path("prices.csv"), "--hold", &held, "--number", "4"], of.as_slice()].concat());
    let zhao_pem = path("zhao.pem");
    let said = hq(&["price", "sign", &held, "--key", &zhao_pem, "--key-id", "zhao", "--queue"]);
    assert!(said.contains("10001") && said.contains("1.00"), "who signs sees what: {said}");
    until("the approved price is on its label", || {
        shelf.proofs(4).iter().any(|proof| proof.price_minor == 100)
    });
    // A revoked key sets no price any more; what it set stays, also over a restart.
    list("revoked = \"2026-01-01T00:00:00Z\"");
    until("the new list is in force", || {
        column::<i64>(&shelf.scene.journal(), "SELECT version FROM key_list") == [2]
    });
    agent.kill();
    agent = shelf.scene.agent();
    let shown = shelf.shown().len();
    shelf.push(&SECOND);
    refused(5, "was revoked");
    assert_eq!(shelf.shown().len(), shown);
    // The trail proves it, and shows who has changed it.
    let audit = |what: &str| {
        let mut command = program("storewarden");
        command.args(["audit", what, "--config"]).arg(shelf.scene.path("store.toml")).output().unwrap()
    };
    let whole = parties::printed(&audit("verify"));
    assert!(whole.contains("whole") && whole.contains("2 batches proven"), "{whole}");
    let trail = parties::printed(&audit("show"));
    assert!(trail.contains("root key-list-accepted: version 2"), "{trail}");
    assert!(trail.contains("price-batch-refused"), "{trail}");
    assert!(trail.contains(&format!("signed by {KEY}, zhao")), "{trail}");
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
    let db = rusqlite::Connection::open(shelf.scene.path("journal.sqlite")).unwrap();
    db.execute("UPDATE price_batch SET signed = unhex(replace(hex(signed), '3130303031', '3130303039'))", [])
        .unwrap();
    db.execute("UPDATE audit SET by = 'nobody' WHERE id = 2", []).unwrap();
    let inserted = "INSERT INTO price_batch (digest, key_id, number, at_ms, signed) SELECT x'00', key_id, 99, at_ms, signed
                    FROM price_batch WHERE number = 2";
    db.execute(inserted, []).unwrap();
    drop(db);
    let broken = audit("verify");
    assert_eq!(broken.status.code(), Some(1));
    let said = String::from_utf8(broken.stdout).unwrap();
    assert!(said.contains("row 2 does not follow"), "{said}");
    assert_eq!(said.matches("is not what was accepted").count(), 3, "{said}");
    assert_eq!(said.matches("sha256 00: was never accepted").count(), 1, "{said}");
}

/// Each label was refreshed, and not more often than a death in the middle makes necessary.
#[track_caller]
fn shown_once_or_twice(shown: &[(String, String)]) {
    for (.., label) in ITEMS {
        let times = shown.iter().filter(|(it, _)| it == label).count();
        assert!((1..=2).contains(&times), "{label} was refreshed {times} times: {shown:?}");
    }
}
