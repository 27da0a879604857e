//! Good readings onward to an InfluxDB-compatible store (its v2 write API).
//!
//! The cursor, kept in the database, moves only when a batch was taken, or its one line recorded in
//! `export_refused`; so after any failure the same readings are written again, which the store takes
//! for the same points.

use crate::database::{OpenError, now_ms};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;
use std::time::Duration;
use storewarden_proto::v1::Quality;
use storewarden_timeseries::{BYTES_MAX, Target, TargetError, Writer, Written, line};
use thiserror::Error;

/// Readings looked at for one batch at most.
const BATCH_MAX: usize = 5_000;

/// Rows kept in `export_refused`; older ones are dropped.
const REFUSED_MAX: i64 = 1_000;

/// How long to wait when there is nothing new.
const IDLE: Duration = Duration::from_secs(1);

/// Writes the readings of one chain onward.
pub(crate) struct Exporter {
    connection: Connection,
    writer: Writer,
    /// The row of the cursor.
    name: String,
    chain: String,
}

impl Exporter {
    /// An exporter with its own connection to the database.
    pub(crate) fn new(connection: Connection, target: Target, chain: &str) -> Result<Self, TargetError> {
        let name = format!("{chain} {} {} {}", target.url, target.org, target.bucket);
        Ok(Self { connection, writer: Writer::new(target)?, name, chain: chain.to_owned() })
    }

    /// Writes whatever is new, until dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let wait = self.round().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "readings not written: the database; tried again");
                IDLE
            });
            tokio::time::sleep(wait).await;
        }
    }

    /// One write; how long to wait before the next.
    async fn round(&mut self) -> rusqlite::Result<Duration> {
        let cursor = cursor(&self.connection, &self.name)?;
        let batch = batch_after(&self.connection, &self.chain, cursor, self.writer.lines_max())?;
        if batch.last == cursor {
            return Ok(IDLE);
        }
        if batch.count == 0 {
            self.advance(&batch, None)?;
            return Ok(Duration::ZERO);
        }
        match self.writer.write(&batch.lines).await {
            Written::Taken => self.advance(&batch, None)?,
            Written::Refused(reason) => {
                let line = batch.lines.trim_end();
                tracing::warn!(reason, line, "a reading was refused; see export_refused");
                self.advance(&batch, Some(&reason))?;
            }
            Written::Again(wait) => return Ok(wait),
        }
        Ok(Duration::ZERO)
    }

    /// Moves the cursor behind `batch`, and records what of it is not in the store; `refused` says why
    /// its only line is not.
    fn advance(&mut self, batch: &Batch, refused: Option<&str>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let alone = refused.map(|reason| (batch.last_line, batch.lines.trim_end(), reason));
        let unsayable = batch.unsayable.iter().map(|(sample, what)| {
            (
                *sample,
                what.as_str(),
                "line protocol has times of the years 1677 to 2262 and finite values only",
            )
        });
        for (sample, line, reason) in unsayable.chain(alone) {
            transaction.execute(
                "INSERT INTO export_refused (target, sample, refused_ms, line, reason) VALUES (?, ?, ?, ?, ?)",
                params![self.name, sample, now_ms(), line, reason],
            )?;
            let newest = transaction.last_insert_rowid();
            transaction.execute("DELETE FROM export_refused WHERE id <= ?", [newest - REFUSED_MAX])?;
        }
        transaction
            .execute("INSERT OR REPLACE INTO influx_cursor VALUES (?, ?)", params![self.name, batch.last])?;
        transaction.commit()
    }
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
    /// How many lines there are.
    count: usize,
    /// The reading of the last line.
    last_line: i64,
    /// The last reading looked at.
    last: i64,
    /// Good readings that line protocol cannot say, in words.
    unsayable: Vec<(i64, String)>,
}

/// The good readings among the next [`BATCH_MAX`], up to `lines_max`; the others are a gap there as
/// they are here.
fn batch_after(
    connection: &Connection,
    chain: &str,
    cursor: i64,
    lines_max: usize,
) -> rusqlite::Result<Batch> {
    let mut query = connection.prepare_cached(
        "SELECT sample.id, chain, store, device, point.point, unit, at_ms, value, quality
         FROM sample JOIN point ON point.id = sample.point
         WHERE sample.id > ? ORDER BY sample.id",
    )?;
    let mut rows = query.query([cursor])?;
    let mut batch = Batch { lines: String::new(), count: 0, last_line: 0, last: cursor, unsayable: vec![] };
    let mut seen = 0;
    while seen < BATCH_MAX && batch.count < lines_max && batch.lines.len() < BYTES_MAX {
        let Some(row) = rows.next()? else { break };
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
        match line(&tags, value, at_ms) {
            Some(line) => {
                batch.lines.push_str(&line);
                batch.count += 1;
                batch.last_line = batch.last;
            }
            None => batch.unsayable.push((batch.last, format!("{tags:?} {value} at {at_ms} ms"))),
        }
    }
    Ok(batch)
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
#[derive(Debug, Error)]
pub(crate) enum ArgsError {
    #[error("--influx-url: {0}")]
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
            timeout: Duration::from_secs(self.influx_timeout),
        };
        Ok(Some(Exporter::new(open()?, target, chain)?))
    }
}
