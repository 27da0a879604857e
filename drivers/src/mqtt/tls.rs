//! The files of a TLS connection to a broker, and what to tell people when it fails.

use rumqttc::{ConnectionError, TlsConfiguration, Transport};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const OTHER_AUTHORITY: &str =
    "ca_file must be of the authority that signed the broker's certificate; either may be the wrong one";
/// What rustls and the client library say, and what to do; the first that fits.
const ADVICE: [(&str, &str); 7] = [
    ("UnknownIssuer", OTHER_AUTHORITY),
    // An authority of the same name with another key.
    ("BadSignature", OTHER_AUTHORITY),
    ("not valid for name", "name the host in the configuration as the broker's certificate names it"),
    (
        "invalid peer certificate",
        "the broker's certificate must be renewed or mended; is this machine's clock right?",
    ),
    (
        "received fatal alert",
        "the broker refuses us: it may ask for cert_file and key_file that its own authority signed",
    ),
    ("No valid CA certificate", "ca_file must hold a certificate in PEM"),
    ("No valid", "cert_file must hold a certificate in PEM, key_file its private key"),
];

/// The PEM files of a TLS connection. They are read at each connection: renewed ones need no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate authority that signed the broker's certificate.
    pub ca: PathBuf,
    /// Our own certificate with its chain, and its private key (PKCS #8, PKCS #1 or SEC 1).
    pub client: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// What the files say now.
    ///
    /// # Errors
    /// Which file cannot be read, and why.
    pub fn read(&self) -> Result<Transport, String> {
        let bytes = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let client_auth = match &self.client {
            Some((cert, key)) => Some((bytes(cert)?, bytes(key)?)),
            None => None,
        };
        let simple = TlsConfiguration::Simple { ca: bytes(&self.ca)?, alpn: None, client_auth };
        Ok(Transport::tls_with_config(simple))
    }

    /// When each of the files was last written, to see that one was renewed.
    pub fn written(&self) -> Vec<Option<SystemTime>> {
        let of = |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        let client = self.client.iter().flat_map(|(cert, key)| [cert, key]);
        std::iter::once(&self.ca).chain(client).map(of).collect()
    }
}

/// Why a connection failed, with every cause behind it and, of TLS, what to look at.
pub fn why(error: &ConnectionError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    match ADVICE.iter().find(|(sign, _)| text.contains(sign)) {
        Some((_, advice)) => format!("{text}; {advice}"),
        None => text,
    }
}
