-- Schema, version 20: packs that are live in a share of the chats, and candidates beside
-- live packs.

ALTER TABLE packs ADD COLUMN share INTEGER /* hundredths of a percent of the chats, in which the pack, or its candidate, is live by "chertd mode"; NULL: it has no share */;
ALTER TABLE packs ADD COLUMN candidate TEXT /* version that runs beside the live one; NULL: none */;
ALTER TABLE packs ADD COLUMN promoted INTEGER /* 1: "pinned" is a candidate that a command made live */ NOT NULL DEFAULT 0 CHECK (promoted IN (0, 1));
ALTER TABLE pack_versions ADD COLUMN candidate INTEGER /* 1: it ran beside a live version, and was never live in all chats */ NOT NULL DEFAULT 0 CHECK (candidate IN (0, 1));

CREATE TABLE pack_comparisons (
  -- How what versions requested in shadow compares with what the live version of the pack
  -- requested on the same events.
  pack     TEXT NOT NULL,
  version  TEXT NOT NULL,    -- that ran in shadow
  against  TEXT NOT NULL,    -- the live version; empty: what became of the chat
  result   TEXT NOT NULL,    -- agreed, or the first difference: read_live, veto, time, ...
  since_at INTEGER,          -- time of the first of the events
  events   INTEGER NOT NULL, -- number of events with this result
  PRIMARY KEY (pack, version, against, result)
) STRICT, WITHOUT ROWID;

CREATE TABLE pack_differences (
  -- The newest events on which they differ. The decision of the event has what they requested.
  pack      TEXT NOT NULL,
  event_seq INTEGER NOT NULL, -- the event
  version   TEXT NOT NULL,    -- as in pack_comparisons
  against   TEXT NOT NULL,
  result    TEXT NOT NULL,
  PRIMARY KEY (pack, event_seq)
) STRICT, WITHOUT ROWID;
