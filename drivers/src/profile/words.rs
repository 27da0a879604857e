//! The words that profiles share: what a point's name means, its unit everywhere, and its name for people
//! in Chinese, English and Japanese; the states of codes; the meanings of alarms. One table, as data.

use super::AlarmMeaning;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use storewarden_rules::Unit;

/// A text in every language of the product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Chinese, simplified characters.
    pub zh: String,
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    point: BTreeMap<String, PointWord>,
    state: BTreeMap<String, Text>,
    alarm: BTreeMap<String, Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointWord {
    unit: String,
    zh: String,
    en: String,
    ja: String,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../words.toml")).expect("a test reads the shipped table")
});

/// The name of a point for people, numbered where the name is (`relay_3`); none if no profile shares it.
pub fn point(name: &str) -> Option<Text> {
    let (word, number) = row(name)?;
    let put = |text: &String| text.replace("{n}", number);
    Some(Text { zh: put(&word.zh), en: put(&word.en), ja: put(&word.ja) })
}

/// The unit of a point of that name in every profile.
pub fn unit(name: &str) -> Option<Unit> {
    row(name).and_then(|(word, _)| Unit::from_symbol(&word.unit))
}

/// `relay_3` is one of `relay_N`.
pub fn stem(name: &str) -> Option<String> {
    let (stem, number) = name.rsplit_once('_')?;
    number.parse::<u8>().ok()?;
    Some(format!("{stem}_N"))
}

/// The text of a state's word.
pub fn state(word: &str) -> Option<&'static Text> {
    TABLE.state.get(word)
}

/// The words that states have.
pub fn states() -> impl Iterator<Item = &'static str> {
    TABLE.state.keys().map(String::as_str)
}

/// The text of an alarm.
pub fn alarm(meaning: AlarmMeaning) -> &'static Text {
    &TABLE.alarm[meaning.name()]
}

fn row(name: &str) -> Option<(&'static PointWord, &str)> {
    if let Some(word) = TABLE.point.get(name) {
        return Some((word, ""));
    }
    let number = name.rsplit_once('_').map_or("", |(_, number)| number);
    TABLE.point.get(&stem(name)?).map(|word| (word, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;

    fn is_whole(text: &Text) -> bool {
        [&text.zh, &text.en, &text.ja].iter().all(|text| !text.trim().is_empty())
    }

    #[test]
    fn the_table_is_whole() {
        for (name, word) in &TABLE.point {
            assert!(Unit::from_symbol(&word.unit).is_some(), "{name}");
            assert_eq!(name.ends_with("_N"), word.zh.contains("{n}"), "{name}");
            let text = point(&name.replace("_N", "_7")).expect("listed");
            assert!(is_whole(&text), "{name}");
            assert_eq!(name.ends_with("_N"), text.ja.contains('7') && text.en.contains('7'), "{name}");
        }
        assert!(TABLE.state.values().all(is_whole));
        assert!(AlarmMeaning::ALL.iter().all(|meaning| is_whole(alarm(*meaning))));
        assert_eq!(TABLE.alarm.len(), AlarmMeaning::ALL.len(), "a text without a meaning");
    }

    #[test]
    fn every_point_and_state_of_every_shipped_profile_has_all_three_languages() {
        let profiles = Profiles::built_in();
        for profile in profiles.iter() {
            for point in &profile.points {
                let text =
                    point.text().unwrap_or_else(|| panic!("{}: no text for {}", profile.id, point.name));
                assert!(is_whole(&text), "{}: {}", profile.id, point.name);
                assert!(point.states.iter().all(|(_, word)| state(word).is_some_and(is_whole)));
            }
        }
    }

    #[test]
    fn numbered_names_share_a_row() {
        assert_eq!(point("relay_3").expect("listed").zh, "回路 3");
        assert_eq!(point("voltage_2").expect("listed").en, "Voltage L2");
        assert_eq!(unit("voltage_2"), Some(Unit::Volt));
        assert_eq!(point("suction_pressure"), None);
        assert_eq!(point("relay_x"), None);
    }
}
