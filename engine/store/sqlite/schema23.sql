-- Schema, version 23: lists that operators change.

CREATE TABLE lists (
  -- The lists that ever had a member.
  name       TEXT PRIMARY KEY, -- as in chertd.yaml, rules.lists
  version    INTEGER NOT NULL, -- counts its changes
  changed_at INTEGER           -- time of the last one, in microseconds
) STRICT, WITHOUT ROWID;

CREATE TABLE list_members (
  -- Who is on a list, members included whose time is over until they are removed.
  list     TEXT NOT NULL,
  member   TEXT NOT NULL, -- a phone number in E.164, a short code, an email address, or the id of a chat
  added_at INTEGER,       -- in microseconds
  added_by TEXT NOT NULL, -- name of the operator
  reason   TEXT,
  until_at INTEGER,       -- in microseconds; NULL: always
  PRIMARY KEY (list, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE list_changes (
  -- Who has changed the lists, when and why: a row for each member.
  list     TEXT NOT NULL,
  version  INTEGER NOT NULL, -- that the change has made
  member   TEXT NOT NULL,
  at       INTEGER,          -- in microseconds
  by       TEXT NOT NULL,    -- name of the operator; chertd: the time of the member was over
  action   TEXT NOT NULL CHECK (action IN ('added', 'removed', 'expired')),
  reason   TEXT,
  until_at INTEGER,          -- of an added member; NULL: always
  PRIMARY KEY (list, version, member)
) STRICT, WITHOUT ROWID;

ALTER TABLE decisions ADD COLUMN lists TEXT /* versions of the lists that rules looked at, a JSON object; NULL: they looked at none */;
