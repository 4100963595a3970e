-- Schema, version 5.

-- The statuses of actions are those of docs/outcomes.md.

UPDATE actions SET status = 'blocked' WHERE status = 'withheld';
UPDATE actions SET why = CASE why
  WHEN 'withheld' THEN 'blocked' WHEN 'overtaken' THEN 'superseded' WHEN 'nothing new' THEN 'already_read'
  WHEN 'too late' THEN 'veto_too_late' WHEN 'too deep' THEN 'too_deep' WHEN 'tried once' THEN 'tried_once'
  WHEN 'off' THEN 'pack_inactive' WHEN 'shadow' THEN iif(status = 'dropped', 'pack_inactive', why)
  WHEN 'removed' THEN 'pack_inactive' WHEN 'rolled back' THEN 'pack_inactive'
  ELSE why END
WHERE why IN ('withheld', 'overtaken', 'nothing new', 'too late', 'too deep', 'tried once', 'off', 'shadow', 'removed', 'rolled back');
DROP INDEX actions_open;
CREATE INDEX actions_open ON actions (chat_id) WHERE status = 'waiting' OR status = 'sent' OR status = 'blocked' OR status = 'dead';

-- Whether a chat is a group may be unknown. A 0 was also written for an event
-- that did not say, so that only a 1 is kept; the chat's next event tells.
ALTER TABLE chats RENAME COLUMN is_group TO was_group;
ALTER TABLE chats ADD COLUMN is_group INTEGER /* 1: it is a group, 0: it is not, NULL: no event has said */;
UPDATE chats SET is_group = 1 WHERE was_group = 1;
ALTER TABLE chats DROP COLUMN was_group;

-- What a read speaks for, and what it would have to.
ALTER TABLE chats ADD COLUMN last_message_seq INTEGER NOT NULL DEFAULT 0 /* newest inbound message that was handled; 0: none */;
ALTER TABLE chats ADD COLUMN seen_by TEXT /* JSON: by pack, the newest inbound message on which a rule of it ran */;
ALTER TABLE actions ADD COLUMN covers_seq INTEGER NOT NULL DEFAULT 0 /* of a read: the newest inbound message that it covers */;
UPDATE chats SET last_message_seq = unasked_seq;
UPDATE actions SET covers_seq = event_seq WHERE kind = 'read';

CREATE TABLE counts (
  -- How many rows there are, and of what. Each transaction that adds or removes
  -- some keeps it up to date, so that nobody has to count millions.
  name TEXT PRIMARY KEY, -- events, pending, quarantine, chats; actions.waiting, actions.done …; transactions: made so far
  n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counts
  SELECT 'events', count(*) FROM events UNION ALL
  SELECT 'pending', count(*) FROM pending UNION ALL
  SELECT 'quarantine', count(*) FROM quarantine UNION ALL
  SELECT 'chats', count(*) FROM chats UNION ALL
  SELECT 'actions.' || status, count(*) FROM actions GROUP BY status UNION ALL
  SELECT 'transactions', 0;

CREATE TABLE missed (
  -- Events that a pack missed: it was not loaded, a handler of it failed, or it was
  -- suspended. A row is removed once the event has run through the pack after all. The events that a pack missed, newest first:
  --   SELECT datetime(m.at / 1000000, 'unixepoch'), m.why, e.id, e.chat_id
  --   FROM missed m JOIN events e USING (seq) WHERE m.pack = 'vip' ORDER BY seq DESC;
  pack     TEXT NOT NULL,
  seq      INTEGER NOT NULL, -- its place in events
  key      TEXT NOT NULL,    -- the event's chat; its id if it has none
  slot     INTEGER NOT NULL, -- as in events
  at       INTEGER,          -- when it was handled without the pack
  version  TEXT NOT NULL,    -- of the pack then; of its files, if they could not be loaded
  why      TEXT NOT NULL,    -- not_loaded, failed, suspended; elsewhere: see cause
  can_veto INTEGER NOT NULL, -- 1: reads of the event are blocked while this row exists
  cause    INTEGER,          -- of elsewhere: the missed event, of another chat, that requested an action here
  chats    TEXT              /* JSON: other chats for which this event requested actions */,
  PRIMARY KEY (pack, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX missed_veto ON missed (key, seq) WHERE can_veto = 1;
CREATE INDEX actions_blocked ON actions (chat_id, event_seq, n) WHERE status = 'blocked';

ALTER TABLE chats ADD COLUMN hold_seq INTEGER NOT NULL DEFAULT 0 /* the event that set the hold; 0: an operator set it, or there is none */;

-- Calls are fair between phone lines: each line's are found in their order.
DROP INDEX chats_call;
CREATE INDEX chats_call ON chats (ifnull(line, ''), call_at, id) WHERE call_at IS NOT NULL;

-- What was given up holds the answer in "error" alone.
UPDATE actions SET why = iif(attempts > 1, 'retries_exhausted', 'refused') WHERE status = 'dead' AND why <> 'unknown';

CREATE TABLE call_pauses (
  -- The last pause of all calls that Chert requested (429), by credential.
  credential TEXT PRIMARY KEY, -- tenant and base URL
  asked_at   INTEGER NOT NULL, -- when the answer came in
  until_at   INTEGER NOT NULL, -- no call before it
  why        TEXT              -- the answer, for people
) STRICT, WITHOUT ROWID;

-- How much each pack keeps in kv: limits.kv is held to this. The triggers keep it
-- right whoever changes kv.
CREATE TABLE kv_usage (
  pack  TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL -- of keys and values of entries that have a value, expired ones included
) STRICT, WITHOUT ROWID;
INSERT INTO kv_usage (pack, bytes)
  SELECT pack, sum(octet_length(key) + octet_length(value)) FROM kv WHERE value IS NOT NULL GROUP BY pack;
CREATE TRIGGER kv_inserted AFTER INSERT ON kv WHEN new.value IS NOT NULL BEGIN
  INSERT INTO kv_usage (pack, bytes) VALUES (new.pack, octet_length(new.key) + octet_length(new.value))
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER kv_updated AFTER UPDATE OF pack, key, value ON kv BEGIN
  UPDATE kv_usage SET bytes = bytes - iif(old.value IS NULL, 0, octet_length(old.key) + octet_length(old.value)) WHERE pack = old.pack;
  INSERT INTO kv_usage (pack, bytes) VALUES (new.pack, iif(new.value IS NULL, 0, octet_length(new.key) + octet_length(new.value)))
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER kv_deleted AFTER DELETE ON kv WHEN old.value IS NOT NULL BEGIN
  UPDATE kv_usage SET bytes = bytes - octet_length(old.key) - octet_length(old.value) WHERE pack = old.pack;
END;
-- What has expired is found by this, to be cleared, and to count nothing until then.
CREATE INDEX kv_expiring ON kv (pack, expires_at) WHERE expires_at IS NOT NULL AND value IS NOT NULL;
