//! What people ask of the rules: acknowledge, shelve, repair, maintain, inspect.

use super::{Occurrence, Running};
use crate::console::{Act, RequestError, SiteRequest};
use crate::journal::care::{self, Repair};
use crate::journal::{JournalError, audit};
use storewarden_rules::{Input, Millis, Utc};

/// What a person did, as far as the rules do not know it.
pub(super) struct Hand {
    pub(super) by: String,
    pub(super) shelved_until: Option<Utc>,
}

impl Running {
    pub(super) async fn request(&mut self, request: SiteRequest) -> Result<(), JournalError> {
        let SiteRequest { act, by, reply } = request;
        let answer = self.act(act, by).await?;
        self.keeping.reply_when_stored(reply, answer);
        Ok(())
    }

    /// Does what a person asks; the outer error is the journal's.
    pub(super) async fn act(
        &mut self,
        act: Act,
        by: String,
    ) -> Result<Result<(), RequestError>, JournalError> {
        let now = self.task.clock.now();
        let mut hand = Hand { by, shelved_until: None };
        let (alarm, device) = match &act {
            Act::Acknowledge { alarm }
            | Act::Shelve { alarm, .. }
            | Act::Unshelve { alarm }
            | Act::Repair { alarm, .. }
            | Act::Repaired { alarm } => (Some(*alarm), None),
            Act::Maintain { device, .. }
            | Act::RemoveFromService { device }
            | Act::ReturnToService { device } => (None, Some(device)),
            Act::Inspected { note } => {
                let (by, note, meter) = (hand.by.clone(), note.clone(), self.keeping.meter(now));
                let inspected = move |db: &rusqlite::Connection| {
                    audit::append(db, now.utc, &by, "inspection", &note)?;
                    care::record_inspection(db, meter, &by, &note)
                };
                self.keeping.fact(inspected)?;
                self.step(now, Input::Inspected);
                self.carry_out(now, Some(&hand)).await?;
                return Ok(Ok(()));
            }
        };
        let input = if let Some(id) = device {
            let Some(device) = self.names.find_device(id) else {
                return Ok(Err(RequestError::UnknownDevice));
            };
            match act {
                Act::Maintain { minutes, .. } => {
                    Input::Maintain { device, span: Millis::from_mins(minutes.into()) }
                }
                Act::RemoveFromService { .. } => Input::RemoveFromService { device },
                _ => Input::ReturnToService { device },
            }
        } else {
            let is_meant = |occurrence: &Occurrence| {
                let of_repair = occurrence.repair.as_ref().map(|repair| repair.alarm);
                Some(occurrence.number) == alarm || of_repair == alarm
            };
            let mut known = self.occurrences.iter_mut().filter(|_| alarm > Some(0));
            let Some((&(device, condition), occurrence)) = known.find(|(_, o)| is_meant(o)) else {
                return Ok(Err(RequestError::UnknownAlarm));
            };
            match act {
                Act::Shelve { minutes, .. } => {
                    let span = Millis::from_mins(minutes.into());
                    hand.shelved_until = Some(now.utc + span);
                    Input::Shelve { device, condition, span }
                }
                Act::Unshelve { .. } => Input::Unshelve { device, condition },
                Act::Repair { .. } if occurrence.repair.is_some() => return Ok(Err(RequestError::NotNow)),
                Act::Repair { alarm, reference } => {
                    let (by, since) = (hand.by.clone(), now.utc);
                    occurrence.repair = Some(Repair { alarm, reference, by, since, ..Repair::default() });
                    Input::Repair { device, condition }
                }
                Act::Repaired { .. } => {
                    if let Some(repair) = &mut occurrence.repair {
                        repair.fixed = Some((hand.by.clone(), now.utc));
                    }
                    Input::Repaired { device, condition }
                }
                _ => Input::Acknowledge { device, condition },
            }
        };
        self.step(now, input);
        let changed = !self.events.is_empty();
        self.carry_out(now, Some(&hand)).await?;
        Ok(if changed { Ok(()) } else { Err(RequestError::NotNow) })
    }
}
