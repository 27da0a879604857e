//! Brings every label from what it was confirmed to show to what it should show.
//!
//! The book says what is desired now and what is desired next, the gateway's driver tells what happened,
//! and this loop closes the gap for as long as there is one: over lost results, resets, gateway restarts,
//! changed minds and failures.
//!
//! A label keeps two pages and shows one of them. What comes next is kept on the other page ahead of its
//! minute; at the minute the label is only told to turn. What is to be done with a label follows from what
//! is known of it and from nothing else ([`Label::goal`]); what is under way is replaced when it is not
//! that any more. At most [`HAND_MAX`] tasks of a gateway are given to its driver, what is desired now
//! before what comes next; the rest waits here, without an image.
//!
//! Three rules keep it honest. Only the result of the task sent last confirms a label: the digest of the
//! image would not do, because a price may go from one to another and back before the first result
//! comes. Once anything was sent, what the label shows is in doubt until a result comes: going back to the
//! image that was confirmed before is sent again, not assumed. And a page that is being written is unknown
//! until the label says that it has it, also over a crash: a label turns only to what it certainly keeps.
//!
//! A label tells once that it was reset or written to by others. Who was away then never hears it, so that what
//! was confirmed is shown once more, behind everything else, after each time in which nothing could be heard,
//! and once a day ([`Repeat`]).

mod label;

use super::canvas::Digest;
use super::care::Care;
use super::record::{Price, Proof, Record, Told};
use label::{Attempt, Confirmed, Label, Repeat, Task};
use std::collections::BTreeMap;
use storewarden_drivers::esl::estation::task::Trouble;
use storewarden_prices::BatchId;
use storewarden_rules::{Millis, Mono, Now};

/// First pause after a failure; it doubles with each further one.
pub const RETRY_FIRST: Millis = Millis::from_mins(1);
/// Longest pause between attempts.
pub const RETRY_MAX: Millis = Millis::from_mins(60);
/// After this time without a word from the driver an attempt counts as failed. The driver ends every task,
/// so that only a fault of ours meets it.
pub const RESULT_WITHIN: Millis = Millis::from_mins(6 * 60);
/// So long a gateway must have been heard without a gap before what it missed is made good: a link that comes
/// and goes is waited for.
pub const STEADY: Millis = Millis::from_mins(1);
/// What a label shows is shown once more so long after it was confirmed: what nobody could hear, and what somebody
/// else wrote, lasts no longer. A refresh costs battery: 4 a day empty one in 5.6 years, by its maker.
pub const REPEAT_AFTER: Millis = Millis::from_mins(24 * 60);
/// On the average a label is shown its image again no more often than this,
const REPEAT_EVERY: Millis = Millis::from_mins(6 * 60);
/// and so often at once.
const REPEAT_BURST: i64 = 4;
/// How often it is looked for labels that are to show their image again.
const LOOK_EVERY: Millis = Millis::from_mins(1);
/// Tasks the driver has at most: as many as a gateway is ever given.
pub const HAND_MAX: usize = 100;

/// What the loop is told. Labels are named by their tag ids.
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
        batch: BatchId,
        /// Its pages.
        pages: Pages,
        /// What it last told of itself.
        told: Told,
    },
    /// What a label should show now. Saying it again changes nothing.
    Desired {
        /// The label.
        label: String,
        /// The image.
        image: Digest,
        /// What it says.
        price: Price,
        /// Whether it goes ahead of others.
        urgent: bool,
    },
    /// What a label should show after that, if it is known. Saying it again changes nothing.
    Next {
        /// The label.
        label: String,
        /// The image.
        image: Option<Digest>,
    },
    /// A label did what it was told.
    Done {
        /// The label.
        label: String,
        /// The number of [`Output::Send`].
        task: u64,
        /// How sure that is.
        proof: Proof,
        /// What else the label told.
        told: Told,
    },
    /// The gateway gave up on a task.
    Failed {
        /// The label.
        label: String,
        /// The number of [`Output::Send`].
        task: u64,
        /// What kind of failure.
        trouble: Trouble,
        /// Why, in words.
        reason: String,
    },
    /// A label has lost what it kept and showed.
    Reset {
        /// The label.
        label: String,
    },
    /// A label did what this program did not ask for.
    Unasked {
        /// The label.
        label: String,
    },
    /// A person looks for a label.
    Find {
        /// The label.
        label: String,
    },
    /// The gateway began anew and may have forgotten what it was sent.
    GatewayRestarted,
    /// The gateway is heard again, or for the first time: what labels told before is lost.
    Unheard,
    /// Time has passed; to be given about once a second.
    Tick,
}

/// What is known of a label's two pages, 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// The one that is shown, as far as is known.
    pub shown: u8,
    /// The image that is certainly kept on the other one.
    pub kept: Option<Digest>,
}

impl Pages {
    fn other(self) -> u8 {
        1 - self.shown
    }
}

/// What is to be done, in this order. The records and pages of one step are to be committed to the journal
/// before anything of that step is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To be committed, and to be told to headquarters.
    Record(Record),
    /// To be committed.
    Pages {
        /// The label.
        label: String,
        /// Its pages.
        pages: Pages,
    },
    /// To be given to the gateway.
    Send {
        /// The label.
        label: String,
        /// What it is to do.
        step: Step,
        /// Numbers the task; the driver tells it back with the result.
        task: u64,
        /// Whether it goes ahead of others.
        urgent: bool,
    },
}

/// One thing a label is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Keep the image that is desired now on a page, and show it.
    Show {
        /// The page.
        page: u8,
        /// The image.
        image: Digest,
    },
    /// Show what is kept on a page.
    Flip {
        /// The page.
        page: u8,
        /// The image that is on it.
        image: Digest,
    },
    /// Keep the image that is desired next on a page.
    Store {
        /// The page.
        page: u8,
        /// The image.
        image: Digest,
    },
    /// Blink.
    Blink,
}

impl Step {
    /// Whether what the label shows changes.
    fn is_visible(self) -> bool {
        matches!(self, Self::Show { .. } | Self::Flip { .. })
    }
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
    line: Line,
    next_task: u64,
    /// Labels with a task that the driver has.
    in_hand: usize,
    keeps_pages: bool,
    /// When the gateway was last heard again, until that is made good.
    unheard: Option<Mono>,
    /// When it is next looked for labels that are to show their image again.
    look: Mono,
}

/// Labels that wait for their turn, in its order.
#[derive(Clone, Debug, Default)]
struct Line {
    places: BTreeMap<Place, String>,
    last: u64,
}

type Place = (Rank, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Urgent,
    Now,
    Ahead,
    Again,
}

impl Delivery {
    /// A loop whose tasks are numbered from `first_task` on. The number should be above all of an
    /// earlier run, whose results a gateway may still tell: the UTC milliseconds of the start do. Where
    /// labels do not keep pages, what comes next comes at its minute.
    pub fn new(first_task: u64, keeps_pages: bool) -> Self {
        let (labels, line) = (BTreeMap::new(), Line::default());
        let (unheard, look) = (None, Mono(0));
        Self { labels, line, next_task: first_task, in_hand: 0, keeps_pages, unheard, look }
    }

    /// Whether its labels keep pages.
    pub fn keeps_pages(&self) -> bool {
        self.keeps_pages
    }

    /// Takes one input at `now`.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Restore { label, image, proof, batch, pages, told } => {
                let confirmed = proof.filter(|proof| *proof > Proof::Queued).map(|proof| Confirmed {
                    image,
                    proof,
                    told,
                    batch: Some(batch),
                    at: now.mono,
                });
                let state = self.labels.entry(label).or_default();
                (state.confirmed, state.pages) = (confirmed, pages);
                state.care.done(told);
                return outputs;
            }
            Input::Desired { label, image, price, urgent } => {
                let state = self.labels.entry(label.clone()).or_default();
                state.desire(now, &label, image, price, urgent, &mut outputs);
                self.go_on(now, &label, &mut outputs);
            }
            Input::Next { label, image } => {
                let image = image.filter(|_| self.keeps_pages);
                self.labels.entry(label.clone()).or_default().next = image;
                self.go_on(now, &label, &mut outputs);
            }
            Input::Done { label, task, proof, told } => {
                if let Some(state) = self.labels.get_mut(&label)
                    && state.is_last(task)
                    && proof > Proof::Queued
                {
                    self.in_hand -=
                        usize::from(state.done(now, &label, (proof, told), &mut self.line, &mut outputs));
                    self.go_on(now, &label, &mut outputs);
                }
            }
            Input::Failed { label, task, trouble, reason } => {
                if let Some(state) = self.labels.get_mut(&label)
                    && state.is_last(task)
                {
                    self.in_hand -= usize::from(state.failed(now, &label, trouble, reason, &mut outputs));
                    self.go_on(now, &label, &mut outputs);
                }
            }
            Input::Reset { label } => self.doubt(now, &label, false, &mut outputs),
            Input::Unasked { label } => self.doubt(now, &label, true, &mut outputs),
            Input::Find { label } => {
                if let Some(state) = self.labels.get_mut(&label) {
                    state.is_looked_for = true;
                    self.go_on(now, &label, &mut outputs);
                }
            }
            Input::GatewayRestarted => {
                for label in self.under_way(|_| true) {
                    self.once_more(now, &label, &mut outputs);
                }
            }
            // Where labels ask for their image, one that was reset asks by itself.
            Input::Unheard => self.unheard = self.keeps_pages.then_some(now.mono),
            Input::Tick => {
                self.look_for_repeats(now, &mut outputs);
                let is_late =
                    |attempt: &Attempt| matches!(attempt, Attempt::Sent { due, .. } if *due <= now.mono);
                for label in self.under_way(is_late) {
                    let Some(state) = self.labels.get_mut(&label) else { continue };
                    let reason = "no result in time".to_owned();
                    self.in_hand -=
                        usize::from(state.failed(now, &label, Trouble::NoResult, reason, &mut outputs));
                    self.go_on(now, &label, &mut outputs);
                }
                let is_rested =
                    |attempt: &Attempt| matches!(attempt, Attempt::Pausing { due, .. } if *due <= now.mono);
                for label in self.under_way(is_rested) {
                    self.once_more(now, &label, &mut outputs);
                }
            }
        }
        self.hand_out(now, &mut outputs);
        outputs
    }

    /// Once a minute: which labels are to show their image again.
    fn look_for_repeats(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if now.mono < self.look {
            return;
        }
        self.look = now.mono + LOOK_EVERY;
        let is_made_good = self.unheard.is_some_and(|at| now.mono - at >= STEADY);
        if is_made_good {
            self.unheard = None;
        }
        let mut due = Vec::new();
        for (id, label) in &mut self.labels {
            let Some(confirmed) = &label.confirmed else { continue };
            let is_old = self.keeps_pages && now.mono - confirmed.at >= REPEAT_AFTER;
            if label.repeat == Repeat::No && (is_made_good || is_old) {
                label.repeat = Repeat::Wanted;
            }
            let paid = label.repeats_paid.map_or(now.mono, |paid| paid.max(now.mono));
            let ahead = Millis(REPEAT_EVERY.0 * (REPEAT_BURST - 1));
            if label.repeat == Repeat::Wanted && paid - now.mono <= ahead {
                label.repeat = Repeat::Due;
                label.repeats_paid = Some(paid + REPEAT_EVERY);
                due.push(id.clone());
            }
        }
        for label in due {
            self.go_on(now, &label, outputs);
        }
    }

    /// Labels of which something is sent or pausing.
    fn under_way(&self, is_meant: impl Fn(&Attempt) -> bool) -> Vec<String> {
        let labels = self.labels.iter().filter(|(_, label)| {
            matches!(label.attempt, Attempt::Sent { .. } | Attempt::Pausing { .. })
                && is_meant(&label.attempt)
        });
        labels.map(|(id, _)| id.clone()).collect()
    }

    /// What a label keeps and shows is not known any more.
    fn doubt(&mut self, now: Now, label: &str, is_misuse: bool, outputs: &mut Vec<Output>) {
        let Some(state) = self.labels.get_mut(label) else { return };
        (state.confirmed, state.task) = (None, None);
        if is_misuse {
            state.care.misused(now);
        }
        state.lose_page(label, outputs);
        self.once_more(now, label, outputs);
    }

    /// Whatever was sent or pauses is done anew.
    fn once_more(&mut self, now: Now, label: &str, outputs: &mut Vec<Output>) {
        if let Some(state) = self.labels.get_mut(label) {
            self.in_hand -= usize::from(matches!(state.attempt, Attempt::Sent { .. }));
            self.line.leave(&state.attempt);
            state.attempt = Attempt::None;
            self.go_on(now, label, outputs);
        }
    }

    /// Sees to it that what is to be done with a label is under way.
    fn go_on(&mut self, now: Now, label: &str, outputs: &mut Vec<Output>) {
        let Some(state) = self.labels.get_mut(label) else { return };
        let goal = state.goal();
        // What it shows once more it shows already, as far as is known.
        let is_wrong = goal.is_some_and(|goal| goal.is_visible() && !state.is_repeat(goal));
        state.care.wants(now, is_wrong);
        let Some(goal) = goal else {
            if let Attempt::Waiting(_) | Attempt::Pausing { .. } = state.attempt {
                self.line.leave(&state.attempt);
                state.attempt = Attempt::None;
            }
            return;
        };
        let rank = match goal {
            Step::Blink => Rank::Urgent,
            Step::Show { .. } if state.is_repeat(goal) => Rank::Again,
            Step::Show { .. } | Step::Flip { .. } if state.urgent => Rank::Urgent,
            Step::Show { .. } | Step::Flip { .. } => Rank::Now,
            Step::Store { .. } => Rank::Ahead,
        };
        match state.attempt {
            Attempt::Sent { step, .. } if step == goal => {}
            // What blinks lets what is under way end, and what comes next lets what blinks.
            Attempt::Sent { step, .. }
                if goal == Step::Blink || (step == Step::Blink && !goal.is_visible()) => {}
            // The label has its place in the driver, which lets the newer take the older's.
            Attempt::Sent { .. } => {
                state.failures = 0;
                self.in_hand -= 1;
                self.send(now, label, goal, outputs);
            }
            Attempt::Pausing { step, .. } if step == goal => {}
            Attempt::Waiting((known, _)) if known == rank => {}
            Attempt::None | Attempt::Waiting(_) | Attempt::Pausing { .. } => {
                if let Attempt::Pausing { .. } = state.attempt {
                    state.failures = 0;
                }
                self.line.leave(&state.attempt);
                state.attempt = Attempt::Waiting(self.line.join(rank, label));
            }
        }
    }

    /// Gives the driver what it has room for.
    fn hand_out(&mut self, now: Now, outputs: &mut Vec<Output>) {
        while self.in_hand < HAND_MAX {
            let Some((_, label)) = self.line.places.pop_first() else { return };
            let Some(state) = self.labels.get_mut(&label) else { continue };
            state.attempt = Attempt::None;
            if let Some(goal) = state.goal() {
                self.send(now, &label, goal, outputs);
            }
        }
    }

    /// Sends a step, after a record of the intent: a crash between the two leaves the label in doubt, never
    /// wrongly confirmed.
    fn send(&mut self, now: Now, label: &str, step: Step, outputs: &mut Vec<Output>) {
        let Some(state) = self.labels.get_mut(label) else { return };
        let task = self.next_task;
        self.next_task += 1;
        self.in_hand += 1;
        let before = state.confirmed.as_ref().map(|confirmed| confirmed.image);
        state.task = Some(Task { number: task, step, before, is_done: false });
        let is_repeat = state.is_repeat(step);
        match step {
            // It shows this or, if it lost it, nothing: no more doubt than before. The journal has it already.
            Step::Show { .. } if is_repeat => state.lose_page(label, outputs),
            Step::Show { .. } | Step::Flip { .. } => {
                // The other page is as doubtful as what is shown.
                if state.repeat != Repeat::No && matches!(step, Step::Show { .. }) {
                    state.lose_page(label, outputs);
                }
                state.confirmed = None;
                state.record(now, label, Ok(Proof::Queued), Told::default(), outputs);
            }
            Step::Store { .. } => state.lose_page(label, outputs),
            Step::Blink => state.is_looked_for = false,
        }
        state.attempt = Attempt::Sent { step, due: now.mono + RESULT_WITHIN };
        let urgent = (state.urgent && !is_repeat) || step == Step::Blink;
        outputs.push(Output::Send { label: label.to_owned(), step, task, urgent });
    }

    /// A label is another gateway's from now on.
    pub fn forget(&mut self, label: &str) {
        if let Some(state) = self.labels.remove(label) {
            self.in_hand -= usize::from(matches!(state.attempt, Attempt::Sent { .. }));
            self.line.leave(&state.attempt);
        }
    }

    /// Where `label` stands.
    pub fn state(&self, label: &str) -> State {
        let Some(label) = self.labels.get(label) else { return State::Idle };
        match (label.attempt, &label.confirmed, &label.desired) {
            (_, _, None) => State::Idle,
            (_, Some(confirmed), Some((image, _))) if confirmed.image == *image => {
                State::Shown(confirmed.proof)
            }
            (Attempt::Pausing { .. }, _, _) => State::Failed,
            _ => State::Sent,
        }
    }

    /// Whether `label` keeps what comes next.
    pub fn is_ready(&self, label: &str) -> bool {
        self.labels.get(label).is_some_and(|label| label.next.is_some() && label.pages.kept == label.next)
    }

    /// What is known of the care that `label` needs.
    pub fn care(&self, label: &str) -> Option<&Care> {
        self.labels.get(label).map(|label| &label.care)
    }
}

impl Line {
    fn join(&mut self, rank: Rank, label: &str) -> Place {
        self.last += 1;
        let place = (rank, self.last);
        self.places.insert(place, label.to_owned());
        place
    }

    fn leave(&mut self, attempt: &Attempt) {
        if let Attempt::Waiting(place) = attempt {
            self.places.remove(place);
        }
    }
}

#[cfg(test)]
mod tests;
