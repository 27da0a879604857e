//! What the site hands to the journal and does not wait for: facts, alarm changes, telemetry.
//!
//! Facts and changes are stored in their order. When the journal's queue is full, of each alarm the latest
//! change is held and handed over later; other facts are counted as lost, and the audit trail tells so once
//! it can. Telemetry is refused before that, and its gap recorded with the next that is not.

use crate::console::RequestError;
use crate::journal::alarms::{self, AlarmChange};
use crate::journal::care::{self, Repair};
use crate::journal::meter::{self, Meter};
use crate::journal::telemetry::{self, Addition};
use crate::journal::{Journal, JournalError, audit, outbox};
use crate::telemetry::Part;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use storewarden_drivers::clock::Clock;
use storewarden_rules::{Condition, DeviceId, Millis, Mono, Now, Utc};
use tokio::sync::oneshot;

/// How often telemetry may be handed over and wait for the journal's disk; beyond, it is refused. What waits
/// together is written with one sync.
const COMMITTING_MAX: usize = 4;

/// A fact that has waited so long for the journal's disk waits for somebody to mend it.
const STOPPED_AFTER: Millis = Millis::from_secs(10);

/// The journal's answer, on its way.
pub(super) type Answer<T = u64> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send>>;

/// Where a person waits for an answer.
pub(super) type Reply = oneshot::Sender<Result<(), RequestError>>;

/// A fact handed to the journal.
struct Fact {
    since: Mono,
    stored: Answer<()>,
    /// People who are told once it is stored.
    replies: Vec<(Reply, Result<(), RequestError>)>,
}

/// Telemetry handed to the journal.
struct Handed {
    since: Mono,
    /// The time it tells of, and of what was refused before it.
    span: (Utc, Utc),
    /// How many messages it dropped.
    stored: Answer,
}

/// What is on its way to the journal.
pub(super) struct Keeping {
    journal: Journal,
    clock: Clock,
    /// What the hour meter showed when the monotonic clock showed 0.
    meter: i64,
    /// Facts handed over, oldest first.
    facts: VecDeque<Fact>,
    /// The latest change of each alarm, from when the journal took no more on.
    held: HashMap<(DeviceId, Condition), AlarmChange>,
    /// Facts that are lost, because the journal took no more.
    lost: u64,
    /// When this run began to read.
    started: Utc,
    /// Telemetry handed over, oldest first.
    telemetry: VecDeque<Handed>,
    /// Of which time telemetry was refused, until the next carries that to the journal.
    refused: Option<(Utc, Utc)>,
    /// Whether the newest telemetry was refused.
    is_refusing: bool,
}

impl Keeping {
    pub(super) fn new(journal: Journal, clock: Clock) -> Self {
        Self {
            meter: journal.meter() - clock.now().mono.0,
            started: clock.now().utc,
            journal,
            clock,
            facts: VecDeque::new(),
            held: HashMap::new(),
            lost: 0,
            telemetry: VecDeque::new(),
            refused: None,
            is_refusing: false,
        }
    }

    /// What the hour meter shows at `now`.
    pub(super) fn meter(&self, now: Now) -> Meter {
        Meter { utc: now.utc, shows: self.meter + now.mono.0 }
    }

    /// Hands over an alarm's change, or holds it while the journal takes no more: of each alarm the latest.
    pub(super) fn change(
        &mut self,
        now: Now,
        alarm: (DeviceId, Condition),
        change: AlarmChange,
    ) -> Result<(), JournalError> {
        // After one that is held the next is, so that they stay in order.
        if !self.held.is_empty() || !self.hand_over_change(now, change.clone())? {
            let replaced = self.held.insert(alarm, change);
            self.lost += u64::from(replaced.is_some());
        }
        Ok(())
    }

    /// Hands over an alarm's change, and waits until the journal takes it.
    pub(super) async fn change_waiting(&mut self, now: Now, change: AlarmChange) -> Result<(), JournalError> {
        let identity = self.journal.identity().clone();
        let stored = self.journal.begin(move |db| alarms::record(db, &identity, now.utc, &change)).await?;
        self.facts.push_back(Fact { since: now.mono, stored: Box::pin(stored), replies: Vec::new() });
        Ok(())
    }

    /// Hands an alarm's change to the journal; false if it takes no more.
    fn hand_over_change(&mut self, now: Now, change: AlarmChange) -> Result<bool, JournalError> {
        let identity = self.journal.identity().clone();
        self.hand_over(move |db| {
            let is_update = change.state == change.previous;
            if let Some(repair) = change.repair.as_ref().filter(|_| is_update) {
                care::record_repair(db, &change.device, &change.condition, repair, change.meter)?;
            }
            if !change.by.is_empty() {
                audit::append(db, now.utc, &change.by, "alarm", &audit_detail(&change))?;
            }
            alarms::record(db, &identity, now.utc, &change)
        })
    }

    /// Hands over a fact that is lost if the journal takes no more.
    pub(super) fn fact(
        &mut self,
        job: impl FnMut(&rusqlite::Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), JournalError> {
        if !self.hand_over(job)? {
            self.lost += 1;
        }
        Ok(())
    }

    /// Hands a fact to the journal without waiting; false if it takes no more.
    fn hand_over(
        &mut self,
        mut job: impl FnMut(&rusqlite::Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<bool, JournalError> {
        let shows = self.meter(self.clock.now()).shows;
        let job = move |db: &rusqlite::Connection| {
            meter::keep(db, shows)?;
            job(db)
        };
        match self.journal.hand_over(job) {
            Ok(stored) => {
                let since = self.clock.now().mono;
                self.facts.push_back(Fact { since, stored: Box::pin(stored), replies: Vec::new() });
                Ok(true)
            }
            Err(JournalError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells a person `answer` once all that was handed over is stored; while nothing can be, at once: the
    /// rules have taken it over.
    pub(super) fn reply_when_stored(&mut self, reply: Reply, answer: Result<(), RequestError>) {
        match self.facts.back_mut() {
            Some(last) => last.replies.push((reply, answer)),
            None => drop(reply.send(answer)),
        }
        if self.is_stopped() {
            self.reply_all();
        }
    }

    fn reply_all(&mut self) {
        for (reply, answer) in self.facts.iter_mut().flat_map(|fact| fact.replies.drain(..)) {
            let _ = reply.send(answer);
        }
    }

    /// Whether the journal cannot be written: its disk is full, read-only or does not answer.
    pub(super) fn is_stopped(&self) -> bool {
        let now = self.clock.now().mono;
        let oldest = self.facts.front().map(|fact| fact.since);
        let oldest = oldest.into_iter().chain(self.telemetry.front().map(|handed| handed.since)).min();
        self.is_refusing || oldest.is_some_and(|since| now - since >= STOPPED_AFTER)
    }

    /// Hands over what was held, if the journal takes it now.
    pub(super) fn retry(&mut self, now: Now) -> Result<(), JournalError> {
        if self.is_stopped() {
            self.reply_all();
        }
        while let Some(key) = self.held.keys().next().copied()
            && let Some(change) = self.held.get(&key).cloned()
            && self.hand_over_change(now, change)?
        {
            self.held.remove(&key);
        }
        if self.lost > 0 && self.held.is_empty() {
            let lost = self.lost;
            let detail = format!("{lost} facts were not recorded: the disk took nothing for too long");
            if self.hand_over(move |db| audit::append(db, now.utc, "agent", "journal-stopped", &detail))? {
                tracing::error!(lost, "the journal took no more: these facts are lost to it");
                self.lost = 0;
            }
        }
        Ok(())
    }

    /// Whether telemetry can wait: some is on its way to a journal that has not answered yet.
    pub(super) fn is_telemetry_under_way(&self) -> bool {
        !self.telemetry.is_empty()
    }

    /// Hands over what was read from `from` to now, and `closes` a message with it; if too much waits, it is
    /// refused. Without a part, what was refused before is told, and what the run before left is closed.
    pub(super) fn telemetry(
        &mut self,
        from: Utc,
        part: Option<Part>,
        closes: bool,
        budget: outbox::Budget,
    ) -> Result<(), JournalError> {
        let identity = self.journal.identity().clone();
        let now = self.clock.now();
        // A clock that was set back does not turn the span around.
        let before = self.refused.take();
        let span = (before.map_or(from, |(first, _)| first).min(now.utc), now.utc);
        if self.telemetry.len() >= COMMITTING_MAX {
            self.refuse(span);
            return Ok(());
        }
        let shows = self.meter(now).shows;
        let added = Addition { started: self.started, now: now.utc, part, closes };
        let offered = self.journal.offer(move |db| {
            meter::keep(db, shows)?;
            if let Some(lost) = before {
                outbox::append_loss(db, &identity, now.utc, lost)?;
            }
            telemetry::add(db, &identity, &added)?;
            outbox::bound_telemetry(db, &identity, now.utc, budget)
        });
        match offered {
            Ok(stored) => {
                self.telemetry.push_back(Handed { since: now.mono, span, stored: Box::pin(stored) });
            }
            Err(JournalError::Full) => self.refuse(span),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Telemetry of that time is lost; headquarters is told with the next that is not.
    fn refuse(&mut self, (from, to): (Utc, Utc)) {
        let (first, last) = self.refused.unwrap_or((from, to));
        self.refused = Some((first.min(from), last.max(to)));
        self.is_refusing = true;
    }

    /// Waits until the oldest fact or telemetry is stored, or cannot be by the journal's fault;
    /// none if nothing is on its way.
    pub(super) async fn next(&mut self) -> Option<Result<(), JournalError>> {
        let stored = tokio::select! {
            Some(stored) = first(self.facts.front_mut().map(|fact| &mut fact.stored)) => Stored::Fact(stored),
            Some(stored) = first(self.telemetry.front_mut().map(|handed| &mut handed.stored)) => {
                Stored::Telemetry(stored)
            }
            else => return None,
        };
        Some(match stored {
            Stored::Fact(stored) => self.fact_stored(stored),
            Stored::Telemetry(stored) => self.telemetry_stored(stored),
        })
    }

    /// Waits until the journal has all that was handed to it.
    pub(super) async fn settle(&mut self) -> Result<(), JournalError> {
        while let Some(stored) = self.next().await {
            stored?;
        }
        Ok(())
    }

    /// As if the oldest fact had waited until somebody must mend the disk.
    #[cfg(test)]
    pub(super) fn age(&mut self) {
        let oldest = self.facts.front_mut().expect("a fact waits");
        oldest.since = Mono(oldest.since.0 - STOPPED_AFTER.0);
    }

    /// How many changes are held, and how many facts are lost.
    #[cfg(test)]
    pub(super) fn held_and_lost(&self) -> (usize, u64) {
        (self.held.len(), self.lost)
    }

    fn fact_stored(&mut self, stored: Result<(), JournalError>) -> Result<(), JournalError> {
        let fact = self.facts.pop_front();
        stored?;
        for (reply, answer) in fact.into_iter().flat_map(|fact| fact.replies) {
            let _ = reply.send(answer);
        }
        Ok(())
    }

    /// The oldest telemetry is stored, or the disk did not take it.
    fn telemetry_stored(&mut self, stored: Result<u64, JournalError>) -> Result<(), JournalError> {
        let handed = self.telemetry.pop_front();
        self.is_refusing &= stored.is_err();
        match stored {
            Ok(0) => {}
            Ok(dropped) => tracing::warn!(
                messages = dropped,
                "headquarters or the time-series server has been away too long: the oldest telemetry was dropped"
            ),
            Err(JournalError::Refused) => {
                if let Some(handed) = handed {
                    self.refuse(handed.span);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The journal's word about the oldest of a kind.
enum Stored {
    Fact(Result<(), JournalError>),
    Telemetry(Result<u64, JournalError>),
}

/// The answer, if one is on its way.
pub(super) async fn first<T>(answer: Option<&mut Answer<T>>) -> Option<Result<T, JournalError>> {
    match answer {
        Some(answer) => Some(answer.await),
        None => None,
    }
}

/// What a person did to an alarm.
fn audit_detail(change: &AlarmChange) -> String {
    match &change.repair {
        Some(Repair { fixed: Some(_), .. }) if change.state == change.previous => {
            format!("alarm {}: repair is finished", change.alarm)
        }
        Some(repair) if change.state == change.previous => {
            format!("alarm {}: repair {} is ordered", change.alarm, repair.reference)
        }
        _ => format!("alarm {} is {}", change.alarm, change.state.name()),
    }
}
