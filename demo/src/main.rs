//! `cargo demo`: a broker on each side, a simulated store, the agent and headquarters, composed by one
//! command. It holds no logic of theirs: every part is the real program, run as a child process of this
//! one binary, so that a fresh machine needs nothing else.
#![forbid(unsafe_code)]

mod account;
mod broker;
mod children;
mod files;
mod play;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

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
    part: Option<Part>,
}

/// One of the programs, for the child processes.
#[derive(Subcommand)]
enum Part {
    /// An embedded broker on each of these ports.
    #[command(hide = true)]
    Broker {
        /// Ports on the loopback address.
        ports: Vec<u16>,
    },
    /// `storesim …`
    #[command(hide = true, disable_help_flag = true)]
    Storesim(Rest),
    /// `storewarden …`
    #[command(hide = true, disable_help_flag = true)]
    Storewarden(Rest),
    /// `storewarden-hq …`
    #[command(hide = true, disable_help_flag = true)]
    StorewardenHq(Rest),
}

/// Arguments handed on as they are.
#[derive(clap::Args)]
struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Rest {
    fn with_name(self, name: &str) -> impl Iterator<Item = OsString> + use<> {
        std::iter::once(OsString::from(name)).chain(self.arguments)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Storewarden(rest)) => storewarden::cli::run(rest.with_name("storewarden")),
        Some(Part::StorewardenHq(rest)) => {
            runtime().block_on(storewarden_hq::cli(rest.with_name("storewarden-hq")))
        }
        Some(Part::Storesim(rest)) => runtime().block_on(storesim::cli(rest.with_name("storesim"))),
        Some(Part::Broker { ports }) => broker::run(&ports),
        None => {
            let play = play::Play {
                exit_after: arguments.exit_after,
                summary: arguments.summary,
                keep: arguments.keep,
            };
            match runtime().block_on(play.run()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("demo: {error}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime needs only threads and an epoll descriptor")
}
