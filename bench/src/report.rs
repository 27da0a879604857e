//! What came of a figure: a line of the table, or of JSON.

use serde::Serialize;

/// Lowest, middle and highest of repeated runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The lowest.
    pub min: f64,
    /// The middle one; of an even number, the lower of the two.
    pub median: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; all 0 when there are none.
    pub fn of(values: &[f64]) -> Self {
        let sorted = sorted(values);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let last = sorted.len().saturating_sub(1);
        Self { min: at(0), median: at(last / 2), max: at(last) }
    }
}

/// The smallest value that at least `share` (0 to 1) of `values` do not exceed; 0 when there are none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let sorted = sorted(values);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// How a value stands to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the bound.
    Within,
    /// Beyond the bound.
    Beyond,
    /// Not bounded: it stands beside a peer of the same run.
    Compared,
}

impl Verdict {
    /// Whether `value` is at most `bound`.
    pub fn at_most(value: f64, bound: f64) -> Self {
        if value <= bound { Self::Within } else { Self::Beyond }
    }
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The figure it belongs to.
    pub figure: &'static str,
    /// What was measured.
    pub what: String,
    /// Its value; none if it could not be measured here.
    pub value: Option<Spread>,
    /// Its unit.
    pub unit: &'static str,
    /// Its bound or its peer, in words.
    pub against: String,
    /// How it stands to its bound.
    pub verdict: Verdict,
}

impl Row {
    /// A value measured once, with its bound in the same unit.
    pub fn bounded(figure: &'static str, what: &str, value: f64, unit: &'static str, bound: f64) -> Self {
        Self {
            figure,
            what: what.to_owned(),
            value: Some(Spread { min: value, median: value, max: value }),
            unit,
            against: format!("at most {} {unit}", number(bound)),
            verdict: Verdict::at_most(value, bound),
        }
    }

    /// A value of several runs beside a peer.
    pub fn compared(
        figure: &'static str,
        what: impl Into<String>,
        values: &[f64],
        unit: &'static str,
        peer: impl Into<String>,
    ) -> Self {
        Self {
            figure,
            what: what.into(),
            value: Some(Spread::of(values)),
            unit,
            against: peer.into(),
            verdict: Verdict::Compared,
        }
    }

    /// A value of several runs whose middle has to be `bound` at most.
    pub fn at_most(
        figure: &'static str,
        what: impl Into<String>,
        values: &[f64],
        unit: &'static str,
        bound: f64,
    ) -> Self {
        let verdict = Verdict::at_most(Spread::of(values).median, bound);
        let against = format!("at most {} {unit}", number(bound));
        Self { verdict, ..Self::compared(figure, what, values, unit, against) }
    }

    /// A value of several runs whose middle has to be `bound` at least.
    pub fn at_least(
        figure: &'static str,
        what: impl Into<String>,
        values: &[f64],
        unit: &'static str,
        bound: f64,
    ) -> Self {
        let verdict = if Spread::of(values).median >= bound { Verdict::Within } else { Verdict::Beyond };
        let against = format!("at least {} {unit}", number(bound));
        Self { verdict, ..Self::compared(figure, what, values, unit, against) }
    }

    /// What could not be measured here, and what to do for it.
    pub fn missing(
        figure: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        why: impl Into<String>,
    ) -> Self {
        Self { value: None, ..Self::compared(figure, what, &[], unit, why) }
    }

    fn value_text(&self) -> String {
        let Some(Spread { min, median, max }) = self.value else { return "–".into() };
        let range = if min == max { String::new() } else { format!(" ({} to {})", number(min), number(max)) };
        format!("{} {}{range}", number(median), self.unit)
    }
}

/// Three significant digits; large numbers with thousands apart.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if value.abs() < 1000.0 {
        let decimals = if value.abs() >= 100.0 {
            0
        } else if value.abs() >= 10.0 {
            1
        } else {
            2
        };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Prints rows as a table, or as one JSON object a line.
pub fn print(rows: &[Row], json: bool) {
    if json {
        for row in rows {
            println!("{}", serde_json::to_string(row).expect("a row is plain data"));
        }
        return;
    }
    let cells: Vec<[String; 5]> = std::iter::once(
        ["figure", "what", "median (min to max)", "bound or peer", "verdict"].map(str::to_owned),
    )
    .chain(rows.iter().map(|row| {
        let verdict = match row.verdict {
            Verdict::Within => "within",
            Verdict::Beyond => "BEYOND",
            Verdict::Compared => "compared",
        };
        [row.figure.to_owned(), row.what.clone(), row.value_text(), row.against.clone(), verdict.to_owned()]
    }))
    .collect();
    let widths: [usize; 5] =
        std::array::from_fn(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &cells {
        let line: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", line.join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_and_percentiles_are_of_values_that_occurred() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(Spread::of(&values), Spread { min: 1.0, median: 3.0, max: 5.0 });
        assert_eq!(Spread::of(&[2.0, 1.0]).median, 1.0);
        assert_eq!(
            (percentile(&values, 0.5), percentile(&values, 0.9), percentile(&values, 1.0)),
            (3.0, 5.0, 5.0)
        );
        assert_eq!((percentile(&values, 0.2), percentile(&[], 0.5)), (1.0, 0.0));
    }

    #[test]
    fn numbers_have_three_digits_or_thousands() {
        let texts = [0.0, 0.123, 1.234, 12.34, 123.4, 1234.0, 1_234_567.0, -1234.0].map(number);
        assert_eq!(texts, ["0", "0.12", "1.23", "12.3", "123", "1 234", "1 234 567", "-1 234"]);
    }

    #[test]
    fn a_bound_is_still_within() {
        assert_eq!(Verdict::at_most(30.0, 30.0), Verdict::Within);
        assert_eq!(Verdict::at_most(30.1, 30.0), Verdict::Beyond);
    }
}
