//! The site: every device of a store with its points, rules and alarms.

mod event;
mod points;
mod rule;
mod slot;

pub use event::{AlarmEvent, AlarmSnapshot, Event, Input, Restored};
pub use rule::Rule;

use crate::detect::Demand;
use crate::{AlarmInput, BadReason, Class, Condition, DeviceId, Millis, Now, PointId, Reading, Sample};
use core::fmt;
use heapless::Vec;
use points::Points;
use rule::{Running, Sight};
use slot::Slot;

const DEVICES_MAX: usize = 128;
const RULES_MAX: usize = 512;
/// A window takes a kilobyte, and a store has few contracts.
const DEMANDS_MAX: usize = 16;
/// Longest a person may put an alarm aside: nothing stays unnoticed for more than a day.
const SHELF_MAX: Millis = Millis::from_mins(24 * 60);

/// Everything a store's rules know. No allocation, no clock, no I/O.
///
/// Build it with the `add_` functions, tell it what was known before a restart with
/// [`Site::resume`] and [`Site::restore`], then feed it with [`Site::step`]. It is about a quarter
/// of a megabyte: box it.
///
/// A reading costs the rules that watch its point and the device's [`Rule::NoResponse`], nothing
/// else. [`Input::Tick`], once a second, steps every rule.
///
/// Order of events within a step: that of the rules. An alarm that is raised after a delay is said
/// first, then that it is no longer pending: a crash between the two finds both, and the alarm wins.
pub struct Site {
    devices: Vec<Device, DEVICES_MAX>,
    points: Points,
    rules: Vec<Slot, RULES_MAX>,
    demands: Vec<Demand, DEMANDS_MAX>,
}

struct Device {
    class: Class,
    poll: Millis,
    /// Number of its [`Rule::NoResponse`], and the only point that breaks the silence, if there is one.
    silence: Option<(u16, Option<PointId>)>,
}

/// Why a device, point or rule could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteFull {
    /// 128 devices are there.
    Devices,
    /// 2048 points are there.
    Points,
    /// 512 rules are there.
    Rules,
    /// 16 rules of power demand are there.
    Demands,
    /// The device has a rule for this condition, or the switch a schedule.
    Taken,
    /// No such device or point was added.
    Unknown,
}

impl fmt::Display for SiteFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Devices => "a site holds 128 devices; leave some out",
            Self::Points => "a site holds 2048 points; leave out those that nothing needs",
            Self::Rules => "a site holds 512 rules; leave some out",
            Self::Demands => "a site holds 16 demand rules; leave some out",
            Self::Taken => {
                "one device has one rule per condition and one switch one schedule; leave the second out"
            }
            Self::Unknown => "the rule names a device or point that was not added; add it first",
        })
    }
}

impl core::error::Error for SiteFull {}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// An empty site.
    pub const fn new() -> Self {
        Self { devices: Vec::new(), points: Points::new(), rules: Vec::new(), demands: Vec::new() }
    }

    /// Adds a device that is polled every `poll`; ids count from 0.
    pub fn add_device(&mut self, class: Class, poll: Millis) -> Result<DeviceId, SiteFull> {
        let id = DeviceId(u16::try_from(self.devices.len()).map_err(|_| SiteFull::Devices)?);
        let device = Device { class, poll, silence: None };
        self.devices.push(device).map_err(|_| SiteFull::Devices)?;
        Ok(id)
    }

    /// Adds a point of `device` whose good value is stale when older than `stale_after`; ids count
    /// from 0 over all devices.
    pub fn add_point(&mut self, device: DeviceId, stale_after: Millis) -> Result<PointId, SiteFull> {
        self.device(device)?;
        self.points.add(device, stale_after).ok_or(SiteFull::Points)
    }

    /// Adds a rule of `device`. Its points may belong to another device (a lamp circuit's meter).
    pub fn add_rule(&mut self, device: DeviceId, rule: Rule) -> Result<(), SiteFull> {
        let condition = rule.condition();
        let poll = self.device(device)?.poll;
        if rule.points().into_iter().flatten().any(|point| !self.points.contains(point)) {
            return Err(SiteFull::Unknown);
        }
        let taken = match rule {
            Rule::LightSchedule { switch, .. } => self.points.schedule(switch).is_some(),
            _ => self.rules.iter().any(|slot| condition.is_some_and(|condition| slot.is(device, condition))),
        };
        if taken {
            return Err(SiteFull::Taken);
        }
        let number = u16::try_from(self.rules.len()).map_err(|_| SiteFull::Rules)?;
        if self.rules.is_full() {
            return Err(SiteFull::Rules);
        }
        if let Rule::Demand { config, .. } = rule {
            self.demands.push(Demand::new(config)).map_err(|_| SiteFull::Demands)?;
        }
        let running = Running::new(rule, poll, self.demands.len().saturating_sub(1));
        self.rules.push(Slot::new(device, condition, running)).map_err(|_| SiteFull::Rules)?;
        for point in rule.watched().into_iter().flatten() {
            self.points.watch(point, number);
        }
        match rule {
            Rule::LightSchedule { switch, .. } => self.points.set_schedule(switch, number),
            Rule::NoResponse { vital, .. } => {
                self.devices[usize::from(device.0)].silence = Some((number, vital));
            }
            _ => {}
        }
        Ok(())
    }

    /// The device was known before a restart of the agent: it is not starting up. To be called after
    /// its rules were added.
    pub fn resume(&mut self, device: DeviceId) {
        for slot in self.rules.iter_mut().filter(|slot| slot.device == device) {
            slot.running.resume();
        }
    }

    /// Goes on from what the journal holds, after the rules were added and before the first step;
    /// once for a running delay and once for an alarm, in any order. Says nothing: headquarters
    /// knows it already. A condition without a rule is ignored.
    pub fn restore(&mut self, now: Now, device: DeviceId, condition: Condition, restored: Restored) {
        self.points.start(now.mono);
        let Some(slot) = self.rules.iter_mut().find(|slot| slot.is(device, condition)) else { return };
        slot.restore(now, restored, &mut self.demands);
    }

    /// Takes `input` in and gives what follows from it to `out`.
    pub fn step(&mut self, now: Now, input: Input, out: &mut dyn FnMut(Event)) {
        self.points.start(now.mono);
        match input {
            Input::Reading(reading) => self.take(now, reading, out),
            Input::Tick { utc_offset_s } => {
                for number in 0..self.rules.len() {
                    let slot = &mut self.rules[number];
                    if let Some((point, on)) = slot.running.command(now, utc_offset_s, &self.points) {
                        let value = if on { 1.0 } else { 0.0 };
                        out(Event::Command { device: slot.device, point, value });
                    }
                    self.look(now, number, false, out);
                    self.rules[number].change_alarm(now, AlarmInput::Tick, out);
                }
            }
            Input::Acknowledge { device, condition } => {
                self.tell(now, device, condition, AlarmInput::Acknowledge, out);
            }
            // What is over, or put aside already, is not put aside: the next occurrence is another alarm.
            Input::Shelve { device, condition, span }
                if span > Millis(0) && self.can_shelve(device, condition) =>
            {
                let until = now.mono + span.min(SHELF_MAX);
                self.tell(now, device, condition, AlarmInput::Shelve { until }, out);
            }
            Input::Shelve { .. } => {}
        }
    }

    /// The point's last sample with staleness applied; bad (no response) if never read.
    pub fn sample(&self, now: Now, point: PointId) -> Sample {
        self.points.sample(now.mono, point)
    }

    /// What the device is for, if it was added.
    pub fn class(&self, device: DeviceId) -> Option<Class> {
        self.device(device).ok().map(|device| device.class)
    }

    /// Whether the device has a rule that can find `condition`.
    pub fn watches(&self, device: DeviceId, condition: Condition) -> bool {
        self.rules.iter().any(|slot| slot.is(device, condition))
    }

    /// Every alarm that is not normal, in the order of the rules.
    pub fn alarms(&self) -> impl Iterator<Item = AlarmSnapshot> {
        self.rules.iter().filter_map(Slot::snapshot)
    }

    fn can_shelve(&self, device: DeviceId, condition: Condition) -> bool {
        self.alarms()
            .any(|alarm| (alarm.device, alarm.condition) == (device, condition) && !alarm.state.is_cover())
    }

    fn device(&self, device: DeviceId) -> Result<&Device, SiteFull> {
        self.devices.get(usize::from(device.0)).ok_or(SiteFull::Unknown)
    }

    fn take(&mut self, now: Now, reading: Reading, out: &mut dyn FnMut(Event)) {
        let sample = match reading.sample {
            // A comparison with NaN would pass for "not beyond the limit".
            Sample::Good(value) if !value.is_finite() => Sample::Bad(BadReason::Implausible),
            sample => sample,
        };
        let Some(device) = self.points.take(now.mono, reading.point, sample) else { return };
        if let (Some((number, vital)), Some(_)) = (self.devices[usize::from(device.0)].silence, sample.good())
            && vital.is_none_or(|vital| vital == reading.point)
        {
            self.look(now, usize::from(number), true, out);
        }
        let mut link = self.points.first_watch(reading.point);
        while let Some(present) = link {
            let (number, next) = self.points.follow(present);
            self.look(now, usize::from(number), false, out);
            link = next;
        }
    }

    fn look(&mut self, now: Now, number: usize, heard: bool, out: &mut dyn FnMut(Event)) {
        let commanded = self.commanded(number);
        let slot = &mut self.rules[number];
        let sight = Sight { points: &self.points, demands: &mut self.demands, heard, commanded };
        if let Some((change, cause)) = slot.running.look(now, sight) {
            slot.change(now, change, cause, out);
        }
    }

    /// What the light that rule `number` watches was last commanded to.
    fn commanded(&self, number: usize) -> Option<bool> {
        let Running::LightDark { switch, .. } = &self.rules[number].running else { return None };
        let schedule = self.points.schedule(*switch)?;
        match &self.rules[usize::from(schedule)].running {
            Running::LightSchedule { schedule, .. } => schedule.commanded(),
            _ => None,
        }
    }

    fn tell(
        &mut self,
        now: Now,
        device: DeviceId,
        condition: Condition,
        input: AlarmInput,
        out: &mut dyn FnMut(Event),
    ) {
        if let Some(slot) = self.rules.iter_mut().find(|slot| slot.is(device, condition)) {
            slot.change_alarm(now, input, out);
        }
    }
}

const _: () = assert!(size_of::<Site>() < 300 * 1024, "a debug build copies it on the stack");
