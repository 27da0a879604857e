//! Words for classes, points, qualities, states and priorities. What has no word here is shown under
//! its own name: a new point of a new profile is never hidden.

use crate::texts::Language;
use storewarden_drivers::profile;
use storewarden_rules::{Cause, Class, Priority, Quantity};

/// The heading of a class of devices.
pub fn class(class: Class, language: Language) -> &'static str {
    match class {
        Class::Chiller => language.pick("冷藏柜", "Chillers", "冷蔵ケース"),
        Class::Freezer => language.pick("冰柜", "Freezers", "冷凍ケース"),
        Class::ColdRoom => language.pick("冷库", "Cold rooms", "ウォークイン冷蔵庫"),
        Class::Meter => language.pick("用电", "Electricity", "電気の使用量"),
        Class::Light => language.pick("照明", "Lights", "照明"),
        Class::AirConditioner => language.pick("空调", "Air conditioning", "エアコン"),
        Class::Line => language.pick("通信线路", "Lines", "通信の回線"),
        Class::Circuit => language.pick("供电回路", "Circuits", "電気の回路"),
        Class::Store => language.pick("门店", "Store", "店舗"),
    }
}

/// How soon someone must act.
pub fn priority(priority: Priority, language: Language) -> &'static str {
    match priority {
        Priority::High => language.pick("紧急", "Urgent", "至急"),
        Priority::Medium => language.pick("尽快处理", "Soon", "早めに対応"),
        Priority::Low => language.pick("今天处理", "Today", "今日中に対応"),
    }
}

/// The priority of that name ([`Priority::name`]). An unknown one counts as the highest: an alarm that
/// cannot be placed must not be played down.
pub fn priority_from_name(name: &str) -> Priority {
    let known = [Priority::Low, Priority::Medium, Priority::High];
    known.into_iter().find(|priority| priority.name() == name).unwrap_or(Priority::High)
}

/// The word for a point of a profile, numbered where the name is (`relay_3`): the table that profiles share.
pub fn point(name: &str, language: Language) -> String {
    profile::words::point(name)
        .map_or_else(|| name.to_owned(), |text| language.pick(text.zh, text.en, text.ja))
}

/// What a flag says: a door is open or shut, everything else on or off.
pub fn flag(point: &str, set: bool, language: Language) -> &'static str {
    match (point, set) {
        ("door", true) => language.pick("开着", "open", "開いている"),
        ("door", false) => language.pick("关着", "shut", "閉まっている"),
        (name, true) if is_alarm(name) => language.pick("有", "yes", "あり"),
        (name, false) if is_alarm(name) => language.pick("无", "no", "なし"),
        (_, true) => language.pick("开", "on", "オン"),
        (_, false) => language.pick("关", "off", "オフ"),
    }
}

/// Whether a flag of that name says that something is wrong. A controller's alarm relay is not such a flag.
fn is_alarm(name: &str) -> bool {
    let said = ["alarm", "_fault", "_timeout", "_failure"].iter().any(|word| name.contains(word));
    said && !name.ends_with("_output") && name != "alarm_reset"
}

/// Why there is no figure, as `PointView::quality` names it. `good` has a word too, for tables.
pub fn quality(name: &str, language: Language) -> &str {
    match name {
        "good" => language.pick("正常", "good", "正常です"),
        "stale" => language.pick("数据太旧", "too old", "データが古い"),
        "no_response" => language.pick("设备没有应答", "device does not answer", "機器が応答しません"),
        "exception" => language.pick("设备拒绝读取", "device refuses", "機器が読み取りを拒否しました"),
        "garbled" => language.pick("通信有干扰", "garbled answer", "通信に乱れがあります"),
        "sensor_fault" => language.pick("探头坏了", "sensor fault", "センサーの故障"),
        "out_of_range" => language.pick("数值超出范围", "impossible value", "範囲の外の値"),
        "implausible" => language.pick("数值不可信", "value not believable", "信用できない値"),
        "" => language.pick("还没有读到", "not read yet", "まだ読んでいません"),
        other => other,
    }
}

/// The state of an alarm, as `AlarmView::state` names it (ISA-18.2); `by` is who did it.
pub fn alarm_state(name: &str, by: &str, language: Language) -> String {
    let who = if by.is_empty() { language.pick("有人", "Somebody", "だれか") } else { by };
    match name {
        "active_unacknowledged" => {
            language.pick("还没有人处理", "Nobody is on it yet", "まだ誰も対応していません").to_owned()
        }
        "active_acknowledged" => {
            language.pick(format!("{who} 正在处理"), format!("{who} is on it"), format!("{who} が対応中です"))
        }
        "returned_unacknowledged" => language
            .pick(
                "已经恢复正常，请确认",
                "Back to normal; please confirm",
                "正常に戻りました。確認してください",
            )
            .to_owned(),
        "latched" => language
            .pick(
                "已锁定，请检查后确认",
                "Latched; check, then confirm",
                "保持中です。点検してから確認してください",
            )
            .to_owned(),
        "shelved" => language.pick(
            format!("{who} 已暂停提醒"),
            format!("{who} paused it"),
            format!("{who} が通知を止めています"),
        ),
        "suppressed_by_design" => {
            language.pick("按规则不提醒", "Silenced by rule", "ルールにより通知しません").to_owned()
        }
        "out_of_service" => language.pick("设备停用", "Out of service", "使用停止中です").to_owned(),
        "normal" => language.pick("正常", "Normal", "正常です").to_owned(),
        other => other.to_owned(),
    }
}

/// What the readings say of the cause, for whoever calls the repair service.
pub fn cause(cause: Cause, language: Language) -> &'static str {
    match cause {
        Cause::Unknown => language.pick("看不出来", "The readings do not say", "測定値からはわかりません"),
        Cause::DoorOpen => language.pick(
            "门没有关好",
            "The door is open or does not close",
            "扉が開いているか、閉まりきらない",
        ),
        Cause::WarmLoad => language.pick(
            "刚放进热的货，或者门开得太频繁",
            "Warm goods were put in, or the door is opened all the time",
            "温かい商品を入れたか、扉の開け閉めが多い",
        ),
        Cause::CompressorNotRunning => {
            language.pick("压缩机没有运行", "The compressor is not running", "コンプレッサーが動いていない")
        }
        Cause::CompressorShortCycling => language.pick(
            "压缩机启停太频繁：压力开关、过载保护或温控",
            "The compressor starts too often: pressure switch, overload protection or thermostat",
            "コンプレッサーの入切が多すぎる：圧力スイッチ、過負荷保護、サーモスタット",
        ),
        Cause::EvaporatorFan => language.pick(
            "蒸发器风机停了或风太弱",
            "The evaporator fan stands or is weak",
            "蒸発器のファンが止まっているか弱い",
        ),
        Cause::EvaporatorIced => language.pick(
            "蒸发器结冰，化霜化不掉",
            "The evaporator is iced up and defrosts do not clear it",
            "蒸発器に霜が付き、霜取りで取れない",
        ),
        Cause::RefrigerantLoss => language.pick("缺制冷剂", "Refrigerant is missing", "冷媒が足りない"),
        Cause::CondenserFouled => language.pick(
            "冷凝器脏了，或冷凝风机停了",
            "The condenser is dirty, or its fan stands",
            "凝縮器が汚れているか、ファンが止まっている",
        ),
        Cause::DefrostNotEnded => {
            language.pick("化霜没有结束", "A defrost has not ended", "霜取りが終わらない")
        }
        Cause::DefrostTooLong => language.pick(
            "化霜或恢复时间太长：加热器、结冰或设定",
            "A defrost or the recovery takes too long: heater, ice or settings",
            "霜取りや復帰が長すぎる：ヒーター、氷、設定",
        ),
        Cause::DefrostMissed => language.pick(
            "该化霜没有化霜：定时、控制器或设定",
            "A defrost that was due did not come: timer, controller or settings",
            "予定の霜取りがなかった：タイマー、コントローラー、設定",
        ),
        Cause::DefrostTooFrequent => language.pick(
            "化霜太频繁：定时、控制器或设定",
            "Defrosts come too often: timer, controller or settings",
            "霜取りが多すぎる：タイマー、コントローラー、設定",
        ),
        Cause::ProbeBroken => language.pick(
            "温度探头断路或短路：探头、插头或线",
            "The air probe is open or shorted: probe, plug or cable",
            "温度センサーの断線かショート：センサー、コネクター、配線",
        ),
        Cause::ProbeStuck => language.pick(
            "温度探头的数值不动：控制器输入或探头结冰",
            "The air probe does not move: controller input, or frozen in",
            "温度センサーの値が動かない：入力回路か、センサーの凍結",
        ),
        Cause::ProbeJump => language.pick(
            "温度探头数值跳动：接触不良",
            "The air probe jumps: a loose contact",
            "温度センサーの値が飛ぶ：接触不良",
        ),
        Cause::ProbeDrift => language.pick(
            "温度探头不准：漂移或位置不对",
            "The air probe is wrong: it drifts or hangs in the wrong place",
            "温度センサーがずれている：劣化か、位置の間違い",
        ),
        Cause::DevicePower => language.pick(
            "设备没有电：插头、开关、保险丝或控制器",
            "The device has no power: plug, switch, fuse or controller",
            "機器に電気が来ていない：プラグ、スイッチ、ヒューズ、コントローラー",
        ),
        Cause::CircuitTripped => language.pick(
            "这一路跳闸",
            "The breaker of the circuit is down",
            "この回路のブレーカーが落ちている",
        ),
        Cause::PowerCut => language.pick("全店停电", "The whole store is without power", "店全体の停電"),
        Cause::DeviceSilent => language.pick(
            "设备没有应答：电源、线路或控制器",
            "The device is silent: power, line or controller",
            "機器が応答しない：電源、配線、コントローラー",
        ),
        Cause::LineDead => language.pick(
            "整条线路没有应答：网关、转换器或线",
            "Nothing on the line answers: gateway, adaptor or cable",
            "回線の機器がどれも応答しない：ゲートウェイ、変換器、配線",
        ),
        Cause::ValueUnusable => language.pick(
            "设备有应答，但没有可用的数值：探头或接线",
            "The device answers without a usable value: sensor or cable",
            "応答はあるが使える値がない：センサーか配線",
        ),
        Cause::LoadAboveContract => language.pick(
            "同时开的设备太多",
            "Too much equipment runs at once",
            "同時に動いている機器が多すぎる",
        ),
        Cause::SwitchDidNotObey => {
            language.pick("开关没有执行命令", "The switch did not obey", "スイッチが命令どおりに動かない")
        }
        Cause::LampOrCircuit => {
            language.pick("灯或线路坏了", "The lamp or its circuit is broken", "ランプか回路の故障")
        }
        Cause::UserRule => language.pick(
            "按门店或总部自己的规则",
            "A rule of the chain or the store says so",
            "本部か店舗が決めたルールによる",
        ),
    }
}

/// A number of an alarm's evidence, as [`storewarden_rules::Quantity::name`] writes it.
pub fn evidence(name: &str, language: Language) -> &str {
    let Some(quantity) = Quantity::from_name(name) else { return name };
    match quantity {
        Quantity::Temperature => language.pick("报警时温度", "Temperature at the alarm", "警報時の温度"),
        Quantity::WorstTemperature => language.pick("最差温度", "Worst temperature", "最も悪い温度"),
        Quantity::TemperatureLimit => language.pick("温度界限", "Temperature limit", "温度の限度"),
        Quantity::UsualTemperature => {
            language.pick("平时最高温度", "Usual warmest temperature", "ふだんの最高温度")
        }
        Quantity::GoodsTemperature => {
            language.pick("估计货物温度", "Estimated temperature of the goods", "商品の推定温度")
        }
        Quantity::EvaporatorTemperature => {
            language.pick("蒸发器温度", "Evaporator temperature", "蒸発器の温度")
        }
        Quantity::AmbientTemperature => language.pick("室温", "Room temperature", "室温"),
        Quantity::Delay => language.pick("报警延时", "Alarm delay", "警報までの遅れ"),
        Quantity::Held => language.pick("报警前已持续", "Held before the alarm", "警報前に続いた時間"),
        Quantity::TimeLeft => language.pick("剩余时间", "Time left", "残り時間"),
        Quantity::Duration => language.pick("持续时间", "Duration", "続いた時間"),
        Quantity::UsualDuration => language.pick("平时持续时间", "Usual duration", "ふだん続く時間"),
        Quantity::Interval => language.pick("距上次", "Time since the last one", "前回からの時間"),
        Quantity::UsualInterval => language.pick("平时间隔", "Usual interval", "ふだんの間隔"),
        Quantity::Exposure => {
            language.pick("货物超温累计", "Warmth the goods have taken", "商品が受けた熱の累計")
        }
        Quantity::Rate => language.pick("升温速度", "Rate of warming", "温度が上がる速さ"),
        Quantity::RateLimit => {
            language.pick("升温速度界限", "Limit of the rate of warming", "温度が上がる速さの限度")
        }
        Quantity::Jump => language.pick("数值跳变", "Jump of the reading", "値の飛び"),
        Quantity::Difference => {
            language.pick("两个探头之差", "Difference of two probes", "二つのセンサーの差")
        }
        Quantity::UsualDifference => {
            language.pick("平时两个探头之差", "Usual difference of two probes", "ふだんのセンサーの差")
        }
        Quantity::RunShare => {
            language.pick("压缩机运行比例", "Share of time the compressor ran", "コンプレッサーの運転割合")
        }
        Quantity::UsualRunShare => {
            language.pick("平时压缩机运行比例", "Usual share of time the compressor ran", "ふだんの運転割合")
        }
        Quantity::Starts => {
            language.pick("每小时启动次数", "Starts of the compressor per hour", "1 時間の起動回数")
        }
        Quantity::UsualStarts => language.pick(
            "平时每小时启动次数",
            "Usual starts of the compressor per hour",
            "ふだんの 1 時間の起動回数",
        ),
        Quantity::Capacity => language.pick(
            "制冷能力（与平时相比）",
            "Cooling capacity, of the usual",
            "冷却能力（ふだんとの比）",
        ),
        Quantity::Power => language.pick("现在功率", "Power now", "いまの電力"),
        Quantity::UsualPower => language.pick("平时功率", "Usual power", "ふだんの電力"),
        Quantity::Demand => language.pick("平均功率", "Mean power", "平均電力"),
        Quantity::DemandLimit => language.pick("合同功率", "Contracted power", "契約電力"),
        Quantity::LampPower => language.pick("灯的功率", "Lamp power", "照明の電力"),
        Quantity::LampPowerLimit => language.pick("灯亮时至少", "Least when lit", "点灯時の最小電力"),
        Quantity::ReadBack => language.pick("开关回读", "Switch reads back", "スイッチの状態"),
        Quantity::Members => language.pick("受影响的设备数", "Devices affected", "影響のある機器の数"),
        Quantity::Alarms => language.pick("报警次数", "Number of alarms", "警報の数"),
        Quantity::Value => language.pick("规则的数值", "Value of the rule", "ルールの値"),
    }
}

/// What is to be done about a label, as `LabelView::job` names it.
pub fn label_job(name: &str, language: Language) -> &str {
    match name {
        "misuse" => language.pick(
            "被别人改过：告诉总部",
            "written to by somebody else: tell headquarters",
            "他から書き換え：本部へ連絡",
        ),
        "key" => language.pick("密钥不对：告诉总部", "wrong key: tell headquarters", "鍵が違う：本部へ連絡"),
        "display" => language.pick("坏了：换价签", "broken: replace the label", "故障：棚札を交換"),
        "battery" => language.pick("快没电：换电池", "replace the battery", "電池を交換"),
        "silent" => language.pick(
            "没有回应：看还在不在，换电池",
            "no answer: look for it, replace the battery",
            "応答なし：場所を確かめ、電池を交換",
        ),
        "signal" => language.pick("信号弱：挪一下", "hardly heard: move it", "電波が弱い：位置を変える"),
        "late" => language.pick(
            "价格还没换：先手写",
            "price not changed yet: write it by hand",
            "価格が未変更：手書きで表示",
        ),
        other => other,
    }
}

/// How far a label has got, as `LabelView::state` names it.
pub fn label_state(name: &str, language: Language) -> &str {
    match name {
        "none" => language.pick("还没有发送", "not sent yet", "まだ送っていません"),
        "sent" => language.pick("已发送，等待显示", "sent, not confirmed", "送信済み、表示待ち"),
        "refreshed" => language.pick("已显示", "shown", "表示しました"),
        "failed" => language.pick("没有成功", "failed", "できませんでした"),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_rules::BadReason;

    #[test]
    fn every_point_of_every_shipped_profile_has_a_word() {
        for id in profile::built_in_ids() {
            for named in &profile::built_in(id).expect("listed").points {
                for language in Language::ALL {
                    assert_ne!(point(&named.name, language), named.name, "{id}");
                }
            }
        }
        assert_eq!(point("suction_pressure", Language::Zh), "suction_pressure");
        assert_eq!(point("relay_3", Language::Zh), "回路 3");
        assert_eq!(point("voltage_2", Language::En), "Voltage L2");
        assert_eq!(flag("probe_fault_2", true, Language::En), "yes");
        assert_eq!(flag("alarm_output", true, Language::En), "on");
    }

    #[test]
    fn every_bad_reason_and_quantity_has_a_word() {
        let reasons = [
            BadReason::NoResponse,
            BadReason::Exception(2),
            BadReason::Garbled,
            BadReason::SensorFault,
            BadReason::OutOfRange,
            BadReason::Implausible,
        ];
        for reason in reasons {
            assert_ne!(quality(reason.name(), Language::En), reason.name());
        }
        for (quantity, language) in Quantity::ALL.into_iter().flat_map(|q| Language::ALL.map(|l| (q, l))) {
            let word = evidence(quantity.name(), language);
            assert!(!word.is_empty() && word != quantity.name(), "{quantity:?} {language:?}");
        }
        assert_eq!(evidence("of_a_newer_version", Language::En), "of_a_newer_version");
    }

    #[test]
    fn every_cause_has_a_word_in_every_language() {
        for cause_named in Cause::ALL {
            let [zh, en, ja] = Language::ALL.map(|language| cause(cause_named, language));
            assert!(en.is_ascii() && !en.is_empty(), "{en}");
            assert!(ja.chars().any(|c| ('\u{3040}'..='\u{30ff}').contains(&c)), "{ja}");
            assert!(!zh.is_empty() && !zh.chars().any(|c| ('\u{3040}'..='\u{30ff}').contains(&c)), "{zh}");
        }
    }

    #[test]
    fn an_unknown_priority_is_not_played_down() {
        assert_eq!(priority_from_name("low"), Priority::Low);
        assert_eq!(priority_from_name("catastrophic"), Priority::High);
    }
}
