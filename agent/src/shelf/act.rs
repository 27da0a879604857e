//! What people do with labels: bind, unbind, swap, find. It is kept in the journal and stands before the
//! configuration's labels, also after a restart.

use super::Shelf;
use super::showing::Showing;
use crate::config::Label;
use crate::console::{LabelAct, LabelRequest, RequestError, StockRequest};
use crate::journal::JournalError;
use crate::journal::bindings::{self, Binding};
use crate::label::Display;
use crate::label::delivery::Input;
use storewarden_drivers::esl::estation::model::model_of;

impl Shelf {
    pub(super) async fn on_request(&mut self, request: LabelRequest) -> Result<(), JournalError> {
        let LabelRequest { act, label, by, reply } = request;
        let answer = match self.wanted(&label, &act) {
            Ok(bindings) => {
                let now = self.clock.now();
                if act == LabelAct::Find {
                    let found = self.places.get(&key(&label)).map(|index| &self.labels[*index].label);
                    if let Some(Label { id, gateway, .. }) = found {
                        let find = (*gateway, Input::Find { label: id.clone() });
                        self.deliver(now, vec![find]).await?;
                    }
                }
                let kept = bindings.clone();
                if !kept.is_empty() {
                    self.journal.run(move |db| bindings::bind(db, now.utc, &by, &kept)).await?;
                }
                for binding in bindings {
                    self.apply(binding);
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        // Whoever asked may have gone.
        let _ = reply.send(answer);
        Ok(())
    }

    /// An item is out of stock, or is not any more: its labels say so at once.
    pub(super) async fn on_stock(&mut self, request: StockRequest) -> Result<(), JournalError> {
        let StockRequest { item, is_out, by, reply } = request;
        let is_of = |showing: &Showing| showing.label.item == item;
        let answer = if self.labels.iter().any(is_of) {
            let (now, kept) = (self.clock.now().utc, item.clone());
            self.journal.run(move |db| bindings::set_stock(db, now, &by, &kept, is_out)).await?;
            for (index, showing) in self.labels.iter_mut().enumerate().filter(|(_, showing)| is_of(showing)) {
                (showing.is_out, showing.is_in_line, showing.is_urgent) = (is_out, true, true);
                self.line.push_front(index);
            }
            if is_out {
                self.out_of_stock.insert(item);
            } else {
                self.out_of_stock.remove(&item);
            }
            self.is_view_old = true;
            Ok(())
        } else {
            Err(RequestError::UnknownItem)
        };
        // Whoever asked may have gone.
        let _ = reply.send(answer);
        Ok(())
    }

    /// The bindings that an act comes to.
    fn wanted(&self, label: &str, act: &LabelAct) -> Result<Vec<Binding>, RequestError> {
        let known = |label: &str| self.places.get(&key(label)).map(|index| &self.labels[*index].label);
        let binding = |id: &str, gateway: usize, item: Option<&str>, place: &str| Binding {
            label: id.to_owned(),
            gateway: self.gateway_ids[gateway].clone(),
            item: item.map(str::to_owned),
            place: place.to_owned(),
        };
        Ok(match act {
            LabelAct::Find => {
                known(label).ok_or(RequestError::UnknownLabel)?;
                Vec::new()
            }
            LabelAct::Unbind => {
                let label = known(label).ok_or(RequestError::UnknownLabel)?;
                vec![binding(&label.id, label.gateway, None, &label.place)]
            }
            LabelAct::Bind { item, place, gateway } => {
                let known = known(label);
                let gateway = match (gateway, known) {
                    (Some(named), _) => self.gateway_ids.iter().position(|id| id == named),
                    (None, Some(known)) => Some(known.gateway),
                    (None, None) => (self.gateway_ids.len() == 1).then_some(0),
                };
                let gateway = gateway.ok_or(RequestError::UnknownGateway)?;
                if !self.can_bind(label, gateway) {
                    return Err(RequestError::UnknownLabel);
                }
                let place = place.as_deref().or(known.map(|known| known.place.as_str())).unwrap_or_default();
                let id = known.map_or(label, |known| known.id.as_str());
                vec![binding(id, gateway, Some(item), place)]
            }
            LabelAct::SwapFor { label: other } => {
                let old = known(label).ok_or(RequestError::UnknownLabel)?;
                if old.item.is_empty() {
                    return Err(RequestError::NotNow);
                }
                if key(other) == key(label) || !self.can_bind(other, old.gateway) {
                    return Err(RequestError::UnknownLabel);
                }
                let id = known(other).map_or(other.as_str(), |other| other.id.as_str());
                vec![
                    binding(id, old.gateway, Some(&old.item), &old.place),
                    binding(&old.id, old.gateway, None, ""),
                ]
            }
        })
    }

    /// Takes a binding over. One whose gateway or model this program does not know any more is left out and
    /// said.
    pub(super) fn apply(&mut self, binding: Binding) {
        let Binding { label, gateway, item, place } = binding;
        let known = self.places.get(&key(&label)).copied();
        let gateway = self.gateway_ids.iter().position(|id| *id == gateway);
        let display = match known {
            Some(index) => Some(self.labels[index].label.display),
            None => model_of(&label).map(Display::from),
        };
        let (Some(gateway), Some(display)) = (gateway, display) else {
            tracing::error!(label, "a label was bound behind a gateway that is gone; bind it anew");
            return;
        };
        let id = label.clone();
        let item = item.unwrap_or_default();
        let is_out = self.out_of_stock.contains(&item);
        let mut new = Showing::by_hand(Label { id, gateway, item, display, place });
        new.is_out = is_out;
        let index = match known {
            Some(index) => {
                let before = std::mem::replace(&mut self.labels[index], new).label;
                if before.gateway != gateway {
                    self.deliveries[before.gateway].forget(&before.id);
                }
                index
            }
            None => {
                self.places.insert(key(&label), self.labels.len());
                self.labels.push(new);
                self.jobs.push(None);
                self.labels.len() - 1
            }
        };
        self.line.push_front(index);
        self.is_view_old = true;
    }
}

impl Shelf {
    /// Whether a label may be behind that gateway: it is known there, or its id tells its model. An
    /// OpenEPaperLink label tells nothing, so that only the configuration can name it.
    fn can_bind(&self, label: &str, gateway: usize) -> bool {
        let known = self.places.get(&key(label)).map(|index| self.labels[*index].label.gateway);
        match known {
            Some(known) => self.deliveries[known].keeps_pages() == self.deliveries[gateway].keeps_pages(),
            None => self.deliveries[gateway].keeps_pages() && is_tag(label),
        }
    }
}

/// Under which a label is known: gateways differ in how they write it.
pub(super) fn key(label: &str) -> String {
    label.to_ascii_uppercase()
}

fn is_tag(id: &str) -> bool {
    (8..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && model_of(id).is_some()
}
