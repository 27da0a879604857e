-- From schema version 2 to 3.

-- Readings that a time-series database refused, each alone; the oldest rows are dropped.
CREATE TABLE export_refused (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL, sample INTEGER NOT NULL, refused_ms INTEGER NOT NULL,
  line TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
