//! One serial line as time sees it: when which character is on it, who talks over whom, and when a
//! frame has ended. Pure arithmetic; time is an argument, counted from any fixed moment.
//!
//! The line is half duplex: every character of master and units is on the same pair of wires. Two at
//! once spoil each other. A frame is what stands between silences of 3.5 characters (Modbus serial
//! line specification V1.02, section 2.5.1), so whoever begins earlier is taken for a part of the
//! frame before and understood by nobody.

use serde::Serialize;
use std::time::Duration;
use storewarden_drivers::modbus::serial::Serial;

/// Longest frame, characters (section 2.5.1.1): the rest of a longer one is on the line, but nobody
/// keeps it.
const FRAME_MAX: usize = 256;
/// Shortest time between two deliveries, so that a fast line does not wake the reader for every
/// character. A frame's last character is never held back. Shorter than t1.5 at any speed.
const DELIVERY_STEP: Duration = Duration::from_micros(250);
/// Beyond this the delivery of an answer's end is [`Counts::tardy`].
const TARDY: Duration = Duration::from_millis(1);

/// What happened on a line since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames of the master, whole or not.
    pub requests: u64,
    /// Answers that units have sent, spoiled ones too.
    pub answers: u64,
    /// Frames that met another one on the line.
    pub collisions: u64,
    /// Frames the master began less than 3.5 characters after the line had fallen silent.
    pub early: u64,
    /// Frames that were alone on the line, but no unit could make sense of: wrong speed, wrong check
    /// sum, too long.
    pub unintelligible: u64,
    /// Answers whose last character was delivered more than 1 ms after its true time, because this
    /// machine had no time for the line: what was measured meanwhile says nothing.
    pub tardy: u64,
}

/// A frame of the master's, whole on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When its last character ended.
    pub end: Duration,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A serial line.
#[derive(Debug)]
pub struct Wire {
    serial: Serial,
    on_line: Vec<Transmission>,
    delivered_at: Duration,
    /// What happened so far.
    pub counts: Counts,
}

#[derive(Debug)]
struct Transmission {
    by_master: bool,
    /// Whether its characters are to reach the master: a unit's are, its own if the adaptor echoes.
    audible: bool,
    start: Duration,
    end: Duration,
    chars: Vec<Char>,
    delivered: usize,
    spoiled: bool,
    judged: bool,
}

#[derive(Clone, Copy, Debug)]
struct Char {
    end: Duration,
    byte: u8,
    spoiled: bool,
}

impl Wire {
    /// A silent line.
    pub fn new(serial: Serial) -> Self {
        Self { serial, on_line: Vec::new(), delivered_at: Duration::ZERO, counts: Counts::default() }
    }

    /// When the master's transmitter has sent all it was given; a master that is given more than it
    /// can send waits.
    pub fn master_busy_until(&self) -> Duration {
        self.on_line.iter().filter(|sent| sent.by_master).map(|sent| sent.end).max().unwrap_or_default()
    }

    /// When a transmitter that keeps the silence between frames itself, as a gateway's does, begins what
    /// it is given at `now`. It does not listen first: an answer on the line does not hold it up.
    pub fn after_silence(&self, now: Duration) -> Duration {
        if self.on_line.iter().any(|sent| sent.by_master && !sent.judged) {
            return now;
        }
        let ended = self.on_line.iter().map(|sent| sent.end).filter(|end| *end <= now).max();
        ended.map_or(now, |end| now.max(end + self.serial.t3_5()))
    }

    /// The master is given `bytes` to send at `now`: they follow what it is still sending, one after
    /// the other. With `echo` they come back to it as they are on the line. `spoiled` bytes are on the
    /// line, but no unit understands them, as at another speed.
    pub fn send(&mut self, now: Duration, bytes: &[u8], echo: bool, spoiled: bool) {
        let character = self.serial.characters(1);
        let start = now.max(self.master_busy_until());
        let t1_5 = self.serial.t1_5();
        let open =
            self.on_line.iter().position(|sent| sent.by_master && !sent.judged && start <= sent.end + t1_5);
        let index = open.unwrap_or_else(|| {
            self.on_line.push(Transmission {
                by_master: true,
                audible: echo,
                start,
                end: start,
                chars: Vec::new(),
                delivered: 0,
                spoiled: false,
                judged: false,
            });
            self.on_line.len() - 1
        });
        let frame = &mut self.on_line[index];
        let room = FRAME_MAX - frame.chars.len();
        frame.spoiled |= spoiled || bytes.len() > room;
        let ends = |count: usize| start + self.serial.characters(u32::try_from(count).unwrap_or(u32::MAX));
        let kept = bytes.iter().take(room).enumerate();
        frame.chars.extend(kept.map(|(index, byte)| Char {
            end: ends(index + 1),
            byte: *byte,
            spoiled: false,
        }));
        frame.end = ends(bytes.len()).max(start + character);
        self.spoil(index);
    }

    /// A unit sends `chars` from `start` on; in the place of a lost character the line is silent.
    pub fn answer(&mut self, start: Duration, chars: &[Option<u8>]) {
        let ends = |count: usize| start + self.serial.characters(u32::try_from(count).unwrap_or(u32::MAX));
        let chars: Vec<Char> = chars
            .iter()
            .enumerate()
            .filter_map(|(index, byte)| Some(Char { end: ends(index + 1), byte: (*byte)?, spoiled: false }))
            .collect();
        let Some(last) = chars.last() else { return };
        self.counts.answers += 1;
        self.on_line.push(Transmission {
            by_master: false,
            audible: true,
            start,
            end: last.end,
            chars,
            delivered: 0,
            spoiled: false,
            judged: true,
        });
        if self.spoil(self.on_line.len() - 1) {
            self.counts.collisions += 1;
        }
    }

    /// Spoils every character that the transmission at `index` shares its time with, on both sides, if
    /// it is still to come. Returns whether it met another unit's.
    fn spoil(&mut self, index: usize) -> bool {
        let character = self.serial.characters(1);
        let mut met_unit = false;
        for other in 0..self.on_line.len() {
            let (one, two) = (&self.on_line[index], &self.on_line[other]);
            if other == index || one.start >= two.end || two.start >= one.end {
                continue;
            }
            met_unit |= !two.by_master;
            for (this, that) in [(index, other), (other, index)] {
                let (start, end) = (self.on_line[that].start, self.on_line[that].end);
                let this = &mut self.on_line[this];
                this.spoiled = true;
                let delivered = this.delivered;
                let to_come = this.chars.iter_mut().skip(delivered);
                let shared = |char: &Char| char.end > start && char.end - character < end;
                for char in to_come.filter(|char| !char.spoiled && shared(char)) {
                    // What two transmitters make of a character is not defined: anything else will do.
                    (char.byte, char.spoiled) = (!char.byte, true);
                }
            }
        }
        met_unit
    }

    /// The next frame of the master's that has ended by `now`, 3.5 characters of silence included, and
    /// that units could hear undisturbed. Call until none.
    pub fn frame(&mut self, now: Duration) -> Option<Frame> {
        let t3_5 = self.serial.t3_5();
        let ended = |sent: &Transmission| !sent.judged && sent.end + t3_5 <= now;
        while let Some(index) = self.on_line.iter().position(ended) {
            let (start, end) = (self.on_line[index].start, self.on_line[index].end);
            let mut others = self.on_line.iter().enumerate().filter(|(other, _)| *other != index);
            // A later frame of the master's counts as early itself.
            let met = others.clone().any(|(_, other)| {
                let after = if other.by_master { end } else { end + t3_5 };
                other.start < after && start < other.end
            });
            let cut = others.clone().any(|(_, other)| (end..end + t3_5).contains(&other.start));
            let early = others.any(|(_, other)| other.end <= start && start < other.end + t3_5);
            let frame = &mut self.on_line[index];
            frame.judged = true;
            self.counts.requests += 1;
            self.counts.collisions += u64::from(met);
            self.counts.early += u64::from(early && !met);
            if met || early || cut {
                continue;
            }
            if frame.spoiled {
                self.counts.unintelligible += 1;
                continue;
            }
            return Some(Frame { end, bytes: frame.chars.iter().map(|char| char.byte).collect() });
        }
        self.forget(now);
        None
    }

    /// What has newly reached the master by `now`.
    pub fn deliver(&mut self, now: Duration) -> Vec<u8> {
        let mut due: Vec<Char> = Vec::new();
        for sent in self.on_line.iter_mut().filter(|sent| sent.audible) {
            let count = sent.chars[sent.delivered..].iter().take_while(|char| char.end <= now).count();
            due.extend(&sent.chars[sent.delivered..sent.delivered + count]);
            sent.delivered += count;
            let is_whole = count > 0 && sent.delivered == sent.chars.len();
            if is_whole && !sent.by_master && sent.end + TARDY < now {
                self.counts.tardy += 1;
            }
        }
        if !due.is_empty() {
            self.delivered_at = now;
        }
        due.sort_by_key(|char| char.end);
        due.iter().map(|char| char.byte).collect()
    }

    /// When [`frame`](Self::frame) or [`deliver`](Self::deliver) next has something; none if the line
    /// is silent until the master sends.
    pub fn next(&self) -> Option<Duration> {
        let judgements = self.on_line.iter().filter(|sent| !sent.judged).map(|sent| sent.end);
        let deliveries = self.on_line.iter().filter(|sent| sent.audible).filter_map(|sent| {
            let next = sent.chars.get(sent.delivered)?.end.max(self.delivered_at + DELIVERY_STEP);
            sent.chars.last().map(|last| next.min(last.end))
        });
        judgements.map(|end| end + self.serial.t3_5()).chain(deliveries).min()
    }

    /// Drops what nothing to come can touch: all of it, once everybody is silent.
    fn forget(&mut self, now: Duration) {
        let t3_5 = self.serial.t3_5();
        if self.on_line.iter().all(|sent| sent.judged) {
            self.on_line
                .retain(|sent| now < sent.end + t3_5 || (sent.audible && sent.delivered < sent.chars.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use storewarden_drivers::modbus::serial::Parity;

    /// 10 bits at 10,000 baud: a character takes 1 ms, 3.5 of them 3.5 ms.
    const LINE: Serial = Serial { baud: 10_000, parity: Parity::None, stop_bits: 1 };

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn bytes(bytes: &[u8]) -> Vec<Option<u8>> {
        bytes.iter().copied().map(Some).collect()
    }

    /// Everything that reaches the master, with its time, until the line is silent.
    fn heard(wire: &mut Wire) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some(now) = wire.next() {
            while wire.frame(now).is_some() {}
            let some = wire.deliver(now);
            if !some.is_empty() {
                all.push((u64::try_from(now.as_micros()).expect("short"), some));
            }
        }
        all
    }

    #[test]
    fn a_request_ends_when_the_line_could_have_carried_it_and_a_silence_later() {
        let mut wire = Wire::new(LINE);
        // All eight at once, as a program writes them.
        wire.send(us(100), &[1, 2, 3, 4, 5, 6, 7, 8], false, false);
        assert_eq!(wire.next(), Some(us(100 + 8_000 + 3_500)));
        assert_eq!(wire.frame(us(11_599)), None);
        let frame = Frame { end: us(8_100), bytes: vec![1, 2, 3, 4, 5, 6, 7, 8] };
        assert_eq!(wire.frame(us(11_600)), Some(frame));
        assert_eq!(wire.frame(us(11_600)), None, "only once");
        assert_eq!(wire.counts, Counts { requests: 1, ..Counts::default() });
    }

    #[test]
    fn two_writes_make_one_frame_if_no_longer_silence_is_between_them_than_the_standard_allows() {
        let mut wire = Wire::new(LINE);
        wire.send(us(0), &[1, 2], false, false);
        wire.send(us(500), &[3], false, false); // still sending
        wire.send(us(4_500), &[4], false, false); // 1.5 characters after the third
        assert_eq!(wire.frame(us(9_000)), Some(Frame { end: us(5_500), bytes: vec![1, 2, 3, 4] }));
        // 1.6 characters: neither half is understood.
        wire.send(us(20_000), &[1, 2], false, false);
        wire.send(us(23_600), &[3, 4], false, false);
        assert_eq!(wire.frame(us(99_000)), None);
        assert_eq!(wire.counts, Counts { requests: 3, early: 1, ..Counts::default() });
    }

    #[test]
    fn an_answer_arrives_character_by_character_without_drift() {
        let mut wire = Wire::new(LINE);
        wire.answer(us(10_000), &bytes(&[7, 8, 9]));
        assert_eq!(wire.next(), Some(us(11_000)));
        assert_eq!(wire.deliver(us(10_999)), [0; 0]);
        // Late by 0.3 ms once; the next characters are not.
        assert_eq!(wire.deliver(us(11_300)), [7]);
        assert_eq!(heard(&mut wire), [(12_000, vec![8]), (13_000, vec![9])]);
        assert_eq!(wire.counts.tardy, 0);
        wire.answer(us(20_000), &bytes(&[7]));
        assert_eq!((wire.deliver(us(22_001)), wire.counts.tardy), (vec![7], 1));
    }

    #[test]
    fn a_fast_line_delivers_in_steps_and_the_last_character_on_time() {
        // 95.48 µs a character with even parity.
        let mut wire = Wire::new(Serial { baud: 115_200, ..Serial::STANDARD });
        wire.answer(us(0), &bytes(&[0; 20]));
        let heard = heard(&mut wire);
        assert_eq!(heard.iter().map(|(_, some)| some.len()).sum::<usize>(), 20);
        assert_eq!(heard.last().map(|(at, _)| *at), Some(1_909));
        assert!(heard.len() < 9, "{heard:?}");
        for pair in heard.windows(2).rev().skip(1) {
            assert!(pair[1].0 - pair[0].0 >= 250, "{heard:?}");
        }
    }

    #[test]
    fn a_lost_character_leaves_its_place_silent() {
        let mut wire = Wire::new(LINE);
        wire.answer(us(0), &[Some(1), None, Some(3)]);
        assert_eq!(heard(&mut wire), [(1_000, vec![1]), (3_000, vec![3])]);
        wire.answer(us(9_000), &[None]);
        assert_eq!((wire.next(), wire.counts.answers), (None, 1));
    }

    #[test]
    fn a_master_that_talks_over_an_answer_spoils_both() {
        let mut wire = Wire::new(LINE);
        wire.answer(us(0), &bytes(&[1, 2, 3, 4]));
        assert_eq!(wire.deliver(us(1_000)), [1]);
        wire.send(us(2_500), &[9], false, false);
        // The third character is on the line from 2 to 3 ms, the request from 2.5 to 3.5.
        assert_eq!(heard(&mut wire), [(2_000, vec![2]), (3_000, vec![!3]), (4_000, vec![!4])]);
        assert_eq!(wire.counts, Counts { requests: 1, answers: 1, collisions: 1, ..Counts::default() });
    }

    #[test]
    fn a_late_answer_spoils_the_request_it_falls_into_and_the_answer_it_meets() {
        let mut wire = Wire::new(LINE);
        wire.answer(us(700_000), &bytes(&[1, 2]));
        wire.send(us(699_500), &[9, 9], false, false);
        assert_eq!(wire.frame(us(800_000)), None);
        assert_eq!(wire.counts.collisions, 1);
        // It falls into the silence by which units know the end of a request.
        let mut wire = Wire::new(LINE);
        wire.answer(us(20_000), &bytes(&[1]));
        wire.send(us(15_000), &[9, 9], false, false);
        assert_eq!(wire.frame(us(800_000)), None);
        assert_eq!((wire.counts.collisions, heard(&mut wire)), (1, vec![(21_000, vec![1])]));
        // Two units at once.
        let mut wire = Wire::new(LINE);
        wire.answer(us(0), &bytes(&[1]));
        wire.answer(us(500), &bytes(&[2]));
        assert_eq!(heard(&mut wire), [(1_000, vec![!1]), (1_500, vec![!2])]);
        assert_eq!(wire.counts.collisions, 1);
    }

    #[test]
    fn a_master_that_does_not_keep_the_silence_is_not_understood() {
        let ask = |at| {
            let mut wire = Wire::new(LINE);
            wire.answer(us(0), &bytes(&[1, 2]));
            wire.send(us(at), &[9], false, false);
            (wire.frame(us(99_000)).is_some(), wire.counts.early, wire.counts.collisions)
        };
        assert_eq!(ask(2_000), (false, 1, 0));
        assert_eq!(ask(5_499), (false, 1, 0));
        assert_eq!(ask(5_500), (true, 0, 0), "3.5 characters after the answer's end");
    }

    #[test]
    fn a_gateway_keeps_the_silence_for_its_master_but_not_the_peace() {
        let mut wire = Wire::new(LINE);
        assert_eq!(wire.after_silence(us(7)), us(7));
        wire.answer(us(0), &bytes(&[1, 2]));
        assert_eq!(wire.after_silence(us(1_500)), us(1_500), "the answer is still on the line");
        assert_eq!(wire.after_silence(us(2_000)), us(5_500));
        wire.send(us(5_500), &[9], false, false);
        assert_eq!(wire.after_silence(us(6_600)), us(6_600), "more of the same frame");
    }

    #[test]
    fn an_adaptor_with_echo_returns_what_is_on_the_line() {
        let mut wire = Wire::new(LINE);
        wire.send(us(0), &[1, 2], true, false);
        wire.answer(us(6_000), &bytes(&[7]));
        assert_eq!(heard(&mut wire), [(1_000, vec![1]), (2_000, vec![2]), (7_000, vec![7])]);
        assert_eq!(wire.counts, Counts { requests: 1, answers: 1, ..Counts::default() });
    }

    #[test]
    fn what_is_too_long_or_at_another_speed_is_understood_by_nobody_and_kept_by_nobody() {
        let mut wire = Wire::new(LINE);
        wire.send(us(0), &[1; 300], false, false);
        assert_eq!(wire.frame(us(400_000)), None);
        wire.send(us(500_000), &[1; 8], false, true);
        assert_eq!(wire.frame(us(600_000)), None);
        assert_eq!(wire.counts, Counts { requests: 2, unintelligible: 2, ..Counts::default() });
        assert!(wire.on_line.is_empty());
    }

    proptest! {
        /// Whatever is sent at whatever moments: the line falls silent, everything on it has arrived by
        /// then and nothing before its time, and nothing is kept.
        #[test]
        fn the_line_falls_silent_and_nothing_arrives_early(
            talk in proptest::collection::vec((0u64..20_000, 1usize..40, any::<bool>()), 1..30),
        ) {
            let mut wire = Wire::new(Serial { baud: 57_600, ..Serial::STANDARD });
            let (mut now, mut expected, mut arrived, mut latest) = (us(0), 0, 0, us(0));
            for (pause, count, by_master) in talk {
                let then = now + us(pause);
                while let Some(next) = wire.next().filter(|next| *next <= then) {
                    prop_assert!(next >= now);
                    now = next;
                    arrived += wire.deliver(now).len();
                    while wire.frame(now).is_some() {}
                }
                now = then;
                if by_master {
                    wire.send(now, &vec![0; count], false, false);
                } else {
                    expected += count;
                    // Up to 20 ms after the request, as an answer.
                    let start = now + us(pause);
                    wire.answer(start, &vec![Some(0); count]);
                    latest = latest.max(start + wire.serial.characters(u32::try_from(count).expect("few")));
                }
            }
            while let Some(next) = wire.next() {
                now = next;
                arrived += wire.deliver(now).len();
                while wire.frame(now).is_some() {}
            }
            prop_assert_eq!(arrived, expected);
            prop_assert!(now >= latest);
            wire.frame(now + us(10_000));
            prop_assert!(wire.on_line.is_empty(), "{:?}", wire.on_line);
        }
    }
}
