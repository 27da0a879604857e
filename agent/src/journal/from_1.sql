-- From version 1: alarms gain what tells chattering, causes and escalation; care of equipment.
ALTER TABLE alarm ADD COLUMN probability REAL NOT NULL DEFAULT 0;
ALTER TABLE alarm ADD COLUMN alternatives TEXT NOT NULL DEFAULT '[]';
ALTER TABLE alarm ADD COLUMN parent_device TEXT;
ALTER TABLE alarm ADD COLUMN parent_condition TEXT;
ALTER TABLE alarm ADD COLUMN escalation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alarm ADD COLUMN raised_ms INTEGER;
ALTER TABLE alarm ADD COLUMN raised_before_ms INTEGER;
ALTER TABLE alarm ADD COLUMN damped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alarm ADD COLUMN over_ms INTEGER;
-- What a state was before is not known of an old change: the same as its state says that least.
ALTER TABLE alarm_history ADD COLUMN previous TEXT NOT NULL DEFAULT '';
ALTER TABLE alarm_history ADD COLUMN escalation INTEGER NOT NULL DEFAULT 0;
UPDATE alarm_history SET previous = state;
CREATE TABLE repair (
    id         INTEGER PRIMARY KEY,
    alarm      INTEGER NOT NULL,
    device     TEXT NOT NULL,
    condition  TEXT NOT NULL,
    reference  TEXT NOT NULL,
    by         TEXT NOT NULL,
    since_ms   INTEGER NOT NULL,
    escalation INTEGER NOT NULL,
    fixed_by   TEXT,
    fixed_ms   INTEGER
) STRICT;
CREATE TABLE service (
    device   TEXT PRIMARY KEY,
    until_ms INTEGER,
    by       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE inspection (
    id    INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    by    TEXT NOT NULL,
    note  TEXT NOT NULL
) STRICT;
CREATE TABLE learnt (
    device  TEXT PRIMARY KEY,
    numbers BLOB NOT NULL
) STRICT, WITHOUT ROWID;
