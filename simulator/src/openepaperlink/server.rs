//! The access point's doors: HTTP and a WebSocket, thin loops around [`AccessPoint`].

use super::access_point::{AccessPoint, Config, Output, Reply, Request};
use crate::estation::Fact;
use axum::{
    Form, Router,
    body::{Body, Bytes},
    extract::{
        FromRequest, Multipart, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{Response, StatusCode, header},
    routing::{any, get},
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, broadcast, mpsc},
};
use tokio_util::sync::CancellationToken;

/// Messages kept for a listener that is slow; beyond it the oldest are lost to him.
const SAID_MAX: usize = 256;

/// Something for those who listen: a message, or the end.
#[derive(Clone)]
enum Said {
    Text(String),
    End,
}

#[derive(Clone)]
struct Doors {
    ap: Arc<Mutex<AccessPoint>>,
    said: broadcast::Sender<Said>,
    facts: mpsc::Sender<Fact>,
    /// A request may have changed when there is something to do next.
    changed: Arc<Notify>,
}

impl Doors {
    async fn request(&self, request: &Request) -> Reply {
        let answered = self.ap.lock().unwrap_or_else(PoisonError::into_inner).request(utc_ms(), request);
        let (reply, outputs) = answered;
        self.act(outputs).await;
        self.changed.notify_one();
        reply
    }

    async fn act(&self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                // Nobody listens: nobody minds.
                Output::Say(value) => {
                    let _ = self.said.send(Said::Text(value.to_string()));
                }
                Output::HangUp => {
                    let _ = self.said.send(Said::End);
                }
                Output::Fact(fact) => {
                    let _ = self.facts.send(fact).await;
                }
            }
        }
    }
}

/// Runs the access point of `config` behind `listener` until `stop`; what happens to labels goes to `facts`.
/// Chance is decided by `seed`.
pub async fn run(
    listener: TcpListener,
    config: Config,
    seed: u64,
    facts: mpsc::Sender<Fact>,
    stop: CancellationToken,
) {
    let start_ms = utc_ms();
    let incidents = config.incidents.clone();
    let doors = Doors {
        ap: Arc::new(Mutex::new(AccessPoint::new(config, seed, start_ms))),
        said: broadcast::Sender::new(SAID_MAX),
        facts,
        changed: Arc::default(),
    };
    let router = Router::new()
        .route("/ws", get(upgrade))
        .route("/imgupload", any(upload))
        .fallback(any(other))
        .with_state(doors.clone());
    tokio::select! {
        served = async { axum::serve(listener, router).await } => {
            if let Err(error) = served {
                tracing::error!(%error, "an access point has ended");
            }
        }
        () = pass_time(&doors, start_ms, incidents.into()) => {}
        () = stop.cancelled() => {}
    }
}

async fn pass_time(
    doors: &Doors,
    start_ms: u64,
    mut incidents: std::collections::VecDeque<(u64, super::nature::Incident)>,
) {
    loop {
        let next_ms = doors.ap.lock().unwrap_or_else(PoisonError::into_inner).next_ms();
        let incident_ms = incidents.front().map_or(u64::MAX, |(at_ms, _)| start_ms + at_ms);
        let pause = Duration::from_millis(next_ms.min(incident_ms).saturating_sub(utc_ms()));
        let _ = tokio::time::timeout(pause, doors.changed.notified()).await;
        let now_ms = utc_ms();
        let outputs = {
            let mut ap = doors.ap.lock().unwrap_or_else(PoisonError::into_inner);
            match incidents.pop_front_if(|(at_ms, _)| start_ms + *at_ms <= now_ms) {
                Some((_, incident)) => ap.suffer(now_ms, &incident),
                None => ap.tick(now_ms),
            }
        };
        doors.act(outputs).await;
    }
}

async fn upload(State(doors): State<Doors>, request: axum::extract::Request) -> Response<Body> {
    let mut taken = Request { path: "/imgupload".into(), ..Request::default() };
    let is_form = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if is_form.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
        let Ok(mut form) = Multipart::from_request(request, &()).await else {
            return Response::default();
        };
        while let Ok(Some(field)) = form.next_field().await {
            let (name, is_file) = (field.name().unwrap_or_default().to_owned(), field.file_name().is_some());
            let Ok(bytes) = field.bytes().await else { break };
            if is_file {
                // What comes after the file, the access point has not seen when it needs it.
                taken.file = Some(bytes.to_vec());
                break;
            }
            taken.parameters.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    respond(doors.request(&taken).await)
}

async fn other(State(doors): State<Doors>, request: axum::extract::Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let form = Form::<BTreeMap<String, String>>::from_request(request, &()).await;
    let parameters = form.map(|Form(parameters)| parameters).unwrap_or_default();
    respond(doors.request(&Request { path, parameters, file: None }).await)
}

fn respond(reply: Reply) -> Response<Body> {
    match reply {
        Reply::Answer(status, body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
            response
        }
        Reply::Break => {
            let broken = futures_util::stream::once(async { Err::<Bytes, _>(io::Error::other("broken")) });
            Response::new(Body::from_stream(broken))
        }
    }
}

async fn upgrade(State(doors): State<Doors>, upgrade: WebSocketUpgrade) -> Response<Body> {
    let said = doors.said.subscribe();
    upgrade.on_upgrade(move |line| speak(line, said))
}

async fn speak(mut line: WebSocket, mut said: broadcast::Receiver<Said>) {
    loop {
        let text = tokio::select! {
            said = said.recv() => match said {
                Ok(Said::Text(text)) => text,
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Ok(Said::End) | Err(broadcast::error::RecvError::Closed) => return,
            },
            heard = line.recv() => match heard {
                Some(Ok(_)) => continue,
                _ => return,
            },
        };
        if line.send(Message::text(text)).await.is_err() {
            return;
        }
    }
}

fn utc_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
