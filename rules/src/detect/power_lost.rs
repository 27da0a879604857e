//! A cabinet that draws no power at all.

use crate::cabinet::Scene;
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`PowerLost`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLostConfig {
    /// W: less than the least a live cabinet draws.
    pub below: f32,
    /// For how long.
    pub delay: Millis,
}

impl PowerLostConfig {
    /// The usual settings of a class; none for what is not refrigeration. 2 W, less than a controller
    /// with its display; 3 min, longer than a breaker that is tried once: choices of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self { below: 2.0, delay: Millis::from_mins(3) })
    }
}

/// Powers read above the limit from which a cabinet counts as one that is never without.
const LIVE_MIN: u16 = 1_000;
/// Share of its readings that may be below all the same.
const DARK_MAX: f32 = 0.01;

/// Raised when P < `below` for `delay` on a cabinet that otherwise hardly ever draws so little (one
/// whose controller is on another circuit rests at 0 W, and is left alone); cleared when it draws again.
/// Unknown power changes nothing.
#[derive(Clone, Debug)]
pub struct PowerLost {
    config: Option<PowerLostConfig>,
    live: u16,
    dark: u16,
    /// Since when it draws nothing, and when a reading was last counted; [`Mono::NEVER`] if not.
    dark_since: Mono,
    last: Mono,
    raised: bool,
}

impl PowerLost {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<PowerLostConfig>) -> Self {
        Self { config, live: 0, dark: 0, dark_since: Mono::NEVER, last: Mono::NEVER, raised: false }
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, now: Now, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let power = scene.power?;
        // One count in ten seconds at most, so that the counts span hours.
        let counts = self.last.known().is_none_or(|last| now.mono - last >= Millis::from_secs(10));
        if counts {
            self.last = now.mono;
        }
        if power >= config.below {
            if counts {
                self.count(false);
            }
            let since = self.dark_since.replace(Mono::NEVER);
            if core::mem::take(&mut self.raised) {
                let evidence = Evidence::since(now.utc_of(since.unwrap_or(now.mono)));
                return Some(Change::Cleared(evidence.with(Quantity::Power, f64::from(power))));
            }
            return None;
        }
        let since = self.dark_since.get_or_insert(now.mono);
        if self.raised {
            return None;
        }
        let never = self.live >= LIVE_MIN && f32::from(self.dark) <= DARK_MAX * f32::from(self.live);
        if !never {
            if counts {
                self.count(true);
            }
            return None;
        }
        if now.mono - since < config.delay {
            return None;
        }
        self.raised = true;
        Some(Change::Raised(
            Evidence::since(now.utc_of(since))
                .with(Quantity::Power, f64::from(power))
                .with_span(Quantity::Held, now.mono - since),
        ))
    }

    fn count(&mut self, dark: bool) {
        let counter = if dark { &mut self.dark } else { &mut self.live };
        *counter = counter.saturating_add(1);
        if self.live.max(self.dark) > 30_000 {
            (self.live, self.dark) = (self.live / 2, self.dark / 2);
        }
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, symptoms: &mut Symptoms) {
        symptoms.no_power = self.raised;
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.dark_since = now.mono_of(since);
        self.raised = true;
    }
}
