//! Devices that answer any read of holding registers at once.

use std::future::{Ready, ready};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI16, Ordering};
use tokio::net::TcpListener;
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
}

/// Values of a freezer, −22.0 to −20.0 °C in tenths; each answer differs from the one before.
#[derive(Default)]
struct Registers {
    answers: AtomicI16,
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
        let value = -220 + self.answers.fetch_add(1, Ordering::Relaxed).rem_euclid(20);
        ready(Ok(Response::ReadHoldingRegisters(vec![value.cast_unsigned(); usize::from(count)])))
    }
}

/// Serves until killed.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let mut addresses = Vec::new();
    let mut serving = tokio::task::JoinSet::new();
    for _ in 0..arguments.count {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.push(listener.local_addr()?.to_string());
        serving.spawn(async move {
            let connected = |stream: tokio::net::TcpStream, address| async move {
                stream.set_nodelay(true)?;
                accept_tcp_connection(stream, address, |_| Ok(Some(Registers::default())))
            };
            // A connection that breaks is the other side's end, not ours.
            Server::new(listener).serve(&connected, |_| {}).await
        });
    }
    let part = arguments.ready.with_extension("part");
    std::fs::write(&part, serde_json::json!({ "addresses": addresses }).to_string())?;
    std::fs::rename(&part, &arguments.ready)?;
    match serving.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}
