-- Schema, version 14: phone lines whose calls fail.

CREATE TABLE line_stops (
  -- Phone lines whose calls wait, apart from one probe at a time, because calls of several
  -- chats failed and none succeeded since.
  credential TEXT NOT NULL,    -- tenant and base URL
  line       TEXT NOT NULL,    -- the phone number; '': chats whose line is not known
  since      INTEGER NOT NULL, -- microseconds
  code       INTEGER NOT NULL, -- of the last failure: Chert's error code; 0: none
  http       INTEGER NOT NULL, -- status of its answer; 0: there was none
  error      TEXT,
  trace_id   TEXT,
  PRIMARY KEY (credential, line)
) STRICT, WITHOUT ROWID;
