use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use storewarden_prices::{Currency, Money};
use storewarden_proto::v1;
use storewarden_rules::Utc;

const LABEL: &str = "3D0000A1";

fn now(ms: i64) -> Now {
    Now { mono: Mono(ms), utc: Utc(1_790_000_000_000 + ms) }
}

fn image(n: u8) -> Digest {
    [n; 32]
}

fn desired(n: u8, batch: u64) -> Input {
    let price = Price { item: "water".into(), price: Money::new(i64::from(n), Currency::Cny), batch };
    Input::Desired { label: LABEL.into(), image: image(n), price }
}

fn shown(task: u64) -> Input {
    let told = Told { battery_mv: Some(2_900), ..Told::default() };
    Input::Shown { label: LABEL.into(), task, proof: Proof::Refreshed, told }
}

fn failed(task: u64) -> Input {
    Input::Failed { label: LABEL.into(), task, reason: "wrong key".into() }
}

fn restore(n: u8, proof: Option<Proof>, batch: u64) -> Input {
    Input::Restore { label: LABEL.into(), image: image(n), proof, batch }
}

/// The outputs in short: `q1 send1#5` is a record of intent and the sending of image 1 as task 5.
fn told(delivery: &mut Delivery, ms: i64, input: Input) -> String {
    let words = delivery.step(now(ms), input).into_iter().map(|output| match output {
        Output::Send { image, task, .. } => format!("send{}#{task}", image[0]),
        Output::Record(record) => match record.result {
            Ok(Proof::Queued) => format!("q{}", record.image[0]),
            Ok(_) => format!("ok{}b{}", record.image[0], record.price.batch),
            Err(reason) => format!("failed{} ({reason})", record.image[0]),
        },
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_change_is_recorded_sent_and_confirmed_once() {
    let mut delivery = Delivery::new(5);
    assert_eq!(delivery.state(LABEL), State::Idle);
    assert_eq!(told(&mut delivery, 0, desired(1, 7)), "q1 send1#5");
    assert_eq!(told(&mut delivery, 1, desired(1, 7)), "", "said again");
    assert_eq!(delivery.state(LABEL), State::Sent);
    assert_eq!(told(&mut delivery, 9, shown(5)), "ok1b7");
    assert_eq!(told(&mut delivery, 9, shown(5)), "", "QoS may deliver twice");
    assert_eq!(delivery.state(LABEL), State::Shown(Proof::Refreshed));
    assert_eq!(delivery.next_due(), None);
}

#[test]
fn nothing_is_refreshed_that_would_look_the_same() {
    let mut delivery = Delivery::new(1);
    told(&mut delivery, 0, restore(1, Some(Proof::Refreshed), 7));
    assert_eq!(told(&mut delivery, 0, desired(1, 7)), "");
    assert_eq!(told(&mut delivery, 1, desired(1, 8)), "ok1b8", "a new batch with the old price");
    assert_eq!(told(&mut delivery, 2, desired(2, 9)), "q2 send2#1");
}

#[test]
fn what_was_in_doubt_before_a_restart_is_sent_again() {
    for proof in [None, Some(Proof::Queued)] {
        let mut delivery = Delivery::new(1);
        told(&mut delivery, 0, restore(1, proof, 7));
        assert_eq!(told(&mut delivery, 0, desired(1, 7)), "q1 send1#1");
    }
}

#[test]
fn the_result_of_an_older_task_confirms_nothing() {
    let mut delivery = Delivery::new(1);
    told(&mut delivery, 0, desired(1, 7));
    assert_eq!(told(&mut delivery, 1, desired(2, 8)), "q2 send2#2");
    assert_eq!(told(&mut delivery, 2, shown(1)), "");
    assert_eq!(told(&mut delivery, 3, failed(1)), "");
    assert_eq!(delivery.state(LABEL), State::Sent);
    // Back to the first image: the late result of its first sending is not that of its second.
    assert_eq!(told(&mut delivery, 4, desired(1, 9)), "q1 send1#3");
    assert_eq!(told(&mut delivery, 5, shown(1)), "");
    assert_eq!(told(&mut delivery, 6, shown(3)), "ok1b9");
}

#[test]
fn being_queued_at_the_gateway_confirms_nothing() {
    let mut delivery = Delivery::new(1);
    told(&mut delivery, 0, desired(1, 7));
    let result = |proof| Input::Shown { label: LABEL.into(), task: 1, proof, told: Told::default() };
    assert_eq!(told(&mut delivery, 1, result(Proof::Queued)), "");
    assert_eq!(delivery.state(LABEL), State::Sent);
    assert_eq!(told(&mut delivery, 2, result(Proof::Delivered)), "ok1b7");
    assert_eq!(told(&mut delivery, 3, result(Proof::ReadBack)), "ok1b7", "surer than before");
    assert_eq!(told(&mut delivery, 4, result(Proof::Refreshed)), "");
    assert_eq!(delivery.state(LABEL), State::Shown(Proof::ReadBack));
}

#[test]
fn going_back_to_the_confirmed_price_is_sent_while_another_is_under_way() {
    let mut delivery = Delivery::new(1);
    told(&mut delivery, 0, desired(1, 7));
    told(&mut delivery, 1, shown(1));
    told(&mut delivery, 2, desired(2, 8));
    assert_eq!(told(&mut delivery, 3, desired(1, 9)), "q1 send1#3");
}

#[test]
fn a_failed_label_is_tried_with_growing_pauses_up_to_an_hour() {
    let mut delivery = Delivery::new(0);
    told(&mut delivery, 0, desired(1, 7));
    let mut at = 0;
    let mut pauses = Vec::new();
    for task in 0..8 {
        assert_eq!(told(&mut delivery, at, failed(task)), "failed1 (wrong key)");
        assert_eq!(delivery.state(LABEL), State::Failed);
        let due = delivery.next_due().expect("another attempt").0;
        pauses.push((due - at) / 60_000);
        assert_eq!(told(&mut delivery, due - 1, Input::Tick), "");
        assert_eq!(told(&mut delivery, due, Input::Tick), format!("q1 send1#{}", task + 1));
        at = due;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(told(&mut delivery, at, desired(2, 8)), "q2 send2#9", "a new price does not wait");
}

#[test]
fn a_lost_result_is_missed_in_time() {
    let mut delivery = Delivery::new(1);
    told(&mut delivery, 0, desired(1, 7));
    let due = delivery.next_due().expect("a result").0;
    assert_eq!(due, RESULT_WITHIN.0);
    assert_eq!(told(&mut delivery, due, Input::Tick), "failed1 (no result in time)");
    assert_eq!(told(&mut delivery, due + 1, shown(1)), "ok1b7", "late, but true");
    assert_eq!(delivery.next_due(), None);
}

#[test]
fn after_a_gateway_restart_everything_unconfirmed_is_sent() {
    let mut delivery = Delivery::new(1);
    told(&mut delivery, 0, desired(1, 7));
    assert_eq!(told(&mut delivery, 1, Input::GatewayRestarted), "q1 send1#2");
    told(&mut delivery, 2, failed(2));
    assert_eq!(told(&mut delivery, 3, Input::GatewayRestarted), "q1 send1#3", "a pause is cut short");
    told(&mut delivery, 4, shown(3));
    assert_eq!(told(&mut delivery, 5, Input::GatewayRestarted), "");
}

#[test]
fn a_record_is_what_headquarters_gets() {
    let mut delivery = Delivery::new(1);
    told(&mut delivery, 0, desired(1, 7));
    let outputs = delivery.step(now(5), shown(1));
    let Some(Output::Record(record)) = outputs.first().cloned() else { panic!("{outputs:?}") };
    let message = v1::LabelShown::from(record);
    assert_eq!((message.item.as_str(), message.price_minor, message.currency.as_str()), ("water", 1, "CNY"));
    assert_eq!((message.batch, message.proof()), (7, v1::Proof::Refreshed));
    assert_eq!((message.at_ms, message.battery_mv, message.rf_dbm), (1_790_000_000_005, Some(2_900), None));
}

/// A label behind a gateway that works in order, loses and forgets.
struct World {
    now: i64,
    delivery: Delivery,
    /// Sent, and not yet on the label.
    gateway: VecDeque<(u8, u64)>,
    /// What the label really shows.
    glass: Option<u8>,
    /// Results on their way to the agent.
    results: VecDeque<Input>,
    /// The newest record of the journal.
    journal: Option<Record>,
    desired: u8,
    sent: usize,
    next_task: u64,
}

#[derive(Clone, Debug)]
enum Event {
    Desire(u8),
    GatewayShows,
    GatewayFails,
    GatewayForgets,
    GatewayRestarts,
    ResultArrives,
    ResultLost,
    AgentRestarts,
    TimePasses(i64),
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: 0,
            delivery: Delivery::new(1),
            gateway: VecDeque::new(),
            glass: None,
            results: VecDeque::new(),
            journal: None,
            desired: 1,
            sent: 0,
            next_task: 1,
        };
        world.take(desired(1, 1));
        world
    }

    fn take(&mut self, input: Input) {
        for output in self.delivery.step(now(self.now), input) {
            match output {
                Output::Record(record) => self.journal = Some(record),
                Output::Send { image, task, .. } => {
                    assert_eq!(image[0], self.desired, "only what is desired is sent");
                    self.sent += 1;
                    self.gateway.push_back((image[0], task));
                    self.next_task = task + 1;
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Desire(n) => {
                self.desired = n;
                self.take(desired(n, 1));
            }
            Event::GatewayShows => {
                if let Some((n, task)) = self.gateway.pop_front() {
                    self.glass = Some(n);
                    self.results.push_back(shown(task));
                }
            }
            Event::GatewayFails => {
                if let Some((_, task)) = self.gateway.pop_front() {
                    self.results.push_back(failed(task));
                }
            }
            Event::GatewayForgets => drop(self.gateway.pop_front()),
            Event::GatewayRestarts => {
                self.gateway.clear();
                self.take(Input::GatewayRestarted);
            }
            Event::ResultArrives => {
                if let Some(result) = self.results.pop_front() {
                    self.take(result);
                }
            }
            Event::ResultLost => drop(self.results.pop_front()),
            Event::AgentRestarts => {
                self.delivery = Delivery::new(self.next_task);
                self.results.clear();
                if let Some(record) = self.journal.clone() {
                    self.take(restore(record.image[0], record.result.ok(), record.price.batch));
                }
                self.take(desired(self.desired, 1));
            }
            Event::TimePasses(ms) => {
                self.now += ms;
                self.take(Input::Tick);
            }
        }
    }

    /// The gateway works from here on; time passes as long as the loop asks for it.
    fn settle(&mut self) {
        for _ in 0..200 {
            while !self.gateway.is_empty() || !self.results.is_empty() {
                self.happen(Event::GatewayShows);
                self.happen(Event::ResultArrives);
            }
            match self.delivery.next_due() {
                Some(due) => self.happen(Event::TimePasses((due.0 - self.now).max(0))),
                None => return,
            }
        }
        panic!("does not settle");
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (1..4u8).prop_map(Event::Desire),
        4 => Just(Event::GatewayShows),
        1 => Just(Event::GatewayFails),
        1 => Just(Event::GatewayForgets),
        1 => Just(Event::GatewayRestarts),
        4 => Just(Event::ResultArrives),
        1 => Just(Event::ResultLost),
        1 => Just(Event::AgentRestarts),
        2 => (0..7_200_000i64).prop_map(Event::TimePasses),
    ];
    proptest::collection::vec(event, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn whatever_happens_the_label_ends_with_the_desired_image(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.settle();
        prop_assert_eq!(world.glass, Some(world.desired));
        prop_assert_eq!(world.delivery.state(LABEL), State::Shown(Proof::Refreshed));
        let last = world.journal.clone().expect("recorded");
        prop_assert_eq!((last.image, last.result), (image(world.desired), Ok(Proof::Refreshed)));

        let sent = world.sent;
        world.happen(Event::Desire(world.desired));
        world.happen(Event::AgentRestarts);
        world.happen(Event::GatewayRestarts);
        prop_assert_eq!(world.sent, sent, "what is confirmed is not refreshed again");
    }
}
