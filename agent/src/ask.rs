//! What commands need that ask something of a store: its configuration, and the running agent.

use crate::assemble::assemble;
use crate::config::Config;
use crate::failure::Failure;
use crate::journal;
use std::path::Path;
use std::time::Duration;

/// The configuration, if an agent could start with it.
pub(crate) fn load(path: &Path) -> Result<Config, Failure> {
    let config = Config::load(path).map_err(|faults| Failure::config(&faults))?;
    // Too many of something shows only when the rules are put together.
    assemble(&config, |device, pace| Some(device.interval(pace)))
        .map_err(|full| Failure::Input(format!("{}: {full}; nothing was started.\n", path.display())))?;
    Ok(config)
}

/// The store's journal, to read it, also beside a running agent.
pub(crate) fn journal_of(config: &Config) -> Result<rusqlite::Connection, Failure> {
    let path = &config.journal.path;
    if !path.exists() {
        return Err(Failure::Outcome(format!("{}: no journal yet; has the agent run?", path.display())));
    }
    journal::open_read_only(path).map_err(Failure::outcome)
}

/// Asks the running agent to do something: only it may change alarms and labels.
pub(crate) fn ask(config: &Config, path: &str, body: &serde_json::Value) -> Result<(), Failure> {
    let (url, agent) = agent(config, path);
    let response = agent.post(&url).header("content-type", "application/json").send(&body.to_string());
    answer(config, response).map(drop)
}

/// Hands the running agent what was signed for it.
pub(crate) fn send(config: &Config, path: &str, signed: &[u8]) -> Result<(), Failure> {
    let (url, agent) = agent(config, path);
    let response = agent.post(&url).header("content-type", "application/octet-stream").send(signed);
    answer(config, response).map(drop)
}

/// Asks the running agent how things are.
pub(crate) fn get(config: &Config, path: &str) -> Result<String, Failure> {
    let (url, agent) = agent(config, path);
    answer(config, agent.get(&url).call())
}

fn agent(config: &Config, path: &str) -> (String, ureq::Agent) {
    let settings = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .http_status_as_error(false);
    (format!("http://{}/api/{path}", config.console.listen), settings.build().into())
}

fn answer(
    config: &Config,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<String, Failure> {
    let response = response.map_err(|error| {
        Failure::Outcome(format!(
            "the agent does not answer at {}: {error}; is it running? start it with `storewarden run`",
            config.console.listen
        ))
    })?;
    let (status, mut answer) = (response.status(), response.into_body());
    let text = answer.read_to_string().unwrap_or_default();
    if status.is_success() { Ok(text) } else { Err(Failure::Outcome(format!("not done: {}", text.trim()))) }
}
