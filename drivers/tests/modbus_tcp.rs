//! The Modbus TCP task against a peer that speaks bytes.
//!
//! Request and response bodies in `the_published_examples…` are the examples of "MODBUS Application
//! Protocol Specification V1.1b3", sections 6.1 to 6.6 and 6.12; the seven bytes before them follow
//! the MBAP header of "MODBUS Messaging on TCP/IP Implementation Guide V1.0b".
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod parties;

use parties::{Agent, NEVER, PATIENCE, device, good, point, profile};
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::modbus::command::CommandError;
use storewarden_drivers::modbus::device::BusDevice;
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::profile::Profile;
use storewarden_rules::{BadReason, Millis, Sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

fn three_registers() -> Arc<Profile> {
    profile(&(107..110).map(|address| point(3, address, "u16", "")).collect::<String>())
}

async fn start(devices: Vec<BusDevice>) -> (TcpListener, Agent) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, Agent::start(Transport::Tcp { address }, devices))
}

/// One connection, seen from the device's side.
struct Peer {
    stream: TcpStream,
    transaction: [u8; 2],
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.expect("it connects").unwrap();
        Self { stream, transaction: [0; 2] }
    }

    /// Unit and body of the next request; none when the other side has closed.
    async fn asked(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 7];
        timeout(PATIENCE, self.stream.read_exact(&mut header)).await.expect("it asks or closes").ok()?;
        let [t1, t2, p1, p2, l1, l2, unit] = header;
        assert_eq!([p1, p2], [0, 0], "the protocol of Modbus");
        self.transaction = [t1, t2];
        let mut body = vec![0; usize::from(u16::from_be_bytes([l1, l2])) - 1];
        self.stream.read_exact(&mut body).await.unwrap();
        Some((unit, body))
    }

    async fn expect(&mut self, unit: u8, body: &[u8]) {
        assert_eq!(self.asked().await, Some((unit, body.to_vec())));
    }

    /// Answers until the other side closes: the poll with `ok`, the shortest read, which asks for a sign
    /// of life, with its first register.
    async fn serve(&mut self, ok: &[u8]) {
        while let Some((_, body)) = self.asked().await {
            let first = [ok[0], 2, ok[2], ok[3]];
            self.answer(1, if body[4] == 1 { &first } else { ok }).await;
        }
    }

    async fn answer(&mut self, unit: u8, body: &[u8]) {
        let length = u16::try_from(body.len() + 1).unwrap().to_be_bytes();
        let header = [self.transaction[0], self.transaction[1], 0, 0, length[0], length[1], unit];
        self.stream.write_all(&[&header, body].concat()).await.unwrap();
    }
}

#[tokio::test]
async fn the_published_examples_of_reads_are_asked_and_understood() {
    let coils: String = (0x13..0x13 + 19).map(|address| point(1, address, "bool", "")).collect();
    let inputs: String = (0xC4..0xC4 + 22).map(|address| point(2, address, "bool", "")).collect();
    let registers: String = (0x6B..0x6E).map(|address| point(3, address, "u16", "")).collect();
    let all = profile(&format!("{coils}{inputs}{registers}{}", point(4, 8, "u16", "")));
    let (listener, mut agent) = start(vec![device(0x11, &all, 0, NEVER)]).await;
    let mut peer = Peer::accept(&listener).await;

    peer.expect(0x11, &[0x01, 0x00, 0x13, 0x00, 0x13]).await;
    peer.answer(0x11, &[0x01, 0x03, 0xCD, 0x6B, 0x05]).await;
    let states = [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1].map(f64::from);
    assert_eq!(agent.samples().await, good(&states));

    peer.expect(0x11, &[0x02, 0x00, 0xC4, 0x00, 0x16]).await;
    peer.answer(0x11, &[0x02, 0x03, 0xAC, 0xDB, 0x35]).await;
    let states = [0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1].map(f64::from);
    assert_eq!(agent.samples().await, good(&states));

    peer.expect(0x11, &[0x03, 0x00, 0x6B, 0x00, 0x03]).await;
    peer.answer(0x11, &[0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]).await;
    assert_eq!(agent.samples().await, good(&[555.0, 0.0, 100.0]));

    peer.expect(0x11, &[0x04, 0x00, 0x08, 0x00, 0x01]).await;
    peer.answer(0x11, &[0x04, 0x02, 0x00, 0x0A]).await;
    assert_eq!(agent.samples().await, good(&[10.0]));
}

#[tokio::test]
async fn the_published_examples_of_writes_are_sent_and_their_echo_is_checked() {
    let coil = point(1, 0xAC, "bool", "write={function=5, range=[0, 1]}");
    let register = point(3, 1, "u16", "write={function=6, range=[0, 10]}");
    // The two registers of the example, 000A 0102, as one number.
    let pair = point(4, 9, "u16", "") + &point(3, 1, "u32", "write={function=16, range=[0, 1e9]}");
    let all = profile(&(coil + &register + &pair.replace("f3_1'", "pair'")));
    let (listener, agent) = start(vec![device(1, &all, 0, NEVER)]).await;
    let mut peer = Peer::accept(&listener).await;
    for _ in 0..3 {
        let (_, body) = peer.asked().await.unwrap();
        peer.answer(1, &[body[0] | 0x80, 4]).await;
    }

    let done = agent.write(0, 1.0).await;
    peer.expect(1, &[0x05, 0x00, 0xAC, 0xFF, 0x00]).await;
    peer.answer(1, &[0x05, 0x00, 0xAC, 0xFF, 0x00]).await;
    peer.expect(1, &[0x01, 0x00, 0xAC, 0x00, 0x01]).await;
    peer.answer(1, &[0x01, 0x01, 0x01]).await;
    assert_eq!(done.await.unwrap(), Ok(()));

    let done = agent.write(1, 3.0).await;
    peer.expect(1, &[0x06, 0x00, 0x01, 0x00, 0x03]).await;
    peer.answer(1, &[0x06, 0x00, 0x01, 0x00, 0x03]).await;
    peer.expect(1, &[0x03, 0x00, 0x01, 0x00, 0x01]).await;
    peer.answer(1, &[0x03, 0x02, 0x00, 0x03]).await;
    assert_eq!(done.await.unwrap(), Ok(()));

    let done = agent.write(3, f64::from(0x000A_0102)).await;
    peer.expect(1, &[0x10, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02]).await;
    peer.answer(1, &[0x10, 0x00, 0x01, 0x00, 0x02]).await;
    peer.expect(1, &[0x03, 0x00, 0x01, 0x00, 0x02]).await;
    peer.answer(1, &[0x03, 0x04, 0x00, 0x0A, 0x01, 0x02]).await;
    assert_eq!(done.await.unwrap(), Ok(()));

    let done = agent.write(1, 4.0).await;
    peer.expect(1, &[0x06, 0x00, 0x01, 0x00, 0x04]).await;
    peer.answer(1, &[0x86, 0x04]).await;
    assert_eq!(done.await.unwrap(), Err(CommandError::Exception(4)));

    let done = agent.write(1, 5.0).await;
    peer.expect(1, &[0x06, 0x00, 0x01, 0x00, 0x05]).await;
    peer.answer(1, &[0x06, 0x00, 0x01, 0x00, 0x04]).await;
    // An echo of something else ends the connection; whether it was done is read on the next one.
    assert_eq!(peer.asked().await, None);
    let mut peer = Peer::accept(&listener).await;
    for _ in 0..3 {
        peer.expect(1, &[0x03, 0x00, 0x01, 0x00, 0x01]).await;
        peer.answer(1, &[0x03, 0x02, 0x00, 0x04]).await;
    }
    assert_eq!(done.await.unwrap(), Err(CommandError::NotTaken { wrote: 5.0, reads: 4.0 }));
}

#[tokio::test]
async fn an_exception_is_named_and_the_connection_stays() {
    let (listener, mut agent) = start(vec![device(1, &three_registers(), 0, Millis(50))]).await;
    let mut peer = Peer::accept(&listener).await;
    peer.asked().await.unwrap();
    peer.answer(1, &[0x83, 0x04]).await;
    assert_eq!(agent.samples().await, [Sample::Bad(BadReason::Exception(4)); 3]);
    assert!(peer.asked().await.is_some(), "asked again on the same connection");
}

#[tokio::test]
async fn what_is_no_answer_is_garbled_and_ends_the_connection() {
    let ok = [0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64];
    for fault in ["unit", "transaction", "function", "short", "long", "torn", "protocol"] {
        let (listener, mut agent) = start(vec![device(1, &three_registers(), 0, Millis(50))]).await;
        {
            let mut peer = Peer::accept(&listener).await;
            assert!(peer.asked().await.is_some(), "{fault}");
            match fault {
                "unit" => peer.answer(2, &ok).await,
                "transaction" => {
                    peer.transaction[1] ^= 1;
                    peer.answer(1, &ok).await;
                }
                "function" => peer.answer(1, &[0x04, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]).await,
                "short" => peer.answer(1, &[0x03, 0x04, 0x02, 0x2B, 0x00, 0x00]).await,
                "long" => peer.answer(1, &[0x03, 0x08, 0x02, 0x2B, 0, 0, 0, 0x64, 0, 0]).await,
                "torn" => peer.answer(1, &ok[..5]).await,
                _ => {
                    let [t1, t2] = peer.transaction;
                    peer.stream.write_all(&[t1, t2, 0xDE, 0xAD, 0, 3, 1, 3, 0]).await.unwrap();
                }
            }
            assert_eq!(peer.asked().await, None, "{fault}: closed");
        }
        assert_eq!(agent.samples().await, [Sample::Bad(BadReason::Garbled); 3], "{fault}");
        let serve = async { Peer::accept(&listener).await.serve(&ok).await };
        let works_again = async { while agent.samples().await != good(&[555.0, 0.0, 100.0]) {} };
        tokio::select! {
            () = serve => panic!("{fault}: closed for nothing"),
            () = works_again => {}
        }
    }
}

#[tokio::test]
async fn noise_is_waited_for_no_longer_than_an_answer() {
    let (listener, mut agent) = start(vec![device(1, &three_registers(), 0, Millis(50))]).await;
    for _ in 0..2 {
        let mut peer = Peer::accept(&listener).await;
        peer.asked().await.unwrap();
        // It begins like a frame of 65,535 bytes.
        peer.stream.write_all(&[0xFF; 32]).await.unwrap();
        assert_eq!(peer.asked().await, None, "closed");
    }
    assert_eq!(agent.samples().await, [Sample::Bad(BadReason::NoResponse); 3]);
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_next_request() {
    let (listener, mut agent) = start(vec![device(1, &three_registers(), 0, Millis(100))]).await;
    let mut late = Peer::accept(&listener).await;
    late.asked().await.unwrap();
    // The time-out passes, and it is asked again.
    let mut fresh = Peer::accept(&listener).await;
    // Whether or not the old connection still takes it.
    let stale = [late.transaction[0], late.transaction[1], 0, 0, 0, 9, 1, 3, 6, 0, 1, 0, 1, 0, 1];
    let _ = late.stream.write_all(&stale).await;
    let answer = fresh.serve(&[0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]);
    let seen = async {
        loop {
            let samples = agent.samples().await;
            if samples != [Sample::Bad(BadReason::NoResponse); 3] {
                return samples;
            }
        }
    };
    tokio::select! {
        () = answer => panic!("closed for nothing"),
        samples = seen => assert_eq!(samples, good(&[555.0, 0.0, 100.0])),
    }
}

#[tokio::test]
async fn a_dead_unit_does_not_slow_its_neighbour() {
    let registers = three_registers();
    let devices = vec![device(1, &registers, 0, Millis(50)), device(2, &registers, 10, Millis(50))];
    let (listener, mut agent) = start(devices).await;
    tokio::spawn(async move {
        loop {
            let mut peer = Peer::accept(&listener).await;
            while let Some((unit, _)) = peer.asked().await {
                if unit == 2 {
                    peer.answer(2, &[0x03, 0x06, 0, 1, 0, 2, 0, 3]).await;
                }
            }
        }
    });
    let (mut dead, mut alive) = (0, 0);
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let batch = timeout(PATIENCE, agent.readings.recv()).await.unwrap().unwrap();
        for reading in batch {
            match reading.point.0 {
                0..10 => {
                    assert_eq!(reading.sample, Sample::Bad(BadReason::NoResponse));
                    dead += 1;
                }
                _ => {
                    assert!(matches!(reading.sample, Sample::Good(_)));
                    alive += 1;
                }
            }
        }
    }
    // 3 s hold 60 polls of 3 points; two probes of 300 ms fall into them. Were the dead unit asked
    // at every poll, the neighbour would get no more than 10.
    assert!(alive > 3 * 20, "{alive} readings of the neighbour");
    assert!(dead > 3 * 20, "{dead} bad readings of the dead unit");
}

#[tokio::test]
async fn a_lost_connection_is_bad_readings_until_it_is_back() {
    let (listener, mut agent) = start(vec![device(1, &three_registers(), 0, Millis(50))]).await;
    let address = listener.local_addr().unwrap();
    let mut peer = Peer::accept(&listener).await;
    peer.asked().await.unwrap();
    drop((peer, listener));
    for _ in 0..4 {
        assert_eq!(agent.samples().await, [Sample::Bad(BadReason::NoResponse); 3]);
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let drain = async { while agent.samples().await == [Sample::Bad(BadReason::NoResponse); 3] {} };
    let serve = async {
        let mut peer = Peer::accept(&listener).await;
        peer.asked().await.unwrap();
        peer.answer(1, &[0x03, 0x06, 0, 1, 0, 2, 0, 3]).await;
    };
    tokio::join!(drain, serve);
    agent.stop.cancel();
    let closed = async { while agent.readings.recv().await.is_some() {} };
    timeout(PATIENCE, closed).await.expect("stops when told");
}

#[tokio::test]
async fn a_gateway_that_closes_idle_connections_costs_no_reading() {
    let (listener, mut agent) = start(vec![device(1, &three_registers(), 0, Millis(100))]).await;
    let peers = tokio::spawn(async move {
        loop {
            let mut peer = Peer::accept(&listener).await;
            // One answer, and the connection is closed before the next poll.
            if peer.asked().await.is_some() {
                peer.answer(1, &[0x03, 0x06, 0, 1, 0, 2, 0, 3]).await;
            }
        }
    });
    for poll in 0..5 {
        let samples = agent.samples().await;
        assert!(samples.iter().all(|sample| matches!(sample, Sample::Good(_))), "poll {poll}: {samples:?}");
    }
    peers.abort();
}
