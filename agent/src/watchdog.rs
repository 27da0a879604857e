//! Tells the service manager (systemd, `Type=notify`) that the store is ready, alive and stopping, and
//! notices when the rules stand still.
//!
//! The rules publish the store at least every second. When they have not for [`STUCK_AFTER`], the log
//! says so, and the service manager hears no more signs of life: it ends the agent after its own
//! `WatchdogSec` and starts it anew. Without a service manager it is only said.

use crate::view::StoreView;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// So long the rules may be silent.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// How often it is looked; the service manager's limit is several of these.
const EVERY: Duration = Duration::from_secs(5);

/// Whether the rules are alive. Pure.
#[derive(Debug)]
struct Pulse {
    last: Duration,
    is_stuck: bool,
}

/// What a look at the rules came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Alive,
    /// It is the first look that finds them stuck.
    JustStuck,
    Stuck,
    /// The first one that finds them alive again.
    Again,
}

impl Pulse {
    fn new(now: Duration) -> Self {
        Self { last: now, is_stuck: false }
    }

    /// `now` is the time since any fixed moment; `beat`: they were heard since the last look.
    fn look(&mut self, now: Duration, beat: bool) -> Look {
        if beat {
            self.last = now;
        }
        let was_stuck = std::mem::replace(&mut self.is_stuck, now.saturating_sub(self.last) >= STUCK_AFTER);
        match (was_stuck, self.is_stuck) {
            (false, false) => Look::Alive,
            (false, true) => Look::JustStuck,
            (true, true) => Look::Stuck,
            (true, false) => Look::Again,
        }
    }
}

/// Says that the store is ready, then gives signs of life for as long as the rules do, until `stop`.
pub async fn run(mut view: watch::Receiver<Arc<StoreView>>, stop: CancellationToken) {
    tell(NotifyState::Ready);
    let begun = Instant::now();
    let mut pulse = Pulse::new(Duration::ZERO);
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stop.cancelled() => return tell(NotifyState::Stopping),
        }
        let beat = view.has_changed().unwrap_or(false);
        view.mark_unchanged();
        match pulse.look(begun.elapsed(), beat) {
            Look::Alive => tell(NotifyState::Watchdog),
            Look::Again => {
                tracing::info!("the rules go on");
                tell(NotifyState::Watchdog);
            }
            Look::JustStuck => tracing::error!(
                seconds = STUCK_AFTER.as_secs(),
                "the rules stand still: nothing is judged; the service manager will start the agent anew"
            ),
            Look::Stuck => {}
        }
    }
}

/// Without a service manager there is nobody to tell, which is no fault.
fn tell(state: NotifyState) {
    let _ = sd_notify::notify(&[state]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_stand_still_are_said_once_and_so_is_that_they_go_on() {
        let mut pulse = Pulse::new(Duration::ZERO);
        let mut looks = Vec::new();
        // Heard up to second 20, silent up to 60, then again.
        for second in (5..=75).step_by(5) {
            looks.push(pulse.look(Duration::from_secs(second), second <= 20 || second > 60));
        }
        let count = |what| looks.iter().filter(|look| **look == what).count();
        assert_eq!((count(Look::JustStuck), count(Look::Again)), (1, 1), "{looks:?}");
        // 50 to 60 s are beyond the thirty after second 20.
        assert_eq!(looks[9], Look::JustStuck);
        assert_eq!(looks[12], Look::Again);
    }
}
