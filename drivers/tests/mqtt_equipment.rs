//! Equipment at a real Mosquitto. Its own clients, `mosquitto_sub` and `mosquitto_pub`, play the devices:
//! what they print is what we published, and what they publish are the payloads that the makers document
//! (Tasmota: tasmota.github.io/docs/MQTT; Shelly: shelly-api-docs.shelly.cloud/gen2, MQTT and Switch;
//! Zigbee2MQTT: zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages).
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command as Program, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::modbus::command::CommandError;
use storewarden_drivers::modbus::task::Command;
use storewarden_drivers::mqtt::client::LanBroker;
use storewarden_drivers::mqtt::equipment::{MqttDevice, PAYLOAD_BYTES_MAX};
use storewarden_drivers::mqtt::payload::{Payload, text_of};
use storewarden_drivers::mqtt::task::{BrokerConfig, run};
use storewarden_drivers::profile::{Profile, built_in};
use storewarden_rules::{BadReason, Millis, PointId, Reading, Sample};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);
const GONE: Sample = Sample::Bad(BadReason::NoResponse);

/// A Mosquitto that can be killed and started again on its port. It keeps nothing on disk.
struct Broker {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Broker {
    fn start() -> Self {
        // Below the ports of outgoing connections, so that it is still free after a restart. Found by
        // knocking: a listener would be inherited by what another thread starts at that moment.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
        let port = loop {
            let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
            if TcpStream::connect(("127.0.0.1", port)).is_err() {
                break port;
            }
        };
        let dir = TempDir::new().unwrap();
        let config = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
        std::fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let child = Self::spawn(&dir, port);
        Self { dir, port, child }
    }

    fn spawn(dir: &TempDir, port: u16) -> Child {
        let config = dir.path().join("mosquitto.conf");
        let mut child =
            Program::new("mosquitto").arg("-c").arg(config).stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "Mosquitto does not run");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = Self::spawn(&self.dir, self.port);
    }

    fn say(&self, topic: &str, payload: &[u8], more: &[&str]) {
        let mut publisher = Program::new("mosquitto_pub")
            .args(["-q", "1", "-p", &self.port.to_string(), "-t", topic, "-s"])
            .args(more)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        publisher.stdin.take().unwrap().write_all(payload).unwrap();
        assert!(publisher.wait().unwrap().success());
    }

    /// What a device says now, and what it leaves behind for those who come later.
    fn now(&self, topic: &str, payload: &str) {
        self.say(topic, payload.as_bytes(), &[]);
    }
    fn kept(&self, topic: &str, payload: &str) {
        self.say(topic, payload.as_bytes(), &["-r"]);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device's connection: hears what is meant for it, and leaves a last will.
struct Device {
    child: Child,
    heard: Lines<BufReader<ChildStdout>>,
}

impl Device {
    fn start(broker: &Broker, hears: &str, will: [&str; 2]) -> Self {
        let mut child = Program::new("mosquitto_sub")
            .args(["-q", "1", "-p", &broker.port.to_string(), "-t", hears, "-F", "%t|%r|%p"])
            .args(["--will-topic", will[0], "--will-payload", will[1], "--will-retain", "--will-qos", "1"])
            .args(["-t", "ready", "-v"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut heard = BufReader::new(child.stdout.take().unwrap()).lines();
        // Until it is subscribed: what is kept is delivered then.
        broker.kept("ready", "1");
        assert!(heard.next().unwrap().unwrap().starts_with("ready|"));
        Self { child, heard }
    }

    /// The next message meant for it: topic, whether retained, payload.
    fn hear(&mut self) -> String {
        self.heard.find(|line| !line.as_ref().unwrap().starts_with("ready|")).unwrap().unwrap()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Agent {
    readings: mpsc::Receiver<Vec<Reading>>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
}

impl Agent {
    fn start(broker: &Broker, profile: &str, topic: &str) -> Self {
        let profile = built_in(profile).unwrap();
        let device = MqttDevice {
            name: topic.into(),
            topic: topic.into(),
            mqtt: profile.mqtt().unwrap().clone(),
            wanted: (0..).map(PointId).zip(0..profile.points.len()).collect(),
            points: profile.points,
            poll: Duration::from_secs(1),
        };
        let config = BrokerConfig {
            name: "lan".into(),
            broker: LanBroker {
                host: "127.0.0.1".into(),
                port: broker.port,
                login: None,
                tls: None,
                client_id: "storewarden-0042/lan".into(),
            },
            devices: vec![device],
        };
        let (readings, readings_in) = mpsc::channel(8);
        let (commands, commands_in) = mpsc::channel(8);
        let stop = CancellationToken::new();
        tokio::spawn(run(config, readings, commands_in, Clock::start(), stop.clone()));
        Self { readings: readings_in, commands, stop }
    }

    /// Waits for this reading, whatever else comes before it.
    async fn until(&mut self, point: u16, sample: Sample) {
        let wanted = async {
            loop {
                let batch = self.readings.recv().await.expect("the task lives");
                if batch.iter().any(|reading| reading.point == PointId(point) && reading.sample == sample) {
                    return;
                }
            }
        };
        timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("point {point} never read {sample:?}"));
    }

    async fn command(&self, value: f64, deadline: Millis) -> oneshot::Receiver<Result<(), CommandError>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command { point: PointId(0), value, deadline, reply }).await.unwrap();
        answer
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tasmota_plug_is_asked_read_switched_and_missed() {
    let broker = Broker::start();
    let mut agent = Agent::start(&broker, "tasmota-plug", "tasmota_1A2B3C");
    agent.until(0, GONE).await;
    let mut plug = Device::start(&broker, "cmnd/tasmota_1A2B3C/#", ["tele/tasmota_1A2B3C/LWT", "Offline"]);
    broker.kept("tele/tasmota_1A2B3C/LWT", "Online");
    assert_eq!(plug.hear(), "cmnd/tasmota_1A2B3C/TelePeriod|0|");
    broker.now("stat/tasmota_1A2B3C/RESULT", r#"{"TelePeriod":300}"#);
    broker.now(
        "tele/tasmota_1A2B3C/STATE",
        r#"{"Time":"2026-11-22T21:30:00","Uptime":"0T00:10:11","UptimeSec":611,"Heap":24,"SleepMode":"Dynamic","Sleep":50,"LoadAvg":19,"MqttCount":1,"POWER":"OFF","Wifi":{"AP":1,"SSId":"shop","BSSId":"E6:8D:8C:4B:BE:F7","Channel":3,"Mode":"11n","RSSI":44,"Signal":-78,"LinkCount":1,"Downtime":"0T00:00:05"}}"#,
    );
    agent.until(0, Sample::Good(0.0)).await;
    broker.now(
        "tele/tasmota_1A2B3C/SENSOR",
        r#"{"Time":"2026-11-22T21:30:00","ENERGY":{"TotalStartTime":"2026-01-01T00:00:00","Total":3.185,"Yesterday":0.52,"Today":0.21,"Period":5,"Power":61,"ApparentPower":68,"ReactivePower":31,"Factor":0.89,"Voltage":230,"Current":0.297}}"#,
    );
    agent.until(4, Sample::Good(3.185)).await;

    let done = agent.command(1.0, Millis(60_000)).await;
    assert_eq!(plug.hear(), "cmnd/tasmota_1A2B3C/POWER|0|ON");
    broker.now("stat/tasmota_1A2B3C/RESULT", r#"{"POWER":"ON"}"#);
    broker.now("stat/tasmota_1A2B3C/POWER", "ON");
    assert_eq!(timeout(PATIENCE, done).await.unwrap().unwrap(), Ok(()));
    agent.until(0, Sample::Good(1.0)).await;

    let ignored = agent.command(0.0, Millis(500)).await;
    assert_eq!(plug.hear(), "cmnd/tasmota_1A2B3C/POWER|0|OFF");
    broker.now("stat/tasmota_1A2B3C/POWER", "ON");
    assert_eq!(timeout(PATIENCE, ignored).await.unwrap().unwrap(), Err(CommandError::NoAnswer));

    // The plug is pulled: its broker publishes its last will.
    plug.child.kill().unwrap();
    agent.until(0, GONE).await;
    let late = agent.command(0.0, Millis(500)).await;
    assert_eq!(timeout(PATIENCE, late).await.unwrap().unwrap(), Err(CommandError::TooLate));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shelly_that_was_there_before_is_found_and_switched() {
    let broker = Broker::start();
    let mut relay = Device::start(
        &broker,
        "shellyplus1pm-a8032abd1234/command/#",
        ["shellyplus1pm-a8032abd1234/online", "false"],
    );
    broker.kept("shellyplus1pm-a8032abd1234/online", "true");
    let mut root = Device::start(&broker, "shellyplus1pm-a8032abd1234/command", ["nobody", "x"]);
    let mut agent = Agent::start(&broker, "shelly-plus-1pm", "shellyplus1pm-a8032abd1234");
    assert_eq!(root.hear(), "shellyplus1pm-a8032abd1234/command|0|status_update");
    let status = |output| {
        format!(
            r#"{{"id":0,"source":"MQTT","output":{output},"apower":8.9,"voltage":237.5,"aenergy":{{"total":6532.5,"by_minute":[45.199,47.141,88.397],"minute_ts":1626935779}},"current":0.038,"temperature":{{"tC":23.5,"tF":74.4}}}}"#
        )
    };
    broker.now("shellyplus1pm-a8032abd1234/status/switch:0", &status(true));
    agent.until(4, Sample::Good(6.5325)).await;
    let done = agent.command(0.0, Millis(60_000)).await;
    // `#` covers the level above it too: first comes the question.
    assert_eq!(relay.hear(), "shellyplus1pm-a8032abd1234/command|0|status_update");
    assert_eq!(relay.hear(), "shellyplus1pm-a8032abd1234/command/switch:0|0|off");
    broker.now("shellyplus1pm-a8032abd1234/status/switch:0", &status(false));
    assert_eq!(timeout(PATIENCE, done).await.unwrap().unwrap(), Ok(()));
    agent.until(0, Sample::Good(0.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zigbee_plug_is_there_when_bridge_and_device_say_so() {
    let broker = Broker::start();
    let mut bridge =
        Device::start(&broker, "zigbee2mqtt/+/+", ["zigbee2mqtt/bridge/state", r#"{"state":"offline"}"#]);
    broker.kept("zigbee2mqtt/招牌/availability", r#"{"state":"online"}"#);
    assert_eq!(bridge.hear(), r#"zigbee2mqtt/招牌/availability|0|{"state":"online"}"#);
    let mut agent = Agent::start(&broker, "zigbee2mqtt-plug", "招牌");
    agent.until(0, GONE).await;
    broker.kept("zigbee2mqtt/bridge/state", r#"{"state":"online"}"#);
    assert_eq!(bridge.hear(), r#"zigbee2mqtt/bridge/state|0|{"state":"online"}"#);
    assert_eq!(bridge.hear(), r#"zigbee2mqtt/招牌/get|0|{"state": ""}"#);
    broker.now("zigbee2mqtt/招牌", r#"{"energy":12.5,"linkquality":120,"power":40.2,"state":"ON"}"#);
    agent.until(1, Sample::Good(40.2)).await;
    let done = agent.command(0.0, Millis(60_000)).await;
    assert_eq!(bridge.hear(), r#"zigbee2mqtt/招牌/set|0|{"state": "OFF"}"#);
    broker.now("zigbee2mqtt/招牌", r#"{"energy":12.5,"linkquality":120,"power":0,"state":"OFF"}"#);
    assert_eq!(timeout(PATIENCE, done).await.unwrap().unwrap(), Ok(()));
    bridge.child.kill().unwrap();
    agent.until(0, GONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_is_found_again() {
    let mut broker = Broker::start();
    broker.kept("shelly/online", "true");
    let mut agent = Agent::start(&broker, "shelly-plus-1", "shelly");
    while agent.readings.try_recv().is_err() {
        broker.now(
            "shelly/status/switch:0",
            r#"{"id":0,"source":"init","output":true,"temperature":{"tC":40.1}}"#,
        );
    }
    agent.until(0, Sample::Good(1.0)).await;
    broker.kill();
    agent.until(0, GONE).await;
    broker.start_again();
    // It kept nothing; the device connects anew and says so.
    agent.until(0, GONE).await;
    broker.kept("shelly/online", "true");
    let said = async {
        loop {
            broker.now("shelly/status/switch:0", r#"{"id":0,"source":"init","output":false}"#);
            let batch = agent.readings.recv().await.unwrap();
            if batch.iter().any(|reading| reading.sample == Sample::Good(0.0)) {
                return;
            }
        }
    };
    timeout(PATIENCE, said).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_payload_ends_the_task() {
    let broker = Broker::start();
    broker.kept("shelly/online", "true");
    let mut agent = Agent::start(&broker, "shelly-plus-1", "shelly");
    let garbled = Sample::Bad(BadReason::Garbled);
    while agent.readings.try_recv().is_err() {
        broker.now("shelly/status/switch:0", "no JSON");
    }
    agent.until(0, garbled).await;
    broker.say("shelly/status/switch:0", &[0xff, 0xfe, 0x00, 0x7b], &[]);
    broker.say("shelly/status/switch:0", &b"[".repeat(PAYLOAD_BYTES_MAX - 1), &[]);
    broker.say("shelly/status/switch:0", &b"9".repeat(4 * PAYLOAD_BYTES_MAX), &[]);
    broker.say("shelly/status/switch:0", b"\n", &[]);
    broker.now("shelly/status/switch:0", r#"{"id":0,"output":true}"#);
    agent.until(0, Sample::Good(1.0)).await;
}

#[test]
fn the_device_of_one_s_own_in_the_documents_can_be_read_and_switched() {
    let text = include_str!("../../docs/mqtt-equipment.md");
    let example = text.split("```").find_map(|block| block.strip_prefix("toml\n")).unwrap();
    let profile = Profile::parse("fan", example).unwrap();
    let topics = &profile.mqtt().unwrap().topics;
    let payload = Payload::parse(br#"{"outputs": [{"on": true}], "motor": {"t": 41.5}}"#);
    let said: Vec<_> = topics.iter().map(|topic| payload.sample(topic, &topic.from[0])).collect();
    assert_eq!(said, [Sample::Good(1.0), Sample::Good(41.5)]);
    assert_eq!(Payload::parse(b"41.5").sample(&topics[1], &topics[1].from[1]), Sample::Good(41.5));
    let write = topics[0].write.as_ref().unwrap();
    let command = write.payload.replace("{value}", &text_of(&topics[0], &write.texts, 1.0));
    assert_eq!(command, r#"{"output": 0, "on": true}"#);
}
