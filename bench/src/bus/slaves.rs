//! Devices that answer any read of holding registers at once, and count what they served.

use std::future::{Ready, ready};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI16, AtomicU64, Ordering};
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response};

/// What the process is told.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where to write the addresses, as JSON.
    #[arg(long)]
    ready: PathBuf,
    /// How many devices.
    #[arg(long)]
    count: u32,
    /// How long a value stays, ms; 0: each answer differs from the one before.
    #[arg(long)]
    step_ms: u64,
}

/// Values of a freezer, −22.0 to −20.0 °C in tenths.
struct Registers {
    step_ms: u64,
    began: Instant,
    answers: AtomicI16,
    /// Registers served by all devices.
    served: Arc<AtomicU64>,
}

impl Registers {
    fn step(&self) -> i16 {
        if self.step_ms == 0 {
            return self.answers.fetch_add(1, Ordering::Relaxed);
        }
        let steps = self.began.elapsed().as_millis() / u128::from(self.step_ms);
        i16::try_from(steps % 20).unwrap_or(0)
    }
}

impl Service for Registers {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let Request::ReadHoldingRegisters(_, count) = request else {
            return ready(Err(ExceptionCode::IllegalFunction));
        };
        self.served.fetch_add(u64::from(count), Ordering::Relaxed);
        let value = -220 + self.step().rem_euclid(20);
        ready(Ok(Response::ReadHoldingRegisters(vec![value.cast_unsigned(); usize::from(count)])))
    }
}

/// Serves until killed.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let mut addresses = Vec::new();
    let mut serving = tokio::task::JoinSet::new();
    let served = Arc::new(AtomicU64::new(0));
    let (step_ms, began) = (arguments.step_ms, Instant::now());
    for _ in 0..arguments.count {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.push(listener.local_addr()?.to_string());
        let served = served.clone();
        serving.spawn(async move {
            let connected = |stream: TcpStream, address| {
                let served = served.clone();
                async move {
                    stream.set_nodelay(true)?;
                    accept_tcp_connection(stream, address, move |_| {
                        let (answers, served) = (AtomicI16::new(0), served.clone());
                        Ok(Some(Registers { step_ms, began, answers, served }))
                    })
                }
            };
            // A connection that breaks is the other side's end, not ours.
            Server::new(listener).serve(&connected, |_| {}).await
        });
    }
    // Who connects here is told how many registers were served.
    let counter = TcpListener::bind("127.0.0.1:0").await?;
    let count = counter.local_addr()?.to_string();
    serving.spawn(async move {
        loop {
            let (mut stream, _) = counter.accept().await?;
            stream.write_all(served.load(Ordering::Relaxed).to_string().as_bytes()).await?;
        }
    });
    let part = arguments.ready.with_extension("part");
    std::fs::write(&part, serde_json::json!({ "addresses": addresses, "count": [count] }).to_string())?;
    std::fs::rename(&part, &arguments.ready)?;
    match serving.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}
