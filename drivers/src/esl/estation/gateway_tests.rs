//! The life of label tasks, played without a broker.

use super::*;
use proptest::prelude::*;
use rmpv::Value;
use storewarden_rules::Utc;

const FAR: i64 = 3600;

fn at(seconds: i64) -> Now {
    Now { mono: Mono(seconds * 1000), utc: Utc(seconds * 1000) }
}

fn patient() -> Gateway {
    let mut gateway =
        Gateway::new(Limits { result: Millis::from_secs(120), silence: Millis::from_secs(FAR) }, 0);
    assert_eq!(gateway.step(at(0), Input::Heartbeat), [Output::Event(GatewayEvent::Online)]);
    gateway
}

fn label_task(label: &str, image: u8) -> LabelTask {
    LabelTask { label: label.into(), task: image.into(), png: vec![image] }
}

fn tag(label: &str, token: u16) -> TagResult {
    TagResult {
        label: label.into(),
        rf_dbm: -60,
        battery_mv: Some(2900),
        status: 0,
        token,
        temperature_c: None,
    }
}

/// What was published: label, token and image of each.
fn published(outputs: &[Output]) -> Vec<(String, u16, u8)> {
    let read = |payload: &Vec<u8>| {
        let value = rmpv::decode::read_value(&mut &payload[..]).unwrap();
        let task = &value[0];
        let token = u16::try_from(task[7].as_u64().unwrap()).unwrap();
        let Value::Binary(png) = &task[10] else { panic!("bytes") };
        (task[0].as_str().unwrap().to_owned(), token, png[0])
    };
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Publish(payload) => Some(read(payload)),
            Output::Event(_) => None,
        })
        .collect()
}

fn events(outputs: &[Output]) -> Vec<&GatewayEvent> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Event(event) => Some(event),
            Output::Publish(_) => None,
        })
        .collect()
}

#[test]
fn a_label_that_refreshed_is_shown_with_what_it_told() {
    let mut gateway = patient();
    let sent = published(&gateway.step(at(1), Input::Task(label_task("3a01", 7))));
    assert_eq!(sent, [("3a01".to_owned(), 1, 7)]);
    let told = gateway.step(at(2), Input::Results(vec![tag("3A01", 1)]));
    let shown = GatewayEvent::Shown {
        label: "3a01".into(),
        task: 7,
        proof: Proof::Refreshed,
        rf_dbm: -60,
        battery_mv: Some(2900),
        temperature_c: None,
    };
    assert_eq!(told, [Output::Event(shown)]);
    assert_eq!(gateway.pending(), 0);
}

#[test]
fn nothing_is_sent_before_the_gateway_speaks() {
    let mut gateway = Gateway::new(Limits::default(), 0);
    assert_eq!(gateway.step(at(0), Input::Task(label_task("3A01", 7))), []);
    let outputs = gateway.step(at(9), Input::Heartbeat);
    assert_eq!(published(&outputs).len(), 1);
}

#[test]
fn at_most_eight_labels_are_in_flight() {
    let mut gateway = patient();
    let mut sent = Vec::new();
    for number in 0..20 {
        sent.extend(published(&gateway.step(at(1), Input::Task(label_task(&format!("3A{number:02}"), 7)))));
    }
    assert_eq!(sent.len(), 8);
    let mut next = sent.len();
    while next > 0 {
        let (label, token, _) = sent.pop().unwrap();
        let more = published(&gateway.step(at(2), Input::Results(vec![tag(&label, token)])));
        assert!(more.len() <= 1);
        next = sent.len() + more.len();
        sent.extend(more);
        assert!(sent.len() <= 8);
    }
    assert_eq!(gateway.pending(), 0, "all 20 were served");
}

#[test]
fn a_newer_image_waits_for_the_one_in_flight_and_takes_the_place_of_the_one_queued() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    assert_eq!(gateway.step(at(1), Input::Task(label_task("3A01", 2))), []);
    let told = gateway.step(at(1), Input::Task(label_task("3A01", 3)));
    assert_eq!(events(&told), [&GatewayEvent::Superseded { label: "3A01".into(), task: 2 }]);
    let told = gateway.step(at(2), Input::Results(vec![tag("3A01", 1)]));
    assert!(matches!(events(&told)[..], [GatewayEvent::Shown { task: 1, .. }]));
    assert_eq!(published(&told), [("3A01".to_owned(), 2, 3)], "now the newest goes out");
}

#[test]
fn the_image_already_in_flight_is_not_sent_twice() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    assert_eq!(gateway.step(at(1), Input::Task(label_task("3A01", 1))), []);
    gateway.step(at(2), Input::Results(vec![tag("3A01", 1)]));
    assert_eq!(gateway.pending(), 0);
}

#[test]
fn a_result_of_another_token_or_label_changes_nothing() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    assert_eq!(gateway.step(at(2), Input::Results(vec![tag("3A01", 9), tag("3A02", 1)])), []);
    assert_eq!(gateway.pending(), 1);
}

#[test]
fn a_label_that_cannot_is_failed_with_the_reason() {
    for (status, rf_dbm, word) in [(0xF0, -60, "key"), (0, -256, "does not answer"), (3, -60, "refresh")] {
        let mut gateway = patient();
        gateway.step(at(1), Input::Task(label_task("3A01", 1)));
        let result = TagResult { status, rf_dbm, ..tag("3A01", 1) };
        let told = gateway.step(at(2), Input::Results(vec![result]));
        let [GatewayEvent::Failed { reason, .. }] = events(&told)[..] else { panic!("{told:?}") };
        assert!(reason.contains(word), "{reason}");
        assert_eq!(gateway.pending(), 0);
    }
}

#[test]
fn a_lost_task_is_sent_again_three_times_with_growing_pauses_and_then_failed() {
    let mut gateway = patient();
    gateway.step(at(0), Input::Task(label_task("3A01", 1)));
    let (mut sent, mut failed) = (Vec::new(), Vec::new());
    for second in 1..1000 {
        let outputs = gateway.step(at(second), Input::Tick);
        sent.extend(published(&outputs).into_iter().map(|(_, token, _)| (second, token)));
        failed.extend(events(&outputs).into_iter().cloned().map(|event| (second, event)));
    }
    assert_eq!(sent, [(130, 2), (280, 3), (490, 4)]);
    let [(610, GatewayEvent::Failed { reason, .. })] = &failed[..] else { panic!("{failed:?}") };
    assert!(reason.contains("never told a result"));
}

#[test]
fn a_restarted_gateway_gets_everything_in_flight_again_under_new_tokens() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    gateway.step(at(1), Input::Task(label_task("3A02", 2)));
    let outputs = gateway.step(at(5), Input::Infor);
    assert_eq!(events(&outputs), [&GatewayEvent::Restarted]);
    assert_eq!(published(&outputs), [("3A01".to_owned(), 3, 1), ("3A02".to_owned(), 4, 2)]);
    assert_eq!(gateway.step(at(6), Input::Results(vec![tag("3A01", 1)])), [], "a result from before");
    assert_eq!(events(&gateway.step(at(6), Input::Results(vec![tag("3A01", 3)]))).len(), 1);
}

#[test]
fn a_silent_gateway_is_offline_and_what_was_in_flight_goes_out_when_it_is_back() {
    let mut gateway = Gateway::new(Limits::default(), 0);
    gateway.step(at(0), Input::Heartbeat);
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    assert_eq!(gateway.step(at(60), Input::Tick), []);
    assert_eq!(gateway.step(at(61), Input::Tick), [Output::Event(GatewayEvent::Offline)]);
    assert_eq!(gateway.step(at(500), Input::Tick), [], "and no attempt is counted meanwhile");
    let outputs = gateway.step(at(501), Input::Heartbeat);
    assert_eq!(events(&outputs), [&GatewayEvent::Online]);
    assert_eq!(published(&outputs), [("3A01".to_owned(), 2, 1)]);
    assert_eq!(events(&gateway.step(at(502), Input::Offline)), [&GatewayEvent::Offline], "the broker left");
}

#[test]
fn a_full_gateway_is_left_alone_for_a_while() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Message(LIMIT_REACHED));
    assert_eq!(gateway.step(at(2), Input::Task(label_task("3A01", 1))), []);
    assert_eq!(published(&gateway.step(at(6), Input::Tick)).len(), 1);
}

#[test]
fn an_invalid_task_among_several_is_found_by_sending_one_at_a_time() {
    let mut gateway = patient();
    gateway.step(at(0), Input::Task(label_task("3A01", 1)));
    gateway.step(at(0), Input::Task(label_task("3A02", 2)));
    gateway.step(at(0), Input::Task(label_task("BAD", 3)));
    assert_eq!(events(&gateway.step(at(1), Input::Message(INVALID_TASK))), [] as [&GatewayEvent; 0]);
    gateway.step(at(2), Input::Results(vec![tag("3A01", 1), tag("3A02", 2)]));
    gateway.step(at(2), Input::Task(label_task("3A03", 4)));
    let mut told = Vec::new();
    for second in 3..400 {
        for (label, token, _) in published(&gateway.step(at(second), Input::Tick)) {
            let input = match label.as_str() {
                "BAD" => Input::Message(INVALID_TASK),
                _ => Input::Results(vec![tag(&label, token)]),
            };
            told.extend(gateway.step(at(second), input));
        }
    }
    let failed: Vec<_> = events(&told)
        .into_iter()
        .filter_map(|event| match event {
            GatewayEvent::Failed { label, reason, .. } => Some((label.as_str(), reason.contains("invalid"))),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [("BAD", true)]);
    assert_eq!(gateway.pending(), 0, "and the others were served: {told:?}");
    for number in 0..9 {
        gateway.step(at(400), Input::Task(label_task(&format!("3B{number}"), 1)));
    }
    let in_flight = gateway.labels.values().filter(|work| matches!(work.stage, Stage::InFlight { .. }));
    assert_eq!(in_flight.count(), 8, "the window is open again");
}

#[test]
fn tokens_rise_and_are_never_0() {
    let mut gateway = patient();
    gateway.last_token = u16::MAX - 1;
    let tokens: Vec<_> = ["3A01", "3A02"]
        .iter()
        .flat_map(|label| published(&gateway.step(at(1), Input::Task(label_task(label, 1)))))
        .map(|(_, token, _)| token)
        .collect();
    assert_eq!(tokens, [u16::MAX, 1]);
}

#[test]
fn a_token_of_an_earlier_run_is_replaced_at_once_and_not_for_ever() {
    let mut gateway = patient();
    let mut outputs = gateway.step(at(1), Input::Task(label_task("3A01", 5)));
    for token in 1..=4 {
        assert_eq!(published(&outputs), [("3A01".to_owned(), token, 5)]);
        let refused = TagResult { status: 0xF1, ..tag("3A01", token) };
        outputs = gateway.step(at(1), Input::Results(vec![refused]));
    }
    assert!(matches!(events(&outputs)[..], [GatewayEvent::Failed { task: 5, .. }]), "{outputs:?}");
    assert_eq!(published(&outputs), []);
}

#[test]
fn a_late_result_of_an_earlier_run_confirms_nothing() {
    let mut earlier = patient();
    let sent = published(&earlier.step(at(1), Input::Task(label_task("3A01", 5))));
    let mut gateway = Gateway::new(Limits::default(), 40_000);
    gateway.step(at(2), Input::Heartbeat);
    gateway.step(at(2), Input::Task(label_task("3A01", 6)));
    assert_eq!(gateway.step(at(3), Input::Results(vec![tag("3A01", sent[0].1)])), []);
}

#[derive(Clone, Debug)]
enum Act {
    Task(u8),
    /// The gateway answers the oldest task it has, with this status.
    Result(u8),
    /// It forgets the oldest task it has.
    Lose,
    Code(i64),
    Infor,
    Offline,
    Heartbeat,
    Wait(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u8..12).prop_map(Act::Task),
        4 => prop_oneof![Just(0u8), Just(0), Just(3), Just(0xF1)].prop_map(Act::Result),
        1 => Just(Act::Lose),
        1 => (0i64..13).prop_map(Act::Code),
        1 => Just(Act::Infor),
        1 => Just(Act::Offline),
        2 => Just(Act::Heartbeat),
        1 => (1i64..200).prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn every_task_ends_exactly_once_whatever_happens(acts in prop::collection::vec(act(), 0..120)) {
        let mut gateway = Gateway::new(Limits::default(), 0);
        let (mut second, mut tasks, mut ends) = (0, Vec::new(), Vec::new());
        let mut held: VecDeque<(String, u16, u8)> = VecDeque::new();
        let mut note = |outputs: Vec<Output>, held: &mut VecDeque<(String, u16, u8)>| {
            held.extend(published(&outputs));
            ends.extend(events(&outputs).into_iter().filter_map(|event| match event {
                GatewayEvent::Shown { task, .. }
                | GatewayEvent::Failed { task, .. }
                | GatewayEvent::Superseded { task, .. } => u8::try_from(*task).ok(),
                _ => None,
            }));
        };
        for act in acts {
            let input = match act {
                Act::Task(label) => {
                    let image = u8::try_from(tasks.len()).unwrap();
                    tasks.push(image);
                    Input::Task(label_task(&format!("3A{label:02}"), image))
                }
                Act::Result(status) => match held.pop_front() {
                    Some((label, token, _)) => {
                        Input::Results(vec![TagResult { status, ..tag(&label, token) }])
                    }
                    None => Input::Tick,
                },
                Act::Lose => {
                    held.pop_front();
                    Input::Tick
                }
                Act::Code(code) => Input::Message(code),
                Act::Infor => {
                    held.clear();
                    Input::Infor
                }
                Act::Offline => Input::Offline,
                Act::Heartbeat => Input::Heartbeat,
                Act::Wait(seconds) => {
                    second += seconds;
                    Input::Tick
                }
            };
            note(gateway.step(at(second), input), &mut held);
        }
        for _ in 0..3000 {
            second += 1;
            note(gateway.step(at(second), Input::Heartbeat), &mut held);
            while let Some((label, token, _)) = held.pop_front() {
                note(gateway.step(at(second), Input::Results(vec![tag(&label, token)])), &mut held);
            }
        }
        ends.sort_unstable();
        prop_assert_eq!(ends, tasks);
        prop_assert_eq!(gateway.pending(), 0);
        prop_assert!(gateway.ready.is_empty());
    }
}
