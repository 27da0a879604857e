//! The time-series server that readings are written to.

use super::Check;
use super::store::is_loopback;
use crate::config::TimeSeries;
use crate::config::file;
use storewarden_rules::Millis;

/// How often a telemetry message is closed in a store without headquarters, unless the file says otherwise.
const EVERY: Millis = Millis::from_secs(60);

impl Check {
    pub(super) fn timeseries(&mut self, to: &file::TimeSeries, has_hq: bool) -> Option<TimeSeries> {
        let token = match &to.token_file {
            Some(file) => {
                let token = String::from_utf8(self.read_file(file)?).ok();
                let token = token.map(|token| token.trim().to_owned());
                // It stands in a line of the request.
                let found =
                    token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
                if found.is_none() {
                    let message = format!(
                        "`{}` holds no access token; write the token alone into it, one line",
                        file.get_ref()
                    );
                    self.fault(&file.span(), message);
                }
                found?
            }
            None => String::new(),
        };
        for (key, name) in [("org", &to.org), ("bucket", &to.bucket)] {
            if name.get_ref().is_empty() {
                let message = format!(
                    "timeseries.{key} is empty; write the {key} of the server that takes the readings"
                );
                self.fault(&name.span(), message);
            }
        }
        if let Some(every) = to.every.as_ref().filter(|_| has_hq) {
            let message =
                "timeseries.every is for stores without [hq]; hq.telemetry_every holds for both: remove this";
            self.fault(&every.span(), message);
        }
        let every = self.span_of_time(to.every.as_ref(), EVERY, Millis(1000), Millis::from_mins(15));
        let (url, org, bucket) = (&to.url, to.org.get_ref().clone(), to.bucket.get_ref().clone());
        let host = url.get_ref().trim_start_matches("http://").rsplit_once(':').map_or("", |(host, _)| host);
        if !to.plaintext && !is_loopback(host.trim_matches(['[', ']'])) {
            let message = "this would send readings and token unencrypted; write the http:// address of a TLS proxy on this machine, or timeseries.plaintext = true where the line itself is protected (VPN)";
            self.fault(&url.span(), message);
        }
        let to = TimeSeries { url: url.get_ref().clone(), org, bucket, token, every };
        if let Err(message) = writable(&to) {
            self.fault(&url.span(), message);
        }
        Some(to)
    }
}

/// Whether this program can write there.
#[cfg(feature = "timeseries")]
fn writable(to: &TimeSeries) -> Result<(), String> {
    storewarden_timeseries::check(&crate::timeseries::target(to))
        .map_err(|error| format!("timeseries.url {error}"))
}

#[cfg(not(feature = "timeseries"))]
fn writable(_: &TimeSeries) -> Result<(), String> {
    let what = "this program is built without [timeseries]: remove the section, or use one built with `cargo build --release -p storewarden --features timeseries`";
    Err(what.into())
}
