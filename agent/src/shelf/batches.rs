//! What comes signed: price batches and lists of keys from headquarters, markdowns of the store.

use super::{Shelf, Showing};
use crate::config::Config;
use crate::console::MarkdownRequest;
use crate::journal::{JournalError, prices};
use crate::label::can_show;
use crate::price::authority::Denied;
use crate::price::{Authority, Refusal, Why, fit, judge, verify};
use sha2::{Digest as _, Sha256};
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::SignedBatch;
use storewarden_rules::Now;

/// Whether a batch was taken; why not, if it was not.
type Taken = Result<(), String>;

impl Shelf {
    /// A markdown that the store manager has signed. Where the clock cannot be trusted, nobody can say when it
    /// would end.
    pub(super) async fn on_markdown(&mut self, request: MarkdownRequest) -> Result<(), JournalError> {
        let taken = if self.look_at_clock(self.clock.now()) {
            self.on_batch(request.signed).await?
        } else {
            Err("this store's clock cannot be trusted; try again once headquarters can be reached".into())
        };
        // Whoever asked may have gone.
        let _ = request.reply.send(Ok(taken));
        Ok(())
    }

    pub(super) async fn on_batch(&mut self, payload: Vec<u8>) -> Result<Taken, JournalError> {
        let now = self.clock.now();
        let identity = self.journal.identity().clone();
        // Headquarters repeats a batch until it has our answer: one done before is answered again.
        if let Ok(signed) = SignedBatch::decode(payload.as_slice()) {
            let is_list = !signed.key_list.is_empty();
            let digest: [u8; 32] =
                Sha256::digest(if is_list { &signed.key_list } else { &signed.batch }).into();
            let identity = identity.clone();
            let known =
                self.journal.run(move |db| prices::answer_again(db, &identity, now.utc, digest)).await?;
            if known {
                return Ok(Ok(()));
            }
            if is_list {
                return self.on_key_list(now, digest, payload, &signed).await;
            }
        }
        let verified =
            verify(&payload, &self.authority, &self.numbers, &self.chain, &self.store, now.utc, &can_show);
        let fits = verified
            .and_then(|batch| judge(batch, &self.authority, &self.book, self.jurisdiction, now.utc))
            .and_then(|batch| {
                let labels =
                    self.labels.iter().map(|Showing { label, .. }| (label.item.as_str(), label.display));
                fit(batch, labels, &self.templates)
            });
        match fits {
            Ok(verified) => {
                let (source, entries) = (&verified.batch.source, verified.batch.entries.len());
                tracing::info!(key = %source.key, number = source.number, entries, "price batch accepted");
                let (kept, at) = (verified.clone(), now.utc);
                self.journal.run(move |db| prices::accept(db, &identity, at, &kept)).await?;
                self.numbers.take(&source.key, source.number);
                verified.batch.add_to(&mut self.book);
                self.refresh(now).await?;
                Ok(Ok(()))
            }
            // Said by a clock that may be behind: not answered, so that headquarters repeats it. So is what is
            // too late by a clock that cannot be trusted.
            Err(Refusal {
                why: why @ (Why::NotYet(_) | Why::NoLonger(_) | Why::Denied(Denied::NotValid(_))),
                number,
                ..
            }) if matches!(why, Why::NotYet(_)) || !self.look_at_clock(now) => {
                tracing::warn!(number, %why, "price batch does not fit this box's clock; headquarters will repeat it");
                Ok(Err(why.to_string()))
            }
            Err(refusal) => {
                tracing::warn!(key = %refusal.key_id, number = refusal.number, why = %refusal, "price batch refused");
                let why = refusal.to_string();
                self.journal.run(move |db| prices::refuse(db, &identity, now.utc, &refusal)).await?;
                Ok(Err(why))
            }
        }
    }

    async fn on_key_list(
        &mut self,
        now: Now,
        digest: [u8; 32],
        payload: Vec<u8>,
        signed: &SignedBatch,
    ) -> Result<Taken, JournalError> {
        let identity = self.journal.identity().clone();
        match self.authority.read_list(&signed.key_list, &signed.signatures) {
            Ok(list) => {
                tracing::info!(root = %list.root, version = list.version, "list of keys accepted");
                let kept = list.clone();
                let commit = move |db: &rusqlite::Connection| {
                    prices::accept_list(db, &identity, now.utc, (digest, &payload), &kept)
                };
                self.journal.run(commit).await?;
                self.authority.adopt(list);
                Ok(Ok(()))
            }
            Err(fault) => {
                tracing::warn!(why = %fault, "list of keys refused");
                let why = fault.to_string();
                self.journal
                    .run(move |db| prices::refuse_list(db, &identity, now.utc, digest, &fault))
                    .await?;
                Ok(Err(why))
            }
        }
    }
}

/// Whose signatures count, with the list that the journal has. One that the configuration's root keys have
/// not signed, as after another was written there, does not count.
pub(crate) fn authority(config: &Config, list: Option<&[u8]>) -> Authority {
    let (roots, keys) = (config.root_keys.clone(), config.price_keys.clone());
    let mut authority = Authority::new(&config.store.chain, &config.store.id, roots, keys);
    let Some(list) = list.filter(|_| !config.root_keys.is_empty()) else { return authority };
    let read = SignedBatch::decode(list).ok();
    match read.map(|signed| authority.read_list(&signed.key_list, &signed.signatures)) {
        Some(Ok(list)) => authority.adopt(list),
        Some(Err(why)) => tracing::error!(%why, "the list of keys in the journal does not count any more"),
        None => tracing::error!("the list of keys in the journal cannot be read"),
    }
    authority
}
