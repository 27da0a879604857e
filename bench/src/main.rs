//! `cargo figures`: every figure that README or docs state, measured anew on this machine.
//!
//! What lives here: the measurements, each with its bound or a peer measured in the same run. What
//! may not: a figure without either. Every measured program runs as a child process of this one
//! binary; nothing here asserts on time.
#![forbid(unsafe_code)]

mod acks;
mod bus;
mod headquarters;
mod journal;
mod kills;
mod lab;
mod labels;
mod latency;
mod link;
mod memory;
mod mosquitto;
mod postgres;
mod process;
mod report;
mod rules;
mod shelf;
mod waves;

use clap::{Parser, Subcommand, ValueEnum};
use report::Row;
use std::io;
use std::process::ExitCode;
use storewarden_demo::programs::{Program, runtime};

/// Measures what README and docs state, and prints each value with its bound or peer.
#[derive(Parser)]
#[command(
    name = "storewarden-bench",
    args_conflicts_with_subcommands = true,
    after_help = "EXIT STATUS: 0 measured, whatever the verdicts; 1 a figure could not be measured; 2 wrong arguments"
)]
struct Arguments {
    /// The figure to measure, or the first word of several (link); all of them if left out
    #[arg(value_parser = chosen)]
    figure: Option<Chosen>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// What can be measured
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What was asked for.
#[derive(Clone)]
struct Chosen(Vec<Figure>);

/// The figure called `name`, or those whose names begin with it and a hyphen.
fn chosen(name: &str) -> Result<Chosen, String> {
    let is_meant = |figure: &Figure| {
        let full = figure.name();
        full.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let figures: Vec<_> = Figure::value_variants().iter().copied().filter(is_meant).collect();
    if figures.is_empty() {
        return Err("there is no such figure; --list names them".into());
    }
    Ok(Chosen(figures))
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// Memory of the agent running the demonstration's store, after 60 s (75 s)
    Memory,
    /// From the moment a fault is in a register to its commit at headquarters, less the rule's delay (80 s)
    Latency,
    /// Alerts lost and doubled over 20 SIGKILLs of the agent (60 s)
    Kills,
    /// Registers polled per second, CPU and memory, beside a bare polling loop and other programs (300 s)
    Bus,
    /// Durable alarm commits per second, beside bare SQLite (25 s)
    Journal,
    /// Bytes a reading takes on the wire, beside JSON, Sparkplug B and line protocol (5 s)
    LinkWire,
    /// From the moment a rule fires to the commit at headquarters, alone and while 7 days of telemetry drain (180 s)
    LinkLatency,
    /// Memory and disk of a store with 30 days of telemetry waiting for headquarters (90 s)
    LinkMemory,
    /// Alerts and readings of 500 stores that one headquarters commits, with SQLite and PostgreSQL (240 s)
    LinkIngest,
    /// 2,000 stores that come back within a second, each with a backlog, to SQLite and PostgreSQL (90 s)
    LinkReturn,
    /// Images of labels drawn and packed per second on one core (15 s)
    LabelsDraw,
    /// A leaflet for 5,000 labels ahead of its minute, single prices, and the agent's memory (250 s)
    LabelsFlip,
    /// How busy a slow access point is kept (30 s)
    LabelsSlow,
    /// Readings judged per second and core, state of a cabinet, a week of a store replayed (20 s)
    Rules,
}

impl Figure {
    fn name(self) -> String {
        self.to_possible_value().expect("no figure is skipped").get_name().to_owned()
    }

    async fn measure(self) -> io::Result<Vec<Row>> {
        match self {
            Self::Memory => memory::measure().await,
            Self::Latency => latency::measure().await,
            Self::Kills => kills::measure().await,
            Self::Bus => bus::measure().await,
            Self::Journal => journal::measure().await,
            Self::LinkWire => link::wire::measure(),
            Self::LinkLatency => link::latency::measure().await,
            Self::LinkMemory => link::memory::measure().await,
            Self::LinkIngest => link::ingest::measure().await,
            Self::LinkReturn => link::returning::measure().await,
            Self::LabelsDraw => labels::draw().await,
            Self::LabelsFlip => shelf::flip().await,
            Self::LabelsSlow => shelf::slow().await,
            Self::Rules => rules::measure().await,
        }
    }
}

/// The measured programs, for the child processes.
#[derive(Subcommand)]
enum Part {
    /// A program of the store or of headquarters.
    #[command(flatten)]
    Program(Program),
    /// Modbus TCP devices that answer at once.
    #[command(hide = true)]
    Slaves(bus::slaves::Arguments),
    /// The bare polling loop.
    #[command(hide = true)]
    BareLoop(bus::bare::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.part {
        None if arguments.list => list(),
        None => runtime().block_on(measure(arguments.figure, arguments.json)),
        Some(Part::Program(program)) => program.run(),
        Some(Part::Slaves(arguments)) => ended(runtime().block_on(bus::slaves::run(arguments))),
        Some(Part::BareLoop(arguments)) => ended(bus::bare::run(arguments)),
    }
}

fn ended(outcome: io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> ExitCode {
    for figure in Figure::value_variants() {
        let value = figure.to_possible_value().expect("no figure is skipped");
        println!(
            "{:14}  {}",
            value.get_name(),
            value.get_help().map(ToString::to_string).unwrap_or_default()
        );
    }
    ExitCode::SUCCESS
}

async fn measure(chosen: Option<Chosen>, json: bool) -> ExitCode {
    let chosen = chosen.map_or_else(|| Figure::value_variants().to_vec(), |chosen| chosen.0);
    let mut rows = Vec::new();
    let mut exit = ExitCode::SUCCESS;
    for figure in chosen {
        eprintln!("measuring {figure:?} …");
        match figure.measure().await {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprintln!("{figure:?} could not be measured: {error}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    report::print(&rows, json);
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_figure_and_a_first_word_several() {
        let named = |name| chosen(name).map(|chosen| chosen.0);
        assert_eq!(named("latency"), Ok(vec![Figure::Latency]));
        assert!(named("link").is_ok_and(|figures| figures.contains(&Figure::LinkWire)));
        assert!(named("lin").is_err() && named("").is_err());
    }
}
