-- From version 3: a second reader of telemetry, which writes it to a time-series server.
CREATE TABLE exported (
    stream   INTEGER PRIMARY KEY,
    seq      INTEGER NOT NULL,
    readings INTEGER NOT NULL
) STRICT;
