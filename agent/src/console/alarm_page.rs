//! An alarm: as a panel on the overview, and on a page of its own with what to do and the forms. The
//! page never reloads by itself, so that a name half typed is not lost.

use super::Freshness;
use super::care_page::{Refused, alarm_forms, alarm_notes, error_text, has_returned};
use super::device_page::Shown;
use super::frame::{Frame, document, freshness_banner, home_link, notice};
use super::request::SHELVE_MINUTES_MAX;
use crate::texts::{Language, condition, figure, words};
use crate::view::{AlarmView, StoreView};
use maud::{Markup, html};
use storewarden_rules::{Cause, Class, Condition, Priority, Quantity};

/// Spans offered for shelving, minutes.
const SHELVE_CHOICES: [u32; 4] = [30, 60, 120, SHELVE_MINUTES_MAX];

/// Whether somebody or the configuration decided that this alarm must not call for attention now.
pub(super) fn is_quiet(alarm: &AlarmView) -> bool {
    matches!(alarm.state, "shelved" | "suppressed_by_design" | "out_of_service")
}

fn can_acknowledge(alarm: &AlarmView) -> bool {
    matches!(alarm.state, "active_unacknowledged" | "returned_unacknowledged" | "latched")
}

/// The alarm in short, with the one thing to do now and the way to its page.
pub(super) fn panel(view: &StoreView, alarm: &AlarmView, freshness: Freshness, language: Language) -> Markup {
    let text = Text::of(view, alarm, language);
    html! {
        article class={ "alarm " (level(alarm)) } {
            p.priority { (words::priority(words::priority_from_name(alarm.priority), language)) }
            div.what {
                h3 { (alarm.device_name) " " (text.what) }
                p.since { (since(view, alarm, language)) " · " (words::alarm_state(alarm.state, &alarm.by, language)) }
                @if let Some(measured) = measured(view, alarm, freshness, language) { p.measured { (measured) } }
                @if let Some(now) = text.now { p.now { (now) } }
            }
            a.button href={ "/alarms/" (alarm.alarm) "?lang=" (language.code()) } {
                @if alarm.state == "active_unacknowledged" { (language.pick("怎么办 · 我来处理", "What to do · I am on it", "対処のしかた・対応する")) }
                @else if can_acknowledge(alarm) { (language.pick("查看并确认", "Look and confirm", "見て確認する")) }
                @else { (language.pick("查看", "Look", "見る")) }
            }
        }
    }
}

/// The page of alarm number `alarm`, with the request that was refused if one was; none if no
/// open alarm has that number.
pub(super) fn alarm_page(
    view: &StoreView,
    alarm: u64,
    refused: Option<Refused<'_>>,
    freshness: Freshness,
    language: Language,
) -> Option<Markup> {
    let alarm = view.alarms.iter().find(|candidate| candidate.alarm == alarm)?;
    let text = Text::of(view, alarm, language);
    let t = |zh, en, ja| language.pick(zh, en, ja);
    let typed = refused.map(|refused| refused.by);
    let title = format!("{} {}", alarm.device_name, text.what);
    let path = format!("/alarms/{}", alarm.alarm);
    let frame = Frame { title: &title, language, path: refused.is_none().then_some(&path), is_live: false };
    let main = html! {
        (freshness_banner(view, freshness, language))
        @if let Some(refused) = refused { p.banner role="alert" { (error_text(refused.error, language)) } }
        div class={ "alarm " (level(alarm)) } {
            p.priority { (words::priority(words::priority_from_name(alarm.priority), language)) }
            div.what {
                h1 { (alarm.device_name) " " (text.what) }
                p.since { (since(view, alarm, language)) " · " (words::alarm_state(alarm.state, &alarm.by, language)) }
                @if let Some(measured) = measured(view, alarm, freshness, language) { p.measured { (measured) } }
                @for note in alarm_notes(view, alarm, language) { p.since { (note) } }
            }
        }
        div.columns {
            @if !has_returned(alarm) && !text.steps.is_empty() {
                section.steps {
                    h2 { (t("现在这样做", "What to do now", "いますること")) }
                    ol { @for step in text.steps { li { (step) } } }
                }
            }
            div.forms {
                @if can_acknowledge(alarm) { (acknowledge_form(alarm, typed, language)) }
                @if !is_quiet(alarm) && !has_returned(alarm) { (shelve_form(alarm, typed, language)) }
                (alarm_forms(alarm, typed, language))
            }
        }
        @if !alarm.evidence.is_empty() {
            section {
                h2 { (t("测量数据（报修时告诉对方）", "Measurements (tell them to the repair service)", "測定値（修理の人に伝えてください）")) }
                table.points { tbody {
                    @if let Some(cause) = Cause::from_name(alarm.cause) {
                        tr { th scope="row" { (t("可能的原因", "Probable cause", "考えられる原因")) } td { (words::cause(cause, language)) } }
                    }
                    @for (quantity, value, unit) in &alarm.evidence {
                        tr { th scope="row" { (words::evidence(quantity, language)) } td { (evidence_text(quantity, *value, unit, language)) } }
                    }
                    tr { th scope="row" { (t("报警号", "Alarm number", "警報の番号")) } td { (alarm.alarm) } }
                } }
            }
        }
    };
    Some(document(&frame, &home_link(language), &main))
}

/// The page instead of an alarm that is over or never was.
pub(super) fn no_such_alarm(language: Language) -> Markup {
    notice(
        language.pick(
            "这个报警已经结束，或者没有这个报警号",
            "This alarm is over, or there is none of that number",
            "この警報は終わったか、その番号の警報はありません",
        ),
        language,
    )
}

/// The texts of an alarm; a condition without texts of its own is shown under its name.
struct Text<'a> {
    what: &'a str,
    now: Option<&'static str>,
    steps: &'static [&'static str],
}

impl<'a> Text<'a> {
    fn of(view: &StoreView, alarm: &'a AlarmView, language: Language) -> Self {
        let device = view.devices.iter().find(|device| device.id == alarm.device);
        let class = device.and_then(|device| Class::of_anything(device.class));
        match Condition::from_name(&alarm.condition) {
            Some(condition) => {
                let text = condition::staff(condition, class, language);
                // Once somebody is on it, the overview leaves the floor to what nobody has seen yet.
                let now = (alarm.state == "active_unacknowledged").then_some(text.now);
                Self { what: text.what, now, steps: text.steps }
            }
            // A rule of the chain or the store: its name, and what is to be done about any of them.
            None => {
                let text = condition::staff(Condition::User(0), class, language);
                Self { what: &alarm.condition, now: Some(text.now), steps: text.steps }
            }
        }
    }
}

/// The temperature now beside its limit, where the alarm is about one and has not returned.
fn measured(view: &StoreView, alarm: &AlarmView, freshness: Freshness, language: Language) -> Option<String> {
    let condition = Condition::from_name(&alarm.condition)?;
    if !matches!(condition, Condition::TemperatureHigh | Condition::TemperatureLow) || has_returned(alarm) {
        return None;
    }
    let device = view.devices.iter().find(|device| device.id == alarm.device)?;
    let air = device.points.iter().find(|point| point.name == "air_temperature")?;
    let now = match Shown::of(air, freshness) {
        Shown::Known(value) => figure::quantity_text(value, air.unit),
        Shown::Unknown { .. } => language.pick("未知", "unknown", "わかりません").to_owned(),
    };
    let limit = alarm.evidence.iter().find(|(name, ..)| *name == Quantity::TemperatureLimit.name());
    let limit = limit.map(|(_, value, unit)| figure::quantity_text(*value, unit));
    Some(match limit {
        Some(limit) => language.pick(
            format!("现在 {now}，界限 {limit}"),
            format!("now {now}, limit {limit}"),
            format!("いま {now}、限度 {limit}"),
        ),
        None => language.pick(format!("现在 {now}"), format!("now {now}"), format!("いま {now}")),
    })
}

/// The class of the style sheet: how loud it is.
fn level(alarm: &AlarmView) -> &'static str {
    match (alarm.state, words::priority_from_name(alarm.priority)) {
        _ if is_quiet(alarm) => "quiet",
        _ if has_returned(alarm) => "returned",
        ("active_acknowledged", Priority::High) => "taken urgent",
        ("active_acknowledged", _) => "taken",
        (_, Priority::High) => "high",
        (_, Priority::Medium) => "medium",
        (_, Priority::Low) => "low",
    }
}

fn since(view: &StoreView, alarm: &AlarmView, language: Language) -> String {
    let from = figure::moment(alarm.since_ms, view.at_ms, view.utc_offset_s, language);
    if has_returned(alarm) {
        let until = figure::moment(alarm.at_ms, view.at_ms, view.utc_offset_s, language);
        return language.pick(
            format!("{from} 到 {until}"),
            format!("{from} to {until}"),
            format!("{from} から {until} まで"),
        );
    }
    let span = figure::span(view.at_ms.saturating_sub(alarm.since_ms), language);
    language.pick(
        format!("从 {from} 开始，持续 {span}"),
        format!("since {from}, for {span}"),
        format!("{from} から {span} 続いています"),
    )
}

fn evidence_text(quantity: &str, value: f64, unit: &str, language: Language) -> String {
    match unit {
        "flag" => words::flag(quantity, value != 0.0, language).to_owned(),
        "s" => {
            #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
            let ms = (value * 1000.0) as i64;
            figure::span(ms, language)
        }
        unit => figure::quantity_text(value, unit),
    }
}

fn acknowledge_form(alarm: &AlarmView, typed: Option<&str>, language: Language) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    html! {
        form method="post" action={ "/alarms/" (alarm.alarm) "/ack?lang=" (language.code()) } {
            label for="ack-by" { (t("你的名字", "Your name", "あなたの名前")) }
            input #ack-by name="by" required maxlength="40" autocomplete="name" value=[typed];
            button type="submit" { @if has_returned(alarm) { (t("我看过了", "I have looked", "確認しました")) } @else { (t("我来处理", "I am on it", "対応します")) } }
            @if !has_returned(alarm) {
                p.hint { (t("按下后别人会看到是你在处理。问题解决前，报警会一直在这里。", "Others then see that you are on it. The alarm stays here until the fault is gone.", "押すと、あなたが対応中だとほかの人にわかります。直るまで警報はここに残ります。")) }
            }
        }
    }
}

fn shelve_form(alarm: &AlarmView, typed: Option<&str>, language: Language) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    html! {
        details {
            summary { (t("暂停提醒（例如正在维修）", "Pause it (for example during a repair)", "通知を止める（修理中など）")) }
            form method="post" action={ "/alarms/" (alarm.alarm) "/shelve?lang=" (language.code()) } {
                label for="shelve-by" { (t("你的名字", "Your name", "あなたの名前")) }
                input #shelve-by name="by" required maxlength="40" autocomplete="name" value=[typed];
                label for="minutes" { (t("暂停多久", "For how long", "止める時間")) }
                select #minutes name="minutes" {
                    @for minutes in SHELVE_CHOICES { option value=(minutes) { (figure::span(i64::from(minutes) * 60_000, language)) } }
                }
                button.second type="submit" { (t("暂停提醒", "Pause", "通知を止める")) }
            }
        }
    }
}
