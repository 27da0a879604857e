use super::*;
use crate::contiguous::RUNS_MAX;
use crate::database::tests::Empty;
use std::time::Duration;
use storewarden_proto::topic::StoreTopics;
use storewarden_proto::v1::envelope::Body;

struct Bench {
    empty: Empty,
    ledger: Ledger,
}

impl Bench {
    /// One for each kind of database.
    fn each() -> [Self; 2] {
        Empty::each().map(|empty| Self { ledger: Ledger::new(empty.open(), "kaixin"), empty })
    }

    /// Another worker.
    fn other(&self) -> Ledger {
        Ledger::new(self.empty.open(), "kaixin")
    }

    fn commit(&mut self, (topic, payload): (String, Vec<u8>)) -> Result<Vec<StoreAck>, Error> {
        self.ledger.commit([(topic.as_str(), payload.as_slice())], 1)
    }

    fn count(&self, what: &str) -> i64 {
        self.empty.count(what)
    }
}

/// A status of the boot that made `journal`, written when it connected.
fn status(online: bool, journal: u64) -> (String, Vec<u8>) {
    let status = v1::Status {
        chain: "kaixin".into(),
        store: "0042".into(),
        online,
        boot: journal,
        journal,
        at_ms: journal.cast_signed(),
        ..Default::default()
    };
    (StoreTopics::new("kaixin", "0042").status(), status.encode_to_vec())
}

fn alert(journal: u64, seq: u64) -> (String, Vec<u8>) {
    let envelope = v1::Envelope {
        chain: "kaixin".into(),
        store: "0042".into(),
        stream: Stream::Alert.into(),
        seq,
        journal,
        body: Some(Body::Alert(v1::Alert::default())),
        ..Default::default()
    };
    (StoreTopics::new("kaixin", "0042").stream(Stream::Alert), envelope.encode_to_vec())
}

/// Journal and highest alert number of the only acknowledgement.
fn acknowledged(acks: &[StoreAck]) -> (u64, u64) {
    let [StoreAck { store, ack }] = acks else { panic!("not one acknowledgement: {acks:?}") };
    assert_eq!(store, "0042");
    assert_eq!(ack.streams.len(), 4);
    (ack.journal, ack.streams[0].seq)
}

#[test]
fn one_commit_gives_one_acknowledgement_a_store() {
    for mut bench in Bench::each() {
        let batch = [alert(9, 2), alert(9, 1), alert(9, 2)];
        let batch = batch.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()));
        assert_eq!(acknowledged(&bench.ledger.commit(batch, 1).unwrap()), (9, 2));
        assert_eq!(bench.count("alert"), 2);
    }
}

#[test]
fn a_late_last_will_does_not_bring_the_old_journal_back() {
    for mut bench in Bench::each() {
        assert_eq!(acknowledged(&bench.commit(status(true, 1)).unwrap()), (1, 0));
        assert_eq!(acknowledged(&bench.commit(alert(1, 1)).unwrap()), (1, 1));
        assert_eq!(acknowledged(&bench.commit(status(true, 2)).unwrap()), (2, 0));
        assert_eq!(bench.commit(status(false, 1)).unwrap(), []);
        assert_eq!(bench.count("store WHERE online = 1 AND journal = 2"), 1);
        // What the broker still held of the old journal is committed; the store waits for the new.
        assert_eq!(acknowledged(&bench.commit(alert(1, 2)).unwrap()), (2, 0));
        assert_eq!(acknowledged(&bench.commit(alert(2, 1)).unwrap()), (2, 1));
        assert_eq!(bench.count("alert"), 3);
        // The Last Will of the present life counts.
        assert_eq!(bench.commit(status(false, 2)).unwrap(), []);
        assert_eq!(bench.count("store WHERE online = 0"), 1);
    }
}

#[test]
fn a_failed_commit_leaves_no_trace_and_may_be_repeated() {
    for mut bench in Bench::each() {
        assert_eq!(acknowledged(&bench.commit(alert(9, 1)).unwrap()), (9, 1));
        match bench.ledger.database() {
            Database::Sqlite(connection) => connection.busy_timeout(Duration::ZERO).unwrap(),
            shared => shared.query("SET lock_timeout = '50ms'", &[]).map(drop).unwrap(),
        }
        let mut other = bench.empty.open();
        other
            .transaction(|transaction| {
                // As somebody who copies the database, or a disk that does not answer.
                if let Transaction::Postgres(_) = transaction {
                    transaction.execute("LOCK TABLE message", &[])?;
                }
                assert!(bench.commit(alert(9, 2)).is_err());
                Ok(())
            })
            .unwrap();
        assert_eq!(bench.count("message"), 1);
        assert_eq!(acknowledged(&bench.commit(alert(9, 2)).unwrap()), (9, 2));
        assert_eq!(bench.count("message"), 2);
    }
}

#[test]
fn made_up_numbers_are_refused_and_never_acknowledged() {
    for mut bench in Bench::each() {
        for n in 0..=RUNS_MAX as u64 {
            assert_eq!(acknowledged(&bench.commit(alert(9, 3 + 2 * n)).unwrap()), (9, 0));
        }
        assert_eq!(bench.count("message"), i64::try_from(RUNS_MAX).unwrap());
        assert_eq!(bench.count("refused"), 1);
    }
}

fn telemetry(seq: u64, body: Body) -> (String, Vec<u8>) {
    let envelope = v1::Envelope {
        chain: "kaixin".into(),
        store: "0042".into(),
        stream: Stream::Telemetry.into(),
        seq,
        journal: 7,
        body: Some(body),
        ..Default::default()
    };
    (StoreTopics::new("kaixin", "0042").stream(Stream::Telemetry), envelope.encode_to_vec())
}

#[test]
fn telemetry_a_store_had_to_drop_does_not_hold_up_what_follows() {
    for mut bench in Bench::each() {
        let readings = || Body::Telemetry(v1::Telemetry::default());
        let gap = |first_seq| Body::Gap(v1::Gap { first_seq, from_ms: 1, to_ms: 2 });
        let highest = |bench: &mut Bench, message| {
            let acks = bench.commit(message).unwrap();
            acks[0].ack.streams.iter().find(|s| s.stream() == Stream::Telemetry).map_or(0, |s| s.seq)
        };
        assert_eq!(highest(&mut bench, telemetry(1, readings())), 1);
        assert_eq!(highest(&mut bench, telemetry(9, readings())), 1);
        assert_eq!(highest(&mut bench, telemetry(6, gap(4))), 1, "2 and 3 are still at the store");
        assert_eq!(bench.count("refused"), 1);
        // Number 9 came before the store dropped it; what lies before it is settled all the same.
        assert_eq!(highest(&mut bench, telemetry(9, gap(2))), 9);
        assert_eq!(highest(&mut bench, telemetry(9, gap(2))), 9);
        assert_eq!(bench.count("gap"), 1);
        assert_eq!(highest(&mut bench, telemetry(10, readings())), 10);
        // A new start reads the same from the database.
        bench.ledger = bench.other();
        assert_eq!(highest(&mut bench, telemetry(11, readings())), 11);
    }
}

#[test]
fn a_lost_database_does_not_wait_for_what_the_store_has_deleted() {
    for mut bench in Bench::each() {
        let (topic, payload) = status(true, 7);
        let mut said = v1::Status::decode(payload.as_slice()).unwrap();
        said.acked = vec![v1::StreamAck { stream: Stream::Alert.into(), seq: 500 }];
        let acks = bench.commit((topic, said.encode_to_vec())).unwrap();
        let highest = |acks: &[StoreAck]| {
            acks[0].ack.streams.iter().find(|s| s.stream() == Stream::Alert).map_or(0, |s| s.seq)
        };
        assert_eq!(highest(&acks), 500);
        assert_eq!(highest(&bench.commit(alert(7, 501)).unwrap()), 501);
        assert_eq!(bench.count("gap"), 1, "what was lost is on record");
    }
}

#[test]
fn a_store_with_a_new_journal_is_sent_its_prices_again() {
    for mut bench in Bench::each() {
        bench.commit(status(true, 7)).unwrap();
        let mut db = bench.empty.open();
        for (n, until) in [(1u8, 100), (2, 1)] {
            let digest = [n];
            let digest = digest.as_slice();
            let batch = values![digest, "kaixin", "team", i64::from(n), 1, until, 1, digest];
            db.transaction(|transaction| {
                transaction
                    .execute("INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', 0)", &batch)?;
                let target = values![digest, "0042", 1, 1, 1];
                transaction.execute("INSERT INTO batch_store VALUES (?1, ?2, ?3, ?4, NULL, ?5)", &target)
            })
            .unwrap();
        }
        let open = |bench: &Bench| bench.count("batch_store WHERE accepted IS NULL");
        bench.commit(status(true, 7)).unwrap();
        assert_eq!(open(&bench), 0, "the same journal still has them");
        bench.commit(status(true, 8)).unwrap();
        assert_eq!(open(&bench), 1, "only what may still be accepted");
    }
}

#[test]
fn an_alert_keeps_its_diagnosis_its_repair_and_its_curve_whatever_the_numbers() {
    for mut bench in Bench::each() {
        let alert = v1::Alert {
            alarm: 7,
            probability: 0.8,
            alternatives: vec![v1::ProbableCause { cause: "door_open".into(), probability: f32::NAN }],
            parent_device: "circuit-1".into(),
            parent_condition: "power_lost".into(),
            escalation: 2,
            repair: Some(v1::Repair {
                reference: "R-12".into(),
                by: "li".into(),
                since_ms: 1_796_076_000_000,
                ..v1::Repair::default()
            }),
            curve: vec![v1::CurveSample {
                at_ms: 1_796_076_000_000,
                air: Some(-18.4),
                evaporator: Some(f32::INFINITY),
                power: None,
            }],
            ..v1::Alert::default()
        };
        let envelope = v1::Envelope {
            chain: "kaixin".into(),
            store: "0042".into(),
            stream: Stream::Alert.into(),
            seq: 1,
            journal: 9,
            body: Some(Body::Alert(alert)),
            ..Default::default()
        };
        let topic = StoreTopics::new("kaixin", "0042").stream(Stream::Alert);
        bench.commit((topic, envelope.encode_to_vec())).unwrap();
        let sql = "SELECT probability, alternatives, parent, escalation, repair, curve FROM alert";
        let found = bench.empty.open().query(sql, &[]).unwrap();
        let text = |column| found[0].get::<String>(column).unwrap();
        let row: (f64, _, _, i64, _, _) =
            (found[0].get(0).unwrap(), text(1), text(2), found[0].get(3).unwrap(), text(4), text(5));
        assert!((row.0 - 0.8).abs() < 1e-12);
        assert_eq!(row.1, r#"[{"cause":"door_open","probability":0.0}]"#);
        assert_eq!((row.2.as_str(), row.3), ("circuit-1/power_lost", 2));
        let repair: serde_json::Value = serde_json::from_str(&row.4).unwrap();
        assert_eq!(repair["since"], "2026-11-30T22:00:00.000Z");
        assert!(repair["fixed_by"].is_null());
        let curve: serde_json::Value = serde_json::from_str(&row.5).unwrap();
        assert_eq!(curve[0]["air"], -18.4);
        assert!(curve[0]["evaporator"].is_null() && curve[0]["power"].is_null());
    }
}

/// What a store tells of its labels.
fn labels(seq: u64, body: Body) -> (String, Vec<u8>) {
    let envelope = v1::Envelope {
        chain: "kaixin".into(),
        store: "0042".into(),
        stream: Stream::PriceResult.into(),
        seq,
        journal: 8,
        body: Some(body),
        ..Default::default()
    };
    (StoreTopics::new("kaixin", "0042").stream(Stream::PriceResult), envelope.encode_to_vec())
}

#[test]
fn of_a_label_and_a_batch_the_newest_counts_however_it_comes() {
    let shown = |label: &str, batch, at_ms, proof: v1::Proof| v1::LabelShown {
        label: label.into(),
        batch,
        at_ms,
        proof: proof.into(),
        key_id: "li".into(),
        ..Default::default()
    };
    let many = |shown| Body::LabelsShown(v1::LabelsShown { shown });
    let (queued, refreshed, failed) = (v1::Proof::Queued, v1::Proof::Refreshed, v1::Proof::Failed);
    for mut bench in Bench::each() {
        let sent = [
            labels(
                1,
                many(vec![
                    shown("A1", 2, 20, refreshed),
                    shown("A1", 2, 10, queued),
                    shown("A1", 1, 5, failed),
                    shown("A2", 2, 20, queued),
                ]),
            ),
            // Of the same group, and as older stores tell it.
            labels(2, Body::LabelShown(shown("A2", 2, 30, refreshed))),
            labels(3, many(Vec::new())),
        ];
        let group = sent.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()));
        bench.ledger.commit(group, 1).unwrap();
        let count = |bench: &Bench, proof: v1::Proof| {
            bench.count(&format!("label_shown WHERE proof = {} AND key_id = 'li'", i32::from(proof)))
        };
        assert_eq!(bench.count("label_shown"), 3);
        assert_eq!((count(&bench, refreshed), count(&bench, failed)), (2, 1));
        // What comes late changes nothing, what is newer does.
        bench.commit(labels(4, many(vec![shown("A1", 2, 19, failed), shown("A2", 2, 31, failed)]))).unwrap();
        assert_eq!((count(&bench, refreshed), count(&bench, failed)), (1, 2));
        assert_eq!((bench.count("message"), bench.count("refused")), (4, 0));
        let long = "x".repeat(300);
        bench
            .commit(labels(5, many(vec![shown(&long, 2, 40, refreshed), shown("A3", 2, 40, refreshed)])))
            .unwrap();
        assert_eq!((bench.count("label_shown"), bench.count("refused")), (3, 1), "as a whole, and kept");
    }
}

/// Four workers, each with every third message and some of the others, in any order.
#[test]
fn several_workers_take_each_message_once_and_step_over_no_gap() {
    const MESSAGES: u64 = 200;
    for bench in Bench::each() {
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let mut ledger = bench.other();
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(worker);
                    let mut mine: Vec<u64> =
                        (1..=MESSAGES).filter(|seq| seq % 3 == worker % 3 || random.u8(..) < 40).collect();
                    random.shuffle(&mut mine);
                    for group in mine.chunks(7) {
                        let group: Vec<_> = group.iter().map(|&seq| alert(9, seq)).collect();
                        let group = group.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()));
                        while ledger.commit(group.clone(), 1).is_err() {}
                    }
                });
            }
        });
        let all = i64::try_from(MESSAGES).unwrap();
        assert_eq!((bench.count("message"), bench.count("alert")), (all, all));
        assert_eq!(bench.count(&format!("contiguous WHERE seq = {all} AND beyond = ''")), 1);
        assert_eq!(bench.count("refused"), 0);
        let (topic, payload) = alert(9, 1);
        let acks = bench.other().commit([(topic.as_str(), payload.as_slice())], 1).unwrap();
        assert_eq!(acknowledged(&acks), (9, MESSAGES), "whoever is asked");
    }
}
