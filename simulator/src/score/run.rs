//! One run: a cabinet, its instruments, the rules that watch it, and the plain rule beside them.

use super::fault::{Fault, Group, Kind};
use super::instruments::Instruments;
use super::physics::{Cabinet, Parameters, STEP_S, between, normal};
use fastrand::Rng;
use std::io::{self, Write};
use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::detect::NoResponseConfig;
use storewarden_rules::{
    AlarmState, BadReason, Cause, Class, Condition, DeviceId, Event, Input, Millis, Mono, Now, PointId,
    Reading, Rule, Sample, Site, Utc,
};

/// Monday, 5 January 2026, 00:00 UTC, ms.
const START: i64 = 1_767_571_200_000;
const DAY_S: f64 = 86_400.0;
/// What simple supervisors ship: the limit, °C, and its delay, s.
const PLAIN_DELAY_S: f64 = 1800.0;

/// An alarm as it was first said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Which.
    pub condition: Condition,
    /// What it was put down to.
    pub cause: Cause,
}

/// What came of a run. Times in seconds since the run began.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The fault, if there was one.
    pub kind: Option<Kind>,
    /// Number of the seed within the set.
    pub number: u64,
    /// What the cabinet was for.
    pub class: Class,
    /// What was measured.
    pub instruments: Instruments,
    /// Time without a fault.
    pub healthy_s: f64,
    /// Alarms said in that time.
    pub false_alarms: Vec<Said>,
    /// Those of the plain rule.
    pub plain_false_alarms: u32,
    /// When the clock of the fault started; none if it never came so far.
    pub clock_s: Option<f64>,
    /// The first alarm after the fault began.
    pub first: Option<Said>,
    /// What it was put down to an hour later.
    pub later: Option<Cause>,
    /// The plain rule's first alarm.
    pub plain_s: Option<f64>,
    /// When the goods were lost.
    pub lost_s: Option<f64>,
}

impl Outcome {
    /// The latest that counts as found, s after the clock started.
    fn within_s(kind: Kind) -> f64 {
        match kind.group() {
            Group::Abrupt => DAY_S,
            Group::Schedule => 3.0 * DAY_S,
            Group::Slow => 72.0 * 3600.0,
        }
    }

    /// `at_s` after the clock, s (negative: before it), if that is soon enough and before the goods were lost.
    pub fn found(&self, at_s: Option<f64>) -> Option<f64> {
        let (kind, clock_s, at_s) = (self.kind?, self.clock_s?, at_s?);
        let in_time = self.lost_s.is_none_or(|lost_s| at_s < lost_s);
        (at_s - clock_s <= Self::within_s(kind) && in_time).then_some(at_s - clock_s)
    }
}

/// Warmer than the limit, or without a value, for the delay: an alarm.
struct Plain {
    limit_c: f64,
    since_s: Option<f64>,
    said: bool,
}

impl Plain {
    fn step(&mut self, at_s: f64, air_c: Option<f64>) -> bool {
        if air_c.is_some_and(|c| c <= self.limit_c) {
            (self.since_s, self.said) = (None, false);
            return false;
        }
        let since_s = *self.since_s.get_or_insert(at_s);
        let says = !self.said && at_s - since_s >= PLAIN_DELAY_S;
        self.said |= says;
        says
    }
}

/// The rules of one cabinet, with the points they see.
struct Watch {
    site: Box<Site>,
    device: DeviceId,
    meter: DeviceId,
    air: PointId,
    controller: Option<[PointId; 5]>,
    power: Option<PointId>,
    ambient: Option<PointId>,
}

impl Watch {
    fn new(class: Class, instruments: Instruments, poll_s: i64) -> Self {
        let mut site = Box::new(Site::new());
        let poll = Millis::from_secs(poll_s);
        let stale = Millis::from_secs((3 * poll_s).max(60));
        let device = site.add_device(class, poll).expect("an empty site has room");
        let meter = site.add_device(Class::Meter, poll).expect("an empty site has room");
        let mut point = |device| site.add_point(device, stale).expect("an empty site has room");
        let air = point(device);
        let controller = instruments.controller().then(|| [(); 5].map(|()| point(device)));
        let power = instruments.power().then(|| point(meter));
        let ambient = (instruments == Instruments::Full).then(|| point(meter));
        let points = CabinetPoints {
            evaporator: controller.map(|points| points[0]),
            set_point: controller.map(|points| points[1]),
            compressor: controller.map(|points| points[2]),
            fan: controller.map(|points| points[3]),
            defrost: controller.map(|points| points[4]),
            ambient,
            power,
            ..CabinetPoints::only_air(air)
        };
        let config = CabinetConfig::for_class(class).expect("refrigeration has rules");
        let silence = Rule::NoResponse { vital: Some(air), config: NoResponseConfig::default() };
        site.add_rule(device, silence).expect("the first of its kind");
        site.add_rule(device, Rule::Cabinet { points, config }).expect("the first of its kind");
        site.resume(device);
        Self { site, device, meter, air, controller, power, ambient }
    }
}

/// How a unit is read.
struct Senses {
    poll_s: i64,
    step_c: f64,
    noise_k: f64,
    lost_share: f64,
}

impl Senses {
    fn temperature(&self, rng: &mut Rng, c: f64) -> Sample {
        Sample::Good(((c + self.noise_k * normal(rng)) / self.step_c).round() * self.step_c)
    }
}

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// The fault; none for healthy weeks.
    pub kind: Option<Kind>,
    /// Number of the seed within the set.
    pub number: u64,
    /// The set.
    pub seed: u64,
    /// Length of a run without a fault, days.
    pub days: f64,
}

impl Job {
    /// Runs it; `trace` takes a line a minute as CSV, and the alarms as lines with `#`.
    pub fn run(self, trace: &mut Option<&mut dyn Write>) -> io::Result<Outcome> {
        let kind_number = self.kind.map_or(99, |kind| kind as u64);
        let mut rng = Rng::with_seed(
            self.seed ^ (self.number * 1000 + kind_number).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        let class = [Class::Freezer, Class::Chiller, Class::Freezer, Class::Chiller, Class::ColdRoom]
            [usize::try_from(self.number % 5).unwrap_or(0)];
        let instruments = Instruments::ALL[usize::try_from(self.number % 4).unwrap_or(0)];
        let senses = Senses {
            poll_s: [5, 10, 15, 30, 60][rng.usize(0..5)],
            step_c: if rng.f64() < 0.15 { 0.5 } else { 0.1 },
            noise_k: between(&mut rng, 0.02, 0.08),
            lost_share: between(&mut rng, 0.0, 0.004),
        };
        let mut cabinet = Cabinet::new(Parameters::new(class, &mut rng), rng.fork());
        let fault = self.kind.map(|kind| Fault::new(kind, &mut rng));
        let began_s = DAY_S * if fault.is_some() { between(&mut rng, 10.0, 13.0) } else { self.days };
        let mut end_s = if fault.is_some() { began_s + 20.0 * DAY_S } else { self.days * DAY_S };
        let lost_c = if class == Class::Freezer { -12.0 } else { 8.0 };
        let mut watch = Watch::new(class, instruments, senses.poll_s);
        let limit_c = if class == Class::Freezer { -18.0 } else { 5.0 };
        let mut plain = Plain { limit_c, since_s: None, said: false };
        let mut outcome = Outcome {
            kind: self.kind,
            number: self.number,
            class,
            instruments,
            healthy_s: began_s,
            false_alarms: Vec::new(),
            plain_false_alarms: 0,
            clock_s: None,
            first: None,
            later: None,
            plain_s: None,
            lost_s: None,
        };
        if let Some(out) = trace {
            writeln!(
                out,
                "time_s,air_read,air,evaporator,core,ice,room,power,asks,runs,fan,defrost,capacity"
            )?;
        }
        let mut step: i64 = 0;
        let step_ms: i64 = 5000;
        while cabinet.time_s < end_s {
            step += 1;
            cabinet.step();
            let at_s = cabinet.time_s;
            if let Some(fault) = &fault
                && at_s >= began_s
            {
                fault.apply(&mut cabinet, at_s - began_s);
                let checks = fault.kind.group() == Group::Abrupt || at_s % 300.0 < STEP_S;
                if outcome.clock_s.is_none() && checks && fault.counts(&cabinet) {
                    outcome.clock_s = Some(at_s);
                    end_s = at_s + DAY_S * if fault.kind.group() == Group::Abrupt { 2.0 } else { 4.0 };
                }
                if outcome.lost_s.is_none() && cabinet.core_c > lost_c {
                    outcome.lost_s = Some(at_s);
                    end_s = end_s.min(at_s + 3600.0);
                }
            }
            let now = Now { mono: Mono(step * step_ms), utc: Utc(START + step * step_ms) };
            let mut said = Vec::new();
            let mut hear = |event: Event| {
                if let Event::Alarm(alarm) = event
                    && alarm.state == AlarmState::ActiveUnacknowledged
                    && alarm.previous != AlarmState::ActiveUnacknowledged
                    && alarm.condition != Condition::InspectionDue
                {
                    said.push(Said { at_s, condition: alarm.condition, cause: alarm.diagnosis.cause });
                }
            };
            let air = cabinet.probe_c().map(|c| senses.temperature(&mut rng, c));
            if (step * 5) % senses.poll_s == 0 && rng.f64() >= senses.lost_share {
                let silent = cabinet.broken.power && watch.controller.is_some();
                let air = match air {
                    _ if silent => Sample::Bad(BadReason::NoResponse),
                    Some(sample) => sample,
                    None => Sample::Bad(BadReason::SensorFault),
                };
                let mut tell = |point: PointId, sample: Sample| {
                    watch.site.step(now, Input::Reading(Reading { point, at: now.utc, sample }), &mut hear);
                };
                if let Some(power) = watch.power {
                    let noisy_w = cabinet.power_w * (1.0 + 0.008 * normal(&mut rng)) + normal(&mut rng);
                    let read_w = if cabinet.broken.power { 0.0 } else { noisy_w.max(0.0).round() };
                    tell(power, Sample::Good(read_w));
                }
                if let Some(ambient) = watch.ambient {
                    tell(ambient, senses.temperature(&mut rng, cabinet.room_c));
                }
                if let Some(points) = watch.controller {
                    let flag = |on: bool| Sample::Good(if on { 1.0 } else { 0.0 });
                    let values = [
                        senses.temperature(&mut rng, cabinet.evaporator_probe_c()),
                        Sample::Good((cabinet.parameters.cut_out_c * 10.0).round() / 10.0),
                        flag(cabinet.asks),
                        flag(cabinet.fan_on()),
                        flag(cabinet.defrosts()),
                    ];
                    for (point, value) in points.into_iter().zip(values) {
                        tell(point, if silent { Sample::Bad(BadReason::NoResponse) } else { value });
                    }
                }
                tell(watch.air, air);
                if plain.step(at_s, air.good()) {
                    if at_s < began_s {
                        outcome.plain_false_alarms += 1;
                    } else if outcome.plain_s.is_none() {
                        outcome.plain_s = Some(at_s);
                    }
                }
            }
            watch.site.step(now, Input::Tick { utc_offset_s: 0 }, &mut hear);
            for alarm in said {
                if let Some(out) = trace {
                    writeln!(out, "# {at_s:.0} {} {}", alarm.condition.name(), alarm.cause.name())?;
                }
                for device in [watch.device, watch.meter] {
                    let known = Input::Acknowledge { device, condition: alarm.condition };
                    watch.site.step(now, known, &mut |_| {});
                }
                if at_s < began_s {
                    outcome.false_alarms.push(alarm);
                } else if outcome.first.is_none() {
                    outcome.first = Some(alarm);
                }
            }
            if let Some(first) = &outcome.first
                && at_s <= first.at_s + 3600.0
            {
                let now_put_down = watch.site.alarms().find(|alarm| alarm.condition == first.condition);
                outcome.later = now_put_down.map(|alarm| alarm.diagnosis.cause).or(outcome.later);
            }
            if let Some(out) = trace
                && step % 12 == 0
            {
                writeln!(
                    out,
                    "{at_s:.0},{},{:.2},{:.2},{:.2},{:.3},{:.1},{:.0},{},{},{},{},{:.3}",
                    air.and_then(Sample::good).map_or(String::new(), |c| format!("{c:.1}")),
                    cabinet.air_c,
                    cabinet.evaporator_c,
                    cabinet.core_c,
                    cabinet.ice_kg,
                    cabinet.room_c,
                    cabinet.power_w,
                    u8::from(cabinet.asks),
                    u8::from(cabinet.runs),
                    u8::from(cabinet.fan_on()),
                    u8::from(cabinet.defrosts()),
                    cabinet.capacity_share(),
                )?;
            }
        }
        Ok(outcome)
    }
}
