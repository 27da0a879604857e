//! What to do with each answer of the time-series store.
//!
//! A batch that is refused for what is in it is sent again in ever smaller parts until the line at
//! fault is alone. Only such a line is given up; anything else is sent again until it is taken.

use std::time::Duration;

/// Lines in one write at most.
const LINES_MAX: usize = 5_000;

/// The longest that a `Retry-After` is honoured: who asks for more has a wrong clock.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The pause after the first failure; it doubles with each further one,
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// and ends here.
const PAUSE_LONGEST: Duration = Duration::from_secs(60);

/// What became of one write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// 2xx: it is stored.
    Taken,
    /// 400, 422: at least one line is wrong.
    Wrong,
    /// 413: too much at once.
    TooLarge,
    /// 401, 403, 404 and whatever else a person has to mend.
    Mend,
    /// 429, 5xx: later, where it is said after this long.
    Busy(Option<Duration>),
    /// No answer, so it is not known whether it is stored.
    Lost,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// The lines that were sent are done.
    Advance,
    /// The one line that was sent is to be recorded as refused, and is done.
    Refuse,
    /// Send again from the same place, after this long.
    Again(Duration),
}

/// How many lines are sent at once, and when.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Lines in the next write at most; never 0.
    lines: usize,
    /// Halved by 413, so that it need not be found out with every write.
    ceiling: usize,
    /// One of so many lines that come next is known to be wrong; 0 if none is.
    suspects: usize,
    /// Writes in a row that came to nothing.
    failures: u32,
}

impl Delivery {
    pub(crate) fn new() -> Self {
        Self { lines: LINES_MAX, ceiling: LINES_MAX, suspects: 0, failures: 0 }
    }

    /// Lines that the next write may hold.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    /// The answer to a write of `sent` lines, at least one; `random` is from 0 to 1.
    pub(crate) fn answered(&mut self, sent: usize, answer: &Answer, random: f64) -> Next {
        match answer {
            Answer::Taken => {
                self.failures = 0;
                self.suspects = self.suspects.saturating_sub(sent);
                self.lines = match self.suspects {
                    0 => self.lines.saturating_mul(2),
                    suspects => suspects.div_ceil(2),
                }
                .min(self.ceiling);
                Next::Advance
            }
            Answer::Wrong if sent > 1 => {
                self.failures = 0;
                self.suspects = sent;
                self.lines = sent / 2;
                Next::Again(Duration::ZERO)
            }
            Answer::TooLarge if sent > 1 => {
                self.failures = 0;
                self.ceiling = sent / 2;
                self.lines = self.ceiling;
                Next::Again(Duration::ZERO)
            }
            // Alone, so it is this line. The next write is small too: faults rarely come singly.
            Answer::Wrong => {
                self.failures = 0;
                self.suspects = 0;
                self.lines = 1;
                Next::Refuse
            }
            // It was this line that was too large, not the writes before.
            Answer::TooLarge => {
                self.failures = 0;
                self.suspects = 0;
                self.ceiling = LINES_MAX;
                self.lines = 1;
                Next::Refuse
            }
            Answer::Busy(Some(after)) => {
                let spread = Duration::from_secs(1).mul_f64(random.clamp(0.0, 1.0));
                Next::Again((*after).min(RETRY_AFTER_MAX) + spread)
            }
            Answer::Mend | Answer::Busy(None) | Answer::Lost => Next::Again(self.pause(random)),
        }
    }

    /// The pause after one more failure, shortened by up to a half at random, so that the writers of a
    /// restarted server do not come back in the same moment.
    fn pause(&mut self, random: f64) -> Duration {
        let pause = PAUSE_FIRST.saturating_mul(1 << self.failures.min(16)).min(PAUSE_LONGEST);
        self.failures += 1;
        pause.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A store's answers as they come, and then what it thinks of each line.
    struct Server {
        moods: Vec<Answer>,
        poison: Vec<usize>,
        takes: usize,
        taken: Vec<usize>,
    }

    impl Server {
        fn write(&mut self, lines: &[usize]) -> Answer {
            if let Some(mood) = self.moods.pop() {
                if mood == Answer::Taken {
                    self.taken.extend(lines);
                }
                return mood;
            }
            if lines.len() > self.takes {
                Answer::TooLarge
            } else if lines.iter().any(|line| self.poison.contains(line)) {
                Answer::Wrong
            } else {
                self.taken.extend(lines);
                Answer::Taken
            }
        }
    }

    /// Sends `count` lines; what was refused, and in how many writes.
    fn run(server: &mut Server, count: usize) -> (Vec<usize>, usize) {
        let all: Vec<usize> = (0..count).collect();
        let (mut delivery, mut cursor, mut writes, mut refused) = (Delivery::new(), 0, 0, Vec::new());
        while cursor < count {
            let lines = &all[cursor..(cursor + delivery.lines()).min(count)];
            assert!((1..=LINES_MAX).contains(&lines.len()));
            writes += 1;
            let answer = server.write(lines);
            match delivery.answered(lines.len(), &answer, 0.5) {
                Next::Advance => cursor += lines.len(),
                Next::Refuse => {
                    assert_eq!(lines.len(), 1);
                    refused.push(cursor);
                    cursor += 1;
                }
                Next::Again(_) => assert!(writes < 100_000, "it never ends"),
            }
        }
        (refused, writes)
    }

    fn mood() -> impl Strategy<Value = Answer> {
        prop_oneof![
            Just(Answer::Taken),
            Just(Answer::Wrong),
            Just(Answer::TooLarge),
            Just(Answer::Mend),
            (0_u64..9_999_999).prop_map(|s| Answer::Busy(Some(Duration::from_secs(s)))),
            Just(Answer::Busy(None)),
            Just(Answer::Lost),
        ]
    }

    proptest! {
        #[test]
        fn every_line_is_taken_or_named_in_order_whatever_is_answered(
            moods in prop::collection::vec(mood(), 0..200), count in 1_usize..12_000,
        ) {
            let mut server = Server { moods, poison: vec![], takes: LINES_MAX, taken: vec![] };
            let (refused, _) = run(&mut server, count);
            prop_assert!(server.taken.is_sorted() && refused.is_sorted());
            let mut seen = [server.taken, refused].concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn exactly_the_wrong_lines_are_given_up(
            mut poison in prop::collection::btree_set(0_usize..6_000, 0..30), takes in 1_usize..6_000,
        ) {
            let moods = vec![Answer::Lost, Answer::Busy(None), Answer::Mend];
            let mut server = Server { moods, poison: poison.iter().copied().collect(), takes, taken: vec![] };
            let (refused, _) = run(&mut server, 6_000);
            prop_assert_eq!(&refused, &poison.iter().copied().collect::<Vec<_>>());
            poison.extend(&server.taken);
            prop_assert_eq!(poison.len(), 6_000);
            prop_assert_eq!(server.taken.len() + refused.len(), 6_000);
        }
    }

    #[test]
    fn one_wrong_line_among_five_thousand_is_found_in_few_writes() {
        for poison in [0, 1, 2_499, 2_500, 4_999] {
            let mut server = Server { moods: vec![], poison: vec![poison], takes: LINES_MAX, taken: vec![] };
            let (refused, writes) = run(&mut server, LINES_MAX);
            assert_eq!(refused, [poison]);
            // The whole, 13 halves of 5,000 down to the line, the line, and 13 doublings up again.
            assert!(writes <= 28, "{poison}: {writes}");
        }
    }

    #[test]
    fn waits_are_those_asked_for_or_grow() {
        let mut delivery = Delivery::new();
        let busy = |s| Answer::Busy(Some(Duration::from_secs(s)));
        assert_eq!(delivery.answered(9, &busy(7), 0.0), Next::Again(Duration::from_secs(7)));
        assert_eq!(delivery.answered(9, &busy(7), 1.0), Next::Again(Duration::from_secs(8)));
        assert_eq!(delivery.answered(9, &busy(u64::MAX), 0.0), Next::Again(RETRY_AFTER_MAX));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(delivery.answered(9, &Answer::Lost, 0.0), Next::Again(Duration::from_secs(seconds)));
        }
        assert_eq!(delivery.lines(), LINES_MAX);
        assert_eq!(delivery.answered(9, &Answer::Taken, 0.0), Next::Advance);
        assert_eq!(delivery.answered(9, &Answer::Mend, 0.0), Next::Again(Duration::from_secs(1)));
    }
}
