-- Schema, version 3. The condition of an index is tried at every write of its
-- table; with IN, SQLite would fill a table of the list's members each time,
-- which took as long as all the rest of the writing.

DROP INDEX actions_open;
CREATE INDEX actions_open ON actions (chat_id)
  WHERE status = 'waiting' OR status = 'sent' OR status = 'withheld' OR status = 'dead';
