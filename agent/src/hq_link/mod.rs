//! The link to headquarters: carries the outbox there, and acknowledgements and prices back.
//!
//! [`window`] decides what goes next, [`connection`] speaks MQTT, this file is the loop around them.

pub mod connection;
pub mod window;

use crate::backoff::Backoff;
use crate::clock_trust::{ClockTrust, Trust};
use crate::config::AckBy;
use crate::journal::{Journal, JournalError, outbox};
use connection::{Connection, Endpoint, LinkEvent, Taken};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};
use storewarden_drivers::clock::Clock;
use storewarden_drivers::keep::{Beat, Tie};
use storewarden_drivers::mqtt::tls::TlsFiles;
use storewarden_proto::prost::Message;
use storewarden_proto::topic::StoreTopics;
use storewarden_proto::v1::{self, Ack, Status, Stream, StreamAck};
use storewarden_rules::Utc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use window::Window;

/// How long an orderly stop may take to bring out what is left.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// How long a good-bye to the broker may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How often it is looked whether a certificate was renewed.
const RENEWED_EVERY: Duration = Duration::from_secs(10);

/// How often a subscription that was refused is asked for again.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// What the link is made of.
#[derive(Clone)]
pub struct Link {
    /// Where to connect; its last will is set from `status`.
    pub endpoint: Endpoint,
    /// Who says that a message is safe.
    pub ack: AckBy,
    /// This store's topics.
    pub topics: StoreTopics,
    /// What is published, retained, while connected.
    pub status: Status,
    /// Where the outbox is.
    pub journal: Journal,
    /// Where signed price batches go. When it is full a batch is left for headquarters to repeat.
    pub prices: mpsc::Sender<Vec<u8>>,
    /// Where signed commands go. When it is full a command is left for headquarters to repeat.
    pub commands: mpsc::Sender<Vec<u8>>,
    /// Tells others that headquarters has answered.
    pub heard: watch::Sender<bool>,
    /// Tells others how the link is.
    pub state: watch::Sender<LinkState>,
    /// The time.
    pub clock: Clock,
    /// Tells others how far that may be trusted.
    pub clock_trust: watch::Sender<ClockTrust>,
}

/// How the link to headquarters is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// No broker answers.
    #[default]
    Offline,
    /// Connected.
    Online,
    /// Connected, but the broker refuses what we send, or what we ask for, or it is too long for it, and
    /// has not taken it since: somebody must mend the broker's rules.
    Refused,
}

/// Why a session with the broker ended.
enum End {
    Lost(String),
    /// A certificate was renewed: at once a new session with it.
    Renewed,
    Stopped,
}

impl Link {
    /// Runs until `stop`, then brings out what is left within a few seconds.
    pub async fn run(mut self, tie: impl Into<Tie>) -> Result<(), JournalError> {
        let Tie { stop, beat } = tie.into();
        // One that failed left whatever was so then.
        self.state.send_replace(LinkState::Offline);
        let acked = self
            .journal
            .read(|db| {
                outbox::STREAMS
                    .iter()
                    .map(|s| Ok((*s, outbox::acked(db, *s)?)))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let mut window =
            Window::new(|stream| acked.iter().find(|(s, _)| *s == stream).map_or(0, |(_, seq)| *seq));
        let mut backoff = Backoff::default();
        let (mut clock, mut told) = (ClockTrust::default(), Trust::default());
        let mut complained = false;
        let mut refused = BTreeSet::new();
        loop {
            self.endpoint.last_will = (self.topics.status(), self.status_bytes(false, &window));
            // Before they are read: what is renewed meanwhile is seen as renewed.
            let written = self.endpoint.tls.as_ref().map(TlsFiles::written);
            let (end, was_connected) = match Connection::open(&self.endpoint) {
                Err(why) => (End::Lost(why), false),
                Ok(connection) => {
                    let mut session = Session {
                        link: &self,
                        connection,
                        written,
                        receipts: JoinSet::new(),
                        under_way: BTreeSet::new(),
                        taken: BTreeMap::new(),
                        connected: false,
                        payload_bytes_max: 0,
                        clock: &mut clock,
                        told: &mut told,
                        refused: &mut refused,
                    };
                    let end = session.run(&mut window, &stop, &beat).await?;
                    let (connection, connected) = (session.connection, session.connected);
                    if !matches!(end, End::Lost(_)) {
                        connection.close(CLOSE_LIMIT).await;
                    }
                    (end, connected)
                }
            };
            window.disconnected();
            self.state.send_replace(LinkState::Offline);
            match end {
                End::Stopped => return Ok(()),
                End::Renewed => {
                    tracing::info!("a TLS file was renewed: connecting with it");
                    continue;
                }
                End::Lost(why) => {
                    if was_connected {
                        backoff.worked();
                        complained = false;
                    }
                    if !complained {
                        tracing::warn!(broker = %self.endpoint.host, %why, "no connection to headquarters; the store works on, trying again");
                        complained = true;
                    }
                }
            }
            let pause = backoff.failed(fastrand::f64());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn status_bytes(&self, online: bool, window: &Window) -> Vec<u8> {
        let acked =
            outbox::STREAMS.map(|stream| StreamAck { stream: stream.into(), seq: window.acked(stream) });
        let now = self.clock.now();
        let (at_ms, clock) = (now.utc.0, v1::ClockTrust::from(self.clock_trust.borrow().at(now)).into());
        Status { online, at_ms, clock, acked: acked.to_vec(), ..self.status.clone() }.encode_to_vec()
    }
}

/// One connection from open to lost.
struct Session<'a> {
    link: &'a Link,
    connection: Connection,
    /// When the TLS files were written that it was opened with.
    written: Option<Vec<Option<SystemTime>>>,
    receipts: JoinSet<(Stream, u64, Option<Taken>)>,
    /// Messages the broker has not taken yet.
    under_way: BTreeSet<(i32, u64)>,
    /// Highest number the broker has taken, per stream.
    taken: BTreeMap<i32, u64>,
    connected: bool,
    /// What the broker takes.
    payload_bytes_max: usize,
    clock: &'a mut ClockTrust,
    /// The trust in it that headquarters was told last.
    told: &'a mut Trust,
    /// The streams of which the broker refused a message and has taken none since; the unspecified one
    /// stands for what we ask for.
    refused: &'a mut BTreeSet<i32>,
}

impl Session<'_> {
    async fn run(
        &mut self,
        window: &mut Window,
        stop: &CancellationToken,
        beat: &Beat,
    ) -> Result<End, JournalError> {
        let mut grew = self.link.journal.outbox_grew();
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewed = interval(RENEWED_EVERY);
        let mut ask_again = interval(ASK_AGAIN_EVERY);
        let mut stopping = false;
        let drained = tokio::time::sleep(Duration::MAX);
        tokio::pin!(drained);
        loop {
            beat.give().await;
            tokio::select! {
                event = self.connection.events.recv() => match event {
                    Some(LinkEvent::Lost(why)) => return Ok(if stopping { End::Stopped } else { End::Lost(why) }),
                    None => return Ok(End::Lost("the connection's task ended".into())),
                    Some(LinkEvent::Denied(code)) => self.refused(Stream::Unspecified, &format!(
                        "headquarters' broker refuses our subscriptions ({code}): no acknowledgement and no price can come; asked again every minute; check its access rules"
                    )),
                    Some(LinkEvent::Granted) => self.no_longer_refused(Stream::Unspecified),
                    Some(LinkEvent::Connected { payload_bytes_max }) => {
                        self.payload_bytes_max = payload_bytes_max;
                        self.on_connected(window);
                    }
                    Some(LinkEvent::Message { topic, payload, kept }) => {
                        self.on_message(window, &topic, payload, kept).await?;
                    }
                },
                Some(Ok((stream, seq, Some(taken)))) = self.receipts.join_next() => {
                    self.on_receipt(window, stream, seq, taken).await?;
                }
                _ = tick.tick() => {
                    self.on_tick(window);
                    self.on_trust(window);
                }
                _ = ask_again.tick() => {
                    if self.connected && self.refused.contains(&Stream::Unspecified.into()) {
                        self.subscribe();
                    }
                }
                _ = renewed.tick(), if self.connected && !stopping => {
                    if self.link.endpoint.tls.as_ref().map(TlsFiles::written) != self.written {
                        return Ok(self.say_goodbye(window, End::Renewed));
                    }
                }
                changed = grew.changed() => {
                    if changed.is_err() {
                        return Err(JournalError::Closed);
                    }
                    window.grew();
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    if !self.connected {
                        return Ok(End::Stopped);
                    }
                    drained.as_mut().reset(tokio::time::Instant::now() + DRAIN_LIMIT);
                }
                () = &mut drained => return Ok(self.say_goodbye(window, End::Stopped)),
            }
            self.send(window).await?;
            if stopping && self.link.journal.run(outbox::pending).await? == 0 {
                return Ok(self.say_goodbye(window, End::Stopped));
            }
        }
    }

    fn on_connected(&mut self, window: &mut Window) {
        let link = self.link;
        self.subscribe();
        let _ = self.connection.publish(&link.topics.status(), link.status_bytes(true, window), true);
        self.connected = true;
        window.connected();
        self.tell_state();
        tracing::info!(broker = %link.endpoint.host, "connected to headquarters");
    }

    fn subscribe(&self) {
        let topics = &self.link.topics;
        // The acknowledgement is retained: subscribing tells at once what headquarters has.
        self.connection.subscribe([topics.ack(), topics.price(), topics.command()]);
    }

    async fn on_message(
        &mut self,
        window: &mut Window,
        topic: &str,
        payload: Vec<u8>,
        kept: bool,
    ) -> Result<(), JournalError> {
        let link = self.link;
        if topic == link.topics.ack() {
            match Ack::decode(payload.as_slice()) {
                Ok(ack) if ack.journal == link.journal.identity().journal => {
                    if !kept {
                        link.heard.send_replace(true);
                    }
                    if !kept && ack.at_ms > 0 {
                        self.clock.heard(link.clock.now(), Utc(ack.at_ms));
                        self.on_trust(window);
                    }
                    for stream in &ack.streams {
                        self.on_acknowledged(window, stream.stream(), stream.seq).await?;
                    }
                }
                // From before this journal; headquarters answers anew once it hears from it.
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "an acknowledgement from headquarters cannot be read"),
            }
        } else {
            let (taker, what) = match () {
                () if topic == link.topics.price() => (&link.prices, "price batches"),
                () if topic == link.topics.command() => (&link.commands, "commands"),
                () => return Ok(()),
            };
            if taker.try_send(payload).is_err() {
                tracing::warn!(what, "come faster than they can be taken; headquarters will repeat this one");
            }
        }
        Ok(())
    }

    async fn on_acknowledged(
        &mut self,
        window: &mut Window,
        stream: Stream,
        seq: u64,
    ) -> Result<(), JournalError> {
        if stream == Stream::Unspecified || seq <= window.acked(stream) {
            return Ok(());
        }
        // The journal first: it knows what was given out, and only that can be acknowledged.
        if self.link.journal.run(move |db| outbox::acknowledge(db, stream, seq)).await? {
            window.acknowledged(self.link.clock.now().mono, stream, seq);
        } else {
            tracing::error!(
                ?stream,
                seq,
                "headquarters acknowledges a message that this journal never held: was the journal restored from a copy? put it aside and start with a new one"
            );
        }
        Ok(())
    }

    async fn on_receipt(
        &mut self,
        window: &mut Window,
        stream: Stream,
        seq: u64,
        taken: Taken,
    ) -> Result<(), JournalError> {
        if let Err(why) = taken {
            // A denied publish stays in the outbox and is tried again; somebody must mend the broker.
            self.refused(stream, &format!(
                "headquarters' broker did not take message {seq} of {stream:?} ({why}); it is kept and sent again; check the broker's access rules"
            ));
            return Ok(());
        }
        self.no_longer_refused(stream);
        self.under_way.remove(&(stream.into(), seq));
        if self.link.ack == AckBy::Broker {
            // Receipts may come out of order: safe is what lies before the first still under way.
            let lane = i32::from(stream);
            let highest = self.taken.entry(lane).or_default();
            *highest = seq.max(*highest);
            let next = self.under_way.range((lane, 0)..=(lane, u64::MAX)).next();
            let safe = next.map_or(*highest, |(_, first)| (first - 1).min(*highest));
            self.on_acknowledged(window, stream, safe).await?;
        }
        Ok(())
    }

    /// Headquarters is told when the trust in our clock changes.
    fn on_trust(&mut self, window: &Window) {
        let trust = self.clock.trust(self.link.clock.now());
        let clock = *self.clock;
        self.link.clock_trust.send_if_modified(|known| std::mem::replace(known, clock) != clock);
        if std::mem::replace(self.told, trust) != trust {
            tracing::info!(?trust, "the store's clock");
            if self.connected {
                let status = self.link.status_bytes(true, window);
                let _ = self.connection.publish(&self.link.topics.status(), status, true);
            }
        }
    }

    /// Somebody must mend the broker; said once, until it takes what it refused.
    fn refused(&mut self, stream: Stream, why: &str) {
        if self.refused.insert(stream.into()) {
            tracing::error!("{why}");
        }
        self.tell_state();
    }

    fn no_longer_refused(&mut self, stream: Stream) {
        if self.refused.remove(&stream.into()) {
            tracing::info!(?stream, "headquarters' broker takes it again");
        }
        self.tell_state();
    }

    fn tell_state(&self) {
        let state = if self.refused.is_empty() { LinkState::Online } else { LinkState::Refused };
        self.link.state.send_if_modified(|told| std::mem::replace(told, state) != state);
    }

    fn on_tick(&self, window: &mut Window) {
        for stream in window.tick(self.link.clock.now().mono) {
            tracing::warn!(?stream, "headquarters has not acknowledged; sending again");
        }
    }

    /// Hands over what the window allows.
    async fn send(&mut self, window: &mut Window) -> Result<(), JournalError> {
        while let Some(want) = window.want() {
            let rows = self
                .link
                .journal
                .run(move |db| outbox::rows_after(db, want.stream, want.after, want.limit))
                .await?;
            if rows.len() < want.limit as usize {
                window.drained(want.stream);
            }
            for row in rows {
                if row.payload.len() > self.payload_bytes_max {
                    self.refused(row.stream, &format!(
                        "message {} of {:?} has {} bytes, headquarters' broker takes {}; raise its limit of the packet size",
                        row.seq, row.stream, row.payload.len(), self.payload_bytes_max
                    ));
                    // Until something new comes in this stream waits; the others go on.
                    window.drained(row.stream);
                    break;
                }
                let topic = self.link.topics.stream(row.stream);
                let Some(receipt) = self.connection.publish(&topic, row.payload, false) else {
                    // The client library is full; the next event or tick goes on from here.
                    return Ok(());
                };
                window.sent(self.link.clock.now().mono, row.stream, row.seq);
                self.under_way.insert((row.stream.into(), row.seq));
                self.receipts.spawn(async move { (row.stream, row.seq, receipt.taken().await) });
            }
        }
        Ok(())
    }

    fn say_goodbye(&self, window: &Window, end: End) -> End {
        let _ =
            self.connection.publish(&self.link.topics.status(), self.link.status_bytes(false, window), true);
        end
    }
}
