-- The whole of schema version 4, for PostgreSQL.
CREATE TABLE schema_version (version BIGINT NOT NULL);

-- Numbers of 64 bits without sign (boot, journal) are stored as the signed integer of the same bits.
-- Times are milliseconds since 1970-01-01T00:00:00Z.

-- Every message of a store as it came, once.
CREATE TABLE message (
  chain TEXT NOT NULL, store TEXT NOT NULL, journal BIGINT NOT NULL, stream BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  boot BIGINT NOT NULL, committed_ms BIGINT NOT NULL, received_ms BIGINT NOT NULL,
  payload BYTEA NOT NULL,
  PRIMARY KEY (chain, store, journal, stream, seq)
);

CREATE INDEX telemetry_by_time ON message (received_ms) WHERE stream = 4;

-- Highest number up to which none is missing: what is acknowledged.
CREATE TABLE contiguous (
  chain TEXT NOT NULL, store TEXT NOT NULL, journal BIGINT NOT NULL, stream BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  -- numbers that have come beyond the first gap: '7-9,12-12'
  beyond TEXT NOT NULL,
  PRIMARY KEY (chain, store, journal, stream)
);

-- Messages that will never come: telemetry a store had to drop, and what it had acknowledged by a
-- database that was lost.
CREATE TABLE gap (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, stream BIGINT NOT NULL,
  first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL,
  from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL, received_ms BIGINT NOT NULL
);

-- The latest status of every store that was ever seen.
CREATE TABLE store (
  chain TEXT NOT NULL, store TEXT NOT NULL,
  online BIGINT NOT NULL, boot BIGINT NOT NULL, journal BIGINT NOT NULL, version TEXT NOT NULL,
  config_digest BYTEA NOT NULL, clock BIGINT NOT NULL, at_ms BIGINT NOT NULL,
  received_ms BIGINT NOT NULL,
  -- the boots before the present one, the latest first, so that a late status of one is known: '17 -4'
  former TEXT NOT NULL,
  PRIMARY KEY (chain, store)
);

-- What could not be taken in, and why; the oldest rows are dropped.
CREATE TABLE refused (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_ms BIGINT NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, payload BYTEA NOT NULL
);

CREATE TABLE alert (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, seq BIGINT NOT NULL, alarm BIGINT NOT NULL,
  device TEXT NOT NULL, device_name TEXT NOT NULL, condition TEXT NOT NULL, priority TEXT NOT NULL,
  state BIGINT NOT NULL, at_ms BIGINT NOT NULL, since_ms BIGINT NOT NULL, cause TEXT NOT NULL,
  -- {"quantity": {"value": 1.0, "unit": "W"}}
  evidence TEXT NOT NULL,
  by TEXT NOT NULL, received_ms BIGINT NOT NULL,
  probability DOUBLE PRECISION NOT NULL,
  -- [{"cause": "door_open", "probability": 0.2}]
  alternatives TEXT NOT NULL,
  -- the alarm that explains it, "device/condition"; empty if none does
  parent TEXT NOT NULL,
  escalation BIGINT NOT NULL,
  -- {"reference": "R-12", "by": "li", "since": "2026-…", "escalation": 0, "fixed_by": …, "fixed": …}; null if
  -- nobody repairs it
  repair TEXT,
  -- [{"time": "2026-…", "air": -18.5, "evaporator": -27.0, "power": 310.0}], oldest first
  curve TEXT NOT NULL
);

CREATE TABLE point (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, device TEXT NOT NULL, point TEXT NOT NULL,
  unit TEXT NOT NULL,
  UNIQUE (chain, store, device, point)
);

-- Readings; the text columns live once in point. A reading without a believable value has none.
-- Numbers are never used again: the cursor of an export would pass new rows over.
CREATE TABLE sample (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  point BIGINT NOT NULL REFERENCES point (id), at_ms BIGINT NOT NULL,
  value DOUBLE PRECISION, quality BIGINT NOT NULL
);
CREATE INDEX sample_by_point ON sample (point, at_ms);

-- The first sample that came on each day (days since 1970-01-01): how old samples are told.
CREATE TABLE sample_day (day BIGINT PRIMARY KEY, first_sample BIGINT NOT NULL);

-- For people and for questions by point.
CREATE VIEW reading AS
  SELECT sample.id, chain, store, device, point.point, unit, at_ms, value,
    CASE quality WHEN 1 THEN 'good' WHEN 2 THEN 'stale' WHEN 3 THEN 'no_response'
      WHEN 4 THEN 'exception' WHEN 5 THEN 'garbled' WHEN 6 THEN 'sensor_fault'
      WHEN 7 THEN 'out_of_range' WHEN 8 THEN 'implausible' ELSE 'unknown' END AS quality
  FROM point JOIN sample ON sample.point = point.id;

-- Signed price batches; payload is a SignedBatch as it travels.
CREATE TABLE batch (
  digest BYTEA PRIMARY KEY,
  chain TEXT NOT NULL, key_id TEXT NOT NULL, number BIGINT NOT NULL, entries BIGINT NOT NULL,
  accept_until_ms BIGINT NOT NULL, created_ms BIGINT NOT NULL, payload BYTEA NOT NULL,
  UNIQUE (chain, key_id, number)
);

CREATE INDEX batch_open ON batch (chain, accept_until_ms);

-- The stores a batch is for, and what became of it there; accepted is NULL until the store has said.
CREATE TABLE batch_store (
  digest BYTEA NOT NULL REFERENCES batch (digest), store TEXT NOT NULL,
  sent_ms BIGINT, accepted BIGINT, reason TEXT, outcome_ms BIGINT,
  PRIMARY KEY (digest, store)
);
CREATE INDEX batch_store_open ON batch_store (store) WHERE accepted IS NULL;

-- The latest news of each label about each batch.
CREATE TABLE label_shown (
  chain TEXT NOT NULL, store TEXT NOT NULL, label TEXT NOT NULL, batch BIGINT NOT NULL,
  item TEXT NOT NULL, price_minor BIGINT NOT NULL, currency TEXT NOT NULL, proof BIGINT NOT NULL,
  at_ms BIGINT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (chain, store, label, batch)
);

-- Up to which sample the time-series database has everything.
CREATE TABLE influx_cursor (target TEXT PRIMARY KEY, sample BIGINT NOT NULL);

-- Readings that a time-series database refused, each alone; the oldest rows are dropped.
CREATE TABLE export_refused (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  target TEXT NOT NULL, sample BIGINT NOT NULL, refused_ms BIGINT NOT NULL,
  line TEXT NOT NULL, reason TEXT NOT NULL
);
-- Signed commands, each for one store, and what became of it; payload is a SignedCommand as it travels.
CREATE TABLE command (
  id TEXT PRIMARY KEY,
  chain TEXT NOT NULL, store TEXT NOT NULL, by TEXT NOT NULL,
  -- for people
  act TEXT NOT NULL,
  issued_ms BIGINT NOT NULL, deadline_ms BIGINT NOT NULL, payload BYTEA NOT NULL,
  sent_ms BIGINT,
  -- NULL until the store has said
  done BIGINT, reason TEXT, outcome_ms BIGINT
);
CREATE INDEX command_open ON command (chain, deadline_ms) WHERE done IS NULL;
