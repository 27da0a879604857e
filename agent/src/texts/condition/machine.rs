//! The door and the machine: defrosts, the compressor, its cooling.

use super::StaffText;
use crate::texts::Language;
use storewarden_rules::Class;

pub(super) fn door_open(class: Option<Class>, language: Language) -> StaffText {
    match class {
        Some(Class::ColdRoom) => language.pick(
            StaffText {
                what: "冷库门一直开着",
                now: "先确认里面没有人，再把冷库门关好。",
                steps: &[
                    "确认里面没有人，把冷库门关好。",
                    "看门口有没有东西卡住，门封有没有坏。",
                    "关不好：找人看着门，打电话报修。",
                ],
            },
            StaffText {
                what: "has its door open",
                now: "Make sure nobody is inside, then shut the door.",
                steps: &[
                    "Make sure nobody is inside, then shut the door.",
                    "Look whether something jams it or its seal is torn.",
                    "It does not close: have somebody hold it shut and call for repair.",
                ],
            },
            StaffText {
                what: "の扉が開いたままです",
                now: "中に人がいないことを確かめ、扉を閉めてください。",
                steps: &[
                    "中に人がいないことを確かめ、扉を閉めてください。",
                    "何か挟まっていないか、パッキンが傷んでいないか見てください。",
                    "閉まらないとき：だれかが扉を押さえ、修理を電話で頼んでください。",
                ],
            },
        ),
        _ => language.pick(
            StaffText {
                what: "的门好像没有关好",
                now: "去把门关好。",
                steps: &[
                    "去把门关好，看有没有东西卡住。",
                    "看门封有没有坏、有没有结冰。",
                    "关不好：用胶带先封住，打电话报修。",
                ],
            },
            StaffText {
                what: "seems to have its door open",
                now: "Go and shut the door.",
                steps: &[
                    "Go and shut the door; look whether something jams it.",
                    "Look whether its seal is torn or iced.",
                    "It does not close: tape it shut for now and call for repair.",
                ],
            },
            StaffText {
                what: "の扉が開いているようです",
                now: "扉を閉めてください。",
                steps: &[
                    "扉を閉め、何か挟まっていないか見てください。",
                    "パッキンが傷んでいないか、氷が付いていないか見てください。",
                    "閉まらないとき：テープで仮に留め、修理を電話で頼んでください。",
                ],
            },
        ),
    }
}

pub(super) fn defrost(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "化霜不正常",
            now: "看里面有没有结厚冰；不要自己敲冰。",
            steps: &[
                "看里面和出风口有没有结厚冰，地上有没有水。",
                "不要用硬东西敲冰，也不要自己改设定。",
                "打电话报修，说明“化霜不正常”和有没有结冰。",
            ],
        },
        StaffText {
            what: "does not defrost as it should",
            now: "Look for thick ice inside. Do not chip it off.",
            steps: &[
                "Look for thick ice inside and at the air outlet, and for water on the floor.",
                "Do not chip ice off and do not change settings.",
                "Call for repair: say that the defrost is wrong and whether there is ice.",
            ],
        },
        StaffText {
            what: "の霜取りがおかしいです",
            now: "中に厚い氷がないか見てください。氷をたたかないでください。",
            steps: &[
                "中や吹出口に厚い氷がないか、床に水がないか見てください。",
                "硬いもので氷をたたかず、設定も変えないでください。",
                "修理を電話で頼み、霜取りの異常と氷の有無を伝えてください。",
            ],
        },
    )
}

pub(super) fn compressor(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "的压缩机不正常",
            now: "看有没有电、散热口有没有被挡住；然后打电话报修。",
            steps: &[
                "看有没有电，灯亮不亮。",
                "看散热口有没有被纸箱或灰尘挡住，挡住了就挪开。",
                "不要反复拔插头。",
                "少开门，打电话报修。",
            ],
        },
        StaffText {
            what: "has a compressor that does not run as it should",
            now: "Check its power and that nothing blocks its vents, then call for repair.",
            steps: &[
                "Check that it has power and is lit.",
                "If boxes or dust block the vents of the machine, clear them.",
                "Do not pull the plug again and again.",
                "Open it as little as possible and call for repair.",
            ],
        },
        StaffText {
            what: "のコンプレッサーの動きがおかしいです",
            now: "電気が来ているか、放熱口がふさがれていないか見て、修理を電話で頼んでください。",
            steps: &[
                "電気が来ているか、明かりが点いているか見てください。",
                "放熱口を箱やほこりがふさいでいたら、どかしてください。",
                "プラグを何度も抜き差ししないでください。",
                "なるべく開けず、修理を電話で頼んでください。",
            ],
        },
    )
}

pub(super) fn capacity(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "制冷越来越弱",
            now: "看散热口脏不脏、里面有没有结冰；白天打电话报修。",
            steps: &[
                "看散热口有没有灰尘或被纸箱挡住。",
                "看里面有没有结厚冰。",
                "白天打电话报修，说明制冷变弱和看到的情况。",
            ],
        },
        StaffText {
            what: "cools less and less",
            now: "Look for dirty vents and ice inside, and report it in the day.",
            steps: &[
                "Look whether the vents of the machine are dusty or blocked by boxes.",
                "Look for thick ice inside.",
                "In the day call for repair: say that its cooling grows weaker and what you saw.",
            ],
        },
        StaffText {
            what: "の冷え方が弱くなっています",
            now: "放熱口の汚れと中の氷を見て、昼間に修理を頼んでください。",
            steps: &[
                "放熱口にほこりがたまったり、箱でふさがれたりしていないか見てください。",
                "中に厚い氷がないか見てください。",
                "昼間に修理を電話で頼み、冷えが弱いことと見たことを伝えてください。",
            ],
        },
    )
}
