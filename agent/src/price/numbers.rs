//! Which numbers of each key's batches are used up. Pure.
//!
//! Batches may come in any order; each is taken once. What is far below the highest is not remembered, and
//! refused: so a key's numbers rise, and nothing old comes back.

use std::collections::{BTreeSet, HashMap};

/// How far below the highest number of its key a batch may still be taken. Headquarters has one batch of a
/// key under way to a store at a time; what comes later than so many is not late but repeated.
pub const BEHIND_MAX: u64 = 1_000;

/// The numbers of every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(HashMap<String, BTreeSet<u64>>);

/// Why a number cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    /// Another batch had it.
    #[error("number {number} of key `{key}` was used by another batch; sign it anew with the next number")]
    Used {
        /// Whose numbers.
        key: String,
        /// Of the batch.
        number: u64,
    },
    /// Too far behind.
    #[error(
        "number {number} of key `{key}` is too old, it has used {highest} already; sign it anew with the next number"
    )]
    Old {
        /// Whose numbers.
        key: String,
        /// Of the batch.
        number: u64,
        /// The highest so far.
        highest: u64,
    },
}

impl Numbers {
    /// Whether `number` of `key` is still free. Numbers begin at 1.
    pub fn check(&self, key: &str, number: u64) -> Result<(), NumberFault> {
        let used = self.0.get(key);
        let highest = used.and_then(|used| used.last()).copied().unwrap_or(0);
        if number == 0 || number.saturating_add(BEHIND_MAX) < highest {
            return Err(NumberFault::Old { key: key.to_owned(), number, highest });
        }
        if used.is_some_and(|used| used.contains(&number)) {
            return Err(NumberFault::Used { key: key.to_owned(), number });
        }
        Ok(())
    }

    /// `number` of `key` is used up from now on.
    pub fn take(&mut self, key: &str, number: u64) {
        let used = self.0.entry(key.to_owned()).or_default();
        used.insert(number);
        let highest = used.last().copied().unwrap_or(0);
        *used = used.split_off(&highest.saturating_sub(BEHIND_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_used_once_and_may_come_late_but_not_too_late() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.check("a", 0), Err(NumberFault::Old { key: "a".into(), number: 0, highest: 0 }));
        assert_eq!(numbers.check("a", 5), Ok(()));
        numbers.take("a", 5);
        assert_eq!(numbers.check("a", 5), Err(NumberFault::Used { key: "a".into(), number: 5 }));
        assert_eq!(numbers.check("a", 4), Ok(()), "it was overtaken");
        assert_eq!(numbers.check("b", 5), Ok(()), "another key's");
        numbers.take("a", BEHIND_MAX + 5);
        assert_eq!(numbers.check("a", 5), Err(NumberFault::Used { key: "a".into(), number: 5 }));
        let old = numbers.check("a", 4).expect_err("too far behind");
        assert!(old.to_string().contains("it has used 1005 already"), "{old}");
    }

    proptest! {
        /// Whatever comes in whatever order and how often, no number is taken twice, and what is not remembered
        /// is not taken either.
        #[test]
        fn nothing_is_taken_twice(asked in prop::collection::vec(0u64..4 * BEHIND_MAX, 0..400)) {
            let (mut numbers, mut taken) = (Numbers::default(), BTreeSet::new());
            for number in asked {
                if numbers.check("a", number).is_ok() {
                    prop_assert!(taken.insert(number));
                    numbers.take("a", number);
                }
                prop_assert!(numbers.0.get("a").is_none_or(|used| used.len() as u64 <= BEHIND_MAX + 1));
            }
        }
    }
}
