-- From version 3: commands of headquarters.
-- Of those that are finished the newest 10,000 are kept.
CREATE TABLE command (
    id          TEXT NOT NULL UNIQUE,
    digest      BLOB NOT NULL,        -- SHA-256 of what was signed
    by          TEXT NOT NULL,
    begun_ms    INTEGER NOT NULL,
    done        INTEGER,              -- null: under way
    reason      TEXT,
    finished_ms INTEGER
) STRICT;

-- From version 3: a second reader of telemetry, which writes it to a time-series server.
CREATE TABLE exported (
    stream   INTEGER PRIMARY KEY,
    seq      INTEGER NOT NULL,
    readings INTEGER NOT NULL
) STRICT;

-- From version 3: what waits over a restart is counted by the hour meter. Until then it was by UTC, so the
-- meter begins with the first start, and shows the last sign of life.
CREATE TABLE meter (
    begun_ms INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL
) STRICT;
INSERT INTO meter
    SELECT min(started_ms), max(max(max(started_ms), coalesce(max(stopped_ms), 0)),
        coalesce((SELECT max(changed_ms) FROM alarm), 0)) FROM boot HAVING count(*) > 0;
ALTER TABLE alarm ADD COLUMN changed_at_meter INTEGER NOT NULL DEFAULT 0;
UPDATE alarm SET changed_at_meter = changed_ms;
ALTER TABLE alarm RENAME COLUMN pending_ms TO pending_at_meter;
ALTER TABLE alarm RENAME COLUMN raised_ms TO raised_at_meter;
ALTER TABLE alarm RENAME COLUMN raised_before_ms TO raised_before_at_meter;
ALTER TABLE alarm RENAME COLUMN over_ms TO over_at_meter;
ALTER TABLE alarm_history ADD COLUMN at_meter INTEGER NOT NULL DEFAULT 0;
UPDATE alarm_history SET at_meter = at_ms;
ALTER TABLE repair ADD COLUMN since_at_meter INTEGER NOT NULL DEFAULT 0;
UPDATE repair SET since_at_meter = since_ms;
ALTER TABLE service RENAME COLUMN until_ms TO until_at_meter;
ALTER TABLE inspection ADD COLUMN at_meter INTEGER NOT NULL DEFAULT 0;
UPDATE inspection SET at_meter = at_ms;

-- From version 3: telemetry on its way into the next message, in parts.
CREATE TABLE telemetry_part (
    id       INTEGER PRIMARY KEY,
    boot     INTEGER NOT NULL,
    to_ms    INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    packed   BLOB NOT NULL
) STRICT;
