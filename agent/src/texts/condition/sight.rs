//! Power and sight: what is dead, silent or not to be believed.

use super::StaffText;
use crate::texts::Language;
use storewarden_rules::Class;

pub(super) fn silent(class: Option<Class>, language: Language) -> StaffText {
    match class {
        Some(Class::Chiller | Class::Freezer | Class::ColdRoom) => language.pick(
            StaffText {
                what: "看不到温度",
                now: "去看柜子上的温度显示：有没有电，几度。每 30 分钟看一次。",
                steps: &[
                    "去看柜子：灯亮不亮，有没有声音，显示几度。",
                    "没有电：看插头和配电箱有没有跳闸；不要反复合闸。",
                    "有电：每 30 分钟看一次柜子上的温度，记下来。这里暂时看不到，也不会报太热。",
                    "打电话报修，告诉对方柜子上显示几度。",
                ],
            },
            StaffText {
                what: "gives no temperature",
                now: "Read the display on the cabinet: does it have power, and how cold is it? Look every 30 minutes.",
                steps: &[
                    "Go to the cabinet: is it lit, does it hum, what does its display say?",
                    "No power: check the plug and the breaker box. Do not reset a breaker twice.",
                    "It has power: read its display every 30 minutes and note it. Meanwhile this page cannot see it and cannot warn you.",
                    "Call for repair and say what the display shows.",
                ],
            },
            StaffText { what: "の温度がわかりません", now: "ケースの表示を見てください：電気は来ているか、何度か。30 分ごとに見ます。", steps: &["ケースを見てください：明かりは点いているか、音はするか、表示は何度か。", "電気が来ていないとき：プラグと分電盤を見てください。ブレーカーを何度も入れ直さないでください。", "電気が来ているとき：30 分ごとに表示を見て書き留めてください。その間、この画面には温度が出ず、警報も出ません。", "修理を電話で頼み、表示の温度を伝えてください。"] },
        ),
        _ => language.pick(
            StaffText {
                what: "没有数据",
                now: "看这台设备有没有电；报修时说明设备名称。",
                steps: &["看这台设备有没有电，有没有跳闸。", "不要拔网线，也不要自己拆。", "白天打电话报修，说明设备名称。"],
            },
            StaffText {
                what: "gives no data",
                now: "Check that it has power, then report it by name.",
                steps: &[
                    "Check that it has power and no breaker is down.",
                    "Do not pull network cables or open it.",
                    "Report it by name in the day.",
                ],
            },
            StaffText { what: "からデータが来ません", now: "電気が来ているか見てください。機器の名前を言って修理を頼みます。", steps: &["電気が来ているか、ブレーカーが落ちていないか見てください。", "通信ケーブルを抜いたり、分解したりしないでください。", "昼間に、機器の名前を言って修理を頼んでください。"] },
        ),
    }
}

pub(super) fn probe(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "的温度探头不准",
            now: "这里的温度不要信；去看柜子，摸一摸货物凉不凉。",
            steps: &[
                "这里显示的温度不要信；用温度计量一下，或摸一摸货物凉不凉。",
                "货物不凉：按太热处理，把货搬走。",
                "打电话报修，说明探头坏了；修好前常去看。",
            ],
        },
        StaffText {
            what: "shows a temperature that cannot be trusted",
            now: "Do not trust the temperature shown. Go and feel whether the goods are cold.",
            steps: &[
                "Do not trust the temperature shown: use a thermometer, or feel whether the goods are cold.",
                "They are not cold: move the goods to another cabinet.",
                "Call for repair, say that the sensor is faulty, and look often until it is repaired.",
            ],
        },
        StaffText {
            what: "の温度センサーが正しくありません",
            now: "表示の温度を信じないでください。商品が冷たいか、さわって確かめてください。",
            steps: &[
                "表示の温度を信じないでください。温度計で測るか、商品が冷たいかさわって確かめてください。",
                "冷たくないとき：商品を別のケースへ移してください。",
                "センサーの故障だと言って修理を電話で頼み、直るまで何度も見に行ってください。",
            ],
        },
    )
}

pub(super) fn line_dead(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "上的设备都没有数据",
            now: "看通信箱有没有电；每 30 分钟看一次各柜子的温度。",
            steps: &[
                "看通信箱（网关）有没有电，灯亮不亮，线有没有松。",
                "不要拔别的线。",
                "每 30 分钟看一次各柜子上的温度，记下来。",
                "打电话报修，说明整条线路没有数据。",
            ],
        },
        StaffText {
            what: "has no device that answers",
            now: "Check the power of the communication box. Read the cabinets' displays every 30 minutes.",
            steps: &[
                "Check that the communication box (gateway) has power and its cables are in.",
                "Do not pull other cables.",
                "Read the displays on the cabinets every 30 minutes and note them.",
                "Call for repair and say that the whole line gives no data.",
            ],
        },
        StaffText {
            what: "の機器がどれも応答しません",
            now: "通信ボックスの電気を見てください。30 分ごとに各ケースの温度表示を見ます。",
            steps: &[
                "通信ボックス（ゲートウェイ）に電気が来ているか、ケーブルが抜けていないか見てください。",
                "ほかのケーブルは抜かないでください。",
                "30 分ごとに各ケースの温度表示を見て、書き留めてください。",
                "修理を電話で頼み、回線全体のデータが来ないと伝えてください。",
            ],
        },
    )
}

pub(super) fn power_lost(class: Option<Class>, language: Language) -> StaffText {
    match class { Some(Class::Store) => language.pick(StaffText { what: "停电了", now: "先不要打开冰柜和冷藏柜的门。", steps: &["冰柜和冷藏柜的门都不要打开。", "看配电箱的总开关；跳闸的只合一次。", "外面也没有电：打电话给供电公司，问要多久。", "告诉店长，准备搬货；来电后逐台看有没有恢复制冷。"] }, StaffText { what: "is without power", now: "Keep all fridges and freezers shut.", steps: &["Keep all fridges and freezers shut.", "Look at the main breaker. If it is down, put it up once only.", "The street is dark too: call the power company and ask how long.", "Tell the manager and plan where goods can go; with the power back, check each cabinet."] }, StaffText { what: "が停電しています", now: "冷蔵・冷凍ケースの扉を開けないでください。", steps: &["冷蔵・冷凍ケースの扉を開けないでください。", "分電盤の主ブレーカーを見てください。落ちていたら一度だけ入れます。", "外も停電のとき：電力会社に電話し、どのくらいかかるか聞いてください。", "店長に知らせ、商品の移し先を決めてください。電気が戻ったら一台ずつ冷えているか見てください。"] }), _ => language.pick(StaffText { what: "没有电", now: "看插头和配电箱；跳闸的只合一次。", steps: &["看插头有没有松，开关有没有关。", "看配电箱：跳闸的开关只合一次，又跳就不要再合。", "有货的柜子：门不要打开。", "还没有电：马上打电话报修，准备把货搬走。"] }, StaffText { what: "has no power", now: "Check the plug and the breaker box. Put a breaker up once only.", steps: &["Check that the plug is in and the switch is on.", "Look at the breaker box: put up a breaker that is down once only. If it falls again, leave it.", "If it holds goods: keep it shut.", "Still no power: call for repair at once and get ready to move the goods."] }, StaffText { what: "に電気が来ていません", now: "プラグと分電盤を見てください。ブレーカーを入れるのは一度だけです。", steps: &["プラグが抜けていないか、スイッチが切れていないか見てください。", "分電盤を見て、落ちたブレーカーを一度だけ入れてください。また落ちたら触らないでください。", "商品が入っているとき：扉を開けないでください。", "まだ電気が来ないとき：すぐに修理を電話で頼み、商品を移す用意をしてください。"] }) }
}
