//! From a topic and a payload to rows, or to a refusal. Pure: no database, no clock.
//!
//! A message that cannot be named is refused as a whole. One that can be named but whose body makes
//! no sense is still committed as raw bytes: otherwise its number would be a gap for ever, and hold
//! up every later message of the store.

use prost::Message as _;
use storewarden_proto::topic::{StoreTopics, chain_and_store, is_valid_id};
use storewarden_proto::v1::{self, Stream, envelope::Body};
use thiserror::Error;

/// Bytes of a name that is part of an index at most: PostgreSQL takes no longer ones.
const NAME_BYTES_MAX: usize = 256;

/// Why a message cannot be committed.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    #[error("the topic is not one of a store of chain {0}")]
    Topic(String),
    #[error("the payload is not a protobuf message of the contract: {0}")]
    Undecodable(String),
    #[error("the payload names {0}, the topic another chain or store")]
    OtherStore(String),
    #[error("the payload's stream ({0}) does not belong on this topic")]
    OtherStream(i32),
    #[error("sequence number {0} is not between 1 and 9223372036854775807")]
    Number(u64),
    #[error("too many gaps before number {0}; the store keeps it and sends it again")]
    TooManyGaps(u64),
}

/// What a store said.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    Status(v1::Status),
    Message(Message),
}

/// A message of the outbox, named and taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) store: String,
    pub(crate) journal: u64,
    pub(crate) boot: u64,
    pub(crate) stream: Stream,
    pub(crate) seq: u64,
    pub(crate) committed_ms: i64,
    pub(crate) rows: Rows,
}

/// What a message adds to the tables beside its raw bytes.
#[derive(Debug, PartialEq)]
pub(crate) enum Rows {
    Alert(Box<v1::Alert>),
    Readings(Vec<PointReadings>),
    BatchOutcome(v1::BatchOutcome),
    LabelsShown(Vec<v1::LabelShown>),
    /// Of a command that headquarters ordered.
    CommandOutcome(v1::CommandOutcome),
    /// The store dropped telemetry, oldest first; stands for the numbers up to the message's own.
    Gap(v1::Gap),
    /// Kept as raw bytes only: of a newer version, or of no interest to a table.
    None,
    /// Kept as raw bytes only, because the body makes no sense.
    Fault(&'static str),
}

/// The readings of one point.
#[derive(Debug, PartialEq)]
pub(crate) struct PointReadings {
    pub(crate) device: String,
    pub(crate) point: String,
    pub(crate) unit: String,
    pub(crate) readings: Vec<Reading>,
}

/// One reading; without a value where there is none to believe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) at_ms: i64,
    pub(crate) value: Option<f64>,
    /// A `v1::Quality` by number, so that one of a newer version is kept.
    pub(crate) quality: i32,
}

/// Takes apart what came on `topic`; `chain` is the chain served here.
pub(crate) fn read(chain: &str, topic: &str, payload: &[u8]) -> Result<Incoming, Refusal> {
    let (_, store) = chain_and_store(topic)
        .filter(|(its_chain, store)| *its_chain == chain && is_valid_id(store))
        .ok_or_else(|| Refusal::Topic(chain.to_owned()))?;
    let topics = StoreTopics::new(chain, store);
    if topic == topics.status() {
        let status = v1::Status::decode(payload).map_err(|e| Refusal::Undecodable(e.to_string()))?;
        agree((chain, store), (&status.chain, &status.store))?;
        return Ok(Incoming::Status(status));
    }
    let envelope = v1::Envelope::decode(payload).map_err(|e| Refusal::Undecodable(e.to_string()))?;
    agree((chain, store), (&envelope.chain, &envelope.store))?;
    let stream = Stream::try_from(envelope.stream)
        .ok()
        .filter(|&stream| stream != Stream::Unspecified && topics.stream(stream) == topic)
        .ok_or(Refusal::OtherStream(envelope.stream))?;
    // SQLite's integers are signed.
    if envelope.seq == 0 || i64::try_from(envelope.seq).is_err() {
        return Err(Refusal::Number(envelope.seq));
    }
    Ok(Incoming::Message(Message {
        store: store.to_owned(),
        journal: envelope.journal,
        boot: envelope.boot,
        stream,
        seq: envelope.seq,
        committed_ms: envelope.committed_ms,
        rows: rows(stream, envelope.seq, envelope.body),
    }))
}

fn agree(topic: (&str, &str), payload: (&str, &str)) -> Result<(), Refusal> {
    if topic == payload {
        return Ok(());
    }
    Err(Refusal::OtherStore(format!("chain {:?} store {:?}", payload.0, payload.1)))
}

fn rows(stream: Stream, seq: u64, body: Option<Body>) -> Rows {
    match (stream, body) {
        (Stream::Alert, Some(Body::Alert(alert))) => Rows::Alert(Box::new(alert)),
        (Stream::Telemetry, Some(Body::Telemetry(telemetry))) => {
            let packed = match telemetry.packed.as_slice() {
                [] => Vec::new(),
                packed => match storewarden_proto::telemetry::unpack(packed) {
                    Ok(series) => series,
                    Err(error) => {
                        tracing::warn!(%error, seq, "telemetry cannot be read; its bytes are kept");
                        return Rows::Fault("packed telemetry cannot be read");
                    }
                },
            };
            match telemetry.series.into_iter().chain(packed).map(point_readings).collect() {
                Ok(points) => Rows::Readings(points),
                Err(fault) => Rows::Fault(fault),
            }
        }
        (Stream::Telemetry, Some(Body::Gap(gap))) if (1..=seq).contains(&gap.first_seq) => Rows::Gap(gap),
        (Stream::Telemetry, Some(Body::Gap(_))) => Rows::Fault("the gap ends before it begins"),
        (Stream::PriceResult, Some(Body::BatchOutcome(outcome))) => Rows::BatchOutcome(outcome),
        // As stores of before the next told it.
        (Stream::PriceResult, Some(Body::LabelShown(shown))) => labels_shown(vec![shown]),
        (Stream::PriceResult, Some(Body::LabelsShown(told))) => labels_shown(told.shown),
        (Stream::CommandResult, Some(Body::CommandOutcome(outcome))) if !outcome.id.is_empty() => {
            Rows::CommandOutcome(outcome)
        }
        // Those of the store's own rules have no id.
        (Stream::CommandResult, Some(Body::CommandOutcome(_))) | (_, None) => Rows::None,
        (_, Some(_)) => Rows::Fault("the body is of another kind than the stream"),
    }
}

fn labels_shown(shown: Vec<v1::LabelShown>) -> Rows {
    if shown.iter().any(|shown| shown.label.len() > NAME_BYTES_MAX) {
        return Rows::Fault("a label's name is longer than 256 bytes");
    }
    Rows::LabelsShown(shown)
}

fn point_readings(series: v1::Series) -> Result<PointReadings, &'static str> {
    if series.value.len() != series.step_ms.len() + 1
        && !(series.value.is_empty() && series.step_ms.is_empty())
    {
        return Err("telemetry: a series has not one step less than values");
    }
    if series.device.len() > NAME_BYTES_MAX || series.point.len() > NAME_BYTES_MAX {
        return Err("telemetry: a name is longer than 256 bytes");
    }
    let qualified: u64 = series.quality.iter().map(|run| u64::from(run.count)).sum();
    if u64::try_from(series.value.len()) != Ok(qualified) {
        return Err("telemetry: the qualities of a series do not count up to its values");
    }
    let qualities = series
        .quality
        .iter()
        .flat_map(|run| std::iter::repeat_n(run.quality, usize::try_from(run.count).unwrap_or(usize::MAX)));
    let mut at_ms = series.first_ms;
    let mut readings = Vec::with_capacity(series.value.len());
    for (n, (&value, quality)) in series.value.iter().zip(qualities).enumerate() {
        if let Some(&step) = n.checked_sub(1).and_then(|before| series.step_ms.get(before)) {
            at_ms = at_ms.checked_add(step).ok_or("telemetry: a time is beyond any calendar")?;
        }
        let believable = quality == v1::Quality::Good as i32 || quality == v1::Quality::Stale as i32;
        let value = Some(value).filter(|value| believable && value.is_finite());
        readings.push(Reading { at_ms, value, quality });
    }
    Ok(PointReadings { device: series.device, point: series.point, unit: series.unit, readings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_proto::v1::{Quality, QualityRun};

    fn envelope() -> v1::Envelope {
        v1::Envelope {
            chain: "kaixin".into(),
            store: "0042".into(),
            boot: 7,
            stream: Stream::Alert as i32,
            seq: 1,
            journal: u64::MAX,
            committed_ms: 5,
            body: Some(Body::Alert(v1::Alert { alarm: 3, ..Default::default() })),
        }
    }

    fn read_as(topic: &str, envelope: &v1::Envelope) -> Result<Incoming, Refusal> {
        read("kaixin", topic, &envelope.encode_to_vec())
    }

    #[test]
    fn topic_and_envelope_must_agree() {
        let topic = "storewarden/v1/kaixin/0042/alert";
        assert!(
            matches!(read_as(topic, &envelope()), Ok(Incoming::Message(m)) if m.seq == 1 && m.journal == u64::MAX)
        );
        assert!(matches!(
            read_as("storewarden/v1/kaixin/0043/alert", &envelope()),
            Err(Refusal::OtherStore(_))
        ));
        assert_eq!(
            read_as("storewarden/v1/kaixin/0042/telemetry", &envelope()),
            Err(Refusal::OtherStream(1))
        );
        assert!(matches!(read_as("storewarden/v1/other/0042/alert", &envelope()), Err(Refusal::Topic(_))));
        assert_eq!(read_as(topic, &v1::Envelope { seq: 0, ..envelope() }), Err(Refusal::Number(0)));
        assert_eq!(read_as(topic, &v1::Envelope { stream: 99, ..envelope() }), Err(Refusal::OtherStream(99)));
        assert!(matches!(read("kaixin", topic, b"\xff\xff"), Err(Refusal::Undecodable(_))));
    }

    #[test]
    fn a_senseless_body_still_has_a_number() {
        let wrong = v1::Envelope { body: Some(Body::Telemetry(v1::Telemetry::default())), ..envelope() };
        let Ok(Incoming::Message(message)) = read_as("storewarden/v1/kaixin/0042/alert", &wrong) else {
            panic!("refused");
        };
        assert!(matches!(message.rows, Rows::Fault(_)));
    }

    #[test]
    fn columns_become_readings_and_unknown_is_not_zero() {
        let series = v1::Series {
            device: "freezer-2".into(),
            point: "air_temperature".into(),
            unit: "°C".into(),
            first_ms: 1000,
            step_ms: vec![500, -200],
            value: vec![-18.5, 0.0, -18.0],
            quality: vec![
                QualityRun { quality: Quality::Good as i32, count: 1, exception: 0 },
                QualityRun { quality: Quality::NoResponse as i32, count: 1, exception: 0 },
                QualityRun { quality: Quality::Stale as i32, count: 1, exception: 0 },
            ],
        };
        let points = point_readings(series.clone()).unwrap();
        assert_eq!(
            points.readings,
            [
                Reading { at_ms: 1000, value: Some(-18.5), quality: 1 },
                Reading { at_ms: 1500, value: None, quality: 3 },
                Reading { at_ms: 1300, value: Some(-18.0), quality: 2 },
            ]
        );
        let short = v1::Series { step_ms: vec![500], ..series.clone() };
        assert!(point_readings(short).is_err());
        let named = v1::Series { point: "x".repeat(257), ..series.clone() };
        assert!(point_readings(named).is_err());
        let long =
            v1::Series { quality: vec![QualityRun { quality: 1, count: u32::MAX, exception: 0 }], ..series };
        assert!(point_readings(long).is_err());
    }
}
