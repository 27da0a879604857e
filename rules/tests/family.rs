//! One cause, one alarm: what is announced, what lies beneath it, and what comes back.

#![allow(clippy::unwrap_used, reason = "tests")]

use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::detect::{NoResponseConfig, OutageConfig, TemperatureLimitConfig};
use storewarden_rules::{
    AlarmEvent, AlarmSnapshot, AlarmState, BadReason, Cause, Class, Condition, DeviceId, Diagnosis, Event,
    Evidence, Input, Millis, Mono, Now, PointId, Reading, Restored, Rule, Sample, Site, SiteFull, Utc,
};

const POLL: Millis = Millis::from_secs(5);
const STALE: Millis = Millis::from_secs(30);
const SILENT: Sample = Sample::Bad(BadReason::NoResponse);
const MORNING: Now = Now { mono: Mono(1_000_000), utc: Utc(1_781_971_200_000) };

/// Two freezers on one line, on one circuit, in one store.
struct Store {
    site: Box<Site>,
    now: Now,
    freezers: [DeviceId; 2],
    airs: [PointId; 2],
    line: DeviceId,
    circuit: DeviceId,
    whole: DeviceId,
    said: Vec<AlarmEvent>,
}

fn outage(condition: Condition, cause: Cause, seconds: i64) -> Rule {
    let delay = Millis::from_secs(seconds);
    Rule::Outage { config: OutageConfig { condition, cause, members_min: 2, delay } }
}

impl Store {
    fn open() -> Self {
        let mut site = Box::new(Site::new());
        let freezers = [(); 2].map(|()| site.add_device(Class::Freezer, POLL).unwrap());
        let airs = freezers.map(|freezer| site.add_point(freezer, STALE).unwrap());
        let [line, circuit, whole] =
            [Class::Line, Class::Circuit, Class::Store].map(|class| site.add_device(class, POLL).unwrap());
        for (freezer, air) in freezers.into_iter().zip(airs) {
            for on in [line, circuit, whole] {
                site.hang(freezer, on).unwrap();
            }
            let config = CabinetConfig::for_class(Class::Freezer).unwrap();
            let quick = TemperatureLimitConfig {
                delay: Millis::from_mins(5),
                delay_hold_off: Millis::from_mins(5),
                ..config.high.unwrap()
            };
            let config = CabinetConfig { high: Some(quick), ..config };
            site.add_rule(freezer, Rule::Cabinet { points: CabinetPoints::only_air(air), config }).unwrap();
            let silence = Rule::NoResponse { vital: None, config: NoResponseConfig::default() };
            site.add_rule(freezer, silence).unwrap();
        }
        site.hang(line, whole).unwrap();
        site.hang(circuit, whole).unwrap();
        site.add_rule(line, outage(Condition::LineDead, Cause::LineDead, 60)).unwrap();
        site.add_rule(circuit, outage(Condition::PowerLost, Cause::CircuitTripped, 90)).unwrap();
        site.add_rule(whole, outage(Condition::PowerLost, Cause::PowerCut, 180)).unwrap();
        Self { site, now: MORNING, freezers, airs, line, circuit, whole, said: Vec::new() }
    }

    fn step(&mut self, input: Input) {
        let said = &mut self.said;
        self.site.step(self.now, input, &mut |event| {
            if let Event::Alarm(alarm) = event {
                said.push(alarm);
            }
        });
    }

    fn read(&mut self, place: usize, sample: Sample) {
        self.step(Input::Reading(Reading { point: self.airs[place], at: self.now.utc, sample }));
    }

    fn tick(&mut self) {
        self.step(Input::Tick { utc_offset_s: 0 });
        self.now = self.now.after(Millis::from_secs(1));
    }

    /// Both freezers read so, every five seconds.
    fn run(&mut self, seconds: i64, samples: [Sample; 2]) {
        for second in 0..seconds {
            if second % 5 == 0 {
                self.read(0, samples[0]);
                self.read(1, samples[1]);
            }
            self.tick();
        }
    }

    fn restore(&mut self, device: DeviceId, condition: Condition, state: AlarmState) {
        let since = Utc(self.now.utc.0 - 3_600_000);
        let restored = Restored::Alarm {
            state,
            changed_at: since,
            diagnosis: Diagnosis::default(),
            evidence: Evidence::since(since),
            parent: None,
            escalation: 0,
            shelved_until: (state == AlarmState::Shelved).then(|| self.now.utc + Millis::from_secs(30)),
        };
        self.site.restore(self.now, device, condition, restored);
    }

    fn alarm(&self, device: DeviceId, condition: Condition) -> Option<AlarmSnapshot> {
        self.site.alarms().find(|alarm| alarm.device == device && alarm.condition == condition)
    }

    fn state(&self, device: DeviceId, condition: Condition) -> AlarmState {
        self.alarm(device, condition).map_or(AlarmState::Normal, |alarm| alarm.state)
    }
}

const COLD: [Sample; 2] = [Sample::Good(-22.0); 2];

#[test]
fn a_dead_line_has_one_alarm_and_its_parts_come_back_when_it_does_not_explain_them() {
    let mut store = Store::open();
    store.run(60, COLD);
    store.run(400, [SILENT; 2]);
    let announced: Vec<_> = store.site.alarms().filter(|alarm| !alarm.state.is_cover()).collect();
    assert_eq!(announced.len(), 1, "{announced:?}");
    assert_eq!(
        (announced[0].device, announced[0].diagnosis.cause),
        (store.line, Cause::LineDead),
        "no power cut"
    );
    let root = Some((store.line, Condition::LineDead));
    let beneath: Vec<_> = store.site.alarms().filter(|alarm| alarm.parent == root).collect();
    assert_eq!(beneath.len(), 2, "both freezers lie beneath it: {beneath:?}");

    // One freezer answers: the line works, and the other is silent by itself.
    store.said.clear();
    store.run(20, [Sample::Good(-22.0), SILENT]);
    let [one, other] = store.freezers;
    assert_eq!(store.state(store.line, Condition::LineDead), AlarmState::ReturnedUnacknowledged);
    assert_eq!(store.state(one, Condition::NoResponse), AlarmState::Normal);
    let left = store.alarm(other, Condition::NoResponse).unwrap();
    assert_eq!((left.state, left.parent), (AlarmState::ActiveUnacknowledged, None));
    assert_eq!(store.state(store.whole, Condition::PowerLost), AlarmState::Normal);
    assert_eq!(store.state(store.circuit, Condition::PowerLost), AlarmState::Normal, "{:?}", store.said);
}

#[test]
fn a_high_temperature_is_announced_whatever_else_is_wrong() {
    let mut store = Store::open();
    let [one, _] = store.freezers;
    store.restore(store.whole, Condition::PowerLost, AlarmState::ActiveUnacknowledged);
    store.restore(one, Condition::ProbeFault, AlarmState::ActiveUnacknowledged);
    store.run(400, [Sample::Good(-5.0), SILENT]);
    let high = store.alarm(one, Condition::TemperatureHigh).unwrap();
    assert_eq!((high.state, high.parent), (AlarmState::ActiveUnacknowledged, None));
}

#[test]
fn after_a_restart_children_are_beneath_their_parents_again_without_a_word() {
    let mut store = Store::open();
    let [one, other] = store.freezers;
    // In the journal's order a child may come before its parent.
    store.restore(one, Condition::NoResponse, AlarmState::SuppressedByDesign);
    store.restore(other, Condition::NoResponse, AlarmState::SuppressedByDesign);
    store.restore(store.line, Condition::LineDead, AlarmState::ActiveAcknowledged);
    store.tick();
    assert_eq!(store.said, []);
    let parent = Some((store.line, Condition::LineDead));
    assert_eq!(store.alarm(one, Condition::NoResponse).unwrap().parent, parent);
    // The line comes back with one of them: the other is told.
    store.run(10, [Sample::Good(-22.0), SILENT]);
    assert_eq!(store.state(one, Condition::NoResponse), AlarmState::Normal);
    assert_eq!(store.state(other, Condition::NoResponse), AlarmState::ActiveUnacknowledged);
}

#[test]
fn a_child_whose_parent_is_gone_at_the_restart_is_announced() {
    let mut store = Store::open();
    let [one, _] = store.freezers;
    store.restore(one, Condition::NoResponse, AlarmState::SuppressedByDesign);
    store.tick();
    let states: Vec<_> = store.said.iter().map(|said| (said.device, said.state)).collect();
    assert_eq!(states, [(one, AlarmState::ActiveUnacknowledged)]);
    store.run(5, COLD);
    assert_eq!(store.state(one, Condition::NoResponse), AlarmState::ReturnedUnacknowledged);
}

#[test]
fn a_crash_between_parent_and_child_leaves_one_alarm() {
    let mut store = Store::open();
    let [one, _] = store.freezers;
    store.restore(store.line, Condition::LineDead, AlarmState::ActiveUnacknowledged);
    store.restore(one, Condition::NoResponse, AlarmState::ActiveAcknowledged);
    store.tick();
    assert_eq!(store.state(one, Condition::NoResponse), AlarmState::SuppressedByDesign);
}

#[test]
fn a_shelf_is_kept_and_what_comes_off_it_lies_beneath_its_parent() {
    let mut store = Store::open();
    let [one, _] = store.freezers;
    store.restore(one, Condition::NoResponse, AlarmState::Shelved);
    store.run(20, [SILENT; 2]);
    store.restore(store.line, Condition::LineDead, AlarmState::ActiveUnacknowledged);
    store.run(5, [SILENT; 2]);
    assert_eq!(store.state(one, Condition::NoResponse), AlarmState::Shelved, "{:?}", store.said);
    store.said.clear();
    store.run(10, [SILENT; 2]);
    let states: Vec<_> = store.said.iter().filter(|said| said.device == one).map(|said| said.state).collect();
    assert_eq!(states, [AlarmState::SuppressedByDesign], "not announced in between");
}

#[test]
fn a_shelf_without_a_parent_ends_in_an_announcement() {
    let mut store = Store::open();
    let [one, _] = store.freezers;
    store.restore(one, Condition::NoResponse, AlarmState::Shelved);
    store.run(40, [SILENT; 2]);
    assert_eq!(store.state(one, Condition::NoResponse), AlarmState::ActiveUnacknowledged);
}

#[test]
fn what_hangs_on_what_has_no_circle() {
    let mut store = Store::open();
    assert_eq!(store.site.hang(store.whole, store.circuit), Err(SiteFull::Unknown));
    assert_eq!(store.site.hang(store.whole, store.whole), Err(SiteFull::Unknown));
    assert_eq!(store.site.hang(store.circuit, store.line), Err(SiteFull::Unknown));
    assert_eq!(store.site.hang(store.line, store.circuit), Ok(()));
    assert_eq!(store.site.hang(store.freezers[0], store.freezers[1]), Err(SiteFull::Unknown));
}
