-- Schema, version 17: the rate at which Chert accepts calls.

CREATE TABLE learned_rates (
  -- The rate of calls that was learned from Chert's 429s, by credential.
  credential TEXT PRIMARY KEY, -- tenant and base URL
  rate       REAL NOT NULL,    -- calls per second
  unsure     REAL NOT NULL,    -- by how much the rate may be wrong, as a share of it
  learned_at INTEGER           -- time of the last 429 that it was learned from, in microseconds
) STRICT, WITHOUT ROWID;
