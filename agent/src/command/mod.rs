//! Commands of headquarters: verified, noted as begun, carried out once, answered.
//!
//! What a crash cut off is never begun again: headquarters is told that nobody knows whether it was done.

pub mod config_push;
pub mod verify;

pub use verify::{LIGHT_MINUTES_MAX, Refusal, Verified, Why, verify};

use crate::console::{Act as SiteAct, RequestError, SiteRequest};
use crate::journal::commands::{self, Known};
use crate::journal::{Journal, JournalError};
use crate::signed::PublicKey;
use crate::site_task::{Order, Ordered};
use config_push::{Answer, Push, Trial};
use std::collections::HashMap;
use std::path::PathBuf;
use storewarden_drivers::clock::Clock;
use storewarden_proto::v1::command::Act;
use storewarden_rules::Millis;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Commands under way at once; beyond, headquarters repeats them.
const UNDER_WAY_MAX: usize = 16;

/// The longest a write may take to reach its device, however far its deadline.
const WRITE_MAX: Millis = Millis::from_secs(60);

/// What the task is made of.
pub struct Commands {
    /// Keys whose commands are carried out.
    pub keys: Vec<PublicKey>,
    /// Lowest and highest set point that headquarters may order, °C, by device.
    pub set_points: HashMap<String, (f64, f64)>,
    /// Where commands are noted.
    pub journal: Journal,
    /// The time.
    pub clock: Clock,
    /// Where people's acts go.
    pub acts: mpsc::Sender<SiteRequest>,
    /// Where writes go.
    pub orders: mpsc::Sender<Ordered>,
    /// Where configurations go.
    pub pushes: mpsc::Sender<Push>,
    /// The configuration's file.
    pub config: PathBuf,
    /// Asks for a new start of the agent.
    pub restart: CancellationToken,
}

/// What a command came to; none: it goes on in the next run of the agent.
type Done = (String, Option<Result<(), String>>);

impl Commands {
    /// Runs until `stop` or until nobody brings commands. `trial` is the configuration that is tried in
    /// this run, `heard` whether headquarters has answered in it.
    pub async fn run(
        self,
        mut payloads: mpsc::Receiver<Vec<u8>>,
        trial: Option<Trial>,
        heard: watch::Receiver<bool>,
        stop: CancellationToken,
    ) -> Result<(), JournalError> {
        let mut under_way: JoinSet<Done> = JoinSet::new();
        let on_trial = trial.as_ref().map(|trial| trial.id().to_owned());
        for id in self.journal.read(commands::under_way).await? {
            if on_trial.as_ref() != Some(&id) {
                let unknown = "the agent stopped while it was carried out: look whether it was done";
                self.finish(id, Err(unknown.into())).await?;
            }
        }
        if let Some(trial) = trial {
            under_way.spawn(trial.judge(heard, self.restart.clone()));
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(payload) = payloads.recv(), if under_way.len() < UNDER_WAY_MAX => {
                    self.begin(&payload, &mut under_way).await?;
                }
                Some(done) = under_way.join_next() => {
                    if let Ok((id, Some(result))) = done {
                        self.finish(id.clone(), result).await?;
                        config_push::forget(&self.config, &id);
                    }
                }
                else => return Ok(()),
            }
        }
    }

    async fn begin(&self, payload: &[u8], under_way: &mut JoinSet<Done>) -> Result<(), JournalError> {
        let (now, identity) = (self.clock.now().utc, self.journal.identity().clone());
        let command = match verify(payload, &self.keys, &identity.chain, &identity.store, now) {
            Ok(command) => command,
            Err(refusal) => {
                tracing::warn!(id = %refusal.id, key = %refusal.key_id, why = %refusal, "command refused");
                return self.refuse(refusal.id, refusal.key_id, refusal.why.to_string()).await;
            }
        };
        let (noted, detail) = (command.clone(), say(&command.act));
        let known = self.journal.run(move |db| commands::begin(db, &identity, now, &noted, &detail)).await?;
        match known {
            Known::Begun => {
                tracing::info!(id = %command.id, by = %command.by, what = %say(&command.act), "command");
                self.carry_out(command, under_way);
                Ok(())
            }
            Known::UnderWay | Known::Answered => Ok(()),
            Known::OtherContent => {
                let why = "another command has this id; give each its own";
                self.refuse(command.id, command.key_id, why.into()).await
            }
        }
    }

    async fn refuse(&self, id: String, key_id: String, why: String) -> Result<(), JournalError> {
        let (now, identity) = (self.clock.now().utc, self.journal.identity().clone());
        self.journal.run(move |db| commands::refuse(db, &identity, now, (&id, &key_id), &why)).await
    }

    async fn finish(&self, id: String, result: Result<(), String>) -> Result<(), JournalError> {
        tracing::info!(
            id,
            result = result.as_ref().map_or_else(String::as_str, |()| "done"),
            "command is over"
        );
        let (now, identity) = (self.clock.now().utc, self.journal.identity().clone());
        self.journal.run(move |db| commands::finish(db, &identity, now, &id, &result)).await
    }

    /// Each in a task of its own, so that none waits for another's device.
    fn carry_out(&self, command: Verified, under_way: &mut JoinSet<Done>) {
        let Verified { id, by, act, deadline, .. } = command;
        let by = format!("{by} (headquarters)");
        let left = Millis((deadline.0 - self.clock.now().utc.0).clamp(0, WRITE_MAX.0));
        let journal = self.journal.identity().journal;
        match act {
            Act::Acknowledge(it) => {
                let act = SiteAct::Acknowledge { alarm: it.alarm };
                under_way.spawn(self.act(id, by, (it.journal == journal).then_some(act)));
            }
            Act::Shelve(it) => {
                let act = SiteAct::Shelve { alarm: it.alarm, minutes: it.minutes };
                under_way.spawn(self.act(id, by, (it.journal == journal).then_some(act)));
            }
            Act::SetPoint(it) => {
                let allowed = match self.set_points.get(&it.device) {
                    None => Err(format!(
                        "nobody may change the set point of `{}` from headquarters: its [[device]] has no set_point_range",
                        it.device
                    )),
                    Some((low, high)) if !(*low..=*high).contains(&it.celsius) => Err(format!(
                        "{} °C is outside {low} to {high} °C, what the store's set_point_range allows",
                        it.celsius
                    )),
                    Some(_) => Ok(Order::SetPoint { device: it.device, celsius: it.celsius }),
                };
                under_way.spawn(self.order(id, by, left, allowed));
            }
            Act::Light(it) => {
                let span = Millis::from_mins(it.minutes.into());
                under_way.spawn(self.order(
                    id,
                    by,
                    left,
                    Ok(Order::Light { light: it.light, on: it.on, span }),
                ));
            }
            Act::Defrost(it) => {
                under_way.spawn(self.order(id, by, left, Ok(Order::Defrost { device: it.device })));
            }
            Act::Config(it) => {
                let (reply, answer) = oneshot::channel();
                let push = Push { id: id.clone(), toml: it.toml, base_digest: it.base_digest, reply };
                let pushes = self.pushes.clone();
                under_way.spawn(async move {
                    if pushes.try_send(push).is_err() {
                        return (
                            id,
                            Some(Err("another configuration is on its way; try again later".into())),
                        );
                    }
                    match answer.await {
                        Ok(Answer::Done) => (id, Some(Ok(()))),
                        Ok(Answer::Refused(why)) => (id, Some(Err(why))),
                        Ok(Answer::OnTrial) | Err(_) => (id, None),
                    }
                });
            }
        }
    }

    fn act(&self, id: String, by: String, act: Option<SiteAct>) -> impl Future<Output = Done> + use<> {
        let acts = self.acts.clone();
        async move {
            let Some(act) = act else {
                return (
                    id,
                    Some(Err("the alarm is of another journal: this store's disk was replaced".into())),
                );
            };
            let (reply, answer) = oneshot::channel();
            let result = match acts.send(SiteRequest { act, by, reply }).await {
                Ok(()) => answer.await.unwrap_or(Err(RequestError::Stopped)),
                Err(_) => Err(RequestError::Stopped),
            };
            (id, Some(result.map_err(|error| error.to_string())))
        }
    }

    fn order(
        &self,
        id: String,
        by: String,
        deadline: Millis,
        order: Result<Order, String>,
    ) -> impl Future<Output = Done> + use<> {
        let orders = self.orders.clone();
        async move {
            let order = match order {
                Ok(order) => order,
                Err(why) => return (id, Some(Err(why))),
            };
            let (reply, answer) = oneshot::channel();
            let stopped = || Err("the agent is stopping".to_owned());
            let result = match orders.send(Ordered { order, by, deadline, reply }).await {
                Ok(()) => answer.await.unwrap_or_else(|_| stopped()),
                Err(_) => stopped(),
            };
            (id, Some(result))
        }
    }
}

/// For the log and the audit trail.
fn say(act: &Act) -> String {
    match act {
        Act::Acknowledge(it) => format!("acknowledge alarm {}", it.alarm),
        Act::Shelve(it) => format!("shelve alarm {} for {} min", it.alarm, it.minutes),
        Act::SetPoint(it) => format!("set point of {} to {} °C", it.device, it.celsius),
        Act::Light(it) => {
            format!("light {} {} for {} min", it.light, if it.on { "on" } else { "off" }, it.minutes)
        }
        Act::Defrost(it) => format!("defrost {}", it.device),
        Act::Config(it) => format!("configuration of {} bytes", it.toml.len()),
    }
}
