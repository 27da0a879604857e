//! Good readings onward to an InfluxDB-compatible store (its v2 write API).
//!
//! The cursor, kept in the database, moves only when a batch was taken, or its one line recorded in
//! `export_refused`; so after any failure the same readings are written again, which the store takes
//! for the same points.

use crate::database::{Database, Error, Horizon, OpenError, now_ms, values};
use std::path::PathBuf;
use std::time::Duration;
use storewarden_proto::v1::Quality;
use storewarden_timeseries::{BYTES_MAX, Target, TargetError, Writer, Written, line};
use thiserror::Error as ThisError;
use tokio::runtime::Handle;

/// Readings looked at for one batch at most.
const BATCH_MAX: i64 = 5_000;

/// Rows kept in `export_refused`; older ones are dropped.
const REFUSED_MAX: i64 = 1_000;

/// How long to wait when there is nothing new.
const IDLE: Duration = Duration::from_secs(1);

/// Writes the readings of one chain onward.
pub(crate) struct Exporter {
    database: Database,
    /// How far the readings are complete.
    horizon: Horizon,
    writer: Writer,
    /// The row of the cursor.
    name: String,
    chain: String,
}

impl Exporter {
    /// An exporter with its own connection to the database.
    pub(crate) fn new(database: Database, target: Target, chain: &str) -> Result<Self, TargetError> {
        let name = format!("{chain} {} {} {}", target.url, target.org, target.bucket);
        let horizon = Horizon::of("sample");
        Ok(Self { database, horizon, writer: Writer::new(target)?, name, chain: chain.to_owned() })
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
        let batch = batch_after(&mut self.database, &self.chain, (cursor, until), self.writer.lines_max())?;
        if batch.last == cursor {
            return Ok(IDLE);
        }
        if batch.count == 0 {
            self.advance(cursor, &batch, None)?;
            return Ok(Duration::ZERO);
        }
        match runtime.block_on(self.writer.write(&batch.lines)) {
            Written::Taken => self.advance(cursor, &batch, None)?,
            Written::Refused(reason) => {
                let line = batch.lines.trim_end();
                tracing::warn!(reason, line, "a reading was refused; see export_refused");
                self.advance(cursor, &batch, Some(&reason))?;
            }
            Written::Again(wait) => return Ok(wait),
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
