//! A line to a broker that can be spoilt: a TCP proxy.

use super::{packets::Packets, plan::Weather};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// Bytes carried in one piece; a slow line waits once for each.
const PIECE_BYTES: usize = 4096;

/// The weather, and how often something was swallowed before it: a connection of an earlier count has
/// a hole.
#[derive(Clone, Copy, Debug, Default)]
struct Sky {
    weather: Weather,
    holes: u64,
}

/// A line that listens on a port of its own; gone when dropped.
pub struct Proxy {
    port: u16,
    sky: watch::Sender<Sky>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A line to `broker`, a port of the loopback address, in fair weather.
    pub async fn open(broker: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (sky, seen) = watch::channel(Sky::default());
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                tokio::spawn(carry(client, broker, seen.clone()));
            }
        });
        Ok(Self { port, sky, task })
    }

    /// Where clients come in.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather. Connections that swallowed something end with it: what is missing in the
    /// middle of a stream can only be mended by a new one.
    pub fn turn(&self, weather: Weather) {
        self.sky.send_modify(|sky| {
            sky.holes += u64::from(matches!(sky.weather, Weather::HalfOpen | Weather::Deaf));
            sky.weather = weather;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection from its begin to its end.
async fn carry(client: TcpStream, broker: u16, mut sky: watch::Receiver<Sky>) {
    let holes = sky.borrow().holes;
    // A broker that is dead refuses, and so does its line.
    let Ok(server) = TcpStream::connect(("127.0.0.1", broker)).await else { return };
    // An acknowledgement of the other side must not wait for the next piece.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (upward, downward) = (sky.clone(), sky.clone());
    let is_over = |sky: &Sky| sky.weather == Weather::Cut || sky.holes != holes;
    tokio::select! {
        biased;
        _ = sky.wait_for(is_over) => {}
        () = pump(from_client, to_server, upward, is_over, false) => {}
        () = pump(from_server, to_client, downward, is_over, true) => {}
    }
}

/// Carries one direction until it ends.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    sky: watch::Receiver<Sky>,
    is_over: impl Fn(&Sky) -> bool,
    from_broker: bool,
) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut packets = Packets::default();
    loop {
        let length = match from.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let now = *sky.borrow();
        if is_over(&now) {
            return;
        }
        match now.weather {
            Weather::HalfOpen => continue,
            Weather::Deaf if from_broker => continue,
            Weather::Slow { late_ms, bytes_per_s } => {
                let bytes = u64::try_from(length).unwrap_or(u64::MAX);
                let wait_ms = late_ms + bytes.saturating_mul(1000) / bytes_per_s.max(1);
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            }
            Weather::Fair | Weather::Deaf | Weather::Twice | Weather::Cut => {}
        }
        let delivered = packets.carry(&piece[..length], now.weather == Weather::Twice);
        if to.write_all(&delivered).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy before a server that echoes, and a connection through it.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("listens");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::open(port).await.expect("opens");
        let stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("connects");
        (proxy, stream)
    }

    async fn say(stream: &mut TcpStream) -> Option<[u8; 4]> {
        let mut heard = [0; 4];
        stream.write_all(b"ping").await.ok()?;
        stream.read_exact(&mut heard).await.ok()?;
        Some(heard)
    }

    #[tokio::test]
    async fn fair_and_slow_carry_and_a_cut_ends() {
        let (proxy, mut stream) = echo().await;
        assert_eq!(say(&mut stream).await, Some(*b"ping"));
        proxy.turn(Weather::Slow { late_ms: 5, bytes_per_s: 1_000_000 });
        assert_eq!(say(&mut stream).await, Some(*b"ping"));
        proxy.turn(Weather::Cut);
        assert_eq!(say(&mut stream).await, None);
    }

    #[tokio::test]
    async fn a_publish_goes_up_twice_and_comes_down_four_times() {
        let (proxy, mut stream) = echo().await;
        proxy.turn(Weather::Twice);
        stream.write_all(&[0x32, 2, 1, 2]).await.expect("writes");
        let mut heard = [0; 16];
        stream.read_exact(&mut heard).await.expect("reads");
        assert_eq!(heard.chunks(4).map(|packet| packet[0]).collect::<Vec<_>>(), [0x32, 0x3A, 0x3A, 0x3A]);
    }

    #[tokio::test]
    async fn what_swallows_answers_nothing_and_ends_with_its_weather() {
        for weather in [Weather::HalfOpen, Weather::Deaf] {
            let (proxy, mut stream) = echo().await;
            assert_eq!(say(&mut stream).await, Some(*b"ping"));
            proxy.turn(weather);
            stream.write_all(b"ping").await.expect("it accepts");
            // The end of the weather is the only thing that can be heard.
            let heard = tokio::spawn(async move { stream.read_exact(&mut [0; 1]).await.is_ok() });
            tokio::task::yield_now().await;
            proxy.turn(Weather::Fair);
            assert!(!heard.await.expect("runs"), "{weather:?}");
        }
    }
}
