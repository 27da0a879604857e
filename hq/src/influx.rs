//! Good readings onward to an InfluxDB-compatible store (its v2 write API).
//!
//! The cursor, kept in the database, moves only when a batch was taken; so after any failure the same
//! readings are written again, which the store takes for the same points.

use crate::database::OpenError;
use crate::pause::Pause;
use reqwest::{Url, redirect};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;
use std::time::Duration;
use storewarden_proto::v1::Quality;
use thiserror::Error;

/// Readings looked at in one batch at most.
const BATCH_MAX: i64 = 5_000;

/// How long to wait when there is nothing new.
const IDLE: Duration = Duration::from_secs(1);

/// Where readings go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) org: String,
    pub(crate) bucket: String,
    pub(crate) token: String,
}

/// What is wrong with a target.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    #[error("--influx-url {url:?} is not an address ({reason}): write http://HOST:PORT")]
    Url { url: String, reason: String },
    #[error(
        "--influx-url {0:?}: TLS is not built in; put a TLS proxy (stunnel, nginx) beside this service and give its http:// address"
    )]
    Tls(String),
    #[error("cannot build the HTTP client: {0}")]
    Client(String),
}

/// Why a round of writing failed.
#[derive(Debug, Error)]
enum RoundError {
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the time-series store: {0}")]
    Write(#[from] influxdb2::RequestError),
}

/// Writes the readings of one chain onward.
pub(crate) struct Exporter {
    connection: Connection,
    client: influxdb2::Client,
    target: Target,
    chain: String,
}

impl Exporter {
    /// An exporter with its own connection to the database.
    pub(crate) fn new(connection: Connection, target: Target, chain: &str) -> Result<Self, TargetError> {
        let client = client(&target)?;
        Ok(Self { connection, client, target, chain: chain.to_owned() })
    }

    /// Writes whatever is new, until dropped.
    pub(crate) async fn run(mut self) {
        let mut pause = Pause::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            match self.round().await {
                Ok(more) => {
                    pause.reset();
                    if !more {
                        tokio::time::sleep(IDLE).await;
                    }
                }
                Err(error) => {
                    let wait = pause.after_failure(fastrand::f64());
                    tracing::warn!(%error, wait_ms = wait.as_millis(), "readings not written; the same are tried again");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One batch; whether there may be more at once.
    async fn round(&mut self) -> Result<bool, RoundError> {
        let name = format!("{} {} {} {}", self.chain, self.target.url, self.target.org, self.target.bucket);
        let cursor = cursor(&self.connection, &name)?;
        let batch = batch_after(&self.connection, &self.chain, cursor)?;
        if batch.last == cursor {
            return Ok(false);
        }
        if !batch.lines.is_empty() {
            self.client.write_line_protocol(&self.target.org, &self.target.bucket, batch.lines).await?;
        }
        self.connection
            .execute("INSERT OR REPLACE INTO influx_cursor VALUES (?, ?)", params![name, batch.last])?;
        Ok(batch.full)
    }
}

/// Checked first: the client's own constructor panics on a bad address.
fn client(target: &Target) -> Result<influxdb2::Client, TargetError> {
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
    let builder = reqwest::Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30));
    influxdb2::ClientBuilder::with_builder(builder, &target.url, &target.org, &target.token)
        .build()
        .map_err(|error| TargetError::Client(error.to_string()))
}

fn cursor(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let found = connection
        .prepare_cached("SELECT sample FROM influx_cursor WHERE target = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

struct Batch {
    lines: String,
    /// The last reading looked at.
    last: i64,
    /// Whether it holds as many as it may.
    full: bool,
}

/// The good readings among the next [`BATCH_MAX`]; the others are a gap there as they are here.
fn batch_after(connection: &Connection, chain: &str, cursor: i64) -> rusqlite::Result<Batch> {
    let mut query = connection.prepare_cached(
        "SELECT sample.id, chain, store, device, point.point, unit, at_ms, value, quality
         FROM sample JOIN point ON point.id = sample.point
         WHERE sample.id > ? ORDER BY sample.id LIMIT ?",
    )?;
    let mut rows = query.query([cursor, BATCH_MAX])?;
    let mut batch = Batch { lines: String::new(), last: cursor, full: false };
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        seen += 1;
        batch.last = row.get(0)?;
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let (at_ms, value, quality): (i64, Option<f64>, i32) = (row.get(6)?, row.get(7)?, row.get(8)?);
        let Some(value) = value.filter(|_| quality == i32::from(Quality::Good)) else { continue };
        if text(1)? != chain {
            continue;
        }
        let tags = [
            ("chain", text(1)?),
            ("device", text(3)?),
            ("point", text(4)?),
            ("store", text(2)?),
            ("unit", text(5)?),
        ];
        push_line(&mut batch.lines, &tags, value, at_ms);
    }
    batch.full = seen == BATCH_MAX;
    Ok(batch)
}

/// Appends one line of line protocol, with the time in nanoseconds. What the protocol cannot say (a
/// value that is not finite, a time outside the years 1677 to 2262) is left out.
fn push_line(lines: &mut String, tags: &[(&str, &str)], value: f64, at_ms: i64) {
    let Some(at_ns) = at_ms.checked_mul(1_000_000).filter(|_| value.is_finite()) else { return };
    lines.push_str("reading");
    // A tag without a value is not allowed, and means the same as none.
    for (key, tag) in tags.iter().filter(|(_, tag)| !tag.is_empty()) {
        lines.push(',');
        lines.push_str(key);
        lines.push('=');
        push_tag_value(lines, tag);
    }
    lines.push_str(" value=");
    lines.push_str(&value.to_string());
    lines.push(' ');
    lines.push_str(&at_ns.to_string());
    lines.push('\n');
}

/// Comma, equals sign and space are escaped with a backslash. A backslash itself is not, so that one
/// at the end would escape what follows: it becomes a slash, and a line break, which the protocol
/// has no escape for, a space.
fn push_tag_value(lines: &mut String, tag: &str) {
    for character in tag.chars() {
        match character {
            ',' | '=' | ' ' => lines.extend(['\\', character]),
            '\n' | '\r' => lines.push_str("\\ "),
            '\\' => lines.push('/'),
            other => lines.push(other),
        }
    }
}

/// What `serve` was told about the time-series store.
#[derive(Debug, clap::Args)]
pub(crate) struct InfluxArgs {
    /// Write good readings to the InfluxDB v2 API at http://HOST:PORT
    #[arg(long, value_name = "URL", requires_all = ["influx_org", "influx_bucket"])]
    influx_url: Option<String>,
    /// Its organisation
    #[arg(long, value_name = "NAME", requires = "influx_url")]
    influx_org: Option<String>,
    /// Its bucket
    #[arg(long, value_name = "NAME", requires = "influx_url")]
    influx_bucket: Option<String>,
    /// File with its access token
    #[arg(long, value_name = "FILE", requires = "influx_url")]
    influx_token_file: Option<PathBuf>,
}

/// Why the arguments give no exporter.
#[derive(Debug, Error)]
pub(crate) enum ArgsError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("cannot read --influx-token-file {0}: {1}")]
    Token(PathBuf, std::io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl InfluxArgs {
    /// The exporter that is asked for, if one is.
    pub(crate) fn exporter(
        &self,
        open: impl FnOnce() -> Result<Connection, OpenError>,
        chain: &str,
    ) -> Result<Option<Exporter>, ArgsError> {
        let (Some(url), Some(org), Some(bucket)) = (&self.influx_url, &self.influx_org, &self.influx_bucket)
        else {
            return Ok(None);
        };
        let token = match &self.influx_token_file {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| ArgsError::Token(path.clone(), error))?
            }
            None => String::new(),
        };
        let target = Target {
            url: url.clone(),
            org: org.clone(),
            bucket: bucket.clone(),
            token: token.trim().to_owned(),
        };
        Ok(Some(Exporter::new(open()?, target, chain)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_protocol_is_escaped() {
        let mut lines = String::new();
        push_line(&mut lines, &[("device", "a,b=c d\\"), ("unit", "")], -18.5, 1_790_000_000_123);
        push_line(&mut lines, &[("device", "冷柜\n2")], 3.0, 0);
        push_line(&mut lines, &[], f64::NAN, 0);
        push_line(&mut lines, &[], 1.0, i64::MAX);
        assert_eq!(
            lines,
            "reading,device=a\\,b\\=c\\ d/ value=-18.5 1790000000123000000\nreading,device=冷柜\\ 2 value=3 0\n"
        );
    }

    #[test]
    fn a_bad_address_is_an_error_and_not_a_panic() {
        let with = |url: &str| {
            client(&Target { url: url.into(), org: "o".into(), bucket: "b".into(), token: "t".into() })
        };
        assert!(with("http://127.0.0.1:8086").is_ok());
        for bad in ["", "127.0.0.1:8086", "/3242/23", "ftp://host", "http://", "http://h/api"] {
            assert!(matches!(with(bad), Err(TargetError::Url { .. })), "{bad}");
        }
        assert!(matches!(with("https://influx.example"), Err(TargetError::Tls(_))));
    }
}
