//! From a CSV file to a store and back.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use ed25519_dalek::{Signature, VerifyingKey};
use parties::{CHAIN, Headquarters, Store, broker, free_port, now_ms};
use sha2::{Digest as _, Sha256};
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::{self, Stream, envelope::Body};

fn outcome(signed: &v1::SignedBatch, accepted: bool, reason: &str) -> Body {
    Body::BatchOutcome(v1::BatchOutcome {
        digest: Sha256::digest(&signed.batch).to_vec(),
        key_id: signed.signatures[0].key_id.clone(),
        number: v1::PriceBatch::decode(signed.batch.as_slice()).unwrap().number,
        accepted,
        reason: reason.into(),
        at_ms: now_ms(),
        made_here: Vec::new(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_signed_sent_and_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::sqlite(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    let _serve = hq.serve(&[]);
    store.online(9).await;
    store.acknowledged(9, Stream::Alert, 0).await;

    let keygen = hq.run(&["price", "keygen", "--out", &path("keys"), "--id", "hq-1"]).await;
    let lines = String::from_utf8(keygen.stdout).unwrap();
    let public = lines.split('"').nth(3).unwrap();
    let public: Vec<u8> =
        (0..32).map(|n| u8::from_str_radix(&public[2 * n..2 * n + 2], 16).unwrap()).collect();
    let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();

    std::fs::write(
        path("prices.csv"),
        "item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n\
         1001,4006381333931,农夫山泉,550 ml,CNY,2.50,regular,,\n",
    )
    .unwrap();
    let (csv, key) = (path("prices.csv"), path("keys/hq-1.pem"));
    let push = ["price", "push", &csv, "--key", &key, "--key-id", "hq-1", "--chain", CHAIN];
    let push = |more: &[&'static str]| push.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();

    // Accepted.
    let arguments = push(&["--wait", "60"]);
    let topic = store.topics.price();
    let (pushed, ()) = tokio::join!(hq.run(&arguments), async {
        let signed = v1::SignedBatch::decode(store.next_on(&topic).await.as_slice()).unwrap();
        let signature = Signature::from_slice(&signed.signatures[0].signature).unwrap();
        let covered = [b"storewarden/v1/price-batch\n", signed.batch.as_slice()].concat();
        public.verify_strict(&covered, &signature).unwrap();
        let batch = v1::PriceBatch::decode(signed.batch.as_slice()).unwrap();
        assert_eq!((batch.chain.as_str(), batch.number, batch.entries[0].price_minor), (CHAIN, 1, 250));
        assert!(batch.accept_from_ms <= now_ms() && batch.accept_until_ms > now_ms());
        store.message(9, 1, outcome(&signed, true, "")).await;
        // A label shows it, another cannot.
        for (seq, label, proof) in [(2, "A1", v1::Proof::Refreshed), (3, "A2", v1::Proof::Failed)] {
            let shown =
                v1::LabelShown { label: label.into(), batch: 1, proof: proof.into(), ..Default::default() };
            store.message(9, seq, Body::LabelShown(shown)).await;
        }
    });
    let text = String::from_utf8(pushed.stdout).unwrap();
    assert_eq!(pushed.status.code(), Some(0), "{text}");
    assert!(text.contains("0042: accepted"), "{text}");

    // Refused.
    let arguments = push(&["--wait", "60", "--store", "0042"]);
    let (pushed, ()) = tokio::join!(hq.run(&arguments), async {
        let signed = v1::SignedBatch::decode(store.next_on(&topic).await.as_slice()).unwrap();
        let batch = v1::PriceBatch::decode(signed.batch.as_slice()).unwrap();
        assert_eq!((batch.number, batch.stores), (2, vec!["0042".to_owned()]));
        store.message(9, 4, outcome(&signed, false, "the clock is not to be trusted")).await;
    });
    let text = String::from_utf8(pushed.stdout).unwrap();
    assert_eq!(pushed.status.code(), Some(1), "{text}");
    assert!(text.contains("0042: refused: the clock is not to be trusted"), "{text}");

    // A store that is away gets its batch when it is back.
    let pushed = hq.run(&push(&["--store", "0044"])).await;
    assert_eq!(pushed.status.code(), Some(0));
    let mut late = Store::connect(port, "0044").await;
    late.online(1).await;
    let topic = late.topics.price();
    let signed = v1::SignedBatch::decode(late.next_on(&topic).await.as_slice()).unwrap();
    assert_eq!(v1::PriceBatch::decode(signed.batch.as_slice()).unwrap().number, 3);

    let status = String::from_utf8(hq.run(&["price", "status", "--json"]).await.stdout).unwrap();
    let batches: Vec<serde_json::Value> =
        status.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(batches.len(), 3);
    assert_eq!(batches[0]["stores"][0]["accepted"], true);
    assert_eq!(batches[0]["stores"][0]["labels"]["shown"], 1);
    assert_eq!(batches[0]["stores"][0]["labels"]["failed"], 1);
    assert_eq!(batches[1]["stores"][0]["reason"], "the clock is not to be trusted");
    assert_eq!(batches[2]["stores"][0]["accepted"], serde_json::Value::Null);

    // What is wrong is said before anything is queued.
    std::fs::write(
        path("prices.csv"),
        "item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n1,1,a,,CNY,1,regular,,\n",
    )
    .unwrap();
    let wrong = hq.run(&push(&[])).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("line 2, column gtin"));
    let replay = hq.run(&push(&["--number", "3"])).await;
    assert_eq!(replay.status.code(), Some(2));
    assert_eq!(hq.count("batch"), 3);
}
