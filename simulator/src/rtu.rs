//! The answering side of a serial line: the thread that brings [`Wire`]'s times to a pseudo terminal or
//! a TCP connection.
//!
//! A thread of its own with blocking calls: the runtime's timers go in whole milliseconds, a character
//! at 115200 baud takes 0.09. Every wait is until a moment, never for a span, so that nothing adds up.

use crate::{
    config::{Bus, Unit},
    fault::Kind,
    frame,
    unit::{self, Answer},
    wire::{Counts, Frame, Wire},
    world::World,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::{Errno, ioctl_fionbio, read, write},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt},
    termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr},
    thread::set_current_timer_slack,
};
use std::{
    io,
    net::{TcpListener, TcpStream},
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use storewarden_drivers::modbus::serial::Serial;
use tokio_util::sync::CancellationToken;

/// Longest wait before the next look at whether to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Wait between two looks at a terminal that nobody has open: the kernel does not tell when that ends.
const ABSENT: Duration = Duration::from_millis(1);
/// How much the kernel may delay the end of a wait, ns. Its default is 50 µs.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;
/// What a transmitter takes in one go, bytes: one frame.
const TAKEN_MAX: usize = 256;

/// Where the master's bytes come in and go out.
#[derive(Debug)]
pub enum Door {
    /// A pseudo terminal.
    Pty(Pty),
    /// A listener and the one connection there is.
    Tcp(TcpListener, Option<TcpStream>),
}

/// A pseudo terminal under a link of its own, which goes with it.
#[derive(Debug)]
pub struct Pty {
    controller: OwnedFd,
    link: PathBuf,
    baud: u32,
    /// Whether nobody has the other side open.
    absent: bool,
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.link);
    }
}

const PTY_FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);

impl Pty {
    /// Opens one and links `link` to it. A link that is there gives way; anything else does not.
    pub fn open(link: &Path, baud: u32) -> io::Result<Self> {
        let controller = openpt(PTY_FLAGS)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        ioctl_fionbio(&controller, true)?;
        let peer = ioctl_tiocgptpeer(&controller, PTY_FLAGS)?;
        let mut settings = tcgetattr(&peer)?;
        settings.make_raw();
        settings.set_speed(baud)?;
        tcsetattr(&peer, OptionalActions::Now, &settings)?;
        let name = ptsname(&controller, Vec::new())?.into_string().map_err(io::Error::other)?;
        if link.is_symlink() {
            std::fs::remove_file(link)?;
        }
        std::os::unix::fs::symlink(name, link)?;
        Ok(Self { controller, link: link.to_owned(), baud, absent: false })
    }

    /// Whether the other side is set to a speed that is not the line's. Parity cannot be told: the
    /// kernel keeps none for a pseudo terminal.
    fn is_other_speed(&self) -> bool {
        tcgetattr(&self.controller).is_ok_and(|settings| settings.output_speed() != self.baud)
    }

    /// Notes whether somebody has the other side open. What was not read is gone when it is closed, as
    /// it is at a real port.
    fn note(&mut self, absent: bool) {
        if absent
            && !std::mem::replace(&mut self.absent, absent)
            && let Ok(peer) = ioctl_tiocgptpeer(&self.controller, PTY_FLAGS)
        {
            let _ = tcflush(&peer, QueueSelector::IFlush);
        }
        self.absent = absent;
    }
}

impl Door {
    /// Waits until `span` has passed or, if it `listens`, something may have come.
    fn wait(&mut self, span: Duration, listens: bool) -> io::Result<()> {
        let wanted = if listens { PollFlags::IN } else { PollFlags::empty() };
        let timeout = Timespec::try_from(span).map_err(io::Error::other)?;
        let ended = match self {
            Self::Pty(pty) => {
                let mut fds = [PollFd::new(&pty.controller, wanted)];
                let ended = poll(&mut fds, Some(&timeout));
                let events = fds[0].revents();
                let absent = events.contains(PollFlags::HUP) && !events.contains(PollFlags::IN);
                pty.note(absent);
                if absent {
                    std::thread::sleep(span.min(ABSENT));
                }
                ended
            }
            Self::Tcp(listener, stream) => {
                let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
                // A closed connection is ready for ever; it is not looked at before it may be read.
                fds.extend(stream.as_ref().filter(|_| listens).map(|stream| PollFd::new(stream, wanted)));
                poll(&mut fds, Some(&timeout))
            }
        };
        match ended {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What has come; nothing if nothing has.
    fn take<'a>(&mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        let count = match self {
            Self::Pty(pty) => read(&pty.controller, &mut *buffer).unwrap_or(0),
            Self::Tcp(_, connection) => {
                let taken = connection.as_ref().map(|stream| read(stream, &mut *buffer));
                match taken {
                    None | Some(Err(Errno::AGAIN | Errno::INTR)) => 0,
                    Some(Ok(0) | Err(_)) => {
                        *connection = None;
                        0
                    }
                    Some(Ok(count)) => count,
                }
            }
        };
        &buffer[..count]
    }

    /// Lets a master in, or turns it away while there is another.
    fn let_in(&mut self) {
        let Self::Tcp(listener, connection) = self else { return };
        while let Ok((stream, _)) = listener.accept() {
            let is_set = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
            if connection.is_none() && is_set.is_ok() {
                *connection = Some(stream);
            }
        }
    }

    /// Hands `bytes` to the master. If it does not read them they are lost, as in any receiver.
    fn give(&self, bytes: &[u8]) {
        let given = match self {
            Self::Pty(pty) if pty.absent => return,
            Self::Pty(pty) => write(&pty.controller, bytes),
            Self::Tcp(_, Some(stream)) => write(stream, bytes),
            Self::Tcp(_, None) => return,
        };
        if given != Ok(bytes.len()) {
            tracing::debug!(?given, count = bytes.len(), "the master did not take all");
        }
    }

    /// Whether a gateway sends for the master, who cannot know when the line fell silent.
    fn keeps_silence(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }

    fn is_other_speed(&self) -> bool {
        matches!(self, Self::Pty(pty) if pty.is_other_speed())
    }
}

/// Answers on the line behind `door` until `stop`; keeps `counts` up to date.
pub fn serve(
    mut door: Door,
    serial: Serial,
    bus: &Bus,
    world: &Mutex<World>,
    counts: &Mutex<Counts>,
    stop: &CancellationToken,
) -> io::Result<()> {
    set_current_timer_slack(Some(TIMER_SLACK_NS))?;
    let start = Instant::now();
    let mut wire = Wire::new(serial);
    let mut buffer = [0; TAKEN_MAX];
    while !stop.is_cancelled() {
        let now = start.elapsed();
        let wake = wire.next().map_or(now + LOOK, |next| next.min(now + LOOK));
        // A transmitter that is a frame behind takes no more.
        let listens = wire.master_busy_until() <= now + serial.characters(256);
        door.wait(wake.saturating_sub(now), listens)?;
        let now = start.elapsed();
        let arrived = wire.deliver(now);
        if !arrived.is_empty() {
            door.give(&arrived);
        }
        if listens {
            let bytes = door.take(&mut buffer);
            if !bytes.is_empty() {
                let world = world.lock().unwrap_or_else(PoisonError::into_inner);
                let echoes = bus.units.iter().any(|unit| world.devices()[unit.device].line.has(Kind::Echo));
                drop(world);
                let at = if door.keeps_silence() { wire.after_silence(now) } else { now };
                wire.send(at, bytes, echoes, door.is_other_speed());
            }
        }
        door.let_in();
        while let Some(frame) = wire.frame(now) {
            hear(&mut wire, serial, &frame, bus, world);
        }
        *counts.lock().unwrap_or_else(PoisonError::into_inner) = wire.counts;
    }
    Ok(())
}

/// Every unit hears `frame`; the one it is for answers.
fn hear(wire: &mut Wire, serial: Serial, frame: &Frame, bus: &Bus, world: &Mutex<World>) {
    let Some((number, pdu)) = frame::open(&frame.bytes) else {
        wire.counts.unintelligible += 1;
        return;
    };
    let ask = |unit: &Unit| -> Option<Answer> {
        unit::answer(&mut world.lock().unwrap_or_else(PoisonError::into_inner), unit, pdu)
    };
    if number == 0 {
        // To all: everybody obeys, nobody answers.
        bus.units.iter().for_each(|unit| drop(ask(unit)));
        return;
    }
    let Some(unit) = bus.units.iter().find(|unit| unit.number == number) else { return };
    let Some(mut answer) = ask(unit) else { return };
    let late = answer.struck.delay(Kind::Late).unwrap_or_default();
    let is_wrong = answer.struck.has(Kind::WrongUnit);
    let number = if is_wrong { unit::another(&bus.units, number) } else { number };
    let begin = frame.end + serial.t3_5().max(unit.turnaround) + late;
    wire.answer(begin, &frame::seal(number, &mut answer));
}
