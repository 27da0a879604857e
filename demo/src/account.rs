//! The live account on the screen, and what came of it at the end.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::time::Instant;
use storewarden_demo::children;

/// What came of a demonstration.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Readings the agent judged.
    pub readings: u64,
    /// Of these, reported by exception and committed at headquarters.
    pub readings_at_hq: u64,
    /// Every alert at headquarters, in order.
    pub alerts: Vec<Alert>,
    /// Labels proven at headquarters to show their price.
    pub labels_confirmed: usize,
    /// Messages the agent still held at its end.
    pub outbox_pending: u64,
    /// Resident memory of the agent just before its end, MB (10⁶ bytes).
    pub rss_mb: f64,
}

/// An alert as `storewarden-hq alerts --json` prints it; what is not shown is left out.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Alert {
    /// Device id.
    pub device: String,
    /// What is wrong.
    pub condition: String,
    /// ISA-18.2 state.
    pub state: String,
    /// Probable cause.
    pub cause: String,
    /// From the change of state in the store to the commit at headquarters.
    pub seconds_to_hq: f64,
}

/// The part of the agent's `/api/view` that is shown.
#[derive(Debug, Default, Deserialize)]
pub struct View {
    /// Readings since the start.
    pub readings: u64,
    /// Whether the link to headquarters is up.
    pub hq_online: bool,
    /// Messages not acknowledged yet.
    pub outbox_pending: u64,
    /// Its devices.
    pub devices: Vec<Device>,
    /// Its labels.
    pub labels: Vec<Label>,
}

/// A device of the view.
#[derive(Debug, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its points.
    pub points: Vec<Point>,
}

/// A point of the view.
#[derive(Debug, Deserialize)]
pub struct Point {
    /// Its name.
    pub name: String,
    /// Its value, if it has one.
    pub value: Option<f64>,
}

/// A label of the view.
#[derive(Debug, Deserialize)]
pub struct Label {
    /// Where it stands.
    pub state: String,
}

/// Every alert at headquarters.
pub async fn alerts(db: &Path) -> io::Result<Vec<Alert>> {
    let text = children::output("storewarden-hq", [db_flag(db).as_str(), "alerts", "--json"]).await?;
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
}

/// How many readings headquarters has.
pub async fn readings_at_hq(db: &Path) -> io::Result<u64> {
    let text = children::output("storewarden-hq", [db_flag(db).as_str(), "readings", "--count"]).await?;
    text.trim().parse().map_err(io::Error::other)
}

/// How many labels are proven at headquarters to show their price.
pub async fn labels_confirmed(db: &Path) -> io::Result<usize> {
    #[derive(Deserialize)]
    struct Batch {
        stores: Vec<Store>,
    }
    #[derive(Deserialize)]
    struct Store {
        labels: Labels,
    }
    #[derive(Deserialize)]
    struct Labels {
        shown: usize,
    }
    let text =
        children::output("storewarden-hq", [db_flag(db).as_str(), "price", "status", "--json"]).await?;
    let batches: Vec<Batch> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(io::Error::other)?;
    Ok(batches.iter().flat_map(|batch| &batch.stores).map(|store| store.labels.shown).sum())
}

/// The global flag that names the database.
pub fn db_flag(db: &Path) -> String {
    format!("--db={}", db.display())
}

/// Resident memory of a process, MB; none where /proc does not tell.
pub fn rss_mb(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// Prints what happens, as it happens.
pub struct Account {
    began: Instant,
    told_alerts: usize,
    told_labels: usize,
    last_readings: (Instant, u64),
}

impl Account {
    /// Begins now.
    pub fn begin() -> Self {
        let now = Instant::now();
        Self { began: now, told_alerts: 0, told_labels: 0, last_readings: (now, 0) }
    }

    /// One line with the time before it.
    pub fn say(&self, text: impl std::fmt::Display) {
        println!("{:>5.1} s  {text}", self.began.elapsed().as_secs_f64());
    }

    /// Tells alerts that are new at headquarters.
    pub fn tell_alerts(&mut self, alerts: &[Alert]) {
        for alert in &alerts[self.told_alerts.min(alerts.len())..] {
            self.say(format_args!(
                "ALERT     {} {}: {}, cause {}; at headquarters after {:.2} s",
                alert.device, alert.condition, alert.state, alert.cause, alert.seconds_to_hq
            ));
        }
        self.told_alerts = alerts.len();
    }

    /// Tells when more labels show their price.
    pub fn tell_labels(&mut self, view: &View) {
        let shown = view.labels.iter().filter(|label| label.state == "refreshed").count();
        if shown != self.told_labels {
            self.told_labels = shown;
            self.say(format_args!("PRICES    {shown} of {} labels show their price", view.labels.len()));
        }
    }

    /// One line about the equipment.
    pub fn tell_readings(&mut self, view: &View, at_hq: u64) {
        let (then, before) = self.last_readings;
        let rate = (view.readings.saturating_sub(before)) as f64 / then.elapsed().as_secs_f64().max(0.001);
        self.last_readings = (Instant::now(), view.readings);
        let cabinets: Vec<String> = view
            .devices
            .iter()
            .filter_map(|device| {
                let air = device.points.iter().find(|point| point.name == "air_temperature")?;
                let air = air.value.map_or_else(|| "?".to_owned(), |value| format!("{value:.1}"));
                Some(format!("{} {air}", device.id))
            })
            .collect();
        let link = if view.hq_online { "up" } else { "down" };
        self.say(format_args!(
            "readings  {} ({rate:.0}/s), {at_hq} reported to headquarters, {} messages waiting, link {link} | °C: {}",
            view.readings,
            view.outbox_pending,
            cabinets.join(", ")
        ));
    }
}
