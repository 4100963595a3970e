-- Schema, version 12: rows of chats and actions repeat less. The state of a chat has
-- neither its id nor its line nor its newest event, and an action names the rule that
-- requested it by its place in the decision. Rows that are there stay as they are: the
-- views show both.

DROP VIEW actions;
CREATE VIEW actions AS
  -- What rules requested, each as a row of columns. Those of one chat, newest first:
  --   SELECT event_seq, n, kind, status, why, pack, rule, datetime(requested_at / 1000000, 'unixepoch')
  --   FROM actions WHERE chat_id = 'CHAT' ORDER BY event_seq DESC, n DESC;
  -- Those that can still be carried out (table open_actions), with the last error:
  --   SELECT a.event_seq, a.n, a.kind, a.chat_id, a.status, a.why, a.error FROM open_actions o JOIN actions a USING (event_seq, n);
  SELECT seq AS event_seq, action ->> 'n' AS n, action ->> 'kind' AS kind, coalesce(action ->> 'chat', event_chat) AS chat_id,
    action ->> 'status' AS status, action ->> 'why' AS why, coalesce(action ->> 'pack', rule ->> 'pack') AS pack,
    coalesce(action ->> 'version', rule ->> 'version') AS version, coalesce(action ->> 'rule', rule ->> 'rule') AS rule,
    coalesce(action ->> 'place', rule ->> 'place') AS place, action ->> 'reason' AS reason, action ->> 'even_if_newer' AS even_if_newer,
    action ->> 'body' AS body, action ->> 'target' AS target, coalesce(action ->> 'depth', 0) AS depth,
    coalesce(action ->> 'requested_at', usual_at) AS requested_at,
    coalesce(action ->> 'due_at', iif(usual_at IS NULL, NULL, coalesce(action ->> 'requested_at', usual_at))) AS due_at,
    action ->> 'ended_at' AS ended_at, coalesce(action ->> 'attempts', 0) AS attempts, coalesce(action ->> 'code', 0) AS code,
    coalesce(action ->> 'http', 0) AS http, action ->> 'trace_id' AS trace_id, action ->> 'error' AS error,
    coalesce(action ->> 'covers_seq', iif(usual_at IS NOT NULL AND action ->> 'kind' = 'read', seq, 0)) AS covers_seq
  FROM (SELECT d.seq, e.chat_id AS event_chat, a.value AS action, d.rules -> ('$[' || (a.value ->> 'by') || ']') AS rule,
      iif(a.value ->> 'by' IS NULL, NULL, d.at) AS usual_at
    FROM decisions d LEFT JOIN events e ON e.seq = d.seq, json_each(d.actions) a);

DROP VIEW chat_details;
CREATE VIEW chat_details AS
  -- Chats with all that is known of each. Postponements:
  --   SELECT c.id, p.value ->> 'until', p.value ->> 'pack', p.value ->> 'rule', p.value ->> 'reason'
  --   FROM chat_details c, json_each(c.postponed) p WHERE postponed_until IS NOT NULL;
  SELECT id, line, state ->> 'is_group' AS is_group, last_seq, call_at, timer_at, waiting, hold_until, state ->> 'hold_by' AS hold_by,
    state ->> 'hold_reason' AS hold_reason, postponed_until, state -> 'postponed' AS postponed,
    state ->> 'last_message_id' AS last_message_id, coalesce(state ->> 'last_event_seq', iif(state ->> 'id' IS NULL, last_seq, 0), 0) AS last_event_seq,
    coalesce(state ->> 'veto_seq', 0) AS veto_seq, coalesce(state ->> 'read_through_seq', 0) AS read_through_seq,
    retries, state ->> 'retry_not_before' AS retry_not_before, state -> 'cooldowns' AS cooldowns, state
  FROM chats;
