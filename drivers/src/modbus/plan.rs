//! Which reads bring all points of a device in the least time on its line.

use crate::modbus::cost::LineCost;
use crate::profile::{Modbus, Register, Table};
use std::time::Duration;

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

/// A boundary that no read may span: the address behind it, learnt from a device's refusal.
pub type Cut = (Table, u16);

/// The reads of least line time ([`LineCost::read`]) that bring every point once. No read is longer
/// than the device answers, spans more than `gap_max` addresses in a row that hold no point of the
/// profile, touches a forbidden address unless a point is there, spans a cut, or brings half a point.
/// They come in the order of tables and addresses, which does not depend on the order of `points`.
///
/// Dynamic programming over the points in order of address, each read being a run of them. Runs are
/// enough: whether a span may be read does not depend on which points one takes from it, and a span
/// within one that may be read may be read too. So of two reads whose spans lie one within the other
/// the inner one is redundant; the others have starts and ends in the same order; and a point that
/// two of them hold can be given to the one that already has its neighbour.
pub fn plan(limits: &Modbus, line: LineCost, points: &[(usize, &Register)], cuts: &[Cut]) -> Vec<Read> {
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|(number, point)| (point.table, point.address, *number));
    let mut reads = Vec::new();
    for run in sorted.chunk_by(|(_, a), (_, b)| a.table == b.table) {
        plan_table(limits, line, run, cuts, &mut reads);
    }
    reads
}

/// What is known of the reads that bring the first points of a table.
#[derive(Clone, Copy)]
struct Best {
    cost: Duration,
    /// The first point of the last read.
    first: usize,
}

fn plan_table(
    limits: &Modbus,
    line: LineCost,
    points: &[(usize, &Register)],
    cuts: &[Cut],
    reads: &mut Vec<Read>,
) {
    let table = points[0].1.table;
    let longest = if table.is_bits() { limits.bits_max } else { limits.registers_max };
    let bridges = bridges(limits, points, cuts);
    let start = |index: usize| u32::from(points[index].1.address);
    let mut best: Vec<Best> = Vec::with_capacity(points.len());
    for last in 0..points.len() {
        let mut end = 0;
        let mut least: Option<Best> = None;
        for first in (0..=last).rev() {
            end = end.max(start(first) + u32::from(points[first].1.kind.width()));
            let count = u16::try_from(end - start(first)).unwrap_or(u16::MAX);
            // A point by itself is always read, whatever its width.
            if first < last && (count > longest || !bridges[first + 1]) {
                break;
            }
            let before = if first == 0 { Duration::ZERO } else { best[first - 1].cost };
            let cost = before + line.read(limits, table, count);
            if least.is_none_or(|least| cost < least.cost) {
                least = Some(Best { cost, first });
            }
        }
        best.extend(least);
    }
    let mut end = points.len();
    let from = reads.len();
    while end > 0 {
        let run = &points[best[end - 1].first..end];
        let address = run[0].1.address;
        let count = run.iter().map(|(_, point)| point.address - address + point.kind.width()).max();
        let numbers = run.iter().map(|(number, _)| *number).collect();
        reads.push(Read { table, start: address, count: count.unwrap_or(1), points: numbers });
        end = best[end - 1].first;
    }
    reads[from..].reverse();
}

/// For each point whether a read may go on to it from the points before it.
fn bridges(limits: &Modbus, points: &[(usize, &Register)], cuts: &[Cut]) -> Vec<bool> {
    let table = points[0].1.table;
    let mut known: Vec<(u32, u32)> =
        limits.registers.iter().filter(|register| register.table == table).map(span).collect();
    known.sort_unstable();
    let mut reached = 0;
    points
        .iter()
        .map(|(_, point)| {
            let (from, (to, end)) = (reached, span(point));
            reached = reached.max(end);
            // Where points overlap nothing can be cut and nothing is unused.
            let cut = |(cut, at): &Cut| *cut == table && (from..=to).contains(&u32::from(*at));
            !cuts.iter().any(cut)
                && unused(&known, from, to).all(|(from, to)| {
                    to - from <= u32::from(limits.gap_max)
                        && !limits.forbidden.iter().any(|forbidden| {
                            forbidden.table == table
                                && u32::from(*forbidden.addresses.start()) < to
                                && u32::from(*forbidden.addresses.end()) >= from
                        })
                })
        })
        .collect()
}

/// First address and the one behind the last.
fn span(register: &Register) -> (u32, u32) {
    let start = u32::from(register.address);
    (start, start + u32::from(register.kind.width()))
}

/// The stretches from `from` to `to` in which no span of `known`, sorted, is.
fn unused(known: &[(u32, u32)], from: u32, to: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut reached = from;
    known.iter().copied().chain([(to, to)]).filter_map(move |(start, end)| {
        let stretch = (reached, start.min(to));
        reached = reached.max(end);
        (stretch.0 < stretch.1).then_some(stretch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::serial::Serial;
    use crate::profile::{Forbidden, Kind, WordOrder, built_in};
    use proptest::prelude::*;

    const LINE: LineCost = LineCost::Rtu(Serial::STANDARD);

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
        plan(limits, LINE, &numbered, &[]).iter().map(|read| (read.start, read.count)).collect()
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

    #[test]
    fn a_long_gap_is_bridged_only_where_that_is_quicker() {
        // An extra request at 19200 baud, 8E1 costs 8 + 5 characters and twice 3.5 of silence, 20 in
        // all; a bridged register two.
        let registers = [10u16, 20, 32].map(|address| point(Table::HoldingRegister, address, Kind::U16));
        assert_eq!(spans(&limits(125, 50), &registers), [(10, 11), (32, 1)]);
        let mut slow = limits(125, 50);
        slow.turnaround_ms = 10;
        assert_eq!(spans(&slow, &registers), [(10, 23)]);
    }

    #[test]
    fn no_read_touches_what_is_forbidden_or_spans_a_cut() {
        let registers = [10u16, 12, 14].map(|address| point(Table::HoldingRegister, address, Kind::U16));
        let mut fenced = limits(125, 5);
        fenced.forbidden = vec![Forbidden { table: Table::HoldingRegister, addresses: 11..=12 }];
        assert_eq!(spans(&fenced, &registers), [(10, 1), (12, 3)]);
        fenced.forbidden[0].table = Table::InputRegister;
        assert_eq!(spans(&fenced, &registers), [(10, 5)]);
        let numbered: Vec<_> = registers.iter().enumerate().collect();
        let reads = plan(&fenced, LINE, &numbered, &[(Table::HoldingRegister, 13), (Table::Coil, 11)]);
        assert_eq!(reads.iter().map(|read| (read.start, read.count)).collect::<Vec<_>>(), [(10, 3), (14, 1)]);
    }

    #[test]
    fn addresses_of_points_that_are_not_wanted_are_no_gap() {
        let registers = [10u16, 11, 12].map(|address| point(Table::HoldingRegister, address, Kind::U16));
        let mut known = limits(125, 0);
        known.registers = registers.to_vec();
        let reads = plan(&known, LINE, &[(0, &registers[0]), (1, &registers[2])], &[]);
        assert_eq!(reads.iter().map(|read| (read.start, read.count)).collect::<Vec<_>>(), [(10, 3)]);
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

    /// Small cases, in which everything happens: neighbours, gaps, overlaps, wide points.
    fn crowded() -> impl Strategy<Value = Vec<Register>> {
        let kinds = [Kind::U16, Kind::F32, Kind::U64];
        let one = (0u16..24, 0usize..3)
            .prop_map(move |(address, kind)| point(Table::InputRegister, address, kinds[kind]));
        prop::collection::vec(one, 1..7)
    }

    /// Whether one read may bring these points, judged address by address.
    fn may_be_read(limits: &Modbus, cuts: &[Cut], points: &[&Register]) -> Option<(u16, u16)> {
        let start = points.iter().map(|point| point.address).min()?;
        let end = points.iter().map(|point| point.address + point.kind.width()).max()?;
        if points.len() == 1 {
            return Some((start, end - start));
        }
        let own = |address: u16| {
            let holds =
                |point: &&Register| (point.address..point.address + point.kind.width()).contains(&address);
            points.iter().any(holds) || limits.registers.iter().any(|point| holds(&point))
        };
        let mut gap = 0;
        for address in start..end {
            gap = if own(address) { 0 } else { gap + 1 };
            let forbidden = limits.forbidden.iter().any(|forbidden| forbidden.addresses.contains(&address));
            if gap > limits.gap_max || forbidden && !own(address) {
                return None;
            }
        }
        // A cut inside a point cannot be kept.
        let inside = |at: u16| {
            limits.registers.iter().any(|point| point.address < at && at < point.address + point.kind.width())
        };
        if cuts.iter().any(|(_, at)| start < *at && *at < end && !inside(*at)) {
            return None;
        }
        (end - start <= limits.registers_max).then_some((start, end - start))
    }

    /// The least cost over every way to put the points into groups.
    fn brute_force(limits: &Modbus, cuts: &[Cut], points: &[Register]) -> Duration {
        fn place<'a>(
            limits: &Modbus,
            cuts: &[Cut],
            left: &'a [Register],
            groups: &mut Vec<Vec<&'a Register>>,
        ) -> Option<Duration> {
            let Some((point, left)) = left.split_first() else {
                return groups
                    .iter()
                    .map(|group| {
                        let (_, count) = may_be_read(limits, cuts, group)?;
                        Some(LINE.read(limits, Table::InputRegister, count))
                    })
                    .sum();
            };
            let mut best: Option<Duration> = None;
            for group in 0..=groups.len() {
                if group == groups.len() {
                    groups.push(Vec::new());
                }
                groups[group].push(point);
                let cost = place(limits, cuts, left, groups);
                groups[group].pop();
                if groups[group].is_empty() {
                    groups.truncate(group);
                }
                best = best.into_iter().chain(cost).min();
            }
            best
        }
        place(limits, cuts, points, &mut Vec::new()).expect("each by itself is a way")
    }

    proptest! {
        #[test]
        fn no_way_to_group_the_points_costs_less(
            points in crowded(),
            registers_max in 4u16..20,
            gap_max in 0u16..12,
            turnaround_ms in 0u16..12,
            forbidden in prop::option::of((0u16..24, 0u16..4)),
            cuts in prop::collection::vec(0u16..24, 0..3),
        ) {
            let forbidden = forbidden
                .map(|(at, more)| Forbidden { table: Table::InputRegister, addresses: at..=at + more });
            let limits = Modbus {
                turnaround_ms,
                forbidden: forbidden.into_iter().collect(),
                registers: points.clone(),
                ..limits(registers_max, gap_max)
            };
            let cuts: Vec<_> = cuts.into_iter().map(|at| (Table::InputRegister, at)).collect();
            let numbered: Vec<_> = points.iter().enumerate().collect();
            let reads = plan(&limits, LINE, &numbered, &cuts);
            let mut brought: Vec<_> = reads.iter().flat_map(|read| read.points.clone()).collect();
            brought.sort_unstable();
            prop_assert_eq!(brought, (0..points.len()).collect::<Vec<_>>(), "each once");
            for read in &reads {
                let own: Vec<_> = read.points.iter().map(|number| &points[*number]).collect();
                prop_assert_eq!(may_be_read(&limits, &cuts, &own), Some((read.start, read.count)));
            }
            let cost: Duration = reads.iter().map(|read| LINE.read(&limits, read.table, read.count)).sum();
            prop_assert_eq!(cost, brute_force(&limits, &cuts, &points));
        }

        #[test]
        fn every_point_is_whole_in_exactly_one_read_within_the_limits(
            points in prop::collection::vec(any_point(), 0..60),
            registers_max in 4u16..125,
            bits_max in 1u16..64,
            gap_max in 0u16..20,
        ) {
            let limits = Modbus { bits_max, ..limits(registers_max, gap_max) };
            let numbered: Vec<_> = points.iter().enumerate().collect();
            let reads = plan(&limits, LINE, &numbered, &[]);
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
