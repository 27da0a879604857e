//! What many stores send: alerts and telemetry of the usual size.

use super::store_day::{self, DAY_MS, Day, START};
use storewarden_proto::v1::{
    AlarmState, Alert, CurveSample, Fact, LabelShown, LabelsShown, ProbableCause, Proof, Telemetry,
    envelope::Body,
};

/// Samples of the curve before an alarm: four hours, every five minutes.
const CURVE: i64 = 48;

/// The id of store `number`.
pub fn store(number: usize) -> String {
    format!("{number:05}")
}

/// The change `seq` (from 1) of a store's alarms: each is raised with its curve, acknowledged, and returns.
pub fn alert(seq: u64) -> Body {
    let at_ms = START + seq.cast_signed() * 60_000;
    let state = [AlarmState::ActiveUnacknowledged, AlarmState::ActiveAcknowledged, AlarmState::Normal];
    let change = (seq - 1) % 3;
    let fact =
        |quantity: &str, value, unit: &str| Fact { quantity: quantity.into(), value, unit: unit.into() };
    let cause = |cause: &str, probability| ProbableCause { cause: cause.into(), probability };
    let sample = |number: i64| CurveSample {
        at_ms: at_ms - (CURVE - number) * 300_000,
        air: Some(-21.5),
        evaporator: Some(-28.1),
        power: Some(412.0),
    };
    Body::Alert(Alert {
        alarm: seq.div_ceil(3),
        device: format!("freezer-{}", seq % 12 + 1),
        device_name: "冰淇淋柜".into(),
        condition: "temperature_high".into(),
        priority: "high".into(),
        state: state[usize::from(change as u8)].into(),
        at_ms,
        since_ms: at_ms - 600_000,
        cause: "compressor_stopped".into(),
        evidence: vec![
            fact("worst_temperature", -11.5, "°C"),
            fact("held", 600.0, "s"),
            fact("limit", -18.0, "°C"),
        ],
        by: if change == 1 { "li".into() } else { String::new() },
        probability: 0.72,
        alternatives: vec![cause("door_open", 0.15), cause("iced", 0.08)],
        curve: if change == 0 { (0..CURVE).map(sample).collect() } else { Vec::new() },
        ..Alert::default()
    })
}

/// The `seq`-th message (from 1) of a store's labels, of `count` of them: each shows a price of a new batch.
pub fn labels(seq: u64, count: u64) -> Body {
    let label = |number: u64| LabelShown {
        label: format!("{number:08X}"),
        item: format!("{}", 1_000_000 + number),
        price_minor: 1_280,
        currency: "CNY".into(),
        batch: 7,
        key_id: "price-team".into(),
        image: vec![0xa5; 32],
        proof: Proof::Refreshed.into(),
        at_ms: START,
        rf_dbm: Some(-71),
        battery_mv: Some(2_950),
        ..LabelShown::default()
    };
    let mut shown: Vec<_> = ((seq - 1) * count..seq * count).map(label).collect();
    match shown.pop() {
        Some(alone) if count == 1 => Body::LabelShown(alone),
        last => Body::LabelsShown(LabelsShown { shown: shown.into_iter().chain(last).collect() }),
    }
}

/// Five minutes of `devices` devices of a store-day, the `number`-th from 0; later days are the same again.
pub fn telemetry(day: &Day, devices: usize, number: usize) -> Body {
    let (later, from) = (number * 5 / store_day::MINUTES, number * 5 % store_day::MINUTES);
    let later_ms = i64::try_from(later).unwrap_or(0) * DAY_MS;
    let packed = store_day::packed(day, devices, from..from + 5, later_ms);
    Body::Telemetry(Telemetry { series: Vec::new(), packed })
}
