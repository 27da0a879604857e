//! Money: integer minor units and a currency. Never floating point.

use std::fmt;

/// Highest price that is taken for a price and not for a slip of the hand, minor units.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000;

/// The currencies a shelf price can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// Chinese yuan, in fen.
    Cny,
    /// Euro, in cents.
    Eur,
    /// Japanese yen, which has no minor unit.
    Jpy,
    /// US dollar, in cents.
    Usd,
}

impl Currency {
    /// All of them, for error messages.
    pub const ALL: [Self; 4] = [Self::Cny, Self::Eur, Self::Jpy, Self::Usd];

    /// ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Cny => "CNY",
            Self::Eur => "EUR",
            Self::Jpy => "JPY",
            Self::Usd => "USD",
        }
    }

    /// The currency of that ISO 4217 code, if prices can be in it.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.code() == code)
    }

    /// What stands before the amount on a label in the currency's own country.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Cny | Self::Jpy => "¥",
            Self::Eur => "€",
            Self::Usd => "$",
        }
    }

    /// How many digits stand after the decimal point.
    pub fn decimals(self) -> usize {
        match self {
            Self::Cny | Self::Eur | Self::Usd => 2,
            Self::Jpy => 0,
        }
    }
}

/// Why a text is not a price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceTextError {
    /// Something else than digits and one point.
    #[error("{0:?} is not a price: write digits with a point, for example 12.50")]
    Form(String),
    /// Smaller than the smallest coin.
    #[error("{text:?} has more decimals than {}, which has {}", currency.code(), currency.decimals())]
    Decimals {
        /// As it was written.
        text: String,
        /// Of what.
        currency: Currency,
    },
    /// Nothing, or a slip of the hand.
    #[error("{0:?} is not between one minor unit and {PRICE_MINOR_MAX} of them")]
    Range(String),
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// In the currency's minor unit: fen, cents; yen.
    pub minor: i64,
    /// Which currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` minor units of `currency`.
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// A price as people write it: `12.5` of CNY is 1250 fen. More decimals than the currency has are an
    /// error, also if they are zeros.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, PriceTextError> {
        let (whole, fraction) =
            text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !fraction.is_none_or(digits) {
            return Err(PriceTextError::Form(text.to_owned()));
        }
        let fraction = fraction.unwrap_or("");
        let Some(missing) = currency.decimals().checked_sub(fraction.len()) else {
            return Err(PriceTextError::Decimals { text: text.to_owned(), currency });
        };
        let minor = format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok();
        let minor = minor.filter(|minor| (1..=PRICE_MINOR_MAX).contains(minor));
        Ok(Self::new(minor.ok_or_else(|| PriceTextError::Range(text.to_owned()))?, currency))
    }

    /// As in a table: `12.50`, without the currency; [`Self::parse`] reads it.
    pub fn decimal(self) -> String {
        match self.digits() {
            (major, minor) if minor.is_empty() => major,
            (major, minor) => format!("{major}.{minor}"),
        }
    }

    /// The digits before the decimal point, with the sign, and those after it (empty where the
    /// currency has none).
    pub fn digits(self) -> (String, String) {
        let decimals = self.currency.decimals();
        let all = format!("{:0width$}", self.minor.unsigned_abs(), width = decimals + 1);
        let (major, minor) = all.split_at(all.len() - decimals);
        let sign = if self.minor < 0 { "-" } else { "" };
        (format!("{sign}{major}"), minor.to_owned())
    }
}

/// For people who may see several currencies: yen is told from yuan.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbol = match self.currency {
            Currency::Jpy => "JP¥ ",
            other => other.symbol(),
        };
        write!(f, "{symbol}{}", self.decimal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_currency() {
        let cases = [
            (1250, Currency::Cny, "¥12.50"),
            (5, Currency::Cny, "¥0.05"),
            (0, Currency::Usd, "$0.00"),
            (320, Currency::Eur, "€3.20"),
            (120, Currency::Jpy, "JP¥ 120"),
            (-120, Currency::Eur, "€-1.20"),
            (i64::MIN, Currency::Jpy, "JP¥ -9223372036854775808"),
            (i64::MAX, Currency::Cny, "¥92233720368547758.07"),
        ];
        for (minor, currency, text) in cases {
            assert_eq!(Money::new(minor, currency).to_string(), text);
        }
    }

    #[test]
    fn codes_name_currencies() {
        for currency in Currency::ALL {
            assert_eq!(Currency::from_code(currency.code()), Some(currency));
        }
        assert_eq!(Currency::from_code("cny"), None);
        assert_eq!(Currency::from_code("GBP"), None);
    }

    #[test]
    fn what_people_write_is_read_exactly() {
        use Currency::{Cny, Eur, Jpy, Usd};
        let cases = [
            ("12.50", Cny, 1250),
            ("12.5", Cny, 1250),
            ("12", Cny, 1200),
            ("0.01", Eur, 1),
            ("1.15", Usd, 115), // 1.15 * 100 is 114.99999999999999 in floating point
            ("120", Jpy, 120),
            ("10000000.00", Cny, 1_000_000_000),
        ];
        for (text, currency, minor) in cases {
            assert_eq!(Money::parse(text, currency), Ok(Money::new(minor, currency)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_price_is_said() {
        use PriceTextError::{Decimals, Form, Range};
        let fault = |text, currency| Money::parse(text, currency).expect_err(text);
        for text in ["", ".5", "5.", "1,50", "-3", "+3", "1e3", " 1", "١", "1.2.3", "¥3"] {
            assert!(matches!(fault(text, Currency::Cny), Form(_)), "{text:?}");
        }
        for (text, currency) in
            [("12.505", Currency::Cny), ("120.0", Currency::Jpy), ("1.000", Currency::Eur)]
        {
            assert!(matches!(fault(text, currency), Decimals { .. }), "{text}");
        }
        for text in ["0", "0.00", "10000000.01", "99999999999999999999999"] {
            assert!(matches!(fault(text, Currency::Cny), Range(_)), "{text}");
        }
    }
}
