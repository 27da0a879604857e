//! Tasks without which a store is only half running.

use std::future::Future;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Tasks that must not end before they are told to.
pub struct Tasks {
    /// Cancelled when one could not go on.
    pub broken: CancellationToken,
    /// Cancelled when they are told to end.
    pub stopping: CancellationToken,
}

impl Tasks {
    /// Starts a task on a thread. When it fails, ends early or panics, the log says so and the agent
    /// stops, for systemd to start it anew: a store half running is worse.
    pub fn start<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
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
                Ok(Ok(_)) => tracing::error!(task = name, "ended without being told to"),
                Ok(Err(error)) => tracing::error!(task = name, %error, "failed"),
                Err(error) => tracing::error!(task = name, %error, "failed"),
            }
            broken.cancel();
            None
        })
    }
}
