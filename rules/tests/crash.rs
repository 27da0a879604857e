//! A crash at any moment must not change what is said of a cabinet.

use proptest::prelude::*;
use std::collections::BTreeMap;
use storewarden_rules::detect::TemperatureLimitConfig;
use storewarden_rules::{
    AlarmState, Class, Condition, DeviceId, Event, Input, Millis, Mono, Now, PointId, Reading, Restored,
    Rule, Sample, Site, Utc,
};

/// What a journal keeps of one device: the latest of each, by condition.
#[derive(Default)]
struct Journal {
    pending: BTreeMap<Condition, Utc>,
    alarms: BTreeMap<Condition, Restored>,
    said: Vec<(Utc, AlarmState)>,
}

impl Journal {
    fn keep(&mut self, event: Event) {
        match event {
            Event::Pending { condition, since: Some(since), .. } => {
                self.pending.insert(condition, since);
            }
            Event::Pending { condition, since: None, .. } => {
                self.pending.remove(&condition);
            }
            Event::Alarm(alarm) => {
                self.said.push((alarm.at, alarm.state));
                let restored = Restored::Alarm {
                    state: alarm.state,
                    changed_at: alarm.at,
                    diagnosis: alarm.diagnosis,
                    evidence: alarm.evidence,
                    parent: None,
                    escalation: 0,
                    shelved_until: None,
                };
                self.alarms.insert(alarm.condition, restored);
            }
            // Told in tests/lifecycle.rs.
            Event::Update(_) | Event::Chatter { .. } | Event::Service { .. } => {}
            Event::Command { .. } => panic!("nothing is switched here"),
        }
    }
}

fn start(now: Now, journal: &Journal) -> (Box<Site>, DeviceId, PointId) {
    let mut site = Box::new(Site::new());
    let freezer = site.add_device(Class::Freezer, Millis::from_secs(5)).expect("room");
    let air = site.add_point(freezer, Millis::from_mins(2)).expect("room");
    let customary = TemperatureLimitConfig::for_class(Class::Freezer).expect("a freezer has a limit");
    let config = TemperatureLimitConfig { limit: -18.0, ..customary };
    site.add_rule(freezer, Rule::TemperatureLimit { air, defrost: None, config }).expect("room");
    site.resume(freezer);
    for (condition, restored) in &journal.alarms {
        site.restore(now, freezer, *condition, restored.clone());
    }
    for (condition, since) in &journal.pending {
        site.restore(now, freezer, *condition, Restored::Pending { since: *since });
    }
    (site, freezer, air)
}

/// Plays one reading and one tick a minute, with a crash before each minute in `crashes`.
fn play(temperatures: &[f64], acknowledged: &[usize], crashes: &[usize]) -> Vec<(Utc, AlarmState)> {
    let mut now = Now { mono: Mono(0), utc: Utc(1_700_000_000_000) };
    let mut journal = Journal::default();
    let (mut site, mut freezer, mut air) = start(now, &journal);
    for (minute, temperature) in temperatures.iter().enumerate() {
        if crashes.contains(&minute) {
            // A new process has a new monotonic clock.
            now.mono = Mono(now.mono.0 / 3 - 5_000_000);
            (site, freezer, air) = start(now, &journal);
        }
        let reading = Reading { point: air, at: now.utc, sample: Sample::Good(*temperature) };
        site.step(now, Input::Reading(reading), &mut |event| journal.keep(event));
        site.step(now, Input::Tick { utc_offset_s: 0 }, &mut |event| journal.keep(event));
        if acknowledged.contains(&minute) {
            let acknowledge = Input::Acknowledge { device: freezer, condition: Condition::TemperatureHigh };
            site.step(now, acknowledge, &mut |event| journal.keep(event));
        }
        now = now.after(Millis::from_mins(1));
    }
    journal.said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn crashes_change_nothing(
        phases in prop::collection::vec((-21.0..-15.0_f64, 1_usize..70), 1..8),
        acknowledged in prop::collection::vec(0_usize..300, 0..5),
        crashes in prop::collection::vec(0_usize..300, 0..6),
    ) {
        let temperatures: Vec<f64> = phases.into_iter().flat_map(|(t, n)| std::iter::repeat_n(t, n)).collect();
        let calm = play(&temperatures, &acknowledged, &[]);
        prop_assert_eq!(play(&temperatures, &acknowledged, &crashes), calm);
    }
}
