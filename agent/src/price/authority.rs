//! Who may sign prices for this store.
//!
//! A chain with a root key says so in a list that this key has signed: which keys, in which role, where, from
//! when to when, and what was revoked. A store takes a list whose version is above the one it has. Until it
//! has one, nobody may sign. Without a root key the keys of the store's configuration may, without limits.
//!
//! A batch counts if a key of the price team has signed it that is valid now. Where a price changes by more
//! than the list allows, an approver's key must have signed too. A store manager's key signs markdowns of the
//! stores it is listed with, within the limits of the list. What was accepted stays on the shelf when
//! its key is revoked later: prices are taken back by prices.

use crate::signed::{PublicKey, SignatureFault, signer, signers};
use ed25519_dalek::VerifyingKey;
use storewarden_prices::Limit;
use storewarden_proto::prost::Message as _;
use storewarden_proto::{key_list_signed_bytes, price_batch_signed_bytes, v1};
use storewarden_rules::{Millis, Utc};

/// Keys of a list at most: a chain has a handful of people who sign.
const KEYS_MAX: usize = 256;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Signs batches.
    PriceTeam,
    /// Signs large changes after the price team.
    Approver,
    /// Signs markdowns of a store.
    StoreManager,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::PriceTeam => "price team",
            Self::Approver => "approver",
            Self::StoreManager => "store manager",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    role: Role,
    stores: Vec<String>,
    from: Utc,
    until: Option<Utc>,
    revoked: Option<Utc>,
}

/// A list that a root key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyList {
    /// Rises.
    pub version: u64,
    /// The root key that signed it.
    pub root: String,
    /// When it was: no clock of a store is believed to be before that.
    issued: Utc,
    keys: Vec<PublicKey>,
    /// Of each key, by the same place.
    listed: Vec<Listed>,
    large_change_percent: Option<u32>,
    /// How far a store's own markdowns may go; none: there are none.
    markdown: Option<Limit>,
}

/// Why a list of keys was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// The store's configuration names none.
    #[error("this store knows no root key; add [[root_key]] to its configuration")]
    NoRoot,
    /// No signature that counts.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// The signature is good, what it covers is no list.
    #[error("the signed bytes are not a list of keys: they could not be decoded")]
    NotList,
    /// For someone else.
    #[error("the list is for chain `{0}`, this store belongs to another")]
    Chain(String),
    /// An old one.
    #[error("version {version} is not above {known}, which this store has; sign it with a higher one")]
    Version {
        /// Of the list.
        version: u64,
        /// Of the store's.
        known: u64,
    },
    /// One of its keys.
    #[error(
        "key `{0}` of the list has no valid id, public key or role, is listed twice, or is a store manager's of no store"
    )]
    Key(String),
    /// Too many.
    #[error("{0} keys are more than the 256 a list may have")]
    TooMany(usize),
}

/// Why the keys that signed a batch do not suffice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Withdrawn.
    #[error("key `{0}` was revoked; sign with another")]
    Revoked(String),
    /// Before or after its time.
    #[error("key `{0}` is not valid at this time; sign with another")]
    NotValid(String),
    /// Not here.
    #[error("key `{0}` does not count in this store; sign with another")]
    NotHere(String),
    /// Not in this chain.
    #[error("headquarters' list of keys allows stores no markdowns of their own")]
    NoMarkdowns,
    /// Nobody of the price team.
    #[error("key `{id}` is that of the role {role}; a batch is signed by the price team first")]
    Role {
        /// Who signed.
        id: String,
        /// As what.
        role: &'static str,
    },
}

/// Whose signatures count.
#[derive(Clone, Debug)]
pub struct Authority {
    chain: String,
    store: String,
    roots: Vec<PublicKey>,
    /// Those of the configuration, which count where there is no root key.
    configured: Vec<PublicKey>,
    list: Option<KeyList>,
}

/// Who signed a batch, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The key of the price team or store manager.
    pub key: String,
    /// What they may.
    pub right: Right,
}

/// What those who signed a batch may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Change prices, but not by much.
    PriceTeam,
    /// Change prices: an approver has signed too.
    Approved,
    /// Mark down.
    StoreManager,
}

impl Authority {
    /// What the configuration of a store says.
    pub fn new(chain: &str, store: &str, roots: Vec<PublicKey>, configured: Vec<PublicKey>) -> Self {
        Self { chain: chain.to_owned(), store: store.to_owned(), roots, configured, list: None }
    }

    /// Reads a list, which becomes the one in force by [`Self::adopt`].
    ///
    /// # Errors
    /// What is wrong with it; then the one before stays in force.
    pub fn read_list(&self, list: &[u8], signatures: &[v1::Signature]) -> Result<KeyList, ListFault> {
        if self.roots.is_empty() {
            return Err(ListFault::NoRoot);
        }
        let root = signer(&key_list_signed_bytes(list), signatures, &self.roots)?.to_owned();
        let list = v1::KeyList::decode(list).map_err(|_| ListFault::NotList)?;
        if list.chain != self.chain {
            return Err(ListFault::Chain(list.chain.chars().take(64).collect()));
        }
        let known = self.list.as_ref().map_or(0, |known| known.version);
        if list.version <= known {
            return Err(ListFault::Version { version: list.version, known });
        }
        if list.keys.len() > KEYS_MAX {
            return Err(ListFault::TooMany(list.keys.len()));
        }
        let (mut keys, mut listed) = (Vec::<PublicKey>::new(), Vec::new());
        for key in list.keys {
            let fault = || ListFault::Key(key.id.chars().take(64).collect());
            let public = <[u8; 32]>::try_from(key.public_key.as_slice()).ok();
            let public = public.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).ok_or_else(fault)?;
            let role = match key.role() {
                v1::PriceRole::PriceTeam => Role::PriceTeam,
                v1::PriceRole::Approver => Role::Approver,
                v1::PriceRole::StoreManager if key.stores.is_empty() => return Err(fault()),
                v1::PriceRole::StoreManager => Role::StoreManager,
                v1::PriceRole::Unspecified => return Err(fault()),
            };
            // One person with one key under two names would approve what they signed.
            if key.id.is_empty() || keys.iter().any(|known| known.id == key.id || known.key == public) {
                return Err(fault());
            }
            let some = |ms: i64| (ms != 0).then_some(Utc(ms));
            listed.push(Listed {
                role,
                stores: key.stores.clone(),
                from: Utc(key.valid_from_ms),
                until: some(key.valid_until_ms),
                revoked: some(key.revoked_ms),
            });
            keys.push(PublicKey { id: key.id, key: public });
        }
        let large_change_percent = (list.large_change_percent > 0).then_some(list.large_change_percent);
        let within = Millis::from_mins(i64::from(list.markdown_hours_max) * 60);
        let percent = list.markdown_percent_max.min(100);
        let markdown = (percent > 0 && within.0 > 0).then(|| Limit::Markdown {
            percent,
            within,
            classes: list.markdown_classes.clone(),
        });
        let issued = Utc(list.issued_ms);
        Ok(KeyList { version: list.version, root, issued, keys, listed, large_change_percent, markdown })
    }

    /// From now on `list` holds.
    pub fn adopt(&mut self, list: KeyList) {
        self.list = Some(list);
    }

    /// Whether a list is in force.
    pub fn has_list(&self) -> bool {
        self.list.is_some()
    }

    fn keys(&self) -> &[PublicKey] {
        match &self.list {
            _ if self.roots.is_empty() => &self.configured,
            Some(list) => &list.keys,
            None => &[],
        }
    }

    /// The list in force, where there is a root key.
    fn in_force(&self) -> Option<&KeyList> {
        self.list.as_ref().filter(|_| !self.roots.is_empty())
    }

    /// How far those of that right may go.
    pub fn limit(&self, right: Right) -> Limit {
        let list = self.in_force();
        match right {
            Right::Approved => Limit::None,
            Right::PriceTeam => list
                .and_then(|list| list.large_change_percent)
                .map_or(Limit::None, |percent| Limit::Change { percent }),
            Right::StoreManager => {
                let none = || Limit::Markdown { percent: 0, within: Millis(0), classes: Vec::new() };
                list.and_then(|list| list.markdown.clone()).unwrap_or_else(none)
            }
        }
    }

    /// Whether that key is listed as a store manager's, also if it counts no longer.
    pub fn is_store_manager(&self, key: &str) -> bool {
        let list = self.in_force();
        let place = list.and_then(|list| Some((list, list.keys.iter().position(|known| known.id == key)?)));
        place.is_some_and(|(list, place)| list.listed[place].role == Role::StoreManager)
    }

    /// The ids of all known keys that signed a batch, whether they still count or not.
    ///
    /// # Errors
    /// A signature that does not match, or none by a known key.
    pub fn signers(&self, batch: &[u8], signatures: &[v1::Signature]) -> Result<Vec<&str>, SignatureFault> {
        signers(&price_batch_signed_bytes(batch), signatures, self.keys())
    }

    /// Whether those who signed may, at `now`.
    ///
    /// # Errors
    /// The first key that may not; none may be among them, so that nobody hides behind another.
    pub fn permit(&self, signers: &[&str], now: Utc) -> Result<Signed, Denied> {
        let first = || signers.first().copied().unwrap_or_default().to_owned();
        let Some(list) = self.in_force() else {
            return Ok(Signed { key: first(), right: Right::PriceTeam });
        };
        let now = now.max(list.issued);
        let (mut team, mut manager, mut is_approved) = (None, None, false);
        for id in signers {
            let place = list.keys.iter().position(|key| key.id == *id);
            let Some(listed) = place.and_then(|place| list.listed.get(place)) else { continue };
            if listed.revoked.is_some_and(|revoked| revoked <= now) {
                return Err(Denied::Revoked((*id).to_owned()));
            }
            if now < listed.from || listed.until.is_some_and(|until| until <= now) {
                return Err(Denied::NotValid((*id).to_owned()));
            }
            if !listed.stores.is_empty() && !listed.stores.contains(&self.store) {
                return Err(Denied::NotHere((*id).to_owned()));
            }
            match listed.role {
                Role::PriceTeam => team = team.or(Some(*id)),
                Role::StoreManager => manager = manager.or(Some(*id)),
                Role::Approver => is_approved = true,
            }
        }
        let signed = |key: &str, right| Ok(Signed { key: key.to_owned(), right });
        match (team, manager) {
            (Some(team), _) if is_approved => signed(team, Right::Approved),
            (Some(team), _) => signed(team, Right::PriceTeam),
            (None, Some(_)) if list.markdown.is_none() => Err(Denied::NoMarkdowns),
            (None, Some(manager)) => signed(manager, Right::StoreManager),
            (None, None) => Err(Denied::Role { id: first(), role: Role::Approver.name() }),
        }
    }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
