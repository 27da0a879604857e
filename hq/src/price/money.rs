//! Price text to integer minor units, without floating point.

use thiserror::Error;

/// Currencies and the decimals of their minor unit (ISO 4217).
const CURRENCIES: [(&str, u32); 10] = [
    ("CNY", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("HKD", 2),
    ("JPY", 0),
    ("KRW", 0),
    ("SGD", 2),
    ("THB", 2),
    ("TWD", 2),
    ("USD", 2),
];

/// Largest price, minor units. A price beyond is a slip of the hand, and stores refuse it.
const MINOR_MAX: i64 = 1_000_000_000;

/// What is wrong with a price.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum MoneyError {
    #[error("currency {0:?} is not known; known are CNY, EUR, GBP, HKD, JPY, KRW, SGD, THB, TWD, USD")]
    Currency(String),
    #[error("{0:?} is not a price: write digits with a point, for example 12.50")]
    Form(String),
    #[error("{text:?} has more decimals than {currency}, which has {decimals}")]
    Decimals { text: String, currency: String, decimals: u32 },
    #[error("{0:?} is not between one minor unit and 1000000000 of them")]
    Range(String),
}

/// `text` in minor units of `currency`: `12.5` of CNY is 1250. More decimals than the currency has
/// are an error, also if they are zeros.
pub(crate) fn minor_units(text: &str, currency: &str) -> Result<i64, MoneyError> {
    let decimals = CURRENCIES
        .iter()
        .find(|(code, _)| *code == currency)
        .map(|&(_, decimals)| decimals)
        .ok_or_else(|| MoneyError::Currency(currency.to_owned()))?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(digits) {
        return Err(MoneyError::Form(text.to_owned()));
    }
    let fraction = fraction.unwrap_or("");
    let missing = usize::try_from(decimals).ok().and_then(|most| most.checked_sub(fraction.len()));
    let Some(missing) = missing else {
        return Err(MoneyError::Decimals { text: text.to_owned(), currency: currency.to_owned(), decimals });
    };
    format!("{whole}{fraction}{}", "0".repeat(missing))
        .parse()
        .ok()
        .filter(|minor| (1..=MINOR_MAX).contains(minor))
        .ok_or_else(|| MoneyError::Range(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_exact() {
        for (text, currency, minor) in [
            ("12.50", "CNY", 1250),
            ("12.5", "CNY", 1250),
            ("12", "CNY", 1200),
            ("0.01", "EUR", 1),
            ("1.15", "USD", 115), // 1.15 * 100 is 114.99999999999999 in floating point
            ("120", "JPY", 120),
            ("10000000.00", "CNY", 1_000_000_000),
        ] {
            assert_eq!(minor_units(text, currency), Ok(minor), "{text} {currency}");
        }
    }

    #[test]
    fn what_is_not_a_price_is_said() {
        for text in ["", ".5", "5.", "1,50", "-3", "+3", "1e3", " 1", "١", "1.2.3", "¥3"] {
            assert!(matches!(minor_units(text, "CNY"), Err(MoneyError::Form(_))), "{text:?}");
        }
        for (text, currency) in [("12.505", "CNY"), ("120.0", "JPY"), ("1.000", "EUR")] {
            assert!(matches!(minor_units(text, currency), Err(MoneyError::Decimals { .. })), "{text}");
        }
        for text in ["0", "0.00", "10000000.01", "99999999999999999999999"] {
            assert!(matches!(minor_units(text, "CNY"), Err(MoneyError::Range(_))), "{text}");
        }
        assert!(matches!(minor_units("1", "cny"), Err(MoneyError::Currency(_))));
    }
}
