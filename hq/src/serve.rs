//! The service: one task keeps the connection, one thread owns the database's writes, one task
//! confirms and publishes what the thread has committed.
//!
//! ```text
//! broker ─▶ Connection ─▶ deliveries ─▶ writer thread ─▶ committed ─▶ confirm, publish ─▶ broker
//! ```
//! Nothing is confirmed to the broker or acknowledged to a store before it is on the disk.

use crate::command::queue;
use crate::database::{Ledger, now_ms, retention};
use crate::mqtt::{Broker, Connection, Delivery, Publisher};
use crate::pause::Pause;
use crate::price::outgoing;
use crate::turn::Waiting;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use storewarden_proto::topic::StoreTopics;
use tokio::sync::mpsc;

/// How often price batches and old telemetry are looked for.
const ROUND_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked for prices and commands to be sent: somebody stands at a shelf and waits.
const SEND_EVERY: Duration = Duration::from_millis(200);

/// Committed groups that may wait to be confirmed; the writer waits for room.
const COMMITTED_MAX: usize = 4;

/// What the writer has made safe, and what follows from it.
struct Committed {
    deliveries: Vec<Delivery>,
    publishes: Vec<Publish>,
}

struct Publish {
    topic: String,
    payload: Vec<u8>,
    retain: bool,
}

/// Serves `chain` until the future is dropped or the writer ends.
pub(crate) async fn run(broker: Broker, filters: Vec<String>, chain: String, ledger: Ledger, keep_days: i64) {
    let (deliver, deliveries) = channel();
    let (commit, committed) = mpsc::channel(COMMITTED_MAX);
    let (connection, publisher) = Connection::new(broker, filters, deliver);
    let writer = std::thread::spawn(move || write(ledger, &chain, keep_days, &deliveries, &commit));
    tokio::select! {
        () = connection.run() => {}
        () = confirm_and_publish(committed, publisher) => {}
    }
    // Reached only if the writer ended, and it ends early only by a panic.
    if writer.is_finished() && writer.join().is_err() {
        tracing::error!("the database writer broke down");
    }
}

async fn confirm_and_publish(mut committed: mpsc::Receiver<Committed>, publisher: Publisher) {
    // MQTT wants confirmations in the order of the deliveries: what overtook waits here for its turn.
    let (mut safe, mut next) = (BTreeMap::new(), 0);
    while let Some(group) = committed.recv().await {
        safe.extend(group.deliveries.into_iter().map(|delivery| (delivery.number(), delivery)));
        while let Some(delivery) = safe.remove(&next) {
            delivery.confirm().await;
            next += 1;
        }
        for publish in group.publishes {
            // What finds no connection is not lost: a store that comes online gets its
            // acknowledgement again, and a batch without an outcome is sent again.
            publisher.publish(&publish.topic, publish.payload, publish.retain).await;
        }
    }
}

/// Ends when either side is gone.
fn write(
    mut ledger: Ledger,
    chain: &str,
    keep_days: i64,
    deliveries: &Receiver<Delivery>,
    commit: &mpsc::Sender<Committed>,
) {
    let (mut next_round, mut next_send) = (Instant::now(), Instant::now());
    let mut waiting = Waiting::new();
    loop {
        let round = next_round.min(next_send).saturating_duration_since(Instant::now());
        let wait = if waiting.is_empty() { round } else { Duration::ZERO };
        match deliveries.recv_timeout(wait) {
            Ok(first) => {
                for delivery in std::iter::once(first).chain(deliveries.try_iter()) {
                    let (topic, bytes) = (delivery.topic().to_owned(), delivery.payload().len());
                    waiting.push(delivery, &topic, bytes);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let group = waiting.group();
        if !group.is_empty() {
            let Some(committed) = commit_group(&mut ledger, chain, group, commit) else { return };
            if commit.blocking_send(committed).is_err() {
                return;
            }
        }
        if next_round <= Instant::now() {
            next_round = Instant::now() + ROUND_EVERY;
            if let Err(error) = retention::forget(ledger.database(), keep_days, now_ms()) {
                tracing::error!(%error, "cannot delete old telemetry; tried again in the next round");
            }
        }
        if next_send <= Instant::now() {
            next_send = Instant::now() + SEND_EVERY;
            let publishes = due(&mut ledger, chain);
            if !publishes.is_empty()
                && commit.blocking_send(Committed { deliveries: Vec::new(), publishes }).is_err()
            {
                return;
            }
        }
    }
}

/// Tries until it is committed: a full disk costs time, never messages. `None` if nobody waits for it
/// any more.
fn commit_group(
    ledger: &mut Ledger,
    chain: &str,
    deliveries: Vec<Delivery>,
    commit: &mpsc::Sender<Committed>,
) -> Option<Committed> {
    let mut pause = Pause::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let batch = deliveries.iter().map(|delivery| (delivery.topic(), delivery.payload()));
        match ledger.commit(batch, now_ms()) {
            Ok(acks) => {
                let publishes = acks
                    .into_iter()
                    .map(|store_ack| Publish {
                        topic: StoreTopics::new(chain, &store_ack.store).ack(),
                        payload: store_ack.ack.encode_to_vec(),
                        retain: true,
                    })
                    .collect();
                return Some(Committed { deliveries, publishes });
            }
            Err(error) => {
                if commit.is_closed() {
                    return None;
                }
                let wait = pause.after_failure(fastrand::f64());
                tracing::error!(%error, wait_ms = wait.as_millis(), "cannot commit; nothing is acknowledged meanwhile");
                std::thread::sleep(wait);
            }
        }
    }
}

/// What is signed and waits to be sent: commands first, which have a deadline.
fn due(ledger: &mut Ledger, chain: &str) -> Vec<Publish> {
    let now = now_ms();
    let commands =
        queue::take_due(ledger.database(), chain, now).map(|due| (due, StoreTopics::command as Topic));
    let batches =
        outgoing::take_due(ledger.database(), chain, now).map(|due| (due, StoreTopics::price as Topic));
    let mut publishes = Vec::new();
    for taken in [commands, batches] {
        match taken {
            Ok((due, topic)) => publishes.extend(due.into_iter().map(|due| Publish {
                topic: topic(&StoreTopics::new(chain, &due.store)),
                payload: due.payload,
                retain: false,
            })),
            Err(error) => {
                tracing::error!(%error, "cannot read what waits to be sent; tried again in the next round");
            }
        }
    }
    publishes
}

/// Where something goes.
type Topic = fn(&StoreTopics) -> String;
