//! One number in all four orders of its bytes: for a register list that does not say, or says wrong.

use storewarden_drivers::modbus::words::decode;
use storewarden_drivers::profile::{Kind, Register, Table, WordOrder};
use storewarden_rules::Sample;

/// The orders and their names, the Modbus convention first.
pub const ORDERS: [(&str, WordOrder); 4] = [
    ("ABCD", WordOrder::Abcd),
    ("CDAB", WordOrder::Cdab),
    ("BADC", WordOrder::Badc),
    ("DCBA", WordOrder::Dcba),
];

/// What `raw` would be in each order, by the point's own kind and scale; none for a point of one
/// register, which has one order only.
pub fn in_all_orders(register: &Register, raw: &[u16]) -> Option<[(&'static str, Sample); 4]> {
    let decided = register.kind.width() == 1 || raw.len() != usize::from(register.kind.width());
    (!decided).then(|| {
        ORDERS.map(|(name, word_order)| {
            let register = Register { word_order, ..register.clone() };
            (name, decode(&register, raw))
        })
    })
}

/// Two words as a number of this kind in each order, unscaled.
pub fn pair(kind: Kind, words: [u16; 2]) -> [(&'static str, Sample); 4] {
    ORDERS.map(|(name, word_order)| (name, decode(&unscaled(kind, word_order), &words)))
}

/// One word as a number of this kind, unscaled.
pub fn single(kind: Kind, word: u16) -> Sample {
    decode(&unscaled(kind, WordOrder::Abcd), &[word])
}

fn unscaled(kind: Kind, word_order: WordOrder) -> Register {
    Register {
        table: Table::HoldingRegister,
        address: 0,
        kind,
        bits: None,
        word_order,
        scale: 1.0,
        offset: 0.0,
        scale_by: Vec::new(),
        unavailable: Vec::new(),
        write: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python 3.11: `struct.pack('>f', 230.5).hex()` is 43668000.
    #[test]
    fn one_of_four_orders_makes_sense() {
        let good = |words| {
            pair(Kind::F32, words)
                .map(|(name, sample)| (name, matches!(sample, Sample::Good(v) if v == 230.5)))
        };
        assert_eq!(
            good([0x4366, 0x8000]),
            [("ABCD", true), ("CDAB", false), ("BADC", false), ("DCBA", false)]
        );
        assert_eq!(
            good([0x0080, 0x6643]),
            [("ABCD", false), ("CDAB", false), ("BADC", false), ("DCBA", true)]
        );
        assert_eq!(single(Kind::S16, 0xff47), Sample::Good(-185.0));
        let mut energy = unscaled(Kind::U32, WordOrder::Abcd);
        energy.scale = 0.01;
        let orders = in_all_orders(&energy, &[0x1f40, 0x0000]).map(|orders| orders[1]);
        assert_eq!(orders, Some(("CDAB", Sample::Good(80.0))));
        assert_eq!(in_all_orders(&unscaled(Kind::U16, WordOrder::Abcd), &[1]), None);
    }
}
