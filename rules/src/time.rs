//! Time as an argument. Delays run on the monotonic clock, stamps are UTC: a clock that is set back
//! must neither hold an alarm up nor fire it early.

use core::ops::{Add, Sub};

/// A span of time in milliseconds. Never negative in configuration; differences may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// `s` seconds.
    pub const fn from_secs(s: i64) -> Self {
        Self(s * 1000)
    }
    /// `m` minutes.
    pub const fn from_mins(m: i64) -> Self {
        Self(m * 60_000)
    }
    /// The span in seconds.
    #[expect(clippy::cast_precision_loss, reason = "exact below 285,000 years")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// The span in minutes, as detectors reckon.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "minutes")]
pub(crate) fn minutes(span: Millis) -> f32 {
    (span.0 as f64 / 60_000.0) as f32
}

/// Milliseconds on a clock that never jumps; zero is arbitrary (the agent's start).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub i64);

impl Mono {
    /// Before anything can have happened: stands for no instant where room is short.
    pub const NEVER: Self = Self(i64::MIN);

    /// The instant, if there is one: half the size of the option that it gives.
    pub fn known(self) -> Option<Self> {
        (self != Self::NEVER).then_some(self)
    }

    /// The instant that was here before `now` took its place, if there was one.
    pub fn replace(&mut self, now: Self) -> Option<Self> {
        core::mem::replace(self, now).known()
    }

    /// The instant that was here, and none from now on.
    pub fn take(&mut self) -> Option<Self> {
        self.replace(Self::NEVER)
    }

    /// Keeps since when something holds: `now` if it begins to, none if it does not.
    pub fn hold(&mut self, holds: bool, now: Self) {
        if holds {
            self.get_or_insert(now);
        } else {
            *self = Self::NEVER;
        }
    }

    /// The instant, which is `now` if there was none.
    pub fn get_or_insert(&mut self, now: Self) -> Self {
        if *self == Self::NEVER {
            *self = now;
        }
        *self
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z. For stamps only, never for delays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utc(pub i64);

/// The present moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For delays.
    pub mono: Mono,
    /// For stamps.
    pub utc: Utc,
}

impl Now {
    /// The same instant `span` later on both clocks.
    pub fn after(self, span: Millis) -> Self {
        Self { mono: self.mono + span, utc: self.utc + span }
    }
    /// The UTC stamp of an earlier monotonic instant, on today's idea of UTC.
    pub fn utc_of(self, then: Mono) -> Utc {
        Utc(self.utc.0 - (self.mono - then).0)
    }
    /// The monotonic instant of an earlier UTC stamp; a stamp from the future (the clock was set
    /// back) counts as now.
    pub fn mono_of(self, then: Utc) -> Mono {
        Mono(self.mono.0 - (self.utc.0 - then.0).max(0))
    }
}

impl Sub for Mono {
    type Output = Millis;
    fn sub(self, earlier: Self) -> Millis {
        Millis(self.0 - earlier.0)
    }
}
impl Add<Millis> for Mono {
    type Output = Self;
    fn add(self, span: Millis) -> Self {
        Self(self.0 + span.0)
    }
}
impl Sub for Utc {
    type Output = Millis;
    fn sub(self, earlier: Self) -> Millis {
        Millis(self.0 - earlier.0)
    }
}
impl Add<Millis> for Utc {
    type Output = Self;
    fn add(self, span: Millis) -> Self {
        Self(self.0 + span.0)
    }
}
