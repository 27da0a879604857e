//! Money: integer minor units and a currency. Never floating point.

use std::fmt;

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
        match self.digits() {
            (major, minor) if minor.is_empty() => write!(f, "{symbol}{major}"),
            (major, minor) => write!(f, "{symbol}{major}.{minor}"),
        }
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
}
