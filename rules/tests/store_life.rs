//! Stories of a store, told to a `Site` second by second.

use storewarden_rules::detect::{NoResponseConfig, TemperatureLimitConfig};
use storewarden_rules::{
    AlarmEvent, AlarmState, BadReason, Cause, Class, Condition, DeviceId, Event, Evidence, Input, Millis,
    Mono, Now, PointId, Quantity, Reading, Restored, Rule, Sample, Site, Utc,
};

const POLL: Millis = Millis::from_secs(5);
const STALE: Millis = Millis::from_secs(30);
const EAST_8: i32 = 8 * 3600;
/// 2026-06-21 00:00 in Shanghai.
const MIDNIGHT: Utc = Utc(1_781_971_200_000);

/// A freezer with air temperature, defrost flag and compressor flag, and what was said of it.
struct Store {
    site: Box<Site>,
    now: Now,
    freezer: DeviceId,
    air: PointId,
    defrost: PointId,
    compressor: PointId,
    said: Vec<(i64, Event)>,
    started: Mono,
}

impl Store {
    /// A store whose agent starts at `now`.
    fn start(now: Now) -> Self {
        let mut site = Box::new(Site::new());
        let freezer = site.add_device(Class::Freezer, POLL).expect("room");
        let mut point = || site.add_point(freezer, STALE).expect("room");
        let (air, defrost, compressor) = (point(), point(), point());
        let customary = TemperatureLimitConfig::for_class(Class::Freezer).expect("a freezer has a limit");
        let config = TemperatureLimitConfig { limit: -18.0, ..customary };
        let limit = Rule::TemperatureLimit { air, defrost: Some(defrost), config };
        site.add_rule(freezer, limit).expect("room");
        site.add_rule(freezer, Rule::NoResponse { vital: None, config: NoResponseConfig::default() })
            .expect("room");
        Self { site, now, freezer, air, defrost, compressor, said: Vec::new(), started: now.mono }
    }

    fn step(&mut self, input: Input) {
        let second = (self.now.mono - self.started).0 / 1000;
        self.site.step(self.now, input, &mut |event| self.said.push((second, event)));
    }

    fn read(&mut self, point: PointId, sample: Sample) {
        self.step(Input::Reading(Reading { point, at: self.now.utc, sample }));
    }

    /// `minutes` go by, with the freezer polled every five seconds.
    fn run(&mut self, minutes: i64, air: f64, defrost: bool, compressor: bool) {
        self.pass(minutes * 60, Some((air, f64::from(defrost), f64::from(compressor))));
    }

    /// `minutes` go by in which the freezer does not answer.
    fn silence(&mut self, minutes: i64) {
        self.pass(minutes * 60, None);
    }

    fn pass(&mut self, seconds: i64, values: Option<(f64, f64, f64)>) {
        for second in 0..seconds {
            if second % 5 == 0 {
                let sample = |value: fn((f64, f64, f64)) -> f64| match values {
                    Some(values) => Sample::Good(value(values)),
                    None => Sample::Bad(BadReason::NoResponse),
                };
                self.read(self.air, sample(|v| v.0));
                self.read(self.defrost, sample(|v| v.1));
                self.read(self.compressor, sample(|v| v.2));
            }
            self.step(Input::Tick { utc_offset_s: EAST_8 });
            self.now = self.now.after(Millis::from_secs(1));
        }
    }

    /// The alarms' changes so far: minute, condition, new state.
    fn alarms(&self) -> Vec<(i64, Condition, AlarmState)> {
        let alarms = self.said.iter().filter_map(|(second, event)| match event {
            Event::Alarm(alarm) => Some((second / 60, alarm.condition, alarm.state)),
            _ => None,
        });
        alarms.collect()
    }

    fn last_alarm(&self) -> &AlarmEvent {
        let alarm = self.said.iter().rev().find_map(|(_, event)| match event {
            Event::Alarm(alarm) => Some(alarm),
            _ => None,
        });
        alarm.expect("an alarm")
    }

    fn pendings(&self) -> Vec<Option<Utc>> {
        let pendings = self.said.iter().filter_map(|(_, event)| match event {
            Event::Pending { since, .. } => Some(*since),
            _ => None,
        });
        pendings.collect()
    }

    /// The agent is killed; another starts after `minutes` and is told what the journal holds.
    fn crash_and_restart(self, minutes: i64, restored: &[(Condition, Restored)]) -> Self {
        // The new process has its own monotonic clock.
        let now = Now { mono: Mono(77), utc: self.now.utc + Millis::from_mins(minutes) };
        let mut store = Self::start(now);
        store.site.resume(store.freezer);
        for (condition, restored) in restored {
            store.site.restore(now, store.freezer, *condition, restored.clone());
        }
        store
    }
}

fn morning() -> Now {
    Now { mono: Mono(1_000_000), utc: MIDNIGHT + Millis::from_mins(600) }
}

/// A store whose freezer has been cold for ten minutes.
fn cold_store() -> Store {
    let mut store = Store::start(morning());
    store.run(10, -20.0, false, true);
    store
}

#[test]
fn a_defrost_of_25_minutes_is_no_alarm() {
    let mut store = cold_store();
    store.run(25, -9.0, true, false);
    store.run(40, -14.0, false, true);
    store.run(60, -20.0, false, true);
    assert_eq!(store.alarms(), []);
    assert_eq!(store.pendings().len(), 2, "it began and it settled");
}

#[test]
fn the_compressor_dies_and_half_an_hour_later_everyone_knows_once() {
    let mut store = cold_store();
    store.run(60, -15.0, false, false);
    let high = Condition::TemperatureHigh;
    assert_eq!(store.alarms(), [(40, high, AlarmState::ActiveUnacknowledged)]);
    assert_eq!(store.last_alarm().evidence.since, morning().utc + Millis::from_mins(10));
    store.step(Input::Acknowledge { device: store.freezer, condition: high });
    store.run(1, -15.0, false, false);
    let snapshot: Vec<_> = store.site.alarms().collect();
    assert_eq!(snapshot.len(), 1);
    assert_eq!(snapshot[0].state, AlarmState::ActiveAcknowledged);
    assert_eq!(snapshot[0].since, morning().utc + Millis::from_mins(10));
    store.run(5, -19.0, false, true);
    assert_eq!(store.last_alarm().state, AlarmState::Normal);
    let evidence = &store.last_alarm().evidence;
    assert_eq!(evidence.value(Quantity::Held), Some(61.0 * 60.0), "how long it was too warm in all");
    assert_eq!(evidence.value(Quantity::WorstTemperature), Some(-15.0));
    assert_eq!(store.alarms().len(), 3);
    assert_eq!(store.site.alarms().count(), 0);
}

#[test]
fn a_defrost_that_comes_late_explains_nothing() {
    let mut store = cold_store();
    store.run(20, -12.0, false, true);
    store.run(75, -10.0, true, false);
    assert_eq!(store.alarms(), [(100, Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged)]);
}

#[test]
fn a_crash_in_the_middle_neither_starts_the_delay_anew_nor_raises_twice() {
    let mut store = cold_store();
    store.run(20, -15.0, false, false);
    let since = store.pendings()[0].expect("the delay runs");
    let restored = [(Condition::TemperatureHigh, Restored::Pending { since })];
    let mut store = store.crash_and_restart(2, &restored);
    store.run(20, -15.0, false, false);
    // 20 minutes before the crash, 2 of darkness, 8 after it.
    assert_eq!(store.alarms(), [(8, Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged)]);
    assert_eq!(store.last_alarm().evidence.since, since);
    assert_eq!(store.pendings(), [None], "the journal may forget the delay");

    let raised = store.last_alarm().clone();
    let alarm = Restored::Alarm {
        state: raised.state,
        changed_at: raised.at,
        diagnosis: raised.diagnosis,
        evidence: raised.evidence.clone(),
        parent: None,
        escalation: 0,
        shelved_until: None,
    };
    // A crash between the alarm and the end of its delay leaves both in the journal.
    let both = [
        (Condition::TemperatureHigh, alarm),
        (Condition::TemperatureHigh, Restored::Pending { since: raised.evidence.since }),
    ];
    let mut store = store.crash_and_restart(1, &both);
    assert_eq!(store.site.alarms().map(|alarm| alarm.diagnosis).collect::<Vec<_>>(), [raised.diagnosis]);
    store.run(60, -15.0, false, false);
    assert_eq!(store.alarms(), [], "not raised twice");
    store.run(1, -20.0, false, true);
    assert_eq!(store.alarms(), [(60, Condition::TemperatureHigh, AlarmState::ReturnedUnacknowledged)]);
    assert_eq!(store.pendings(), [None]);
}

#[test]
fn a_delay_that_ran_out_while_the_agent_was_away_waits_for_the_first_reading() {
    for (air, expected) in [(-20.0, 0), (-15.0, 1)] {
        let mut store = cold_store();
        store.run(20, -15.0, false, false);
        let since = store.pendings()[0].expect("the delay runs");
        let restored = [(Condition::TemperatureHigh, Restored::Pending { since })];
        let mut store = store.crash_and_restart(360, &restored);
        for _ in 0..10 {
            store.step(Input::Tick { utc_offset_s: EAST_8 });
            store.now = store.now.after(Millis::from_secs(1));
        }
        assert_eq!(store.alarms(), []);
        store.run(1, air, false, false);
        assert_eq!(store.alarms().len(), expected, "{air}");
    }
}

#[test]
fn a_clock_set_back_an_hour_changes_nothing_in_the_delays() {
    let mut store = cold_store();
    store.run(20, -15.0, false, false);
    store.now.utc = store.now.utc + Millis::from_mins(-60);
    store.run(20, -15.0, false, false);
    assert_eq!(store.alarms(), [(40, Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged)]);
}

#[test]
fn a_silent_freezer_is_its_own_alarm_and_does_not_keep_an_excursion_quiet() {
    let mut store = cold_store();
    store.run(10, -15.0, false, false);
    store.silence(30);
    assert_eq!(
        store.alarms(),
        [
            (21, Condition::NoResponse, AlarmState::ActiveUnacknowledged),
            (40, Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged),
        ]
    );
    store.run(1, -15.0, false, false);
    assert_eq!(store.last_alarm().condition, Condition::NoResponse);
    assert_eq!(store.last_alarm().state, AlarmState::ReturnedUnacknowledged);
}

#[test]
fn an_alarm_put_aside_comes_back_by_itself_if_it_is_still_true() {
    let mut store = cold_store();
    store.run(31, -15.0, false, false);
    let (device, condition) = (store.freezer, Condition::TemperatureHigh);
    store.step(Input::Acknowledge { device, condition });
    store.step(Input::Shelve { device, condition, span: Millis::from_mins(60) });
    store.run(70, -15.0, false, false);
    let states: Vec<_> =
        store.alarms().into_iter().skip(1).map(|(minute, _, state)| (minute, state)).collect();
    assert_eq!(
        states,
        [
            (41, AlarmState::ActiveAcknowledged),
            (41, AlarmState::Shelved),
            (101, AlarmState::ActiveUnacknowledged),
        ]
    );
}

#[test]
fn nothing_is_put_aside_for_more_than_a_day() {
    let mut store = cold_store();
    store.run(31, -15.0, false, false);
    let (device, condition) = (store.freezer, Condition::TemperatureHigh);
    store.step(Input::Shelve { device, condition, span: Millis(i64::MAX) });
    store.now = store.now.after(Millis::from_mins(24 * 60));
    store.run(1, -15.0, false, false);
    let states: Vec<_> = store.alarms().into_iter().map(|(minute, _, state)| (minute, state)).collect();
    assert_eq!(states[1..], [(41, AlarmState::Shelved), (41 + 1440, AlarmState::ActiveUnacknowledged)]);
}

#[test]
fn a_shelf_outlives_a_restart_and_still_ends() {
    let mut store = cold_store();
    store.run(31, -15.0, false, false);
    let alarm = store.last_alarm().clone();
    let restored = Restored::Alarm {
        state: AlarmState::Shelved,
        changed_at: alarm.at,
        diagnosis: alarm.diagnosis,
        evidence: alarm.evidence.clone(),
        parent: None,
        escalation: 0,
        shelved_until: Some(store.now.utc + Millis::from_mins(30)),
    };
    let mut store = store.crash_and_restart(10, &[(Condition::TemperatureHigh, restored)]);
    store.run(30, -15.0, false, false);
    assert_eq!(store.alarms(), [(20, Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged)]);
}

#[test]
fn a_shelf_is_not_eternal_for_a_box_that_starts_in_1970() {
    let mut store = Store::start(Now::default());
    let restored = Restored::Alarm {
        state: AlarmState::Shelved,
        changed_at: MIDNIGHT,
        diagnosis: storewarden_rules::Diagnosis::default(),
        evidence: Evidence::since(MIDNIGHT),
        parent: None,
        escalation: 0,
        shelved_until: Some(MIDNIGHT + Millis::from_mins(30)),
    };
    store.site.restore(store.now, store.freezer, Condition::TemperatureHigh, restored);
    store.run(1, -15.0, false, false);
    assert_eq!(store.alarms(), []);
    store.now = store.now.after(Millis::from_mins(24 * 60));
    store.run(1, -15.0, false, false);
    assert_eq!(store.last_alarm().state, AlarmState::ActiveUnacknowledged);
}

#[test]
fn acknowledging_what_is_not_wrong_says_nothing() {
    let mut store = cold_store();
    store.step(Input::Acknowledge { device: store.freezer, condition: Condition::TemperatureHigh });
    store.step(Input::Acknowledge { device: DeviceId(99), condition: Condition::LightDark });
    let nothing =
        Input::Shelve { device: store.freezer, condition: Condition::TemperatureHigh, span: Millis(0) };
    store.step(nothing);
    assert_eq!(store.said, []);
}

#[test]
fn samples_age_and_impossible_numbers_are_bad() {
    let mut store = cold_store();
    store.read(store.air, Sample::Good(-20.0));
    let later = store.now.after(STALE);
    assert_eq!(store.site.sample(later, store.air), Sample::Good(-20.0));
    assert_eq!(store.site.sample(later.after(Millis(1)), store.air), Sample::Stale(-20.0));
    store.read(store.air, Sample::Good(f64::NAN));
    assert_eq!(store.site.sample(store.now, store.air), Sample::Bad(BadReason::Implausible));
    let unread = Store::start(morning());
    assert_eq!(unread.site.sample(unread.now, unread.air), Sample::Bad(BadReason::NoResponse));
    store.read(PointId(2047), Sample::Good(1.0));
}

#[test]
fn a_cabinet_whose_sensor_is_lost_is_out_of_sight_though_its_controller_answers() {
    let mut site = Box::new(Site::new());
    let freezer = site.add_device(Class::Freezer, Millis::from_secs(5)).expect("room");
    let air = site.add_point(freezer, Millis::from_secs(15)).expect("room");
    let defrost = site.add_point(freezer, Millis::from_secs(15)).expect("room");
    site.add_rule(freezer, Rule::NoResponse { vital: Some(air), config: NoResponseConfig::default() })
        .expect("room");
    let mut said = Vec::new();
    let mut now = Now { mono: Mono(0), utc: Utc(1_700_000_000_000) };
    for second in 0..600 {
        let sample = if second < 60 { Sample::Good(-20.0) } else { Sample::Bad(BadReason::SensorFault) };
        for (point, sample) in [(air, sample), (defrost, Sample::Good(0.0))] {
            let reading = Reading { point, at: now.utc, sample };
            site.step(now, Input::Reading(reading), &mut |event| said.push((second, event)));
        }
        site.step(now, Input::Tick { utc_offset_s: 0 }, &mut |event| said.push((second, event)));
        now = now.after(Millis::from_secs(1));
    }
    let [(second, Event::Alarm(alarm))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((alarm.condition, alarm.diagnosis.cause), (Condition::NoResponse, Cause::ValueUnusable));
    assert!((179..=181).contains(second), "two minutes after the last good value, not {second}");
}

#[test]
fn an_alarm_that_is_over_cannot_be_put_aside() {
    let mut store = cold_store();
    let (device, condition) = (store.freezer, Condition::TemperatureHigh);
    let shelve = Input::Shelve { device, condition, span: Millis::from_mins(60) };
    store.step(shelve);
    assert_eq!(store.alarms(), []);
    store.run(31, -12.0, false, true);
    assert_eq!(store.last_alarm().state, AlarmState::ActiveUnacknowledged, "the next one is heard");
    store.step(shelve);
    store.step(Input::Shelve { device, condition, span: Millis::from_mins(400) });
    let states: Vec<_> = store.alarms().into_iter().map(|(_, _, state)| state).collect();
    assert_eq!(states, [AlarmState::ActiveUnacknowledged, AlarmState::Shelved], "the second says nothing");
    store.run(61, -12.0, false, true);
    assert_eq!(store.last_alarm().state, AlarmState::ActiveUnacknowledged, "and changes nothing");
}
