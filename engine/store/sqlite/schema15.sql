-- Schema, version 15: the attempts of calls that failed, and by which code what is dead
-- failed.

CREATE TABLE attempts (
  -- Attempts of calls that failed, for each action that the call served. One that succeeded
  -- is in the action itself: http, trace_id and ended_at in the view actions. What Chert
  -- answered to the calls of one chat, oldest first:
  --   SELECT datetime(t.at / 1000000, 'unixepoch'), a.kind, a.status, t.attempt, t.http, t.code, t.trace_id, t.error
  --   FROM attempts t JOIN actions a USING (event_seq, n) WHERE a.chat_id = 'CHAT' ORDER BY t.at;
  -- Of an action with very many attempts, those in the middle are not kept.
  event_seq INTEGER NOT NULL, -- the action's event, and its number there
  n         INTEGER NOT NULL,
  attempt   INTEGER NOT NULL, -- which one of the action, from 1
  at        INTEGER,          -- when the answer came
  call_seq  INTEGER,          -- the action that the call was made for, if this one was merged into the call
  call_n    INTEGER,          -- of another; NULL: the call was its own
  http      INTEGER NOT NULL, -- HTTP status; 0: no answer
  code      INTEGER NOT NULL, -- Chert's error code; 0: none
  trace_id  TEXT,             -- what Chert's support asks for
  error     TEXT              /* for people; NULL: no longer kept (store.raw) */,
  PRIMARY KEY (event_seq, n, attempt)
) STRICT, WITHOUT ROWID;

ALTER TABLE open_actions ADD COLUMN code INTEGER NOT NULL DEFAULT 0 /* of what is dead: Chert's error code of the last attempt; 0: none */;
ALTER TABLE open_actions ADD COLUMN http INTEGER NOT NULL DEFAULT 0 /* the same of the HTTP status; 0: no answer */;
UPDATE open_actions SET (code, http) = (
    SELECT coalesce(a.value ->> 'code', 0), coalesce(a.value ->> 'http', 0) FROM decisions d, json_each(d.actions) a
    WHERE d.seq = open_actions.event_seq AND a.value ->> 'n' = open_actions.n)
  WHERE status = 'dead' AND EXISTS (SELECT 1 FROM decisions d, json_each(d.actions) a WHERE d.seq = open_actions.event_seq AND a.value ->> 'n' = open_actions.n);
CREATE INDEX open_actions_dead ON open_actions (event_seq, n) WHERE status = 'dead';

DROP VIEW actions;
CREATE VIEW actions AS
  -- What rules requested, each as a row of columns. Those of one chat, newest first:
  --   SELECT event_seq, n, kind, status, why, pack, rule, datetime(requested_at / 1000000, 'unixepoch')
  --   FROM actions WHERE chat_id = 'CHAT' ORDER BY event_seq DESC, n DESC;
  -- Those that are dead (chertd dead lists them, too), with the last answer:
  --   SELECT a.event_seq, a.n, a.kind, a.chat_id, a.why, o.http, o.code, a.attempts, a.error
  --   FROM open_actions o JOIN actions a USING (event_seq, n) WHERE o.status = 'dead';
  -- revived_at is when "chertd dead retry", or a pack that had blocked it, made it wait again.
  SELECT seq AS event_seq, action ->> 'n' AS n, action ->> 'kind' AS kind, coalesce(action ->> 'chat', event_chat) AS chat_id,
    action ->> 'status' AS status, action ->> 'why' AS why, coalesce(action ->> 'pack', rule ->> 'pack') AS pack,
    coalesce(action ->> 'version', rule ->> 'version') AS version, coalesce(action ->> 'rule', rule ->> 'rule') AS rule,
    coalesce(action ->> 'place', rule ->> 'place') AS place, action ->> 'reason' AS reason, action ->> 'even_if_newer' AS even_if_newer,
    action ->> 'body' AS body, action ->> 'target' AS target, coalesce(action ->> 'depth', 0) AS depth,
    coalesce(action ->> 'requested_at', usual_at) AS requested_at, action ->> 'revived_at' AS revived_at,
    coalesce(action ->> 'due_at', iif(usual_at IS NULL, NULL, coalesce(action ->> 'requested_at', usual_at))) AS due_at,
    action ->> 'ended_at' AS ended_at, coalesce(action ->> 'attempts', 0) AS attempts, coalesce(action ->> 'code', 0) AS code,
    coalesce(action ->> 'http', 0) AS http, action ->> 'trace_id' AS trace_id, action ->> 'error' AS error,
    coalesce(action ->> 'covers_seq', iif(usual_at IS NOT NULL AND action ->> 'kind' = 'read', seq, 0)) AS covers_seq
  FROM (SELECT d.seq, e.chat_id AS event_chat, a.value AS action, d.rules -> ('$[' || (a.value ->> 'by') || ']') AS rule,
      iif(a.value ->> 'by' IS NULL, NULL, d.at) AS usual_at
    FROM decisions d LEFT JOIN events e ON e.seq = d.seq, json_each(d.actions) a);
