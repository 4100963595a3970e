-- Schema, version 11: fewer and smaller rows for an event. Its actions stand in the
-- row of its decision, what is found by a random key is written later, sorted and in
-- groups, and columns of chats that no query needs are one JSON column. The views
-- actions and chat_details show them as columns.

ALTER TABLE daemon ADD COLUMN late_seq INTEGER NOT NULL DEFAULT 0 /* ids and pending events up to this seq are in seen and pending; newer ones are added later */;
INSERT INTO daemon (id) VALUES (1) ON CONFLICT DO NOTHING;
UPDATE daemon SET late_seq = max(last_seq, coalesce((SELECT max(seq) FROM events), 0));

CREATE TABLE late (
  -- What transactions have changed in chats and is not written there yet. A row is
  -- removed once it is.
  n     INTEGER PRIMARY KEY, -- the order of the transactions
  chats TEXT NOT NULL        -- JSON: list of the states of chats, as in the table chats, with their ids
) STRICT;

ALTER TABLE decisions RENAME TO old_decisions;
CREATE TABLE decisions (
  -- What became of each handled event, and why.
  seq      INTEGER PRIMARY KEY, -- its place in events
  at       INTEGER,             -- when it was handled
  note     TEXT,                -- such as: no rule wants it
  failed   INTEGER NOT NULL,    -- 1: a rule failed or was suspended
  next_n   INTEGER NOT NULL,    -- the number that its next action gets
  prev_seq INTEGER,             -- the event of the same chat that was handled before it; NULL: none
  packs    TEXT,                -- JSON: by pack, the version that took part
  rules    TEXT,                -- JSON: what each rule did whose "where" matched
  actions  TEXT                 -- JSON: list of what rules requested, and what became of it: see the view actions
) STRICT;
INSERT INTO decisions
  WITH handled AS (SELECT e.seq, e.chat_id, lag(e.seq) OVER (PARTITION BY e.chat_id ORDER BY e.seq) AS prev_seq
    FROM old_decisions d JOIN events e ON e.seq = d.seq WHERE e.chat_id IS NOT NULL),
  requested AS (SELECT a.event_seq, json_group_array(json_patch('{}', json_object(
      'n', a.n, 'kind', a.kind, 'status', a.status, 'why', a.why, 'chat', nullif(a.chat_id, e.chat_id),
      'pack', a.pack, 'version', nullif(a.version, ''), 'rule', nullif(a.rule, ''), 'place', nullif(a.place, ''), 'reason', a.reason,
      'even_if_newer', iif(a.even_if_newer = 1, json('true'), NULL), 'body', a.body, 'target', a.target, 'depth', nullif(a.depth, 0),
      'requested_at', a.asked_at, 'due_at', a.due_at, 'ended_at', a.settled_at, 'attempts', nullif(a.attempts, 0),
      'code', nullif(a.code, 0), 'http', nullif(a.http, 0), 'trace_id', a.trace_id, 'error', a.error,
      'covers_seq', nullif(a.covers_seq, 0), 'follows', iif(a.follows = 1, json('true'), NULL))) ORDER BY a.n) AS list
    FROM actions a LEFT JOIN events e ON e.seq = a.event_seq GROUP BY a.event_seq)
  SELECT d.seq, d.at, d.note, d.failed, d.actions, h.prev_seq, d.packs, d.rules, r.list
  FROM old_decisions d LEFT JOIN handled h ON h.seq = d.seq LEFT JOIN requested r ON r.event_seq = d.seq
  UNION ALL SELECT r.event_seq, NULL, 'its decision is not known', 0, 0, NULL, NULL, NULL, r.list FROM requested r
  WHERE NOT EXISTS (SELECT 1 FROM old_decisions d WHERE d.seq = r.event_seq) AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.seq = r.event_seq)
  ORDER BY 1;

CREATE TABLE open_actions (
  -- The actions that an operator or a repaired pack may still carry out: those that are
  -- blocked or dead. Those that wait are in the column waiting of chats.
  event_seq  INTEGER NOT NULL, -- the action's event, and its number there
  n          INTEGER NOT NULL,
  status     TEXT NOT NULL,    -- blocked, dead
  kind       TEXT NOT NULL,
  chat_id    TEXT NOT NULL,
  pack       TEXT NOT NULL,
  version    TEXT NOT NULL,
  covers_seq INTEGER NOT NULL, -- of a read: the newest inbound message that it covers
  PRIMARY KEY (event_seq, n)
) STRICT, WITHOUT ROWID;
INSERT INTO open_actions SELECT event_seq, n, status, kind, chat_id, pack, version, covers_seq FROM actions
  WHERE status = 'blocked' OR status = 'dead' ORDER BY event_seq, n;
CREATE INDEX open_actions_blocked ON open_actions (chat_id, event_seq, n) WHERE status = 'blocked';

ALTER TABLE chats RENAME TO old_chats;
CREATE TABLE chats (
  -- What chertd remembers about each chat, written at most some seconds late.
  id              TEXT PRIMARY KEY,
  line            TEXT,    -- phone line it was last seen on
  last_seq        INTEGER, -- its newest event that was handled; decisions.prev_seq leads to those before
  waiting         TEXT,    -- JSON: list of the actions that wait, each as [event_seq, n]; NULL: none
  retries         INTEGER NOT NULL DEFAULT 0, -- attempts of its read call that failed
  call_at         INTEGER, -- when its next call is due; NULL: none waits
  timer_at        INTEGER, -- when its next timer fires; NULL: none is set
  hold_until      INTEGER, -- no reads until then
  postponed_until INTEGER, -- when the last of its postponements ends
  state           TEXT NOT NULL -- JSON: the rest of it: see the view chat_details
) STRICT, WITHOUT ROWID;
INSERT INTO chats
  WITH newest AS (SELECT e.chat_id, max(e.seq) AS seq FROM events e JOIN old_decisions d ON d.seq = e.seq WHERE e.chat_id IS NOT NULL GROUP BY e.chat_id),
  waits AS (SELECT chat_id, json_group_array(json_array(event_seq, n) ORDER BY asked_at, event_seq, n) AS list FROM actions
    WHERE status = 'waiting' OR status = 'sent' GROUP BY chat_id)
  SELECT c.id, c.line, newest.seq, waits.list, c.retry_attempts, c.call_at, c.timer_at, c.hold_until, c.postponed_until,
    json_remove(json_set(json_patch('{}', json_object('id', c.id, 'line', c.line,
      'is_group', CASE c.is_group WHEN 1 THEN json('true') WHEN 0 THEN json('false') END, 'last_seq', newest.seq,
      'last_event_seq', nullif(c.last_event_seq, 0), 'last_message_id', c.last_message_id, 'last_message_seq', nullif(c.last_message_seq, 0),
      'veto_seq', nullif(c.veto_seq, 0), 'missed_seq', nullif(c.missed_seq, 0), 'may_hold_until', c.may_hold_until,
      'unasked_seq', nullif(c.unasked_seq, 0), 'read_through_seq', nullif(c.read_through_seq, 0),
      'retry_attempts', nullif(c.retry_attempts, 0), 'retry_first_at', c.retry_first_at, 'retry_not_before', c.retry_not_before,
      'hold_until', c.hold_until, 'hold_by', c.hold_by, 'hold_reason', c.hold_reason, 'hold_seq', nullif(c.hold_seq, 0),
      'waiting', json(waits.list))),
      '$.seen_by', json(c.seen_by), '$.recent_messages', json(c.recent_messages), '$.postponed', json(c.postponed),
      '$.cancelled', json(c.cancelled), '$.cooldowns', json(c.cooldowns)),
      iif(c.seen_by IS NULL, '$.seen_by', '$.no'), iif(c.recent_messages IS NULL, '$.recent_messages', '$.no'), iif(c.postponed IS NULL, '$.postponed', '$.no'),
      iif(c.cancelled IS NULL, '$.cancelled', '$.no'), iif(c.cooldowns IS NULL, '$.cooldowns', '$.no'))
  FROM old_chats c LEFT JOIN newest ON newest.chat_id = c.id LEFT JOIN waits ON waits.chat_id = c.id ORDER BY c.id;
DROP TABLE old_chats;
CREATE INDEX chats_call ON chats (ifnull(line, ''), call_at, id) WHERE call_at IS NOT NULL;
CREATE INDEX chats_timer ON chats (timer_at, id) WHERE timer_at IS NOT NULL;
CREATE INDEX chats_held ON chats (hold_until) WHERE hold_until IS NOT NULL;
CREATE INDEX chats_postponed ON chats (postponed_until) WHERE postponed_until IS NOT NULL;
CREATE INDEX chats_waiting ON chats (id) WHERE waiting IS NOT NULL;

DROP TABLE old_decisions;
DROP TABLE actions;
DROP INDEX events_of_chat;

CREATE TABLE days (
  -- The highest seq on each day on which chertd ran: events up to it were journaled on
  -- that day or before. By this the age of an id in seen is known once its event is gone.
  day      INTEGER PRIMARY KEY, -- days since 1970 UTC
  last_seq INTEGER NOT NULL
) STRICT;

CREATE VIEW actions AS
  -- What rules requested, each as a row of columns. Those of one chat, newest first:
  --   SELECT event_seq, n, kind, status, why, pack, rule, datetime(requested_at / 1000000, 'unixepoch')
  --   FROM actions WHERE chat_id = 'CHAT' ORDER BY event_seq DESC, n DESC;
  -- Those that can still be carried out (table open_actions), with the last error:
  --   SELECT a.event_seq, a.n, a.kind, a.chat_id, a.status, a.why, a.error FROM open_actions o JOIN actions a USING (event_seq, n);
  SELECT d.seq AS event_seq, a.value ->> 'n' AS n, a.value ->> 'kind' AS kind, coalesce(a.value ->> 'chat', e.chat_id) AS chat_id,
    a.value ->> 'status' AS status, a.value ->> 'why' AS why, a.value ->> 'pack' AS pack, a.value ->> 'version' AS version,
    a.value ->> 'rule' AS rule, a.value ->> 'place' AS place, a.value ->> 'reason' AS reason, a.value ->> 'even_if_newer' AS even_if_newer,
    a.value ->> 'body' AS body, a.value ->> 'target' AS target, coalesce(a.value ->> 'depth', 0) AS depth,
    a.value ->> 'requested_at' AS requested_at, a.value ->> 'due_at' AS due_at, a.value ->> 'ended_at' AS ended_at,
    coalesce(a.value ->> 'attempts', 0) AS attempts, coalesce(a.value ->> 'code', 0) AS code, coalesce(a.value ->> 'http', 0) AS http,
    a.value ->> 'trace_id' AS trace_id, a.value ->> 'error' AS error, coalesce(a.value ->> 'covers_seq', 0) AS covers_seq
  FROM decisions d LEFT JOIN events e ON e.seq = d.seq, json_each(d.actions) a;

CREATE VIEW chat_details AS
  -- Chats with all that is known of each. Postponements:
  --   SELECT c.id, p.value ->> 'until', p.value ->> 'pack', p.value ->> 'rule', p.value ->> 'reason'
  --   FROM chat_details c, json_each(c.postponed) p WHERE postponed_until IS NOT NULL;
  SELECT id, line, state ->> 'is_group' AS is_group, last_seq, call_at, timer_at, waiting, hold_until, state ->> 'hold_by' AS hold_by,
    state ->> 'hold_reason' AS hold_reason, postponed_until, state -> 'postponed' AS postponed,
    state ->> 'last_message_id' AS last_message_id, coalesce(state ->> 'last_event_seq', 0) AS last_event_seq,
    coalesce(state ->> 'veto_seq', 0) AS veto_seq, coalesce(state ->> 'read_through_seq', 0) AS read_through_seq,
    retries, state ->> 'retry_not_before' AS retry_not_before, state -> 'cooldowns' AS cooldowns, state
  FROM chats;
