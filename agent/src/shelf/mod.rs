//! The task that owns prices and labels: signed batches in, images to the gateways, proof to the
//! journal. What is decided is decided in [`crate::price`] and [`crate::label`].
//!
//! A change of thousands of labels is worked off in steps of [`LOOKS_AT_ONCE`]: each is looked up and drawn,
//! committed to the journal together, and then handed to the drivers, while results and batches come in
//! between. Images are drawn when they are handed over and not kept.

mod act;
mod batches;
mod showing;

pub(crate) use batches::authority;

use crate::clock_trust::ClockTrust;
use crate::config::Config;
use crate::console::ShelfRequest;
use crate::journal::{Journal, JournalError, bindings, prices};
use crate::label::Templates;
use crate::label::care::Job;
use crate::label::delivery::{Delivery, HAND_MAX, Input, Output, State, Step};
use crate::label::record::{Proof, Told};
use crate::price::{Authority, Numbers};
use crate::view::LabelView;
use act::key;
use showing::Showing;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::esl::estation::task::{Action, GatewayEvent, LabelTask, Trouble};
use storewarden_drivers::keep::Tie;
use storewarden_prices::{Jurisdiction, LOOKS_BACK, PriceBook};
use storewarden_rules::{Condition, LABEL_CONDITIONS, Millis, Mono, Now, Utc};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Labels looked up, drawn and committed at a time.
const LOOKS_AT_ONCE: usize = 64;
/// A change of at most so many labels goes ahead of larger ones: somebody stands there and waits.
const URGENT_MAX: usize = 20;
/// How often it is looked for what has come near enough to be brought to its label ahead.
const LOOK_AHEAD_EVERY: Millis = Millis::from_mins(60);
/// How often the journal is rid of batches that are over.
const FORGETS_EVERY: Millis = Millis::from_mins(24 * 60);
/// How often a label that is looked for blinks.
const BLINKS: u16 = 60;
/// What is wrong with labels is told from then on: before, nobody has asked them yet.
const KNOWN_AFTER: Millis = Millis::from_mins(5);

/// What a gateway told of itself.
#[derive(Clone, Copy, Debug, Default)]
struct GatewayState {
    is_here: bool,
    is_short_of_space: bool,
}

/// What prices and labels tell others, and hear of the clock.
pub struct Tells {
    /// What each label shows.
    pub labels: watch::Sender<Vec<LabelView>>,
    /// Whether a price is due by a clock that cannot be trusted.
    pub held: watch::Sender<bool>,
    /// Of how many labels each of [`LABEL_CONDITIONS`] is true; none until that is known.
    pub found: watch::Sender<Option<[u16; LABEL_CONDITIONS.len()]>>,
    /// How far it can.
    pub clock_trust: watch::Receiver<ClockTrust>,
}

/// Prices and labels of the store.
pub struct Shelf {
    journal: Journal,
    clock: Clock,
    authority: Authority,
    chain: String,
    store: String,
    jurisdiction: Option<Jurisdiction>,
    /// By the order of the configuration.
    labels: Vec<Showing>,
    templates: Arc<Templates>,
    /// Items that are, as somebody said.
    out_of_stock: BTreeSet<String>,
    gateway_ids: Vec<String>,
    /// Index into `labels` by [`act::key`].
    places: HashMap<String, usize>,
    /// Labels to be looked up and drawn.
    line: VecDeque<usize>,
    book: PriceBook,
    numbers: Numbers,
    /// The moment whose prices are shown: now, or the last at which the clock could be trusted; none before
    /// the first.
    priced_at: Option<Utc>,
    /// When a price begins or ends next after that, or it is to be looked ahead again.
    next_look: Option<Utc>,
    /// One loop per gateway.
    deliveries: Vec<Delivery>,
    /// Tasks that are not handed over yet, by gateway.
    waiting: Vec<VecDeque<Waiting>>,
    gateways: Vec<GatewayState>,
    /// What is to be done about each label.
    jobs: Vec<Option<Job>>,
    deadline: Millis,
    started: Mono,
    /// When the journal is next rid of batches that are over.
    forgets_from: Mono,
    is_view_old: bool,
    /// Headquarters was not told of every label yet.
    is_untold: bool,
    tells: Tells,
}

/// A task of a label.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Which label.
    index: usize,
    step: Step,
    task: u64,
    urgent: bool,
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
        let (book, numbers, stored, priced_at, (bound, out_of_stock), list) = journal
            .read(move |db| {
                let (book, numbers) = (prices::load_book(db, zone)?, prices::numbers(db)?);
                let (labels, priced_at) = (prices::load_labels(db)?, prices::priced_at(db)?);
                let said = (bindings::load(db)?, bindings::out_of_stock(db)?);
                Ok((book, numbers, labels, priced_at, said, prices::key_list(db)?))
            })
            .await?;
        let authority = authority(config, list.as_deref());
        // Results of an earlier run's tasks must not confirm this one's.
        let first_task = now.utc.0.cast_unsigned();
        let deliveries: Vec<_> =
            config.gateways.iter().map(|gateway| Delivery::new(first_task, gateway.keeps_pages())).collect();
        let mut shelf = Self {
            journal: journal.clone(),
            clock: clock.clone(),
            authority,
            chain: config.store.chain.clone(),
            store: config.store.id.clone(),
            jurisdiction: config.store.jurisdiction,
            templates: config.templates.clone(),
            out_of_stock,
            gateway_ids: config.gateways.iter().map(|gateway| gateway.id.clone()).collect(),
            places: config.labels.iter().enumerate().map(|(at, label)| (key(&label.id), at)).collect(),
            labels: config.labels.iter().cloned().map(Showing::new).collect(),
            line: VecDeque::new(),
            priced_at,
            next_look: Some(Utc(i64::MIN)),
            book,
            numbers,
            waiting: vec![VecDeque::new(); deliveries.len()],
            gateways: vec![GatewayState::default(); deliveries.len()],
            deliveries,
            jobs: vec![None; config.labels.len()],
            deadline: config.label_deadline,
            started: now.mono,
            forgets_from: now.mono,
            is_view_old: true,
            is_untold: true,
            tells,
        };
        for showing in &mut shelf.labels {
            showing.is_out = shelf.out_of_stock.contains(&showing.label.item);
        }
        for binding in bound {
            shelf.apply(binding);
        }
        for label in stored {
            if let Some(index) = shelf.places.get(&key(&label.label)) {
                let restore = Input::Restore {
                    label: label.label,
                    image: label.image,
                    proof: label.proof,
                    batch: label.batch,
                    pages: label.pages,
                    told: label.told,
                };
                shelf.deliveries[shelf.labels[*index].label.gateway].step(now, restore);
            }
        }
        Ok(shelf)
    }

    /// Runs until the `tie` says stop. `tasks` and `events` are those of each gateway, in the order of the config.
    pub async fn run(
        mut self,
        mut batches: mpsc::Receiver<Vec<u8>>,
        mut requests: mpsc::Receiver<ShelfRequest>,
        tasks: Vec<mpsc::Sender<LabelTask>>,
        events: Vec<mpsc::Receiver<GatewayEvent>>,
        tie: Tie,
    ) -> Result<(), JournalError> {
        let mut events = merge(events);
        let mut told = Vec::new();
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tie.beat.give().await;
            tokio::select! {
                Some(batch) = batches.recv() => {
                    // What became of it is in the journal, for headquarters.
                    let _ = self.on_batch(batch).await?;
                }
                Some(request) = requests.recv() => match request {
                    ShelfRequest::Label(request) => self.on_request(request).await?,
                    ShelfRequest::Markdown(request) => self.on_markdown(request).await?,
                    ShelfRequest::Stock(request) => self.on_stock(request).await?,
                },
                1.. = events.recv_many(&mut told, LOOKS_AT_ONCE) => self.on_events(&mut told).await?,
                () = std::future::ready(()), if !self.line.is_empty() => self.look_at_some().await?,
                _ = tick.tick() => {
                    self.on_tick().await?;
                    self.tell().await?;
                    self.look_after_labels(self.clock.now());
                    // The page is made once a second too: a leaflet's thousands of results need no view each.
                    self.publish();
                }
                () = tie.stop.cancelled() => return Ok(()),
            }
            self.hand_over(&tasks).await?;
        }
    }

    async fn on_events(&mut self, events: &mut Vec<(usize, GatewayEvent)>) -> Result<(), JournalError> {
        let mut inputs = Vec::new();
        for (gateway, event) in events.drain(..) {
            let input = match event {
                GatewayEvent::Done { label, task, proof, rf_dbm, battery_mv, temperature_c } => {
                    let told = Told { rf_dbm: Some(rf_dbm), battery_mv, temperature_c };
                    Input::Done { label, task, proof, told }
                }
                GatewayEvent::Failed { label, task, trouble, reason } => {
                    tracing::warn!(%label, %reason, "label could not be served; trying again later");
                    Input::Failed { label, task, trouble, reason }
                }
                GatewayEvent::Reset { label } => {
                    tracing::warn!(%label, "label has started anew; it gets its price again");
                    Input::Reset { label }
                }
                GatewayEvent::Unasked { label } => {
                    tracing::warn!(%label, "label did what this store did not ask for; it gets its price again");
                    Input::Unasked { label }
                }
                GatewayEvent::Restarted => {
                    inputs.push((gateway, Input::GatewayRestarted));
                    Input::Unheard
                }
                // A task that gave way to a newer one is not the one whose result counts.
                GatewayEvent::Superseded { .. } => continue,
                GatewayEvent::Online => {
                    self.gateways[gateway].is_here = true;
                    Input::Unheard
                }
                GatewayEvent::Offline => {
                    self.gateways[gateway].is_here = false;
                    continue;
                }
                GatewayEvent::Space { is_short } => {
                    self.gateways[gateway].is_short_of_space = is_short;
                    continue;
                }
            };
            inputs.push((gateway, input));
        }
        self.deliver(self.clock.now(), inputs).await
    }

    async fn on_tick(&mut self) -> Result<(), JournalError> {
        let now = self.clock.now();
        let before = self.priced_at;
        let is_trusted = self.look_at_clock(now);
        let is_back = before > self.priced_at;
        let is_due = self.next_look.zip(self.priced_at).is_some_and(|(look, at)| look <= at);
        if is_due || is_back {
            self.refresh(now).await?;
        }
        let is_held = !is_trusted
            && match self.priced_at {
                None => !self.book.is_empty(),
                Some(at) => self.book.next_change_after(at).is_some_and(|change| change <= now.utc),
            };
        self.tells.held.send_if_modified(|held| std::mem::replace(held, is_held) != is_held);
        let ticks = (0..self.deliveries.len()).map(|gateway| (gateway, Input::Tick)).collect();
        self.deliver(now, ticks).await
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

    /// Finds the labels whose price is, or soon will be, another than they were told.
    async fn refresh(&mut self, now: Now) -> Result<(), JournalError> {
        let is_trusted = self.look_at_clock(now);
        let Some(at) = self.priced_at else { return Ok(()) };
        if is_trusted {
            self.journal.run(move |db| prices::price_at(db, at)).await?;
        }
        let before = Utc(at.0 - LOOKS_BACK.0);
        self.book.forget_before(before);
        if is_trusted && self.forgets_from <= now.mono {
            self.forgets_from = now.mono + FORGETS_EVERY;
            let held = self.book.batches();
            let over = self.journal.run(move |db| prices::forget(db, before, &held)).await?;
            tracing::debug!(over, "price batches that are over");
        }
        let look_ahead = at + LOOK_AHEAD_EVERY;
        self.next_look =
            Some(self.book.next_change_after(at).map_or(look_ahead, |change| change.min(look_ahead)));
        let (mut changes, mut comes) = (Vec::new(), Vec::new());
        for (index, showing) in self.labels.iter().enumerate() {
            match showing.is_outdated(&self.book, at) {
                (true, _) => changes.push(index),
                (false, true) => comes.push(index),
                (false, false) => {}
            }
        }
        let is_urgent = changes.len() <= URGENT_MAX;
        for &index in &changes {
            self.labels[index].is_urgent = is_urgent;
        }
        // What changes now stands before what comes.
        for index in comes {
            if !std::mem::replace(&mut self.labels[index].is_in_line, true) {
                self.line.push_back(index);
            }
        }
        for index in changes.into_iter().rev() {
            self.labels[index].is_in_line = true;
            self.line.push_front(index);
        }
        Ok(())
    }

    /// Looks up and draws some labels of the line, and tells the deliveries.
    async fn look_at_some(&mut self) -> Result<(), JournalError> {
        let Some(at) = self.priced_at else { return Ok(()) };
        let mut inputs = Vec::new();
        let some = self.line.len().min(LOOKS_AT_ONCE);
        for index in self.line.drain(..some).collect::<Vec<_>>() {
            let showing = &mut self.labels[index];
            // A label may stand there twice.
            if !std::mem::replace(&mut showing.is_in_line, false) {
                continue;
            }
            showing.update(&self.book, &self.templates, at);
            let (id, gateway) = (&showing.label.id, showing.label.gateway);
            if let Some((image, price)) = showing.desired() {
                let urgent = showing.is_urgent;
                inputs.push((gateway, Input::Desired { label: id.clone(), image, price, urgent }));
            }
            let image = showing.next.as_ref().map(|next| next.image);
            inputs.push((gateway, Input::Next { label: id.clone(), image }));
        }
        self.deliver(self.clock.now(), inputs).await
    }

    /// Steps the deliveries, commits what they record, and then lines up what they send.
    async fn deliver(&mut self, now: Now, inputs: Vec<(usize, Input)>) -> Result<(), JournalError> {
        let (mut records, mut pages, mut sends) = (Vec::new(), Vec::new(), Vec::new());
        for (gateway, input) in inputs {
            self.is_view_old |= input != Input::Tick;
            for output in self.deliveries[gateway].step(now, input) {
                match output {
                    Output::Record(record) => records.push(record),
                    Output::Pages { label, pages: known } => pages.push((label, known)),
                    Output::Send { label, step, task, urgent } => {
                        let index = self.places.get(&key(&label)).copied();
                        sends.extend(index.map(|index| (gateway, Waiting { index, step, task, urgent })));
                    }
                }
            }
        }
        if !records.is_empty() || !pages.is_empty() {
            self.is_view_old = true;
            self.is_untold |= !records.is_empty();
            let commit = move |db: &rusqlite::Connection| {
                records.iter().try_for_each(|record| prices::record_label(db, record))?;
                pages.iter().try_for_each(|(label, pages)| prices::record_pages(db, label, *pages))
            };
            self.journal.run(commit).await?;
        }
        for (gateway, send) in sends {
            self.waiting[gateway].retain(|waiting| waiting.index != send.index);
            if send.urgent {
                self.waiting[gateway].push_front(send);
            } else {
                self.waiting[gateway].push_back(send);
            }
        }
        Ok(())
    }

    /// Gives the gateways what their channels have room for. Never waits for them: a gateway that waits for
    /// us to take its events must not find us waiting for it.
    async fn hand_over(&mut self, tasks: &[mpsc::Sender<LabelTask>]) -> Result<(), JournalError> {
        let mut over = Vec::new();
        for (gateway, (waiting, channel)) in self.waiting.iter_mut().zip(tasks).enumerate() {
            while let (Some(&Waiting { index, step, task, urgent }), Ok(place)) =
                (waiting.front(), channel.try_reserve())
            {
                waiting.pop_front();
                let showing = &self.labels[index];
                let action = match step {
                    Step::Show { page, image } => {
                        showing.png(&self.templates, image).map(|png| Action::Show { page, png })
                    }
                    Step::Store { page, image } => {
                        showing.png(&self.templates, image).map(|png| Action::Store { page, png })
                    }
                    Step::Flip { page, .. } => Some(Action::Flip { page }),
                    Step::Blink => Some(Action::Blink { times: BLINKS }),
                };
                let label = showing.label.id.clone();
                match action {
                    Some(action) => place.send(LabelTask { label, task, action, urgent }),
                    // The book has changed, and the label is still in the line.
                    None => {
                        let reason = "its price changed before it was sent".to_owned();
                        over.push((
                            gateway,
                            Input::Failed { label, task, trouble: Trouble::NoResult, reason },
                        ));
                    }
                }
            }
        }
        if over.is_empty() { Ok(()) } else { self.deliver(self.clock.now(), over).await }
    }

    /// Tells headquarters what labels show. Once a second: a leaflet's thousands of results need no message each.
    async fn tell(&mut self) -> Result<(), JournalError> {
        if self.is_untold {
            let (identity, now) = (self.journal.identity().clone(), self.clock.now().utc);
            self.journal.run(move |db| prices::tell_labels(db, &identity, now)).await?;
            self.is_untold = false;
        }
        Ok(())
    }

    /// What is to be done about each label, and of how many each condition is true.
    fn look_after_labels(&mut self, now: Now) {
        let mut found = [0_u16; LABEL_CONDITIONS.len()];
        let mut count = |condition: Condition| {
            let place = LABEL_CONDITIONS.iter().position(|known| *known == condition);
            if let Some(members) = place.and_then(|place| found.get_mut(place)) {
                *members = members.saturating_add(1);
            }
        };
        for (Showing { label, .. }, known) in self.labels.iter().zip(&mut self.jobs) {
            let care = self.deliveries[label.gateway].care(&label.id);
            let job = care.and_then(|care| care.job(now, self.deadline, label.display.is_in_freezer));
            // Behind a gateway that is away no label can be reached: that is one alarm, the gateway's.
            let is_explained = !self.gateways[label.gateway].is_here;
            let job = job.filter(|job| !(is_explained && matches!(job, Job::Late | Job::Silent)));
            self.is_view_old |= *known != job;
            *known = job;
            if let Some(job) = job {
                count(job.condition());
            }
        }
        for (gateway, state) in self.gateways.iter().enumerate() {
            let is_used = self.labels.iter().any(|showing| showing.label.gateway == gateway);
            if is_used && !state.is_here {
                count(Condition::GatewayOffline);
            }
            if state.is_short_of_space {
                count(Condition::GatewayDisk);
            }
        }
        if now.mono - self.started >= KNOWN_AFTER {
            self.tells.found.send_if_modified(|told| told.replace(found) != Some(found));
        }
    }

    /// Makes the page once a second: a leaflet's thousands of results need no view each.
    fn publish(&mut self) {
        if !std::mem::replace(&mut self.is_view_old, false) {
            return;
        }
        let views = self.labels.iter().zip(&self.jobs).map(|(Showing { label, now, is_out, .. }, job)| {
            let content = now.as_ref();
            let delivery = &self.deliveries[label.gateway];
            LabelView {
                label: label.id.clone(),
                item: label.item.clone(),
                name: content.map_or_else(String::new, |content| content.entry.name.clone()),
                price: content.map_or_else(String::new, |content| content.entry.price.to_string()),
                place: label.place.clone(),
                job: job.map(Job::name),
                is_ready: delivery.is_ready(&label.id),
                is_out_of_stock: *is_out,
                battery_mv: delivery.care(&label.id).and_then(|care| care.told().battery_mv),
                state: match delivery.state(&label.id) {
                    State::Idle => "none",
                    State::Sent | State::Shown(Proof::Queued) => "sent",
                    State::Shown(_) => "refreshed",
                    State::Failed => "failed",
                },
            }
        });
        self.tells.labels.send_replace(views.collect());
    }
}

/// One channel for the events of all gateways.
fn merge(events: Vec<mpsc::Receiver<GatewayEvent>>) -> mpsc::Receiver<(usize, GatewayEvent)> {
    let (sender, merged) = mpsc::channel(HAND_MAX);
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
