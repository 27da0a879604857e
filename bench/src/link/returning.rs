//! `link-return`: 2,000 stores that come back within a second, each with a backlog.
//!
//! A store here is the agent's own connection and window over a list of messages instead of a journal: all
//! in one process, beside a real Mosquitto and a real headquarters. Afterwards headquarters' database is compared
//! with what was sent.

use super::messages;
use super::store_day::{self, Day, POINTS};
use crate::headquarters::{Headquarters, Keeper, LIMIT, Outgoing};
use crate::lab::CHAIN;
use crate::report::Row;
use prost::Message as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storewarden::hq_link::connection::{Connection, Endpoint, LinkEvent, Receipt};
use storewarden::hq_link::window::{RESEND_AFTER, Window};
use storewarden_proto::topic::StoreTopics;
use storewarden_proto::v1::{Ack, Status, Stream};
use storewarden_rules::Mono;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// Stores that come back.
const STORES: usize = 2000;
/// Within this time, ms.
const SPREAD_MS: u64 = 1000;
/// What each has to tell: alerts, more than may be under way at once,
const ALERTS: u64 = 20;
/// and telemetry messages of five minutes
const TELEMETRY: u64 = 4;
/// of so many devices.
const DEVICES: usize = 10;
/// The journal of every store; any number.
const JOURNAL: u64 = 7;

/// A store that is back.
struct Store {
    id: String,
    topics: StoreTopics,
    /// In order of their numbers, which begin at 1.
    alerts: Vec<Outgoing>,
    telemetry: Vec<Outgoing>,
    start: Instant,
}

/// How a store fared.
struct Returned {
    /// Messages that were sent.
    sent: u64,
    /// Connections that it needed.
    connections: u64,
}

/// With either database.
pub async fn measure() -> io::Result<Vec<Row>> {
    let mut rows = return_to(Keeper::Sqlite).await?;
    rows.extend(return_to(Keeper::Postgres { workers: 2 }).await?);
    Ok(rows)
}

/// Lets them come and counts.
async fn return_to(keeper: Keeper) -> io::Result<Vec<Row>> {
    let mut hq = Headquarters::open(keeper).await?;
    let day = Arc::new(store_day::make());
    let start = Instant::now();
    let stores: Vec<_> = (0..STORES).map(|number| Store::new(number, &day, start)).collect();
    drop(day);
    hq.check()?;
    let (cpu_before, began) = (hq.cpu()?, Instant::now());
    let mut under_way = JoinSet::new();
    for (number, store) in stores.into_iter().enumerate() {
        let after = Duration::from_millis(number as u64 * SPREAD_MS / STORES as u64);
        let port = hq.port;
        under_way.spawn(async move {
            sleep(after).await;
            store.come_back(port).await
        });
    }
    let (mut sent, mut connections) = (0, 0);
    let all = async {
        while let Some(returned) = under_way.join_next().await {
            let returned = returned??;
            sent += returned.sent;
            connections += returned.connections;
        }
        Ok::<_, io::Error>(())
    };
    timeout(LIMIT, all).await.map_err(|_| io::Error::other("not all was acknowledged"))??;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = hq.cpu()?.since(cpu_before);
    hq.check()?;
    let messages = STORES as u64 * (ALERTS + TELEMETRY);
    let (lost, doubled) = compare(&hq)?;
    let name = keeper.name();
    let bounded = |what: &str, value, unit, bound| {
        Row::bounded("link-return", &format!("{name}: {what}"), value, unit, bound)
    };
    let compared = |what: &str, value| {
        Row::compared("link-return", format!("{name}: {what}"), &[value], "s", "CPU time, two cores")
    };
    let what = format!("{STORES} stores within a second, {messages} messages: until all is acknowledged");
    Ok(vec![
        // What takes longer is sent again.
        bounded(&what, seconds, "s", RESEND_AFTER.0 as f64 / 1000.0),
        bounded("alerts and readings that headquarters does not have", lost, "rows", 0.0),
        bounded("alerts and readings that headquarters has too many", doubled, "rows", 0.0),
        bounded("messages sent more than once", (sent - messages) as f64, "messages", 0.0),
        bounded("connections lost", (connections - STORES as u64) as f64, "connections", 0.0),
        compared("the service meanwhile", cpu.service_s),
        compared("the database's server meanwhile", cpu.postgres_s),
        compared("the broker meanwhile", cpu.broker_s),
    ])
}

impl Store {
    fn new(number: usize, day: &Day, start: Instant) -> Self {
        let id = messages::store(number);
        let all = |stream, count, body: &dyn Fn(u64) -> _| {
            (1..=count).map(|seq| Outgoing::new(&id, JOURNAL, stream, seq, body(seq))).collect()
        };
        let five_minutes = |seq: u64| messages::telemetry(day, DEVICES, usize::try_from(seq).unwrap_or(0));
        Self {
            alerts: all(Stream::Alert, ALERTS, &messages::alert),
            telemetry: all(Stream::Telemetry, TELEMETRY, &five_minutes),
            topics: StoreTopics::new(CHAIN, &id),
            id,
            start,
        }
    }

    /// Connects, sends and waits until all is acknowledged; after a lost connection again.
    async fn come_back(self, port: u16) -> io::Result<Returned> {
        let endpoint = Endpoint {
            host: "127.0.0.1".into(),
            port,
            tls: None,
            login: None,
            client_id: self.id.clone(),
            last_will: (self.topics.status(), self.status(false)),
        };
        let mut window = Window::new(|_| 0);
        let mut returned = Returned { sent: 0, connections: 0 };
        loop {
            returned.connections += 1;
            let connection = Connection::open(&endpoint).map_err(io::Error::other)?;
            if self.session(connection, &mut window, &mut returned).await? {
                return Ok(returned);
            }
            window.disconnected();
            sleep(Duration::from_millis(fastrand::u64(500..1500))).await;
        }
    }

    /// Until all is acknowledged, or the connection is lost (false).
    async fn session(
        &self,
        mut connection: Connection,
        window: &mut Window,
        returned: &mut Returned,
    ) -> io::Result<bool> {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut receipts = JoinSet::new();
        loop {
            tokio::select! {
                event = connection.events.recv() => match event {
                    Some(LinkEvent::Connected { .. }) => {
                        connection.subscribe([self.topics.ack()]);
                        connection.publish(&self.topics.status(), self.status(true), true);
                        window.connected();
                    }
                    Some(LinkEvent::Message { payload, .. }) => {
                        let ack = Ack::decode(payload.as_slice())?;
                        for of in &ack.streams {
                            window.acknowledged(self.now(), of.stream(), of.seq);
                        }
                    }
                    Some(LinkEvent::Granted) => {}
                    Some(LinkEvent::Denied(why)) => return Err(io::Error::other(why)),
                    Some(LinkEvent::Lost(_)) | None => return Ok(false),
                },
                _ = tick.tick() => {
                    let _ = window.tick(self.now()).count();
                }
                Some(taken) = receipts.join_next() => {
                    if let Some(Err(why)) = taken? {
                        return Err(io::Error::other(why));
                    }
                }
            }
            'sending: while let Some(want) = window.want() {
                let rows = self.rows(want.stream, want.after, want.limit);
                if rows.len() < want.limit as usize {
                    window.drained(want.stream);
                }
                for (seq, row) in (want.after + 1..).zip(rows) {
                    let Some(receipt) = connection.publish(&row.topic, row.payload.clone(), false) else {
                        // The next event goes on from here.
                        break 'sending;
                    };
                    receipts.spawn(Receipt::taken(receipt));
                    window.sent(self.now(), want.stream, seq);
                    returned.sent += 1;
                }
            }
            if window.acked(Stream::Alert) == ALERTS && window.acked(Stream::Telemetry) == TELEMETRY {
                connection.close(Duration::from_secs(1)).await;
                return Ok(true);
            }
        }
    }

    /// Up to `limit` messages of `stream` numbered above `after`.
    fn rows(&self, stream: Stream, after: u64, limit: u32) -> &[Outgoing] {
        let all = match stream {
            Stream::Alert => self.alerts.as_slice(),
            Stream::Telemetry => self.telemetry.as_slice(),
            _ => &[],
        };
        let from = usize::try_from(after).unwrap_or(usize::MAX).min(all.len());
        &all[from..all.len().min(from + limit as usize)]
    }

    fn status(&self, online: bool) -> Vec<u8> {
        let status = Status {
            chain: CHAIN.into(),
            store: self.id.clone(),
            online,
            boot: 1,
            journal: JOURNAL,
            at_ms: chrono::Utc::now().timestamp_millis(),
            ..Status::default()
        };
        status.encode_to_vec()
    }

    fn now(&self) -> Mono {
        Mono(i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// Alerts and readings that headquarters lacks, and has too many.
fn compare(hq: &Headquarters) -> io::Result<(f64, f64)> {
    let readings = TELEMETRY * (DEVICES * POINTS.len() * 5) as u64;
    let (mut lost, mut doubled) = (0, 0);
    // Distinct rows by their meaning, not by the database's own key: each store's numbers, each point's moments.
    for (sql, expected) in [
        ("SELECT store, count(DISTINCT seq), count(*) FROM alert GROUP BY store", ALERTS),
        (
            "SELECT store, sum(moments), sum(n) FROM (SELECT point, count(DISTINCT at_ms) AS moments, count(*) AS n
             FROM sample GROUP BY point) AS by_point JOIN point ON point.id = by_point.point GROUP BY store",
            readings,
        ),
    ] {
        let mut stores = 0;
        for line in hq.ask(sql)?.lines() {
            let mut cells = line.split('|').skip(1).map(str::parse::<u64>);
            let (Some(Ok(distinct)), Some(Ok(count))) = (cells.next(), cells.next()) else {
                return Err(io::Error::other(format!("the database answers {line:?}")));
            };
            stores += 1;
            lost += expected.saturating_sub(distinct);
            doubled += count - distinct;
        }
        lost += (STORES as u64).saturating_sub(stores) * expected;
    }
    let aside = hq.ask("SELECT (SELECT count(*) FROM refused) + (SELECT count(*) FROM gap)")?;
    let aside: u64 = aside.parse().map_err(io::Error::other)?;
    Ok(((lost + aside) as f64, doubled as f64))
}
