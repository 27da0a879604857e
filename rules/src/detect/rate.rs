//! Air that warms faster than a closed, cooled cabinet can.

use crate::cabinet::{Frame, Scene};
use crate::time::minutes;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateConfig {
    /// K/min.
    pub limit: f32,
    /// Over which it is measured, and for which it must last.
    pub window: Millis,
}

impl RateConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    ///
    /// 0.7 K/min for 15 min, 10 K: a cabinet whose cooling stops gains a few tenths of a kelvin a minute
    /// at first, one whose door stands wide open several. A choice of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self { limit: 0.7, window: Millis::from_mins(15) })
    }
}

/// Raised when the believed air has risen by limit × window within the window, from within its band and
/// outside what may be a defrost, and two frames say so; cleared when it no longer rises.
#[derive(Clone, Debug)]
pub struct Rate {
    config: Option<RateConfig>,
    /// Where the present rise began.
    begun: Option<(Mono, f32)>,
    top: f32,
    /// The air of the frame before.
    before: f32,
    /// [`Mono::NEVER`] while it is not.
    raised: Mono,
}

impl Rate {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<RateConfig>) -> Self {
        Self { config, begun: None, top: 0.0, before: 0.0, raised: Mono::NEVER }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let air = frame.air?;
        let (begun, from) = match self.begun {
            Some(begun) if air >= self.top - 0.5 && scene.phase.is_cooling() => begun,
            _ => {
                self.begun = Some((frame.at, air));
                (self.top, self.before) = (air, air);
                (frame.at, air)
            }
        };
        self.top = self.top.max(air);
        let lasted = minutes(frame.at - begun);
        let window = minutes(config.window);
        // A single frame far above the one before is no rise yet: it may be the first of a jump.
        let risen = air.min(core::mem::replace(&mut self.before, air)) - from;
        let rate = if lasted > 0.0 { risen / lasted } else { 0.0 };
        let rises = scene.band.is_some_and(|band| air > band.high)
            && lasted >= window
            && rate >= config.limit
            && scene.phase.is_cooling();
        match (rises, self.raised.known()) {
            (true, None) => {
                self.raised = begun;
                Some(Change::Raised(
                    Evidence::since(now.utc_of(begun))
                        .with(Quantity::Rate, f64::from(rate))
                        .with(Quantity::RateLimit, f64::from(config.limit))
                        .with(Quantity::Temperature, f64::from(air)),
                ))
            }
            (false, Some(since)) if lasted <= 0.0 || rate < 0.2 * config.limit => {
                self.raised = Mono::NEVER;
                Some(Change::Cleared(
                    Evidence::since(now.utc_of(since)).with(Quantity::Temperature, f64::from(air)),
                ))
            }
            _ => None,
        }
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised = now.mono_of(since);
    }
}
