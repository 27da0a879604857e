//! What the equipment does, second by second. Nothing here reads a clock or a socket: a run is a
//! function of (parameters, seed, steps), which is what makes a broken store repeatable.
//!
//! These equations are the simulator's own. No detector may share them, or a test would only ask a
//! formula whether it agrees with itself.

pub mod cabinet;
pub mod controller;
pub mod doors;
pub mod meter;
pub mod recording;
pub mod relay;

/// Length of one step of every model, simulated seconds. Fixed, so that the acceleration does not
/// change what happens; small beside the fastest mass (an evaporator, about a minute).
pub const STEP_S: f64 = 1.0;
