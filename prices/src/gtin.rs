//! GTIN-13: the number in an EAN-13 bar code.

use std::fmt;

/// A GTIN-13 whose check digit is right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin([u8; 13]);

/// Why a text is not a GTIN-13.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GtinError {
    /// Not thirteen digits.
    #[error("GTIN `{0}` must be 13 digits; a GTIN-8 or GTIN-12 is filled up with zeros on the left")]
    Shape(String),
    /// Thirteen digits, but one is mistyped.
    #[error("GTIN `{text}` has check digit {found}, but its other digits ask for {wanted}; one is mistyped")]
    CheckDigit {
        /// As it came.
        text: String,
        /// Its last digit.
        found: u8,
        /// What the last digit would have to be.
        wanted: u8,
    },
}

impl Gtin {
    /// Reads thirteen digits, the last of which is the check digit of GS1 General Specifications
    /// 7.9: weights 1 and 3 in turn, filled up to a multiple of ten.
    pub fn parse(text: &str) -> Result<Self, GtinError> {
        let shape = || GtinError::Shape(text.chars().take(32).collect());
        let ascii: [u8; 13] = text.as_bytes().try_into().map_err(|_| shape())?;
        if !ascii.iter().all(u8::is_ascii_digit) {
            return Err(shape());
        }
        let digits = ascii.map(|b| b - b'0');
        let sum: u8 = digits[..12].iter().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { 3 * d }).sum();
        let wanted = (10 - sum % 10) % 10;
        if digits[12] != wanted {
            return Err(GtinError::CheckDigit { text: text.to_owned(), found: digits[12], wanted });
        }
        Ok(Self(digits))
    }

    /// The thirteen digits, each 0 to 9.
    pub fn digits(&self) -> &[u8; 13] {
        &self.0
    }
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl fmt::Debug for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gtin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_goods_on_sale_are_right() {
        // Two drinks sold in China, the example of the check digit page of GS1, Stabilo point 88, Coca-Cola
        // 0.33 l, the book of Kernighan and Ritchie.
        for text in [
            "6928804011142",
            "6921168509256",
            "6291041500213",
            "4006381333931",
            "5449000000996",
            "9780131103627",
        ] {
            assert_eq!(Gtin::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_mistyped_number_is_told_apart() {
        let mistyped = Gtin::parse("6291041500218").expect_err("3 became 8");
        assert_eq!(mistyped, GtinError::CheckDigit { text: "6291041500218".into(), found: 8, wanted: 3 });
        for text in ["", "629104150021", "62910415002133", "629104150021x", "６２９１"] {
            assert!(matches!(Gtin::parse(text), Err(GtinError::Shape(_))), "{text}");
        }
    }
}
