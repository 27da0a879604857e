//! Good readings onward to an InfluxDB-compatible store (its v2 write API).
//!
//! The cursor, kept in the database, moves only when a batch was taken, or its one line recorded in
//! `export_refused`; so after any failure the same readings are written again, which the store takes
//! for the same points.

mod delivery;

use crate::database::{Database, Error, Horizon, OpenError, now_ms, values};
use chrono::{DateTime, Utc};
use delivery::{Answer, Delivery, Next};
use influxdb2::models::{DataPoint, WriteDataPoint as _};
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url, redirect};
use std::path::PathBuf;
use std::time::Duration;
use storewarden_proto::v1::Quality;
use thiserror::Error as ThisError;
use tokio::runtime::Handle;

/// Readings looked at for one batch at most.
const BATCH_MAX: i64 = 5_000;

/// Bytes after which no line is added to a batch. One line is less than 1 KiB.
const BYTES_MAX: usize = 1 << 20;

/// Rows kept in `export_refused`; older ones are dropped.
const REFUSED_MAX: i64 = 1_000;

/// Characters of an answer that are kept as the reason.
const REASON_MAX: usize = 300;

/// How long to wait when there is nothing new.
const IDLE: Duration = Duration::from_secs(1);

/// Where readings go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) org: String,
    pub(crate) bucket: String,
    pub(crate) token: String,
    /// How long an answer is waited for.
    pub(crate) timeout: Duration,
}

/// What is wrong with a target.
#[derive(Debug, ThisError)]
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

/// Writes the readings of one chain onward.
pub(crate) struct Exporter {
    database: Database,
    /// How far the readings are complete.
    horizon: Horizon,
    client: reqwest::Client,
    target: Target,
    /// The row of the cursor.
    name: String,
    chain: String,
    delivery: Delivery,
}

impl Exporter {
    /// An exporter with its own connection to the database.
    pub(crate) fn new(database: Database, target: Target, chain: &str) -> Result<Self, TargetError> {
        let client = client(&target)?;
        let name = format!("{chain} {} {} {}", target.url, target.org, target.bucket);
        let horizon = Horizon::of("sample");
        Ok(Self {
            database,
            horizon,
            client,
            target,
            name,
            chain: chain.to_owned(),
            delivery: Delivery::new(),
        })
    }

    /// Writes whatever is new, for ever; on a thread of its own, with what `runtime` has for the network.
    pub(crate) fn run(mut self, runtime: &Handle) {
        loop {
            let wait = self.round(runtime).unwrap_or_else(|error| {
                tracing::warn!(%error, "readings not written: the database; tried again");
                IDLE
            });
            std::thread::sleep(wait);
        }
    }

    /// One write; how long to wait before the next.
    fn round(&mut self, runtime: &Handle) -> Result<Duration, Error> {
        let cursor = cursor(&mut self.database, &self.name)?;
        let until = self.horizon.look(&mut self.database)?;
        let batch = batch_after(&mut self.database, &self.chain, (cursor, until), self.delivery.lines())?;
        if batch.last == cursor {
            return Ok(IDLE);
        }
        if batch.count == 0 {
            self.advance(cursor, &batch, None)?;
            return Ok(Duration::ZERO);
        }
        let (answer, said) = runtime.block_on(send(&self.client, &self.target, batch.lines.clone()));
        match self.delivery.answered(batch.count, &answer, fastrand::f64()) {
            Next::Advance => self.advance(cursor, &batch, None)?,
            Next::Refuse => {
                tracing::warn!(
                    reason = said,
                    line = batch.lines.trim_end(),
                    "a reading was refused; see export_refused"
                );
                self.advance(cursor, &batch, Some(&said))?;
            }
            Next::Again(wait) => {
                let wait_ms = wait.as_millis();
                match answer {
                    Answer::Mend => tracing::error!(
                        answer = said,
                        wait_ms,
                        "readings not written: check --influx-url, --influx-org, --influx-bucket and the token; tried again"
                    ),
                    _ => tracing::warn!(
                        answer = said,
                        wait_ms,
                        lines = batch.count,
                        "readings not written; tried again"
                    ),
                }
                return Ok(wait);
            }
        }
        Ok(Duration::ZERO)
    }

    /// Moves the cursor from `cursor` behind `batch`, and records what of it is not in the store; `refused`
    /// says why its only line is not. If another worker has moved it, nothing changes.
    fn advance(&mut self, cursor: i64, batch: &Batch, refused: Option<&str>) -> Result<(), Error> {
        let alone = refused.map(|reason| (batch.last_line, batch.lines.trim_end(), reason));
        let unsayable = batch.unsayable.iter().map(|(sample, what)| {
            (
                *sample,
                what.as_str(),
                "line protocol has times of the years 1677 to 2262 and finite values only",
            )
        });
        let name = &self.name;
        self.database.transaction(|transaction| {
            let moved = transaction.execute(
                "INSERT INTO influx_cursor AS known VALUES (?1, ?2)
                 ON CONFLICT (target) DO UPDATE SET sample = excluded.sample WHERE known.sample = ?3",
                &values![name, batch.last, cursor],
            )?;
            if moved == 0 {
                return Ok(());
            }
            for (sample, line, reason) in unsayable.chain(alone) {
                let rows = transaction.query(
                    "INSERT INTO export_refused (target, sample, refused_ms, line, reason)
                     VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
                    &values![name, sample, now_ms(), line, reason],
                )?;
                let newest: i64 = rows.first().map_or(Ok(0), |row| row.get(0))?;
                transaction
                    .execute("DELETE FROM export_refused WHERE id <= ?1", &values![newest - REFUSED_MAX])?;
            }
            Ok(())
        })
    }
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

fn cursor(database: &mut Database, name: &str) -> Result<i64, Error> {
    let rows = database.query("SELECT sample FROM influx_cursor WHERE target = ?1", &values![name])?;
    rows.first().map_or(Ok(0), |row| row.get(0))
}

struct Batch {
    lines: String,
    /// How many lines there are.
    count: usize,
    /// The reading of the last line.
    last_line: i64,
    /// The last reading looked at.
    last: i64,
    /// Good readings that line protocol cannot say, in words.
    unsayable: Vec<(i64, String)>,
}

/// The good readings among the next [`BATCH_MAX`] after the first number of `span` and not after the
/// second, up to `lines_max`; the others are a gap there as they are here.
fn batch_after(
    database: &mut Database,
    chain: &str,
    (cursor, until): (i64, i64),
    lines_max: usize,
) -> Result<Batch, Error> {
    let mut batch = Batch { lines: String::new(), count: 0, last_line: 0, last: cursor, unsayable: vec![] };
    database.for_each(
        "SELECT sample.id, chain, store, device, point.point, unit, at_ms, value, quality
         FROM sample JOIN point ON point.id = sample.point
         WHERE sample.id > ?1 AND sample.id <= ?2 ORDER BY sample.id LIMIT ?3",
        &values![cursor, until, BATCH_MAX],
        |row| {
            if batch.count >= lines_max || batch.lines.len() >= BYTES_MAX {
                return Ok(());
            }
            batch.last = row.get(0)?;
            let (at_ms, value, quality): (i64, Option<f64>, i32) = (row.get(6)?, row.get(7)?, row.get(8)?);
            let Some(value) = value.filter(|_| quality == i32::from(Quality::Good)) else { return Ok(()) };
            let text = |column| row.get::<String>(column);
            let (its_chain, store, device, point, unit) = (text(1)?, text(2)?, text(3)?, text(4)?, text(5)?);
            if its_chain != chain {
                return Ok(());
            }
            let tags = [
                ("chain", chain),
                ("device", &device),
                ("point", &point),
                ("store", &store),
                ("unit", &unit),
            ];
            match line(&tags, value, at_ms) {
                Some(line) => {
                    batch.lines.push_str(&line);
                    batch.count += 1;
                    batch.last_line = batch.last;
                }
                None => batch.unsayable.push((batch.last, format!("{tags:?} {value} at {at_ms} ms"))),
            }
            Ok::<_, Error>(())
        },
    )?;
    Ok(batch)
}

/// One line of line protocol, with the time in nanoseconds; none for a value that is not finite or a
/// time outside the years 1677 to 2262, which the protocol cannot say.
fn line(tags: &[(&str, &str)], value: f64, at_ms: i64) -> Option<String> {
    let at_ns = at_ms.checked_mul(1_000_000).filter(|_| value.is_finite())?;
    let mut point = DataPoint::builder("reading").field("value", value).timestamp(at_ns);
    // A tag without a value is not allowed, and means the same as none.
    for (key, tag) in tags.iter().filter(|(_, tag)| !tag.is_empty()) {
        // A backslash is not escaped by the protocol, so that one at the end would escape what
        // follows: it becomes a slash. A line break, which it has no escape for, becomes a space.
        point = point.tag(*key, tag.replace('\\', "/").replace(['\n', '\r'], " "));
    }
    let mut line = Vec::new();
    point.build().ok()?.write_data_point_to(&mut line).ok()?;
    String::from_utf8(line).ok()
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
    /// Seconds that its answer is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    influx_timeout: u64,
}

/// Why the arguments give no exporter.
#[derive(Debug, ThisError)]
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
        open: impl FnOnce() -> Result<Database, OpenError>,
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
            timeout: Duration::from_secs(self.influx_timeout),
        };
        Ok(Some(Exporter::new(open()?, target, chain)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_protocol_is_escaped() {
        // Written by hand from the line protocol reference.
        let of = |tags: &[(&str, &str)], value, at_ms| line(tags, value, at_ms);
        assert_eq!(
            of(&[("device", "a,b=c d\\"), ("unit", "")], -18.5, 1_790_000_000_123).unwrap(),
            "reading,device=a\\,b\\=c\\ d/ value=-18.5 1790000000123000000\n"
        );
        assert_eq!(of(&[("device", "冷柜\n2")], 3.0, 0).unwrap(), "reading,device=冷柜\\ 2 value=3 0\n");
        assert_eq!(of(&[], f64::NAN, 0), None);
        assert_eq!(of(&[], 1.0, i64::MAX), None);
    }

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
                timeout: IDLE,
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
