//! The programs as hidden subcommands, for the child processes.

use crate::broker;
use clap::Subcommand;
use std::ffi::OsString;
use std::process::ExitCode;

/// One of the programs, for the child processes.
#[derive(Subcommand)]
pub enum Program {
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
pub struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Program {
    /// Runs it to its end.
    pub fn run(self) -> ExitCode {
        match self {
            Self::Broker { ports } => broker::run(&ports),
            Self::Storesim(rest) => runtime().block_on(storesim::cli(rest.with_name("storesim"))),
            Self::Storewarden(rest) => storewarden::cli::run(rest.with_name("storewarden")),
            Self::StorewardenHq(rest) => {
                runtime().block_on(storewarden_hq::cli(rest.with_name("storewarden-hq")))
            }
        }
    }
}

impl Rest {
    fn with_name(self, name: &str) -> impl Iterator<Item = OsString> + use<> {
        std::iter::once(OsString::from(name)).chain(self.arguments)
    }
}

/// A runtime of two threads.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime needs only threads and an epoll descriptor")
}
