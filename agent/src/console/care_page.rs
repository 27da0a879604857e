//! What people do about equipment: repairs, maintenance, out of service, the check by hand. Forms stand
//! on pages that never reload by themselves.

use super::Freshness;
use super::frame::{Frame, document, freshness_banner, home_link, segment};
use super::request::{MAINTENANCE_MINUTES_MAX, RequestError};
use crate::texts::{Language, figure};
use crate::view::{AlarmView, DeviceView, StoreView};
use maud::{Markup, html};
use storewarden_rules::Condition;

/// Spans offered for maintenance, minutes.
const MAINTENANCE_CHOICES: [u32; 5] = [30, 60, 120, 480, MAINTENANCE_MINUTES_MAX];

/// What was done about an alarm besides its state: how often it was escalated, its repair.
pub(super) fn alarm_notes(view: &StoreView, alarm: &AlarmView, language: Language) -> Vec<String> {
    let mut notes = Vec::new();
    if alarm.escalation > 0 {
        let times = alarm.escalation;
        notes.push(language.pick(
            format!("一直没有人处理，已上报 {times} 次"),
            format!("nobody is on it, reported upwards {times} times"),
            format!("まだ誰も対応していません。上へ {times} 回知らせました"),
        ));
    }
    if let Some(repair) = &alarm.repair {
        let since = figure::moment(repair.since_ms, view.at_ms, view.utc_offset_s, language);
        let (by, reference) = (&repair.by, &repair.reference);
        notes.push(language.pick(
            format!("{by} 已报修 {reference}，从 {since}"),
            format!("repair {reference} ordered by {by} at {since}"),
            format!("{by} が {since} に修理 {reference} を頼みました"),
        ));
        if repair.escalation > 0 {
            notes.push(language.pick(
                "维修超时，请催一下".to_owned(),
                "the repair takes too long; press for it".to_owned(),
                "修理が遅れています。催促してください".to_owned(),
            ));
        }
    }
    notes
}

/// What can be done about an alarm besides acknowledging and shelving it.
pub(super) fn alarm_forms(alarm: &AlarmView, typed: Option<&str>, language: Language) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    let action = |act: &str| format!("/alarms/{}/{act}?lang={}", alarm.alarm, language.code());
    html! {
        @if alarm.condition == Condition::InspectionDue.name() {
            form method="post" action={ "/inspected?lang=" (language.code()) } {
                (name_field("inspected-by", typed, language))
                label for="inspected-note" { (t("检查结果（可不填）", "What you found (may stay empty)", "点検の結果（空欄でもかまいません）")) }
                input #inspected-note name="remark" maxlength="200";
                button type="submit" { (t("已检查", "I have checked", "点検しました")) }
            }
        }
        @if alarm.state == "shelved" {
            form method="post" action=(action("unshelve")) {
                (name_field("unshelve-by", typed, language))
                button.second type="submit" { (t("恢复提醒", "End the pause", "通知を再開する")) }
            }
        }
        @if alarm.repair.is_some() {
            form method="post" action=(action("repaired")) {
                (name_field("repaired-by", typed, language))
                button.second type="submit" { (t("已修好", "It is repaired", "修理が済みました")) }
            }
        } @else if !has_returned(alarm) {
            details {
                summary { (t("已报修", "A repair is ordered", "修理を頼みました")) }
                form method="post" action=(action("repair")) {
                    (name_field("repair-by", typed, language))
                    label for="reference" { (t("报修单号", "Reference of the repair", "修理の受付番号")) }
                    input #reference name="remark" maxlength="200";
                    button.second type="submit" { (t("记下报修", "Note the repair", "修理を記録する")) }
                }
            }
        }
    }
}

/// Says so where a device is not watched.
pub(super) fn service_text(view: &StoreView, device: &DeviceView, language: Language) -> Option<String> {
    let by = &device.service_by;
    match (device.service, device.service_until_ms) {
        ("maintenance", Some(until_ms)) => {
            let until = figure::moment(until_ms, view.at_ms, view.utc_offset_s, language);
            let (zh, en, ja) = (
                format!("维修中，到 {until}（{by}）"),
                format!("in maintenance until {until} ({by})"),
                format!("{until} まで整備中（{by}）"),
            );
            Some(language.pick(zh, en, ja))
        }
        ("out_of_service", _) => Some(language.pick(
            format!("停用（{by}）"),
            format!("out of service ({by})"),
            format!("使用停止中（{by}）"),
        )),
        _ => None,
    }
}

/// The page on which a device is taken into maintenance or out of service, and back.
pub(super) fn care_page(
    view: &StoreView,
    device: &DeviceView,
    refused: Option<Refused<'_>>,
    freshness: Freshness,
    language: Language,
) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    let typed = refused.map(|refused| refused.by);
    let id = segment(&device.id);
    let path = format!("/devices/{id}/care");
    let action = |act: &str| format!("/devices/{id}/{act}?lang={}", language.code());
    let frame =
        Frame { title: &device.name, language, path: refused.is_none().then_some(&path), is_live: false };
    let main = html! {
        (freshness_banner(view, freshness, language))
        @if let Some(refused) = refused { p.banner role="alert" { (error_text(refused.error, language)) } }
        h1 { (device.name) " " small { (device.id) } }
        @if let Some(text) = service_text(view, device, language) {
            p { strong { (text) } }
            form method="post" action=(action("in-service")) {
                (name_field("in-service-by", typed, language))
                button type="submit" { (t("恢复监控", "Watch it again", "監視を再開する")) }
            }
        } @else {
            form method="post" action=(action("maintenance")) {
                (name_field("maintenance-by", typed, language))
                label for="minutes" { (t("维修多久", "Maintenance for how long", "整備にかかる時間")) }
                select #minutes name="minutes" {
                    @for minutes in MAINTENANCE_CHOICES {
                        option value=(minutes) { (figure::span(i64::from(minutes) * 60_000, language)) }
                    }
                }
                button type="submit" { (t("开始维修", "Begin maintenance", "整備を始める")) }
                p.hint { (t("维修时这台设备不提醒，到时间自动恢复。", "Meanwhile the device raises no alarm; that ends by itself.", "整備中は警報を出しません。時間になると自動で監視に戻ります。")) }
            }
            details {
                summary { (t("这台设备不用了", "The device is not in use", "この機器は使っていません")) }
                form method="post" action=(action("out-of-service")) {
                    (name_field("out-of-service-by", typed, language))
                    button.second type="submit" { (t("停用", "Take it out of service", "使用を停止する")) }
                }
            }
        }
    };
    document(&frame, &home_link(language), &main)
}

fn name_field(id: &str, typed: Option<&str>, language: Language) -> Markup {
    html! {
        label for=(id) { (language.pick("你的名字", "Your name", "あなたの名前")) }
        input id=(id) name="by" required maxlength="40" autocomplete="name" value=[typed];
    }
}

/// A request that was not carried out, told to the person on the alarm's page.
#[derive(Clone, Copy)]
pub(super) struct Refused<'a> {
    /// Why.
    pub(super) error: RequestError,
    /// The name they typed, so that they need not type it again.
    pub(super) by: &'a str,
}

pub(super) fn has_returned(alarm: &AlarmView) -> bool {
    matches!(alarm.state, "returned_unacknowledged" | "latched")
}

/// What a person reads when a request was not carried out.
pub(super) fn error_text(error: RequestError, language: Language) -> &'static str {
    match error {
        RequestError::UnknownAlarm => language.pick("这个报警已经结束了，不用再处理。", "This alarm is already over. Nothing more to do here.", "この警報はもう終わりました。することはありません。"),
        RequestError::NotNow => language.pick("没有改动：可能别人已经处理了。请看下面的状态。", "Nothing changed: somebody may have been faster. See its state below.", "変更はありません。ほかの人が先に対応したのかもしれません。下の状態を見てください。"),
        RequestError::NotKept => language.pick("没有保存成功，请再试一次；还不行就打电话告诉总部。照样先处理设备。", "It could not be saved. Try again; if it fails again call headquarters. Take care of the equipment all the same.", "保存できませんでした。もう一度試し、だめなら本部に電話してください。機器の対応は先に進めてください。"),
        RequestError::BadName => language.pick("请写上你的名字（最多 40 个字）。", "Please give your name (40 characters at most).", "名前を書いてください（40 文字まで）。"),
        RequestError::BadSpan => language.pick("请选择多久（暂停最多 8 小时，维修最多 24 小时）。", "Please choose for how long (a pause 8 hours, maintenance 24 hours at most).", "時間を選んでください（通知の停止は 8 時間、整備は 24 時間まで）。"),
        RequestError::BadRemark => language.pick("写得太长了（最多 200 个字）。", "That is too long (200 characters at most).", "長すぎます（200 文字まで）。"),
        RequestError::UnknownDevice => language.pick("没有这台设备。", "There is no such device.", "その機器はありません。"),
        RequestError::UnknownLabel => language.pick("没有这个价签。", "There is no such label.", "その棚札はありません。"),
        RequestError::UnknownItem => language.pick("没有价签显示这个商品。", "No label shows that item.", "その商品を表示する棚札はありません。"),
        RequestError::UnknownGateway => language.pick("没有这个价签基站。", "There is no such label gateway.", "その棚札の基地局はありません。"),
        RequestError::UnknownAct => language.pick("没有这个操作。", "There is no such thing to do.", "その操作はありません。"),
        RequestError::Busy => language.pick("系统正忙，请过几秒再试一次。", "The system is busy. Try again in some seconds.", "混み合っています。数秒たってからもう一度試してください。"),
        RequestError::Stopped => language.pick("系统没有在运行，没有记下来。照样先处理设备，并打电话告诉总部。", "The system is not running, so this was not noted. Take care of the equipment all the same, and call headquarters.", "システムが動いていないため、記録されていません。機器の対応を先に進め、本部に電話してください。"),
        RequestError::NoAnswer => language.pick("系统没有回答，不知道有没有记下来。请返回看一下状态。", "The system did not answer; it may or may not have been noted. Go back and look at its state.", "システムから返事がなく、記録されたかわかりません。戻って状態を見てください。"),
    }
}
