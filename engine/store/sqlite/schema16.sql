-- Schema, version 16: free space is overwritten when a person is forgotten.

CREATE TABLE scrub (
  -- Zeros that fill the free space of the file for a moment, while chertd forget runs.
  n     INTEGER PRIMARY KEY,
  zeros BLOB NOT NULL
) STRICT;

CREATE TABLE unsupported_lines (
  -- Phone lines on which mark-read is not available: Chert answered 4099.
  line     TEXT PRIMARY KEY,
  since_at INTEGER NOT NULL, -- when it first answered so, in microseconds
  until_at INTEGER NOT NULL, -- until then reads of the line end without a call; then one tries
  trace_id TEXT              -- of the last such answer
) STRICT, WITHOUT ROWID;
