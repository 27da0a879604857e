//! The one place that reads a clock. Everything else is told the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use storewarden_rules::{Mono, Now, Utc};

/// Both clocks of the machine: one that never jumps, counted from [`Clock::start`], and UTC.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A monotonic clock that shows 0 now. Clones show the same time.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The present moment. A system clock before 1970 shows 0.
    pub fn now(&self) -> Now {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: Mono(millis(self.start.elapsed())), utc: Utc(millis(utc)) }
    }
}

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
