//! The shop as a whole: its power, lights, alarms, inspections and own rules.

use super::StaffText;
use crate::texts::Language;

pub(super) fn demand_high(language: Language) -> StaffText {
    language.pick(
            StaffText {
                what: "用电太多",
                now: "先关掉可以不用的电器，空调调高几度；冰柜和冷藏柜不要关。",
                steps: &[
                    "关掉可以不用的电器：电热水壶、微波炉、不需要的灯。",
                    "空调制冷调高几度（制热调低几度）。",
                    "冰柜和冷藏柜不要关。",
                    "15 分钟后还在报警：打电话告诉总部。",
                ],
            },
            StaffText {
                what: "is using too much power",
                now: "Switch off what is not needed and turn the air conditioning down. Never switch off fridges or freezers.",
                steps: &[
                    "Switch off what is not needed: kettle, microwave, spare lights.",
                    "Turn the air conditioning down a few degrees.",
                    "Never switch off fridges or freezers.",
                    "Still here after 15 minutes: call headquarters.",
                ],
            },
            StaffText { what: "の電気の使いすぎです", now: "不要な電気製品を切り、エアコンの設定をゆるめてください。冷蔵・冷凍ケースは切らないでください。", steps: &["不要なものを切る：湯沸かし器、電子レンジ、不要な照明。", "エアコンの冷房を数度上げる（暖房なら下げる）。", "冷蔵・冷凍ケースは切らないでください。", "15 分たっても続くとき：本部に電話してください。"] },
        )
}

pub(super) fn light_dark(language: Language) -> StaffText {
    language.pick(
            StaffText {
                what: "该亮没亮",
                now: "去看灯亮不亮；不亮就看墙上开关和配电箱，不要自己拆灯。",
                steps: &[
                    "去看灯亮不亮。",
                    "不亮：看墙上的开关是否关了，配电箱里有没有跳闸的开关。",
                    "不要自己拆灯，也不要反复合闸。",
                    "还是不亮：白天报修；门口或店里太暗不安全，马上打电话。",
                ],
            },
            StaffText {
                what: "should be on but is dark",
                now: "Look whether it is lit. If not, check the wall switch and the breaker box. Do not open the lamp.",
                steps: &[
                    "Look whether it is lit.",
                    "If not: is the wall switch off, or a breaker in the breaker box down?",
                    "Do not open the lamp, and do not reset a breaker twice.",
                    "Still dark: report it in the day. If the entrance or the shop is too dark to be safe, call at once.",
                ],
            },
            StaffText { what: "が点灯していません", now: "点灯しているか見てください。消えていたら壁のスイッチと分電盤を見ます。照明は分解しないでください。", steps: &["点灯しているか見てください。", "消えているとき：壁のスイッチが切れていないか、ブレーカーが落ちていないか見てください。", "照明を分解しないでください。ブレーカーを何度も入れ直さないでください。", "まだ消えているとき：昼間に修理を頼んでください。入口や店内が暗くて危ないときは、すぐに電話してください。"] },
        )
}

pub(super) fn flood(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "报警太多",
            now: "先看标着“紧急”的；停电或跳闸先处理。",
            steps: &[
                "看是不是停电或跳闸，是就先处理这个。",
                "没有停电：从“紧急”的开始，一个一个处理。",
                "忙不过来：打电话告诉总部。",
            ],
        },
        StaffText {
            what: "has too many alarms at once",
            now: "Begin with those marked urgent. Power first.",
            steps: &[
                "Look whether the power is out or a breaker is down; see to that first.",
                "Power is there: begin with the urgent ones, one after the other.",
                "Too many for you: call headquarters.",
            ],
        },
        StaffText {
            what: "で警報が多すぎます",
            now: "「至急」のものから対応してください。停電なら電気が先です。",
            steps: &[
                "停電か、ブレーカーが落ちていないか見て、それを先に直してください。",
                "電気が来ているとき：「至急」のものから一つずつ対応してください。",
                "手が足りないとき：本部に電話してください。",
            ],
        },
    )
}

pub(super) fn journal_stopped(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "的监控电脑存不下记录了",
            now: "现在给总部打电话。不要断电，也不要重启监控电脑。",
            steps: &[
                "总部处理好之前，不要给监控电脑断电，也不要重启。",
                "设备照常监控，这里照常能看到报警。",
                "给总部打电话，告诉他们“记录存不下”。",
            ],
        },
        StaffText {
            what: "has a monitoring computer that cannot save its records",
            now: "Call headquarters now. Do not switch the computer off.",
            steps: &[
                "Until they have mended it, do not switch the monitoring computer off or restart it.",
                "Your equipment is still watched, and alarms still show here.",
                "Call headquarters: tell them “records cannot be saved”.",
            ],
        },
        StaffText {
            what: "の監視用パソコンが記録を保存できません",
            now: "今すぐ本部に電話してください。パソコンの電源は切らないでください。",
            steps: &[
                "直るまで、監視用パソコンの電源を切ったり再起動したりしないでください。",
                "設備の監視は続いています。警報はここに出ます。",
                "本部に電話して「記録が保存できない」と伝えてください。",
            ],
        },
    )
}

pub(super) fn journal_damaged(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "的监控记录坏了一部分",
            now: "今天给总部打电话。设备照常监控。",
            steps: &[
                "给总部打电话，告诉他们“记录坏了，已重新开始”。",
                "看一下价签：有不对的，给总部打电话时一起说。",
            ],
        },
        StaffText {
            what: "has lost part of its monitoring records",
            now: "Call headquarters today. Your equipment is still watched.",
            steps: &[
                "Call headquarters: tell them “records were damaged and began anew”.",
                "Look at the price labels: tell headquarters if one is wrong.",
            ],
        },
        StaffText {
            what: "の監視記録の一部が壊れました",
            now: "今日中に本部に電話してください。設備の監視は続いています。",
            steps: &[
                "本部に電話して「記録が壊れ、新しく始まった」と伝えてください。",
                "値札を見て、間違いがあれば本部に伝えてください。",
            ],
        },
    )
}

pub(super) fn link_refused(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "发给总部的消息被拒收",
            now: "今天给总部打电话。设备照常监控。",
            steps: &[
                "总部可能收不到本店的报警：紧急的事请直接打电话。",
                "给总部打电话，告诉他们“消息被拒收”。",
            ],
        },
        StaffText {
            what: "sends messages that headquarters' computer refuses",
            now: "Call headquarters today. Your equipment is still watched.",
            steps: &[
                "Headquarters may not see your alarms: if something is urgent, call them.",
                "Call headquarters: tell them “our messages are refused”.",
            ],
        },
        StaffText {
            what: "から本部への通知が受け付けられません",
            now: "今日中に本部に電話してください。設備の監視は続いています。",
            steps: &[
                "本部に警報が届いていないことがあります。急ぎのことは電話してください。",
                "本部に電話して「通知が受け付けられない」と伝えてください。",
            ],
        },
    )
}

pub(super) fn clock_untrusted(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "监控电脑的时间不对",
            now: "今天给总部打电话。设备照常监控。",
            steps: &[
                "这里写的时间可能不对：记录温度时看店里的钟。",
                "看一下价签：有不对的，打电话时一起说。",
                "给总部打电话，告诉他们“监控电脑时间不对”。",
            ],
        },
        StaffText {
            what: "has a monitoring computer whose clock is wrong",
            now: "Call headquarters today. Your equipment is still watched.",
            steps: &[
                "Times shown here may be wrong: when you write one down, use the shop's clock.",
                "Look at the price labels: tell headquarters if one is wrong.",
                "Call headquarters: tell them “the computer's clock is wrong”.",
            ],
        },
        StaffText {
            what: "の監視用パソコンの時計が合っていません",
            now: "今日中に本部に電話してください。設備の監視は続いています。",
            steps: &[
                "ここに出る時刻は正しくないことがあります。記録には店の時計を使ってください。",
                "値札を見て、間違いがあれば本部に伝えてください。",
                "本部に電話して「監視用パソコンの時計が合っていない」と伝えてください。",
            ],
        },
    )
}

pub(super) fn inspection_due(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "该检查设备了",
            now: "今天逐台检查设备，然后在这里点“已检查”。",
            steps: &[
                "逐台看：门关好没有，有没有结冰，显示几度。",
                "看散热口有没有灰尘或被挡住。",
                "检查完，在这里写上名字，点“已检查”。",
            ],
        },
        StaffText {
            what: "has equipment due for a check",
            now: "Check each cabinet today, then press “I have checked” here.",
            steps: &[
                "Look at each cabinet: does its door close, is there ice, what does it show?",
                "Look whether vents are dusty or blocked.",
                "Then give your name here and press “I have checked”.",
            ],
        },
        StaffText {
            what: "の機器を点検する時期です",
            now: "今日、機器を一台ずつ点検し、ここで「点検しました」を押してください。",
            steps: &[
                "一台ずつ見てください：扉は閉まるか、氷はないか、表示は何度か。",
                "放熱口にほこりやふさぐ物がないか見てください。",
                "終わったら、ここに名前を書いて「点検しました」を押してください。",
            ],
        },
    )
}

pub(super) fn user_rule(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "符合店里设定的报警规则",
            now: "去看一下这台设备，并告诉店长。",
            steps: &["去看一下这台设备，和平时有什么不一样。", "告诉店长；拿不准就打电话报修。"],
        },
        StaffText {
            what: "meets an alarm rule of your own",
            now: "Go and look at it, and tell the manager.",
            steps: &[
                "Go and look at it: what is not as usual?",
                "Tell the manager. If in doubt, call for repair.",
            ],
        },
        StaffText {
            what: "が店舗や本部の決めた警報ルールに当てはまりました",
            now: "機器を見て、店長に知らせてください。",
            steps: &[
                "機器を見て、いつもと違うところを探してください。",
                "店長に知らせてください。迷ったら修理を電話で頼んでください。",
            ],
        },
    )
}
