//! The site: every device of a store with its points, rules and alarms.

mod care;
mod census;
mod chatter;
mod cover;
mod event;
mod family;
mod flood;
mod headquarters;
mod labels;
mod points;
mod policy;
mod rule;
mod slot;

pub use chatter::Chatter;
pub use event::{AlarmEvent, AlarmSnapshot, Event, Input, OpenRepair, Restored, Service};
pub use labels::LABEL_CONDITIONS;
pub use policy::AlarmPolicy;
pub use rule::Rule;

use crate::cabinet::{CABINET_CONDITIONS, Cabinet};
use crate::detect::Demand;
use crate::expression::Expression;
use crate::{
    AlarmInput, AlarmState, BadReason, Change, Class, Condition, DeviceId, Diagnosis, Evidence, Millis, Mono,
    Now, PointId, Reading, Sample,
};
use core::fmt;
use flood::Flood;
use headquarters::Headquarters;
use heapless::Vec;
use labels::Labels;
use points::Points;
use rule::{Running, Sight};
use slot::{Before, Slot};

const DEVICES_MAX: usize = 128;
const RULES_MAX: usize = 512;
/// A shop of 200 m² has some twenty; the rest is reserve.
const CABINETS_MAX: usize = 64;
/// Alarms: those of every cabinet, one of each other rule, and those of the store itself.
const ALARMS_MAX: usize =
    CABINETS_MAX * CABINET_CONDITIONS.len() + RULES_MAX + STORE_CONDITIONS.len() + LABEL_CONDITIONS.len();
/// What is found about the store by its alarms, its people, its journal and its link, without a rule.
const STORE_CONDITIONS: [Condition; 6] = [
    Condition::AlarmFlood,
    Condition::InspectionDue,
    Condition::JournalStopped,
    Condition::JournalDamaged,
    Condition::LinkRefused,
    Condition::ClockUntrusted,
];
/// In place of a rule's number, where none is.
const NO_RULE: u16 = u16::MAX;
/// Changes of one rule in one step.
const CHANGES_MAX: usize = 2 * CABINET_CONDITIONS.len();
/// A window takes a kilobyte, and a store has few contracts.
const DEMANDS_MAX: usize = 16;
/// Longest a person may put an alarm aside: nothing stays unnoticed for more than a day.
const SHELF_MAX: Millis = Millis::from_mins(24 * 60);

/// W: a meter of the whole store that reads less than this reads nothing (as of one cabinet:
/// [`crate::detect::PowerLostConfig`]).
const DARK_BELOW: f64 = 2.0;

/// How often the causes of lasting alarms are weighed again.
const WEIGH_EVERY: Millis = Millis::from_mins(1);

/// Everything a store's rules know. No allocation, no clock, no I/O.
///
/// Build it with the `add_` functions, tell it what was known before a restart with
/// [`Site::resume`] and [`Site::restore`], then feed it with [`Site::step`]. It is about half
/// a megabyte: box it.
///
/// A reading costs the rules that watch its point and the device's [`Rule::NoResponse`], nothing
/// else. [`Input::Tick`], once a second, steps every rule.
///
/// Order of events within a step: that of the rules. An alarm that is raised after a delay is said
/// first, then that it is no longer pending: a crash between the two finds both, and the alarm wins.
pub struct Site {
    devices: Vec<Device, DEVICES_MAX>,
    points: Points,
    rules: Vec<RuleOf, RULES_MAX>,
    cabinets: Vec<Cabinet, CABINETS_MAX>,
    demands: Vec<Demand, DEMANDS_MAX>,
    expressions: Vec<Expression, { crate::USER_RULES_MAX as usize }>,
    alarms: Vec<Slot, ALARMS_MAX>,
    policy: AlarmPolicy,
    flood: Flood,
    headquarters: Headquarters,
    labels: Labels,
    /// The store as a device, if it was added, and where its alarms of [`STORE_CONDITIONS`] begin.
    store: Option<(DeviceId, u16)>,
    /// When the refrigeration was last checked by hand; before the first, when watching began.
    inspected: Option<Mono>,
    /// What was restored is looked through once.
    has_ticked: bool,
    /// When causes were last weighed again.
    weighed: Option<Mono>,
}

/// A rule, whose it is, and where its alarms are.
struct RuleOf {
    device: DeviceId,
    running: Running,
    first_alarm: u16,
    alarm_count: u8,
}

struct Device {
    class: Class,
    poll: Millis,
    /// The line, the circuit and the store it hangs on.
    hangs_on: [Option<DeviceId>; 3],
    /// When an answer last came from it: something good, or that a sensor of it is broken.
    heard: Option<Mono>,
    /// Its cabinet's number, and the air of it if what is wrong with that is said as a probe fault.
    cabinet: Option<(usize, Option<PointId>)>,
    /// The power of a meter that watches the store's demand, and since when that has read nothing.
    meter: Option<PointId>,
    dark_since: Option<Mono>,
    /// Number of its [`Rule::NoResponse`], and the only point that breaks the silence, if there is one.
    silence: Option<(u16, Option<PointId>)>,
    watch: Watch,
}

impl Device {
    /// Whether its silence would mean something.
    fn is_asked(&self) -> bool {
        self.silence.is_some() && matches!(self.watch, Watch::InUse)
    }
}

/// Whether a device is watched.
#[derive(Clone, Copy)]
enum Watch {
    InUse,
    Maintenance { until: Mono },
    OutOfService,
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
    /// 64 cabinets are there.
    Cabinets,
    /// 16 rules of power demand are there.
    Demands,
    /// 64 rules of the user are there.
    Expressions,
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
            Self::Cabinets => "a site holds 64 cabinets; leave some out",
            Self::Demands => "a site holds 16 demand rules; leave some out",
            Self::Expressions => "a site holds 64 rules of its own, counted by device; leave some out",
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
    /// Bytes that one cabinet takes: its judgement, and all its alarms with their last words.
    pub const CABINET_STATE: usize =
        size_of::<Cabinet>() + size_of::<RuleOf>() + CABINET_CONDITIONS.len() * size_of::<Slot>();

    /// An empty site.
    pub fn new() -> Self {
        Self {
            policy: AlarmPolicy::default(),
            flood: Flood::new(),
            headquarters: Headquarters::new(),
            labels: Labels::new(),
            store: None,
            inspected: None,
            has_ticked: false,
            devices: Vec::new(),
            points: Points::new(),
            rules: Vec::new(),
            cabinets: Vec::new(),
            demands: Vec::new(),
            expressions: Vec::new(),
            weighed: None,
            alarms: Vec::new(),
        }
    }

    /// How long alarms may go without an answer, and the like; to be told before the first step.
    pub fn set_policy(&mut self, policy: AlarmPolicy) {
        self.policy = policy;
    }

    /// The policy in force.
    pub fn policy(&self) -> AlarmPolicy {
        self.policy
    }

    /// Whether that alarm stays after the return until it is acknowledged; to be told after its rule was
    /// added and before anything is restored. By default only warm goods do.
    pub fn set_latch(&mut self, device: DeviceId, condition: Condition, latch: bool) {
        if let Some(slot) = self.alarm(device, condition) {
            slot.set_latch(latch);
        }
    }

    /// Adds a device that is polled every `poll`; ids count from 0. The first store brings its alarms with
    /// it: [`Condition::AlarmFlood`], [`Condition::InspectionDue`], those of the
    /// journal, those of the link to headquarters and [`LABEL_CONDITIONS`].
    pub fn add_device(&mut self, class: Class, poll: Millis) -> Result<DeviceId, SiteFull> {
        let id = DeviceId(u16::try_from(self.devices.len()).map_err(|_| SiteFull::Devices)?);
        let watch = Watch::InUse;
        let device = Device {
            class,
            poll,
            hangs_on: [None; 3],
            heard: None,
            cabinet: None,
            meter: None,
            dark_since: None,
            silence: None,
            watch,
        };
        self.devices.push(device).map_err(|_| SiteFull::Devices)?;
        if class == Class::Store && self.store.is_none() {
            self.store = Some((id, u16::try_from(self.alarms.len()).map_err(|_| SiteFull::Rules)?));
            for condition in STORE_CONDITIONS.into_iter().chain(LABEL_CONDITIONS) {
                self.alarms.push(Slot::new(id, condition, NO_RULE)).map_err(|_| SiteFull::Rules)?;
            }
        }
        Ok(id)
    }

    /// Adds a point of `device` whose good value is stale when older than `stale_after`; ids count
    /// from 0 over all devices.
    pub fn add_point(&mut self, device: DeviceId, stale_after: Millis) -> Result<PointId, SiteFull> {
        self.device(device)?;
        self.points.add(device, stale_after).ok_or(SiteFull::Points)
    }

    /// `device` hangs on the line, circuit or store `on`: gone with it, and explained by it.
    pub fn hang(&mut self, device: DeviceId, on: DeviceId) -> Result<(), SiteFull> {
        let place = level(self.device(on)?.class).ok_or(SiteFull::Unknown)?;
        if level(self.device(device)?.class) >= Some(place) {
            return Err(SiteFull::Unknown);
        }
        self.devices[usize::from(device.0)].hangs_on[place] = Some(on);
        Ok(())
    }

    /// Adds a rule of `device`. Its points may belong to another device (a lamp circuit's meter).
    pub fn add_rule(&mut self, device: DeviceId, rule: Rule) -> Result<(), SiteFull> {
        let poll = self.device(device)?.poll;
        let conditions = rule.conditions();
        if !rule.names_only(|point| self.points.contains(point)) {
            return Err(SiteFull::Unknown);
        }
        let taken = match rule {
            Rule::LightSchedule { switch, .. } => self.points.schedule(switch).is_some(),
            _ => conditions.iter().any(|condition| self.watches(device, *condition)),
        };
        if taken {
            return Err(SiteFull::Taken);
        }
        let number = u16::try_from(self.rules.len()).map_err(|_| SiteFull::Rules)?;
        if self.rules.is_full() || self.alarms.len() + conditions.len() > ALARMS_MAX {
            return Err(SiteFull::Rules);
        }
        let large = match rule {
            Rule::Demand { config, .. } => {
                self.demands.push(Demand::new(config)).map_err(|_| SiteFull::Demands)?;
                self.demands.len() - 1
            }
            Rule::Cabinet { config, .. } => {
                self.cabinets.push(Cabinet::new(config)).map_err(|_| SiteFull::Cabinets)?;
                self.cabinets.len() - 1
            }
            Rule::Expression { program, delay, .. } => {
                self.expressions.push(Expression::new(program, delay)).map_err(|_| SiteFull::Expressions)?;
                self.expressions.len() - 1
            }
            _ => 0,
        };
        let first_alarm = u16::try_from(self.alarms.len()).map_err(|_| SiteFull::Rules)?;
        let alarm_count = u8::try_from(conditions.len()).map_err(|_| SiteFull::Rules)?;
        for condition in conditions {
            self.alarms.push(Slot::new(device, condition, number)).map_err(|_| SiteFull::Rules)?;
        }
        let running = Running::new(rule, poll, large);
        let rule_of = RuleOf { device, running, first_alarm, alarm_count };
        self.rules.push(rule_of).map_err(|_| SiteFull::Rules)?;
        for point in rule.watched().into_iter().flatten() {
            self.points.watch(point, number);
        }
        match rule {
            Rule::LightSchedule { switch, .. } => self.points.set_schedule(switch, number),
            Rule::NoResponse { vital, .. } => {
                self.devices[usize::from(device.0)].silence = Some((number, vital));
            }
            Rule::Cabinet { points, config } => {
                let air = config.watches(Condition::ProbeFault).then_some(points.air);
                self.devices[usize::from(device.0)].cabinet = Some((large, air));
            }
            Rule::Demand { power, .. } => self.devices[usize::from(device.0)].meter = Some(power),
            _ => {}
        }
        Ok(())
    }

    /// The device was known before a restart of the agent: it is not starting up. To be called after
    /// its rules were added.
    pub fn resume(&mut self, device: DeviceId) {
        for rule in self.rules.iter_mut().filter(|rule| rule.device == device) {
            rule.running.resume(&mut self.cabinets);
        }
    }

    /// Goes on from what the journal holds, after the rules were added and before the first step;
    /// once for each kind of [`Restored`], what is kept of chattering before the alarm. Says nothing:
    /// headquarters knows it already. A condition without a rule is ignored.
    pub fn restore(&mut self, now: Now, device: DeviceId, condition: Condition, restored: Restored) {
        self.points.start(now.mono);
        let Some(slot) = self.alarms.iter_mut().find(|slot| slot.is(device, condition)) else { return };
        let running = self.rules.get_mut(usize::from(slot.rule)).map(|rule| &mut rule.running);
        match restored {
            Restored::Pending { since } => {
                slot.restore_pending();
                if let Some(running) = running
                    && !slot.is_active()
                {
                    running.restore_pending(now, condition, since, &mut self.cabinets, &mut self.expressions);
                }
            }
            Restored::Alarm { state, changed_at, diagnosis, evidence, parent, escalation, shelved_until } => {
                let known = evidence.clone();
                slot.restore(
                    now,
                    Before {
                        state,
                        changed_at,
                        diagnosis,
                        evidence: known,
                        parent,
                        escalation,
                        shelved_until,
                    },
                );
                if let Some(running) = running
                    && slot.is_true()
                {
                    running.restore_raised(
                        now,
                        condition,
                        &evidence,
                        &mut self.cabinets,
                        &mut self.demands,
                        &mut self.expressions,
                    );
                }
            }
            Restored::Chatter(chatter) => slot.restore_chatter(now, chatter),
            Restored::Repair(repair) => slot.restore_repair(now, repair),
        }
    }

    /// Takes `input` in and gives what follows from it to `out`.
    pub fn step(&mut self, now: Now, input: Input, out: &mut dyn FnMut(Event)) {
        self.points.start(now.mono);
        let mut came = 0_u16;
        self.take_in(now, input, &mut |event| {
            came += u16::from(is_announced(&event));
            out(event);
        });
        for _ in 0..came {
            self.flood.came(now.mono);
        }
        if came > 0 || matches!(input, Input::Tick { .. }) {
            self.look_at_store(now, out);
        }
    }

    fn take_in(&mut self, now: Now, input: Input, out: &mut dyn FnMut(Event)) {
        match input {
            Input::Reading(reading) => self.take(now, reading, out),
            Input::Tick { utc_offset_s } => self.tick(now, utc_offset_s, out),
            Input::Acknowledge { device, condition } => {
                if let Some(slot) = self.alarm(device, condition) {
                    slot.step(now, AlarmInput::Acknowledge, out);
                }
            }
            // What is over, or put aside already, is not put aside: the next occurrence is another alarm.
            Input::Shelve { device, condition, span } => {
                if let Some(slot) = self.alarm(device, condition)
                    && span > Millis(0)
                    && slot.can_shelve()
                {
                    slot.step(now, AlarmInput::Shelve { until: Slot::shelf_end(now, span) }, out);
                }
            }
            Input::Unshelve { device, condition } => {
                let cover = self.cover_of(device, condition, None);
                if let Some(slot) = self.alarm(device, condition) {
                    slot.unshelve(now, AlarmInput::Unshelve, cover, out);
                }
            }
            Input::Maintain { device, span } if span > Millis(0) => {
                self.watch(now, device, Watch::Maintenance { until: Slot::shelf_end(now, span) }, out);
            }
            Input::Maintain { .. } => {}
            Input::RemoveFromService { device } => self.watch(now, device, Watch::OutOfService, out),
            Input::ReturnToService { device } => self.watch(now, device, Watch::InUse, out),
            Input::Repair { device, condition } => {
                if let Some(slot) = self.alarm(device, condition) {
                    slot.begin_repair(now, out);
                }
            }
            Input::Repaired { device, condition } => {
                if let Some(slot) = self.alarm(device, condition) {
                    slot.end_repair(now, out);
                }
            }
            Input::Inspected => {
                self.inspected = Some(now.mono);
                self.look_at_store(now, out);
            }
            Input::SwitchLight { device, on, span } => {
                let until = now.mono + span;
                for rule in self.rules.iter_mut().filter(|rule| rule.device == device) {
                    if let Running::LightSchedule { schedule, .. } = &mut rule.running {
                        schedule.order(now, on, until);
                    }
                }
            }
            Input::Journal { is_stopped, is_damaged } => {
                self.look_at_journal(now, [is_stopped, is_damaged], out);
            }
            Input::Headquarters { is_refusing, is_clock_wrong } => {
                self.look_at_headquarters(now, [is_refusing, is_clock_wrong], out);
            }
            Input::Labels { found } => self.look_at_labels(now, found, out),
        }
    }

    fn tick(&mut self, now: Now, utc_offset_s: i32, out: &mut dyn FnMut(Event)) {
        for number in 0..self.rules.len() {
            let rule = &mut self.rules[number];
            if let Some((point, on)) = rule.running.command(now, utc_offset_s, &self.points) {
                let value = if on { 1.0 } else { 0.0 };
                out(Event::Command { device: rule.device, point, value });
            }
            self.look(now, number, None, false, out);
        }
        for place in 0..self.devices.len() {
            if let Watch::Maintenance { until } = self.devices[place].watch
                && now.mono >= until
                && let Ok(device) = u16::try_from(place)
            {
                self.watch(now, DeviceId(device), Watch::InUse, out);
            }
        }
        if !core::mem::replace(&mut self.has_ticked, true) {
            // What explained an alarm before a restart may be over, or no longer be looked for.
            self.cover_all(now, |_| true, out);
        }
        for place in 0..self.alarms.len() {
            if self.alarms[place].is_shelf_over(now) {
                let slot = &self.alarms[place];
                let cover = self.cover_of(slot.device, slot.condition, slot.cover());
                self.alarms[place].unshelve(now, AlarmInput::Tick, cover, out);
            }
            let was_active = self.alarms[place].is_active();
            self.alarms[place].tick(now, &self.policy, out);
            if was_active && !self.alarms[place].is_active() {
                // A clear that was held back: what it explained is not explained any more.
                self.explain_all(now, self.alarms[place].device, out);
            }
        }
        self.weigh(now, out);
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
        self.alarms.iter().any(|slot| slot.is(device, condition))
    }

    /// Every alarm that is not normal, in the order of the rules.
    pub fn alarms(&self) -> impl Iterator<Item = AlarmSnapshot> {
        self.alarms.iter().filter_map(Slot::snapshot)
    }

    /// What is known of a cabinet beyond its alarms: its curve, what was learnt of it.
    pub fn cabinet(&self, device: DeviceId) -> Option<&Cabinet> {
        self.cabinet_of(device).map(|cabinet| &self.cabinets[cabinet])
    }

    /// The same, to tell it what was learnt before a restart.
    pub fn cabinet_mut(&mut self, device: DeviceId) -> Option<&mut Cabinet> {
        self.cabinet_of(device).map(|cabinet| &mut self.cabinets[cabinet])
    }

    fn cabinet_of(&self, device: DeviceId) -> Option<usize> {
        self.rules.iter().find_map(|rule| match rule.running {
            Running::Cabinet { cabinet, .. } if rule.device == device => Some(cabinet),
            _ => None,
        })
    }

    fn alarm(&mut self, device: DeviceId, condition: Condition) -> Option<&mut Slot> {
        self.alarms.iter_mut().find(|slot| slot.is(device, condition))
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
        let Some(id) = self.points.take(now.mono, reading.point, sample) else { return };
        let device = &mut self.devices[usize::from(id.0)];
        let is_good = sample.good().is_some();
        // The device answers, and says of one sensor that it is broken.
        let is_sensor = matches!(
            sample,
            Sample::Bad(BadReason::SensorFault | BadReason::OutOfRange | BadReason::Implausible)
        );
        if is_good || is_sensor {
            device.heard = Some(now.mono);
        }
        if let Some(watts) = sample.good().filter(|_| device.meter == Some(reading.point)) {
            device.dark_since = (watts < DARK_BELOW).then(|| device.dark_since.unwrap_or(now.mono));
        }
        // What is wrong with the air of a cabinet is said as its probe fault, not as silence too.
        let probe = device.cabinet.and_then(|(_, air)| air);
        if let Some((number, vital)) = device.silence
            && (is_good || is_sensor && probe == Some(reading.point))
            && vital.is_none_or(|vital| vital == reading.point)
        {
            self.look(now, usize::from(number), None, true, out);
        }
        let mut link = self.points.first_watch(reading.point);
        while let Some(present) = link {
            let (number, next) = self.points.follow(present);
            self.look(now, usize::from(number), Some(reading.point), false, out);
            link = next;
        }
    }

    fn look(
        &mut self,
        now: Now,
        number: usize,
        read: Option<PointId>,
        heard: bool,
        out: &mut dyn FnMut(Event),
    ) {
        let commanded = self.commanded(number);
        let census = self.census(now, number);
        let rule = &mut self.rules[number];
        let sight = Sight {
            points: &self.points,
            cabinets: &mut self.cabinets,
            demands: &mut self.demands,
            expressions: &mut self.expressions,
            heard,
            read,
            commanded,
            census,
        };
        let mut changes = Vec::<(Condition, Change, Diagnosis), CHANGES_MAX>::new();
        rule.running.look(now, sight, &mut |condition, change, diagnosis| {
            let pushed = changes.push((condition, change, diagnosis));
            debug_assert!(pushed.is_ok(), "a condition changes at most twice in a step");
        });
        for (condition, change, diagnosis) in changes {
            self.change(now, number, condition, change, diagnosis, out);
        }
    }

    /// Carries a change of one of the rule's conditions to its alarm, and to those it explains.
    fn change(
        &mut self,
        now: Now,
        number: usize,
        condition: Condition,
        change: Change,
        diagnosis: Diagnosis,
        out: &mut dyn FnMut(Event),
    ) {
        let &RuleOf { first_alarm, alarm_count, .. } = &self.rules[number];
        let range = usize::from(first_alarm)..usize::from(first_alarm) + usize::from(alarm_count);
        let Some(place) = self.alarms[range.clone()].iter().position(|slot| slot.condition == condition)
        else {
            return;
        };
        self.change_alarm(now, range.start + place, change, diagnosis, out);
    }

    /// Carries a change to the alarm in that place, and to those it explains.
    fn change_alarm(
        &mut self,
        now: Now,
        place: usize,
        change: Change,
        diagnosis: Diagnosis,
        out: &mut dyn FnMut(Event),
    ) {
        let truth_changes = matches!(change, Change::Raised(_) | Change::Cleared(_));
        let Slot { device, condition, .. } = self.alarms[place];
        let flood = self.flooding(condition);
        let cover = self.cover_of(device, condition, flood);
        self.alarms[place].change(now, change, diagnosis, cover, &self.policy, out);
        if truth_changes {
            self.explain_all(now, device, out);
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
}

/// Whether `event` asks for somebody's attention anew: what comes back from beneath a cover does not count
/// as another alarm, and the flood does not count itself.
fn is_announced(event: &Event) -> bool {
    let Event::Alarm(alarm) = event else { return false };
    alarm.state == AlarmState::ActiveUnacknowledged
        && alarm.previous != alarm.state
        && !alarm.previous.is_cover()
        && alarm.condition != Condition::AlarmFlood
}

/// Place among what other devices hang on, from below; none for equipment.
fn level(class: Class) -> Option<usize> {
    match class {
        Class::Line => Some(0),
        Class::Circuit => Some(1),
        Class::Store => Some(2),
        _ => None,
    }
}

fn change(is: bool, evidence: Evidence) -> Change {
    if is { Change::Raised(evidence) } else { Change::Cleared(evidence) }
}

const _: () = assert!(Site::CABINET_STATE <= 4096, "a cabinet with its alarms");
const _: () = assert!(size_of::<Site>() < 640 * 1024, "a debug build copies it on the stack");
