//! `storewarden run`: the whole machine on one screen. Open the journal, start the buses, the site, the
//! labels, the link to headquarters and the console; wait for a signal; stop in reverse order.

use crate::assemble::{Assembled, assemble};
use crate::clock_trust::ClockTrust;
use crate::command::Commands;
use crate::command::config_push::{Answer, Push, Trial};
use crate::config::{Config, Gateway, Hq, LabelDriver};
use crate::console::{self, ConsoleState};
use crate::failure::Failure;
use crate::hq_link::{Link, LinkState, connection::Endpoint};
use crate::journal::{self, Identity, Journal, JournalError, boot, exported};
use crate::label::delivery::HAND_MAX;
use crate::shelf::{Shelf, Tells};
use crate::site_task::SiteTask;
use crate::sources::Sources;
use crate::tasks::Tasks;
use crate::view::StoreView;
use crate::watchdog::{self, LookedAt};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::esl::estation::task::{GatewayEvent, LabelTask};
use storewarden_drivers::esl::{estation, openepaperlink};
use storewarden_drivers::keep::{Beat, Inlet, Tie};
use storewarden_proto::topic::StoreTopics;
use storewarden_proto::v1::Status;
use storewarden_rules::Millis;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Blocks of readings between the buses and the rules; a bus waits when it is full. A block is one
/// answer of a device, so this is about a second of a busy store.
const READING_BLOCKS_MAX: usize = 256;
/// Requests of people waiting for the rules.
const REQUESTS_MAX: usize = 16;
/// Price batches waiting to be checked; headquarters repeats what does not fit.
const PRICE_BATCHES_MAX: usize = 4;
/// Commands waiting to be checked; headquarters repeats what does not fit.
const COMMANDS_MAX: usize = 16;
/// Telemetry interval of a store that tells nobody: readings are gathered, and then not kept.
const TELEMETRY_EVERY: Millis = Millis::from_secs(60);

/// Runs the store of `config`, which was read from `path`, until SIGTERM, SIGINT, a new configuration, or a
/// task that cannot go on. `trial` is the configuration that is tried, if one is.
pub fn run(config: Config, path: &Path, trial: Option<Trial>) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STOREWARDEN_LOG")
                .unwrap_or_else(|_| "info,rumqttc=error".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    // One thread reads and judges: to wake another for each answer would cost more than all that is done
    // with it. The rest is this one's, so that an image for a label delays no poll. The journal and each
    // serial line have threads of their own: nothing that blocks runs on these two.
    use tokio::runtime::Builder;
    let intake = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("intake")
        .enable_all()
        .build()
        .map_err(Failure::outcome)?;
    let rest = Builder::new_current_thread().enable_all().build().map_err(Failure::outcome)?;
    rest.block_on(store(config, path, trial, intake.handle()))
}

async fn store(config: Config, path: &Path, trial: Option<Trial>, intake: &Handle) -> Result<(), Failure> {
    let clock = Clock::start();
    let boot_id = journal::random_id();
    // Kept beside the task that serves it: one that begins anew needs no free port.
    let listener = TcpListener::bind(config.console.listen).await.and_then(TcpListener::into_std);
    let listener = listener.map_err(|error| {
        Failure::Outcome(format!(
            "console.listen {}: {error}; is an agent running already? Stop it, or write another address",
            config.console.listen
        ))
    })?;
    let names = Identity {
        chain: config.store.chain.clone(),
        store: config.store.id.clone(),
        boot: boot_id,
        journal: 0,
        reports: config.hq.is_some(),
    };
    let journal = Journal::open(&config.journal.path, names, clock.now().utc).map_err(Failure::outcome)?;
    let started = clock.now().utc;
    // Not waited for: a full disk must not keep the store from being watched.
    let is_exported = config.timeseries.is_some();
    let _started = journal
        .begin(move |db| {
            boot::started(db, boot_id, started)?;
            exported::begin(db, is_exported)
        })
        .await
        .map_err(Failure::outcome)?;
    let assembled =
        assemble(&config, |device, pace| Some(device.interval(pace))).map_err(Failure::outcome)?;
    tracing::info!(store = %config.store.id, version = env!("CARGO_PKG_VERSION"),
        console = %format_args!("http://{}", config.console.listen), "started");
    for profile in &config.own_profiles {
        tracing::info!(profile, "the store's own profile stands in for the shipped one");
    }

    let (readings, readings_in) = mpsc::channel(READING_BLOCKS_MAX);
    let (requests, requests_in) = mpsc::channel(REQUESTS_MAX);
    let (shelf_requests, shelf_requests_in) = mpsc::channel(REQUESTS_MAX);
    let (reloads, reloads_in) = mpsc::channel(1);
    let (orders, orders_in) = mpsc::channel(REQUESTS_MAX);
    let (payloads, payloads_in) = mpsc::channel(COMMANDS_MAX);
    let (pushes, mut pushes_in) = mpsc::channel::<Push>(1);
    let (heard, was_heard) = watch::channel(false);
    let (prices, prices_in) = mpsc::channel(PRICE_BATCHES_MAX);
    let (link_state, hq_link) = watch::channel(LinkState::Offline);
    let (clock_trust, clock_trusted) = watch::channel(ClockTrust::default());
    let (held, prices_held) = watch::channel(false);
    let (found, labels_found) = watch::channel(None);
    let (labels, labels_shown) = watch::channel(Vec::new());
    let (view, shown) = watch::channel(Arc::new(StoreView {
        store: config.store.id.clone(),
        name: config.store.name.clone(),
        ..StoreView::default()
    }));
    // Intake stops first; whatever it brought in is carried out before the rest stops.
    let (stop_intake, stop_rest) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks = Tasks { broken: CancellationToken::new(), stopping: stop_intake.clone() };
    let rest = &Handle::current();

    let sources = Sources {
        on: intake,
        config: &config,
        assembled: &assembled,
        readings: &readings,
        clock: &clock,
        stop: &stop_intake,
    };
    let mut buses = sources.start_buses(&mut tasks);
    sources.start_brokers(&mut tasks, &mut buses);
    let tells = Tells { labels, held, found, clock_trust: clock_trusted.clone() };
    let shelf = Shelf::new(&config, &journal, &clock, tells).await.map_err(Failure::outcome)?;
    let gateways = start_gateways(&mut tasks, rest, &config, &clock, &stop_rest);
    let (label_tasks, label_events): (Vec<_>, Vec<_>) = gateways.channels.into_iter().unzip();
    let shelf_beat = Beat::of("labels");
    let tie = Tie { stop: stop_intake.clone(), beat: shelf_beat.clone() };
    let shelf =
        tasks.start(rest, "labels", shelf.run(prices_in, shelf_requests_in, label_tasks, label_events, tie));
    let site = SiteTask {
        assembled,
        journal: journal.clone(),
        clock: clock.clone(),
        timezone: config.store.timezone,
        commands: buses.commands,
        heartbeat: config.heartbeat,
        telemetry_every: telemetry_every(&config),
        telemetry_budget: config.journal.telemetry,
        view,
        hq_link,
        clock_trust: clock_trusted,
        prices_held,
        labels_found,
        labels: labels_shown,
    };
    let site = tasks.start(intake, "site", site.run(readings_in, requests_in, orders_in, reloads_in));
    let link_beat = Beat::of("headquarters link");
    let link = config.hq.as_ref().map(|hq| {
        let takers = Takers { prices, commands: payloads, heard, state: link_state, clock_trust };
        let link = link(&config, hq, &journal, takers, &clock);
        let tie = Tie { stop: stop_rest.clone(), beat: link_beat.clone() };
        tasks.keep(rest, link_beat.clone(), move || link.clone().run(tie.clone()))
    });
    let restart = CancellationToken::new();
    let commands = Commands {
        keys: config.command_keys.clone(),
        set_points: config
            .devices
            .iter()
            .filter_map(|device| Some((device.id.clone(), device.set_point_range?)))
            .collect(),
        journal: journal.clone(),
        clock: clock.clone(),
        acts: requests.clone(),
        orders,
        pushes,
        config: path.to_owned(),
        restart: restart.clone(),
    };
    let commands =
        tasks.start(rest, "commands", commands.run(payloads_in, trial, was_heard, stop_intake.clone()));
    #[cfg(feature = "timeseries")]
    let export = match &config.timeseries {
        Some(to) => {
            let export = crate::timeseries::Export::new(to, journal.clone(), clock.clone());
            let export = export.map_err(Failure::outcome)?;
            Some(tasks.start(rest, "time series", export.run(stop_rest.clone())))
        }
        None => None,
    };
    let looked_at = LookedAt {
        view: shown.clone(),
        beats: buses.beats.into_iter().chain(gateways.beats).collect(),
        waiting_for_journal: link.iter().map(|_| link_beat.clone()).chain([shelf_beat]).collect(),
    };
    let watchdog = rest.spawn(watchdog::run(looked_at, stop_intake.clone()));
    let state = ConsoleState {
        view: shown,
        requests,
        shelf_requests,
        clock: clock.clone(),
        default_language: config.console.language,
        allowed_hosts: config.console.allowed_hosts.clone().into(),
    };
    let console = {
        let stop = stop_rest.clone();
        tasks.keep(rest, Beat::of("console"), move || {
            let (listener, state, stop) = (listener.try_clone(), state.clone(), stop.clone());
            async move { console::serve(TcpListener::from_std(listener?)?, state, stop).await }
        })
    };

    let mut hangup = signal(SignalKind::hangup()).expect("the runtime has signals enabled");
    let mut in_force = config.clone();
    // Rules that wait until the site can take them: while the journal is stopped it cannot.
    let mut rules_to_come = None;
    let mut stop = std::pin::pin!(stop_signal());
    let broken = loop {
        tokio::select! {
            () = &mut stop => break false,
            () = tasks.broken.cancelled() => break true,
            () = restart.cancelled() => {
                tracing::warn!("stopping, to be started anew with the configuration before");
                break false;
            }
            _ = hangup.recv() => match reload(path, &in_force) {
                Ok((config, assembled)) => {
                    tracing::info!("the configuration's rules are taken over");
                    (in_force, rules_to_come) = (config, Some(assembled));
                }
                Err(why) => tracing::error!("the old configuration stays: {why}"),
            },
            Ok(place) = reloads.reserve(), if rules_to_come.is_some() => {
                if let Some(assembled) = rules_to_come.take() {
                    place.send(assembled);
                }
            }
            Some(push) = pushes_in.recv() => match take_over(&push, path, &in_force) {
                Ok(Taken::Rules(config, assembled)) => {
                    tracing::info!(command = %push.id, "the rules of a configuration from headquarters are taken over");
                    (in_force, rules_to_come) = (*config, Some(assembled));
                    let _ = push.reply.send(Answer::Done);
                }
                Ok(Taken::Restart) => {
                    tracing::warn!(command = %push.id, "stopping, to be started anew with the configuration from headquarters");
                    let _ = push.reply.send(Answer::OnTrial);
                    break false;
                }
                Err(why) => {
                    tracing::warn!(command = %push.id, %why, "a configuration from headquarters is refused");
                    let _ = push.reply.send(Answer::Refused(why));
                }
            },
        }
    };
    tracing::info!("stopping");
    std::thread::spawn(stop_at_the_latest);
    stop_intake.cancel();
    for bus in buses.tasks {
        let _ = bus.await;
    }
    // The last sender: now the site has judged everything and ends.
    drop(readings);
    let readings = site.await.ok().flatten().unwrap_or(0);
    let _ = shelf.await;
    let _ = commands.await;
    let stopped = clock.now().utc;
    journal.run(move |db| boot::stopped(db, boot_id, stopped, readings)).await.map_err(Failure::outcome)?;
    stop_rest.cancel();
    for gateway in gateways.tasks {
        let _ = gateway.await;
    }
    if let Some(link) = link {
        let _ = link.await;
    }
    #[cfg(feature = "timeseries")]
    if let Some(export) = export {
        let _ = export.await;
    }
    let _ = console.await;
    let _ = watchdog.await;
    tracing::info!(readings, "stopped");
    if broken { Err(Failure::Outcome("a part of the agent failed; see the log".into())) } else { Ok(()) }
}

/// How long an orderly stop may take in all: longer than the link may need to bring out what is left.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Ends the program when the orderly stop hangs, as on a full disk: what is not committed is lost then,
/// as by a power cut, and the journal is made for that.
fn stop_at_the_latest() {
    std::thread::sleep(STOP_LIMIT);
    tracing::error!("the orderly stop takes too long; stopping at once");
    std::process::exit(1);
}

/// How often a telemetry message is closed.
fn telemetry_every(config: &Config) -> Millis {
    let of_hq = config.hq.as_ref().map(|hq| hq.telemetry_every);
    of_hq.or(config.timeseries.as_ref().map(|to| to.every)).unwrap_or(TELEMETRY_EVERY)
}

type GatewayChannels = (mpsc::Sender<LabelTask>, mpsc::Receiver<GatewayEvent>);

struct Gateways {
    tasks: Vec<JoinHandle<()>>,
    beats: Vec<Beat>,
    channels: Vec<GatewayChannels>,
}

fn start_gateways(
    tasks: &mut Tasks,
    on: &Handle,
    config: &Config,
    clock: &Clock,
    stop: &CancellationToken,
) -> Gateways {
    let mut gateways = Gateways { tasks: Vec::new(), beats: Vec::new(), channels: Vec::new() };
    for gateway in &config.gateways {
        let (label_tasks, tasks_in) = mpsc::channel(HAND_MAX);
        let (events, events_in) = mpsc::channel(HAND_MAX);
        let driver = label_driver(config, gateway);
        let beat = Beat::of(&format!("label gateway {}", gateway.id));
        gateways.beats.push(beat.clone());
        let (clock, tasks_in) = (clock.clone(), Inlet::from(tasks_in));
        let tie = Tie { stop: stop.clone(), beat: beat.clone() };
        let mut is_first = true;
        gateways.tasks.push(tasks.keep(on, beat, move || {
            let is_first = std::mem::replace(&mut is_first, false);
            let again = events.clone();
            let (driver, tasks_in, events) = (driver.clone(), tasks_in.clone(), events.clone());
            let task = run_gateway(driver, tasks_in, events, clock.clone(), tie.clone());
            async move {
                // What the one before had under way it has forgotten.
                if !is_first {
                    let _ = again.send(GatewayEvent::Restarted).await;
                }
                task.await;
                Ok::<_, JournalError>(())
            }
        }));
        gateways.channels.push((label_tasks, events_in));
    }
    gateways
}

/// A driver of a label gateway, ready to run.
#[derive(Clone)]
enum Driver {
    Estation(estation::mqtt::EstationConfig),
    OpenEpaperLink(openepaperlink::task::OpenEpaperLinkConfig),
}

fn label_driver(config: &Config, gateway: &Gateway) -> Driver {
    match &gateway.driver {
        LabelDriver::Estation { ap, broker } => Driver::Estation(estation::mqtt::EstationConfig {
            broker: broker.on_lan(format!("storewarden-{}-{}", config.store.id, gateway.id)),
            ap: ap.clone(),
            limits: estation::gateway::Limits::default(),
        }),
        LabelDriver::OpenEpaperLink { host, port } => {
            Driver::OpenEpaperLink(openepaperlink::task::OpenEpaperLinkConfig {
                name: gateway.id.clone(),
                host: host.clone(),
                port: *port,
                limits: openepaperlink::gateway::Limits::default(),
            })
        }
    }
}

async fn run_gateway(
    driver: Driver,
    tasks: Inlet<LabelTask>,
    events: mpsc::Sender<GatewayEvent>,
    clock: Clock,
    tie: Tie,
) {
    match driver {
        Driver::Estation(config) => estation::mqtt::run(config, tasks, events, clock, tie).await,
        Driver::OpenEpaperLink(config) => openepaperlink::task::run(config, tasks, events, clock, tie).await,
    }
}

/// Who takes what the link brings.
struct Takers {
    prices: mpsc::Sender<Vec<u8>>,
    commands: mpsc::Sender<Vec<u8>>,
    heard: watch::Sender<bool>,
    state: watch::Sender<LinkState>,
    clock_trust: watch::Sender<ClockTrust>,
}

fn link(config: &Config, hq: &Hq, journal: &Journal, takers: Takers, clock: &Clock) -> Link {
    let identity = journal.identity();
    Link {
        endpoint: Endpoint {
            host: hq.broker.host.clone(),
            port: hq.broker.port,
            tls: hq.broker.tls.clone(),
            login: hq.broker.login.clone(),
            client_id: format!("storewarden-{}-{}", config.store.chain, config.store.id),
            last_will: (String::new(), Vec::new()),
        },
        ack: hq.ack,
        topics: StoreTopics::new(&config.store.chain, &config.store.id),
        status: Status {
            chain: identity.chain.clone(),
            store: identity.store.clone(),
            boot: identity.boot,
            journal: identity.journal,
            version: env!("CARGO_PKG_VERSION").into(),
            config_digest: config.digest.to_vec(),
            timezone: config.store.timezone.name().to_owned(),
            jurisdiction: config.store.jurisdiction.map_or_else(String::new, |law| law.code().to_owned()),
            ..Status::default()
        },
        journal: journal.clone(),
        prices: takers.prices,
        commands: takers.commands,
        heard: takers.heard,
        state: takers.state,
        clock: clock.clone(),
        clock_trust: takers.clock_trust,
    }
}

/// How a configuration from headquarters, which is in place now, comes into force.
enum Taken {
    /// By its rules.
    Rules(Box<Config>, Assembled),
    /// By a new start.
    Restart,
}

/// Puts a configuration from headquarters in the place of the one in force, or says why not.
fn take_over(push: &Push, path: &Path, in_force: &Config) -> Result<Taken, String> {
    let config = push.check(path, in_force)?;
    let assembled =
        assemble(&config, |device, pace| Some(device.interval(pace))).map_err(|full| full.to_string())?;
    push.put(path)?;
    if config.differs_in_rules_only(in_force) {
        return Ok(Taken::Rules(Box::new(config), assembled));
    }
    Trial::begin(path, &push.id)?;
    Ok(Taken::Restart)
}

/// Reads the configuration again and puts its rules together; or says why those in force stay.
fn reload(path: &Path, in_force: &Config) -> Result<(Config, Assembled), String> {
    let config = Config::load(path).map_err(|faults| format!("{faults}"))?;
    if !config.differs_in_rules_only(in_force) {
        return Err("more than rules has changed; restart the agent to take it over".into());
    }
    let assembled =
        assemble(&config, |device, pace| Some(device.interval(pace))).map_err(|full| full.to_string())?;
    Ok((config, assembled))
}

async fn stop_signal() {
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime has signals enabled");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
