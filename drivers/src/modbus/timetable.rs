//! When the points of one device that share a pace are read: one job of a bus. The bus does the
//! jobs' reads one by one, always of the job with the earliest deadline. On an overloaded line no
//! job waits for ever: a late one keeps its deadline, and so comes to be the earliest.

use crate::modbus::plan::Read;
use crate::profile::Pace;
use std::time::Duration;

/// The deadline of a poll that is made as fast as the line allows: others go first, for so long.
const AS_FAST: Duration = Duration::from_secs(1);
/// Polls that cannot be made are told no more often than this.
const MISSED_EVERY: Duration = Duration::from_millis(100);

/// The reads of one device at one pace.
#[derive(Debug)]
pub(super) struct Job {
    pub pace: Pace,
    pub interval: Duration,
    /// When the next poll begins. Never, while one runs that is made as fast as the line allows.
    pub due: Duration,
    /// When the running poll should be over.
    pub deadline: Duration,
    /// The device asked for patience until then.
    pub wait_until: Duration,
    /// How often it did during this poll.
    pub busy: u8,
    /// Whether a poll was made since the device came back.
    pub made: bool,
    reads: Vec<Read>,
    /// Index of the next read; `reads.len()` when none runs.
    next: usize,
}

impl Job {
    /// A job whose first poll is due `now`.
    pub fn new(pace: Pace, interval: Duration, reads: Vec<Read>, now: Duration) -> Self {
        Self {
            pace,
            interval,
            due: now,
            deadline: now,
            wait_until: now,
            busy: 0,
            made: false,
            next: reads.len(),
            reads,
        }
    }

    /// Begins a poll if it is time. A poll that is still running at the next one's time takes that
    /// one's place: a slow line skips polls, it does not pile them up.
    pub fn begin_if_due(&mut self, now: Duration) -> bool {
        if now < self.due {
            return false;
        }
        if self.interval.is_zero() {
            self.due = Duration::MAX;
        } else {
            let late = (now - self.due).as_nanos() / self.interval.as_nanos();
            let late = u32::try_from(late).unwrap_or(u32::MAX - 1);
            self.due += self.interval * (late + 1);
        }
        if self.runs() {
            return false;
        }
        self.begin(now);
        true
    }

    /// Begins a poll now, out of turn, from the first read.
    pub fn begin(&mut self, now: Duration) {
        self.deadline = if self.interval.is_zero() { now + AS_FAST } else { self.due.max(now) };
        (self.next, self.busy, self.wait_until) = (0, 0, now);
    }

    /// Others that are due now go before the running poll goes on.
    pub fn put_off(&mut self, now: Duration) {
        self.deadline = self.deadline.max(now + self.interval.max(AS_FAST));
    }

    /// Whether a poll is running.
    pub fn runs(&self) -> bool {
        self.next < self.reads.len()
    }

    /// The next read of the running poll.
    pub fn read(&self) -> Option<&Read> {
        self.reads.get(self.next)
    }

    /// All its reads.
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// On to the next read. True if that was the last.
    pub fn advance(&mut self, now: Duration) -> bool {
        self.next += 1;
        self.busy = 0;
        if !self.runs() {
            self.ended(now);
            return true;
        }
        false
    }

    /// The running poll is given up; the next one comes in its time.
    pub fn give_up(&mut self, now: Duration) {
        self.next = self.reads.len();
        self.ended(now);
        self.due = self.due.max(now + MISSED_EVERY);
    }

    /// Other reads from now on. True if that ends the running poll, which begins anew otherwise.
    pub fn replace(&mut self, reads: Vec<Read>, now: Duration) -> bool {
        self.next = 0;
        self.reads = reads;
        if !self.runs() {
            self.ended(now);
        }
        !self.runs()
    }

    fn ended(&mut self, now: Duration) {
        if self.interval.is_zero() {
            self.due = now;
        }
    }
}
