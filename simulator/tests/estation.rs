//! The access point behind a real broker: what the shelf shows is what was published.

use rmpv::Value;
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, PublishOptions, QoS};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};
use storewarden_drivers::mqtt::client::LanBroker;
use storewarden_drivers::{
    clock::Clock,
    esl::estation::{
        self,
        gateway::Limits,
        mqtt::EstationConfig,
        task::{Action, GatewayEvent, LabelTask, Proof},
    },
};
use tokio::{process::Command, sync::mpsc};
use tokio_util::sync::CancellationToken;

const TAG: &str = "3A0001F2";

/// A broker on a free port, for as long as the test's process lives.
fn broker() -> u16 {
    let port = storesim::port::free();
    let connections = rumqttd::ConnectionSettings {
        connection_timeout_ms: 10_000,
        max_payload_size: 1_000_000,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: false,
    };
    let server = rumqttd::ServerSettings {
        name: "v5".into(),
        listen: ([127, 0, 0, 1], port).into(),
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let config = rumqttd::Config {
        router: rumqttd::RouterConfig {
            max_connections: 10,
            max_outgoing_packet_count: 200,
            max_segment_size: 1_000_000,
            max_segment_count: 10,
            ..Default::default()
        },
        v5: Some(HashMap::from([("v5".to_owned(), server)])),
        ..Default::default()
    };
    std::thread::spawn(move || rumqttd::Broker::new(config).start().expect("the broker runs"));
    port
}

fn png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 296, 152);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[0xAA; 37 * 152]).expect("pixels");
    drop(writer);
    bytes
}

fn task_list(image: &[u8]) -> Vec<u8> {
    let (off, no_key) = (Value::from(false), Value::from(""));
    let task = vec![
        TAG.into(),
        0.into(),
        0.into(),
        off.clone(),
        off.clone(),
        off.clone(),
        0.into(),
        7.into(),
        no_key.clone(),
        no_key,
        Value::Binary(image.to_vec()),
        off,
    ];
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Array(vec![Value::Array(task)])).expect("memory");
    bytes
}

fn config(dir: &Path, port: u16) -> PathBuf {
    let path = dir.join("sim.toml");
    let text = format!(
        "[[gateway]]\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{port}\"\nlabels = [\"{TAG}\"]\nairtime_ms = 10\nheartbeat = \"1s\"\n"
    );
    std::fs::write(&path, text).expect("writes");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_brings_an_image_onto_a_label_and_hears_why_another_fails() {
    let port = broker();
    let dir = tempfile::tempdir().expect("a directory");
    let _store = Command::new(env!("CARGO_BIN_EXE_storesim"))
        .arg("run")
        .arg(config(dir.path(), port))
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let (tasks, task_receiver) = mpsc::channel(4);
    let (event_sender, mut events) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let shop = EstationConfig {
        broker: LanBroker {
            host: "127.0.0.1".into(),
            port,
            login: None,
            tls: None,
            client_id: "shop".into(),
        },
        ap: "0001".into(),
        limits: Limits::default(),
    };
    tokio::spawn(estation::mqtt::run(shop, task_receiver, event_sender, Clock::start(), stop.clone()));
    // The second label is not bound to the access point: nobody answers, however often it is tried.
    for (number, label) in [(1, TAG), (2, "3A00FFFF")] {
        let action = Action::Show { page: 0, png: png() };
        let task = LabelTask { label: label.into(), task: number, action, urgent: false };
        tasks.send(task).await.expect("the driver listens");
    }
    let mut told = Vec::new();
    while told.len() < 2 {
        let event = tokio::time::timeout(Duration::from_secs(120), events.recv()).await;
        match event.expect("in time").expect("the driver runs") {
            GatewayEvent::Done { label, task, proof, battery_mv, .. } => {
                assert_eq!((task, proof, battery_mv), (1, Proof::Refreshed, Some(3000)));
                told.push((label, String::new()));
            }
            GatewayEvent::Failed { label, reason, .. } => told.push((label, reason)),
            _ => {}
        }
    }
    assert_eq!(told[0], (TAG.to_owned(), String::new()));
    assert!(told[1].0 == "3A00FFFF" && told[1].1.contains("does not answer"), "{told:?}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_published_to_the_broker_is_shown_recorded_and_answered() {
    let patience = Duration::from_secs(30);
    let port = broker();
    let dir = tempfile::tempdir().expect("a directory");
    let (client, mut line) =
        AsyncClient::builder(MqttOptions::new("shop", ("127.0.0.1", port))).capacity(10).build();
    let (heard_sender, mut heard) = mpsc::channel(10);
    let (subscribed_sender, mut subscribed) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            match line.poll().await {
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    let value = rmpv::decode::read_value(&mut &publish.payload[..]).expect("MessagePack");
                    if heard_sender.send((topic, value)).await.is_err() {
                        return;
                    }
                }
                Ok(Event::Incoming(Incoming::SubAck(_))) => {
                    subscribed_sender.send(()).await.expect("somebody waits");
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    for topic in ["infor", "result"] {
        client.subscribe(format!("/estation/0001/{topic}"), QoS::ExactlyOnce).await.expect("queued");
    }
    // The broker must know who listens before the access point introduces itself.
    for _ in 0..2 {
        tokio::time::timeout(patience, subscribed.recv()).await.expect("in time").expect("the line is read");
    }
    let mut store = Command::new(env!("CARGO_BIN_EXE_storesim"))
        .arg("run")
        .arg(config(dir.path(), port))
        .args([Path::new("--events"), &dir.path().join("events.jsonl")])
        .args([Path::new("--labels-dir"), &dir.path().join("labels")])
        .kill_on_drop(true)
        .spawn()
        .expect("starts");

    let next = async |heard: &mut mpsc::Receiver<(String, Value)>| {
        tokio::time::timeout(patience, heard.recv()).await.expect("in time").expect("the line is read")
    };
    let (topic, infor) = next(&mut heard).await;
    assert_eq!(topic, "/estation/0001/infor");
    assert_eq!((infor[0].as_str(), infor.as_array().map(Vec::len)), (Some("0001"), Some(17)));

    let image = png();
    let task = task_list(&image);
    // It subscribed before it introduced itself, on the same connection.
    client
        .publish("/estation/0001/taskESL2", task, PublishOptions::new(QoS::ExactlyOnce))
        .await
        .expect("queued");
    let (topic, result) = next(&mut heard).await;
    assert_eq!(topic, "/estation/0001/result");
    let record = &result[4][0];
    assert_eq!((record[0].as_str(), record[4].as_u64(), record[5].as_u64()), (Some(TAG), Some(0), Some(7)));

    let shown = dir.path().join("labels").join(format!("{TAG}.png"));
    let start = std::time::Instant::now();
    let events = loop {
        let events = std::fs::read_to_string(dir.path().join("events.jsonl")).unwrap_or_default();
        if events.ends_with('\n') {
            break events;
        }
        assert!(start.elapsed() < patience, "nothing was recorded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(std::fs::read(shown).expect("kept"), image);
    let event: serde_json::Value =
        serde_json::from_str(events.lines().next().expect("a line")).expect("JSON");
    assert_eq!((event["event"].as_str(), event["label"].as_str()), (Some("label_shown"), Some(TAG)));
    store.kill().await.expect("ends");
}
