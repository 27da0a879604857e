//! The policy of the chain: a file that many stores share, beneath what a store says itself.

use super::Check;
use crate::config::file::{self, At};
use sha2::Digest;
use std::collections::BTreeMap;
use storewarden_rules::AlarmPolicy;
use storewarden_rules::{Class, Millis};

/// Nobody waits longer for an answer to an alarm.
const ESCALATE_MAX: Millis = Millis::from_mins(7 * 24 * 60);
/// A check by hand is due at least once a year.
const INSPECTION_MAX: Millis = Millis::from_mins(366 * 24 * 60);

/// About alarms as such, where that was written, and rules of the chain's own.
type Decided = (AlarmPolicy, BTreeMap<&'static str, String>, Vec<file::UserRule>);

impl Check {
    /// What the chain decided about alarms; its settings of classes become those that devices begin with.
    pub(super) fn policy(&mut self, named: Option<&file::PolicyFile>) -> Decided {
        let nothing = (AlarmPolicy::default(), BTreeMap::new(), Vec::new());
        let Some(named) = named else { return nothing };
        let Some(bytes) = self.read_file(&named.file) else { return nothing };
        self.digest.update(&bytes);
        let Ok(text) = String::from_utf8(bytes) else {
            self.fault(&named.file.span(), format!("`{}` is not text (UTF-8)", named.file.get_ref()));
            return nothing;
        };
        self.faults.open(&self.base.join(named.file.get_ref()), &text);
        let found = match toml::from_str::<file::Policy>(&text) {
            Ok(policy) => {
                self.class_rules(&policy.class);
                for (class, range) in &policy.set_point {
                    if Class::from_name(class.get_ref()).is_none() {
                        let message = format!("set_point: there is no class `{}`", class.get_ref());
                        self.fault(&class.span(), message);
                    }
                    if let Some(range) = self.set_point_range(range) {
                        self.set_points.insert(class.get_ref().clone(), range);
                    }
                }
                let (alarms, origins) = self.alarms(&policy.alarms);
                (alarms, origins, policy.rule)
            }
            Err(error) => {
                self.faults.add_toml(&error);
                nothing
            }
        };
        self.faults.turn_to(0);
        found
    }

    /// A range of set points that headquarters may order.
    pub(super) fn set_point_range(&mut self, range: &At<[f64; 2]>) -> Option<(f64, f64)> {
        let [low, high] = *range.get_ref();
        let is_good = -60.0 <= low && low <= high && high <= 60.0;
        if !is_good {
            self.fault(
                &range.span(),
                "a range of set points is [lowest, highest], −60 to 60 °C, as [-24.0, -18.0]",
            );
        }
        is_good.then_some((low, high))
    }

    fn class_rules(&mut self, classes: &BTreeMap<At<String>, file::Rules>) {
        for (name, rules) in classes {
            let class = Class::from_name(name.get_ref());
            let cabinet = self.classes.get(name.get_ref().as_str()).cloned();
            let (Some(class), Some(mut cabinet)) = (class, cabinet) else {
                let known: Vec<_> = self.classes.keys().copied().collect();
                let message = format!(
                    "class `{}` has no such rules; write one of {}",
                    name.get_ref(),
                    known.join(", ")
                );
                self.fault(&name.span(), message);
                continue;
            };
            let whose = format!("class {}", class.name());
            let usual = cabinet.clone();
            self.put_rules(&whose, class, rules, &mut cabinet);
            self.settle(&whose, &name.span(), &usual, &mut cabinet);
            self.classes.insert(class.name(), cabinet);
        }
    }

    fn alarms(&mut self, alarms: &file::Alarms) -> (AlarmPolicy, BTreeMap<&'static str, String>) {
        let mut policy = AlarmPolicy::default();
        let mut origins = BTreeMap::new();
        let minute = Millis::from_mins(1);
        let spans = [
            ("escalate_high", &alarms.escalate_high, &mut policy.escalate_high, ESCALATE_MAX),
            ("escalate_medium", &alarms.escalate_medium, &mut policy.escalate_medium, ESCALATE_MAX),
            ("escalate_low", &alarms.escalate_low, &mut policy.escalate_low, ESCALATE_MAX),
            ("repair_max", &alarms.repair_max, &mut policy.repair_max, INSPECTION_MAX),
            (
                "inspection_interval",
                &alarms.inspection_interval,
                &mut policy.inspection_interval,
                INSPECTION_MAX,
            ),
            ("chatter_quiet", &alarms.chatter_quiet, &mut policy.chatter_quiet, Millis::from_mins(24 * 60)),
        ];
        for (key, at, value, most) in spans {
            let Some(at) = at else { continue };
            origins.insert(key, self.faults.place(&at.span()));
            *value = (at.get_ref() != "never").then(|| self.span_of_time(Some(at), minute, minute, most));
        }
        if let Some(flood) = &alarms.flood {
            origins.insert("flood", self.faults.place(&flood.span()));
            policy.has_flood = *flood.get_ref();
        }
        (policy, origins)
    }
}
