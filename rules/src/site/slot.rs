//! A rule with its alarm, and what was last said of it.

use super::SHELF_MAX;
use super::event::{AlarmEvent, AlarmSnapshot, Event, Restored};
use super::rule::Running;
use crate::detect::Demand;
use crate::{Alarm, AlarmInput, AlarmState, Cause, Change, Condition, DeviceId, Evidence, Now, Utc};

/// A rule with its alarm.
pub(super) struct Slot {
    pub device: DeviceId,
    /// None for a schedule.
    condition: Option<Condition>,
    pub running: Running,
    /// Whether the journal was told that the delay runs.
    pending: bool,
    alarm: Alarm,
    /// None while the alarm is normal.
    last: Option<Last>,
}

/// What was last said of an alarm.
struct Last {
    changed_at: Utc,
    cause: Cause,
    evidence: Evidence,
}

impl Slot {
    pub(super) fn new(device: DeviceId, condition: Option<Condition>, running: Running) -> Self {
        Self { device, condition, running, pending: false, alarm: Alarm::new(false), last: None }
    }

    pub(super) fn is(&self, device: DeviceId, condition: Condition) -> bool {
        self.device == device && self.condition == Some(condition)
    }

    pub(super) fn restore(&mut self, now: Now, restored: Restored, demands: &mut [Demand]) {
        match restored {
            Restored::Pending { since } => {
                self.pending = true;
                if !self.alarm.is_active() {
                    self.running.restore_pending(now, since);
                }
            }
            Restored::Alarm { state, changed_at, cause, evidence, shelved_until } => {
                // A box that starts with a clock in the past must not take a shelf for eternal.
                let until = shelved_until.map(|until| now.mono + (until - now.utc).min(SHELF_MAX));
                self.alarm = Alarm::restored(false, state, until);
                if self.alarm.is_active() {
                    self.running.restore_raised(now, &evidence, demands);
                }
                if state != AlarmState::Normal {
                    self.last = Some(Last { changed_at, cause, evidence });
                }
            }
        }
    }

    /// The alarm, if it is not normal.
    pub(super) fn snapshot(&self) -> Option<AlarmSnapshot> {
        let Last { changed_at, cause, evidence } = self.last.as_ref()?;
        Some(AlarmSnapshot {
            device: self.device,
            condition: self.condition?,
            state: self.alarm.state(),
            since: evidence.since,
            changed_at: *changed_at,
            cause: *cause,
            evidence: evidence.clone(),
        })
    }

    /// Carries a detector's change of mind over to the alarm.
    pub(super) fn change(&mut self, now: Now, change: Change, cause: Cause, out: &mut dyn FnMut(Event)) {
        match change {
            Change::Pending(since) => self.set_pending(Some(since), out),
            Change::Settled => self.set_pending(None, out),
            Change::Raised(evidence) => {
                self.learn(now, cause, evidence);
                self.change_alarm(now, AlarmInput::Raise, out);
                self.end_pending(out);
            }
            Change::Cleared(evidence) => {
                let cause = self.last.as_ref().map_or(Cause::Unknown, |last| last.cause);
                self.learn(now, cause, evidence);
                self.change_alarm(now, AlarmInput::Clear, out);
                // Left over if a crash came between an alarm and the end of its delay.
                self.end_pending(out);
            }
        }
    }

    fn learn(&mut self, now: Now, cause: Cause, evidence: Evidence) {
        let changed_at = self.last.as_ref().map_or(now.utc, |last| last.changed_at);
        self.last = Some(Last { changed_at, cause, evidence });
    }

    fn end_pending(&mut self, out: &mut dyn FnMut(Event)) {
        if self.pending {
            self.set_pending(None, out);
        }
    }

    fn set_pending(&mut self, since: Option<Utc>, out: &mut dyn FnMut(Event)) {
        self.pending = since.is_some();
        if let Some(condition) = self.condition {
            out(Event::Pending { device: self.device, condition, since });
        }
    }

    pub(super) fn change_alarm(&mut self, now: Now, input: AlarmInput, out: &mut dyn FnMut(Event)) {
        let Some(condition) = self.condition else { return };
        let Some(previous) = self.alarm.step(now.mono, input) else { return };
        let state = self.alarm.state();
        let last = self.last.get_or_insert_with(|| Last {
            changed_at: now.utc,
            cause: Cause::Unknown,
            evidence: Evidence::since(now.utc),
        });
        last.changed_at = now.utc;
        let (cause, evidence) = (last.cause, last.evidence.clone());
        if state == AlarmState::Normal {
            self.last = None;
        }
        out(Event::Alarm(AlarmEvent {
            device: self.device,
            condition,
            state,
            previous,
            at: now.utc,
            cause,
            evidence,
        }));
    }
}
