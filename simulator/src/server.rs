//! Modbus TCP, the answering side.
//!
//! Written by hand instead of on tokio-modbus's server: a store that can be broken on demand must be
//! able to answer with the wrong length, and a unit nobody has must stay silent, as it does on the
//! serial line behind a real gateway. The header is seven bytes; the framing is all there is.

use crate::{
    config::{Bus, Unit},
    fault::Kind,
    unit,
    wire::Counts,
    world::World,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use storewarden_drivers::modbus::serial::Serial;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Connections at a time on a bus that sets no limit; one more waits until another ends.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection beyond a bus's limit may last, should the one before it be about to go: a
/// master that has closed one and opens the next is not turned away.
const GRACE: Duration = Duration::from_millis(20);
/// Longest protocol data unit, bytes (Modbus application protocol, section 4.1).
const PDU_MAX: usize = 253;
/// How long a gateway waits on its line for a unit that is silent.
const GATEWAY_WAIT: Duration = Duration::from_secs(1);
/// Late answers on their way in one connection; one more is lost.
const LATE_MAX: usize = 64;

/// What the connections of one bus share.
#[derive(Debug)]
pub struct Shared {
    /// Who answers.
    pub bus: Arc<Bus>,
    /// Their equipment.
    pub world: Arc<Mutex<World>>,
    /// What happened so far; only requests and answers are counted here.
    pub counts: Arc<Mutex<Counts>>,
    /// The line behind it, if it is a gateway that has one: held while a request is on it.
    pub line: Option<(Serial, tokio::sync::Mutex<()>)>,
}

/// Answers on `listener` until `stop`. Beyond `max_connections` one more is closed at once.
pub async fn serve(
    listener: TcpListener,
    shared: Shared,
    max_connections: Option<usize>,
    stop: CancellationToken,
) {
    let shared = Arc::new(shared);
    let slots = Arc::new(Semaphore::new(max_connections.unwrap_or(CONNECTIONS_MAX)));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(&listener, &slots, max_connections.is_some()) => accepted,
        };
        let (stream, slot) = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => continue,
            Err(error) => {
                // Out of file descriptors, mostly; it passes when others close.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = stop.cancelled() => {}
                ended = converse(stream, &shared) => if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
            }
        });
    }
}

/// The next connection that has a slot; none if it was turned away.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    turns_away: bool,
) -> io::Result<Option<(TcpStream, OwnedSemaphorePermit)>> {
    let slot = || Arc::clone(slots).acquire_owned();
    if turns_away {
        let (stream, _) = listener.accept().await?;
        let slot = timeout(GRACE, slot()).await;
        return Ok(slot.ok().and_then(Result::ok).map(|slot| (stream, slot)));
    }
    let slot = slot().await.map_err(io::Error::other)?;
    Ok(Some((listener.accept().await?.0, slot)))
}

/// One request.
struct Request {
    transaction: [u8; 2],
    number: u8,
    pdu: Vec<u8>,
}

/// Takes the first whole request out of what was received; none if there is none yet.
fn take(received: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let wrong = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let Some(header) = received.first_chunk::<7>() else { return Ok(None) };
    let [transaction_high, transaction_low, 0, 0, high, low, number] = *header else {
        return wrong("not Modbus: protocol is not 0");
    };
    // The length counts the unit identifier too.
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !(2..=PDU_MAX + 1).contains(&length) {
        return wrong("not Modbus: impossible length");
    }
    if received.len() < 6 + length {
        return Ok(None);
    }
    let pdu = received[7..6 + length].to_vec();
    received.drain(..6 + length);
    Ok(Some(Request { transaction: [transaction_high, transaction_low], number, pdu }))
}

async fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    let mut late: Vec<(Instant, Vec<u8>)> = Vec::new();
    loop {
        let next = late.iter().map(|(at, _)| *at).min();
        tokio::select! {
            read = stream.read_buf(&mut received) => if read? == 0 { return Ok(()) },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let now = Instant::now();
                for (_, frame) in late.extract_if(.., |(at, _)| *at <= now) {
                    stream.write_all(&frame).await?;
                }
            }
        }
        while let Some(request) = take(&mut received)? {
            let Some(answer) = shared.ask(&request).await else { continue };
            let is_wrong = answer.struck.has(Kind::WrongUnit);
            let number =
                if is_wrong { unit::another(&shared.bus.units, request.number) } else { request.number };
            let length = u16::try_from(answer.pdu.len() + 1).map_err(io::Error::other)?;
            let [high, low] = length.to_be_bytes();
            let [transaction_high, transaction_low] = request.transaction;
            let header = [transaction_high, transaction_low, 0, 0, high, low, number];
            let frame = [&header, &answer.pdu[..]].concat();
            if answer.struck.has(Kind::Reset) {
                stream.write_all(&frame[..frame.len() / 2]).await?;
                // Closing says "reset" then, not "end".
                return stream.set_zero_linger();
            }
            if let Some(delay) = answer.struck.delay(Kind::Late) {
                if late.len() < LATE_MAX {
                    late.push((Instant::now() + delay, frame));
                }
            } else if let Some(delay) = answer.struck.delay(Kind::Slow) {
                for byte in frame {
                    stream.write_all(&[byte]).await?;
                    sleep(delay).await;
                }
            } else {
                stream.write_all(&frame).await?;
            }
        }
    }
}

impl Shared {
    /// The answer to `request`, in the time that the line takes, if there is one.
    async fn ask(&self, request: &Request) -> Option<unit::Answer> {
        self.count(|counts| counts.requests += 1);
        let unit = self.bus.units.iter().find(|unit| unit.number == request.number);
        let ask = |unit: &Unit| {
            unit::answer(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner), unit, &request.pdu)
        };
        let answer = match &self.line {
            None => unit.and_then(ask),
            Some((serial, line)) => {
                let _held = line.lock().await;
                // On the line a frame has an address in front and two bytes of check sum behind.
                let characters =
                    |pdu: &[u8]| serial.characters(u32::try_from(pdu.len() + 3).unwrap_or(u32::MAX));
                let asked = Instant::now() + characters(&request.pdu);
                sleep_until(asked + serial.t3_5()).await;
                let answer = unit.and_then(ask);
                let taken = match (&answer, unit) {
                    (Some(answer), Some(unit)) => {
                        serial.t3_5().max(unit.turnaround) + characters(&answer.pdu)
                    }
                    _ => GATEWAY_WAIT,
                };
                // The silence that ends a frame belongs to it.
                sleep_until(asked + taken + serial.t3_5()).await;
                answer
            }
        };
        self.count(|counts| counts.answers += u64::from(answer.is_some()));
        answer
    }

    fn count(&self, add: impl Fn(&mut Counts)) {
        add(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
