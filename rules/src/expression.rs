//! Rules that a chain or a store writes itself: an expression over points, true for longer than a delay.
//!
//! The text is read and checked outside, when the configuration is loaded; what comes here is a
//! [`Program`], a short list of operations on a stack, that neither allocates nor loops.

use crate::{Change, Evidence, Millis, Mono, Now, PointId, Quantity, Sample, Utc};
use core::fmt;

/// Operations of one program at most.
pub const OPS_MAX: usize = 32;
/// Values on the stack at most.
const STACK_MAX: usize = 8;

/// One operation. Truth is 0 or 1; what is not known stays unknown through every operation but
/// [`Op::And`] with false and [`Op::Or`] with true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Puts a number on the stack.
    Number(f64),
    /// Puts the good value of a point on the stack; unknown if it has none.
    Point(PointId),
    /// Takes b, then a; puts a + b.
    Add,
    /// a − b.
    Subtract,
    /// a · b.
    Multiply,
    /// a / b; unknown if b is 0.
    Divide,
    /// −a.
    Negate,
    /// The lesser of the two.
    Least,
    /// The greater of the two.
    Greatest,
    /// |a|.
    Absolute,
    /// Whether a > b; while the rule is raised whether a + slack > b. A slack above 0 holds a rule, one
    /// below 0 (of a comparison beneath a not) does so too.
    Greater {
        /// In the unit of both.
        slack: f64,
    },
    /// Whether a ≥ b, with the same slack.
    GreaterOrEqual {
        /// In the unit of both.
        slack: f64,
    },
    /// Whether a = b: for flags and codes.
    Equal,
    /// Both.
    And,
    /// One or both.
    Or,
    /// Not.
    Not,
}

impl Op {
    /// How many values it takes.
    fn takes(self) -> usize {
        match self {
            Self::Number(_) | Self::Point(_) => 0,
            Self::Negate | Self::Absolute | Self::Not => 1,
            _ => 2,
        }
    }
}

/// Why a list of operations is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// More than [`OPS_MAX`] operations, or deeper than the stack.
    TooLong,
    /// It takes more than there is, or leaves more or less than one value.
    Unbalanced,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => {
                "the expression is too long; 32 operations and 8 levels are the most: make two rules of it"
            }
            Self::Unbalanced => "the expression leaves no single value",
        })
    }
}

impl core::error::Error for ProgramError {}

/// A checked list of operations that leaves one truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Program {
    ops: [Op; OPS_MAX],
    len: u8,
}

impl Program {
    /// Checks that the operations fit and balance.
    pub fn new(ops: &[Op]) -> Result<Self, ProgramError> {
        let mut depth = 0_usize;
        for op in ops {
            depth = depth.checked_sub(op.takes()).ok_or(ProgramError::Unbalanced)? + 1;
            if depth > STACK_MAX {
                return Err(ProgramError::TooLong);
            }
        }
        if depth != 1 {
            return Err(ProgramError::Unbalanced);
        }
        let len = u8::try_from(ops.len()).map_err(|_| ProgramError::TooLong)?;
        let mut all = [Op::Not; OPS_MAX];
        all.get_mut(..ops.len()).ok_or(ProgramError::TooLong)?.copy_from_slice(ops);
        Ok(Self { ops: all, len })
    }

    /// Its operations.
    pub fn ops(&self) -> &[Op] {
        &self.ops[..usize::from(self.len)]
    }

    /// The points it looks at, in order, each as often as it is named.
    pub fn points(&self) -> impl Iterator<Item = PointId> {
        self.ops().iter().filter_map(|op| match op {
            Op::Point(point) => Some(*point),
            _ => None,
        })
    }

    /// Whether it is true now; none while what it depends on is not known. `raised` puts the slack of
    /// its comparisons in force.
    pub fn is_true(&self, raised: bool, sample: impl Fn(PointId) -> Sample) -> Option<bool> {
        let mut stack = heapless::Vec::<Option<f64>, STACK_MAX>::new();
        for op in self.ops() {
            let b = if op.takes() > 0 { stack.pop().flatten() } else { None };
            let a = if op.takes() > 1 { stack.pop().flatten() } else { None };
            let both = a.zip(b);
            let truth = |truth: bool| if truth { 1.0 } else { 0.0 };
            let slack = |slack: f64| if raised { slack } else { 0.0 };
            let value = match *op {
                Op::Number(number) => Some(number),
                Op::Point(point) => sample(point).good(),
                Op::Add => both.map(|(a, b)| a + b),
                Op::Subtract => both.map(|(a, b)| a - b),
                Op::Multiply => both.map(|(a, b)| a * b),
                Op::Divide => both.filter(|(_, b)| *b != 0.0).map(|(a, b)| a / b),
                Op::Negate => b.map(|b| -b),
                Op::Least => both.map(|(a, b)| a.min(b)),
                Op::Greatest => both.map(|(a, b)| a.max(b)),
                Op::Absolute => b.map(libm::fabs),
                Op::Greater { slack: s } => both.map(|(a, b)| truth(a + slack(s) > b)),
                Op::GreaterOrEqual { slack: s } => both.map(|(a, b)| truth(a + slack(s) >= b)),
                #[expect(clippy::float_cmp, reason = "flags and codes are whole")]
                Op::Equal => both.map(|(a, b)| truth(a == b)),
                Op::And if a == Some(0.0) || b == Some(0.0) => Some(0.0),
                Op::And => both.map(|_| 1.0),
                Op::Or if a == Some(1.0) || b == Some(1.0) => Some(1.0),
                Op::Or => both.map(|_| 0.0),
                Op::Not => b.map(|b| 1.0 - b),
            };
            let pushed = stack.push(value.filter(|value| value.is_finite()));
            debug_assert!(pushed.is_ok(), "the depth was checked");
        }
        stack.pop().flatten().map(|value| value != 0.0)
    }
}

/// A rule of the user at work: raised when its program has been true for the delay without a break,
/// cleared when it is false with the slack of its comparisons. While it is not known whether it is true
/// nothing begins, settles or clears; a delay that runs goes on.
#[derive(Clone, Debug)]
pub struct Expression {
    program: Program,
    delay: Millis,
    true_since: Option<Mono>,
    raised: bool,
}

impl Expression {
    /// `delay` is 0 or more.
    pub fn new(program: Program, delay: Millis) -> Self {
        Self { program, delay, true_since: None, raised: false }
    }

    /// To be called once a second.
    pub fn step(&mut self, now: Now, sample: impl Fn(PointId) -> Sample) -> Option<Change> {
        match self.program.is_true(self.raised, &sample) {
            Some(true) => {
                self.true_since.get_or_insert(now.mono);
            }
            Some(false) => {
                let since = self.true_since.take()?;
                if !core::mem::take(&mut self.raised) {
                    return self.had_delay().then_some(Change::Settled);
                }
                return Some(Change::Cleared(self.evidence(now, since, &sample)));
            }
            None => {}
        }
        let since = self.true_since?;
        if self.raised {
            return None;
        }
        if now.mono - since < self.delay {
            return (since == now.mono).then_some(Change::Pending(now.utc));
        }
        self.raised = true;
        Some(Change::Raised(self.evidence(now, since, &sample)))
    }

    /// Continues a delay that ran before the restart, since `since`.
    pub fn restore_pending(&mut self, now: Now, since: Utc) {
        self.true_since = Some(now.mono_of(since));
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.true_since = Some(now.mono_of(since));
        self.raised = true;
    }

    fn had_delay(&self) -> bool {
        self.delay > Millis(0)
    }

    /// The values of the first points it looks at.
    fn evidence(&self, now: Now, since: Mono, sample: impl Fn(PointId) -> Sample) -> Evidence {
        let values = self.program.points().take(4).filter_map(|point| sample(point).good());
        values
            .fold(Evidence::since(now.utc_of(since)), |evidence, value| evidence.with(Quantity::Value, value))
            .with_span(Quantity::Delay, self.delay)
            .with_span(Quantity::Held, now.mono - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BadReason;

    const AIR: PointId = PointId(0);
    const DOOR: PointId = PointId(1);
    const UNKNOWN: Sample = Sample::Bad(BadReason::NoResponse);

    fn at(second: i64) -> Now {
        Now { mono: Mono(-9_000), utc: Utc(1_700_000_000_000) }.after(Millis::from_secs(second))
    }
    /// air > 5 && !door, with 0.5 K of slack.
    fn warm_and_shut() -> Program {
        let ops =
            [Op::Point(AIR), Op::Number(5.0), Op::Greater { slack: 0.5 }, Op::Point(DOOR), Op::Not, Op::And];
        Program::new(&ops).expect("balanced")
    }
    fn samples(air: Sample, door: Sample) -> impl Fn(PointId) -> Sample {
        move |point| if point == AIR { air } else { door }
    }

    #[test]
    fn it_is_raised_after_its_delay_and_held_by_its_slack() {
        let mut rule = Expression::new(warm_and_shut(), Millis::from_secs(60));
        let mut look = |second, air| rule.step(at(second), samples(Sample::Good(air), Sample::Good(0.0)));
        assert_eq!(look(0, 5.0), None);
        assert_eq!(look(1, 5.1), Some(Change::Pending(at(1).utc)));
        assert_eq!(look(60, 5.1), None);
        let Some(Change::Raised(evidence)) = look(61, 5.2) else { panic!("60 s") };
        assert_eq!((evidence.since, evidence.value(Quantity::Value)), (at(1).utc, Some(5.2)));
        assert_eq!(look(62, 4.6), None, "within the slack");
        assert!(matches!(look(63, 4.5), Some(Change::Cleared(_))));
        assert_eq!(look(64, 4.9), None);
    }

    #[test]
    fn unknown_neither_begins_nor_ends_but_false_and_unknown_is_false() {
        let program = warm_and_shut();
        assert_eq!(program.is_true(false, samples(UNKNOWN, Sample::Good(0.0))), None);
        assert_eq!(program.is_true(false, samples(UNKNOWN, Sample::Good(1.0))), Some(false));
        assert_eq!(program.is_true(false, samples(Sample::Good(9.0), UNKNOWN)), None);
        let mut rule = Expression::new(program, Millis::from_secs(60));
        rule.step(at(0), samples(Sample::Good(9.0), Sample::Good(0.0)));
        let raised = rule.step(at(60), samples(UNKNOWN, Sample::Good(0.0)));
        assert!(matches!(raised, Some(Change::Raised(_))), "a delay that runs goes on");
        assert_eq!(rule.step(at(90), samples(UNKNOWN, UNKNOWN)), None);
        assert!(matches!(rule.step(at(91), samples(UNKNOWN, Sample::Good(1.0))), Some(Change::Cleared(_))));
    }

    #[test]
    fn operations_that_do_not_balance_or_fit_are_refused() {
        assert_eq!(Program::new(&[Op::Number(1.0), Op::And]), Err(ProgramError::Unbalanced));
        assert_eq!(Program::new(&[Op::Number(1.0); 2]), Err(ProgramError::Unbalanced));
        assert_eq!(Program::new(&[]), Err(ProgramError::Unbalanced));
        assert_eq!(Program::new(&[Op::Number(1.0); 9]), Err(ProgramError::TooLong));
        let mut long = [Op::Not; 40];
        long[0] = Op::Number(1.0);
        assert_eq!(Program::new(&long), Err(ProgramError::TooLong));
    }

    #[test]
    fn a_division_by_zero_is_unknown() {
        let ops = [Op::Number(1.0), Op::Number(0.0), Op::Divide, Op::Number(0.0), Op::Greater { slack: 0.0 }];
        assert_eq!(Program::new(&ops).expect("balanced").is_true(false, |_| UNKNOWN), None);
    }
}
