-- From version 3: telemetry on its way into the next message, in parts.
CREATE TABLE telemetry_part (
    id       INTEGER PRIMARY KEY,
    boot     INTEGER NOT NULL,
    to_ms    INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    packed   BLOB NOT NULL
) STRICT;
