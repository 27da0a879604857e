//! What a cabinet is judged by: its points and the settings of its detectors.

use crate::detect::{
    CapacityConfig, CompressorConfig, DefrostConfig, DoorConfig, ExposureConfig, ForecastConfig,
    PowerLostConfig, ProbeConfig, RateConfig, TemperatureLimitConfig,
};
use crate::{Class, Condition, PointId};

/// The points of a cabinet. All but the air may be missing: the detectors do with what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CabinetPoints {
    /// Air temperature, °C.
    pub air: PointId,
    /// Evaporator temperature, °C (a controller's defrost probe).
    pub evaporator: Option<PointId>,
    /// Temperature of the room, °C.
    pub ambient: Option<PointId>,
    /// Temperature the controller aims at, °C.
    pub set_point: Option<PointId>,
    /// Power of this cabinet alone, W.
    pub power: Option<PointId>,
    /// Flag: the controller asks for cooling (its compressor output).
    pub compressor: Option<PointId>,
    /// Flag: the controller drives the evaporator's fan.
    pub fan: Option<PointId>,
    /// Flag: the controller defrosts.
    pub defrost: Option<PointId>,
    /// Flag: the door is open.
    pub door: Option<PointId>,
}

impl CabinetPoints {
    /// A cabinet of which only the air is known.
    pub fn only_air(air: PointId) -> Self {
        Self {
            air,
            evaporator: None,
            ambient: None,
            set_point: None,
            power: None,
            compressor: None,
            fan: None,
            defrost: None,
            door: None,
        }
    }

    /// Every point named.
    pub fn all(&self) -> impl Iterator<Item = PointId> {
        let others = [
            self.evaporator,
            self.ambient,
            self.set_point,
            self.power,
            self.compressor,
            self.fan,
            self.defrost,
            self.door,
        ];
        core::iter::once(self.air).chain(others.into_iter().flatten())
    }
}

/// The settings of every detector of a cabinet; one that is none does not judge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CabinetConfig {
    /// Air too warm.
    pub high: Option<TemperatureLimitConfig>,
    /// Air too cold.
    pub low: Option<TemperatureLimitConfig>,
    /// Air warmer than it should be, below the alarm.
    pub pre_alarm: Option<TemperatureLimitConfig>,
    /// The limit will be reached soon.
    pub forecast: Option<ForecastConfig>,
    /// The goods themselves.
    pub exposure: Option<ExposureConfig>,
    /// The air warms too fast.
    pub rate: Option<RateConfig>,
    /// The door.
    pub door: Option<DoorConfig>,
    /// Defrosts.
    pub defrost: Option<DefrostConfig>,
    /// The compressor.
    pub compressor: Option<CompressorConfig>,
    /// Slow loss of capacity.
    pub capacity: Option<CapacityConfig>,
    /// The air probe.
    pub probe: Option<ProbeConfig>,
    /// The cabinet's own power.
    pub power_lost: Option<PowerLostConfig>,
}

impl CabinetConfig {
    /// The complete rules of a class of refrigeration equipment; none for other classes.
    pub fn for_class(class: Class) -> Option<Self> {
        Some(Self {
            high: Some(TemperatureLimitConfig::for_class(class)?),
            low: None,
            pre_alarm: TemperatureLimitConfig::pre_alarm_for_class(class),
            forecast: ForecastConfig::for_class(class),
            exposure: ExposureConfig::for_class(class),
            rate: RateConfig::for_class(class),
            door: DoorConfig::for_class(class),
            defrost: DefrostConfig::for_class(class),
            compressor: CompressorConfig::for_class(class),
            capacity: CapacityConfig::for_class(class),
            probe: ProbeConfig::for_class(class),
            power_lost: PowerLostConfig::for_class(class),
        })
    }

    /// Whether a detector is set for `condition`.
    pub fn watches(&self, condition: Condition) -> bool {
        match condition {
            Condition::TemperatureHigh => self.high.is_some(),
            Condition::TemperatureLow => self.low.is_some(),
            Condition::TemperaturePreAlarm => self.pre_alarm.is_some(),
            Condition::LimitForecast => self.forecast.is_some(),
            Condition::GoodsWarm => self.exposure.is_some(),
            Condition::TemperatureRate => self.rate.is_some(),
            Condition::DoorOpen => self.door.is_some(),
            Condition::DefrostAbnormal => self.defrost.is_some(),
            Condition::CompressorAbnormal => self.compressor.is_some(),
            Condition::CapacityLoss => self.capacity.is_some(),
            Condition::ProbeFault => self.probe.is_some(),
            Condition::PowerLost => self.power_lost.is_some(),
            _ => false,
        }
    }
}
