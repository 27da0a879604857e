//! One write, and what became of it.

use crate::delivery::{Answer, Delivery, Next};
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url, redirect};
use std::time::Duration;
use thiserror::Error;

/// Characters of an answer that are kept as the reason.
const REASON_MAX: usize = 300;

/// Where readings go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `http://HOST:PORT`.
    pub url: String,
    /// The organisation, which servers without any ignore.
    pub org: String,
    /// The bucket.
    pub bucket: String,
    /// The access token; empty: none is sent.
    pub token: String,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

/// What is wrong with a target.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not `http://HOST:PORT`.
    #[error("{url:?} is not an address ({reason}): write http://HOST:PORT")]
    Url {
        /// What was written.
        url: String,
        /// Why it is none.
        reason: String,
    },
    /// `https://`.
    #[error(
        "{0:?}: TLS is not built in; put a TLS proxy (stunnel, nginx) beside this program and give its http:// address"
    )]
    Tls(String),
    /// The HTTP client cannot be built.
    #[error("cannot build the HTTP client: {0}")]
    Client(String),
}

/// What became of the lines of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// They are stored.
    Taken,
    /// There was one line, and it will never be taken; in the server's words.
    Refused(String),
    /// To be read and written again, as many as [`Writer::lines_max`] then says, after this long.
    Again(Duration),
}

/// Writes to one target.
#[derive(Debug)]
pub struct Writer {
    client: reqwest::Client,
    target: Target,
    delivery: Delivery,
}

impl Writer {
    /// Nothing is written yet, and nobody connected to.
    ///
    /// # Errors
    /// What is wrong with `target`.
    pub fn new(target: Target) -> Result<Self, TargetError> {
        Ok(Self { client: client(&target)?, target, delivery: Delivery::new() })
    }

    /// Lines that the next write may hold.
    pub fn lines_max(&self) -> usize {
        self.delivery.lines()
    }

    /// Writes `lines`, at least one and each with its line break. What is tried again is logged here.
    pub async fn write(&mut self, lines: &str) -> Written {
        let count = lines.lines().count();
        let (answer, said) = send(&self.client, &self.target, lines.to_owned()).await;
        match self.delivery.answered(count, &answer, fastrand::f64()) {
            Next::Advance => Written::Taken,
            Next::Refuse => Written::Refused(said),
            Next::Again(wait) => {
                let wait_ms = wait.as_millis();
                match answer {
                    Answer::Mend => tracing::error!(
                        answer = said,
                        wait_ms,
                        "readings not written: check address, organisation, bucket and token of the time-series server; tried again"
                    ),
                    _ => tracing::warn!(
                        answer = said,
                        wait_ms,
                        lines = count,
                        "readings not written; tried again"
                    ),
                }
                Written::Again(wait)
            }
        }
    }
}

/// Whether `target` is one that can be written to.
///
/// # Errors
/// What is wrong with it.
pub fn check(target: &Target) -> Result<(), TargetError> {
    client(target).map(|_| ())
}

/// Sends `lines`: what became of it, and the same in words.
async fn send(client: &reqwest::Client, target: &Target, lines: String) -> (Answer, String) {
    let Target { url, org, bucket, token, .. } = target;
    let mut request = client
        .post(format!("{}/api/v2/write", url.trim_end_matches('/')))
        .query(&[("bucket", bucket.as_str()), ("org", org), ("precision", "ns")])
        .body(lines);
    if !token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Token {token}"));
    }
    match request.send().await {
        Ok(response) => {
            let status = response.status();
            let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let answer = answer(status, after.and_then(|text| retry_after(text, Utc::now())));
            (answer, format!("{status} {}", beginning(response).await))
        }
        Err(error) => (Answer::Lost, error.without_url().to_string()),
    }
}

/// The first [`REASON_MAX`] characters of the body; what comes after is not waited for.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= REASON_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).trim().chars().take(REASON_MAX).collect()
}

/// What `status` means for the batch.
fn answer(status: StatusCode, after: Option<Duration>) -> Answer {
    match status.as_u16() {
        200..=299 => Answer::Taken,
        400 | 422 => Answer::Wrong,
        413 => Answer::TooLarge,
        408 => Answer::Lost,
        429 | 500.. => Answer::Busy(after),
        _ => Answer::Mend,
    }
}

/// `Retry-After`: seconds, or a date; none if it is neither.
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((until.to_utc() - now).to_std().unwrap_or_default())
}

/// The HTTP client that `influxdb2` uses too, without the wrapping that hides `Retry-After`.
fn client(target: &Target) -> Result<reqwest::Client, TargetError> {
    let url_error = |reason: String| TargetError::Url { url: target.url.clone(), reason };
    let url = Url::parse(&target.url).map_err(|error| url_error(error.to_string()))?;
    match url.scheme() {
        "http" => {}
        "https" => return Err(TargetError::Tls(target.url.clone())),
        other => return Err(url_error(format!("{other} is not http"))),
    }
    if !matches!(url.path(), "" | "/") {
        return Err(url_error("it must not have a path, which the write API sets".to_owned()));
    }
    reqwest::Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(target.timeout)
        .build()
        .map_err(|error| TargetError::Client(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_seconds_or_as_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-09-21T14:13:20Z").unwrap().to_utc();
        assert_eq!(retry_after(" 17 ", now), Some(Duration::from_secs(17)));
        assert_eq!(retry_after("Mon, 21 Sep 2026 14:14:00 GMT", now), Some(Duration::from_secs(40)));
        assert_eq!(retry_after("Mon, 21 Sep 2026 14:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn a_bad_address_is_an_error_and_not_a_panic() {
        let with = |url: &str| {
            client(&Target {
                url: url.into(),
                org: "o".into(),
                bucket: "b".into(),
                token: "t".into(),
                timeout: Duration::from_secs(1),
            })
            .map(|_| ())
        };
        assert!(with("http://127.0.0.1:8086").is_ok());
        for bad in ["", "127.0.0.1:8086", "/3242/23", "ftp://host", "http://", "http://h/api"] {
            assert!(matches!(with(bad), Err(TargetError::Url { .. })), "{bad}");
        }
        assert!(matches!(with("https://influx.example"), Err(TargetError::Tls(_))));
    }
}
