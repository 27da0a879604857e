//! Which numbers of one stream have come, and up to which none is missing.
//!
//! A store may forget everything up to an acknowledged number, so the acknowledgement must never
//! step over a gap, in whatever order and however often messages arrive.

use std::collections::BTreeMap;

/// Most separate runs of numbers remembered beyond the first gap. Messages of one stream arrive
/// nearly in order, so that more means a store (or somebody in its place) that makes numbers up.
pub(crate) const RUNS_MAX: usize = 1024;

/// The numbers of one (store, journal, stream) that are committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contiguous {
    /// All from 1 to here are committed; 0 is none.
    highest: u64,
    /// Committed runs beyond the first gap: first number to last number. They neither touch each
    /// other nor `highest`.
    runs: BTreeMap<u64, u64>,
}

/// What a number is to a [`Contiguous`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not seen before; now noted.
    Fresh,
    /// Committed already.
    Duplicate,
    /// Would make more than [`RUNS_MAX`] gaps: not noted. The store still has it and sends it
    /// again when the gaps are filled.
    TooManyGaps,
}

impl Contiguous {
    /// All numbers from 1 to `highest` are committed.
    #[cfg(test)]
    pub(crate) fn up_to(highest: u64) -> Self {
        Self { highest, runs: BTreeMap::new() }
    }

    /// As [`Contiguous::highest`] and [`Contiguous::beyond`] told it; none if that is no such text.
    pub(crate) fn from_stored(highest: u64, beyond: &str) -> Option<Self> {
        let run = |text: &str| {
            let (first, last) = text.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let runs = beyond.split(',').filter(|text| !text.is_empty()).map(run).collect::<Option<_>>()?;
        Some(Self { highest, runs })
    }

    /// The runs of numbers that have come beyond the first gap, as text: `7-9,12-12`.
    pub(crate) fn beyond(&self) -> String {
        let runs: Vec<_> = self.runs.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        runs.join(",")
    }

    /// Highest number up to which none is missing; 0 before the first.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// Notes `seq` (1 or more).
    pub(crate) fn insert(&mut self, seq: u64) -> Seen {
        if seq <= self.highest {
            return Seen::Duplicate;
        }
        let before = self.runs.range(..=seq).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| seq <= last) {
            return Seen::Duplicate;
        }
        let extends = before.filter(|&(_, last)| last + 1 == seq).map(|(first, _)| first);
        let follows = seq.checked_add(1).and_then(|next| self.runs.get(&next).copied());
        let touches_highest = self.highest + 1 == seq;
        if !touches_highest && extends.is_none() && follows.is_none() && self.runs.len() >= RUNS_MAX {
            return Seen::TooManyGaps;
        }
        let last = follows.unwrap_or(seq);
        if follows.is_some() {
            self.runs.remove(&(seq + 1));
        }
        if touches_highest {
            self.highest = last;
        } else {
            self.runs.insert(extends.unwrap_or(seq), last);
        }
        Seen::Fresh
    }

    /// The store says that it dropped everything from `first` to `last`: none of it will ever come.
    /// Returns whether that was taken: a claim that begins beyond a gap is not, for the store still
    /// holds what lies before it.
    pub(crate) fn skip(&mut self, first: u64, last: u64) -> bool {
        if first > self.highest.saturating_add(1) {
            return false;
        }
        self.highest = self.highest.max(last);
        while let Some((&run_first, &run_last)) = self.runs.first_key_value() {
            if run_first > self.highest.saturating_add(1) {
                break;
            }
            self.highest = self.highest.max(run_last);
            self.runs.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_gap_holds_the_acknowledgement_until_it_is_filled() {
        let mut numbers = Contiguous::default();
        assert_eq!(numbers.insert(2), Seen::Fresh);
        assert_eq!(numbers.insert(3), Seen::Fresh);
        assert_eq!(numbers.highest(), 0);
        assert_eq!(numbers.insert(1), Seen::Fresh);
        assert_eq!(numbers.highest(), 3);
        assert_eq!(numbers.insert(2), Seen::Duplicate);
    }

    /// Against a plain set, for many orders with repeats.
    #[test]
    fn any_order_gives_what_a_set_gives() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut numbers = Contiguous::default();
            let mut set = BTreeSet::new();
            for _ in 0..120 {
                let seq = random.u64(1..60);
                let expected = if set.insert(seq) { Seen::Fresh } else { Seen::Duplicate };
                assert_eq!(numbers.insert(seq), expected, "seed {seed} seq {seq}");
                let highest = (1..).take_while(|n| set.contains(n)).last().unwrap_or(0);
                assert_eq!(numbers.highest(), highest, "seed {seed}");
                let stored = Contiguous::from_stored(numbers.highest(), &numbers.beyond());
                assert_eq!(stored.as_ref(), Some(&numbers), "seed {seed}");
            }
        }
    }

    #[test]
    fn a_text_that_is_none_of_ours_is_not_taken_for_nothing() {
        assert_eq!(Contiguous::from_stored(3, ""), Some(Contiguous::up_to(3)));
        for text in ["7", "7-", "x-9", "7-9;12-12", "7-9,,x"] {
            assert_eq!(Contiguous::from_stored(3, text), None, "{text}");
        }
    }

    #[test]
    fn dropped_numbers_count_as_committed_with_what_follows_them() {
        let mut numbers = Contiguous::up_to(10);
        for seq in [13, 17, 18, 30] {
            numbers.insert(seq);
        }
        assert!(!numbers.skip(12, 16), "11 is still to come");
        assert_eq!(numbers.highest(), 10);
        assert!(numbers.skip(11, 16));
        assert_eq!(numbers.highest(), 18);
        assert!(numbers.skip(5, 8), "an old claim changes nothing");
        assert_eq!(numbers.highest(), 18);
        assert_eq!(numbers.insert(30), Seen::Duplicate);
        assert!(numbers.skip(19, 29));
        assert_eq!(numbers.highest(), 30);
    }

    #[test]
    fn made_up_numbers_do_not_fill_the_memory() {
        let mut numbers = Contiguous::default();
        for n in 1..=RUNS_MAX as u64 {
            assert_eq!(numbers.insert(n * 2 + 1), Seen::Fresh);
        }
        assert_eq!(numbers.insert(1_000_000), Seen::TooManyGaps);
        assert_eq!(numbers.insert(u64::MAX), Seen::TooManyGaps);
        // What closes or lengthens a run is still welcome.
        assert_eq!(numbers.insert(4), Seen::Fresh);
        assert_eq!(numbers.insert(1), Seen::Fresh);
        assert_eq!(numbers.highest(), 1);
    }
}
