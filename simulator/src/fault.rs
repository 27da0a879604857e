//! Faults and when they begin and end, in real time since the start.

use serde::{Deserialize, Serialize};

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The compressor's relay closes, but nothing turns.
    CompressorStopped,
    /// The unit does not answer.
    NoResponse,
    /// The unit answers every request with exception 4, "device failure".
    Exception,
    /// The unit's answers are shorter than they say.
    Garbage,
    /// The air probe's cable is cut.
    SensorFault,
    /// Lamps draw no current.
    LampBroken,
    /// Somebody left the door open.
    DoorOpen,
    /// The evaporator's fan stands still.
    FanStopped,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Begin, ms of real time since the start.
    pub at_ms: u64,
    /// End; none if it lasts.
    pub until_ms: Option<u64>,
    /// Id of the device.
    pub device: String,
    /// What breaks.
    pub kind: Kind,
    /// Which lamp, 1 to 8; all of the relay's if none.
    pub channel: Option<usize>,
}

/// Faults in the order of their changes.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// (when, which, begins), in order; what is done is in front of `next`.
    changes: Vec<(u64, usize, bool)>,
    faults: Vec<Fault>,
    next: usize,
}

impl Timeline {
    /// A timeline of `faults`, in any order.
    pub fn new(faults: Vec<Fault>) -> Self {
        let mut changes: Vec<_> = faults
            .iter()
            .enumerate()
            .flat_map(|(index, fault)| {
                let end = fault.until_ms.map(|until| (until, index, false));
                [Some((fault.at_ms, index, true)), end].into_iter().flatten()
            })
            .collect();
        // Ends before begins of the same moment: a fault may follow itself without a gap.
        changes.sort_by_key(|(at, index, begins)| (*at, *begins, *index));
        Self { changes, faults, next: 0 }
    }

    /// The next change due at `now_ms` since the start: a fault, and whether it begins. Call until none.
    pub fn due(&mut self, now_ms: u64) -> Option<(&Fault, bool)> {
        let (at, index, begins) = *self.changes.get(self.next)?;
        if at > now_ms {
            return None;
        }
        self.next += 1;
        Some((&self.faults[index], begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_in_order_and_only_once() {
        let fault = |at_ms, until_ms, device: &str| Fault {
            at_ms,
            until_ms,
            device: device.into(),
            kind: Kind::NoResponse,
            channel: None,
        };
        let mut timeline = Timeline::new(vec![
            fault(300, None, "c"),
            fault(200, Some(300), "b"),
            fault(100, Some(200), "a"),
        ]);
        let mut due = |now| {
            let mut all = Vec::new();
            while let Some((fault, begins)) = timeline.due(now) {
                all.push((fault.device.clone(), begins));
            }
            all
        };
        let said = |list: &[(&str, bool)]| {
            list.iter().map(|(device, begins)| ((*device).to_owned(), *begins)).collect::<Vec<_>>()
        };
        assert_eq!(due(99), said(&[]));
        assert_eq!(due(100), said(&[("a", true)]));
        assert_eq!(due(250), said(&[("a", false), ("b", true)]));
        assert_eq!(due(9999), said(&[("b", false), ("c", true)]));
        assert_eq!(due(9999), said(&[]));
    }
}
