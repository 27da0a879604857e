//! Too warm, too cold, and what leads there.

use super::StaffText;
use crate::texts::Language;
use storewarden_rules::Class;

pub(super) fn too_warm(class: Option<Class>, language: Language) -> StaffText {
    match class {
        Some(Class::Freezer) => language.pick(
            StaffText {
                what: "太热了",
                now: "先看门有没有关好；关好后不要再打开。",
                steps: &[
                    "看门有没有关好，有没有东西卡住门。",
                    "看出风口有没有被货物挡住，挡住了就挪开。",
                    "关好门，不要再打开。",
                    "30 分钟内没好转：打电话报修，把冰淇淋和冷冻食品搬到别的冰柜。",
                    "已经变软或化了的不要卖，也不要再冻回去，放一边等店长处理。",
                ],
            },
            StaffText {
                what: "is too warm",
                now: "Check that the door is shut. Then keep it shut.",
                steps: &[
                    "Check that the door is shut and nothing jams it.",
                    "If goods block the air outlet, move them away.",
                    "Shut the door and keep it shut.",
                    "No better within 30 minutes: call for repair and move ice cream and frozen food to another freezer.",
                    "Do not sell or refreeze what has gone soft. Put it aside for the manager.",
                ],
            },
            StaffText { what: "の温度が高すぎます", now: "扉が閉まっているか見てください。閉めたら開けないでください。", steps: &["扉が閉まっているか、何か挟まっていないか見てください。", "商品が吹出口をふさいでいたら、どかしてください。", "扉を閉め、開けないでください。", "30 分たっても良くならないとき：修理を電話で頼み、アイスと冷凍食品を別の冷凍ケースへ移してください。", "柔らかくなった商品は売らず、再び凍らせず、別に置いて店長に任せてください。"] },
        ),
        Some(Class::ColdRoom) => language.pick(
            StaffText {
                what: "太热了",
                now: "先确认里面没有人，再把冷库门关好。",
                steps: &[
                    "确认里面没有人，把冷库门关好。",
                    "看风机在不在转，出风口有没有被货物挡住。",
                    "少开门，不要把热的东西放进去。",
                    "30 分钟内没好转：打电话报修，问清楚哪些货要搬。",
                    "拿不准还能不能卖的不要卖，等店长处理。",
                ],
            },
            StaffText {
                what: "is too warm",
                now: "Make sure nobody is inside, then shut the door.",
                steps: &[
                    "Make sure nobody is inside, then shut the door.",
                    "Look whether the fans turn and whether goods block the air.",
                    "Open the door as little as possible; put nothing warm inside.",
                    "No better within 30 minutes: call for repair and ask which goods to move.",
                    "If you are not sure it can be sold, do not sell it. Ask the manager.",
                ],
            },
            StaffText { what: "の温度が高すぎます", now: "中に人がいないことを確かめ、扉を閉めてください。", steps: &["中に人がいないことを確かめ、扉を閉めてください。", "ファンが回っているか、商品が吹出口をふさいでいないか見てください。", "扉をなるべく開けず、温かいものを入れないでください。", "30 分たっても良くならないとき：修理を電話で頼み、どの商品を移すか聞いてください。", "売ってよいかわからない商品は売らず、店長に聞いてください。"] },
        ),
        Some(Class::AirConditioner) => language.pick(
            StaffText {
                what: "店里太热",
                now: "看空调开着没有，店门关好没有。",
                steps: &[
                    "看空调开着没有，是不是制冷。",
                    "把店门关好。",
                    "30 分钟内没好转：打电话报修。",
                ],
            },
            StaffText {
                what: "room too warm",
                now: "Check that the air conditioner is on and the shop door shut.",
                steps: &[
                    "Check that the air conditioner is on and set to cooling.",
                    "Shut the shop door.",
                    "No better within 30 minutes: call for repair.",
                ],
            },
            StaffText { what: "店内が暑すぎます", now: "エアコンが動いているか、店の扉が閉まっているか見てください。", steps: &["エアコンが動いていて、冷房になっているか見てください。", "店の扉を閉めてください。", "30 分たっても良くならないとき：修理を電話で頼んでください。"] },
        ),
        Some(Class::Chiller | Class::Meter | Class::Light | Class::Line | Class::Circuit | Class::Store) | None => language.pick(
            StaffText {
                what: "太热了",
                now: "先看门有没有关好，有没有货物挡住出风口。",
                steps: &[
                    "看门有没有关好；风幕柜看夜帘和货物有没有挡住出风口。",
                    "关好门，少打开，不要补货。",
                    "30 分钟内没好转：打电话报修，把牛奶、便当、三明治搬到别的冷藏柜。",
                    "拿不准还能不能卖的不要卖，放一边等店长处理。",
                ],
            },
            StaffText {
                what: "is too warm",
                now: "Check that the door is shut and no goods block the air.",
                steps: &[
                    "Check that the door is shut. Open cabinet: check that no goods block the air outlet.",
                    "Open it as little as possible and do not restock it.",
                    "No better within 30 minutes: call for repair and move milk, meals and sandwiches to another chiller.",
                    "If you are not sure it can be sold, do not sell it. Put it aside for the manager.",
                ],
            },
            StaffText { what: "の温度が高すぎます", now: "扉が閉まっているか、商品が吹出口をふさいでいないか見てください。", steps: &["扉が閉まっているか見てください。扉のないケースは、ナイトカバーや商品が吹出口をふさいでいないか見ます。", "なるべく開けず、商品を補充しないでください。", "30 分たっても良くならないとき：修理を電話で頼み、牛乳、弁当、サンドイッチを別の冷蔵ケースへ移してください。", "売ってよいかわからない商品は売らず、別に置いて店長に任せてください。"] },
        ),
    }
}

pub(super) fn too_cold(class: Option<Class>, language: Language) -> StaffText {
    match class {
        Some(Class::AirConditioner) => language.pick(
            StaffText {
                what: "店里太冷",
                now: "看空调的设定温度，不要再调低。",
                steps: &["看空调的设定温度，调回正常。", "30 分钟内没好转：打电话报修。"],
            },
            StaffText {
                what: "room too cold",
                now: "Check the temperature set on the air conditioner.",
                steps: &[
                    "Check the temperature set on the air conditioner and set it back to normal.",
                    "No better within 30 minutes: call for repair.",
                ],
            },
            StaffText {
                what: "店内が寒すぎます",
                now: "エアコンの設定温度を見てください。",
                steps: &[
                    "エアコンの設定温度を見て、いつもの温度に戻してください。",
                    "30 分たっても良くならないとき：修理を電話で頼んでください。",
                ],
            },
        ),
        _ => language.pick(
            StaffText {
                what: "太冷了",
                now: "看饮料和鲜食有没有结冰；不要自己改控制器的设定。",
                steps: &[
                    "看饮料和鲜食有没有结冰，结冰的先拿出来放一边（玻璃瓶可能会裂）。",
                    "不要自己改控制器的设定。",
                    "30 分钟内没好转：打电话报修。",
                ],
            },
            StaffText {
                what: "is too cold",
                now: "Look for frozen drinks and food. Do not change the controller's settings.",
                steps: &[
                    "Look for frozen drinks and food and put them aside (glass bottles may crack).",
                    "Do not change the controller's settings.",
                    "No better within 30 minutes: call for repair.",
                ],
            },
            StaffText {
                what: "の温度が低すぎます",
                now: "飲み物や食品が凍っていないか見てください。コントローラーの設定は変えないでください。",
                steps: &[
                    "凍った飲み物や食品は取り出し、別に置いてください（ガラスびんは割れることがあります）。",
                    "コントローラーの設定は変えないでください。",
                    "30 分たっても良くならないとき：修理を電話で頼んでください。",
                ],
            },
        ),
    }
}

pub(super) fn pre_alarm(language: Language) -> StaffText {
    language.pick(StaffText { what: "比平时热", now: "看门有没有关好，出风口有没有被挡住。", steps: &["看门有没有关好，出风口有没有被货物挡住。", "少开门，先不要补货。", "还没恢复：过一会儿再来看一次；还在变热就打电话报修。"] }, StaffText { what: "is warmer than usual", now: "Check that the door is shut and no goods block the air.", steps: &["Check that the door is shut and no goods block the air outlet.", "Open it as little as possible and do not restock it now.", "Not better yet: look again a little later. If it warms further, call for repair."] }, StaffText { what: "がいつもより温かいです", now: "扉が閉まっているか、吹出口がふさがれていないか見てください。", steps: &["扉が閉まっているか、商品が吹出口をふさいでいないか見てください。", "なるべく開けず、いまは補充しないでください。", "まだ戻らないとき：少したってもう一度見てください。さらに温かくなるなら修理を電話で頼んでください。"] })
}

pub(super) fn forecast(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "很快就会太热",
            now: "马上去把门关好；关不好或不制冷就打电话报修。",
            steps: &[
                "马上去看门有没有关好。",
                "看出风口有没有被挡住，机器有没有声音。",
                "没有好转：打电话报修，先准备好搬货的地方。",
            ],
        },
        StaffText {
            what: "will soon be too warm",
            now: "Go now and shut the door. If that is not it, call for repair.",
            steps: &[
                "Go now and check that the door is shut.",
                "Look whether goods block the air and whether the machine runs.",
                "No better: call for repair and make room elsewhere for the goods.",
            ],
        },
        StaffText {
            what: "はまもなく温度が高くなりすぎます",
            now: "すぐに行って扉を閉めてください。扉でなければ修理を電話で頼んでください。",
            steps: &[
                "すぐに行って、扉が閉まっているか見てください。",
                "吹出口がふさがれていないか、機械の音がするか見てください。",
                "良くならないとき：修理を電話で頼み、商品を移す場所を用意してください。",
            ],
        },
    )
}

pub(super) fn rate(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "升温太快",
            now: "马上去看：门关好没有，机器有没有在转。",
            steps: &[
                "马上去看门关好没有。",
                "门是关好的：听一听机器有没有声音，看有没有电。",
                "不是门的问题：打电话报修，门不要再打开。",
            ],
        },
        StaffText {
            what: "warms too fast",
            now: "Go now: is the door shut, does the machine run?",
            steps: &[
                "Go now and check that the door is shut.",
                "The door is shut: does the machine hum, does it have power?",
                "It is not the door: call for repair and keep it shut.",
            ],
        },
        StaffText {
            what: "の温度が急に上がっています",
            now: "すぐに見てください：扉は閉まっているか、機械は動いているか。",
            steps: &[
                "すぐに扉が閉まっているか見てください。",
                "扉が閉まっているとき：機械の音がするか、電気が来ているか見てください。",
                "扉でないとき：修理を電話で頼み、扉を開けないでください。",
            ],
        },
    )
}

pub(super) fn goods_warm(class: Option<Class>, language: Language) -> StaffText {
    match class {
        Some(Class::Freezer) => language.pick(
            StaffText {
                what: "里的冷冻食品可能在化",
                now: "现在就把冰淇淋和冷冻食品搬到别的冰柜。",
                steps: &[
                    "现在就把冰淇淋和冷冻食品搬到别的冰柜。",
                    "已经变软或化了的不要卖，也不要再冻回去，放一边等店长处理。",
                    "打电话报修，并告诉店长。",
                ],
            },
            StaffText {
                what: "holds frozen goods that may be thawing",
                now: "Move ice cream and frozen food to another freezer now.",
                steps: &[
                    "Move ice cream and frozen food to another freezer now.",
                    "Do not sell or refreeze what has gone soft. Put it aside for the manager.",
                    "Call for repair and tell the manager.",
                ],
            },
            StaffText {
                what: "の冷凍食品が溶け始めているかもしれません",
                now: "いますぐアイスと冷凍食品を別の冷凍ケースへ移してください。",
                steps: &[
                    "いますぐアイスと冷凍食品を別の冷凍ケースへ移してください。",
                    "柔らかくなった商品は売らず、再び凍らせず、別に置いて店長に任せてください。",
                    "修理を電話で頼み、店長に知らせてください。",
                ],
            },
        ),
        _ => language.pick(
            StaffText {
                what: "里的食品可能已经变热",
                now: "现在停止销售，把牛奶、便当、三明治搬到别的冷藏柜。",
                steps: &[
                    "现在停止销售这里的食品。",
                    "把牛奶、便当、三明治搬到别的冷藏柜，和别的货分开放。",
                    "拿不准还能不能卖的不要卖，告诉店长，听店长处理。",
                    "打电话报修。",
                ],
            },
            StaffText {
                what: "holds food that may have become too warm",
                now: "Stop selling from it and move milk, meals and sandwiches to another chiller.",
                steps: &[
                    "Stop selling food from it now.",
                    "Move milk, meals and sandwiches to another chiller, apart from the rest.",
                    "If you are not sure it can be sold, do not sell it. Tell the manager, who decides.",
                    "Call for repair.",
                ],
            },
            StaffText {
                what: "の食品が温まったかもしれません",
                now: "いますぐ販売をやめ、牛乳、弁当、サンドイッチを別の冷蔵ケースへ移してください。",
                steps: &[
                    "いますぐここの食品の販売をやめてください。",
                    "牛乳、弁当、サンドイッチを別の冷蔵ケースへ移し、ほかの商品と分けて置いてください。",
                    "売ってよいかわからない商品は売らず、店長に知らせて任せてください。",
                    "修理を電話で頼んでください。",
                ],
            },
        ),
    }
}
