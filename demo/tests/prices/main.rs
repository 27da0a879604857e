//! A signed price from headquarters to the label and the proof back; a price nobody signed; a batch that
//! comes again; and the agent killed in the middle.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod campaigns;
#[path = "../parties/mod.rs"]
mod parties;
mod shelf;

use parties::{CHAIN, Party, STORE, column, count, program, until};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shelf::{FIRST, ITEMS, KEY, SECOND, SPARE, Shelf, hex, public};
use std::time::Duration;
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::{LabelShown, PriceBatch, Proof, SignedBatch};

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
    let failed = |shown: &LabelShown| shown.proof() == Proof::Failed;
    assert!(!shelf.told().iter().any(failed), "the agent's death is no failure of a label");

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
    // What is sold out says so, also over a restart, and shows its price again.
    let stock = |act: &str, item: &str| shelf.label(act, &["--by", "小李", "--item", item]);
    stock("out-of-stock", ITEMS[2].0);
    until("the label says so", || image(ITEMS[2].3).as_ref() != first.get(ITEMS[2].3));
    let sold_out = image(ITEMS[2].3);
    until("the list says so", || shelf.label("list", &[]).contains("out of stock"));
    agent.kill();
    agent = shelf.scene.agent();
    until("the agent is back", || shelf.scene.view().is_some());
    assert_eq!(image(ITEMS[2].3), sold_out);
    stock("in-stock", ITEMS[2].0);
    until("the price is back", || image(ITEMS[2].3).as_ref() == first.get(ITEMS[2].3));
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
    let li = shelf.under_a_root_key();
    let zhao = public(&hq(&["price", "keygen", "--out", dir, "--id", "zhao"]));
    let mut agent = shelf.scene.agent();
    let list = |revoked: &str| {
        shelf.send_keys(&format!(
            "large_change_percent = 30\n[[key]]\nid = \"{KEY}\"\npublic = {li}\nrole = \"price_team\"\n{revoked}\n\
             [[key]]\nid = \"zhao\"\npublic = {zhao}\nrole = \"approver\"\n"
        ));
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

#[test]
fn the_store_manager_marks_down_in_the_evening_and_headquarters_hears_of_it() {
    let shelf = Shelf::start(50);
    let hq = |arguments: &[&str]| shelf.scene.hq(arguments);
    let li = shelf.under_a_root_key();
    let chen =
        public(&hq(&["price", "keygen", "--out", shelf.scene.dir().to_str().unwrap(), "--id", "chen"]));
    let list = |limits: &str| {
        shelf.send_keys(&format!(
            "large_change_percent = 30\n{limits}\n[[key]]\nid = \"{KEY}\"\npublic = {li}\nrole = \"price_team\"\n\
             [[key]]\nid = \"chen\"\npublic = {chen}\nrole = \"store_manager\"\nstores = [\"{STORE}\"]\n"
        ));
    };
    let mut agent = shelf.scene.agent();
    list("");
    until("the list is in force", || count(&shelf.scene.journal(), "key_list") == 1);
    shelf.push(&FIRST);
    shelf.proven(1, [200, 650, 450]);
    let before = shelf.on_the_shelf();
    let key = shelf.scene.path("chen.pem");
    let manager = ["--by", "陈芳", "--key", key.to_str().unwrap(), "--key-id", "chen"];
    // An hour from now, by the clock on the store's wall.
    let until_then = (chrono::Utc::now() + chrono::TimeDelta::hours(1))
        .with_timezone(&chrono::FixedOffset::east_opt(8 * 3600).unwrap());
    let until_then = until_then.format("%H:%M").to_string();
    let markdown = |more: &[&str]| {
        let output = shelf.in_store(&[&["markdown", "--until", &until_then], more, &manager].concat());
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (done, said) = markdown(&["--item", "10003", "--percent", "40"]);
    assert!(!done && said.contains("allows stores no markdowns"), "{said}");
    list("markdown_percent = 40\nmarkdown_hours = 4");
    until("the new list is in force", || {
        column::<i64>(&shelf.scene.journal(), "SELECT version FROM key_list") == [2]
    });
    let (done, said) = markdown(&["--item", "10003", "--percent", "41"]);
    assert!(!done && said.contains("¥2.66 is more than 40 % below ¥4.50"), "{said}");
    let (done, said) = markdown(&["--item", "10009", "--percent", "40"]);
    assert!(!done && said.contains("item 10009 has no price here"), "{said}");
    let (done, said) = markdown(&["--item", "10003", "--item", "10001", "--percent", "40"]);
    assert!(done && said.contains("10003 红烧牛肉面: ¥2.70 until"), "{said}");
    let number: u64 = said.lines().last().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let is_proven = |label: &str, minor| {
        shelf.proofs(number).iter().any(|proof| proof.label == label && proof.price_minor == minor)
    };
    until("headquarters has proof of both", || is_proven(ITEMS[2].3, 270) && is_proven(ITEMS[0].3, 120));
    let marked = shelf.on_the_shelf();
    assert_ne!(marked[ITEMS[2].3], before[ITEMS[2].3]);
    assert_eq!(marked[ITEMS[1].3], before[ITEMS[1].3]);
    // Headquarters has what was signed, and does not send it back.
    let status = hq(&["price", "status", "--json"]);
    let batch = status.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let batch = batch.into_iter().find(|batch| batch["key_id"] == "chen").expect("told");
    assert_eq!((&batch["stores"][0]["accepted"], &batch["prices"]), (&Value::from(true), &Value::from(2)));
    assert_eq!(batch["stores"][0]["sent"], Value::Null);
    let signed = shelf.payload_of("chen", number);
    assert_eq!(PriceBatch::decode(signed.batch.as_slice()).unwrap().by, "陈芳");
    // It is the same after a death, and is taken back before its end.
    agent.kill();
    agent = shelf.scene.agent();
    until("the agent is back", || shelf.scene.view().is_some());
    let shown = parties::printed(&shelf.in_store(&["show", "--item", "10003"]));
    assert!(shown.contains(&format!("¥2.70 markdown, batch {number} of chen")), "{shown}");
    let number = number.to_string();
    let mut taken = shelf.in_store(&[&["withdraw", "--number", &number], manager.as_slice()].concat());
    // Time may not pass for prices until headquarters has been heard again.
    until("the markdown is withdrawn", || {
        taken.status.success() || {
            taken = shelf.in_store(&[&["withdraw", "--number", &number], manager.as_slice()].concat());
            false
        }
    });
    until("the label shows its old price", || shelf.on_the_shelf() == before);
    let trail: Vec<String> = column(
        &shelf.scene.journal(),
        "SELECT detail FROM audit WHERE what = 'price-batch-accepted' AND by = 'chen' ORDER BY id",
    );
    assert_eq!(trail.len(), 2);
    assert!(trail.iter().all(|detail| detail.contains("made by 陈芳")), "{trail:?}");
    assert!(trail[1].contains(&format!("withdrawing batch {number} of key chen")), "{trail:?}");
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
}

/// Each label was refreshed, and not more often than a death in the middle makes necessary.
#[track_caller]
fn shown_once_or_twice(shown: &[(String, String)]) {
    for (.., label) in ITEMS {
        let times = shown.iter().filter(|(it, _)| it == label).count();
        assert!((1..=2).contains(&times), "{label} was refreshed {times} times: {shown:?}");
    }
}
