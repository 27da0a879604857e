//! Signing keys of headquarters: Ed25519, private halves as PKCS#8 PEM files.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use storewarden_proto::topic::is_valid_id;
use thiserror::Error;

/// Why there is no key.
#[derive(Debug, Error)]
pub(crate) enum KeyError {
    #[error("{0:?} cannot be a key id: use 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'")]
    Id(String),
    #[error("{0} is there already; a key is never overwritten, choose another --id or --out")]
    Exists(PathBuf),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    #[error(
        "{0} is not an Ed25519 private key in PKCS#8 PEM form (\"BEGIN PRIVATE KEY\"), as keygen writes it"
    )]
    NotAKey(PathBuf),
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Makes a key `id` for the stores' `section` (`price_key`, `command_key`) and writes its private half to `out/ID.pem`, readable by its owner only. The
/// path, and the lines for a store's configuration.
pub(crate) fn generate(out: &Path, id: &str, section: &str) -> Result<(PathBuf, String), KeyError> {
    if !is_valid_id(id) {
        return Err(KeyError::Id(id.to_owned()));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(KeyError::Random)?;
    let key = SigningKey::from_bytes(&seed);
    let path = out.join(format!("{id}.pem"));
    let failed = |error| KeyError::Write(path.clone(), error);
    let pem = pem(&key).map_err(|error| failed(io::Error::other(error)))?;
    std::fs::create_dir_all(out).map_err(failed)?;
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(KeyError::Exists(path)),
        other => other.map_err(failed)?,
    };
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let lines =
        format!("[[{section}]]\nid = \"{id}\"\npublic = \"{}\"\n", hex(key.verifying_key().as_bytes()));
    Ok((path, lines))
}

/// Without the public half, which the newer form of PKCS#8 (RFC 5958) has room for: OpenSSL 3.0 cannot
/// read a file that has it.
fn pem(key: &SigningKey) -> pkcs8::Result<impl Deref<Target = String>> {
    KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(LineEnding::LF)
}

/// The private key in `path`.
pub(crate) fn load(path: &Path) -> Result<SigningKey, KeyError> {
    let pem = std::fs::read_to_string(path).map_err(|error| KeyError::Read(path.to_owned(), error))?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::NotAKey(path.to_owned()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (path, lines) = generate(dir.path(), "hq-1", "price_key").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let public = hex(load(&path).unwrap().verifying_key().as_bytes());
        assert_eq!(lines, format!("[[price_key]]\nid = \"hq-1\"\npublic = \"{public}\"\n"));
        assert!(matches!(generate(dir.path(), "hq-1", "price_key"), Err(KeyError::Exists(_))));
        assert!(matches!(generate(dir.path(), "../x", "price_key"), Err(KeyError::Id(_))));
    }

    /// The example of RFC 8410, section 10.3: keys made elsewhere are read, and ours are of that form.
    #[test]
    fn keys_are_exchanged_with_other_programs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        let rfc8410 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        std::fs::write(&path, rfc8410).unwrap();
        assert_eq!(
            hex(load(&path).unwrap().verifying_key().as_bytes()),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
        assert_eq!(*pem(&load(&path).unwrap()).unwrap(), rfc8410);
        std::fs::write(&path, "no key").unwrap();
        assert!(matches!(load(&path), Err(KeyError::NotAKey(_))));
    }
}
