//! Modbus TCP, the answering side.
//!
//! Written by hand instead of on tokio-modbus's server: a store that can be broken on demand must be
//! able to answer with the wrong length, and a unit nobody has must stay silent, as it does on the
//! serial line behind a real gateway. The header is seven bytes; the framing is all there is.

use crate::{config::Bus, unit, world::World};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

/// Connections at a time on one bus; one more waits until another ends.
const CONNECTIONS_MAX: usize = 32;
/// Longest protocol data unit, bytes (Modbus application protocol, section 4.1).
const PDU_MAX: usize = 253;

/// Answers on `listener` until `stop`.
pub async fn serve(listener: TcpListener, bus: Arc<Bus>, world: Arc<Mutex<World>>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly; it passes when others close.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (bus, world, stop) = (Arc::clone(&bus), Arc::clone(&world), stop.clone());
        tokio::spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = stop.cancelled() => {}
                ended = converse(stream, &bus, &world) => if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
            }
        });
    }
}

async fn converse(mut stream: TcpStream, bus: &Bus, world: &Mutex<World>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut header = [0; 7];
        match stream.read_exact(&mut header).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        };
        let [transaction_high, transaction_low, 0, 0, high, low, number] = header else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not Modbus: protocol is not 0"));
        };
        // The length counts the unit identifier too.
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(2..=PDU_MAX + 1).contains(&length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not Modbus: impossible length"));
        }
        let mut pdu = vec![0; length - 1];
        stream.read_exact(&mut pdu).await?;
        let answer = bus.units.iter().find(|unit| unit.number == number).and_then(|unit| {
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            unit::answer(&mut world, unit, &pdu)
        });
        let Some(answer) = answer else { continue };
        let length = u16::try_from(answer.len() + 1)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "answer too long"))?;
        let [high, low] = length.to_be_bytes();
        let header = [transaction_high, transaction_low, 0, 0, high, low, number];
        stream.write_all(&[&header, &answer[..]].concat()).await?;
    }
}
