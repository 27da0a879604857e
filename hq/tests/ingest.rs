//! What the stores send is committed once and acknowledged only then, whatever breaks.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{CHAIN, Headquarters, SOON, Store, alert, broker, free_port, telemetry};
use std::path::Path;
use std::time::{Duration, Instant};
use storewarden_proto::v1::Stream;

async fn messages_out_of_order_twice_and_with_a_gap_are_committed_once(headquarters: Make) {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = headquarters(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    let journal = u64::MAX - 5;

    let serve = hq.serve(&[]);
    store.online(journal).await;
    store.acknowledged(journal, Stream::Alert, 0).await;
    for seq in [3, 1, 1, 3, 5] {
        store.message(journal, seq, alert(seq)).await;
    }
    store.message(journal, 1, telemetry(1_790_000_000_000, 6)).await;
    store.acknowledged(journal, Stream::Telemetry, 1).await;
    assert_eq!(hq.count("message WHERE stream = 1"), 3);
    assert_eq!(hq.count("alert"), 3);
    assert_eq!(hq.count("reading"), 6);
    assert_eq!(hq.count("reading WHERE value IS NULL AND quality = 'no_response'"), 2);

    // The service is killed; what fills the gap comes while it is away.
    drop(serve);
    store.message(journal, 2, alert(2)).await;
    let serve = hq.serve(&[]);
    store.acknowledged(journal, Stream::Alert, 3).await;
    store.message(journal, 4, alert(4)).await;
    store.acknowledged(journal, Stream::Alert, 5).await;
    assert_eq!(hq.count("message WHERE stream = 1"), 5);
    assert_eq!(hq.count("refused"), 0);

    // A new disk: the numbers begin again and are not taken for old ones.
    store.online(77).await;
    store.acknowledged(77, Stream::Alert, 0).await;
    store.message(77, 1, alert(1)).await;
    store.acknowledged(77, Stream::Alert, 1).await;
    assert_eq!(hq.count("alert"), 6);

    // Who was not there finds the acknowledgement retained.
    drop(serve);
    let mut late = Store::connect(port, "0042").await;
    late.acknowledged(77, Stream::Alert, 1).await;

    let output = hq.run(&["alerts", "--json", "--store", "0042"]).await;
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0]["state"], "active_unacknowledged");
    assert_eq!(lines[0]["evidence"]["worst_temperature"]["value"], -11.5);
    assert_eq!(lines[0]["evidence"]["worst_temperature"]["unit"], "°C");
    assert!(lines[0]["seconds_to_hq"].as_f64().unwrap() < SOON.as_secs_f64());
    let count = hq.run(&["readings", "--device", "freezer 2", "--count"]).await;
    assert_eq!(String::from_utf8(count.stdout).unwrap(), "6\n");
}

/// Mosquitto sends all of it at once, whatever the receive maximum says.
async fn a_long_queue_at_the_broker_is_taken_in(headquarters: Make) {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = headquarters(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    let serve = hq.serve(&[]);
    store.online(9).await;
    store.acknowledged(9, Stream::Alert, 0).await;

    serve.signal("STOP");
    for seq in 1..=5000 {
        store.message(9, seq, alert(seq)).await;
    }
    serve.signal("CONT");
    store.acknowledged(9, Stream::Alert, 5000).await;
    assert_eq!(hq.count("alert"), 5000);
}

async fn nothing_is_acknowledged_before_it_is_committed(headquarters: Make) {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = headquarters(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    let serve = hq.serve(&[]);
    store.online(9).await;
    store.acknowledged(9, Stream::Alert, 0).await;

    // Somebody else holds the database: the service can commit nothing.
    let other = hq.hold();
    store.message(9, 1, alert(1)).await;
    assert!(store.hears_nothing(Duration::from_secs(2)).await);
    // Killed with the message in its hands and not on the disk, it gets it again from the broker.
    drop(serve);
    drop(other);
    assert_eq!(hq.count("message"), 0);
    let _serve = hq.serve(&[]);
    store.acknowledged(9, Stream::Alert, 1).await;
    assert_eq!(hq.count("message"), 1);
}

async fn a_broker_that_lost_everything_is_found_again(headquarters: Make) {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let first = broker(dir.path(), port);
    let hq = headquarters(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    let _serve = hq.serve(&[]);
    store.online(9).await;
    store.acknowledged(9, Stream::Alert, 0).await;
    store.message(9, 1, alert(1)).await;
    store.acknowledged(9, Stream::Alert, 1).await;

    drop(store);
    drop(first);
    let _second = broker(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    // Until the service is back the broker knows no subscriber, as a store notices by the silence.
    let end = Instant::now() + SOON;
    loop {
        store.online(9).await;
        if !store.hears_nothing(Duration::from_millis(500)).await {
            break;
        }
        assert!(Instant::now() < end, "the service does not come back");
    }
    store.message(9, 2, alert(2)).await;
    store.acknowledged(9, Stream::Alert, 2).await;
}

async fn what_cannot_be_named_is_kept_for_people_and_harms_nobody(headquarters: Make) {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = headquarters(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    let _serve = hq.serve(&[]);
    store.online(9).await;
    store.acknowledged(9, Stream::Alert, 0).await;
    store.send(store.topics.stream(Stream::Alert), b"\xff not protobuf".to_vec(), false).await;
    // In the name of another store.
    let other = Store::connect(port, "0043").await;
    other.send(store.topics.status(), b"".to_vec(), false).await;
    store.message(9, 1, alert(1)).await;
    store.acknowledged(9, Stream::Alert, 1).await;
    assert_eq!(hq.count("refused"), 2);
    assert_eq!(hq.count("refused WHERE topic LIKE '%/alert' AND length(payload) = 14"), 1);
}

#[test]
fn several_workers_before_a_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["serve", "--broker", "mqtt://127.0.0.1:1", "--chain", CHAIN, "--worker", "a"];
    let ended = Headquarters::sqlite(dir.path(), 1).command(&args).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("several workers need PostgreSQL"), "{said}");
}

/// Three workers share what comes; one is killed in the middle, one stands still for a while, perhaps
/// while it writes: the server then ends its transaction.
#[tokio::test(flavor = "multi_thread")]
async fn workers_share_the_messages_and_what_one_leaves_the_others_take() {
    const MESSAGES: u64 = 300;
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::postgres(dir.path(), port);
    let mut store = Store::connect(port, "0042").await;
    let mut workers: Vec<_> = ["a", "b", "c"].map(|name| hq.serve(&["--worker", name])).into();
    store.online(9).await;
    store.acknowledged(9, Stream::Alert, 0).await;
    for seq in 1..=MESSAGES {
        store.message(9, seq, alert(seq)).await;
        match seq {
            80 => drop(workers.pop()),
            120 => workers[1].signal("STOP"),
            _ => {}
        }
    }
    // As a store does, until all is acknowledged: what a worker held is sent again.
    let end = Instant::now() + SOON;
    while hq.count("message") < i64::try_from(MESSAGES).unwrap() {
        assert!(Instant::now() < end, "{} of {MESSAGES}", hq.count("message"));
        let mut again: Vec<_> = (1..=MESSAGES).collect();
        // In one order each would come to the same worker again.
        fastrand::shuffle(&mut again);
        for seq in again {
            store.message(9, seq, alert(seq)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    workers[1].signal("CONT");
    store.message(9, 1, alert(1)).await;
    store.acknowledged(9, Stream::Alert, MESSAGES).await;
    let all = i64::try_from(MESSAGES).unwrap();
    assert_eq!((hq.count("message"), hq.count("alert")), (all, all));
    assert_eq!(hq.count("refused"), 0);
}

/// Makes a headquarters whose database is in a folder, or not.
type Make = fn(&Path, u16) -> Headquarters;

/// Each test with either database.
macro_rules! with_either_database {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Headquarters::sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Headquarters::postgres).await;
            })*
        }
    };
}
with_either_database!(
    messages_out_of_order_twice_and_with_a_gap_are_committed_once,
    a_long_queue_at_the_broker_is_taken_in,
    nothing_is_acknowledged_before_it_is_committed,
    a_broker_that_lost_everything_is_found_again,
    what_cannot_be_named_is_kept_for_people_and_harms_nobody,
);
