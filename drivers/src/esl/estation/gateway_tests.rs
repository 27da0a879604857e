//! The life of label tasks, played without a broker.

use super::*;
use crate::esl::estation::task::{Action, Proof};
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
    let action = Action::Show { page: 0, png: vec![image] };
    LabelTask { label: label.into(), task: image.into(), action, urgent: false }
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

/// A result of some labels, of a gateway with so much to do that the window does not open.
fn heard(labels: &[TagResult]) -> Input {
    Input::Results(Results { waiting: 50, labels: labels.to_vec() })
}

/// What was published: label, token and image of each; 0 where there is no image.
fn published(outputs: &[Output]) -> Vec<(String, u16, u8)> {
    let read = |payload: &Vec<u8>| {
        let value = rmpv::decode::read_value(&mut &payload[..]).unwrap();
        let entries = value.as_array().unwrap().iter().map(|task| {
            let token = u16::try_from(task[7].as_u64().unwrap()).unwrap();
            let Value::Binary(png) = &task[10] else { panic!("bytes") };
            (task[0].as_str().unwrap().to_owned(), token, png.first().copied().unwrap_or(0))
        });
        entries.collect::<Vec<_>>()
    };
    let payloads = outputs.iter().filter_map(|output| match output {
        Output::Publish(payload) => Some(read(payload)),
        Output::Event(_) => None,
    });
    payloads.flatten().collect()
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
    let told = gateway.step(at(2), heard(&[tag("3A01", 1)]));
    let shown = GatewayEvent::Done {
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
fn a_slow_gateway_never_has_more_than_it_got_at_first_and_is_never_without() {
    let mut gateway = patient();
    let mut sent = VecDeque::new();
    for number in 0..200 {
        sent.extend(published(&gateway.step(at(1), Input::Task(label_task(&format!("3A{number:03}"), 7)))));
    }
    assert_eq!(sent.len(), WINDOW_FIRST);
    // One label after the other: all but it wait.
    for _ in 0..200 {
        let (label, token, _) = sent.pop_front().unwrap();
        let labels = vec![tag(&label, token)];
        sent.extend(published(&gateway.step(at(2), Input::Results(Results { waiting: sent.len(), labels }))));
        assert!(sent.len() <= WINDOW_FIRST && (gateway.pending() < WINDOW_FIRST || sent.len() > 8));
    }
    assert_eq!(gateway.pending(), 0, "all were served");
}

#[test]
fn a_quick_gateway_gets_more_at_a_time_and_less_again_when_it_complains() {
    let mut gateway = patient();
    let mut sent = VecDeque::new();
    for number in 0..600 {
        sent.extend(published(&gateway.step(at(1), Input::Task(label_task(&format!("3A{number:03}"), 7)))));
    }
    let mut most = sent.len();
    while let Some((label, token, _)) = sent.pop_front() {
        let labels = vec![tag(&label, token)];
        sent.extend(published(&gateway.step(at(2), Input::Results(Results { waiting: 0, labels }))));
        most = most.max(sent.len());
    }
    assert_eq!((most, gateway.pending()), (WINDOW_MAX, 0));
    for _ in 0..9 {
        gateway.step(at(3), Input::Message(LIMIT_REACHED));
    }
    for number in 0..20 {
        gateway.step(at(3), Input::Task(label_task(&format!("3A{number:03}"), 8)));
    }
    assert_eq!(published(&gateway.step(at(20), Input::Tick)).len(), WINDOW_MIN);
}

#[test]
fn what_is_urgent_overtakes_what_waits() {
    let mut gateway = patient();
    let mut sent = VecDeque::new();
    for number in 0..50 {
        sent.extend(published(&gateway.step(at(1), Input::Task(label_task(&format!("3A{number:03}"), 7)))));
    }
    gateway.step(at(1), Input::Task(LabelTask { urgent: true, ..label_task("3B01", 9) }));
    let (label, token, _) = sent.pop_front().unwrap();
    let next = published(&gateway.step(at(2), heard(&[tag(&label, token)])));
    assert_eq!(next[0].0, "3B01");
}

#[test]
fn many_flips_are_one_payload() {
    let mut gateway = Gateway::new(Limits::default(), 0);
    for number in 0..16 {
        let action = Action::Flip { page: 1 };
        let label = format!("3A{number:03}");
        gateway.step(at(0), Input::Task(LabelTask { label, task: 1, action, urgent: false }));
    }
    let outputs = gateway.step(at(1), Input::Heartbeat);
    assert_eq!((outputs.len(), published(&outputs).len()), (2, 16), "online, and all tasks at once");
}

#[test]
fn a_label_that_was_reset_and_one_that_somebody_else_wrote_to_are_told() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    gateway.step(at(2), heard(&[tag("3A01", 1)]));
    let reset = TagResult { status: 2, ..tag("3A01", 1) };
    let told = gateway.step(at(3), heard(&[reset]));
    assert_eq!(events(&told), [&GatewayEvent::Reset { label: "3A01".into() }]);
    // A result of a run before may still come in the first minutes; a late one of ours always.
    let foreign = heard(&[tag("3A02", 999)]);
    assert_eq!(gateway.step(at(60), foreign.clone()), []);
    assert_eq!(gateway.step(at(300), heard(&[tag("3A01", 1)])), []);
    let told = gateway.step(at(300), foreign);
    assert_eq!(events(&told), [&GatewayEvent::Unasked { label: "3A02".into() }]);
}

#[test]
fn a_newer_image_waits_for_the_one_in_flight_and_takes_the_place_of_the_one_queued() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    assert_eq!(gateway.step(at(1), Input::Task(label_task("3A01", 2))), []);
    let told = gateway.step(at(1), Input::Task(label_task("3A01", 3)));
    assert_eq!(events(&told), [&GatewayEvent::Superseded { label: "3A01".into(), task: 2 }]);
    let told = gateway.step(at(2), heard(&[tag("3A01", 1)]));
    assert!(matches!(events(&told)[..], [GatewayEvent::Done { task: 1, .. }]));
    assert_eq!(published(&told), [("3A01".to_owned(), 2, 3)], "now the newest goes out");
}

#[test]
fn the_image_already_in_flight_is_not_sent_twice() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    assert_eq!(gateway.step(at(1), Input::Task(label_task("3A01", 1))), []);
    gateway.step(at(2), heard(&[tag("3A01", 1)]));
    assert_eq!(gateway.pending(), 0);
}

#[test]
fn a_result_of_another_token_or_label_changes_nothing() {
    let mut gateway = patient();
    gateway.step(at(1), Input::Task(label_task("3A01", 1)));
    assert_eq!(gateway.step(at(2), heard(&[tag("3A01", 9), tag("3A02", 1)])), []);
    assert_eq!(gateway.pending(), 1);
}

#[test]
fn a_label_that_cannot_is_failed_with_the_reason() {
    for (status, rf_dbm, word) in [(0xF0, -60, "key"), (0, -256, "does not answer"), (3, -60, "refresh")] {
        let mut gateway = patient();
        gateway.step(at(1), Input::Task(label_task("3A01", 1)));
        let result = TagResult { status, rf_dbm, ..tag("3A01", 1) };
        let told = gateway.step(at(2), heard(&[result]));
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
    let outputs = gateway.step(at(5), Input::Infor(None));
    assert_eq!(events(&outputs), [&GatewayEvent::Restarted]);
    assert_eq!(published(&outputs), [("3A01".to_owned(), 3, 1), ("3A02".to_owned(), 4, 2)]);
    assert_eq!(gateway.step(at(6), heard(&[tag("3A01", 1)])), [], "a result from before");
    assert_eq!(events(&gateway.step(at(6), heard(&[tag("3A01", 3)]))).len(), 1);
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
    gateway.step(at(2), heard(&[tag("3A01", 1), tag("3A02", 2)]));
    gateway.step(at(2), Input::Task(label_task("3A03", 4)));
    let mut told = Vec::new();
    for second in 3..400 {
        for (label, token, _) in published(&gateway.step(at(second), Input::Tick)) {
            let input = match label.as_str() {
                "BAD" => Input::Message(INVALID_TASK),
                _ => heard(&[tag(&label, token)]),
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
    assert_eq!(gateway.air.len(), 9, "the window is open again");
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
        outputs = gateway.step(at(1), heard(&[refused]));
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
    assert_eq!(gateway.step(at(3), heard(&[tag("3A01", sent[0].1)])), []);
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
                GatewayEvent::Done { task, .. }
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
                        heard(&[TagResult { status, ..tag(&label, token) }])
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
                    Input::Infor(None)
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
            note(gateway.step(at(second), Input::Tick), &mut held);
            while let Some((label, token, _)) = held.pop_front() {
                note(gateway.step(at(second), heard(&[tag(&label, token)])), &mut held);
            }
        }
        ends.sort_unstable();
        prop_assert_eq!(ends, tasks);
        prop_assert_eq!(gateway.pending(), 0);
        prop_assert!(gateway.ready.is_empty());
    }
}
