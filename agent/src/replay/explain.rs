//! `storewarden replay --explain DEVICE@TIME`: what the rules knew of a device at that moment, and why
//! each alarm was or was not there.

use super::{Player, time};
use chrono::DateTime;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::str::FromStr;
use storewarden_rules::cabinet::{Cabinet, Phase};
use storewarden_rules::{AlarmEvent, Condition, DeviceId, Event, Evidence, Now, USER_RULES_MAX, Utc};

/// A device at a moment, as written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Device id.
    pub device: String,
    /// When.
    pub at: Utc,
}

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no DEVICE@TIME; write as freezer-1@2018-06-03T01:20:00Z");
        let (device, at) = text.rsplit_once('@').ok_or_else(wrong)?;
        let at = DateTime::parse_from_rfc3339(at).map_err(|_| wrong())?;
        Ok(Self { device: device.into(), at: Utc(at.timestamp_millis()) })
    }
}

/// What was said of each condition so far.
#[derive(Default)]
struct Said {
    pending: BTreeMap<Condition, Utc>,
    alarms: BTreeMap<Condition, AlarmEvent>,
}

impl Said {
    fn take(&mut self, of: DeviceId, event: Event) {
        match event {
            Event::Pending { device, condition, since } if device == of => match since {
                Some(since) => drop(self.pending.insert(condition, since)),
                None => drop(self.pending.remove(&condition)),
            },
            Event::Alarm(alarm) if alarm.device == of => {
                self.alarms.insert(alarm.condition, alarm);
            }
            _ => {}
        }
    }
}

/// Plays to the moment, tells what was known then, and what was said next. None if there is no such
/// device.
pub fn explain(mut player: Player<'_>, moment: &Moment, out: &mut impl Write) -> Option<io::Result<()>> {
    let names = player.names();
    let device = names.find_device(&moment.device)?;
    let mut said = Said::default();
    player.play(moment.at, &mut |event| said.take(device, event));
    let mut told = tell(&player, device, moment, &said, out);
    let mut next = None;
    player.play(Utc(i64::MAX), &mut |event| {
        if let Event::Alarm(alarm) = event
            && alarm.device == device
        {
            next.get_or_insert(alarm);
        }
    });
    if told.is_ok() {
        told = match next {
            Some(alarm) => {
                writeln!(
                    out,
                    "next: {} {} at {}",
                    names.condition(alarm.condition),
                    alarm.state.name(),
                    time(alarm.at)
                )
            }
            None => writeln!(out, "next: no change to the end of the recording"),
        };
    }
    Some(told)
}

fn tell(
    player: &Player,
    device: DeviceId,
    moment: &Moment,
    said: &Said,
    out: &mut impl Write,
) -> io::Result<()> {
    let now = player.now(moment.at);
    writeln!(out, "{} at {}", moment.device, time(moment.at))?;
    for (point, name, unit) in player.names.shown_of(device) {
        let sample = player.site.sample(now, point);
        writeln!(out, "  {name}: {} {}", reading(sample), unit.symbol())?;
    }
    let cabinet = player.site.cabinet(device);
    if let Some(cabinet) = cabinet {
        tell_cabinet(cabinet, now, out)?;
    }
    writeln!(out, "conditions:")?;
    let own = (0..USER_RULES_MAX).map(Condition::User);
    let all =
        Condition::ALL.into_iter().chain(own).filter(|condition| player.site.watches(device, *condition));
    for condition in all {
        write!(out, "  {}: ", player.names.condition(condition))?;
        match said.alarms.get(&condition) {
            Some(alarm) => {
                write!(out, "{} since {}", alarm.state.name(), time(alarm.at))?;
                write!(
                    out,
                    ", cause {} ({:.0} %)",
                    alarm.diagnosis.cause.name(),
                    alarm.diagnosis.probability * 100.0
                )?;
                for (cause, probability) in alarm.diagnosis.alternatives.iter().filter(|(_, p)| *p > 0.0) {
                    write!(out, " or {} ({:.0} %)", cause.name(), probability * 100.0)?;
                }
                facts(&alarm.evidence, out)?;
                if let Some((parent, condition)) = alarm.parent {
                    write!(
                        out,
                        ", explained by {} of {}",
                        player.names.condition(condition),
                        player.names.device(parent).id
                    )?;
                }
            }
            None => write!(out, "normal")?,
        }
        if let Some(since) = said.pending.get(&condition) {
            write!(out, ", its delay runs since {}", time(*since))?;
        }
        let limit = cabinet.and_then(|cabinet| cabinet.limit(condition)).map(|limit| limit.config());
        if let Some(limit) = limit {
            write!(
                out,
                ", limit {:.1} °C for {:.0} min, {:.0} min around a defrost",
                limit.limit,
                limit.delay.as_secs_f64() / 60.0,
                limit.delay_hold_off.as_secs_f64() / 60.0
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What the first detectors made of the moment, and what bears on a cause.
fn tell_cabinet(cabinet: &Cabinet, now: Now, out: &mut impl Write) -> io::Result<()> {
    let scene = cabinet.scene();
    match scene.trusted {
        Some(air) => writeln!(out, "  the air is believed: {air:.1} °C")?,
        None => writeln!(out, "  the air is not believed, or not known")?,
    }
    match scene.band {
        Some(band) => writeln!(out, "  usual between defrosts: {:.1} to {:.1} °C", band.low, band.high)?,
        None => writeln!(out, "  what is usual here is not learnt yet")?,
    }
    let since = |since| time(now.utc_of(since));
    match scene.phase {
        Phase::Unknown => writeln!(out, "  whether it defrosts is not known yet")?,
        Phase::Cooling => writeln!(out, "  it cools, no defrost")?,
        Phase::Excursion { since: at } => {
            writeln!(out, "  out of its band since {}, and not by a defrost", since(at))?;
        }
        Phase::Perhaps { since: at } => writeln!(out, "  the rise since {} may be a defrost", since(at))?,
        Phase::Defrost { since: at } => writeln!(out, "  it defrosts since {}", since(at))?,
        Phase::Recovery { since: at } => writeln!(out, "  it recovers from a defrost since {}", since(at))?,
    }
    if let Some(running) = scene.running {
        writeln!(out, "  the compressor {}", if running { "runs" } else { "stands" })?;
    }
    if let Some(left) = cabinet.goods_left() {
        writeln!(out, "  the goods must go in {:.0} min if the air stays so", left.as_secs_f64() / 60.0)?;
    }
    let s = cabinet.symptoms(now);
    let numbers = [
        ("running without a pause, min", s.running_minutes),
        ("power while running, of the usual", s.run_power_ratio),
        ("share of running, of the usual", s.run_share_ratio),
        ("starts, of the usual", s.starts_ratio),
        ("air minus evaporator while running, of the usual", s.approach_ratio),
        ("evaporator while running, above the usual, K", s.evaporator_shift),
        ("air above its usual band, K", s.excess),
        ("rise of the air, K/h", s.rise),
        ("climb out of its band, of how fast it warms by itself", s.climb_ratio),
        ("rise now, of how fast it would warm by itself", s.slope_ratio),
        ("air minus evaporator while asked for, of the usual", s.cold_ratio),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            writeln!(out, "  {name}: {value:.2}")?;
        }
    }
    if let Some(due) = s.when_due {
        writeln!(out, "  the rise began when a defrost was due: {}", if due { "yes" } else { "no" })?;
    }
    Ok(())
}

fn reading(sample: storewarden_rules::Sample) -> String {
    use storewarden_rules::Sample;
    match sample {
        Sample::Good(value) => format!("{value:.1}"),
        Sample::Stale(value) => format!("{value:.1} (stale)"),
        Sample::Bad(reason) => reason.name().to_owned(),
    }
}

fn facts(evidence: &Evidence, out: &mut impl Write) -> io::Result<()> {
    for fact in &evidence.facts {
        write!(out, ", {} {:.1} {}", fact.quantity.name(), fact.value, fact.quantity.unit().symbol())?;
    }
    Ok(())
}
