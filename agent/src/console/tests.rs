//! The console from outside: requests through the whole router, guards included.

use super::*;
use crate::view::{AlarmView, DeviceView, LabelView, PointView, RepairView};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::request::Builder;
use tower::ServiceExt;

fn now_ms() -> i64 {
    Clock::start().now().utc.0
}

fn point(name: &str, value: Option<f64>, unit: &'static str, quality: &'static str) -> PointView {
    PointView { name: name.into(), value, unit, quality, at_ms: now_ms() }
}

fn freezer(id: &str, name: &str, air: PointView) -> DeviceView {
    DeviceView {
        id: id.into(),
        name: name.into(),
        class: "freezer",
        service: "in_use",
        points: vec![air],
        ..DeviceView::default()
    }
}

fn warm(alarm: u64, state: &'static str) -> AlarmView {
    AlarmView {
        alarm,
        device: "freezer-2".into(),
        device_name: "2号冰柜".into(),
        condition: "temperature_high".into(),
        cause: "unknown",
        priority: "high",
        state,
        since_ms: now_ms() - 42 * 60_000,
        at_ms: now_ms(),
        by: "小李".into(),
        evidence: vec![
            ("temperature", -9.9, "°C"),
            ("temperature_limit", -15.0, "°C"),
            ("delay", 1800.0, "s"),
        ],
        ..AlarmView::default()
    }
}

fn store() -> StoreView {
    StoreView {
        name: "西湖路店".into(),
        at_ms: now_ms(),
        utc_offset_s: 8 * 3600,
        outbox_pending: 37,
        devices: vec![
            freezer(
                "freezer-1",
                "<script>alert(1)</script>",
                point("air_temperature", Some(-21.4), "°C", "good"),
            ),
            freezer("freezer-2", "2号冰柜", point("air_temperature", Some(-9.8), "°C", "good")),
        ],
        alarms: vec![warm(7, "active_unacknowledged")],
        labels: vec![
            LabelView { label: "AC01".into(), state: "refreshed", ..LabelView::default() },
            LabelView {
                label: "AC02".into(),
                item: "690".into(),
                name: "牛奶".into(),
                price: "¥14.90".into(),
                state: "failed",
                place: "货架 4".into(),
                job: Some("battery"),
                ..LabelView::default()
            },
        ],
        ..StoreView::default()
    }
}

/// A console over `view`, and the site's ends of its channels.
fn console(view: StoreView) -> (Router, watch::Sender<Arc<StoreView>>, mpsc::Receiver<SiteRequest>) {
    let (publish, view) = watch::channel(Arc::new(view));
    let (requests, inbox) = mpsc::channel(1);
    let state = ConsoleState {
        view,
        requests,
        shelf_requests: mpsc::channel(1).0,
        clock: Clock::start(),
        default_language: Language::Zh,
        allowed_hosts: Arc::from(["till.lan".to_owned()]),
    };
    (router(state), publish, inbox)
}

fn request(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", "127.0.0.1:8088")
}

fn form(path: &str, body: impl Into<Body>) -> Request<Body> {
    request("POST", path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "http://127.0.0.1:8088")
        .body(body.into())
        .unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> (Response<()>, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

async fn page(view: StoreView, path: &str) -> String {
    let (router, _publish, _inbox) = console(view);
    let (head, body) = send(&router, request("GET", path).body(Body::empty()).unwrap()).await;
    assert_eq!(head.status(), StatusCode::OK, "{body}");
    body
}

type Response<T> = axum::http::Response<T>;

#[tokio::test]
async fn the_overview_says_what_is_wrong_in_both_languages() {
    let zh = page(store(), "/?lang=zh").await;
    for text in [
        "lang=\"zh-CN\"",
        "2号冰柜 太热了",
        "还没有人处理",
        "持续 42 分钟",
        "先看门有没有关好",
        "现在 −9.8 °C，界限 −15.0 °C",
        "连接断开",
        "等待发送的消息：37",
        "¥14.90",
        "快没电：换电池",
        "货架 4",
        "<strong>1 / 2</strong>",
    ] {
        assert!(zh.contains(text), "{text} is missing in {zh}");
    }
    assert!(!zh.contains("AC01"), "only wrong labels are listed");
    let en = page(store(), "/?lang=en").await;
    for text in ["lang=\"en\"", "2号冰柜 is too warm", "Check that the door is shut", "Not connected"] {
        assert!(en.contains(text), "{text} is missing in {en}");
    }
    let ja = page(store(), "/?lang=ja").await;
    for text in ["lang=\"ja\"", "2号冰柜 の温度が高すぎます", "扉が閉まっているか", "つながっていません"]
    {
        assert!(ja.contains(text), "{text} is missing in {ja}");
    }
    for text in ["is too warm", "太热了", "Not connected", "连接断开"] {
        assert!(!ja.contains(text), "{text} has no place in {ja}");
    }
}

#[tokio::test]
async fn the_browser_chooses_the_language_unless_the_link_does() {
    let (router, _publish, _inbox) = console(store());
    let ask = |path: &str, accepts: &str| {
        let request = request("GET", path).header("accept-language", accepts).body(Body::empty()).unwrap();
        send(&router, request)
    };
    assert!(ask("/", "en-GB,en;q=0.9").await.1.contains("lang=\"en\""));
    assert!(ask("/?lang=zh", "en-GB").await.1.contains("html lang=\"zh-CN\""));
    assert!(ask("/", "fr").await.1.contains("html lang=\"zh-CN\""));
}

#[tokio::test]
async fn names_from_the_config_are_escaped() {
    for path in ["/", "/devices/freezer-1"] {
        let body = page(store(), path).await;
        assert!(body.contains("&lt;script&gt;alert(1)"), "{body}");
        assert!(!body.contains("<script"));
    }
}

#[tokio::test]
async fn what_is_unknown_shows_no_figure() {
    let mut view = store();
    view.alarms.clear();
    view.devices = vec![freezer("freezer-1", "1号冰柜", point("air_temperature", None, "°C", "no_response"))];
    view.devices[0].points.push(point("compressor", None, "flag", "no_response"));
    view.devices[0].points.push(point("defrost", Some(1.0), "flag", "stale"));
    let body = page(view.clone(), "/").await;
    assert!(body.contains("未知") && body.contains("设备没有应答"));
    assert!(!body.contains("0.0"), "unknown is not zero");
    assert!(!body.contains("压缩机") && !body.contains("化霜"), "no hint from points that are not known");
    assert!(body.contains("没有新的报警 · 看不到数据的设备：1"), "no alarm is not the same as all is well");

    view.devices[0].points[0] = point("air_temperature", Some(-18.5), "°C", "stale");
    let body = page(view.clone(), "/").await;
    assert!(body.contains("<p class=\"figure\">未知</p>") && body.contains("上次 −18.5 °C"), "{body}");

    view.devices[0].points[0] = point("air_temperature", Some(f64::NAN), "°C", "good");
    assert!(!page(view, "/").await.contains("NaN"));
}

#[tokio::test]
async fn all_is_well_only_where_it_is() {
    let mut view = store();
    view.alarms.clear();
    assert!(page(view.clone(), "/").await.contains("✓ 没有报警"));
    view.alarms = vec![warm(7, "shelved")];
    let body = page(view, "/").await;
    assert!(!body.contains("✓ 没有报警"), "a paused alarm is still an alarm");
    assert!(body.contains("不提醒的报警：1") && body.contains("小李 已暂停提醒"), "{body}");
}

#[tokio::test]
async fn an_old_snapshot_is_not_taken_for_the_present() {
    let mut view = store();
    view.at_ms -= 60_000;
    let (router, _publish, _inbox) = console(view);
    let (head, body) = send(&router, request("GET", "/").body(Body::empty()).unwrap()).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert!(body.contains("画面已停止更新"));
    assert!(!body.contains("<p class=\"figure\">−21.4"), "an old figure must not look like a present one");
    let (head, _) = send(&router, request("GET", "/health").body(Body::empty()).unwrap()).await;
    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);

    let (router, _publish, _inbox) = console(StoreView::default());
    let (_, body) = send(&router, request("GET", "/").body(Body::empty()).unwrap()).await;
    assert!(body.contains("正在启动") && !body.contains("没有报警"), "{body}");
}

#[tokio::test]
async fn an_acknowledgement_reaches_the_site_and_its_answer_the_person() {
    let (router, publish, mut inbox) = console(store());
    let site = tokio::spawn(async move {
        let Some(SiteRequest { act: Act::Acknowledge { alarm }, by, reply }) = inbox.recv().await else {
            panic!("no request")
        };
        reply.send(Ok(())).unwrap();
        publish.send_modify(|view| Arc::make_mut(view).alarms[0].state = "active_acknowledged");
        (alarm, by)
    });
    let (head, _) = send(&router, form("/alarms/7/ack?lang=en", "by=+%E5%B0%8F%E6%9D%8E+")).await;
    assert_eq!(head.status(), StatusCode::SEE_OTHER);
    assert_eq!(head.headers()["location"], "/?lang=en");
    assert_eq!(site.await.unwrap(), (7, "小李".to_owned()));
    let (_, body) = send(&router, request("GET", "/?lang=en").body(Body::empty()).unwrap()).await;
    assert!(body.contains("小李 is on it"), "{body}");
}

#[tokio::test]
async fn the_command_line_does_as_json_all_that_can_be_done() {
    let (router, _publish, mut inbox) = console(store());
    let (asked, mut asks) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(SiteRequest { act, by, reply }) = inbox.recv().await {
            let answer = match act {
                Act::Acknowledge { alarm: 9 } => Err(RequestError::UnknownAlarm),
                _ => Ok(()),
            };
            asked.send((act, by)).unwrap();
            let _ = reply.send(answer);
        }
    });
    let post = |path: &str, body: &str| {
        let request = request("POST", path).header("content-type", "application/json");
        send(&router, request.body(Body::from(body.to_owned())).unwrap())
    };
    let device = "freezer-2".to_owned();
    for (path, body, act) in [
        ("/api/alarms/7/ack", "", Act::Acknowledge { alarm: 7 }),
        ("/api/alarms/7/shelve", r#","minutes":30"#, Act::Shelve { alarm: 7, minutes: 30 }),
        ("/api/alarms/7/unshelve", "", Act::Unshelve { alarm: 7 }),
        ("/api/alarms/7/repair", r#","remark":" R-12 ""#, Act::Repair { alarm: 7, reference: "R-12".into() }),
        ("/api/alarms/7/repaired", "", Act::Repaired { alarm: 7 }),
        (
            "/api/devices/freezer-2/maintenance",
            r#","minutes":1440"#,
            Act::Maintain { device: device.clone(), minutes: 1440 },
        ),
        ("/api/devices/freezer-2/out-of-service", "", Act::RemoveFromService { device: device.clone() }),
        ("/api/devices/freezer-2/in-service", "", Act::ReturnToService { device }),
        ("/api/inspected", r#","remark":"all cold""#, Act::Inspected { note: "all cold".into() }),
    ] {
        let (head, answer) = post(path, &format!("{{\"by\":\"Li\"{body}}}")).await;
        assert_eq!(head.status(), StatusCode::NO_CONTENT, "{path} {answer}");
        assert_eq!(asks.recv().await.unwrap(), (act, "Li".to_owned()));
    }
    let (head, body) = post("/api/alarms/9/ack", r#"{"by":"Li"}"#).await;
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
    assert!(body.contains("\"error\":\"unknown_alarm\""), "{body}");
    assert_eq!(post("/api/alarms/7/burn", r#"{"by":"Li"}"#).await.0.status(), StatusCode::NOT_FOUND);
    let long = format!(r#"{{"by":"Li","remark":"{}"}}"#, "x".repeat(201));
    for (path, body) in [
        ("/api/alarms/7/ack", r#"{"by":" "}"#),
        ("/api/alarms/7/shelve", r#"{"by":"Li","minutes":0}"#),
        ("/api/alarms/7/shelve", r#"{"by":"Li","minutes":481}"#),
        ("/api/devices/freezer-2/maintenance", r#"{"by":"Li","minutes":1441}"#),
        ("/api/inspected", long.as_str()),
    ] {
        assert_eq!(post(path, body).await.0.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
}

#[tokio::test]
async fn a_device_is_taken_into_maintenance_on_a_page_that_does_not_reload() {
    let body = page(store(), "/devices/freezer-2?lang=en").await;
    assert!(body.contains("/devices/freezer-2/care"), "{body}");
    let body = page(store(), "/devices/freezer-2/care?lang=en").await;
    assert!(!body.contains("http-equiv") && body.contains("/devices/freezer-2/maintenance"), "{body}");
    assert!(!body.contains("/devices/freezer-2/in-service"), "{body}");

    let mut view = store();
    view.devices[1].service = "maintenance";
    view.devices[1].service_until_ms = Some(now_ms() + 3_600_000);
    view.devices[1].service_by = "Li".into();
    let body = page(view.clone(), "/devices/freezer-2/care?lang=en").await;
    assert!(
        body.contains("in maintenance until") && body.contains("/devices/freezer-2/in-service"),
        "{body}"
    );
    view.alarms.clear();
    let body = page(view, "/?lang=en").await;
    assert!(!body.contains("✓") && body.contains("devices in maintenance or out of service: 1"), "{body}");
}

#[tokio::test]
async fn the_alarm_tells_its_repair_and_offers_what_comes_next() {
    let body = page(store(), "/alarms/7?lang=en").await;
    assert!(body.contains("/alarms/7/repair?") && !body.contains("/alarms/7/repaired"), "{body}");
    let mut view = store();
    view.alarms[0].state = "shelved";
    view.alarms[0].escalation = 2;
    view.alarms[0].repair =
        Some(RepairView { reference: "R-12".into(), by: "Wang".into(), since_ms: now_ms(), escalation: 1 });
    let body = page(view, "/alarms/7?lang=en").await;
    for text in ["R-12 ordered by Wang", "takes too long", "reported upwards 2 times"] {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert!(body.contains("/alarms/7/repaired?") && body.contains("/alarms/7/unshelve?"), "{body}");
}

#[tokio::test]
async fn when_the_site_has_stopped_the_person_is_told_so() {
    let (router, _publish, inbox) = console(store());
    drop(inbox);
    let (head, body) = send(&router, form("/alarms/7/ack?lang=zh", "by=Li")).await;
    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("系统没有在运行，没有记下来") && body.contains("2号冰柜"), "{body}");
    assert!(body.contains("value=\"Li\""), "the name need not be typed again");
}

#[tokio::test]
async fn a_full_queue_is_said_and_not_waited_for() {
    let (publish, view) = watch::channel(Arc::new(store()));
    let (requests, _inbox) = mpsc::channel(1);
    let (reply, _answer) = tokio::sync::oneshot::channel();
    let act = Act::Acknowledge { alarm: 1 };
    requests.try_send(SiteRequest { act, by: "Li".into(), reply }).unwrap();
    let state = ConsoleState {
        view,
        requests,
        shelf_requests: mpsc::channel(1).0,
        clock: Clock::start(),
        default_language: Language::En,
        allowed_hosts: Arc::from(Vec::new()),
    };
    let (head, body) = send(&router(state), form("/alarms/7/ack", "by=Li")).await;
    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("The system is busy"), "{body}");
    drop(publish);
}

#[tokio::test]
async fn foreign_sites_can_neither_read_nor_change() {
    let (router, _publish, mut inbox) = console(store());
    let rebound =
        Request::builder().uri("/api/view").header("host", "evil.example").body(Body::empty()).unwrap();
    let (head, body) = send(&router, rebound).await;
    assert_eq!(head.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(!body.contains("2号冰柜"));

    let mut crossed = form("/alarms/7/ack", "by=Mallory");
    crossed.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(send(&router, crossed).await.0.status(), StatusCode::FORBIDDEN);
    let mut simple = form("/api/alarms/7/ack", r#"{"by":"Mallory"}"#);
    simple.headers_mut().remove("origin");
    assert_eq!(send(&router, simple).await.0.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(inbox.try_recv().is_err(), "nothing reached the site");

    let named = Request::builder().uri("/").header("host", "till.lan:8088").body(Body::empty()).unwrap();
    assert_eq!(send(&router, named).await.0.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_the_style_sheet_is_ours() {
    let (router, _publish, _inbox) = console(store());
    for path in ["/", "/alarms/7", "/nowhere", "/api/view"] {
        let (head, body) = send(&router, request("GET", path).body(Body::empty()).unwrap()).await;
        let policy = head.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}");
        assert_eq!(head.headers()["x-frame-options"], "DENY");
        assert_eq!(head.headers()["cache-control"], "no-store", "{path}");
        assert!(!body.contains("style=") && !body.contains("http://"), "nothing the policy would block");
    }
    let (head, body) = send(&router, request("GET", &frame::STYLE.path).body(Body::empty()).unwrap()).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(body.contains(".alarm.high"));
}

#[tokio::test]
async fn only_pages_without_forms_reload_themselves() {
    assert!(page(store(), "/").await.contains("http-equiv=\"refresh\""));
    let body = page(store(), "/alarms/7").await;
    assert!(!body.contains("http-equiv"));
    assert!(body.contains("<label for=\"ack-by\">") && body.contains("id=\"ack-by\""));
    assert!(body.contains("30 分钟"));
}

#[tokio::test]
async fn each_state_offers_only_what_can_be_done() {
    let cases = [
        ("active_unacknowledged", true, true),
        ("active_acknowledged", false, true),
        ("returned_unacknowledged", true, false),
        ("latched", true, false),
        ("shelved", false, false),
        ("suppressed_by_design", false, false),
    ];
    for (state, can_acknowledge, can_shelve) in cases {
        let mut view = store();
        view.alarms = vec![warm(7, state)];
        let body = page(view, "/alarms/7").await;
        assert_eq!(body.contains("/alarms/7/ack"), can_acknowledge, "{state}");
        assert_eq!(body.contains("/alarms/7/shelve"), can_shelve, "{state}");
    }
    let (router, _publish, _inbox) = console(store());
    let long = form("/alarms/7/ack", format!("by={}", "x".repeat(BODY_BYTES_MAX)));
    assert_eq!(send(&router, long).await.0.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let (head, _) = send(&router, request("GET", "/alarms/8").body(Body::empty()).unwrap()).await;
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_serves_over_tcp_and_stops_when_told() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (publish, view) = watch::channel(Arc::new(store()));
    let (requests, _inbox) = mpsc::channel(1);
    let state = ConsoleState {
        view,
        requests,
        shelf_requests: mpsc::channel(1).0,
        clock: Clock::start(),
        default_language: Language::En,
        allowed_hosts: Arc::from(Vec::new()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, state, stop.clone()));
    let mut client = tokio::net::TcpStream::connect(addr).await.unwrap();
    client.write_all(format!("GET /health HTTP/1.1\r\nHost: {addr}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");
    stop.cancel();
    server.await.unwrap().unwrap();
    drop(publish);
}
