//! Telemetry onward to a time-series server: the second reader of the telemetry in the outbox.
//!
//! The cursor in the journal moves only when lines were taken, or the one at fault is told in the log and
//! in the audit trail; so after any failure the same readings are written again, which the server takes for
//! the same points.

use crate::config::TimeSeries;
use crate::journal::exported::{self, Cursor};
use crate::journal::outbox::{self, Row};
use crate::journal::{Journal, JournalError, audit};
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_proto::prost::Message as _;
use storewarden_proto::telemetry::unpack;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{Envelope, Quality, Series, Stream};
use storewarden_rules::{Millis, Mono};
use storewarden_timeseries::{BYTES_MAX, Target, TargetError, Writer, Written, line};
use tokio_util::sync::CancellationToken;

/// Messages looked at for one write at most.
const MESSAGES_MAX: u32 = 8;
/// How long an answer of the server is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Pause after the journal could not be read or written.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);
/// The audit trail is told of what was not written this often at most; the log of each.
const TOLD_EVERY: Millis = Millis::from_mins(60);

/// The target as the crate that writes takes it.
pub fn target(to: &TimeSeries) -> Target {
    let TimeSeries { url, org, bucket, token, .. } = to.clone();
    Target { url, org, bucket, token, timeout: ANSWER_LIMIT }
}

/// Writes the telemetry of one journal to one server.
pub struct Export {
    journal: Journal,
    clock: Clock,
    writer: Writer,
    losses: Losses,
}

/// What to do after a round.
enum Next {
    /// At once the next.
    Go,
    /// After this long the same.
    Pause(Duration),
    /// There is nothing new.
    Idle,
}

impl Export {
    /// Nothing is written yet.
    ///
    /// # Errors
    /// What is wrong with the target, of which the configuration's check finds all but a failing system.
    pub fn new(to: &TimeSeries, journal: Journal, clock: Clock) -> Result<Self, TargetError> {
        Ok(Self { journal, clock, writer: Writer::new(target(to))?, losses: Losses::default() })
    }

    /// Writes whatever is new until `stop`. What is under way then is written again by the next run.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), JournalError> {
        tokio::select! {
            ended = self.rounds() => ended,
            () = stop.cancelled() => Ok(()),
        }
    }

    async fn rounds(&mut self) -> Result<(), JournalError> {
        let mut grew = self.journal.outbox_grew();
        loop {
            grew.mark_unchanged();
            match self.round().await {
                Ok(Next::Go) => {}
                Ok(Next::Pause(pause)) => tokio::time::sleep(pause).await,
                Ok(Next::Idle) => grew.changed().await.map_err(|_| JournalError::Closed)?,
                Err(JournalError::Closed) => return Err(JournalError::Closed),
                Err(error) => {
                    tracing::warn!(%error, "readings not written to the time-series server; tried again");
                    tokio::time::sleep(JOURNAL_PAUSE).await;
                }
            }
        }
    }

    /// One write.
    async fn round(&mut self) -> Result<Next, JournalError> {
        let (cursor, rows) = self
            .journal
            .read(|db| {
                // None: the journal has not taken the beginning of this run yet.
                let Some(cursor) = exported::cursor(db)? else { return Ok((Cursor::default(), vec![])) };
                Ok((cursor, outbox::rows_after(db, Stream::Telemetry, cursor.seq, MESSAGES_MAX)?))
            })
            .await?;
        if rows.is_empty() {
            return Ok(Next::Idle);
        }
        let identity = self.journal.identity().clone();
        let tags = [("chain", identity.chain.as_str()), ("store", identity.store.as_str())];
        let mut batch = batch(&rows, cursor, self.writer.lines_max(), &tags);
        if !batch.lines.is_empty() {
            match self.writer.write(&batch.lines).await {
                Written::Taken => {}
                Written::Refused(why) => batch.losses.push(format!("{why}: {}", batch.lines.trim_end())),
                Written::Again(pause) => return Ok(Next::Pause(pause)),
            }
        }
        for what in &batch.losses {
            tracing::warn!(what, "not written to the time-series server");
        }
        let now = self.clock.now();
        let told = self.losses.tell(now.mono, &batch.losses);
        let to = batch.cursor;
        self.journal
            .run(move |db| {
                if let Some(what) = &told {
                    audit::append(db, now.utc, "agent", "not-exported", what)?;
                }
                exported::advance(db, &identity, to)
            })
            .await?;
        Ok(Next::Go)
    }
}

/// What is written at once.
#[derive(Debug, PartialEq)]
struct Batch {
    lines: String,
    /// What is done when they are taken.
    cursor: Cursor,
    /// What is not among them and never will be, in words.
    losses: Vec<String>,
}

/// The good readings of `rows` from `from` on, `lines_max` at most.
fn batch(rows: &[Row], from: Cursor, lines_max: usize, store: &[(&str, &str)]) -> Batch {
    let mut batch = Batch { lines: String::new(), cursor: from, losses: Vec::new() };
    let mut count = 0;
    for row in rows {
        if row.seq > batch.cursor.seq + 1 {
            let first = batch.cursor.seq + 1;
            let what =
                format!("messages {first} to {}: dropped to keep telemetry within its budget", row.seq - 1);
            batch.losses.push(what);
            batch.cursor = Cursor { seq: row.seq - 1, readings: 0 };
        }
        let all = match series(row) {
            Ok(all) => all,
            Err(what) => {
                batch.losses.push(format!("message {}: {what}", row.seq));
                Vec::new()
            }
        };
        let done = usize::try_from(batch.cursor.readings).unwrap_or(usize::MAX);
        let of_row = all.iter().flat_map(|series| readings(series).map(move |reading| (series, reading)));
        for (series, (at_ms, value, quality)) in of_row.skip(done) {
            if count == lines_max || batch.lines.len() >= BYTES_MAX {
                return batch;
            }
            batch.cursor.readings += 1;
            if quality != i32::from(Quality::Good) {
                continue;
            }
            let of_point = [("device", &series.device), ("point", &series.point), ("unit", &series.unit)];
            let mut tags: Vec<_> = of_point.map(|(key, tag)| (key, tag.as_str())).into();
            tags.extend(store);
            tags.sort_unstable();
            match line(&tags, value, at_ms) {
                Some(line) => {
                    batch.lines.push_str(&line);
                    count += 1;
                }
                None => batch.losses.push(format!("{tags:?} {value} at {at_ms} ms: no line can say that")),
            }
        }
        batch.cursor = Cursor { seq: row.seq, readings: 0 };
    }
    batch
}

/// The series of a message; or why there are none.
fn series(row: &Row) -> Result<Vec<Series>, String> {
    let envelope = Envelope::decode(row.payload.as_slice()).map_err(|error| error.to_string())?;
    match envelope.body {
        Some(Body::Telemetry(telemetry)) if telemetry.packed.is_empty() => Ok(telemetry.series),
        Some(Body::Telemetry(telemetry)) => {
            let packed = unpack(&telemetry.packed).map_err(|error| error.to_string())?;
            Ok([telemetry.series, packed].concat())
        }
        Some(Body::Gap(gap)) => {
            let (from_ms, to_ms) = (gap.from_ms, gap.to_ms);
            Err(format!("stands for telemetry that is lost, of {from_ms} to {to_ms} ms"))
        }
        _ => Err("holds no telemetry".into()),
    }
}

/// Time (ms), value and quality of each reading.
fn readings(series: &Series) -> impl Iterator<Item = (i64, f64, i32)> {
    let steps = std::iter::once(&0).chain(&series.step_ms);
    let times = steps.scan(series.first_ms, |at_ms, step| {
        *at_ms = at_ms.saturating_add(*step);
        Some(*at_ms)
    });
    let runs = series.quality.iter();
    let qualities =
        runs.flat_map(|run| std::iter::repeat_n(run.quality, usize::try_from(run.count).unwrap_or(0)));
    times.zip(&series.value).zip(qualities).map(|((at_ms, value), quality)| (at_ms, *value, quality))
}

/// Keeps the audit trail from growing without bound: a server that refuses everything is told of once an
/// hour.
#[derive(Debug, Default)]
struct Losses {
    untold: usize,
    told_at: Option<Mono>,
}

impl Losses {
    /// What the audit trail is to be told now.
    fn tell(&mut self, now: Mono, losses: &[String]) -> Option<String> {
        self.untold += losses.len();
        let is_early = self.told_at.is_some_and(|at| now - at < TOLD_EVERY);
        if self.untold == 0 || is_early {
            return None;
        }
        self.told_at = Some(now);
        let untold = std::mem::take(&mut self.untold);
        Some(match losses.last() {
            Some(last) if untold == 1 => last.clone(),
            Some(last) => format!("{untold}, the last: {last}"),
            None => format!("{untold} more; see the log"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_proto::telemetry::pack;
    use storewarden_proto::v1::{Gap, QualityRun, Telemetry};

    const STORE: [(&str, &str); 2] = [("chain", "kaixin"), ("store", "0042")];

    fn row(seq: u64, body: Body) -> Row {
        let envelope = Envelope { seq, body: Some(body), ..Envelope::default() };
        Row { stream: Stream::Telemetry, seq, payload: envelope.encode_to_vec() }
    }

    /// Readings of a second each from `first_ms` on; the one before the last is bad.
    fn message(seq: u64, first_ms: i64, count: u32) -> Row {
        let run = |quality: Quality, count| QualityRun { quality: quality.into(), count, exception: 0 };
        let series = Series {
            device: "freezer-2".into(),
            point: "air temperature".into(),
            unit: "°C".into(),
            first_ms,
            step_ms: vec![1000; count as usize - 1],
            value: (0..count).map(|n| f64::from(n) / 10.0).collect(),
            quality: vec![run(Quality::Good, count - 2), run(Quality::NoResponse, 1), run(Quality::Good, 1)],
        };
        let packed = pack([&series]);
        row(seq, Body::Telemetry(Telemetry { packed, ..Telemetry::default() }))
    }

    fn line_of(value: &str, at_ms: i64) -> String {
        format!(
            "reading,chain=kaixin,device=freezer-2,point=air\\ temperature,store=0042,unit=°C value={value} {at_ms}000000\n"
        )
    }

    #[test]
    fn a_write_may_end_within_a_message_and_the_next_goes_on_there() {
        let rows = [message(5, 1_000, 4), message(6, 9_000, 3)];
        let whole = batch(&rows, Cursor { seq: 4, readings: 0 }, 100, &STORE);
        let expected = [("0", 1_000), ("0.1", 2_000), ("0.3", 4_000), ("0", 9_000), ("0.2", 11_000)]
            .map(|(value, at_ms)| line_of(value, at_ms));
        assert_eq!(whole.lines, expected.concat());
        assert_eq!((whole.cursor, whole.losses.len()), (Cursor { seq: 6, readings: 0 }, 0));
        for lines_max in 1..=5 {
            let (mut cursor, mut lines) = (Cursor { seq: 4, readings: 0 }, String::new());
            while cursor.seq < 6 {
                let rows: Vec<_> = rows.iter().filter(|row| row.seq > cursor.seq).cloned().collect();
                let part = batch(&rows, cursor, lines_max, &STORE);
                assert!(part.lines.lines().count() <= lines_max && part.cursor != cursor);
                (cursor, lines) = (part.cursor, lines + &part.lines);
            }
            assert_eq!(lines, whole.lines, "{lines_max}");
        }
    }

    #[test]
    fn what_was_dropped_is_told_and_the_rest_is_not_begun_in_its_middle() {
        let gap = row(7, Body::Gap(Gap { first_seq: 5, from_ms: 1, to_ms: 2 }));
        let bad = Row { payload: vec![255], ..message(8, 0, 2) };
        let batch = batch(&[gap, bad, message(9, 1_000, 3)], Cursor { seq: 4, readings: 2 }, 100, &STORE);
        assert_eq!(batch.lines, line_of("0", 1_000) + &line_of("0.2", 3_000));
        assert_eq!(batch.cursor, Cursor { seq: 9, readings: 0 });
        assert_eq!(batch.losses.len(), 3, "{:?}", batch.losses);
        assert!(batch.losses[0].starts_with("messages 5 to 6: "), "{:?}", batch.losses);
    }

    #[test]
    fn the_audit_trail_is_told_once_an_hour() {
        let mut losses = Losses::default();
        let hour = 3_600_000;
        assert_eq!(losses.tell(Mono(0), &[]), None);
        assert_eq!(losses.tell(Mono(1), &["a".into()]).unwrap(), "a");
        assert_eq!(losses.tell(Mono(2), &["b".into(), "c".into()]), None);
        assert_eq!(losses.tell(Mono(hour), &[]), None);
        assert_eq!(losses.tell(Mono(hour + 1), &["d".into()]).unwrap(), "3, the last: d");
        assert_eq!(losses.tell(Mono(hour + 2), &["e".into()]), None);
        assert_eq!(losses.tell(Mono(3 * hour), &[]).unwrap(), "1 more; see the log");
        assert_eq!(losses.tell(Mono(9 * hour), &[]), None);
    }
}
