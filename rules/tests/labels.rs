//! What is wrong with shelf labels, as alarms of the store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use storewarden_rules::{
    AlarmState, Class, Condition, Event, Input, LABEL_CONDITIONS, Millis, Now, Quantity, Site,
};

/// Tells every minute from `from` on what is found, and gives what is said, with its minute.
fn tell(
    site: &mut Site,
    from: i64,
    minutes: i64,
    what: &[(Condition, u16)],
) -> Vec<(i64, Condition, AlarmState, Option<f64>)> {
    let found = LABEL_CONDITIONS.map(|condition| {
        what.iter().find(|(known, _)| *known == condition).map_or(0, |(_, members)| *members)
    });
    let mut said = Vec::new();
    for minute in from..from + minutes {
        let now = Now::default().after(Millis::from_mins(minute));
        site.step(now, Input::Labels { found }, &mut |event| match event {
            Event::Alarm(alarm) => {
                let members = alarm.evidence.value(Quantity::Members);
                said.push((minute, alarm.condition, alarm.state, members));
            }
            other => panic!("{other:?}"),
        });
    }
    said
}

#[test]
fn each_trouble_is_one_alarm_however_many_labels_have_it_and_ends_with_the_last() {
    let mut site = Box::new(Site::new());
    site.add_device(Class::Store, Millis(0)).unwrap();
    assert_eq!(tell(&mut site, 0, 5, &[]), []);
    let raised = AlarmState::ActiveUnacknowledged;
    let low = [(Condition::LabelBattery, 3), (Condition::LabelLate, 1)];
    assert_eq!(
        tell(&mut site, 5, 9, &low),
        [(5, Condition::LabelBattery, raised, Some(3.0)), (5, Condition::LabelLate, raised, Some(1.0))]
    );
    assert_eq!(
        tell(&mut site, 14, 9, &[(Condition::LabelBattery, 40)]),
        [(14, Condition::LabelLate, AlarmState::ReturnedUnacknowledged, Some(0.0))]
    );
}

#[test]
fn a_gateway_that_restarts_is_not_away() {
    let mut site = Box::new(Site::new());
    site.add_device(Class::Store, Millis(0)).unwrap();
    let away = [(Condition::GatewayOffline, 1)];
    assert_eq!(tell(&mut site, 0, 5, &away), []);
    assert_eq!(tell(&mut site, 5, 1, &[]), []);
    assert_eq!(tell(&mut site, 6, 5, &away), []);
    let said = tell(&mut site, 11, 9, &away);
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].0, said[0].1), (11, Condition::GatewayOffline));
}
