//! What the store looks like right now: the snapshot that the site task publishes once a second and
//! the console and command line read. Nobody but the site task changes it.

use crate::clock_trust::Trust;
use serde::Serialize;

/// The store at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StoreView {
    /// The store's id and its name for people.
    pub store: String,
    /// The store's name for people.
    pub name: String,
    /// When the snapshot was taken, ms since 1970 UTC.
    pub at_ms: i64,
    /// Offset of the store's local time from UTC, seconds.
    pub utc_offset_s: i32,
    /// Readings since the agent started.
    pub readings: u64,
    /// Whether the link to headquarters is up.
    pub hq_online: bool,
    /// How far the store's clock may be trusted.
    pub clock_trust: Trust,
    /// Messages headquarters has not acknowledged yet.
    pub outbox_pending: u64,
    /// Every device, in the order of the config.
    pub devices: Vec<DeviceView>,
    /// Alarms that are not normal, most urgent and oldest first.
    pub alarms: Vec<AlarmView>,
    /// Every shelf label, in the order of the config.
    pub labels: Vec<LabelView>,
}

/// One device.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceView {
    /// Id in the config.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// `storewarden_rules::Class::name`.
    pub class: &'static str,
    /// `in_use`, `maintenance` or `out_of_service`.
    pub service: &'static str,
    /// When its maintenance ends, ms since 1970 UTC, if it is in maintenance.
    pub service_until_ms: Option<i64>,
    /// Who took it into maintenance or out of service, if someone did.
    pub service_by: String,
    /// Its points, in the order of the profile.
    pub points: Vec<PointView>,
}

/// One point.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PointView {
    /// Name in the profile.
    pub name: String,
    /// The last value; none while it is bad.
    pub value: Option<f64>,
    /// Unit symbol.
    pub unit: &'static str,
    /// `good`, `stale`, or why it is bad (`storewarden_rules::BadReason::name`).
    pub quality: &'static str,
    /// When it was read, ms since 1970 UTC; 0 if never.
    pub at_ms: i64,
}

/// One alarm.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AlarmView {
    /// Number of the occurrence: what `ack` takes.
    pub alarm: u64,
    /// Device id.
    pub device: String,
    /// Device name for people.
    pub device_name: String,
    /// `storewarden_rules::Condition::name`.
    pub condition: String,
    /// Probable cause, `storewarden_rules::Cause::name`.
    pub cause: &'static str,
    /// `low`, `medium` or `high`.
    pub priority: &'static str,
    /// ISA-18.2 state, as `storewarden_rules::AlarmState::name` writes it.
    pub state: &'static str,
    /// Since when the condition has held, ms since 1970 UTC.
    pub since_ms: i64,
    /// When the state last changed, ms since 1970 UTC.
    pub at_ms: i64,
    /// Who acknowledged or shelved it, if someone did.
    pub by: String,
    /// How often it was said that nobody acknowledges it, 0 to 3.
    pub escalation: u8,
    /// `device/condition` of the alarm that explains it; empty if none does.
    pub parent: String,
    /// The repair, while there is one.
    pub repair: Option<RepairView>,
    /// The numbers behind it: quantity name, value, unit symbol.
    pub evidence: Vec<(&'static str, f64, &'static str)>,
}

/// A repair that is not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairView {
    /// What the repair service calls it.
    pub reference: String,
    /// Who ordered it.
    pub by: String,
    /// Since when, ms since 1970 UTC.
    pub since_ms: i64,
    /// How often it was said that it takes too long, 0 to 3.
    pub escalation: u8,
}

/// One shelf label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LabelView {
    /// Tag id.
    pub label: String,
    /// Item bound to it.
    pub item: String,
    /// Name of the item; empty while no price is known.
    pub name: String,
    /// Price it should show, as text with currency; empty while none is known.
    pub price: String,
    /// `none`, `sent`, `refreshed`, `failed`.
    pub state: &'static str,
    /// Where it hangs, for people; may be empty.
    pub place: String,
    /// What somebody should do about it ([`crate::label::care::Job::name`]); none if all is well.
    pub job: Option<&'static str>,
    /// Whether it keeps the price that comes next.
    pub is_ready: bool,
    /// Whether its item is out of stock, as somebody said.
    pub is_out_of_stock: bool,
    /// Its battery as it last told, mV.
    pub battery_mv: Option<i32>,
}
