//! Which reads bring all points of a device: as few as its limits allow.

use crate::profile::{Modbus, Register, Table};

/// One request for a run of registers or bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which of the four tables.
    pub table: Table,
    /// 0-based wire address of the first register or bit.
    pub start: u16,
    /// How many: 1 to `registers_max` or `bits_max`.
    pub count: u16,
    /// The numbers, as given to [`plan`], of the points inside.
    pub points: Vec<usize>,
}

/// Merges points into reads: across at most `gap_max` addresses that nobody asked for, never beyond
/// the longest read that the device answers, and never through the middle of a point. Reads come in
/// the order of tables and addresses, which does not depend on the order of `points`.
pub fn plan(limits: &Modbus, points: &[(usize, &Register)]) -> Vec<Read> {
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|(number, point)| (point.table, point.address, *number));
    let mut reads: Vec<Read> = Vec::new();
    for (number, point) in sorted {
        if let Some(read) = reads.last_mut()
            && let Some(count) = extended(limits, read, point)
        {
            read.count = count;
            read.points.push(number);
            continue;
        }
        reads.push(Read {
            table: point.table,
            start: point.address,
            count: point.kind.width(),
            points: vec![number],
        });
    }
    reads
}

/// How long `read` becomes with `point`, if they may be one.
fn extended(limits: &Modbus, read: &Read, point: &Register) -> Option<u16> {
    if read.table != point.table {
        return None;
    }
    let longest = if read.table.is_bits() { limits.bits_max } else { limits.registers_max };
    // Sorted by address, so the point begins at or after the read's start.
    let offset = point.address - read.start;
    let count = read.count.max(offset.checked_add(point.kind.width())?);
    (offset.saturating_sub(read.count) <= limits.gap_max && count <= longest).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Kind, WordOrder, built_in};
    use proptest::prelude::*;

    fn point(table: Table, address: u16, kind: Kind) -> Register {
        Register {
            table,
            address,
            kind,
            bits: None,
            word_order: WordOrder::Abcd,
            scale: 1.0,
            offset: 0.0,
            scale_by: Vec::new(),
            unavailable: Vec::new(),
            write: None,
        }
    }

    fn limits(registers_max: u16, gap_max: u16) -> Modbus {
        Modbus {
            units: 1..=247,
            registers_max,
            bits_max: 2000,
            gap_max,
            forbidden: Vec::new(),
            guard_ms: 0,
            timeout_ms: 1000,
            turnaround_ms: 0,
            serial: None,
            watchdog: None,
            registers: Vec::new(),
        }
    }

    fn spans(limits: &Modbus, points: &[Register]) -> Vec<(u16, u16)> {
        let numbered: Vec<_> = points.iter().enumerate().collect();
        plan(limits, &numbered).iter().map(|read| (read.start, read.count)).collect()
    }

    #[test]
    fn gaps_are_bridged_up_to_the_limit_and_no_further() {
        let registers = [10u16, 11, 14, 18].map(|address| point(Table::HoldingRegister, address, Kind::U16));
        assert_eq!(spans(&limits(125, 0), &registers), [(10, 2), (14, 1), (18, 1)]);
        assert_eq!(spans(&limits(125, 2), &registers), [(10, 5), (18, 1)]);
        assert_eq!(spans(&limits(125, 3), &registers), [(10, 9)]);
        assert_eq!(spans(&limits(8, 3), &registers), [(10, 5), (18, 1)]);
    }

    #[test]
    fn a_wide_point_goes_whole_into_the_next_read() {
        let energy = [0u16, 2, 4].map(|address| point(Table::InputRegister, address, Kind::F32));
        assert_eq!(spans(&limits(5, 0), &energy), [(0, 4), (4, 2)]);
    }

    #[test]
    fn tables_are_read_separately_and_the_same_address_once() {
        let mixed = [
            point(Table::InputRegister, 7, Kind::U16),
            point(Table::HoldingRegister, 7, Kind::U16),
            point(Table::HoldingRegister, 7, Kind::S16),
            point(Table::Coil, 8, Kind::Bool),
        ];
        assert_eq!(spans(&limits(125, 9), &mixed), [(8, 1), (7, 1), (7, 1)]);
    }

    #[test]
    fn a_shipped_relay_of_eight_is_one_read() {
        let relay = built_in("waveshare-relay-8").unwrap();
        let modbus = relay.modbus().unwrap();
        assert_eq!(spans(modbus, &modbus.registers), [(0, 8)]);
    }

    fn any_point() -> impl Strategy<Value = Register> {
        let kinds = [Kind::U16, Kind::F32, Kind::U64];
        (0u16..4, 0u16..300, 0usize..3, any::<bool>()).prop_map(move |(table, address, kind, far)| {
            let address = if far { address + 65_000 } else { address };
            match table {
                0 => point(Table::Coil, address, Kind::Bool),
                1 => point(Table::DiscreteInput, address, Kind::Bool),
                2 => point(Table::HoldingRegister, address, kinds[kind]),
                _ => point(Table::InputRegister, address, kinds[kind]),
            }
        })
    }

    proptest! {
        #[test]
        fn every_point_is_whole_in_exactly_one_read_within_the_limits(
            points in prop::collection::vec(any_point(), 0..60),
            registers_max in 4u16..125,
            bits_max in 1u16..64,
            gap_max in 0u16..20,
        ) {
            let limits = Modbus { bits_max, ..limits(registers_max, gap_max) };
            let numbered: Vec<_> = points.iter().enumerate().collect();
            let reads = plan(&limits, &numbered);
            prop_assert!(reads.len() <= points.len());
            let mut seen = vec![0; points.len()];
            for read in &reads {
                let longest = if read.table.is_bits() { bits_max } else { registers_max };
                prop_assert!((1..=longest).contains(&read.count));
                let end = u32::from(read.start) + u32::from(read.count);
                let mut asked = vec![false; usize::from(read.count)];
                for number in &read.points {
                    let point = &points[*number];
                    seen[*number] += 1;
                    prop_assert_eq!(point.table, read.table);
                    prop_assert!(point.address >= read.start);
                    prop_assert!(u32::from(point.address) + u32::from(point.kind.width()) <= end);
                    let offset = usize::from(point.address - read.start);
                    asked[offset..offset + usize::from(point.kind.width())].fill(true);
                }
                prop_assert!(asked[0] && asked[asked.len() - 1], "no address beside the points is read");
                let widest_gap = asked.split(|wanted| *wanted).map(<[bool]>::len).max();
                prop_assert!(widest_gap.unwrap_or(0) <= usize::from(gap_max));
            }
            prop_assert!(seen.iter().all(|count| *count == 1));
        }
    }
}
