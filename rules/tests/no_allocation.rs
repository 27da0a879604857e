//! A site that is built allocates nothing, whatever it reads and says.

#![allow(clippy::unwrap_used, reason = "tests")]

use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::detect::{DemandConfig, NoResponseConfig, OutageConfig};
use storewarden_rules::{
    BadReason, Class, Event, Input, Millis, Mono, Now, Reading, Rule, Sample, Site, Utc,
};

const POLL: Millis = Millis::from_secs(5);

#[test]
fn readings_ticks_and_alarms_allocate_nothing() {
    let mut site = Box::new(Site::new());
    let whole = site.add_device(Class::Store, POLL).unwrap();
    let freezer = site.add_device(Class::Freezer, POLL).unwrap();
    let meter = site.add_device(Class::Meter, POLL).unwrap();
    let mut point = || site.add_point(freezer, Millis::from_secs(30)).unwrap();
    let points = CabinetPoints {
        air: point(),
        evaporator: Some(point()),
        ambient: Some(point()),
        set_point: Some(point()),
        power: Some(point()),
        compressor: Some(point()),
        fan: Some(point()),
        defrost: Some(point()),
        door: Some(point()),
    };
    let demand = site.add_point(meter, Millis::from_secs(30)).unwrap();
    let config = CabinetConfig::for_class(Class::Freezer).unwrap();
    site.add_rule(freezer, Rule::Cabinet { points, config }).unwrap();
    for device in [freezer, meter] {
        site.hang(device, whole).unwrap();
        let silence = Rule::NoResponse { vital: None, config: NoResponseConfig::default() };
        site.add_rule(device, silence).unwrap();
    }
    let config = DemandConfig { limit: 2_000.0, hysteresis: 0.05, window_min: 15 };
    site.add_rule(meter, Rule::Demand { power: demand, config }).unwrap();
    site.add_rule(whole, Rule::Outage { config: OutageConfig::line() }).unwrap();

    let (mut readings, mut alarms) = (0_u64, 0_u64);
    let start = Now { mono: Mono(0), utc: Utc(1_781_971_200_000) };
    let counted = allocation_counter::measure(|| {
        // Twelve hours: cold, then too warm, then nothing at all, then well again.
        for second in 0..12 * 3600 {
            let now = start.after(Millis::from_secs(second));
            let hour = second / 3600;
            let mut out = |event| alarms += u64::from(matches!(event, Event::Alarm(_)));
            if second % 5 == 0 {
                let cycle = if second / 900 % 2 == 0 { 1.0 } else { 0.0 };
                let air = if (4..8).contains(&hour) { -4.0 } else { -21.0 - cycle };
                let values =
                    [air, air - 8.0 * cycle, 22.0, -21.0, 20.0 + 400.0 * cycle, cycle, 1.0, 0.0, 0.0];
                let all = points.all().zip(values).chain([(demand, if hour < 4 { 900.0 } else { 3_000.0 })]);
                for (point, value) in all {
                    let sample = match hour {
                        8 | 9 => Sample::Bad(BadReason::NoResponse),
                        _ => Sample::Good(value),
                    };
                    readings += 1;
                    site.step(now, Input::Reading(Reading { point, at: now.utc, sample }), &mut out);
                }
            }
            site.step(now, Input::Tick { utc_offset_s: 0 }, &mut out);
        }
    });
    assert_eq!(counted.count_total, 0, "in {readings} readings");
    assert!(readings > 80_000 && alarms >= 5, "{readings} readings, {alarms} changes of alarms");
    let boxed = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(readings))));
    assert_eq!(boxed.count_total, 1, "the allocator counts");
}
