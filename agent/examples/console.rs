//! Serves the console over a store made up for looking at it:
//! `cargo run -p storewarden --example console -- 8088`, then open http://127.0.0.1:8088/.
//! What is done there works until it ends. A second argument: `calm` (nothing is wrong), `old`
//! (the snapshot has stopped).

use std::sync::Arc;
use std::time::Duration;
use storewarden::console::{Act, ConsoleState, RequestError, SiteRequest, serve};
use storewarden::texts::Language;
use storewarden::view::{AlarmView, DeviceView, LabelView, PointView, RepairView, StoreView};
use storewarden_drivers::clock::Clock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8088);
    let scene = std::env::args().nth(2).unwrap_or_default();
    let mut store = store(now_ms());
    if scene == "calm" {
        store.alarms.clear();
        store.hq_online = true;
        store.devices.retain(|device| device.points.iter().all(|point| point.quality == "good"));
        store.devices.iter_mut().filter(|device| device.id == "freezer-2").for_each(|device| {
            device.points[0].value = Some(-20.3);
        });
        store.labels.iter_mut().for_each(|label| label.state = "refreshed");
    }
    if scene == "old" {
        store.at_ms -= 120_000;
    }
    let (publish, view) = watch::channel(Arc::new(store.clone()));
    let (requests, mut inbox) = mpsc::channel(8);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = tick.tick(), if scene != "old" => {}
                Some(request) = inbox.recv() => answer(&mut store, request),
            }
            if scene != "old" {
                store.at_ms = now_ms();
            }
            publish.send_replace(Arc::new(store.clone()));
        }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let state = ConsoleState {
        view,
        requests,
        shelf_requests: mpsc::channel(1).0,
        clock: Clock::start(),
        default_language: Language::Zh,
        allowed_hosts: Arc::from(Vec::new()),
    };
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopper.cancel();
        }
    });
    serve(listener, state, stop).await
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

fn answer(store: &mut StoreView, SiteRequest { act, by, reply }: SiteRequest) {
    // The reader may have gone away meanwhile.
    let _ = reply.send(carry_out(store, act, by));
}

fn carry_out(store: &mut StoreView, act: Act, by: String) -> Result<(), RequestError> {
    let now = now_ms();
    match act {
        Act::Acknowledge { alarm } => {
            let alarm = alarm_of(store, alarm)?;
            (alarm.state, alarm.by) = ("active_acknowledged", by);
        }
        Act::Shelve { alarm, .. } => {
            let alarm = alarm_of(store, alarm)?;
            (alarm.state, alarm.by) = ("shelved", by);
        }
        Act::Unshelve { alarm } => alarm_of(store, alarm)?.state = "active_unacknowledged",
        Act::Repair { alarm, reference } => {
            alarm_of(store, alarm)?.repair = Some(RepairView { reference, by, since_ms: now, escalation: 0 });
        }
        Act::Repaired { alarm } => alarm_of(store, alarm)?.repair = None,
        Act::Maintain { device, minutes } => {
            let device = device_of(store, &device)?;
            (device.service, device.service_by) = ("maintenance", by);
            device.service_until_ms = Some(now + i64::from(minutes) * 60_000);
        }
        Act::RemoveFromService { device } => {
            let device = device_of(store, &device)?;
            (device.service, device.service_by, device.service_until_ms) = ("out_of_service", by, None);
        }
        Act::ReturnToService { device } => device_of(store, &device)?.service = "in_use",
        Act::Inspected { .. } => {}
    }
    Ok(())
}

fn alarm_of(store: &mut StoreView, number: u64) -> Result<&mut AlarmView, RequestError> {
    store.alarms.iter_mut().find(|alarm| alarm.alarm == number).ok_or(RequestError::UnknownAlarm)
}

fn device_of<'s>(store: &'s mut StoreView, id: &str) -> Result<&'s mut DeviceView, RequestError> {
    store.devices.iter_mut().find(|device| device.id == id).ok_or(RequestError::UnknownDevice)
}

fn store(now: i64) -> StoreView {
    let minutes = |m: i64| now - m * 60_000;
    StoreView {
        store: "hz-0007".into(),
        name: "西湖路便利店".into(),
        at_ms: now,
        utc_offset_s: 8 * 3600,
        readings: 123_456,
        clock_trust: Default::default(),
        hq_online: false,
        outbox_pending: 37,
        devices: vec![
            cabinet("chiller-1", "饮料冷藏柜", "chiller", 3.8, true, false),
            cabinet("chiller-2", "鲜食冷藏柜", "chiller", 6.1, false, true),
            silent(cabinet("chiller-3", "牛奶冷藏柜", "chiller", 4.0, true, false), minutes(12)),
            cabinet("freezer-1", "1号冰柜", "freezer", -21.4, true, false),
            cabinet("freezer-2", "2号冰柜", "freezer", -9.8, false, false),
            DeviceView {
                id: "meter-1".into(),
                name: "总电表".into(),
                class: "meter",
                service: "in_use",
                points: vec![
                    point("power_total", 8430.0, "W"),
                    point("energy_total", 48_213.7, "kWh"),
                    point("voltage_1", 231.4, "V"),
                ],
                ..DeviceView::default()
            },
            DeviceView {
                id: "lights".into(),
                name: "招牌和店内灯".into(),
                class: "light",
                service: "in_use",
                points: (1..=8)
                    .map(|n| point(&format!("relay_{n}"), f64::from(u8::from(n < 4)), "flag"))
                    .collect(),
                ..DeviceView::default()
            },
        ],
        alarms: vec![
            AlarmView {
                alarm: 17,
                device: "freezer-2".into(),
                device_name: "2号冰柜".into(),
                condition: "temperature_high".into(),
                cause: "unknown",
                priority: "high",
                state: "active_unacknowledged",
                since_ms: minutes(42),
                at_ms: minutes(12),
                by: String::new(),
                evidence: vec![
                    ("temperature", -9.8, "°C"),
                    ("worst_temperature", -9.6, "°C"),
                    ("temperature_limit", -15.0, "°C"),
                    ("delay", 1800.0, "s"),
                ],
                ..AlarmView::default()
            },
            AlarmView {
                alarm: 18,
                device: "chiller-3".into(),
                device_name: "牛奶冷藏柜".into(),
                condition: "no_response".into(),
                cause: "unknown",
                priority: "medium",
                state: "active_unacknowledged",
                since_ms: minutes(12),
                at_ms: minutes(7),
                by: String::new(),
                evidence: vec![("held", 300.0, "s"), ("delay", 300.0, "s")],
                ..AlarmView::default()
            },
            AlarmView {
                alarm: 12,
                device: "lights".into(),
                device_name: "招牌和店内灯".into(),
                condition: "light_dark".into(),
                cause: "unknown",
                priority: "low",
                state: "active_acknowledged",
                since_ms: minutes(60 * 20),
                at_ms: minutes(60 * 19),
                by: "小李".into(),
                evidence: vec![("read_back", 0.0, "flag")],
                ..AlarmView::default()
            },
        ],
        labels: (1..=8)
            .map(|n| LabelView {
                label: format!("AC10000{n}"),
                item: format!("690123456789{n}"),
                name: ["农夫山泉 550ml", "可口可乐 500ml", "鲜牛奶 950ml", "金枪鱼饭团"][n % 4].into(),
                price: ["¥2.00", "¥3.50", "¥14.90", "¥6.80"][n % 4].into(),
                state: match n {
                    3 => "failed",
                    6 => "sent",
                    _ => "refreshed",
                },
                place: format!("货架 {}，{n} 号", n % 3 + 1),
                job: match n {
                    2 => Some("battery"),
                    3 => Some("silent"),
                    _ => None,
                },
                ..LabelView::default()
            })
            .collect(),
    }
}

fn point(name: &str, value: f64, unit: &'static str) -> PointView {
    PointView { name: name.into(), value: Some(value), unit, quality: "good", at_ms: now_ms() }
}

fn cabinet(
    id: &str,
    name: &str,
    class: &'static str,
    temperature: f64,
    runs: bool,
    defrosts: bool,
) -> DeviceView {
    let points = vec![
        point("air_temperature", temperature, "°C"),
        point("set_point", if class == "freezer" { -20.0 } else { 3.0 }, "°C"),
        point("compressor", f64::from(u8::from(runs)), "flag"),
        point("defrost", f64::from(u8::from(defrosts)), "flag"),
        point("door", 0.0, "flag"),
    ];
    DeviceView { id: id.into(), name: name.into(), class, service: "in_use", points, ..DeviceView::default() }
}

fn silent(mut device: DeviceView, since_ms: i64) -> DeviceView {
    for point in &mut device.points {
        (point.value, point.quality, point.at_ms) = (None, "no_response", since_ms);
    }
    device
}
