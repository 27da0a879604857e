-- The journal of one store. Version 6.
CREATE TABLE identity (
    version INTEGER NOT NULL,
    journal INTEGER NOT NULL          -- random id; names this journal in every message
) STRICT;

CREATE TABLE boot (
    boot       INTEGER PRIMARY KEY,   -- random id of one run of the agent
    started_ms INTEGER NOT NULL,
    stopped_ms INTEGER,               -- null: it did not stop in order
    readings   INTEGER
) STRICT;

-- The hour meter: one row. What is `…_at_meter` below is what it showed, not a stamp.
CREATE TABLE meter (
    begun_ms INTEGER NOT NULL,        -- UTC of the first start, where it began
    shown_ms INTEGER NOT NULL         -- what it showed when that was last saved
) STRICT;

-- Last number given out, and highest number headquarters acknowledged, per stream.
CREATE TABLE stream (
    stream INTEGER PRIMARY KEY,
    last   INTEGER NOT NULL,
    acked  INTEGER NOT NULL,
    bytes  INTEGER NOT NULL DEFAULT 0 -- of its messages in the outbox, kept by the triggers below
) STRICT;

-- Messages headquarters has not acknowledged yet, as they will travel; and telemetry that is not exported.
CREATE TABLE outbox (
    stream       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    committed_ms INTEGER NOT NULL,
    payload      BLOB NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

-- How far telemetry was written to a time-series server. No row: nobody writes it.
CREATE TABLE exported (
    stream   INTEGER PRIMARY KEY,
    seq      INTEGER NOT NULL,        -- all messages up to this number,
    readings INTEGER NOT NULL         -- and of the next so many readings
) STRICT;

CREATE TRIGGER outbox_grows AFTER INSERT ON outbox BEGIN
    UPDATE stream SET bytes = bytes + length(NEW.payload) WHERE stream = NEW.stream;
END;
CREATE TRIGGER outbox_shrinks AFTER DELETE ON outbox BEGIN
    UPDATE stream SET bytes = bytes - length(OLD.payload) WHERE stream = OLD.stream;
END;

-- Telemetry on its way into the next message, in parts. The oldest row has no readings: it tells up to when
-- all that was read is in messages. From the newest on, a crash loses it.
CREATE TABLE telemetry_part (
    id       INTEGER PRIMARY KEY,
    boot     INTEGER NOT NULL,        -- the run that read it
    to_ms    INTEGER NOT NULL,        -- it holds what came after the part before, up to then
    readings INTEGER NOT NULL,
    packed   BLOB NOT NULL            -- as `Telemetry.packed`
) STRICT;

-- One row per device and condition that ever was not normal.
CREATE TABLE alarm (
    device     TEXT NOT NULL,
    condition  TEXT NOT NULL,
    alarm      INTEGER NOT NULL,      -- number of the latest occurrence; 0: never raised yet
    state      TEXT NOT NULL,
    since_ms   INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    pending_at_meter INTEGER,         -- the delay runs since then
    cause      TEXT NOT NULL,
    evidence   TEXT NOT NULL,         -- JSON: [[quantity, value], ...]
    shelved_until_ms INTEGER,
    by         TEXT NOT NULL,
    probability  REAL NOT NULL,
    alternatives TEXT NOT NULL,       -- JSON: [[cause, probability], ...]
    parent_device    TEXT,            -- the alarm that explains it
    parent_condition TEXT,
    escalation INTEGER NOT NULL,      -- how often nobody acknowledged in time
    raised_at_meter        INTEGER,   -- what chattering is told by: the last two raises,
    raised_before_at_meter INTEGER,
    damped           INTEGER NOT NULL,-- whether clears are held back,
    over_at_meter    INTEGER,         -- and since when one is
    changed_at_meter INTEGER NOT NULL DEFAULT 0, -- as changed_ms: how long it waits is told by this
    PRIMARY KEY (device, condition)
) STRICT, WITHOUT ROWID;

-- Every change of an alarm's state. The newest 10,000 are kept.
CREATE TABLE alarm_history (
    id        INTEGER PRIMARY KEY,
    alarm     INTEGER NOT NULL,
    device    TEXT NOT NULL,
    condition TEXT NOT NULL,
    state     TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    since_ms  INTEGER NOT NULL,
    cause     TEXT NOT NULL,
    evidence  TEXT NOT NULL,          -- JSON: [[quantity, value], ...]
    by        TEXT NOT NULL,
    previous  TEXT NOT NULL,          -- the same as state: something else about it changed
    escalation INTEGER NOT NULL,
    at_meter  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Repairs, from beginning to end. Of those that are finished the newest 1,000 are kept.
CREATE TABLE repair (
    id         INTEGER PRIMARY KEY,
    alarm      INTEGER NOT NULL,
    device     TEXT NOT NULL,
    condition  TEXT NOT NULL,
    reference  TEXT NOT NULL,
    by         TEXT NOT NULL,
    since_ms   INTEGER NOT NULL,
    escalation INTEGER NOT NULL,      -- how often it took too long
    fixed_by   TEXT,                  -- null: not finished
    fixed_ms   INTEGER,
    since_at_meter INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Devices that are in maintenance or out of service.
CREATE TABLE service (
    device   TEXT PRIMARY KEY,
    until_at_meter INTEGER,           -- end of the maintenance; null: out of service
    by       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Checks of the refrigeration by hand. The newest 1,000 are kept.
CREATE TABLE inspection (
    id    INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    by    TEXT NOT NULL,
    note  TEXT NOT NULL,
    at_meter INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What was learnt of each cabinet: 32-bit floats, least significant byte first.
CREATE TABLE learnt (
    device  TEXT PRIMARY KEY,
    numbers BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Devices that have answered at least once: after a restart they get no start-up hold-off.
CREATE TABLE device (
    device TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE price_batch (
    accepted_order INTEGER PRIMARY KEY,
    digest         BLOB NOT NULL UNIQUE,  -- SHA-256 of what was signed
    key_id         TEXT NOT NULL,
    number         INTEGER NOT NULL,
    at_ms          INTEGER NOT NULL,      -- accepted then
    signed         BLOB NOT NULL,         -- as it came, with its signatures; empty once none of its prices counts
    UNIQUE (key_id, number)
) STRICT;

-- The list of keys in force, as its root key signed it; one row, or none.
CREATE TABLE key_list (
    digest  BLOB NOT NULL,            -- SHA-256 of what was signed
    version INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,         -- accepted then
    signed  BLOB NOT NULL
) STRICT;

-- When prices were last looked up by a clock that could be trusted; one row, or none.
CREATE TABLE price_time (
    at_ms INTEGER NOT NULL
) STRICT;

-- The newest result of each label.
CREATE TABLE label (
    label TEXT PRIMARY KEY,
    image BLOB NOT NULL,              -- SHA-256 of the PNG
    proof TEXT,                       -- null: the attempt failed
    batch INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    battery_mv INTEGER,               -- as it last told
    rf_dbm     INTEGER,
    key_id     TEXT NOT NULL DEFAULT '', -- whose batch; empty: not known
    untold     BLOB                      -- as headquarters will be told it (LabelShown); none once it was
) STRICT, WITHOUT ROWID;

-- What is known of each label's two pages.
CREATE TABLE label_page (
    label TEXT PRIMARY KEY,
    shown INTEGER NOT NULL,           -- the page that is shown, 0 or 1
    kept  BLOB                        -- SHA-256 of the image that is certainly on the other one
) STRICT, WITHOUT ROWID;

-- What was bound to a label by hand; it stands before the configuration's.
CREATE TABLE binding (
    label   TEXT PRIMARY KEY,
    gateway TEXT NOT NULL,
    item    TEXT,                     -- null: nothing
    place   TEXT NOT NULL,
    by      TEXT NOT NULL,
    at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Items that are out of stock, as somebody said: their labels say so.
CREATE TABLE out_of_stock (
    item  TEXT PRIMARY KEY,
    by    TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Commands of headquarters. Of those that are finished the newest 10,000 are kept.
CREATE TABLE command (
    id          TEXT NOT NULL UNIQUE,
    digest      BLOB NOT NULL,        -- SHA-256 of what was signed
    by          TEXT NOT NULL,
    begun_ms    INTEGER NOT NULL,
    done        INTEGER,              -- null: under way
    reason      TEXT,
    finished_ms INTEGER
) STRICT;

-- Everything that changed or tried to change a price, acknowledged an alarm or switched something.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    by     TEXT NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash   BLOB NOT NULL              -- SHA-256 over the previous hash and this row
) STRICT;
