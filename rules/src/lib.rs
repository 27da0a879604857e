//! Decisions, and the words they are made in.
//!
//! What lives here: the vocabulary every other crate speaks ([`Reading`], [`Sample`], [`Condition`]),
//! the detectors, the alarm lifecycle, the light schedule, and [`Site`], which ties them together.
//! What may not: I/O, clocks, threads, randomness, allocation. Time comes in as [`Now`]; every state
//! machine is `step(now, input)`, so a week of store life is tested in a second.
//!
//! Start reading at [`Site`].
#![no_std]
#![forbid(unsafe_code)]

mod alarm;
pub mod cabinet;
mod cause;
mod class;
mod condition;
pub mod detect;
pub mod diagnosis;
pub mod expression;
mod reading;
pub mod schedule;
mod site;
mod time;
mod unit;

pub use alarm::{Alarm, AlarmInput, AlarmState};
pub use cause::Cause;
pub use class::Class;
pub use condition::{Change, Condition, Evidence, Fact, Priority, Quantity, USER_RULES_MAX};
pub use diagnosis::Diagnosis;
pub use reading::{BadReason, DeviceId, PointId, Quality, Reading, Sample};
pub use site::{
    AlarmEvent, AlarmPolicy, AlarmSnapshot, Chatter, Event, Input, LABEL_CONDITIONS, OpenRepair, Restored,
    Rule, Service, Site, SiteFull,
};
pub use time::{Millis, Mono, Now, Utc};
pub use unit::Unit;
