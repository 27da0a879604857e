//! Readings gathered into telemetry messages, by column. Pure.

use crate::assemble::Names;
use storewarden_proto::v1::{Quality as Wire, QualityRun, Series, Telemetry};
use storewarden_rules::{BadReason, Quality, Reading, Sample, Utc};

/// Readings in one message at most: some 20 bytes each, so that a message stays far below the
/// protocol's payload limit. A full gathering is closed before its time; nothing is dropped here.
const READINGS_MAX: usize = 5_000;

/// Readings on their way into the next message.
#[derive(Debug, Default)]
pub struct Gathering {
    /// One per point, by point id; empty where the point had no reading yet.
    series: Vec<Series>,
    /// The last time in each series.
    last: Vec<Utc>,
    count: usize,
}

impl Gathering {
    /// Adds a reading.
    pub fn add(&mut self, names: &Names, reading: &Reading) {
        let index = usize::from(reading.point.0);
        if self.series.len() <= index {
            self.series.resize(index + 1, Series::default());
            self.last.resize(index + 1, Utc(0));
        }
        let (series, last) = (&mut self.series[index], &mut self.last[index]);
        if series.value.is_empty() {
            let point = names.point(reading.point);
            series.device = names.device(point.device).id.clone();
            series.point.clone_from(&point.name);
            series.unit = point.unit.symbol().into();
            series.first_ms = reading.at.0;
        } else {
            series.step_ms.push((reading.at - *last).0);
        }
        *last = reading.at;
        series.value.push(match reading.sample {
            Sample::Good(value) | Sample::Stale(value) => value,
            Sample::Bad(_) => 0.0,
        });
        let (quality, exception) = wire_quality(reading.sample.quality());
        match series.quality.last_mut() {
            Some(run) if run.quality() == quality && run.exception == exception => run.count += 1,
            _ => series.quality.push(QualityRun { quality: quality.into(), count: 1, exception }),
        }
        self.count += 1;
    }

    /// Whether the next message should be closed before its time.
    pub fn is_full(&self) -> bool {
        self.count >= READINGS_MAX
    }

    /// Closes the gathering: the message, unless there is nothing to tell.
    pub fn take(&mut self) -> Option<Telemetry> {
        if self.count == 0 {
            return None;
        }
        let series =
            self.series.iter_mut().filter(|series| !series.value.is_empty()).map(std::mem::take).collect();
        self.count = 0;
        Some(Telemetry { series })
    }
}

fn wire_quality(quality: Quality) -> (Wire, u32) {
    match quality {
        Quality::Good => (Wire::Good, 0),
        Quality::Stale => (Wire::Stale, 0),
        Quality::Bad(BadReason::NoResponse) => (Wire::NoResponse, 0),
        Quality::Bad(BadReason::Exception(code)) => (Wire::Exception, code.into()),
        Quality::Bad(BadReason::Garbled) => (Wire::Garbled, 0),
        Quality::Bad(BadReason::SensorFault) => (Wire::SensorFault, 0),
        Quality::Bad(BadReason::OutOfRange) => (Wire::OutOfRange, 0),
        Quality::Bad(BadReason::Implausible) => (Wire::Implausible, 0),
    }
}
