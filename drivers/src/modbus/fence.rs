//! What keeps a late answer from being taken for another read's.
//!
//! An RTU answer does not say which registers it brings: only unit, function and length. So the
//! reads that a unit left unanswered are kept, and no other read whose answer would look like theirs
//! is sent to it. First one with an answer of another shape is: units answer in the order in which
//! they are asked, so once it is answered nothing older can come. That read is the fence.

use crate::modbus::cost::data_bytes;
use crate::profile::Table;
use std::time::Duration;

/// How late an answer may come, from the end of the wait for it. The slowest units and gateways known hold one back for a few
/// seconds, their own time-out; this is well beyond.
pub(super) const LATEST: Duration = Duration::from_secs(10);
/// Unanswered reads kept per device. At this many it is not asked until the oldest cannot come any more.
const KEPT_MAX: usize = 16;

/// A read, without what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub table: Table,
    pub start: u16,
    pub count: u16,
}

impl Span {
    /// Whether an answer to one could be taken for the other's: same function, same length.
    pub fn looks_like(&self, other: &Self) -> bool {
        self.table == other.table
            && data_bytes(self.table, self.count) == data_bytes(other.table, other.count)
    }
}

/// The reads of one unit whose answers may still come, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    /// Each with the moment at which the wait for its answer was over.
    kept: Vec<(Span, Duration)>,
}

impl Unanswered {
    /// Whether the next answer of this shape could only be to a read of this very span.
    pub fn allows(&self, span: &Span) -> bool {
        self.kept.len() < KEPT_MAX && self.kept.iter().all(|(kept, _)| kept == span || !kept.looks_like(span))
    }

    /// Forgets what cannot come any more.
    pub fn expire(&mut self, now: Duration) {
        self.kept.retain(|(_, over)| now < *over + LATEST);
    }

    /// When nothing that is kept can come any more.
    pub fn clear_at(&self) -> Option<Duration> {
        self.kept.last().map(|(_, over)| *over + LATEST)
    }

    /// Nothing sent so far can be answered: the connection is gone, and answers carry its numbers.
    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// Nothing came.
    pub fn missed(&mut self, span: Span, now: Duration) {
        self.kept.push((span, now));
    }

    /// Registers or bits came. Either they answer this read, and then nothing older can come; or the
    /// oldest one like it, and then this one's answer may be still to come.
    pub fn answered(&mut self, span: Span, now: Duration) {
        self.resolve(span, now, |kept| kept.looks_like(&span));
    }

    /// An exception came. True if it must be this read's: exceptions name nothing but the function.
    pub fn refused(&mut self, span: Span, now: Duration) -> bool {
        self.resolve(span, now, |kept| kept.table == span.table)
    }

    fn resolve(&mut self, span: Span, now: Duration, alike: impl Fn(&Span) -> bool) -> bool {
        match self.kept.iter().position(|(kept, _)| alike(kept)) {
            None => {
                self.kept.clear();
                true
            }
            Some(oldest) => {
                self.kept.drain(..=oldest);
                self.kept.push((span, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(start: u16, count: u16) -> Span {
        Span { table: Table::HoldingRegister, start, count }
    }

    #[test]
    fn only_the_same_read_or_one_of_another_shape_follows_an_unanswered_one() {
        let mut unanswered = Unanswered::default();
        unanswered.missed(span(0, 2), Duration::ZERO);
        assert!(unanswered.allows(&span(0, 2)));
        assert!(!unanswered.allows(&span(1, 2)));
        assert!(unanswered.allows(&span(1, 3)));
        assert!(unanswered.allows(&Span { table: Table::InputRegister, ..span(1, 2) }));
        // One byte carries one to eight bits.
        let bits = |count| Span { table: Table::Coil, start: 0, count };
        unanswered.missed(bits(3), Duration::ZERO);
        assert!(!unanswered.allows(&bits(8)) && unanswered.allows(&bits(9)));

        unanswered.answered(span(1, 3), Duration::from_secs(1));
        assert!(unanswered.allows(&span(1, 2)) && unanswered.allows(&bits(8)), "the fence was answered");
    }

    #[test]
    fn the_answer_to_a_repeated_read_may_be_the_first_ones() {
        let mut unanswered = Unanswered::default();
        unanswered.missed(span(0, 2), Duration::ZERO);
        unanswered.answered(span(0, 2), Duration::from_secs(1));
        assert!(!unanswered.allows(&span(1, 2)), "the second one's answer may be on its way");
        assert_eq!(unanswered.clear_at(), Some(Duration::from_secs(11)));
        unanswered.expire(Duration::from_secs(11));
        assert!(unanswered.allows(&span(1, 2)));
    }

    #[test]
    fn an_exception_may_belong_to_any_read_of_the_table() {
        let mut unanswered = Unanswered::default();
        unanswered.missed(span(0, 2), Duration::ZERO);
        assert!(!unanswered.refused(span(0, 3), Duration::ZERO), "the late one may have been refused");
        assert!(unanswered.allows(&span(5, 2)), "but it is settled either way");
        assert!(!unanswered.allows(&span(5, 3)));
        assert!(unanswered.refused(Span { table: Table::InputRegister, ..span(0, 1) }, Duration::ZERO));
        assert!(unanswered.allows(&span(5, 3)));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut unanswered = Unanswered::default();
        for _ in 0..KEPT_MAX {
            assert!(unanswered.allows(&span(0, 1)));
            unanswered.missed(span(0, 1), Duration::ZERO);
        }
        assert!(!unanswered.allows(&span(0, 1)) && !unanswered.allows(&span(0, 2)));
    }
}
