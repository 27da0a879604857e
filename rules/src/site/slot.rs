//! One alarm, and what was last said of it.

use super::SHELF_MAX;
use super::event::{AlarmEvent, AlarmSnapshot, Event};
use crate::{
    Alarm, AlarmInput, AlarmState, Change, Condition, DeviceId, Diagnosis, Evidence, Millis, Now, Utc,
};

/// One alarm.
pub(super) struct Slot {
    pub device: DeviceId,
    pub condition: Condition,
    /// Number of the rule that finds it.
    pub rule: u16,
    /// Whether the journal was told that the delay runs.
    pending: bool,
    alarm: Alarm,
    /// The alarm that explains this one.
    parent: Option<(DeviceId, Condition)>,
    /// None while the alarm is normal.
    last: Option<Last>,
}

/// What was last said of an alarm.
struct Last {
    changed_at: Utc,
    diagnosis: Diagnosis,
    evidence: Evidence,
}

/// An alarm as it was before a restart.
pub(super) struct Before {
    pub state: AlarmState,
    pub changed_at: Utc,
    pub diagnosis: Diagnosis,
    pub evidence: Evidence,
    pub shelved_until: Option<Utc>,
}

impl Slot {
    pub(super) fn new(device: DeviceId, condition: Condition, rule: u16) -> Self {
        Self { device, condition, rule, pending: false, alarm: Alarm::new(false), parent: None, last: None }
    }

    pub(super) fn is(&self, device: DeviceId, condition: Condition) -> bool {
        self.device == device && self.condition == condition
    }

    /// Whether the condition is true, announced or not.
    pub(super) fn is_active(&self) -> bool {
        self.alarm.is_active()
    }

    pub(super) fn restore_pending(&mut self) {
        self.pending = true;
    }

    pub(super) fn restore(&mut self, now: Now, before: Before) {
        let Before { state, changed_at, diagnosis, evidence, shelved_until } = before;
        // A box that starts with a clock in the past must not take a shelf for eternal.
        let until = shelved_until.map(|until| now.mono + (until - now.utc).min(SHELF_MAX));
        self.alarm = Alarm::restored(false, state, until);
        if state != AlarmState::Normal {
            self.last = Some(Last { changed_at, diagnosis, evidence });
        }
    }

    /// The alarm, if it is not normal.
    pub(super) fn snapshot(&self) -> Option<AlarmSnapshot> {
        let Last { changed_at, diagnosis, evidence } = self.last.as_ref()?;
        Some(AlarmSnapshot {
            device: self.device,
            condition: self.condition,
            state: self.alarm.state(),
            since: evidence.since,
            changed_at: *changed_at,
            diagnosis: *diagnosis,
            evidence: evidence.clone(),
            parent: self.parent,
        })
    }

    /// Carries a detector's change of mind over to the alarm. `parent` is the alarm that explains it.
    pub(super) fn change(
        &mut self,
        now: Now,
        change: Change,
        diagnosis: Diagnosis,
        parent: Option<(DeviceId, Condition)>,
        out: &mut dyn FnMut(Event),
    ) {
        match change {
            Change::Pending(since) => self.set_pending(Some(since), out),
            Change::Settled => self.set_pending(None, out),
            Change::Raised(evidence) => {
                self.learn(now, diagnosis, evidence);
                if parent.is_some() && self.alarm.state() == AlarmState::Normal {
                    // Covered before it is raised: it is never announced.
                    self.parent = parent;
                    self.alarm.step(now.mono, AlarmInput::Raise);
                    self.announce(now, AlarmState::Normal, AlarmInput::Suppress, out);
                } else {
                    self.step(now, AlarmInput::Raise, out);
                }
                self.end_pending(out);
            }
            Change::Cleared(evidence) => {
                let diagnosis = self.last.as_ref().map_or_else(Diagnosis::default, |last| last.diagnosis);
                self.learn(now, diagnosis, evidence);
                self.step(now, AlarmInput::Clear, out);
                if self.parent.take().is_some() {
                    self.step(now, AlarmInput::Unsuppress, out);
                }
                // Left over if a crash came between an alarm and the end of its delay.
                self.end_pending(out);
            }
        }
    }

    /// Puts an active alarm beneath the one that explains it, or takes it out again.
    pub(super) fn explain(
        &mut self,
        now: Now,
        parent: Option<(DeviceId, Condition)>,
        out: &mut dyn FnMut(Event),
    ) {
        if self.parent == parent || !self.alarm.is_active() {
            return;
        }
        if parent.is_none() {
            self.parent = None;
            self.step(now, AlarmInput::Unsuppress, out);
        } else if !self.alarm.state().is_cover() || self.parent.is_some() {
            self.parent = parent;
            self.step(now, AlarmInput::Suppress, out);
        }
    }

    fn learn(&mut self, now: Now, diagnosis: Diagnosis, evidence: Evidence) {
        let changed_at = self.last.as_ref().map_or(now.utc, |last| last.changed_at);
        self.last = Some(Last { changed_at, diagnosis, evidence });
    }

    fn end_pending(&mut self, out: &mut dyn FnMut(Event)) {
        if self.pending {
            self.set_pending(None, out);
        }
    }

    fn set_pending(&mut self, since: Option<Utc>, out: &mut dyn FnMut(Event)) {
        self.pending = since.is_some();
        out(Event::Pending { device: self.device, condition: self.condition, since });
    }

    /// Gives `input` to the alarm and says what changed.
    pub(super) fn step(&mut self, now: Now, input: AlarmInput, out: &mut dyn FnMut(Event)) {
        let previous = self.alarm.state();
        self.announce(now, previous, input, out);
    }

    fn announce(&mut self, now: Now, previous: AlarmState, input: AlarmInput, out: &mut dyn FnMut(Event)) {
        self.alarm.step(now.mono, input);
        let state = self.alarm.state();
        if state == previous {
            return;
        }
        let last = self.last.get_or_insert_with(|| Last {
            changed_at: now.utc,
            diagnosis: Diagnosis::default(),
            evidence: Evidence::since(now.utc),
        });
        last.changed_at = now.utc;
        let (diagnosis, evidence) = (last.diagnosis, last.evidence.clone());
        if state == AlarmState::Normal {
            self.last = None;
        }
        out(Event::Alarm(AlarmEvent {
            device: self.device,
            condition: self.condition,
            state,
            previous,
            at: now.utc,
            diagnosis,
            evidence,
            parent: self.parent,
        }));
    }

    /// Whether it can be put aside: what is over, or put aside already, is not.
    pub(super) fn can_shelve(&self) -> bool {
        self.last.is_some() && !self.alarm.state().is_cover()
    }

    /// When a shelf of `span` from now ends.
    pub(super) fn shelf_end(now: Now, span: Millis) -> crate::Mono {
        now.mono + span.min(SHELF_MAX)
    }
}
