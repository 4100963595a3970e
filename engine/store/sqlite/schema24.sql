-- Schema, version 24: holds of all chats of a selection, and what waits by phone line.

CREATE TABLE selection_holds (
  -- Holds of all chats that a selection chooses (chertd hold --where), also of those that come
  -- later. Those that have ended stay for a month, as records of reads name them.
  id          INTEGER PRIMARY KEY, -- in ended_by of an action: 'hold ID'
  line        TEXT,                -- of the chats; NULL: any
  is_group    INTEGER CHECK (is_group IN (0, 1)), -- NULL: groups and others
  by          TEXT NOT NULL,       -- the operator's name
  reason      TEXT,
  began_at    INTEGER NOT NULL,    -- in microseconds
  until_at    INTEGER NOT NULL,    -- when it ends, or ended
  began_seq   INTEGER NOT NULL,    -- the newest event when it began: reads of events up to it are dropped
  through_seq INTEGER NOT NULL,    -- the newest event when it ended; 0: it is in force
  ended_by    TEXT,                -- who ended it early
  swept       INTEGER NOT NULL CHECK (swept IN (0, 1)),  -- 1: the reads that waited when it began are dropped
  settled     INTEGER NOT NULL CHECK (settled IN (0, 1)) -- 1: so are those that came due before it ended
) STRICT;

-- What waits is listed and counted by phone line.
DROP INDEX chats_waiting;
CREATE INDEX chats_waiting ON chats (ifnull(line, ''), id) WHERE waiting IS NOT NULL;
