use super::*;
use crate::profile::{Profile, built_in};
use proptest::prelude::*;

const POLL: Duration = Duration::from_secs(10);
const NONE: Sample = Sample::Bad(BadReason::NoResponse);

fn at(seconds: u64) -> Moment {
    Moment { mono: Duration::from_secs(seconds), utc: Utc(i64::try_from(seconds).unwrap() * 1000) }
}

fn device(profile: &Profile, topic: &str, first: u16) -> MqttDevice {
    MqttDevice {
        name: topic.into(),
        topic: topic.into(),
        mqtt: profile.mqtt().unwrap().clone(),
        points: profile.points.clone(),
        poll: POLL,
        wanted: (first..).map(PointId).zip(0..profile.points.len()).collect(),
    }
}

/// A Tasmota plug: relay, power, voltage, current, energy are points 0 to 4.
fn plug() -> Equipment {
    Equipment::new(vec![device(&built_in("tasmota-plug").unwrap(), "plug", 0)], Duration::ZERO)
}

fn generic(more: &str) -> Equipment {
    let text = format!(
        "maker='x'\nmodel='x'\nclasses=['light']\nsource='x'\nverified=false\n[mqtt]\n{more}\n[[point]]\nname='relay_1'\nunit='flag'\n\
         from=[{{topic='{{topic}}/is'}}]\ntexts={{off=0.0, on=1.0}}\nwrite={{topic='{{topic}}/be', payload='{{value}}', values=[0.0, 1.0]}}\n\
         [[point]]\nname='set_point'\nunit='°C'\nfrom=[{{topic='{{topic}}/at'}}]\nwrite={{topic='{{topic}}/go', payload='{{value}}', range=[0.0, 30.0]}}\n"
    );
    Equipment::new(vec![device(&Profile::parse("x", &text).unwrap(), "a", 0)], Duration::ZERO)
}

fn say(equipment: &mut Equipment, now: Moment, topic: &str, payload: &str) -> Vec<Output> {
    equipment.step(now, Input::Message { topic, payload: payload.as_bytes(), retained: false })
}

fn keep(equipment: &mut Equipment, now: Moment, topic: &str, payload: &str) -> Vec<Output> {
    equipment.step(now, Input::Message { topic, payload: payload.as_bytes(), retained: true })
}

/// `(point, seconds, sample)` of all reports.
fn readings(outputs: &[Output]) -> Vec<(u16, i64, Sample)> {
    let reports = outputs.iter().filter_map(|output| match output {
        Output::Report(report) => Some(report),
        _ => None,
    });
    reports.flatten().map(|reading| (reading.point.0, reading.at.0 / 1000, reading.sample)).collect()
}

fn published(outputs: &[Output]) -> Vec<(&str, &str)> {
    let publishes = outputs.iter().filter_map(|output| match output {
        Output::Publish { topic, payload } => Some((topic.as_str(), payload.as_str())),
        _ => None,
    });
    publishes.collect()
}

fn answers(outputs: &[Output]) -> Vec<(u64, Result<(), CommandError>)> {
    let answers = outputs.iter().filter_map(|output| match output {
        Output::Answer { ticket, result } => Some((*ticket, *result)),
        _ => None,
    });
    answers.collect()
}

fn changes(outputs: &[Output]) -> Vec<Change> {
    let changes = outputs.iter().filter_map(|output| match output {
        Output::Changed(change) => Some(*change),
        _ => None,
    });
    changes.collect()
}

#[test]
fn a_device_is_asked_when_it_is_found_and_what_it_says_is_reported_at_once() {
    let mut plug = plug();
    assert_eq!(plug.step(at(0), Input::Connected), []);
    let found = keep(&mut plug, at(0), "tele/plug/LWT", "Online");
    assert_eq!(published(&found), [("cmnd/plug/TelePeriod", "")]);
    assert_eq!(readings(&found), [], "nothing is known yet");
    let report = say(
        &mut plug,
        at(1),
        "tele/plug/SENSOR",
        r#"{"Time":"2026-11-22T10:00:00","ENERGY":{"Total":3.185,"Power":61,"Voltage":230,"Current":0.297}}"#,
    );
    let good = |point, value| (point, 1, Sample::Good(value));
    assert_eq!(readings(&report), [good(1, 61.0), good(2, 230.0), good(3, 0.297), good(4, 3.185)]);
    let asked: usize = (2..=120).map(|s| published(&plug.step(at(s), Input::Tick)).len()).sum();
    assert_eq!(asked, 2, "at 60 and at 120 s");
}

#[test]
fn the_last_word_is_repeated_with_its_own_time_until_it_is_too_old() {
    let mut plug = plug();
    plug.step(at(0), Input::Connected);
    keep(&mut plug, at(0), "tele/plug/LWT", "Online");
    say(&mut plug, at(1), "stat/plug/POWER", "ON");
    let mut told = Vec::new();
    for second in 2..=1000 {
        told.extend(readings(&plug.step(at(second), Input::Tick)).into_iter().map(|r| (second, r)));
    }
    assert!(told.iter().all(|(_, reading)| *reading == (0, 1, Sample::Good(1.0))), "with the message's time");
    assert_eq!(told.len(), 75, "once per 10 s");
    assert_eq!(told.last().unwrap().0, 750, "the profile's 750 s after it was said");
    let report = readings(&say(&mut plug, at(1001), "tele/plug/STATE", r#"{"POWER":"OFF"}"#));
    assert_eq!(report, [(0, 1001, Sample::Good(0.0))], "the other topic it may come by");
}

#[test]
fn who_is_not_there_has_no_value_at_once_and_at_every_interval() {
    let mut plug = plug();
    plug.step(at(0), Input::Connected);
    keep(&mut plug, at(0), "tele/plug/LWT", "Online");
    say(&mut plug, at(1), "stat/plug/POWER", "ON");
    let gone = say(&mut plug, at(5), "tele/plug/LWT", "Offline");
    assert_eq!(changes(&gone), [Change::DeviceSilent(0)]);
    let silence = |second| (0..5).map(|point| (point, second, NONE)).collect::<Vec<_>>();
    assert_eq!(readings(&gone), silence(5));
    assert_eq!(readings(&plug.step(at(14), Input::Tick)), []);
    assert_eq!(readings(&plug.step(at(15), Input::Tick)), silence(15));
    let back = say(&mut plug, at(16), "tele/plug/LWT", "Online");
    assert_eq!(changes(&back), [Change::DeviceBack(0)]);
    assert_eq!(published(&back).len(), 1, "asked again");
    assert_eq!(readings(&back), [], "the word from before its absence is not repeated");
}

#[test]
fn a_lost_broker_silences_all_and_is_told_once() {
    let lamp = built_in("shelly-plus-1").unwrap();
    let devices = vec![device(&lamp, "a", 0), device(&lamp, "b", 1)];
    let mut equipment = Equipment::new(devices, Duration::ZERO);
    assert_eq!(readings(&equipment.step(at(10), Input::Tick)), [(0, 10, NONE), (1, 10, NONE)], "never there");
    equipment.step(at(11), Input::Connected);
    for name in ["a", "b"] {
        keep(&mut equipment, at(11), &format!("{name}/online"), "true");
        say(&mut equipment, at(11), &format!("{name}/status/switch:0"), r#"{"id":0,"output":true}"#);
    }
    let lost = equipment.step(at(12), Input::Disconnected);
    assert_eq!(readings(&lost), [(0, 12, NONE), (1, 12, NONE)]);
    assert_eq!(changes(&lost), [], "the shell tells of the connection");
    assert_eq!(readings(&equipment.step(at(22), Input::Tick)), [(0, 22, NONE), (1, 22, NONE)]);
    // It comes back without what it kept: nobody is there until a device says so itself.
    assert_eq!(readings(&equipment.step(at(23), Input::Connected)), []);
    let grace = equipment.step(at(28), Input::Tick);
    assert_eq!(readings(&grace), [(0, 28, NONE), (1, 28, NONE)]);
    assert_eq!(changes(&grace), [Change::DeviceSilent(0), Change::DeviceSilent(1)]);
    assert_eq!(changes(&say(&mut equipment, at(29), "b/online", "true")), [Change::DeviceBack(1)]);
}

#[test]
fn a_bridge_that_is_gone_takes_its_devices_with_it() {
    let profile = built_in("zigbee2mqtt-plug").unwrap();
    let mut plug = Equipment::new(vec![device(&profile, "sign", 0)], Duration::ZERO);
    plug.step(at(0), Input::Connected);
    let half = keep(&mut plug, at(0), "zigbee2mqtt/sign/availability", r#"{"state":"online"}"#);
    assert_eq!(published(&half), [], "the bridge has not said that it is there");
    let both = keep(&mut plug, at(0), "zigbee2mqtt/bridge/state", r#"{"state":"online"}"#);
    assert_eq!(published(&both), [("zigbee2mqtt/sign/get", r#"{"state": ""}"#)]);
    let text = r#"{"energy":12.5,"linkquality":120,"power":0,"state":"ON"}"#;
    assert_eq!(readings(&say(&mut plug, at(1), "zigbee2mqtt/sign", text)).len(), 3);
    let gone = say(&mut plug, at(2), "zigbee2mqtt/bridge/state", "offline");
    assert_eq!(readings(&gone), [(0, 2, NONE), (1, 2, NONE), (2, 2, NONE)]);
}

#[test]
fn what_the_broker_kept_is_a_switch_s_state_but_no_measurement() {
    let mut plug = plug();
    plug.step(at(0), Input::Connected);
    // The order of kept messages is the broker's own.
    assert_eq!(readings(&keep(&mut plug, at(0), "stat/plug/POWER", "ON")), []);
    assert_eq!(readings(&keep(&mut plug, at(0), "tele/plug/SENSOR", r#"{"ENERGY":{"Power":61}}"#)), []);
    let found = keep(&mut plug, at(0), "tele/plug/LWT", "Online");
    assert_eq!(readings(&found), [(0, 0, Sample::Good(1.0))]);
    let ticket = plug.command(at(1), PointId(0), 1.0, Duration::from_secs(5)).unwrap();
    plug.step(at(1), Input::Tick);
    assert_eq!(answers(&keep(&mut plug, at(2), "stat/plug/POWER", "ON")), [], "an old word confirms nothing");
    assert_eq!(answers(&say(&mut plug, at(2), "stat/plug/POWER", "ON")), [(ticket, Ok(()))]);
}

#[test]
fn what_makes_no_sense_is_bad_and_told_once() {
    let mut plug = plug();
    plug.step(at(0), Input::Connected);
    keep(&mut plug, at(0), "tele/plug/LWT", "Online");
    let unreadable = [Change::Unreadable { device: 0, point: 0 }];
    let garbled = Sample::Bad(BadReason::Garbled);
    let first = say(&mut plug, at(1), "stat/plug/POWER", "AN");
    assert_eq!((readings(&first), changes(&first)), (vec![(0, 1, garbled)], unreadable.to_vec()));
    let second = say(&mut plug, at(2), "tele/plug/STATE", r#"{"Wifi":{}}"#);
    assert_eq!((readings(&second), changes(&second)), (vec![(0, 2, garbled)], vec![]));
    say(&mut plug, at(3), "stat/plug/POWER", "ON");
    assert_eq!(changes(&say(&mut plug, at(4), "stat/plug/POWER", "{")), unreadable);
    let report =
        readings(&say(&mut plug, at(5), "tele/plug/SENSOR", r#"{"ENERGY":{"Power":1e6,"Voltage":null}}"#));
    assert_eq!(report[0], (1, 5, Sample::Bad(BadReason::OutOfRange)));
    assert_eq!(report[1], (2, 5, Sample::Bad(BadReason::SensorFault)));
    let long = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX));
    assert_eq!(say(&mut plug, at(6), "stat/plug/POWER", &long), [], "too long to look at");
    assert_eq!(say(&mut plug, at(6), "stat/plug/POWER2", "ON"), [], "nobody's topic");
}

#[test]
fn a_command_is_done_when_the_device_says_so() {
    let mut plug = plug();
    plug.step(at(0), Input::Connected);
    keep(&mut plug, at(0), "tele/plug/LWT", "Online");
    let ticket = plug.command(at(1), PointId(0), 1.0, Duration::from_secs(5)).unwrap();
    assert_eq!(published(&plug.step(at(1), Input::Tick)), [("cmnd/plug/POWER", "ON")]);
    assert_eq!(published(&plug.step(at(2), Input::Tick)), [], "sent once");
    assert_eq!(answers(&say(&mut plug, at(2), "stat/plug/POWER", "OFF")), [], "not yet");
    assert_eq!(answers(&say(&mut plug, at(3), "stat/plug/POWER", "ON")), [(ticket, Ok(()))]);
    assert_eq!(answers(&plug.step(at(6), Input::Tick)), []);

    let ticket = plug.command(at(10), PointId(0), 0.0, Duration::from_secs(5)).unwrap();
    plug.step(at(10), Input::Tick);
    assert_eq!(answers(&say(&mut plug, at(12), "stat/plug/POWER", "ON")), []);
    let late = plug.step(at(15), Input::Tick);
    assert_eq!(answers(&late), [(ticket, Err(CommandError::NoAnswer))], "it never said so");
}

#[test]
fn a_command_waits_for_its_device_until_its_deadline() {
    let mut plug = plug();
    plug.step(at(0), Input::Connected);
    let early = plug.command(at(1), PointId(0), 1.0, Duration::from_secs(5)).unwrap();
    let patient = plug.command(at(1), PointId(0), 0.0, Duration::from_secs(60)).unwrap();
    let late = plug.step(at(6), Input::Tick);
    assert_eq!((published(&late), answers(&late)), (vec![], vec![(early, Err(CommandError::TooLate))]));
    let found = say(&mut plug, at(30), "tele/plug/LWT", "Online");
    assert!(published(&found).contains(&("cmnd/plug/POWER", "OFF")));
    assert_eq!(answers(&say(&mut plug, at(31), "stat/plug/POWER", "OFF")), [(patient, Ok(()))]);
}

#[test]
fn commands_for_a_point_go_one_after_the_other_and_others_do_not_wait() {
    let mut equipment = generic("");
    equipment.step(at(0), Input::Connected);
    let [on, off] =
        [1.0, 0.0].map(|v| equipment.command(at(0), PointId(0), v, Duration::from_secs(9)).unwrap());
    let warm = equipment.command(at(0), PointId(1), 21.5, Duration::from_secs(9)).unwrap();
    assert_eq!(published(&equipment.step(at(0), Input::Tick)), [("a/be", "on"), ("a/go", "21.5")]);
    let done = say(&mut equipment, at(1), "a/is", "on");
    assert_eq!((answers(&done), published(&done)), (vec![(on, Ok(()))], vec![("a/be", "off")]));
    assert_eq!(answers(&say(&mut equipment, at(2), "a/at", "21.50")), [(warm, Ok(()))]);
    assert_eq!(answers(&say(&mut equipment, at(2), "a/is", "off")), [(off, Ok(()))]);
}

#[test]
fn a_command_sent_before_the_broker_was_lost_is_not_sent_again() {
    let mut equipment = generic("");
    equipment.step(at(0), Input::Connected);
    let ticket = equipment.command(at(0), PointId(0), 1.0, Duration::from_secs(20)).unwrap();
    assert_eq!(published(&equipment.step(at(0), Input::Tick)).len(), 1);
    equipment.step(at(1), Input::Disconnected);
    assert_eq!(published(&equipment.step(at(2), Input::Connected)), []);
    assert_eq!(answers(&say(&mut equipment, at(3), "a/is", "on")), [(ticket, Ok(()))], "it had its effect");
}

#[test]
fn what_may_not_be_written_is_refused() {
    let mut plug = plug();
    let mut command = |point, value| plug.command(at(0), PointId(point), value, Duration::from_secs(1));
    assert_eq!(command(9, 1.0), Err(CommandError::NotHere));
    assert_eq!(command(1, 1.0), Err(CommandError::ReadOnly));
    assert_eq!(command(0, 0.5), Err(CommandError::NotAccepted { value: 0.5 }));
    assert!(matches!(command(0, f64::NAN), Err(CommandError::NotAccepted { .. })));
    for _ in 0..COMMANDS_MAX {
        assert!(command(0, 1.0).is_ok());
    }
    assert_eq!(command(0, 1.0), Err(CommandError::QueueFull));
    let mut set_point = generic("");
    let refused = set_point.command(at(0), PointId(1), 31.0, Duration::from_secs(1));
    assert_eq!(refused, Err(CommandError::OutOfRange { value: 31.0, low: 0.0, high: 30.0 }));
}

#[derive(Clone, Debug)]
enum Event {
    Link(bool),
    Message(usize, usize, bool),
    Command(u16, f64),
    Wait(u64),
}

const TOPICS: [&str; 3] = ["tele/plug/LWT", "stat/plug/POWER", "tele/plug/STATE"];
const PAYLOADS: [&str; 6] = ["Online", "Offline", "ON", "OFF", r#"{"POWER":"ON"}"#, "{"];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<bool>().prop_map(Event::Link),
        (0..3usize, 0..6usize, any::<bool>()).prop_map(|(t, p, r)| Event::Message(t, p, r)),
        (0..2u16, 0..3i32).prop_map(|(point, value)| Event::Command(point, f64::from(value))),
        (0..400u64).prop_map(Event::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: no value of a device that is not there, every command
    /// answered once and by its deadline, and no point left unmentioned for longer than its interval
    /// while it is away.
    #[test]
    fn absent_devices_have_no_values_and_commands_one_answer(
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let mut plug = plug();
        let (mut now, mut connected, mut online) = (0, false, false);
        let mut open = HashMap::new();
        let mut last_told = 0;
        for event in events {
            let mut outputs = Vec::new();
            match event {
                Event::Link(up) if up == connected => {}
                Event::Link(up) => {
                    (connected, online) = (up, false);
                    outputs = plug.step(at(now), if up { Input::Connected } else { Input::Disconnected });
                    last_told = now;
                }
                Event::Message(..) if !connected => {}
                Event::Message(topic, payload, retained) => {
                    if topic == 0 {
                        online = PAYLOADS[payload] == "Online";
                    }
                    let (topic, payload) = (TOPICS[topic], PAYLOADS[payload].as_bytes());
                    outputs = plug.step(at(now), Input::Message { topic, payload, retained });
                }
                Event::Command(point, value) => {
                    if let Ok(ticket) = plug.command(at(now), PointId(point), value, Duration::from_secs(30)) {
                        open.insert(ticket, now + 30);
                    }
                    outputs = plug.step(at(now), Input::Tick);
                }
                Event::Wait(seconds) => {
                    for _ in 0..seconds {
                        now += 1;
                        outputs.extend(plug.step(at(now), Input::Tick));
                        prop_assert!(plug.due(at(now)) > at(now).mono, "a tick leaves nothing due");
                        if outputs.iter().any(|output| matches!(output, Output::Report(_))) {
                            last_told = now;
                        }
                        prop_assert!(online || now - last_told <= 10, "silent at {now} since {last_told}");
                        for (_, _, sample) in readings(&outputs) {
                            prop_assert!(online || sample == NONE);
                        }
                        for (ticket, result) in answers(&outputs) {
                            prop_assert!(result.is_err());
                            prop_assert_eq!(open.remove(&ticket), Some(now));
                        }
                        outputs.clear();
                    }
                }
            }
            if online {
                last_told = now;
            }
            for (_, _, sample) in readings(&outputs) {
                prop_assert!(online || sample == NONE);
            }
            for (ticket, result) in answers(&outputs) {
                prop_assert!(result == Ok(()) && open.remove(&ticket).is_some());
            }
            prop_assert!(open.values().all(|until| *until > now));
        }
    }
}
