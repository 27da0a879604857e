use super::*;
use crate::signed::PublicKey;
use ed25519_dalek::{Signer as _, SigningKey};
use storewarden_prices::Source;
use storewarden_proto::price_batch_signed_bytes;
use storewarden_proto::v1::{PriceBatch, PriceEntry, PriceKind, SignedBatch};

const NOW: Utc = Utc(1_790_000_000_000);

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn keys() -> Vec<PublicKey> {
    [("price-team", 1), ("night-desk", 2)]
        .map(|(id, seed)| PublicKey { id: id.into(), key: signing_key(seed).verifying_key() })
        .into()
}

fn entry(item: &str) -> PriceEntry {
    PriceEntry {
        item: item.into(),
        gtin: "6921168509256".into(),
        name: "农夫山泉".into(),
        unit: "550 ml".into(),
        currency: "CNY".into(),
        price_minor: 200,
        kind: PriceKind::Regular.into(),
        valid_from_ms: NOW.0,
        ..PriceEntry::default()
    }
}

fn batch() -> PriceBatch {
    PriceBatch {
        chain: "kaixin".into(),
        stores: vec!["0041".into(), "0042".into()],
        number: 8,
        issued_ms: NOW.0 - 1_000,
        accept_from_ms: NOW.0,
        accept_until_ms: NOW.0 + 1,
        entries: vec![entry("a"), entry("b")],
        ..PriceBatch::default()
    }
}

fn signed_by(batch: &PriceBatch, signers: &[(&str, u8)]) -> SignedBatch {
    let batch = batch.encode_to_vec();
    let bytes = price_batch_signed_bytes(&batch);
    let signatures = signers
        .iter()
        .map(|(id, seed)| v1::Signature {
            key_id: (*id).into(),
            signature: signing_key(*seed).sign(&bytes).to_bytes().to_vec(),
        })
        .collect();
    SignedBatch { batch, signatures, ..SignedBatch::default() }
}

fn believe(payload: &[u8]) -> Result<Verified, Refusal> {
    let mut numbers = Numbers::default();
    numbers.take("price-team", 7);
    let authority = Authority::new("kaixin", "0042", Vec::new(), keys());
    verify(payload, &authority, &numbers, "kaixin", "0042", NOW, &|c| c != '㗎')
}

fn believe_changed(change: impl FnOnce(&mut PriceBatch)) -> Result<Verified, Refusal> {
    let mut batch = batch();
    change(&mut batch);
    believe(&signed_by(&batch, &[("price-team", 1)]).encode_to_vec())
}

#[test]
fn a_good_batch_is_accepted_with_its_facts() {
    let signed = signed_by(&batch(), &[("price-team", 1)]);
    let verified = believe(&signed.encode_to_vec()).expect("good");
    let source = Source { issued: Utc(NOW.0 - 1_000), key: "price-team".into(), number: 8 };
    assert_eq!((&verified.batch.source, verified.batch.entries.len()), (&source, 2));
    assert_eq!(verified.signed, signed.encode_to_vec());
    assert_eq!(verified.digest, <[u8; 32]>::from(Sha256::digest(&signed.batch)));
    assert!(believe_changed(|b| b.stores.clear()).is_ok(), "no store named means all");
}

#[test]
fn what_is_signed_is_signed_as_ed25519_says() {
    // Made by another implementation: Python's `cryptography`,
    // Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)).sign(b"storewarden/v1/price-batch\n" + b"\x0a\x06kaixin")
    let signature = SIGNATURE_BY_PYTHON;
    let bytes = (0..64).map(|i| u8::from_str_radix(&signature[2 * i..2 * i + 2], 16).expect("hex")).collect();
    let signed = SignedBatch {
        batch: b"\x0a\x06kaixin".to_vec(),
        signatures: vec![v1::Signature { key_id: "price-team".into(), signature: bytes }],
        ..SignedBatch::default()
    };
    let refusal = believe(&signed.encode_to_vec()).expect_err("names no store, has no number");
    assert_eq!(
        refusal.why,
        Why::Number(NumberFault::Old { number: 0, highest: 7, key: "price-team".into() })
    );
}

const SIGNATURE_BY_PYTHON: &str = "e8e11db466b79267b20a2d340832dde5f111572428af68213477050d2ee9de31dafa596180f53e5e1a33ab773f13ce19efa25c85d27f6f0238a7bbdd80027a02";

#[test]
fn anything_altered_after_signing_is_refused() {
    let good = signed_by(&batch(), &[("price-team", 1)]);
    for at in 0..good.batch.len() {
        let mut bad = good.clone();
        bad.batch[at] ^= 1;
        let refusal = believe(&bad.encode_to_vec()).expect_err("altered");
        assert_eq!(refusal.why, Why::Signature(SignatureFault::Mismatch("price-team".into())));
    }
    let mut short = good.clone();
    short.signatures[0].signature.truncate(63);
    assert_eq!(
        believe(&short.encode_to_vec()).expect_err("short").why,
        Why::Signature(SignatureFault::Mismatch("price-team".into()))
    );
    let mut bare = good.clone();
    bare.signatures[0].signature = signing_key(1).sign(&good.batch).to_bytes().to_vec();
    assert_eq!(
        believe(&bare.encode_to_vec()).expect_err("signed without the prefix").why,
        Why::Signature(SignatureFault::Mismatch("price-team".into()))
    );
}

#[test]
fn keys_decide_who_may_set_prices() {
    let believe = |signers: &[(&str, u8)]| believe(&signed_by(&batch(), signers).encode_to_vec());
    assert_eq!(
        believe(&[]).expect_err("unsigned").why,
        Why::Signature(SignatureFault::UnknownKey("nobody".into()))
    );
    assert_eq!(
        believe(&[("intern", 1)]).expect_err("unknown").why,
        Why::Signature(SignatureFault::UnknownKey("intern".into()))
    );
    assert_eq!(
        believe(&[("night-desk", 1)]).expect_err("another's key").why,
        Why::Signature(SignatureFault::Mismatch("night-desk".into()))
    );
    assert_eq!(
        believe(&[("retired", 9), ("night-desk", 2)]).expect("one known").batch.source.key,
        "night-desk".into()
    );
    assert_eq!(
        believe(&[("price-team", 1), ("night-desk", 9)]).expect_err("a known key's must match").why,
        Why::Signature(SignatureFault::Mismatch("night-desk".into()))
    );
}

#[test]
fn every_refusal_says_what_to_do() {
    let refusals = [
        (believe(b"\xff\xff"), "not a signed price batch"),
        (believe(b""), "not a signed price batch"),
        (believe(&vec![0; PAYLOAD_BYTES_MAX + 1]), "split the batch"),
        (believe_changed(|b| b.chain = "other".into()), "for chain `other`"),
        (believe_changed(|b| b.stores = vec!["0043".into()]), "not for this store"),
        (believe_changed(|b| b.number = 7), "number 7 of key `price-team` was used by another batch"),
        (believe_changed(|b| b.accept_from_ms = NOW.0 + 1), "only from 1790000000001"),
        (believe_changed(|b| b.accept_until_ms = NOW.0), "sign it anew"),
        (believe_changed(|b| b.jurisdiction = "XX".into()), "jurisdiction `XX` is not known"),
        (believe_changed(|b| b.entries.clear()), "no entries"),
        (believe_changed(|b| b.entries[1].price_minor = 0), "entry 1 (item b): price 0"),
        (believe_changed(|b| b.entries[1].item = "a".into()), "entry 1 (item a): entry 0 already"),
        (believe_changed(|b| b.entries[0].name = "㗎".into()), "entry 0 (item a): the name has `㗎`"),
    ];
    for (result, text) in refusals {
        let refusal = result.expect_err(text).to_string();
        assert!(refusal.contains(text), "{refusal:?} should say {text:?}");
    }
}

#[test]
fn a_refusal_names_the_batch_and_lists_its_first_faults() {
    let refusal = believe_changed(|b| {
        b.entries = (0..15).map(|i| PriceEntry { price_minor: 0, ..entry(&i.to_string()) }).collect();
    })
    .expect_err("all bad");
    assert_eq!((refusal.key_id.as_str(), refusal.number), ("price-team", 8));
    assert!(refusal.to_string().ends_with("; and 5 more"), "{refusal}");
}

#[test]
fn a_signed_batch_that_is_not_a_batch_is_refused() {
    let batch = b"\xff\xff\xff".to_vec();
    let signature = signing_key(1).sign(&price_batch_signed_bytes(&batch)).to_bytes().to_vec();
    let signed = SignedBatch {
        batch,
        signatures: vec![v1::Signature { key_id: "price-team".into(), signature }],
        ..SignedBatch::default()
    };
    assert_eq!(believe(&signed.encode_to_vec()).expect_err("garbage").why, Why::NotBatch);
}

#[test]
fn what_is_believed_must_fit_the_store() {
    let zone = chrono_tz::Asia::Shanghai;
    let book = PriceBook::new(zone);
    let fits = |batch: Verified, store| {
        let authority = Authority::new("kaixin", "0042", Vec::new(), keys());
        judge(batch, &authority, &book, store, NOW).map(drop).map_err(|refusal| refusal.to_string())
    };
    let batch = |change: fn(&mut PriceBatch)| believe_changed(change).expect("believed");
    assert_eq!(fits(batch(|_| {}), None), Ok(()), "judged by no law");
    let bare = fits(batch(|_| {}), Some(Jurisdiction::China)).expect_err("what does it buy?");
    assert!(bare.starts_with("entry 0 (item a): it must be said what the price buys"), "{bare}");
    let by_piece = |b: &mut PriceBatch| {
        b.jurisdiction = "CN".into();
        b.entries.iter_mut().for_each(|entry| entry.sold_by = v1::Measure::Piece.into());
    };
    assert_eq!(fits(batch(by_piece), Some(Jurisdiction::China)), Ok(()));
    assert_eq!(
        fits(batch(by_piece), Some(Jurisdiction::Japan)),
        Err("it is made for CN, this store is in JP".into())
    );
    let ends = fits(batch(|b| b.entries[1].valid_until_ms = NOW.0 + 5), None).expect_err("and then?");
    assert!(ends.starts_with("item b: nothing gives it a price from 2026-09-21T14:13:20Z on"), "{ends}");
    // The batch brings what its promotion is compared with.
    let reduced = |b: &mut PriceBatch| {
        b.jurisdiction = "CN".into();
        b.entries[0].valid_from_ms = NOW.0 - 1_000;
        b.entries[1] = PriceEntry {
            kind: PriceKind::Promotion.into(),
            price_minor: 150,
            was_minor: 200,
            valid_until_ms: NOW.0 + 1_000,
            ..entry("a")
        };
        b.entries.iter_mut().for_each(|entry| entry.sold_by = v1::Measure::Piece.into());
    };
    assert_eq!(fits(batch(reduced), None), Ok(()));
    let too_high = |b: &mut PriceBatch| {
        b.entries[0].valid_from_ms = NOW.0 - 1_000;
        b.jurisdiction = "CN".into();
        b.entries[1] = PriceEntry {
            kind: PriceKind::Promotion.into(),
            price_minor: 150,
            was_minor: 201,
            valid_until_ms: NOW.0 + 1_000,
            ..entry("a")
        };
        b.entries.iter_mut().for_each(|entry| entry.sold_by = v1::Measure::Piece.into());
    };
    let refused = fits(batch(too_high), None).expect_err("never charged");
    assert!(refused.contains("entry 1 (item a): the earlier price ¥2.01 is above ¥2.00"), "{refused}");
}

#[test]
fn a_batch_that_a_label_cannot_show_is_refused_whole() {
    let label = |id: &str, item: &'static str| {
        let model = storewarden_drivers::esl::estation::model::model_of(id).expect("a model");
        (item, Display::from(model))
    };
    let long = "特级初榨橄榄油礼盒装家庭分享装".repeat(4);
    let batch = |b: &mut PriceBatch| {
        b.entries[0].name.clone_from(&long);
        b.entries[1].unit_price_minor = 1_000_000_000;
        b.entries[1].sold_by = v1::Measure::Kilogram.into();
    };
    let fits = |labels: &[(&str, Display)]| {
        let batch = believe_changed(batch).expect("in itself good");
        fit(batch, labels.iter().copied(), Templates::shipped())
            .map(drop)
            .map_err(|refusal| refusal.to_string())
    };
    let large = [label("46000001", "a"), label("46000002", "b")];
    assert_eq!(fits(&large), Ok(()));
    assert_eq!(fits(&[label("39000001", "c")]), Ok(()), "no label here shows its items");
    let small = [label("39000001", "a"), label("39000002", "a"), large[0], label("39000003", "b")];
    let refused = fits(&small).expect_err("too long");
    let (a, b) = refused.split_once("; entry ").expect("each once");
    assert!(a.starts_with("entry 0 (item a): the name `特级初榨"), "{a}");
    assert!(a.contains("too long for label template 250x122.toml, also at its smallest size"), "{a}");
    assert!(b.starts_with("1 (item b): the unit price `¥10000000.00/kg` is too long for"), "{b}");
}
