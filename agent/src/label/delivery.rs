//! Brings every label from what it was confirmed to show to what it should show.
//!
//! The book says what is desired, the gateway's driver tells what happened, and this loop closes the
//! gap for as long as there is one: over lost results, gateway restarts, changed minds and failures.
//! It holds one image per label and no queue: what is sent replaces what was sent before.
//!
//! Two rules keep it honest. Only the result of the task sent last confirms a label: the digest of the
//! image would not do, because a price may go from one to another and back before the first result
//! comes. And once anything was sent, what the label shows is in doubt until a result comes: going
//! back to the image that was confirmed before is sent again, not assumed.

use super::canvas::Digest;
use super::record::{Price, Proof, Record, Told};
use std::collections::BTreeMap;
use storewarden_rules::{Millis, Mono, Now};

/// First pause after a failure; it doubles with each further one.
pub const RETRY_FIRST: Millis = Millis::from_mins(1);
/// Longest pause between attempts.
pub const RETRY_MAX: Millis = Millis::from_mins(60);
/// After this time without a result an attempt counts as failed. Longer than a gateway needs for a
/// full change of leaflet, so that only lost results meet it.
pub const RESULT_WITHIN: Millis = Millis::from_mins(60);

/// What the loop is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// At the start, for every label the journal knows: its newest [`Record`].
    Restore {
        /// The label.
        label: String,
        /// Its image.
        image: Digest,
        /// Its result; none if the attempt failed.
        proof: Option<Proof>,
        /// Its batch.
        batch: u64,
    },
    /// What a label should show now. Saying it again changes nothing.
    Desired {
        /// The label.
        label: String,
        /// The image.
        image: Digest,
        /// What it says.
        price: Price,
    },
    /// The gateway has an image on a label.
    Shown {
        /// The label.
        label: String,
        /// The number of [`Output::Send`].
        task: u64,
        /// How sure that is.
        proof: Proof,
        /// What else the label told.
        told: Told,
    },
    /// The gateway gave up on an image.
    Failed {
        /// The label.
        label: String,
        /// The number of [`Output::Send`].
        task: u64,
        /// Why, in words.
        reason: String,
    },
    /// The gateway began anew and may have forgotten what it was sent.
    GatewayRestarted,
    /// Time has passed; see [`Delivery::next_due`].
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To be committed to the journal (and with it to the outbox) before the next output is acted on.
    Record(Record),
    /// The image desired for the label is to be given to the gateway.
    Send {
        /// The label.
        label: String,
        /// The image.
        image: Digest,
        /// Numbers the task; the driver tells it back with the result.
        task: u64,
    },
}

/// Where a label stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No price is known for it.
    Idle,
    /// On its way.
    Sent,
    /// It shows what it should.
    Shown(Proof),
    /// The last attempt failed; another follows.
    Failed,
}

impl State {
    /// As written on pages: `none`, `sent`, `failed`, or the name of the proof.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "none",
            Self::Sent => "sent",
            Self::Shown(proof) => proof.name(),
            Self::Failed => "failed",
        }
    }
}

/// The loop, for all labels of one gateway. As large as the number of labels.
#[derive(Clone, Debug)]
pub struct Delivery {
    labels: BTreeMap<String, Label>,
    next_task: u64,
}

#[derive(Clone, Debug, Default)]
struct Label {
    desired: Option<(Digest, Price)>,
    /// What it shows as far as is certain; none is "unknown".
    confirmed: Option<Confirmed>,
    attempt: Attempt,
    /// The task sent last; none since the start.
    task: Option<u64>,
    /// Failures in a row of the image desired now.
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
struct Confirmed {
    image: Digest,
    proof: Proof,
    told: Told,
    /// Of the price last recorded for it.
    batch: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Attempt {
    #[default]
    None,
    /// The desired image was sent; a result is due by then.
    Sent { due: Mono },
    /// It failed; the next attempt is due then.
    Pausing { due: Mono },
}

impl Delivery {
    /// A loop whose tasks are numbered from `first_task` on. The number should be above all of an
    /// earlier run, whose results a gateway may still tell: the UTC milliseconds of the start do.
    pub fn new(first_task: u64) -> Self {
        Self { labels: BTreeMap::new(), next_task: first_task }
    }

    /// Takes one input at `now`.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        let tasks = &mut self.next_task;
        match input {
            Input::Restore { label, image, proof, batch } => {
                let confirmed = proof.filter(|proof| *proof > Proof::Queued).map(|proof| Confirmed {
                    image,
                    proof,
                    told: Told::default(),
                    batch,
                });
                self.labels.entry(label).or_default().confirmed = confirmed;
            }
            Input::Desired { label, image, price } => {
                let state = self.labels.entry(label.clone()).or_default();
                state.desire(now, &label, image, price, tasks, &mut outputs);
            }
            Input::Shown { label, task, proof, told } => {
                if let Some(state) = self.labels.get_mut(&label)
                    && state.task == Some(task)
                {
                    state.shown(now, &label, proof, told, &mut outputs);
                }
            }
            Input::Failed { label, task, reason } => {
                if let Some(state) = self.labels.get_mut(&label)
                    && state.task == Some(task)
                    && matches!(state.attempt, Attempt::Sent { .. })
                {
                    state.failed(now, &label, reason, &mut outputs);
                }
            }
            Input::GatewayRestarted => {
                for (label, state) in &mut self.labels {
                    if !matches!(state.attempt, Attempt::None) {
                        state.send(now, label, tasks, &mut outputs);
                    }
                }
            }
            Input::Tick => {
                for (label, state) in &mut self.labels {
                    match state.attempt {
                        Attempt::Sent { due } if due <= now.mono => {
                            state.failed(now, label, "no result in time".into(), &mut outputs);
                        }
                        Attempt::Pausing { due } if due <= now.mono => {
                            state.send(now, label, tasks, &mut outputs);
                        }
                        _ => {}
                    }
                }
            }
        }
        outputs
    }

    /// When [`Input::Tick`] is due next, if at all.
    pub fn next_due(&self) -> Option<Mono> {
        self.labels
            .values()
            .filter_map(|label| match label.attempt {
                Attempt::None => None,
                Attempt::Sent { due } | Attempt::Pausing { due } => Some(due),
            })
            .min()
    }

    /// Where `label` stands.
    pub fn state(&self, label: &str) -> State {
        let Some(label) = self.labels.get(label) else { return State::Idle };
        match (label.attempt, &label.confirmed, &label.desired) {
            (_, _, None) => State::Idle,
            (Attempt::Pausing { .. }, _, _) => State::Failed,
            (Attempt::None, Some(confirmed), _) => State::Shown(confirmed.proof),
            (Attempt::Sent { .. } | Attempt::None, _, _) => State::Sent,
        }
    }
}

impl Label {
    fn desire(
        &mut self,
        now: Now,
        label: &str,
        image: Digest,
        price: Price,
        tasks: &mut u64,
        outputs: &mut Vec<Output>,
    ) {
        let is_same_image = self.desired.as_ref().is_some_and(|(desired, _)| *desired == image);
        let batch = price.batch;
        self.desired = Some((image, price));
        if is_same_image && !matches!(self.attempt, Attempt::None) {
            return;
        }
        match &mut self.confirmed {
            // A refresh that changes nothing costs battery. The price may still be a newer batch's,
            // and that it is on the shelf is worth a record.
            Some(confirmed) if confirmed.image == image && matches!(self.attempt, Attempt::None) => {
                if confirmed.batch != batch {
                    confirmed.batch = batch;
                    let (proof, told) = (confirmed.proof, confirmed.told);
                    self.record(now, label, Ok(proof), told, outputs);
                }
            }
            _ => {
                self.failures = 0;
                self.send(now, label, tasks, outputs);
            }
        }
    }

    fn shown(&mut self, now: Now, label: &str, proof: Proof, told: Told, outputs: &mut Vec<Output>) {
        let Some((image, price)) = &self.desired else { return };
        if proof == Proof::Queued {
            return;
        }
        // A second result of the same task is news only if it is surer.
        if self.confirmed.is_none_or(|confirmed| confirmed.proof < proof) {
            self.confirmed = Some(Confirmed { image: *image, proof, told, batch: price.batch });
            self.attempt = Attempt::None;
            self.failures = 0;
            self.record(now, label, Ok(proof), told, outputs);
        }
    }

    fn failed(&mut self, now: Now, label: &str, reason: String, outputs: &mut Vec<Output>) {
        let doublings = self.failures.min(16);
        let pause = Millis((RETRY_FIRST.0 << doublings).min(RETRY_MAX.0));
        self.failures = self.failures.saturating_add(1);
        self.attempt = Attempt::Pausing { due: now.mono + pause };
        self.record(now, label, Err(reason), Told::default(), outputs);
    }

    /// Sends what is desired, after a record of the intent: a crash between the two leaves the label
    /// in doubt, never wrongly confirmed.
    fn send(&mut self, now: Now, label: &str, tasks: &mut u64, outputs: &mut Vec<Output>) {
        let Some((image, _)) = self.desired else { return };
        let task = *tasks;
        *tasks += 1;
        self.task = Some(task);
        self.confirmed = None;
        self.attempt = Attempt::Sent { due: now.mono + RESULT_WITHIN };
        self.record(now, label, Ok(Proof::Queued), Told::default(), outputs);
        outputs.push(Output::Send { label: label.to_owned(), image, task });
    }

    fn record(
        &self,
        now: Now,
        label: &str,
        result: Result<Proof, String>,
        told: Told,
        outputs: &mut Vec<Output>,
    ) {
        if let Some((image, price)) = &self.desired {
            outputs.push(Output::Record(Record {
                label: label.to_owned(),
                image: *image,
                price: price.clone(),
                result,
                told,
                at: now.utc,
            }));
        }
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
