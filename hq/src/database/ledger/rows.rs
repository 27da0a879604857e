//! Messages and what they tell, as rows. Pure.

use crate::database::{Table, Type, Value, values};
use crate::ingest::Message;
use crate::show::rfc3339;
use storewarden_proto::v1;

pub(super) const MESSAGES: Table = Table {
    name: "message",
    columns: &[
        ("chain", Type::Text),
        ("store", Type::Text),
        ("journal", Type::Integer),
        ("stream", Type::Integer),
        ("seq", Type::Integer),
        ("boot", Type::Integer),
        ("committed_ms", Type::Integer),
        ("received_ms", Type::Integer),
        ("payload", Type::Bytes),
    ],
    // A gap may carry the number of a message that came before.
    conflict: "ON CONFLICT (chain, store, journal, stream, seq) DO NOTHING",
};

pub(super) const SAMPLES: Table = Table {
    name: "sample",
    columns: &[
        ("point", Type::Integer),
        ("at_ms", Type::Integer),
        ("value", Type::Real),
        ("quality", Type::Integer),
    ],
    conflict: "",
};

pub(super) const ALERTS: Table = Table {
    name: "alert",
    columns: &[
        ("chain", Type::Text),
        ("store", Type::Text),
        ("seq", Type::Integer),
        ("alarm", Type::Integer),
        ("device", Type::Text),
        ("device_name", Type::Text),
        ("condition", Type::Text),
        ("priority", Type::Text),
        ("state", Type::Integer),
        ("at_ms", Type::Integer),
        ("since_ms", Type::Integer),
        ("cause", Type::Text),
        ("evidence", Type::Text),
        ("by", Type::Text),
        ("received_ms", Type::Integer),
        ("probability", Type::Real),
        ("alternatives", Type::Text),
        ("parent", Type::Text),
        ("escalation", Type::Integer),
        ("repair", Type::Text),
        ("curve", Type::Text),
    ],
    conflict: "",
};

pub(super) const LABELS_SHOWN: Table = Table {
    name: "label_shown",
    columns: &[
        ("chain", Type::Text),
        ("store", Type::Text),
        ("label", Type::Text),
        ("batch", Type::Integer),
        ("item", Type::Text),
        ("price_minor", Type::Integer),
        ("currency", Type::Text),
        ("proof", Type::Integer),
        ("at_ms", Type::Integer),
        ("reason", Type::Text),
        ("key_id", Type::Text),
    ],
    conflict: "ON CONFLICT (chain, store, label, batch, key_id) DO UPDATE SET item = excluded.item,
      price_minor = excluded.price_minor, currency = excluded.currency, proof = excluded.proof,
      at_ms = excluded.at_ms, reason = excluded.reason
      WHERE excluded.at_ms >= label_shown.at_ms",
};

/// What a label shows, as a row of [`LABELS_SHOWN`].
pub(super) fn label_shown(chain: &str, store: &str, shown: &v1::LabelShown) -> Vec<Value> {
    values![
        chain,
        store,
        &shown.label,
        shown.batch.cast_signed(),
        &shown.item,
        shown.price_minor,
        &shown.currency,
        shown.proof,
        shown.at_ms,
        &shown.reason,
        &shown.key_id,
    ]
    .to_vec()
}

/// An alarm's change, as a row of [`ALERTS`].
pub(super) fn alert(chain: &str, message: &Message, alert: &v1::Alert, now_ms: i64) -> Vec<Value> {
    let evidence: serde_json::Map<_, _> = alert
        .evidence
        .iter()
        .map(|fact| (fact.quantity.clone(), serde_json::json!({ "value": fact.value, "unit": fact.unit })))
        .collect();
    let alternatives: Vec<_> = alert
        .alternatives
        .iter()
        .map(|known| serde_json::json!({ "cause": known.cause, "probability": number(known.probability) }))
        .collect();
    let parent = match alert.parent_device.as_str() {
        "" => String::new(),
        device => format!("{device}/{}", alert.parent_condition),
    };
    let curve: Vec<_> = alert
        .curve
        .iter()
        .map(|sample| {
            let known = |value: Option<f32>| value.filter(|value| value.is_finite()).map(number);
            serde_json::json!({ "time": rfc3339(sample.at_ms), "air": known(sample.air),
                "evaporator": known(sample.evaporator), "power": known(sample.power) })
        })
        .collect();
    values![
        chain,
        &message.store,
        message.seq.cast_signed(),
        alert.alarm.cast_signed(),
        &alert.device,
        &alert.device_name,
        &alert.condition,
        &alert.priority,
        alert.state,
        alert.at_ms,
        alert.since_ms,
        &alert.cause,
        serde_json::Value::Object(evidence).to_string(),
        &alert.by,
        now_ms,
        number(alert.probability),
        serde_json::Value::Array(alternatives).to_string(),
        parent,
        alert.escalation,
        alert.repair.as_ref().map(|repair| repair_json(repair).to_string()),
        serde_json::Value::Array(curve).to_string(),
    ]
    .to_vec()
}

/// As the store wrote it: −18.4, not −18.399 999 6. What is no number is 0, as a field that was left out.
fn number(value: f32) -> f64 {
    if value.is_finite() { value.to_string().parse().unwrap_or(f64::from(value)) } else { 0.0 }
}

fn repair_json(repair: &v1::Repair) -> serde_json::Value {
    let is_fixed = !repair.fixed_by.is_empty();
    serde_json::json!({
        "reference": repair.reference,
        "by": repair.by,
        "since": rfc3339(repair.since_ms),
        "escalation": repair.escalation,
        "fixed_by": is_fixed.then_some(&repair.fixed_by),
        "fixed": is_fixed.then(|| rfc3339(repair.fixed_ms)),
    })
}
