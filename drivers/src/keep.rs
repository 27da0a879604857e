//! What ties a task to whoever keeps it running: it is told to end, it gives signs of life, and what waits
//! for it outlives it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// How a task is told to end, and where it gives its signs of life.
#[derive(Clone, Debug, Default)]
pub struct Tie {
    /// Cancelled when it is to end.
    pub stop: CancellationToken,
    /// To be given at least every [`Beat::EVERY`].
    pub beat: Beat,
}

impl From<CancellationToken> for Tie {
    /// Of a task whose signs of life nobody counts.
    fn from(stop: CancellationToken) -> Self {
        Self { stop, beat: Beat::default() }
    }
}

/// The signs of life of one task. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    name: Arc<str>,
    count: Arc<AtomicU64>,
    /// A file that says which task is to fail: for tests. None in a store.
    fault: Option<Arc<Path>>,
}

/// Names a file, read at each sign of life: `panic NAME` lets the task of that name panic once and removes
/// the file; with `hang NAME` it does nothing more for as long as it lives. A driver that is as it should be
/// has no fault that a test could provoke from outside.
const FAULT_FILE: &str = "STOREWARDEN_FAULT_FILE";

impl Beat {
    /// No task may wait longer for what is outside of it.
    pub const EVERY: Duration = Duration::from_secs(10);

    /// The signs of life of the task of that name.
    pub fn of(name: &str) -> Self {
        let fault = std::env::var_os(FAULT_FILE).map(|file| Path::new(&file).into());
        Self { name: name.into(), count: Arc::default(), fault }
    }

    /// The task's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One more.
    ///
    /// # Panics
    ///
    /// If the file of faults says so.
    pub async fn give(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let Some(file) = &self.fault else { return };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        match text.trim().split_once(' ') {
            Some(("panic", name)) if *name == *self.name => {
                let _ = std::fs::remove_file(file);
                panic!("{} was told to", self.name);
            }
            Some(("hang", name)) if *name == *self.name => std::future::pending().await,
            _ => {}
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The receiving end of a channel, which outlives the task that takes from it: one that is begun anew goes
/// on with what waits, once the one before has let go of it.
#[derive(Debug)]
pub struct Inlet<T>(Arc<Mutex<mpsc::Receiver<T>>>);

impl<T> Inlet<T> {
    /// Takes hold of it.
    pub async fn take(self) -> tokio::sync::OwnedMutexGuard<mpsc::Receiver<T>> {
        self.0.lock_owned().await
    }
}

impl<T> Clone for Inlet<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> From<mpsc::Receiver<T>> for Inlet<T> {
    fn from(receiver: mpsc::Receiver<T>) -> Self {
        Self(Arc::new(Mutex::new(receiver)))
    }
}
