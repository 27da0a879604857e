//! `storewarden plan`: what the devices of each line ask of it, and whether it holds that.

use super::table;
use crate::config::{Bus, Config, key_of};
use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use storewarden_drivers::modbus::cost::LineCost;
use storewarden_drivers::modbus::load::{JobLoad, Load, UTILISATION_MAX};
use storewarden_drivers::profile::{Pace, Table};

/// Prints the plan of every bus in the file.
///
/// # Errors
///
/// Where the file has faults, which a line with too much to do is one of.
pub fn plan(path: &Path, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let (config, overloads) = Config::load_whatever_load(path).map_err(|faults| Failure::config(&faults))?;
    let loads: Vec<Load> = (0..config.buses.len()).map(|bus| config.load_of(bus)).collect();
    let names = |bus: usize| config.devices_of(bus).map(|(_, device)| device.id.as_str()).collect::<Vec<_>>();
    let printed = if json {
        let buses: Vec<_> = config
            .buses
            .iter()
            .zip(&loads)
            .enumerate()
            .map(|(index, (bus, load))| as_json(bus, load, &names(index)))
            .collect();
        writeln!(out, "{}", json!({ "buses": buses }))
    } else {
        config
            .buses
            .iter()
            .zip(&loads)
            .enumerate()
            .try_for_each(|(index, (bus, load))| print(out, bus, load, &names(index)))
    };
    printed.map_err(Failure::output)?;
    if overloads.is_empty() { Ok(()) } else { Err(Failure::config(&overloads)) }
}

fn print(out: &mut impl Write, bus: &Bus, load: &Load, names: &[&str]) -> std::io::Result<()> {
    writeln!(out, "bus {}: {}", bus.id, describe(bus))?;
    let mut rows = vec![
        ["device", "pace", "every", "fn", "address", "count", "points", "bytes", "time", "of the line"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for job in &load.jobs {
        for (number, read) in job.reads.iter().enumerate() {
            let once = |text: String| if number == 0 { text } else { String::new() };
            rows.push(vec![
                once(names[job.device].to_owned()),
                once(pace_name(job.pace).into()),
                once(every(job)),
                function(read.table).to_string(),
                read.start.to_string(),
                read.count.to_string(),
                read.points.to_string(),
                format!("{} + {}", read.request_bytes, read.answer_bytes),
                format!("{:.1} ms", ms(read.time)),
                once(format!("{:.1} %", job.share() * 100.0)),
            ]);
        }
    }
    table(out, &rows)?;
    writeln!(
        out,
        "{:.1} % of the line's time, {:.0} % is the most; everything once takes {:.0} ms: {}\n",
        load.utilisation * 100.0,
        UTILISATION_MAX * 100.0,
        ms(load.cycle),
        if holds(bus, load) { "the line holds it" } else { "TOO MUCH" },
    )
}

/// A line whose speed is not known is not judged.
fn holds(bus: &Bus, load: &Load) -> bool {
    bus.cost == LineCost::Tcp || load.fits()
}

fn describe(bus: &Bus) -> String {
    match bus.cost {
        LineCost::Rtu(serial) if bus.transport.cost() == LineCost::Tcp => {
            format!("{}, behind it a line of {serial}", bus.transport)
        }
        LineCost::Rtu(_) => bus.transport.to_string(),
        LineCost::Tcp => {
            format!("{}, times are guesses; write `baud` if there is a serial line behind it", bus.transport)
        }
    }
}

fn as_json(bus: &Bus, load: &Load, names: &[&str]) -> Value {
    let read = |read: &storewarden_drivers::modbus::load::ReadLoad| {
        json!({
            "function": function(read.table), "address": read.start, "count": read.count, "points": read.points,
            "request_bytes": read.request_bytes, "answer_bytes": read.answer_bytes, "time_ms": ms(read.time),
        })
    };
    let jobs: Vec<_> = load
        .jobs
        .iter()
        .map(|job| {
            json!({
                "device": names[job.device], "pace": pace_name(job.pace), "interval_ms": ms(job.interval),
                "time_ms": ms(job.time), "share": job.share(),
                "reads": job.reads.iter().map(read).collect::<Vec<_>>(),
            })
        })
        .collect();
    let raises = if holds(bus, load) { Vec::new() } else { load.raises() };
    let raises: Vec<_> = raises
        .iter()
        .map(|raise| {
            json!({
                "device": names[raise.device], "key": key_of(raise.pace),
                "from_ms": ms(raise.from), "to_ms": ms(raise.to),
            })
        })
        .collect();
    json!({
        "bus": bus.id, "line": bus.transport.to_string(), "utilisation": load.utilisation,
        "cycle_ms": ms(load.cycle), "holds": holds(bus, load), "jobs": jobs, "raise": raises,
    })
}

fn every(job: &JobLoad) -> String {
    if job.interval.is_zero() {
        "always".into()
    } else {
        humantime::format_duration(job.interval).to_string()
    }
}

fn pace_name(pace: Pace) -> &'static str {
    match pace {
        Pace::Fast => "fast",
        Pace::Normal => "normal",
        Pace::Slow => "slow",
    }
}

fn function(table: Table) -> u8 {
    match table {
        Table::Coil => 1,
        Table::DiscreteInput => 2,
        Table::HoldingRegister => 3,
        Table::InputRegister => 4,
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
