//! What an access point does with what it is told. Tasks are packed here by hand, as arrays.

use super::*;
use proptest::prelude::*;
use rmpv::Value;

const T0: u64 = 1_790_000_000_000;
const TAG: &str = "3A0001F2";

const OTHER: &str = "3A0001F3";
const KEY: &str = "00112233445566778899AA";

fn access_point(queue_max: usize) -> AccessPoint {
    with(Nature::default(), queue_max, Vec::new())
}

fn with(nature: Nature, queue_max: usize, odd: Vec<LabelNature>) -> AccessPoint {
    let config = Gateway {
        ap: "0001".into(),
        host: "127.0.0.1".into(),
        port: 1883,
        login: None,
        ca_file: None,
        labels: vec![TAG.into(), OTHER.into()],
        airtime_ms: 300,
        heartbeat_ms: 15_000,
        queue_max,
        nature,
        odd,
        incidents: Vec::new(),
    };
    let mut ap = AccessPoint::new(config, 7);
    ap.step(T0, Input::Connected);
    ap
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let row = usize::try_from(width.div_ceil(8)).expect("small");
    let pixels = vec![0xFF; row * usize::try_from(height).expect("small")];
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).expect("a PNG");
    bytes
}

fn task(tag: &str, pattern: u8, token: u16, image: &[u8]) -> Value {
    task_of_page(tag, pattern, 0, token, image)
}

fn task_of_page(tag: &str, pattern: u8, page: u8, token: u16, image: &[u8]) -> Value {
    keyed(tag, pattern, page, token, ("", ""), image)
}

fn keyed(tag: &str, pattern: u8, page: u8, token: u16, keys: (&str, &str), image: &[u8]) -> Value {
    Value::Array(vec![
        tag.into(),
        pattern.into(),
        page.into(),
        false.into(),
        false.into(),
        false.into(),
        3.into(),
        token.into(),
        keys.0.into(),
        keys.1.into(),
        Value::Binary(image.to_vec()),
        false.into(),
    ])
}

fn payload(tasks: Vec<Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Array(tasks)).expect("memory");
    bytes
}

/// (tag, rf, status, token) of every result among `outputs`.
fn results(outputs: &[Output]) -> Vec<(String, i64, u64, u64)> {
    let of = |output: &Output| match output {
        Output::Publish { topic: "result", payload, .. } => {
            let value = rmpv::decode::read_value(&mut &payload[..]).expect("MessagePack");
            let record = value[4][0].clone();
            let text = record[0].as_str().expect("a tag").to_owned();
            let number = |index: usize| record[index].as_u64().expect("a number");
            Some((text, record[1].as_i64().expect("rf"), number(4), number(5)))
        }
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

fn shown(outputs: &[Output]) -> Vec<&str> {
    let of = |output| match output {
        &Output::Fact(Fact::Shown(Shown { ref label, .. })) => Some(label.as_str()),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

#[test]
fn an_image_is_shown_after_its_air_time_and_the_result_follows() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    assert_eq!(ap.step(T0, Input::Tasks(&payload(vec![task(TAG, 0, 7, &image)]))), []);
    assert_eq!(ap.next_ms(), Some(T0 + 300));
    assert_eq!(ap.step(T0 + 299, Input::Tick), []);
    let outputs = ap.step(T0 + 300, Input::Tick);
    let fact = Fact::Shown(Shown { ap: "0001".into(), label: TAG.into(), png: image });
    assert_eq!(outputs[0], Output::Fact(fact));
    assert_eq!(results(&outputs), [(TAG.to_owned(), -58, 0, 7)]);
}

#[test]
fn a_newer_task_silently_replaces_the_waiting_one_but_not_the_one_on_the_air() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    for token in 1..=3 {
        ap.step(T0, Input::Tasks(&payload(vec![task(TAG, 0, token, &image)])));
    }
    let first = ap.step(T0 + 300, Input::Tick);
    let second = ap.step(T0 + 600, Input::Tick);
    let tokens: Vec<u64> = [first, second].iter().flat_map(|o| results(o)).map(|r| r.3).collect();
    assert_eq!(tokens, [1, 3]);
    assert_eq!(ap.step(T0 + 900, Input::Tick), []);
}

#[test]
fn refusals_carry_the_vendors_statuses() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    let mut at = T0;
    let mut send = |tag: &str, pattern, token, image: &[u8]| {
        ap.step(at, Input::Tasks(&payload(vec![task(tag, pattern, token, image)])));
        at += 300;
        let outputs = ap.step(at, Input::Tick);
        let [(_, rf, status, _)] = results(&outputs)[..] else { panic!("one result") };
        (rf, status, shown(&outputs).len())
    };
    assert_eq!(send("3A00FFFF", 0, 1, &image), (-256, 0, 0), "not bound: nobody answers");
    assert_eq!(send(TAG, 0, 1, &png(296, 128)), (-58, 0x01, 0), "an image for another model");
    assert_eq!(send(TAG, 0, 2, b"no image"), (-58, 0x01, 0));
    assert_eq!(send(TAG, 2, 3, b""), (-58, 0x03, 0), "no page was stored");
    assert_eq!(send(TAG, 1, 4, &image), (-58, 0, 0), "stored, not shown");
    assert_eq!(send(TAG, 2, 5, b""), (-58, 0, 1), "the stored page");
    assert_eq!(send(TAG, 0, 5, &image), (-58, 0xF1, 0), "the token again");
}

#[test]
fn what_cannot_be_taken_is_told_without_a_token() {
    let mut ap = access_point(1);
    let said =
        |code: u8| vec![Output::Publish { topic: "message", payload: vec![0x91, code], exactly_once: false }];
    assert_eq!(ap.step(T0, Input::Tasks(b"\xC1")), said(8));
    let image = png(296, 152);
    assert_eq!(ap.step(T0, Input::Tasks(&payload(vec![task(TAG, 0, 1, &image)]))), [], "on the air at once");
    assert_eq!(ap.step(T0, Input::Tasks(&payload(vec![task(TAG, 0, 2, &image)]))), [], "waits");
    assert_eq!(ap.step(T0, Input::Tasks(&payload(vec![task("3A0001F3", 0, 3, &image)]))), said(7));
}

#[test]
fn a_heartbeat_comes_every_fifteen_seconds() {
    let mut ap = access_point(1);
    assert_eq!(ap.step(T0 + 14_999, Input::Tick), []);
    let [Output::Publish { topic: "heartbeat", payload, exactly_once: false }] =
        &ap.step(T0 + 15_000, Input::Tick)[..]
    else {
        panic!("one heartbeat")
    };
    let value = rmpv::decode::read_value(&mut &payload[..]).expect("MessagePack");
    assert_eq!(value.as_array().map(Vec::len), Some(9));
    assert_eq!(ap.next_ms(), Some(T0 + 30_000));
    ap.step(T0 + 15_000, Input::Disconnected);
    assert_eq!(
        (ap.next_ms(), ap.step(T0 + 60_000, Input::Tick)),
        (None, vec![]),
        "nobody is there to hear it"
    );
}

/// The results of the task `entry`, sent at `at_ms` to an access point with nothing else to do, and what
/// became of them.
fn sent(ap: &mut AccessPoint, at_ms: u64, entry: Value) -> Vec<(String, i64, u64, u64)> {
    let mut outputs = ap.step(at_ms, Input::Tasks(&payload(vec![entry])));
    outputs.extend(ap.step(at_ms + 10_000, Input::Tick));
    results(&outputs)
}

fn truth(ap: &AccessPoint, tag: &str) -> Truth {
    ap.truth().find(|(other, _)| *other == tag).map(|(_, truth)| truth.clone()).expect("a label")
}

fn digest(image: &[u8]) -> Option<[u8; 32]> {
    Some(Sha256::digest(image).into())
}

#[test]
fn pages_are_kept_and_turned_and_the_truth_says_what_is_shown() {
    let mut ap = access_point(10);
    let (old, new) = (png(296, 152), [png(296, 152), vec![0]].concat());
    assert_eq!(sent(&mut ap, T0, task_of_page(TAG, 0, 0, 1, &old))[0].2, 0);
    assert_eq!(sent(&mut ap, T0 + 10_000, task_of_page(TAG, 1, 5, 2, &new))[0].2, 0);
    let staged = truth(&ap, TAG);
    assert_eq!((staged.shown, staged.page, staged.since_ms), (digest(&old), Some(0), T0 + 300));
    assert_eq!(staged.pages.get(&5).copied(), digest(&new));
    sent(&mut ap, T0 + 20_000, task_of_page(TAG, 2, 5, 3, b""));
    let flipped = truth(&ap, TAG);
    assert_eq!((flipped.shown, flipped.page, flipped.since_ms), (digest(&new), Some(5), T0 + 20_300));
    assert_eq!(sent(&mut ap, T0 + 30_000, task(TAG, 3, 4, b""))[0].2, 0);
    assert_eq!((truth(&ap, TAG).refreshes, truth(&ap, TAG).blinks), (2, 3));
    assert_eq!(truth(&ap, OTHER), Truth::default());
}

#[test]
fn a_reset_label_has_lost_image_and_pages_and_says_so() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    sent(&mut ap, T0, task(TAG, 0, 1, &image));
    let outputs = ap.step(T0 + 10_000, Input::Incident(&Incident::Reset(TAG.into())));
    assert_eq!(outputs[0], Output::Fact(Fact::Blank { ap: "0001".into(), label: TAG.into() }));
    assert_eq!(results(&outputs), [(TAG.to_owned(), -58, 0x02, 0)]);
    assert_eq!((truth(&ap, TAG).shown, truth(&ap, TAG).pages.len()), (None, 0));
    assert_eq!(sent(&mut ap, T0 + 20_000, task(TAG, 2, 2, b""))[0].2, 0x03, "the page is gone");
}

#[test]
fn only_who_has_the_labels_key_is_obeyed() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    assert_eq!(sent(&mut ap, T0, keyed(TAG, 4, 0, 1, ("", KEY), b""))[0].2, 0);
    assert_eq!(sent(&mut ap, T0 + 10_000, task(TAG, 0, 2, &image))[0].2, 0xF0);
    assert_eq!(truth(&ap, TAG).shown, None);
    assert_eq!(sent(&mut ap, T0 + 20_000, keyed(TAG, 0, 0, 3, (KEY, ""), &image))[0].2, 0);
}

#[test]
fn airtime_channels_and_waking_make_the_radio_slow() {
    let image = png(296, 152);
    let ends = |nature: Nature| {
        let mut ap = with(nature, 10, Vec::new());
        ap.step(T0, Input::Tasks(&payload(vec![task(TAG, 0, 1, &image), task(OTHER, 0, 2, &image)])));
        let mut last_ms = T0;
        while let Some(next_ms) = ap.next_ms().filter(|_| truth(&ap, OTHER).shown.is_none()) {
            ap.step(next_ms, Input::Tick);
            last_ms = next_ms;
        }
        last_ms - T0
    };
    let bytes = u64::try_from(image.len()).expect("small");
    assert_eq!(ends(Nature::default()), 600);
    assert_eq!(ends(Nature { channels: 2, ..Nature::default() }), 300);
    assert_eq!(ends(Nature { byte_us: 1000, ..Nature::default() }), 2 * (300 + bytes));
    let waking = ends(Nature { wake_ms: 5_000, ..Nature::default() });
    assert_eq!((waking - 300) % 5_000, (wakes_ms(OTHER, T0, 5_000) - T0) % 5_000);
    assert!(waking > 600, "{waking}");
    let odd = LabelNature { wake_ms: Some(60_000), ..LabelNature::plain(OTHER) };
    let mut ap = with(Nature::default(), 10, vec![odd]);
    ap.step(T0, Input::Tasks(&payload(vec![task(OTHER, 0, 1, &image)])));
    assert_eq!(ap.next_ms(), Some((wakes_ms(OTHER, T0, 60_000) + 300).min(T0 + 15_000)));
}

#[test]
fn a_restart_loses_what_waits_and_what_is_on_the_air() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    ap.step(T0, Input::Tasks(&payload(vec![task(TAG, 0, 1, &image), task(OTHER, 0, 2, &image)])));
    let outputs = ap.step(T0 + 100, Input::Incident(&Incident::Restart));
    assert!(matches!(outputs[0], Output::Publish { topic: "infor", .. }));
    assert_eq!(results(&ap.step(T0 + 10_000, Input::Tick)), []);
    assert_eq!(truth(&ap, TAG).shown, None);
}

#[test]
fn a_full_disk_drops_tasks_without_a_word_and_infor_tells_it() {
    let free = |outputs: &[Output]| match &outputs[0] {
        Output::Publish { topic: "infor", payload, .. } => {
            rmpv::decode::read_value(&mut &payload[..]).expect("MessagePack")[8].as_u64()
        }
        _ => None,
    };
    let mut ap = with(Nature { hoards: true, free_mb: 1, ..Nature::default() }, 10, Vec::new());
    assert_eq!(free(&ap.step(T0, Input::Connected)), Some(1));
    let image = png(296, 152);
    let fill = vec![0; 999_900];
    assert_eq!(sent(&mut ap, T0, task(TAG, 0, 1, &fill))[0].2, 0x01, "no image, but it is on the disk");
    assert_eq!(sent(&mut ap, T0 + 10_000, task(TAG, 0, 2, &image)), []);
    assert_eq!(truth(&ap, TAG).shown, None);
    assert_eq!(free(&ap.step(T0 + 20_000, Input::Connected)), Some(0));
}

#[test]
fn batteries_die_of_refreshes_sooner_in_the_cold() {
    let image = png(296, 152);
    let lives = |temperature_c| {
        let odd = LabelNature { battery_mv: 2010, temperature_c, ..LabelNature::plain(TAG) };
        let mut ap = with(Nature { refresh_uv: 1000, ..Nature::default() }, 10, vec![odd]);
        let said = (1..=20)
            .map(|token| sent(&mut ap, T0 + u64::from(token) * 10_000, task(TAG, 0, token, &image))[0].1);
        said.take_while(|rf_dbm| *rf_dbm != -256).count()
    };
    assert_eq!((lives(22), lives(-20)), (11, 4));
}

#[test]
fn chance_strikes_as_often_as_it_is_told_and_the_same_for_one_seed() {
    let image = png(296, 152);
    let run = |nature: Nature| {
        let mut ap = with(nature, 10, Vec::new());
        let mut outputs = Vec::new();
        for token in 1..=1000 {
            let at_ms = T0 + u64::from(token) * 1000;
            outputs.extend(ap.step(at_ms, Input::Tasks(&payload(vec![task(TAG, 0, token, &image)]))));
            outputs.extend(ap.step(at_ms + 500, Input::Tick));
        }
        (outputs, truth(&ap, TAG).refreshes)
    };
    let (lost, refreshes) = run(Nature { lost_results: 0.2, ..Nature::default() });
    let told = results(&lost).len();
    assert!((750..850).contains(&told) && refreshes == 1000, "{told} of {refreshes} told");
    let (unheard, refreshes) = run(Nature { unheard: 0.2, ..Nature::default() });
    let silent = results(&unheard).iter().filter(|result| result.1 == -256).count();
    assert_eq!(usize::try_from(refreshes).expect("few") + silent, 1000);
    assert!((150..250).contains(&silent), "{silent} unheard");
    let (reset, _) = run(Nature { resets: 0.2, ..Nature::default() });
    let resets = results(&reset).iter().filter(|result| result.2 == 0x02).count();
    assert!((150..250).contains(&resets), "{resets} resets");
    let (busy, refreshes) = run(Nature { busy: 0.2, ..Nature::default() });
    let said = Output::Publish { topic: "message", payload: vec![0x91, 6], exactly_once: false };
    let refused = busy.iter().filter(|output| **output == said).count();
    assert_eq!(usize::try_from(refreshes).expect("few") + refused, 1000);
    assert!((150..250).contains(&refused), "{refused} refused");
    assert_eq!(run(Nature { lost_results: 0.2, ..Nature::default() }).0, lost);
}

#[test]
fn who_believes_its_memory_calls_an_image_shown_that_is_gone() {
    let mut ap = with(Nature { believes_memory: true, ..Nature::default() }, 10, Vec::new());
    let image = png(296, 152);
    sent(&mut ap, T0, task(TAG, 0, 1, &image));
    ap.step(T0 + 10_000, Input::Incident(&Incident::Reset(TAG.into())));
    assert_eq!(sent(&mut ap, T0 + 20_000, task(TAG, 0, 2, &image))[0].2, 0, "it says that all is well");
    assert_eq!(truth(&ap, TAG).shown, None);
}

#[test]
fn a_strangers_image_is_told_as_any_other() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    sent(&mut ap, T0, task(TAG, 0, 1, &image));
    let outputs = ap.step(T0 + 10_000, Input::Incident(&Incident::Stranger(TAG.into())));
    let [(tag, -58, 0, _)] = &results(&outputs)[..] else { panic!("one result") };
    assert_eq!((tag.as_str(), shown(&outputs)), (TAG, vec![TAG]));
    assert_ne!(truth(&ap, TAG).shown, digest(&image));
    ap.step(T0 + 10_000, Input::Incident(&Incident::Silent(TAG.into())));
    assert_eq!(sent(&mut ap, T0 + 20_000, task(TAG, 0, 2, &image))[0].1, -256);
    ap.step(T0 + 30_000, Input::Incident(&Incident::Audible(TAG.into())));
    assert_eq!(sent(&mut ap, T0 + 40_000, task(TAG, 0, 3, &image))[0].1, -58);
}

/// One thing that happens: a task (label, pattern, page, image), an incident, or the passing of time, ms.
#[derive(Clone, Debug)]
enum Happening {
    Task(usize, u8, u8, usize),
    Incident(Incident),
    Time(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let tags = [TAG, OTHER];
    let task = (0..3_usize, 0..4_u8, 0..8_u8, 0..3_usize);
    prop_oneof![
        6 => task.prop_map(|(label, pattern, page, image)| Happening::Task(label, pattern, page, image)),
        3 => (0..2_000_u64).prop_map(Happening::Time),
        1 => (0..4_usize, 0..2_usize).prop_map(move |(kind, label)| {
            let label = tags[label].to_owned();
            Happening::Incident(match kind {
                0 => Incident::Restart,
                1 => Incident::Reset(label),
                2 => Incident::Silent(label),
                _ => Incident::Audible(label),
            })
        }),
    ]
}

proptest! {
    /// Whatever goes wrong: a label shows nothing, or an image that was sent to it; each token is told of at
    /// most once; and all is the same for the same seed.
    #[test]
    fn the_truth_is_of_what_was_sent(happenings in prop::collection::vec(happening(), 1..80)) {
        let images = [png(296, 152), [png(296, 152), vec![1]].concat(), png(296, 128)];
        let nature = Nature { lost_results: 0.1, unheard: 0.1, resets: 0.1, channels: 2, ..Nature::default() };
        let run = || {
            let (mut ap, mut now_ms, mut out) = (with(nature.clone(), 3, Vec::new()), T0, Vec::new());
            let mut sent: BTreeMap<&str, Vec<[u8; 32]>> = BTreeMap::new();
            for (token, happening) in (1..).zip(&happenings) {
                match happening {
                    Happening::Task(label, pattern, page, image) => {
                        let (tag, image) = ([TAG, OTHER, "3A00FFFF"][*label], &images[*image]);
                        sent.entry(tag).or_default().extend(digest(image));
                        let entry = task_of_page(tag, *pattern, *page, token, image);
                        out.extend(ap.step(now_ms, Input::Tasks(&payload(vec![entry]))));
                    }
                    Happening::Incident(incident) => out.extend(ap.step(now_ms, Input::Incident(incident))),
                    Happening::Time(span_ms) => {
                        now_ms += span_ms;
                        out.extend(ap.step(now_ms, Input::Tick));
                    }
                }
                for (tag, truth) in ap.truth() {
                    let of_page = truth.page.and_then(|page| truth.pages.get(&page).copied());
                    let ours = sent.get(tag).into_iter().flatten();
                    assert!(truth.shown.is_none_or(|shown| ours.clone().any(|sent| *sent == shown)), "{tag}");
                    // A page may have been written anew since it was shown.
                    assert!(truth.shown.is_none() || of_page.is_some(), "{tag}");
                }
            }
            out
        };
        let out = run();
        let mut tokens: Vec<u64> = results(&out).iter().map(|result| result.3).filter(|token| *token > 0).collect();
        let told = tokens.len();
        tokens.sort_unstable();
        tokens.dedup();
        prop_assert_eq!(tokens.len(), told);
        prop_assert_eq!(run(), out);
    }
}
