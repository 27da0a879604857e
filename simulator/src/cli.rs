//! The command line.

use crate::{chaos, config, physics::recording::SOLARPLUS, replay, run, score};
use clap::{Parser, Subcommand};
use std::{
    ffi::OsString,
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// A simulated store that can be broken on demand.
#[derive(Parser)]
#[command(name = "storesim", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the store of a config file until it is told to stop (SIGINT or SIGTERM).
    Run {
        /// The store.
        config: PathBuf,
        /// One more file with [[fault]] entries.
        #[arg(long, value_name = "FILE")]
        faults: Option<PathBuf>,
        /// Where to write {"buses": ["127.0.0.1:40123", "/tmp/line-1", …]} once everything listens.
        #[arg(long, value_name = "FILE")]
        ready: Option<PathBuf>,
        /// Where to append what truly happens, as JSON lines.
        #[arg(long, value_name = "FILE")]
        events: Option<PathBuf>,
        /// Where to keep the image each label shows, as LABEL.png.
        #[arg(long, value_name = "DIR")]
        labels_dir: Option<PathBuf>,
        /// Where to write, every second and at the end, what happened on each bus: requests, answers,
        /// collisions, early and unintelligible frames, as JSON.
        #[arg(long, value_name = "FILE")]
        line_stats: Option<PathBuf>,
    },
    /// Turn a recording into the agent's replay format, on standard output.
    Replay {
        /// A CSV file, or builtin:solarplus.
        recording: String,
        /// A column and the point it becomes; may be given several times.
        #[arg(long = "column", value_name = "COLUMN=DEVICE/POINT", required = true, value_parser = column)]
        columns: Vec<(String, String)>,
    },
    /// Break simulated cabinets in every way, and print what the rules of their class find, and when.
    Score {
        /// The set of seeds. Rules are developed on 1; figures are stated for others.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Runs of each fault; a multiple of 20 holds every class with every set of instruments.
        #[arg(long, default_value_t = 20)]
        runs: u64,
        /// Healthy cabinets of 30 days.
        #[arg(long, default_value_t = 40)]
        healthy: u64,
        /// The table as JSON.
        #[arg(long)]
        json: bool,
        /// Write the curve and the alarms of one run as CSV instead: healthy or a fault, and the run's number.
        #[arg(long, num_args = 2, value_names = ["FAULT", "NUMBER"])]
        show: Option<Vec<String>>,
        /// One line a run instead of the table, as CSV.
        #[arg(long, conflicts_with_all = ["json", "show"])]
        list: bool,
    },
    /// Run the real agent, headquarters and broker through random faults, and compare what they told
    /// with what happened. Fails if anything is lost, doubled, out of order, wrong or unauthorised.
    Chaos {
        /// How long faults happen, minutes.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Decides every fault and its moment; drawn if left out.
        #[arg(long)]
        seed: Option<u64>,
        /// What came of it as one line of JSON.
        #[arg(long)]
        json: bool,
        /// Print what would happen, and do nothing.
        #[arg(long)]
        plan: bool,
        /// Where storewarden, storewarden-hq and storesim are; beside this program if left out.
        #[arg(long, value_name = "DIR")]
        programs: Option<PathBuf>,
        /// Where headquarters keeps what it gets. With postgres, a server of its own is started (the
        /// distribution's), and headquarters is two workers.
        #[arg(long, value_enum, default_value = "sqlite")]
        database: chaos::Storage,
        /// Who says that a message is safe: hq, or broker, whose weaker promise this rig breaks.
        #[arg(long, default_value = "hq", value_parser = ["hq", "broker"])]
        ack: String,
        /// Shelf labels of the store, each with an item of its own. With any, prices are pushed, also by
        /// some who must not.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        labels: u32,
        /// Keep logs, journal and database in this folder.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
}

fn column(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, point)) if point.contains('/') => Ok((column.to_owned(), point.to_owned())),
        _ => Err("write COLUMN=DEVICE/POINT, as in Tfre=freezer-1/air_temperature".to_owned()),
    }
}

/// The whole program. The first of `args` is the program's name, as in `std::env::args_os()`; needs a
/// multi-threaded or current-thread tokio runtime with everything enabled. Logs go to standard error
/// unless the caller has set a subscriber.
pub async fn cli(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
            // Nothing is left to tell if even this cannot be printed.
            let _ = error.print();
            return code;
        }
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STORESIM_LOG")
                .unwrap_or_else(|_| "storesim=info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    let done = match args.command {
        Command::Run { config, faults, ready, events, labels_dir, line_stats } => {
            match config::load(&config, faults.as_deref()) {
                Ok(config) => run::run(config, run::Outputs { ready, events, labels_dir, line_stats }).await,
                Err(error) => Err(error.to_string()),
            }
        }
        Command::Replay { recording, columns } => print_replay(&recording, &columns),
        Command::Score { seed, runs, healthy, json, show, list } => {
            print_score(score::Options { seed, runs, healthy, days: 30.0 }, json, show, list)
        }
        Command::Chaos { minutes, seed, json, plan, programs, database, ack, labels, keep } => {
            match chaos_options(minutes, seed, programs, database, ack, labels, keep) {
                Ok(options) if plan => print_plan(&options),
                Ok(options) => torment(options, json).await,
                Err(error) => Err(error),
            }
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("storesim: {message}");
            ExitCode::FAILURE
        }
    }
}

fn print_replay(recording: &str, columns: &[(String, String)]) -> Result<(), String> {
    let text = match recording {
        "builtin:solarplus" => SOLARPLUS.to_owned(),
        path => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?,
    };
    let replay = replay::convert(&text, columns).map_err(|error| format!("{recording} {error}"))?;
    std::io::stdout().write_all(replay.as_bytes()).map_err(|error| format!("standard output: {error}"))
}

fn print_score(
    options: score::Options,
    json: bool,
    show: Option<Vec<String>>,
    list: bool,
) -> Result<(), String> {
    if let Some([kind, number]) = show.as_deref() {
        let number = number.parse().map_err(|_| format!("{number} is no number; write one from 0"))?;
        return score::show(kind, options, number, &mut std::io::BufWriter::new(std::io::stdout()));
    }
    let outcomes = score::outcomes(options).map_err(|error| error.to_string())?;
    let table = score::Table::new(options.seed, &outcomes);
    let text = if list {
        score::list(&outcomes)
    } else if json {
        serde_json::to_string_pretty(&table).map_err(|error| error.to_string())? + "\n"
    } else {
        table.text()
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))
}

fn chaos_options(
    minutes: f64,
    seed: Option<u64>,
    programs: Option<PathBuf>,
    storage: chaos::Storage,
    ack: String,
    labels: u32,
    keep: Option<PathBuf>,
) -> Result<chaos::Options, String> {
    let length = Duration::try_from_secs_f64(minutes * 60.0)
        .map_err(|_| format!("--minutes {minutes}: write a number of minutes, as 10 or 0.5"))?;
    let beside = || std::env::current_exe().ok()?.parent().map(PathBuf::from);
    let programs =
        programs.or_else(beside).ok_or("say --programs DIR: where this program is cannot be told")?;
    Ok(chaos::Options {
        length,
        seed: seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
        programs,
        storage,
        ack,
        labels,
        keep,
    })
}

fn print_plan(options: &chaos::Options) -> Result<(), String> {
    for step in options.plan() {
        writeln!(std::io::stdout(), "{step}").map_err(|error| format!("standard output: {error}"))?;
    }
    Ok(())
}

async fn torment(options: chaos::Options, json: bool) -> Result<(), String> {
    let (minutes, seed, labels) = (options.length.as_secs_f64() / 60.0, options.seed, options.labels);
    eprintln!("seed {seed}");
    let outcome = chaos::run(&options).await.map_err(|error| format!("no verdict (seed {seed}): {error}"))?;
    let text = if json { serde_json::to_string(&outcome) } else { serde_json::to_string_pretty(&outcome) };
    let text = text.map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{text}").map_err(|error| format!("standard output: {error}"))?;
    if outcome.account.is_clean() {
        return Ok(());
    }
    Err(format!(
        "not every alarm is at headquarters once, in order and true, or not every label is; repeat it with --minutes {minutes} --seed {seed} --labels {labels} --keep DIR"
    ))
}
