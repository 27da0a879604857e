//! What a request costs on a line, in time.

use crate::modbus::request::{Request, Write};
use crate::modbus::serial::Serial;
use crate::profile::{Modbus, Table};
use std::time::Duration;

/// Modbus TCP puts 7 bytes of header (MBAP) where RTU has 1 of unit address and 2 of check sum:
/// Modbus Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3.
const MBAP: u32 = 7;
const RTU: u32 = 3;
/// The least a round trip on a wired LAN takes: two frames, two network stacks, a switch. A guess on
/// the low side, so that what it calls too much is too much.
const TCP_ROUND_TRIP: Duration = Duration::from_micros(200);
/// One byte at 100 Mbit/s.
const TCP_BYTE: Duration = Duration::from_nanos(80);

/// The speed of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineCost {
    /// RTU frames on a serial line: every character counts.
    Rtu(Serial),
    /// Modbus TCP. What is behind a gateway is not known here; `turnaround_ms` of the profile tells.
    Tcp,
}

impl LineCost {
    /// The shortest silence between two frames: 3.5 characters on a serial line, none over TCP.
    pub fn gap(self) -> Duration {
        match self {
            Self::Rtu(serial) => serial.t3_5(),
            Self::Tcp => Duration::ZERO,
        }
    }

    /// The silence a device needs before it is asked: the line's gap or its own guard time.
    pub fn quiet(self, device: &Modbus) -> Duration {
        self.gap().max(Duration::from_millis(u64::from(device.guard_ms)))
    }

    /// From the first byte of a read to the first of the next: request, the device's turnaround (on a
    /// serial line at least the silence that ends the request), answer, and the silence after it.
    pub fn read(self, device: &Modbus, table: Table, count: u16) -> Duration {
        let (request, answer) = self.read_bytes(table, count);
        self.exchange(device, request, answer)
    }

    /// As [`LineCost::read`], of any request.
    pub fn request(self, device: &Modbus, request: &Request) -> Duration {
        let bytes = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let frame = self.frame();
        let (asked, answered) = match request {
            Request::Read { table, count, .. } => self.read_bytes(*table, *count),
            Request::Write(Write::Coil { .. } | Write::Register { .. }) => (frame + 5, frame + 5),
            Request::Write(Write::Coils { states, .. }) => {
                (frame + 6 + bytes(states.len().div_ceil(8)), frame + 5)
            }
            Request::Write(Write::Registers { words, .. }) => (frame + 6 + 2 * bytes(words.len()), frame + 5),
        };
        self.exchange(device, asked, answered)
    }

    /// Bytes on the wire of a read's request and of its answer, as RTU 8 and 5 + the data.
    pub fn read_bytes(self, table: Table, count: u16) -> (u32, u32) {
        (self.frame() + 5, self.frame() + 2 + data_bytes(table, count))
    }

    /// Bytes around function code and data.
    fn frame(self) -> u32 {
        match self {
            Self::Rtu(_) => RTU,
            Self::Tcp => MBAP,
        }
    }

    fn exchange(self, device: &Modbus, request: u32, answer: u32) -> Duration {
        let turnaround = Duration::from_millis(u64::from(device.turnaround_ms));
        let bytes = request + answer;
        let moving = match self {
            Self::Rtu(serial) => serial.characters(bytes) + turnaround.max(serial.t3_5()),
            Self::Tcp => TCP_ROUND_TRIP + TCP_BYTE * bytes + turnaround,
        };
        moving + self.quiet(device)
    }
}

/// Bytes of data in the answer to a read: two a register, one for each eight bits begun.
pub fn data_bytes(table: Table, count: u16) -> u32 {
    let count = u32::from(count);
    if table.is_bits() { count.div_ceil(8) } else { 2 * count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::serial::Parity;
    use crate::profile::built_in;

    #[test]
    fn a_read_costs_its_characters_and_its_silences() {
        let mut device = built_in("eastron-sdm630").unwrap().modbus().unwrap().clone();
        (device.guard_ms, device.turnaround_ms) = (0, 0);
        // 10 bits a character at 10,000 baud: 1 ms; t3.5 is 3.5 ms.
        let line = LineCost::Rtu(Serial { baud: 10_000, parity: Parity::None, stop_bits: 1 });
        let read = |device: &Modbus, table, count| line.read(device, table, count).as_micros();
        assert_eq!(read(&device, Table::InputRegister, 10), 8_000 + 25_000 + 7_000);
        assert_eq!(read(&device, Table::Coil, 9), 8_000 + 7_000 + 7_000);
        (device.guard_ms, device.turnaround_ms) = (5, 20);
        assert_eq!(read(&device, Table::Coil, 8), 8_000 + 20_000 + 6_000 + 5_000);
        let write = |write| line.request(&device, &Request::Write(write)).as_micros();
        assert_eq!(write(Write::Register { address: 0, word: 1 }), 8_000 + 20_000 + 8_000 + 5_000);
        assert_eq!(
            write(Write::Registers { address: 0, words: vec![1, 2] }),
            13_000 + 20_000 + 8_000 + 5_000
        );
        assert_eq!(LineCost::Tcp.read_bytes(Table::HoldingRegister, 40), (12, 89));
    }
}
