//! Faults and when they begin and end, in real time since the start.

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// The unit's answers come `delay` later than they should, whatever is on the line then.
    Late,
    /// The unit's answers carry another unit's address.
    WrongUnit,
    /// One to three bits of the unit's answers are turned. On a serial line only.
    BitFlips,
    /// One to three bytes of the unit's answers are lost. On a serial line only.
    LostBytes,
    /// The adaptor of the unit's line returns to the master what it sends. On a serial line only.
    Echo,
    /// The unit answers every request with exception 6, "device busy".
    Busy,
    /// The gateway answers for the unit with exception 11, "target device failed to respond".
    GatewayTarget,
    /// The unit answers exception 2 to a read of any address that holds no point, also where the
    /// profile says that it may be read.
    IllegalGap,
    /// The bytes of the unit's answers come one by one, `delay` apart. Over Modbus TCP only.
    Slow,
    /// The connection is reset in the middle of the unit's answer. Over Modbus TCP only.
    Reset,
    /// The air probe's cable is cut.
    SensorFault,
    /// Lamps draw no current.
    LampBroken,
    /// Somebody left the door open.
    DoorOpen,
    /// The evaporator's fan stands still.
    FanStopped,
}

/// Where a kind of fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the device itself.
    Device,
    /// On any kind of line, answer by answer: it may be intermittent.
    Answer,
    /// The same, on a serial line only.
    SerialAnswer,
    /// The same, over Modbus TCP only.
    TcpAnswer,
    /// On any kind of line, as long as it lasts.
    Line,
    /// The same, on a serial line only.
    SerialLine,
}

impl Kind {
    /// Where it happens.
    pub fn place(self) -> Place {
        match self {
            Self::CompressorStopped
            | Self::SensorFault
            | Self::LampBroken
            | Self::DoorOpen
            | Self::FanStopped => Place::Device,
            Self::NoResponse
            | Self::Exception
            | Self::Garbage
            | Self::Late
            | Self::WrongUnit
            | Self::Busy
            | Self::GatewayTarget => Place::Answer,
            Self::BitFlips | Self::LostBytes => Place::SerialAnswer,
            Self::Slow | Self::Reset => Place::TcpAnswer,
            Self::IllegalGap => Place::Line,
            Self::Echo => Place::SerialLine,
        }
    }

    /// Whether it says how long something takes.
    pub fn has_delay(self) -> bool {
        matches!(self, Self::Late | Self::Slow)
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
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
    /// How long it takes, of the kinds that have it; else zero.
    pub delay: Duration,
    /// Share of the answers that it strikes, above 0 to 1.
    pub share: f64,
}

impl Fault {
    /// A fault that lasts and strikes every answer, from the start.
    pub fn lasting(device: &str, kind: Kind) -> Self {
        let delay = Duration::ZERO;
        Self { at_ms: 0, until_ms: None, device: device.to_owned(), kind, channel: None, delay, share: 1.0 }
    }
}

/// What is wrong with a device's side of the line.
#[derive(Debug)]
pub struct Line {
    faults: Vec<Fault>,
    dice: Rng,
}

impl Line {
    /// A healthy one. `seed` decides which answers an intermittent fault strikes.
    pub fn new(seed: u64) -> Self {
        Self { faults: Vec::new(), dice: Rng::with_seed(seed) }
    }

    /// `fault` begins or ends.
    pub fn set(&mut self, fault: &Fault, broken: bool) {
        if broken {
            self.faults.push(fault.clone());
        } else if let Some(index) = self.faults.iter().position(|known| known == fault) {
            self.faults.remove(index);
        }
    }

    /// Whether a fault of that kind is on.
    pub fn has(&self, kind: Kind) -> bool {
        self.faults.iter().any(|fault| fault.kind == kind)
    }

    /// Which faults strike the next answer.
    pub fn strike(&mut self) -> Struck {
        let dice = &mut self.dice;
        // A fault that strikes all throws no dice: it leaves the others' luck as it was.
        let mut strikes = |fault: &&Fault| fault.share >= 1.0 || dice.f64() < fault.share;
        let faults = self.faults.iter().filter(|fault| strikes(fault));
        let faults = faults.map(|fault| (fault.kind, fault.delay)).collect();
        Struck { faults, dice: self.dice.fork() }
    }
}

/// The faults that strike one answer.
#[derive(Clone, Debug)]
pub struct Struck {
    faults: Vec<(Kind, Duration)>,
    /// Decides the rest: which bits, which bytes.
    pub dice: Rng,
}

impl Struck {
    /// Whether a fault of that kind strikes.
    pub fn has(&self, kind: Kind) -> bool {
        self.delay(kind).is_some()
    }

    /// The delay of the fault of that kind, if one strikes.
    pub fn delay(&self, kind: Kind) -> Option<Duration> {
        self.faults.iter().find(|(struck, _)| *struck == kind).map(|(_, delay)| *delay)
    }
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
            ..Fault::lasting(device, Kind::NoResponse)
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

    #[test]
    fn an_intermittent_fault_strikes_its_share_of_the_answers_and_the_same_ones_each_time() {
        let fault = Fault { share: 0.3, ..Fault::lasting("a", Kind::BitFlips) };
        let struck = |seed| {
            let mut line = Line::new(seed);
            line.set(&fault, true);
            line.set(&Fault::lasting("a", Kind::WrongUnit), true);
            let struck: Vec<bool> = (0..1000)
                .map(|_| {
                    let struck = line.strike();
                    assert!(struck.has(Kind::WrongUnit) && !struck.has(Kind::Late));
                    struck.has(Kind::BitFlips)
                })
                .collect();
            line.set(&fault, false);
            assert!(!line.has(Kind::BitFlips) && line.has(Kind::WrongUnit));
            struck
        };
        let count = struck(1).iter().filter(|struck| **struck).count();
        assert!((250..350).contains(&count), "{count}");
        assert_eq!(struck(1), struck(1));
        assert_ne!(struck(1), struck(2));
    }
}
