//! What the machine does, by its power, its flags and its door, through a [`Site`] with nothing but the
//! class's rules: recorded machines at work raise nothing; broken ones are told with their cause.

#![allow(clippy::unwrap_used, reason = "tests")]

use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::{
    AlarmEvent, AlarmState, Cause, Class, Condition, DeviceId, Event, Evidence, Input, Millis, Mono, Now,
    PointId, Quantity, Reading, Rule, Sample, Site, Utc,
};

const FREEZER: &str = include_str!("recordings/tracebase_freezer.csv");
const REFRIGERATOR: &str = include_str!("recordings/tracebase_refrigerator.csv");
/// Seconds between two readings, and two ticks.
const POLL: i64 = 10;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What is read at a moment; none where nothing is.
#[derive(Clone, Copy, Default)]
struct Read {
    air: f64,
    power: Option<f64>,
    asked: Option<bool>,
    door: Option<bool>,
}

struct Machine {
    site: Box<Site>,
    device: DeviceId,
    points: [PointId; 4],
    second: i64,
    starts: u32,
    was_running: Option<bool>,
    said: Vec<(i64, AlarmEvent)>,
}

impl Machine {
    fn new(class: Class, has_flag: bool, has_door: bool) -> Self {
        let mut site = Box::new(Site::new());
        let device = site.add_device(class, Millis::from_secs(POLL)).unwrap();
        let points = [(); 4].map(|()| site.add_point(device, Millis::from_secs(3 * POLL)).unwrap());
        let [air, power, asked, door] = points;
        let points_of = CabinetPoints {
            power: Some(power),
            compressor: has_flag.then_some(asked),
            door: has_door.then_some(door),
            ..CabinetPoints::only_air(air)
        };
        let config = CabinetConfig::for_class(class).unwrap();
        site.add_rule(device, Rule::Cabinet { points: points_of, config }).unwrap();
        Self { site, device, points, second: 0, starts: 0, was_running: None, said: Vec::new() }
    }

    /// `seconds` go by; `read` is told the second since the beginning.
    fn run(&mut self, seconds: i64, read: impl Fn(i64) -> Read) {
        let end = self.second + seconds;
        while self.second < end {
            let now =
                Now { mono: Mono(0), utc: Utc(1_781_971_200_000) }.after(Millis::from_secs(self.second));
            let read = read(self.second);
            let flag = |flag: Option<bool>| flag.map(f64::from);
            let values = [Some(read.air), read.power, flag(read.asked), flag(read.door)];
            let readings = self.points.into_iter().zip(values).rev().filter_map(|(point, value)| {
                Some(Input::Reading(Reading { point, at: now.utc, sample: Sample::Good(value?) }))
            });
            for input in readings.chain([Input::Tick { utc_offset_s: 0 }]) {
                self.site.step(now, input, &mut |event| {
                    if let Event::Alarm(alarm) = event {
                        self.said.push((self.second, alarm));
                    }
                });
            }
            let running = self.site.cabinet(self.device).unwrap().scene().running;
            self.starts += u32::from(running == Some(true) && self.was_running == Some(false));
            self.was_running = running.or(self.was_running);
            self.second += POLL;
        }
    }

    fn active(&self, condition: Condition) -> bool {
        let is = |state| matches!(state, AlarmState::ActiveUnacknowledged | AlarmState::SuppressedByDesign);
        self.site.alarms().any(|alarm| alarm.condition == condition && is(alarm.state))
    }

    /// The first word on `condition`: when, seconds, and what.
    fn first(&self, condition: Condition) -> &(i64, AlarmEvent) {
        let found = self.said.iter().find(|(_, said)| said.condition == condition);
        found.unwrap_or_else(|| panic!("no {condition:?}: {:?}", self.said))
    }
}

fn fact(evidence: &Evidence, quantity: Quantity) -> Option<f64> {
    evidence.facts.iter().find(|fact| fact.quantity == quantity).map(|fact| fact.value)
}

/// Place in a period that lasts `minutes`, 0 to 1.
fn phase(second: i64, minutes: i32) -> f64 {
    let period = i64::from(minutes) * 60;
    f64::from(i32::try_from(second % period).unwrap()) / f64::from(minutes * 60)
}

/// Within `width` / 2 of `middle`, up and down in 40 minutes, in steps of 0.1 K: a probe that never moves
/// is stuck.
fn wobble(second: i64, middle: f64, width: f64) -> f64 {
    let height = (2.0 * phase(second, 40) - 1.0).abs() - 0.5;
    ((middle + width * height) * 10.0).round() / 10.0
}

/// A freezer that runs for the first half of every 40 minutes.
fn healthy(second: i64) -> Read {
    let runs = phase(second, 40) < 0.5;
    Read {
        air: wobble(second, -22.0, 1.5),
        power: Some(if runs { 250.0 } else { 8.0 }),
        asked: Some(runs),
        door: Some(false),
    }
}

/// Warming from `from` °C since `begun` towards a room of 24 °C, with a time constant of eight hours.
fn warming(second: i64, begun: i64, from: f64) -> f64 {
    let hours = f64::from(i32::try_from(second - begun).unwrap()) / 3600.0;
    ((24.0 - (24.0 - from) * (-hours / 8.0).exp()) * 10.0).round() / 10.0
}

fn recorded(text: &str) -> Vec<Option<f64>> {
    let watts: Vec<_> =
        text.lines().flat_map(|hour| hour.split(',')).map(|watts| watts.parse().ok()).collect();
    assert_eq!(watts.len(), 3 * 8640, "three days of ten seconds");
    watts
}

/// Three recorded days: nothing raised, and so many starts.
fn work(class: Class, recording: &str, middle: f64) -> (u32, Vec<(i64, AlarmEvent)>) {
    let watts = recorded(recording);
    let mut machine = Machine::new(class, false, false);
    machine.run(3 * DAY, |second| Read {
        air: wobble(second, middle, 1.0),
        power: watts[usize::try_from(second / POLL).unwrap()],
        ..Read::default()
    });
    (machine.starts, machine.said)
}

#[test]
fn a_recorded_freezer_at_work_is_recognised_and_raises_nothing() {
    let (starts, said) = work(Class::Freezer, FREEZER, -22.0);
    assert_eq!(said, []);
    assert!((3 * 7..=3 * 48).contains(&starts), "{starts} starts in three days");
}

#[test]
fn a_recorded_refrigerator_at_work_is_recognised_and_raises_nothing() {
    let (starts, said) = work(Class::Chiller, REFRIGERATOR, 3.0);
    assert_eq!(said, []);
    assert!((3 * 7..=3 * 48).contains(&starts), "{starts} starts in three days");
}

#[test]
fn a_cabinet_without_power_is_told_by_its_own_meter() {
    let mut machine = Machine::new(Class::Freezer, true, true);
    machine.run(DAY, healthy);
    assert_eq!(machine.said, []);
    machine.run(HOUR / 2, |second| Read { power: Some(0.0), ..healthy(second) });
    let (second, alarm) = machine.first(Condition::PowerLost);
    assert_eq!((alarm.diagnosis.cause, alarm.state), (Cause::DevicePower, AlarmState::ActiveUnacknowledged));
    assert!((DAY + 180..=DAY + 190).contains(second), "after three minutes, not {second}");
    machine.run(HOUR, healthy);
    assert!(!machine.active(Condition::PowerLost));
}

#[test]
fn a_compressor_that_is_asked_for_and_does_not_draw_is_told() {
    let mut machine = Machine::new(Class::Freezer, true, false);
    machine.run(2 * DAY, healthy);
    assert_eq!(machine.said, []);
    let dead = |second| Read {
        air: warming(second, 2 * DAY, -21.2),
        power: Some(8.0),
        asked: Some(true),
        ..Read::default()
    };
    machine.run(HOUR, dead);
    let (second, alarm) = machine.first(Condition::CompressorAbnormal);
    assert_eq!(alarm.diagnosis.cause, Cause::CompressorNotRunning, "{:?}", alarm.diagnosis);
    assert!((2 * DAY + 900..=2 * DAY + 920).contains(second), "after a quarter of an hour, not {second}");
    assert!(fact(&alarm.evidence, Quantity::UsualPower).unwrap() > 200.0, "{:?}", alarm.evidence);
}

#[test]
fn a_compressor_that_starts_every_three_minutes_is_told() {
    let mut machine = Machine::new(Class::Freezer, false, false);
    machine.run(2 * DAY, healthy);
    assert_eq!(machine.said, []);
    machine.run(2 * HOUR, |second| Read {
        power: Some(if phase(second, 3) < 0.5 { 250.0 } else { 8.0 }),
        ..healthy(second)
    });
    let (_, alarm) = machine.first(Condition::CompressorAbnormal);
    assert_eq!(alarm.diagnosis.cause, Cause::CompressorShortCycling, "{:?}", alarm.diagnosis);
    assert!(fact(&alarm.evidence, Quantity::Starts) > fact(&alarm.evidence, Quantity::UsualStarts));
}

#[test]
fn a_door_is_told_by_its_contact_and_over_when_it_is_shut() {
    let mut machine = Machine::new(Class::Freezer, true, true);
    machine.run(DAY, healthy);
    machine.run(900, |second| Read { door: Some(true), ..healthy(second) });
    let (second, alarm) = machine.first(Condition::DoorOpen);
    assert_eq!(alarm.diagnosis.cause, Cause::DoorOpen);
    assert!((DAY + 600..=DAY + 610).contains(second), "after ten minutes, not {second}");
    machine.run(60, healthy);
    assert!(!machine.active(Condition::DoorOpen));
}

#[test]
fn customers_at_the_door_are_no_alarm() {
    let mut machine = Machine::new(Class::Freezer, true, true);
    // Open for one minute of every three, all day, and at the worst for nine of ten.
    for (minutes, open) in [(3, 0.34), (10, 0.9)] {
        machine.run(DAY, |second| Read { door: Some(phase(second, minutes) < open), ..healthy(second) });
    }
    assert_eq!(machine.said, []);
}

#[test]
fn warming_goods_are_foretold_and_told_with_the_time_that_is_left() {
    let mut machine = Machine::new(Class::Freezer, false, false);
    machine.run(2 * DAY, healthy);
    assert_eq!(machine.said, []);
    machine.run(12 * HOUR, |second| Read {
        air: warming(second, 2 * DAY, -21.2),
        power: Some(8.0),
        ..Read::default()
    });
    let (foretold, forecast) = machine.first(Condition::LimitForecast);
    let left = fact(&forecast.evidence, Quantity::TimeLeft).unwrap();
    let (high, _) = machine.first(Condition::TemperatureHigh);
    assert!(foretold + HOUR <= *high, "an hour before it is told as too warm: {foretold} {high}");
    assert!(left > 0.0 && left <= 7200.0, "{left} s");
    let (warm, goods) = machine.first(Condition::GoodsWarm);
    let left = fact(&goods.evidence, Quantity::TimeLeft).unwrap();
    assert!(*warm > *foretold && left > 0.0, "{left} s");
}
