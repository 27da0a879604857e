//! Lines, circuits and the store gone at once: one alarm, whose parts lie beneath it, and nothing that is
//! not known; and a probe that breaks, which is not a silence.

#![allow(clippy::unwrap_used, reason = "tests")]

use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::detect::{DemandConfig, NoResponseConfig, OutageConfig};
use storewarden_rules::{
    AlarmEvent, AlarmSnapshot, AlarmState, BadReason, Cause, Class, Condition, DeviceId, Event, Input,
    Millis, Mono, Now, PointId, Reading, Rule, Sample, Site, Utc,
};

const START: Now = Now { mono: Mono(1_000_000), utc: Utc(1_781_971_200_000) };
const BROKEN: Sample = Sample::Bad(BadReason::SensorFault);

struct Freezer {
    device: DeviceId,
    air: PointId,
    power: Option<PointId>,
    poll: i64,
}

/// What a freezer does.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Answer,
    Keep,
    DrawNothing,
    BrokenProbe,
}

/// A store: parents with [`Store::parent`], freezers on them with [`Store::freezer`].
struct Store {
    site: Box<Site>,
    now: Now,
    store: DeviceId,
    freezers: Vec<Freezer>,
    said: Vec<AlarmEvent>,
}

impl Store {
    fn new() -> Self {
        let mut site = Box::new(Site::new());
        let store = site.add_device(Class::Store, Millis(0)).unwrap();
        site.add_rule(store, Rule::Outage { config: OutageConfig::store() }).unwrap();
        Self { site, now: START, store, freezers: Vec::new(), said: Vec::new() }
    }

    fn parent(&mut self, class: Class) -> DeviceId {
        let config = if class == Class::Line { OutageConfig::line() } else { OutageConfig::circuit() };
        let device = self.site.add_device(class, Millis(0)).unwrap();
        self.site.hang(device, self.store).unwrap();
        self.site.add_rule(device, Rule::Outage { config }).unwrap();
        device
    }

    /// A freezer that is read every `poll` seconds; gives its number.
    fn freezer(&mut self, poll: i64, has_power: bool, on: &[DeviceId]) -> usize {
        let device = self.site.add_device(Class::Freezer, Millis::from_secs(poll)).unwrap();
        let mut point = || self.site.add_point(device, Millis::from_secs(3 * poll)).unwrap();
        let air = point();
        let power = has_power.then(point);
        for on in on.iter().chain([&self.store]) {
            self.site.hang(device, *on).unwrap();
        }
        let silence = Rule::NoResponse { vital: Some(air), config: NoResponseConfig::default() };
        self.site.add_rule(device, silence).unwrap();
        let points = CabinetPoints { power, ..CabinetPoints::only_air(air) };
        let config = CabinetConfig::for_class(Class::Freezer).unwrap();
        self.site.add_rule(device, Rule::Cabinet { points, config }).unwrap();
        self.freezers.push(Freezer { device, air, power, poll });
        self.freezers.len() - 1
    }

    fn step(&mut self, input: Input) {
        let said = &mut self.said;
        self.site.step(self.now, input, &mut |event| {
            if let Event::Alarm(alarm) = event {
                said.push(alarm);
            }
        });
    }

    fn read(&mut self, point: PointId, sample: Sample) {
        self.step(Input::Reading(Reading { point, at: self.now.utc, sample }));
    }

    fn run(&mut self, seconds: i64, does: impl Fn(usize) -> Does) {
        for _ in 0..seconds {
            let second = (self.now.mono - START.mono).0 / 1000;
            for number in 0..self.freezers.len() {
                let Freezer { air, power, poll, .. } = self.freezers[number];
                if second % poll != 0 {
                    continue;
                }
                let does = does(number);
                let cooling = f64::from(u8::try_from(second / 60 % 10).unwrap()) / 10.0;
                let silent = Sample::Bad(BadReason::NoResponse);
                let air_is = match does {
                    Does::Keep => silent,
                    Does::BrokenProbe => BROKEN,
                    // A probe that never moves is stuck.
                    Does::Answer | Does::DrawNothing => Sample::Good(-22.0 + cooling),
                };
                self.read(air, air_is);
                if let Some(power) = power {
                    // Runs for ten minutes of twenty; its controller draws 8 W.
                    let watts = if second / 600 % 2 == 0 { 300.0 } else { 8.0 };
                    let power_is = match does {
                        Does::Keep => silent,
                        Does::DrawNothing => Sample::Good(0.0),
                        Does::Answer | Does::BrokenProbe => Sample::Good(watts),
                    };
                    self.read(power, power_is);
                }
            }
            self.step(Input::Tick { utc_offset_s: 0 });
            self.now = self.now.after(Millis::from_secs(1));
        }
    }

    /// Who asked for attention, in order.
    fn announced(&self) -> Vec<(DeviceId, Condition, Cause)> {
        let asks = |said: &&AlarmEvent| {
            said.state == AlarmState::ActiveUnacknowledged && said.previous == AlarmState::Normal
        };
        let name = |said: &AlarmEvent| (said.device, said.condition, said.diagnosis.cause);
        self.said.iter().filter(asks).map(name).collect()
    }

    fn beneath(&self, parent: DeviceId, condition: Condition) -> Vec<AlarmSnapshot> {
        self.site.alarms().filter(|alarm| alarm.parent == Some((parent, condition))).collect()
    }

    fn device(&self, number: usize) -> DeviceId {
        self.freezers[number].device
    }

    /// Nothing is wrong any more, and what was announced waits to be acknowledged.
    fn assert_over(&self) {
        for alarm in self.site.alarms() {
            assert_eq!(alarm.state, AlarmState::ReturnedUnacknowledged, "{alarm:?}");
        }
    }
}

#[test]
fn twelve_devices_on_a_dead_line_are_one_alarm_that_lists_them() {
    let mut store = Store::new();
    let [dead, other] = [(); 2].map(|()| store.parent(Class::Line));
    for _ in 0..12 {
        store.freezer(5, false, &[dead]);
    }
    store.freezer(5, false, &[other]);
    store.run(300, |_| Does::Answer);
    store.run(600, |number| if number < 12 { Does::Keep } else { Does::Answer });
    assert_eq!(store.announced(), [(dead, Condition::LineDead, Cause::LineDead)]);
    let beneath = store.beneath(dead, Condition::LineDead);
    let silent: Vec<_> = beneath.iter().map(|alarm| (alarm.device, alarm.condition, alarm.state)).collect();
    let expected = |number| (store.device(number), Condition::NoResponse, AlarmState::SuppressedByDesign);
    assert_eq!(silent, (0..12).map(expected).collect::<Vec<_>>());
    store.run(60, |_| Does::Answer);
    store.assert_over();
    assert_eq!(store.announced().len(), 1);
}

#[test]
fn the_only_line_of_a_store_is_no_power_cut() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    let circuit = store.parent(Class::Circuit);
    for _ in 0..4 {
        store.freezer(5, false, &[line, circuit]);
    }
    store.run(300, |_| Does::Answer);
    store.run(600, |_| Does::Keep);
    assert_eq!(store.announced(), [(line, Condition::LineDead, Cause::LineDead)]);
}

#[test]
fn a_power_cut_silences_several_lines_and_is_one_alarm() {
    let mut store = Store::new();
    let lines = [(); 2].map(|()| store.parent(Class::Line));
    let circuits = [(); 2].map(|()| store.parent(Class::Circuit));
    for number in 0..4 {
        store.freezer(5, false, &[lines[number % 2], circuits[number / 2]]);
    }
    store.run(300, |_| Does::Answer);
    store.run(600, |_| Does::Keep);
    assert_eq!(store.announced(), [(store.store, Condition::PowerLost, Cause::PowerCut)]);
    let beneath = store.beneath(store.store, Condition::PowerLost);
    assert_eq!(beneath.len(), 2 + 4, "both lines and all freezers: {beneath:?}");
    store.run(60, |_| Does::Answer);
    store.assert_over();
}

#[test]
fn a_main_meter_that_answers_and_reads_nothing_says_that_it_is_the_power() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    for _ in 0..3 {
        store.freezer(5, false, &[line]);
    }
    let device = store.site.add_device(Class::Meter, Millis::from_secs(5)).unwrap();
    let power = store.site.add_point(device, Millis::from_secs(15)).unwrap();
    store.site.hang(device, store.store).unwrap();
    store
        .site
        .add_rule(device, Rule::NoResponse { vital: None, config: NoResponseConfig::default() })
        .unwrap();
    let config = DemandConfig { limit: 20_000.0, hysteresis: 0.05, window_min: 15 };
    store.site.add_rule(device, Rule::Demand { power, config }).unwrap();
    for (does, watts) in [(Does::Answer, 4_000.0), (Does::Keep, 0.0)] {
        for _ in 0..60 {
            store.read(power, Sample::Good(watts));
            store.run(5, |_| does);
        }
    }
    assert_eq!(store.announced(), [(store.store, Condition::PowerLost, Cause::PowerCut)]);
}

#[test]
fn a_tripped_circuit_is_told_from_its_line_and_from_the_store() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    let circuit = store.parent(Class::Circuit);
    for number in 0..6 {
        let on = [line, circuit];
        store.freezer(5, false, if number < 3 { &on } else { &on[..1] });
    }
    store.run(300, |_| Does::Answer);
    store.run(600, |number| if number < 3 { Does::Keep } else { Does::Answer });
    assert_eq!(store.announced(), [(circuit, Condition::PowerLost, Cause::CircuitTripped)]);
    assert_eq!(store.beneath(circuit, Condition::PowerLost).len(), 3);
    store.run(60, |_| Does::Answer);
    store.assert_over();
}

#[test]
fn a_circuit_whose_cabinets_answer_and_draw_nothing_has_tripped() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    let circuit = store.parent(Class::Circuit);
    for number in 0..4 {
        let on = [line, circuit];
        store.freezer(5, true, if number < 2 { &on } else { &on[..1] });
    }
    store.run(4 * 3600, |_| Does::Answer);
    assert_eq!(store.announced(), [], "all rest at the same time, at 8 W");
    store.run(600, |number| if number < 2 { Does::DrawNothing } else { Does::Answer });
    assert_eq!(store.announced(), [(circuit, Condition::PowerLost, Cause::CircuitTripped)]);
    let beneath = store.beneath(circuit, Condition::PowerLost);
    let powers = beneath.iter().filter(|alarm| alarm.condition == Condition::PowerLost).count();
    assert_eq!(powers, 2, "{beneath:?}");
}

#[test]
fn one_silent_device_is_its_own_alarm() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    let circuit = store.parent(Class::Circuit);
    for _ in 0..3 {
        store.freezer(5, false, &[line]);
    }
    let alone = store.freezer(5, false, &[line, circuit]);
    store.run(300, |_| Does::Answer);
    store.run(600, |number| if number == alone { Does::Keep } else { Does::Answer });
    assert_eq!(store.announced(), [(store.device(alone), Condition::NoResponse, Cause::DeviceSilent)]);
}

#[test]
fn a_slowly_polled_member_neither_delays_the_line_nor_is_called_silent_early() {
    for does_slow_die in [true, false] {
        let mut store = Store::new();
        let line = store.parent(Class::Line);
        for _ in 0..3 {
            store.freezer(5, false, &[line]);
        }
        let slow = store.freezer(300, false, &[line]);
        store.run(420, |_| Does::Answer);
        assert_eq!(store.announced(), [], "nobody is silent who was not asked");
        // Two minutes after the slow one was asked the quick ones fall silent; three later it is asked again.
        store.run(170, |_| Does::Keep);
        assert_eq!(store.announced(), [(line, Condition::LineDead, Cause::LineDead)]);
        store.run(1800, |number| if number == slow && !does_slow_die { Does::Answer } else { Does::Keep });
        let beneath = store.beneath(line, Condition::LineDead).len();
        assert_eq!(beneath, if does_slow_die { 4 } else { 0 }, "it answers, so the line works");
    }
}

#[test]
fn slow_polls_are_given_their_time_after_a_start() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    store.now = store.now.after(Millis::from_secs(1));
    for _ in 0..3 {
        store.freezer(900, false, &[line]);
    }
    store.run(3000, |_| Does::Answer);
    assert_eq!(store.said, []);
}

#[test]
fn devices_that_are_out_of_service_do_not_kill_a_line() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    for _ in 0..2 {
        store.freezer(5, false, &[line]);
    }
    let alive = store.freezer(5, false, &[line]);
    store.run(60, |_| Does::Answer);
    store.step(Input::RemoveFromService { device: store.device(0) });
    store.run(600, |number| if number == alive { Does::Answer } else { Does::Keep });
    assert_eq!(store.announced(), [(store.device(1), Condition::NoResponse, Cause::DeviceSilent)]);
}

#[test]
fn an_open_probe_is_one_alarm_and_no_silence() {
    let mut store = Store::new();
    let line = store.parent(Class::Line);
    for _ in 0..2 {
        store.freezer(5, false, &[line]);
    }
    store.run(3600, |_| Does::Answer);
    store.run(3600, |number| if number == 0 { Does::BrokenProbe } else { Does::Answer });
    assert_eq!(store.announced(), [(store.device(0), Condition::ProbeFault, Cause::ProbeBroken)]);
    assert_eq!(store.said.len(), 1, "{:?}", store.said);
    // Silence after that is told: nobody answers any more.
    store.run(600, |number| if number == 0 { Does::Keep } else { Does::Answer });
    let silence = store.site.alarms().find(|alarm| alarm.condition == Condition::NoResponse).unwrap();
    assert_eq!(silence.device, store.device(0));
}

#[test]
fn a_line_is_named_before_its_devices_however_often_they_are_polled() {
    for poll in [1, 5, 30, 60, 300] {
        let mut store = Store::new();
        let line = store.site.add_device(Class::Line, Millis(0)).unwrap();
        for _ in 0..3 {
            store.freezer(poll, false, &[line]);
        }
        // After theirs: the order of the rules does not help it.
        store.site.add_rule(line, Rule::Outage { config: OutageConfig::line() }).unwrap();
        store.run(4 * poll + 1, |_| Does::Answer);
        store.run(4 * poll + 180, |_| Does::Keep);
        let silent = store.beneath(line, Condition::LineDead).len();
        assert_eq!((store.announced().len(), silent), (1, 3), "every {poll} s: {:?}", store.announced());
    }
}
