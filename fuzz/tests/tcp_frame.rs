//! A TCP peer may send any bytes: an answer is believed only if the first frame carries the number, unit,
//! function and length that it must have.

#![allow(clippy::unwrap_used, reason = "a target without a socket has failed")]

mod requests;

use requests::{Seed, grant, is_answer, request, says};
use std::time::Duration;
use storewarden_drivers::modbus::request::{LinkAfter, Outcome, Request};
use storewarden_drivers::modbus::tcp::TcpLine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Only a hang reaches it: the peer closes once it has spoken.
const PATIENCE: Duration = Duration::from_secs(20);

/// One exchange: what the peer sent, given the number of the request, and what the line made of it.
async fn exchange(
    listener: &TcpListener,
    unit: u8,
    request: &Request,
    reply: impl FnOnce([u8; 2]) -> Vec<u8>,
) -> ([u8; 2], Vec<u8>, Outcome, LinkAfter) {
    let address = listener.local_addr().unwrap().to_string();
    let (line, accepted) = tokio::join!(TcpLine::open(&address), listener.accept());
    let (mut line, mut peer): (TcpLine, TcpStream) = (line.unwrap(), accepted.unwrap().0);
    let peer = async move {
        let mut header = [0; 6];
        peer.read_exact(&mut header).await.unwrap();
        let [a, b, _, _, high, low] = header;
        let mut rest = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        peer.read_exact(&mut rest).await.unwrap();
        let bytes = reply([a, b]);
        // It may hang up before all is said.
        let _ = peer.write_all(&bytes).await;
        ([a, b], bytes)
    };
    let ((number, bytes), (outcome, link)) = tokio::join!(peer, line.ask(unit, request, PATIENCE));
    (number, bytes, outcome, link)
}

fn check(
    unit: u8,
    request: &Request,
    (number, bytes, outcome, link): ([u8; 2], Vec<u8>, Outcome, LinkAfter),
) {
    assert_eq!(link == LinkAfter::Kept, is_answer(&outcome), "a connection is kept after an answer only");
    if !is_answer(&outcome) {
        return;
    }
    let [a, b, 0, 0, high, low, answering, pdu @ ..] = &bytes[..] else {
        panic!("{outcome:?} from {bytes:02x?}")
    };
    assert_eq!(([*a, *b], *answering), (number, unit), "{bytes:02x?}");
    let whole = &pdu[..usize::from(u16::from_be_bytes([*high, *low])) - 1];
    let said = says(request, whole).map(|(outcome, _)| outcome);
    assert_eq!(said, Some(outcome), "{request:?} to {unit}: {bytes:02x?}");
}

fn framed([a, b]: [u8; 2], unit: u8, pdu: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(pdu.len() + 1).unwrap().to_be_bytes();
    [&[a, b, 0, 0, high, low, unit], pdu].concat()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn any_bytes() {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    bolero::check!().with_type::<(u8, Seed, bool, Vec<u8>)>().for_each(|(unit, seed, numbered, bytes)| {
        let request = request(*seed);
        let reply = |number: [u8; 2]| if *numbered { framed(number, *unit, bytes) } else { bytes.clone() };
        check(*unit, &request, runtime.block_on(exchange(&listener, *unit, &request, reply)));
    });
}

#[test]
fn an_answer_that_is_changed_cut_or_anothers() {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    type Reply = (u8, Seed, Vec<u8>, Option<u16>, Option<(u8, u8)>, Option<u8>);
    bolero::check!().with_type::<Reply>().for_each(|(unit, seed, data, other, change, end)| {
        let asked = request(*seed);
        // Of another number of registers or bits, or with another word.
        let granted = grant(&request((seed.0, seed.1, other.unwrap_or(seed.2), seed.3)), data);
        let reply = |number: [u8; 2]| {
            let mut bytes = framed(number, *unit, &granted);
            if let Some((place, bits)) = change {
                let place = usize::from(*place) % bytes.len();
                bytes[place] ^= bits;
            }
            bytes.truncate(end.map_or(bytes.len(), usize::from));
            bytes
        };
        let seen = runtime.block_on(exchange(&listener, *unit, &asked, reply));
        let whole = other.is_none() && framed(seen.0, *unit, &granted) == seen.1;
        assert!(!whole || is_answer(&seen.2), "{asked:?} to {unit}: {:02x?} was not believed", seen.1);
        check(*unit, &asked, seen);
    });
}
