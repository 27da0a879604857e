//! Whether signed bytes from headquarters may be believed: Ed25519 (RFC 8032) by a key of the store's
//! configuration. Pure.

use ed25519_dalek::{Signature, VerifyingKey};
use storewarden_proto::v1;

/// A key that may sign for this store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// What signatures call it.
    pub id: String,
    /// The public half.
    pub key: VerifyingKey,
}

/// Why signatures do not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// No signature by a known key.
    #[error("no signature by a key this store knows (signed by: {0}); add the key to the store's config")]
    UnknownKey(String),
    /// Altered, or signed by someone else.
    #[error("the signature of key `{0}` does not match what was signed")]
    Mismatch(String),
}

/// The id of the first known key; every signature of `bytes` by a known key must match.
///
/// # Errors
/// One that does not match, or none by a known key.
pub fn signer<'k>(
    bytes: &[u8],
    signatures: &[v1::Signature],
    keys: &'k [PublicKey],
) -> Result<&'k str, SignatureFault> {
    Ok(signers(bytes, signatures, keys)?[0])
}

/// The ids of the known keys that signed, in their order and at least one; every signature of `bytes` by a
/// known key must match.
///
/// # Errors
/// As of [`signer`].
pub fn signers<'k>(
    bytes: &[u8],
    signatures: &[v1::Signature],
    keys: &'k [PublicKey],
) -> Result<Vec<&'k str>, SignatureFault> {
    let mut signers = Vec::new();
    for signature in signatures {
        let Some(key) = keys.iter().find(|key| key.id == signature.key_id) else { continue };
        Signature::from_slice(&signature.signature)
            .and_then(|signature| key.key.verify_strict(bytes, &signature))
            .map_err(|_| SignatureFault::Mismatch(key.id.clone()))?;
        if !signers.contains(&key.id.as_str()) {
            signers.push(key.id.as_str());
        }
    }
    if !signers.is_empty() {
        return Ok(signers);
    }
    let mut ids: Vec<String> =
        signatures.iter().take(4).map(|s| s.key_id.chars().take(64).collect()).collect();
    if ids.is_empty() {
        ids.push("nobody".into());
    }
    Err(SignatureFault::UnknownKey(ids.join(", ")))
}
