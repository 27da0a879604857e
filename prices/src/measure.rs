//! What a price buys, and what is in a pack.

use super::money::Money;
use storewarden_proto::v1;

/// A unit of goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// A pack or a piece.
    Piece,
    /// Mass.
    Kilogram,
    /// Volume.
    Litre,
    /// Length.
    Metre,
    /// Area.
    SquareMetre,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Piece, Self::Kilogram, Self::Litre, Self::Metre, Self::SquareMetre];

    /// As written in tables and on labels: `kg`; a piece is `piece`.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Piece => "piece",
            Self::Kilogram => "kg",
            Self::Litre => "l",
            Self::Metre => "m",
            Self::SquareMetre => "m2",
        }
    }

    /// On the wire.
    pub fn to_wire(self) -> v1::Measure {
        match self {
            Self::Piece => v1::Measure::Piece,
            Self::Kilogram => v1::Measure::Kilogram,
            Self::Litre => v1::Measure::Litre,
            Self::Metre => v1::Measure::Metre,
            Self::SquareMetre => v1::Measure::SquareMetre,
        }
    }

    /// Off the wire; none if it is not said.
    pub fn from_wire(wire: v1::Measure) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.to_wire() == wire)
    }
}

/// What is in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// In thousandths of the measure: 550 ml are 550 of a litre. Above 0.
    pub milli: i64,
    /// Of what.
    pub measure: Measure,
}

/// Units in which people write a content: the measure, and how many thousandths of it one is.
const WRITTEN: [(&str, Measure, i64); 9] = [
    ("kg", Measure::Kilogram, 1_000),
    ("g", Measure::Kilogram, 1),
    ("ml", Measure::Litre, 1),
    ("cl", Measure::Litre, 10),
    ("l", Measure::Litre, 1_000),
    ("m2", Measure::SquareMetre, 1_000),
    ("cm", Measure::Metre, 10),
    ("m", Measure::Metre, 1_000),
    ("piece", Measure::Piece, 1_000),
];

impl Content {
    /// As people write it: `550 ml`, `1.5 kg`, `6 piece`; nothing smaller than a thousandth of the measure.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (amount, unit) = text.split_at(digits);
        let (_, measure, of_one) = *WRITTEN.iter().find(|(written, ..)| *written == unit.trim())?;
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let scale = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let scaled = format!("{whole}{fraction}").parse::<i64>().ok()?.checked_mul(of_one)?;
        let milli = scaled / scale;
        (scaled % scale == 0 && milli > 0).then_some(Self { milli, measure })
    }

    /// What one measure costs where a pack costs `price`: half up to the minor unit. None beyond all bounds.
    pub fn unit_price(self, price: Money) -> Option<Money> {
        let (price_minor, milli) = (i128::from(price.minor) * 1_000, i128::from(self.milli));
        let minor = (2 * price_minor + milli).div_euclid(2 * milli);
        Some(Money::new(i64::try_from(minor).ok()?, price.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency;

    #[test]
    fn contents_are_read_as_people_write_them() {
        let cases = [
            ("550 ml", 550, Measure::Litre),
            ("33cl", 330, Measure::Litre),
            ("1.5 kg", 1_500, Measure::Kilogram),
            ("125g", 125, Measure::Kilogram),
            ("6 piece", 6_000, Measure::Piece),
            ("0.75 l", 750, Measure::Litre),
            ("2.5 m2", 2_500, Measure::SquareMetre),
        ];
        for (text, milli, measure) in cases {
            assert_eq!(Content::parse(text), Some(Content { milli, measure }), "{text}");
        }
        for text in [
            "",
            "ml",
            "0 g",
            "1,5 kg",
            ".5 l",
            "5. l",
            "1.2.3 l",
            "-1 g",
            "5 oz",
            "0.5 g",
            "99999999999999999 kg",
        ] {
            assert_eq!(Content::parse(text), None, "{text}");
        }
    }

    #[test]
    fn unit_prices_are_rounded_half_up() {
        let unit = |minor, text| {
            let content = Content::parse(text).expect(text);
            content.unit_price(Money::new(minor, Currency::Eur)).map(|money| money.minor)
        };
        assert_eq!(unit(129, "550 ml"), Some(235)); // 234.545…
        assert_eq!(unit(100, "300 g"), Some(333)); // 333.33…
        assert_eq!(unit(1, "8 g"), Some(125));
        assert_eq!(unit(1, "400 g"), Some(3)); // 2.5
        assert_eq!(unit(i64::MAX, "1 g"), None);
    }

    #[test]
    fn measures_go_over_the_wire() {
        assert!(
            Measure::ALL.into_iter().all(|measure| Measure::from_wire(measure.to_wire()) == Some(measure))
        );
        assert_eq!(Measure::from_wire(v1::Measure::Unspecified), None);
    }
}
