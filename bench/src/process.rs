//! What the kernel says about a process (Linux, /proc).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;

/// The kernel's unit of CPU time in /proc: 1/100 s on every Linux architecture that Rust supports.
const TICKS_PER_S: f64 = 100.0;

/// Memory of a process, MB (10⁶ bytes).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Resident set.
    pub rss_mb: f64,
    /// Proportional set: shared pages divided among those that share them.
    pub pss_mb: f64,
}

/// Memory of process `id`.
pub fn memory(id: u32) -> io::Result<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let mb = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0 / 1e6)
            .ok_or_else(|| io::Error::other(format!("/proc/{id}/smaps_rollup has no {key}")))
    };
    Ok(Memory { rss_mb: mb("Rss:")?, pss_mb: mb("Pss:")? })
}

/// The most that was ever resident of process `id`, MB.
pub fn highest_mb(id: u32) -> io::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0 / 1e6)
        .ok_or_else(|| io::Error::other(format!("/proc/{id}/status has no VmHWM")))
}

/// Process `id` stands still until [`go_on`].
pub fn stop(id: u32) -> io::Result<()> {
    signal(id, Signal::SIGSTOP)
}

/// See [`stop`].
pub fn go_on(id: u32) -> io::Result<()> {
    signal(id, Signal::SIGCONT)
}

fn signal(id: u32, signal: Signal) -> io::Result<()> {
    let id = i32::try_from(id).map_err(io::Error::other)?;
    kill(Pid::from_raw(id), signal).map_err(io::Error::from)
}

/// CPU time that process `id` has used, user and system, all threads, seconds.
pub fn cpu_s(id: u32) -> io::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    ticks(&text)
        .map(|ticks| ticks / TICKS_PER_S)
        .ok_or_else(|| io::Error::other(format!("/proc/{id}/stat has another shape")))
}

/// CPU time of process `id`, of its children, and of those children of it that have ended, s.
pub fn family_cpu_s(id: u32) -> io::Result<f64> {
    let mut total = 0.0;
    for entry in std::fs::read_dir("/proc")? {
        let Some(other) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended in this moment.
        let Ok(text) = std::fs::read_to_string(format!("/proc/{other}/stat")) else { continue };
        let Some(rest) = text.rsplit_once(')').map(|(_, rest)| rest) else { continue };
        let field = |n: usize| rest.split_whitespace().nth(n).and_then(|field| field.parse::<f64>().ok());
        if other == id {
            // Fields 16 and 17: of children that were waited for.
            total += field(13).unwrap_or(0.0) + field(14).unwrap_or(0.0);
        }
        if other == id || field(1) == Some(f64::from(id)) {
            total += ticks(&text).unwrap_or(0.0);
        }
    }
    Ok(total / TICKS_PER_S)
}

/// utime + stime: fields 14 and 15 of proc(5), counted after the name, which may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_fields_14_and_15_whatever_the_name() {
        let stat = "7 (a) b (c) S 4 5 6 7 8 9 10 11 12 13 140 15 16 17";
        assert_eq!(ticks(stat), Some(155.0));
        assert_eq!(ticks("7 (a) S 4"), None);
    }

    #[test]
    fn this_process_has_memory() {
        let memory = memory(std::process::id()).expect("Linux");
        assert!(memory.rss_mb > 0.5 && memory.pss_mb <= memory.rss_mb, "{memory:?}");
        assert!(highest_mb(std::process::id()).expect("Linux") >= memory.pss_mb);
    }
}
