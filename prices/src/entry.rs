//! One entry of a price batch: what it says, and what it must satisfy.

use super::gtin::{Gtin, GtinError};
use super::measure::{Content, Measure};
use super::money::{Currency, Money, PRICE_MINOR_MAX};
use super::name::{Language, Names};
use super::when::When;
use storewarden_proto::v1;
use storewarden_rules::Utc;

/// Longest item code, bytes.
pub const ITEM_BYTES_MAX: usize = 64;
/// Longest class, bytes.
pub const CLASS_BYTES_MAX: usize = 32;
/// Longest name or unit, characters. More would not fit a label at a legible size.
pub const TEXT_CHARS_MAX: usize = 60;

/// Whether a price is the usual one or stands above it for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The usual price.
    Regular,
    /// A promotion: beats the regular price while it lasts.
    Promotion,
    /// A store's own, for a time: holds where it is below what would hold without.
    Markdown,
}

impl Kind {
    /// As in tables: `regular`, `promotion`, `markdown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Promotion => "promotion",
            Self::Markdown => "markdown",
        }
    }
}

/// The price of one item from one moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The chain's code of the item.
    pub item: String,
    /// The number in its bar code.
    pub gtin: Gtin,
    /// What it is called on the label.
    pub name: String,
    /// The same in other languages.
    pub names: Names,
    /// What kind of goods it is, as the chain calls it; may be empty.
    pub class: String,
    /// What the price is for; may be empty.
    pub unit: String,
    /// Above 0.
    pub price: Money,
    /// Regular or promotion.
    pub kind: Kind,
    /// Among prices of one kind the higher one holds.
    pub priority: u32,
    /// From when the price is in force.
    pub valid_from: When,
    /// Until when, not including; none means until replaced. A promotion always has an end.
    pub valid_until: Option<When>,
    /// What the price buys; none where it is not said.
    pub sold_by: Option<Measure>,
    /// What is in the pack; none where it is not said.
    pub content: Option<Content>,
    /// The price of one measure of the content, as it is shown.
    pub unit_price: Option<Money>,
    /// What a reduction is compared with, as it is shown.
    pub was: Option<Money>,
}

impl Entry {
    /// Reads an entry off the wire. `can_show` tells whether the labels' font has a character.
    pub fn check(wire: &v1::PriceEntry, can_show: &dyn Fn(char) -> bool) -> Result<Self, ItemFault> {
        if wire.item.is_empty() || wire.item.len() > ITEM_BYTES_MAX || wire.item.contains(char::is_control) {
            return Err(ItemFault::Item);
        }
        let gtin = Gtin::parse(&wire.gtin)?;
        if wire.name.trim().is_empty() {
            return Err(ItemFault::NameEmpty);
        }
        let mut names = Names::new();
        for local in &wire.names {
            let unknown = || ItemFault::Language(local.language.chars().take(16).collect());
            let language = Language::from_code(&local.language).ok_or_else(unknown)?;
            if local.name.trim().is_empty() || names.insert(language, local.name.clone()).is_some() {
                return Err(unknown());
            }
        }
        if wire.item_class.len() > CLASS_BYTES_MAX || !wire.item_class.bytes().all(is_of_id) {
            return Err(ItemFault::Class);
        }
        let texts = names.values().map(|name| ("name", name));
        for (field, text) in texts.chain([("name", &wire.name), ("unit", &wire.unit)]) {
            if text.chars().count() > TEXT_CHARS_MAX {
                return Err(ItemFault::TextLong { field });
            }
            if let Some(character) = text.chars().find(|c| !can_show(*c)) {
                return Err(ItemFault::Glyph { field, character });
            }
        }
        let currency = Currency::from_code(&wire.currency)
            .ok_or_else(|| ItemFault::Currency(wire.currency.chars().take(16).collect()))?;
        if wire.price_minor <= 0 || wire.price_minor > PRICE_MINOR_MAX {
            return Err(ItemFault::Price(wire.price_minor));
        }
        let kind = match wire.kind() {
            v1::PriceKind::Regular => Kind::Regular,
            v1::PriceKind::Promotion => Kind::Promotion,
            v1::PriceKind::Markdown => Kind::Markdown,
            v1::PriceKind::Unspecified => return Err(ItemFault::Kind),
        };
        let (valid_from, valid_until) = validity(wire)?;
        if valid_until.is_none() && kind != Kind::Regular {
            return Err(ItemFault::PromotionWithoutEnd);
        }
        let measure = |wire: i32, field| match v1::Measure::try_from(wire) {
            Ok(measure) => Ok(Measure::from_wire(measure)),
            Err(_) => Err(ItemFault::Measure { field }),
        };
        let content = match (wire.content_milli, measure(wire.content_measure, "content")?) {
            (0, None) => None,
            (milli @ 1.., Some(measure)) => Some(Content { milli, measure }),
            _ => return Err(ItemFault::Content),
        };
        let money = |field, minor| match minor {
            0 => Ok(None),
            1..=PRICE_MINOR_MAX => Ok(Some(Money::new(minor, currency))),
            _ => Err(ItemFault::Amount { field, minor }),
        };
        Ok(Self {
            item: wire.item.clone(),
            gtin,
            name: wire.name.clone(),
            names,
            class: wire.item_class.clone(),
            unit: wire.unit.clone(),
            price: Money::new(wire.price_minor, currency),
            kind,
            priority: wire.priority,
            valid_from,
            valid_until,
            sold_by: measure(wire.sold_by, "what it is sold by")?,
            content,
            unit_price: money("unit price", wire.unit_price_minor)?,
            was: money("price it is compared with", wire.was_minor)?,
        })
    }
}

impl Entry {
    /// As it goes over the wire.
    pub fn to_wire(&self) -> v1::PriceEntry {
        let minor = |money: Option<Money>| money.map_or(0, |money| money.minor);
        let measure =
            |measure: Option<Measure>| measure.map_or(v1::Measure::Unspecified, Measure::to_wire).into();
        let (from, until) = (self.valid_from.to_wire(), self.valid_until.map(When::to_wire));
        let (until_ms, until_local) = until.unwrap_or_default();
        v1::PriceEntry {
            item: self.item.clone(),
            gtin: self.gtin.to_string(),
            name: self.name.clone(),
            unit: self.unit.clone(),
            currency: self.price.currency.code().to_owned(),
            price_minor: self.price.minor,
            kind: match self.kind {
                Kind::Regular => v1::PriceKind::Regular,
                Kind::Promotion => v1::PriceKind::Promotion,
                Kind::Markdown => v1::PriceKind::Markdown,
            }
            .into(),
            valid_from_ms: from.0,
            valid_until_ms: until_ms,
            valid_from_local: from.1,
            valid_until_local: until_local,
            priority: self.priority,
            sold_by: measure(self.sold_by),
            content_milli: self.content.map_or(0, |content| content.milli),
            content_measure: measure(self.content.map(|content| content.measure)),
            unit_price_minor: minor(self.unit_price),
            was_minor: minor(self.was),
            names: self.names.iter().map(local_name).collect(),
            item_class: self.class.clone(),
        }
    }
}

impl Entry {
    /// What it is called in `language`, or else without one.
    pub fn name_in(&self, language: Option<Language>) -> &str {
        language.and_then(|language| self.names.get(&language)).unwrap_or(&self.name)
    }
}

fn local_name((language, name): (&Language, &String)) -> v1::LocalName {
    v1::LocalName { language: language.code().to_owned(), name: name.clone() }
}

fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Begin and end, both instants or both on the wall.
fn validity(wire: &v1::PriceEntry) -> Result<(When, Option<When>), ItemFault> {
    let wall = |text: &str| When::wall(text).ok_or_else(|| ItemFault::Wall(text.chars().take(32).collect()));
    let instant = |ms| When::Instant(Utc(ms));
    let (from, until) = match (wire.valid_from_local.as_str(), wire.valid_until_local.as_str()) {
        ("", "") => {
            (instant(wire.valid_from_ms), (wire.valid_until_ms != 0).then(|| instant(wire.valid_until_ms)))
        }
        _ if wire.valid_from_ms != 0 || wire.valid_until_ms != 0 => return Err(ItemFault::TwoKindsOfTime),
        ("", _) => return Err(ItemFault::TwoKindsOfTime),
        (from, until) => (wall(from)?, (!until.is_empty()).then(|| wall(until)).transpose()?),
    };
    if until.is_some_and(|until| until <= from) {
        return Err(ItemFault::EndsBeforeItBegins);
    }
    Ok((from, until))
}

/// What is wrong with one entry, in words for the price team.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemFault {
    /// No usable item code.
    #[error("the item code must be 1 to {ITEM_BYTES_MAX} bytes without control characters")]
    Item,
    /// No GTIN.
    #[error(transparent)]
    Gtin(#[from] GtinError),
    /// A name in a language that nobody here knows, twice, or empty.
    #[error("the name in language `{0}` is empty, there twice, or in none of zh, en and ja")]
    Language(String),
    /// No usable class.
    #[error("the class must be at most {CLASS_BYTES_MAX} of a-z, A-Z, 0-9, '-', '_' and '.'")]
    Class,
    /// Nothing to print.
    #[error("the name is empty")]
    NameEmpty,
    /// Too much to print.
    #[error("the {field} is longer than {TEXT_CHARS_MAX} characters; shorten it")]
    TextLong {
        /// `name` or `unit`.
        field: &'static str,
    },
    /// A character no label can show.
    #[error("the {field} has `{}` (U+{:04X}), which the labels' font lacks; write it otherwise",
        character.escape_debug(), u32::from(*character))]
    Glyph {
        /// `name` or `unit`.
        field: &'static str,
        /// The character.
        character: char,
    },
    /// A currency nothing is known of.
    #[error("currency `{0}` is not known; write CNY, EUR, JPY or USD")]
    Currency(String),
    /// Free, negative or absurd.
    #[error("price {0} must be above 0 and at most {PRICE_MINOR_MAX} minor units")]
    Price(i64),
    /// None that is known.
    #[error("the kind must be regular, promotion or markdown")]
    Kind,
    /// A promotion or markdown that would never be taken back.
    #[error("a promotion or markdown must have an end")]
    PromotionWithoutEnd,
    /// Never in force.
    #[error("the end of validity must be after its begin")]
    EndsBeforeItBegins,
    /// No time.
    #[error("`{0}` is not a time on the wall; write 2026-12-01T06:00")]
    Wall(String),
    /// One of each, or an end without a begin.
    #[error("begin and end must both be instants or both be times on the wall")]
    TwoKindsOfTime,
    /// A measure of a later version.
    #[error("{field}: this measure is not known here; write piece, kg, l, m or m2")]
    Measure {
        /// Which.
        field: &'static str,
    },
    /// Half of it.
    #[error("the content must be an amount above 0 with its measure, or neither")]
    Content,
    /// Negative or absurd.
    #[error("the {field} {minor} must be above 0 and at most {PRICE_MINOR_MAX} minor units")]
    Amount {
        /// Which.
        field: &'static str,
        /// As it came.
        minor: i64,
    },
    /// Two prices where only one can hold.
    #[error("entry {first} already gives this item a price of the same kind from the same moment")]
    Twice {
        /// Index of the other entry, from 0.
        first: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> v1::PriceEntry {
        v1::PriceEntry {
            item: "100234".into(),
            gtin: "6921168509256".into(),
            name: "农夫山泉".into(),
            unit: "550 ml".into(),
            currency: "CNY".into(),
            price_minor: 200,
            kind: v1::PriceKind::Promotion.into(),
            valid_from_ms: 1_000,
            valid_until_ms: 2_000,
            ..v1::PriceEntry::default()
        }
    }

    fn with(change: impl FnOnce(&mut v1::PriceEntry)) -> Result<Entry, ItemFault> {
        let mut entry = good();
        change(&mut entry);
        Entry::check(&entry, &|c| c != '㗎' && !c.is_control())
    }

    #[test]
    fn a_good_entry_says_what_it_said_on_the_wire() {
        let entry = with(|_| {}).expect("good");
        assert_eq!(entry.to_wire(), good());
        assert_eq!(entry.price.to_string(), "¥2.00");
        assert_eq!(entry.valid_until, Some(When::Instant(Utc(2_000))));
        let wall = |e: &mut v1::PriceEntry| {
            (e.valid_from_ms, e.valid_until_ms) = (0, 0);
            e.valid_from_local = "2026-12-01T06:00".into();
            e.valid_until_local = "2026-12-08T06:00:00".into();
        };
        let entry = with(wall).expect("good");
        assert_eq!(Some(entry.valid_from), When::wall("2026-12-01T06:00:00"));
        assert_eq!(Entry::check(&entry.to_wire(), &|_| true), Ok(entry));
        let entry = with(|e| {
            e.kind = v1::PriceKind::Regular.into();
            e.valid_until_ms = 0;
            e.sold_by = v1::Measure::Piece.into();
            (e.content_milli, e.content_measure) = (550, v1::Measure::Litre.into());
            (e.unit_price_minor, e.was_minor, e.priority) = (364, 250, 3);
        });
        let entry = entry.expect("a regular price needs no end");
        assert_eq!(Entry::check(&entry.to_wire(), &|_| true).as_ref(), Ok(&entry));
        assert_eq!(entry.content, Some(Content { milli: 550, measure: Measure::Litre }));
        assert_eq!((entry.valid_until, entry.priority, entry.sold_by), (None, 3, Some(Measure::Piece)));
        let cny = |minor| Some(Money::new(minor, Currency::Cny));
        assert_eq!((entry.unit_price, entry.was), (cny(364), cny(250)));
    }

    fn local(language: &str, name: &str) -> v1::LocalName {
        v1::LocalName { language: language.into(), name: name.into() }
    }

    #[test]
    fn a_name_is_in_the_language_of_the_store_where_it_is_known() {
        let entry = with(|e| {
            e.names = vec![local("ja", "ミネラルウォーター"), local("en", "Spring water")];
            e.item_class = "drinks".into();
        })
        .expect("good");
        assert_eq!(Entry::check(&entry.to_wire(), &|_| true).as_ref(), Ok(&entry));
        let names = [None, Some(Language::English), Some(Language::Japanese), Some(Language::Chinese)];
        let names = names.map(|language| entry.name_in(language));
        assert_eq!(names, [entry.name.as_str(), "Spring water", "ミネラルウォーター", entry.name.as_str()]);
    }

    #[test]
    fn every_fault_is_named() {
        let faults = [
            (with(|e| e.item.clear()), "item code must be"),
            (with(|e| e.item = "a\nb".into()), "item code must be"),
            (with(|e| e.gtin = "6921168509255".into()), "check digit 5, but its other digits ask for 6"),
            (with(|e| e.name = " ".into()), "name is empty"),
            (with(|e| e.names = vec![local("fr", "eau")]), "the name in language `fr`"),
            (
                with(|e| e.names = vec![local("en", "a"), local("en", "b")]),
                "language `en` is empty, there twice",
            ),
            (with(|e| e.names = vec![local("en", " ")]), "language `en` is empty"),
            (with(|e| e.names = vec![local("ja", "㗎")]), "the name has `㗎`"),
            (with(|e| e.item_class = "a/b".into()), "the class must be"),
            (with(|e| e.name = "矿".repeat(61)), "the name is longer than 60"),
            (with(|e| e.name = "㗎仔".into()), "the name has `㗎` (U+35CE)"),
            (with(|e| e.unit = "1\n2".into()), "the unit has `\\n` (U+000A)"),
            (with(|e| e.currency = "RMB".into()), "currency `RMB` is not known"),
            (with(|e| e.price_minor = 0), "price 0 must be above 0"),
            (with(|e| e.price_minor = -1), "price -1 must be above 0"),
            (with(|e| e.price_minor = PRICE_MINOR_MAX + 1), "at most 1000000000"),
            (with(|e| e.kind = 0), "must be regular, promotion or markdown"),
            (with(|e| e.kind = 77), "must be regular, promotion or markdown"),
            (with(|e| e.valid_until_ms = 0), "promotion or markdown must have an end"),
            (with(|e| e.valid_until_ms = 1_000), "end of validity must be after"),
            (with(|e| e.valid_until_local = "2026-12-01T06:00".into()), "both be instants or both"),
            (
                with(|e| {
                    (e.valid_from_ms, e.valid_until_ms) = (0, 0);
                    e.valid_until_local = "2026-12-01T06:00".into();
                }),
                "both be instants or both",
            ),
            (
                with(|e| {
                    (e.valid_from_ms, e.valid_until_ms) = (0, 0);
                    (e.valid_from_local, e.valid_until_local) =
                        ("tomorrow".into(), "2026-12-01T06:00".into());
                }),
                "`tomorrow` is not a time on the wall",
            ),
            (with(|e| e.sold_by = 99), "what it is sold by: this measure is not known"),
            (with(|e| e.content_milli = 550), "an amount above 0 with its measure"),
            (with(|e| (e.content_milli, e.content_measure) = (-1, 3)), "an amount above 0 with its measure"),
            (with(|e| e.unit_price_minor = -1), "the unit price -1 must be above 0"),
            (with(|e| e.was_minor = i64::MAX), "the price it is compared with 9223372036854775807 must be"),
        ];
        for (result, text) in faults {
            let fault = result.expect_err(text).to_string();
            assert!(fault.contains(text), "{fault:?} should say {text:?}");
        }
    }
}
