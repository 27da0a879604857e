//! The few fixed words of a label, in the language of the currency's own country: yen stand on a shelf in
//! Japan. A template may say others.

use super::template::Purpose;
use storewarden_prices::{Currency, Measure, Money};

/// Chinese, English, Japanese.
type Words = [&'static str; 3];

fn of(currency: Currency, words: Words) -> &'static str {
    let [zh, en, ja] = words;
    match currency {
        Currency::Cny => zh,
        Currency::Eur | Currency::Usd => en,
        Currency::Jpy => ja,
    }
}

/// The purpose in a word; nothing of a usual price.
pub fn purpose(purpose: Purpose, currency: Currency) -> &'static str {
    of(
        currency,
        match purpose {
            Purpose::Regular | Purpose::Freezer => ["", "", ""],
            Purpose::Promotion => ["特价", "OFFER", "特売"],
            Purpose::Markdown => ["折价", "REDUCED", "値引"],
            Purpose::OutOfStock => ["暂时缺货", "SOLD OUT", "品切れ中"],
        },
    )
}

/// An amount with the symbol of its own country.
pub fn amount(money: Money) -> String {
    let symbol = money.currency.symbol();
    match money.digits() {
        (major, minor) if minor.is_empty() => format!("{symbol}{major}"),
        (major, minor) => format!("{symbol}{major}.{minor}"),
    }
}

/// The price of one measure, as `¥3.64/L`.
pub fn unit_price(price: Money, measure: Measure) -> String {
    let measure = match measure {
        Measure::Piece => of(price.currency, ["件", "pc", "個"]),
        Measure::Kilogram => "kg",
        // A capital: the small letter is read as a one.
        Measure::Litre => "L",
        Measure::Metre => "m",
        Measure::SquareMetre => "m²",
    };
    format!("{}/{measure}", amount(price))
}
