//! How the store stands with headquarters, as an alarm of the store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use storewarden_rules::{AlarmState, Class, Condition, DeviceId, Event, Input, Millis, Now, Restored, Site};

/// Says what the link finds every minute of a span, and gives the changes with their minute.
struct Store {
    site: Box<Site>,
    minute: i64,
    said: Vec<(i64, Condition, AlarmState)>,
}

impl Store {
    fn new() -> Self {
        let mut site = Box::new(Site::new());
        site.add_device(Class::Store, Millis(0)).unwrap();
        Self { site, minute: 0, said: Vec::new() }
    }

    fn tell(&mut self, minutes: i64, refusing: Option<bool>, clock_wrong: Option<bool>) {
        for _ in 0..minutes {
            self.minute += 1;
            let now = Now::default().after(Millis::from_mins(self.minute));
            let input = Input::Headquarters { is_refusing: refusing, is_clock_wrong: clock_wrong };
            self.site.step(now, input, &mut |event| match event {
                Event::Alarm(alarm) => self.said.push((self.minute, alarm.condition, alarm.state)),
                other => panic!("{other:?}"),
            });
        }
    }
}

const RAISED: AlarmState = AlarmState::ActiveUnacknowledged;
const OVER: AlarmState = AlarmState::ReturnedUnacknowledged;

#[test]
fn refusals_that_last_are_said_and_no_line_neither_clears_nor_counts_as_taken() {
    let mut store = Store::new();
    store.tell(5, Some(true), None);
    store.tell(1, Some(false), None);
    assert_eq!(store.said, [], "shorter than the delay");
    store.tell(2, Some(true), None);
    store.tell(60, None, None);
    assert_eq!(store.said, [], "while nobody knows nothing is said");
    store.tell(1, Some(true), None);
    assert_eq!(store.said, [(69, Condition::LinkRefused, RAISED)]);
    store.tell(60, None, None);
    store.tell(9, Some(true), None);
    assert_eq!(store.said.len(), 1, "said once");
    store.tell(1, Some(false), None);
    assert_eq!(store.said[1], (139, Condition::LinkRefused, OVER));
}

#[test]
fn a_clock_that_disagrees_for_a_quarter_of_an_hour_is_said_and_goes_on_over_a_restart() {
    let mut store = Store::new();
    store.tell(120, None, None);
    store.tell(15, None, Some(true));
    assert_eq!(store.said, []);
    store.tell(1, None, Some(true));
    assert_eq!(store.said, [(136, Condition::ClockUntrusted, RAISED)]);
    let was = store.site.alarms().next().unwrap();
    let mut again = Store::new();
    let restored = Restored::Alarm {
        state: was.state,
        changed_at: was.changed_at,
        diagnosis: was.diagnosis,
        evidence: was.evidence,
        parent: None,
        escalation: 0,
        shelved_until: None,
    };
    again.site.restore(Now::default(), DeviceId(0), was.condition, restored);
    again.tell(30, None, None);
    assert_eq!(again.said, [], "no word mends nothing");
    again.tell(1, None, Some(false));
    assert_eq!(again.said, [(31, Condition::ClockUntrusted, OVER)]);
}
