//! The scoreboard: many cabinets, broken in every way, watched by the rules of their class.
//!
//! What lives here: the physics, the faults, the runs, and the table of what was found when. What may
//! not: any equation or constant of a detector; only the rules' vocabulary and [`storewarden_rules::Site`].

mod fault;
mod instruments;
pub mod physics;
mod run;
mod table;

pub use fault::{Fault, Group, Kind};
pub use instruments::Instruments;
pub use run::{Job, Outcome, Said};
pub use table::{Quiet, Row, Table, list};

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A site is half a megabyte, and a debug build copies it on its way into the box.
const STACK: usize = 16 << 20;

/// What is to be scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The set of seeds.
    pub seed: u64,
    /// Runs of each fault.
    pub runs: u64,
    /// Healthy cabinets.
    pub healthy: u64,
    /// Length of a healthy run, days.
    pub days: f64,
}

impl Options {
    fn jobs(&self) -> Vec<Job> {
        let job = |kind, number| Job { kind, number, seed: self.seed, days: self.days };
        let faults = Kind::ALL.into_iter().flat_map(|kind| (0..self.runs).map(move |n| (Some(kind), n)));
        let healthy = (0..self.healthy).map(|number| (None, number));
        faults.chain(healthy).map(|(kind, number)| job(kind, number)).collect()
    }
}

/// Runs them all, on every core. The outcomes come in the order of the faults and numbers.
pub fn outcomes(options: Options) -> std::io::Result<Vec<Outcome>> {
    let jobs = options.jobs();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let work = || -> std::io::Result<()> {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(place) else { return Ok(()) };
            let outcome = job.run(&mut None)?;
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, outcome));
        }
    };
    thread::scope(|scope| -> std::io::Result<()> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores)
            .map(|_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work))
            .collect::<Result<_, _>>()?;
        for thread in threads {
            thread.join().map_err(|_| std::io::Error::other("a run panicked; see above"))??;
        }
        Ok(())
    })?;
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Writes the curve and the alarms of one run as CSV; `healthy` or the name of a fault.
pub fn show(kind: &str, options: Options, number: u64, out: &mut (dyn Write + Send)) -> Result<(), String> {
    let kind = match Kind::ALL.into_iter().find(|known| known.name() == kind) {
        None if kind != "healthy" => {
            let names = Kind::ALL.map(Kind::name).join(", ");
            return Err(format!("there is no fault {kind}; write healthy or one of {names}"));
        }
        kind => kind,
    };
    let job = Job { kind, number, seed: options.seed, days: options.days };
    thread::scope(|scope| {
        let run = move || job.run(&mut Some(out as &mut dyn Write)).map(|_| ());
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        let result =
            thread.map_err(|error| error.to_string())?.join().map_err(|_| "the run panicked; see above")?;
        result.map_err(|error| error.to_string())
    })
}
