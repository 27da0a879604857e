//! `cargo demo`: a broker on each side, a simulated store, the agent and headquarters, composed by one
//! command. It holds no logic of theirs: every part is the real program, run as a child process of this
//! one binary, so that a fresh machine needs nothing else.
#![forbid(unsafe_code)]

mod account;
mod files;
mod play;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use storewarden_demo::programs::{Program, runtime};

/// A simulated store with two fridges, two freezers, a meter, a sign and eight labels, its agent, and
/// headquarters.
#[derive(Parser)]
#[command(name = "storewarden-demo")]
struct Arguments {
    /// End by itself after so long, as `60s`; without it, Ctrl-C ends it.
    #[arg(long, value_parser = humantime::parse_duration)]
    exit_after: Option<Duration>,
    /// Where to write what came of it, as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Keep configs, journal and database in this folder instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(subcommand)]
    program: Option<Program>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(program) = arguments.program {
        return program.run();
    }
    let play =
        play::Play { exit_after: arguments.exit_after, summary: arguments.summary, keep: arguments.keep };
    match runtime().block_on(play.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}
