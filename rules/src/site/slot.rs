//! One alarm, and what was last said of it.

use super::SHELF_MAX;
use super::event::{AlarmEvent, AlarmSnapshot, Event};
use crate::{
    Alarm, AlarmInput, AlarmState, Cause, Change, Condition, DeviceId, Diagnosis, Evidence, Millis, Mono,
    Now, Quantity, Utc,
};

/// Least probability with which another cause is said while an alarm lasts.
const SAID_AGAIN_FROM: f32 = 0.6;
/// Least time since the last word before another cause is said: a diagnosis settles in the first minutes.
const SAID_AGAIN_AFTER: Millis = Millis::from_mins(10);

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
    /// When an event last told of it.
    said_at: Mono,
    diagnosis: Diagnosis,
    evidence: Kept,
}

/// An evidence at half its size, since a cabinet keeps one for each of its alarms: numbers to a
/// thousandth of their unit, or to seven digits.
struct Kept {
    since: Utc,
    facts: heapless::Vec<(Quantity, f32), 6>,
}

impl Kept {
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are more than any probe has")]
    fn of(evidence: &Evidence) -> Self {
        let facts = evidence.facts.iter().map(|fact| (fact.quantity, fact.value as f32)).collect();
        Self { since: evidence.since, facts }
    }

    fn evidence(&self) -> Evidence {
        // 0.1 as f32 is 0.10000000149: what was said as 0.1 is said as 0.1 again.
        let widened = |value: f32| libm::round(f64::from(value) * 1000.0) / 1000.0;
        let facts = self.facts.iter();
        facts.fold(Evidence::since(self.since), |evidence, (quantity, value)| {
            evidence.with(*quantity, widened(*value))
        })
    }
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
            let (said_at, evidence) = (now.mono_of(changed_at), Kept::of(&evidence));
            self.last = Some(Last { changed_at, said_at, diagnosis, evidence });
        }
    }

    /// After a restart: beneath the alarm that explains it, without a word if that was known before.
    pub(super) fn settle(
        &mut self,
        now: Now,
        parent: Option<(DeviceId, Condition)>,
        out: &mut dyn FnMut(Event),
    ) {
        if self.alarm.state() == AlarmState::SuppressedByDesign {
            self.parent = parent;
            if parent.is_none() {
                self.step(now, AlarmInput::Unsuppress, out);
            }
        } else {
            self.explain(now, parent, out);
        }
    }

    /// Brings it back if it was put aside for long enough; what is explained by then goes from the shelf
    /// beneath its parent.
    pub(super) fn end_shelf(
        &mut self,
        now: Now,
        parent: Option<(DeviceId, Condition)>,
        out: &mut dyn FnMut(Event),
    ) {
        let mut ended = self.alarm;
        let is_over = ended.step(now.mono, AlarmInput::Tick).is_some();
        if is_over && parent.is_some() && ended.is_active() {
            self.parent = parent;
            self.step(now, AlarmInput::Suppress, out);
        } else {
            self.step(now, AlarmInput::Tick, out);
        }
    }

    /// Weighs the cause again. Another one is said while the alarm lasts, with the state unchanged; of an
    /// alarm that is covered it is only kept for when it comes back.
    pub(super) fn weigh(&mut self, now: Now, diagnosis: Diagnosis, out: &mut dyn FnMut(Event)) {
        let state = self.alarm.state();
        let Some(last) = &mut self.last else { return };
        if !self.alarm.is_active()
            || diagnosis.cause == last.diagnosis.cause
            || diagnosis.cause == Cause::Unknown
            || diagnosis.probability < SAID_AGAIN_FROM
        {
            return;
        }
        if state.is_cover() {
            last.diagnosis = diagnosis;
        } else if now.mono - last.said_at >= SAID_AGAIN_AFTER {
            last.diagnosis = diagnosis;
            last.said_at = now.mono;
            let evidence = last.evidence.evidence();
            out(Event::Alarm(AlarmEvent {
                device: self.device,
                condition: self.condition,
                state,
                previous: state,
                at: now.utc,
                diagnosis,
                evidence,
                parent: None,
            }));
        }
    }

    /// The alarm, if it is not normal.
    pub(super) fn snapshot(&self) -> Option<AlarmSnapshot> {
        let Last { changed_at, diagnosis, evidence, .. } = self.last.as_ref()?;
        Some(AlarmSnapshot {
            device: self.device,
            condition: self.condition,
            state: self.alarm.state(),
            since: evidence.since,
            changed_at: *changed_at,
            diagnosis: *diagnosis,
            evidence: evidence.evidence(),
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
        let (changed_at, said_at) =
            self.last.as_ref().map_or((now.utc, now.mono), |last| (last.changed_at, last.said_at));
        self.last = Some(Last { changed_at, said_at, diagnosis, evidence: Kept::of(&evidence) });
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
            said_at: now.mono,
            diagnosis: Diagnosis::default(),
            evidence: Kept { since: now.utc, facts: heapless::Vec::new() },
        });
        last.changed_at = now.utc;
        last.said_at = now.mono;
        let (diagnosis, evidence) = (last.diagnosis, last.evidence.evidence());
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

    pub(super) fn is_shelved(&self) -> bool {
        self.alarm.state() == AlarmState::Shelved
    }

    /// Whether it can be put aside: what is over, or put aside already, is not.
    pub(super) fn can_shelve(&self) -> bool {
        self.last.is_some() && !self.alarm.state().is_cover()
    }

    /// When a shelf of `span` from now ends.
    pub(super) fn shelf_end(now: Now, span: Millis) -> Mono {
        now.mono + span.min(SHELF_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ICED: Diagnosis = Diagnosis { probability: 0.7, ..Diagnosis::certain(Cause::EvaporatorIced) };

    fn at(minutes: i64) -> Now {
        Now::default().after(Millis::from_mins(minutes))
    }

    /// An alarm that was raised at minute 0 because of an open door.
    fn raised() -> Slot {
        let mut slot = Slot::new(DeviceId(0), Condition::TemperatureHigh, 0);
        let change = Change::Raised(Evidence::since(at(0).utc));
        slot.change(at(0), change, Diagnosis::certain(Cause::DoorOpen), None, &mut |_| {});
        slot
    }

    fn weigh(slot: &mut Slot, minute: i64, diagnosis: Diagnosis) -> Option<AlarmEvent> {
        let mut said = None;
        slot.weigh(at(minute), diagnosis, &mut |event| match event {
            Event::Alarm(alarm) => said = Some(alarm),
            other => panic!("{other:?}"),
        });
        said
    }

    #[test]
    fn another_probable_cause_is_said_once_ten_minutes_after_the_last_word() {
        let mut slot = raised();
        assert_eq!(weigh(&mut slot, 9, ICED), None);
        let said = weigh(&mut slot, 10, ICED).expect("another cause");
        assert_eq!((said.previous, said.state), (AlarmState::ActiveUnacknowledged, said.previous));
        assert_eq!((said.diagnosis, said.at), (ICED, at(10).utc));
        assert_eq!(weigh(&mut slot, 30, ICED), None, "said already");
        let door = Diagnosis::certain(Cause::DoorOpen);
        assert_eq!(weigh(&mut slot, 19, door), None, "too soon after the last word");
        assert!(weigh(&mut slot, 20, door).is_some());
        let snapshot = slot.snapshot().expect("it lasts");
        assert_eq!((snapshot.changed_at, snapshot.diagnosis), (at(0).utc, door), "its state has not changed");
    }

    #[test]
    fn evidence_is_kept_to_a_thousandth() {
        let evidence = Evidence::since(at(3).utc)
            .with(Quantity::Temperature, -17.3)
            .with(Quantity::Demand, 20_111.125)
            .with_span(Quantity::Held, Millis::from_mins(24 * 60));
        assert_eq!(Kept::of(&evidence).evidence(), evidence);
    }

    #[test]
    fn a_weak_cause_and_none_are_not_said() {
        let mut slot = raised();
        assert_eq!(weigh(&mut slot, 60, Diagnosis { probability: 0.59, ..ICED }), None);
        assert_eq!(weigh(&mut slot, 60, Diagnosis::default()), None);
        slot.step(at(60), AlarmInput::Acknowledge, &mut |_| {});
        assert_eq!(weigh(&mut slot, 61, ICED), None, "the acknowledgement was the last word");
        let said = weigh(&mut slot, 70, ICED).expect("another cause");
        assert_eq!(said.state, AlarmState::ActiveAcknowledged);
    }

    #[test]
    fn what_is_covered_or_over_says_nothing() {
        let mut slot = raised();
        slot.step(at(1), AlarmInput::Shelve { until: at(100).mono }, &mut |_| {});
        assert_eq!(weigh(&mut slot, 60, ICED), None);
        assert_eq!(slot.snapshot().expect("shelved").diagnosis, ICED, "kept for when it comes back");
        let mut slot = raised();
        slot.change(at(1), Change::Cleared(Evidence::since(at(0).utc)), ICED, None, &mut |_| {});
        assert_eq!(weigh(&mut slot, 60, ICED), None);
    }
}
