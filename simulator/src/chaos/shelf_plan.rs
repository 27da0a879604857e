//! What the price team pushes, what others try to push, and what befalls the access point and its labels: a seed
//! gives the whole of it. Pure, and drawn apart from [`super::plan`]: labels change nothing in what else
//! goes wrong.

use super::order::{Forgery, Order};
use super::plan::{Act, Party, Step};
use fastrand::Rng;

/// Between two orders, ms; between two misfortunes.
const ORDER_GAP_MS: std::ops::Range<u64> = 1_500..5_000;
const MISFORTUNE_GAP_MS: std::ops::Range<u64> = 500..3_000;
/// How long before its minute a price is pushed, and how long a promotion lasts, ms.
const AHEAD_MS: std::ops::Range<u64> = 2_000..8_000;
const PROMOTION_MS: std::ops::Range<u64> = 3_000..10_000;
/// A promotion that outlasts the run, ms.
const LONG_MS: u64 = 86_400_000;
/// How long a label hears nothing, and the store's broker is away, ms.
const SILENT_MS: std::ops::Range<u64> = 2_000..12_000;
const AWAY_MS: std::ops::Range<u64> = 50..2_500;
/// How long after that, ms: a label that was silent hears again by then, and who was killed runs.
const LAST_RESTART_MS: u64 = 8_000;
/// Single prices of an order at most: such as go ahead of others.
const SINGLE_MAX: u32 = 20;

const FORGERIES: [Forgery; 5] =
    [Forgery::WrongKey, Forgery::UnknownKey, Forgery::OtherStore, Forgery::Tampered, Forgery::Again];

/// What befalls the access point or a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfortune {
    /// ms after the simulator's start.
    pub at_ms: u64,
    /// As the simulator's file has it.
    pub kind: &'static str,
    /// The label, if it is one's.
    pub label: Option<u32>,
}

/// All that is done with prices and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShelfPlan {
    /// Orders, and what befalls the store's broker; in order.
    pub steps: Vec<Step>,
    /// What befalls the access point and labels; in order.
    pub misfortunes: Vec<Misfortune>,
}

/// Of a store with so many labels, for `length_ms`. What else goes wrong is over at `whole_ms`: then nothing goes
/// wrong with labels by chance any more, and a last restart of the access point calls back what failed and
/// would be tried again after minutes.
pub fn plan(seed: u64, length_ms: u64, whole_ms: u64, labels: u32) -> ShelfPlan {
    let mut plan = ShelfPlan::default();
    if labels == 0 {
        return plan;
    }
    let mut dice = Rng::with_seed(seed ^ 0x1abe1);
    plan.order(&mut dice, length_ms, labels);
    plan.befall(&mut dice, length_ms, labels);
    plan.misfortunes.push(Misfortune { at_ms: whole_ms, kind: "calm", label: None });
    plan.misfortunes.push(Misfortune { at_ms: whole_ms + LAST_RESTART_MS, kind: "restart", label: None });
    plan.steps.sort_by_key(|step| step.at_ms);
    plan.misfortunes.sort_by_key(|misfortune| misfortune.at_ms);
    plan
}

impl ShelfPlan {
    fn order(&mut self, dice: &mut Rng, length_ms: u64, labels: u32) {
        // Every item gets a price before anything goes wrong.
        let all = Order { number: 0, first: 0, count: labels, after_ms: 0, for_ms: 0, forgery: None };
        self.steps.push(Step { at_ms: 0, act: Act::Order(all) });
        let (mut now, mut turn) = (dice.u64(ORDER_GAP_MS), 0);
        for number in 1.. {
            if now >= length_ms {
                return;
            }
            let (kind, single) = (dice.u8(..40), dice.u32(1..=SINGLE_MAX.min(labels)));
            let (start, after, length) = (dice.u32(..labels), dice.u64(AHEAD_MS), dice.u64(PROMOTION_MS));
            let count = if kind == 0 { labels } else { single };
            let first = start.min(labels - count);
            // By turns, so that a short run has each.
            let forgery = (kind >= 24).then(|| FORGERIES[turn % FORGERIES.len()]);
            turn += usize::from(forgery.is_some());
            let after_ms = if kind % 2 == 0 { after } else { 0 };
            let for_ms = match kind {
                1..8 => length,
                8..12 => LONG_MS,
                _ => 0,
            };
            let order = Order { number, first, count, after_ms, for_ms, forgery };
            self.steps.push(Step { at_ms: now, act: Act::Order(order) });
            now += dice.u64(ORDER_GAP_MS);
        }
    }

    fn befall(&mut self, dice: &mut Rng, length_ms: u64, labels: u32) {
        let (mut now, mut broker_back) = (dice.u64(MISFORTUNE_GAP_MS), 0);
        while now < length_ms {
            let (kind, label) = (dice.u8(..8), Some(dice.u32(..labels)));
            let (silent, away) = (dice.u64(SILENT_MS), dice.u64(AWAY_MS));
            let mut happens = |at_ms, kind, label| {
                self.misfortunes.push(Misfortune { at_ms, kind, label });
            };
            match kind {
                0 => happens(now, "restart", None),
                1..4 => happens(now, "reset", label),
                4 => happens(now, "stranger", label),
                5 => {
                    happens(now, "silent", label);
                    happens(now + silent, "audible", label);
                }
                _ if now >= broker_back => {
                    broker_back = now + away + 100;
                    let broker = Party::ShelfBroker;
                    let acts = [(now, Act::Kill(broker)), (now + away, Act::Start(broker))];
                    self.steps.extend(acts.map(|(at_ms, act)| Step { at_ms, act }));
                }
                _ => {}
            }
            now += dice.u64(MISFORTUNE_GAP_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_is_a_plan_and_every_forgery_and_misfortune_is_in_a_long_one() {
        let ten_minutes = plan(1, 600_000, 610_000, 50);
        assert_eq!(ten_minutes, plan(1, 600_000, 610_000, 50));
        assert_ne!(ten_minutes, plan(2, 600_000, 610_000, 50));
        let orders: Vec<_> = ten_minutes
            .steps
            .iter()
            .filter_map(|step| if let Act::Order(order) = step.act { Some(order) } else { None })
            .collect();
        for forgery in FORGERIES {
            assert!(orders.iter().any(|order| order.forgery == Some(forgery)), "{forgery:?}");
        }
        for (number, order) in (0..).zip(&orders) {
            assert_eq!(order.number, number);
            assert!(order.count > 0 && order.first + order.count <= 50, "{order:?}");
        }
        assert!(orders.iter().any(|order| order.forgery.is_none() && order.for_ms == LONG_MS));
        assert!(
            orders.iter().any(|order| order.forgery.is_none() && order.after_ms > 0 && order.for_ms == 0)
        );
        let kinds: BTreeSet<_> = ten_minutes.misfortunes.iter().map(|misfortune| misfortune.kind).collect();
        assert_eq!(
            kinds.into_iter().collect::<Vec<_>>(),
            ["audible", "calm", "reset", "restart", "silent", "stranger"]
        );
        let kills = |act| ten_minutes.steps.iter().filter(|step| step.act == act).count();
        assert!(kills(Act::Kill(Party::ShelfBroker)) > 10);
        assert_eq!(kills(Act::Kill(Party::ShelfBroker)), kills(Act::Start(Party::ShelfBroker)));
        assert_eq!(plan(1, 600_000, 610_000, 0), ShelfPlan::default());
    }
}
