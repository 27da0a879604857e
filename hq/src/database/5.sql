-- From schema version 4 to 5: campaigns, where a store is, and whose batch a label's price came with.

-- What one `price push` queued; every batch of a campaign has its name.
ALTER TABLE batch ADD COLUMN campaign TEXT NOT NULL DEFAULT '';
UPDATE batch SET campaign = key_id || '-' || number;
CREATE INDEX batch_campaign ON batch (chain, campaign);
-- 1: it is a list of keys.
ALTER TABLE batch ADD COLUMN is_list INTEGER NOT NULL DEFAULT 0;
UPDATE batch SET is_list = 1 WHERE entries = 0;

-- As the store says; empty until it has.
ALTER TABLE store ADD COLUMN timezone TEXT NOT NULL DEFAULT '';
ALTER TABLE store ADD COLUMN jurisdiction TEXT NOT NULL DEFAULT '';

ALTER TABLE label_shown RENAME TO label_shown_4;
CREATE TABLE label_shown (
  chain TEXT NOT NULL, store TEXT NOT NULL, label TEXT NOT NULL, batch INTEGER NOT NULL,
  item TEXT NOT NULL, price_minor INTEGER NOT NULL, currency TEXT NOT NULL, proof INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, reason TEXT NOT NULL,
  -- empty: an older store did not say
  key_id TEXT NOT NULL,
  PRIMARY KEY (chain, store, label, batch, key_id)
) STRICT, WITHOUT ROWID;
INSERT INTO label_shown SELECT chain, store, label, batch, item, price_minor, currency, proof, at_ms, reason, ''
  FROM label_shown_4;
DROP TABLE label_shown_4;
