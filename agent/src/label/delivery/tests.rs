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

fn id(number: u64) -> BatchId {
    BatchId { key: "team".into(), number }
}

fn desired(n: u8, batch: u64) -> Input {
    let price =
        Price { item: "water".into(), price: Money::new(i64::from(n), Currency::Cny), batch: id(batch) };
    Input::Desired { label: LABEL.into(), image: image(n), price, urgent: false }
}

fn next(n: u8) -> Input {
    Input::Next { label: LABEL.into(), image: Some(image(n)) }
}

fn shown(task: u64) -> Input {
    let told = Told { battery_mv: Some(2_900), ..Told::default() };
    Input::Done { label: LABEL.into(), task, proof: Proof::Refreshed, told }
}

fn failed(task: u64) -> Input {
    failed_by(task, Trouble::WrongKey)
}

fn failed_by(task: u64, trouble: Trouble) -> Input {
    Input::Failed { label: LABEL.into(), task, trouble, reason: "wrong key".into() }
}

fn restore(n: u8, proof: Option<Proof>, batch: u64) -> Input {
    Input::Restore {
        label: LABEL.into(),
        image: image(n),
        proof,
        batch: id(batch),
        pages: Pages::default(),
        told: Told::default(),
    }
}

/// The outputs in short: `q1 show1@0#5` is a record of intent and that image 1 is to be shown on page 0 by
/// task 5.
fn told(delivery: &mut Delivery, ms: i64, input: Input) -> String {
    let words = delivery.step(now(ms), input).into_iter().map(|output| match output {
        Output::Send { step, task, .. } => match step {
            Step::Show { page, image } => format!("show{}@{page}#{task}", image[0]),
            Step::Flip { page, image } => format!("flip{}@{page}#{task}", image[0]),
            Step::Store { page, image } => format!("store{}@{page}#{task}", image[0]),
            Step::Blink => format!("blink#{task}"),
        },
        Output::Pages { pages, .. } => match pages.kept {
            Some(kept) => format!("keeps{}on{}", kept[0], pages.shown),
            None => format!("on{}", pages.shown),
        },
        Output::Record(record) => match record.result {
            Ok(Proof::Queued) => format!("q{}", record.image[0]),
            Ok(_) => format!("ok{}b{}", record.image[0], record.price.batch.number),
            Err(reason) => format!("failed{} ({reason})", record.image[0]),
        },
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_change_is_recorded_sent_and_confirmed_once() {
    let mut delivery = Delivery::new(5, true);
    assert_eq!(delivery.state(LABEL), State::Idle);
    assert_eq!(told(&mut delivery, 0, desired(1, 7)), "q1 show1@0#5");
    assert_eq!(told(&mut delivery, 1, desired(1, 7)), "", "said again");
    assert_eq!(delivery.state(LABEL), State::Sent);
    assert_eq!(told(&mut delivery, 9, shown(5)), "ok1b7");
    assert_eq!(told(&mut delivery, 9, shown(5)), "", "QoS may deliver twice");
    assert_eq!(delivery.state(LABEL), State::Shown(Proof::Refreshed));
}

#[test]
fn nothing_is_refreshed_that_would_look_the_same() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, restore(1, Some(Proof::Refreshed), 7));
    assert_eq!(told(&mut delivery, 0, desired(1, 7)), "");
    assert_eq!(told(&mut delivery, 1, desired(1, 8)), "ok1b8", "a new batch with the old price");
    assert_eq!(told(&mut delivery, 2, desired(2, 9)), "q2 show2@0#1");
}

#[test]
fn what_was_in_doubt_before_a_restart_is_sent_again() {
    for proof in [None, Some(Proof::Queued)] {
        let mut delivery = Delivery::new(1, true);
        told(&mut delivery, 0, restore(1, proof, 7));
        assert_eq!(told(&mut delivery, 0, desired(1, 7)), "q1 show1@0#1");
    }
}

#[test]
fn the_result_of_an_older_task_confirms_nothing() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    assert_eq!(told(&mut delivery, 1, desired(2, 8)), "q2 show2@0#2");
    assert_eq!(told(&mut delivery, 2, shown(1)), "");
    assert_eq!(told(&mut delivery, 3, failed(1)), "");
    assert_eq!(delivery.state(LABEL), State::Sent);
    // Back to the first image: the late result of its first sending is not that of its second.
    assert_eq!(told(&mut delivery, 4, desired(1, 9)), "q1 show1@0#3");
    assert_eq!(told(&mut delivery, 5, shown(1)), "");
    assert_eq!(told(&mut delivery, 6, shown(3)), "ok1b9");
}

#[test]
fn a_late_result_of_what_is_not_desired_any_more_says_nothing_of_what_is() {
    let mut delivery = Delivery::new(1, true);
    assert_eq!(told(&mut delivery, 0, desired(1, 7)), "q1 show1@0#1");
    let Input::Desired { image, price, .. } = desired(9, 7) else { unreachable!() };
    for n in 0..HAND_MAX {
        let (label, price) = (format!("{n:08}"), price.clone());
        delivery.step(now(1), Input::Desired { label, image, price, urgent: false });
    }
    // All are sent again in turn, and this one stands behind the others when its price changes.
    delivery.step(now(2), Input::GatewayRestarted);
    assert_eq!(told(&mut delivery, 3, desired(2, 8)), "");
    assert_eq!(told(&mut delivery, 4, shown(1)), "", "1 was shown, 2 is not");
    assert_eq!(delivery.state(LABEL), State::Sent);
    // Nothing was said of 1 either. Wanted again, by whatever batch, it is there.
    let mut back = delivery.clone();
    assert_eq!(told(&mut back, 5, desired(1, 8)), "ok1b8");
    let again = told(&mut delivery, 5, Input::GatewayRestarted);
    assert!(again.starts_with("q2 show2@0#201 q9 "), "it stood first in the line: {again}");
}

#[test]
fn being_queued_at_the_gateway_confirms_nothing() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    let result = |proof| Input::Done { label: LABEL.into(), task: 1, proof, told: Told::default() };
    assert_eq!(told(&mut delivery, 1, result(Proof::Queued)), "");
    assert_eq!(delivery.state(LABEL), State::Sent);
    assert_eq!(told(&mut delivery, 2, result(Proof::Delivered)), "ok1b7");
    assert_eq!(told(&mut delivery, 3, result(Proof::ReadBack)), "ok1b7", "surer than before");
    assert_eq!(told(&mut delivery, 4, result(Proof::Refreshed)), "");
    assert_eq!(delivery.state(LABEL), State::Shown(Proof::ReadBack));
}

#[test]
fn going_back_to_the_confirmed_price_is_sent_while_another_is_under_way() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    told(&mut delivery, 1, shown(1));
    told(&mut delivery, 2, desired(2, 8));
    assert_eq!(told(&mut delivery, 3, desired(1, 9)), "q1 show1@0#3");
}

#[test]
fn a_failed_label_is_tried_with_growing_pauses_up_to_an_hour() {
    let mut delivery = Delivery::new(0, true);
    told(&mut delivery, 0, desired(1, 7));
    let mut at = 0;
    let mut pauses = Vec::new();
    for task in 0..8 {
        assert_eq!(told(&mut delivery, at, failed(task)), "failed1 (wrong key)");
        assert_eq!(delivery.state(LABEL), State::Failed);
        let mut minutes = 0;
        let sent = loop {
            minutes += 1;
            assert_eq!(told(&mut delivery, at + minutes * 60_000 - 1, Input::Tick), "");
            let sent = told(&mut delivery, at + minutes * 60_000, Input::Tick);
            if !sent.is_empty() {
                break sent;
            }
        };
        assert_eq!(sent, format!("q1 show1@0#{}", task + 1));
        pauses.push(minutes);
        at += minutes * 60_000;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(told(&mut delivery, at, desired(2, 8)), "q2 show2@0#9", "a new price does not wait");
}

#[test]
fn a_lost_result_is_missed_in_time() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    let due = RESULT_WITHIN.0;
    assert_eq!(told(&mut delivery, due - 1, Input::Tick), "");
    assert_eq!(told(&mut delivery, due, Input::Tick), "failed1 (no result in time)");
    assert_eq!(told(&mut delivery, due + 1, shown(1)), "ok1b7", "late, but true");
    assert_eq!(told(&mut delivery, due + RETRY_MAX.0, Input::Tick), "", "nothing is left to do");
}

#[test]
fn after_a_gateway_restart_everything_unconfirmed_is_sent() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    assert_eq!(told(&mut delivery, 1, Input::GatewayRestarted), "q1 show1@0#2");
    told(&mut delivery, 2, failed(2));
    assert_eq!(told(&mut delivery, 3, Input::GatewayRestarted), "q1 show1@0#3", "a pause is cut short");
    told(&mut delivery, 4, shown(3));
    assert_eq!(told(&mut delivery, 5, Input::GatewayRestarted), "");
}

#[test]
fn what_nobody_could_hear_is_made_good_once_the_link_is_steady() {
    const MINUTE: i64 = 60_000;
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 8));
    assert_eq!(told(&mut delivery, 5, shown(1)), "ok1b8");
    told(&mut delivery, 6, next(2));
    assert_eq!(told(&mut delivery, 7, shown(2)), "keeps2on0");
    told(&mut delivery, MINUTE, Input::Unheard);
    told(&mut delivery, MINUTE + 59_000, Input::Unheard);
    assert_eq!(told(&mut delivery, 2 * MINUTE, Input::Tick), "", "the link comes and goes");
    // Its image again, without a word to headquarters, and then the page that it may have lost, too.
    assert_eq!(told(&mut delivery, 3 * MINUTE, Input::Tick), "on0 show1@0#3");
    assert_eq!(delivery.state(LABEL), State::Shown(Proof::Refreshed), "no more doubt than before");
    assert_eq!(told(&mut delivery, 3 * MINUTE + 1, shown(3)), "store2@1#4");
    assert_eq!(told(&mut delivery, 3 * MINUTE + 2, shown(4)), "keeps2on0");
    // A label that does not answer then is in doubt, and is tried again.
    told(&mut delivery, 10 * MINUTE, Input::Unheard);
    assert_eq!(told(&mut delivery, 11 * MINUTE, Input::Tick), "on0 show1@0#5");
    assert_eq!(told(&mut delivery, 11 * MINUTE + 1, failed(5)), "failed1 (wrong key)");
    assert_eq!(delivery.state(LABEL), State::Failed);
    assert_eq!(told(&mut delivery, 12 * MINUTE + 1, Input::Tick), "q1 show1@0#6");
}

#[test]
fn turning_to_a_page_proves_nothing_of_what_nobody_could_hear() {
    const MINUTE: i64 = 60_000;
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 8));
    told(&mut delivery, 5, shown(1));
    told(&mut delivery, 6, next(2));
    told(&mut delivery, 7, shown(2));
    // Somebody may have written to both pages. Its minute comes before that is made good.
    told(&mut delivery, MINUTE, Input::Unheard);
    told(&mut delivery, 2 * MINUTE - 3, Input::Next { label: LABEL.into(), image: None });
    assert_eq!(told(&mut delivery, 2 * MINUTE - 2, desired(2, 9)), "q2 flip2@1#3");
    assert_eq!(told(&mut delivery, 2 * MINUTE, Input::Tick), "", "under way");
    assert_eq!(told(&mut delivery, 2 * MINUTE + 1, shown(3)), "keeps1on1 ok2b9");
    assert_eq!(told(&mut delivery, 4 * MINUTE, Input::Unheard), "");
    assert_eq!(told(&mut delivery, 5 * MINUTE, Input::Tick), "on1 show2@1#4");
}

#[test]
fn a_label_shows_its_image_again_once_a_day_and_never_often() {
    const HOUR: i64 = 3_600_000;
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 8));
    told(&mut delivery, 5, shown(1));
    assert_eq!(told(&mut delivery, 24 * HOUR, Input::Tick), "");
    assert_eq!(told(&mut delivery, 25 * HOUR, Input::Tick), "show1@0#2");
    assert_eq!(told(&mut delivery, 25 * HOUR + 1, shown(2)), "");
    // A link that goes every five minutes: four times at once, and then every six hours.
    let (mut repeats, mut task) = (Vec::new(), 3);
    for step in 1..=12 * 24 {
        let at = 26 * HOUR + step * 300_000;
        told(&mut delivery, at - 60_000, Input::Unheard);
        if told(&mut delivery, at, Input::Tick).contains("show") {
            repeats.push((at - 26 * HOUR) / HOUR);
            told(&mut delivery, at + 1, shown(task));
            task += 1;
        }
    }
    assert_eq!(repeats, [0, 0, 0, 5, 11, 17, 23], "the first of the four was an hour before");
}

#[test]
fn labels_that_ask_by_themselves_are_not_shown_their_image_again() {
    let mut delivery = Delivery::new(1, false);
    told(&mut delivery, 0, desired(1, 8));
    told(&mut delivery, 5, shown(1));
    told(&mut delivery, 6, Input::Unheard);
    assert_eq!(told(&mut delivery, 48 * 3_600_000, Input::Tick), "");
}

#[test]
fn a_record_is_what_headquarters_gets() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    let outputs = delivery.step(now(5), shown(1));
    let Some(Output::Record(record)) = outputs.first().cloned() else { panic!("{outputs:?}") };
    let message = v1::LabelShown::from(record);
    assert_eq!((message.item.as_str(), message.price_minor, message.currency.as_str()), ("water", 1, "CNY"));
    assert_eq!((message.key_id.as_str(), message.batch, message.proof()), ("team", 7, v1::Proof::Refreshed));
    assert_eq!((message.at_ms, message.battery_mv, message.rf_dbm), (1_790_000_000_005, Some(2_900), None));
}

#[test]
fn what_comes_next_is_kept_ahead_and_turned_to_at_its_minute() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    assert_eq!(told(&mut delivery, 1, next(2)), "", "first what is due now");
    assert_eq!(told(&mut delivery, 2, shown(1)), "ok1b7 store2@1#2");
    assert!(!delivery.is_ready(LABEL));
    assert_eq!(delivery.state(LABEL), State::Shown(Proof::Refreshed), "while the next is on its way too");
    assert_eq!(told(&mut delivery, 3, shown(2)), "keeps2on0");
    assert!(delivery.is_ready(LABEL));
    assert_eq!(told(&mut delivery, 4, next(2)), "", "said again");
    assert_eq!(told(&mut delivery, 5, desired(2, 8)), "q2 flip2@1#3");
    assert_eq!(told(&mut delivery, 6, shown(3)), "keeps1on1 ok2b8");
    // The former image is still on the other page: going back costs no image.
    assert_eq!(told(&mut delivery, 7, desired(1, 9)), "q1 flip1@0#4");
    assert_eq!(told(&mut delivery, 8, shown(4)), "keeps2on0 ok1b9");
}

#[test]
fn where_labels_keep_no_pages_what_comes_next_comes_at_its_minute() {
    let mut delivery = Delivery::new(1, false);
    told(&mut delivery, 0, desired(1, 7));
    assert_eq!(told(&mut delivery, 1, shown(1)), "ok1b7");
    assert_eq!(told(&mut delivery, 2, next(2)), "");
    assert_eq!(told(&mut delivery, 3, desired(2, 8)), "q2 show2@0#2");
}

#[test]
fn a_page_under_way_is_unknown_until_the_label_has_it() {
    let mut delivery = Delivery::new(1, true);
    told(&mut delivery, 0, desired(1, 7));
    told(&mut delivery, 0, shown(1));
    told(&mut delivery, 1, next(2));
    told(&mut delivery, 2, shown(2));
    // Another leaflet: what was kept is overwritten, and said so before.
    assert_eq!(told(&mut delivery, 3, next(3)), "on0 store3@1#3");
    // The minute comes before the label has it: it gets the image itself, on the page that it shows.
    assert_eq!(told(&mut delivery, 4, desired(3, 8)), "q3 show3@0#4");
    assert_eq!(told(&mut delivery, 5, shown(3)), "", "of the task before");
    assert_eq!(told(&mut delivery, 6, shown(4)), "ok3b8");
}

#[test]
fn a_label_that_cannot_turn_gets_the_image_again() {
    for (trouble, after) in [(Trouble::Display, "q2 show2@0#4"), (Trouble::NoAnswer, "q2 flip2@1#4")] {
        let mut delivery = Delivery::new(1, true);
        told(&mut delivery, 0, desired(1, 7));
        told(&mut delivery, 0, shown(1));
        told(&mut delivery, 1, next(2));
        told(&mut delivery, 2, shown(2));
        told(&mut delivery, 3, desired(2, 8));
        told(&mut delivery, 4, failed_by(3, trouble));
        assert_eq!(told(&mut delivery, 4 + RETRY_FIRST.0, Input::Tick), after);
    }
}

#[test]
fn a_label_that_was_reset_or_written_to_gets_everything_again() {
    for input in [Input::Reset { label: LABEL.into() }, Input::Unasked { label: LABEL.into() }] {
        let mut delivery = Delivery::new(1, true);
        told(&mut delivery, 0, desired(1, 7));
        told(&mut delivery, 0, shown(1));
        told(&mut delivery, 1, next(2));
        told(&mut delivery, 2, shown(2));
        assert_eq!(told(&mut delivery, 3, input), "on0 q1 show1@0#3");
        assert_eq!(told(&mut delivery, 4, shown(2)), "", "of before");
        assert_eq!(told(&mut delivery, 5, shown(3)), "ok1b7 store2@1#4");
    }
}

#[test]
fn a_label_that_is_looked_for_blinks_when_it_shows_its_price() {
    let mut delivery = Delivery::new(1, true);
    let find = || Input::Find { label: LABEL.into() };
    assert_eq!(told(&mut delivery, 0, find()), "", "nobody knows it");
    told(&mut delivery, 0, desired(1, 7));
    assert_eq!(told(&mut delivery, 1, find()), "");
    assert_eq!(told(&mut delivery, 2, shown(1)), "ok1b7 blink#2");
    assert_eq!(told(&mut delivery, 3, failed_by(2, Trouble::NoAnswer)), "", "once");
    assert_eq!(told(&mut delivery, 3 + RETRY_MAX.0, Input::Tick), "");
}

#[test]
fn the_driver_has_a_hundred_tasks_at_most_and_the_urgent_first() {
    let mut delivery = Delivery::new(1, true);
    let price = Price { item: "water".into(), price: Money::new(1, Currency::Cny), batch: id(1) };
    let desire = |label: usize, urgent| Input::Desired {
        label: format!("{label:08}"),
        image: image(1),
        price: price.clone(),
        urgent,
    };
    let sent = |outputs: Vec<Output>| {
        let labels = outputs.into_iter().filter_map(|output| match output {
            Output::Send { label, task, .. } => Some((label, task)),
            _ => None,
        });
        labels.collect::<VecDeque<_>>()
    };
    let mut hand = VecDeque::new();
    for label in 0..300 {
        hand.extend(sent(delivery.step(now(0), desire(label, false))));
    }
    assert_eq!(hand.len(), HAND_MAX);
    delivery.step(now(1), desire(999, true));
    let mut order = Vec::new();
    while let Some((label, task)) = hand.pop_front() {
        let told = Told::default();
        let done = Input::Done { label: label.clone(), task, proof: Proof::Refreshed, told };
        order.push(label);
        hand.extend(sent(delivery.step(now(2), done)));
        assert!(hand.len() <= HAND_MAX);
    }
    assert_eq!(order.len(), 301);
    assert_eq!(order[HAND_MAX], "00000999", "the first that was not in hand yet");
    assert_eq!(delivery.in_hand, 0);
    assert!(delivery.line.places.is_empty());
}

#[path = "model.rs"]
mod model;
