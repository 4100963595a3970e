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

-- An id of the quarantine is not given again, so that a command never means another
-- delivery.
ALTER TABLE quarantine RENAME TO old_quarantine;
CREATE TABLE quarantine (
  -- Deliveries with a valid signature that could not be understood.
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER,
  source      TEXT NOT NULL,
  reason      TEXT NOT NULL,
  header      TEXT,                -- JSON: of the delivery, signatures left out
  body        BLOB NOT NULL,
  body_sha256 BLOB NOT NULL UNIQUE -- the same body is kept once
) STRICT;
INSERT INTO quarantine SELECT id, received_at, source, reason, header, body, body_sha256 FROM old_quarantine ORDER BY id;
DROP TABLE old_quarantine;
