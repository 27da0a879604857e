//! Telemetry of days that waits in a store's journal: written through the journal's own functions, as the
//! agent writes it, with the time of each message handed in.

use super::store_day::{self, DAY_MS, DEVICES, MINUTES, START};
use crate::lab::{CHAIN, STORE};
use std::io;
use std::path::Path;
use std::time::Duration;
use storewarden::journal::{Identity, Journal, outbox};
use storewarden_proto::v1::{Telemetry, envelope::Body};
use storewarden_rules::Utc;
use tokio::time::sleep;

/// Minutes in one message, as a store sends by default.
const BATCH: usize = 5;
/// Messages of a day.
pub const MESSAGES_A_DAY: u64 = (MINUTES / BATCH) as u64;

/// Makes the journal at `path` with `days` of telemetry, each the day of [`store_day`], up to now.
pub async fn write(path: &Path, days: u32) -> io::Result<()> {
    let names = Identity { chain: CHAIN.into(), store: STORE.into(), boot: 1, journal: 0, reports: true };
    let day = store_day::make();
    let begin_ms = chrono::Utc::now().timestamp_millis() - i64::from(days) * DAY_MS;
    let journal = Journal::open(path, names, Utc(begin_ms)).map_err(io::Error::other)?;
    for number in 0..days {
        let later_ms = begin_ms - START + i64::from(number) * DAY_MS;
        let mut bodies = Vec::new();
        for from in (0..MINUTES).step_by(BATCH) {
            let packed = store_day::packed(&day, DEVICES, from..from + BATCH, later_ms);
            let closed = i64::try_from(from + BATCH).unwrap_or(0) * 60_000;
            let at = Utc(START + later_ms + closed);
            bodies.push((at, Body::Telemetry(Telemetry { series: Vec::new(), packed })));
        }
        let identity = journal.identity().clone();
        let append = move |db: &_| {
            bodies
                .iter()
                .try_for_each(|(at, body)| outbox::append(db, &identity, *at, body.clone()).map(drop))
        };
        journal.run(append).await.map_err(io::Error::other)?;
    }
    drop(journal);
    // The journal's thread takes the write-ahead log with it when it closes the file.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    while Path::new(&log).exists() {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
