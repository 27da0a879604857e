-- Numbers of 64 bits without sign (boot, journal) are stored as the signed integer of the same bits.
-- Times are milliseconds since 1970-01-01T00:00:00Z.

-- Every message of a store as it came, once.
CREATE TABLE message (
  chain TEXT NOT NULL, store TEXT NOT NULL, journal INTEGER NOT NULL, stream INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  boot INTEGER NOT NULL, committed_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (chain, store, journal, stream, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX telemetry_by_time ON message (received_ms) WHERE stream = 4;

-- Highest number up to which none is missing: what is acknowledged.
CREATE TABLE contiguous (
  chain TEXT NOT NULL, store TEXT NOT NULL, journal INTEGER NOT NULL, stream INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (chain, store, journal, stream)
) STRICT, WITHOUT ROWID;

-- Messages that will never come: telemetry a store had to drop, and what it had acknowledged by a
-- database that was lost.
CREATE TABLE gap (
  id INTEGER PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, stream INTEGER NOT NULL,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL
) STRICT;

-- The latest status of every store that was ever seen.
CREATE TABLE store (
  chain TEXT NOT NULL, store TEXT NOT NULL,
  online INTEGER NOT NULL, boot INTEGER NOT NULL, journal INTEGER NOT NULL, version TEXT NOT NULL,
  config_digest BLOB NOT NULL, clock INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (chain, store)
) STRICT, WITHOUT ROWID;

-- What could not be taken in, and why; the oldest rows are dropped.
CREATE TABLE refused (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  received_ms INTEGER NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, payload BLOB NOT NULL
) STRICT;

CREATE TABLE alert (
  id INTEGER PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, seq INTEGER NOT NULL, alarm INTEGER NOT NULL,
  device TEXT NOT NULL, device_name TEXT NOT NULL, condition TEXT NOT NULL, priority TEXT NOT NULL,
  state INTEGER NOT NULL, at_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, cause TEXT NOT NULL,
  -- {"quantity": {"value": 1.0, "unit": "W"}}
  evidence TEXT NOT NULL,
  by TEXT NOT NULL, received_ms INTEGER NOT NULL,
  probability REAL NOT NULL,
  -- [{"cause": "door_open", "probability": 0.2}]
  alternatives TEXT NOT NULL,
  -- the alarm that explains it, "device/condition"; empty if none does
  parent TEXT NOT NULL,
  escalation INTEGER NOT NULL,
  -- {"reference": "R-12", "by": "li", "since": "2026-…", "escalation": 0, "fixed_by": …, "fixed": …}; null if
  -- nobody repairs it
  repair TEXT,
  -- [{"time": "2026-…", "air": -18.5, "evaporator": -27.0, "power": 310.0}], oldest first
  curve TEXT NOT NULL
) STRICT;

CREATE TABLE point (
  id INTEGER PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, device TEXT NOT NULL, point TEXT NOT NULL,
  unit TEXT NOT NULL,
  UNIQUE (chain, store, device, point)
) STRICT;

-- Readings; the text columns live once in point. A reading without a believable value has none.
-- Numbers are never used again: the cursor of an export would pass new rows over.
CREATE TABLE sample (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  point INTEGER NOT NULL REFERENCES point (id), at_ms INTEGER NOT NULL,
  value REAL, quality INTEGER NOT NULL
) STRICT;
CREATE INDEX sample_by_point ON sample (point, at_ms);

-- The first sample that came on each day (days since 1970-01-01): how old samples are told.
CREATE TABLE sample_day (day INTEGER PRIMARY KEY, first_sample INTEGER NOT NULL) STRICT;

-- For people and for questions by point: CROSS JOIN makes SQLite look points up first, of which there
-- are few, and then their samples by the index.
CREATE VIEW reading AS
  SELECT sample.id, chain, store, device, point.point, unit, at_ms, value,
    CASE quality WHEN 1 THEN 'good' WHEN 2 THEN 'stale' WHEN 3 THEN 'no_response'
      WHEN 4 THEN 'exception' WHEN 5 THEN 'garbled' WHEN 6 THEN 'sensor_fault'
      WHEN 7 THEN 'out_of_range' WHEN 8 THEN 'implausible' ELSE 'unknown' END AS quality
  FROM point CROSS JOIN sample ON sample.point = point.id;

-- Signed price batches; payload is a SignedBatch as it travels.
CREATE TABLE batch (
  digest BLOB PRIMARY KEY,
  chain TEXT NOT NULL, key_id TEXT NOT NULL, number INTEGER NOT NULL, entries INTEGER NOT NULL,
  accept_until_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL, payload BLOB NOT NULL,
  UNIQUE (chain, key_id, number)
) STRICT;

CREATE INDEX batch_open ON batch (chain, accept_until_ms);

-- The stores a batch is for, and what became of it there; accepted is NULL until the store has said.
CREATE TABLE batch_store (
  digest BLOB NOT NULL REFERENCES batch (digest), store TEXT NOT NULL,
  sent_ms INTEGER, accepted INTEGER, reason TEXT, outcome_ms INTEGER,
  PRIMARY KEY (digest, store)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_store_open ON batch_store (store) WHERE accepted IS NULL;

-- The latest news of each label about each batch.
CREATE TABLE label_shown (
  chain TEXT NOT NULL, store TEXT NOT NULL, label TEXT NOT NULL, batch INTEGER NOT NULL,
  item TEXT NOT NULL, price_minor INTEGER NOT NULL, currency TEXT NOT NULL, proof INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (chain, store, label, batch)
) STRICT, WITHOUT ROWID;

-- Up to which sample the time-series database has everything.
CREATE TABLE influx_cursor (target TEXT PRIMARY KEY, sample INTEGER NOT NULL) STRICT;
