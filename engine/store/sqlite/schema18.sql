-- Schema, version 18: how long rules and calls took, and what ended an action.

ALTER TABLE decisions ADD COLUMN took INTEGER /* how long its rules took, in microseconds; NULL: none ran, or it is not known */;

DROP VIEW actions;
CREATE VIEW actions AS
  -- What rules requested, each as a row of columns. Those of one chat, newest first:
  --   SELECT event_seq, n, kind, status, why, pack, rule, datetime(requested_at / 1000000, 'unixepoch')
  --   FROM actions WHERE chat_id = 'CHAT' ORDER BY event_seq DESC, n DESC;
  -- Those that are dead (chertd dead lists them, too), with the last answer:
  --   SELECT a.event_seq, a.n, a.kind, a.chat_id, a.why, o.http, o.code, a.attempts, a.error
  --   FROM open_actions o JOIN actions a USING (event_seq, n) WHERE o.status = 'dead';
  -- revived_at is when "chertd dead retry", or a pack that had blocked it, made it wait again.
  -- ended_by and ended_seq are the rule, or "operator", and the event that ended the action: of a
  -- veto, a newer message, or the read whose call served this one, too.
  SELECT seq AS event_seq, action ->> 'n' AS n, action ->> 'kind' AS kind, coalesce(action ->> 'chat', event_chat) AS chat_id,
    action ->> 'status' AS status, action ->> 'why' AS why, coalesce(action ->> 'pack', rule ->> 'pack') AS pack,
    coalesce(action ->> 'version', rule ->> 'version') AS version, coalesce(action ->> 'rule', rule ->> 'rule') AS rule,
    coalesce(action ->> 'place', rule ->> 'place') AS place, action ->> 'reason' AS reason, action ->> 'even_if_newer' AS even_if_newer,
    action ->> 'body' AS body, action ->> 'target' AS target, coalesce(action ->> 'depth', 0) AS depth,
    coalesce(action ->> 'requested_at', usual_at) AS requested_at, action ->> 'revived_at' AS revived_at,
    coalesce(action ->> 'due_at', iif(usual_at IS NULL, NULL, coalesce(action ->> 'requested_at', usual_at))) AS due_at,
    coalesce(action ->> 'called_at', action ->> 'ended_at' - action ->> 'call_us') AS called_at, action ->> 'ended_at' AS ended_at,
    action ->> 'ended_by' AS ended_by, coalesce(action ->> 'ended_seq', iif(action ->> 'ended_by' IS NULL, NULL, seq)) AS ended_seq,
    coalesce(action ->> 'attempts', 0) AS attempts, coalesce(action ->> 'code', 0) AS code,
    coalesce(action ->> 'http', 0) AS http, action ->> 'trace_id' AS trace_id, action ->> 'error' AS error,
    coalesce(action ->> 'covers_seq', iif(usual_at IS NOT NULL AND action ->> 'kind' = 'read', seq, 0)) AS covers_seq
  FROM (SELECT d.seq, e.chat_id AS event_chat, a.value AS action, d.rules -> ('$[' || (a.value ->> 'by') || ']') AS rule,
      iif(a.value ->> 'by' IS NULL, NULL, d.at) AS usual_at
    FROM decisions d LEFT JOIN events e ON e.seq = d.seq, json_each(d.actions) a);
