//! The task that asks the access point what [`Gateway`] says, and listens to what it says by itself.

use crate::clock::Clock;
use crate::esl::estation::task::{Action, GatewayEvent, LabelTask, Trouble};
use crate::esl::openepaperlink::exchange::{Answer, Fault, Input, Order, Output, Request, Wish};
use crate::esl::openepaperlink::gateway::{Gateway, Limits};
use crate::esl::openepaperlink::http::Http;
use crate::esl::openepaperlink::record::{self, Said};
use crate::keep::{Beat, Inlet, Tie};
use futures_util::StreamExt;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::{Interval, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tracing::{debug, info, warn};

/// The longest message of the WebSocket that is read, bytes: the record of a label is some 600.
const MESSAGE_MAX: usize = 64 << 10;
/// Messages that were heard and not yet looked at; beyond it the line waits.
const SAID_MAX: usize = 64;
/// Pause after a lost or refused WebSocket. Without it everything works, as the table is read regularly.
const RECONNECT: Duration = Duration::from_secs(5);
/// The access point speaks of itself every few seconds; after so much silence the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// One access point.
#[derive(Clone, Debug)]
pub struct OpenEpaperLinkConfig {
    /// Id in the config; for logs.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Its port; 80 unless it is simulated.
    pub port: u16,
    /// Time limits.
    pub limits: Limits,
}

/// Serves the access point until the `tie` says stop, or until nobody takes events any more. Takes no new
/// task while events wait to be taken, so that a slow listener slows the sender and nothing is lost.
pub async fn run(
    config: OpenEpaperLinkConfig,
    tasks: impl Into<Inlet<LabelTask>>,
    events: mpsc::Sender<GatewayEvent>,
    clock: Clock,
    tie: impl Into<Tie>,
) {
    let tie = tie.into();
    warn!(
        gateway = config.name,
        "OpenEPaperLink is for the laboratory only: its access point asks nobody for a password and its \
         radio is not encrypted, so that anybody near can change a price; use an eStation in a store"
    );
    let (said_sender, said) = mpsc::channel(SAID_MAX);
    let (requests, answers) = match asking(Http::new(&config.host, config.port)) {
        Ok(channels) => channels,
        Err(error) => {
            warn!(gateway = config.name, %error, "no thread for the access point; trying again");
            return;
        }
    };
    let mut shell = Shell {
        gateway: Gateway::new(config.limits),
        requests,
        name: config.name.clone(),
        waiting: VecDeque::new(),
        tasks: tasks.into().take().await,
        events: events.clone(),
        clock,
        beat: tie.beat,
        second: interval(Duration::from_secs(1)),
    };
    tokio::select! {
        () = shell.drive(said, answers) => {}
        () = listen(&config, said_sender) => {}
        () = events.closed() => {}
        () = tie.stop.cancelled() => {}
    }
}

struct Shell {
    gateway: Gateway,
    /// To the thread that asks.
    requests: mpsc::Sender<Request>,
    name: String,
    /// Events nobody took yet.
    waiting: VecDeque<GatewayEvent>,
    tasks: OwnedMutexGuard<mpsc::Receiver<LabelTask>>,
    events: mpsc::Sender<GatewayEvent>,
    clock: Clock,
    beat: Beat,
    second: Interval,
}

impl Shell {
    async fn drive(&mut self, mut said: mpsc::Receiver<Said>, mut answers: mpsc::Receiver<Answer>) {
        let events = self.events.clone();
        loop {
            self.beat.give().await;
            let input = tokio::select! {
                answer = answers.recv() => match answer {
                    Some(answer) => Input::Answer(answer),
                    // The thread has come to grief.
                    None => return,
                },
                Ok(place) = events.reserve(), if !self.waiting.is_empty() => {
                    if let Some(event) = self.waiting.pop_front() {
                        place.send(event);
                    }
                    continue;
                }
                Some(task) = self.tasks.recv(), if self.waiting.is_empty() => match order(task) {
                    Ok(order) => Input::Order(order),
                    Err(event) => {
                        self.waiting.push_back(event);
                        continue;
                    }
                },
                Some(said) = said.recv() => match self.hear(said) {
                    Some(input) => input,
                    None => continue,
                },
                _ = self.second.tick() => Input::Tick,
            };
            for output in self.gateway.step(self.clock.now(), input) {
                self.act(output);
            }
        }
    }

    fn hear(&self, said: Said) -> Option<Input> {
        match said {
            Said::Labels(records) => Some(Input::Records(records)),
            Said::System { uptime_s, free_bytes } => Some(Input::System(uptime_s, free_bytes)),
            Said::Log(text, is_error) => {
                debug!(gateway = self.name, is_error, text, "the access point's log");
                None
            }
        }
    }

    fn act(&mut self, output: Output) {
        let event = match output {
            Output::Ask(request) => {
                // There is room for the one that is under way.
                let _ = self.requests.try_send(request);
                return;
            }
            Output::Event(event) => event,
            Output::Done(Order { label, task, .. }, proof, record) => GatewayEvent::Done {
                label,
                task,
                proof,
                rf_dbm: record.as_ref().map_or(0, |record| record.rf_dbm),
                battery_mv: record.as_ref().and_then(|record| record.battery_mv),
                temperature_c: record.and_then(|record| record.temperature_c),
            },
            Output::Failed(Order { label, task, .. }, fault, reason) => {
                GatewayEvent::Failed { label, task, trouble: trouble(fault), reason }
            }
            Output::Reset(label) => GatewayEvent::Reset { label },
            Output::Unasked(label) => GatewayEvent::Unasked { label },
            // An access point's few MB are no measure of those of a shop's gateway: it is told whether it is
            // enough.
            Output::Space(has_space) => GatewayEvent::Space { is_short: !has_space },
        };
        self.waiting.push_back(event);
    }
}

/// A thread that asks one thing after the other. It is nobody's to wait for: an access point that does not
/// answer must not hold up the end of the program.
fn asking(http: Http) -> std::io::Result<(mpsc::Sender<Request>, mpsc::Receiver<Answer>)> {
    let (requests, mut asked) = mpsc::channel::<Request>(1);
    let (answer, answers) = mpsc::channel(1);
    std::thread::Builder::new().name("openepaperlink".into()).spawn(move || {
        while let Some(request) = asked.blocking_recv() {
            if answer.blocking_send(http.ask(&request)).is_err() {
                return;
            }
        }
    })?;
    Ok((requests, answers))
}

fn trouble(fault: Fault) -> Trouble {
    match fault {
        Fault::Unknown => Trouble::NoAnswer,
        Fault::Refused => Trouble::Invalid,
        Fault::Ignored => Trouble::NoResult,
    }
}

/// What is to be done, or that it cannot: these labels keep no pages ([`super::gateway::STAGES`]).
fn order(LabelTask { label, task, action, urgent }: LabelTask) -> Result<Order, GatewayEvent> {
    match action {
        Action::Show { png, .. } => Ok(Order { label, task, wish: Wish::Show(png), urgent }),
        Action::Blink { times } => Ok(Order { label, task, wish: Wish::Blink(times), urgent }),
        Action::Store { .. } | Action::Flip { .. } => {
            let reason = "OpenEPaperLink labels keep no pages".to_owned();
            Err(GatewayEvent::Failed { label, task, trouble: Trouble::Invalid, reason })
        }
    }
}

/// Hears what the access point says, for as long as somebody wants to know.
async fn listen(config: &OpenEpaperLinkConfig, said: mpsc::Sender<Said>) {
    let url = format!("ws://{}:{}/ws", config.host, config.port);
    let limits =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    let mut was_up = None;
    loop {
        let connecting = tokio_tungstenite::connect_async_with_config(&url, Some(limits), true);
        if let Ok(Ok((mut line, _))) = timeout(SILENCE_MAX, connecting).await {
            if was_up.replace(true) != Some(true) {
                info!(gateway = config.name, "listening to the access point");
            }
            while let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, line.next()).await {
                let Message::Text(text) = message else { continue };
                if let Some(said_now) = record::said(&text)
                    && said.send(said_now).await.is_err()
                {
                    return;
                }
            }
        }
        if was_up.replace(false) != Some(false) {
            warn!(
                gateway = config.name,
                "the access point says nothing by itself; check its address and power"
            );
        }
        sleep(RECONNECT).await;
    }
}
