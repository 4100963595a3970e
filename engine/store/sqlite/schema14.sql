-- Schema, version 14: free space is overwritten when a person is forgotten.

CREATE TABLE scrub (
  -- Zeros that fill the free space of the file for a moment, while chertd forget runs.
  n     INTEGER PRIMARY KEY,
  zeros BLOB NOT NULL
) STRICT;
