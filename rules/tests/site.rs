//! What a `Site` promises besides its stories of cabinets.

use storewarden_rules::detect::{DemandConfig, LightDarkConfig, NoResponseConfig, TemperatureLimitConfig};
use storewarden_rules::schedule::{LightMode, LightScheduleConfig};
use storewarden_rules::{
    Cause, Class, Condition, DeviceId, Event, Input, Millis, Mono, Now, PointId, Quantity, Reading, Rule,
    Sample, Site, SiteFull, Utc,
};

const POLL: Millis = Millis::from_secs(5);
const STALE: Millis = Millis::from_secs(30);
const EAST_8: i32 = 8 * 3600;
/// 2026-06-21 00:00 in Shanghai.
const MIDNIGHT: Utc = Utc(1_781_971_200_000);

fn morning() -> Now {
    Now { mono: Mono(1_000_000), utc: MIDNIGHT + Millis::from_mins(600) }
}

#[test]
fn every_rule_that_watches_a_point_is_stepped_by_its_reading_in_order() {
    let mut site = Box::new(Site::new());
    let config = TemperatureLimitConfig {
        delay: Millis(0),
        delay_hold_off: Millis(0),
        limit: -18.0,
        ..TemperatureLimitConfig::for_class(Class::Freezer).expect("a freezer has a limit")
    };
    let devices = [(); 3].map(|()| site.add_device(Class::Freezer, POLL).expect("room"));
    let air = site.add_point(devices[0], STALE).expect("room");
    let other = site.add_point(devices[0], STALE).expect("room");
    for device in devices {
        let rule = Rule::TemperatureLimit { air, defrost: None, config };
        site.add_rule(device, rule).expect("room");
    }
    let mut raised = Vec::new();
    let mut read = |point| {
        let reading = Reading { point, at: MIDNIGHT, sample: Sample::Good(-17.0) };
        site.step(morning(), Input::Reading(reading), &mut |event| match event {
            Event::Alarm(alarm) => raised.push(alarm.device),
            other => panic!("{other:?}"),
        });
    };
    read(other);
    read(air);
    assert_eq!(raised, devices);
}

#[test]
fn the_sign_goes_on_at_dusk_and_a_switch_that_does_not_obey_is_told() {
    let mut site = Box::new(Site::new());
    let sign = site.add_device(Class::Light, POLL).expect("room");
    let switch = site.add_point(sign, STALE).expect("room");
    let schedule = LightScheduleConfig {
        latitude: 31.2304,
        longitude: 121.4737,
        mode: LightMode::SunAndHours {
            before_sunset: Millis(0),
            after_sunrise: Millis(0),
            open: Millis(0),
            close: Millis(0),
        },
        on_time_min: Millis(0),
    };
    site.add_rule(sign, Rule::LightDark { switch, power: None, config: LightDarkConfig::default() })
        .expect("room");
    site.add_rule(sign, Rule::LightSchedule { switch, config: schedule }).expect("room");

    let (mut commands, mut alarms) = (Vec::new(), Vec::new());
    let start = Now { mono: Mono(0), utc: MIDNIGHT + Millis::from_mins(18 * 60 + 50) };
    for second in 0..25 * 60 {
        let now = start.after(Millis::from_secs(second));
        let mut out = |event| match event {
            Event::Command { point, value, .. } => commands.push((second, point, value)),
            Event::Alarm(alarm) => alarms.push((second, alarm)),
            Event::Pending { .. } | Event::Update(_) | Event::Chatter { .. } | Event::Service { .. } => {}
        };
        if second % 5 == 0 {
            // The relay is stuck open.
            let reading = Reading { point: switch, at: now.utc, sample: Sample::Good(0.0) };
            site.step(now, Input::Reading(reading), &mut out);
        }
        site.step(now, Input::Tick { utc_offset_s: EAST_8 }, &mut out);
    }
    assert_eq!(commands[0], (0, switch, 0.0), "by day it is off");
    let (dusk, _, value) = commands[1];
    assert_eq!(value, 1.0);
    assert!((dusk - 11 * 60).abs() <= 120, "sunset is at 19:01; commanded {dusk} s after 18:50");
    assert_eq!(commands[2], (dusk + 30, switch, 1.0), "again, since it was not obeyed");
    let (raised, alarm) = &alarms[0];
    assert_eq!((alarm.condition, alarm.diagnosis.cause), (Condition::LightDark, Cause::SwitchDidNotObey));
    assert!((120..=130).contains(&(raised - dusk)), "{raised} {dusk}");
}

#[test]
fn too_much_at_once_is_told_with_the_demand() {
    let mut site = Box::new(Site::new());
    let meter = site.add_device(Class::Meter, POLL).expect("room");
    let power = site.add_point(meter, STALE).expect("room");
    let config = DemandConfig { limit: 20_000.0, hysteresis: 0.05, window_min: 15 };
    site.add_rule(meter, Rule::Demand { power, config }).expect("room");
    let mut alarms = Vec::new();
    for second in 0..1800 {
        let now = morning().after(Millis::from_secs(second));
        let mut out = |event| alarms.push((second, event));
        let watts = if second < 900 { 15_000.0 } else { 30_000.0 };
        let reading = Reading { point: power, at: now.utc, sample: Sample::Good(watts) };
        site.step(now, Input::Reading(reading), &mut out);
        site.step(now, Input::Tick { utc_offset_s: EAST_8 }, &mut out);
    }
    // 15 + 15·t/15 > 20 kW after 5 of the 15 minutes.
    let [(second, Event::Alarm(alarm))] = &alarms[..] else { panic!("{alarms:?}") };
    assert!((1200..=1202).contains(second), "{second}");
    assert_eq!(alarm.diagnosis.cause, Cause::LoadAboveContract);
    assert_eq!(alarm.evidence.facts[0].quantity, Quantity::Demand);
}

#[test]
fn a_site_says_what_does_not_fit() {
    let mut site = Box::new(Site::new());
    for _ in 0..128 {
        site.add_device(Class::Meter, POLL).expect("128 devices fit");
    }
    assert_eq!(site.add_device(Class::Meter, POLL), Err(SiteFull::Devices));
    assert_eq!(site.add_point(DeviceId(128), STALE), Err(SiteFull::Unknown));
    for _ in 0..2048 {
        site.add_point(DeviceId(0), STALE).expect("2048 points fit");
    }
    assert_eq!(site.add_point(DeviceId(0), STALE), Err(SiteFull::Points));
    let silence = Rule::NoResponse { vital: None, config: NoResponseConfig::default() };
    site.add_rule(DeviceId(0), silence).expect("room");
    assert_eq!(site.add_rule(DeviceId(0), silence), Err(SiteFull::Taken));
    let config = DemandConfig { limit: 1.0, hysteresis: 0.0, window_min: 15 };
    let demand = |power| Rule::Demand { power, config };
    assert_eq!(site.add_rule(DeviceId(0), demand(PointId(2048))), Err(SiteFull::Unknown));
    for device in 0..16 {
        site.add_rule(DeviceId(device), demand(PointId(0))).expect("16 windows fit");
    }
    assert_eq!(site.add_rule(DeviceId(16), demand(PointId(0))), Err(SiteFull::Demands));
}
