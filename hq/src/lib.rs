//! Headquarters: takes in what the stores send and acknowledges it, signs and sends prices, shows the
//! fleet.
//!
//! What lives here: the service that stands behind the broker of headquarters, its database, and the
//! command line of both. What may not: anything of a store's inside; the two sides share only
//! `storewarden-proto`.
//!
//! Start reading at [`cli`], then `serve`.
#![forbid(unsafe_code)]

mod command;
mod contiguous;
mod database;
mod due;
mod influx;
mod ingest;
mod keys;
mod mqtt;
mod pause;
mod price;
mod print;
mod serve;
mod show;
mod turn;

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use storewarden_proto::topic::{headquarters_filters, is_valid_id};

/// Whatever stops a command; its text tells the person at the terminal what to do.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Headquarters of a chain of stores: takes in alerts and readings, signs and sends prices.
#[derive(Debug, Parser)]
#[command(
    name = "storewarden-hq",
    version,
    propagate_version = true,
    after_help = "EXIT STATUS: 0 all is well; 1 the answer is no (a store refused a price, or did not answer in time); \
                  2 an argument, a file or the database is wrong, and standard error says what to do"
)]
struct Cli {
    #[command(flatten)]
    place: database::Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take in what the stores send, acknowledge it, and send queued prices; runs until interrupted
    Serve(ServeArgs),
    /// Show the alerts in the order in which they came
    Alerts(show::AlertsArgs),
    /// Show readings by point and time
    Readings(show::ReadingsArgs),
    /// Sign and send prices
    #[command(subcommand)]
    Price(PriceCommand),
    /// Sign and send what a store is to do
    #[command(subcommand, name = "command")]
    Order(command::Order),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The broker of headquarters, mqtt://HOST[:PORT]
    #[arg(long, value_name = "URL")]
    broker: String,
    /// The chain to serve
    #[arg(long, value_name = "ID")]
    chain: String,
    /// One of several that share the messages of a chain before one PostgreSQL: each needs a name of its own
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    /// User name at the broker
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// File with the password at the broker
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Days for which readings and raw telemetry are kept; alerts and prices are kept for ever
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    keep_days: i64,
    #[command(flatten)]
    influx: influx::InfluxArgs,
}

#[derive(Debug, Subcommand)]
enum PriceCommand {
    /// Make a signing key; prints the lines for the stores' configuration
    Keygen {
        /// Folder for the private key, ID.pem
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The id under which stores know the key
        #[arg(long, value_name = "ID")]
        id: String,
        /// It is a root key, which says whose keys count; it stays offline
        #[arg(long)]
        root: bool,
    },
    /// Sign the list of keys that count, with a root key, and queue it for the stores
    Keys(price::sign::KeysArgs),
    /// Sign a table of prices and queue it for the stores
    Push(price::push::PushArgs),
    /// Take a campaign back: from now on the prices from before it hold
    Revert(price::revert::RevertArgs),
    /// Sign what `push --hold` put aside, as the second person
    Sign(price::sign::SignArgs),
    /// Show what became of each batch in each store, or how far one campaign is
    Status(price::status::StatusArgs),
    /// Write what every label told of a campaign's prices, as CSV
    Proof(price::status::ProofArgs),
    /// Hold the prices that should be against what labels show and tills take
    Integrity(price::integrity::IntegrityArgs),
}

/// Runs the command line `args` (the program's name first). Exit status: 0 all is well; 1 the answer
/// is no (a store refused a price); 2 an argument, a file or the database is wrong, and standard error
/// says what to do.
pub async fn cli(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure. If even printing fails there
            // is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever reads our output has seen enough.
        Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("storewarden-hq: {failure}");
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(failure: &Failure) -> bool {
    failure
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Whether the outcome is good.
async fn run(cli: Cli) -> Result<bool, Failure> {
    if let Command::Serve(args) = cli.command {
        return serve(cli.place, args).await.map(|()| true);
    }
    // What waits for the database must not hold up a runtime.
    tokio::task::spawn_blocking(move || answer(&cli)).await?
}

/// Commands that come to an end; whether the outcome is good.
fn answer(cli: &Cli) -> Result<bool, Failure> {
    match &cli.command {
        Command::Serve(_) => {}
        Command::Alerts(args) => show::alerts(&mut cli.place.open()?, args)?,
        Command::Readings(args) => show::readings(&mut cli.place.open()?, args)?,
        Command::Price(PriceCommand::Keygen { out, id, root }) => {
            let section = if *root { "root_key" } else { "price_key" };
            let (path, lines) = keys::generate(out, id, section)?;
            eprintln!("the private key is in {}; these lines belong in every store.toml:", path.display());
            print!("{lines}");
        }
        Command::Price(PriceCommand::Push(args)) => {
            return price::push::run(&mut cli.place.open()?, args);
        }
        Command::Price(PriceCommand::Revert(args)) => {
            return price::revert::run(&mut cli.place.open()?, args);
        }
        Command::Price(PriceCommand::Keys(args)) => price::sign::send_keys(&mut cli.place.open()?, args)?,
        Command::Price(PriceCommand::Sign(args)) => price::sign::run(|| Ok(cli.place.open()?), args)?,
        Command::Order(order) => return command::run(&mut cli.place.open()?, order),
        Command::Price(PriceCommand::Status(args)) => {
            return price::status::run(&mut cli.place.open()?, args);
        }
        Command::Price(PriceCommand::Proof(args)) => price::status::proof(&mut cli.place.open()?, args)?,
        Command::Price(PriceCommand::Integrity(args)) => {
            return price::integrity::run(&mut cli.place.open()?, args);
        }
    }
    Ok(true)
}

async fn serve(place: database::Place, args: ServeArgs) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Whoever runs this inside a program of their own may have set theirs already; it is then used.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
    let ids = [("--chain", Some(&args.chain)), ("--worker", args.worker.as_ref())];
    for (option, id) in ids.into_iter().filter_map(|(option, id)| Some((option, id?))) {
        if !is_valid_id(id) {
            return Err(format!("{option} {id:?}: use 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'").into());
        }
    }
    if args.worker.is_some() && !place.is_postgres() {
        return Err("--worker: several workers need PostgreSQL (--db postgres://…); with a file one that stands still while it writes holds up all. Leave --worker out: one serves 2,000 stores".into());
    }
    let (host, port) = mqtt::address(&args.broker)?;
    let credentials = match (&args.username, &args.password_file) {
        (Some(username), Some(path)) => {
            let password = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read --password-file {}: {error}", path.display()))?;
            Some((username.clone(), password.trim_end_matches(['\r', '\n']).to_owned()))
        }
        _ => None,
    };
    let client_id = match &args.worker {
        Some(worker) => format!("storewarden-hq-{}-{worker}", args.chain),
        None => format!("storewarden-hq-{}", args.chain),
    };
    let ServeArgs { chain, keep_days, influx, worker, .. } = args;
    let filters = headquarters_filters(&chain, worker.is_some());
    let its_chain = chain.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let exporter = influx.exporter(|| place.open_when_there(), &its_chain)?;
        Ok::<_, Failure>((database::Ledger::new(place.open_when_there()?, &its_chain), exporter))
    });
    let (ledger, exporter) = opened.await??;
    // Without an exporter its sender is kept, so that the receiver waits for ever.
    let (export_ends, export_ended) = tokio::sync::oneshot::channel::<()>();
    let mut kept = Some(export_ends);
    if let Some(exporter) = exporter {
        let (runtime, export_ends) = (tokio::runtime::Handle::current(), kept.take());
        std::thread::spawn(move || {
            exporter.run(&runtime);
            drop(export_ends);
        });
    }
    let broker = mqtt::Broker { host, port, credentials, client_id };
    let broke_down = || Err("the service broke down; see the log above, and start it again".into());
    tokio::select! {
        () = serve::run(broker, filters, chain, ledger, keep_days) => broke_down(),
        _ = export_ended => broke_down(),
        signal = stop_signal() => Ok(signal?),
    }
}

/// Returns on SIGINT or SIGTERM.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[tokio::test]
    async fn exit_status_tells_a_wrong_argument_from_success_and_other_programs_may_spawn_it() {
        let run = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            tokio::spawn(cli(args))
        };
        let status = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(format!("{:?}", run(&["hq", "price", "push", "--help"]).await.unwrap()), status(0));
        assert_eq!(format!("{:?}", run(&["hq", "frobnicate"]).await.unwrap()), status(2));
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("hq.sqlite");
        let db = db.to_str().unwrap();
        let broker = ["hq", "--db", db, "serve", "--broker", "localhost", "--chain", "kaixin"];
        assert_eq!(format!("{:?}", run(&broker).await.unwrap()), status(2));
        assert_eq!(format!("{:?}", run(&["hq", "--db", db, "alerts"]).await.unwrap()), status(0));
    }
}
