use super::*;
use crate::price::{Numbers, judge, verify};
use ed25519_dalek::{Signer as _, SigningKey};
use storewarden_prices::{PriceBook, Source};
use storewarden_proto::v1::{
    KeyList as Wire, PriceBatch, PriceEntry, PriceKey, PriceKind, PriceRole, Signature, SignedBatch,
};

const NOW: Utc = Utc(1_790_000_000_000);
const DAY: i64 = 86_400_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(id: &str, seed: u8) -> PublicKey {
    PublicKey { id: id.into(), key: key(seed).verifying_key() }
}

fn sign(bytes: &[u8], id: &str, seed: u8) -> Signature {
    Signature { key_id: id.into(), signature: key(seed).sign(bytes).to_bytes().to_vec() }
}

fn listed(id: &str, seed: u8, role: PriceRole) -> PriceKey {
    let public_key = key(seed).verifying_key().as_bytes().to_vec();
    PriceKey { id: id.into(), public_key, role: role.into(), ..PriceKey::default() }
}

/// Three people: two of the price team (1, 2), one approver (3).
fn people() -> Vec<PriceKey> {
    vec![
        listed("li", 1, PriceRole::PriceTeam),
        listed("wang", 2, PriceRole::PriceTeam),
        listed("zhao", 3, PriceRole::Approver),
    ]
}

fn list(version: u64, keys: Vec<PriceKey>) -> Wire {
    Wire { chain: "kaixin".into(), version, keys, large_change_percent: 30, ..Wire::default() }
}

/// Reads a list signed by the root key of `seed` (100 is the right one).
fn read(authority: &Authority, list: &Wire, seed: u8) -> Result<KeyList, String> {
    let bytes = list.encode_to_vec();
    let signature = sign(&key_list_signed_bytes(&bytes), "root", seed);
    authority.read_list(&bytes, &[signature]).map_err(|fault| fault.to_string())
}

fn empty() -> Authority {
    Authority::new("kaixin", "0042", vec![public("root", 100)], Vec::new())
}

fn with(keys: Vec<PriceKey>) -> Authority {
    let mut authority = empty();
    authority.adopt(read(&authority, &list(1, keys), 100).unwrap());
    authority
}

/// Price of water in a batch signed by these keys, accepted by a store where it costs 2.00; why not, if not.
fn push(authority: &Authority, minor: i64, signers: &[(&str, u8)]) -> Result<(), String> {
    push_at(authority, minor, signers, NOW)
}

fn push_at(authority: &Authority, minor: i64, signers: &[(&str, u8)], now: Utc) -> Result<(), String> {
    push_changed(authority, minor, signers, now, &|_| {})
}

fn push_changed(
    authority: &Authority,
    minor: i64,
    signers: &[(&str, u8)],
    now: Utc,
    change: &dyn Fn(&mut PriceBatch),
) -> Result<(), String> {
    let entry = |minor| PriceEntry {
        item: "water".into(),
        gtin: "6921168509256".into(),
        name: "water".into(),
        currency: "CNY".into(),
        price_minor: minor,
        kind: PriceKind::Regular.into(),
        valid_from_ms: 1,
        ..PriceEntry::default()
    };
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    let before = storewarden_prices::Entry::check(&entry(200), &|_| true).unwrap();
    // From the next day on for a week it costs half as much: that was approved.
    let promotion = PriceEntry {
        kind: PriceKind::Promotion.into(),
        valid_from_ms: NOW.0 + DAY,
        valid_until_ms: NOW.0 + 8 * DAY,
        ..entry(100)
    };
    let promotion = storewarden_prices::Entry::check(&promotion, &|_| true).unwrap();
    book.insert(&Source { issued: Utc(2), key: "li".into(), number: 1 }, [before, promotion]);
    let mut batch = PriceBatch {
        chain: "kaixin".into(),
        number: 7,
        issued_ms: now.0,
        accept_from_ms: now.0 - DAY,
        accept_until_ms: now.0 + DAY,
        entries: vec![entry(minor)],
        ..PriceBatch::default()
    };
    change(&mut batch);
    let batch = batch.encode_to_vec();
    let bytes = price_batch_signed_bytes(&batch);
    let signatures = signers.iter().map(|(id, seed)| sign(&bytes, id, *seed)).collect();
    let payload = SignedBatch { batch, signatures, ..SignedBatch::default() }.encode_to_vec();
    let verified = verify(&payload, authority, &Numbers::default(), "kaixin", "0042", now, &|_| true);
    let judged = verified.and_then(|batch| judge(batch, authority, &book, None, now));
    judged.map(drop).map_err(|refusal| refusal.to_string())
}

/// A list that allows markdowns of 40 % for 12 h, with the manager (4) of store 0042.
fn with_manager(stores: &[&str]) -> Authority {
    let stores = stores.iter().map(|store| (*store).to_owned()).collect();
    let chen = PriceKey { stores, ..listed("chen", 4, PriceRole::StoreManager) };
    let keys = people().into_iter().chain([chen]).collect();
    let list = Wire { markdown_percent_max: 40, markdown_hours_max: 12, ..list(1, keys) };
    let mut authority = empty();
    authority.adopt(read(&authority, &list, 100).unwrap());
    authority
}

/// A markdown of water, by Chen.
fn markdown(batch: &mut PriceBatch) {
    batch.stores = vec!["0042".into()];
    batch.by = "陈芳".into();
    batch.entries[0].kind = PriceKind::Markdown.into();
    batch.entries[0].valid_until_ms = NOW.0 + DAY / 2;
}

#[test]
fn a_store_manager_marks_down_within_the_limits_of_the_list() {
    let here = with_manager(&["0042"]);
    let push = |authority: &Authority, minor, signer, change: &dyn Fn(&mut PriceBatch)| {
        push_changed(authority, minor, &[signer], NOW, &|batch| {
            markdown(batch);
            change(batch);
        })
    };
    let chen = ("chen", 4);
    assert_eq!(push(&here, 120, chen, &|_| {}), Ok(()));
    let refusals: [(Result<(), String>, &str); 12] = [
        (push(&here, 119, chen, &|_| {}), "more than 40 % below"),
        (push(&here, 120, chen, &|batch| batch.entries[0].valid_until_ms += 1), "within 12 h"),
        (push(&here, 200, chen, &|_| {}), "is not below"),
        (
            push(&here, 190, chen, &|batch| batch.entries[0].kind = PriceKind::Regular.into()),
            "markdowns only",
        ),
        (push(&here, 120, chen, &|batch| batch.by = " ".into()), "names the person"),
        (push(&here, 120, chen, &|batch| batch.stores.clear()), "for one store, by name"),
        (push(&here, 120, chen, &|batch| batch.stores = vec!["0043".into()]), "not for this store"),
        (
            push(&here, 120, chen, &|batch| {
                batch.withdraws = vec![v1::BatchName { key_id: "li".into(), number: 1 }];
            }),
            "takes back markdowns of the store only, not batch 1 of key `li`",
        ),
        (push(&here, 120, ("chen", 1), &|_| {}), "does not match"),
        (push(&here, 120, ("li", 1), &|_| {}), "a markdown is the store's"),
        (push(&with_manager(&["0043"]), 120, chen, &|_| {}), "does not count in this store"),
        (
            push(
                &with(vec![PriceKey {
                    stores: vec!["0042".into()],
                    ..listed("chen", 4, PriceRole::StoreManager)
                }]),
                120,
                chen,
                &|_| {},
            ),
            "allows stores no markdowns",
        ),
    ];
    for (result, text) in refusals {
        let why = result.expect_err(text);
        assert!(why.contains(text), "{why} should say {text}");
    }
    assert_eq!(
        push(&here, 120, chen, &|batch| {
            batch.withdraws = vec![v1::BatchName { key_id: "chen".into(), number: 3 }];
        }),
        Ok(()),
        "instead of an earlier one"
    );
}

#[test]
fn the_price_team_signs_and_nobody_else() {
    let authority = with(people());
    assert_eq!(push(&authority, 210, &[("li", 1)]), Ok(()));
    assert_eq!(push(&authority, 210, &[("wang", 2)]), Ok(()));
    assert!(push(&authority, 210, &[("zhao", 3)]).unwrap_err().contains("role approver"));
    assert!(push(&authority, 210, &[("li", 2)]).unwrap_err().contains("does not match"));
    assert!(push(&authority, 210, &[("root", 100)]).unwrap_err().contains("a key this store knows"));
    assert!(push(&authority, 210, &[]).unwrap_err().contains("nobody"));
}

#[test]
fn a_large_change_needs_an_approver_and_twice_the_price_team_is_none() {
    let authority = with(people());
    let limit = |result: Result<(), String>| result.unwrap_err().contains("more than 30 %");
    assert_eq!(push(&authority, 260, &[("li", 1)]), Ok(()), "30 % is within the limit");
    assert!(limit(push(&authority, 261, &[("li", 1)])));
    assert!(limit(push(&authority, 139, &[("li", 1)])), "and downwards");
    assert!(limit(push(&authority, 20, &[("li", 1), ("wang", 2)])));
    assert!(limit(push(&authority, 20, &[("li", 1), ("li", 1)])));
    assert_eq!(push(&authority, 20, &[("li", 1), ("zhao", 3)]), Ok(()));
    assert_eq!(push(&authority, 20, &[("zhao", 3), ("li", 1)]), Ok(()), "in any order");
    assert!(push(&authority, 20, &[("li", 1), ("zhao", 1)]).unwrap_err().contains("does not match"));
}

#[test]
fn no_date_that_the_signer_writes_gets_round_the_limit() {
    let authority = with(people());
    let push = |minor, change: &dyn Fn(&mut PriceBatch)| {
        push_changed(&authority, minor, &[("li", 1)], NOW, change).map_err(|why| {
            assert!(why.contains("more than 30 %"), "{why}");
        })
    };
    let promotion = |batch: &mut PriceBatch, from: i64, until: i64| {
        batch.entries[0].kind = PriceKind::Promotion.into();
        (batch.entries[0].valid_from_ms, batch.entries[0].valid_until_ms) = (from, until);
    };
    // Signed and begun when the item had no price.
    assert!(
        push(20, &|batch| {
            batch.issued_ms = 1;
            promotion(batch, 1, NOW.0 + DAY)
        })
        .is_err()
    );
    assert!(
        push(150, &|batch| {
            batch.issued_ms = 1;
            promotion(batch, 1, NOW.0 + DAY)
        })
        .is_ok()
    );
    // Begun during the promotion, against which it is no large change; it holds after that, too.
    let in_promotion = |batch: &mut PriceBatch| batch.entries[0].valid_from_ms = NOW.0 + 2 * DAY;
    assert!(push(90, &in_promotion).is_err());
    assert!(push(190, &in_promotion).is_ok(), "and a usual price is not held against the promotion");
    // Beside the promotion, which costs 1.00: 0.80 is a fifth less, 0.60 is not.
    assert!(push(80, &|batch| promotion(batch, NOW.0 + 2 * DAY, NOW.0 + 7 * DAY)).is_ok());
    assert!(push(60, &|batch| promotion(batch, NOW.0 + 2 * DAY, NOW.0 + 7 * DAY)).is_err());
}

#[test]
fn a_clock_that_is_behind_brings_no_revoked_key_back() {
    let mut keys = people();
    keys[0].revoked_ms = NOW.0 - 10;
    let mut authority = empty();
    let list = Wire { issued_ms: NOW.0 - 5, ..list(1, keys) };
    authority.adopt(read(&authority, &list, 100).unwrap());
    let why = push_at(&authority, 210, &[("li", 1)], Utc(NOW.0 - 2 * DAY)).unwrap_err();
    assert!(why.contains("revoked"), "{why}");
}

#[test]
fn a_key_counts_in_its_time_and_stores_and_until_it_is_revoked() {
    let change = |change: &dyn Fn(&mut PriceKey)| {
        let mut keys = people();
        change(&mut keys[0]);
        push(&with(keys), 210, &[("li", 1)])
    };
    assert_eq!(change(&|key| key.valid_from_ms = NOW.0), Ok(()));
    assert!(change(&|key| key.valid_from_ms = NOW.0 + 1).unwrap_err().contains("not valid at this time"));
    assert_eq!(change(&|key| key.valid_until_ms = NOW.0 + 1), Ok(()));
    assert!(change(&|key| key.valid_until_ms = NOW.0).unwrap_err().contains("not valid at this time"));
    assert_eq!(change(&|key| key.revoked_ms = NOW.0 + 1), Ok(()));
    assert!(change(&|key| key.revoked_ms = NOW.0).unwrap_err().contains("revoked"));
    assert_eq!(change(&|key| key.stores = vec!["0042".into(), "0043".into()]), Ok(()));
    assert!(change(&|key| key.stores = vec!["0043".into()]).unwrap_err().contains("not count in this store"));
    // Nobody hides behind another: a revoked approver spoils what the price team signed well.
    let mut keys = people();
    keys[2].revoked_ms = 1;
    assert!(push(&with(keys), 210, &[("li", 1), ("zhao", 3)]).unwrap_err().contains("`zhao` was revoked"));
}

#[test]
fn a_list_counts_by_its_root_and_never_goes_back() {
    let mut authority = empty();
    assert!(push(&authority, 210, &[("li", 1)]).unwrap_err().contains("a key this store knows"), "none yet");
    assert!(read(&authority, &list(1, people()), 99).unwrap_err().contains("does not match"));
    let stranger = Authority::new("kaixin", "0042", vec![public("other", 100)], Vec::new());
    assert!(read(&stranger, &list(1, people()), 100).unwrap_err().contains("a key this store knows"));
    let no_root = Authority::new("kaixin", "0042", Vec::new(), vec![public("li", 1)]);
    assert!(read(&no_root, &list(1, people()), 100).unwrap_err().contains("no root key"));
    assert_eq!(push(&no_root, 20, &[("li", 1)]), Ok(()), "without a root key there are no limits");
    let other = Wire { chain: "other".into(), ..list(1, people()) };
    assert!(read(&authority, &other, 100).unwrap_err().contains("chain `other`"));
    authority.adopt(read(&authority, &list(5, people()), 100).unwrap());
    for version in [0, 1, 5] {
        let why = read(&authority, &list(version, people()), 100).unwrap_err();
        assert!(why.contains("is not above 5"), "{why}");
    }
    let mut revoked = people();
    revoked[0].revoked_ms = 1;
    authority.adopt(read(&authority, &list(6, revoked), 100).unwrap());
    assert!(push(&authority, 210, &[("li", 1)]).unwrap_err().contains("revoked"));
    // A batch's signature is none of a list.
    let bytes = list(7, people()).encode_to_vec();
    let signature = sign(&price_batch_signed_bytes(&bytes), "root", 100);
    assert!(matches!(authority.read_list(&bytes, &[signature]), Err(ListFault::Signature(_))));
}

#[test]
fn a_list_with_a_bad_key_is_refused_whole() {
    let bad = |what: &str, change: &dyn Fn(&mut Vec<PriceKey>)| {
        let mut keys = people();
        change(&mut keys);
        let why = read(&empty(), &list(1, keys), 100).unwrap_err();
        assert!(why.contains("no valid id, public key or role"), "{what}: {why}");
    };
    bad("without an id", &|keys| keys[1].id.clear());
    bad("without a role", &|keys| keys[1].role = 0);
    bad("a manager of no store", &|keys| keys[1].role = PriceRole::StoreManager.into());
    bad("with half a key", &|keys| keys[1].public_key.truncate(16));
    bad("an id twice", &|keys| keys[1].id = "li".into());
    bad("one key under two names", &|keys| keys[2].public_key = keys[0].public_key.clone());
    let many = (0..=KEYS_MAX).map(|n| listed(&n.to_string(), 1, PriceRole::PriceTeam)).collect();
    assert!(read(&empty(), &list(1, many), 100).unwrap_err().contains("257 keys"));
}
