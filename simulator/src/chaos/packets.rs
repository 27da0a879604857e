//! Where the packets of an MQTT stream begin and end, so that one can be delivered twice. Pure.
//!
//! Of a packet only the first byte and the length after it are read (MQTT 5, 2.1): kind and flags, then
//! up to four bytes of seven bits each, the least significant first.

/// The kind of PUBLISH, in the upper half of the first byte.
const PUBLISH: u8 = 3;
/// The flag that says "sent before", and the bits of the quality of service, which must not be 0 then.
const DUP: u8 = 0b1000;
const QOS: u8 = 0b0110;
/// A longer length than four bytes is none.
const LENGTH_BYTES_MAX: usize = 4;

/// One direction of one connection, from its first byte.
#[derive(Default)]
pub struct Packets {
    /// The packet under way, as far as it came.
    packet: Vec<u8>,
    /// It is no MQTT: carried as it is.
    lost: bool,
}

impl Packets {
    /// The next bytes as they are delivered: the same, and where `twice` behind each PUBLISH that ends in
    /// them a copy of it with the flag of one that was sent before, where it may have that.
    pub fn carry(&mut self, bytes: &[u8], twice: bool) -> Vec<u8> {
        let mut delivered = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() && !self.lost {
            // As much as is known to belong to the packet, and a byte at least.
            let missing = self.length().map_or(1, |length| length - self.packet.len());
            let (piece, after) = rest.split_at(missing.min(rest.len()));
            self.packet.extend_from_slice(piece);
            delivered.extend_from_slice(piece);
            rest = after;
            if self.length() == Some(self.packet.len()) {
                if twice && self.packet[0] >> 4 == PUBLISH {
                    if self.packet[0] & QOS != 0 {
                        self.packet[0] |= DUP;
                    }
                    delivered.append(&mut self.packet);
                }
                self.packet.clear();
            }
            self.lost = self.packet.len() > LENGTH_BYTES_MAX && self.length().is_none();
        }
        delivered.extend_from_slice(rest);
        delivered
    }

    /// Bytes of the packet, if they are known yet.
    fn length(&self) -> Option<usize> {
        let mut length = 0;
        for (place, byte) in self.packet.iter().skip(1).take(LENGTH_BYTES_MAX).enumerate() {
            length += usize::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Some(1 + place + 1 + length);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of `length` bytes behind its header, written down by the text of the standard.
    fn packet(first: u8, length: usize) -> Vec<u8> {
        let size: &[u8] = match length {
            5 => &[5],
            // 321 = 65 + 2 * 128, the standard's own example.
            321 => &[193, 2],
            _ => panic!("write it down"),
        };
        [&[first], size, &vec![7; length]].concat()
    }

    #[test]
    fn a_publish_comes_twice_and_nothing_else_does() {
        let (publish, puback, again) = (packet(0x32, 321), packet(0x40, 5), packet(0x3A, 321));
        let at_most_once = packet(0x31, 5);
        let stream = [&publish[..], &puback, &at_most_once, &publish].concat();
        let twice = [&publish[..], &again, &puback, &at_most_once, &at_most_once, &publish, &again].concat();
        for size in [1, 2, 3, 100, 322, 1000] {
            let deliver = |twice| {
                let mut packets = Packets::default();
                stream.chunks(size).flat_map(|piece| packets.carry(piece, twice)).collect::<Vec<_>>()
            };
            assert_eq!(deliver(true), twice, "in pieces of {size}");
            assert_eq!(deliver(false), stream);
        }
    }

    #[test]
    fn what_is_no_mqtt_is_carried() {
        let mut packets = Packets::default();
        let bytes = [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3];
        assert_eq!(packets.carry(&bytes, true), bytes);
        assert_eq!(packets.carry(&bytes, true), bytes);
    }
}
