//! The table of points: the last sample of each, and which rules watch it.

use crate::{BadReason, DeviceId, Millis, Mono, PointId, Sample};
use heapless::Vec;

const POINTS_MAX: usize = 2048;
/// A rule watches two points at most.
const WATCHES_MAX: usize = 2 * super::RULES_MAX;

/// Last samples, dense by [`PointId`].
pub(super) struct Points {
    slots: Vec<Slot, POINTS_MAX>,
    watches: Vec<Watch, WATCHES_MAX>,
    /// When the site first saw the time.
    started: Option<Mono>,
}

struct Slot {
    device: DeviceId,
    stale_after: Millis,
    last: Option<(Mono, Sample)>,
    first_watch: Option<u16>,
    schedule: Option<u16>,
}

/// A link of the list of rules that watch a point.
struct Watch {
    rule: u16,
    next: Option<u16>,
}

impl Points {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), watches: Vec::new(), started: None }
    }

    /// None when full.
    pub(super) fn add(&mut self, device: DeviceId, stale_after: Millis) -> Option<PointId> {
        let id = PointId(u16::try_from(self.slots.len()).ok()?);
        let slot = Slot { device, stale_after, last: None, first_watch: None, schedule: None };
        self.slots.push(slot).ok()?;
        Some(id)
    }

    pub(super) fn contains(&self, point: PointId) -> bool {
        usize::from(point.0) < self.slots.len()
    }

    /// From now on, readings of `point` step `rule`, after the rules that were there before.
    pub(super) fn watch(&mut self, point: PointId, rule: u16) {
        let new = u16::try_from(self.watches.len()).expect("at most WATCHES_MAX links");
        let pushed = self.watches.push(Watch { rule, next: None });
        assert!(pushed.is_ok(), "two links for each rule that fits");
        let mut last = &mut self.slots[usize::from(point.0)].first_watch;
        while let Some(link) = *last {
            last = &mut self.watches[usize::from(link)].next;
        }
        *last = Some(new);
    }

    /// First link of the rules that watch `point`.
    pub(super) fn first_watch(&self, point: PointId) -> Option<u16> {
        self.slots.get(usize::from(point.0))?.first_watch
    }

    /// The rule at `link`, and the next link.
    pub(super) fn follow(&self, link: u16) -> (u16, Option<u16>) {
        let watch = &self.watches[usize::from(link)];
        (watch.rule, watch.next)
    }

    /// The rule that schedules the switch `point`.
    pub(super) fn schedule(&self, point: PointId) -> Option<u16> {
        self.slots.get(usize::from(point.0))?.schedule
    }

    pub(super) fn set_schedule(&mut self, point: PointId, rule: u16) {
        self.slots[usize::from(point.0)].schedule = Some(rule);
    }

    /// When the site first saw the time.
    pub(super) fn started(&self) -> Option<Mono> {
        self.started
    }

    pub(super) fn start(&mut self, now: Mono) {
        self.started.get_or_insert(now);
    }

    /// Keeps a new sample; gives the point's device, or none for a point that is not there.
    pub(super) fn take(&mut self, now: Mono, point: PointId, sample: Sample) -> Option<DeviceId> {
        let slot = self.slots.get_mut(usize::from(point.0))?;
        slot.last = Some((now, sample));
        Some(slot.device)
    }

    /// The last sample with staleness applied; no response if never read.
    pub(super) fn sample(&self, now: Mono, point: PointId) -> Sample {
        let slot = self.slots.get(usize::from(point.0));
        match slot.and_then(|slot| slot.last.map(|last| (last, slot.stale_after))) {
            None => Sample::Bad(BadReason::NoResponse),
            Some(((at, Sample::Good(value)), stale_after)) if now - at > stale_after => Sample::Stale(value),
            Some(((_, sample), _)) => sample,
        }
    }

    /// Whether the point was read, or should have been by now.
    pub(super) fn is_due(&self, now: Mono, point: PointId) -> bool {
        let Some(slot) = self.slots.get(usize::from(point.0)) else { return true };
        slot.last.is_some() || self.started.is_some_and(|started| now - started > slot.stale_after)
    }
}
