//! What a condition means to staff and what they do about it; and its technical text.
//!
//! Staff texts are for someone without training, alone, at three in the morning: short sentences,
//! nothing to look up, and always an action. They name no figure that a config could change.

use crate::texts::Language;
use storewarden_rules::{Class, Condition};

/// What staff are told about a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaffText {
    /// What is wrong, in a few words; stands beside the device's name.
    pub what: &'static str,
    /// The one thing to do now.
    pub now: &'static str,
    /// All there is to do, in order; begins with what `now` says.
    pub steps: &'static [&'static str],
}

/// The staff text of a condition on a device of that class; `None` is a class the agent does not know.
pub fn staff(condition: Condition, class: Option<Class>, language: Language) -> StaffText {
    match condition {
        Condition::TemperatureHigh => too_warm(class, language),
        Condition::TemperatureLow => too_cold(class, language),
        Condition::NoResponse => silent(class, language),
        Condition::DemandHigh => language.pick(
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
        ),
        Condition::LightDark => language.pick(
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
        ),
        _ => other(language),
    }
}

/// Words of conditions that have none of their own.
fn other(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "需要检查",
            now: "去看一下这台设备。",
            steps: &["去看一下这台设备。", "拿不准：打电话报修。"],
        },
        StaffText {
            what: "needs a look",
            now: "Go and look at it.",
            steps: &["Go and look at it.", "If in doubt: call for repair."],
        },
    )
}

fn too_warm(class: Option<Class>, language: Language) -> StaffText {
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
        ),
    }
}

fn too_cold(class: Option<Class>, language: Language) -> StaffText {
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
        ),
    }
}

fn silent(class: Option<Class>, language: Language) -> StaffText {
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
        ),
    }
}

/// What a condition means, for logs and headquarters.
pub fn technical(condition: Condition) -> &'static str {
    match condition {
        Condition::TemperatureHigh => "air temperature above its limit for longer than the delay",
        Condition::TemperatureLow => "air temperature below its limit for longer than the delay",
        Condition::NoResponse => "no good reading from any point for longer than the delay",
        Condition::DemandHigh => "mean power over the demand window above the contracted limit",
        Condition::LightDark => "commanded on but reads back off or draws no current",
        _ => "see the rules reference",
    }
}

/// The numbers behind an alarm on one line, for logs and the command line:
/// `temperature=-9.8 °C, held=1830 s`. Takes them as [`crate::view::AlarmView::evidence`] holds them.
pub fn evidence_line(evidence: &[(&str, f64, &str)]) -> String {
    let facts = evidence.iter().map(|(quantity, value, unit)| match *unit {
        "1" | "code" | "flag" => format!("{quantity}={value}"),
        unit => format!("{quantity}={value} {unit}"),
    });
    facts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_of_every_class_says_what_and_ends_with_an_action() {
        let classes = Class::ALL.into_iter().map(Some).chain([None]);
        for (class, language) in classes.flat_map(|class| Language::ALL.map(|language| (class, language))) {
            for condition in Condition::ALL {
                let text = staff(condition, class, language);
                let place = format!("{} {class:?} {language:?}", condition.name());
                assert!(!text.what.is_empty() && text.steps.len() >= 2, "{place}");
                for sentence in text.steps.iter().chain([&text.now]) {
                    assert!(sentence.ends_with(['。', '.', '?', '？']), "{place}: {sentence}");
                    let has_chinese = sentence.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                    assert_eq!(has_chinese, language == Language::Zh, "{place}: {sentence}");
                }
                assert!(!technical(condition).is_empty());
            }
        }
    }

    #[test]
    fn evidence_is_one_line_with_units_where_there_are_any() {
        let line = evidence_line(&[("temperature", -9.8, "°C"), ("held", 1830.0, "s")]);
        assert_eq!(line, "temperature=-9.8 °C, held=1830 s");
    }
}
