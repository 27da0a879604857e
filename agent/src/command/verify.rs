//! Whether a command may be believed: signature, destination, time. Pure; whether it was done before is
//! for the journal to say.

use crate::console::{NAME_CHARS_MAX, SHELVE_MINUTES_MAX};
use crate::signed::{PublicKey, SignatureFault, signer};
use sha2::{Digest as _, Sha256};
use storewarden_proto::prost::Message as _;
use storewarden_proto::topic::is_valid_id;
use storewarden_proto::v1::{self, command::Act};
use storewarden_proto::{PAYLOAD_BYTES_MAX, command_signed_bytes};
use storewarden_rules::{Millis, Utc};

/// A command may seem to be issued so far in the future: clocks differ a little.
const EARLY_MAX: Millis = Millis::from_mins(10);

/// The longest time from issue to deadline. Its result is kept longer than that.
const LIFE_MAX: Millis = Millis::from_mins(7 * 24 * 60);

/// A command that satisfied everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// SHA-256 of the signed bytes.
    pub digest: [u8; 32],
    /// Names it for ever.
    pub id: String,
    /// The key that signed it.
    pub key_id: String,
    /// The person who ordered it.
    pub by: String,
    /// It is begun before that or not at all.
    pub deadline: Utc,
    /// What is to be done.
    pub act: Act,
}

/// A command that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// Its id, as far as that can be told; empty otherwise. Not to be trusted before the signature is.
    pub id: String,
    /// The key that it names.
    pub key_id: String,
    /// The reason.
    pub why: Why,
}

/// Why a command was refused, in words for who ordered it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Larger than any message may be.
    #[error("{0} bytes is more than the {PAYLOAD_BYTES_MAX} a message may have")]
    TooLarge(usize),
    /// Not the expected message.
    #[error("not a signed command: it could not be decoded")]
    NotSigned,
    /// No signature that counts.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// For someone else.
    #[error("the command is for chain `{0}` and store `{1}`, not for this store")]
    OtherStore(String, String),
    /// Without a name it could be done twice.
    #[error("the command has no usable id: 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'")]
    Id,
    /// Who ordered it is on record.
    #[error("`by` is a name of 1 to {NAME_CHARS_MAX} characters on one line")]
    By,
    /// The store's clock or headquarters' is wrong.
    #[error("issued at {issued} by headquarters' clock, but this store's clock says {now} (ms since 1970)")]
    NotYet {
        /// By headquarters.
        issued: i64,
        /// Here.
        now: i64,
    },
    /// It came too late.
    #[error("its deadline ({0} ms since 1970) is over by this store's clock; order it anew")]
    TooLate(i64),
    /// Deadlines are near.
    #[error("its deadline is more than seven days after its issue")]
    TooLong,
    /// Of a newer version.
    #[error("this version of the agent does not know what is to be done; update it")]
    Unknown,
    /// A shelf of no time, or for ever.
    #[error("minutes are 1 to {max}")]
    Minutes {
        /// The most.
        max: u32,
    },
    /// Not a temperature.
    #[error("the set point is no finite number")]
    Number,
}

/// The longest a light may be switched against its schedule, minutes: a day.
pub const LIGHT_MINUTES_MAX: u32 = 1440;

/// Checks a payload of topic `command`. The signature is checked before anything it covers is believed.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(
    payload: &[u8],
    keys: &[PublicKey],
    chain: &str,
    store: &str,
    now: Utc,
) -> Result<Verified, Refusal> {
    let mut refusal = Refusal { id: String::new(), key_id: String::new(), why: Why::NotSigned };
    let refuse = |refusal: Refusal, why| Err(Refusal { why, ..refusal });
    if payload.len() > PAYLOAD_BYTES_MAX {
        return refuse(refusal, Why::TooLarge(payload.len()));
    }
    let Ok(signed) = v1::SignedCommand::decode(payload) else { return Err(refusal) };
    let Ok(command) = v1::Command::decode(signed.command.as_slice()) else { return Err(refusal) };
    if is_valid_id(&command.id) {
        refusal.id.clone_from(&command.id);
    }
    let bytes = command_signed_bytes(&signed.command);
    match signer(&bytes, &signed.signatures, keys) {
        Ok(key_id) => key_id.clone_into(&mut refusal.key_id),
        Err(fault) => return refuse(refusal, fault.into()),
    }
    if let Err(why) = check(&command, chain, store, now) {
        return refuse(refusal, why);
    }
    let Some(act) = command.act else { return refuse(refusal, Why::Unknown) };
    Ok(Verified {
        digest: Sha256::digest(&signed.command).into(),
        id: command.id,
        key_id: refusal.key_id,
        by: command.by,
        deadline: Utc(command.deadline_ms),
        act,
    })
}

fn check(command: &v1::Command, chain: &str, store: &str, now: Utc) -> Result<(), Why> {
    if (command.chain.as_str(), command.store.as_str()) != (chain, store) {
        return Err(Why::OtherStore(command.chain.clone(), command.store.clone()));
    }
    if !is_valid_id(&command.id) {
        return Err(Why::Id);
    }
    let name = command.by.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Why::By);
    }
    if command.deadline_ms.saturating_sub(command.issued_ms) > LIFE_MAX.0 {
        return Err(Why::TooLong);
    }
    if command.issued_ms > now.0.saturating_add(EARLY_MAX.0) {
        return Err(Why::NotYet { issued: command.issued_ms, now: now.0 });
    }
    if now.0 >= command.deadline_ms {
        return Err(Why::TooLate(command.deadline_ms));
    }
    let minutes = |minutes: u32, max| {
        if (1..=max).contains(&minutes) { Ok(()) } else { Err(Why::Minutes { max }) }
    };
    match &command.act {
        None => Err(Why::Unknown),
        Some(Act::Shelve(shelve)) => minutes(shelve.minutes, SHELVE_MINUTES_MAX),
        Some(Act::Light(light)) => minutes(light.minutes, LIGHT_MINUTES_MAX),
        Some(Act::SetPoint(set)) if !set.celsius.is_finite() => Err(Why::Number),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    const NOW: Utc = Utc(1_790_000_000_000);

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn keys() -> Vec<PublicKey> {
        vec![PublicKey { id: "hq-1".into(), key: key().verifying_key() }]
    }

    fn command() -> v1::Command {
        v1::Command {
            chain: "kaixin".into(),
            store: "0042".into(),
            id: "c-1".into(),
            issued_ms: NOW.0 - 1000,
            deadline_ms: NOW.0 + 1000,
            by: "Wang".into(),
            act: Some(Act::Acknowledge(v1::AcknowledgeAlarm { journal: 9, alarm: 3 })),
        }
    }

    fn sign(command: &v1::Command, key_id: &str) -> v1::SignedCommand {
        let command = command.encode_to_vec();
        let signature = key().sign(&command_signed_bytes(&command)).to_bytes().to_vec();
        v1::SignedCommand { command, signatures: vec![v1::Signature { key_id: key_id.into(), signature }] }
    }

    fn said(signed: &v1::SignedCommand) -> Result<Verified, Refusal> {
        verify(&signed.encode_to_vec(), &keys(), "kaixin", "0042", NOW)
    }

    fn why(change: impl FnOnce(&mut v1::Command)) -> Why {
        let mut command = command();
        change(&mut command);
        said(&sign(&command, "hq-1")).unwrap_err().why
    }

    #[test]
    fn a_good_command_is_what_was_signed() {
        let good = said(&sign(&command(), "hq-1")).unwrap();
        assert_eq!((good.id.as_str(), good.by.as_str(), good.key_id.as_str()), ("c-1", "Wang", "hq-1"));
        assert_eq!(good.deadline, Utc(NOW.0 + 1000));
    }

    #[test]
    fn what_was_altered_or_signed_by_another_is_refused_before_it_is_believed() {
        let mut altered = sign(&command(), "hq-1");
        let forged = v1::Command { store: "0043".into(), ..command() };
        altered.command = forged.encode_to_vec();
        let refused = said(&altered).unwrap_err();
        assert_eq!(refused.why, Why::Signature(SignatureFault::Mismatch("hq-1".into())));
        assert_eq!(refused.id, "c-1", "so that headquarters can be answered");
        let stranger = said(&sign(&command(), "hq-2")).unwrap_err();
        assert!(matches!(stranger.why, Why::Signature(SignatureFault::UnknownKey(_))));
        // A signature over a price batch of the same bytes is none over a command.
        let bytes = command().encode_to_vec();
        let signature = key().sign(&storewarden_proto::price_batch_signed_bytes(&bytes)).to_bytes().to_vec();
        let signatures = vec![v1::Signature { key_id: "hq-1".into(), signature }];
        let price = v1::SignedCommand { command: bytes, signatures };
        assert!(matches!(said(&price).unwrap_err().why, Why::Signature(SignatureFault::Mismatch(_))));
        assert_eq!(verify(b"\xff", &keys(), "kaixin", "0042", NOW).unwrap_err().why, Why::NotSigned);
        let large = vec![0; PAYLOAD_BYTES_MAX + 1];
        assert!(matches!(verify(&large, &keys(), "k", "s", NOW).unwrap_err().why, Why::TooLarge(_)));
    }

    #[test]
    fn place_time_and_person_must_be_right() {
        assert!(matches!(why(|c| c.store = "0043".into()), Why::OtherStore(..)));
        assert!(matches!(why(|c| c.chain = "other".into()), Why::OtherStore(..)));
        assert_eq!(why(|c| c.id = "a/b".into()), Why::Id);
        assert_eq!(why(|c| c.by = " \n".into()), Why::By);
        assert_eq!(why(|c| c.by = "x".repeat(41)), Why::By);
        assert_eq!(why(|c| c.deadline_ms = NOW.0), Why::TooLate(NOW.0));
        assert_eq!(why(|c| c.deadline_ms = i64::MAX), Why::TooLong);
        let later = NOW.0 + EARLY_MAX.0 + 1;
        let early = why(|c| (c.issued_ms, c.deadline_ms) = (later, later + 1));
        assert_eq!(early, Why::NotYet { issued: later, now: NOW.0 });
    }

    #[test]
    fn what_is_to_be_done_must_be_possible() {
        assert_eq!(why(|c| c.act = None), Why::Unknown);
        let shelve =
            |minutes| why(|c| c.act = Some(Act::Shelve(v1::ShelveAlarm { journal: 1, alarm: 1, minutes })));
        assert_eq!(shelve(0), Why::Minutes { max: 480 });
        assert_eq!(shelve(481), Why::Minutes { max: 480 });
        let light = v1::SwitchLight { light: "sign".into(), on: true, minutes: 0 };
        assert_eq!(why(|c| c.act = Some(Act::Light(light))), Why::Minutes { max: 1440 });
        let hot = v1::SetPoint { device: "f".into(), celsius: f64::NAN };
        assert_eq!(why(|c| c.act = Some(Act::SetPoint(hot))), Why::Number);
    }
}
