//! The whole life of alarms: who is told, when, how often, and that a crash changes nothing in it.

use AlarmState::{
    ActiveAcknowledged as Acknowledged, ActiveUnacknowledged as Active, Latched, Normal, OutOfService,
    ReturnedUnacknowledged as Returned, Shelved, SuppressedByDesign as Suppressed,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use storewarden_rules::detect::{Direction, TemperatureLimitConfig};
use storewarden_rules::{
    AlarmEvent, AlarmPolicy, AlarmState, Class, Condition, DeviceId, Event, Input, Millis, Mono, Now,
    PointId, Quantity, Reading, Restored, Rule, Sample, Service, Site, Utc,
};

const HIGH: Condition = Condition::TemperatureHigh;
const STORE: DeviceId = DeviceId(0);
const FIRST: DeviceId = DeviceId(1);
const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WARM: f64 = -5.0;
const COLD: f64 = -25.0;

/// What the agent's journal keeps.
#[derive(Default)]
struct Journal {
    pending: BTreeMap<(DeviceId, Condition), Utc>,
    alarms: BTreeMap<(DeviceId, Condition), AlarmEvent>,
    shelved_until: BTreeMap<(DeviceId, Condition), Utc>,
    services: BTreeMap<DeviceId, Service>,
    announced: Vec<Utc>,
    inspected: Option<Utc>,
    said: Vec<Event>,
}

impl Journal {
    fn keep(&mut self, event: Event) {
        match &event {
            Event::Pending { device, condition, since: Some(since) } => {
                self.pending.insert((*device, *condition), *since);
            }
            Event::Pending { device, condition, since: None } => {
                self.pending.remove(&(*device, *condition));
            }
            Event::Alarm(alarm) => {
                if alarm.state == Active
                    && !alarm.previous.is_cover()
                    && alarm.condition != Condition::AlarmFlood
                {
                    self.announced.push(alarm.at);
                }
                self.alarms.insert((alarm.device, alarm.condition), alarm.clone());
            }
            Event::Update(alarm) => {
                let known = self.alarms.entry((alarm.device, alarm.condition)).or_insert(alarm.clone());
                *known = AlarmEvent { at: known.at, ..alarm.clone() };
            }
            Event::Chatter { device, condition, chatter } => {
                if let Some(alarm) = self.alarms.get_mut(&(*device, *condition)) {
                    alarm.chatter = *chatter;
                }
            }
            Event::Service { device, service } => {
                self.services.insert(*device, *service);
            }
            Event::Command { .. } => panic!("nothing is switched here"),
        }
        if matches!(event, Event::Alarm(_) | Event::Update(_) | Event::Service { .. }) {
            self.said.push(event);
        }
    }
}

/// A store with freezers that alarm at once when they are warm.
struct Bench {
    site: Box<Site>,
    now: Now,
    started: Now,
    air: Vec<PointId>,
    /// What each freezer says when it is asked.
    present: BTreeMap<DeviceId, f64>,
    journal: Journal,
    freezers: u16,
    policy: AlarmPolicy,
}

impl Bench {
    fn new(freezers: u16) -> Self {
        let now = Now { mono: Mono(0), utc: Utc(1_700_000_000_000) };
        let site = Box::new(Site::new());
        let (journal, policy, present) = (Journal::default(), AlarmPolicy::default(), BTreeMap::new());
        let mut bench = Self { site, now, started: now, air: Vec::new(), present, journal, freezers, policy };
        bench.start();
        bench.site.restore_inspected(now, now.utc);
        bench
    }

    fn start(&mut self) {
        let mut site = Box::new(Site::new());
        site.set_policy(self.policy);
        assert_eq!(site.add_device(Class::Store, Millis(0)), Ok(STORE));
        self.air.clear();
        for _ in 0..self.freezers {
            let freezer = site.add_device(Class::Freezer, Millis::from_secs(5)).expect("room");
            let air = site.add_point(freezer, Millis::from_mins(100_000)).expect("room");
            let customary = TemperatureLimitConfig::for_class(Class::Freezer).expect("a freezer has one");
            let (delay, delay_hold_off) = (Millis(0), Millis(0));
            let direction = Direction::High;
            let config =
                TemperatureLimitConfig { limit: -18.0, delay, delay_hold_off, direction, ..customary };
            site.add_rule(freezer, Rule::TemperatureLimit { air, defrost: None, config }).expect("room");
            site.resume(freezer);
            self.air.push(air);
        }
        self.site = site;
    }

    /// The process dies; another goes on from the journal, with another monotonic clock.
    fn crash(&mut self) {
        self.now.mono = Mono(self.now.mono.0 / 3 - 5_000_000);
        self.start();
        let now = self.now;
        for ((device, condition), alarm) in &self.journal.alarms {
            let (device, condition) = (*device, *condition);
            self.site.restore(now, device, condition, Restored::Chatter(alarm.chatter));
            if let Some(repair) = alarm.repair {
                self.site.restore(now, device, condition, Restored::Repair(repair));
            }
            let restored = Restored::Alarm {
                state: alarm.state,
                changed_at: alarm.at,
                diagnosis: alarm.diagnosis,
                evidence: alarm.evidence.clone(),
                parent: alarm.parent,
                escalation: alarm.escalation,
                shelved_until: self.journal.shelved_until.get(&(device, condition)).copied(),
            };
            self.site.restore(now, device, condition, restored);
        }
        for ((device, condition), since) in &self.journal.pending {
            self.site.restore(now, *device, *condition, Restored::Pending { since: *since });
        }
        for (device, service) in &self.journal.services {
            self.site.restore_service(now, *device, *service);
        }
        let announced = &self.journal.announced;
        for at in &announced[announced.len().saturating_sub(12)..] {
            self.site.restore_announced(now, *at);
        }
        self.site.restore_inspected(now, self.journal.inspected.unwrap_or(self.started.utc));
        for (device, celsius) in self.present.clone() {
            self.read(device, celsius);
        }
    }

    fn input(&mut self, input: Input) {
        // What is quiet already cannot be put aside: the site does not hear of it.
        let is_covered = |alarm: &AlarmEvent| alarm.state.is_cover();
        if let Input::Shelve { device, condition, span } = input
            && !self.journal.alarms.get(&(device, condition)).is_some_and(is_covered)
        {
            self.journal.shelved_until.insert((device, condition), self.now.utc + span);
        }
        if input == Input::Inspected {
            self.journal.inspected = Some(self.now.utc);
        }
        let journal = &mut self.journal;
        self.site.step(self.now, input, &mut |event| journal.keep(event));
    }

    fn read(&mut self, device: DeviceId, celsius: f64) {
        self.present.insert(device, celsius);
        let point = self.air[usize::from(device.0) - 1];
        self.input(Input::Reading(Reading { point, at: self.now.utc, sample: Sample::Good(celsius) }));
    }

    /// Lets so many seconds pass, one tick each `step`.
    fn pass(&mut self, seconds: u64, step: u64) {
        for _ in 0..seconds / step {
            self.now = self.now.after(Millis::from_secs(i64::try_from(step).expect("small")));
            self.input(Input::Tick { utc_offset_s: 0 });
        }
    }

    /// What was said of one alarm since the last look: seconds since the start and state.
    fn states(&mut self, device: DeviceId, condition: Condition) -> Vec<(i64, AlarmState)> {
        let started = self.started.utc;
        let said = std::mem::take(&mut self.journal.said);
        said.into_iter()
            .filter_map(|event| match event {
                Event::Alarm(alarm) if (alarm.device, alarm.condition) == (device, condition) => {
                    Some(((alarm.at - started).0 / 1000, alarm.state))
                }
                _ => None,
            })
            .collect()
    }

    /// The levels at which alarms were escalated since the last look: seconds, level for want of an
    /// acknowledgement, level of the repair.
    fn updates(&mut self) -> Vec<(i64, u8, Option<u8>)> {
        let started = self.started.utc;
        let said = std::mem::take(&mut self.journal.said);
        said.into_iter()
            .filter_map(|event| match event {
                Event::Update(alarm) => Some((
                    (alarm.at - started).0 / 1000,
                    alarm.escalation,
                    alarm.repair.map(|repair| repair.escalation),
                )),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn nobody_answers_and_the_next_hears_of_it_three_times() {
    let mut bench = Bench::new(1);
    bench.read(FIRST, WARM);
    bench.pass(5 * HOUR, MINUTE);
    let quarter = 15 * 60;
    assert_eq!(bench.updates(), [(quarter, 1, None), (2 * quarter, 2, None), (3 * quarter, 3, None)]);

    bench.input(Input::Acknowledge { device: FIRST, condition: HIGH });
    bench.pass(5 * HOUR, MINUTE);
    assert_eq!(bench.updates(), []);
    assert!(bench.site.alarms().all(|alarm| alarm.escalation == 0));
}

#[test]
fn a_policy_may_never_escalate() {
    let mut bench = Bench::new(1);
    bench.site.set_policy(AlarmPolicy { escalate_high: None, ..AlarmPolicy::default() });
    bench.read(FIRST, WARM);
    bench.pass(5 * HOUR, MINUTE);
    assert_eq!(bench.updates(), []);
}

#[test]
fn an_alarm_that_chatters_is_held_until_it_is_quiet() {
    let mut bench = Bench::new(1);
    for _ in 0..20 {
        bench.read(FIRST, WARM);
        bench.pass(10, SECOND);
        bench.read(FIRST, COLD);
        bench.pass(10, SECOND);
    }
    bench.pass(30 * MINUTE, SECOND);
    // The third raise within a minute is at 40 s; the last clear is at 390 s.
    let expected = [(0, Active), (10, Returned), (20, Active), (30, Returned), (40, Active), (990, Returned)];
    assert_eq!(bench.states(FIRST, HIGH), expected);
    // A while later it is an alarm like any other.
    bench.read(FIRST, WARM);
    bench.pass(10, SECOND);
    bench.read(FIRST, COLD);
    assert_eq!(bench.states(FIRST, HIGH).len(), 2);
}

#[test]
fn a_policy_may_let_alarms_chatter_and_flood() {
    let mut bench = Bench::new(11);
    let policy = AlarmPolicy { chatter_quiet: None, has_flood: false, ..AlarmPolicy::default() };
    bench.site.set_policy(policy);
    for _ in 0..5 {
        for freezer in 1..=11 {
            bench.read(DeviceId(freezer), WARM);
            bench.read(DeviceId(freezer), COLD);
        }
    }
    assert_eq!(bench.journal.said.len(), 2 * 5 * 11);
    assert!(bench.site.alarms().all(|alarm| alarm.device != STORE));
}

#[test]
fn the_evidence_says_that_it_chatters() {
    let mut bench = Bench::new(1);
    for _ in 0..3 {
        bench.read(FIRST, WARM);
        bench.pass(5, SECOND);
        bench.read(FIRST, COLD);
        bench.pass(5, SECOND);
    }
    let counts: Vec<_> = bench.site.alarms().map(|alarm| alarm.evidence.value(Quantity::Alarms)).collect();
    assert_eq!(counts, [Some(3.0)]);
}

#[test]
fn two_raises_a_minute_are_no_chatter() {
    let mut bench = Bench::new(1);
    for _ in 0..10 {
        bench.read(FIRST, WARM);
        bench.pass(20, SECOND);
        bench.read(FIRST, COLD);
        bench.pass(20, SECOND);
    }
    assert_eq!(bench.states(FIRST, HIGH).len(), 20);
}

#[test]
fn more_than_ten_alarms_in_ten_minutes_are_a_flood() {
    let mut bench = Bench::new(11);
    // The inspection falls due in the midst of it: of low priority, so beneath the flood.
    bench.pass(10 * DAY - 5 * MINUTE, MINUTE);
    for freezer in 1..=11 {
        bench.read(DeviceId(freezer), WARM);
    }
    let flood: Vec<_> = bench.site.alarms().filter(|alarm| alarm.device == STORE).collect();
    assert_eq!(flood.len(), 1);
    assert_eq!((flood[0].condition, flood[0].state), (Condition::AlarmFlood, Active));
    assert_eq!(flood[0].evidence.value(Quantity::Alarms), Some(11.0));

    bench.pass(9 * MINUTE, MINUTE);
    let due = |bench: &Bench| {
        let mut alarms = bench.site.alarms();
        alarms.find(|alarm| alarm.condition == Condition::InspectionDue).map(|due| (due.state, due.parent))
    };
    assert_eq!(due(&bench), Some((Suppressed, Some((STORE, Condition::AlarmFlood)))));
    bench.crash();
    bench.pass(30, SECOND);
    assert_eq!(due(&bench), Some((Suppressed, Some((STORE, Condition::AlarmFlood)))));
    bench.pass(MINUTE, SECOND);
    assert_eq!(due(&bench), Some((Active, None)), "ten minutes after the last of the flood");
    let flood = bench.states(STORE, Condition::AlarmFlood);
    assert_eq!(flood.iter().map(|(_, state)| *state).collect::<Vec<_>>(), [Active, Returned]);
}

#[test]
fn ten_alarms_are_no_flood() {
    let mut bench = Bench::new(10);
    for freezer in 1..=10 {
        bench.read(DeviceId(freezer), WARM);
    }
    bench.pass(MINUTE, SECOND);
    assert_eq!(bench.states(STORE, Condition::AlarmFlood), []);
}

#[test]
fn maintenance_keeps_a_device_quiet_and_ends_by_itself() {
    let mut bench = Bench::new(2);
    let hour = Millis::from_mins(60);
    bench.read(FIRST, WARM);
    bench.input(Input::Maintain { device: FIRST, span: hour });
    assert_eq!(bench.states(FIRST, HIGH), [(0, Active), (0, Suppressed)]);
    // What comes during it is not announced, what goes is over; the neighbour is heard.
    bench.pass(10 * MINUTE, MINUTE);
    bench.read(FIRST, COLD);
    bench.read(FIRST, WARM);
    bench.read(DeviceId(2), WARM);
    assert_eq!(bench.journal.said.len(), 3);
    assert_eq!(bench.states(FIRST, HIGH), [(600, Normal), (600, Suppressed)]);
    bench.pass(HOUR, MINUTE);
    assert_eq!(bench.states(FIRST, HIGH), [(3600, Active)]);
    assert_eq!(bench.site.service(bench.now, FIRST), Service::InUse);
}

#[test]
fn maintenance_ends_when_somebody_says_so_and_is_never_longer_than_a_day() {
    let mut bench = Bench::new(1);
    bench.input(Input::Maintain { device: FIRST, span: Millis(i64::MAX) });
    bench.read(FIRST, WARM);
    bench.pass(2 * DAY, MINUTE);
    assert_eq!(bench.states(FIRST, HIGH), [(0, Suppressed), (86_400, Active)]);
    bench.input(Input::Maintain { device: FIRST, span: Millis::from_mins(60) });
    bench.input(Input::ReturnToService { device: FIRST });
    let states: Vec<_> = bench.states(FIRST, HIGH).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [Suppressed, Active]);
}

#[test]
fn out_of_service_lasts_until_the_device_returns() {
    let mut bench = Bench::new(1);
    bench.read(FIRST, WARM);
    bench.input(Input::Shelve { device: FIRST, condition: HIGH, span: Millis::from_mins(600) });
    bench.input(Input::RemoveFromService { device: FIRST });
    bench.pass(3 * DAY, MINUTE);
    assert_eq!(bench.states(FIRST, HIGH), [(0, Active), (0, Shelved), (0, OutOfService)]);
    bench.input(Input::Maintain { device: FIRST, span: Millis::from_mins(1) });
    bench.pass(2 * MINUTE, MINUTE);
    let states: Vec<_> = bench.states(FIRST, HIGH).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [Suppressed, Active]);
}

#[test]
fn a_shelf_is_ended_by_a_person() {
    let mut bench = Bench::new(1);
    bench.read(FIRST, WARM);
    bench.input(Input::Unshelve { device: FIRST, condition: HIGH });
    bench.input(Input::Shelve { device: FIRST, condition: HIGH, span: Millis::from_mins(60) });
    bench.input(Input::Unshelve { device: FIRST, condition: HIGH });
    assert_eq!(bench.states(FIRST, HIGH), [(0, Active), (0, Shelved), (0, Active)]);
}

#[test]
fn a_shelf_that_ends_during_maintenance_is_not_announced() {
    let mut bench = Bench::new(1);
    bench.read(FIRST, WARM);
    bench.input(Input::Shelve { device: FIRST, condition: HIGH, span: Millis::from_mins(1) });
    bench.input(Input::Maintain { device: FIRST, span: Millis::from_mins(10) });
    bench.pass(HOUR, MINUTE);
    let expected = [(0, Active), (0, Shelved), (60, Suppressed), (600, Active)];
    assert_eq!(bench.states(FIRST, HIGH), expected);
}

#[test]
fn a_repair_that_takes_longer_than_a_day_is_escalated_even_if_the_alarm_is_over() {
    let mut bench = Bench::new(1);
    let (device, condition) = (FIRST, HIGH);
    bench.read(FIRST, WARM);
    bench.input(Input::Acknowledge { device, condition });
    bench.input(Input::Repair { device, condition });
    bench.input(Input::Repair { device, condition });
    assert_eq!(bench.updates(), [(0, 0, Some(0))], "one at a time");
    bench.read(FIRST, COLD);
    bench.crash();
    bench.pass(5 * DAY, MINUTE);
    let day = 86_400;
    assert_eq!(bench.updates(), [(day, 0, Some(1)), (2 * day, 0, Some(2)), (3 * day, 0, Some(3))]);
    bench.input(Input::Repaired { device, condition });
    bench.input(Input::Repaired { device, condition });
    assert_eq!(bench.updates(), [(5 * day, 0, None)]);
}

#[test]
fn an_inspection_is_due_every_ten_days() {
    let mut bench = Bench::new(0);
    bench.pass(9 * DAY, HOUR);
    bench.input(Input::Inspected);
    bench.pass(12 * DAY, HOUR);
    let due = i64::try_from(19 * DAY).expect("small");
    assert_eq!(bench.states(STORE, Condition::InspectionDue), [(due, Active)]);
    bench.input(Input::Acknowledge { device: STORE, condition: Condition::InspectionDue });
    bench.input(Input::Inspected);
    let states: Vec<_> =
        bench.states(STORE, Condition::InspectionDue).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [Acknowledged, Normal]);
}

#[test]
fn a_latched_alarm_waits_for_a_person_after_the_return() {
    let mut bench = Bench::new(1);
    bench.site.set_latch(FIRST, HIGH, true);
    bench.read(FIRST, WARM);
    bench.input(Input::Acknowledge { device: FIRST, condition: HIGH });
    bench.read(FIRST, COLD);
    bench.input(Input::Acknowledge { device: FIRST, condition: HIGH });
    assert_eq!(bench.states(FIRST, HIGH), [(0, Active), (0, Acknowledged), (0, Latched), (0, Normal)]);
}

#[test]
fn a_clock_that_is_set_moves_no_span() {
    let mut bench = Bench::new(1);
    bench.read(FIRST, WARM);
    bench.input(Input::Maintain { device: FIRST, span: Millis::from_mins(60) });
    bench.pass(30 * MINUTE, MINUTE);
    bench.now.utc = bench.now.utc + Millis::from_mins(-600);
    bench.pass(29 * MINUTE, MINUTE);
    assert!(matches!(bench.site.service(bench.now, FIRST), Service::Maintenance { .. }));
    bench.pass(MINUTE, MINUTE);
    assert_eq!(bench.site.service(bench.now, FIRST), Service::InUse);
    bench.updates();
    bench.pass(15 * MINUTE, MINUTE);
    assert_eq!(bench.updates().len(), 1, "escalated 15 min after it came back");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Read(u16, bool),
    Pass(u64),
    Do(u8, u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u16..=12, any::<bool>()).prop_map(|(device, warm)| Act::Read(device, warm)),
        3 => prop_oneof![1_u64..30, 60_u64..2000].prop_map(Act::Pass),
        2 => (0_u8..9, 1_u16..=12).prop_map(|(what, device)| Act::Do(what, device)),
    ]
}

fn play(acts: &[Act], crashes: &[usize]) -> Vec<Event> {
    let mut bench = Bench::new(12);
    bench.policy = AlarmPolicy {
        repair_max: Some(Millis::from_mins(50)),
        inspection_interval: Some(Millis::from_mins(120)),
        ..AlarmPolicy::default()
    };
    bench.site.set_policy(bench.policy);
    for (place, act) in acts.iter().enumerate() {
        if crashes.contains(&place) {
            bench.crash();
        }
        match *act {
            Act::Read(device, warm) => bench.read(DeviceId(device), if warm { WARM } else { COLD }),
            Act::Pass(seconds) => bench.pass(seconds, if seconds < 60 { 1 } else { 20 }),
            Act::Do(what, device) => {
                let (device, condition) = (DeviceId(device), HIGH);
                let span = Millis::from_mins(20);
                bench.input(match what {
                    0 => Input::Acknowledge { device, condition },
                    1 => Input::Shelve { device, condition, span },
                    2 => Input::Unshelve { device, condition },
                    3 => Input::Maintain { device, span },
                    4 => Input::RemoveFromService { device },
                    5 => Input::ReturnToService { device },
                    6 => Input::Repair { device, condition },
                    7 => Input::Repaired { device, condition },
                    _ => Input::Inspected,
                });
            }
        }
    }
    bench.journal.said
}

/// What people hear: a crash may change the numbers behind an alarm (the worst temperature so far), never
/// that.
fn heard(said: Vec<Event>) -> Vec<String> {
    said.into_iter()
        .map(|event| match event {
            Event::Alarm(a) | Event::Update(a) => format!(
                "{:?} {:?} {:?} {:?}->{:?} {:?} {} {:?}",
                a.at, a.device, a.condition, a.previous, a.state, a.parent, a.escalation, a.repair
            ),
            other => format!("{other:?}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_crash_anywhere_changes_nothing_that_is_said(
        acts in prop::collection::vec(act(), 1..120),
        crashes in prop::collection::vec(0_usize..120, 0..8),
    ) {
        prop_assert_eq!(heard(play(&acts, &crashes)), heard(play(&acts, &[])));
    }
}
