-- Schema, version 2: rule packs. What schema1.sql says of times and texts holds.

CREATE TABLE packs (
  -- What is remembered of each rule pack besides its versions.
  pack        TEXT PRIMARY KEY,
  live        TEXT, -- version that is live, or was when chertd last ran; NULL: none ever
  mode        TEXT, -- live, shadow, off, as a command said; NULL: as the files say
  why         TEXT, -- of mode, where chertd set it by itself
  pinned      TEXT, -- version that a rollback made live; NULL: none
  pinned_over TEXT  -- hash of the files when it was pinned: other files end it; NULL: none do
) STRICT, WITHOUT ROWID;

CREATE TABLE pack_versions (
  -- Versions of packs that were live, the last ones of each pack. Rows stay
  -- small, because the counts of the live ones change all the time.
  pack           TEXT NOT NULL,
  version        TEXT NOT NULL,    -- hash of its files
  path           TEXT,             -- of its file or folder
  since_at       INTEGER,          -- when it was live first
  last_at        INTEGER,          -- when it was made live last
  events         INTEGER NOT NULL, -- it has run on
  failures       INTEGER NOT NULL, -- events of these on which a rule of it failed
  rolled_back_at INTEGER,          -- NULL: never, or it was made live by hand since
  PRIMARY KEY (pack, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE pack_files (
  -- What each version was made of.
  pack    TEXT NOT NULL,
  version TEXT NOT NULL,
  n       INTEGER NOT NULL, -- its place among the version's files
  name    TEXT NOT NULL,    -- relative to the pack, with slashes
  kind    TEXT NOT NULL,    -- rules, lib, data, spec …
  bytes   BLOB NOT NULL,
  PRIMARY KEY (pack, version, n)
) STRICT;

CREATE TABLE flags (
  -- Switches that operators set.
  name   TEXT PRIMARY KEY, -- paused …
  is_set INTEGER NOT NULL  -- 1: on
) STRICT, WITHOUT ROWID;
