//! Waiting for programs to be ready, and asking the agent how the store is.

use serde::de::DeserializeOwned;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a program may take to be ready.
pub const READY_LIMIT: Duration = Duration::from_secs(30);

/// Asks the agent's console for the store as it is; `T` names the parts of `/api/view` that are wanted.
pub async fn view<T: DeserializeOwned + Send + 'static>(console: u16) -> io::Result<T> {
    let url = format!("http://127.0.0.1:{console}/api/view");
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().into();
        let text = agent
            .get(&url)
            .call()
            .and_then(|mut answer| answer.body_mut().read_to_string())
            .map_err(io::Error::other)?;
        serde_json::from_str(&text).map_err(io::Error::other)
    })
    .await?
}

/// Waits until somebody listens on `port`.
pub async fn wait_for_port(port: u16) -> io::Result<()> {
    let up = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(READY_LIMIT, up).await.map_err(|_| io::Error::other("a broker does not listen"))
}

/// Waits for the JSON file at `path` and returns the addresses under `key`: at least one.
pub async fn wait_for_addresses(path: &Path, key: &str) -> io::Result<Vec<String>> {
    let listening = async {
        loop {
            if let Ok(text) = std::fs::read_to_string(path) {
                let mut ready: serde_json::Value = serde_json::from_str(&text)?;
                let addresses: Vec<String> = serde_json::from_value(ready[key].take())?;
                if addresses.is_empty() {
                    return Err(io::Error::other("the simulated equipment has no bus"));
                }
                return Ok(addresses);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(READY_LIMIT, listening)
        .await
        .map_err(|_| io::Error::other("the simulated equipment does not start"))?
}
