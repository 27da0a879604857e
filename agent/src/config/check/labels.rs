//! Label gateways and labels.

use super::Check;
use crate::config::file;
use crate::config::{Gateway, Label};
use crate::label::Templates;
use std::sync::Arc;
use storewarden_drivers::esl::estation::model::model_of;

impl Check {
    pub(super) fn gateways(&mut self, gateways: &[file::Gateway]) -> Vec<Gateway> {
        self.unique("gateway", gateways.iter().map(|gateway| &gateway.id));
        self.unique("access point", gateways.iter().map(|gateway| &gateway.ap));
        gateways
            .iter()
            .filter_map(|gateway| {
                let id = gateway.id.get_ref();
                self.valid_id("gateway", &gateway.id);
                if let Some(driver) = gateway.driver.as_ref().filter(|driver| driver.get_ref() != "estation")
                {
                    self.fault(
                        &driver.span(),
                        format!("gateway `{id}`: unknown driver `{}`; write \"estation\"", driver.get_ref()),
                    );
                }
                let ap = gateway.ap.get_ref();
                if ap.len() != 4 || !ap.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    self.fault(
                        &gateway.ap.span(),
                        format!("gateway `{id}`: ap is the access point's id, four letters or digits"),
                    );
                }
                let login = self.login(gateway.username.as_ref(), gateway.password_file.as_ref());
                let (tls, broker) = self.broker(&gateway.broker, login)?;
                if tls {
                    self.fault(
                        &gateway.broker.span(),
                        format!("gateway `{id}`: the LAN broker is spoken to as mqtt://"),
                    );
                }
                Some(Gateway { id: id.clone(), ap: ap.clone(), broker })
            })
            .collect()
    }

    pub(super) fn labels(
        &mut self,
        labels: &[file::Label],
        gateways: &[file::Gateway],
        has_price_key: bool,
    ) -> Vec<Label> {
        self.unique("label", labels.iter().map(|label| &label.id));
        if let Some(label) = labels.first().filter(|_| !has_price_key) {
            let message = "labels need a [[price_key]]: without one every price is refused; `storewarden-hq price keygen` prints it";
            self.fault(&label.id.span(), message);
        }
        labels
            .iter()
            .filter_map(|label| {
                let id = label.id.get_ref();
                let is_tag = (8..=16).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
                let model = model_of(id).filter(|_| is_tag);
                if model.is_none() {
                    let message = format!("label `{id}`: a tag id is 8 to 16 hex digits, of which the first two name a known label model; copy the id printed on the label");
                    self.fault(&label.id.span(), message);
                }
                if label.item.get_ref().trim().is_empty() {
                    self.fault(&label.item.span(), format!("label `{id}`: item is empty; write the item's code"));
                }
                let gateway = gateways.iter().position(|gateway| gateway.id.get_ref() == label.gateway.get_ref());
                if gateway.is_none() {
                    let message = format!("label `{id}`: there is no [[gateway]] with id `{}`", label.gateway.get_ref());
                    self.fault(&label.gateway.span(), message);
                }
                let model = model?;
                Some(Label { id: id.clone(), gateway: gateway?, item: label.item.get_ref().clone(), display: model.into() })
            })
            .collect()
    }

    /// The shipped label templates, and those of the store's folder.
    pub(super) fn templates(&mut self, labels: Option<&file::Labels>) -> Arc<Templates> {
        let shipped = || Arc::new(Templates::shipped().clone());
        let Some(folder) = labels.map(|labels| &labels.templates) else { return shipped() };
        match Templates::with_folder(&self.base.join(folder.get_ref())) {
            Ok(templates) => Arc::new(templates),
            Err(fault) => {
                self.fault(&folder.span(), format!("label template {fault}"));
                shipped()
            }
        }
    }
}
