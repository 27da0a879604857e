//! How much of a line's time its devices ask for, and what to change when it is too much.

use crate::modbus::cost::LineCost;
use crate::modbus::device::BusDevice;
use crate::profile::{Pace, Table};
use std::time::Duration;

/// The most that polls may take of a line's time. The rest is for probes of silent devices (3 %),
/// commands with their read-backs, and reads that noise makes necessary a second time.
pub const UTILISATION_MAX: f64 = 0.9;
/// How much longer one interval may be proposed to become before others are proposed too.
const STRETCH_MAX: f64 = 4.0;
/// Proposed intervals are whole multiples of this.
const STEP: Duration = Duration::from_millis(100);

/// The load of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// What is read, device by device, faster paces first.
    pub jobs: Vec<JobLoad>,
    /// The time to read everything once: the cycle that the line can hold.
    pub cycle: Duration,
    /// Σ time ÷ interval over the jobs with an interval: the part of the line's time they need.
    pub utilisation: f64,
}

/// The points of one device that are read at one pace.
#[derive(Clone, Debug, PartialEq)]
pub struct JobLoad {
    /// Index in the bus's list.
    pub device: usize,
    /// Which of its points.
    pub pace: Pace,
    /// From one poll to the next; zero is as fast as the line allows.
    pub interval: Duration,
    /// The requests of one poll.
    pub reads: Vec<ReadLoad>,
    /// Line time of one poll.
    pub time: Duration,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLoad {
    /// The table, hence the function code.
    pub table: Table,
    /// 0-based wire address.
    pub start: u16,
    /// How many registers or bits.
    pub count: u16,
    /// How many points it brings.
    pub points: usize,
    /// Bytes on the wire, frame included.
    pub request_bytes: u32,
    /// Bytes on the wire, frame included.
    pub answer_bytes: u32,
    /// From its first byte to the earliest first byte of the next request.
    pub time: Duration,
}

/// An interval to raise so that the line holds the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Index in the bus's list.
    pub device: usize,
    /// Which of its intervals.
    pub pace: Pace,
    /// As it is.
    pub from: Duration,
    /// What it would have to be, with the other proposals carried out.
    pub to: Duration,
}

impl JobLoad {
    /// The part of the line's time it needs; none for one that takes what is left.
    pub fn share(&self) -> f64 {
        if self.interval.is_zero() { 0.0 } else { self.time.as_secs_f64() / self.interval.as_secs_f64() }
    }
}

impl Load {
    /// The load that these devices are to their line.
    pub fn of(line: LineCost, devices: &[BusDevice]) -> Self {
        let mut jobs = Vec::new();
        for (number, device) in devices.iter().enumerate() {
            for pace in [Pace::Fast, Pace::Normal, Pace::Slow] {
                let reads: Vec<_> = device
                    .reads(line, pace, &[], |_| false)
                    .into_iter()
                    .map(|read| {
                        let (request_bytes, answer_bytes) = line.read_bytes(read.table, read.count);
                        ReadLoad {
                            table: read.table,
                            start: read.start,
                            count: read.count,
                            points: read.points.len(),
                            request_bytes,
                            answer_bytes,
                            time: line.read(&device.modbus, read.table, read.count),
                        }
                    })
                    .collect();
                if !reads.is_empty() {
                    let time = reads.iter().map(|read| read.time).sum();
                    jobs.push(JobLoad { device: number, pace, interval: device.polls.of(pace), reads, time });
                }
            }
        }
        let cycle = jobs.iter().map(|job| job.time).sum();
        let utilisation = jobs.iter().map(JobLoad::share).sum();
        Self { jobs, cycle, utilisation }
    }

    /// Whether the line holds it: at most [`UTILISATION_MAX`].
    pub fn fits(&self) -> bool {
        self.utilisation <= UTILISATION_MAX
    }

    /// What to raise so that it fits: the fewest of the largest shares, by one factor of at most 4.
    /// Empty if it fits; all intervals, by whatever factor it takes, if nothing less does.
    pub fn raises(&self) -> Vec<Raise> {
        if self.fits() {
            return Vec::new();
        }
        let mut jobs: Vec<_> = self.jobs.iter().filter(|job| job.share() > 0.0).collect();
        jobs.sort_by(|a, b| b.share().total_cmp(&a.share()));
        let mut raised = 0.0;
        for (index, job) in jobs.iter().enumerate() {
            raised += job.share();
            let left = UTILISATION_MAX - (self.utilisation - raised);
            let last = index + 1 == jobs.len();
            if last || left > 0.0 && raised / left <= STRETCH_MAX {
                let factor = raised / left;
                return jobs[..=index].iter().map(|job| job.raise(factor)).collect();
            }
        }
        Vec::new()
    }
}

impl JobLoad {
    fn raise(&self, factor: f64) -> Raise {
        let steps = (self.interval.as_secs_f64() * factor / STEP.as_secs_f64()).ceil();
        let to = Duration::from_secs_f64(steps * STEP.as_secs_f64());
        Raise { device: self.device, pace: self.pace, from: self.interval, to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::device::Polls;
    use crate::modbus::serial::{Parity, Serial};
    use crate::profile::built_in;
    use storewarden_rules::PointId;

    /// 1 ms a character.
    const LINE: LineCost = LineCost::Rtu(Serial { baud: 10_000, parity: Parity::None, stop_bits: 1 });

    fn relay(normal: Duration) -> BusDevice {
        let profile = built_in("waveshare-relay-8").unwrap();
        let mut modbus = profile.modbus().unwrap().clone();
        (modbus.guard_ms, modbus.turnaround_ms) = (0, 0);
        let mut points = profile.points;
        points.iter_mut().for_each(|point| point.pace = Pace::Normal);
        let polls = Polls { normal, ..Polls::every(Duration::from_secs(60)) };
        let wanted = (0..points.len()).map(|index| (PointId(0), index)).collect();
        BusDevice { name: "relay".into(), unit: 1, modbus, points, polls, timeout: None, safe: None, wanted }
    }

    #[test]
    fn a_load_is_what_its_reads_take() {
        let load = Load::of(LINE, &[relay(Duration::from_millis(210)), relay(Duration::from_millis(42))]);
        // 8 characters, 3.5, 6 characters, 3.5: 21 ms.
        let read = load.jobs[0].reads[0];
        assert_eq!((read.table, read.start, read.count, read.points), (Table::Coil, 0, 8, 8));
        assert_eq!((read.request_bytes, read.answer_bytes, read.time.as_millis()), (8, 6, 21));
        assert_eq!(load.cycle.as_millis(), 42);
        assert!((load.utilisation - 0.6).abs() < 1e-9, "{}", load.utilisation);
        assert!(load.fits() && load.raises().is_empty());
    }

    #[test]
    fn too_much_is_said_with_what_would_fit() {
        let mut devices = vec![relay(Duration::from_millis(21)), relay(Duration::from_millis(42))];
        let load = Load::of(LINE, &devices);
        assert!(!load.fits(), "{}", load.utilisation);
        let raises = load.raises();
        let [raise] = raises[..] else { panic!("one is enough: {raises:?}") };
        assert_eq!((raise.device, raise.pace, raise.from), (0, Pace::Normal, Duration::from_millis(21)));
        devices[0].polls.normal = raise.to;
        assert!(Load::of(LINE, &devices).fits());
    }

    #[test]
    fn carried_out_the_proposals_make_any_load_fit() {
        for count in 1..30u64 {
            let mut devices: Vec<_> =
                (1..=count).map(|n| relay(Duration::from_millis(100 + 13 * n))).collect();
            let load = Load::of(LINE, &devices);
            assert_eq!(load.raises().is_empty(), load.fits());
            for raise in load.raises() {
                assert!(raise.to > raise.from);
                devices[raise.device].polls.normal = raise.to;
            }
            assert!(Load::of(LINE, &devices).fits(), "{count} devices");
        }
    }

    #[test]
    fn as_fast_as_the_line_allows_asks_for_nothing() {
        let load = Load::of(LINE, &[relay(Duration::ZERO)]);
        assert_eq!((load.cycle.as_millis(), load.utilisation), (21, 0.0));
        assert!(load.fits());
    }
}
