//! What an OpenEPaperLink access point is asked, and when. No socket and no clock.
//!
//! An answer "Ok, saved" says that a file was kept, and nothing else. Later the access point makes an image
//! of it, or drops it as "the same as the current image" though the label shows another; the label fetches
//! it when it wakes, which can be an hour later; and an access point that starts anew forgets what waited.
//! So an image counts as delivered only when the label's record says that it fetched something after we had
//! sent it, that nothing waits any more, and that what it fetched is what the access point had made of our
//! file. It never counts as refreshed: nobody tells that.
//!
//! One request is under way at a time: concurrent uploads break the access point.

use crate::esl::estation::task::{GatewayEvent, Proof};
use crate::esl::openepaperlink::exchange::{Answer, Fault, Input, Order, Output, Request, Wish};
use crate::esl::openepaperlink::record::{Hash, Record};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use storewarden_rules::{Millis, Mono, Now};

/// Whether labels can keep images on pages, to be shown later.
pub const STAGES: bool = false;
/// How sure one can be at most.
pub const PROOF: Proof = Proof::Delivered;

/// Time limits of one access point.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How often the whole table is read.
    pub table: Millis,
    /// How long the access point may take to make an image of a file. It looks for new ones every few
    /// seconds.
    pub prepare: Millis,
    /// The pauses before a label is tried again.
    pub retries: [Millis; 3],
    /// How long nothing is asked after the access point did not answer or said "come back later": at first,
    /// twice as long each time after that, and at most.
    pub hold: (Millis, Millis),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            table: Millis::from_secs(15),
            prepare: Millis::from_secs(45),
            retries: [Millis::from_secs(10), Millis::from_secs(30), Millis::from_secs(90)],
            hold: (Millis::from_secs(2), Millis::from_secs(60)),
        }
    }
}

/// How much later the access point may seem to have started, from one time to the next: it counts seconds,
/// and what it says is on its way for a while.
const UPTIME_SLACK: Millis = Millis::from_secs(5);
/// Images that may wait at the access point for their labels. Each is a file of some 10 kB on its disk.
const WAITING_MAX: usize = 64;
/// Lamps that wait to be lit; beyond it the oldest is lost.
const BLINKS_MAX: usize = 64;
/// With less space than this, bytes, nothing is uploaded: the access point drops what does not fit without
/// a word. The JPEG file and the image made of it, of the largest label, with as much again to spare.
const FREE_MIN: i64 = 256 * 1024;

#[derive(Debug)]
enum Stage {
    /// To be uploaded, not before then.
    Ready(Mono),
    /// Uploaded; the label's record before that, and what the access point has made of the file.
    Sent { at: Mono, before: Record, prepared: Option<Hash>, was_pending: bool },
}

#[derive(Debug)]
struct Work {
    order: Order,
    stage: Stage,
    retries: usize,
    /// The label's record as it was just before the upload.
    before: Option<Record>,
    /// When a file was sent whose arrival is not known.
    unsure_since: Option<Mono>,
    /// Whether the access point is to forget first which image the label shows.
    forgets: bool,
    /// Whether something that waited was cleared away, so that a stray completion is to be expected.
    was_cleared: bool,
    /// What comes after it.
    next: Option<Order>,
}

impl Work {
    fn new(order: Order, at: Mono) -> Self {
        Self {
            order,
            stage: Stage::Ready(at),
            retries: 0,
            before: None,
            unsure_since: None,
            forgets: false,
            was_cleared: false,
            next: None,
        }
    }

    /// Puts a newer order in its place. A file that may have arrived is given the time `prepare` to come to
    /// light.
    fn replace(&mut self, order: Order, now: Mono, prepare: Millis) -> Order {
        let at = self.unsure_since.map_or(now, |since| since + prepare);
        std::mem::replace(self, Self::new(order, at)).order
    }
}

/// The state of one access point. Holds at most two images for each label.
#[derive(Debug)]
pub struct Gateway {
    limits: Limits,
    labels: BTreeMap<String, Work>,
    blinks: VecDeque<Order>,
    /// The request under way, and the task it is for.
    asked: Option<(Request, u64)>,
    /// What was said last of each label.
    known: BTreeMap<String, Known>,
    /// Labels that got a file and have not shown that they fetched it: what they fetch is ours.
    ours: BTreeSet<String>,
    table_at: Mono,
    is_online: bool,
    /// How long it was left alone the last time, if it has not been well since.
    hold: Option<Millis>,
    /// Whether it takes no uploads at present.
    is_busy: bool,
    hold_until: Mono,
    /// When it started, as far as it says.
    started: Option<Mono>,
    has_space: bool,
}

#[derive(Debug)]
struct Known {
    hash: Option<Hash>,
    /// When the label was heard and when it fetched something: an older record comes too late.
    age: (i64, i64),
}

impl Gateway {
    /// An access point of which nothing is known.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            labels: BTreeMap::new(),
            blinks: VecDeque::new(),
            asked: None,
            known: BTreeMap::new(),
            ours: BTreeSet::new(),
            table_at: Mono(i64::MIN),
            is_online: false,
            hold: None,
            is_busy: false,
            hold_until: Mono(i64::MIN),
            started: None,
            has_space: true,
        }
    }

    /// Takes note of `input` and says what to do.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let (now, mut out) = (now.mono, Vec::new());
        match input {
            Input::Order(order) => self.take(now, order, &mut out),
            Input::Answer(answer) => self.answer(now, answer, &mut out),
            Input::Records(records) => {
                records.iter().for_each(|record| self.record(now, record, &mut out));
            }
            Input::System(uptime_s, free_bytes) => self.system(now, uptime_s, free_bytes, &mut out),
            Input::Tick => self.pass_time(now, &mut out),
        }
        if self.asked.is_none()
            && now >= self.hold_until
            && let Some((request, task)) = self.next_request(now)
        {
            self.asked = Some((request.clone(), task));
            out.push(Output::Ask(request));
        }
        out
    }

    /// Orders that are not over.
    pub fn pending(&self) -> usize {
        self.labels.values().map(|work| 1 + usize::from(work.next.is_some())).sum::<usize>()
            + self.blinks.len()
    }

    fn take(&mut self, now: Mono, order: Order, out: &mut Vec<Output>) {
        if let Wish::Blink(_) = order.wish {
            if self.blinks.len() == BLINKS_MAX {
                out.extend(self.blinks.pop_front().map(superseded));
            }
            self.blinks.push_back(order);
            return;
        }
        let key = order.label.to_ascii_uppercase();
        let is_asked = matches!(&self.asked, Some((Request::Upload(label, _), _)) if *label == key);
        let Some(work) = self.labels.get_mut(&key) else {
            self.labels.insert(key, Work::new(order, now));
            return;
        };
        out.extend(work.next.take().map(superseded));
        if work.order.wish == order.wish {
            // What comes of it is as good for the newer one.
            let task = order.task;
            if let Some((_, asked)) = self.asked.as_mut().filter(|(_, asked)| *asked == work.order.task) {
                *asked = task;
            }
            work.order = order;
            return;
        }
        // The access point makes an image of the file it has before it forgets it: so long the newer
        // one waits, for the older must not appear after it.
        match work.stage {
            Stage::Ready(_) if !is_asked => {
                out.push(superseded(work.replace(order, now, self.limits.prepare)))
            }
            Stage::Sent { was_pending: true, .. } => {
                out.push(superseded(work.replace(order, now, self.limits.prepare)))
            }
            _ => work.next = Some(order),
        }
    }

    fn next_request(&self, now: Mono) -> Option<(Request, u64)> {
        if let Some(order) = self.blinks.front()
            && let Wish::Blink(times) = order.wish
        {
            return Some((Request::Blink(order.label.to_ascii_uppercase(), times), order.task));
        }
        let unprepared =
            |work: &Work| matches!(work.stage, Stage::Sent { prepared: None, was_pending: true, .. });
        if let Some((label, work)) = self.labels.iter().find(|(_, work)| unprepared(work)) {
            return Some((Request::Prepared(label.clone()), work.order.task));
        }
        if now >= self.table_at {
            return Some((Request::Table, 0));
        }
        let waiting = self.labels.values().filter(|work| matches!(work.stage, Stage::Sent { .. })).count();
        if waiting >= WAITING_MAX || !self.has_space {
            return None;
        }
        let due = |work: &Work| match work.stage {
            Stage::Ready(at) if at <= now => Some(at),
            _ => None,
        };
        let (label, work, _) = self
            .labels
            .iter()
            .filter_map(|(label, work)| Some((label, work, due(work)?)))
            .min_by_key(|(_, work, at)| (!work.order.urgent, *at, work.order.task))?;
        Some((Request::Look(label.clone()), work.order.task))
    }

    fn answer(&mut self, now: Mono, answer: Answer, out: &mut Vec<Output>) {
        let Some((request, task)) = self.asked.take() else { return };
        self.judge(now, &request, &answer, out);
        match (request, answer) {
            (Request::Table, answer) => {
                self.table_at = now + self.limits.table;
                if let Answer::Table(records) = answer {
                    self.table(now, &records, out);
                }
            }
            (Request::Blink(..), answer) => match answer {
                Answer::Later | Answer::Broken(_) => {}
                answer => {
                    let Some(order) = self.blinks.pop_front_if(|order| order.task == task) else { return };
                    out.push(match answer {
                        Answer::Refused(why) => Output::Failed(order, Fault::Unknown, why),
                        _ => Output::Done(order, Proof::Queued, None),
                    });
                }
            },
            (Request::Prepared(label), Answer::Prepared(hash)) => {
                if let Some(work) = self.labels.get_mut(&label).filter(|work| work.order.task == task)
                    && let Stage::Sent { prepared, was_pending, .. } = &mut work.stage
                {
                    *prepared = hash;
                    // Where the label was quicker there is nothing to be had any more: not asked again.
                    *was_pending &= hash.is_some();
                }
            }
            (Request::Prepared(label), Answer::Refused(_)) => {
                if let Some(Work { stage: Stage::Sent { was_pending, .. }, .. }) = self.labels.get_mut(&label)
                {
                    *was_pending = false;
                }
            }
            (Request::Look(label), Answer::Look(record)) => self.looked(now, &label, record, out),
            (Request::Clear(label) | Request::Forget(label), Answer::Done) => {
                if let Some(work) = self.labels.get_mut(&label) {
                    work.stage = Stage::Ready(now + self.limits.hold.0);
                }
            }
            (Request::Upload(label, _), Answer::Done) => self.uploaded(now, &label),
            (Request::Upload(label, _), Answer::Refused(why)) => {
                self.miss(now, &label, Fault::Refused, &why, out);
            }
            (Request::Upload(label, _), answer) => {
                let Some(work) = self.labels.get_mut(&label) else { return };
                if let Answer::Broken(_) = answer {
                    work.unsure_since = Some(now);
                }
                if let Some(next) = work.next.take() {
                    out.push(superseded(work.replace(next, now, self.limits.prepare)));
                }
            }
            (Request::Look(label) | Request::Clear(label) | Request::Forget(label), Answer::Refused(why)) => {
                self.miss(now, &label, Fault::Unknown, &why, out);
            }
            _ => {}
        }
    }

    /// Whether it answers, and how long it is left alone if it does not. One that is too busy for uploads
    /// answers everything else: only an upload that is taken ends that.
    fn judge(&mut self, now: Mono, request: &Request, answer: &Answer, out: &mut Vec<Output>) {
        let is_broken = matches!(answer, Answer::Broken(_));
        if is_broken || *answer == Answer::Later {
            let (first, most) = self.limits.hold;
            let hold = self.hold.map_or(first, |hold| Millis(hold.0 * 2).min(most));
            (self.hold, self.hold_until) = (Some(hold), now + hold);
            self.is_busy |= !is_broken;
        } else if !self.is_busy || matches!(request, Request::Upload(..)) {
            (self.hold, self.is_busy) = (None, false);
        }
        if self.is_online != is_broken {
            return;
        }
        self.is_online = !is_broken;
        out.push(Output::Event(if is_broken { GatewayEvent::Offline } else { GatewayEvent::Online }));
    }

    fn ask(&mut self, request: Request, task: u64, out: &mut Vec<Output>) {
        self.asked = Some((request.clone(), task));
        out.push(Output::Ask(request));
    }

    /// The label's record, read just before an upload.
    fn looked(&mut self, now: Mono, label: &str, record: Option<Record>, out: &mut Vec<Output>) {
        let Some(record) = record else {
            if self.known.remove(label).is_some() {
                self.restarted(now, out);
            }
            let why = "the access point does not know the label; wake the label near it";
            self.miss(now, label, Fault::Unknown, why, out);
            return;
        };
        // It was asked for: it counts even if the access point's clock was put back.
        self.believe(now, &record, out);
        let Some(work) = self.labels.get_mut(label) else { return };
        let (task, Stage::Ready(_)) = (work.order.task, &work.stage) else { return };
        if record.pending > 0 {
            if work.retries == self.limits.retries.len() {
                let why = "something else keeps waiting for the label; see who else uses the access point";
                self.miss(now, label, Fault::Ignored, why, out);
                return;
            }
            work.retries += 1;
            work.was_cleared = true;
            self.ask(Request::Clear(label.to_owned()), task, out);
        } else if work.forgets {
            work.forgets = false;
            self.known.remove(label);
            self.ask(Request::Forget(label.to_owned()), task, out);
        } else if let Wish::Show(png) = &work.order.wish {
            let request = Request::Upload(label.to_owned(), png.clone());
            work.before = Some(record);
            self.ours.insert(label.to_owned());
            self.ask(request, task, out);
        }
    }

    fn uploaded(&mut self, now: Mono, label: &str) {
        let Some(work) = self.labels.get_mut(label) else { return };
        let Some(before) = work.before.take() else { return };
        work.unsure_since = None;
        work.stage = Stage::Sent { at: now, before, prepared: None, was_pending: false };
    }

    /// What the access point says of a label, unless it has said something newer before: the table is read
    /// in pages while the labels go on.
    fn record(&mut self, now: Mono, record: &Record, out: &mut Vec<Output>) {
        let known = self.known.get(&record.label);
        if known.is_none_or(|known| known.age <= (record.seen, record.updated)) {
            self.believe(now, record, out);
        }
    }

    fn believe(&mut self, now: Mono, record: &Record, out: &mut Vec<Output>) {
        let label = record.label.as_str();
        let known = Known { hash: record.hash, age: (record.seen, record.updated) };
        match (self.known.insert(label.to_owned(), known), record.hash) {
            (Some(Known { hash: Some(_), .. }), None) if record.started_anew => {
                out.push(Output::Reset(label.to_owned()));
            }
            (Some(old), Some(new)) if old.hash != Some(new) && !self.ours.contains(label) => {
                out.push(Output::Unasked(label.to_owned()));
            }
            _ => {}
        }
        let Some(work) = self.labels.get_mut(label) else { return };
        let Stage::Sent { at, before, prepared, was_pending } = &mut work.stage else { return };
        if record.pending > 0 {
            *was_pending = true;
            if let Some(next) = work.next.take() {
                out.push(superseded(work.replace(next, now, self.limits.prepare)));
            }
        } else if record.updated > before.updated {
            let is_ours = match *prepared {
                Some(hash) => record.hash == Some(hash),
                None => !work.was_cleared && record.hash.is_some() && record.hash != before.hash,
            };
            if is_ours {
                self.ours.remove(label);
                out.extend(
                    self.finish(now, label).map(|order| Output::Done(order, PROOF, Some(record.clone()))),
                );
            } else {
                work.forgets = true;
                self.miss(now, label, Fault::Ignored, "the label fetched another image than ours", out);
            }
        } else if *was_pending {
            // It waits no more and was not fetched; or the access point said so before it began to wait.
            (*at, *was_pending) = (now, false);
        }
    }

    fn table(&mut self, now: Mono, records: &[Record], out: &mut Vec<Output>) {
        let listed: BTreeSet<&str> = records.iter().map(|record| record.label.as_str()).collect();
        let before = self.known.len();
        self.known.retain(|label, _| listed.contains(label.as_str()));
        if self.known.len() < before {
            self.restarted(now, out);
        }
        for record in records {
            self.record(now, record, out);
        }
    }

    fn system(&mut self, now: Mono, uptime_s: Option<i64>, free_bytes: Option<i64>, out: &mut Vec<Output>) {
        let started = uptime_s.map(|uptime_s| now + Millis(-1000 * uptime_s));
        if let (Some(old), Some(new)) = (self.started, started)
            && new - old > UPTIME_SLACK
        {
            self.restarted(now, out);
        }
        self.started = started.or(self.started);
        if let Some(has_space) = free_bytes.map(|free| free >= FREE_MIN)
            && std::mem::replace(&mut self.has_space, has_space) != has_space
        {
            out.push(Output::Space(has_space));
        }
    }

    /// It has forgotten what waited for labels, or labels themselves.
    fn restarted(&mut self, now: Mono, out: &mut Vec<Output>) {
        out.push(Output::Event(GatewayEvent::Restarted));
        for work in self.labels.values_mut() {
            if let Stage::Sent { .. } = work.stage {
                work.stage = Stage::Ready(now);
                if let Some(next) = work.next.take() {
                    out.push(superseded(work.replace(next, now, self.limits.prepare)));
                }
            }
        }
    }

    fn pass_time(&mut self, now: Mono, out: &mut Vec<Output>) {
        let is_late = |work: &Work| matches!(work.stage, Stage::Sent { at, was_pending: false, .. } if now - at >= self.limits.prepare);
        let late = self.labels.iter().filter(|(_, work)| is_late(work));
        for label in late.map(|(label, _)| label.clone()).collect::<Vec<_>>() {
            if let Some(work) = self.labels.get_mut(&label) {
                work.forgets = true;
            }
            let why = "the access point took the image and did nothing with it, or the label did not fetch it; check the access point's disk and log, and the label's battery";
            self.miss(now, &label, Fault::Ignored, why, out);
        }
    }

    /// It did not work this time.
    fn miss(&mut self, now: Mono, label: &str, fault: Fault, why: &str, out: &mut Vec<Output>) {
        let Some(work) = self.labels.get_mut(label) else { return };
        if work.next.is_some() {
            out.extend(self.finish(now, label).map(superseded));
        } else if let Some(pause) = self.limits.retries.get(work.retries) {
            work.retries += 1;
            // Until then, what was cleared away has come to its end.
            work.was_cleared = false;
            work.stage = Stage::Ready(now + *pause);
        } else {
            out.extend(self.finish(now, label).map(|order| Output::Failed(order, fault, why.to_owned())));
        }
    }

    /// Ends the label's order and begins the next.
    fn finish(&mut self, now: Mono, label: &str) -> Option<Order> {
        let work = self.labels.remove(label)?;
        if let Some(next) = work.next {
            self.labels.insert(label.to_owned(), Work::new(next, now));
        }
        Some(work.order)
    }
}

fn superseded(Order { label, task, .. }: Order) -> Output {
    Output::Event(GatewayEvent::Superseded { label, task })
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
