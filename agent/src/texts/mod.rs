//! Words for people: what staff read on the console, and the technical text that logs and headquarters
//! read. Chinese, English and Japanese.
//!
//! Every text is chosen by [`Language::pick`], which asks for all languages at once: a further language
//! is a further argument, and whatever lacks it does not compile.

pub mod condition;
pub mod figure;
pub mod words;

use serde::Deserialize;

/// A language that staff can read the console in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Chinese, simplified characters.
    #[default]
    Zh,
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// All of them, for the language links.
    pub const ALL: [Self; 3] = [Self::Zh, Self::En, Self::Ja];

    /// As written in the config and in `?lang=`.
    pub fn code(self) -> &'static str {
        self.pick("zh", "en", "ja")
    }

    /// As written in the `lang` attribute of a page (BCP 47).
    pub fn tag(self) -> &'static str {
        self.pick("zh-CN", "en", "ja")
    }

    /// Its own name, in itself.
    pub fn own_name(self) -> &'static str {
        self.pick("中文", "English", "日本語")
    }

    /// The language of that code or BCP 47 tag; only the primary subtag counts.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag).trim();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The language an `Accept-Language` header (RFC 9110, section 12.5.4) likes best among ours; none
    /// if it names none of ours. Equal weights: the first named.
    pub fn negotiate(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for range in header.split(',') {
            let mut parts = range.split(';');
            let language = parts.next().and_then(Self::from_tag);
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(Some(1.0), |q| q.parse::<f32>().ok());
            if let (Some(language), Some(weight)) = (language, weight)
                && weight > best.map_or(0.0, |(weight, _)| weight)
            {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// The text of this language.
    pub fn pick<T>(self, zh: T, en: T, ja: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
            Self::Ja => ja,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_decides_by_weight_and_only_among_our_languages() {
        let cases = [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Language::Zh)),
            ("en-GB,en;q=0.9,zh;q=0.5", Some(Language::En)),
            ("en;q=0.3, zh-TW;q=0.7", Some(Language::Zh)),
            ("ja-JP,ja;q=0.9,en;q=0.8", Some(Language::Ja)),
            ("fr, de;q=0.9", None),
            ("zh;q=0", None),
            ("en;q=nonsense", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Language::negotiate(header), expected, "{header:?}");
        }
    }
}
