//! Label gateways and labels.

use super::{Check, TlsKeys};
use crate::config::file;
use crate::config::{Gateway, Label, LabelDriver};
use crate::label::{Display, Templates};
use std::sync::Arc;
use storewarden_drivers::esl::estation::model::Colours;
use storewarden_drivers::esl::estation::model::model_of;
use storewarden_prices::Language;
use storewarden_rules::Millis;

/// A leaflet of hundreds of labels is through within it, and a wrong price at the till is not yet a queue. A
/// choice of this project.
const DEADLINE: Millis = Millis::from_mins(15);

/// Pixels that the longer side of the largest label has.
const MAX_SIDE: u16 = 1200;

/// The drivers, as they are written in the file. The first is meant where nothing is.
const ESTATION: &str = "estation";
const OPENEPAPERLINK: &str = "openepaperlink";

fn driver(gateway: &file::Gateway) -> &str {
    gateway.driver.as_ref().map_or(ESTATION, |driver| driver.get_ref())
}

impl Check {
    pub(super) fn label_deadline(&mut self, labels: &file::Labels) -> Millis {
        self.span_of_time(
            labels.deadline.as_ref(),
            DEADLINE,
            Millis::from_mins(1),
            Millis::from_mins(24 * 60),
        )
    }

    /// The shipped label templates, and those of the store's folder; with names in the store's language.
    pub(super) fn templates(&mut self, labels: &file::Labels) -> Arc<Templates> {
        let language = labels.language.as_ref().and_then(|code| {
            let language = Language::from_code(code.get_ref());
            if language.is_none() {
                let message = format!(
                    "labels.language `{}` is unknown; write \"zh\", \"en\" or \"ja\"",
                    code.get_ref()
                );
                self.fault(&code.span(), message);
            }
            language
        });
        let folder = labels.templates.as_ref();
        let read = folder.map(|folder| (folder, Templates::with_folder(&self.base.join(folder.get_ref()))));
        let templates = match read {
            Some((_, Ok(templates))) => templates,
            Some((folder, Err(fault))) => {
                self.fault(&folder.span(), format!("label template {fault}"));
                Templates::shipped().clone()
            }
            None => Templates::shipped().clone(),
        };
        Arc::new(templates.in_language(language))
    }

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
        let files = TlsKeys {
            ca: gateway.ca_file.as_ref(),
            cert: gateway.cert_file.as_ref(),
            key: gateway.key_file.as_ref(),
        };
        let address = self.broker((&format!("gateway `{id}`: "), ""), broker, login, files)?;
        Some(LabelDriver::Estation { ap: ap.get_ref().clone(), broker: address })
    }

    fn openepaperlink(&mut self, gateway: &file::Gateway) -> Option<LabelDriver> {
        let id = gateway.id.get_ref();
        let others =
            [&gateway.ap, &gateway.broker, &gateway.password_file, &gateway.ca_file, &gateway.cert_file]
                .map(Option::as_ref);
        if let Some(other) = others.into_iter().flatten().next() {
            let message = format!(
                "gateway `{id}`: an OpenEPaperLink access point has a `url` and asks nobody for a login; leave `ap`, `broker`, `username`, `password_file` and what is for TLS out"
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
            let message = "labels need a [[root_key]] or a [[price_key]]: without one every price is refused; `storewarden-hq price keygen` prints it";
            self.fault(&label.id.span(), message);
        }
        labels
            .iter()
            .filter_map(|label| {
                let id = label.id.get_ref();
                let gateway =
                    gateways.iter().position(|gateway| gateway.id.get_ref() == label.gateway.get_ref());
                let display = match gateway.map(|index| driver(&gateways[index])) {
                    Some(OPENEPAPERLINK) => self.own_display(label),
                    _ => self.model_display(label),
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
                    display: display?,
                    place: label.place.clone(),
                })
            })
            .collect()
    }

    /// The display of an eStation's label, which its id tells.
    fn model_display(&mut self, label: &file::Label) -> Option<Display> {
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
        model.map(Display::from)
    }

    /// The display of an OpenEPaperLink label, whose size nothing but the file tells. Of colours nothing is told:
    /// all of them have black.
    fn own_display(&mut self, label: &file::Label) -> Option<Display> {
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
                Some(Display { width, height, colours: Colours::BlackWhite, is_in_freezer: false })
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
