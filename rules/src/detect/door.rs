//! A door that stays open, by its contact or by what the air does.

use crate::cabinet::{Frame, Scene};
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Millis, Now, Utc};

/// Settings of a [`Door`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DoorConfig {
    /// How long the contact may say open.
    pub delay: Millis,
    /// How long the air must look like an open door where there is no contact.
    pub inferred_delay: Millis,
}

impl DoorConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class
            .is_refrigeration()
            .then_some(Self { delay: Millis::from_mins(10), inferred_delay: Millis::from_mins(20) })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct Door {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<DoorConfig>,
}

impl Door {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<DoorConfig>) -> Self {
        Self { config }
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, _now: Now, _scene: &Scene) -> Option<Change> {
        None
    }

    /// To be called with every frame.
    pub fn frame(&mut self, _now: Now, _frame: &Frame, _scene: &Scene) -> Option<Change> {
        None
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, _symptoms: &mut Symptoms) {}

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, _now: Now, _since: Utc) {}
}
