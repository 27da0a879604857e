//! The driver and the simulated access point over HTTP and a WebSocket: what the driver calls delivered is
//! what the label shows, whatever goes wrong.

use std::{collections::BTreeMap, time::Duration};
use storesim::{
    estation::Fact,
    openepaperlink::{
        self, Config,
        nature::{Incident, Nature},
    },
};
use storewarden_drivers::{
    clock::Clock,
    esl::{
        estation::task::{Action, GatewayEvent, LabelTask, Proof, Trouble},
        openepaperlink::{
            exchange::{Answer, Request},
            gateway::Limits,
            http::Http,
            task::{OpenEpaperLinkConfig, run},
        },
    },
};
use storewarden_rules::Millis;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: (u16, u16) = (296, 152);

/// An image that no other number gives: black and white, with red where the number says.
fn png(number: u64) -> Vec<u8> {
    let (width, height) = (usize::from(SIZE.0), usize::from(SIZE.1));
    let colour = |place: usize| match (place % width / 8 + place / width / 8) % 3 {
        0 => [0, 0, 0],
        1 => [255, 255, 255],
        _ if number >> (place / width % 64) & 1 == 1 => [255, 0, 0],
        _ => [255, 255, 255],
    };
    let pixels: Vec<u8> = (0..width * height).flat_map(colour).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIZE.0.into(), SIZE.1.into());
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
    drop(writer);
    bytes
}

/// The colours of a PNG file, red, green and blue of each pixel.
fn colours(png: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
    reader.next_frame(&mut pixels).expect("whole");
    pixels
}

/// As the agent draws them: one bit for each pixel.
fn one_bit_png(bits: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIZE.0.into(), SIZE.1.into());
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[bits; 37 * 152]).expect("pixels");
    drop(writer);
    bytes
}

struct Shop {
    tasks: mpsc::Sender<LabelTask>,
    events: mpsc::Receiver<GatewayEvent>,
    facts: mpsc::Receiver<Fact>,
    /// What each label shows.
    shelf: BTreeMap<String, Vec<u8>>,
    stop: CancellationToken,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn mac(number: usize) -> String {
    format!("00000218CEDD{number:04X}")
}

/// A driver and an access point with so many labels, a hundred times as quick as real ones.
async fn shop(labels: usize, nature: Nature, incidents: Vec<(u64, Incident)>) -> Shop {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (fact_sender, facts) = mpsc::channel(1_000);
    let (event_sender, events) = mpsc::channel(64);
    let (tasks, task_receiver) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let config = Config {
        listen: "oepl".into(),
        labels: (0..labels).map(mac).collect(),
        size: SIZE,
        nature,
        incidents,
    };
    tokio::spawn(openepaperlink::run(listener, config, 7, fact_sender, stop.clone()));
    let config = OpenEpaperLinkConfig {
        name: "laboratory".into(),
        host: address.ip().to_string(),
        port: address.port(),
        limits: Limits {
            table: Millis(300),
            prepare: Millis(1_500),
            retries: [Millis(100), Millis(300), Millis(900)],
            hold: (Millis(20), Millis(600)),
        },
    };
    tokio::spawn(run(config, task_receiver, event_sender, Clock::start(), stop.clone()));
    Shop { tasks, events, facts, shelf: BTreeMap::new(), stop }
}

fn quick() -> Nature {
    // `updatelast` counts seconds: a label is served once in one.
    Nature { prepare_ms: 100, checkin_ms: 1_100, ..Nature::default() }
}

impl Shop {
    async fn send(&self, label: &str, task: u64, png: Vec<u8>) {
        self.tasks
            .send(LabelTask {
                label: label.into(),
                task,
                action: Action::Show { page: 0, png },
                urgent: false,
            })
            .await
            .expect("the driver listens");
    }

    /// The next event about a label; the shelf is then as it was when the driver told it, or newer.
    async fn next(&mut self) -> GatewayEvent {
        loop {
            let event = timeout(PATIENCE, self.events.recv()).await.expect("in time").expect("it runs");
            // Whoever waits here no longer has not lost an event: what follows does not wait.
            while let Ok(fact) = self.facts.try_recv() {
                match fact {
                    Fact::Shown(shown) => self.shelf.insert(shown.label, shown.png),
                    Fact::Blank { label, .. } => self.shelf.remove(&label),
                };
            }
            if !matches!(event, GatewayEvent::Online | GatewayEvent::Offline) {
                return event;
            }
        }
    }

    /// Waits until a task is over and shown.
    async fn shown(&mut self, wanted: u64) {
        loop {
            match self.next().await {
                GatewayEvent::Done { label, task, proof, battery_mv, .. } if task == wanted => {
                    assert_eq!((proof, battery_mv), (Proof::Delivered, Some(2900)));
                    let shown = self.shelf.get(&label).expect("it shows something");
                    assert!(colours(shown) == colours(&png(wanted)), "task {wanted}");
                    return;
                }
                GatewayEvent::Failed { reason, .. } => panic!("task {wanted}: {reason}"),
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_on_the_label_pixel_by_pixel_when_the_driver_says_so() {
    let mut shop = shop(2, quick(), Vec::new()).await;
    shop.send(&mac(0), 1, png(1)).await;
    shop.shown(1).await;
    shop.send(&mac(1).to_lowercase(), 2, one_bit_png(0xC5)).await;
    let GatewayEvent::Done { task: 2, label, .. } = shop.next().await else { panic!("not shown") };
    assert_eq!(label, mac(1).to_lowercase(), "as it was in the task");
    let grey = colours(&one_bit_png(0xC5)).into_iter().flat_map(|grey| [grey; 3]);
    assert!(colours(&shop.shelf[&mac(1)]) == grey.collect::<Vec<_>>());
    shop.send(&mac(0), 3, png(3)).await;
    shop.shown(3).await;
    // Back to what was shown before.
    shop.send(&mac(0), 1, png(1)).await;
    shop.shown(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_image_comes_back_to_a_label_that_lost_it() {
    let mut shop = shop(1, quick(), vec![(4_000, Incident::Faded(mac(0)))]).await;
    shop.send(&mac(0), 1, png(1)).await;
    shop.shown(1).await;
    tokio::time::sleep(Duration::from_millis(5_000)).await;
    // The access point believes that it is there still, and would do nothing.
    shop.send(&mac(0), 1, png(1)).await;
    shop.shown(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_image_takes_the_place_of_one_that_waits() {
    let mut shop = shop(1, quick(), Vec::new()).await;
    let last = 6;
    for task in 1..=last {
        shop.send(&mac(0), task, png(task)).await;
        tokio::time::sleep(Duration::from_millis(170)).await;
    }
    let mut over = Vec::new();
    loop {
        match shop.next().await {
            GatewayEvent::Superseded { task, .. } => over.push(task),
            GatewayEvent::Done { task, label, .. } => {
                over.push(task);
                if task == last {
                    assert!(colours(&shop.shelf[&label]) == colours(&png(last)));
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(over, (1..=last).collect::<Vec<_>>(), "each is over once, in turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_unknown_and_one_that_is_silent_are_told_apart() {
    let incidents = vec![(0, Incident::Silent(mac(0)))];
    let mut shop = shop(1, quick(), incidents).await;
    shop.send("00000218CEDDFFFF", 1, png(1)).await;
    match shop.next().await {
        GatewayEvent::Failed { task: 1, reason, .. } => assert!(reason.contains("does not know"), "{reason}"),
        other => panic!("{other:?}"),
    }
    // A silent label may wake in an hour: whoever wants it sooner has a deadline of his own.
    shop.send(&mac(0), 2, png(2)).await;
    assert!(timeout(Duration::from_secs(4), shop.next()).await.is_err(), "nothing is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_blinks_and_what_needs_pages_is_refused() {
    let mut shop = shop(1, quick(), Vec::new()).await;
    let act = async |task, action| {
        let task = LabelTask { label: mac(0), task, action, urgent: false };
        shop.tasks.send(task).await.expect("the driver listens");
    };
    act(1, Action::Blink { times: 5 }).await;
    act(2, Action::Flip { page: 1 }).await;
    let mut over = [shop.next().await, shop.next().await];
    over.sort_by_key(|event| !matches!(event, GatewayEvent::Done { .. }));
    assert!(matches!(over[0], GatewayEvent::Done { task: 1, proof: Proof::Queued, .. }), "{over:?}");
    assert!(matches!(over[1], GatewayEvent::Failed { task: 2, trouble: Trouble::Invalid, .. }), "{over:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_starts_anew_and_a_stranger_are_told() {
    let incidents = vec![(4_000, Incident::Reset(mac(0))), (7_000, Incident::Stranger(mac(0)))];
    let mut shop = shop(1, quick(), incidents).await;
    shop.send(&mac(0), 1, png(1)).await;
    shop.shown(1).await;
    assert_eq!(shop.next().await, GatewayEvent::Reset { label: mac(0) });
    assert_eq!(shop.next().await, GatewayEvent::Unasked { label: mac(0) });
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_restarted_and_forgetful_access_points_lose_nothing() {
    let incidents = vec![
        (0, Incident::Busy),
        (1_000, Incident::Idle),
        (6_500, Incident::Restart),
        (8_500, Incident::TableLost),
    ];
    let mut shop = shop(12, quick(), incidents).await;
    let (mut restarted, mut open) = (0, BTreeMap::new());
    for number in 0..12 {
        let task = 1 + u64::try_from(number).expect("few");
        shop.send(&mac(number), task, png(task)).await;
        open.insert(mac(number), task);
    }
    let mut round = 0;
    while !open.is_empty() || restarted == 0 {
        match shop.next().await {
            GatewayEvent::Restarted => restarted += 1,
            GatewayEvent::Done { label, task, .. } => {
                assert!(colours(&shop.shelf[&label]) == colours(&png(task)), "task {task}");
                open.remove(&label);
                if round < 60 {
                    round += 1;
                    shop.send(&label, 100 + round, png(100 + round)).await;
                    open.insert(label, 100 + round);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(round > 12, "the incidents came in the midst of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_delivered_is_shown_though_everything_goes_wrong() {
    let nature = Nature { later: 0.1, empty: 0.1, broken: 0.2, unfetched: 0.1, ..quick() };
    let mut shop = shop(20, nature, Vec::new()).await;
    let (mut wanted, mut shown, mut failed, mut sent) = (BTreeMap::new(), 0, 0, 0);
    while sent < 60 || !wanted.is_empty() {
        if sent < 60 {
            sent += 1;
            let label = mac(usize::try_from(sent % 20).expect("few"));
            shop.send(&label, sent, png(sent)).await;
            wanted.insert(sent, label);
        }
        let Ok(event) = timeout(Duration::from_millis(60), shop.next()).await else { continue };
        match event {
            GatewayEvent::Done { label, task, .. } => {
                assert_eq!(wanted.remove(&task), Some(label.clone()), "once");
                assert!(colours(&shop.shelf[&label]) == colours(&png(task)), "task {task}");
                shown += 1;
            }
            GatewayEvent::Failed { task, .. } => {
                assert!(wanted.remove(&task).is_some(), "once");
                failed += 1;
            }
            GatewayEvent::Superseded { task, .. } => {
                assert!(wanted.remove(&task).is_some(), "once");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(shown >= 20, "{shown} shown, {failed} failed");
}

#[test]
fn an_access_point_that_never_answers_does_not_hold_up_the_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (ended, has_ended) = std::sync::mpsc::channel();
    let (held, hold) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (_tasks, task_receiver) = mpsc::channel(1);
            let (event_sender, _events) = mpsc::channel(1);
            let (name, host, limits) = ("laboratory".into(), "127.0.0.1".into(), Limits::default());
            let config = OpenEpaperLinkConfig { name, host, port, limits };
            let stop = CancellationToken::new();
            let driver = tokio::spawn(run(config, task_receiver, event_sender, Clock::start(), stop.clone()));
            // The request and the WebSocket: both are let in, and neither is answered.
            let two = move || [listener.accept(), listener.accept()];
            let accepted = tokio::task::spawn_blocking(two).await.expect("no panic");
            held.send(accepted).expect("the test waits");
            stop.cancel();
            driver.await.expect("no panic");
        });
        drop(runtime);
        ended.send(()).expect("the test waits");
    });
    let _unanswered = hold.recv().expect("they come");
    // A request may take 20 s.
    has_ended.recv_timeout(Duration::from_secs(10)).expect("it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_taken_for_what_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let config = Config {
        listen: "oepl".into(),
        // More than fit on a page of the table.
        labels: (0..40).map(mac).collect(),
        size: SIZE,
        nature: quick(),
        incidents: Vec::new(),
    };
    let (fact_sender, _facts) = mpsc::channel(1_000);
    tokio::spawn(openepaperlink::run(listener, config, 7, fact_sender, CancellationToken::new()));
    let http = Http::new("127.0.0.1", address.port());
    let asked = tokio::task::spawn_blocking(move || {
        let Answer::Table(table) = http.ask(&Request::Table) else { panic!("a table") };
        assert_eq!(
            table.iter().map(|record| record.label.clone()).collect::<Vec<_>>(),
            (0..40).map(mac).collect::<Vec<_>>()
        );
        assert_eq!(http.ask(&Request::Look("00000218CEDDFFFF".into())), Answer::Look(None));
        assert_eq!(http.ask(&Request::Blink(mac(0), 5)), Answer::Done);
        let Answer::Look(Some(record)) = http.ask(&Request::Look(mac(0))) else { panic!("a record") };
        assert_eq!(record.pending, 1, "the lamp");
        assert_eq!(http.ask(&Request::Clear(mac(0))), Answer::Done);
        assert_eq!(http.ask(&Request::Prepared(mac(0))), Answer::Prepared(None));
        let refused = |answer| match answer {
            Answer::Refused(why) => why,
            other => panic!("{other:?}"),
        };
        for unknown in [
            Request::Blink("00000218CEDDFFFF".into(), 5),
            Request::Clear("00000218CEDDFFFF".into()),
            Request::Upload("00000218CEDDFFFF".into(), png(1)),
            // Answered with 200 and nothing more.
            Request::Upload("no mac".into(), png(1)),
            Request::Upload(mac(0), b"no image".to_vec()),
        ] {
            assert!(!refused(http.ask(&unknown)).is_empty());
        }
        let nobody = Http::new("127.0.0.1", 1);
        assert!(matches!(nobody.ask(&Request::Table), Answer::Broken(_)));
    });
    asked.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_are_not_ours_find_an_access_point() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let text = format!(
        "[[openepaperlink]]\nlisten = \"127.0.0.1:0\"\nlabels = [\"{}\"]\nsize = [296, 152]\n\
         nature = {{ prepare_ms = 300, checkin_ms = 2500 }}\n",
        mac(0)
    );
    std::fs::write(path("sim.toml"), text).expect("writes");
    let mut store = tokio::process::Command::new(env!("CARGO_BIN_EXE_storesim"))
        .arg("run")
        .arg(path("sim.toml"))
        .arg("--ready")
        .arg(path("ready.json"))
        .arg("--labels-dir")
        .arg(path("labels"))
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let start = std::time::Instant::now();
    let ready: serde_json::Value = loop {
        if let Ok(ready) = std::fs::read(path("ready.json")) {
            break serde_json::from_slice(&ready).expect("JSON");
        }
        assert!(start.elapsed() < PATIENCE, "it does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let python = std::env::var_os("STOREWARDEN_PYTHON").unwrap_or_else(|| "python3".into());
    let output = tokio::process::Command::new(&python)
        .arg(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openepaperlink_client.py"))
        .args([ready["openepaperlink"][0].as_str().expect("an address"), &mac(0)])
        .arg(path("labels"))
        .output()
        .await
        .unwrap_or_else(|error| panic!("cannot start {python:?} ({error}): run ./scripts/test"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    store.kill().await.expect("ends");
}
