//! What an item is called.

use std::collections::BTreeMap;

/// A language that a label may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Chinese.
    Chinese,
    /// English.
    English,
    /// Japanese.
    Japanese,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Chinese, Self::English, Self::Japanese];

    /// ISO 639-1, as in tables and configurations: `zh`, `en`, `ja`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Chinese => "zh",
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    /// The language of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }
}

/// Names by language.
pub type Names = BTreeMap<Language, String>;
