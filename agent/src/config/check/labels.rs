//! Label gateways and labels.

use super::Check;
use crate::config::file;
use crate::config::{Gateway, Label, LabelDriver};
use storewarden_drivers::esl::estation::model::model_of;

/// Pixels that the longer side of the largest label has.
const MAX_SIDE: u16 = 1200;

/// The drivers, as they are written in the file. The first is meant where nothing is.
const ESTATION: &str = "estation";
const OPENEPAPERLINK: &str = "openepaperlink";

fn driver(gateway: &file::Gateway) -> &str {
    gateway.driver.as_ref().map_or(ESTATION, |driver| driver.get_ref())
}

impl Check {
    pub(super) fn gateways(&mut self, gateways: &[file::Gateway]) -> Vec<Gateway> {
        self.unique("gateway", gateways.iter().map(|gateway| &gateway.id));
        self.unique("access point", gateways.iter().filter_map(|gateway| gateway.ap.as_ref()));
        self.unique("access point", gateways.iter().filter_map(|gateway| gateway.url.as_ref()));
        gateways
            .iter()
            .filter_map(|gateway| {
                self.valid_id("gateway", &gateway.id);
                let driver = match driver(gateway) {
                    OPENEPAPERLINK => self.openepaperlink(gateway)?,
                    ESTATION => self.estation(gateway)?,
                    unknown => {
                        let (id, at) = (gateway.id.get_ref(), gateway.driver.as_ref().unwrap_or(&gateway.id));
                        let message = format!(
                            "gateway `{id}`: unknown driver `{unknown}`; write \"{ESTATION}\" or \"{OPENEPAPERLINK}\""
                        );
                        self.fault(&at.span(), message);
                        return None;
                    }
                };
                Some(Gateway { id: gateway.id.get_ref().clone(), driver })
            })
            .collect()
    }

    fn estation(&mut self, gateway: &file::Gateway) -> Option<LabelDriver> {
        let id = gateway.id.get_ref();
        if let Some(url) = &gateway.url {
            let message =
                format!("gateway `{id}`: an eStation is reached through a `broker`; leave `url` out");
            self.fault(&url.span(), message);
        }
        let (Some(ap), Some(broker)) = (&gateway.ap, &gateway.broker) else {
            let message = format!("gateway `{id}`: an eStation has an `ap` and a `broker`; write both");
            self.fault(&gateway.id.span(), message);
            return None;
        };
        if ap.get_ref().len() != 4 || !ap.get_ref().bytes().all(|b| b.is_ascii_alphanumeric()) {
            let message = format!("gateway `{id}`: ap is the access point's id, four letters or digits");
            self.fault(&ap.span(), message);
        }
        let login = self.login(gateway.username.as_ref(), gateway.password_file.as_ref());
        let (tls, address) = self.broker(broker, login)?;
        if tls {
            self.fault(&broker.span(), format!("gateway `{id}`: the LAN broker is spoken to as mqtt://"));
        }
        Some(LabelDriver::Estation { ap: ap.get_ref().clone(), broker: address })
    }

    fn openepaperlink(&mut self, gateway: &file::Gateway) -> Option<LabelDriver> {
        let id = gateway.id.get_ref();
        let others = [gateway.ap.as_ref(), gateway.broker.as_ref(), gateway.password_file.as_ref()];
        if let Some(other) = others.into_iter().flatten().next() {
            let message = format!(
                "gateway `{id}`: an OpenEPaperLink access point has a `url` and asks nobody for a login; leave `ap`, `broker`, `username` and `password_file` out"
            );
            self.fault(&other.span(), message);
        }
        let address = gateway.url.as_ref().and_then(|url| parse_url(url.get_ref()));
        let Some((host, port)) = address else {
            let at = gateway.url.as_ref().unwrap_or(&gateway.id).span();
            let message = format!("gateway `{id}`: write its `url` as \"http://host\" or \"http://host:80\"");
            self.fault(&at, message);
            return None;
        };
        Some(LabelDriver::OpenEpaperLink { host, port })
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
                let gateway =
                    gateways.iter().position(|gateway| gateway.id.get_ref() == label.gateway.get_ref());
                let size = match gateway.map(|index| driver(&gateways[index])) {
                    Some(OPENEPAPERLINK) => self.own_size(label),
                    _ => self.model_size(label),
                };
                if label.item.get_ref().trim().is_empty() {
                    self.fault(
                        &label.item.span(),
                        format!("label `{id}`: item is empty; write the item's code"),
                    );
                }
                if gateway.is_none() {
                    let message = format!(
                        "label `{id}`: there is no [[gateway]] with id `{}`",
                        label.gateway.get_ref()
                    );
                    self.fault(&label.gateway.span(), message);
                }
                Some(Label {
                    id: id.clone(),
                    gateway: gateway?,
                    item: label.item.get_ref().clone(),
                    size: size?,
                })
            })
            .collect()
    }

    /// The size of an eStation's label, which its id tells.
    fn model_size(&mut self, label: &file::Label) -> Option<(u16, u16)> {
        let id = label.id.get_ref();
        if let Some(size) = &label.size {
            self.fault(&size.span(), format!("label `{id}`: its id tells its size; leave `size` out"));
        }
        let is_tag = (8..=16).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
        let model = model_of(id).filter(|_| is_tag);
        if model.is_none() {
            let message = format!(
                "label `{id}`: a tag id is 8 to 16 hex digits, of which the first two name a known label model; copy the id printed on the label"
            );
            self.fault(&label.id.span(), message);
        }
        model.map(|model| (model.width, model.height))
    }

    /// The size of an OpenEPaperLink label, which nothing but the file tells.
    fn own_size(&mut self, label: &file::Label) -> Option<(u16, u16)> {
        let id = label.id.get_ref();
        if id.len() != 16 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            let message = format!(
                "label `{id}`: the id of an OpenEPaperLink label is 16 hex digits; copy it from the access point's page"
            );
            self.fault(&label.id.span(), message);
        }
        let size = label.size.as_ref().map(|size| (*size.get_ref(), size.span()));
        match size {
            Some(([width, height], _))
                if (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) =>
            {
                Some((width, height))
            }
            other => {
                let message = format!(
                    "label `{id}`: write its `size` in pixels, width and height as in [296, 152], at most {MAX_SIDE}"
                );
                self.fault(&other.map_or_else(|| label.id.span(), |(_, span)| span), message);
                None
            }
        }
    }
}

/// Host and port of `http://host` or `http://host:port`.
fn parse_url(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("http://")?;
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (rest, 80),
    };
    let plain = !host.is_empty() && !host.contains(['/', '@', ' ', '?', ':']);
    (plain && port > 0).then(|| (host.to_owned(), port))
}
