-- What a label last told of itself.
ALTER TABLE label ADD COLUMN battery_mv INTEGER;
ALTER TABLE label ADD COLUMN rf_dbm INTEGER;

-- What is known of each label's two pages.
CREATE TABLE label_page (
    label TEXT PRIMARY KEY,
    shown INTEGER NOT NULL,
    kept  BLOB
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

-- The list of keys in force, as its root key signed it; one row, or none.
CREATE TABLE key_list (
    digest  BLOB NOT NULL,
    version INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    signed  BLOB NOT NULL
) STRICT;
