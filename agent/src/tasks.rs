//! The tasks that a store is watched with, and what becomes of one that fails.
//!
//! One that can begin anew by itself is begun anew, with growing pauses, and the others go on. One that
//! cannot ends the agent, for systemd to start it anew; so does one that fails again and again.

use crate::backoff::Backoff;
use std::collections::VecDeque;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;
use storewarden_drivers::keep::Beat;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// With this many failures within [`FAILURES_WITHIN`] a task is given up: the pauses add up to some two
/// minutes. Choices of this project.
const FAILURES_MAX: usize = 10;
/// Failures longer ago are forgotten.
const FAILURES_WITHIN: Duration = Duration::from_secs(600);

/// Tasks that must not end before they are told to.
pub struct Tasks {
    /// Cancelled when one could not go on.
    pub broken: CancellationToken,
    /// Cancelled when they are told to end.
    pub stopping: CancellationToken,
}

impl Tasks {
    /// Starts a task that cannot begin anew. When it fails, ends early or panics, the log says so and the
    /// agent stops: a store half running is worse.
    pub fn start<T: Send + 'static, E: Display + Send + 'static>(
        &mut self,
        on: &Handle,
        name: &'static str,
        task: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let (broken, stopping) = (self.broken.clone(), self.stopping.clone());
        let inner = on.spawn(task);
        on.spawn(async move {
            match inner.await {
                Ok(Ok(value)) if stopping.is_cancelled() => return Some(value),
                ended => tracing::error!(task = name, why = why(ended), "failed"),
            }
            broken.cancel();
            None
        })
    }

    /// Starts a task that `make` makes, and again when it fails, ends early or panics.
    pub fn keep<E: Display + Send + 'static, T: Future<Output = Result<(), E>> + Send + 'static>(
        &mut self,
        on: &Handle,
        beat: Beat,
        mut make: impl FnMut() -> T + Send + 'static,
    ) -> JoinHandle<()> {
        let (broken, stopping) = (self.broken.clone(), self.stopping.clone());
        let runtime = on.clone();
        on.spawn(async move {
            let mut failures = Failures::default();
            let begun = Instant::now();
            loop {
                let ended = runtime.spawn(make()).await;
                if stopping.is_cancelled() {
                    return;
                }
                let (task, why) = (beat.name(), why(ended));
                let Some(pause) = failures.failed(begun.elapsed(), fastrand::f64()) else {
                    tracing::error!(task, why, times = FAILURES_MAX, "failed too often; the agent stops");
                    return broken.cancel();
                };
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::error!(task, why, pause_ms, "failed; it begins anew, the others go on");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stopping.cancelled() => return,
                }
                beat.give().await;
            }
        })
    }
}

/// Why a task is over that should not be.
fn why<T, E: Display>(ended: Result<Result<T, E>, JoinError>) -> String {
    match ended {
        Ok(Ok(_)) => "ended without being told to".into(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    }
}

/// When a task failed lately. Pure.
#[derive(Debug, Default)]
struct Failures {
    at: VecDeque<Duration>,
    backoff: Backoff,
}

impl Failures {
    /// It failed once more: how long to pause, or none if it is to be given up. `now` is the time since any
    /// fixed moment, `share` as [`Backoff::failed`] takes it.
    fn failed(&mut self, now: Duration, share: f64) -> Option<Duration> {
        self.at.retain(|at| now.saturating_sub(*at) < FAILURES_WITHIN);
        if self.at.is_empty() {
            self.backoff.worked();
        }
        self.at.push_back(now);
        (self.at.len() < FAILURES_MAX).then(|| self.backoff.failed(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_fails_now_and_then_goes_on_and_one_that_fails_again_and_again_does_not() {
        let mut failures = Failures::default();
        for hour in 0..100 {
            let pause = failures.failed(Duration::from_secs(hour * 3600), 1.0);
            assert_eq!(pause, Some(Duration::from_millis(500)), "long ago is forgotten");
        }
        let mut now = Duration::from_secs(1000 * 3600);
        let mut pauses = Vec::new();
        while let Some(pause) = failures.failed(now, 1.0) {
            pauses.push(pause.as_millis());
            now += pause;
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    }

    #[tokio::test]
    async fn an_end_an_error_and_a_panic_are_survived_and_an_order_to_end_is_obeyed() {
        let mut tasks = Tasks { broken: CancellationToken::new(), stopping: CancellationToken::new() };
        let (runs, mut ran) = tokio::sync::watch::channel(0);
        let stop = tasks.stopping.clone();
        let task = tasks.keep(&Handle::current(), Beat::of("poor"), move || {
            let (run, stop) = (*runs.borrow() + 1, stop.clone());
            runs.send_replace(run);
            async move {
                match run {
                    1 => return Ok(()),
                    2 => return Err("it fails"),
                    3 => panic!("it panics"),
                    _ => stop.cancelled().await,
                }
                Ok(())
            }
        });
        ran.wait_for(|runs| *runs == 4).await.unwrap();
        tasks.stopping.cancel();
        task.await.unwrap();
        assert!(!tasks.broken.is_cancelled());
        assert_eq!(*ran.borrow(), 4, "and not begun anew after that");
    }

    #[tokio::test]
    async fn one_that_cannot_begin_anew_ends_the_agent() {
        let mut tasks = Tasks { broken: CancellationToken::new(), stopping: CancellationToken::new() };
        let task = tasks.start(&Handle::current(), "site", async { Err::<(), _>("the journal is closed") });
        tasks.broken.cancelled().await;
        assert_eq!(task.await.unwrap(), None);
    }
}
