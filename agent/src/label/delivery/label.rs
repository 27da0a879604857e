//! What is known of one label, and what is to be done with it.

use super::super::canvas::Digest;
use super::super::care::Care;
use super::super::record::{Price, Proof, Record, Told};
use super::{Line, Output, Pages, Place, RETRY_FIRST, RETRY_MAX, Step};
use storewarden_drivers::esl::estation::task::Trouble;
use storewarden_prices::BatchId;
use storewarden_rules::{Millis, Mono, Now};

#[derive(Clone, Debug, Default)]
pub(super) struct Label {
    pub(super) desired: Option<(Digest, Price)>,
    pub(super) urgent: bool,
    pub(super) next: Option<Digest>,
    /// What it shows as far as is certain; none is "unknown".
    pub(super) confirmed: Option<Confirmed>,
    pub(super) pages: Pages,
    pub(super) attempt: Attempt,
    /// What was sent last; none since the start, or since what the label knew was lost.
    pub(super) task: Option<Task>,
    pub(super) is_looked_for: bool,
    pub(super) repeat: Repeat,
    /// Until then the repeats so far are paid for, one each [`REPEAT_EVERY`].
    pub(super) repeats_paid: Option<Mono>,
    /// Failures in a row of what is to be done.
    pub(super) failures: u32,
    pub(super) care: Care,
}

/// Whether a label is to show once more what it was confirmed to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Repeat {
    #[default]
    No,
    /// Yes, once it may.
    Wanted,
    /// Now.
    Due,
}

#[derive(Clone, Debug)]
pub(super) struct Confirmed {
    pub(super) image: Digest,
    pub(super) proof: Proof,
    pub(super) told: Told,
    /// Of the price last recorded for it; none if none was.
    pub(super) batch: Option<BatchId>,
    pub(super) at: Mono,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) number: u64,
    pub(super) step: Step,
    /// What was shown before.
    pub(super) before: Option<Digest>,
    pub(super) is_done: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Attempt {
    #[default]
    None,
    Waiting(Place),
    /// The driver has it; a word of it is due by then.
    Sent {
        step: Step,
        due: Mono,
    },
    /// It failed; the next attempt is due then.
    Pausing {
        step: Step,
        due: Mono,
    },
}

impl Label {
    /// What is to be done now.
    pub(super) fn goal(&self) -> Option<Step> {
        let shown = self.confirmed.as_ref().map(|confirmed| confirmed.image);
        if let Some((image, _)) = self.desired
            && shown != Some(image)
        {
            return Some(if self.pages.kept == Some(image) {
                Step::Flip { page: self.pages.other(), image }
            } else {
                Step::Show { page: self.pages.shown, image }
            });
        }
        if self.is_looked_for {
            return Some(Step::Blink);
        }
        // A refresh that changes nothing costs battery.
        let next = self.next.filter(|next| shown != Some(*next) && self.pages.kept != Some(*next));
        if let Some(image) = next {
            return Some(Step::Store { page: self.pages.other(), image });
        }
        let image = shown.filter(|_| self.repeat == Repeat::Due)?;
        Some(Step::Show { page: self.pages.shown, image })
    }

    /// Whether `step` shows what the label was confirmed to show.
    pub(super) fn is_repeat(&self, step: Step) -> bool {
        let confirmed = self.confirmed.as_ref().map(|confirmed| confirmed.image);
        matches!(step, Step::Show { image, .. } if confirmed == Some(image))
    }

    pub(super) fn desire(
        &mut self,
        now: Now,
        label: &str,
        image: Digest,
        price: Price,
        urgent: bool,
        outputs: &mut Vec<Output>,
    ) {
        let batch = Some(price.batch.clone());
        self.desired = Some((image, price));
        self.urgent = urgent;
        // The image may stay and its price be a newer batch's: that it is on the shelf is worth a record.
        if let Some(confirmed) = &mut self.confirmed
            && confirmed.image == image
            && confirmed.batch != batch
        {
            confirmed.batch = batch;
            let (proof, told) = (confirmed.proof, confirmed.told);
            self.record(now, label, Ok(proof), told, outputs);
        }
    }

    /// The task sent last has ended well. Whether the driver had it.
    pub(super) fn done(
        &mut self,
        now: Now,
        label: &str,
        (proof, told): (Proof, Told),
        line: &mut Line,
        outputs: &mut Vec<Output>,
    ) -> bool {
        let Some(Task { step, before, is_done, .. }) = &mut self.task else { return false };
        let (step, before) = (*step, *before);
        if std::mem::replace(is_done, true) {
            // A second result of the same task is news only if it is surer.
            if let (Some(confirmed), Some((image, _))) = (&mut self.confirmed, &self.desired)
                && confirmed.image == *image
                && confirmed.proof < proof
            {
                (confirmed.proof, confirmed.told) = (proof, told);
                self.record(now, label, Ok(proof), told, outputs);
            }
            return false;
        }
        // It may come late, when the next attempt already waits.
        let was_in_hand = matches!(self.attempt, Attempt::Sent { .. });
        line.leave(&self.attempt);
        self.attempt = Attempt::None;
        self.failures = 0;
        self.care.done(told);
        let pages = match step {
            Step::Show { page, .. } => Pages { shown: page, kept: self.pages.kept },
            Step::Flip { page, .. } => Pages { shown: page, kept: before },
            Step::Store { image, .. } => Pages { kept: Some(image), ..self.pages },
            Step::Blink => self.pages,
        };
        if pages != self.pages {
            self.pages = pages;
            outputs.push(Output::Pages { label: label.to_owned(), pages });
        }
        if let Step::Show { image, .. } | Step::Flip { image, .. } = step
            && let Some((desired, price)) = &self.desired
        {
            // A page that was turned to may have been changed while nobody heard it: only an image that was sent
            // since is certain.
            if let Step::Show { .. } = step {
                self.repeat = Repeat::No;
            }
            // A result that comes late may be of an image that is not desired any more. It says nothing of the
            // price that is: what was recorded before this task was sent still holds.
            let is_desired = *desired == image;
            let batch = is_desired.then(|| price.batch.clone());
            let known = self.confirmed.replace(Confirmed { image, proof, told, batch, at: now.mono });
            // Nothing is new if it was shown once more.
            if is_desired && known.is_none_or(|known| (known.image, known.proof) != (image, proof)) {
                self.record(now, label, Ok(proof), told, outputs);
            }
        }
        was_in_hand
    }

    /// The task sent last has failed. Whether the driver had it.
    pub(super) fn failed(
        &mut self,
        now: Now,
        label: &str,
        trouble: Trouble,
        reason: String,
        outputs: &mut Vec<Output>,
    ) -> bool {
        let Attempt::Sent { step, .. } = self.attempt else { return false };
        let doublings = self.failures.min(16);
        let pause = Millis((RETRY_FIRST.0 << doublings).min(RETRY_MAX.0));
        self.failures = self.failures.saturating_add(1);
        self.care.failed(trouble);
        // Who cannot be shown its image once more may show anything.
        if trouble == Trouble::Reset || self.is_repeat(step) {
            (self.confirmed, self.task, self.repeat) = (None, None, Repeat::No);
        }
        // A label that answers and does not turn has lost the page: the image is sent anew.
        let is_page_lost = matches!(step, Step::Flip { .. })
            && !matches!(trouble, Trouble::NoAnswer | Trouble::NoResult | Trouble::WrongKey);
        if trouble == Trouble::Reset || is_page_lost {
            self.lose_page(label, outputs);
        }
        if step.is_visible() {
            self.record(now, label, Err(reason), Told::default(), outputs);
        }
        // Nobody waits an hour to see a lamp.
        self.attempt = match self.goal() {
            Some(goal) if step != Step::Blink => Attempt::Pausing { step: goal, due: now.mono + pause },
            _ => Attempt::None,
        };
        true
    }

    pub(super) fn is_last(&self, task: u64) -> bool {
        self.task.is_some_and(|last| last.number == task)
    }

    pub(super) fn lose_page(&mut self, label: &str, outputs: &mut Vec<Output>) {
        if self.pages.kept.take().is_some() {
            outputs.push(Output::Pages { label: label.to_owned(), pages: self.pages });
        }
    }

    pub(super) fn record(
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
