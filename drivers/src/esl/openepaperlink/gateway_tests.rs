//! The life of orders, played without an access point.

use super::*;
use storewarden_rules::Utc;

const LABEL: &str = "00000218CEDD3B10";

fn at(seconds: i64) -> Now {
    Now { mono: Mono(seconds * 1000), utc: Utc(seconds * 1000) }
}

fn order(task: u64) -> Order {
    Order { label: LABEL.into(), task, wish: Wish::Show(vec![u8::try_from(task).unwrap()]), urgent: false }
}

fn record(pending: u32, updated: i64, hash: u8) -> Record {
    Record {
        label: LABEL.into(),
        hash: (hash != 0).then_some([hash; 8]),
        pending,
        seen: updated,
        updated,
        started_anew: false,
        rf_dbm: -60,
        battery_mv: Some(2900),
        temperature_c: None,
    }
}

fn upload(task: u8) -> Output {
    Output::Ask(Request::Upload(LABEL.into(), vec![task]))
}

fn look() -> Output {
    Output::Ask(Request::Look(LABEL.into()))
}

/// An access point that is online, and whose table is not to be read before `until`, s.
fn online(until: i64) -> Gateway {
    let limits = Limits { table: Millis::from_secs(until), ..Limits::default() };
    let mut gateway = Gateway::new(limits);
    assert_eq!(gateway.step(at(0), Input::Tick), [Output::Ask(Request::Table)]);
    let listed = Answer::Table(vec![record(0, 100, 1)]);
    assert_eq!(gateway.step(at(0), Input::Answer(listed)), [Output::Event(GatewayEvent::Online)]);
    gateway
}

/// The same, with an order whose file was just taken, at 0 s.
fn uploaded(task: u64) -> Gateway {
    let mut gateway = online(3600);
    assert_eq!(gateway.step(at(0), Input::Order(order(task))), [look()]);
    let looked = gateway.step(at(0), Input::Answer(Answer::Look(Some(record(0, 100, 1)))));
    assert_eq!(looked, [upload(u8::try_from(task).unwrap())]);
    assert_eq!(gateway.step(at(0), Input::Answer(Answer::Done)), []);
    gateway
}

fn heard(gateway: &mut Gateway, seconds: i64, record: Record) -> Vec<Output> {
    gateway.step(at(seconds), Input::Records(vec![record]))
}

fn done(task: u64, record: Record) -> Output {
    Output::Done(order(task), Proof::Delivered, Some(record))
}

#[test]
fn delivered_is_what_the_label_fetched_of_ours() {
    let mut gateway = uploaded(2);
    assert_eq!(heard(&mut gateway, 1, record(0, 100, 1)), [], "no image was made of it yet");
    let prepared = Output::Ask(Request::Prepared(LABEL.into()));
    assert_eq!(heard(&mut gateway, 2, record(1, 100, 1)), [prepared]);
    assert_eq!(gateway.step(at(2), Input::Answer(Answer::Prepared(Some([9; 8])))), []);
    // It sleeps for an hour, and that is its right.
    assert_eq!(heard(&mut gateway, 3599, record(1, 100, 1)), []);
    assert_eq!(heard(&mut gateway, 3599, record(0, 200, 9)), [done(2, record(0, 200, 9))]);
    assert_eq!(gateway.pending(), 0);
}

#[test]
fn an_image_that_is_not_the_one_made_of_ours_is_not_delivered() {
    let mut gateway = uploaded(2);
    heard(&mut gateway, 2, record(1, 100, 1));
    gateway.step(at(2), Input::Answer(Answer::Prepared(Some([9; 8]))));
    assert_eq!(heard(&mut gateway, 3, record(0, 200, 8)), []);
    // It is tried again, and the access point is to forget what it believes.
    assert_eq!(gateway.step(at(13), Input::Tick), [look()]);
    let looked = gateway.step(at(13), Input::Answer(Answer::Look(Some(record(0, 200, 8)))));
    assert_eq!(looked, [Output::Ask(Request::Forget(LABEL.into()))]);
    gateway.step(at(13), Input::Answer(Answer::Done));
    assert_eq!(gateway.step(at(15), Input::Tick), [look()]);
    assert_eq!(gateway.step(at(15), Input::Answer(Answer::Look(Some(record(0, 200, 0))))), [upload(2)]);
}

#[test]
fn a_file_that_nothing_was_made_of_is_sent_again_and_given_up_in_the_end() {
    let mut gateway = uploaded(2);
    let (mut uploads, mut now, mut told) = (1, 0, Vec::new());
    while told.is_empty() {
        now += 1;
        assert!(now < 600, "{uploads} uploads");
        let mut outputs = gateway.step(at(now), Input::Tick);
        while let Some(output) = outputs.pop() {
            let answer = match output {
                Output::Ask(Request::Look(_)) => Answer::Look(Some(record(0, 100, 1))),
                Output::Ask(Request::Upload(..)) => {
                    uploads += 1;
                    Answer::Done
                }
                Output::Ask(Request::Forget(_)) => Answer::Done,
                Output::Ask(other) => panic!("{other:?}"),
                other => {
                    told.push(other);
                    continue;
                }
            };
            outputs.extend(gateway.step(at(now), Input::Answer(answer)));
        }
    }
    let [Output::Failed(over, Fault::Ignored, why)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((over, uploads), (&order(2), 4));
    assert!(why.contains("disk and log"), "{why}");
    // Four times 45 s to make an image, the pauses between, and 2 s after each thing forgotten.
    assert_eq!(now, 4 * 45 + 10 + 30 + 90 + 3 * 2);
}

#[test]
fn what_waits_for_the_label_is_cleared_away_before_a_newer_image() {
    let mut gateway = uploaded(2);
    heard(&mut gateway, 2, record(1, 100, 1));
    gateway.step(at(2), Input::Answer(Answer::Prepared(Some([9; 8]))));
    let over = Output::Event(GatewayEvent::Superseded { label: LABEL.into(), task: 2 });
    assert_eq!(gateway.step(at(3), Input::Order(order(3))), [over, look()]);
    let cleared = gateway.step(at(3), Input::Answer(Answer::Look(Some(record(1, 100, 1)))));
    assert_eq!(cleared, [Output::Ask(Request::Clear(LABEL.into()))]);
    assert_eq!(gateway.step(at(3), Input::Answer(Answer::Done)), []);
    assert_eq!(gateway.step(at(5), Input::Tick), [look()]);
    assert_eq!(gateway.step(at(5), Input::Answer(Answer::Look(Some(record(0, 100, 1))))), [upload(3)]);
    gateway.step(at(5), Input::Answer(Answer::Done));
    // The label was at the older one when it was cleared away: nobody knows what it shows now.
    assert_eq!(heard(&mut gateway, 6, record(0, 200, 7)), []);
    assert_eq!(gateway.pending(), 1, "not delivered");
}

#[test]
fn a_newer_image_waits_until_the_older_one_has_come_to_light() {
    let mut gateway = uploaded(2);
    assert_eq!(gateway.step(at(1), Input::Order(order(3))), [], "the older file may become an image yet");
    let over = |task| Output::Event(GatewayEvent::Superseded { label: LABEL.into(), task });
    assert_eq!(gateway.step(at(1), Input::Order(order(4))), [over(3)]);
    assert_eq!(heard(&mut gateway, 2, record(1, 100, 1)), [over(2), look()]);
    // The same image again is the same task under another number.
    let mut same = uploaded(2);
    let again = Order { task: 7, ..order(2) };
    assert_eq!(same.step(at(1), Input::Order(again.clone())), []);
    assert_eq!(
        heard(&mut same, 2, record(0, 200, 9)),
        [Output::Done(again, Proof::Delivered, Some(record(0, 200, 9)))]
    );
}

#[test]
fn come_back_later_is_heeded_with_growing_pauses_and_no_upload_is_lost() {
    let mut gateway = online(3600);
    gateway.step(at(0), Input::Order(order(2)));
    let (mut now, mut pauses) = (0, Vec::new());
    for _ in 0..7 {
        assert_eq!(gateway.step(at(now), Input::Answer(Answer::Look(Some(record(0, 100, 1))))), [upload(2)]);
        assert_eq!(gateway.step(at(now), Input::Answer(Answer::Later)), []);
        let since = now;
        while gateway.step(at(now), Input::Tick) != [look()] {
            now += 1;
        }
        pauses.push(now - since);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60], "though it answers the look in between");
    assert_eq!(gateway.pending(), 1);
}

#[test]
fn an_access_point_that_does_not_answer_is_offline_once() {
    let mut gateway = online(15);
    assert_eq!(gateway.step(at(15), Input::Tick), [Output::Ask(Request::Table)]);
    let broken = || Input::Answer(Answer::Broken("no route".into()));
    assert_eq!(gateway.step(at(15), broken()), [Output::Event(GatewayEvent::Offline)]);
    let (mut now, mut asked) = (15, Vec::new());
    while asked.len() < 7 {
        now += 1;
        if gateway.step(at(now), Input::Tick) == [Output::Ask(Request::Table)] {
            asked.push(now);
            assert_eq!(gateway.step(at(now), broken()), []);
        }
    }
    let pauses: Vec<i64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [15, 15, 16, 32, 60, 60], "never sooner than the table is due");
    assert_eq!(gateway.step(at(now + 60), Input::Tick), [Output::Ask(Request::Table)]);
    let back = gateway.step(at(now + 60), Input::Answer(Answer::Table(vec![record(0, 100, 1)])));
    assert_eq!(back, [Output::Event(GatewayEvent::Online)]);
}

#[test]
fn a_lost_table_and_a_restart_are_told_and_what_waited_is_sent_again() {
    for loss in ["table", "restart"] {
        let mut gateway = uploaded(2);
        heard(&mut gateway, 2, record(1, 100, 1));
        gateway.step(at(2), Input::Answer(Answer::Prepared(Some([9; 8]))));
        assert_eq!(gateway.step(at(3), Input::System(Some(9000), Some(5_000_000))), []);
        let late = Record { pending: 7, ..record(0, 99, 3) };
        assert_eq!(heard(&mut gateway, 3, late), [], "it was said before what is known already");
        let told = if loss == "table" {
            assert_eq!(gateway.step(at(3600), Input::Tick), [Output::Ask(Request::Table)]);
            gateway.step(at(3600), Input::Answer(Answer::Table(Vec::new())))
        } else {
            gateway.step(at(3599), Input::System(Some(3), None))
        };
        assert_eq!(told, [Output::Event(GatewayEvent::Restarted), look()], "{loss}");
    }
}

#[test]
fn a_label_that_started_anew_or_shows_a_strangers_image_is_told() {
    let mut gateway = online(3600);
    let anew = Record { started_anew: true, ..record(0, 100, 0) };
    assert_eq!(heard(&mut gateway, 1, anew.clone()), [Output::Reset(LABEL.into())]);
    assert_eq!(heard(&mut gateway, 2, anew), [], "once");
    assert_eq!(heard(&mut gateway, 3, record(0, 200, 5)), [Output::Unasked(LABEL.into())]);
    let mut ours = uploaded(2);
    assert_eq!(heard(&mut ours, 1, record(0, 200, 5)), [done(2, record(0, 200, 5))]);
}

#[test]
fn a_label_the_access_point_does_not_know_fails_after_the_pauses() {
    let mut gateway = online(3600);
    let mut outputs = gateway.step(at(0), Input::Order(order(2)));
    for now in [10, 40, 130] {
        assert_eq!(outputs, [look()]);
        // It knew the label before: it has lost its table.
        let lost = (now == 10).then_some(Output::Event(GatewayEvent::Restarted));
        assert_eq!(gateway.step(at(now), Input::Answer(Answer::Look(None))), Vec::from_iter(lost));
        outputs = gateway.step(at(now + 90), Input::Tick);
    }
    assert_eq!(outputs, [look()]);
    let failed = gateway.step(at(300), Input::Answer(Answer::Look(None)));
    assert!(
        matches!(&failed[..], [Output::Failed(_, Fault::Unknown, why)] if why.contains("wake the label"))
    );
}

#[test]
fn what_is_urgent_goes_ahead() {
    let mut gateway = online(3600);
    let of = |label: &str, task, urgent| Order { label: label.into(), urgent, ..order(task) };
    gateway.step(at(0), Input::Order(of("00000218CEDD0001", 1, false)));
    gateway.step(at(0), Input::Order(of("00000218CEDD0002", 2, false)));
    gateway.step(at(0), Input::Order(of("00000218CEDD0003", 3, true)));
    let next = gateway.step(at(1), Input::Answer(Answer::Look(None)));
    assert_eq!(next, [Output::Ask(Request::Look("00000218CEDD0003".into()))]);
}

#[test]
fn a_lamp_does_not_wait_for_images_and_a_full_disk_keeps_images_back() {
    let mut gateway = online(3600);
    assert_eq!(gateway.step(at(0), Input::System(None, Some(FREE_MIN - 1))), [Output::Space(false)]);
    assert_eq!(gateway.step(at(0), Input::System(None, Some(0))), [], "once");
    assert_eq!(gateway.step(at(0), Input::Order(order(2))), [], "it would be dropped without a word");
    let blink = Order { wish: Wish::Blink(5), ..order(3) };
    let asked = gateway.step(at(0), Input::Order(blink.clone()));
    assert_eq!(asked, [Output::Ask(Request::Blink(LABEL.into(), 5))]);
    let told = gateway.step(at(0), Input::Answer(Answer::Done));
    assert_eq!(told, [Output::Done(blink, Proof::Queued, None)]);
    assert_eq!(gateway.step(at(1), Input::System(None, Some(FREE_MIN))), [Output::Space(true), look()]);
}
