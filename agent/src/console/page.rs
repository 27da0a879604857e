//! The overview: open alarms on top, then every device by class, then labels and headquarters.

use super::Freshness;
use super::alarm_page::{self, is_quiet};
use super::care_page::has_returned;
use super::care_page::service_text;
use super::device_page::{Shown, value_text};
use super::frame::{Frame, document, freshness_banner, segment};
use crate::clock_trust::Trust;
use crate::texts::{Language, figure, words};
use crate::view::{AlarmView, DeviceView, LabelView, PointView, StoreView};
use maud::{Markup, html};
use storewarden_rules::Class;

/// Labels listed one by one; beyond that the number says enough.
const LABELS_LISTED_MAX: usize = 50;

/// The page that staff look at.
pub(super) fn overview(view: &StoreView, freshness: Freshness, language: Language) -> Markup {
    let (quiet, open): (Vec<&AlarmView>, Vec<&AlarmView>) =
        view.alarms.iter().partition(|alarm| is_quiet(alarm));
    let title = match open.len() {
        0 => view.name.clone(),
        n => language.pick(
            format!("（{n} 个报警）{}", view.name),
            format!("({n} alarms) {}", view.name),
            format!("（警報 {n} 件）{}", view.name),
        ),
    };
    let frame = Frame { title: &title, language, path: Some("/"), is_live: true };
    let header = html! {
        strong { (view.name) }
        @if view.at_ms != 0 { " " time { (figure::clock(view.at_ms, view.utc_offset_s)) } }
    };
    let main = html! {
        (freshness_banner(view, freshness, language))
        @if freshness != Freshness::Starting {
            (alarms(view, &open, quiet.len(), freshness, language))
            (devices(view, freshness, language))
            @if !quiet.is_empty() {
                section {
                    h2 { (language.pick("不提醒的报警", "Alarms that are paused", "通知を止めている警報")) }
                    @for alarm in quiet { (alarm_page::panel(view, alarm, freshness, language)) }
                }
            }
            (labels(&view.labels, language))
            (headquarters(view, language))
        }
    };
    document(&frame, &header, &main)
}

fn alarms(
    view: &StoreView,
    open: &[&AlarmView],
    paused: usize,
    freshness: Freshness,
    language: Language,
) -> Markup {
    html! {
        section.alarms aria-label=(language.pick("报警", "Alarms", "警報")) {
            @for alarm in open { (alarm_page::panel(view, alarm, freshness, language)) }
            @if open.is_empty() && freshness == Freshness::Current { (calm(view, paused, language)) }
        }
    }
}

/// Says that nothing calls for attention, and no more than is known: a device that gives no data and an
/// alarm that somebody paused are said beside it.
fn calm(view: &StoreView, paused: usize, language: Language) -> Markup {
    let is_unseen = |device: &&DeviceView| {
        matches!(main_figure(device, Freshness::Current, language), MainFigure::Unknown { .. })
    };
    let unseen = view.devices.iter().filter(is_unseen).count();
    let mut caveats = Vec::new();
    if unseen > 0 {
        caveats.push(language.pick(
            format!("看不到数据的设备：{unseen}"),
            format!("devices without data: {unseen}"),
            format!("データのない機器：{unseen}"),
        ));
    }
    let unwatched = view.devices.iter().filter(|d| matches!(d.service, "maintenance" | "out_of_service"));
    let unwatched = unwatched.count();
    if unwatched > 0 {
        caveats.push(language.pick(
            format!("维修或停用的设备：{unwatched}"),
            format!("devices in maintenance or out of service: {unwatched}"),
            format!("整備中・停止中の機器：{unwatched}"),
        ));
    }
    if paused > 0 {
        caveats.push(language.pick(
            format!("不提醒的报警：{paused}"),
            format!("paused alarms: {paused}"),
            format!("通知を止めている警報：{paused}"),
        ));
    }
    html! {
        @if caveats.is_empty() {
            p.calm { "✓ " (language.pick("没有报警", "No alarms", "警報はありません")) }
        } @else {
            p.calm.partly {
                (language.pick("没有新的报警", "No new alarms", "新しい警報はありません"))
                @for caveat in &caveats { " · " (caveat) }
            }
        }
    }
}

fn devices(view: &StoreView, freshness: Freshness, language: Language) -> Markup {
    let known = |class: Class| view.devices.iter().filter(move |device| device.class == class.name());
    let mut others = view.devices.iter().filter(|device| Class::from_name(device.class).is_none()).peekable();
    html! {
        div.classes {
            @for class in Class::ALL {
                @if known(class).next().is_some() {
                    section.class {
                        h2 { (words::class(class, language)) }
                        div.cards { @for device in known(class) { (card(view, device, freshness, language)) } }
                    }
                }
            }
            @if others.peek().is_some() {
                section.class {
                    h2 { (language.pick("其他", "Other", "その他")) }
                    div.cards { @for device in others { (card(view, device, freshness, language)) } }
                }
            }
        }
    }
}

fn card(view: &StoreView, device: &DeviceView, freshness: Freshness, language: Language) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    let figure = main_figure(device, freshness, language);
    let in_alarm =
        view.alarms.iter().any(|alarm| alarm.device == device.id && !is_quiet(alarm) && !has_returned(alarm));
    html! {
        article.card.alarmed[in_alarm].unknown[matches!(figure, MainFigure::Unknown { .. })] {
            div.head {
                h3 { a href={ "/devices/" (segment(&device.id)) "?lang=" (language.code()) } { (device.name) } }
                @if in_alarm { p.flag { (t("报警", "Alarm", "警報あり")) } }
            }
            @match &figure {
                MainFigure::Known { number, unit } => p.figure { (number) @if !unit.is_empty() { small { " " (unit) } } },
                MainFigure::Unknown { why, last } => {
                    p.figure { (t("未知", "Unknown", "わかりません")) }
                    p.hint { (words::quality(why, language)) }
                    @if let Some((text, at_ms)) = last {
                        p.hint { (t("上次 ", "last ", "前回は ")) (text) ", " (figure::moment(*at_ms, view.at_ms, view.utc_offset_s, language)) }
                    }
                }
            }
            @if let Some(text) = service_text(view, device, language) { p.hint { strong { (text) } } }
            @for hint in hints(device, freshness, language) { p.hint { (hint) } }
        }
    }
}

/// The figure that stands for a device.
enum MainFigure<'v> {
    Known { number: String, unit: String },
    Unknown { why: &'v str, last: Option<(String, i64)> },
}

fn main_figure<'v>(device: &'v DeviceView, freshness: Freshness, language: Language) -> MainFigure<'v> {
    let named = |name: &str| device.points.iter().find(|point| point.name == name);
    let point = match Class::from_name(device.class) {
        Some(Class::Chiller | Class::Freezer | Class::ColdRoom | Class::AirConditioner) => {
            named("air_temperature")
        }
        Some(Class::Meter) => named("power_total"),
        Some(Class::Light) => return lit(device, freshness, language),
        Some(Class::Line | Class::Circuit | Class::Store) | None => device.points.first(),
    };
    let Some(point) = point else { return MainFigure::Unknown { why: "", last: None } };
    match Shown::of(point, freshness) {
        Shown::Known(value) if point.unit == "flag" => {
            MainFigure::Known { number: value_text(point, value, language), unit: String::new() }
        }
        Shown::Known(value) => {
            let (number, unit) = figure::quantity(value, point.unit);
            MainFigure::Known { number, unit }
        }
        Shown::Unknown { why, last } => {
            let last = last.map(|(value, at_ms)| (value_text(point, value, language), at_ms));
            MainFigure::Unknown { why, last }
        }
    }
}

/// How many of a module's circuits are on. One unknown circuit makes the count unknown.
fn lit<'v>(device: &'v DeviceView, freshness: Freshness, language: Language) -> MainFigure<'v> {
    let is_circuit = |point: &&PointView| point.name == "light" || point.name.starts_with("relay_");
    let (mut on, mut all) = (0, 0);
    for point in device.points.iter().filter(is_circuit) {
        match Shown::of(point, freshness) {
            Shown::Known(value) => on += u32::from(value != 0.0),
            Shown::Unknown { why, .. } => return MainFigure::Unknown { why, last: None },
        }
        all += 1;
    }
    match (on, all) {
        (_, 0) => MainFigure::Unknown { why: "", last: None },
        (on, 1) => MainFigure::Known {
            number: words::flag("light", on == 1, language).to_owned(),
            unit: String::new(),
        },
        (on, all) => MainFigure::Known {
            number: format!("{on}/{all}"),
            unit: language.pick("路开着", "circuits on", "回路が点灯中").to_owned(),
        },
    }
}

/// What explains the figure. Says nothing about a point that is not known now.
fn hints(device: &DeviceView, freshness: Freshness, language: Language) -> Vec<String> {
    let t = |zh: &str, en: &str, ja: &str| language.pick(zh, en, ja).to_owned();
    let shown = |name: &str| {
        let point = device.points.iter().find(|point| point.name == name)?;
        Some((point, Shown::of(point, freshness)))
    };
    let is_set = |name: &str| shown(name).and_then(|(_, shown)| shown.is_set());
    let mut hints = Vec::new();
    match (is_set("defrost"), is_set("compressor")) {
        (Some(true), _) => hints.push(t(
            "正在化霜，短时升温正常",
            "Defrosting: warmer for a while",
            "霜取り中です。少しの間の温度上昇は正常です",
        )),
        (_, Some(true)) => hints.push(t("压缩机在运行", "Compressor running", "コンプレッサーは運転中です")),
        (_, Some(false)) => {
            hints.push(t("压缩机停着", "Compressor at rest", "コンプレッサーは停止しています"))
        }
        (_, None) => {}
    }
    if is_set("door") == Some(true) {
        hints.push(t("门开着", "Door open", "扉が開いています"));
    }
    for name in ["energy_total", "energy_import"] {
        if let Some((point, Shown::Known(value))) = shown(name) {
            hints.push(format!("{} {}", words::point(name, language), value_text(point, value, language)));
            break;
        }
    }
    hints
}

fn labels(labels: &[LabelView], language: Language) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    let mut wrong: Vec<&LabelView> =
        labels.iter().filter(|label| label.state != "refreshed" || label.job.is_some()).collect();
    // What somebody should do something about stands first, shelf by shelf.
    wrong.sort_by_key(|label| (label.job.is_none(), &label.place, &label.label));
    let right = labels.iter().filter(|label| label.state == "refreshed").count();
    html! {
        @if !labels.is_empty() {
            section.labels {
                h2 { (t("价签", "Shelf labels", "電子棚札")) }
                p {
                    strong { (right) " / " (labels.len()) } " "
                    (t("个显示正确的价格", "show the right price", "件が正しい価格を表示しています"))
                    @if wrong.is_empty() { " ✓" }
                }
                @if !wrong.is_empty() {
                    p { (t("以下价签请看一眼，价格不对就先用手写价格：", "Please look at these; where the price is wrong, write it by hand for now:", "次の棚札を見てください。価格が違うときは、手書きの値札を付けてください：")) }
                    table {
                        thead { tr {
                            th { (t("商品", "Item", "商品の名前")) } th { (t("应显示", "Should show", "表示する価格")) }
                            th { (t("要做什么", "What to do", "すること")) } th { (t("位置", "Place", "場所")) }
                            th { (t("价签", "Label", "棚札の番号")) }
                        } }
                        tbody { @for label in wrong.iter().take(LABELS_LISTED_MAX) { tr {
                            td { @if label.name.is_empty() { (label.item) } @else { (label.name) } }
                            td { @if label.price.is_empty() { (t("还没有价格", "no price yet", "価格はまだありません")) } @else { strong { (label.price) } } }
                            td { (label.job.map_or(words::label_state(label.state, language), |job| words::label_job(job, language))) }
                            td { (label.place) }
                            td { (label.label) }
                        } } }
                    }
                    @if wrong.len() > LABELS_LISTED_MAX {
                        p { (t("还有 ", "and ", "あと ")) (wrong.len() - LABELS_LISTED_MAX) (t(" 个", " more", " 件あります")) }
                    }
                }
            }
        }
    }
}

fn headquarters(view: &StoreView, language: Language) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    html! {
        section.headquarters.offline[!view.hq_online] {
            h2 { (t("总部", "Headquarters", "本部との接続")) }
            @if view.hq_online {
                p { (t("已连接", "Connected", "つながっています")) }
                @if view.clock_trust == Trust::Wrong {
                    p { strong { (t("店里的时钟与总部不一致，请报修。", "The store's clock differs from headquarters'. Call for repair.", "店の時計が本部と合っていません。修理を頼んでください。")) } }
                }
            } @else {
                p { strong { (t("连接断开", "Not connected", "つながっていません")) } " "
                    (t("店里的监控和价格照常工作，数据已保存，恢复后自动补传。报修请打电话。",
                       "Watching and prices go on as usual; data is kept and sent later. For repairs, telephone.", "店内の監視と価格はいつもどおり動いています。データは保存し、後で送ります。修理は電話で頼んでください。")) }
            }
            @if view.outbox_pending > 0 {
                p { (t("等待发送的消息：", "Messages waiting: ", "送信待ちのメッセージ：")) (view.outbox_pending) }
            }
        }
    }
}
