//! The task that owns prices and labels: signed batches in, images to the gateways, proof to the
//! journal. What is decided is decided in [`crate::price`] and [`crate::label`].

use crate::clock_trust::ClockTrust;
use crate::config::{Config, Label};
use crate::journal::{Journal, JournalError, prices};
use crate::label::delivery::{Delivery, Input, Output, State};
use crate::label::record::{Price, Proof, Told};
use crate::label::{Image, Shelf as Content, Templates, can_show, render};
use crate::price::{Numbers, Refusal, Why, fit, judge, verify};
use crate::signed::PublicKey;
use crate::view::LabelView;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::esl::estation::task::{GatewayEvent, LabelTask};
use storewarden_drivers::keep::Tie;
use storewarden_prices::{Entry, Jurisdiction, LOOKS_BACK, PriceBook};
use storewarden_proto::prost::Message;
use storewarden_proto::v1::SignedBatch;
use storewarden_rules::{Now, Utc};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

/// What prices and labels tell others, and hear of the clock.
pub struct Tells {
    /// What each label shows.
    pub labels: watch::Sender<Vec<LabelView>>,
    /// Whether a price is due by a clock that cannot be trusted.
    pub held: watch::Sender<bool>,
    /// How far it can.
    pub clock_trust: watch::Receiver<ClockTrust>,
}

/// Prices and labels of the store.
pub struct Shelf {
    journal: Journal,
    clock: Clock,
    keys: Vec<PublicKey>,
    chain: String,
    store: String,
    jurisdiction: Option<Jurisdiction>,
    labels: Vec<Label>,
    templates: Arc<Templates>,
    book: PriceBook,
    numbers: Numbers,
    /// The moment whose prices are shown: now, or the last at which the clock could be trusted; none before
    /// the first.
    priced_at: Option<Utc>,
    /// When a price begins or ends next after that.
    next_change: Option<Utc>,
    /// What each label was last told to show, by index into `labels`.
    content: Vec<Option<(Entry, u64)>>,
    /// One loop per gateway.
    deliveries: Vec<Delivery>,
    /// Tasks the gateway's channel had no room for: label index and task number.
    waiting: Vec<VecDeque<(usize, u64)>>,
    tells: Tells,
}

impl Shelf {
    /// Continues where the journal says the last run ended.
    pub async fn new(
        config: &Config,
        journal: &Journal,
        clock: &Clock,
        tells: Tells,
    ) -> Result<Self, JournalError> {
        let now = clock.now();
        let zone = config.store.timezone;
        let (book, numbers, stored, priced_at) = journal
            .read(move |db| {
                let (book, numbers) = (prices::load_book(db, zone)?, prices::numbers(db)?);
                Ok((book, numbers, prices::load_labels(db)?, prices::priced_at(db)?))
            })
            .await?;
        // Results of an earlier run's tasks must not confirm this one's.
        let first_task = now.utc.0.cast_unsigned();
        let mut deliveries = vec![Delivery::new(first_task); config.gateways.len()];
        for label in stored {
            let known = config.labels.iter().find(|known| known.id == label.label);
            if let Some(known) = known {
                let restore = Input::Restore {
                    label: label.label,
                    image: label.image,
                    proof: label.proof,
                    batch: label.batch,
                };
                deliveries[known.gateway].step(now, restore);
            }
        }
        Ok(Self {
            journal: journal.clone(),
            clock: clock.clone(),
            keys: config.price_keys.clone(),
            chain: config.store.chain.clone(),
            store: config.store.id.clone(),
            jurisdiction: config.store.jurisdiction,
            content: vec![None; config.labels.len()],
            labels: config.labels.clone(),
            templates: config.templates.clone(),
            priced_at,
            next_change: Some(Utc(i64::MIN)),
            book,
            numbers,
            waiting: vec![VecDeque::new(); deliveries.len()],
            deliveries,
            tells,
        })
    }

    /// Runs until the `tie` says stop. `tasks` and `events` are those of each gateway, in the order of the config.
    pub async fn run(
        mut self,
        mut batches: mpsc::Receiver<Vec<u8>>,
        tasks: Vec<mpsc::Sender<LabelTask>>,
        events: Vec<mpsc::Receiver<GatewayEvent>>,
        tie: Tie,
    ) -> Result<(), JournalError> {
        let mut events = merge(events);
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tie.beat.give().await;
            tokio::select! {
                Some(batch) = batches.recv() => self.on_batch(batch).await?,
                Some((gateway, event)) = events.recv() => self.on_event(gateway, event).await?,
                _ = tick.tick() => {
                    self.on_tick().await?;
                    // The page is made once a second too: a leaflet's thousands of results need no view each.
                    self.publish();
                }
                () = tie.stop.cancelled() => return Ok(()),
            }
            self.hand_over(&tasks);
        }
    }

    async fn on_batch(&mut self, payload: Vec<u8>) -> Result<(), JournalError> {
        let now = self.clock.now();
        let identity = self.journal.identity().clone();
        // Headquarters repeats a batch until it has our answer: one done before is answered again.
        if let Ok(signed) = SignedBatch::decode(payload.as_slice()) {
            let digest: [u8; 32] = Sha256::digest(&signed.batch).into();
            let identity = identity.clone();
            let known =
                self.journal.run(move |db| prices::answer_again(db, &identity, now.utc, digest)).await?;
            if known {
                return Ok(());
            }
        }
        let verified =
            verify(&payload, &self.keys, &self.numbers, &self.chain, &self.store, now.utc, &can_show);
        let fits = verified
            .and_then(|batch| judge(batch, &self.book, self.jurisdiction))
            .and_then(|batch| fit(batch, &self.labels, &self.templates));
        match fits {
            Ok(batch) => {
                tracing::info!(key = %batch.source.key, number = batch.source.number, entries = batch.entries.len(), "price batch accepted");
                let (kept, at) = (batch.clone(), now.utc);
                self.journal.run(move |db| prices::accept(db, &identity, at, &kept)).await?;
                self.numbers.take(&batch.source.key, batch.source.number);
                self.book.insert(&batch.source, batch.entries);
                self.refresh(now).await
            }
            // Said by a clock that may be behind: not answered, so that headquarters repeats it. So is what is
            // too late by a clock that cannot be trusted.
            Err(Refusal { why: why @ (Why::NotYet(_) | Why::NoLonger(_)), number, .. })
                if matches!(why, Why::NotYet(_)) || !self.look_at_clock(now) =>
            {
                tracing::warn!(number, %why, "price batch does not fit this box's clock; headquarters will repeat it");
                Ok(())
            }
            Err(refusal) => {
                tracing::warn!(key = %refusal.key_id, number = refusal.number, why = %refusal, "price batch refused");
                self.journal.run(move |db| prices::refuse(db, &identity, now.utc, &refusal)).await
            }
        }
    }

    async fn on_event(&mut self, gateway: usize, event: GatewayEvent) -> Result<(), JournalError> {
        let input = match event {
            GatewayEvent::Shown { label, task, proof, rf_dbm, battery_mv, temperature_c } => {
                let told = Told { rf_dbm: Some(rf_dbm), battery_mv, temperature_c };
                Input::Shown { label, task, proof, told }
            }
            GatewayEvent::Failed { label, task, reason } => {
                tracing::warn!(%label, %reason, "label could not be brought to its price; trying again later");
                Input::Failed { label, task, reason }
            }
            GatewayEvent::Restarted => Input::GatewayRestarted,
            // A task that gave way to a newer one is not the one whose result counts.
            GatewayEvent::Superseded { .. } | GatewayEvent::Online | GatewayEvent::Offline => return Ok(()),
        };
        self.deliver(self.clock.now(), gateway, input).await
    }

    async fn on_tick(&mut self) -> Result<(), JournalError> {
        let now = self.clock.now();
        let before = self.priced_at;
        let is_trusted = self.look_at_clock(now);
        let is_back = before > self.priced_at;
        let is_due = self.next_change.zip(self.priced_at).is_some_and(|(change, at)| change <= at);
        if is_due || is_back {
            self.refresh(now).await?;
        }
        let is_held = !is_trusted
            && match self.priced_at {
                None => !self.book.is_empty(),
                Some(at) => self.book.next_change_after(at).is_some_and(|change| change <= now.utc),
            };
        self.tells.held.send_if_modified(|held| std::mem::replace(held, is_held) != is_held);
        for gateway in 0..self.deliveries.len() {
            self.deliver(now, gateway, Input::Tick).await?;
        }
        Ok(())
    }

    /// Whether the clock can be trusted: only then time passes for prices. Otherwise labels keep what they
    /// show. A store without headquarters has nobody to compare it with.
    fn look_at_clock(&mut self, now: Now) -> bool {
        let trust = self.tells.clock_trust.borrow().at(now);
        let is_trusted = trust.is_enough() || !self.journal.identity().reports;
        if is_trusted {
            self.priced_at = Some(now.utc);
        }
        is_trusted
    }

    /// Looks every label's price up and tells the delivery what changed.
    async fn refresh(&mut self, now: Now) -> Result<(), JournalError> {
        let is_trusted = self.look_at_clock(now);
        let Some(at) = self.priced_at else { return Ok(()) };
        if is_trusted {
            self.journal.run(move |db| prices::price_at(db, at)).await?;
        }
        self.book.forget_before(Utc(at.0 - LOOKS_BACK.0));
        self.next_change = self.book.next_change_after(at);
        for index in 0..self.labels.len() {
            let Some(shown) = self.book.price_at(&self.labels[index].item, at) else { continue };
            let content = (shown.entry.clone(), shown.batch);
            if self.content[index].as_ref() == Some(&content) {
                continue;
            }
            let label = &self.labels[index];
            let Some(png) = draw(&self.templates, label, &content.0) else { continue };
            let price = Price { item: content.0.item.clone(), price: content.0.price, batch: content.1 };
            let (id, gateway) = (label.id.clone(), label.gateway);
            self.content[index] = Some(content);
            let desired = Input::Desired { label: id, image: Image::digest(&png), price };
            self.deliver(now, gateway, desired).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, now: Now, gateway: usize, input: Input) -> Result<(), JournalError> {
        for output in self.deliveries[gateway].step(now, input) {
            match output {
                Output::Record(record) => {
                    let identity = self.journal.identity().clone();
                    self.journal.run(move |db| prices::record_label(db, &identity, now.utc, &record)).await?;
                }
                Output::Send { label, task, .. } => {
                    if let Some(index) = self.labels.iter().position(|known| known.id == label) {
                        self.waiting[gateway].retain(|(waiting, _)| *waiting != index);
                        self.waiting[gateway].push_back((index, task));
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives the gateways what their channels have room for. Never waits: a gateway that waits for us to
    /// take its events must not find us waiting for it.
    fn hand_over(&mut self, tasks: &[mpsc::Sender<LabelTask>]) {
        for (waiting, channel) in self.waiting.iter_mut().zip(tasks) {
            while let (Some((index, task)), Ok(place)) = (waiting.front().copied(), channel.try_reserve()) {
                waiting.pop_front();
                let label = &self.labels[index];
                let png =
                    self.content[index].as_ref().and_then(|(entry, _)| draw(&self.templates, label, entry));
                if let Some(png) = png {
                    place.send(LabelTask { label: label.id.clone(), task, png });
                }
            }
        }
    }

    fn publish(&self) {
        let views = self.labels.iter().zip(&self.content).map(|(label, content)| LabelView {
            label: label.id.clone(),
            item: label.item.clone(),
            name: content.as_ref().map_or_else(String::new, |(entry, _)| entry.name.clone()),
            price: content.as_ref().map_or_else(String::new, |(entry, _)| entry.price.to_string()),
            state: match self.deliveries[label.gateway].state(&label.id) {
                State::Idle => "none",
                State::Sent | State::Shown(Proof::Queued) => "sent",
                State::Shown(_) => "refreshed",
                State::Failed => "failed",
            },
        });
        let views: Vec<_> = views.collect();
        self.tells.labels.send_if_modified(|shown| {
            let changed = *shown != views;
            if changed {
                *shown = views;
            }
            changed
        });
    }
}

/// The image of a label. What cannot be drawn was refused with its batch; what was accepted before the label
/// was bound is said in the log, and the label keeps what it shows.
fn draw(templates: &Templates, label: &Label, entry: &Entry) -> Option<Vec<u8>> {
    match render(templates, label.display, &Content::of(entry, label.display)) {
        Ok(image) => Some(image.to_png()),
        Err(faults) => {
            for fault in faults {
                tracing::error!(label = %label.id, item = %entry.item, %fault, "label cannot be drawn");
            }
            None
        }
    }
}

/// One channel for the events of all gateways.
fn merge(events: Vec<mpsc::Receiver<GatewayEvent>>) -> mpsc::Receiver<(usize, GatewayEvent)> {
    let (sender, merged) = mpsc::channel(16);
    for (gateway, mut events) in events.into_iter().enumerate() {
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if sender.send((gateway, event)).await.is_err() {
                    return;
                }
            }
        });
    }
    merged
}
