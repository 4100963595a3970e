-- Schema, version 11: how old ids are, so that they can be removed (store.retention).

CREATE TABLE days (
  -- The highest seq on each day on which chertd ran: events up to it were journaled on
  -- that day or before. By this the age of an id in seen is known once its event is gone.
  day      INTEGER PRIMARY KEY, -- days since 1970 UTC
  last_seq INTEGER NOT NULL
) STRICT;
