//! The one place that reads a clock. Everything else is told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use storewarden_rules::{Mono, Now, Utc};

/// Both clocks of the machine: one that never jumps, counted from [`Clock::start`], and UTC.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Since [`Clock::start`].
    pub mono: Duration,
    /// For stamps.
    pub utc: Utc,
}

impl Clock {
    /// A monotonic clock that shows 0 now. Clones show the same time.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The present moment, to the microsecond: for waits shorter than a millisecond. A system clock
    /// before 1970 shows 0.
    pub fn moment(&self) -> Moment {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { mono: self.start.elapsed(), utc: Utc(millis(utc)) }
    }

    /// The present moment. A system clock before 1970 shows 0.
    pub fn now(&self) -> Now {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: Mono(millis(self.start.elapsed())), utc: Utc(millis(utc)) }
    }
}

/// Returns at `moment` or up to 1 ms after it, which is as exact as tokio's timer is. With
/// `exactly`, which is for a thread that has nothing else to do, the last 2 ms are slept by the
/// thread: the kernel keeps those to some 0.1 ms.
pub(crate) async fn wait_until(moment: Instant, exactly: bool) {
    let last = if exactly { Duration::from_millis(2) } else { Duration::ZERO };
    let left = moment.saturating_duration_since(Instant::now());
    if left > last {
        tokio::time::sleep(left - last).await;
    }
    if exactly {
        std::thread::sleep(moment.saturating_duration_since(Instant::now()));
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
