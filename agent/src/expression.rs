//! Rules of the user's own: the text of an expression, checked for names, types and units, to a
//! [`Program`] of the rules.
//!
//! The language is a part of CEL (Common Expression Language): numbers, points, `+ - * /`, comparisons,
//! `&& || !`, `min(a, b)`, `max(a, b)`, `abs(a)`. A bare name is a point of the rule's own device;
//! `point("meter/power_3")` is one of another. A library reads the text; everything beyond this part is
//! refused here, since a rule must neither loop nor allocate.

use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::parser::Parser;
use storewarden_rules::expression::{Op, Program};
use storewarden_rules::{PointId, Unit};

/// Longer than this nobody reads it any more, bytes.
const LENGTH_MAX: usize = 300;
/// Brackets within brackets, and signs before signs: the library that reads the text recurses deeply for
/// each of them.
const NESTING_MAX: usize = 6;

/// A point's id and unit, or what to write instead.
pub type Found = Result<(PointId, Unit), String>;

/// What a part of an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// True or false.
    Truth,
    /// A number that was written down: it takes the unit of what it meets.
    Plain,
    /// A number with its unit.
    Of(Unit),
}

impl Kind {
    fn words(self) -> String {
        match self {
            Self::Truth => "true or false".into(),
            Self::Plain => "a number".into(),
            Self::Of(unit) => format!("a number in {}", unit.symbol()),
        }
    }
}

/// Makes the program of `text`. `point` gives id and unit of a point by its name (`air_temperature`, or
/// `meter/power_3`), or says what to write instead. Every comparison holds with `hysteresis` once the
/// rule is raised.
pub fn compile(text: &str, hysteresis: f64, point: &dyn Fn(&str) -> Found) -> Result<Program, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("an expression has at most {LENGTH_MAX} characters; make two rules of it"));
    }
    if nesting(text) > NESTING_MAX {
        return Err(format!("brackets and signs nest {NESTING_MAX} deep at most; make two rules of it"));
    }
    let parsed = Parser::new().parse(text).map_err(|errors| {
        let first = errors.errors.first().map_or_else(String::new, |error| error.msg.clone());
        format!("`{text}` is no expression: {first}; write as `air_temperature > 5.0 && !defrost`")
    })?;
    let mut compiler = Compiler { ops: Vec::new(), hysteresis, compared: None, point };
    match compiler.expression(&parsed.expr, true)? {
        Kind::Truth => {}
        other => return Err(format!("`{text}` is {}; compare it, as with > 5.0", other.words())),
    }
    if compiler.ops.iter().all(|op| !matches!(op, Op::Point(_))) {
        return Err(format!("`{text}` looks at no point; it would never change"));
    }
    Program::new(&compiler.ops).map_err(|error| error.to_string())
}

/// How deep brackets and signs nest in `text`, by its characters alone.
fn nesting(text: &str) -> usize {
    let (mut brackets, mut signs, mut deepest) = (0_usize, 0_usize, 0_usize);
    for character in text.chars().filter(|character| !character.is_whitespace()) {
        match character {
            '(' | '[' | '{' => brackets += 1,
            ')' | ']' | '}' => brackets = brackets.saturating_sub(1),
            '!' | '-' => signs += 1,
            // A choice, which is refused, may hold another.
            '?' => brackets += 1,
            _ => signs = 0,
        }
        deepest = deepest.max(brackets + signs);
    }
    deepest
}

struct Compiler<'a> {
    ops: Vec<Op>,
    hysteresis: f64,
    /// The unit of the comparisons so far, which is the unit of the hysteresis.
    compared: Option<Unit>,
    point: &'a dyn Fn(&str) -> Found,
}

impl Compiler<'_> {
    /// `holds`: whether more of this makes the whole truer; beneath a not it is the other way round.
    fn expression(&mut self, expression: &Expr, holds: bool) -> Result<Kind, String> {
        match expression {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.named(name),
            Expr::Call(call) => self.call(call, holds),
            _ => Err("lists, maps, fields and macros are no part of rules; write points, numbers, + - * /, comparisons, && || !".into()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a limit that is written down")]
    fn literal(&mut self, literal: &LiteralValue) -> Result<Kind, String> {
        let number = match literal {
            LiteralValue::Double(number) => *number.inner(),
            LiteralValue::Int(number) => *number.inner() as f64,
            LiteralValue::Boolean(truth) => {
                self.ops.push(Op::Number(f64::from(u8::from(*truth.inner()))));
                return Ok(Kind::Truth);
            }
            _ => return Err("texts stand only in point(\"device/point\"); write a number".into()),
        };
        self.ops.push(Op::Number(number));
        Ok(Kind::Plain)
    }

    fn named(&mut self, name: &str) -> Result<Kind, String> {
        let (id, unit) = (self.point)(name)?;
        self.ops.push(Op::Point(id));
        Ok(if unit == Unit::Flag { Kind::Truth } else { Kind::Of(unit) })
    }

    fn call(&mut self, call: &CallExpr, holds: bool) -> Result<Kind, String> {
        let args: Vec<&Expr> = call.args.iter().map(|arg| &arg.expr).collect();
        match (call.func_name.as_str(), args.as_slice()) {
            (operators::LOGICAL_AND, [a, b]) => self.both(a, b, Op::And, holds),
            (operators::LOGICAL_OR, [a, b]) => self.both(a, b, Op::Or, holds),
            (operators::LOGICAL_NOT, [a]) => {
                self.truth(a, !holds, "!")?;
                self.ops.push(Op::Not);
                Ok(Kind::Truth)
            }
            (operators::GREATER, [a, b]) => self.compare(a, b, holds, |slack| Op::Greater { slack }),
            (operators::LESS, [a, b]) => self.compare(b, a, holds, |slack| Op::Greater { slack }),
            (operators::GREATER_EQUALS, [a, b]) => {
                self.compare(a, b, holds, |slack| Op::GreaterOrEqual { slack })
            }
            (operators::LESS_EQUALS, [a, b]) => {
                self.compare(b, a, holds, |slack| Op::GreaterOrEqual { slack })
            }
            (operators::EQUALS, [a, b]) => self.equal(a, b, holds),
            (operators::NOT_EQUALS, [a, b]) => {
                self.equal(a, b, !holds)?;
                self.ops.push(Op::Not);
                Ok(Kind::Truth)
            }
            (operators::ADD, [a, b]) => self.sum(a, b, Op::Add),
            (operators::SUBSTRACT, [a, b]) => self.sum(a, b, Op::Subtract),
            (operators::MULTIPLY, [a, b]) => self.product(a, b, Op::Multiply),
            (operators::DIVIDE, [a, b]) => self.product(a, b, Op::Divide),
            (operators::NEGATE, [a]) => self.one(a, Op::Negate),
            ("abs", [a]) => self.one(a, Op::Absolute),
            ("min", [a, b]) => self.alike(a, b, Op::Least),
            ("max", [a, b]) => self.alike(a, b, Op::Greatest),
            ("point", [Expr::Literal(LiteralValue::String(name))]) if call.target.is_none() => {
                self.named(name.inner())
            }
            (name, _) => Err(format!(
                "`{}` is no part of rules; there are + - * / < <= > >= == != && || ! min(a, b) max(a, b) abs(a) point(\"device/point\")",
                name.trim_matches('_')
            )),
        }
    }

    fn truth(&mut self, expression: &Expr, holds: bool, sign: &str) -> Result<(), String> {
        match self.expression(expression, holds)? {
            Kind::Truth => Ok(()),
            other => Err(format!("{sign} takes true or false, not {}; compare it first", other.words())),
        }
    }

    fn both(&mut self, a: &Expr, b: &Expr, op: Op, holds: bool) -> Result<Kind, String> {
        let sign = if op == Op::And { "&&" } else { "||" };
        self.truth(a, holds, sign)?;
        self.truth(b, holds, sign)?;
        self.ops.push(op);
        Ok(Kind::Truth)
    }

    fn number(&mut self, expression: &Expr) -> Result<Kind, String> {
        match self.expression(expression, true)? {
            Kind::Truth => Err("a flag is no number; write it alone or with !, as `!door`".into()),
            Kind::Of(Unit::Code) => Err("a code is no quantity; compare it with == or !=".into()),
            kind => Ok(kind),
        }
    }

    /// Whether a is greater than b.
    fn compare(&mut self, a: &Expr, b: &Expr, holds: bool, op: fn(f64) -> Op) -> Result<Kind, String> {
        let unit = match (self.number(a)?, self.number(b)?) {
            (Kind::Plain, Kind::Plain) => return Err("two numbers are compared; one must be a point".into()),
            (Kind::Of(a), Kind::Of(b)) if a != b => {
                return Err(format!(
                    "{} is compared with {}; bring both to one unit",
                    a.symbol(),
                    b.symbol()
                ));
            }
            (Kind::Of(unit), _) | (_, Kind::Of(unit)) => unit,
            _ => Unit::One,
        };
        if self.hysteresis > 0.0 && self.compared.is_some_and(|other| other != unit) {
            return Err(
                "comparisons in two units cannot share one hysteresis; leave it out, or make two rules"
                    .into(),
            );
        }
        self.compared = Some(unit);
        self.ops.push(op(if holds { self.hysteresis } else { -self.hysteresis }));
        Ok(Kind::Truth)
    }

    fn equal(&mut self, a: &Expr, b: &Expr, holds: bool) -> Result<Kind, String> {
        match (self.expression(a, holds)?, self.expression(b, holds)?) {
            (Kind::Truth, Kind::Truth) | (Kind::Of(Unit::Code), Kind::Plain | Kind::Of(Unit::Code)) => {
                self.ops.push(Op::Equal);
                Ok(Kind::Truth)
            }
            (a, b) => Err(format!(
                "== and != compare flags, and codes with numbers, not {} with {}; use < or >",
                a.words(),
                b.words()
            )),
        }
    }

    fn sum(&mut self, a: &Expr, b: &Expr, op: Op) -> Result<Kind, String> {
        let kinds = (self.number(a)?, self.number(b)?);
        self.ops.push(op);
        let sign = if op == Op::Add { "+" } else { "-" };
        match kinds {
            (Kind::Of(Unit::Celsius), Kind::Of(Unit::Celsius)) if op == Op::Subtract => {
                Ok(Kind::Of(Unit::Kelvin))
            }
            (Kind::Of(Unit::Celsius), Kind::Of(Unit::Celsius)) => {
                Err("two temperatures do not add up; take their difference".into())
            }
            (Kind::Of(Unit::Celsius), Kind::Of(Unit::Kelvin)) => Ok(Kind::Of(Unit::Celsius)),
            (Kind::Of(Unit::Kelvin), Kind::Of(Unit::Celsius)) if op == Op::Add => Ok(Kind::Of(Unit::Celsius)),
            (Kind::Of(a), Kind::Of(b)) if a == b => Ok(Kind::Of(a)),
            (Kind::Of(a), Kind::Of(b)) => {
                Err(format!("{} {sign} {} makes no sense; bring both to one unit", a.symbol(), b.symbol()))
            }
            (Kind::Of(unit), _) | (_, Kind::Of(unit)) => Ok(Kind::Of(unit)),
            _ => Ok(Kind::Plain),
        }
    }

    fn product(&mut self, a: &Expr, b: &Expr, op: Op) -> Result<Kind, String> {
        let kinds = (self.number(a)?, self.number(b)?);
        self.ops.push(op);
        match kinds {
            (Kind::Of(a), Kind::Of(b)) if a == b && op == Op::Divide => Ok(Kind::Of(Unit::One)),
            (kind, Kind::Plain | Kind::Of(Unit::One)) => Ok(kind),
            (Kind::Plain | Kind::Of(Unit::One), kind) if op == Op::Multiply => Ok(kind),
            (a, b) => Err(format!(
                "{} and {} do not multiply or divide here; only by a plain number, or a by a of one unit",
                a.words(),
                b.words()
            )),
        }
    }

    fn one(&mut self, a: &Expr, op: Op) -> Result<Kind, String> {
        let kind = self.number(a)?;
        self.ops.push(op);
        Ok(kind)
    }

    fn alike(&mut self, a: &Expr, b: &Expr, op: Op) -> Result<Kind, String> {
        let kinds = (self.number(a)?, self.number(b)?);
        self.ops.push(op);
        match kinds {
            (Kind::Of(a), Kind::Of(b)) if a != b => {
                Err(format!("min and max of {} and {}; bring both to one unit", a.symbol(), b.symbol()))
            }
            (Kind::Of(unit), _) | (_, Kind::Of(unit)) => Ok(Kind::Of(unit)),
            _ => Ok(Kind::Plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_rules::Sample;

    const POINTS: [(&str, Unit); 6] = [
        ("air_temperature", Unit::Celsius),
        ("defrost_temperature", Unit::Celsius),
        ("door", Unit::Flag),
        ("state", Unit::Code),
        ("power", Unit::Watt),
        ("meter/power_3", Unit::Watt),
    ];

    fn point(name: &str) -> Result<(PointId, Unit), String> {
        let place = POINTS.iter().position(|(known, _)| *known == name);
        let place = place.ok_or_else(|| format!("no point `{name}`"))?;
        Ok((PointId(u16::try_from(place).expect("six")), POINTS[place].1))
    }

    /// Whether it is true with air −20, evaporator −28, door shut, state 14, power 300 and 80 W.
    fn truth(text: &str) -> Result<Option<bool>, String> {
        let values = [-20.0, -28.0, 0.0, 14.0, 300.0, 80.0];
        let program = compile(text, 0.0, &point)?;
        Ok(program.is_true(false, |point| Sample::Good(values[usize::from(point.0)])))
    }

    #[test]
    fn expressions_mean_what_they_say() {
        for (text, expected) in [
            ("air_temperature > -18.0", false),
            ("air_temperature < -18", true),
            ("air_temperature <= -20.0 && !door", true),
            ("door || air_temperature >= -20.0", true),
            ("air_temperature - defrost_temperature > 7.5", true),
            ("abs(defrost_temperature - air_temperature) < 7.5", false),
            ("air_temperature + 5.0 > -15.1", true),
            ("state == 14 && state != 3", true),
            ("door == false", true),
            ("power / point(\"meter/power_3\") > 3.5", true),
            ("max(power, point(\"meter/power_3\")) * 2.0 >= 600.0", true),
            ("!(air_temperature > -25.0 && door)", true),
        ] {
            assert_eq!(truth(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn wrong_names_types_and_units_are_refused_with_what_to_write() {
        for (text, words) in [
            ("air_temperatur > 5.0", "no point `air_temperatur`"),
            ("air_temperature", "compare it"),
            ("air_temperature > power", "°C is compared with W"),
            ("air_temperature + defrost_temperature > 1.0", "take their difference"),
            ("air_temperature - power > 1.0", "makes no sense"),
            ("air_temperature * power > 1.0", "multiply or divide"),
            ("air_temperature == 5.0", "use < or >"),
            ("door > 1.0", "a flag is no number"),
            ("state > 3", "compare it with =="),
            ("air_temperature && door", "compare it first"),
            ("air_temperature >", "is no expression"),
            ("1.0 > 2.0", "one must be a point"),
            ("true", "looks at no point"),
            ("[1, 2].exists(x, x > 1)", "no part of rules"),
            ("size(\"abc\") > 1", "no part of rules"),
            ("door == \"open\"", "write a number"),
        ] {
            let error = truth(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn hysteresis_holds_whichever_way_the_comparison_stands() {
        let holds = |text: &str, air: f64| {
            let program = compile(text, 0.5, &point).expect(text);
            program.is_true(true, |_| Sample::Good(air))
        };
        assert_eq!(holds("air_temperature > 5.0", 4.6), Some(true));
        assert_eq!(holds("air_temperature > 5.0", 4.5), Some(false));
        assert_eq!(holds("air_temperature < 5.0", 5.4), Some(true));
        assert_eq!(holds("!(air_temperature <= 5.0)", 4.6), Some(true));
        assert_eq!(holds("!(air_temperature < 5.0)", 4.6), Some(true));
        let two = compile("air_temperature > 5.0 && power > 10.0", 0.5, &point).expect_err("two units");
        assert!(two.contains("two rules"), "{two}");
    }

    #[test]
    fn a_long_or_deep_one_is_refused_and_nothing_overflows() {
        let long = vec!["door"; 37].join(" && ");
        assert!(truth(&long).expect_err("long").contains("too long"));
        assert!(truth(&"!".repeat(5_000)).expect_err("longer").contains("at most 300"));
        for (open, close) in
            [("(", ")"), ("!", ""), ("-", ""), ("abs(", ")"), ("[", "]"), ("min(1,", ")"), ("door?1:", "")]
        {
            for times in [NESTING_MAX, 2 * NESTING_MAX] {
                let deep = format!("{}{}", open.repeat(times), close.repeat(times));
                assert!(truth(&deep).is_err(), "{deep}");
            }
        }
    }
}
