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
