//! One alarm, and what was last said of it.

use super::SHELF_MAX;
use super::chatter::{Chatter, Damper, RAISES};
use super::event::{AlarmEvent, AlarmSnapshot, Event, OpenRepair};
use super::policy::AlarmPolicy;
use crate::{
    Alarm, AlarmInput, AlarmState, Cause, Change, Condition, DeviceId, Diagnosis, Evidence, Fact, Millis,
    Mono, Now, Quantity, Utc,
};

/// Least probability with which another cause is said while an alarm lasts.
const SAID_AGAIN_FROM: f32 = 0.6;
/// How often that is at most: a diagnosis settles in the first minutes.
const SAID_AGAIN_AFTER: Millis = Millis::from_mins(10);
/// And how often in all.
const SAID_AGAIN_MAX: u8 = 12;
/// Highest level of an escalation.
const ESCALATION_MAX: u8 = 3;
/// Numbers of an [`Evidence`].
const FACTS: usize = 6;

/// One alarm.
pub(super) struct Slot {
    pub device: DeviceId,
    pub condition: Condition,
    /// Number of the rule that finds it.
    pub rule: u16,
    /// Whether the journal was told that the delay runs.
    pending: bool,
    /// How often it was said that nobody acknowledges it.
    escalation: u8,
    latch: bool,
    alarm: Alarm,
    cover: Option<Cover>,
    damper: Damper,
    /// Since when it is being repaired; [`Mono::NEVER`]: it is not.
    repair_since: Mono,
    /// How often it was said that the repair takes too long.
    repair_escalation: u8,
    /// In which ten minutes since the alarm changed another cause was last said.
    said_again: u8,
    /// None while the alarm is normal.
    last: Option<Last>,
}

/// Why an alarm is quiet without a person having shelved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// Another alarm explains it.
    Alarm(DeviceId, Condition),
    /// Somebody works on the device.
    Maintenance,
    /// The device is not in use.
    OutOfService,
}

impl Cover {
    fn begin(self) -> AlarmInput {
        match self {
            Self::Alarm(..) | Self::Maintenance => AlarmInput::Suppress,
            Self::OutOfService => AlarmInput::RemoveFromService,
        }
    }

    fn end(self) -> AlarmInput {
        match self {
            Self::Alarm(..) | Self::Maintenance => AlarmInput::Unsuppress,
            Self::OutOfService => AlarmInput::ReturnToService,
        }
    }
}

/// What was last said of an alarm.
struct Last {
    changed_at: Utc,
    /// The same on the clock of the delays.
    changed: Mono,
    diagnosis: Diagnosis,
    evidence: Kept,
}

/// An evidence at half its size, since a cabinet keeps one for each of its alarms: numbers to a
/// thousandth of their unit, or to seven digits.
struct Kept {
    since: Utc,
    values: [f32; FACTS],
    quantities: [Option<Quantity>; FACTS],
}

impl Kept {
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are more than any probe has")]
    fn new(evidence: &Evidence) -> Self {
        let mut kept = Self { since: evidence.since, values: [0.0; FACTS], quantities: [None; FACTS] };
        for (place, fact) in evidence.facts.iter().enumerate() {
            (kept.values[place], kept.quantities[place]) = (fact.value as f32, Some(fact.quantity));
        }
        kept
    }

    fn evidence(&self) -> Evidence {
        // 0.1 as f32 is 0.10000000149: what was said as 0.1 is said as 0.1 again.
        let widened = |value: f32| libm::round(f64::from(value) * 1000.0) / 1000.0;
        let facts = self.quantities.iter().zip(self.values);
        let facts = facts
            .filter_map(|(quantity, value)| Some(Fact { quantity: (*quantity)?, value: widened(value) }));
        Evidence { since: self.since, facts: facts.collect() }
    }
}

/// An alarm as it was before a restart.
pub(super) struct Before {
    pub state: AlarmState,
    pub changed_at: Utc,
    pub diagnosis: Diagnosis,
    pub evidence: Evidence,
    pub parent: Option<(DeviceId, Condition)>,
    pub escalation: u8,
    pub shelved_until: Option<Utc>,
}

impl Slot {
    pub(super) fn new(device: DeviceId, condition: Condition, rule: u16) -> Self {
        let latch = is_latching(condition);
        Self {
            device,
            condition,
            rule,
            pending: false,
            escalation: 0,
            latch,
            alarm: Alarm::new(latch),
            cover: None,
            damper: Damper::new(),
            repair_since: Mono::NEVER,
            repair_escalation: 0,
            said_again: 0,
            last: None,
        }
    }

    pub(super) fn is(&self, device: DeviceId, condition: Condition) -> bool {
        self.device == device && self.condition == condition
    }

    /// Whether the condition is true, announced or not. One that chatters counts until it is quiet.
    pub(super) fn is_active(&self) -> bool {
        self.alarm.is_active()
    }

    /// Whether the condition is true now, whatever is told of it.
    pub(super) fn is_true(&self) -> bool {
        self.alarm.is_active() && !self.damper.is_holding()
    }

    pub(super) fn cover(&self) -> Option<Cover> {
        self.cover
    }

    /// To be told before the first step.
    pub(super) fn set_latch(&mut self, latch: bool) {
        self.latch = latch;
        self.alarm = Alarm::new(latch);
    }

    pub(super) fn restore_pending(&mut self) {
        self.pending = true;
    }

    pub(super) fn restore_chatter(&mut self, now: Now, chatter: Chatter) {
        self.damper = Damper::restored(now, chatter);
    }

    pub(super) fn restore_repair(&mut self, now: Now, repair: OpenRepair) {
        (self.repair_since, self.repair_escalation) = (now.mono_of(repair.since), repair.escalation);
    }

    pub(super) fn restore(&mut self, now: Now, before: Before) {
        let Before { state, changed_at, diagnosis, evidence, parent, escalation, shelved_until } = before;
        // A box that starts with a clock in the past must not take a shelf for eternal.
        let until = shelved_until.map(|until| now.mono + (until - now.utc).min(SHELF_MAX));
        self.alarm = Alarm::restored(self.latch, state, until);
        self.escalation = escalation;
        // Whether that still holds is looked at in the first tick.
        self.cover = match state {
            AlarmState::SuppressedByDesign => {
                Some(parent.map_or(Cover::Maintenance, |(device, condition)| Cover::Alarm(device, condition)))
            }
            AlarmState::OutOfService => Some(Cover::OutOfService),
            _ => None,
        };
        if state != AlarmState::Normal {
            let (changed, evidence) = (now.mono_of(changed_at), Kept::new(&evidence));
            self.last = Some(Last { changed_at, changed, diagnosis, evidence });
        }
    }

    /// Weighs the cause again. Another one is said while the alarm lasts, with the state unchanged, in the
    /// first two hours and at most once in ten minutes; of an alarm that is covered it is only kept for
    /// when it comes back.
    pub(super) fn weigh(&mut self, now: Now, diagnosis: Diagnosis, out: &mut dyn FnMut(Event)) {
        let Some(last) = &mut self.last else { return };
        if !self.alarm.is_active()
            || diagnosis.cause == last.diagnosis.cause
            || diagnosis.cause == Cause::Unknown
            || diagnosis.probability < SAID_AGAIN_FROM
        {
            return;
        }
        if self.alarm.state().is_cover() {
            last.diagnosis = diagnosis;
            return;
        }
        let turn = level(now.mono - last.changed, Some(SAID_AGAIN_AFTER), SAID_AGAIN_MAX);
        if turn > self.said_again {
            (last.diagnosis, self.said_again) = (diagnosis, turn);
            self.update(now, out);
        }
    }

    /// The alarm, if it is not normal.
    pub(super) fn snapshot(&self) -> Option<AlarmSnapshot> {
        let last = self.last.as_ref()?;
        Some(AlarmSnapshot {
            device: self.device,
            condition: self.condition,
            state: self.alarm.state(),
            since: last.evidence.since,
            changed_at: last.changed_at,
            diagnosis: last.diagnosis,
            evidence: last.evidence.evidence(),
            parent: self.parent(),
            escalation: self.escalation,
        })
    }

    fn parent(&self) -> Option<(DeviceId, Condition)> {
        match self.cover? {
            Cover::Alarm(device, condition) => Some((device, condition)),
            Cover::Maintenance | Cover::OutOfService => None,
        }
    }

    fn open_repair(&self, now: Now) -> Option<OpenRepair> {
        let since = now.utc_of(self.repair_since.known()?);
        Some(OpenRepair { since, escalation: self.repair_escalation })
    }

    /// Carries a detector's change of mind over to the alarm. `cover` is why it is quiet, if it is.
    pub(super) fn change(
        &mut self,
        now: Now,
        change: Change,
        diagnosis: Diagnosis,
        cover: Option<Cover>,
        policy: &AlarmPolicy,
        out: &mut dyn FnMut(Event),
    ) {
        match change {
            Change::Pending(since) => self.set_pending(Some(since), out),
            Change::Settled => self.set_pending(None, out),
            Change::Raised(evidence) => {
                let is_told = self.damper.raise(now.mono, policy.chatter_quiet)
                    && self.raise(now, diagnosis, evidence, cover, out);
                if !is_told {
                    self.keep_chatter(now, out);
                }
                self.end_pending(out);
            }
            Change::Cleared(evidence) => {
                if self.damper.clear(now.mono) {
                    let known = self.last.as_ref();
                    let diagnosis = known.map_or_else(Diagnosis::default, |last| last.diagnosis);
                    self.learn(now, diagnosis, &evidence);
                    self.clear(now, out);
                } else {
                    self.keep_chatter(now, out);
                }
                // Left over if a crash came between an alarm and the end of its delay.
                self.end_pending(out);
            }
        }
    }

    /// The condition is true. Whether that was said.
    fn raise(
        &mut self,
        now: Now,
        diagnosis: Diagnosis,
        mut evidence: Evidence,
        cover: Option<Cover>,
        out: &mut dyn FnMut(Event),
    ) -> bool {
        if self.damper.is_damped() {
            // That its clear will be held back weighs more than the least of the numbers.
            evidence.facts.truncate(FACTS - 1);
            evidence = evidence.with(Quantity::Alarms, f64::from(RAISES));
        }
        self.learn(now, diagnosis, &evidence);
        let previous = self.alarm.state();
        let input = match cover {
            // Covered before it is raised: it is never announced.
            Some(cover) if !previous.is_cover() => {
                self.cover = Some(cover);
                self.alarm.step(now.mono, AlarmInput::Raise);
                cover.begin()
            }
            _ => AlarmInput::Raise,
        };
        self.announce(now, previous, input, out)
    }

    /// The condition is over.
    fn clear(&mut self, now: Now, out: &mut dyn FnMut(Event)) {
        self.step(now, AlarmInput::Clear, out);
        if let Some(cover) = self.cover.take() {
            self.step(now, cover.end(), out);
        }
    }

    /// Lets time pass: ends a shelf, believes a clear that was held back, escalates.
    pub(super) fn tick(&mut self, now: Now, policy: &AlarmPolicy, out: &mut dyn FnMut(Event)) {
        let was_damped = self.damper.is_damped();
        if was_damped && self.damper.tick(now.mono, policy.chatter_quiet) {
            self.clear(now, out);
        }
        if was_damped && !self.damper.is_damped() {
            self.keep_chatter(now, out);
        }
        self.step(now, AlarmInput::Tick, out);
        self.escalate(now, policy, out);
    }

    fn escalate(&mut self, now: Now, policy: &AlarmPolicy, out: &mut dyn FnMut(Event)) {
        let mut is_news = false;
        if self.alarm.state() == AlarmState::ActiveUnacknowledged
            && let Some(last) = &self.last
        {
            let level =
                level(now.mono - last.changed, policy.escalate(self.condition.priority()), ESCALATION_MAX);
            is_news = level > self.escalation;
            self.escalation = self.escalation.max(level);
        }
        if let Some(since) = self.repair_since.known() {
            let level = level(now.mono - since, policy.repair_max, ESCALATION_MAX);
            is_news |= level > self.repair_escalation;
            self.repair_escalation = self.repair_escalation.max(level);
        }
        if is_news {
            self.update(now, out);
        }
    }

    /// Somebody repairs what the alarm is about. Does nothing if somebody does already.
    pub(super) fn begin_repair(&mut self, now: Now, out: &mut dyn FnMut(Event)) {
        if self.repair_since.known().is_none() {
            (self.repair_since, self.repair_escalation) = (now.mono, 0);
            self.update(now, out);
        }
    }

    /// It is repaired. Does nothing if nobody repairs it.
    pub(super) fn end_repair(&mut self, now: Now, out: &mut dyn FnMut(Event)) {
        if self.repair_since.replace(Mono::NEVER).is_some() {
            self.update(now, out);
        }
    }

    /// Covers an active alarm, uncovers it, or changes why it is covered. What a person has shelved
    /// stays so until the shelf ends, unless the device is taken out of use.
    pub(super) fn set_cover(&mut self, now: Now, cover: Option<Cover>, out: &mut dyn FnMut(Event)) {
        let previous = self.alarm.state();
        let is_shelved = previous == AlarmState::Shelved && cover != Some(Cover::OutOfService);
        if self.cover == cover || !self.alarm.is_active() || is_shelved {
            return;
        }
        let before = core::mem::replace(&mut self.cover, cover);
        let input = match (before, cover) {
            (Some(before), None) => before.end(),
            (before, Some(cover)) => {
                // From out of use to suppressed there is no way but through normal; not worth a word.
                if let Some(before) = before {
                    self.alarm.step(now.mono, before.end());
                }
                cover.begin()
            }
            (None, None) => return,
        };
        self.announce(now, previous, input, out);
    }

    /// Ends the shelf, by time or by a person; `cover` is what else keeps the alarm quiet.
    pub(super) fn unshelve(
        &mut self,
        now: Now,
        input: AlarmInput,
        cover: Option<Cover>,
        out: &mut dyn FnMut(Event),
    ) {
        let previous = self.alarm.state();
        if previous != AlarmState::Shelved {
            return;
        }
        match cover {
            Some(cover) if self.alarm.is_active() => {
                self.cover = Some(cover);
                self.alarm.step(now.mono, input);
                self.announce(now, previous, cover.begin(), out);
            }
            _ => drop(self.announce(now, previous, input, out)),
        }
    }

    /// Whether the time of its shelf is over.
    pub(super) fn is_shelf_over(&self, now: Now) -> bool {
        self.alarm.state() == AlarmState::Shelved && {
            let mut next = self.alarm;
            next.step(now.mono, AlarmInput::Tick).is_some()
        }
    }

    fn learn(&mut self, now: Now, diagnosis: Diagnosis, evidence: &Evidence) {
        let known = self.last.as_ref();
        let (changed_at, changed) = known.map_or((now.utc, now.mono), |last| (last.changed_at, last.changed));
        self.last = Some(Last { changed_at, changed, diagnosis, evidence: Kept::new(evidence) });
    }

    fn keep_chatter(&self, now: Now, out: &mut dyn FnMut(Event)) {
        let chatter = self.damper.chatter(now);
        out(Event::Chatter { device: self.device, condition: self.condition, chatter });
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

    /// Whether something was said.
    fn announce(
        &mut self,
        now: Now,
        previous: AlarmState,
        input: AlarmInput,
        out: &mut dyn FnMut(Event),
    ) -> bool {
        self.alarm.step(now.mono, input);
        let state = self.alarm.state();
        if state == previous {
            return false;
        }
        self.escalation = 0;
        let last = self.last.get_or_insert_with(|| Last {
            changed_at: now.utc,
            changed: now.mono,
            diagnosis: Diagnosis::default(),
            evidence: Kept::new(&Evidence::since(now.utc)),
        });
        (last.changed_at, last.changed) = (now.utc, now.mono);
        self.said_again = 0;
        out(Event::Alarm(self.event(now, previous)));
        if state == AlarmState::Normal {
            self.last = None;
        }
        true
    }

    /// Says the alarm again in the state it is in: something else about it changed.
    fn update(&self, now: Now, out: &mut dyn FnMut(Event)) {
        out(Event::Update(self.event(now, self.alarm.state())));
    }

    fn event(&self, now: Now, previous: AlarmState) -> AlarmEvent {
        let last = self.last.as_ref();
        AlarmEvent {
            device: self.device,
            condition: self.condition,
            state: self.alarm.state(),
            previous,
            at: now.utc,
            diagnosis: last.map_or_else(Diagnosis::default, |last| last.diagnosis),
            evidence: last.map_or_else(|| Evidence::since(now.utc), |last| last.evidence.evidence()),
            parent: self.parent(),
            escalation: self.escalation,
            repair: self.open_repair(now),
            chatter: self.damper.chatter(now),
        }
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

/// Whether an alarm stays until it is acknowledged after the return, by default: goods that were too
/// warm are not good again when they are cold.
fn is_latching(condition: Condition) -> bool {
    condition == Condition::GoodsWarm
}

/// The level of what comes once every `each`, up to `max`.
fn level(held: Millis, each: Option<Millis>, max: u8) -> u8 {
    match each {
        Some(each) if each > Millis(0) => u8::try_from((held.0 / each.0).clamp(0, max.into())).unwrap_or(max),
        _ => 0,
    }
}

/// With its dozen alarms and its judgement a cabinet takes at most 4 KB.
const _: () = assert!(size_of::<Slot>() <= 144);

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
        slot.change(
            at(0),
            change,
            Diagnosis::certain(Cause::DoorOpen),
            None,
            &AlarmPolicy::default(),
            &mut |_| {},
        );
        slot
    }

    fn weigh(slot: &mut Slot, minute: i64, diagnosis: Diagnosis) -> Option<AlarmEvent> {
        let mut said = None;
        slot.weigh(at(minute), diagnosis, &mut |event| match event {
            Event::Update(alarm) => said = Some(alarm),
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
        slot.change(
            at(1),
            Change::Cleared(Evidence::since(at(0).utc)),
            ICED,
            None,
            &AlarmPolicy::default(),
            &mut |_| {},
        );
        assert_eq!(weigh(&mut slot, 60, ICED), None);
    }
}
