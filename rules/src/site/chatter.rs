//! Chattering: an alarm that comes and goes. Its clears are held back until it has been quiet (the
//! off-delay of ISA-18.2), so that people hear of it once.

use crate::{Millis, Mono, Now, Utc};

/// Raises within [`WINDOW`] that are chattering (ISA-18.2: 3 or more a minute).
pub(super) const RAISES: u8 = 3;
/// See [`RAISES`].
const WINDOW: Millis = Millis::from_mins(1);
/// Before anything can have happened.
pub(super) const NEVER: Mono = Mono(i64::MIN);

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
    /// The last raise, and the one before.
    raised: [Mono; 2],
    /// When the clear that is held back came.
    over: Mono,
    is_damped: bool,
}

impl Damper {
    pub(super) fn new() -> Self {
        Self { raised: [NEVER; 2], over: NEVER, is_damped: false }
    }

    pub(super) fn restored(now: Now, chatter: Chatter) -> Self {
        let mono = |at: Option<Utc>| at.map_or(NEVER, |at| now.mono_of(at));
        Self { raised: chatter.raised.map(mono), over: mono(chatter.over), is_damped: chatter.is_damped }
    }

    pub(super) fn chatter(&self, now: Now) -> Chatter {
        let utc = |at: Mono| (at != NEVER).then(|| now.utc_of(at));
        Chatter { raised: self.raised.map(utc), is_damped: self.is_damped, over: utc(self.over) }
    }

    pub(super) fn is_damped(&self) -> bool {
        self.is_damped
    }

    /// Whether a clear is held back: the condition is over, but its alarm goes on.
    pub(super) fn is_holding(&self) -> bool {
        self.over != NEVER
    }

    /// The condition became true. Whether to tell: not if its clear was held back. `quiet` is
    /// [`AlarmPolicy::chatter_quiet`](super::AlarmPolicy::chatter_quiet).
    pub(super) fn raise(&mut self, now: Mono, quiet: Option<Millis>) -> bool {
        let was_told_over = !self.is_holding();
        self.over = NEVER;
        if quiet.is_some() && span(self.raised[1], now) <= WINDOW {
            self.is_damped = true;
        }
        self.raised = [now, self.raised[0]];
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
        let held = span(self.raised[0].max(self.over), now);
        if !self.is_damped || quiet.is_some_and(|quiet| held < quiet) {
            return false;
        }
        self.is_damped = false;
        core::mem::replace(&mut self.over, NEVER) != NEVER
    }
}

fn span(from: Mono, to: Mono) -> Millis {
    Millis(to.0.saturating_sub(from.0))
}
