-- Schema, version 13: the events log of Chert, and what comes in while it is read.

CREATE TABLE log_cursors (
  -- Up to when the rows of an events log are in the journal. Rows that are a little older
  -- are read again, and recognized by their ids.
  log     TEXT PRIMARY KEY,             -- tenant, address and route
  read_at INTEGER NOT NULL              -- created_at of the newest row, in microseconds
) WITHOUT ROWID, STRICT;

CREATE TABLE early_events (
  -- Deliveries that came while older events were being read from the log. They are
  -- acknowledged, and are journaled after those: within seconds, or minutes after a long
  -- outage.
  n           INTEGER PRIMARY KEY,      -- in the order in which they came
  id          TEXT NOT NULL UNIQUE,     -- of the event
  type        TEXT NOT NULL,
  source      TEXT NOT NULL,
  received_at INTEGER,                  -- microseconds
  raw         BLOB NOT NULL             -- the envelope as it came
) STRICT;
