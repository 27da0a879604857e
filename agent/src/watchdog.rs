//! Tells the service manager (systemd, `Type=notify`) that the store is ready, alive and stopping, and
//! notices when the rules or another task stand still.
//!
//! The rules publish the store at least every second, and each task gives a sign of life every ten. When one
//! has not for [`STUCK_AFTER`], the log names it, and the service manager hears no more signs of life: it
//! ends the agent after its own `WatchdogSec` and starts it anew. Without a service manager it is only said.
//! The console has the thread of this task and is alive with it.

use crate::view::StoreView;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::keep::Beat;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// So long a task may be silent: the link to headquarters pauses for up to 30 s between two connections.
const STUCK_AFTER: Duration = Duration::from_secs(40);
/// How often it is looked; the service manager's limit is several of these.
const EVERY: Duration = Duration::from_secs(5);

/// Whether a task is alive. Pure.
#[derive(Debug)]
struct Pulse {
    last: Duration,
    is_stuck: bool,
}

/// What a look at a task came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Alive,
    /// It is the first look that finds it stuck.
    JustStuck,
    Stuck,
    /// The first one that finds it alive again.
    Again,
}

impl Pulse {
    fn new(now: Duration) -> Self {
        Self { last: now, is_stuck: false }
    }

    /// `now` is the time since any fixed moment; `beat`: it was heard since the last look.
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

/// What is looked at.
pub struct LookedAt {
    /// The store as the rules publish it.
    pub view: watch::Receiver<Arc<StoreView>>,
    /// The tasks that wait for nothing of ours.
    pub beats: Vec<Beat>,
    /// Those that wait for the journal, which may wait for its disk: that is no reason to start the agent
    /// anew, which would lose what waits.
    pub waiting_for_journal: Vec<Beat>,
}

/// Says that the store is ready, then gives signs of life for as long as the rules and the tasks do, until
/// `stop`.
pub async fn run(mut looked_at: LookedAt, stop: CancellationToken) {
    tell(NotifyState::Ready);
    let begun = Instant::now();
    let mut rules = Pulse::new(Duration::ZERO);
    let all = looked_at.beats.iter().map(|beat| (beat, true));
    let all = all.chain(looked_at.waiting_for_journal.iter().map(|beat| (beat, false)));
    let mut tasks: Vec<_> =
        all.map(|(beat, ends)| (beat.clone(), ends, beat.count(), Pulse::new(Duration::ZERO))).collect();
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stop.cancelled() => return tell(NotifyState::Stopping),
        }
        let now = begun.elapsed();
        let heard = looked_at.view.has_changed().unwrap_or(false);
        looked_at.view.mark_unchanged();
        let mut is_alive = say("rules", rules.look(now, heard), true);
        for (beat, ends, count, pulse) in &mut tasks {
            let heard = std::mem::replace(count, beat.count()) != beat.count();
            is_alive &= say(beat.name(), pulse.look(now, heard), *ends) || !*ends;
        }
        if is_alive {
            tell(NotifyState::Watchdog);
        }
    }
}

/// Says what is news; whether the task is alive. `ends`: that it is not will end the agent.
fn say(task: &str, look: Look, ends: bool) -> bool {
    let seconds = STUCK_AFTER.as_secs();
    match look {
        Look::Again => tracing::info!(task, "goes on"),
        Look::JustStuck if ends => tracing::error!(
            task,
            seconds,
            "stands still; if that lasts the service manager will start the agent anew"
        ),
        Look::JustStuck => {
            tracing::error!(task, seconds, "stands still; it may be waiting for the journal's disk");
        }
        Look::Alive | Look::Stuck => {}
    }
    matches!(look, Look::Alive | Look::Again)
}

/// Without a service manager there is nobody to tell, which is no fault.
fn tell(state: NotifyState) {
    let _ = sd_notify::notify(&[state]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_stands_still_is_said_once_and_so_is_that_it_goes_on() {
        let mut pulse = Pulse::new(Duration::ZERO);
        let mut looks = Vec::new();
        // Heard up to second 20, silent up to 70, then again.
        for second in (5..=85).step_by(5) {
            looks.push(pulse.look(Duration::from_secs(second), second <= 20 || second > 70));
        }
        let count = |what| looks.iter().filter(|look| **look == what).count();
        assert_eq!((count(Look::JustStuck), count(Look::Again)), (1, 1), "{looks:?}");
        // 60 to 70 s are beyond the forty after second 20.
        assert_eq!(looks[11], Look::JustStuck);
        assert_eq!(looks[14], Look::Again);
    }
}
