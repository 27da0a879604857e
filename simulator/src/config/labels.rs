//! Label gateways in the file.

use super::{
    Gateway,
    span::{millis, span},
};
use crate::{
    estation::nature::{Incident, LabelNature, Nature},
    openepaperlink::{self, nature as oepl},
};
use serde::Deserialize;
use std::{ops::RangeInclusive, time::Duration};

type Wrong = (&'static str, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayFile {
    ap: String,
    broker: String,
    username: Option<String>,
    password: Option<String>,
    ca_file: Option<std::path::PathBuf>,
    labels: Vec<String>,
    #[serde(default = "airtime_ms")]
    airtime_ms: u64,
    #[serde(default = "heartbeat", deserialize_with = "span")]
    heartbeat: Duration,
    #[serde(default = "queue_max")]
    queue_max: usize,
    #[serde(default)]
    nature: Nature,
    #[serde(default)]
    odd: Vec<LabelNature>,
    #[serde(default)]
    incident: Vec<IncidentFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentFile {
    #[serde(deserialize_with = "span")]
    at: Duration,
    kind: IncidentKind,
    label: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IncidentKind {
    Restart,
    Calm,
    DiskFull,
    Reset,
    Stranger,
    Silent,
    Audible,
}

impl IncidentFile {
    fn check(self, labels: &[String]) -> Result<(u64, Incident), Wrong> {
        let is_of_label =
            !matches!(self.kind, IncidentKind::Restart | IncidentKind::Calm | IncidentKind::DiskFull);
        let label = label_of(self.label, is_of_label, labels)?;
        let incident = match self.kind {
            IncidentKind::Restart => Incident::Restart,
            IncidentKind::Calm => Incident::Calm,
            IncidentKind::DiskFull => Incident::DiskFull,
            IncidentKind::Reset => Incident::Reset(label),
            IncidentKind::Stranger => Incident::Stranger(label),
            IncidentKind::Silent => Incident::Silent(label),
            IncidentKind::Audible => Incident::Audible(label),
        };
        Ok((millis(self.at), incident))
    }
}

impl GatewayFile {
    pub fn check(self) -> Result<Gateway, Wrong> {
        if self.ap.len() != 4 || !self.ap.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(("ap", "must be four letters or digits".into()));
        }
        let (scheme, rest) = self.broker.split_once("://").unwrap_or_default();
        let is_tls = scheme == "mqtts";
        if is_tls != self.ca_file.is_some() {
            return Err(("ca_file", "goes together with a broker \"mqtts://…\"".into()));
        }
        let address = (is_tls || scheme == "mqtt").then(|| rest.rsplit_once(':')).flatten();
        let broker = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let Some((host, port)) = broker else {
            return Err(("broker", "must look like \"mqtt://127.0.0.1:1883\"".into()));
        };
        check_labels(&self.labels, 4..=16)?;
        if self.queue_max == 0 {
            return Err(("queue_max", "must be above 0".into()));
        }
        if self.heartbeat.is_zero() {
            return Err(("heartbeat", "must be above 0; real access points allow 15 s or more".into()));
        }
        let login = match (self.username, self.password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            _ => return Err(("username", "`username` and `password` go together".into())),
        };
        if let Some((key, what)) = self.nature.fault() {
            return Err((key, what.into()));
        }
        if let Some(odd) = self.odd.iter().find(|odd| !self.labels.contains(&odd.tag)) {
            return Err(("odd.tag", format!("`{}` is not among `labels`; write one that is", odd.tag)));
        }
        let incidents = self.incident.into_iter().map(|incident| incident.check(&self.labels));
        let mut incidents: Vec<_> = incidents.collect::<Result<_, _>>()?;
        incidents.sort_by_key(|(at_ms, _)| *at_ms);
        Ok(Gateway {
            ap: self.ap,
            host,
            port,
            login,
            ca_file: self.ca_file,
            labels: self.labels,
            airtime_ms: self.airtime_ms,
            heartbeat_ms: millis(self.heartbeat),
            queue_max: self.queue_max,
            nature: self.nature,
            odd: self.odd,
            incidents,
        })
    }
}

/// A label's id becomes the name of a file.
fn check_labels(labels: &[String], digits: RangeInclusive<usize>) -> Result<(), Wrong> {
    let is_tag =
        |label: &String| digits.contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    match labels.iter().find(|label| !is_tag(label)) {
        None => Ok(()),
        Some(label) => {
            let (least, most) = digits.into_inner();
            Err(("labels", format!("`{label}` is not a tag id; write {least} to {most} hex digits")))
        }
    }
}

/// The label of an incident that has one, if it must.
fn label_of(label: Option<String>, is_of_label: bool, labels: &[String]) -> Result<String, Wrong> {
    if label.is_some() != is_of_label {
        let what = "what happens to a label has one, what happens to the access point none";
        return Err(("incident.label", what.into()));
    }
    let label = label.unwrap_or_default();
    if is_of_label && !labels.contains(&label) {
        return Err(("incident.label", format!("`{label}` is not among `labels`; write one that is")));
    }
    Ok(label)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenEpaperLinkFile {
    listen: String,
    labels: Vec<String>,
    size: (u16, u16),
    #[serde(default)]
    nature: oepl::Nature,
    #[serde(default)]
    incident: Vec<OpenEpaperLinkIncidentFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenEpaperLinkIncidentFile {
    #[serde(deserialize_with = "span")]
    at: Duration,
    kind: OpenEpaperLinkIncidentKind,
    label: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OpenEpaperLinkIncidentKind {
    Restart,
    TableLost,
    Busy,
    Idle,
    Reset,
    Faded,
    Stranger,
    Silent,
    Audible,
}

impl OpenEpaperLinkIncidentFile {
    fn check(self, labels: &[String]) -> Result<(u64, oepl::Incident), Wrong> {
        use OpenEpaperLinkIncidentKind as Kind;
        let is_of_label = !matches!(self.kind, Kind::Restart | Kind::TableLost | Kind::Busy | Kind::Idle);
        let label = label_of(self.label, is_of_label, labels)?;
        let incident = match self.kind {
            Kind::Restart => oepl::Incident::Restart,
            Kind::TableLost => oepl::Incident::TableLost,
            Kind::Busy => oepl::Incident::Busy,
            Kind::Idle => oepl::Incident::Idle,
            Kind::Reset => oepl::Incident::Reset(label),
            Kind::Faded => oepl::Incident::Faded(label),
            Kind::Stranger => oepl::Incident::Stranger(label),
            Kind::Silent => oepl::Incident::Silent(label),
            Kind::Audible => oepl::Incident::Audible(label),
        };
        Ok((millis(self.at), incident))
    }
}

impl OpenEpaperLinkFile {
    pub fn check(mut self) -> Result<openepaperlink::Config, Wrong> {
        check_labels(&self.labels, 16..=16)?;
        self.labels.iter_mut().for_each(|label| label.make_ascii_uppercase());
        if let Some((key, what)) = self.nature.fault() {
            return Err((key, what.into()));
        }
        let incidents = self.incident.into_iter().map(|incident| incident.check(&self.labels));
        let mut incidents: Vec<_> = incidents.collect::<Result<_, _>>()?;
        incidents.sort_by_key(|(at_ms, _)| *at_ms);
        Ok(openepaperlink::Config {
            listen: self.listen,
            labels: self.labels,
            size: self.size,
            nature: self.nature,
            incidents,
        })
    }
}

fn airtime_ms() -> u64 {
    300
}
fn heartbeat() -> Duration {
    Duration::from_secs(15)
}
/// The lower of the two limits that the vendor's manual states.
fn queue_max() -> usize {
    10_000
}
