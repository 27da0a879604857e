//! The shell around the world: the only place here that reads a clock and makes things happen.

use crate::{
    config::{Bus, Config, Port},
    estation::{self, Fact, Shown},
    events::{Event, Events},
    fault::{Fault, Timeline},
    openepaperlink,
    physics::STEP_S,
    rtu::{self, Door, Pty},
    server::{self, Shared},
    wire::Counts,
    world::{Model, World},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, signal::unix::SignalKind, sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// Real time between two looks at the timeline and steps of the world. Registers change only then,
/// so an event's time is the moment a reader can see it.
const TICK: Duration = Duration::from_millis(50);
/// Images waiting to be written; one access point shows a few in a second. When it is full the access
/// point waits; nothing is lost.
const FACTS_MAX: usize = 64;
/// Real time between two writings of the lines' counts.
const LINE_STATS_EVERY: Duration = Duration::from_secs(1);

/// Files to write.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// Addresses and paths of the lines, once everything listens.
    pub ready: Option<PathBuf>,
    /// What truly happens.
    pub events: Option<PathBuf>,
    /// What labels show.
    pub labels_dir: Option<PathBuf>,
    /// What happened on the lines.
    pub line_stats: Option<PathBuf>,
}

#[derive(Serialize)]
struct Ready {
    buses: Vec<String>,
    openepaperlink: Vec<String>,
}

/// What happened on the lines: (where its master comes in, counts).
type Lines = Vec<(String, Arc<Mutex<Counts>>)>;

#[derive(Serialize)]
struct LineStats<'a> {
    buses: Vec<LineStat<'a>>,
}

#[derive(Serialize)]
struct LineStat<'a> {
    bus: &'a str,
    #[serde(flatten)]
    counts: Counts,
}

/// Runs the store until SIGINT or SIGTERM. An error says what to do.
pub(crate) async fn run(config: Config, outputs: Outputs) -> Result<(), String> {
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("{path}: {error}")
    };
    let mut events = match outputs.events.as_deref() {
        Some(path) => Events::open(Some(path)).map_err(at(path))?,
        None => Events::default(),
    };
    if let Some(dir) = &outputs.labels_dir {
        std::fs::create_dir_all(dir).map_err(at(dir))?;
    }
    let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;

    let stop = CancellationToken::new();
    // Also when a bus cannot be opened: the threads of the lines before it would keep the program alive.
    let _stops = stop.clone().drop_guard();
    let mut tasks = JoinSet::new();
    let world = Arc::new(Mutex::new(config.world));
    let mut lines = Lines::new();
    for bus in config.buses {
        let counts = Arc::default();
        let name = serve(bus, &world, &counts, &stop, &mut tasks).await?;
        // For people; whoever reads by program takes `--ready`, so a closed pipe is no reason to stop.
        let _ = writeln!(io::stdout(), "bus {name}");
        lines.push((name, counts));
    }
    let (fact_sender, mut facts) = mpsc::channel(FACTS_MAX);
    for (gateway, seed) in config.gateways.into_iter().zip(config.seed..) {
        tasks.spawn(estation::run(gateway, seed, fact_sender.clone(), stop.clone()));
    }
    let mut access_points = Vec::new();
    for (ap, seed) in config.access_points.into_iter().zip(config.seed..) {
        let listener =
            TcpListener::bind(&ap.listen).await.map_err(|error| cannot_listen(&ap.listen, &error))?;
        let name = listener.local_addr().map_err(|error| cannot_listen(&ap.listen, &error))?.to_string();
        let _ = writeln!(io::stdout(), "openepaperlink {name}");
        access_points.push(name);
        tasks.spawn(openepaperlink::run(listener, ap, seed, fact_sender.clone(), stop.clone()));
    }
    drop(fact_sender);
    // One second before anybody looks: a meter that has never measured would show 0 W.
    world.lock().unwrap_or_else(PoisonError::into_inner).step(STEP_S);
    let mut time = Time::new(world, config.acceleration, config.faults, config.watch);
    for fact in time.pass(Instant::now()) {
        events.write(&fact).map_err(|error| format!("cannot write events: {error}"))?;
    }
    if let Some(path) = &outputs.ready {
        let buses = lines.iter().map(|(name, _)| name.clone()).collect();
        let ready = serde_json::to_vec(&Ready { buses, openepaperlink: access_points })
            .map_err(|error| error.to_string())?;
        write_whole(path, &ready).map_err(at(path))?;
    }
    let mut tick = tokio::time::interval(TICK);
    let mut counted = tokio::time::interval(LINE_STATS_EVERY);
    let count = || match &outputs.line_stats {
        Some(path) => write_counts(path, &lines).map_err(at(path)),
        None => Ok(()),
    };
    let ended = loop {
        let happened = tokio::select! {
            () = signals.stop() => break Ok(()),
            _ = tick.tick() => time.pass(Instant::now()),
            _ = counted.tick() => match count() {
                Ok(()) => Vec::new(),
                Err(error) => break Err(error),
            },
            Some(fact) = facts.recv() => match keep(fact, outputs.labels_dir.as_deref()) {
                Ok(event) => vec![event],
                Err(error) => break Err(format!("cannot keep the image of a label: {error}")),
            },
        };
        if let Err(error) = happened.iter().try_for_each(|fact| events.write(fact)) {
            break Err(format!("cannot write events: {error}"));
        }
    };
    stop.cancel();
    // An access point may be in the middle of a hand-shake with a broker that is gone.
    let _ = tokio::time::timeout(Duration::from_secs(2), tasks.join_all()).await;
    ended.and(count())
}

/// Lets `bus` answer until `stop`; returns where its master comes in.
async fn serve(
    bus: Bus,
    world: &Arc<Mutex<World>>,
    counts: &Arc<Mutex<Counts>>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Result<String, String> {
    let (world, counts, stop) = (Arc::clone(world), Arc::clone(counts), stop.clone());
    let bound = async |listen: &str| {
        let listener = TcpListener::bind(listen).await?;
        let name = listener.local_addr()?.to_string();
        Ok((listener, name))
    };
    let (door, serial, name) = match &bus.port {
        Port::Tcp { listen, max_connections, serial } => {
            let (listener, name) = bound(listen).await.map_err(|error| cannot_listen(listen, &error))?;
            let (line, max_connections) =
                (serial.map(|serial| (serial, Default::default())), *max_connections);
            let shared = Shared { bus: Arc::new(bus), world, counts, line };
            tasks.spawn(server::serve(listener, shared, max_connections, stop));
            return Ok(name);
        }
        Port::RtuOverTcp { listen, serial } => {
            let (listener, name) = bound(listen).await.map_err(|error| cannot_listen(listen, &error))?;
            let listener = listener.into_std().map_err(|error| cannot_listen(listen, &error))?;
            (Door::Tcp(listener, None), *serial, name)
        }
        Port::Pty { path, serial } => {
            let opened =
                std::path::absolute(path).and_then(|path| Ok((Pty::open(&path, serial.baud)?, path)));
            let (pty, path) = opened.map_err(|error| {
                let path = path.display();
                format!("cannot make the terminal {path} ({error}); write a `pty` where a link can be made")
            })?;
            (Door::Pty(pty), *serial, path.display().to_string())
        }
    };
    tasks.spawn_blocking(move || {
        if let Err(error) = rtu::serve(door, serial, &bus, &world, &counts, &stop) {
            tracing::error!(%error, "a serial line has ended");
        }
    });
    Ok(name)
}

fn cannot_listen(listen: &str, error: &io::Error) -> String {
    format!("cannot listen on {listen} ({error}); write a free `listen` address")
}

fn write_counts(path: &Path, lines: &Lines) -> io::Result<()> {
    let stats = lines.iter().map(|(bus, counts)| {
        let counts = *counts.lock().unwrap_or_else(PoisonError::into_inner);
        LineStat { bus, counts }
    });
    write_whole(path, &serde_json::to_vec(&LineStats { buses: stats.collect() })?)
}

/// The passing of time: faults begin and end, physics goes on, limits are crossed.
struct Time {
    world: Arc<Mutex<World>>,
    acceleration: f64,
    timeline: Timeline,
    /// (device, limit °C, whether it was above).
    watch: Vec<(usize, f64, bool)>,
    /// Which coils are closed: device, coil from 0.
    closed: BTreeSet<(usize, usize)>,
    start: Instant,
    before: Instant,
}

impl Time {
    fn new(
        world: Arc<Mutex<World>>,
        acceleration: f64,
        faults: Vec<Fault>,
        watch: Vec<(usize, f64)>,
    ) -> Self {
        let watch = watch.into_iter().map(|(device, limit)| (device, limit, false)).collect();
        let start = Instant::now();
        Self {
            world,
            acceleration,
            timeline: Timeline::new(faults),
            watch,
            closed: BTreeSet::new(),
            start,
            before: start,
        }
    }

    fn pass(&mut self, now: Instant) -> Vec<Event> {
        let mut facts = Vec::new();
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = u64::try_from((now - self.start).as_millis()).unwrap_or(u64::MAX);
        while let Some((fault, begins)) = self.timeline.due(now_ms) {
            world.set_fault(fault, begins);
            let (device, kind) = (fault.device.clone(), fault.kind);
            tracing::info!(device, ?kind, begins, "fault");
            facts.push(match begins {
                true => Event::FaultBegin { device, kind },
                false => Event::FaultEnd { device, kind },
            });
        }
        world.step((now - self.before).as_secs_f64() * self.acceleration);
        self.before = now;
        for (device, limit, was_above) in &mut self.watch {
            let Some(value) = world.register_air_c(*device) else { continue };
            let above = value > *limit;
            if above != std::mem::replace(was_above, above) {
                let device = world.devices()[*device].id.clone();
                facts.push(Event::LimitCrossed { device, above, limit: *limit, value });
            }
        }
        for (index, device) in world.devices().iter().enumerate() {
            let Model::Relay(relay) = &device.model else { continue };
            for (coil, on) in relay.coils().into_iter().enumerate() {
                let place = (index, coil);
                if if on { self.closed.insert(place) } else { self.closed.remove(&place) } {
                    let point = format!("relay_{}", coil + 1);
                    facts.push(Event::Switched { device: device.id.clone(), point, on });
                }
            }
        }
        facts
    }
}

/// Keeps what a label shows.
fn keep(fact: Fact, dir: Option<&Path>) -> io::Result<Event> {
    let file = |label: &str| dir.map(|dir| dir.join(format!("{label}.png")));
    match fact {
        Fact::Shown(Shown { ap, label, png }) => {
            if let Some(file) = file(&label) {
                write_whole(&file, &png)?;
            }
            let sha256 = Sha256::digest(&png).iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Event::LabelShown { ap, label, sha256 })
        }
        Fact::Blank { ap, label } => match file(&label).map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Event::LabelBlank { ap, label }),
        },
    }
}

/// Writes a file so that a reader sees all of it or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    std::fs::write(&name, bytes)?;
    std::fs::rename(&name, path)
}

/// The two signals that mean "stop".
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let signal = tokio::signal::unix::signal;
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
