-- From schema version 3 to 4: several workers may write, so what was in the memory of the one is in the
-- tables; commands.

-- Numbers that have come beyond the first gap: '7-9,12-12'.
ALTER TABLE contiguous ADD COLUMN beyond TEXT NOT NULL DEFAULT '';
UPDATE contiguous SET beyond = (
  SELECT coalesce(group_concat(first || '-' || last, ','), '') FROM (
    SELECT min(seq) AS first, max(seq) AS last FROM (
      SELECT seq, seq - row_number() OVER (ORDER BY seq) AS run FROM message
      WHERE message.chain = contiguous.chain AND message.store = contiguous.store
        AND message.journal = contiguous.journal AND message.stream = contiguous.stream
        AND message.seq > contiguous.seq)
    GROUP BY run ORDER BY first));

-- The boots before the present one, the latest first, so that a late status of one is known: '17 -4'.
ALTER TABLE store ADD COLUMN former TEXT NOT NULL DEFAULT '';

-- Signed commands, each for one store, and what became of it; payload is a SignedCommand as it travels.
CREATE TABLE command (
  id TEXT PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, by TEXT NOT NULL,
  -- for people
  act TEXT NOT NULL,
  issued_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, payload BLOB NOT NULL,
  sent_ms INTEGER,
  -- NULL until the store has said
  done INTEGER, reason TEXT, outcome_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX command_open ON command (chain, deadline_ms) WHERE done IS NULL;
