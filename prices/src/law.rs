//! What the law of a place asks of a price on a shelf, as far as a computer can see it.
//!
//! | | China | EU | Japan |
//! |---|---|---|---|
//! | must be shown | name, price, pricing unit | price with tax; price of a kg, l, m or m2, unless it is the same | price with tax |
//! | price that a reduction is compared with | at most the lowest of the last 7 days; without one, the last before | at most the lowest of the last 30 days | one at which the item was sold for more than half of the last 8 weeks, two weeks at least, the last time less than two weeks ago |
//! | source | Order 56 of the SAMR, 2022 (明码标价和禁止价格欺诈规定) | Directive 98/6/EC, articles 3 and 6a (2019/2161) | guidelines of the Consumer Affairs Agency on price display under the Act against Unjustifiable Premiums (景品表示法); Consumption Tax Act, article 63 |
//!
//! What was charged is read from the price book: what the labels showed is what the tills took.

use super::book::{PriceBook, Span};
use super::entry::{Entry, Kind};
use super::measure::Measure;
use super::money::{Currency, Money};
use storewarden_rules::{Millis, Utc};

/// How far back [`Jurisdiction::faults`] looks: what the book may forget is older.
pub const LOOKS_BACK: Millis = days(8 * 7);

const fn days(count: i64) -> Millis {
    Millis(count * 24 * 60 * 60 * 1_000)
}

/// Where a store is, for what its labels must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Jurisdiction {
    /// The mainland of China.
    China,
    /// A member state of the European Union that pays in euro.
    Eu,
    /// Japan.
    Japan,
}

/// What the law does not allow of an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LawFault {
    /// Another place's money.
    #[error("prices in {} are in {}, not {}", .0.code(), .0.currency().code(), .1.code())]
    Currency(Jurisdiction, Currency),
    /// It does not say what the price buys.
    #[error("it must be said what the price buys: sold_by is piece, kg, l, m or m2")]
    SoldBy,
    /// The customer cannot compare.
    #[error("the price of a kg, l, m or m2 must be shown: give the content of the pack")]
    UnitPrice,
    /// A calculation that is wrong.
    #[error("the unit price {stated} does not follow from price and content: {}", follows(.right))]
    UnitPriceWrong {
        /// As it would be shown.
        stated: Money,
        /// As it would be right; none without a content.
        right: Option<Money>,
    },
    /// A regular price is not reduced.
    #[error("only a promotion is compared with an earlier price")]
    WasOfRegular,
    /// No reduction.
    #[error("the earlier price {0} is not above the price")]
    WasNotAbove(Money),
    /// Nothing to compare with.
    #[error("no earlier price of this item is known here that {0} could be compared with; leave it out")]
    WasUnknown(Money),
    /// Higher than it may be.
    #[error(
        "the earlier price {was} is above {lowest}, the lowest of the {days} days before; write {lowest} or less"
    )]
    WasTooHigh {
        /// As it would be shown.
        was: Money,
        /// What may be shown at most.
        lowest: Money,
        /// In how many days.
        days: i64,
    },
    /// Not long enough or too long ago.
    #[error(
        "{0} was not charged long and lately enough to compare with: more than half of the 8 weeks before, 2 weeks at least, the last time less than 2 weeks before"
    )]
    WasNotUsual(Money),
}

fn follows(right: &Option<Money>) -> String {
    right.map_or_else(|| "the content is not known".to_owned(), |right| format!("it would be {right}"))
}

impl Jurisdiction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::China, Self::Eu, Self::Japan];

    /// As written in tables, configurations and batches: `CN`, `EU`, `JP`.
    pub fn code(self) -> &'static str {
        match self {
            Self::China => "CN",
            Self::Eu => "EU",
            Self::Japan => "JP",
        }
    }

    /// The jurisdiction of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|jurisdiction| jurisdiction.code() == code)
    }

    fn currency(self) -> Currency {
        match self {
            Self::China => Currency::Cny,
            Self::Eu => Currency::Eur,
            Self::Japan => Currency::Jpy,
        }
    }

    /// What is wrong with `entry`, which begins at `from`. The book must hold what was accepted before, and
    /// the rest of the entry's batch.
    pub fn faults(self, entry: &Entry, from: Utc, book: &PriceBook) -> Vec<LawFault> {
        let mut faults = Vec::new();
        if entry.price.currency != self.currency() {
            faults.push(LawFault::Currency(self, entry.price.currency));
        }
        if entry.sold_by.is_none() && self != Self::Japan {
            faults.push(LawFault::SoldBy);
        }
        let right = entry.content.and_then(|content| content.unit_price(entry.price));
        match entry.unit_price {
            Some(stated) if right != Some(stated) => faults.push(LawFault::UnitPriceWrong { stated, right }),
            None if self == Self::Eu && needs_unit_price(entry) => faults.push(LawFault::UnitPrice),
            _ => {}
        }
        if let Some(was) = entry.was {
            faults.extend(self.was_fault(entry, was, from, book));
        }
        faults
    }

    fn was_fault(self, entry: &Entry, was: Money, from: Utc, book: &PriceBook) -> Option<LawFault> {
        if entry.kind == Kind::Regular {
            return Some(LawFault::WasOfRegular);
        }
        if was.minor <= entry.price.minor {
            return Some(LawFault::WasNotAbove(was));
        }
        let before = |window: Millis| {
            let spans = book.history(&entry.item, Utc(from.0 - window.0), from);
            spans.into_iter().filter(|span| span.price.currency == was.currency).collect::<Vec<_>>()
        };
        let at_most = |spans: &[Span], window: i64| match spans.iter().map(|span| span.price.minor).min() {
            None => Some(LawFault::WasUnknown(was)),
            Some(lowest) if was.minor > lowest => {
                let lowest = Money::new(lowest, was.currency);
                Some(LawFault::WasTooHigh { was, lowest, days: window })
            }
            Some(_) => None,
        };
        match self {
            Self::China => {
                let week = before(days(7));
                let last = || before(LOOKS_BACK).last().copied().into_iter().collect();
                let charged = if week.is_empty() { last() } else { week };
                at_most(&charged, 7)
            }
            Self::Eu => at_most(&before(days(30)), 30),
            Self::Japan => {
                let spans = before(LOOKS_BACK);
                let length = |span: &Span| span.until.0 - span.from.0;
                let sold: i64 = spans.iter().map(length).sum();
                let at_was = || spans.iter().filter(|span| span.price == was);
                let usual: i64 = at_was().map(length).sum();
                let last = at_was().map(|span| span.until).max();
                let is_usual = 2 * usual > sold
                    && usual >= days(14).0
                    && last.is_some_and(|last| from.0 - last.0 < days(14).0);
                (!is_usual).then_some(LawFault::WasNotUsual(was))
            }
        }
    }
}

/// A pack whose content differs from one piece: loose goods cost by the measure already.
fn needs_unit_price(entry: &Entry) -> bool {
    let is_pack = entry.sold_by.is_none_or(|sold_by| sold_by == Measure::Piece);
    is_pack && entry.content.is_none_or(|content| (content.milli, content.measure) != (1_000, Measure::Piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Gtin, Source, When};

    /// 2026-11-23, 0:00 in Shanghai.
    const NOW: i64 = 1_795_363_200_000;
    const DAY: i64 = days(1).0;

    fn entry(minor: i64, currency: Currency, kind: Kind, from_day: i64, until_day: Option<i64>) -> Entry {
        let day = |day: i64| When::Instant(Utc(NOW + day * DAY));
        Entry {
            item: "water".into(),
            gtin: Gtin::parse("6921168509256").expect("good"),
            name: "农夫山泉".into(),
            names: std::collections::BTreeMap::new(),
            class: String::new(),
            unit: "550 ml".into(),
            price: Money::new(minor, currency),
            kind,
            priority: 0,
            valid_from: day(from_day),
            valid_until: until_day.map(day),
            sold_by: Some(Measure::Piece),
            content: None,
            unit_price: None,
            was: None,
        }
    }

    /// A book with regular prices from these days on.
    fn book(currency: Currency, prices: &[(i64, i64)]) -> PriceBook {
        let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
        for (number, (day, minor)) in (1..).zip(prices) {
            let source = Source { issued: Utc(number), key: "k".into(), number: number.cast_unsigned() };
            book.insert(&source, [entry(*minor, currency, Kind::Regular, *day, None)]);
        }
        book
    }

    fn promotion(minor: i64, was: i64, currency: Currency) -> Entry {
        Entry { was: Some(Money::new(was, currency)), ..entry(minor, currency, Kind::Promotion, 0, Some(7)) }
    }

    fn faults(place: Jurisdiction, entry: &Entry, book: &PriceBook) -> Vec<String> {
        place.faults(entry, Utc(NOW), book).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn china_asks_for_the_unit_of_the_price_and_for_the_lowest_price_of_the_week() {
        let place = Jurisdiction::China;
        let with = |was| promotion(150, was, Currency::Cny);
        // 2.00 for long, 1.80 for one day of the last week, then 2.20.
        let prices = book(Currency::Cny, &[(-90, 200), (-5, 180), (-4, 220)]);
        assert_eq!(faults(place, &with(180), &prices), [""; 0]);
        assert_eq!(
            faults(place, &with(181), &prices),
            ["the earlier price ¥1.81 is above ¥1.80, the lowest of the 7 days before; write ¥1.80 or less"]
        );
        let nothing_this_week = {
            let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
            let source = Source { issued: Utc(1), key: "k".into(), number: 1 };
            book.insert(&source, [entry(200, Currency::Cny, Kind::Regular, -40, Some(-20))]);
            book
        };
        assert_eq!(faults(place, &with(200), &nothing_this_week), [""; 0], "the last before");
        assert_eq!(faults(place, &with(201), &nothing_this_week).len(), 1);
        assert!(faults(place, &with(200), &book(Currency::Cny, &[]))[0].contains("no earlier price"));
        let bare = Entry { sold_by: None, ..entry(200, Currency::Cny, Kind::Regular, 0, None) };
        assert!(faults(place, &bare, &prices)[0].contains("sold_by"));
        let yen = entry(200, Currency::Jpy, Kind::Regular, 0, None);
        assert_eq!(faults(place, &yen, &prices), ["prices in CN are in CNY, not JPY"]);
    }

    #[test]
    fn the_eu_asks_for_the_unit_price_and_for_the_lowest_price_of_thirty_days() {
        let place = Jurisdiction::Eu;
        let milk = |content: Option<&str>, unit_price: Option<i64>| Entry {
            content: content.map(|text| Content::parse(text).expect(text)),
            unit_price: unit_price.map(|minor| Money::new(minor, Currency::Eur)),
            ..entry(129, Currency::Eur, Kind::Regular, 0, None)
        };
        let prices = book(Currency::Eur, &[(-90, 149), (-29, 139), (-28, 159)]);
        assert_eq!(faults(place, &milk(Some("550 ml"), Some(235)), &prices), [""; 0]);
        assert_eq!(
            faults(place, &milk(Some("550 ml"), Some(234)), &prices),
            ["the unit price €2.34 does not follow from price and content: it would be €2.35"]
        );
        assert!(faults(place, &milk(None, Some(235)), &prices)[0].contains("the content is not known"));
        assert!(faults(place, &milk(Some("550 ml"), None), &prices)[0].contains("must be shown"));
        assert!(faults(place, &milk(None, None), &prices)[0].contains("must be shown"));
        assert_eq!(faults(place, &milk(Some("1 piece"), None), &prices), [""; 0], "it is the same");
        let loose = Entry { sold_by: Some(Measure::Kilogram), ..milk(None, None) };
        assert_eq!(faults(place, &loose, &prices), [""; 0], "it is the price");

        let reduced = |was| Entry { content: Content::parse("1 piece"), ..promotion(99, was, Currency::Eur) };
        assert_eq!(faults(place, &reduced(139), &prices), [""; 0]);
        assert!(faults(place, &reduced(149), &prices)[0].contains("above €1.39, the lowest of the 30 days"));
        let later = Entry { valid_from: When::Instant(Utc(NOW + 3 * DAY)), ..reduced(149) };
        let of_later = place.faults(&later, Utc(NOW + 3 * DAY), &prices);
        assert_eq!(of_later, [], "1.39 has left the window");
    }

    #[test]
    fn japan_asks_for_a_price_that_was_usual() {
        let place = Jurisdiction::Japan;
        let with = |was| promotion(100, was, Currency::Jpy);
        let cases = [
            (vec![(-90, 150)], 150, true),
            (vec![(-90, 120), (-29, 150)], 150, true),
            (vec![(-90, 120), (-28, 150)], 150, false), // half of 8 weeks
            (vec![(-20, 150)], 150, true),              // as long as it is sold
            (vec![(-13, 150)], 150, false),             // not two weeks
            (vec![(-90, 150), (-13, 120)], 150, true),
            (vec![(-90, 150), (-14, 120)], 150, false), // two weeks ago
            (vec![(-90, 150)], 151, false),
        ];
        for (prices, was, is_right) in cases {
            let found = faults(place, &with(was), &book(Currency::Jpy, &prices));
            assert_eq!(found.is_empty(), is_right, "{prices:?}, {was}: {found:?}");
        }
    }

    #[test]
    fn only_a_promotion_is_reduced_and_only_from_above() {
        let prices = book(Currency::Jpy, &[(-90, 150)]);
        let regular = Entry { kind: Kind::Regular, ..promotion(100, 150, Currency::Jpy) };
        assert_eq!(faults(Jurisdiction::Japan, &regular, &prices), [LawFault::WasOfRegular.to_string()]);
        let same = promotion(150, 150, Currency::Jpy);
        assert_eq!(
            faults(Jurisdiction::Japan, &same, &prices),
            ["the earlier price JP¥ 150 is not above the price"]
        );
    }
}
