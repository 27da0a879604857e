//! The one place that reads a clock. Everything else is told the time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use storewarden_rules::{Mono, Now, Utc};

/// Both clocks of the machine: one that never jumps, counted from [`Clock::start`], and UTC.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    /// A file that says how wrong UTC is to be shown, ms: for the rig that steps clocks. None in a store.
    offset: Option<Arc<Path>>,
}

/// Names a file with a whole number of ms, read anew at each look, that is added to UTC. Only whoever
/// starts the agent can set it, and he could set the machine's clock as well.
const OFFSET_FILE: &str = "STOREWARDEN_CLOCK_OFFSET_FILE";

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
        let offset = std::env::var_os(OFFSET_FILE).map(|file| Path::new(&file).into());
        Self { start: Instant::now(), offset }
    }

    /// The present moment, to the microsecond: for waits shorter than a millisecond. A system clock
    /// before 1970 shows 0.
    pub fn moment(&self) -> Moment {
        Moment { mono: self.start.elapsed(), utc: self.utc() }
    }

    /// The present moment. A system clock before 1970 shows 0.
    pub fn now(&self) -> Now {
        Now { mono: Mono(millis(self.start.elapsed())), utc: self.utc() }
    }

    fn utc(&self) -> Utc {
        let utc = millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let Some(file) = &self.offset else { return Utc(utc) };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        Utc(utc + text.trim().parse::<i64>().unwrap_or(0))
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
