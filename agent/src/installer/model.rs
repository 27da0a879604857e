//! Which model a device may be: how well its answers fit a profile. Without a line and without a clock.

use super::reading::raw_of;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use storewarden_drivers::modbus::cost::LineCost;
use storewarden_drivers::modbus::plan::{Read, plan};
use storewarden_drivers::modbus::request::{Answer, Outcome};
use storewarden_drivers::modbus::serial::Serial;
use storewarden_drivers::modbus::words::{decode, decode_bit};
use storewarden_drivers::profile::{Kind, Modbus, Point, Profile, Register, Table};
use storewarden_rules::{Sample, Unit};

/// Most reads by which a profile is judged: those of its first points, which are the ones that matter most.
const TRIAL_READS: usize = 40;
/// Reads at the beginning of a trial that all bring nothing and so end it.
const TRIAL_HOPELESS: usize = 3;
/// A model is proposed when at least this share of the points asked for makes sense: controllers of one
/// family have many points that a smaller one refuses.
const SHARE_MIN: f64 = 0.3;
/// Models that fit worse than the best by no more than this share are named beside it.
const SHARE_CLOSE: f64 = 0.1;
/// Models named for one unit.
const NAMED_MAX: usize = 3;
/// Values shown for each, to compare with the device's display.
const VALUES_MAX: usize = 3;
/// No quantity of a shop is so small and not zero: two small integers taken for a float are.
const FLOAT_MIN: f64 = 1e-6;

/// What one unit answered to which read: table, first address, count.
pub type Heard = HashMap<(Table, u16, u16), Outcome>;

/// How well a profile fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The profile's id.
    pub profile: String,
    /// Points whose value makes sense.
    pub good: usize,
    /// Points asked for.
    pub asked: usize,
    /// Good points that are numbers other than zero: flags and zeros fit everything.
    pub telling: usize,
    /// Some good values, the telling ones first: name, value, unit.
    pub values: Vec<(String, f64, Unit)>,
}

impl Fit {
    /// Good points of those asked for, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a profile has some hundred points")]
    pub fn share(&self) -> f64 {
        if self.asked == 0 { 0.0 } else { self.good as f64 / self.asked as f64 }
    }
}

/// The reads by which the profile is judged.
pub fn trial(modbus: &Modbus) -> Vec<Read> {
    let numbered: Vec<_> = modbus.registers.iter().enumerate().collect();
    let mut reads = plan(modbus, LineCost::Rtu(Serial::STANDARD), &numbered, &[]);
    reads.sort_by_key(|read| read.points.iter().min().copied());
    reads.truncate(TRIAL_READS);
    reads
}

/// Whether what was heard of the trial's beginning rules the profile out.
pub fn hopeless(trial: &[Read], heard: &Heard) -> bool {
    let bad = |read: &Read| {
        let outcome = heard.get(&(read.table, read.start, read.count));
        outcome.is_some_and(|outcome| !matches!(outcome, Outcome::Answer(_)))
    };
    trial.len() > TRIAL_HOPELESS && trial[..TRIAL_HOPELESS].iter().all(bad)
}

/// How well what was heard fits the profile.
pub fn fit(profile: &Profile, modbus: &Modbus, heard: &Heard) -> Fit {
    let (mut asked, mut good) = (0, Vec::new());
    for read in trial(modbus) {
        asked += read.points.len();
        let Some(Outcome::Answer(answer)) = heard.get(&(read.table, read.start, read.count)) else {
            continue;
        };
        for index in &read.points {
            let (point, register) = (&profile.points[*index], &modbus.registers[*index]);
            if let Some(value) = sensible(point, register, &read, answer) {
                let telling = value != 0.0 && register.kind != Kind::Bool && point.unit != Unit::Flag;
                good.push((!telling, *index, value));
            }
        }
    }
    let telling = good.iter().filter(|(dull, ..)| !dull).count();
    let count = good.len();
    good.sort_by_key(|(dull, index, _)| (*dull, *index));
    let values = good
        .into_iter()
        .take(VALUES_MAX)
        .map(|(_, index, value)| (profile.points[index].name.clone(), value, profile.points[index].unit))
        .collect();
    Fit { profile: profile.id.clone(), good: count, asked, telling, values }
}

/// The value, if it can be one.
fn sensible(point: &Point, register: &Register, read: &Read, answer: &Answer) -> Option<f64> {
    let raw = raw_of(register, read, answer)?;
    let sample = match register.kind {
        Kind::Bool => decode_bit(register, raw != [0]),
        _ => decode(register, &raw),
    };
    let Sample::Good(value) = point.plausible(sample) else { return None };
    let float = matches!(register.kind, Kind::F32 | Kind::F64);
    let can_be = match point.unit {
        Unit::Flag => value == 0.0 || value == 1.0,
        unit if limits(unit).is_some_and(|limits| !limits.contains(&value)) => false,
        Unit::Code => point.states.is_empty() || point.state(value).is_some(),
        _ => !float || value == 0.0 || value.abs() >= FLOAT_MIN,
    };
    can_be.then_some(value)
}

/// What a quantity of a shop can be, whatever the profile says: beyond, it is another number.
fn limits(unit: Unit) -> Option<RangeInclusive<f64>> {
    Some(match unit {
        Unit::Celsius => -100.0..=200.0,
        Unit::Volt => -1e3..=1e3,
        Unit::Ampere => -1e4..=1e4,
        Unit::Watt => -1e7..=1e7,
        Unit::KilowattHour => -1e8..=1e8,
        Unit::Hertz => 0.0..=100.0,
        Unit::Percent => -100.0..=200.0,
        _ => return None,
    })
}

/// The models that may be meant, best first; none where nothing fits.
pub fn likely(mut fits: Vec<Fit>) -> Vec<Fit> {
    fits.retain(|fit| fit.share() >= SHARE_MIN);
    let best = fits.iter().map(Fit::share).fold(0.0, f64::max);
    fits.retain(|fit| fit.share() >= best - SHARE_CLOSE);
    // Of those that fit as well, the one that explains the most numbers.
    fits.sort_by(|a, b| (b.telling, b.good).cmp(&(a.telling, a.good)).then(b.share().total_cmp(&a.share())));
    let telling = fits.first().map_or(0, |best| best.telling);
    // A model of which little but flags and zeros is known says nothing beside one with numbers.
    fits.retain(|fit| 2 * fit.telling >= telling);
    fits.truncate(NAMED_MAX);
    fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_drivers::profile::built_in;

    /// A unit that holds these input registers from 0 on, and refuses all else.
    fn answers(modbus: &Modbus, input: &[u16], heard: &mut Heard) {
        for read in trial(modbus) {
            let words = input.get(usize::from(read.start)..usize::from(read.start + read.count));
            let outcome = match words {
                Some(words) if read.table == Table::InputRegister => {
                    Outcome::Answer(Answer::Words(words.to_vec()))
                }
                _ => Outcome::Exception(2),
            };
            heard.insert((read.table, read.start, read.count), outcome);
        }
    }

    fn fits(input: &[u16]) -> Vec<Fit> {
        let profiles = ["eastron-sdm630", "danfoss-ekc-202d", "carel-ir33", "waveshare-relay-8"];
        let profiles = profiles.map(|id| built_in(id).unwrap());
        let mut heard = Heard::new();
        profiles.iter().for_each(|profile| answers(profile.modbus().unwrap(), input, &mut heard));
        profiles.iter().map(|profile| fit(profile, profile.modbus().unwrap(), &heard)).collect()
    }

    #[test]
    fn a_meter_is_known_by_values_that_can_be() {
        let mut input = vec![0; 400];
        // 230.5 V on three phases, Python 3.11: struct.pack('>f', 230.5).hex() is 43668000.
        for phase in 0..3 {
            (input[2 * phase], input[2 * phase + 1]) = (0x4366, 0x8000);
        }
        let likely = likely(fits(&input));
        assert_eq!(likely.len(), 1, "{likely:?}");
        assert_eq!(likely[0].profile, "eastron-sdm630");
        assert!((likely[0].share() - 1.0).abs() < 1e-9, "{likely:?}");
        assert_eq!(likely[0].values[0].1, 230.5);
    }

    #[test]
    fn small_integers_are_no_floats_and_refusals_no_model() {
        // As floats 1e-43: in every range, and nothing a meter says.
        let mut input = vec![0; 400];
        (0..400).step_by(2).for_each(|address| input[address + 1] = 70);
        assert_eq!(likely(fits(&input)), []);
        assert_eq!(likely(fits(&[])), []);
    }
}
