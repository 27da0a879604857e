//! Which message goes to headquarters next. Pure: no clock, no socket.
//!
//! Each stream has a lane of its own: what headquarters acknowledged, and how far we have sent. A lane
//! holds a number of messages under way ([`lane_max`]), so a backlog of telemetry never delays an alert by
//! more than that. When a lane makes no progress for [`RESEND_AFTER`], everything not acknowledged is
//! sent again from the front (headquarters knows duplicates by their number).

use crate::journal::outbox::STREAMS;
use storewarden_proto::v1::Stream;
use storewarden_rules::{Millis, Mono};

/// Messages of one stream under way at most. What a power cut makes of a store's alarms goes at once: each
/// further turn would cost a commit at headquarters.
pub const fn lane_max(stream: Stream) -> u64 {
    match stream {
        Stream::Alert => 64,
        _ => 16,
    }
}
/// How long headquarters may take to acknowledge before messages are sent again.
pub const RESEND_AFTER: Millis = Millis::from_secs(15);

/// What to fetch from the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Of this stream,
    pub stream: Stream,
    /// the messages numbered above this,
    pub after: u64,
    /// at most so many.
    pub limit: u32,
}

/// The state of all lanes.
#[derive(Debug)]
pub struct Window {
    lanes: [Lane; STREAMS.len()],
    connected: bool,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    stream: Stream,
    acked: u64,
    sent: u64,
    /// Last time something was sent into an empty lane, or acknowledged.
    progress: Mono,
    /// The outbox had no more when last asked.
    drained: bool,
}

impl Window {
    /// A window after a start: `acked` gives the highest acknowledged number per stream.
    pub fn new(acked: impl Fn(Stream) -> u64) -> Self {
        let lanes = STREAMS.map(|stream| {
            let acked = acked(stream);
            Lane { stream, acked, sent: acked, progress: Mono(0), drained: false }
        });
        Self { lanes, connected: false }
    }

    /// A connection is up. Whatever was under way on the old one is sent again.
    pub fn connected(&mut self) {
        self.connected = true;
        for lane in &mut self.lanes {
            lane.rewind();
        }
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.connected = false;
    }

    /// The outbox may hold more than when last asked.
    pub fn grew(&mut self) {
        for lane in &mut self.lanes {
            lane.drained = false;
        }
    }

    /// What to fetch and send next; nothing while disconnected, full or drained.
    pub fn want(&self) -> Option<Want> {
        let lane = self.lanes.iter().find(|lane| self.connected && !lane.drained && lane.room() > 0)?;
        let limit = u32::try_from(lane.room()).unwrap_or(1);
        Some(Want { stream: lane.stream, after: lane.sent, limit })
    }

    /// The outbox gave fewer messages than asked for.
    pub fn drained(&mut self, stream: Stream) {
        self.lane(stream).drained = true;
    }

    /// A message was handed to the connection.
    pub fn sent(&mut self, now: Mono, stream: Stream, seq: u64) {
        let lane = self.lane(stream);
        if lane.sent == lane.acked {
            lane.progress = now;
        }
        lane.sent = lane.sent.max(seq);
    }

    /// Highest acknowledged number of `stream`.
    pub fn acked(&self, stream: Stream) -> u64 {
        self.lanes.iter().find(|lane| lane.stream == stream).map_or(0, |lane| lane.acked)
    }

    /// Headquarters has everything of `stream` up to `seq`, which must have been given out.
    pub fn acknowledged(&mut self, now: Mono, stream: Stream, seq: u64) {
        let lane = self.lane(stream);
        if seq <= lane.acked {
            return;
        }
        lane.acked = seq;
        lane.sent = lane.sent.max(seq);
        lane.progress = now;
    }

    /// Time passes. Returns the streams whose messages are sent again.
    pub fn tick(&mut self, now: Mono) -> impl Iterator<Item = Stream> + use<> {
        let mut again = [None; STREAMS.len()];
        for (lane, slot) in self.lanes.iter_mut().zip(&mut again) {
            if lane.sent > lane.acked && now - lane.progress >= RESEND_AFTER {
                lane.rewind();
                lane.progress = now;
                *slot = Some(lane.stream);
            }
        }
        again.into_iter().flatten()
    }

    fn lane(&mut self, stream: Stream) -> &mut Lane {
        self.lanes.iter_mut().find(|lane| lane.stream == stream).expect("every stream has a lane")
    }
}

impl Lane {
    fn rewind(&mut self) {
        self.sent = self.acked;
        self.drained = false;
    }
    /// A gap in the numbers (dropped telemetry) counts as under way; harmless, for it is acknowledged
    /// as one.
    fn room(&self) -> u64 {
        lane_max(self.stream).saturating_sub(self.sent - self.acked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn connected(acked: u64) -> Window {
        let mut window = Window::new(|_| acked);
        window.connected();
        window
    }

    #[test]
    fn an_alert_overtakes_a_backlog_of_telemetry() {
        let mut window = connected(0);
        for stream in [Stream::Alert, Stream::PriceResult, Stream::CommandResult] {
            window.drained(stream);
        }
        assert_eq!(window.want().unwrap().stream, Stream::Telemetry);
        window.grew();
        assert_eq!(window.want(), Some(Want { stream: Stream::Alert, after: 0, limit: 64 }));
    }

    #[test]
    fn nothing_goes_out_while_disconnected_and_everything_again_after() {
        let mut window = connected(3);
        window.sent(Mono(0), Stream::Alert, 4);
        window.sent(Mono(0), Stream::Alert, 5);
        window.acknowledged(Mono(1), Stream::Alert, 4);
        window.disconnected();
        assert_eq!(window.want(), None);
        window.connected();
        assert_eq!(window.want(), Some(Want { stream: Stream::Alert, after: 4, limit: 64 }));
    }

    #[test]
    fn a_lost_acknowledgement_leads_to_a_resend() {
        let mut window = connected(0);
        window.sent(Mono(1000), Stream::Alert, 1);
        assert_eq!(window.tick(Mono(15_999)).count(), 0);
        assert_eq!(window.tick(Mono(16_000)).collect::<Vec<_>>(), [Stream::Alert]);
        assert_eq!(window.want().unwrap().after, 0);
    }

    proptest! {
        /// Whatever is lost, doubled or late, every message of the outbox is acknowledged in the end,
        /// and never more than a lane's worth is under way.
        #[test]
        fn everything_arrives(total in 1u64..200, fates in prop::collection::vec(0u8..4, 0..200)) {
            let mut window = connected(0);
            let (mut at_hq, mut now, mut fate) = (0u64, 0i64, fates.into_iter());
            for _ in 0..2000 {
                now += 1000;
                window.tick(Mono(now)).count();
                while let Some(want) = window.want() {
                    if want.stream != Stream::Alert || want.after >= total {
                        window.drained(want.stream);
                        continue;
                    }
                    for seq in want.after + 1..=(want.after + u64::from(want.limit)).min(total) {
                        window.sent(Mono(now), Stream::Alert, seq);
                        prop_assert!(seq <= at_hq + lane_max(Stream::Alert));
                        match fate.next() {
                            Some(0) => {} // lost
                            Some(1) => { window.disconnected(); window.connected(); }
                            _ if seq == at_hq + 1 => at_hq = seq,
                            _ => {}
                        }
                    }
                    if fate.next() != Some(2) {
                        window.acknowledged(Mono(now), Stream::Alert, at_hq);
                    }
                }
                if at_hq == total { break; }
            }
            prop_assert_eq!(at_hq, total);
        }
    }
}
