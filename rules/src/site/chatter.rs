//! Chattering: an alarm that comes and goes. Its clears are held back until it has been quiet (the
//! off-delay of ISA-18.2), so that people hear of it once.

use crate::{Millis, Mono, Now, Utc};

/// Raises within [`WINDOW`] that are chattering (ISA-18.2: 3 or more a minute).
pub(super) const RAISES: u8 = 3;
/// See [`RAISES`].
const WINDOW: Millis = Millis::from_mins(1);

/// What tells chattering, to be kept over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chatter {
    /// When the condition last became true, and the time before that.
    pub raised: [Option<Utc>; 2],
    /// Whether clears are held back.
    pub is_damped: bool,
    /// Since when a clear is held back, if one is.
    pub over: Option<Utc>,
}

/// Decides which raises and clears of one condition are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damper {
    /// The last raise.
    raised: Mono,
    /// When the clear that is held back came.
    over: Mono,
    /// From the raise before the last one to it, ms: at most 49 days, and so much if there was none.
    gap: u32,
    is_damped: bool,
}

impl Damper {
    pub(super) fn new() -> Self {
        Self { raised: Mono::NEVER, over: Mono::NEVER, gap: u32::MAX, is_damped: false }
    }

    pub(super) fn restored(now: Now, chatter: Chatter) -> Self {
        let mono = |at: Option<Utc>| at.map_or(Mono::NEVER, |at| now.mono_of(at));
        let [raised, before] = chatter.raised.map(mono);
        Self { raised, over: mono(chatter.over), gap: gap(before, raised), is_damped: chatter.is_damped }
    }

    pub(super) fn chatter(&self, now: Now) -> Chatter {
        let utc = |at: Mono| at.known().map(|at| now.utc_of(at));
        Chatter {
            raised: [self.raised, self.before()].map(utc),
            is_damped: self.is_damped,
            over: utc(self.over),
        }
    }

    /// The raise before the last one.
    fn before(&self) -> Mono {
        if self.gap == u32::MAX { Mono::NEVER } else { Mono(self.raised.0 - i64::from(self.gap)) }
    }

    pub(super) fn is_damped(&self) -> bool {
        self.is_damped
    }

    /// Whether a clear is held back: the condition is over, but its alarm goes on.
    pub(super) fn is_holding(&self) -> bool {
        self.over != Mono::NEVER
    }

    /// The condition became true. Whether to tell: not if its clear was held back. `quiet` is
    /// [`AlarmPolicy::chatter_quiet`](super::AlarmPolicy::chatter_quiet).
    pub(super) fn raise(&mut self, now: Mono, quiet: Option<Millis>) -> bool {
        let was_told_over = !self.is_holding();
        self.over = Mono::NEVER;
        if quiet.is_some() && span(self.before(), now) <= WINDOW {
            self.is_damped = true;
        }
        self.gap = gap(self.raised, now);
        self.raised = now;
        was_told_over
    }

    /// The condition is over. Whether to tell now; else [`Damper::tick`] says when.
    pub(super) fn clear(&mut self, now: Mono) -> bool {
        if self.is_damped && !self.is_holding() {
            self.over = now;
        }
        !self.is_damped
    }

    /// To be called once a second. Whether a clear that was held back is to be told now.
    pub(super) fn tick(&mut self, now: Mono, quiet: Option<Millis>) -> bool {
        let held = span(self.raised.max(self.over), now);
        if !self.is_damped || quiet.is_some_and(|quiet| held < quiet) {
            return false;
        }
        self.is_damped = false;
        self.over.replace(Mono::NEVER).is_some()
    }
}

/// For [`Damper::gap`].
fn gap(before: Mono, raised: Mono) -> u32 {
    u32::try_from(span(before, raised).0).unwrap_or(u32::MAX)
}

fn span(from: Mono, to: Mono) -> Millis {
    Millis(to.0.saturating_sub(from.0))
}
