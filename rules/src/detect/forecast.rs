//! Time until the air is at its limit.

use crate::cabinet::{Frame, ROOM, Scene};
use crate::diagnosis::Symptoms;
use crate::time::minutes;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`Forecast`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastConfig {
    /// Raised when the limit will be reached sooner than this.
    pub horizon: Millis,
    /// K above the usual band from which on a rise counts.
    pub rise_min: f32,
    /// How long the rise must have lasted.
    pub window: Millis,
}

impl ForecastConfig {
    /// The usual settings of a class; none for what is not refrigeration. Two hours ahead, 2 K above the
    /// band, 25 min of rise, longer than a cabinet is restocked: choices of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            horizon: Millis::from_mins(120),
            rise_min: 2.0,
            window: Millis::from_mins(25),
        })
    }
}

/// Samples of the present rise.
const SAMPLES: usize = 8;
/// Share of the samples' steps that must not fall.
const STEADY: f32 = 0.8;
/// A sample this much below the highest ends the rise, K.
const DIP: f32 = 0.7;

/// A rise of the believed air above its band, outside defrosts and what may be one, is followed by up to
/// eight samples. A body that warms towards a room of T∞ with time constant τ reaches the limit after
///
/// t = τ · ln((T∞ − T₀) / (T∞ − T_lim)),
///
/// with τ from the rise itself, τ = Δt / ln((T∞ − T_a) / (T∞ − T_b)) between the means of its older and
/// newer half; where the room is not above both, linearly. Raised when t is within the horizon, the rise
/// has lasted for the window and hardly any step of it fell; cleared when the air falls again.
#[derive(Clone, Debug)]
pub struct Forecast {
    config: Option<ForecastConfig>,
    limit: Option<f32>,
    /// Minutes since `begun`, and °C.
    samples: heapless::Vec<(f32, f32), SAMPLES>,
    begun: Mono,
    /// Least time between two samples, min; doubles when they are full.
    step: f32,
    top: f32,
    ambient: f32,
    excess: Option<f32>,
    raised: Option<Mono>,
}

impl Forecast {
    /// A detector that knows nothing yet; without settings or a limit it never raises.
    #[expect(clippy::cast_possible_truncation, reason = "a temperature")]
    pub fn new(config: Option<ForecastConfig>, limit: Option<f64>) -> Self {
        Self {
            config,
            limit: limit.map(|limit| limit as f32),
            samples: heapless::Vec::new(),
            begun: Mono::NEVER,
            step: 1.0,
            top: f32::MIN,
            ambient: ROOM,
            excess: None,
            raised: None,
        }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let (air, band) = (frame.air?, scene.band?);
        self.ambient = frame.room();
        self.excess = Some(air - band.high);
        let counts = scene.phase.is_cooling() && air > band.high;
        if !counts || air < self.top - DIP {
            self.samples.clear();
            self.begun = Mono::NEVER;
            self.step = 1.0;
            self.top = f32::MIN;
            if let Some(since) = self.raised.filter(|_| air <= band.high + 0.5 * config.rise_min) {
                self.raised = None;
                return Some(Change::Cleared(self.evidence(now, since, air, None)));
            }
            if !counts {
                return None;
            }
        }
        self.top = self.top.max(air);
        let begun = self.begun.get_or_insert(frame.at);
        let at = minutes(frame.at - begun);
        if self.samples.last().is_none_or(|(last, _)| at - last >= self.step) {
            if self.samples.is_full() {
                self.thin();
            }
            let _ = self.samples.push((at, air));
        }
        if self.raised.is_some() || at < minutes(config.window) || air - band.high < config.rise_min {
            return None;
        }
        let left = self.minutes_left(air).filter(|left| *left <= minutes(config.horizon))?;
        if !self.is_steady() {
            return None;
        }
        self.raised = Some(begun);
        Some(Change::Raised(self.evidence(now, begun, air, Some(left))))
    }

    /// Every second sample stays.
    fn thin(&mut self) {
        let half: heapless::Vec<_, SAMPLES> = self.samples.iter().step_by(2).copied().collect();
        self.samples = half;
        self.step *= 2.0;
    }

    fn is_steady(&self) -> bool {
        let steps = self.samples.windows(2);
        let (all, up) =
            steps.fold((0_u8, 0_u8), |(all, up), pair| (all + 1, up + u8::from(pair[1].1 >= pair[0].1)));
        all >= 3 && f32::from(up) >= STEADY * f32::from(all)
    }

    /// Means of the older and the newer half of the rise.
    fn halves(&self) -> Option<((f32, f32), (f32, f32))> {
        let middle = self.samples.len() / 2;
        let (older, newer) = self.samples.split_at(middle);
        Some((mean(older)?, mean(newer)?))
    }

    /// K/min of the present rise.
    fn rate(&self) -> Option<f32> {
        let ((t0, a), (t1, b)) = self.halves()?;
        (t1 > t0).then(|| (b - a) / (t1 - t0))
    }

    fn minutes_left(&self, air: f32) -> Option<f32> {
        let limit = self.limit?;
        // Beyond it there is nothing to foretell: the limit itself speaks.
        if air >= limit {
            return None;
        }
        let ((t0, a), (t1, b)) = self.halves()?;
        let rate = self.rate().filter(|rate| *rate > 0.0)?;
        let linear = (limit - air) / rate;
        let room = self.ambient;
        if room <= limit + 1.0 || room <= b + 1.0 {
            return Some(linear);
        }
        let tau = (t1 - t0) / libm::logf((room - a) / (room - b));
        let left = tau * libm::logf((room - air) / (room - limit));
        Some(if left.is_finite() && left >= 0.0 { left } else { linear })
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, symptoms: &mut Symptoms) {
        symptoms.excess = self.excess;
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised = Some(now.mono_of(since));
    }

    fn evidence(&self, now: Now, since: Mono, air: f32, left: Option<f32>) -> Evidence {
        let known = |value: Option<f32>| value.map(f64::from);
        Evidence::since(now.utc_of(since))
            .with(Quantity::Temperature, f64::from(air))
            .with_known(Quantity::TimeLeft, left.map(|left| f64::from(left) * 60.0))
            .with_known(Quantity::Rate, known(self.rate()))
            .with_known(Quantity::TemperatureLimit, known(self.limit))
            .with_known(Quantity::UsualTemperature, known(self.excess.map(|excess| air - excess)))
    }
}

fn mean(samples: &[(f32, f32)]) -> Option<(f32, f32)> {
    #[expect(clippy::cast_precision_loss, reason = "eight at most")]
    let count = samples.len() as f32;
    let (t, v) = samples.iter().fold((0.0, 0.0), |(t, v), sample| (t + sample.0, v + sample.1));
    (count > 0.0).then(|| (t / count, v / count))
}
